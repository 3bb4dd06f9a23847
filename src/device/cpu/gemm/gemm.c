#include "device/cpu/gemm/gemm.h"

#include "device/cpu/gemm/gemm_few.h"
#include "device/cpu/gemm/gemm_kernels.h"

#include <string.h>

/* How the work is cut. A task is one panel of B against a run of rows of C: the slice of the panel
 * stays in L2 while A streams past it, 32 bytes a step against 24 multiplications. */
enum {
    SLICE = 2048,       /* steps summed in registers: a slice of a panel is 384 KiB */
    BLOCK = 2 * SLICE,  /* steps packed at once */
    /* what is packed at once, for L3 */
    A_BYTES = 8 << 20, B_BYTES = TS_CPU_SHARED_SCRATCH - A_BYTES,
    /* a packing task: rows as long as can be, so that memory is read in its order */
    ALONG_STEPS = 512, ACROSS_X = 1152, ACROSS_STEPS = 32,
    A_IN_L2 = 768 << 10, /* bytes of A that a task goes over again and again */
    PACK_PAST = 16 << 20, /* bytes of panels that would not stay in L3 until they are read */
    SMALL = 1 << 19,    /* steps x columns x rows below which threads are not worth waking: 8 us */
    PART_BYTES = 2 << 20, /* of a thread's scratch: partial sums; behind them a panel of its own */
    OWN_ROWS = 96,      /* rows of A that a thread packs for itself */
    OWN_LEAST = 3,      /* such pieces a thread, or all pack together */
    MEMO = 64,          /* threads that remember what they have packed */
};

_Static_assert(PART_BYTES + BLOCK * 48 * 4 <= TS_CPU_THREAD_SCRATCH, "a panel of a thread's own");

typedef struct job {
    const ts_gemm_args *g;
    ts_cpu *cpu;
    ts_gemm_kernels kern;
    int64_t steps;                 /* all of k */
    bool a_packs, b_packs;         /* on the fly */
    bool own_panels;               /* each panel has one task only, which packs it for itself */
    bool own_rows;                 /* tasks pack their rows of A for themselves */
    bool wide;                     /* run_wide is at work: its sums are in thread 0's scratch */
    /* the block at hand: rows, columns, steps */
    int64_t m0, m, n0, n, s0, s;
    const char *a, *b;             /* its first unit */
    int64_t a_row, a_step, a_sliver, b_panel; /* bytes from row to row, ... of tiles to tiles */
    int64_t rows, chunks, panels;  /* rows of a task; tasks are chunks x panels */
    int64_t parts;                 /* own_rows: tasks are chunks x parts of the panels */
    int64_t packed[MEMO];          /* own_rows: 1 + the chunk in a thread's scratch */
    ts_gemm_panels pack_a, pack_b;
    int64_t pack_a_tasks, pack_tasks;
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

/* An even cut of n into blocks of at most `most`, in multiples of the packing unit. */
static int64_t even_block(int64_t n, int64_t most)
{
    most -= most % TS_GEMM_PACK_X;
    return n <= most ? n : min64(most, round_up(ceil_div(n, ceil_div(n, most)), TS_GEMM_PACK_X));
}

/* ---- packing */

/* x and steps of a packing task. Where rows run along k, a task has 96 of them; where they run
 * across, all of some. */
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

/* Tasks that follow each other lie side by side along the rows. */
static void pack_task(ts_gemm_pack_fn *pack, const ts_gemm_panels *p, int64_t task)
{
    int64_t x, steps;
    pack_shape(p, &x, &steps);
    const int64_t across = ceil_div(p->n_x, x), along = ceil_div(p->steps, steps);
    const int64_t x0 = (p->k_major ? task % across : task / along) * x;
    const int64_t s0 = (p->k_major ? task / across : task % along) * steps;
    pack(p, x0, min64(x0 + x, p->n_x), s0, min64(s0 + steps, p->steps));
}

static void pack_blocks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    (void)thread;
    for (int64_t t = begin; t < end; t++) {
        if (t < j->pack_a_tasks)
            pack_task(j->kern.pack_a ? j->kern.pack_a : j->kern.pack, &j->pack_a, t);
        else
            pack_task(j->kern.pack, &j->pack_b, t - j->pack_a_tasks);
    }
}

/* Element (x, k0) of an operand, whose rows run along k or across. */
static ts_gemm_panels panels_of(const job *j, const void *src, int64_t ld, bool k_major, int64_t x0,
                                int64_t n_x)
{
    const int64_t per = j->kern.pairs ? 2 : 1, k0 = j->s0 * per;
    const int64_t at = k_major ? k0 * ld + x0 : x0 * ld + k0;
    return (ts_gemm_panels){
        .src = (const char *)src + at * (int64_t)ts_dtype_size(j->g->dtype), .ld = ld, .n_x = n_x,
        .n_k = min64(j->s * per, j->g->k - k0), .src_dtype = j->g->dtype, .k_major = k_major,
        .pairs = j->kern.pairs, .steps = j->s,
    };
}

/* Points a and b at the block at hand, and packs what is not yet there. */
static void fetch_block(job *j, bool pack_a, bool pack_b)
{
    const ts_gemm_args *g = j->g;
    const int rows = j->kern.rows, width = j->kern.width;
    char *scratch = j->cpu->shared_scratch;
    j->pack_a_tasks = j->pack_tasks = 0;
    if (j->a_packs) {
        j->a = scratch + B_BYTES;
        j->a_row = 4, j->a_step = rows * 4, j->a_sliver = j->s * rows * 4;
        if (j->kern.pack_a)
            j->a_row = j->s * 4, j->a_step = 4;
    } else {
        j->a_row = g->lda * (int64_t)ts_dtype_size(g->dtype), j->a_step = 4,
        j->a_sliver = rows * j->a_row;
        j->a = (const char *)g->a + j->m0 * j->a_row + j->s0 * 4;
    }
    j->b = j->b_packs ? scratch : g->b;
    j->b_panel = j->s * width * 4;
    if (pack_a) {
        j->pack_a = panels_of(j, g->a, g->lda, g->form == TS_GEMM_TN, j->m0, j->m);
        j->pack_a.dst = scratch + B_BYTES, j->pack_a.width = rows;
        j->pack_a_tasks = j->pack_tasks = pack_tasks_of(&j->pack_a);
    }
    if (pack_b) {
        j->pack_b = panels_of(j, g->b, g->ldb, g->form != TS_GEMM_NT, j->n0, j->n);
        j->pack_b.dst = scratch, j->pack_b.width = width;
        j->pack_tasks += pack_tasks_of(&j->pack_b);
    }
    ts_pool_run(j->cpu->pool, j->pack_tasks, j->pack_tasks < 4 ? 4 : 1, pack_blocks, j);
}

/* ---- tiles */

/* Where sums come from and go to: partial sums of a 16-bit C wait in `part`. */
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

static const char *pack_own(const job *j, int64_t col, char *dst)
{
    const ts_gemm_args *g = j->g;
    const int64_t cols = min64(j->kern.width, j->n - col);
    ts_gemm_panels p = panels_of(j, g->b, g->ldb, g->form != TS_GEMM_NT, j->n0 + col, cols);
    p.dst = dst, p.width = j->kern.width;
    j->kern.pack(&p, 0, cols, 0, j->s);
    return dst;
}

/* While a panel is at work the next one comes from memory, a part with each tile: rows that are few
 * would wait for it else. It is the same thread's next task (base/thread.h). */
static const char *ahead(const job *j, int64_t panel, const ts_gemm_tile *t, int64_t tile)
{
    const int64_t part = tile * t->steps * 64;
    const bool more = !j->own_panels && panel + 1 < j->panels;
    return more && part < t->steps * j->kern.width * 4 ? t->b + j->b_panel + part : t->b;
}

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
        t.a_next = j->a + begin / j->kern.rows * j->a_sliver + s * j->a_step;
        for (int64_t row = begin; row < end; row += j->kern.rows) {
            t.rows = (int)min64(j->kern.rows, end - row);
            t.a = t.a_next, t.a_next += j->a_sliver;
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

/* ---- a product whose A has to be turned round: each thread packs some rows of it, goes over all of
 * B with them, and meanwhile has the next ones fetched from memory */

static bool can_own_rows(const job *j)
{
    const int64_t threads = ts_pool_threads(j->cpu->pool), s = min64(j->steps, BLOCK);
    return j->a_packs && j->b_packs && !j->wide && !j->kern.pack_a && j->kern.pairs &&
           j->g->form == TS_GEMM_TN && j->g->c_dtype == TS_DTYPE_F32 &&
           j->g->m >= OWN_ROWS * OWN_LEAST * threads && OWN_ROWS * s * 4 <= TS_CPU_THREAD_SCRATCH;
}

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
    ts_gemm_panels p = panels_of(j, j->g->a, j->g->lda, true, j->m0 + begin, rows);
    p.dst = dst, p.width = j->kern.rows;
    j->kern.pack(&p, 0, rows, 0, j->s);
}

/* One part in `panels` of what the chunk's packing will read. */
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
        j.a = own - chunk * j.rows / j.kern.rows * j.a_sliver;
        for (int64_t panel = first; panel < last; panel++) {
            ask_for_rows(&j, chunk + 1, panel);
            run_task(&j, panel, chunk, NULL);
        }
    }
}

/* Rows of a task: they and a panel stay in L2; of few panels, threads still end together. */
static void cut_rows(job *j)
{
    enum { FINE = 16, LEAST = 6 }; /* tasks a thread; tiles a task */
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

/* ---- blocks */

static void run_blocks(job *j)
{
    const ts_gemm_args *g = j->g;
    const int64_t s_most = j->b_packs ? min64(j->steps, BLOCK) : j->steps;
    const int64_t n_most = j->b_packs ? even_block(g->n, B_BYTES / (s_most * 4 + 4)) : g->n;
    j->own_rows = can_own_rows(j);
    const int64_t m_most = j->a_packs && !j->own_rows ? even_block(g->m, A_BYTES / (s_most * 4 + 4)) : g->m;
    for (j->s0 = 0; j->s0 == 0 || j->s0 < j->steps; j->s0 += s_most) {
        j->s = min64(s_most, j->steps - j->s0);
        for (j->n0 = 0; j->n0 < g->n; j->n0 += n_most) {
            j->n = min64(n_most, g->n - j->n0);
            for (j->m0 = 0; j->m0 < g->m; j->m0 += m_most) {
                j->m = min64(m_most, g->m - j->m0);
                (j->own_rows ? cut_own_rows : cut_rows)(j);
                j->own_panels = j->b_packs && j->chunks == 1 && m_most == g->m && !j->wide;
                fetch_block(j, j->a_packs && !j->own_rows && (j->n0 == 0 || m_most < g->m),
                            j->b_packs && j->m0 == 0 && !j->own_panels);
                run_block(j);
            }
        }
        if (s_most == 0)
            break;
    }
}

/* ---- more of k than is packed at once, into a 16-bit C: summed in fp32 by parts of C, rounded
 * last */

enum { WIDE_ROWS = 512, WIDE_COLS = 1536 };
_Static_assert(WIDE_ROWS * WIDE_COLS * sizeof(float) <= TS_CPU_THREAD_SCRATCH, "part of C");

typedef struct wide {
    const ts_gemm_args *g; /* of this part of C */
    const float *sum;      /* [m, n] of the part */
} wide;

static void round_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const wide *w = ctx;
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

static void run_wide(job *j)
{
    const ts_gemm_args whole = *j->g;
    j->wide = true;
    const int64_t a_at =
        (whole.form == TS_GEMM_TN ? 1 : whole.lda) * (int64_t)ts_dtype_size(whole.dtype);
    const int64_t b_at =
        (whole.form == TS_GEMM_NT ? whole.ldb : 1) * (int64_t)ts_dtype_size(whole.dtype);
    const int64_t size = (int64_t)ts_dtype_size(whole.c_dtype);
    for (int64_t m0 = 0; m0 < whole.m; m0 += WIDE_ROWS) {
        for (int64_t n0 = 0; n0 < whole.n; n0 += WIDE_COLS) {
            ts_gemm_args part = whole, sum;
            const int64_t at = (m0 * whole.ldc + n0) * size;
            part.m = min64(WIDE_ROWS, whole.m - m0), part.n = min64(WIDE_COLS, whole.n - n0);
            part.a = (const char *)whole.a + m0 * a_at, part.b = (const char *)whole.b + n0 * b_at;
            part.c = (char *)whole.c + at;
            part.add = whole.add ? (const char *)whole.add + at : NULL;
            part.bias = whole.bias ? whole.bias + n0 : NULL;
            sum = part; /* no task has partial sums of its own now: thread 0's scratch is free */
            sum.c = ts_cpu_scratch(j->cpu, 0), sum.c_dtype = TS_DTYPE_F32, sum.ldc = part.n;
            sum.bias = NULL, sum.add = NULL;
            j->g = &sum;
            run_blocks(j);
            ts_pool_run(j->cpu->pool, part.m, 16, round_rows, &(wide){ &part, sum.c });
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
    if (ts_gemm_few(cpu, g, &j.kern))
        return;
    j.steps = j.kern.pairs ? ceil_div(g->k, 2) : g->k;
    j.a_packs = g->form == TS_GEMM_TN || (g->dtype != TS_DTYPE_F32 && !j.kern.pairs);
    j.b_packs = !g->b_packed;
    if (j.b_packs && j.steps > BLOCK && g->c_dtype != TS_DTYPE_F32)
        run_wide(&j);
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
        pack_task(j->kern.pack, &j->panels, t);
}

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

/* Only pairs of bf16 are kept packed: panels of floats would double the weights' memory, and
 * packing them on the fly costs one part in m of the product. */
size_t ts_cpu_gemm_packed_bytes(const ts_device *d, ts_gemm_form form, ts_dtype dtype, int64_t n,
                                int64_t k)
{
    ts_gemm_kernels kern;
    if (dtype == TS_DTYPE_I8)
        return ts_cpu_gemm_i8_bytes(((const ts_cpu *)d)->isa, n, k);
    ts_gemm_kernels_init(&kern, ((const ts_cpu *)d)->isa, dtype);
    if (!kern.pairs || form == TS_GEMM_TN)
        return 0;
    return (size_t)(round_up(n, kern.width) * ceil_div(k, 2)) * 4;
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
