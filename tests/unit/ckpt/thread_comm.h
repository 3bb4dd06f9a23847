/* A group whose ranks are threads of the test. Only what checkpoints use. Include after
 * cmocka.h. */
#ifndef TS_TESTS_THREAD_COMM_H
#define TS_TESTS_THREAD_COMM_H
#include "dist/comm.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_MOST = 8 };

typedef struct group {
    pthread_barrier_t barrier;
    const void *send[GROUP_MOST];
    int64_t n[GROUP_MOST];
    int size;
} group;

typedef struct group_rank {
    ts_comm comm; /* first */
    group *g;
} group_rank;

static inline size_t group_size_of(ts_comm_type t)
{
    return t == TS_COMM_U8 ? 1 : t == TS_COMM_F32 ? 4 : 8;
}

static inline void group_meet(ts_comm *c) { pthread_barrier_wait(&((group_rank *)c)->g->barrier); }

static inline ts_status group_all_reduce(ts_comm *c, void *buf, int64_t n, ts_comm_type t,
                                         ts_comm_op op)
{
    group *g = ((group_rank *)c)->g;
    int64_t out[8];
    TS_ASSERT(t == TS_COMM_I64 && n <= 8 && op != TS_COMM_SUM, "not needed so far");
    g->send[c->rank] = buf;
    group_meet(c);
    for (int64_t i = 0; i < n; i++) {
        out[i] = ((const int64_t *)g->send[0])[i];
        for (int r = 1; r < g->size; r++) {
            const int64_t v = ((const int64_t *)g->send[r])[i];
            if (op == TS_COMM_MAX ? v > out[i] : v < out[i])
                out[i] = v;
        }
    }
    group_meet(c);
    memcpy(buf, out, (size_t)n * 8);
    return TS_OK;
}

static inline ts_status group_all_gather_v(ts_comm *c, const void *send, int64_t n, void *recv,
                                           const int64_t *counts, const int64_t *offsets,
                                           ts_comm_type t)
{
    group *g = ((group_rank *)c)->g;
    TS_ASSERT(n == counts[c->rank], "rank %d", c->rank);
    g->send[c->rank] = send;
    group_meet(c);
    for (int r = 0; r < g->size; r++)
        memcpy((char *)recv + (size_t)offsets[r] * group_size_of(t), g->send[r],
               (size_t)counts[r] * group_size_of(t));
    group_meet(c);
    return TS_OK;
}

static inline ts_status group_all_gather(ts_comm *c, const void *send, void *recv, int64_t n,
                                         ts_comm_type t)
{
    int64_t counts[GROUP_MOST], offsets[GROUP_MOST];
    for (int r = 0; r < c->size; r++)
        counts[r] = n, offsets[r] = r * n;
    return group_all_gather_v(c, send, n, recv, counts, offsets, t);
}

static inline ts_status group_broadcast(ts_comm *c, void *buf, int64_t n, ts_comm_type t, int root)
{
    group *g = ((group_rank *)c)->g;
    g->send[c->rank] = buf;
    group_meet(c);
    if (c->rank != root)
        memcpy(buf, g->send[root], (size_t)n * group_size_of(t));
    group_meet(c);
    return TS_OK;
}

typedef struct group_task {
    group_rank rank;
    void (*fn)(ts_comm *c, void *ctx);
    void *ctx;
} group_task;

static inline void *group_thread(void *p)
{
    group_task *t = p;
    t->fn(&t->rank.comm, t->ctx);
    return NULL;
}

/* Runs fn on `size` ranks at once. */
static inline void group_run(int size, void (*fn)(ts_comm *c, void *ctx), void *ctx)
{
    group g = { .size = size };
    group_task tasks[GROUP_MOST];
    pthread_t threads[GROUP_MOST];
    pthread_barrier_init(&g.barrier, NULL, (unsigned)size);
    for (int r = 0; r < size; r++) {
        tasks[r] = (group_task){ .rank = { .comm = { .kind = "threads", .group = "world", .rank = r,
                                                     .size = size,
                                                     .all_reduce = group_all_reduce,
                                                     .all_gather = group_all_gather,
                                                     .all_gather_v = group_all_gather_v,
                                                     .broadcast = group_broadcast },
                                           .g = &g },
                                 .fn = fn,
                                 .ctx = ctx };
        assert_int_equal(pthread_create(&threads[r], NULL, group_thread, &tasks[r]), 0);
    }
    for (int r = 0; r < size; r++)
        pthread_join(threads[r], NULL);
    pthread_barrier_destroy(&g.barrier);
}
#endif
