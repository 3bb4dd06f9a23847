#include "dist/comm_cost.h"

static int64_t sum_of(const int64_t *counts, int64_t n, int size)
{
    int64_t sum = counts ? 0 : n * size;
    for (int r = 0; counts && r < size; r++)
        sum += counts[r];
    return sum;
}

/* The whole array, or, to all, what goes to others. */
static int64_t values_of(const ts_comm_call *call, int rank, int size)
{
    switch (call->what) {
    case TS_REDUCE_SCATTER: return sum_of(call->send_counts, call->n, size);
    case TS_ALL_GATHER: return sum_of(call->recv_counts, call->n, size);
    case TS_ALL_TO_ALL:
        return sum_of(call->send_counts, call->n, size) -
               ts_call_count(call->send_counts, call->n, rank);
    default: return call->n;
    }
}

ts_comm_traffic ts_call_cost(const ts_comm_call *call, int rank, int size)
{
    ts_comm_traffic t = { .calls = 1 };
    if (size < 2)
        return t;
    const double bytes =
        (double)values_of(call, rank, size) * (double)ts_comm_type_size(call->type);
    const double part = bytes * (size - 1) / size;
    switch (call->what) {
    case TS_ALL_REDUCE: t.messages = 2 * (size - 1), t.bytes = 2 * part; break;
    case TS_REDUCE_SCATTER:
    case TS_ALL_GATHER: t.messages = size - 1, t.bytes = part; break;
    case TS_ALL_TO_ALL: t.messages = size - 1, t.bytes = bytes; break;
    case TS_BROADCAST:
    case TS_SEND: t.messages = 1, t.bytes = bytes; break;
    case TS_BARRIER:
        for (int64_t reach = 1; reach < size; reach *= 2)
            t.messages++;
        break;
    default: break;
    }
    return t;
}

void ts_traffic_add(ts_comm_traffic *sum, const ts_comm_traffic *t)
{
    sum->calls += t->calls, sum->messages += t->messages, sum->bytes += t->bytes;
    sum->seconds += t->seconds;
}
