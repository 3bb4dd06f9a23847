#include "dist/bucket.h"

#include "dist/bf16_sum.h"

#include <string.h>

/* Backward finishes the last layers first, so buckets start from the end of the array, and strictly
 * one after the other: collectives must start in the same order everywhere. A bucket that is ready
 * early waits for the ones behind it. */

typedef struct bucket {
    ts_reduced at;
    int64_t params;  /* that lie in it, wholly or in part */
    int64_t missing; /* of these, not yet done in this round */
    ts_comm_request *request;
} bucket;

typedef struct param_range {
    int64_t first, last; /* buckets; first > last: the parameter is empty */
    bool done;
} param_range;

struct ts_reducer {
    ts_reduced *of; /* [n_of] */
    int64_t n_of;
    float *grads;
    int64_t total, size; /* elements: all, of one bucket */
    bool overlap, open, in_bf16;
    int64_t n_buckets, n_params;
    int64_t next;   /* bucket that starts next; all above have started, -1: all have */
    int64_t oldest; /* bucket that finishes next; all above have finished */
    bucket *b;
    param_range *p;
    uint16_t *send, *recv; /* [bucket], [bucket + a share's rest]: with bf16 */
};

/* Cuts all stretches; only counts while there are no buckets. */
static void place_buckets(ts_reducer *r)
{
    r->n_buckets = 0;
    for (int64_t i = 0; i < r->n_of; i++) {
        const ts_reduced *x = &r->of[i];
        for (int64_t at = x->begin; at < x->end; at += r->size, r->n_buckets++)
            if (r->b)
                r->b[r->n_buckets].at =
                    (ts_reduced){ at, x->end - at < r->size ? x->end : at + r->size, x->comm };
    }
}

/* The bucket with an element. */
static int64_t bucket_of(const ts_reducer *r, int64_t element)
{
    int64_t low = 0, high = r->n_buckets;
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        if (r->b[middle].at.begin <= element)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static ts_status place_params(ts_reducer *r, const int64_t *offset, const int64_t *count)
{
    for (int64_t i = 0; i < r->n_params; i++) {
        TS_ASSERT(offset[i] >= 0 && count[i] >= 0 && offset[i] <= r->total - count[i],
                  "parameter %lld at %lld of %lld values in %lld gradients", (long long)i,
                  (long long)offset[i], (long long)count[i], (long long)r->total);
        param_range *p = &r->p[i];
        p->first = bucket_of(r, offset[i]);
        p->last = count[i] > 0 ? bucket_of(r, offset[i] + count[i] - 1) : p->first - 1;
        for (int64_t b = p->first; b <= p->last; b++)
            r->b[b].params++;
    }
    return TS_OK;
}

static bool is_alone(const ts_reducer *r)
{
    for (int64_t i = 0; i < r->n_of; i++)
        if (r->of[i].comm->size > 1)
            return false;
    return true;
}

ts_status ts_reducer_create(const ts_reduced *of, int64_t n_of, float *grads, const int64_t *param_offset,
                            const int64_t *param_count, int64_t n_params, int64_t bucket_elements,
                            bool overlap, ts_reducer **out)
{
    const int64_t total = of[n_of - 1].end;
    TS_ASSERT(total >= 0 && n_params >= 0 && bucket_elements > 0,
              "%lld gradients, %lld parameters, "
              "buckets of %lld",
              (long long)total, (long long)n_params, (long long)bucket_elements);
    ts_reducer *r;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    r->grads = grads, r->total = total, r->n_params = n_params, r->n_of = n_of;
    r->size = (bucket_elements + 63) / 64 * 64; /* whole cache lines */
    r->next = r->oldest = -1;
    ts_status st;
    TS_TRY_TO(fail, st, ts_alloc(&r->of, (size_t)n_of, sizeof *r->of));
    memcpy(r->of, of, (size_t)n_of * sizeof *of);
    r->overlap = overlap && !is_alone(r);
    place_buckets(r);
    TS_TRY_TO(fail, st, ts_alloc(&r->b, (size_t)r->n_buckets, sizeof *r->b));
    place_buckets(r);
    TS_TRY_TO(fail, st, ts_alloc(&r->p, (size_t)n_params, sizeof *r->p));
    TS_TRY_TO(fail, st, place_params(r, param_offset, param_count));
    *out = r;
    return TS_OK;
fail:
    ts_reducer_destroy(&r);
    return st;
}

void ts_reducer_destroy(ts_reducer **reducer)
{
    ts_reducer *r = *reducer;
    if (!r)
        return;
    ts_free(&r->of);
    ts_free(&r->b);
    ts_free(&r->p);
    ts_free(&r->send);
    ts_free(&r->recv);
    ts_free(reducer);
}

/* Values that are received at a time, in the largest group. */
static int64_t room_of(const ts_reducer *r)
{
    int64_t most = 0;
    for (int64_t i = 0; i < r->n_of; i++) {
        const int64_t n = ts_bf16_sum_room(r->of[i].comm, r->size);
        most = n > most ? n : most;
    }
    return most;
}

ts_status ts_reducer_use_bf16(ts_reducer *r, bool computes)
{
    r->overlap = false;
    r->in_bf16 = true;
    if (r->size > r->total && r->total > 0)
        r->size = r->total;
    if (!computes)
        return TS_OK;
    TS_TRY(ts_alloc(&r->send, (size_t)r->size, sizeof *r->send));
    return ts_alloc(&r->recv, (size_t)room_of(r), sizeof *r->recv);
}

void ts_reducer_begin(ts_reducer *r)
{
    TS_ASSERT(!r->open, "a reduction was begun and not finished");
    r->open = true;
    r->next = r->oldest = r->n_buckets - 1;
    for (int64_t b = 0; b < r->n_buckets; b++)
        r->b[b].missing = r->b[b].params;
    for (int64_t i = 0; i < r->n_params; i++)
        r->p[i].done = false;
}

static ts_status start_next(ts_reducer *r)
{
    bucket *b = &r->b[r->next--];
    return ts_comm_start(b->at.comm, ts_all_reduce(r->grads + b->at.begin, b->at.end - b->at.begin, TS_COMM_F32, TS_COMM_SUM),
                         &b->request);
}

ts_status ts_reducer_param_done(ts_reducer *r, int64_t i)
{
    TS_ASSERT(r->open && i >= 0 && i < r->n_params, "parameter %lld of %lld", (long long)i,
              (long long)r->n_params);
    param_range *p = &r->p[i];
    TS_ASSERT(!p->done, "parameter %lld was done twice", (long long)i);
    p->done = true;
    for (int64_t b = p->first; b <= p->last; b++)
        r->b[b].missing--;
    while (r->overlap && r->next >= 0 && r->b[r->next].missing == 0)
        TS_TRY(start_next(r));
    return TS_OK;
}

ts_status ts_reducer_progress(ts_reducer *r)
{
    while (r->oldest > r->next) {
        bool done;
        TS_TRY(ts_comm_test(r->b[r->oldest].at.comm, &r->b[r->oldest].request, &done));
        if (!done)
            break;
        r->oldest--;
    }
    return TS_OK;
}

static ts_status sum_at_once(const ts_reducer *r, const ts_reduced *x)
{
    const int64_t n = x->end - x->begin;
    if (r->in_bf16)
        return ts_bf16_sum(x->comm, r->send ? r->grads + x->begin : NULL, n, r->size, r->send, r->recv);
    return ts_comm_run(x->comm, ts_all_reduce(r->grads + x->begin, n, TS_COMM_F32, TS_COMM_SUM));
}

ts_status ts_reducer_finish(ts_reducer *r)
{
    TS_ASSERT(r->open, "finished without a beginning");
    r->open = false;
    if (!r->overlap) {
        r->next = r->oldest = -1;
        for (int64_t i = r->n_of - 1; i >= 0; i--)
            TS_TRY(sum_at_once(r, &r->of[i]));
        return TS_OK;
    }
    while (r->next >= 0)
        TS_TRY(start_next(r));
    for (; r->oldest >= 0; r->oldest--)
        TS_TRY(ts_comm_wait(r->b[r->oldest].at.comm, &r->b[r->oldest].request));
    return TS_OK;
}

int64_t ts_reducer_bytes(const ts_reducer *r)
{
    return r->in_bf16 ? 2 * (r->size + room_of(r)) : 0;
}

int64_t ts_reducer_buckets(const ts_reducer *r) { return r->n_buckets; }
