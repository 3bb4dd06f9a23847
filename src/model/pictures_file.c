/* Pictures of sequences out of a file of named tensors. */
#include "model/pictures.h"

#include <stdio.h>
#include <string.h>

typedef struct reading {
    const ts_st_file *file;
    int64_t number;
    float *pixels[TS_SEEN_KINDS];
    int64_t *grid[TS_SEEN_KINDS];
    ts_seen_media seen[TS_SEEN_KINDS];
} reading;

static const ts_st_tensor *find(const reading *r, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%lld.%s", (long long)r->number, name);
    return ts_st_file_find(r->file, full);
}

static ts_status read_grid(reading *r, int kind, const char *name)
{
    const ts_st_tensor *t = find(r, name);
    if (!t)
        return TS_OK;
    if (t->dtype != TS_ST_I64 || t->rank != 2 || t->shape[1] != 3)
        return ts_error(TS_ERR_USER, "%s: tensor %s must be I64 of [media, 3]", t->path, t->name);
    TS_TRY(ts_alloc(&r->grid[kind], (size_t)t->elements, sizeof *r->grid[kind]));
    memcpy(r->grid[kind], t->data, (size_t)t->elements * sizeof *r->grid[kind]);
    r->seen[kind].grid = r->grid[kind], r->seen[kind].n = t->shape[0];
    return TS_OK;
}

static ts_status read_kind(reading *r, int kind, const char *pixels, const char *grid)
{
    const ts_st_tensor *t = find(r, pixels);
    ts_seen_media *s = &r->seen[kind];
    s->what = pixels;
    if (!t)
        return TS_OK;
    if (t->rank != 2 && t->rank != 4)
        return ts_error(TS_ERR_USER, "%s: tensor %s has %d dimensions, expected 2 or 4", t->path, t->name, t->rank);
    TS_TRY(ts_alloc(&r->pixels[kind], (size_t)t->elements, sizeof *r->pixels[kind]));
    TS_TRY(ts_st_read_f32(t, 0, t->elements, r->pixels[kind]));
    s->pixels = r->pixels[kind];
    s->rank = t->rank;
    memcpy(s->shape, t->shape, sizeof s->shape);
    return read_grid(r, kind, grid);
}

ts_status ts_picture_set_read(const ts_arch *a, const ts_st_file *file, int64_t number, const int32_t *ids, int64_t n,
                              const char *where, ts_picture_set *out)
{
    reading r = { .file = file, .number = number };
    ts_status st = read_kind(&r, TS_SEEN_PICTURES, "pixel_values", "image_grid_thw");
    if (st == TS_OK)
        st = read_kind(&r, TS_SEEN_CLIPS, "pixel_values_videos", "video_grid_thw");
    if (st == TS_OK)
        st = ts_picture_set_make(a, ids, n, r.seen, where, out);
    for (int k = 0; k < TS_SEEN_KINDS; k++) {
        ts_free(&r.pixels[k]);
        ts_free(&r.grid[k]);
    }
    return st;
}
