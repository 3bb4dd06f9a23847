/* The causal convolution of each column, written once and compiled once per instruction set. No include
 * guard. A strip of columns at a time, its weights turned so that a tap's lie side by side. */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/simd/row.h"

#include <string.h>

enum { STRIP = 64 }; /* columns */

typedef struct strip {
    int64_t c, n;                  /* first column, and how many */
    float w[TS_CONV_MOST][STRIP];  /* by tap */
    float b[STRIP];
} strip;

static void take_strip(const ts_conv_args *a, int64_t c, int64_t n, strip *s)
{
    memset(s, 0, sizeof *s);
    s->c = c, s->n = n;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < a->width; k++)
            s->w[k][i] = ts_load_f32(a->w, (c + i) * a->width + k, a->w_dtype);
        s->b[i] = a->bias ? a->bias[c + i] : 0;
    }
}

/* The first of the rows that row i of sequence b sees: of those before the sequence -1, -2, ... */
INLINE int64_t first_seen(const ts_conv_args *a, int64_t b, int64_t i)
{
    const int64_t reach = i - (a->width - 1);
    return max64(reach, a->first_key ? a->first_key[b * a->S + i] : a->before ? reach : 0);
}

INLINE vf seen(const ts_conv_args *a, int64_t b, int64_t j, int64_t c, int64_t n, ts_dtype t)
{
    return j >= 0 ? v_load_as(a->x, (b * a->S + j) * a->cols + c, n, t)
                  : v_load_as(a->before, (b * (a->width - 1) + a->width - 1 + j) * a->cols + c, n, t);
}

/* v of columns s->c + k and on. */
INLINE vf convolve(const ts_conv_args *a, const strip *s, int64_t b, int64_t i, int64_t k, int64_t n, ts_dtype t)
{
    const int64_t tap0 = a->width - 1 - i;
    vf v = v_load(s->b + k, n);
    for (int64_t j = first_seen(a, b, i); j <= i; j++)
        v = v_fma(v_load(s->w[tap0 + j] + k, n), seen(a, b, j, s->c + k, n, t), v);
    return v;
}

INLINE void conv_fwd_rows(const ts_conv_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    strip s;
    for (int64_t c = 0; c < a->cols; c += STRIP) {
        take_strip(a, c, min64(STRIP, a->cols - c), &s);
        for (int64_t r = begin; r < end; r++)
            for (int64_t k = 0; k < s.n; k += V) {
                const vf v = convolve(a, &s, r / a->S, r % a->S, k, s.n - k, t);
                v_store_as(a->y, r * a->cols + c + k, s.n - k, t, a->silu ? v_mul(v, v_sigmoid(v)) : v);
            }
    }
}

static void conv_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_conv_args *a = args;
    V_BY_DTYPE(a->dtype, conv_fwd_rows, a, begin, end)
}

/* Sums of a strip: of the weights' gradient, and of dx of the last rows, row j in dx[j mod width]. */
typedef struct strip_sums {
    float dw[TS_CONV_MOST][STRIP], db[STRIP], dx[TS_CONV_MOST][STRIP];
} strip_sums;

INLINE void give_dx(const ts_conv_args *a, const strip *s, strip_sums *g, int64_t b, int64_t j, ts_dtype t)
{
    float *dx = g->dx[j % a->width];
    for (int64_t k = 0; k < s->n; k += V) {
        v_store_as(a->dx, (b * a->S + j) * a->cols + s->c + k, s->n - k, t, v_load(dx + k, V));
        v_store(dx + k, V, v_set(0));
    }
}

INLINE void bwd_row(const ts_conv_args *a, const strip *s, strip_sums *g, int64_t b, int64_t i, ts_dtype t)
{
    const int64_t tap0 = a->width - 1 - i, first = first_seen(a, b, i);
    for (int64_t k = 0; k < s->n; k += V) {
        const int64_t n = s->n - k;
        vf dv = v_load_as(a->dy, (b * a->S + i) * a->cols + s->c + k, n, t);
        if (a->silu) {
            const vf v = convolve(a, s, b, i, k, n, t), f = v_sigmoid(v);
            dv = v_mul(dv, v_mul(f, v_fma(v, v_sub(v_set(1), f), v_set(1))));
        }
        v_store(g->db + k, V, v_add(v_load(g->db + k, V), dv));
        for (int64_t j = first; j <= i; j++) {
            float *dw = g->dw[tap0 + j] + k, *dx = g->dx[j % a->width] + k;
            v_store(dw, V, v_fma(dv, seen(a, b, j, s->c + k, n, t), v_load(dw, V)));
            v_store(dx, V, v_fma(dv, v_load(s->w[tap0 + j] + k, V), v_load(dx, V)));
        }
    }
}

INLINE void conv_bwd_cols(const ts_conv_args *a, int64_t begin, int64_t end, ts_dtype t)
{
    strip s;
    strip_sums g;
    for (int64_t c = begin; c < end; c += STRIP) {
        take_strip(a, c, min64(STRIP, end - c), &s);
        memset(&g, 0, sizeof g);
        for (int64_t b = 0; b < a->B; b++)
            for (int64_t i = 0; i < a->S + a->width - 1; i++) {
                if (i < a->S)
                    bwd_row(a, &s, &g, b, i, t);
                if (i >= a->width - 1) /* nobody behind row i sees it */
                    give_dx(a, &s, &g, b, i - (a->width - 1), t);
            }
        for (int64_t i = 0; i < s.n; i++) {
            for (int64_t k = 0; a->dw && k < a->width; k++)
                a->dw[(c + i) * a->width + k] += g.dw[k][i];
            if (a->db)
                a->db[c + i] += g.db[i];
        }
    }
}

static void conv_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_conv_args *a = args;
    V_BY_DTYPE(a->dtype, conv_bwd_cols, a, begin, end)
}

void TS_ISA_NAME(ts_conv_kernels_init)(ts_cpu_kernel *table)
{
    table[TS_KERNEL_conv_fwd] = TS_ROWWISE_ROW(conv_fwd, 0);
    table[TS_KERNEL_conv_bwd] = TS_ROWWISE_ROW(conv_bwd, TS_ROWWISE_COLUMNS);
}
