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

static inline void group_all_reduce(ts_comm *c, const ts_comm_call *x)
{
    group *g = ((group_rank *)c)->g;
    int64_t out[8];
    TS_ASSERT(x->type == TS_COMM_I64 && x->n <= 8 && x->op != TS_COMM_SUM, "not needed so far");
    g->send[c->rank] = x->recv;
    group_meet(c);
    for (int64_t i = 0; i < x->n; i++) {
        out[i] = ((const int64_t *)g->send[0])[i];
        for (int r = 1; r < g->size; r++) {
            const int64_t v = ((const int64_t *)g->send[r])[i];
            if (x->op == TS_COMM_MAX ? v > out[i] : v < out[i])
                out[i] = v;
        }
    }
    group_meet(c);
    memcpy(x->recv, out, (size_t)x->n * 8);
}

static inline void group_all_gather(ts_comm *c, const ts_comm_call *x)
{
    group *g = ((group_rank *)c)->g;
    const size_t z = group_size_of(x->type);
    g->send[c->rank] = x->send;
    group_meet(c);
    for (int r = 0; r < g->size; r++)
        memcpy((char *)x->recv + (size_t)ts_call_offset(x->recv_offsets, x->n, r) * z, g->send[r],
               (size_t)ts_call_count(x->recv_counts, x->n, r) * z);
    group_meet(c);
}

static inline void group_broadcast(ts_comm *c, const ts_comm_call *x)
{
    group *g = ((group_rank *)c)->g;
    g->send[c->rank] = x->recv;
    group_meet(c);
    if (c->rank != x->peer)
        memcpy(x->recv, g->send[x->peer], (size_t)x->n * group_size_of(x->type));
    group_meet(c);
}

static inline ts_status group_start(ts_comm *c, const ts_comm_call *x, ts_comm_request **out)
{
    (void)out; /* done at once */
    TS_ASSERT(x->what == TS_ALL_REDUCE || x->what == TS_ALL_GATHER || x->what == TS_BROADCAST,
              "not needed so far");
    if (x->what == TS_ALL_REDUCE)
        group_all_reduce(c, x);
    else if (x->what == TS_ALL_GATHER)
        group_all_gather(c, x);
    else
        group_broadcast(c, x);
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
    static const ts_comm_table table = { .start = group_start };
    group g = { .size = size };
    group_task tasks[GROUP_MOST];
    pthread_t threads[GROUP_MOST];
    pthread_barrier_init(&g.barrier, NULL, (unsigned)size);
    for (int r = 0; r < size; r++) {
        tasks[r] = (group_task){ .rank = { .comm = { .kind = "threads",
                                                     .group = "world",
                                                     .rank = r,
                                                     .size = size,
                                                     .table = &table },
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
