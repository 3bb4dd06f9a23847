/* Optimizer steps on flat arrays, and what gradient clipping needs. n = elements for all but
 * sumsq. */
#ifndef TS_DEVICE_KERNELS_OPTIM_H
#define TS_DEVICE_KERNELS_OPTIM_H
#include "base/codes.h"
#include "base/dtype.h"
#include "base/rng.h"

#include <stdbool.h>

/* AdamW (Loshchilov and Hutter, arXiv 1711.05101):
 *   g = grad_scale * grad;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
 *   p = p - lr * (m / c1 / (sqrt(v / c2) + eps) + wd * p),  c1 = 1 - b1^t, c2 = 1 - b2^t
 *
 * All in fp32; p, m and v are each stored in fp32 or in bf16, then rounded up or down at random
 * (ts_f32_to_bf16_random); p comes from m and v before they are rounded. With the stream cut into
 * pieces of 16 bits, lower halves first, element i takes piece first + i, r: v is rounded with r, m
 * and p with multiples of it modulo 2^16, by factors that spread any two of the three evenly. */
enum { TS_ROUND_V = 1, TS_ROUND_M = 0x6329, TS_ROUND_P = 0xBC91 };
typedef struct ts_adamw_args {
    void *p, *m, *v;    /* [n] of the types below, F32 or BF16 */
    ts_dtype p_dtype, m_dtype, v_dtype;
    ts_rng rng;         /* read when one of them is BF16 */
    int64_t first;      /* the number of element 0 in the whole parameter */
    const void *grad;   /* [n] of grad_dtype, F32 or BF16 */
    ts_dtype grad_dtype;
    float lr, beta1, beta2, eps, weight_decay, grad_scale;
    double c1, c2;
} ts_adamw_args;

/* The same where state is kept otherwise: in blocks of few bits, each read, stepped in fp32 and written. In the
 * same pass an average of the new values, an exponential one, if it is wanted (p in F32):
 *   ema = ema_decay * ema + (1 - ema_decay) * p, in fp32, each operation rounded
 * n = blocks of TS_CODES_BLOCK elements (the last may be short). */
typedef struct ts_adamw_kept_args {
    ts_adamw_args adamw;        /* of what has codes the codes, with F32 as type */
    int64_t len;                /* elements */
    ts_codes m_codes, v_codes;  /* NONE: plain */
    void *m_scales, *v_scales;
    float *ema;                 /* NULL: none */
    float ema_decay;
    /* p as its halves (base/halves.h), adamw's p then being the high ones; the bit of ties is the sign of v,
     * which is plain and F32. NULL: p is not parted */
    uint16_t *low;
} ts_adamw_kept_args;

/* out = what high, low and the sign of v give; n = elements. */
typedef struct ts_join_halves_args {
    const uint16_t *high, *low;
    const float *v;
    float *out;
} ts_join_halves_args;

/* Sums in few bits, block by block (base/codes.h); n = blocks of TS_CODES_BLOCK elements (the last may be short).
 *   codes_add    codes become those of what they stand for + x, or with `begins` of x; rounded to nearest, or where
 *                `random` is set at random, element i by number first + i (i8 alone)
 *   codes_read   y = what they stand for */
typedef struct ts_codes_args {
    ts_codes codes;     /* NONE: fp32 */
    void *code, *scales;
    int64_t len;        /* elements */
    const float *x;     /* codes_add */
    void *y;            /* codes_read: of y_dtype, F32 or BF16 */
    ts_dtype y_dtype;
    bool begins, random;
    ts_rng rng;
    int64_t first;
} ts_codes_args;

/* SGD: g = grad_scale * grad + wd * p;  momentum > 0: m = momentum m + g, g = m;  p = p - lr * g */
typedef struct ts_sgd_args {
    float *p, *m;       /* m NULL without momentum */
    const float *grad;
    float lr, momentum, weight_decay, grad_scale;
} ts_sgd_args;

/* Lion (Chen et al., arXiv 2302.06675):
 *   g = grad_scale * grad;  p = p - lr * (sign(b1 m + (1-b1) g) + wd * p);  m = b2 m + (1-b2) g */
typedef struct ts_lion_args {
    float *p, *m;       /* [n] */
    const float *grad;
    float lr, beta1, beta2, weight_decay, grad_scale;
} ts_lion_args;

/* The two ends of a step of Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon), whose middle is
 * train/orthogonal.h. Both work on some rows of a weight: `block` elements of every `stride`; x has them
 * one after the other. n = elements of x.
 *
 *   muon_momentum  g = grad_scale * grad;  m = beta m + (1-beta) g;  x = m, with nesterov beta m + (1-beta) g
 *   muon_apply     p = p - lr * (x + wd * p) */
typedef struct ts_muon_args {
    float *p, *m;       /* of the weight; apply and momentum alone */
    const float *grad;  /* momentum alone */
    float *x;           /* momentum writes, apply reads */
    int64_t block, stride;
    float lr, beta, weight_decay, grad_scale;
    bool nesterov;
} ts_muon_args;

/* What APOLLO (Zhu et al., arXiv 2412.05270; train/apollo.h) does with a projected gradient r.
 *
 *   apollo_moments  m = b1 m + (1-b1) r;  v = b2 v + (1-b2) r^2;  x = m / (sqrt(v) + eps)       n = elements
 *   apollo_factors  factor[c] = |x_c| / (|r_c| + 1e-8) of channel c, `depth` elements            n = channels
 *   apollo_scale    y[i][j] = scale * grad[i][j] * factor of its row or column                   n = rows
 *   apollo_apply    p[i][j] = p[i][j] * (1 - lr wd) - rate * what apollo_scale makes              n = rows
 *
 * A channel is a row of x and r [n, depth], or a column of them [depth, cols]. p is F32, or BF16 that is rounded at
 * random as AdamW's is, element j of row i by number first + i * first_row + j. */
typedef struct ts_apollo_args {
    const float *r;      /* moments, factors */
    float *m, *v;        /* moments */
    float *x;            /* moments writes, factors reads */
    float beta1, beta2, eps;
    int64_t depth;
    bool by_rows;
    float *factor;       /* factors writes, scale reads */
    const float *grad;   /* scale, apply: [n, cols], ld from row to row */
    float *y;            /* [n, cols] */
    int64_t cols, ld;
    float scale;
    void *p;             /* apply: [n, cols], ld from row to row */
    ts_dtype p_dtype;
    float lr, weight_decay, rate;
    ts_rng rng;
    int64_t first, first_row;
} ts_apollo_args;

/* step_pack: adamw or sgd on a weight [n, k], and the forms that gemm_pack would then make of it in
 * BF16 (for a device whose gemm_packed_bytes says that it has them); n is ignored. */
typedef struct ts_step_pack_args {
    const ts_adamw_args *adamw; /* one of the two, on all n * k elements */
    const ts_sgd_args *sgd;
    int64_t n, k;
    void *nt, *nn;              /* NULL: not wanted */
} ts_step_pack_args;

/* sumsq: n = blocks of TS_SUMSQ_BLOCK elements (the last may be short); out[i] is block i's sum of
 * squares, in double, order fixed. NaN and infinities come through. zeros, if given, counts
 * zeros. */
enum { TS_SUMSQ_BLOCK = 65536 };
static inline int64_t ts_sumsq_blocks(int64_t n) { return (n + TS_SUMSQ_BLOCK - 1) / TS_SUMSQ_BLOCK; }
typedef struct ts_sumsq_args {
    const void *x;
    ts_dtype x_dtype;
    int64_t len;
    double *out;
    int64_t *zeros;     /* [blocks] or NULL */
} ts_sumsq_args;
#endif
