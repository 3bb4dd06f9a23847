/* Small products of fp32 matrices in a kernel's scratch, over any vocabulary of simd/f32_<isa>.h:
 *
 *   C[i][j] = beta C[i][j] + sum over k of A[i][k] B[k][j]
 *
 * Element (i, k) of A stands at a[i * ai + k * ak], so that A may be read as it lies or turned. Rows of B
 * and C lie ldb and ldc apart, multiples of PAD: columns are taken in whole vectors, and what lies behind
 * the last column is read and written like the others, and counts for nothing. Of triangular matrices
 * zeros beyond the tiles are passed over; within them they must be there. Sums go from the first k to
 * the last. No include guard. */
#include "device/cpu/scan/rows_body.h"

enum { PROWS = 6, PVECS = V >= 16 ? 4 : 2 };

typedef enum product_shape {
    ALL,
    A_LOWER, /* A[i][k] is 0 for k > i */
    A_UPPER, /* for k < i */
    B_UPPER, /* B[k][j] is 0 for k > j */
    B_LOWER, /* for k < j */
    C_LOWER, /* C[i][j] is wanted for j <= i alone */
} product_shape;

typedef struct product {
    const float *a;
    int64_t ai, ak;
    const float *b;
    int64_t ldb;
    float *c;
    int64_t ldc, m, n, k;
    float beta;
    product_shape shape;
} product;

INLINE void product_tile(const product *x, int64_t i, int64_t j, int64_t k0, int64_t k1, const int rows,
                         const int vecs)
{
    vf sum[PROWS][PVECS];
    float *c = x->c + i * x->ldc + j;
    const int64_t ai = x->ai, ak = x->ak, ldb = x->ldb;
    const float *a = x->a + i * ai + k0 * ak, *b = x->b + k0 * ldb + j;
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vecs; v++)
            sum[r][v] = x->beta != 0 ? v_mul(v_set(x->beta), v_load(c + r * x->ldc + v * V, V)) : v_set(0);
    }
    for (int64_t k = k0; k < k1; k++, a += ak, b += ldb) {
        vf bv[PVECS];
        UNROLL
        for (int v = 0; v < vecs; v++)
            bv[v] = v_load(b + v * V, V);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vf av = v_set(a[r * ai]);
            UNROLL
            for (int v = 0; v < vecs; v++)
                sum[r][v] = v_fma(av, bv[v], sum[r][v]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vecs; v++)
            v_store(c + r * x->ldc + v * V, V, sum[r][v]);
    }
}

typedef void product_fn(const product *x, int64_t i, int64_t j, int64_t k0, int64_t k1);
#define PRODUCT_FN(rows, vecs)                                                                                \
    static void product_##rows##_##vecs(const product *x, int64_t i, int64_t j, int64_t k0, int64_t k1)       \
    {                                                                                                         \
        product_tile(x, i, j, k0, k1, rows, vecs <= PVECS ? vecs : PVECS);                                    \
    }
#define PRODUCT_NAME(rows, vecs) product_##rows##_##vecs,
#define PRODUCT_ROWS(F, vecs) F(1, vecs) F(2, vecs) F(3, vecs) F(4, vecs) F(5, vecs) F(6, vecs)
PRODUCT_ROWS(PRODUCT_FN, 1)
PRODUCT_ROWS(PRODUCT_FN, 2)
PRODUCT_ROWS(PRODUCT_FN, 3)
PRODUCT_ROWS(PRODUCT_FN, 4)
static product_fn *const product_of[][PROWS] = {
    { PRODUCT_ROWS(PRODUCT_NAME, 1) },
    { PRODUCT_ROWS(PRODUCT_NAME, 2) },
    { PRODUCT_ROWS(PRODUCT_NAME, 3) },
    { PRODUCT_ROWS(PRODUCT_NAME, 4) },
};

static void multiply(const product *x)
{
    const int64_t vectors = ceil_div(x->n, V);
    for (int64_t v = 0; v < vectors; v += PVECS) {
        const int64_t vecs = min64(PVECS, vectors - v), j = v * V, behind = min64(j + vecs * V, x->n);
        for (int64_t i = 0; i < x->m; i += PROWS) {
            const int64_t rows = min64(PROWS, x->m - i);
            int64_t k0 = 0, k1 = x->k;
            if (x->shape == A_LOWER)
                k1 = min64(k1, i + rows);
            else if (x->shape == A_UPPER)
                k0 = i;
            else if (x->shape == B_UPPER)
                k1 = min64(k1, behind);
            else if (x->shape == B_LOWER)
                k0 = min64(j, k1);
            else if (x->shape == C_LOWER && j > i + rows - 1)
                continue;
            product_of[vecs - 1][rows - 1](x, i, j, k0, k1);
        }
    }
}

/* y[c][r] = x[r][c] */
static void turn(const float *x, int64_t ldx, int64_t rows, int64_t cols, float *y, int64_t ldy)
{
    for (int64_t c0 = 0; c0 < cols; c0 += 8)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = c0; c < min64(c0 + 8, cols); c++)
                y[c * ldy + r] = x[r * ldx + c];
}

/* y[r] = f[r] x[r] */
static void scale_rows(const float *x, int64_t ld, int64_t rows, const float *f, float *y)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < ld; c += V)
            v_store(y + r * ld + c, V, v_mul(v_set(f[r]), v_load(x + r * ld + c, V)));
}

/* Of n floats, pads being 0 or not read. */
static float dot(const float *x, const float *y, int64_t n)
{
    vf sum = v_set(0);
    for (int64_t c = 0; c < n; c += V)
        sum = v_fma(v_load(x + c, n - c), v_load(y + c, n - c), sum);
    return (float)v_sum(sum);
}
