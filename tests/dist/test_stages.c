/* A model in two stages: rank 0 has the embedding and the first layers, rank 1 the others and the loss.
 * Micro-batches go through by a schedule that is written here by hand, two under way at a time, and the
 * gradients are those of one process, to the bit. */
#include "dist_test.h"

#include "device/isa.h"
#include "model/decoder.h"

enum { B = 2, S = 5, T = B * S, HIDDEN = 16, VOCAB = 24, LAYERS = 3, MICRO = 5, UNDER_WAY = 2 };

static ts_comm *comm;

/* One micro-batch under way on a rank. */
typedef struct flight {
    ts_tape *tape;
    ts_tensor *in, *out; /* of the stage: in NULL on the first, out the losses on the last */
    ts_comm_request *sent;
} flight;

typedef struct stage {
    ts_device *dev;
    ts_decoder *d;
    flight f[UNDER_WAY];
    int64_t first, last;
    ts_recompute_plan plan;
    void *grad; /* of the output, as it came from the next stage */
} stage;

static ts_decoder *make_decoder(ts_device *dev, ts_dtype compute)
{
    ts_arch a;
    ts_decoder *d;
    ts_arch_init(&a);
    a.n_layers = LAYERS, a.hidden = HIDDEN, a.n_heads = 4, a.n_kv_heads = 2, a.head_dim = 4;
    a.ffn = 20, a.vocab = VOCAB, a.max_positions = S, a.n_ropes = 1;
    a.rope[0] = (ts_rope_config){ .theta = 10000, .dim = 4, .max_positions = S };
    EXPECT_OK(ts_arch_layers(&a, 0));
    EXPECT_OK(ts_arch_check(&a, "test"));
    EXPECT_OK(ts_decoder_create(dev, &a, compute, VOCAB, NULL, &d));
    ts_arch_deinit(&a);
    EXPECT_OK(ts_decoder_allocate(d, TS_DTYPE_F32, true));
    EXPECT_OK(ts_decoder_init(d, 11, 0.3));
    EXPECT_OK(ts_decoder_prepare(d, S, S));
    return d;
}

static void open_stage(stage *s, ts_dtype compute, int64_t first, int64_t last, bool recomputes)
{
    *s = (stage){ .first = first, .last = last };
    if (recomputes)
        s->plan = (ts_recompute_plan){ .method = TS_RECOMPUTE_UNIFORM, .layers = 1 };
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &s->dev));
    for (int i = 0; i < UNDER_WAY; i++)
        EXPECT_OK(ts_tape_create(s->dev, &(ts_tape_options){ .replay = true }, &s->f[i].tape));
    s->d = make_decoder(s->dev, compute);
    ts_param_set_clear_grads(&s->d->params);
    s->grad = malloc((size_t)T * HIDDEN * ts_dtype_size(compute));
    EXPECT(s->grad, "out of memory");
}

static void close_stage(stage *s)
{
    for (int i = 0; i < UNDER_WAY; i++)
        ts_tape_destroy(&s->f[i].tape);
    ts_decoder_destroy(&s->d);
    ts_device_close(&s->dev);
    free(s->grad);
}

static ts_tensor *upload(ts_tape *tape, ts_dtype t, const void *host, int64_t d0, int64_t d1)
{
    ts_tensor *x;
    EXPECT_OK(ts_tape_new(tape, t, d0, d1, &x));
    tape->dev->to_device(tape->dev, ts_tensor_data(x), host, ts_tensor_bytes(x));
    return x;
}

/* Micro-batch m through this stage's layers; stream: what came from the stage before, or NULL. */
static void forward(stage *s, flight *f, int m, const void *stream)
{
    int32_t ids[T], pos[T], labels[T];
    ts_run *run;
    for (int i = 0; i < T; i++) {
        ids[i] = (i * 7 + m * 5 + 3) % VOCAB, pos[i] = i % S;
        labels[i] = (i * 5 + m * 11 + 1) % VOCAB;
    }
    ts_tape_reset(f->tape);
    EXPECT_OK(ts_arena_alloc(&f->tape->arena, sizeof *run, &run));
    *run = (ts_run){ .B = B, .S = S, .pos = upload(f->tape, TS_DTYPE_I32, pos, T, 0) };
    f->in = stream ? upload(f->tape, s->d->compute, stream, T, HIDDEN) : NULL;
    if (f->in)
        f->in->wants_grad = true;
    const ts_decoder_span span = { .ids = stream ? NULL : upload(f->tape, TS_DTYPE_I32, ids, T, 0),
                                   .stream = f->in, .first = s->first, .last = s->last };
    EXPECT_OK(ts_decoder_run(s->d, f->tape, run, &s->plan, &span, &f->out));
    if (s->last < LAYERS)
        return;
    ts_xent_op head = ts_decoder_head(s->d);
    head.labels = upload(f->tape, TS_DTYPE_I32, labels, T, 0);
    EXPECT_OK(ts_op_linear_xent(f->tape, &head, f->out, &f->out, NULL));
}

/* grad: of the stage's output, or NULL on the last: each loss counts 1. */
static void backward(stage *s, flight *f, const void *grad)
{
    float one[T];
    for (int i = 0; i < T; i++)
        one[i] = 1;
    ts_tensor *g = grad ? upload(f->tape, s->d->compute, grad, T, HIDDEN)
                        : upload(f->tape, TS_DTYPE_F32, one, T, 0);
    EXPECT_OK(ts_tape_accumulate(f->tape, f->out, g));
    EXPECT_OK(ts_tape_backward(f->tape));
}

/* ---- the schedule ---- */

static ts_comm_type type_of(const stage *s)
{
    return s->d->compute == TS_DTYPE_BF16 ? TS_COMM_BF16 : TS_COMM_F32;
}

static void first_forward(stage *s, int m)
{
    flight *f = &s->f[m % UNDER_WAY];
    forward(s, f, m, NULL);
    EXPECT_OK(ts_comm_start(comm, ts_send(ts_tensor_data(f->out), T * HIDDEN, type_of(s), 1), &f->sent));
}

static void first_backward(stage *s, int m)
{
    flight *f = &s->f[m % UNDER_WAY];
    EXPECT_OK(ts_comm_run(comm, ts_recv(s->grad, T * HIDDEN, type_of(s), 1)));
    EXPECT_OK(ts_comm_wait(comm, &f->sent));
    backward(s, f, s->grad);
}

/* Rank 0 is one micro-batch ahead; rank 1 goes there and back with each. */
static void run_first(stage *s)
{
    first_forward(s, 0);
    for (int m = 1; m < MICRO; m++) {
        first_forward(s, m);
        first_backward(s, m - 1);
    }
    first_backward(s, MICRO - 1);
}

static void run_second(stage *s)
{
    for (int m = 0; m < MICRO; m++) {
        flight *f = &s->f[m % UNDER_WAY];
        EXPECT_OK(ts_comm_run(comm, ts_recv(s->grad, T * HIDDEN, type_of(s), 0)));
        forward(s, f, m, s->grad);
        backward(s, f, NULL);
        EXPECT(f->in->grad, "the stage's input has no gradient");
        EXPECT_OK(ts_comm_run(comm, ts_send(ts_tensor_data(f->in->grad), T * HIDDEN, type_of(s), 0)));
    }
}

/* Parameters that a stage works on. */
static bool is_of(const stage *s, const ts_param *p)
{
    int layer;
    if (sscanf(p->name, "decoder.layers.%d.", &layer) == 1)
        return layer >= s->first && layer < s->last;
    return (comm->rank == 0) == (p == s->d->embedding);
}

static void compare(const stage *s, const stage *whole)
{
    int n = 0;
    for (size_t i = 0; i < s->d->params.n; i++) {
        const ts_param *p = s->d->params.p[i], *q = whole->d->params.p[i];
        double sum = 0;
        if (!is_of(s, p))
            continue;
        for (int64_t k = 0; k < ts_param_count(p); k++)
            sum += (double)q->grad[k] * (double)q->grad[k];
        EXPECT(sum > 0, "%s has no gradient", p->name);
        EXPECT(!memcmp(p->grad, q->grad, (size_t)ts_param_count(p) * sizeof(float)),
               "the gradient of %s is not that of one process", p->name);
        n++;
    }
    EXPECT(n > 6 * (s->last - s->first), "%d parameters", n);
}

static void two_stages(ts_dtype compute, int64_t cut, bool recomputes)
{
    stage s, whole;
    open_stage(&s, compute, comm->rank ? cut : 0, comm->rank ? LAYERS : cut, recomputes);
    open_stage(&whole, compute, 0, LAYERS, false);
    for (int m = 0; m < MICRO; m++) {
        forward(&whole, &whole.f[0], m, NULL);
        backward(&whole, &whole.f[0], NULL);
    }
    if (comm->rank)
        run_second(&s);
    else
        run_first(&s);
    ts_param_set_settle_grads(&s.d->params);
    compare(&s, &whole);
    close_stage(&s);
    close_stage(&whole);
}

int main(void)
{
    const ts_status st = ts_comm_world(&comm);
    if (st != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    EXPECT(comm->size == 2, "%d ranks", comm->size);
    for (int64_t cut = 0; cut < LAYERS; cut++) /* 0: the first stage embeds, and no more */
        for (int k = 0; k < 4; k++)
            two_stages(k & 1 ? TS_DTYPE_BF16 : TS_DTYPE_F32, cut, k & 2);
    ts_comm_finish(&comm, false);
    return 0;
}
