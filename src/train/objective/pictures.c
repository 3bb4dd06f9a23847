#include "train/objective/pictures.h"

#include <string.h>

static ts_status read_row(const ts_picture_feed *f, const ts_micro_batch *m, int64_t row, ts_media_line *line, ts_picture_set *out)
{
    char where[400];
    const int64_t record = *ts_batch_ints(m->batch, "record", m->row + row);
    TS_TRY(ts_mm_source_read(f->source, record, line));
    ts_mm_source_where(f->source, record, where, sizeof where);
    return ts_picture_set_of(f->arch, &line->media, line->ids.v, (int64_t)line->ids.n, where, out);
}

static ts_status room(ts_tape *tape, int64_t n, size_t size, void *out)
{
    return ts_arena_alloc(&tape->arena, (size_t)(n > 0 ? n : 1) * size, out);
}

/* Rows [length] of one sample: its positions, and behind them those of filling, which nobody sees. */
static void put_places(const ts_picture_set *s, int64_t b, int64_t rows, int64_t length, int32_t *out)
{
    for (int part = 0; part < 3; part++)
        for (int64_t i = 0; i < length; i++)
            out[part * rows * length + b * length + i] = (int32_t)(i < s->n && s->places ? s->places[part * s->n + i] : i);
}

/* All sets in one, in the tape's arena. */
static ts_status join(const ts_picture_feed *f, ts_tape *tape, const ts_picture_set *set, int64_t rows, int64_t length,
                      ts_pictures **out)
{
    const ts_vision_arch *v = f->arch->vision;
    int64_t n = 0, patches = 0, at = 0;
    ts_pictures *p;
    ts_patch_grid *grid;
    float *pixels;
    int32_t *to, *places = NULL;
    for (int64_t b = 0; b < rows; b++) {
        n += set[b].p.n;
        patches += ts_pictures_patches(&set[b].p);
        at += ts_pictures_rows(v, &set[b].p);
    }
    TS_TRY(room(tape, 1, sizeof *p, &p));
    TS_TRY(room(tape, n, sizeof *grid, &grid));
    TS_TRY(room(tape, patches * ts_vision_pixels(v), sizeof *pixels, &pixels));
    TS_TRY(room(tape, at, sizeof *to, &to));
    if (ts_vision_turns(v))
        TS_TRY(room(tape, 3 * rows * length, sizeof *places, &places));
    *p = (ts_pictures){ .n = n, .picture = grid, .pixels = pixels, .at = to, .places = places };
    for (int64_t b = 0; b < rows; b++) {
        const ts_pictures *one = &set[b].p;
        const int64_t values = ts_pictures_patches(one) * ts_vision_pixels(v), own = ts_pictures_rows(v, one);
        if (one->n) {
            memcpy(grid, one->picture, (size_t)one->n * sizeof *grid);
            memcpy(pixels, one->pixels, (size_t)values * sizeof *pixels);
        }
        for (int64_t i = 0; i < own; i++)
            *to++ = (int32_t)(b * length) + one->at[i];
        grid += one->n, pixels += values;
        if (places)
            put_places(&set[b], b, rows, length, places);
    }
    *out = p;
    return TS_OK;
}

ts_status ts_pictures_upload(const ts_picture_feed *f, ts_tape *tape, const ts_micro_batch *m, int64_t length,
                             const ts_pictures **out)
{
    ts_picture_set *set;
    ts_media_line line = { 0 };
    ts_pictures *all = NULL;
    *out = NULL;
    if (!f->source || !tape->dev->computes)
        return TS_OK;
    TS_TRY(ts_alloc(&set, (size_t)m->rows, sizeof *set));
    ts_status st = TS_OK;
    for (int64_t b = 0; st == TS_OK && b < m->rows; b++)
        st = read_row(f, m, b, &line, &set[b]);
    if (st == TS_OK)
        st = join(f, tape, set, m->rows, length, &all);
    for (int64_t b = 0; b < m->rows; b++)
        ts_picture_set_deinit(&set[b]);
    ts_free(&set);
    ts_media_line_deinit(&line);
    *out = all;
    return st;
}
