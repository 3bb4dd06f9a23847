#include "ops/message.h"

ts_status ts_message_send(ts_tape *tape, ts_comm *group, const void *data, int64_t n, ts_dtype dtype,
                          int to, ts_message *m)
{
    return ts_group_start(tape->dev, group, ts_send(data, n, ts_group_type(dtype), to), n, 0, m);
}

ts_status ts_message_receive(ts_tape *tape, ts_comm *group, void *data, int64_t n, ts_dtype dtype,
                             int from, ts_message *m)
{
    return ts_group_start(tape->dev, group, ts_recv(data, n, ts_group_type(dtype), from), 0, n, m);
}

ts_status ts_message_wait(ts_tape *tape, ts_comm *group, ts_message *m)
{
    return ts_group_wait(tape->dev, group, m);
}
