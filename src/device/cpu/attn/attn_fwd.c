/* Attention forward: tasks. A block of rows is the natural one, but there may be too few of them: one sequence while
 * decoding is a single block a KV head, and all cores but a few would wait. So
 *
 *   many blocks: a task is a block          few: the keys are split as well, and partial
 *                                           results are joined
 *   keys ->                                 keys ->
 *   +---------------+ task 0                +--------+--------+
 *   +---------------+ task 1                | task 0 | task 1 |  then join
 *   +---------------+ task 2                +--------+--------+  */
#include "device/cpu/attn/attn_job.h"

enum {
    MIN_SPLIT = 512, /* keys of a split, at least: each costs a partial result and its joining */
    FEW_SPLIT = 256, /* the same for few rows, whose splits serve all groups at once */
};

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
    const bool coded = a->code != TS_KV_PLAIN;
    const int64_t size = coded ? 1 : (int64_t)ts_dtype_size(a->dtype), row = a->kv_row * size;
    int64_t used = ((a->n_kv - 1) * a->kv_group + (coded ? ts_kv_bytes(a->head_dim) : a->head_dim)) * size;
    const char *const from[] = { a->k, a->v };
    const bool one_stream = from[1] > from[0] && from[1] < from[0] + used;
    const int64_t page = a->pages ? (int64_t)1 << a->page_bits : INT64_MAX;
    if (one_stream)
        used += from[1] - from[0];
    for (int64_t key = k->key0, n; key < k->key1; key += n) {
        n = min64(k->key1 - key, page - key % page);
        for (int i = 0; i < 2 - one_stream; i++) {
            const volatile char *x = from[i] + ts_attn_key_row(a, k->b, key) * row;
            for (int64_t c = 0; c < (n - 1) * row + used; c += 64)
                (void)x[c];
        }
    }
}

/* Tasks of whole blocks. Under a causal mask the last rows see the most keys; were they done last,
 * threads would wait for the longest task. So they come first, and the short ones fill the end. */
static void block_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ts_attn_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = j->total[TS_ATTN_BLOCKS] - 1 - i / j->groups;
        const ts_attn_part *p = ts_attn_part_of(j, TS_ATTN_BLOCKS, &n);
        const ts_attn_block k = ts_attn_block_of(j, p, i % j->groups, n);
        if (ts_attn_is_few(j) && (k.g == 0 || i == begin))
            read_ahead(j->a, &k);
        j->body.fwd(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), NULL);
    }
}

/* Floats of one split's partial result: a block of the most rows. */
static int64_t partial_floats(const ts_attn_job *j) { return j->s.rows * (2 + j->s.dp); }

/* Where a split of block number n of the wave leaves its partial result. A block's splits lie one behind another, as
 * fwd_join wants them. */
static float *partial_of(const ts_attn_job *j, int64_t n, int64_t group, int64_t split, int64_t rows)
{
    float *base = (float *)(void *)j->cpu->shared_scratch + (n * j->groups + group) * j->splits * partial_floats(j);
    return base + split * rows * (2 + j->s.dp);
}

/* Floats of the partial results of one split of a sequence of S_q queries, all groups and blocks. */
static int64_t sequence_floats(const ts_attn_job *j)
{
    return j->a->n_kv * ceil_div(j->a->S_q * j->s.r, j->s.rows) * partial_floats(j);
}

/* So many splits of one sequence have room for their partial results in the shared scratch. */
static int64_t most_splits(const ts_attn_job *j)
{
    return max64(TS_CPU_SHARED_SCRATCH / 4 / max64(sequence_floats(j), 1), 1);
}

/* A block against split number `split` of its keys. A sequence with fewer keys than the longest leaves its last splits
 * empty. */
static ts_attn_block split_of(const ts_attn_job *j, ts_attn_block k, int64_t split)
{
    const bool few = ts_attn_is_few(j);
    int64_t each = ceil_div(ceil_div(k.key1, few ? most_splits(j) : j->splits), 16) * 16;
    if (few)
        each = max64(each, FEW_SPLIT);
    k.key0 = min64(split * each, k.key1), k.key1 = min64((split + 1) * each, k.key1);
    return k;
}

/* Tasks of splits. A task is some keys of a sequence for all groups one after another, so that the
 * lines that read_ahead brings serve every head. */
static void split_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ts_attn_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t split = i % j->splits;
        int64_t n = i / j->splits;
        const ts_attn_part *p = ts_attn_part_of(j, TS_ATTN_BLOCKS, &n);
        for (int64_t g = 0; g < j->groups; g++) {
            const ts_attn_block k = split_of(j, ts_attn_block_of(j, p, g, n), split);
            if (g == 0)
                read_ahead(j->a, &k);
            j->body.fwd(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), partial_of(j, i / j->splits, g, split, k.rows));
        }
    }
}

/* The second pass: partial results of a block become its rows' o and lse. */
static void join_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ts_attn_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / j->groups;
        const ts_attn_part *p = ts_attn_part_of(j, TS_ATTN_BLOCKS, &n);
        const ts_attn_block k = ts_attn_block_of(j, p, i % j->groups, n);
        j->body.fwd_join(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), partial_of(j, i / j->groups, k.g, 0, k.rows),
                         j->splits);
    }
}

/* How many splits. Few rows always go by FEW_SPLIT keys, which is what a cache holds of all heads. More rows are split
 * only when their blocks are too few for the threads, and never if they are documents, or sequences with lengths of
 * their own (a prefill): the cut would depend on their neighbours. */
static int64_t splits_of(const ts_attn_job *j)
{
    const ts_attn_args *a = j->a;
    const int64_t blocks = a->B * ceil_div(a->S_q * j->s.r, j->s.rows);
    int64_t splits = 1;
    if (ts_attn_is_few(j))
        splits = ceil_div(ts_attn_longest_kv(a), FEW_SPLIT);
    else if (blocks * a->n_kv < TS_ATTN_MIN_ITEMS / 2 && blocks > 0 && !a->q_len && !j->documents)
        splits = min64(ceil_div(TS_ATTN_MIN_ITEMS, blocks), a->S_kv / MIN_SPLIT);
    return max64(min64(splits, most_splits(j)), 1);
}

/* Fills the wave with at most so many parts; false: there were none. */
static bool next_wave(ts_attn_job *j, ts_attn_cursor *at, int64_t most)
{
    ts_attn_part p;
    ts_attn_clear_wave(j);
    while (j->parts < most && ts_attn_next_part(j, at, &p))
        ts_attn_add_part(j, &p);
    return j->parts > 0;
}

void ts_attn_fwd(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_attn_args *a = args;
    ts_attn_job j;
    ts_attn_cursor at = { 0 };
    if (!ts_attn_job_init(&j, cpu, a)) {
        ts_attn_fwd_ref(cpu, args, n);
        return;
    }
    j.splits = splits_of(&j);
    if (j.splits == 1) {
        const bool by_sequence = ts_attn_is_few(&j) && a->B >= ts_pool_threads(cpu->pool);
        while (next_wave(&j, &at, TS_ATTN_MOST_PARTS))
            ts_attn_run(&j, j.total[TS_ATTN_BLOCKS] * j.groups, by_sequence ? j.groups : 1, block_share);
        return;
    }
    const int64_t most = TS_CPU_SHARED_SCRATCH / 4 / (sequence_floats(&j) * j.splits);
    while (next_wave(&j, &at, min64(most, TS_ATTN_MOST_PARTS))) {
        ts_attn_run(&j, j.total[TS_ATTN_BLOCKS] * j.splits, 1, split_share);
        ts_attn_run(&j, j.total[TS_ATTN_BLOCKS] * j.groups, 1, join_share);
    }
}
