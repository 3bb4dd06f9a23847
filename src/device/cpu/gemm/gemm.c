#include "device/cpu/gemm/gemm.h"

#include "device/cpu/gemm/gemm_few.h"
#include "device/cpu/gemm/gemm_kernels.h"
#include "device/cpu/gemm/nf4.h"

#include <string.h>

/* The driver: cuts a product into tasks for the threads, has panels packed, calls the micro-kernel
 * tile by tile. (Panel, tile, unit and step are explained in gemm_kernels.h.)
 *
 * A step of an 8 x 48 tile is 24 vector multiplications, and reads 32 bytes of A and 192 of B.
 * From memory that is too much for any core, so what is read again must still lie in a cache:
 *
 *                 s0        n0 .. n0 + n
 *                          +-----+-----+-----+
 *                          |     |     |     |  a block of B, packed: in L3
 *                          +-----+-----+-----+  one panel of it, a slice of k: in L2
 *       +--------+         +-----+-----+-----+
 *    m0 | chunk 0|         |task0|task1|task2|  a task is one chunk of rows against one panel; it
 *       +--------+         +-----+-----+-----+  goes down its column, tile by tile
 *       | chunk 1|         |task3|task4|task5|
 *       +--------+         +-----+-----+-----+
 *       a block of A
 *
 *   from tile to tile    every tile of a task reads the same slice of the panel: it is in L2
 *   from task to task    a thread goes on to the right, and the chunk of A is still in L2
 *   from block to block  an operand that stays is not packed again, and is in L3 */
enum {
    /* Registers must be stored and loaded again at the end of a slice, so slices are long; but a
     * slice of a panel, 2048 x 48 floats or 384 KiB, must leave room for A in L2. */
    SLICE = 2048,
    BLOCK = 2 * SLICE, /* steps packed at once */
    /* What is packed at once should stay in L3: both together fill the device's shared scratch. */
    A_BYTES = 8 << 20,
    B_BYTES = TS_CPU_SHARED_SCRATCH - A_BYTES,
    /* Packing waits for memory, which is fastest in its own order. So a packing task follows the
     * rows of the source as far as it can: 512 steps where they run along k, 1152 columns where
     * they run across it. */
    ALONG_STEPS = 512,
    ACROSS_X = 1152,
    ACROSS_STEPS = 32,
    A_IN_L2 = 768 << 10, /* bytes of a chunk of A, at most */
    /* Weights packed beforehand that are larger than this have left L3 before they are used: they
     * would only drive others out, and are written past the caches. */
    PACK_PAST = 16 << 20,
    SMALL = 1 << 19, /* steps x columns x rows, 8 us: waking threads would cost as much */
    /* A thread's scratch: sums of finished slices, then a panel that it packs for itself. */
    PART_BYTES = 2 << 20,
    OWN_ROWS = 96, /* rows of A that a thread packs for itself */
    OWN_LEAST = 3, /* such chunks a thread, or threads would wait long for the last of them */
    MEMO = 64,     /* threads that can remember which chunk they have packed */
};

_Static_assert(B_BYTES == TS_CPU_SHARED_SCRATCH / 3 * 2, "where A's panels begin");
_Static_assert(PART_BYTES + BLOCK * 48 * 4 + TS_NF4_UNPACKED <= TS_CPU_THREAD_SCRATCH, "a panel of a thread's own");

/* One product under way. Threads read it and do not write to it, but for `packed`. */
typedef struct job {
    const ts_gemm_args *g;
    ts_cpu *cpu;
    ts_gemm_kernels kern;
    int64_t steps;                /* all of k, in units */
    bool a_packs, b_packs;        /* the operand is packed now; else it is read as it lies */
    bool own_panels;              /* each panel has one task only, which packs it for itself */
    bool own_rows;                /* each thread packs its chunks of A for itself */
    bool long_k;                  /* run_long_k is at work: its sums fill thread 0's scratch */
    int64_t m0, m, n0, n, s0, s;  /* the block at hand: first row, rows; columns; steps */
    const char *a, *b;            /* the block's first unit of each operand */
    int64_t a_row, a_step;        /* bytes from row to row of A, from step to step */
    int64_t a_panel, b_panel;     /* bytes from one tile's A to the next, from panel to panel */
    int64_t rows, chunks, panels; /* rows of a chunk; tasks are chunks x panels */
    int64_t parts;                /* own_rows: tasks are chunks x parts, a part being some panels */
    int64_t packed[MEMO];         /* own_rows: by thread, 1 + the chunk in its scratch */
    ts_gemm_panels pack_a, pack_b;
    int64_t pack_a_tasks, pack_tasks; /* A's come first */
} job;

void ts_gemm_kernels_init(ts_gemm_kernels *k, unsigned isa, ts_dtype dtype)
{
    *k = (ts_gemm_kernels){ 0 };
#if defined(__x86_64__)
    if (isa & TS_ISA_AVX2)
        ts_gemm_kernels_init_avx2(k);
    if (isa & TS_ISA_AVX512)
        ts_gemm_kernels_init_avx512(k);
    if (isa & TS_ISA_BF16 && dtype == TS_DTYPE_BF16)
        ts_gemm_kernels_init_bf16(k);
    if (isa & TS_ISA_AMX && dtype == TS_DTYPE_BF16)
        ts_gemm_kernels_init_amx(k);
#else
    (void)isa, (void)dtype;
#endif
}

/* 1000 columns in blocks of at most 900 (864, in whole packing tasks) would be 864 and a poor 136.
 * This makes them alike, 576 and 424. Returns the size of a block. */
static int64_t even_block(int64_t n, int64_t most)
{
    most -= most % TS_GEMM_PACK_X;
    return n <= most ? n : min64(most, round_up(ceil_div(n, ceil_div(n, most)), TS_GEMM_PACK_X));
}

/* ---- packing */

/* What one packing task takes of the source, drawn as it lies in memory:
 *
 *   rows along k         up to 512 steps       rows across k (k_major)    up to 1152 x
 *                      +------------------+                             +------------+
 *                 96 x |  ->->->->->->    |                    32 steps |  ->->->->  |
 *                      +------------------+                             +------------+  */
static void pack_shape(const ts_gemm_panels *p, int64_t *x, int64_t *steps)
{
    *x = p->k_major ? even_block(p->n_x, ACROSS_X) : TS_GEMM_PACK_X;
    *steps = p->k_major ? ACROSS_STEPS
                        : round_up(ceil_div(p->steps, ceil_div(p->steps, ALONG_STEPS)), 16);
}

static int64_t pack_tasks_of(const ts_gemm_panels *p)
{
    int64_t x, steps;
    if (p->steps == 0)
        return 0;
    pack_shape(p, &x, &steps);
    return ceil_div(p->n_x, x) * ceil_div(p->steps, steps);
}

/* Packs, and rounds what it has packed while that is near. `unpacked`: the thread's room for what is unpacked. */
static void pack_into(const ts_gemm_kernels *kern, ts_gemm_pack_fn *pack, const ts_gemm_panels *p, int64_t x0, int64_t x1,
                      int64_t s0, int64_t s1, char *unpacked)
{
    if (p->nf4) {
        ts_nf4_pack(kern, pack, p, x0, x1, s0, s1, unpacked);
        return;
    }
    pack(p, x0, x1, s0, s1);
    for (int64_t x = x0; p->rounds && x < x1; x += p->width)
        kern->round((float *)(void *)p->dst + (x / p->width * p->steps + s0) * p->width, (s1 - s0) * p->width);
}

/* A thread takes tasks one after another: those side by side along the source's rows come first, so
 * that it reads memory in its order. */
static void pack_task(const ts_gemm_kernels *kern, ts_gemm_pack_fn *pack, const ts_gemm_panels *p, int64_t task, char *unpacked)
{
    int64_t x, steps;
    pack_shape(p, &x, &steps);
    const int64_t across = ceil_div(p->n_x, x), along = ceil_div(p->steps, steps);
    const int64_t x0 = (p->k_major ? task % across : task / along) * x;
    const int64_t s0 = (p->k_major ? task / across : task % along) * steps;
    pack_into(kern, pack, p, x0, min64(x0 + x, p->n_x), s0, min64(s0 + steps, p->steps), unpacked);
}

static void pack_blocks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    char *unpacked = ts_nf4_room(ts_cpu_scratch(j->cpu, thread));
    for (int64_t t = begin; t < end; t++) {
        if (t < j->pack_a_tasks)
            pack_task(&j->kern, j->kern.pack_a ? j->kern.pack_a : j->kern.pack, &j->pack_a, t, unpacked);
        else
            pack_task(&j->kern, j->kern.pack, &j->pack_b, t - j->pack_a_tasks, unpacked);
    }
}

/* How to pack x in [x0, x0 + n_x) of A or B for the steps of the block at hand; the caller adds dst and width. */
static ts_gemm_panels panels_of(const job *j, bool is_b, int64_t x0, int64_t n_x)
{
    const ts_gemm_args *g = j->g;
    const bool k_major = is_b ? g->form != TS_GEMM_NT : g->form == TS_GEMM_TN, wide = is_b && g->b_wide;
    const int64_t per = j->kern.pairs ? 2 : 1, k0 = j->s0 * per, ld = is_b ? g->ldb : g->lda;
    const int64_t at = k_major ? k0 * ld + x0 : x0 * ld + k0;
    const ts_dtype type = is_b ? ts_gemm_b_type(g) : g->dtype;
    if (is_b && g->b_nf4)
        return (ts_gemm_panels){
            .nf4 = g->b_nf4, .row = g->b_row + (k_major ? k0 : x0), .col = g->b_col + (k_major ? x0 : k0), .nf4_type = g->dtype,
            .n_x = n_x, .n_k = min64(j->s * per, g->k - k0), .src_dtype = j->kern.pairs ? TS_DTYPE_BF16 : TS_DTYPE_F32,
            .k_major = k_major, .pairs = j->kern.pairs, .steps = j->s,
        };
    return (ts_gemm_panels){
        .src = (const char *)(is_b ? g->b : g->a) + at * (int64_t)ts_dtype_size(type), .ld = ld, .n_x = n_x,
        .n_k = min64(j->s * per, g->k - k0), .src_dtype = type, .k_major = k_major, .rounds = wide,
        .pairs = j->kern.pairs, .steps = j->s,
    };
}

/* Points a and b at the block at hand, and packs what is not yet there, both operands in one go:
 * with two, threads that have done their share of A would wait before B.
 *
 *   shared scratch   | panels of B ............ | panels (or rows) of A ... |
 *                    0                          2/3 of it: B_BYTES, unless it is a part of the device's  */
static void fetch_block(job *j, bool pack_a, bool pack_b)
{
    const ts_gemm_args *g = j->g;
    const int rows = j->kern.rows, width = j->kern.width;
    char *scratch = j->cpu->shared_scratch, *scratch_a = scratch + j->cpu->shared_bytes / 3 * 2;
    j->pack_a_tasks = j->pack_tasks = 0;
    if (j->a_packs) {
        j->a = scratch_a;
        j->a_row = 4, j->a_step = rows * 4, j->a_panel = j->s * rows * 4;
        if (j->kern.pack_a)
            j->a_row = j->s * 4, j->a_step = 4;
    } else {
        j->a_row = g->lda * (int64_t)ts_dtype_size(g->dtype), j->a_step = 4,
        j->a_panel = rows * j->a_row;
        j->a = (const char *)g->a + j->m0 * j->a_row + j->s0 * 4;
    }
    j->b = j->b_packs ? scratch : g->b;
    j->b_panel = j->s * width * 4;
    if (pack_a) {
        j->pack_a = panels_of(j, false, j->m0, j->m);
        j->pack_a.dst = scratch_a, j->pack_a.width = rows;
        j->pack_a_tasks = j->pack_tasks = pack_tasks_of(&j->pack_a);
    }
    if (pack_b) {
        j->pack_b = panels_of(j, true, j->n0, j->n);
        j->pack_b.dst = scratch, j->pack_b.width = width;
        j->pack_tasks += pack_tasks_of(&j->pack_b);
    }
    ts_pool_run(j->cpu->pool, j->pack_tasks, j->pack_tasks < 4 ? 4 : 1, pack_blocks, j);
}

/* ---- tiles */

/* Where the sums of a tile's slice come from and go to. Sums of a few slices rounded to 16 bits in
 * between would lose what fp32 has gained, so a 16-bit C gets only the last; an fp32 C is its own
 * store:
 *
 *   fp32 C     slice 0 + bias + add -> C;  slice 1 + C -> C;  slice 2 + C -> C
 *   16-bit C   slice 0 -> part;  slice 1 + part -> part;  slice 2 + part + bias + add -> C  */
static void place(const job *j, ts_gemm_tile *t, int64_t row, int64_t col, float *part, bool first,
                  bool last)
{
    const ts_gemm_args *g = j->g;
    const int64_t at = (j->m0 + row) * g->ldc + j->n0 + col;
    const bool in_c = g->c_dtype == TS_DTYPE_F32;
    t->c = (char *)g->c + at * (int64_t)ts_dtype_size(g->c_dtype), t->ldc = g->ldc;
    t->c_dtype = g->c_dtype;
    t->from = NULL, t->from_ld = t->ldc, t->bias = NULL, t->add = NULL;
    if (in_c ? first : last) {
        t->bias = g->bias ? g->bias + j->n0 + col : NULL;
        t->add = g->add ? (const char *)g->add + at * (int64_t)ts_dtype_size(g->c_dtype) : NULL;
    }
    if (in_c) {
        t->from = !first || g->accumulate ? t->c : NULL;
        return;
    }
    if (!first)
        t->from = part, t->from_ld = j->kern.width;
    if (!last)
        t->c = part, t->ldc = j->kern.width, t->c_dtype = TS_DTYPE_F32;
}

/* Where one task is all that reads a panel, packing for everybody would send the panel to L3 and
 * back. The task packs it into its own L2 instead, behind its partial sums. */
static const char *pack_own(const job *j, int64_t col, char *dst)
{
    const int64_t cols = min64(j->kern.width, j->n - col);
    ts_gemm_panels p = panels_of(j, true, j->n0 + col, cols);
    p.dst = dst, p.width = j->kern.width;
    pack_into(&j->kern, j->kern.pack, &p, 0, cols, 0, j->s, ts_nf4_room(dst - PART_BYTES));
    return dst;
}

/* Few rows are done with a panel before the next has come from memory. So each tile prefetches 64
 * bytes a step of the next panel, which is this thread's next task (base/thread.h):
 *
 *   panel p, tiles    | 0 | 1 | 2 | 3 | ...      steps x 64 bytes each, so three tiles have asked
 *   panel p + 1       |--0--|--1--|--2--|        for a panel 48 units wide
 *
 * When all is asked for, or there is no next panel, it asks for what is there already. */
static const char *ahead(const job *j, int64_t panel, const ts_gemm_tile *t, int64_t tile)
{
    const int64_t part = tile * t->steps * 64;
    const bool more = !j->own_panels && panel + 1 < j->panels;
    return more && part < t->steps * j->kern.width * 4 ? t->b + j->b_panel + part : t->b;
}

/* One chunk of rows against one panel. All rows are done for a slice before the next slice begins:
 * the other way round, each tile would fetch all slices of the panel, which are more than L2.
 * `part` has room for the chunk's sums between slices. */
static void run_task(const job *j, int64_t panel, int64_t chunk, float *part)
{
    const int64_t width = j->kern.width, col = panel * width,
                  b_at = j->own_panels ? 0 : panel * j->b_panel;
    const char *b = j->own_panels ? pack_own(j, col, (char *)part + PART_BYTES) : j->b;
    const int64_t begin = chunk * j->rows, end = min64(begin + j->rows, j->m);
    ts_gemm_tile t = { .a_row = j->a_row, .a_step = j->a_step,
                       .cols = (int)min64(width, j->n - col) };
    for (int64_t s = 0; s == 0 || s < j->s; s += SLICE) {
        const bool first = j->s0 + s == 0, last = j->s0 + s + SLICE >= j->steps;
        t.steps = min64(SLICE, j->s - s);
        t.half_step = last && !j->a_packs && j->kern.pairs && j->g->k % 2;
        t.steps -= t.half_step;
        t.b = b + b_at + s * width * 4;
        t.a_next = j->a + begin / j->kern.rows * j->a_panel + s * j->a_step;
        for (int64_t row = begin; row < end; row += j->kern.rows) {
            t.rows = (int)min64(j->kern.rows, end - row);
            t.a = t.a_next, t.a_next += j->a_panel;
            t.ahead = ahead(j, panel, &t, (row - begin) / j->kern.rows);
            place(j, &t, row, col, part + (row - begin) * width, first, last);
            j->kern.tile(&t);
        }
    }
}

static void run_tasks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    float *part = (float *)(void *)ts_cpu_scratch(j->cpu, thread);
    if (j->kern.begin)
        j->kern.begin();
    for (int64_t t = begin; t < end; t++)
        run_task(j, t % j->panels, t / j->panels, part);
    if (j->kern.end)
        j->kern.end();
}

/* ---- gradients of weights: threads pack A for themselves
 *
 * In the form TN, A runs across k and must be packed, all of it, and m is large. Packed by all
 * together it goes to L3 and comes back, and nobody multiplies meanwhile. Here each thread packs a
 * chunk of 96 rows into its own scratch, multiplies it with every panel of B, and while it does,
 * prefetches the source of the next chunk:
 *
 *   thread 0   pack 0 | chunk 0 x panels 0, 1, 2 .. (asks for 1) | pack 1 | chunk 1 x panels ..
 *   thread 1   pack 8 | chunk 8 x panels 0, 1, 2 .. (asks for 9) | pack 9 | chunk 9 x panels ..  */

static bool can_own_rows(const job *j)
{
    const int64_t threads = ts_pool_threads(j->cpu->pool), s = min64(j->steps, BLOCK);
    return j->a_packs && j->b_packs && !j->long_k && !j->kern.pack_a && j->kern.pairs &&
           j->g->form == TS_GEMM_TN && j->g->c_dtype == TS_DTYPE_F32 &&
           j->g->m >= OWN_ROWS * OWN_LEAST * threads && OWN_ROWS * s * 4 <= TS_CPU_THREAD_SCRATCH;
}

/* A task is a chunk against a part of the panels. A task a chunk would leave threads idle at the
 * end; there are about 16 tasks a thread, and `packed` saves packing a chunk again for each. */
static void cut_own_rows(job *j)
{
    const int64_t threads = ts_pool_threads(j->cpu->pool);
    j->rows = OWN_ROWS, j->chunks = ceil_div(j->m, j->rows);
    j->panels = ceil_div(j->n, j->kern.width);
    j->parts = min64(j->panels, ceil_div(16 * threads, j->chunks));
    memset(j->packed, 0, sizeof j->packed);
}

static void pack_rows(const job *j, int64_t chunk, char *dst)
{
    const int64_t begin = chunk * j->rows, rows = min64(j->rows, j->m - begin);
    ts_gemm_panels p = panels_of(j, false, j->m0 + begin, rows);
    p.dst = dst, p.width = j->kern.rows;
    j->kern.pack(&p, 0, rows, 0, j->s);
}

/* Prefetches one part in `panels` of what packing `chunk` will read. All at once would be more
 * lines than a core can have under way; a part with each panel comes in time. */
static void ask_for_rows(const job *j, int64_t chunk, int64_t panel)
{
    const ts_gemm_args *g = j->g;
    if (chunk >= j->chunks)
        return;
    const int64_t n_k = min64(j->s * 2, g->k - j->s0 * 2), row = g->lda * 2;
    const int64_t begin = n_k * panel / j->panels, end = n_k * (panel + 1) / j->panels;
    const int64_t bytes = min64(j->rows, j->m - chunk * j->rows) * 2;
    const char *a = (const char *)g->a + (j->s0 * 2 + begin) * row + (j->m0 + chunk * j->rows) * 2;
    for (int64_t i = begin; i < end; i++, a += row)
        for (int64_t c = 0; c < bytes; c += 64)
            __builtin_prefetch(a + c, 0, 2);
}

/* As run_tasks. j.a is set so far back that the chunk, which is all there is, stands where run_task
 * looks for it. */
static void run_own_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    job *all = ctx, j = *all;
    char *own = ts_cpu_scratch(j.cpu, thread);
    for (int64_t t = begin; t < end; t++) {
        const int64_t chunk = t / j.parts, part = t % j.parts;
        const int64_t first = j.panels * part / j.parts, last = j.panels * (part + 1) / j.parts;
        if (thread >= MEMO || all->packed[thread] != 1 + chunk)
            pack_rows(&j, chunk, own);
        if (thread < MEMO)
            all->packed[thread] = 1 + chunk;
        j.a = own - chunk * j.rows / j.kern.rows * j.a_panel;
        for (int64_t panel = first; panel < last; panel++) {
            ask_for_rows(&j, chunk + 1, panel);
            run_task(&j, panel, chunk, NULL);
        }
    }
}

/* Chooses the rows of a chunk. Too many, and a chunk and a panel leave L2; too few, and a panel is
 * fetched for a handful of tiles. And where tasks do not divide evenly, threads wait for the last:
 *
 *   3 tasks on 2 threads                 6 half as large: nobody waits
 *   thread 0  |#####|#####|              |##|##|##|
 *   thread 1  |#####|.....| waste        |##|##|##|
 *
 * So it begins with the fewest chunks that fit into L2, tries more of them, and keeps the cut with
 * the least waste (in tiles). It ends when tasks become too short, or cannot become much fairer. */
static void cut_rows(job *j)
{
    enum { FINE = 16, LEAST = 6 }; /* tasks a thread that are fair enough; tiles a task */
    const int64_t threads = ts_pool_threads(j->cpu->pool), tiles = ceil_div(j->m, j->kern.rows);
    const int64_t panels = ceil_div(j->n, j->kern.width);
    const int64_t in_l2 = A_IN_L2 / (min64(j->s, SLICE) * 4 + 4) / j->kern.rows;
    int64_t best = ceil_div(tiles, in_l2 < LEAST ? LEAST : in_l2), least_waste = INT64_MAX;
    for (int64_t c = best; threads > 1 && c <= tiles; c++) {
        const int64_t per = ceil_div(tiles, c), tasks = panels * ceil_div(tiles, per);
        if (per < LEAST && tasks > threads * 2 && least_waste < INT64_MAX)
            break;
        const int64_t waste = ceil_div(tasks, threads) * per * threads - panels * tiles;
        if (waste < least_waste)
            least_waste = waste, best = c;
        if (tasks >= FINE * threads && waste * 64 <= panels * tiles)
            break;
    }
    j->rows = ceil_div(tiles, best) * j->kern.rows;
    j->chunks = ceil_div(j->m, j->rows), j->panels = panels;
}

/* Runs the tasks of the block at hand. Small products stay on the caller's thread: one share. */
static void run_block(job *j)
{
    if (j->own_rows) {
        ts_pool_run(j->cpu->pool, j->chunks * j->parts, 1, run_own_rows, j);
        return;
    }
    const int64_t tasks = j->chunks * j->panels;
    const int64_t work = min64(j->rows, j->m) * j->kern.width * (j->s + 16); /* of a task */
    ts_pool_run(j->cpu->pool, tasks, work * tasks < SMALL ? tasks : SMALL / 16 / work + 1,
                run_tasks, j);
}

/* ---- blocks: as much of A and B as fits into the shared scratch at a time
 *
 * Each block of B is packed once and stays while all of A passes; A is packed once if all of its
 * rows fit, else again for each block of B:
 *
 *   for steps s0 .. of k                          an operand that is not packed is one block
 *       for columns n0 ..   pack B (if m0 == 0)
 *           for rows m0 ..  pack A (if n0 == 0, or A is not whole)
 *               run_block: C[m0 .., n0 ..] += A block x B block  */

static void run_blocks(job *j)
{
    const ts_gemm_args *g = j->g;
    const int64_t s_most = j->b_packs ? min64(j->steps, BLOCK) : j->steps;
    const int64_t n_most = j->b_packs ? even_block(g->n, B_BYTES / (s_most * 4 + 4)) : g->n;
    j->own_rows = can_own_rows(j);
    const int64_t m_most =
        j->a_packs && !j->own_rows ? even_block(g->m, A_BYTES / (s_most * 4 + 4)) : g->m;
    for (j->s0 = 0; j->s0 == 0 || j->s0 < j->steps; j->s0 += s_most) {
        j->s = min64(s_most, j->steps - j->s0);
        for (j->n0 = 0; j->n0 < g->n; j->n0 += n_most) {
            j->n = min64(n_most, g->n - j->n0);
            for (j->m0 = 0; j->m0 < g->m; j->m0 += m_most) {
                j->m = min64(m_most, g->m - j->m0);
                (j->own_rows ? cut_own_rows : cut_rows)(j);
                j->own_panels = j->b_packs && j->chunks == 1 && m_most == g->m && !j->long_k;
                fetch_block(j, j->a_packs && !j->own_rows && (j->n0 == 0 || m_most < g->m),
                            j->b_packs && j->m0 == 0 && !j->own_panels);
                run_block(j);
            }
        }
        if (s_most == 0) /* k is 0: C is bias and add, or zero */
            break;
    }
}

/* ---- a long k into a 16-bit C
 *
 * Where k takes several blocks, sums must wait between blocks, and a 16-bit C cannot hold them:
 * rounding each time would lose digits. All of C in fp32 may be more than there is scratch. So C is
 * done in parts of 512 x 1536, each a product of its own into fp32 scratch, rounded at the end:
 *
 *   C  +------+------+      sum (fp32, thread 0's scratch)
 *      | part | part |      = block 0 of k + block 1 + ...
 *      +------+------+      then part = round(sum + bias + add)
 *      | part | part |
 *      +------+------+  */

enum { LONG_K_ROWS = 512, LONG_K_COLS = 1536, LONG_K_COLS_NF4 = 1440 };
_Static_assert(LONG_K_ROWS * LONG_K_COLS * sizeof(float) <= TS_CPU_THREAD_SCRATCH, "part of C");
_Static_assert(LONG_K_ROWS * LONG_K_COLS_NF4 * sizeof(float) + TS_NF4_UNPACKED <= TS_CPU_THREAD_SCRATCH, "and what is unpacked");

typedef struct long_k {
    const ts_gemm_args *g; /* of this part of C */
    const float *sum;      /* [m, n] of the part */
} long_k;

static void round_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const long_k *w = ctx;
    const ts_gemm_args *g = w->g;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t c = 0; c < g->n; c++) {
            float v = w->sum[i * g->n + c];
            if (g->bias)
                v += g->bias[c];
            if (g->add)
                v += ts_load_f32(g->add, i * g->ldc + c, g->c_dtype);
            ts_store_f32(g->c, i * g->ldc + c, g->c_dtype, v);
        }
    }
}

static void run_long_k(job *j)
{
    const ts_gemm_args whole = *j->g;
    j->long_k = true;
    const int64_t a_at =
        (whole.form == TS_GEMM_TN ? 1 : whole.lda) * (int64_t)ts_dtype_size(whole.dtype);
    const int64_t b_at =
        (whole.form == TS_GEMM_NT ? whole.ldb : 1) * (int64_t)ts_dtype_size(ts_gemm_b_type(&whole));
    const int64_t size = (int64_t)ts_dtype_size(whole.c_dtype), cols = whole.b_nf4 ? LONG_K_COLS_NF4 : LONG_K_COLS;
    for (int64_t m0 = 0; m0 < whole.m; m0 += LONG_K_ROWS) {
        for (int64_t n0 = 0; n0 < whole.n; n0 += cols) {
            ts_gemm_args part = whole, sum;
            const int64_t at = (m0 * whole.ldc + n0) * size;
            part.m = min64(LONG_K_ROWS, whole.m - m0), part.n = min64(cols, whole.n - n0);
            part.a = (const char *)whole.a + m0 * a_at;
            if (whole.b_nf4)
                *(whole.form == TS_GEMM_NT ? &part.b_row : &part.b_col) += n0;
            else
                part.b = (const char *)whole.b + n0 * b_at;
            part.c = (char *)whole.c + at;
            part.add = whole.add ? (const char *)whole.add + at : NULL;
            part.bias = whole.bias ? whole.bias + n0 : NULL;
            sum = part; /* into fp32 no task has sums of its own: thread 0's scratch is free */
            sum.c = ts_cpu_scratch(j->cpu, 0), sum.c_dtype = TS_DTYPE_F32, sum.ldc = part.n;
            sum.bias = NULL, sum.add = NULL;
            j->g = &sum;
            run_blocks(j);
            ts_pool_run(j->cpu->pool, part.m, 16, round_rows, &(long_k){ &part, sum.c });
        }
    }
}

/* ---- the kernels of the table */

static void gemm(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_gemm_args *g = args;
    job j = { .g = g, .cpu = cpu };
    (void)n;
    if (g->m <= 0 || g->n <= 0)
        return;
    ts_gemm_kernels_init(&j.kern, cpu->isa, g->dtype);
    TS_ASSERT(!g->b_packed || j.kern.pairs, "gemm: B is packed for another device");
    TS_ASSERT(!g->b_wide || (g->dtype == TS_DTYPE_BF16 && g->form != TS_GEMM_TN && j.kern.round),
              "gemm: B is rounded in forms NT and NN of bf16 alone, where it is not packed in pairs");
    TS_ASSERT(!g->b_nf4 || g->form != TS_GEMM_TN, "gemm: B in NF4 goes with forms NT and NN");
    if (ts_gemm_few(cpu, g, &j.kern))
        return;
    j.steps = j.kern.pairs ? ceil_div(g->k, 2) : g->k;
    j.a_packs = g->form == TS_GEMM_TN || (g->dtype != TS_DTYPE_F32 && !j.kern.pairs);
    j.b_packs = !g->b_packed;
    if (j.b_packs && j.steps > BLOCK && g->c_dtype != TS_DTYPE_F32)
        run_long_k(&j);
    else
        run_blocks(&j);
}

typedef struct pack_job {
    ts_gemm_kernels kern;
    ts_gemm_panels panels;
} pack_job;

static void pack_shares(void *ctx, int64_t begin, int64_t end, int thread)
{
    const pack_job *j = ctx;
    (void)thread;
    for (int64_t t = begin; t < end; t++)
        pack_task(&j->kern, j->kern.pack, &j->panels, t, NULL);
}

/* Weights are packed once and multiplied many times: their panels go to the caller's memory. */
static void gemm_pack(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_gemm_pack_args *g = args;
    pack_job j;
    (void)n;
    ts_gemm_kernels_init(&j.kern, cpu->isa, g->dtype);
    TS_ASSERT(j.kern.pairs && g->form != TS_GEMM_TN, "gemm_pack: this device does not pack %s",
              ts_dtype_name(g->dtype));
    j.panels = (ts_gemm_panels){
        .src = g->src, .ld = g->ld, .n_x = g->n, .n_k = g->k, .src_dtype = g->src_dtype,
        .k_major = g->form == TS_GEMM_NN, .pairs = true, .width = j.kern.width, .dst = g->dst,
        .steps = ceil_div(g->k, 2), .past = g->n * g->k * 2 > PACK_PAST,
    };
    const int64_t tasks = pack_tasks_of(&j.panels);
    ts_pool_run(cpu->pool, tasks, tasks < 4 ? 4 : 1, pack_shares, &j);
}

void ts_cpu_init_gemm(ts_cpu *c)
{
    ts_gemm_kernels kern;
    ts_gemm_kernels_init(&kern, c->isa, TS_DTYPE_BF16);
    const char *variant = kern.begin         ? "amx"
                          : kern.pairs       ? "bf16"
                          : kern.width == 48 ? "avx512"
                          : kern.rows        ? "avx2"
                                             : "ref";
    ts_cpu_whole_fn *product = kern.rows ? gemm : ts_gemm_ref;
    c->kernel[TS_KERNEL_gemm] = (ts_cpu_kernel){ .whole = product, .variant = variant };
    c->kernel[TS_KERNEL_gemm_pack] = (ts_cpu_kernel){ .whole = gemm_pack, .variant = variant };
}
