/* A tensor's values on their way to or from another process of a group, while the device computes. */
#ifndef TS_OPS_MESSAGE_H
#define TS_OPS_MESSAGE_H
#include "ops/group.h"

typedef ts_group_call ts_message;

/* n values of dtype on the device. They are not touched until the message is waited for. Nothing may be under
 * way in m. */
ts_status ts_message_send(ts_tape *tape, ts_comm *group, const void *data, int64_t n, ts_dtype dtype,
                          int to, ts_message *m) TS_NODISCARD;
ts_status ts_message_receive(ts_tape *tape, ts_comm *group, void *data, int64_t n, ts_dtype dtype,
                             int from, ts_message *m) TS_NODISCARD;
/* Of one that is not under way: nothing. */
ts_status ts_message_wait(ts_tape *tape, ts_comm *group, ts_message *m) TS_NODISCARD;
#endif
