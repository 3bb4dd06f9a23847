#include "train/staged.h"

#include "dist/ordered.h"

#include <string.h>

static ts_device *device_of(const ts_staged *s) { return s->params->dev; }

static size_t flat_bytes(const ts_staged *s) { return (size_t)s->params->total * sizeof(float); }

static ts_status host_array(const ts_staged *s, float **out)
{
    ts_device *dev = device_of(s);
    void *p;
    TS_TRY(dev->alloc_host(dev, flat_bytes(s), &p));
    *out = p;
    return TS_OK;
}

static ts_status make_marks(ts_staged *s)
{
    ts_device *dev = device_of(s);
    const size_t n = s->params->n;
    TS_TRY(ts_alloc(&s->sent, n, sizeof *s->sent));
    TS_TRY(ts_alloc(&s->mark, n, sizeof *s->mark));
    TS_TRY(ts_alloc(&s->is_sent, n, sizeof *s->is_sent));
    for (; s->n_marks < n; s->n_marks++)
        TS_TRY(dev->event_create(dev, &s->mark[s->n_marks]));
    return TS_OK;
}

static bool is_alone(const ts_staged *s)
{
    for (int64_t i = 0; i < s->n_of; i++)
        if (s->of[i].comm->size > 1)
            return false;
    return true;
}

ts_status ts_staged_init(ts_staged *s, ts_param_set *params, const ts_reduced *of, int64_t n_of,
                         int64_t n_staging)
{
    ts_device *dev = params->dev;
    *s = (ts_staged){ .params = params, .of = of, .n_of = n_of, .n_staging = n_staging };
    if (dev->on_host || !dev->computes || is_alone(s))
        return TS_OK;
    TS_TRY(dev->event_create(dev, &s->back));
    TS_TRY(host_array(s, &s->grads));
    memset(s->grads, 0, flat_bytes(s)); /* what lies between parameters stays so */
    if (!n_staging)
        return make_marks(s);
    TS_TRY(ts_alloc(&s->staging, (size_t)n_staging, sizeof *s->staging));
    return host_array(s, &s->acc);
}

void ts_staged_deinit(ts_staged *s)
{
    if (!s->params)
        return;
    ts_device *dev = device_of(s);
    if (s->grads)
        dev->free_host(dev, s->grads, flat_bytes(s));
    if (s->acc)
        dev->free_host(dev, s->acc, flat_bytes(s));
    for (size_t i = 0; i < s->n_marks; i++)
        dev->event_destroy(dev, s->mark[i]);
    if (s->back)
        dev->event_destroy(dev, s->back);
    ts_free(&s->staging);
    ts_free(&s->sent);
    ts_free(&s->mark);
    ts_free(&s->is_sent);
    *s = (ts_staged){ 0 };
}

float *ts_staged_grads(const ts_staged *s) { return s->grads ? s->grads : s->params->grads->data; }

/* All of a flat array, before the main queue goes on. */
static void copy_back(ts_staged *s, ts_storage *dst, const float *src)
{
    ts_device *dev = device_of(s);
    dev->copy(dev, TS_TO_DEVICE, dst->data, src, flat_bytes(s));
    dev->record(dev, TS_QUEUE_COPY, s->back);
    dev->follow(dev, TS_QUEUE_MAIN, s->back);
}

/* ---- with a reducer ---- */

void ts_staged_begin(ts_staged *s, ts_reducer *r)
{
    ts_reducer_begin(r);
    s->n_sent = s->n_here = 0;
    for (size_t i = 0; i < s->n_marks; i++)
        s->is_sent[i] = false;
}

static void send_param(ts_staged *s, const ts_param *p)
{
    ts_device *dev = device_of(s);
    ts_event *mark = s->mark[p->index];
    dev->record(dev, TS_QUEUE_MAIN, mark); /* behind the kernels that have written it */
    dev->follow(dev, TS_QUEUE_COPY, mark);
    dev->copy(dev, TS_TO_HOST, s->grads + p->offset, p->grad,
              (size_t)ts_param_count(p) * sizeof(float));
    dev->record(dev, TS_QUEUE_COPY, mark);
    s->is_sent[p->index] = true;
    s->sent[s->n_sent++] = p;
}

ts_status ts_staged_param_done(ts_staged *s, ts_reducer *r, const ts_param *p)
{
    if (!s->grads)
        return ts_reducer_param_done(r, p->index);
    send_param(s, p);
    return TS_OK;
}

/* Tells the reducer of those that are here; all: they are all here. */
static ts_status pass_on(ts_staged *s, ts_reducer *r, bool all)
{
    for (; s->n_here < s->n_sent; s->n_here++) {
        const int64_t i = s->sent[s->n_here]->index;
        if (!all && !device_of(s)->reached(device_of(s), s->mark[i]))
            break;
        TS_TRY(ts_reducer_param_done(r, i));
    }
    return TS_OK;
}

ts_status ts_staged_progress(ts_staged *s, ts_reducer *r)
{
    TS_TRY(pass_on(s, r, false));
    return ts_reducer_progress(r);
}

ts_status ts_staged_finish(ts_staged *s, ts_reducer *r)
{
    ts_device *dev = device_of(s);
    if (!s->grads) {
        TS_TRY(dev->sync(dev));
        return ts_reducer_finish(r);
    }
    for (size_t i = 0; i < s->n_marks; i++)
        if (ts_param_is_trained(s->params->p[i]) && !s->is_sent[i])
            send_param(s, s->params->p[i]);
    TS_TRY(dev->sync(dev));
    TS_TRY(pass_on(s, r, true));
    TS_TRY(ts_reducer_finish(r));
    copy_back(s, s->params->grads, s->grads);
    return TS_OK;
}

/* ---- in the order of micro-batches ---- */

ts_status ts_staged_clear(ts_staged *s, ts_storage *acc)
{
    ts_device *dev = device_of(s);
    if (!s->grads) {
        dev->zero(dev, acc->data, acc->bytes);
        return TS_OK;
    }
    TS_TRY(dev->sync(dev)); /* the last sum has gone back */
    memset(s->acc, 0, flat_bytes(s));
    return TS_OK;
}

/* The same additions as ts_ordered_add's of one rank. */
static void add_on_device(ts_staged *s, ts_storage *acc)
{
    const double n = (double)s->params->total;
    const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32,
                                    .z_dtype = TS_DTYPE_F32,
                                    .y_dtype = TS_DTYPE_F32,
                                    .x = acc->data,
                                    .z = s->params->grads->data,
                                    .y = acc->data,
                                    .alpha = 1,
                                    .beta = 1 };
    ts_launch_add(device_of(s), &a, s->params->total, (ts_cost){ n, 12 * n, TS_DTYPE_F32 });
}

/* Each stretch by its group. */
static ts_status add_in_order(ts_staged *s, const float *g, float *acc, float *staging)
{
    for (int64_t i = 0; i < s->n_of; i++) {
        const ts_reduced *x = &s->of[i];
        TS_TRY(ts_ordered_add(x->comm, g + x->begin, acc ? acc + x->begin : NULL, x->end - x->begin, staging,
                              s->n_staging));
    }
    return TS_OK;
}

static ts_status finish_in_order(ts_staged *s, float *acc)
{
    for (int64_t i = 0; i < s->n_of; i++) {
        const ts_reduced *x = &s->of[i];
        TS_TRY(ts_ordered_finish(x->comm, acc ? acc + x->begin : NULL, x->end - x->begin));
    }
    return TS_OK;
}

ts_status ts_staged_add(ts_staged *s, ts_storage *acc, ts_storage *staging)
{
    const ts_param_set *p = s->params;
    ts_device *dev = device_of(s);
    if (s->grads) {
        TS_TRY(ts_device_read(dev, s->grads, p->grads->data, flat_bytes(s)));
        return add_in_order(s, s->grads, s->acc, s->staging);
    }
    if (dev->computes && !dev->on_host) {
        add_on_device(s, acc);
        return TS_OK;
    }
    TS_TRY(dev->sync(dev));
    return add_in_order(s, p->grads->data, dev->computes ? acc->data : NULL, staging ? staging->data : NULL);
}

ts_status ts_staged_add_up(ts_staged *s, ts_storage *acc)
{
    if (!s->grads) /* of one rank: nothing */
        return finish_in_order(s, device_of(s)->computes ? acc->data : NULL);
    TS_TRY(finish_in_order(s, s->acc));
    copy_back(s, acc, s->acc);
    return TS_OK;
}
