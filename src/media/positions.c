#include "media/positions.h"

#include "media/families.h"

typedef struct walk {
    const ts_media_processor *p;
    const ts_media_sample *s;
    const int32_t *ids;
    int64_t n, at;
    ts_positions_after after;
    int64_t *out[3];
    int64_t next, largest;
} walk;

static void put(walk *w, int64_t t, int64_t y, int64_t x)
{
    const int64_t v[] = { t, y, x };
    for (int d = 0; d < 3; d++) {
        w->out[d][w->at] = v[d];
        w->largest = v[d] > w->largest ? v[d] : w->largest;
    }
    w->at++;
}

static bool is_feature(const ts_media_processor *p, int32_t id)
{
    for (int k = 0; k < TS_MEDIUM_KINDS; k++)
        if (p->feature_id[k] >= 0 && p->feature_id[k] == id)
            return true;
    return false;
}

static void text(walk *w)
{
    while (w->at < w->n && !is_feature(w->p, w->ids[w->at])) {
        put(w, w->next, w->next, w->next);
        w->next++;
    }
}

/* The position of step a of a clip's time, from its beginning. In fp32, as there. */
static int64_t time_of(const walk *w, const ts_medium *m, int64_t a)
{
    const float step = (float)w->p->ids_per_second * (float)m->second_per_grid;
    return w->p->family->second == TS_SECOND_NONE || m->kind != TS_MEDIUM_CLIP ? a : (int64_t)((float)a * step);
}

/* Cells of the medium as a tower merges them. */
static void cells_of(const walk *w, const ts_medium *m, int64_t *rows, int64_t *columns)
{
    const int64_t merge = m->kind == TS_MEDIUM_CLIP ? w->p->clip.merge : w->p->picture.merge;
    *rows = m->grid[1] / merge;
    *columns = m->grid[2] / merge;
}

static void put_cell(walk *w, const ts_medium *m, int64_t i, int64_t base)
{
    int64_t rows, columns;
    cells_of(w, m, &rows, &columns);
    put(w, base + time_of(w, m, i / (rows * columns)), base + i / columns % rows, base + i % columns);
}

/* n ids of one kind must follow. */
static ts_status need(const walk *w, const ts_medium *m, int64_t n)
{
    int64_t k = 0;
    while (k < n && w->at + k < w->n && is_feature(w->p, w->ids[w->at + k]))
        k++;
    if (k == n)
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: the text has %lld ids of it where %lld are due: was it cut?", m->name, (long long)k, (long long)n);
}

/* Cells [0, n) of one run. */
static ts_status run_of_cells(walk *w, const ts_medium *m, int64_t n)
{
    const int64_t base = w->next;
    int64_t rows, columns;
    TS_TRY(need(w, m, n));
    for (int64_t i = 0; i < n; i++)
        put_cell(w, m, i, base);
    cells_of(w, m, &rows, &columns);
    /* a text that is shorter than what was before it never goes back: Omni's rule is the largest, in all versions */
    const bool by_extent = w->after == TS_AFTER_EXTENT && w->p->family->sound == TS_SOUND_NONE;
    w->next = by_extent ? base + (rows > columns ? rows : columns) : w->largest + 1;
    return TS_OK;
}

/* Both from one base, whatever their order. */
static ts_status clip_and_sound(walk *w, const ts_medium *clip, const ts_medium *sound)
{
    const int64_t base = w->next, n = clip->tokens + sound->tokens;
    int64_t v = 0, a = 0;
    TS_TRY(need(w, clip, n));
    for (int64_t i = 0; i < n; i++)
        if (w->ids[w->at] == w->p->feature_id[TS_MEDIUM_SOUND]) {
            put(w, base + a, base + a, base + a);
            a++;
        } else
            put_cell(w, clip, v++, base);
    w->next = w->largest + 1;
    return TS_OK;
}

static ts_status sound(walk *w, const ts_medium *m)
{
    TS_TRY(need(w, m, m->tokens));
    for (int64_t i = 0; i < m->tokens; i++, w->next++)
        put(w, w->next, w->next, w->next);
    return TS_OK;
}

static ts_status medium(walk *w, const ts_medium *m)
{
    const bool apart = m->kind == TS_MEDIUM_CLIP && w->p->family->clip_widening != TS_WIDEN_IDS;
    const int64_t runs = apart ? m->grid[0] : 1;
    if (m->kind == TS_MEDIUM_SOUND)
        return sound(w, m);
    for (int64_t g = 0; g < runs; g++) {
        if (g)
            text(w);
        TS_TRY(run_of_cells(w, m, m->tokens / runs));
    }
    return TS_OK;
}

ts_status ts_media_positions(const ts_media_processor *p, const ts_media_sample *s, const int32_t *ids, int64_t n,
                             ts_positions_after after, int64_t *out, int64_t *next)
{
    walk w = { .p = p, .s = s, .ids = ids, .n = n, .after = after, .out = { out, out + n, out + 2 * n }, .largest = -1 };
    for (size_t i = 0; i < s->n; i++) {
        const ts_medium *m = &s->v[i];
        text(&w);
        if (m->kind != TS_MEDIUM_SOUND && !m->grid[0])
            return ts_error(TS_ERR_USER, "%s: models of the kind \"%s\" have no positions of time, height and width", m->name,
                            p->family->model_type);
        if (m->has_own_sound)
            TS_TRY(clip_and_sound(&w, m, &s->v[++i]));
        else
            TS_TRY(medium(&w, m));
    }
    text(&w);
    if (w.at < n)
        return ts_error(TS_ERR_USER, "id number %lld of the text is a medium's, but there are no more media", (long long)w.at);
    *next = w.largest + 1;
    return TS_OK;
}
