#include "dist/comm.h"

#include <stdio.h>
#include <string.h>

void ts_comm_destroy(ts_comm **c)
{
    if (*c)
        (*c)->destroy(*c);
    *c = NULL;
}

/* A request to stop is the mildest: a failure elsewhere must not pass for it. Then by the codes. */
static int64_t severity(ts_status st)
{
    return st == TS_OK ? 0 : st == TS_ERR_INTERRUPTED ? 1 : 1 - (int64_t)st;
}

static ts_status of_severity(int64_t s)
{
    return s == 0 ? TS_OK : s == 1 ? TS_ERR_INTERRUPTED : (ts_status)(1 - s);
}

/* One small all-reduce when all is well. Otherwise the lowest of the worst ranks tells its
 * message. */
ts_status ts_comm_agree(ts_comm *c, ts_status st)
{
    int64_t key = severity(st) * c->size + (c->size - 1 - c->rank);
    TS_TRY(c->all_reduce(c, &key, 1, TS_COMM_I64, TS_COMM_MAX));
    const ts_status worst = of_severity(key / c->size);
    if (worst == TS_OK)
        return TS_OK;
    const int culprit = c->size - 1 - (int)(key % c->size);
    char text[1024];
    memset(text, 0, sizeof text);
    snprintf(text, sizeof text, "%s", ts_error_message());
    TS_TRY(c->broadcast(c, text, sizeof text, TS_COMM_U8, culprit));
    text[sizeof text - 1] = 0;
    if (st == worst)
        return st;
    return ts_error(worst, "rank %d of %d: %s", culprit, c->size, *text ? text : "failed");
}
