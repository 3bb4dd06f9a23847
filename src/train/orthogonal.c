#include "train/orthogonal.h"

#include "ops/gemm.h"
#include "ops/group.h"

#include <math.h>

typedef struct coefficients {
    double a, b, c;
} coefficients;

typedef struct coefficient_set {
    const coefficients *of;
    int64_t n;
    bool repeats_last; /* beyond n; else from the first again */
} coefficient_set;

/* Those of emerging_optimizers, which Megatron-LM takes. */
static coefficient_set set_of(ts_muon_set set)
{
    static const coefficients simple[] = { { 3.4445, -4.7750, 2.0315 } };
    static const coefficients quintic[] = { { 4.0848, -6.8946, 2.9270 },
                                            { 3.9505, -6.3029, 2.6377 },
                                            { 3.7418, -5.5913, 2.3037 },
                                            { 2.8769, -3.1427, 1.2046 },
                                            { 2.8366, -3.0525, 1.2012 } };
    static const coefficients polar_express[] = { { 8.2051, -22.9019, 16.4607 }, { 4.0664, -2.8612, 0.5184 },
                                                  { 3.9096, -2.8234, 0.5250 },   { 3.2856, -2.4153, 0.4853 },
                                                  { 2.2779, -1.6198, 0.3985 },   { 1.8726, -1.2307, 0.3585 },
                                                  { 1.8564, -1.2132, 0.3568 },   { 1.8750, -1.2500, 0.3750 } };
    static const coefficients aol[] = { { 4.0098, -7.0585, 2.4635 },
                                        { 3.4585, -5.5479, 2.5959 },
                                        { 2.7573, -3.2939, 1.4254 },
                                        { 2.7215, -3.0494, 1.3169 } };
    static const coefficient_set sets[] = { [TS_MUON_SIMPLE] = { simple, 1, false },
                                            [TS_MUON_QUINTIC] = { quintic, 5, false },
                                            [TS_MUON_POLAR_EXPRESS] = { polar_express, 8, true },
                                            [TS_MUON_AOL] = { aol, 4, false } };
    return sets[set];
}

/* Of iteration i; the last gives the result its scale. */
static coefficients at_step(const ts_orthogonal *o, const ts_orthogonal_call *c, int64_t i)
{
    const coefficient_set s = set_of(o->set);
    coefficients k = s.of[i < s.n ? i : s.repeats_last ? s.n - 1 : i % s.n];
    if (i + 1 == o->steps)
        k.a *= c->scale, k.b *= c->scale, k.c *= c->scale;
    return k;
}

/* ---- memory ---- */

typedef struct work {
    const ts_orthogonal *o;
    const ts_orthogonal_call *c;
    bool by_columns;
    int64_t n, side; /* elements of x; rows of A */
    float *x, *other; /* X, and for fp32 another of its size */
    float *gram, *square; /* [side, side] A and A^2 */
    void *gram_in, *x_in; /* in the type of products */
    double *sums;
    int64_t n_sums;
    size_t bytes;
} work;

static void *take(work *w, size_t bytes)
{
    return ts_device_take(w->c->room, &w->bytes, bytes);
}

static work lay_out(const ts_orthogonal *o, const ts_orthogonal_call *c)
{
    work w = { .o = o, .c = c, .x = c->x, .n = c->rows * c->cols,
               .by_columns = c->group ? c->by_columns : c->cols < c->rows };
    w.side = w.by_columns ? c->cols : c->rows;
    w.n_sums = ts_sumsq_blocks(w.n);
    const size_t side = (size_t)(w.side * w.side), n = (size_t)w.n;
    w.gram = take(&w, side * sizeof(float));
    w.square = take(&w, side * sizeof(float));
    w.sums = take(&w, (size_t)w.n_sums * sizeof(double));
    w.gram_in = w.gram;
    if (o->type == TS_DTYPE_F32) {
        w.other = take(&w, n * sizeof(float));
    } else {
        w.gram_in = take(&w, side * ts_dtype_size(o->type));
        w.x_in = take(&w, n * ts_dtype_size(o->type));
    }
    return w;
}

size_t ts_orthogonal_bytes(const ts_orthogonal *o, const ts_orthogonal_call *c)
{
    ts_orthogonal_call nowhere = *c;
    nowhere.room = NULL;
    return lay_out(o, &nowhere).bytes;
}

/* ---- one step ---- */

/* y = alpha x + beta z, of type t */
static void combine(const work *w, const float *x, double alpha, const float *z, double beta, void *y,
                    ts_dtype t, int64_t n)
{
    const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32, .y_dtype = t,
                                    .x = x, .z = z, .y = y,
                                    .alpha = (float)alpha, .beta = (float)beta };
    ts_launch_add(w->o->dev, &a, n,
                  (ts_cost){ 3 * (double)n, (double)n * (8.0 + (double)ts_dtype_size(t)), TS_DTYPE_F32 });
}

static void convert(const work *w, const float *x, void *y, int64_t n)
{
    const ts_dtype t = w->o->type;
    const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .y_dtype = t, .x = x, .y = y };
    if (t != TS_DTYPE_F32)
        ts_launch_copy(w->o->dev, &a, n,
                       (ts_cost){ 0, (double)n * (double)(sizeof(float) + ts_dtype_size(t)), t });
}

static void multiply(const work *w, ts_gemm_args g)
{
    g.dtype = w->o->type, g.c_dtype = TS_DTYPE_F32;
    ts_launch_gemm(w->o->dev, &g, 0, ts_gemm_cost(g.m, g.n, g.k, g.dtype, g.c_dtype));
}

/* A of what is here; with a group its sum, in which what several have counts once. */
static ts_status make_gram(const work *w, const void *x)
{
    const ts_orthogonal_call *c = w->c;
    const int64_t n = w->side * w->side;
    multiply(w, (ts_gemm_args){ .form = w->by_columns ? TS_GEMM_TN : TS_GEMM_NT, .m = w->side, .n = w->side,
                                .k = w->by_columns ? c->rows : c->cols, .a = x, .b = x, .lda = c->cols,
                                .ldb = c->cols, .c = w->gram, .ldc = w->side });
    if (!c->group)
        return TS_OK;
    if (c->is_copy)
        w->o->dev->zero(w->o->dev, w->gram, (size_t)n * sizeof(float));
    return ts_group_run_on(w->o->dev, c->group, ts_all_reduce(w->gram, n, TS_COMM_F32, TS_COMM_SUM), n, n);
}

/* to += B X or X B, with B in gram_in */
static void add_product(const work *w, const void *x, float *to)
{
    const int64_t rows = w->c->rows, cols = w->c->cols;
    ts_gemm_args g = { .form = TS_GEMM_NN, .m = rows, .n = cols, .k = w->side, .a = w->gram_in, .b = x,
                       .lda = w->side, .ldb = cols, .c = to, .ldc = cols, .accumulate = true };
    if (w->by_columns)
        g.a = x, g.lda = cols, g.b = w->gram_in, g.ldb = w->side;
    multiply(w, g);
}

static ts_status step(work *w, coefficients k)
{
    const int64_t side = w->side, n = side * side;
    const bool is_f32 = w->o->type == TS_DTYPE_F32;
    const void *x = is_f32 ? (const void *)w->x : w->x_in;
    convert(w, w->x, w->x_in, w->n);
    TS_TRY(make_gram(w, x));
    convert(w, w->gram, w->gram_in, n);
    multiply(w, (ts_gemm_args){ .form = TS_GEMM_NN, .m = side, .n = side, .k = side, .a = w->gram_in,
                                .b = w->gram_in, .lda = side, .ldb = side, .c = w->square, .ldc = side });
    combine(w, w->square, k.c, w->gram, k.b, w->gram_in, w->o->type, n);
    float *const to = is_f32 ? w->other : w->x;
    combine(w, w->x, k.a, w->x, 0, to, TS_DTYPE_F32, w->n);
    add_product(w, x, to);
    if (is_f32)
        w->other = w->x, w->x = to;
    return TS_OK;
}

/* ---- all ---- */

/* Frobenius', of the whole. */
static ts_status norm(const work *w, double *out)
{
    ts_device *dev = w->o->dev;
    const ts_sumsq_args a = { .x = w->x, .x_dtype = TS_DTYPE_F32, .len = w->n, .out = w->sums };
    double sum = 0, *host;
    ts_launch_sumsq(dev, &a, w->n_sums, (ts_cost){ 2 * (double)w->n, 4 * (double)w->n, TS_DTYPE_F32 });
    TS_TRY(ts_alloc(&host, (size_t)w->n_sums, sizeof *host));
    const ts_status st = ts_device_read(dev, host, w->sums, (size_t)w->n_sums * sizeof *host);
    for (int64_t i = 0; i < w->n_sums && !w->c->is_copy; i++)
        sum += host[i];
    ts_free(&host);
    TS_TRY(st);
    if (w->c->group)
        TS_TRY(ts_comm_run(w->c->group, ts_all_reduce(&sum, 1, TS_COMM_F64, TS_COMM_SUM)));
    *out = sqrt(sum);
    return TS_OK;
}

ts_status ts_orthogonalize(const ts_orthogonal *o, const ts_orthogonal_call *c, float **out)
{
    work w = lay_out(o, c);
    const double least = 1e-7; /* as torch normalizes: what is 0 stays so */
    double size;
    TS_TRY(norm(&w, &size));
    combine(&w, w.x, 1 / (size < least ? least : size), w.x, 0, w.x, TS_DTYPE_F32, w.n);
    for (int64_t i = 0; i < o->steps; i++)
        TS_TRY(step(&w, at_step(o, c, i)));
    *out = w.x;
    return TS_OK;
}
