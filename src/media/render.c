#include "media/render.h"

#include <string.h>

void ts_levels_init(ts_levels *l, const ts_vision_settings *v)
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) {
            const float x = v->rescale ? (float)((double)i * v->factor) : (float)i;
            l->of[c][i] = v->normalize ? (x - (float)v->mean[c]) / (float)v->std[c] : x;
        }
}

/* The picture in the middle of a square of the ground. */
static ts_status squared(const ts_picture *in, const uint8_t *ground, ts_picture *out)
{
    const int64_t side = in->width > in->height ? in->width : in->height;
    const int64_t left = (side - in->width) / 2, top = (side - in->height) / 2;
    if (side > TS_PICTURE_MAX_PIXELS / side)
        return ts_error(TS_ERR_USER, "a square around %lld x %lld pixels is too large", (long long)in->width, (long long)in->height);
    *out = (ts_picture){ .width = side, .height = side };
    TS_TRY(ts_alloc(&out->rgb, (size_t)(side * side), 3));
    for (int64_t i = 0; i < side * side; i++)
        memcpy(out->rgb + 3 * i, ground, 3);
    for (int64_t y = 0; y < in->height; y++)
        memcpy(out->rgb + 3 * ((top + y) * side + left), in->rgb + 3 * y * in->width, (size_t)(3 * in->width));
    return TS_OK;
}

/* The picture as a view has it resized: `made` where it had to be, else the picture itself. */
static ts_status resized(const ts_vision_settings *v, const ts_view *w, const ts_picture *in, ts_picture *made,
                         const ts_picture **out)
{
    *out = in;
    if (w->to_width == in->width && w->to_height == in->height)
        return TS_OK;
    TS_TRY(ts_picture_resize(in, w->to_width, w->to_height, v->resample, TS_RESIZE_BEST, made));
    *out = made;
    return TS_OK;
}

/* n pixels of row y of the piece, from column x on. */
static void piece_row(const ts_view *w, const ts_picture *p, int64_t y, int64_t x, int64_t n, uint8_t *to)
{
    const int64_t py = w->top + y, px = w->left + x;
    const int64_t from = px < 0 ? (-px < n ? -px : n) : 0;
    int64_t end = p->width - px < n ? p->width - px : n;
    if (py < 0 || py >= p->height || end < from)
        end = from;
    for (int64_t i = 0; i < from; i++)
        memcpy(to + 3 * i, w->ground, 3);
    if (end > from)
        memcpy(to + 3 * from, p->rgb + 3 * (py * p->width + px + from), (size_t)(3 * (end - from)));
    for (int64_t i = end; i < n; i++)
        memcpy(to + 3 * i, w->ground, 3);
}

static ts_status put_tiles(const ts_levels *l, const ts_view *w, const ts_picture *p, ts_media_tensors *out)
{
    const int64_t height = w->height / w->rows, width = w->width / w->columns, tiles = w->rows * w->columns;
    const int64_t inner[] = { 3, height, width }, plane = height * width;
    ts_media_tensor *t = NULL;
    float *to = NULL;
    uint8_t *row = NULL;
    TS_TRY(ts_media_tensors_of(out, w->is_local ? "pixel_values_local" : "pixel_values", TS_ST_F32, 4, inner, &t));
    TS_TRY(ts_media_tensor_rows(t, tiles, &to));
    TS_TRY(ts_alloc(&row, (size_t)width, 3));
    for (int64_t i = 0; i < tiles; i++, to += 3 * plane)
        for (int64_t y = 0; y < height; y++) {
            piece_row(w, p, i / w->columns * height + y, i % w->columns * width, width, row);
            for (int64_t x = 0; x < width; x++)
                for (int c = 0; c < 3; c++)
                    to[c * plane + y * width + x] = l->of[c][row[3 * x + c]];
        }
    ts_free(&row);
    return TS_OK;
}

ts_status ts_render_planes(const ts_vision_settings *v, const ts_levels *l, const ts_plan *plan, const ts_picture *in,
                           ts_media_tensors *out)
{
    ts_picture square = { 0 };
    ts_status st = TS_OK;
    if (plan->is_squared && in->width != in->height)
        TS_TRY(squared(in, plan->view[0].ground, &square));
    for (int i = 0; st == TS_OK && i < plan->n; i++) {
        ts_picture made = { 0 };
        const ts_picture *p = NULL;
        ts_view w = plan->view[i];
        if (plan->is_squared) /* what a piece reaches over is black */
            memset(w.ground, 0, sizeof w.ground);
        st = resized(v, &w, square.rgb ? &square : in, &made, &p);
        if (st == TS_OK)
            st = put_tiles(l, &w, p, out);
        ts_picture_deinit(&made);
    }
    ts_picture_deinit(&square);
    return st;
}

/* ---- patches ---- */

/* One frame of a group into its place in each row; rows [grid]. */
static void put_patches(const ts_vision_settings *v, const ts_levels *l, const ts_picture *p, int64_t slot, float *rows)
{
    const int64_t side = v->patch, merge = v->merge, across = p->width / side, down = p->height / side;
    const int64_t area = side * side, size = 3 * v->temporal * area;
    for (int64_t py = 0; py < down; py++)
        for (int64_t px = 0; px < across; px++) {
            const int64_t block = py / merge * (across / merge) + px / merge;
            float *to = rows + (block * merge * merge + py % merge * merge + px % merge) * size + slot * area;
            for (int64_t y = 0; y < side; y++) {
                const uint8_t *in = p->rgb + 3 * ((py * side + y) * p->width + px * side);
                for (int c = 0; c < 3; c++)
                    for (int64_t x = 0; x < side; x++)
                        to[c * v->temporal * area + y * side + x] = l->of[c][in[3 * x + c]];
            }
        }
}

/* What a slot has, into the next one of each row. */
static void copy_slot(const ts_vision_settings *v, int64_t n, int64_t slot, float *rows)
{
    const int64_t area = v->patch * v->patch;
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) {
            float *at = rows + ((i * 3 + c) * v->temporal + slot) * area;
            memcpy(at + area, at, (size_t)area * sizeof *at);
        }
}

ts_status ts_render_patches(const ts_vision_settings *v, const ts_levels *l, const ts_plan *plan, const ts_picture *in,
                            int64_t frame, bool is_last, const char *name, ts_media_tensors *out)
{
    const ts_view *w = &plan->view[0];
    const int64_t n = w->height / v->patch * (w->width / v->patch), inner[] = { 3 * v->temporal * v->patch * v->patch };
    int64_t slot = frame % v->temporal;
    ts_picture made = { 0 };
    const ts_picture *p = NULL;
    ts_media_tensor *t = NULL;
    float *rows = NULL;
    TS_TRY(ts_media_tensors_of(out, name, TS_ST_F32, 2, inner, &t));
    if (slot)
        rows = (float *)t->data + (t->shape[0] - n) * inner[0];
    else
        TS_TRY(ts_media_tensor_rows(t, n, &rows));
    TS_TRY(resized(v, w, in, &made, &p));
    put_patches(v, l, p, slot, rows);
    ts_picture_deinit(&made);
    for (; is_last && slot + 1 < v->temporal; slot++)
        copy_slot(v, n, slot, rows);
    return TS_OK;
}
