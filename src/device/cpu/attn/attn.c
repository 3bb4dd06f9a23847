/* Attention's driver: which body runs, and how the work is cut for the threads. (Block, tile and
 * group are explained in attn.h.)
 *
 * A block of rows is the natural task, but there may be too few of them: one sequence while
 * decoding is a single block a KV head, and all cores but a few would wait. So
 *
 *   forward   many blocks: a task is a block          few: the keys are split as well, and partial
 *                                                     results are joined
 *             keys ->                                 keys ->
 *             +---------------+ task 0                +--------+--------+
 *             +---------------+ task 1                | task 0 | task 1 |  then join
 *             +---------------+ task 2                +--------+--------+
 *
 *   backward  a task is a chunk: some blocks of a group, with their own sums of dk and dv, which a
 *             second pass adds up; or, where sums of all keys do not fit, dq first, and then dk and
 *             dv by segments of keys
 *
 * If a cut depended on the number of threads, another machine would add in another order and get
 * other bits. Every cut here follows from the shape and the lengths alone. */
#include "device/cpu/attn/attn.h"

#include "device/cpu/kernel.h"

#include <math.h>

enum {
    MIN_ITEMS = 16,    /* tasks to cut for, if the shape allows: some for every thread */
    MIN_SPLIT = 512,   /* keys of a split, at least: each costs a partial result and its joining */
    FEW_SPLIT = 256,   /* the same for few rows, whose splits serve all groups at once */
    FINISH_KEYS = 128, /* keys that are put together at a time from the sums of chunks */
    /* Chunks of all groups together, if a group has several: they are cut for MIN_ITEMS, and
     * rounding up at most doubles them. */
    MOST_CHUNKS = 2 * MIN_ITEMS,
    /* Less than this the caller does alone, since waking threads would cost as much. Few rows do
     * little with each key but wait for memory, where help pays sooner. */
    SMALL_FLOPS = 8000000,
    SMALL_FEW = 250000,
};

/* The best body for this device and data; false: only the reference can do it. */
static bool choose_body(const ts_cpu *c, const ts_attn_args *a, ts_attn_body *body)
{
#if defined(__x86_64__)
    if (a->head_dim > TS_ATTN_MOST_DIM)
        return false;
    if ((c->isa & TS_ISA_BF16) && (c->isa & TS_ISA_AVX512) && a->dtype == TS_DTYPE_BF16)
        ts_attn_body_init_bf16(body);
    else if (c->isa & TS_ISA_AVX512)
        ts_attn_body_init_avx512(body);
    else if (c->isa & TS_ISA_AVX2)
        ts_attn_body_init_avx2(body);
    else
        return false;
    return true;
#else
    (void)c, (void)a, (void)body;
    return false;
#endif
}

/* A body packs a block's rows and a tile's keys into TS_ATTN_SCRATCH bytes. Larger heads make
 * longer rows, so they get fewer of them; a short sequence gets no more rows than it has. */
static ts_attn_shape shape_of(const ts_attn_args *a)
{
    const int64_t d = a->head_dim, part = d <= 128 ? 1 : d <= 256 ? 2 : 4;
    const int64_t r = a->n_q / a->n_kv, all = ceil_div(max64(a->S_q * r, 1), 6) * 6;
    return (ts_attn_shape){ .r = r, .rows = min64(TS_ATTN_ROWS / part, all),
                            .tile = TS_ATTN_TILE / part, .dp = (d + 15) / 16 * 16 };
}

typedef struct key_range {
    int64_t begin, end;
} key_range;

typedef struct job {
    ts_cpu *cpu;
    const ts_attn_args *a;
    ts_attn_shape s;
    ts_attn_body body;
    int64_t blocks;      /* of a group, when a sequence has all S_q queries */
    int64_t groups;      /* B * n_kv: group number b * n_kv + g is KV head g of sequence b */
    int64_t splits;      /* forward: parts that the keys are split in */
    int64_t chunks;      /* backward: of a group; each is some blocks and a set of sums */
    /* Partial results or sums of all groups may be more than the shared scratch: groups go in
     * waves, and this is the first of the wave at hand. */
    int64_t first_group;
    int64_t sum_floats;  /* of one set of sums: dk, then dv */
    bool shared_sums;    /* sums are in the shared scratch; else in the thread's */
    bool in_rows;        /* a chunk's blocks follow each other; else they are `chunks` apart */
    key_range *summed;   /* [MOST_CHUNKS] by chunk: keys that its sums are valid for */
    int64_t segment;     /* backward in two passes: keys that are summed at a time */
} job;

static job job_of(ts_cpu *cpu, const ts_attn_args *a)
{
    job j = { .cpu = cpu, .a = a, .s = shape_of(a), .groups = a->B * a->n_kv };
    j.blocks = ceil_div(a->S_q * j.s.r, j.s.rows);
    return j;
}

static int64_t longest_kv(const ts_attn_args *a)
{
    int64_t n = 0;
    for (int64_t b = 0; b < a->B; b++)
        n = max64(n, ts_attn_kv_len(a, b));
    return n;
}

/* Few rows, as in decoding. The answer to a prompt must not change because of the prompts that
 * happen to be in the same batch, or of how large the cache was made: here the keys of a sequence
 * are cut by its own number of keys, and not by S_kv. */
static bool is_few(const job *j) { return j->a->S_q * j->s.r <= TS_ATTN_FEW; }

static bool is_small(const job *j)
{
    const ts_attn_args *a = j->a;
    const double keys = (double)(is_few(j) ? longest_kv(a) : a->S_kv);
    return (double)a->B * (double)a->n_q * (double)a->S_q * keys * (double)a->head_dim * 4 <
           (is_few(j) ? SMALL_FEW : SMALL_FLOPS);
}

/* Shares n tasks out; a thread takes `grain` of them at a time. */
static void run_by(const job *j, int64_t n, int64_t grain, ts_share_fn *fn)
{
    ts_pool_run(j->cpu->pool, n, is_small(j) ? max64(n, 1) : grain, fn, (void *)(uintptr_t)j);
}

static void run(const job *j, int64_t n, ts_share_fn *fn) { run_by(j, n, 1, fn); }

/* Block `i` of group number `group`, against all keys of its sequence. A sequence shorter than S_q
 * has no rows for its last blocks: rows is 0. */
static ts_attn_block block_of(const job *j, int64_t group, int64_t i)
{
    ts_attn_block k = { .b = group / j->a->n_kv, .g = group % j->a->n_kv, .row0 = i * j->s.rows };
    k.rows = max64(min64(j->s.rows, ts_attn_q_len(j->a, k.b) * j->s.r - k.row0), 0);
    k.key1 = ts_attn_kv_len(j->a, k.b);
    return k;
}

/* ---- forward */

/* Few rows wait for memory, and one head's keys are a pattern that hardware does not prefetch:
 * short pieces, a whole row of all heads apart. Reading all heads' lines once, in the order of
 * memory, is a plain stream, which it runs ahead of; then each head finds its keys in the cache.
 *
 *           head 0  head 1  head 2
 *   key 0      1       2       3        this reads 1 2 3 4 5 6 7 8 9;
 *   key 1      4       5       6        head 0 alone would read 1 4 7
 *   key 2      7       8       9  */
static void read_ahead(const ts_attn_args *a, const ts_attn_block *k)
{
    const int64_t size = (int64_t)ts_dtype_size(a->dtype), row = a->kv_row * size;
    int64_t used = ((a->n_kv - 1) * a->kv_group + a->head_dim) * size;
    const char *const from[] = { a->k, a->v };
    const bool one_stream = from[1] > from[0] && from[1] < from[0] + used;
    if (one_stream)
        used += from[1] - from[0];
    for (int i = 0; i < 2 - one_stream && k->key0 < k->key1; i++) {
        const volatile char *x = from[i] + (k->b * a->kv_batch + k->key0) * row;
        const int64_t bytes = (k->key1 - k->key0 - 1) * row + used;
        for (int64_t c = 0; c < bytes; c += 64)
            (void)x[c];
    }
}

/* Tasks of whole blocks. Under a causal mask the last rows see the most keys; were they done last,
 * threads would wait for the longest task. So they come first, and the short ones fill the end. */
static void fwd_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const ts_attn_block k = block_of(j, i % j->groups, j->blocks - 1 - i / j->groups);
        if (k.rows > 0 && is_few(j) && (k.g == 0 || i == begin))
            read_ahead(j->a, &k);
        if (k.rows > 0)
            j->body.fwd(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), NULL);
    }
}

/* Where a split of a piece (one block of one group) leaves its partial result. A piece's splits lie
 * one behind another, as fwd_join wants them. */
static float *partial_of(const job *j, int64_t piece, int64_t split, int64_t rows)
{
    float *base =
        (float *)(void *)j->cpu->shared_scratch + piece * j->splits * j->s.rows * (2 + j->s.dp);
    return base + split * rows * (2 + j->s.dp);
}

/* So many splits of one sequence, with all its groups and blocks, have room for their partial
 * results in the shared scratch. */
static int64_t most_splits(const job *j)
{
    const int64_t floats = j->a->n_kv * j->blocks * j->s.rows * (2 + j->s.dp); /* of one split */
    return max64(TS_CPU_SHARED_SCRATCH / 4 / max64(floats, 1), 1);
}

/* Split number `split` of a block's keys. A sequence with fewer keys than the longest leaves its
 * last splits empty. */
static ts_attn_block split_of(const job *j, int64_t group, int64_t block, int64_t split)
{
    ts_attn_block k = block_of(j, group, block);
    int64_t each = ceil_div(ceil_div(k.key1, is_few(j) ? most_splits(j) : j->splits), 16) * 16;
    if (is_few(j))
        each = max64(each, FEW_SPLIT);
    k.key0 = min64(split * each, k.key1), k.key1 = min64((split + 1) * each, k.key1);
    return k;
}

/* Tasks of splits. A task is some keys of a sequence for all groups one after another, so that the
 * lines that read_ahead brings serve every head. */
static void fwd_split_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    const int64_t n_kv = j->a->n_kv;
    for (int64_t i = begin; i < end; i++) {
        const int64_t split = i % j->splits, block = i / j->splits % j->blocks;
        const int64_t group = j->first_group + i / j->splits / j->blocks * n_kv;
        ts_attn_block k = split_of(j, group, block, split);
        if (k.rows == 0)
            continue;
        read_ahead(j->a, &k);
        for (int64_t g = 0; g < n_kv; g++) {
            k = split_of(j, group + g, block, split);
            j->body.fwd(
                j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread),
                partial_of(j, (group + g - j->first_group) * j->blocks + block, split, k.rows));
        }
    }
}

/* The second pass: partial results of a piece become its rows' o and lse. */
static void fwd_join_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    for (int64_t piece = begin; piece < end; piece++) {
        const ts_attn_block k = block_of(j, j->first_group + piece / j->blocks, piece % j->blocks);
        if (k.rows > 0)
            j->body.fwd_join(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread),
                             partial_of(j, piece, 0, k.rows), j->splits);
    }
}

/* How many splits. Few rows always go by FEW_SPLIT keys, which is what a cache holds of all heads.
 * More rows are split only when their blocks are too few for the threads, and never if sequences
 * have lengths of their own (a prefill): the cut would depend on their neighbours in the batch. */
static int64_t splits_of(const job *j)
{
    const ts_attn_args *a = j->a;
    const int64_t blocks = a->B * j->blocks;
    int64_t splits = 1;
    if (is_few(j))
        splits = ceil_div(longest_kv(a), FEW_SPLIT);
    else if (blocks * a->n_kv < MIN_ITEMS / 2 && blocks > 0 && !a->q_len)
        splits = min64(ceil_div(MIN_ITEMS, blocks), a->S_kv / MIN_SPLIT);
    return max64(min64(splits, most_splits(j)), 1);
}

static void attn_fwd(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_attn_args *a = args;
    job j = job_of(cpu, a);
    if (!choose_body(cpu, a, &j.body)) {
        ts_attn_fwd_ref(cpu, args, n);
        return;
    }
    j.splits = splits_of(&j);
    if (j.splits == 1) {
        run_by(&j, j.groups * j.blocks,
               is_few(&j) && a->B >= ts_pool_threads(cpu->pool) ? a->n_kv : 1, fwd_share);
        return;
    }
    /* partial results of one sequence; a wave is as many sequences as there is room for */
    const int64_t floats = a->n_kv * j.blocks * j.splits * j.s.rows * (2 + j.s.dp);
    const int64_t wave = TS_CPU_SHARED_SCRATCH / 4 / floats;
    for (int64_t b = 0; b < a->B; b += wave) {
        const int64_t B = min64(wave, a->B - b);
        j.first_group = b * a->n_kv;
        run(&j, B * j.blocks * j.splits, fwd_split_share);
        run(&j, B * a->n_kv * j.blocks, fwd_join_share);
    }
}

/* ---- backward */

static ts_attn_sums sums_at(float *base, int64_t sum_floats, int64_t key0)
{
    return (ts_attn_sums){ base, base + sum_floats / 2, key0 };
}

static float *thread_sums(const job *j, int thread)
{
    return (float *)(void *)(ts_cpu_scratch(j->cpu, thread) + TS_ATTN_SCRATCH);
}

static float *shared_sums(const job *j, int64_t group, int64_t chunk)
{
    return (float *)(void *)j->cpu->shared_scratch +
           ((group - j->first_group) * j->chunks + chunk) * j->sum_floats;
}

/* Clears the sums of `keys` keys; key0 is counted from the first that s has a row for. */
static void clear_sums(const job *j, const ts_attn_sums *s, int64_t key0, int64_t keys)
{
    memset(s->dk + key0 * j->s.dp, 0, (size_t)(keys * j->s.dp) * sizeof *s->dk);
    memset(s->dv + key0 * j->s.dp, 0, (size_t)(keys * j->s.dp) * sizeof *s->dv);
}

/* The keys that the rows of a block see, from the first of any row to the last of any. */
static key_range keys_of(const job *j, const ts_attn_block *k)
{
    key_range all = { INT64_MAX, 0 };
    for (int64_t i = k->row0 / j->s.r; k->rows > 0 && i <= (k->row0 + k->rows - 1) / j->s.r; i++) {
        int64_t lo, hi;
        ts_attn_range(j->a, k->b, i, &lo, &hi);
        if (lo < hi)
            all.begin = min64(all.begin, lo), all.end = max64(all.end, hi);
    }
    return all;
}

/* Clearing a chunk's sums of all keys would cost more than using them, where its rows see few. So
 * they are cleared as blocks come to need them, in whole pieces of FINISH_KEYS; `used` is the range
 * that is cleared already, and grows at either end:
 *
 *   block 0 sees        [#####]               used  [.....]
 *   block 1 sees           [######]           used  [.........]   clears only the new end  */
static void use_sums(const job *j, const ts_attn_sums *s, const ts_attn_block *k, key_range *used)
{
    const key_range all = keys_of(j, k);
    if (all.begin >= all.end)
        return;
    const int64_t begin = all.begin / FINISH_KEYS * FINISH_KEYS;
    const int64_t end = min64(ceil_div(all.end, FINISH_KEYS) * FINISH_KEYS, j->a->S_kv);
    if (used->begin >= used->end)
        *used = (key_range){ begin, begin };
    if (begin < used->begin) {
        clear_sums(j, s, begin, used->begin - begin);
        used->begin = begin;
    }
    if (end > used->end) {
        clear_sums(j, s, used->end, end - used->end);
        used->end = end;
    }
}

/* Roughly what a block costs: the keys its rows see, and a tile more that any block costs. */
static int64_t cost_of(const job *j, int64_t group, int64_t i)
{
    const ts_attn_block k = block_of(j, group, i);
    int64_t first, last, unused;
    if (k.rows == 0)
        return 0;
    ts_attn_range(j->a, k.b, k.row0 / j->s.r, &first, &unused);
    ts_attn_range(j->a, k.b, (k.row0 + k.rows - 1) / j->s.r, &unused, &last);
    return max64(last - first, 0) + j->s.tile;
}

/* Which blocks a chunk has. Under a plain causal mask, chunks of blocks that follow each other
 * would be very unequal, so chunks take turns. Where rows see few keys (documents, a window),
 * neighbours see the same ones: a chunk of neighbours needs sums for those keys only, and there is less to
 * clear and to add; and rows that are parts of a sequence are unequal in other ways than turns even out.
 * This is the second kind: a chunk has the blocks whose middles fall into its share of the total cost.
 *
 *   in turns (bwd_share)    0 1 2 0 1 2 0 1 2         in rows (here)    0 0 0 0 1 1 2 2 2  */
static key_range blocks_in_rows(const job *j, int64_t group, int64_t chunk)
{
    int64_t total = 0, before = 0;
    key_range r = { j->blocks, j->blocks };
    for (int64_t i = 0; i < j->blocks; i++)
        total += cost_of(j, group, i);
    for (int64_t i = 0; i < j->blocks; i++) {
        const int64_t cost = cost_of(j, group, i);
        const int64_t of =
            min64((2 * before + cost) * j->chunks / max64(2 * total, 1), j->chunks - 1);
        if (of == chunk && r.begin == j->blocks)
            r.begin = i;
        if (of > chunk) {
            r.end = i;
            break;
        }
        before += cost;
    }
    return r;
}

/* Tasks of chunks. A group's only chunk writes dk and dv at once; of several, each leaves its sums
 * for bwd_finish_share. */
static void bwd_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t group = j->first_group + i / j->chunks, chunk = i % j->chunks;
        float *base = j->shared_sums ? shared_sums(j, group, chunk) : thread_sums(j, thread);
        const ts_attn_sums sums = sums_at(base, j->sum_floats, 0);
        const key_range blocks =
            j->in_rows ? blocks_in_rows(j, group, chunk) : (key_range){ chunk, j->blocks };
        ts_attn_block k = block_of(j, group, 0);
        key_range used = { 0, 0 };
        if (j->chunks == 1)
            clear_sums(j, &sums, 0, k.key1);
        for (int64_t b = blocks.begin; b < blocks.end; b += j->in_rows ? 1 : j->chunks) {
            k = block_of(j, group, b);
            if (j->chunks > 1)
                use_sums(j, &sums, &k, &used);
            if (k.rows > 0)
                j->body.bwd(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), &sums, true);
        }
        if (j->chunks == 1)
            j->body.bwd_keys(j->a, &j->s, &k, &sums, 1, 0);
        else
            j->summed[i] = used;
    }
}

/* Which chunks have sums of the keys from key0 on. bwd_keys adds sets that lie evenly apart, so it
 * gets all from *first to *last; one in between that has not seen these keys holds old numbers, and
 * is cleared here. If no chunk has seen them, the first is cleared and taken: dk and dv are 0. */
static void find_sums(const job *j, int64_t group, int64_t key0, int64_t keys, int64_t *first,
                      int64_t *last)
{
    const key_range *of = j->summed + (group - j->first_group) * j->chunks;
    *first = *last = -1;
    for (int64_t c = 0; c < j->chunks; c++)
        if (of[c].begin <= key0 && key0 < of[c].end) {
            *first = *first < 0 ? c : *first;
            *last = c;
        }
    *first = max64(*first, 0), *last = max64(*last, 0);
    for (int64_t c = *first; c <= *last; c++) {
        const ts_attn_sums sums = sums_at(shared_sums(j, group, c), j->sum_floats, 0);
        if (!(of[c].begin <= key0 && key0 < of[c].end))
            clear_sums(j, &sums, key0, keys);
    }
}

/* The second pass: dk and dv of FINISH_KEYS keys from the sums of all chunks. */
static void bwd_finish_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    const int64_t parts = ceil_div(j->a->S_kv, FINISH_KEYS);
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t group = j->first_group + i / parts;
        int64_t first, last;
        ts_attn_block k = block_of(j, group, 0);
        k.key0 = i % parts * FINISH_KEYS;
        k.key1 = min64(k.key0 + FINISH_KEYS, k.key1);
        if (k.key0 >= k.key1)
            continue;
        find_sums(j, group, k.key0, k.key1 - k.key0, &first, &last);
        const ts_attn_sums sums = sums_at(shared_sums(j, group, first), j->sum_floats, 0);
        j->body.bwd_keys(j->a, &j->s, &k, &sums, last - first + 1, j->sum_floats);
    }
}

/* The usual backward: every tile's p is made once, and everything is taken from it (five products a
 * tile: scores, dp, dq, dk, dv). That takes sums of dk and dv for all keys. `room`: sets of them
 * that fit into the shared scratch. */
static void bwd_in_one(job *j, int64_t room)
{
    const int64_t want = j->groups > 0 ? ceil_div(MIN_ITEMS, j->groups) : 1;
    key_range summed[MOST_CHUNKS];
    j->summed = summed;
    const int64_t left = ts_mask_left(&j->a->mask);
    j->in_rows = j->a->q_at.n || j->a->first_key || j->a->last_key || (left >= 0 && left + 1 < j->a->S_kv);
    j->chunks = max64(min64(min64(want, room), j->blocks / 2), 1);
    j->shared_sums = j->chunks > 1 || j->sum_floats * 4 > TS_CPU_THREAD_SCRATCH - TS_ATTN_SCRATCH;
    const int64_t wave = j->shared_sums ? room / j->chunks : j->groups;
    for (j->first_group = 0; j->first_group < j->groups; j->first_group += wave) {
        const int64_t groups = min64(wave, j->groups - j->first_group);
        run(j, groups * j->chunks, bwd_share);
        if (j->chunks > 1)
            run(j, groups * ceil_div(j->a->S_kv, FINISH_KEYS), bwd_finish_share);
    }
}

/* The first of two passes: delta and dq, by blocks, the longest first as in fwd_share. */
static void bwd_dq_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const ts_attn_block k = block_of(j, i % j->groups, j->blocks - 1 - i / j->groups);
        if (k.rows > 0)
            j->body.bwd(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), NULL, true);
    }
}

/* The second: a task is a segment of a group's keys, and goes over all blocks. Nobody else has
 * these keys, so their sums stay in the thread's scratch. */
static void bwd_segment_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t group = i % j->groups, key0 = i / j->groups * j->segment;
        const ts_attn_sums sums = sums_at(thread_sums(j, thread), j->sum_floats, key0);
        ts_attn_block k = block_of(j, group, 0);
        const int64_t key1 = min64(key0 + j->segment, k.key1);
        if (key0 >= key1)
            continue;
        clear_sums(j, &sums, 0, key1 - key0);
        for (int64_t b = 0; b < j->blocks; b++) {
            k = block_of(j, group, b);
            k.key0 = key0, k.key1 = key1;
            if (k.rows > 0)
                j->body.bwd(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), &sums, false);
        }
        k.key0 = key0, k.key1 = key1;
        j->body.bwd_keys(j->a, &j->s, &k, &sums, 1, 0);
    }
}

/* So many keys that not even one set of sums fits. Then p is made twice, seven products a tile
 * instead of five:
 *
 *               keys ->                                segment 0   segment 1
 *             +-----------------------+               +-----------+-----------+
 *   1. dq     | task 0: a block       |   2. dk, dv   | task 0:   | task 1:   |
 *             +-----------------------+               | all       | all       |
 *             | task 1                |               | blocks    | blocks    |
 *             +-----------------------+               +-----------+-----------+  */
static void bwd_in_two(job *j)
{
    run(j, j->groups * j->blocks, bwd_dq_share);
    j->segment = (TS_CPU_THREAD_SCRATCH - TS_ATTN_SCRATCH) / (8 * j->s.dp);
    j->sum_floats = 2 * j->segment * j->s.dp;
    run(j, j->groups * ceil_div(j->a->S_kv, j->segment), bwd_segment_share);
}

/* A sink is a logit without a value: it takes its share of the softmax and gives nothing to o. So
 * dp of it is 0, and dsink = sum over rows of p_sink * (0 - delta). A task is a head. */
static void sink_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ts_attn_args *a = ((const job *)ctx)->a;
    (void)thread;
    for (int64_t h = begin; h < end; h++) {
        double sum = 0;
        for (int64_t b = 0; b < a->B; b++)
            for (int64_t i = 0; i < ts_attn_q_len(a, b); i++) {
                const int64_t stat = ts_attn_stat(a, b, h, i);
                /* else the row saw no key: o is 0 whatever the sink is */
                if (a->lse[stat] != -INFINITY)
                    sum += exp((double)a->sinks[h] - a->lse[stat]) * a->delta[stat];
            }
        a->dsinks[h] = (float)(a->dsinks[h] - sum);
    }
}

static void attn_bwd(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_attn_args *a = args;
    job j = job_of(cpu, a);
    if (choose_body(cpu, a, &j.body)) {
        j.sum_floats = 2 * a->S_kv * j.s.dp;
        const int64_t room = TS_CPU_SHARED_SCRATCH / 4 / max64(j.sum_floats, 1);
        if (room > 0)
            bwd_in_one(&j, room);
        else
            bwd_in_two(&j);
    } else {
        ts_attn_bwd_ref(cpu, args, n);
    }
    if (a->sinks && a->dsinks)
        run(&j, a->n_q, sink_share);
}

void ts_cpu_init_attn(ts_cpu *c)
{
    ts_attn_body body;
    const ts_attn_args bf16 = { .dtype = TS_DTYPE_BF16 };
    if (!choose_body(c, &bf16, &body))
        body.name = "ref";
    c->kernel[TS_KERNEL_attn_fwd] = (ts_cpu_kernel){ .whole = attn_fwd, .variant = body.name };
    c->kernel[TS_KERNEL_attn_bwd] = (ts_cpu_kernel){ .whole = attn_bwd, .variant = body.name };
}
