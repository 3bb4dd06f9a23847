#include "media/positions.h"

typedef struct walk {
    const ts_placed_text *text;
    ts_positions_after after;
    int32_t *out;
    int64_t at, next, largest;
} walk;

static void put(walk *w, int64_t t, int64_t y, int64_t x)
{
    const int64_t v[] = { t, y, x };
    for (int d = 0; d < 3; d++) {
        w->out[d * w->text->n + w->at] = (int32_t)v[d];
        w->largest = v[d] > w->largest ? v[d] : w->largest;
    }
    w->at++;
}

static void text(walk *w)
{
    for (; w->at < w->text->n && w->text->kind[w->at] < 0; w->next++)
        put(w, w->next, w->next, w->next);
}

/* Step a of the time of m is whole positions, in fp32 as in transformers. */
static void put_cell(walk *w, const ts_placed_medium *m, int64_t i, int64_t base)
{
    const int64_t t = (int64_t)((float)(i / (m->rows * m->columns)) * (float)m->step);
    put(w, base + t, base + i / m->columns % m->rows, base + i % m->columns);
}

/* Ids of media that stand together here, `most` at most. */
static int64_t run_here(const walk *w, int64_t most)
{
    int64_t k = 0;
    while (k < most && w->at + k < w->text->n && w->text->kind[w->at + k] >= 0)
        k++;
    return k;
}

static ts_status cut_short(const ts_placed_medium *m, int64_t found, int64_t due)
{
    return ts_error(TS_ERR_USER, "%s: the text has %lld ids of it where %lld are due: was it cut?",
                    m->name, (long long)found, (long long)due);
}

static ts_status need(const walk *w, const ts_placed_medium *m, int64_t n)
{
    const int64_t k = run_here(w, n);
    return k == n ? TS_OK : cut_short(m, k, n);
}

/* Both from one base, whatever their order. */
static ts_status clip_and_sound(walk *w, const ts_placed_medium *clip,
                                const ts_placed_medium *sound)
{
    const int64_t base = w->next, cells = clip->steps * clip->rows * clip->columns,
                  n = cells + sound->steps;
    int64_t v = 0, a = 0;
    TS_TRY(need(w, clip, n));
    for (int64_t i = 0; i < n; i++)
        if (w->text->kind[w->at] == TS_MEDIUM_SOUND) {
            put(w, base + a, base + a, base + a);
            a++;
        } else
            put_cell(w, clip, v++, base);
    w->next = w->largest + 1;
    return TS_OK;
}

static ts_status sound(walk *w, const ts_placed_medium *m)
{
    TS_TRY(need(w, m, m->steps));
    for (int64_t i = 0; i < m->steps; i++, w->next++)
        put(w, w->next, w->next, w->next);
    return TS_OK;
}

/* The medium's steps, as many at a time as stand together, with the text between. */
static ts_status cells(walk *w, const ts_placed_medium *m)
{
    const int64_t plane = m->rows * m->columns,
                  longer = m->rows > m->columns ? m->rows : m->columns;
    for (int64_t left = m->steps; left > 0;) {
        const int64_t base = w->next, here = run_here(w, left * plane);
        if (here < plane || here % plane)
            return cut_short(m, (m->steps - left) * plane + here, m->steps * plane);
        for (int64_t i = 0; i < here; i++)
            put_cell(w, m, i, base);
        w->next = w->after == TS_AFTER_EXTENT ? base + longer : w->largest + 1;
        left -= here / plane;
        if (left)
            text(w);
    }
    return TS_OK;
}

ts_status ts_positions_make(const ts_placed_text *of, ts_positions_after after, int32_t *out,
                            int64_t *next)
{
    walk w = { .text = of, .after = after, .out = out, .largest = -1 };
    for (int64_t i = 0; i < of->n_media; i++) {
        const ts_placed_medium *m = &of->media[i];
        text(&w);
        if (m->has_own_sound)
            TS_TRY(clip_and_sound(&w, m, &of->media[++i]));
        else if (m->kind == TS_MEDIUM_SOUND)
            TS_TRY(sound(&w, m));
        else
            TS_TRY(cells(&w, m));
    }
    text(&w);
    if (w.at < of->n)
        return ts_error(TS_ERR_USER,
                        "id number %lld of the text is a medium's, but there are no more media",
                        (long long)w.at);
    *next = w.largest + 1;
    return TS_OK;
}
