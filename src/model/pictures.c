#include "model/pictures.h"

#include "media/positions.h"

#include <string.h>

void ts_picture_set_deinit(ts_picture_set *s)
{
    ts_free(&s->grid);
    ts_free(&s->pixels);
    ts_free(&s->at);
    ts_free(&s->places);
    *s = (ts_picture_set){ 0 };
}

typedef struct making {
    const ts_vision_arch *v;
    int8_t *kind; /* [n] of each token */
    const ts_seen_media *seen;
    const char *where;
    ts_picture_set *out;
    int64_t media[TS_SEEN_KINDS];  /* of each kind */
    int64_t first[TS_SEEN_KINDS];  /* number of the first among all; */
} making;

/* ---- grids and pixels ---- */

static ts_status check_shape(const making *m, const ts_seen_media *x)
{
    const ts_vision_arch *v = m->v;
    if (x->rank == 2 && x->grid && x->shape[1] == ts_vision_pixels(v))
        return TS_OK;
    if (x->rank == 4 && x->shape[1] == v->channels && x->shape[2] % (v->patch * v->merge) == 0 &&
        x->shape[3] % (v->patch * v->merge) == 0 && v->frames == 1 &&
        (!v->side || (x->shape[2] == v->side * v->patch && x->shape[3] == v->side * v->patch)))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: %s is not of the sizes that the model's vision tower reads", m->where, x->what);
}

/* Pictures [n, C, H, W] as patches: rows of channels, rows and columns of pixels. */
static void cut(const ts_vision_arch *v, const ts_seen_media *x, float *out)
{
    const int64_t C = v->channels, P = v->patch, H = x->shape[2], W = x->shape[3];
    for (int64_t i = 0; i < x->shape[0]; i++)
        for (int64_t y = 0; y < H; y += P)
            for (int64_t c0 = 0; c0 < W; c0 += P)
                for (int64_t c = 0; c < C; c++)
                    for (int64_t r = 0; r < P; r++, out += P)
                        memcpy(out, x->pixels + ((i * C + c) * H + y + r) * W + c0, (size_t)P * sizeof *out);
}

static ts_status check_grid(const making *m, const ts_seen_media *x, const ts_patch_grid *g)
{
    const int64_t merge = m->v->merge;
    if (g->t > 0 && g->h > 0 && g->w > 0 && g->h % merge == 0 && g->w % merge == 0)
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: a grid of %s is %lld x %lld x %lld patches, expected rows and columns in multiples of %lld",
                    m->where, x->what, (long long)g->t, (long long)g->h, (long long)g->w, (long long)merge);
}

static ts_status take(making *m)
{
    int64_t n = 0, patches = 0;
    ts_picture_set *s = m->out;
    for (int k = 0; k < TS_SEEN_KINDS; k++) {
        const ts_seen_media *x = &m->seen[k];
        if (x->rank)
            TS_TRY(check_shape(m, x));
        m->first[k] = n;
        m->media[k] = x->rank == 4 ? x->shape[0] : x->rank ? x->n : 0;
        n += m->media[k];
        patches += x->rank == 4 ? x->shape[0] * (x->shape[2] / m->v->patch) * (x->shape[3] / m->v->patch) : x->rank ? x->shape[0] : 0;
    }
    TS_TRY(ts_alloc(&s->grid, (size_t)n, sizeof *s->grid));
    TS_TRY(ts_alloc(&s->pixels, (size_t)(patches * ts_vision_pixels(m->v)), sizeof *s->pixels));
    float *to = s->pixels;
    for (int k = 0; k < TS_SEEN_KINDS; k++) {
        const ts_seen_media *x = &m->seen[k];
        int64_t own = 0;
        for (int64_t i = 0; i < m->media[k]; i++) {
            ts_patch_grid *g = &s->grid[m->first[k] + i];
            *g = x->rank == 4 ? (ts_patch_grid){ 1, x->shape[2] / m->v->patch, x->shape[3] / m->v->patch }
                              : (ts_patch_grid){ x->grid[3 * i], x->grid[3 * i + 1], x->grid[3 * i + 2] };
            TS_TRY(check_grid(m, x, g));
            own += g->t * g->h * g->w;
        }
        if (x->rank == 2 && own != x->shape[0])
            return ts_error(TS_ERR_USER, "%s: %s has %lld patches, its grids %lld", m->where, x->what, (long long)x->shape[0],
                            (long long)own);
        if (x->rank == 4)
            cut(m->v, x, to);
        else if (own)
            memcpy(to, x->pixels, (size_t)(own * ts_vision_pixels(m->v)) * sizeof *to);
        to += own * ts_vision_pixels(m->v);
    }
    s->p = (ts_pictures){ .n = n, .picture = s->grid, .pixels = s->pixels };
    return TS_OK;
}

/* ---- where they stand ---- */

static ts_status count_fails(const making *m, int kind, int64_t tokens, int64_t rows)
{
    return ts_error(TS_ERR_USER, "%s: the text has %lld placeholders for %s, which %s %lld rows", m->where,
                    (long long)tokens, kind == TS_SEEN_CLIPS ? "its clips" : "its pictures",
                    rows == 1 ? "has" : "have", (long long)rows);
}

/* Whose placeholder each token is, -1: no medium's. */
static void find_kinds(const ts_vision_arch *v, const int32_t *ids, int64_t n, int8_t *kind)
{
    bool in_clip = false;
    for (int64_t i = 0; i < n; i++) {
        const bool shows = v->image_token >= 0 && ids[i] == v->image_token;
        in_clip = v->clip_begins >= 0 && ids[i] == v->clip_begins ? true : ids[i] == v->clip_ends ? false : in_clip;
        kind[i] = shows && in_clip                                    ? TS_SEEN_CLIPS
                  : shows                                             ? TS_SEEN_PICTURES
                  : v->video_token >= 0 && ids[i] == v->video_token ? TS_SEEN_CLIPS
                                                                      : -1;
    }
}

/* Every placeholder of a kind takes the kind's next row. */
static ts_status place_rows(making *m, int64_t n)
{
    ts_picture_set *s = m->out;
    int64_t before = 0;
    TS_TRY(ts_alloc(&s->at, (size_t)ts_pictures_rows(m->v, &s->p), sizeof *s->at));
    s->p.at = s->at;
    for (int k = 0; k < TS_SEEN_KINDS; k++) {
        int64_t rows = 0, tokens = 0;
        for (int64_t i = 0; i < m->media[k]; i++)
            rows += ts_patch_rows(m->v, &s->grid[m->first[k] + i]);
        for (int64_t i = 0; i < n; i++)
            if (m->kind[i] == k) {
                if (tokens < rows)
                    s->at[before + tokens] = (int32_t)i;
                tokens++;
            }
        if (tokens != rows)
            return count_fails(m, k, tokens, rows);
        before += rows;
    }
    return TS_OK;
}

/* ---- positions of three parts ---- */

static ts_placed_medium placed(const making *m, int kind, int64_t number)
{
    const ts_seen_media *x = &m->seen[kind];
    const ts_patch_grid *g = &m->out->grid[m->first[kind] + number];
    const bool timed = kind == TS_SEEN_CLIPS && m->v->per_second > 0;
    return (ts_placed_medium){ .kind = kind == TS_SEEN_CLIPS ? TS_MEDIUM_CLIP : TS_MEDIUM_PICTURE,
                               .steps = g->t,
                               .rows = g->h / m->v->merge,
                               .columns = g->w / m->v->merge,
                               .step = timed ? (x->seconds ? x->seconds[number] : 1) * m->v->per_second : 1,
                               .name = x->what };
}

/* The media in the order of the text, whose placeholders are as many as they have rows. */
static void in_order(const making *m, ts_placed_medium *out)
{
    int64_t next[TS_SEEN_KINDS] = { 0 }, left[TS_SEEN_KINDS] = { 0 };
    for (int64_t i = 0; i < m->out->n; i++) {
        const int k = m->kind[i];
        if (k < 0)
            continue;
        if (!left[k]) {
            left[k] = ts_patch_rows(m->v, &m->out->grid[m->first[k] + next[k]]);
            *out++ = placed(m, k, next[k]++);
        }
        left[k]--;
    }
}

static ts_status place_tokens(making *m)
{
    ts_picture_set *s = m->out;
    ts_placed_medium *media = NULL;
    TS_TRY(ts_alloc(&s->places, (size_t)(3 * s->n), sizeof *s->places));
    TS_TRY(ts_alloc(&media, (size_t)s->p.n, sizeof *media));
    in_order(m, media);
    const ts_placed_text text = { .kind = m->kind, .n = s->n, .media = media, .n_media = s->p.n };
    const ts_status st = ts_positions_make(&text, TS_AFTER_LARGEST, s->places, &s->next);
    ts_free(&media);
    s->p.places = s->places;
    return st;
}

ts_status ts_picture_set_make(const ts_arch *a, const int32_t *ids, int64_t n, const ts_seen_media seen[TS_SEEN_KINDS], const char *where,
                              ts_picture_set *out)
{
    making m = { .v = a->vision, .seen = seen, .where = where, .out = out };
    *out = (ts_picture_set){ .n = n, .next = n };
    if (!a->vision)
        return ts_error(TS_ERR_USER, "%s: the model reads no pictures", where);
    TS_TRY(ts_alloc(&m.kind, (size_t)n, sizeof *m.kind));
    find_kinds(a->vision, ids, n, m.kind);
    ts_status st = take(&m);
    if (st == TS_OK)
        st = place_rows(&m, n);
    if (st == TS_OK && ts_vision_turns(a->vision))
        st = place_tokens(&m);
    ts_free(&m.kind);
    if (st != TS_OK)
        ts_picture_set_deinit(out);
    return st;
}
