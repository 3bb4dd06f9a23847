#include "dist/comm_call.h"

const char *ts_collective_name(ts_collective what)
{
    static const char *const name[] = { "all-reduce", "reduce-scatter", "all-gather", "all-to-all",
                                        "broadcast",  "barrier",        "send",       "receive" };
    return name[what];
}

size_t ts_comm_type_size(ts_comm_type t)
{
    static const size_t size[] = { sizeof(float), sizeof(double), sizeof(int64_t), 1, 2, 2 };
    return size[t];
}
