#include "train/galore.h"

#include "ops/gemm.h"
#include "train/subspace.h"

#include <math.h>

/* ---- memory ---- */

/* side: of the vectors that the iteration begins with, by which the gradient is projected; other: what is left. */
typedef struct work {
    ts_lowrank_shape s;
    bool by_rows; /* in both, too: the right side's come first */
    int64_t n, side, other;
    float *p_left, *p_right; /* of the state; NULL: there is none */
    float *r, *x, *y;        /* y, of both: X P_r [rank, width] */
    float *q, *b, *turned;   /* the iteration's [n, side], [n, other], and one of them the other way round */
    float *ones, *step;      /* [a row], of a patch */
    size_t bytes;
} work;

static float *take(work *w, char *room, int64_t n)
{
    return ts_device_take(room, &w->bytes, (size_t)n * sizeof(float));
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static work lay_out(const ts_lowrank *a, const ts_param *p, char *room)
{
    work w = { .s = ts_lowrank_shape_of(a, p) };
    const ts_lowrank_shape *s = &w.s;
    float *kept = a->state ? ts_lowrank_state(a, p, 2) : NULL;
    const int64_t all = s->height * s->width,
                  most = all < TS_LOWRANK_PATCH ? all : s->width > TS_LOWRANK_PATCH ? s->width : TS_LOWRANK_PATCH;
    w.by_rows = s->by_rows || s->both;
    w.side = w.by_rows ? s->width : s->height;
    w.other = w.by_rows ? s->height : s->width;
    w.n = least(s->rank + TS_SUBSPACE_MORE, least(s->height, s->width));
    w.p_right = w.by_rows ? kept : NULL;
    w.p_left = s->both ? kept + s->rank * s->width : w.by_rows ? NULL : kept;
    w.r = take(&w, room, s->rows * s->cols);
    w.x = take(&w, room, s->rows * s->cols);
    w.y = take(&w, room, s->both ? s->rank * (s->height > s->width ? s->height : s->width) : 0);
    w.q = take(&w, room, w.n * w.side);
    w.b = take(&w, room, w.n * w.other);
    w.turned = take(&w, room, w.n * w.other);
    w.ones = take(&w, room, s->width);
    w.step = take(&w, room, most > a->n_values ? most : a->n_values);
    return w;
}

size_t ts_galore_bytes(const ts_lowrank *a, const ts_param *p) { return lay_out(a, p, NULL).bytes; }

/* ---- the projection ---- */

/* b [n, other], its row i the gradient's product with row i of q. */
static ts_status multiply(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w, float *host)
{
    if (!w->by_rows)
        return ts_lowrank_project(a, x, false, w->n, w->q, w->b);
    TS_TRY(ts_lowrank_project(a, x, true, w->n, w->q, w->turned));
    if (!a->dev->computes)
        return TS_OK;
    const size_t bytes = (size_t)(w->n * w->other) * sizeof *host;
    TS_TRY(ts_device_read(a->dev, host, w->turned, bytes));
    ts_subspace_transpose(host, w->other, w->n, host + w->n * w->other);
    a->dev->to_device(a->dev, w->b, host + w->n * w->other, bytes);
    return TS_OK;
}

/* q [n, side], its row i the product with row i of b, the other way. */
static ts_status multiply_back(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w, float *host)
{
    if (w->by_rows)
        return ts_lowrank_project(a, x, false, w->n, w->b, w->q);
    TS_TRY(ts_lowrank_project(a, x, true, w->n, w->b, w->q)); /* [side, n] */
    if (!a->dev->computes)
        return TS_OK;
    const size_t bytes = (size_t)(w->n * w->side) * sizeof *host;
    TS_TRY(ts_device_read(a->dev, host, w->q, bytes));
    ts_subspace_transpose(host, w->side, w->n, host + w->n * w->side);
    a->dev->to_device(a->dev, w->q, host + w->n * w->side, bytes);
    return TS_OK;
}

static ts_status make_orthonormal(const ts_lowrank *a, float *v, int64_t n, int64_t len, float *host)
{
    if (!a->dev->computes)
        return TS_OK;
    const size_t bytes = (size_t)(n * len) * sizeof *host;
    TS_TRY(ts_device_read(a->dev, host, v, bytes));
    ts_subspace_orthonormal(host, n, len);
    a->dev->to_device(a->dev, v, host, bytes);
    return TS_OK;
}

/* What is kept of the vectors that were found: the first of each side. */
static ts_status keep(const ts_lowrank *a, const work *w, float *host)
{
    const int64_t n = w->n * w->side, m = w->n * w->other;
    float *other = host + n;
    if (!a->dev->computes)
        return TS_OK;
    TS_TRY(ts_device_read(a->dev, host, w->q, (size_t)n * sizeof *host));
    TS_TRY(ts_device_read(a->dev, other, w->b, (size_t)m * sizeof *host));
    TS_TRY(ts_subspace_turn(host, w->n, w->side, other, w->other));
    a->dev->to_device(a->dev, w->by_rows ? w->p_right : w->p_left, host, (size_t)(w->s.rank * w->side) * sizeof *host);
    if (w->s.both)
        a->dev->to_device(a->dev, w->p_left, other, (size_t)(w->s.rank * w->other) * sizeof *host);
    return TS_OK;
}

static ts_status iterate(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w, float *host)
{
    const int64_t made = (x->steps - 1) / a->o->matrix.galore_interval;
    TS_TRY(ts_lowrank_random(a, x->p, made, w->n * w->side, 1, w->q));
    TS_TRY(make_orthonormal(a, w->q, w->n, w->side, host));
    for (int i = 0; i < TS_SUBSPACE_ROUNDS; i++) {
        TS_TRY(multiply(a, x, w, host));
        TS_TRY(make_orthonormal(a, w->b, w->n, w->other, host));
        TS_TRY(multiply_back(a, x, w, host));
        TS_TRY(make_orthonormal(a, w->q, w->n, w->side, host));
    }
    TS_TRY(multiply(a, x, w, host));
    return keep(a, w, host);
}

static ts_status make_projection(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w)
{
    float *host = NULL;
    if ((x->steps - 1) % a->o->matrix.galore_interval)
        return TS_OK;
    const int64_t longest = w->side > w->other ? w->side : w->other;
    if (a->dev->computes)
        TS_TRY(ts_alloc(&host, (size_t)(2 * w->n * longest), sizeof *host));
    const ts_status st = iterate(a, x, w, host);
    ts_free(&host);
    return st;
}

/* ---- a step ---- */

static void multiply_few(const ts_lowrank *a, ts_gemm_args g)
{
    g.dtype = g.c_dtype = TS_DTYPE_F32;
    ts_launch_gemm(a->dev, &g, 0, ts_gemm_cost(g.m, g.n, g.k, g.dtype, g.c_dtype));
}

static ts_status project(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w)
{
    const ts_lowrank_shape *s = &w->s;
    const int64_t n = s->rows * s->cols;
    TS_TRY(ts_lowrank_project(a, x, s->by_rows && !s->both, s->rank, s->by_rows && !s->both ? w->p_right : w->p_left,
                              s->both ? w->y : w->r));
    if (s->both)
        multiply_few(a, (ts_gemm_args){ .form = TS_GEMM_NT, .m = s->rank, .n = s->rank, .k = s->width, .a = w->y,
                                        .lda = s->width, .b = w->p_right, .ldb = s->width, .c = w->r, .ldc = s->rank });
    const ts_elementwise_args k = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32, .y_dtype = TS_DTYPE_F32,
                                    .x = w->r, .z = w->r, .y = w->r, .alpha = (float)x->grad_scale };
    ts_launch_add(a->dev, &k, n, (ts_cost){ (double)n, 8 * (double)n, TS_DTYPE_F32 });
    return TS_OK;
}

static void find_direction(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w)
{
    const int64_t n = w->s.rows * w->s.cols;
    const ts_apollo_args k = { .r = w->r, .m = ts_lowrank_state(a, x->p, 0), .v = ts_lowrank_state(a, x->p, 1),
                               .x = w->x, .beta1 = (float)a->o->adam_beta1, .beta2 = (float)a->o->adam_beta2,
                               .eps = (float)a->o->adam_eps };
    ts_launch_apollo_moments(a->dev, &k, n, (ts_cost){ 9 * (double)n, 24 * (double)n, TS_DTYPE_F32 });
    if (w->s.both)
        multiply_few(a, (ts_gemm_args){ .form = TS_GEMM_NN, .m = w->s.rank, .n = w->s.width, .k = w->s.rank, .a = w->x,
                                        .lda = w->s.rank, .b = w->p_right, .ldb = w->s.width, .c = w->y,
                                        .ldc = w->s.width });
}

/* The step of a patch's elements, back in its own space, ld from row to row. */
static void project_back(const ts_lowrank *a, const work *w, const ts_patch *t)
{
    const ts_lowrank_shape *s = &w->s;
    const bool right_alone = s->by_rows && !s->both;
    ts_gemm_args g = { .m = t->rows, .n = t->cols, .k = s->rank, .ldb = s->width, .c = w->step, .ldc = t->ld };
    g.form = right_alone ? TS_GEMM_NN : TS_GEMM_TN;
    g.a = right_alone ? w->x + t->row * s->rank : w->p_left + t->row;
    g.lda = right_alone ? s->rank : s->height;
    g.b = (right_alone ? w->p_right : s->both ? w->y : w->x) + t->col;
    multiply_few(a, g);
}

static void apply(const ts_lowrank *a, const ts_lowrank_step_args *x, const work *w, const ts_patch *t, double rate)
{
    ts_apollo_args k = { .factor = w->ones, .grad = w->step, .scale = (float)a->o->matrix.galore_scale,
                         .rate = (float)rate };
    ts_lowrank_apply(a, x, t, &k);
}

ts_status ts_galore_step(const ts_lowrank *a, const ts_lowrank_step_args *x)
{
    const work w = lay_out(a, x->p, a->room->data);
    const double b1 = pow(a->o->adam_beta1, (double)x->steps), b2 = pow(a->o->adam_beta2, (double)x->steps);
    const ts_elementwise_args one = { .y_dtype = TS_DTYPE_F32, .y = w.ones, .alpha = 1 };
    TS_TRY(make_projection(a, x, &w));
    TS_TRY(project(a, x, &w));
    find_direction(a, x, &w);
    ts_launch_fill(a->dev, &one, w.s.width, (ts_cost){ 0, 4 * (double)w.s.width, TS_DTYPE_F32 });
    ts_patches all = ts_lowrank_patches(a, x->p);
    ts_patch t;
    while (ts_patches_next(&all, &t)) {
        project_back(a, &w, &t);
        apply(a, x, &w, &t, x->lr * sqrt(1 - b2) / (1 - b1));
    }
    return TS_OK;
}
