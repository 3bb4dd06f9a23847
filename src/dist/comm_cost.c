#include "dist/comm_cost.h"

ts_comm_traffic ts_collective_cost(ts_collective what, int size, double bytes)
{
    ts_comm_traffic t = { .calls = 1 };
    if (size < 2)
        return t;
    const double part = bytes * (size - 1) / size;
    switch (what) {
    case TS_ALL_REDUCE:
        t.messages = 2 * (size - 1), t.bytes = 2 * part;
        break;
    case TS_REDUCE_SCATTER:
    case TS_ALL_GATHER:
        t.messages = size - 1, t.bytes = part;
        break;
    case TS_ALL_TO_ALL:
        t.messages = size - 1, t.bytes = bytes;
        break;
    case TS_BROADCAST:
        t.messages = 1, t.bytes = bytes;
        break;
    default:
        for (int64_t reach = 1; reach < size; reach *= 2)
            t.messages++;
    }
    return t;
}

void ts_traffic_add(ts_comm_traffic *sum, const ts_comm_traffic *t)
{
    sum->calls += t->calls, sum->messages += t->messages, sum->bytes += t->bytes;
}

const char *ts_collective_name(ts_collective what)
{
    static const char *const name[] = { "all-reduce", "reduce-scatter", "all-gather",
                                        "all-to-all", "broadcast",      "barrier" };
    return name[what];
}

size_t ts_comm_type_size(ts_comm_type t)
{
    static const size_t size[] = { sizeof(float), sizeof(double), sizeof(int64_t), 1 };
    return size[t];
}
