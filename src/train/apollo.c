#include "train/apollo.h"

#include "ops/gemm.h"

#include <math.h>

ts_apollo_shape ts_apollo_shape_of(const ts_apollo *a, const ts_param *p)
{
    const ts_matrix_options *o = &a->o->matrix;
    const int64_t rows = p->dim[0], cols = p->dim[1];
    const bool right = o->apollo_side == TS_APOLLO_STD ? rows >= cols : o->apollo_side == TS_APOLLO_RIGHT;
    return (ts_apollo_shape){ .rows = right ? rows : o->apollo_rank, .cols = right ? o->apollo_rank : cols,
                              .rank = o->apollo_rank, .by_rows = right };
}

static int64_t count_of(const ts_apollo *a, const ts_param *p)
{
    const ts_apollo_shape s = ts_apollo_shape_of(a, p);
    return s.rows * s.cols;
}

float *ts_apollo_state(const ts_apollo *a, const ts_param *p, int which)
{
    return (float *)a->state->data + a->at[p->index] + which * count_of(a, p);
}

ts_status ts_apollo_init(ts_apollo *a, const ts_train_options *o, const ts_param_set *s)
{
    int64_t n = 0;
    *a = (ts_apollo){ .o = o, .dev = s->dev };
    TS_TRY(ts_alloc(&a->at, s->n, sizeof *a->at));
    for (size_t i = 0; i < s->n; i++) {
        a->at[i] = n;
        n += s->p[i]->steps_whole ? (2 * count_of(a, s->p[i]) + 1 + 15) / 16 * 16 : 0;
    }
    TS_TRY(ts_storage_create(s->dev, TS_MEM_OPTIM, (size_t)n * sizeof(float), &a->state));
    s->dev->zero(s->dev, a->state->data, a->state->bytes);
    return TS_OK;
}

void ts_apollo_deinit(ts_apollo *a)
{
    ts_free(&a->at);
    ts_storage_release(&a->state);
    ts_storage_release(&a->room);
    *a = (ts_apollo){ 0 };
}

/* ---- memory ---- */

typedef struct work {
    ts_apollo_shape s;
    int64_t n, short_side; /* elements of G */
    float *p, *r, *x, *factor, *scaled;
    double *sums;
    size_t bytes;
} work;

static void *take(work *w, char *room, size_t bytes)
{
    void *at = room + w->bytes;
    w->bytes += ts_device_round(bytes);
    return at;
}

static work lay_out(const ts_apollo *a, const ts_param *p, char *room)
{
    work w = { .s = ts_apollo_shape_of(a, p), .n = ts_param_count(p) };
    const size_t f = sizeof(float), r = (size_t)(w.s.rows * w.s.cols);
    const int64_t channels = w.s.by_rows ? w.s.rows : w.s.cols;
    w.short_side = p->dim[w.s.by_rows];
    w.p = take(&w, room, (size_t)(w.s.rank * w.short_side) * f);
    w.r = take(&w, room, r * f);
    w.x = take(&w, room, r * f);
    w.factor = take(&w, room, (size_t)channels * f);
    w.scaled = take(&w, room, (size_t)w.n * f);
    w.sums = take(&w, room, (size_t)ts_sumsq_blocks(w.n > (int64_t)r ? w.n : (int64_t)r) * sizeof(double));
    return w;
}

size_t ts_apollo_bytes(const ts_apollo *a, const ts_param *p) { return lay_out(a, p, NULL).bytes; }

/* ---- a step ---- */

static ts_status make_projection(const ts_apollo *a, const ts_apollo_step_args *x, const work *w)
{
    const int64_t n = w->s.rank * w->short_side;
    float *host;
    if (!a->dev->computes)
        return TS_OK;
    TS_TRY(ts_alloc(&host, (size_t)n, sizeof *host));
    const uint64_t made = (uint64_t)((x->steps - 1) / a->o->matrix.apollo_interval);
    const ts_rng rng = ts_rng_stream((uint64_t)a->o->seed, TS_RNG_PROJECTION, made, (uint32_t)x->p->id);
    ts_rng_normal(&rng, 0, n, (float)(1 / sqrt((double)w->s.rank)), host);
    a->dev->to_device(a->dev, w->p, host, (size_t)n * sizeof *host);
    ts_free(&host);
    return TS_OK;
}

/* R, of the gradient as it is: its scale comes later. */
static void project(const ts_apollo *a, const ts_apollo_step_args *x, const work *w)
{
    ts_gemm_args g = { .form = TS_GEMM_NT, .m = w->s.rows, .n = w->s.cols, .k = w->short_side,
                       .dtype = TS_DTYPE_F32, .a = x->grad, .b = w->p, .lda = x->p->dim[1],
                       .ldb = w->short_side, .c_dtype = TS_DTYPE_F32, .c = w->r, .ldc = w->s.cols };
    if (!w->s.by_rows)
        g.form = TS_GEMM_NN, g.a = w->p, g.lda = w->short_side, g.b = x->grad, g.ldb = w->s.cols;
    ts_launch_gemm(a->dev, &g, 0, ts_gemm_cost(g.m, g.n, g.k, g.dtype, g.c_dtype));
    const int64_t n = w->s.rows * w->s.cols;
    const ts_elementwise_args s = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32, .y_dtype = TS_DTYPE_F32,
                                    .x = w->r, .z = w->r, .y = w->r, .alpha = (float)x->grad_scale };
    ts_launch_add(a->dev, &s, n, (ts_cost){ (double)n, 8 * (double)n, TS_DTYPE_F32 });
}

static ts_status norm(const ts_apollo *a, const work *w, const float *x, int64_t n, double *out)
{
    const int64_t blocks = ts_sumsq_blocks(n);
    const ts_sumsq_args k = { .x = x, .x_dtype = TS_DTYPE_F32, .len = n, .out = w->sums };
    double sum = 0, *host;
    ts_launch_sumsq(a->dev, &k, blocks, (ts_cost){ 2 * (double)n, 4 * (double)n, TS_DTYPE_F32 });
    TS_TRY(ts_alloc(&host, (size_t)blocks, sizeof *host));
    const ts_status st = ts_device_read(a->dev, host, w->sums, (size_t)blocks * sizeof *host);
    for (int64_t i = 0; i < blocks; i++)
        sum += host[i];
    ts_free(&host);
    *out = sqrt(sum);
    return st;
}

/* |X_c| / |R_c| of each channel, or for all of them |X| / |R|. */
static ts_status find_factors(const ts_apollo *a, const ts_apollo_step_args *x, const work *w)
{
    const int64_t n = w->s.rows * w->s.cols, channels = w->s.by_rows ? w->s.rows : w->s.cols;
    ts_apollo_args k = { .r = w->r, .m = ts_apollo_state(a, x->p, 0), .v = ts_apollo_state(a, x->p, 1), .x = w->x,
                         .beta1 = (float)a->o->adam_beta1, .beta2 = (float)a->o->adam_beta2,
                         .eps = (float)a->o->adam_eps, .depth = w->s.rank, .by_rows = w->s.by_rows,
                         .factor = w->factor, .cols = w->s.cols };
    double above, below;
    ts_launch_apollo_moments(a->dev, &k, n, (ts_cost){ 9 * (double)n, 24 * (double)n, TS_DTYPE_F32 });
    if (a->o->matrix.apollo_scale_type == TS_APOLLO_CHANNEL) {
        ts_launch_apollo_factors(a->dev, &k, channels, (ts_cost){ 4 * (double)n, 8 * (double)n, TS_DTYPE_F32 });
        return TS_OK;
    }
    TS_TRY(norm(a, w, w->x, n, &above));
    TS_TRY(norm(a, w, w->r, n, &below));
    const ts_elementwise_args all = { .y_dtype = TS_DTYPE_F32, .y = w->factor,
                                      .alpha = (float)(above / (below + 1e-8)) };
    ts_launch_fill(a->dev, &all, channels, (ts_cost){ 0, 4 * (double)channels, TS_DTYPE_F32 });
    return TS_OK;
}

/* What the step is multiplied by so that its norm is at most 1.01 times the last one's, which it becomes. */
static ts_status limit(const ts_apollo *a, const ts_apollo_step_args *x, const work *w, double *by)
{
    float *at = ts_apollo_state(a, x->p, 2), last = 0;
    double size;
    TS_TRY(norm(a, w, w->scaled, w->n, &size));
    TS_TRY(ts_device_read(a->dev, &last, at, sizeof last));
    *by = last > 0 && size > 1.01 * (double)last ? 1.01 * (double)last / size : 1;
    last = (float)(size * *by);
    a->dev->to_device(a->dev, at, &last, sizeof last);
    return TS_OK;
}

ts_status ts_apollo_step(const ts_apollo *a, const ts_apollo_step_args *x)
{
    const work w = lay_out(a, x->p, a->room->data);
    const double n = (double)w.n, b1 = pow(a->o->adam_beta1, (double)x->steps),
                 b2 = pow(a->o->adam_beta2, (double)x->steps), step = x->lr * sqrt(1 - b2) / (1 - b1);
    double by;
    TS_TRY(make_projection(a, x, &w));
    project(a, x, &w);
    TS_TRY(find_factors(a, x, &w));
    const ts_apollo_args k = { .by_rows = w.s.by_rows, .factor = w.factor, .grad = x->grad, .y = w.scaled,
                               .cols = x->p->dim[1],
                               .scale = (float)(x->grad_scale * sqrt(a->o->matrix.apollo_scale)) };
    ts_launch_apollo_scale(a->dev, &k, x->p->dim[0], (ts_cost){ 2 * n, 8 * n, TS_DTYPE_F32 });
    TS_TRY(limit(a, x, &w, &by));
    /* muon_apply's p (1 - lr wd) - lr x, for a step that has a rate of its own */
    const double rate = step * by;
    const ts_muon_args m = { .p = x->value, .x = w.scaled, .block = w.n, .stride = w.n, .lr = (float)rate,
                             .weight_decay = rate > 0 ? (float)(x->lr * x->weight_decay / rate) : 0 };
    ts_launch_muon_apply(a->dev, &m, w.n, (ts_cost){ 3 * n, 12 * n, TS_DTYPE_F32 });
    return TS_OK;
}
