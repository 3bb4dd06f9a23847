/* The inside of matrix multiplication on the CPU: what the driver (gemm.c) and the micro-kernels of
 * each instruction set agree on.
 *
 * A plain triple loop waits for memory: it jumps from row to row of B, and loads a number for each
 * multiplication. So operands are packed first, that is copied into panels, in the order in which
 * the innermost loop reads them; and that loop, the micro-kernel, holds a tile of C in registers:
 *
 *                       B, in panels of `width` columns
 *                      +---------+---------+--           one panel in memory:
 *                      |         |         |               step 0: width units
 *                    k |    b    |         |               step 1: width units
 *                      |         |         |               ...
 *           k          +---------+---------+--
 *      +---------+     +---------+---------+--
 *      |    a    |     | tile    |         |             a tile of `rows` x `width`: each step adds
 *      +---------+     +---------+---------+--           a column of a times a row of b
 *      |         |     |         |         |
 *      A, in panels          C
 *      of `rows` rows,
 *      or in place
 *
 * A unit is 32 bits, whatever the data type, so that one driver serves all: a float, or two bf16
 * that follow each other along k (vdpbf16ps multiplies such pairs). A step is one unit of k. Where
 * n, m or k does not fill the last panel or the last pair, the panel has zeros.
 *
 * Were k cut differently for another m or another number of threads, the same element would get
 * other bits. So one call of a micro-kernel sums one slice of k, front to back, and slices are
 * added in order: an element's bits depend on k and on the variant alone. */
#ifndef TS_DEVICE_CPU_GEMM_GEMM_KERNELS_H
#define TS_DEVICE_CPU_GEMM_GEMM_KERNELS_H
#include "device/cpu/helpers.h"
#include "device/cpu/kernel.h"

/* One call of a micro-kernel: C tile = sum over steps + from + bias + add, in this order. */
typedef struct ts_gemm_tile {
    const char *a;          /* unit (row i, step s) lies at a + i * a_row + s * a_step bytes */
    int64_t a_row, a_step;
    const char *a_next;     /* the next tile's a: its first lines are prefetched at the end */
    const char *b;          /* [steps][width] units: one slice of a panel */
    const char *ahead;      /* prefetched to L2 meanwhile, 64 bytes a step */
    int64_t steps;          /* whole ones */
    /* k is odd and A is read in place: one more step, but the second half of its last pair is not
     * A's, and may be no memory at all. */
    bool half_step;
    int rows, cols;         /* of this tile: 1..kernel's rows, 1..width (less at C's edges) */
    const float *from;      /* [rows, cols], from_ld: the sum of earlier slices; or NULL */
    int64_t from_ld;
    const float *bias;      /* [cols] or NULL */
    const void *add;        /* [rows, cols] like c, or NULL */
    void *c;                /* [rows, cols], ldc */
    int64_t ldc;
    ts_dtype c_dtype;
} ts_gemm_tile;

/* An operand and where its panels go. x counts what a panel is wide of: columns of B, rows of A.
 *
 *   k_major: src [n_k, n_x]         not: src [n_x, n_k]            dst, width 4
 *      x ->                            k ->                        panel 0     panel 1
 *   k  a b c d e f ..               x  a g m ..                    a b c d     e f ..
 *   |  g h i j k l ..               |  b h n ..  (turned while     g h i j     k l ..
 *   v  m n o p q r ..               v  c i o ..   it is packed)    m n o p     q r ..  */
typedef struct ts_gemm_panels {
    const void *src;        /* ld elements from row to row */
    int64_t ld, n_x, n_k;
    ts_dtype src_dtype;
    bool k_major;
    bool rounds;            /* floats that are rounded to bf16 on the way */
    const ts_nf4 *nf4;      /* instead of src: unpacked on the way, from this row and column on, rounded to nf4_type */
    int64_t row, col;
    ts_dtype nf4_type;
    bool pairs;             /* units are pairs of bf16; else floats */
    bool past;              /* dst is written past the caches; it is at a multiple of 64 */
    int width;              /* of a panel */
    char *dst;              /* [panels][steps][width] units */
    int64_t steps;          /* n_k in units, rounded up */
} ts_gemm_panels;

typedef void ts_gemm_tile_fn(const ts_gemm_tile *t);
/* Sums [t->rows, width], at a multiple of 64 bytes, plus from, bias and add, to c. */
typedef void ts_gemm_finish_fn(const ts_gemm_tile *t, const float *sum);
/* Packs x in [x_begin, x_end), steps [s_begin, s_end), so that threads can share a packing out.
 * x_begin is a multiple of the width, s_begin of 8; x_end is a multiple of the width too, or n_x. */
typedef void ts_gemm_pack_fn(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end,
                             int64_t s_begin, int64_t s_end);
/* Shares of a packing must end where panels end, of A as of B, for every kernel: at a multiple of
 * all widths (16, 48) and all rows of tiles (6, 8, 32). */
enum { TS_GEMM_PACK_X = 96 };

/* What B is in memory. */
static inline ts_dtype ts_gemm_b_type(const ts_gemm_args *g) { return g->b_wide ? TS_DTYPE_F32 : g->dtype; }

/* n values of sixteen, by the codes of a row of a ts_nf4 from column `first` on, as floats or (`pairs`) bf16. */
typedef void ts_nf4_look_up_fn(const uint8_t *code, int64_t first, int64_t n, const float value[16], void *to);

typedef struct ts_gemm_kernels {
    int rows, width;        /* of a tile; 0: no such kernel */
    bool pairs;             /* units are pairs of bf16, and operands must be BF16 */
    ts_gemm_tile_fn *tile;
    ts_gemm_finish_fn *finish; /* NULL with pairs */
    ts_gemm_pack_fn *pack;
    void (*round)(float *units, int64_t n); /* to bf16, n a multiple of the width; NULL with pairs */
    ts_nf4_look_up_fn *look_up;
    /* AMX loads the rows of a tile of A, not its columns: this packs A, where it cannot be read in
     * place, as rows [n_x][steps] instead of panels. NULL: pack does A too. */
    ts_gemm_pack_fn *pack_a;
    /* AMX must be configured on each thread before its first tile and released after its last.
     * NULL: nothing to do. */
    void (*begin)(void), (*end)(void);
} ts_gemm_kernels;

/* Each fills only what it does better than those above it. */
void ts_gemm_kernels_init_avx2(ts_gemm_kernels *k);
void ts_gemm_kernels_init_avx512(ts_gemm_kernels *k);
void ts_gemm_kernels_init_bf16(ts_gemm_kernels *k);
void ts_gemm_kernels_init_amx(ts_gemm_kernels *k);
/* The best kernels for operands of `dtype`; rows is 0 when only the reference can do them. */
void ts_gemm_kernels_init(ts_gemm_kernels *k, unsigned isa, ts_dtype dtype);

/* Rows [row, row + rows), columns [col, col + cols) of a matrix in NF4, rounded to `type`. */
typedef struct ts_nf4_part {
    const ts_nf4 *w;
    int64_t row, rows, col, cols;
    ts_dtype type;
} ts_nf4_part;
/* To [rows, ld] of what look_up makes, to_type. */
void ts_nf4_unpack(const ts_nf4_part *p, ts_nf4_look_up_fn *look_up, ts_dtype to_type, void *to, int64_t ld);
ts_nf4_look_up_fn ts_nf4_look_up_ref; /* floats */

/* The specification: sums in double, one rounding to float, then C, bias and add. No panels. */
void ts_gemm_ref(ts_cpu *cpu, const void *args, int64_t n);
#endif
