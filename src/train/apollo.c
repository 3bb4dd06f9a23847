#include "train/apollo.h"

#include <math.h>

/* ---- memory ---- */

typedef struct work {
    ts_lowrank_shape s;
    int64_t short_side;
    float *p, *r, *x, *factor, *scaled; /* scaled: of a patch */
    double *sums;
    size_t bytes;
} work;

static work lay_out(const ts_lowrank *a, const ts_param *p, char *room)
{
    work w = { .s = ts_lowrank_shape_of(a, p) };
    const size_t f = sizeof(float), r = (size_t)(w.s.rows * w.s.cols);
    const int64_t channels = w.s.by_rows ? w.s.rows : w.s.cols;
    const int64_t all = w.s.height * w.s.width, row = w.s.width,
                  most = all < TS_LOWRANK_PATCH ? all : row > TS_LOWRANK_PATCH ? row : TS_LOWRANK_PATCH;
    w.short_side = w.s.by_rows ? w.s.width : w.s.height;
    w.p = ts_device_take(room, &w.bytes, (size_t)(w.s.rank * w.short_side) * f);
    w.r = ts_device_take(room, &w.bytes, r * f);
    w.x = ts_device_take(room, &w.bytes, r * f);
    w.factor = ts_device_take(room, &w.bytes, (size_t)channels * f);
    w.scaled = ts_device_take(room, &w.bytes, (size_t)most * f);
    const int64_t longest = most > (int64_t)r ? most : (int64_t)r;
    w.sums = ts_device_take(room, &w.bytes, (size_t)ts_sumsq_blocks(longest) * sizeof(double));
    return w;
}

size_t ts_apollo_bytes(const ts_lowrank *a, const ts_param *p) { return lay_out(a, p, NULL).bytes; }

/* ---- a step ---- */

/* R: its scale, the gradient's, comes behind the product. */
static ts_status project(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w)
{
    const int64_t n = w->s.rows * w->s.cols, made = (x->steps - 1) / a->o->matrix.apollo_interval;
    TS_TRY(ts_lowrank_random(a, x->p, made, w->s.rank * w->short_side, 1 / sqrt((double)w->s.rank), w->p));
    TS_TRY(ts_lowrank_project(a, x, w->s.by_rows, w->s.rank, w->p, w->r));
    const ts_elementwise_args s = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32, .y_dtype = TS_DTYPE_F32,
                                    .x = w->r, .z = w->r, .y = w->r, .alpha = (float)x->grad_scale };
    ts_launch_add(a->dev, &s, n, (ts_cost){ (double)n, 8 * (double)n, TS_DTYPE_F32 });
    return TS_OK;
}

/* Adds the squares of n numbers. */
static ts_status add_squares(const ts_lowrank *a, const work *w, const float *x, int64_t n, double *sum)
{
    const int64_t blocks = ts_sumsq_blocks(n);
    const ts_sumsq_args k = { .x = x, .x_dtype = TS_DTYPE_F32, .len = n, .out = w->sums };
    double *host;
    ts_launch_sumsq(a->dev, &k, blocks, (ts_cost){ 2 * (double)n, 4 * (double)n, TS_DTYPE_F32 });
    TS_TRY(ts_alloc(&host, (size_t)blocks, sizeof *host));
    const ts_status st = ts_device_read(a->dev, host, w->sums, (size_t)blocks * sizeof *host);
    for (int64_t i = 0; i < blocks; i++)
        *sum += host[i];
    ts_free(&host);
    return st;
}

/* |X_c| / |R_c| of each channel, or for all of them |X| / |R|. */
static ts_status find_factors(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w)
{
    const int64_t n = w->s.rows * w->s.cols, channels = w->s.by_rows ? w->s.rows : w->s.cols;
    ts_apollo_args k = { .r = w->r, .m = ts_lowrank_state(a, x->p, 0), .v = ts_lowrank_state(a, x->p, 1), .x = w->x,
                         .beta1 = (float)a->o->adam_beta1, .beta2 = (float)a->o->adam_beta2,
                         .eps = (float)a->o->adam_eps, .depth = w->s.rank, .by_rows = w->s.by_rows,
                         .factor = w->factor, .cols = w->s.cols };
    double above = 0, below = 0;
    ts_launch_apollo_moments(a->dev, &k, n, (ts_cost){ 9 * (double)n, 24 * (double)n, TS_DTYPE_F32 });
    if (a->o->matrix.apollo_scale_type == TS_APOLLO_CHANNEL) {
        ts_launch_apollo_factors(a->dev, &k, channels, (ts_cost){ 4 * (double)n, 8 * (double)n, TS_DTYPE_F32 });
        return TS_OK;
    }
    TS_TRY(add_squares(a, w, w->x, n, &above));
    TS_TRY(add_squares(a, w, w->r, n, &below));
    const ts_elementwise_args all = { .y_dtype = TS_DTYPE_F32, .y = w->factor,
                                      .alpha = (float)(sqrt(above) / (sqrt(below) + 1e-8)) };
    ts_launch_fill(a->dev, &all, channels, (ts_cost){ 0, 4 * (double)channels, TS_DTYPE_F32 });
    return TS_OK;
}

/* The scaled gradient of a patch: what makes it. */
static ts_apollo_args scaled_args(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w, const ts_patch *t)
{
    return (ts_apollo_args){ .by_rows = w->s.by_rows, .factor = w->factor + (w->s.by_rows ? t->row : t->col),
                             .grad = ts_lowrank_grad(x, t), .y = w->scaled, .cols = t->cols, .ld = t->ld,
                             .scale = (float)(x->grad_scale * sqrt(a->o->matrix.apollo_scale)) };
}

/* The square of the scaled gradient's norm, of all processes. */
static ts_status size_of(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w, double *square)
{
    ts_patches all = ts_patches_of(x->p, TS_LOWRANK_PATCH);
    ts_patch t;
    *square = 0;
    while (ts_patches_next(&all, &t)) {
        const double n = (double)(t.rows * t.cols);
        if (!t.counts)
            continue;
        const ts_apollo_args k = scaled_args(a, x, w, &t);
        ts_launch_apollo_scale(a->dev, &k, t.rows, (ts_cost){ 2 * n, 8 * n, TS_DTYPE_F32 });
        TS_TRY(add_squares(a, w, w->scaled, t.rows * t.cols, square));
    }
    const ts_comm_call sum = ts_all_reduce(square, 1, TS_COMM_F64, TS_COMM_SUM);
    if (x->sharers)
        TS_TRY(ts_comm_run(x->sharers, sum));
    return ts_lowrank_is_cut(x) ? ts_comm_run(x->group, sum) : TS_OK;
}

/* What the step is multiplied by so that its norm is at most 1.01 times the last one's, which it becomes. */
static ts_status limit(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w, double *by)
{
    float *at = ts_lowrank_state(a, x->p, 2), last = 0;
    double square;
    TS_TRY(size_of(a, x, w, &square));
    TS_TRY(ts_device_read(a->dev, &last, at, sizeof last));
    const double size = sqrt(square);
    *by = last > 0 && size > 1.01 * (double)last ? 1.01 * (double)last / size : 1;
    last = (float)(size * *by);
    a->dev->to_device(a->dev, at, &last, sizeof last);
    return TS_OK;
}

static void apply(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w, const ts_patch *t, double rate)
{
    ts_apollo_args k = scaled_args(a, x, w, t);
    k.rate = (float)rate;
    ts_lowrank_apply(a, x, t, &k);
}

ts_status ts_apollo_step(const ts_lowrank *a, const ts_lowrank_step_args *x)
{
    const work w = lay_out(a, x->p, a->room->data);
    const double b1 = pow(a->o->adam_beta1, (double)x->steps), b2 = pow(a->o->adam_beta2, (double)x->steps),
                 step = x->lr * sqrt(1 - b2) / (1 - b1);
    double by;
    TS_TRY(project(a, x, &w));
    TS_TRY(find_factors(a, x, &w));
    TS_TRY(limit(a, x, &w, &by));
    ts_patches all = ts_lowrank_patches(a, x->p);
    ts_patch t;
    while (ts_patches_next(&all, &t))
        apply(a, x, &w, &t, step * by);
    return TS_OK;
}
