/* If a cut depended on the number of threads, another machine would add in another order and get other bits. Every cut
 * here follows from the shape and the lengths alone. */
#include "device/cpu/attn/attn_job.h"

enum {
    /* Less than this the caller does alone, since waking threads would cost as much. Few rows do little with each key
     * but wait for memory, where help pays sooner. */
    SMALL_FLOPS = 8000000,
    SMALL_FEW = 250000,
};

/* A body packs a block's rows and a tile's keys into TS_ATTN_SCRATCH bytes. Larger heads make
 * longer rows, so they get fewer of them; a short sequence gets no more rows than it has. */
static ts_attn_shape shape_of(const ts_attn_args *a)
{
    const int64_t d = a->head_dim, part = d <= 128 ? 1 : d <= 256 ? 2 : 4;
    const int64_t r = a->n_q / a->n_kv, all = ceil_div(max64(a->S_q * r, 1), 6) * 6;
    return (ts_attn_shape){ .r = r, .rows = min64(TS_ATTN_ROWS / part, all),
                            .tile = TS_ATTN_TILE / part, .dp = (d + 15) / 16 * 16 };
}

/* The answer to a prompt must not change because of the prompts that happen to be in the same batch, or of how large
 * the cache was made: for few rows the keys of a sequence are cut by its own number of keys, and not by S_kv. */
bool ts_attn_is_few(const ts_attn_job *j) { return !j->a->any_cut && j->a->S_q * j->s.r <= TS_ATTN_FEW; }

int64_t ts_attn_longest_kv(const ts_attn_args *a)
{
    int64_t n = 0;
    for (int64_t b = 0; b < a->B; b++)
        n = max64(n, ts_attn_kv_len(a, b));
    return n;
}

/* Whether rows have first keys that only grow within a sequence, as documents of a pack have. */
static bool are_documents(const ts_attn_args *a)
{
    for (int64_t b = 0; a->first_key && b < a->B; b++) {
        const int32_t *first = a->first_key + ts_attn_limit(a, b, 0);
        for (int64_t i = 1; i < ts_attn_q_len(a, b); i++)
            if (first[i] < first[i - 1])
                return false;
    }
    return a->first_key != NULL;
}

bool ts_attn_job_init(ts_attn_job *j, ts_cpu *cpu, const ts_attn_args *a)
{
    j->cpu = cpu, j->a = a, j->s = shape_of(a);
    j->group0 = 0, j->groups = a->n_kv, j->splits = 1;
    j->documents = !ts_attn_is_few(j) && are_documents(a);
    ts_attn_clear_wave(j);
    return ts_attn_choose_body(cpu, a, &j->body);
}

/* The first key of query i of sequence b, as far as keys are here. */
static int64_t first_key(const ts_attn_args *a, int64_t b, int64_t i)
{
    return min64(max64(a->first_key[ts_attn_limit(a, b, i)] - a->key0, 0), ts_attn_kv_len(a, b));
}

/* Where the document that begins at `at` ends: at the first query whose keys all come after those of the queries
 * before it. *key: the first of them. */
static int64_t document_end(const ts_attn_args *a, const ts_attn_cursor *at, int64_t *key)
{
    const int64_t n = ts_attn_q_len(a, at->b);
    int64_t seen = at->key;
    for (int64_t i = at->q; i < n; i++) {
        const int32_t *first = a->first_key + ts_attn_limit(a, at->b, i);
        int64_t lo, hi;
        if (i > at->q && first[0] != first[-1] && first_key(a, at->b, i) >= seen) {
            *key = first_key(a, at->b, i);
            return i;
        }
        ts_attn_range(a, at->b, i, &lo, &hi);
        seen = max64(seen, hi);
    }
    *key = ts_attn_kv_len(a, at->b);
    return n;
}

bool ts_attn_next_part(const ts_attn_job *j, ts_attn_cursor *at, ts_attn_part *p)
{
    const ts_attn_args *a = j->a;
    if (at->b == a->B)
        return false;
    const int64_t n = ts_attn_q_len(a, at->b);
    *p = (ts_attn_part){ .b = at->b, .q0 = at->q, .q1 = n, .key0 = at->key, .key1 = ts_attn_kv_len(a, at->b) };
    if (j->documents)
        p->q1 = document_end(a, at, &p->key1);
    p->count[TS_ATTN_BLOCKS] = ceil_div((p->q1 - p->q0) * j->s.r, j->s.rows);
    *at = p->q1 < n ? (ts_attn_cursor){ at->b, p->q1, p->key1 } : (ts_attn_cursor){ at->b + 1, 0, 0 };
    return true;
}

void ts_attn_clear_wave(ts_attn_job *j)
{
    j->parts = 0;
    for (int w = 0; w < TS_ATTN_WAYS; w++)
        j->total[w] = 0;
}

void ts_attn_add_part(ts_attn_job *j, const ts_attn_part *p)
{
    ts_attn_part *to = &j->part[j->parts++];
    *to = *p;
    for (int w = 0; w < TS_ATTN_WAYS; w++) {
        to->first[w] = j->total[w];
        j->total[w] += to->count[w];
    }
}

const ts_attn_part *ts_attn_part_of(const ts_attn_job *j, ts_attn_way way, int64_t *n)
{
    int lo = 0, hi = j->parts - 1;
    while (lo < hi) {
        const int mid = (lo + hi + 1) / 2;
        if (j->part[mid].first[way] <= *n)
            lo = mid;
        else
            hi = mid - 1;
    }
    *n -= j->part[lo].first[way];
    return &j->part[lo];
}

ts_attn_block ts_attn_block_of(const ts_attn_job *j, const ts_attn_part *p, int64_t group, int64_t i)
{
    const int64_t row0 = p->q0 * j->s.r + i * j->s.rows;
    return (ts_attn_block){ .b = p->b, .g = group, .row0 = row0, .rows = min64(j->s.rows, p->q1 * j->s.r - row0),
                            .key0 = p->key0, .key1 = p->key1 };
}

static bool is_small(const ts_attn_job *j)
{
    const ts_attn_args *a = j->a;
    const bool few = ts_attn_is_few(j);
    const double keys = (double)(few ? ts_attn_longest_kv(a) : a->S_kv);
    return (double)a->B * (double)a->n_q * (double)a->S_q * keys * (double)a->head_dim * 4 <
           (few ? SMALL_FEW : SMALL_FLOPS);
}

void ts_attn_run(const ts_attn_job *j, int64_t n, int64_t grain, ts_share_fn *fn)
{
    ts_pool_run(j->cpu->pool, n, is_small(j) ? max64(n, 1) : grain, fn, (void *)(uintptr_t)j);
}
