/* Optimizer steps that leave the forms of a weight behind: a block of the weight is stepped and
 * packed before it leaves the caches, so that packing reads nothing from memory. */
#include "device/cpu/gemm/gemm.h"
#include "device/cpu/gemm/gemm_kernels.h"

/* A block: whole panels of both forms. Rows of parameters are stepped in the order of memory, which
 * counts more than that the block stays in L2: L3 will do. */
enum { BLOCK_ROWS = 48, BLOCK_COLS = 4608 };
_Static_assert(BLOCK_COLS % TS_GEMM_PACK_X == 0 && BLOCK_ROWS % 2 == 0, "panels and pairs");

typedef struct job {
    const ts_step_pack_args *g;
    ts_cpu_rows_fn *step;
    const void *args;
    ts_gemm_pack_fn *pack;
    ts_gemm_panels nt, nn;
    int64_t across; /* blocks */
} job;

static void one_block(const job *j, int64_t row, int64_t col)
{
    const int64_t n = j->g->n, k = j->g->k;
    const int64_t row_end = min64(row + BLOCK_ROWS, n), col_end = min64(col + BLOCK_COLS, k);
    if (col == 0 && col_end == k) {
        j->step(j->args, row * k, row_end * k);
    } else {
        for (int64_t r = row; r < row_end; r++)
            j->step(j->args, r * k + col, r * k + col_end);
    }
    if (j->nt.dst)
        j->pack(&j->nt, row, row_end, col / 2, ceil_div(col_end, 2));
    if (j->nn.dst)
        j->pack(&j->nn, col, col_end, row / 2, ceil_div(row_end, 2));
}

static void some_blocks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    (void)thread;
    for (int64_t t = begin; t < end; t++)
        one_block(j, t / j->across * BLOCK_ROWS, t % j->across * BLOCK_COLS);
}

static void step_pack(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_step_pack_args *g = args;
    ts_gemm_kernels kern;
    (void)n;
    ts_gemm_kernels_init(&kern, cpu->isa, TS_DTYPE_BF16);
    TS_ASSERT(kern.pairs && BLOCK_ROWS % kern.width == 0, "step_pack: this device does not pack");
    job j = { .g = g, .pack = kern.pack, .across = ceil_div(g->k, BLOCK_COLS) };
    j.step = cpu->kernel[g->adamw ? TS_KERNEL_adamw : TS_KERNEL_sgd].rows;
    j.args = g->adamw ? (const void *)g->adamw : g->sgd;
    const ts_gemm_panels p = { .src = g->adamw ? g->adamw->p : g->sgd->p,
                               .ld = g->k,
                               .past = true,
                               .src_dtype = g->adamw ? g->adamw->p_dtype : TS_DTYPE_F32,
                               .pairs = true,
                               .width = kern.width };
    j.nt = j.nn = p;
    j.nt.n_x = g->n, j.nt.n_k = g->k, j.nt.steps = ceil_div(g->k, 2), j.nt.dst = g->nt;
    j.nn.n_x = g->k, j.nn.n_k = g->n, j.nn.steps = ceil_div(g->n, 2), j.nn.dst = g->nn;
    j.nn.k_major = true;
    ts_pool_run(cpu->pool, ceil_div(g->n, BLOCK_ROWS) * j.across, 1, some_blocks, &j);
}

/* Only where gemm_pack makes pairs; nobody has forms to keep elsewhere. */
void ts_cpu_init_step_pack(ts_cpu *c)
{
    if (c->isa & TS_ISA_BF16)
        c->kernel[TS_KERNEL_step_pack] = (ts_cpu_kernel){ .whole = step_pack, .variant = "bf16" };
}
