/* Where patches and tokens stand: the order of a tower's rows, its learned places, angles. */
#include "model/tower.h"

#include <math.h>
#include <string.h>

int64_t ts_patch_rows(const ts_vision_arch *v, const ts_patch_grid *p) { return p->t * (p->h / v->merge) * (p->w / v->merge); }

int64_t ts_pictures_patches(const ts_pictures *p)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->n; i++)
        n += p->picture[i].t * p->picture[i].h * p->picture[i].w;
    return n;
}

int64_t ts_pictures_rows(const ts_vision_arch *v, const ts_pictures *p)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->n; i++)
        n += ts_patch_rows(v, &p->picture[i]);
    return n;
}

int64_t ts_tower_row_count(const ts_vision_arch *v, const ts_pictures *p)
{
    int64_t n = ts_pictures_patches(p);
    for (int64_t i = 0; v->has_class && i < p->n; i++)
        n += p->picture[i].t;
    return n;
}

/* ---- order ---- */

typedef struct ordering {
    const ts_vision_arch *v;
    const ts_patch_grid *of;
    int32_t picture, pixels, cells; /* before this frame */
    int64_t n, rows;                /* written: rows, merged ones */
    ts_tower_row *row;
    int32_t *order;
} ordering;

static int32_t pixels_of(const ordering *o, int64_t y, int64_t x)
{
    const int64_t m = o->v->merge, w = o->of->w;
    return o->pixels + (int32_t)(o->v->in_blocks ? ((y / m) * (w / m) + x / m) * m * m + y % m * m + x % m : y * w + x);
}

/* The patches that are merged into row cy, column cx. */
static void put_cell(ordering *o, int64_t cy, int64_t cx)
{
    const int64_t m = o->v->merge;
    for (int64_t i = 0; i < m * m; i++) {
        const int64_t y = cy * m + i / m, x = cx * m + i % m;
        o->row[o->n++] = (ts_tower_row){ .pixels = pixels_of(o, y, x), .y = (int32_t)y, .x = (int32_t)x, .picture = o->picture };
    }
    o->order[o->rows++] = o->cells + (int32_t)(cy * (o->of->w / m) + cx);
}

static void put_window(ordering *o, int64_t cy, int64_t cx, int64_t side)
{
    const int64_t m = o->v->merge, H = o->of->h / m, W = o->of->w / m, first = o->n;
    for (int64_t y = cy; y < H && y < cy + side; y++)
        for (int64_t x = cx; x < W && x < cx + side; x++)
            put_cell(o, y, x);
    for (int64_t i = first; i < o->n; i++)
        o->row[i].window_first = (int32_t)first, o->row[i].window_last = (int32_t)(o->n - 1);
}

static void put_frame(ordering *o)
{
    const int64_t m = o->v->merge, H = o->of->h / m, W = o->of->w / m, first = o->n;
    const int64_t side = o->v->window ? o->v->window : H > W ? H : W; /* without windows all is one */
    if (o->v->has_class)
        o->row[o->n++] = (ts_tower_row){ .pixels = -1, .picture = o->picture };
    for (int64_t y = 0; y < H; y += side)
        for (int64_t x = 0; x < W; x += side)
            put_window(o, y, x, side);
    for (int64_t i = first; i < o->n; i++)
        o->row[i].first = (int32_t)first, o->row[i].last = (int32_t)(o->n - 1);
    o->pixels += (int32_t)(o->of->h * o->of->w);
    o->cells += (int32_t)(H * W);
}

void ts_tower_rows(const ts_vision_arch *v, const ts_pictures *p, ts_tower_row *row, int32_t *order)
{
    ordering o = { .v = v, .row = row, .order = order };
    for (o.picture = 0; o.picture < p->n; o.picture++) {
        o.of = &p->picture[o.picture];
        for (int64_t t = 0; t < o.of->t; t++)
            put_frame(&o);
    }
}

/* ---- learned places ---- */

/* Keys's cubic kernel with a = -0.75, as torch has it. */
static double cubic(double x)
{
    const double a = -0.75;
    x = fabs(x);
    return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((x - 5) * x + 8) * a * x - 4 * a : 0;
}

/* Weights of one axis: taps from `*first` on, of a table of `side`. */
static int axis(ts_vision_places kind, int64_t i, int64_t n, int64_t side, int64_t *first, double w[4])
{
    if (kind == TS_PLACES_BILINEAR) {
        const float step = n > 1 ? (float)(side - 1) / (float)(n - 1) : 0;
        /* torch's linspace counts its second half from the end */
        const float at = i < n / 2 ? (float)i * step : (float)(side - 1) - step * (float)(n - 1 - i);
        const float f = n > 1 ? at - floorf(at) : 0;
        *first = n > 1 ? (int64_t)at : 0;
        w[0] = (double)(1 - f), w[1] = (double)f;
        return 2;
    }
    const double at = ((double)i + 0.5) / (double)n * (double)side - 0.5, whole = floor(at);
    *first = (int64_t)whole - 1;
    for (int k = 0; k < 4; k++)
        w[k] = cubic(at - (whole - 1 + k));
    return 4;
}

static int64_t within(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static void mix_row(const ts_vision_arch *v, const ts_patch_grid *p, const ts_tower_row *r, float *out)
{
    double wy[4], wx[4];
    int64_t y, x;
    const int64_t own = v->has_class, side = (int64_t)llround(sqrt((double)(v->places_rows - own)));
    if (v->placing == TS_PLACES_TABLE) {
        out[r->pixels < 0 ? 0 : own + r->y * p->w + r->x] = 1;
        return;
    }
    const int n = axis(v->placing, r->y, p->h, side, &y, wy);
    axis(v->placing, r->x, p->w, side, &x, wx);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            out[own + within(y + i, side) * side + within(x + k, side)] += (float)(wy[i] * wx[k]);
}

void ts_tower_mix(const ts_vision_arch *v, const ts_pictures *p, const ts_tower_row *row, int64_t rows, float *out)
{
    memset(out, 0, (size_t)(rows * v->places_rows) * sizeof *out);
    for (int64_t i = 0; i < rows; i++)
        mix_row(v, &p->picture[row[i].picture], &row[i], out + i * v->places_rows);
}

/* ---- angles ---- */

ts_status ts_tower_turns(const ts_vision_arch *v, const ts_tower_row *row, int64_t rows, float *cosines, float *sines)
{
    ts_rope_config half = v->tower.rope[0];
    const int64_t n = v->tower.head_dim / 4;
    int64_t most = 0;
    float *table;
    half.dim = v->tower.head_dim / 2;
    for (int64_t i = 0; i < rows; i++) {
        most = row[i].y > most ? row[i].y : most;
        most = row[i].x > most ? row[i].x : most;
    }
    TS_TRY(ts_alloc(&table, (size_t)(2 * (most + 1) * n), sizeof *table));
    float *const s = table + (most + 1) * n;
    ts_rope_table(&half, most + 1, most + 1, table, s);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < 2 * n; k++) {
            const int64_t at = (k < n ? row[i].y : row[i].x) * n + k % n;
            cosines[i * 2 * n + k] = table[at];
            sines[i * 2 * n + k] = s[at];
        }
    ts_free(&table);
    return TS_OK;
}

/* By which part of its position pair k turns. */
static int part_of(const ts_vision_arch *v, int64_t k)
{
    if (v->turns_mixed)
        return k % 3 == 1 && k < 3 * v->turns_row ? 1 : k % 3 == 2 && k < 3 * v->turns_column ? 2 : 0;
    return k < v->turns_time ? 0 : k < v->turns_time + v->turns_row ? 1 : 2;
}

ts_status ts_decoder_turns(const ts_arch *a, const int32_t *places, int64_t rows, int64_t seq_len, float *cosines, float *sines)
{
    const ts_rope_config *r = &a->rope[0];
    const int64_t n = r->dim / 2;
    int64_t most = 0;
    float *table;
    for (int64_t i = 0; i < 3 * rows; i++)
        most = places[i] > most ? places[i] : most;
    TS_TRY(ts_alloc(&table, (size_t)(2 * (most + 1) * n), sizeof *table));
    float *const s = table + (most + 1) * n;
    ts_rope_table(r, most + 1, seq_len, table, s);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < n; k++) {
            const int64_t at = places[part_of(a->vision, k) * rows + i] * n + k;
            cosines[i * n + k] = table[at];
            sines[i * n + k] = s[at];
        }
    ts_free(&table);
    return TS_OK;
}
