/* Passes over the stages of a model that several processes have. */
#include "infer/model_group.h"
#include "ops/group.h"
#include "ops/ops.h"

/* Ahead of a border's tensors: how many, and of each its type and sizes. */
enum { HEAD = 1 + 3 * TS_PASSED };

static ts_comm *line_of(const ts_model_group *c) { return c->mesh->comm[TS_MESH_PP]; }

static ts_status send_bytes(ts_device *dev, ts_comm *comm, int to, const ts_tensor *t)
{
    const int64_t n = (int64_t)ts_tensor_bytes(t);
    return ts_group_run_on(dev, comm, ts_send(ts_tensor_data(t), n, TS_COMM_U8, to), n, 0);
}

static ts_status take_bytes(ts_device *dev, ts_comm *comm, int from, ts_tensor *t)
{
    const int64_t n = (int64_t)ts_tensor_bytes(t);
    return ts_group_run_on(dev, comm, ts_recv(ts_tensor_data(t), n, TS_COMM_U8, from), 0, n);
}

static ts_status hand_on(ts_decoder *d, const ts_passed *p)
{
    ts_comm *line = line_of(d->model_group);
    const int next = ts_mesh_next_stage(d->model_group->mesh);
    int64_t head[HEAD] = { p->n };
    for (int i = 0; i < p->n; i++) {
        const ts_tensor *t = p->tensor[i];
        head[1 + 3 * i] = t->dtype, head[2 + 3 * i] = t->dim[0], head[3 + 3 * i] = t->rank > 1 ? t->dim[1] : 0;
    }
    TS_TRY(ts_comm_run(line, ts_send(head, HEAD, TS_COMM_I64, next)));
    for (int i = 0; i < p->n; i++)
        TS_TRY(send_bytes(d->dev, line, next, p->tensor[i]));
    return TS_OK;
}

static ts_status take_over(ts_decoder *d, ts_tape *tape, ts_passed *p)
{
    ts_comm *line = line_of(d->model_group);
    const int from = ts_mesh_previous_stage(d->model_group->mesh);
    int64_t head[HEAD];
    *p = (ts_passed){ 0 };
    TS_TRY(ts_comm_run(line, ts_recv(head, HEAD, TS_COMM_I64, from)));
    TS_ASSERT(head[0] >= 1 && head[0] <= TS_PASSED, "%lld tensors from stage %d", (long long)head[0], from);
    for (int i = 0; i < (int)head[0]; i++) {
        ts_tensor *t;
        TS_TRY(ts_tape_new(tape, (ts_dtype)head[1 + 3 * i], head[2 + 3 * i], head[3 + 3 * i], &t));
        TS_TRY(take_bytes(d->dev, line, from, t));
        ts_pass(p, t);
    }
    return TS_OK;
}

/* The first tensor that passes is the stream. */
static ts_status run_stage(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_tensor *ids, ts_tensor **hidden)
{
    const ts_layer_range layers = ts_model_group_layers(d->model_group);
    ts_decoder_span span = { .ids = ids, .first = layers.first, .last = layers.last, .goes_on = !d->ends };
    ts_passed in, beside = { 0 }, lent = { 0 }, out = { 0 };
    ts_tensor *x;
    if (!d->embeds) {
        TS_TRY(take_over(d, tape, &in));
        for (int i = 1; i < in.n; i++)
            ts_pass(&beside, in.tensor[i]);
        span.stream = in.tensor[0], span.beside = &beside;
    }
    span.hands_on = d->ends ? NULL : &lent;
    TS_TRY(ts_decoder_run(d, tape, run, NULL, &span, &x));
    *hidden = d->ends ? x : NULL;
    if (d->ends)
        return TS_OK;
    ts_pass(&out, x);
    for (int i = 0; i < lent.n; i++)
        ts_pass(&out, lent.tensor[i]);
    return hand_on(d, &out);
}

ts_status ts_model_group_forward(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_tensor *ids, ts_tensor **hidden)
{
    if (ts_model_group_n_stages(d->model_group) > 1)
        return run_stage(d, tape, run, ids, hidden);
    return ts_decoder_forward(d, tape, run, NULL, ids, hidden);
}

ts_status ts_model_group_bring(ts_decoder *d, ts_tape *tape, ts_dtype dtype, int64_t rows, int64_t cols, ts_tensor **t)
{
    const ts_model_group *c = d->model_group;
    const int stages = ts_model_group_n_stages(c);
    if (stages == 1)
        return TS_OK;
    const int last = c->comm->size / stages * (stages - 1); /* the last stage's first process */
    if (c->comm->rank == last)
        return send_bytes(d->dev, c->comm, 0, *t);
    if (!d->ends)
        *t = NULL;
    if (c->comm->rank > 0)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, dtype, rows, cols, t));
    return take_bytes(d->dev, c->comm, last, *t);
}

ts_status ts_model_group_logits(ts_decoder *d, ts_tape *tape, ts_tensor *hidden, int64_t n, ts_tensor **logits)
{
    *logits = NULL;
    if (hidden) {
        const ts_xent_op head = ts_decoder_head(d);
        TS_TRY(ts_op_logits_whole(tape, &head, hidden, logits));
    }
    return ts_model_group_bring(d, tape, TS_DTYPE_F32, n, d->arch.vocab, logits);
}
