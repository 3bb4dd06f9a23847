#include "ops/judge.h"

#include "base/mem.h"
#include "ops/gemm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PORTABLE, WIDE };

ts_status ts_judge_create(bool portable, bool wide, ts_judge **out)
{
    ts_judge *j;
    TS_TRY(ts_alloc(&j, 1, sizeof *j));
    j->portable = portable, j->wide = wide;
    const ts_status st = ts_device_open("cpu", &(ts_device_options){ .threads = 1 }, &j->reference);
    if (st != TS_OK)
        ts_judge_destroy(&j);
    else
        *out = j;
    return st;
}

void ts_judge_destroy(ts_judge **judge)
{
    ts_judge *j = *judge;
    if (!j)
        return;
    if (j->reference)
        ts_device_close(&j->reference);
    ts_free(judge);
}

/* ---- casts ---- */

static ts_status other_cast(const ts_param *w, const char *operand, const char *what, int64_t row, int64_t col)
{
    return ts_error(TS_ERR_RUN,
                    "--te-comparison-with-cpu: %s: %s of operand %s differ from those of the portable kernels, first "
                    "at [%lld, %lld]", w->name, what, operand, (long long)row, (long long)col);
}

/* The first byte of rows that differs; -1: none. */
static int64_t differs(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    size_t i = 0;
    while (i < n && x[i] == y[i])
        i++;
    return i < n ? (int64_t)i : -1;
}

static ts_status compare_codes(ts_judge *j, const ts_param *w, const char *operand, const ts_narrow_args *a,
                               uint8_t *codes, uint8_t *factors)
{
    const size_t n_factors = (size_t)ts_narrow_blocks(a) * (a->kind == TS_SCALE_F32 ? sizeof(float) : 1);
    ts_narrow_args b = *a;
    b.codes = codes, b.factors = factors;
    ts_launch_narrow(j->reference, &b, ts_narrow_bands(a), (ts_cost){ 0 });
    TS_TRY(j->reference->sync(j->reference));
    const int64_t scale = differs(a->factors, factors, n_factors);
    if (scale >= 0)
        return other_cast(w, operand, "scales", 0, a->kind == TS_SCALE_F32 ? scale / (int64_t)sizeof(float) : scale);
    const int64_t at = differs(a->codes, codes, (size_t)(a->rows * a->cols));
    return at < 0 ? TS_OK : other_cast(w, operand, "codes", at / a->cols, at % a->cols);
}

static ts_status compare_values(ts_judge *j, const ts_param *w, const char *operand, const ts_narrow_args *a, char *y)
{
    const size_t size = ts_dtype_size(a->dtype), row = (size_t)a->cols * size;
    ts_narrow_args b = *a;
    b.y = y, b.ld = a->cols;
    ts_launch_widen(j->reference, &b, ts_narrow_bands(a), (ts_cost){ 0 });
    TS_TRY(j->reference->sync(j->reference));
    for (int64_t r = 0; r < a->rows; r++) {
        const int64_t at = differs((const char *)a->y + (size_t)(r * a->ld) * size, y + (size_t)r * row, row);
        if (at >= 0)
            return other_cast(w, operand, "rounded values", r, at / (int64_t)size);
    }
    return TS_OK;
}

ts_status ts_judge_cast(ts_judge *j, ts_device *dev, const ts_param *w, const char *operand, const ts_narrow_args *a,
                        bool widens)
{
    char *room;
    const size_t codes = (size_t)(a->rows * a->cols), factors = (size_t)ts_narrow_blocks(a) * sizeof(float);
    if (!j->portable)
        return TS_OK;
    TS_TRY(dev->sync(dev));
    TS_TRY(ts_alloc(&room, widens ? codes * ts_dtype_size(a->dtype) : codes + 64 + factors, 1));
    char *behind = room + (codes + 63) / 64 * 64;
    const ts_status st = widens ? compare_values(j, w, operand, a, room)
                                : compare_codes(j, w, operand, a, (uint8_t *)room, (uint8_t *)behind);
    ts_free(&room);
    j->casts += !widens;
    return st;
}

/* ---- products ---- */

static const char *product_of(ts_gemm_form form)
{
    return form == TS_GEMM_NT ? "forward" : form == TS_GEMM_NN ? "input gradient" : "weight gradient";
}

static double value_at(const void *p, ts_dtype t, int64_t i) { return (double)ts_load_f32(p, i, t); }

static double unit_of(ts_dtype t) { return t == TS_DTYPE_F32 ? 0x1p-24 : t == TS_DTYPE_BF16 ? 0x1p-8 : 0x1p-11; }

/* The Euclidean norm of what element i of m (or n) sums over: lines of A, or of B. */
static double norm_of(const void *p, ts_dtype t, int64_t i, int64_t k, int64_t ld, bool along)
{
    double sum = 0;
    for (int64_t s = 0; s < k; s++) {
        const double v = value_at(p, t, along ? i * ld + s : s * ld + i);
        sum += v * v;
    }
    return sqrt(sum);
}

static size_t bytes_of(const ts_gemm_args *a)
{
    return (size_t)((a->m - 1) * a->ldc + a->n) * ts_dtype_size(a->c_dtype);
}

ts_status ts_judge_before(ts_judge *j, ts_device *dev, const ts_gemm_args *a, void **was)
{
    (void)j;
    *was = NULL;
    if (!a->accumulate && a->add != a->c)
        return TS_OK;
    TS_TRY(dev->sync(dev));
    TS_TRY(ts_alloc(was, bytes_of(a), 1));
    memcpy(*was, a->c, bytes_of(a));
    return TS_OK;
}

/* The product that b describes, by the portable kernels into memory of its own. */
static ts_status again(ts_judge *j, ts_gemm_args b, const void *was, char *c)
{
    if (b.accumulate)
        memcpy(c, was, bytes_of(&b));
    if (was && b.add == b.c)
        b.add = was;
    b.c = c;
    ts_launch_gemm(j->reference, &b, 0, (ts_cost){ 0 });
    return j->reference->sync(j->reference);
}

typedef struct errors {
    double sum, of;  /* squares of differences, of what is compared with */
    bool is_number;
} errors;

static void add_error(errors *e, double c, double other)
{
    e->is_number = e->is_number && isfinite(c);
    e->sum += (c - other) * (c - other);
    e->of += other * other;
}

static void note(ts_judge *j, int which, const ts_param *w, const ts_gemm_args *a, const errors *e)
{
    const double error = e->of > 0 ? sqrt(e->sum / e->of) : sqrt(e->sum);
    if (error < j->worst[which])
        return;
    j->worst[which] = error;
    snprintf(j->of[which], sizeof j->of[which], "%s, %s", w->name, product_of(a->form));
}

/* rows [m], columns [n]: norms. */
static ts_status within(const ts_param *w, const ts_gemm_args *a, const void *was, const char *c, const double *rows,
                        const double *columns, errors *e)
{
    const double u = 0x1p-24, growth = 2 * (double)(a->k + 8) * u;
    for (int64_t i = 0; i < a->m; i++)
        for (int64_t k = 0; k < a->n; k++) {
            const int64_t at = i * a->ldc + k;
            const double x = value_at(a->c, a->c_dtype, at), y = value_at(c, a->c_dtype, at);
            const void *others = was ? was : a->add;
            const double beside = (a->bias ? fabs((double)a->bias[k]) : 0) +
                                  (others ? fabs(value_at(others, a->c_dtype, at)) : 0);
            const double bound = growth * (rows[i] * columns[k] + beside) + 2 * unit_of(a->c_dtype) * fabs(y);
            add_error(e, x, y);
            if (fabs(x - y) <= bound || (isnan(x) && isnan(y)) || x == y)
                continue;
            return ts_error(TS_ERR_RUN,
                            "--te-comparison-with-cpu: %s, %s: element [%lld, %lld] is %.9g, of the portable kernels "
                            "%.9g, and may differ by %.3g", w->name, product_of(a->form), (long long)i, (long long)k,
                            x, y, bound);
        }
    return TS_OK;
}

static ts_status beside_portable(ts_judge *j, const ts_param *w, const ts_gemm_args *a, const void *was, char *c)
{
    double *norms;
    errors e = { .is_number = true };
    TS_TRY(again(j, *a, was, c));
    TS_TRY(ts_alloc(&norms, (size_t)(a->m + a->n), sizeof *norms));
    for (int64_t i = 0; i < a->m; i++)
        norms[i] = norm_of(a->a, a->dtype, i, a->k, a->lda, a->form != TS_GEMM_TN);
    for (int64_t i = 0; i < a->n; i++)
        norms[a->m + i] = norm_of(a->b, a->dtype, i, a->k, a->ldb, a->form == TS_GEMM_NT);
    const ts_status st = within(w, a, was, c, norms, norms + a->m, &e);
    ts_free(&norms);
    note(j, PORTABLE, w, a, &e);
    return st;
}

static ts_status to_bf16(const ts_judged *m, uint16_t **out)
{
    TS_TRY(ts_alloc(out, (size_t)(m->rows * m->cols), sizeof **out));
    for (int64_t r = 0; r < m->rows; r++)
        for (int64_t c = 0; c < m->cols; c++)
            (*out)[r * m->cols + c] = ts_f32_to_bf16((float)value_at(m->data, m->dtype, r * m->ld + c));
    return TS_OK;
}

/* The first step's scale of an operand whose scale is made of steps before. */
static bool is_begun(const ts_narrow *n)
{
    for (int i = 0; i < TS_OPERANDS; i++)
        if (n->rule[i].scaling == TS_SCALING_DELAYED && n->scale[i] == 1)
            return false;
    return true;
}

static ts_status compare_wide(ts_judge *j, const ts_param *w, const ts_gemm_args *a, const char *c)
{
    errors e = { .is_number = true };
    for (int64_t i = 0; i < a->m; i++)
        for (int64_t k = 0; k < a->n; k++)
            add_error(&e, value_at(a->c, a->c_dtype, i * a->ldc + k), value_at(c, a->c_dtype, i * a->ldc + k));
    note(j, WIDE, w, a, &e);
    if (!is_begun(w->narrow) || (e.is_number && (e.sum < e.of || e.sum == 0)))
        return TS_OK;
    return ts_error(TS_ERR_RUN,
                    "--te-comparison-with-bf16: %s, %s: the product of few bits is as far from that of bf16 as this is "
                    "large (relative error %.3g): its operands do not fit into the format with the scale they have",
                    w->name, product_of(a->form), e.of > 0 ? sqrt(e.sum / e.of) : INFINITY);
}

static ts_status beside_wide(ts_judge *j, const ts_param *w, const ts_gemm_args *a, const ts_judged *x,
                             const ts_judged *y, const void *was, char *c)
{
    uint16_t *p = NULL, *q = NULL;
    ts_gemm_args b = *a;
    ts_status st = to_bf16(x, &p);
    if (st == TS_OK)
        st = to_bf16(y, &q);
    b.a = p, b.lda = x->cols, b.b = q, b.ldb = y->cols, b.dtype = TS_DTYPE_BF16;
    if (st == TS_OK)
        st = again(j, b, was, c);
    if (st == TS_OK)
        st = compare_wide(j, w, a, c);
    ts_free(&p);
    ts_free(&q);
    return st;
}

ts_status ts_judge_product(ts_judge *j, ts_device *dev, const ts_param *w, const ts_gemm_args *a, const ts_judged *x,
                           const ts_judged *y, void **was)
{
    char *c = NULL;
    ts_status st = dev->sync(dev);
    if (st == TS_OK)
        st = ts_alloc(&c, bytes_of(a), 1);
    if (st == TS_OK && j->portable)
        st = beside_portable(j, w, a, *was, c);
    if (st == TS_OK && j->wide)
        st = beside_wide(j, w, a, x, y, *was, c);
    j->products++;
    ts_free(&c);
    ts_free(was);
    return st;
}

/* ---- told ---- */

ts_status ts_judge_tell(ts_judge *j, ts_str *out)
{
    static const char *const beside[] = { "the portable kernels", "bf16" };
    if (!j->products)
        return TS_OK;
    TS_TRY(ts_str_printf(out, "%lld products of few bits", (long long)j->products));
    if (j->portable)
        TS_TRY(ts_str_printf(out, ", %lld casts the same", (long long)j->casts));
    for (int i = 0; i < 2; i++)
        if (i == PORTABLE ? j->portable : j->wide)
            TS_TRY(ts_str_printf(out, "; beside %s at most %.3g off (%s)", beside[i], j->worst[i], j->of[i]));
    j->casts = j->products = 0;
    j->worst[0] = j->worst[1] = 0;
    return TS_OK;
}
