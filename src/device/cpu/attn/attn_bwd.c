/* Attention backward: tasks. A task is a chunk: some blocks of a part, with their own sums of dk and dv, which a
 * second pass adds up; or, where sums of a part's keys do not fit, dq first, and then dk and dv by segments of keys. */
#include "device/cpu/attn/attn_job.h"

#include <math.h>
#include <string.h>

enum {
    FINISH_KEYS = 128, /* keys that are put together at a time from the sums of chunks */
    /* Chunks that are added up in a wave, of all groups together. One part has at most twice TS_ATTN_MIN_ITEMS:
     * it is cut for so many, and rounding up at most doubles them. */
    MOST_SUMMED = 64 * TS_ATTN_MIN_ITEMS,
};

/* ---- sums ---- */

static ts_attn_sums sums_at(float *base, const ts_attn_part *p)
{
    return (ts_attn_sums){ base, base + p->sum_floats / 2, p->key0 };
}

static float *thread_sums(const ts_attn_job *j, int thread)
{
    return (float *)(void *)(ts_cpu_scratch(j->cpu, thread) + TS_ATTN_SCRATCH);
}

static float *shared_sums(const ts_attn_job *j, const ts_attn_part *p, int64_t group, int64_t chunk)
{
    return (float *)(void *)j->cpu->shared_scratch + p->sums0 +
           ((group - j->group0) * p->count[TS_ATTN_CHUNKS] + chunk) * p->sum_floats;
}

/* Of a part whose chunks are several: which keys each has sums of. */
static ts_attn_span *summed_of(const ts_attn_job *j, const ts_attn_part *p, int64_t group)
{
    const int64_t before = p->first[TS_ATTN_CHUNKS] * j->groups;
    return j->summed + before + (group - j->group0) * p->count[TS_ATTN_CHUNKS];
}

/* Clears the sums of keys [key0, key0 + keys). */
static void clear_sums(const ts_attn_job *j, const ts_attn_sums *s, int64_t key0, int64_t keys)
{
    memset(s->dk + (key0 - s->key0) * j->s.dp, 0, (size_t)(keys * j->s.dp) * sizeof *s->dk);
    memset(s->dv + (key0 - s->key0) * j->s.dp, 0, (size_t)(keys * j->s.dp) * sizeof *s->dv);
}

/* The keys that the rows of a block see, from the first of any row to the last of any. */
static ts_attn_span keys_of(const ts_attn_job *j, const ts_attn_block *k)
{
    ts_attn_span all = { INT64_MAX, 0 };
    for (int64_t i = k->row0 / j->s.r; i <= (k->row0 + k->rows - 1) / j->s.r; i++) {
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
static void use_sums(const ts_attn_job *j, const ts_attn_part *p, const ts_attn_sums *s, const ts_attn_block *k,
                     ts_attn_span *used)
{
    const ts_attn_span all = keys_of(j, k);
    if (all.begin >= all.end)
        return;
    const int64_t begin = p->key0 + (all.begin - p->key0) / FINISH_KEYS * FINISH_KEYS;
    const int64_t end = min64(p->key0 + round_up(all.end - p->key0, FINISH_KEYS), p->key1);
    if (used->begin >= used->end)
        *used = (ts_attn_span){ begin, begin };
    if (begin < used->begin) {
        clear_sums(j, s, begin, used->begin - begin);
        used->begin = begin;
    }
    if (end > used->end) {
        clear_sums(j, s, used->end, end - used->end);
        used->end = end;
    }
}

/* ---- chunks ---- */

/* Roughly what a block costs: the keys its rows see, and a tile more that any block costs. */
static int64_t cost_of(const ts_attn_job *j, const ts_attn_part *p, int64_t i)
{
    const ts_attn_block k = ts_attn_block_of(j, p, 0, i);
    int64_t first, first_end, last_begin, last;
    ts_attn_range(j->a, k.b, k.row0 / j->s.r, &first, &first_end);
    ts_attn_range(j->a, k.b, (k.row0 + k.rows - 1) / j->s.r, &last_begin, &last);
    if (first == first_end) /* it sees none, as the first of a document may */
        first = p->key0;
    return max64(last - first, 0) + j->s.tile;
}

/* Which blocks a chunk has. Under a plain causal mask, chunks of blocks that follow each other
 * would be very unequal, so chunks take turns. Where rows see few keys (documents, a window),
 * neighbours see the same ones: a chunk of neighbours needs sums for those keys only, and there is less to
 * clear and to add; and rows that are parts of a sequence are unequal in other ways than turns even out.
 * This is the second kind: a chunk has the blocks whose middles fall into its share of the total cost.
 *
 *   in turns (chunk_share)    0 1 2 0 1 2 0 1 2         in rows (here)    0 0 0 0 1 1 2 2 2  */
static ts_attn_span blocks_in_rows(const ts_attn_job *j, const ts_attn_part *p, int64_t chunk)
{
    const int64_t blocks = p->count[TS_ATTN_BLOCKS], chunks = p->count[TS_ATTN_CHUNKS];
    int64_t total = 0, before = 0;
    ts_attn_span r = { blocks, blocks };
    for (int64_t i = 0; i < blocks; i++)
        total += cost_of(j, p, i);
    for (int64_t i = 0; i < blocks; i++) {
        const int64_t cost = cost_of(j, p, i);
        const int64_t of = min64((2 * before + cost) * chunks / max64(2 * total, 1), chunks - 1);
        if (of == chunk && r.begin == blocks)
            r.begin = i;
        if (of > chunk) {
            r.end = i;
            break;
        }
        before += cost;
    }
    return r;
}

/* Tasks of chunks. A part's only chunk writes dk and dv at once; of several, each leaves its sums for finish_share. */
static void chunk_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ts_attn_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t chunk = i / j->groups;
        const ts_attn_part *p = ts_attn_part_of(j, TS_ATTN_CHUNKS, &chunk);
        const int64_t group = j->group0 + i % j->groups, chunks = p->count[TS_ATTN_CHUNKS];
        const ts_attn_sums sums =
            sums_at(p->shared_sums ? shared_sums(j, p, group, chunk) : thread_sums(j, thread), p);
        const ts_attn_span blocks =
            j->in_rows ? blocks_in_rows(j, p, chunk) : (ts_attn_span){ chunk, p->count[TS_ATTN_BLOCKS] };
        ts_attn_span used = { 0, 0 };
        if (chunks == 1)
            clear_sums(j, &sums, p->key0, p->key1 - p->key0);
        for (int64_t b = blocks.begin; b < blocks.end; b += j->in_rows ? 1 : chunks) {
            const ts_attn_block k = ts_attn_block_of(j, p, group, b);
            if (chunks > 1)
                use_sums(j, p, &sums, &k, &used);
            j->body.bwd(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), &sums, true);
        }
        if (chunks == 1) {
            const ts_attn_block k = { .b = p->b, .g = group, .key0 = p->key0, .key1 = p->key1 };
            j->body.bwd_keys(j->a, &j->s, &k, &sums, 1, 0);
        } else {
            summed_of(j, p, group)[chunk] = used;
        }
    }
}

/* Which chunks have sums of the keys from key0 on. bwd_keys adds sets that lie evenly apart, so it
 * gets all from *first to *last; one in between that has not seen these keys holds old numbers, and
 * is cleared here. If no chunk has seen them, the first is cleared and taken: dk and dv are 0. */
static void find_sums(const ts_attn_job *j, const ts_attn_part *p, int64_t group, int64_t key0, int64_t keys,
                      int64_t *first, int64_t *last)
{
    const ts_attn_span *of = summed_of(j, p, group);
    *first = *last = -1;
    for (int64_t c = 0; c < p->count[TS_ATTN_CHUNKS]; c++)
        if (of[c].begin <= key0 && key0 < of[c].end) {
            *first = *first < 0 ? c : *first;
            *last = c;
        }
    *first = max64(*first, 0), *last = max64(*last, 0);
    for (int64_t c = *first; c <= *last; c++) {
        const ts_attn_sums sums = sums_at(shared_sums(j, p, group, c), p);
        if (!(of[c].begin <= key0 && key0 < of[c].end))
            clear_sums(j, &sums, key0, keys);
    }
}

/* The second pass: dk and dv of FINISH_KEYS keys from the sums of all chunks. */
static void finish_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ts_attn_job *j = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        int64_t piece = i / j->groups, first, last;
        const ts_attn_part *p = ts_attn_part_of(j, TS_ATTN_PIECES, &piece);
        ts_attn_block k = { .b = p->b, .g = j->group0 + i % j->groups, .key0 = p->key0 + piece * FINISH_KEYS };
        k.key1 = min64(k.key0 + FINISH_KEYS, p->key1);
        find_sums(j, p, k.g, k.key0, k.key1 - k.key0, &first, &last);
        const ts_attn_sums sums = sums_at(shared_sums(j, p, k.g, first), p);
        j->body.bwd_keys(j->a, &j->s, &k, &sums, last - first + 1, p->sum_floats);
    }
}

/* ---- two passes, for more keys than there is room to sum ---- */

/* The first: delta and dq, by blocks, the longest first as in the forward. */
static void dq_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ts_attn_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = j->total[TS_ATTN_BLOCKS] - 1 - i / j->groups;
        const ts_attn_block k = ts_attn_block_of(j, j->part, i % j->groups, n);
        j->body.bwd(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), NULL, true);
    }
}

/* The second: a task is a segment of a group's keys, and goes over all blocks. Nobody else has
 * these keys, so their sums stay in the thread's scratch. */
static void segment_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ts_attn_job *j = ctx;
    const ts_attn_part *p = j->part;
    for (int64_t i = begin; i < end; i++) {
        const int64_t group = i % j->groups, key0 = p->key0 + i / j->groups * j->segment;
        float *base = thread_sums(j, thread);
        const ts_attn_sums sums = { base, base + j->segment * j->s.dp, key0 };
        ts_attn_block k = { .b = p->b, .g = group, .key0 = key0, .key1 = min64(key0 + j->segment, p->key1) };
        const ts_attn_block keys = k;
        clear_sums(j, &sums, key0, keys.key1 - key0);
        for (int64_t b = 0; b < p->count[TS_ATTN_BLOCKS]; b++) {
            k = ts_attn_block_of(j, p, group, b);
            k.key0 = keys.key0, k.key1 = keys.key1;
            j->body.bwd(j->a, &j->s, &k, ts_cpu_scratch(j->cpu, thread), &sums, false);
        }
        j->body.bwd_keys(j->a, &j->s, &keys, &sums, 1, 0);
    }
}

/* The wave's only part has so many keys that not even one set of sums fits. Then p is made twice, seven products a
 * tile instead of five:
 *
 *               keys ->                                segment 0   segment 1
 *             +-----------------------+               +-----------+-----------+
 *   1. dq     | task 0: a block       |   2. dk, dv   | task 0:   | task 1:   |
 *             +-----------------------+               | all       | all       |
 *             | task 1                |               | blocks    | blocks    |
 *             +-----------------------+               +-----------+-----------+  */
static void in_two(ts_attn_job *j)
{
    const int64_t keys = j->part->key1 - j->part->key0;
    j->segment = (TS_CPU_THREAD_SCRATCH - TS_ATTN_SCRATCH) / (8 * j->s.dp);
    ts_attn_run(j, j->total[TS_ATTN_BLOCKS] * j->groups, 1, dq_share);
    ts_attn_run(j, ceil_div(keys, j->segment) * j->groups, 1, segment_share);
}

/* ---- waves ---- */

/* Chunks of a part, 0 if not even one set of sums fits: so many that there are tasks enough, and no more than it has
 * pairs of blocks. Sequences of a launch count on each other; a document must not. */
static void cut_part(const ts_attn_job *j, ts_attn_part *p)
{
    const int64_t keys = p->key1 - p->key0, alike = j->a->n_kv * (j->documents ? 1 : j->a->B);
    p->sum_floats = 2 * keys * j->s.dp;
    const int64_t room = TS_CPU_SHARED_SCRATCH / 4 / max64(p->sum_floats, 1), want = ceil_div(TS_ATTN_MIN_ITEMS, alike);
    const int64_t chunks = room > 0 ? max64(min64(min64(want, room), p->count[TS_ATTN_BLOCKS] / 2), 1) : 0;
    p->shared_sums = chunks > 1 || p->sum_floats * 4 > TS_CPU_THREAD_SCRATCH - TS_ATTN_SCRATCH;
    p->count[TS_ATTN_CHUNKS] = chunks;
    p->count[TS_ATTN_PIECES] = chunks > 1 ? ceil_div(keys, FINISH_KEYS) : 0;
}

static int64_t shared_floats(const ts_attn_part *p)
{
    return p->shared_sums ? p->count[TS_ATTN_CHUNKS] * p->sum_floats : 0;
}

/* Whether a part has room in the wave, which has taken so many floats, with all groups of those before it. */
static bool fits(const ts_attn_job *j, const ts_attn_part *p, int64_t floats)
{
    return j->parts < TS_ATTN_MOST_PARTS && p->count[TS_ATTN_CHUNKS] > 0 && j->part->count[TS_ATTN_CHUNKS] > 0 &&
           (floats + shared_floats(p)) * j->a->n_kv <= TS_CPU_SHARED_SCRATCH / 4 &&
           (j->total[TS_ATTN_CHUNKS] + p->count[TS_ATTN_CHUNKS]) * j->a->n_kv <= MOST_SUMMED;
}

/* Fills the wave from *next on, which becomes the first part that is not in it; false: there was none. */
static bool next_wave(ts_attn_job *j, ts_attn_cursor *at, ts_attn_part *next, bool *more)
{
    int64_t floats = 0;
    ts_attn_clear_wave(j);
    while (*more && (j->parts == 0 || fits(j, next, floats))) {
        next->sums0 = floats * j->a->n_kv;
        floats += shared_floats(next);
        ts_attn_add_part(j, next);
        *more = ts_attn_next_part(j, at, next);
        if (*more)
            cut_part(j, next);
    }
    return j->parts > 0;
}

/* The usual backward: every tile's p is made once, and everything is taken from it (five products a tile: scores, dp,
 * dq, dk, dv). That takes sums of dk and dv for all keys of a part. Where those of all groups of a wave's only part do
 * not fit, some groups are done at a time. */
static void in_one(ts_attn_job *j)
{
    const int64_t room = TS_CPU_SHARED_SCRATCH / 4 / max64(shared_floats(j->part), 1);
    const int64_t summed = MOST_SUMMED / j->part->count[TS_ATTN_CHUNKS];
    const int64_t some = j->parts > 1 ? j->a->n_kv : min64(min64(room, summed), j->a->n_kv);
    for (j->group0 = 0; j->group0 < j->a->n_kv; j->group0 += some) {
        j->groups = min64(some, j->a->n_kv - j->group0);
        ts_attn_run(j, j->total[TS_ATTN_CHUNKS] * j->groups, 1, chunk_share);
        if (j->total[TS_ATTN_PIECES] > 0)
            ts_attn_run(j, j->total[TS_ATTN_PIECES] * j->groups, 1, finish_share);
    }
    j->group0 = 0, j->groups = j->a->n_kv;
}

/* A sink is a logit without a value: it takes its share of the softmax and gives nothing to o. So
 * dp of it is 0, and dsink = sum over rows of p_sink * (0 - delta). A task is a head. */
static void sink_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const ts_attn_args *a = ((const ts_attn_job *)ctx)->a;
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

void ts_attn_bwd(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_attn_args *a = args;
    const int64_t left = ts_mask_left(&a->mask);
    ts_attn_span summed[MOST_SUMMED];
    ts_attn_job j;
    ts_attn_cursor at = { 0 };
    ts_attn_part next;
    if (ts_attn_job_init(&j, cpu, a)) {
        j.summed = summed;
        j.in_rows = a->q_at.n || a->first_key || a->last_key || (left >= 0 && left + 1 < a->S_kv);
        bool more = ts_attn_next_part(&j, &at, &next);
        if (more)
            cut_part(&j, &next);
        while (next_wave(&j, &at, &next, &more))
            (j.part->count[TS_ATTN_CHUNKS] > 0 ? in_one : in_two)(&j);
    } else {
        ts_attn_bwd_ref(cpu, args, n);
    }
    if (a->sinks && a->dsinks)
        ts_attn_run(&j, a->n_q, 1, sink_share);
}
