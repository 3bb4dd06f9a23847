/* A communicator as over a link of some speed that moves bytes by itself: what has been started
 * arrives no sooner than such a link could have brought it, one after the other. */
#ifndef TS_TESTS_LINK_H
#define TS_TESTS_LINK_H
#include "base/thread.h"
#include "dist/comm.h"

#include <time.h>

/* Hands everything on to the other communicator, and keeps it until then. */
typedef struct link_comm {
    ts_comm c;
    ts_comm *inner;
    double bytes_per_second, busy_until;
} link_comm;

typedef struct link_request {
    ts_comm_request *inner;
    double at;
} link_request;

static inline ts_status link_start(ts_comm *c, const ts_comm_call *call, ts_comm_request **out)
{
    link_comm *l = (link_comm *)c;
    link_request *r;
    const double now = ts_now(), bytes = ts_call_cost(call, c->rank, c->size).bytes;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    l->busy_until = (now > l->busy_until ? now : l->busy_until) + bytes / l->bytes_per_second;
    r->at = l->busy_until;
    *out = (ts_comm_request *)(void *)r;
    return ts_comm_start(l->inner, *call, &r->inner);
}

static inline ts_status link_wait(ts_comm *c, ts_comm_request **request)
{
    link_request *r = (link_request *)(void *)*request;
    const ts_status st = ts_comm_wait(((link_comm *)c)->inner, &r->inner);
    while (ts_now() < r->at)
        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    ts_free(&r);
    *request = NULL;
    return st;
}

static inline ts_status link_test(ts_comm *c, ts_comm_request **request, bool *done)
{
    const link_request *r = (link_request *)(void *)*request;
    *done = ts_now() >= r->at;
    if (*done)
        return link_wait(c, request);
    ts_comm_request *inner = r->inner;
    bool arrived;
    const ts_status st = ts_comm_test(((link_comm *)c)->inner, &inner, &arrived);
    ((link_request *)(void *)*request)->inner = inner;
    return st;
}

/* Into *l, which is as long as it is used; inner is the caller's. */
static inline ts_comm *over_link(ts_comm *inner, double bytes_per_second, link_comm *l)
{
    static const ts_comm_table table = { .start = link_start, .test = link_test, .wait = link_wait };
    *l = (link_comm){ .c = *inner, .inner = inner, .bytes_per_second = bytes_per_second };
    l->c.table = &table, l->c.kind = "link";
    return &l->c;
}
#endif
