#include "ops/message.h"

static bool is_far(const ts_device *d) { return d->computes && !d->on_host; }

ts_status ts_message_send(ts_tape *tape, ts_comm *group, const void *data, int64_t n, ts_dtype dtype,
                          int to, ts_message *m)
{
    ts_device *dev = tape->dev;
    m->bytes = (size_t)n * ts_dtype_size(dtype);
    if (is_far(dev)) {
        TS_TRY(dev->alloc_host(dev, m->bytes, &m->host));
        TS_TRY(ts_device_read(dev, m->host, data, m->bytes));
        data = m->host;
    } else {
        TS_TRY(dev->sync(dev));
    }
    return ts_comm_start(group, ts_send(data, n, ts_group_type(dtype), to), &m->request);
}

ts_status ts_message_receive(ts_tape *tape, ts_comm *group, void *data, int64_t n, ts_dtype dtype,
                             int from, ts_message *m)
{
    ts_device *dev = tape->dev;
    m->bytes = (size_t)n * ts_dtype_size(dtype);
    if (is_far(dev)) {
        TS_TRY(dev->alloc_host(dev, m->bytes, &m->host));
        m->to = data;
        data = m->host;
    } else {
        TS_TRY(dev->sync(dev)); /* what was read there before */
    }
    return ts_comm_start(group, ts_recv(data, n, ts_group_type(dtype), from), &m->request);
}

ts_status ts_message_wait(ts_tape *tape, ts_comm *group, ts_message *m)
{
    ts_device *dev = tape->dev;
    TS_TRY(ts_comm_wait(group, &m->request));
    if (m->to)
        dev->to_device(dev, m->to, m->host, m->bytes);
    if (m->host) {
        TS_TRY(dev->sync(dev));
        dev->free_host(dev, m->host, m->bytes);
    }
    *m = (ts_message){ 0 };
    return TS_OK;
}
