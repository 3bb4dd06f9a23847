/* A tensor-parallel group shares out the layers of a decoder. Every process also runs the whole alone;
 * outputs, the stream's gradient and the gradients of all shares must be those of the whole, and what is
 * random (starts, dropout) the same numbers. */
#include "dist_test.h"

#include "device/isa.h"
#include "model/decoder.h"

#include <math.h>
#include <string.h>

enum { B = 2, S = 12, T = B * S, HIDDEN = 16, VOCAB = 24, LAYERS = 2 };

static ts_comm *comm, *comm_x, *comm_y;
static ts_device *dev;

typedef struct form {
    const char *name;
    bool other;    /* layer norms, biases, plain MLP, both sublayers beside each other */
    bool qk_norm, sequence, recompute;
    bool two; /* cut both ways, over 2 times size / 2 processes */
    float dropout;
    ts_dtype compute;
} form;

static ts_tensor_group group_of(const form *f)
{
    if (f->two)
        return (ts_tensor_group){ .comm = comm, .x = comm_x, .y = comm_y, .sequence = true };
    return (ts_tensor_group){ .comm = comm, .sequence = f->sequence, .unaligned = true };
}

/* A decoder and one pass through all its layers. */
typedef struct pass {
    ts_decoder *d;
    ts_tape *tape;
    ts_tensor *in, *out;
} pass;

/* Vectors start constant: numbers that tell their places apart. */
static void vary(const ts_param *p)
{
    int64_t whole;
    for (int64_t at = 0; p->rank == 1 && at < ts_param_count(p); at++) {
        (void)ts_place_run(&p->place, at, &whole);
        ((float *)p->value)[at] += 0.2F * (float)sin((double)whole + (double)p->id);
    }
}

static ts_decoder *make_decoder(const form *f, const ts_tensor_group *group)
{
    ts_arch a;
    ts_decoder *d;
    ts_arch_init(&a);
    a.n_layers = LAYERS, a.hidden = HIDDEN, a.n_heads = 8, a.n_kv_heads = f->two ? 8 : 4, a.head_dim = 4;
    a.ffn = f->two ? 24 : 21, a.vocab = VOCAB, a.max_positions = S, a.n_ropes = 1;
    a.rope[0] = (ts_rope_config){ .theta = 10000, .dim = 4, .max_positions = S };
    a.qk_norm = f->qk_norm ? TS_QK_NORM_HEAD : TS_QK_NORM_NONE;
    if (f->other) {
        a.norm = TS_NORM_LAYER, a.norm_bias = true, a.parallel_residual = true;
        a.bias_qkv = a.bias_proj = a.bias_fc1 = a.bias_fc2 = true;
    }
    EXPECT_OK(ts_arch_layers(&a, 0));
    for (int i = 0; f->other && i < LAYERS; i++)
        a.layer[i].mlp = TS_MLP_PLAIN;
    EXPECT_OK(ts_arch_check(&a, "test"));
    EXPECT_OK(ts_decoder_create(dev, &a, f->compute, VOCAB, group, &d));
    ts_arch_deinit(&a);
    EXPECT_OK(ts_decoder_allocate(d, TS_DTYPE_F32, true));
    EXPECT_OK(ts_decoder_init(d, 11, 0.3));
    for (size_t i = 0; i < d->params.n; i++)
        vary(d->params.p[i]);
    EXPECT_OK(ts_decoder_prepare(d, S, S));
    ts_param_set_clear_grads(&d->params);
    return d;
}

static ts_tensor *upload(ts_tape *tape, ts_dtype t, const void *host, int64_t d0, int64_t d1)
{
    ts_tensor *x;
    EXPECT_OK(ts_tape_new(tape, t, d0, d1, &x));
    dev->to_device(dev, ts_tensor_data(x), host, ts_tensor_bytes(x));
    return x;
}

/* Rows [row0, row0 + n) of numbers that look random. */
static ts_tensor *numbers(ts_tape *tape, ts_dtype t, int seed, int64_t row0, int64_t n)
{
    char *v = malloc((size_t)n * HIDDEN * ts_dtype_size(t));
    EXPECT(v, "out of memory");
    for (int64_t i = 0; i < n * HIDDEN; i++)
        ts_store_f32(v, i, t, (float)sin((double)(row0 * HIDDEN + i) * 1.7 + seed));
    ts_tensor *x = upload(tape, t, v, n, HIDDEN);
    free(v);
    return x;
}

static void run(const form *f, const ts_tensor_group *group, pass *p)
{
    const bool cuts = group && group->sequence;
    const int64_t n = cuts ? T / group->comm->size : T, row0 = cuts ? n * group->comm->rank : 0;
    const ts_recompute_plan plan = { .method = f->recompute ? TS_RECOMPUTE_UNIFORM : TS_RECOMPUTE_NONE,
                                     .layers = 1 };
    int32_t pos[T];
    ts_run *r;
    for (int i = 0; i < T; i++)
        pos[i] = i % S;
    p->d = make_decoder(f, group);
    EXPECT_OK(ts_tape_create(dev, &(ts_tape_options){ .replay = true }, &p->tape));
    EXPECT_OK(ts_arena_alloc(&p->tape->arena, sizeof *r, &r));
    *r = (ts_run){ .B = B, .S = S, .row0 = row0, .hidden_dropout = f->dropout,
                   .attention_dropout = f->dropout, .seed = 5,
                   .pos = upload(p->tape, TS_DTYPE_I32, pos, T, 0) };
    p->in = numbers(p->tape, f->compute, 1, row0, n);
    p->in->wants_grad = true;
    const ts_decoder_span span = { .stream = p->in, .last = LAYERS };
    EXPECT_OK(ts_decoder_run(p->d, p->tape, r, &plan, &span, &p->out));
    EXPECT(p->out->dim[0] == T, "%d rows come out", (int)p->out->dim[0]);
    EXPECT_OK(ts_tape_accumulate(p->tape, p->out, numbers(p->tape, f->compute, 9, 0, T)));
    EXPECT_OK(ts_tape_backward(p->tape));
    ts_param_set_settle_grads(&p->d->params);
}

static void drop(pass *p)
{
    ts_tape_destroy(&p->tape);
    ts_decoder_destroy(&p->d);
}

/* ---- what must be equal ---- */

/* A tensor of the whole, as computed and in fp32. */
typedef struct answer {
    double top, noise; /* the largest number, and by how much the type of the activations moved one */
} answer;

static answer answer_of(const void *whole, ts_dtype t, const void *exact, ts_dtype exact_t, int64_t n)
{
    answer a = { 0 };
    for (int64_t i = 0; i < n; i++) {
        const double x = ts_load_f32(exact, i, exact_t);
        a.top = fmax(a.top, fabs(x));
        a.noise = fmax(a.noise, fabs(x - (double)ts_load_f32(whole, i, t)));
    }
    return a;
}

/* A sum of up to some 200 products in another order differs by as many roundings at most; bf16 moves the
 * group's numbers about as far as it moves those of one process, and both may go opposite ways. */
static void check(const form *f, const char *what, double worst, const answer *a)
{
    const double bound = 200 * 0x1p-24 * a->top + 3 * a->noise;
    EXPECT(a->top > 0.01 && worst <= bound, "%s: %s differs by %g, bound %g, numbers up to %g", f->name,
           what, worst, bound, a->top);
}

static void compare(const form *f, const char *what, const ts_tensor *x, const ts_tensor *all,
                    const ts_tensor *exact, int64_t row0)
{
    const answer a = answer_of(ts_tensor_data(all), f->compute, ts_tensor_data(exact), TS_DTYPE_F32,
                               T * HIDDEN);
    double worst = 0;
    for (int64_t i = 0; i < x->dim[0] * HIDDEN; i++)
        worst = fmax(worst, fabs((double)ts_load_f32(ts_tensor_data(x), i, f->compute) -
                                 (double)ts_load_f32(ts_tensor_data(all), row0 * HIDDEN + i,
                                                     f->compute)));
    check(f, what, worst, &a);
}

/* As a step's end does (train/grads.c). */
static void sum_parts(const ts_param *p)
{
    const int64_t n = (p->dim[0] - p->parts.from) * p->dim[1], all = n * p->parts.slots;
    float *here = p->grad + p->parts.from * p->dim[1], *sum;
    if (!all)
        return;
    sum = calloc((size_t)all, sizeof *sum);
    EXPECT(sum, "out of memory");
    memcpy(sum + p->parts.slot * n, here, (size_t)n * sizeof *sum);
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(sum, all, TS_COMM_F32, TS_COMM_SUM)));
    memcpy(here, sum + p->parts.slot * n, (size_t)n * sizeof *sum);
    free(sum);
}

/* What norms count, of all processes together: every element of the whole once. */
static void count_once(const form *f, const ts_decoder *d, const ts_decoder *whole)
{
    int64_t n[2] = { 0, 0 };
    for (size_t i = 0; i < d->params.n; i++) {
        n[0] += d->params.p[i]->counted;
        n[1] += ts_param_count(whole->params.p[i]);
    }
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(n, 1, TS_COMM_I64, TS_COMM_SUM)));
    EXPECT(n[0] == n[1], "%s: norms count %lld elements of %lld", f->name, (long long)n[0],
           (long long)n[1]);
}

/* The start's bits, and the gradient. */
static void compare_param(const form *f, const ts_param *p, const ts_param *q, const ts_param *exact)
{
    const int64_t n = ts_param_count(p);
    const answer a = answer_of(q->grad, TS_DTYPE_F32, exact->grad, TS_DTYPE_F32, ts_param_count(q));
    double worst = 0;
    int64_t whole;
    sum_parts(p);
    for (int64_t at = 0; at < n; at++) {
        (void)ts_place_run(&p->place, at, &whole);
        worst = fmax(worst, fabs((double)p->grad[at] - (double)q->grad[whole]));
        EXPECT(((float *)p->value)[at] == ((float *)q->value)[whole], "%s: %s starts otherwise",
               f->name, p->name);
    }
    check(f, p->name, worst, &a);
}

static void as_one(const form *f)
{
    const ts_tensor_group group = group_of(f);
    form in_fp32 = *f;
    pass exact, whole, shared;
    int cut = 0;
    in_fp32.compute = TS_DTYPE_F32;
    run(&in_fp32, NULL, &exact);
    run(f, NULL, &whole);
    run(f, &group, &shared);
    const int64_t row0 = group.sequence ? T / comm->size * comm->rank : 0;
    compare(f, "the output", shared.out, whole.out, exact.out, 0);
    compare(f, "the stream's gradient", shared.in->grad, whole.in->grad, exact.in->grad, row0);
    for (size_t i = 0; i < whole.d->params.n; i++) {
        const ts_param *p = shared.d->params.p[i];
        if (!strstr(p->name, "layers") && !strstr(p->name, "final"))
            continue;
        cut += !ts_place_is_whole(&p->place);
        compare_param(f, p, whole.d->params.p[i], exact.d->params.p[i]);
    }
    count_once(f, shared.d, whole.d);
    EXPECT(comm->size == 1 || cut == (!f->other ? 4 : f->two ? 8 : 6) * LAYERS, "%s: %d tensors are cut", f->name, cut);
    drop(&shared);
    drop(&whole);
    drop(&exact);
}

static void same(const form *f, int parts, const char *what, const ts_tensor *x, const ts_tensor *y)
{
    EXPECT(ts_tensor_bytes(x) == ts_tensor_bytes(y) &&
               memcmp(ts_tensor_data(x), ts_tensor_data(y), ts_tensor_bytes(x)) == 0,
           "%s: %s is another in %d parts", f->name, what, parts);
}

/* Exchanges beside the products: the bits of one after the other, from as many bytes. */
static void in_parts(const form *f, int parts)
{
    const ts_tensor_group group = group_of(f);
    ts_tensor_group beside = group;
    pass p, q;
    beside.gather_parts = parts, beside.sum_parts = f->two ? 0 : parts, beside.back_parts = parts;
    if (f->two && parts > 2)
        beside.gather_parts = 0, beside.sum_parts = parts;
    const double before = comm->traffic.bytes;
    run(f, &group, &p);
    const double between = comm->traffic.bytes;
    const int64_t calls = comm->traffic.calls;
    run(f, &beside, &q);
    const double one = between - before, other = comm->traffic.bytes - between;
    EXPECT(fabs(one - other) < 0.5, "%s: %g bytes in %d parts, %g in one", f->name, other, parts, one);
    EXPECT(comm->size == 1 || f->two || comm->traffic.calls - calls >= parts * (f->sequence ? 6 : 4) * LAYERS,
           "%s: %lld calls in %d parts", f->name, (long long)(comm->traffic.calls - calls), parts);
    same(f, parts, "the output", q.out, p.out);
    same(f, parts, "the stream's gradient", q.in->grad, p.in->grad);
    for (size_t i = 0; i < p.d->params.n; i++) {
        const ts_param *a = p.d->params.p[i], *b = q.d->params.p[i];
        EXPECT(memcmp(a->grad, b->grad, (size_t)ts_param_count(a) * sizeof *a->grad) == 0,
               "%s: the gradient of %s is another in %d parts", f->name, a->name, parts);
    }
    drop(&q);
    drop(&p);
}

/* What a process sends, in parts of the whole stream less its own share: a layer's two sums forward and
 * two backward are twice that each. Where rows are shared out they are gathered and scattered instead,
 * four times forward and backward; for the gradients of two products the rows come once more, and behind
 * the last layer all rows do. */
static void count_traffic(const form *f)
{
    const ts_tensor_group group = group_of(f);
    const double before = comm->traffic.bytes, t = comm->size;
    const double part = T * HIDDEN * sizeof(float) * (t - 1) / t;
    const double expected = part * (f->sequence ? 10 * LAYERS + 1 : 8 * LAYERS);
    pass p;
    run(f, &group, &p);
    EXPECT(fabs(comm->traffic.bytes - before - expected) < 0.5, "%s: %g bytes, %g expected", f->name,
           comm->traffic.bytes - before, expected);
    drop(&p);
}

/* Cut both ways over x times y: columns of all rows go to each process (an all-to-all of all), partial
 * sums over x come back to rows (a reduce-scatter of x, an all-to-all of y); within, the columns of y are
 * gathered and scattered. Each of a layer's four products does one of either forward and two backward,
 * and its input comes once more for the weight's gradient. */
static void count_both_ways(const form *f)
{
    const ts_tensor_group group = group_of(f);
    const double x = comm_x->size, y = comm_y->size, rows = T * sizeof(float),
                 width[] = { 8 * 4 * 3, 8 * 4, 24 * 2, 24 }; /* qkv, heads, gate and up, their product */
    const ts_comm *c[] = { comm, comm_x, comm_y };
    double before[3], expected[3] = { 0, 0, 0 };
    pass p;
    for (int i = 0; i < 4; i++) {
        const double spread = rows * HIDDEN / y / (x * y) * (x * y - 1),
                     sum = rows * HIDDEN / y * (x - 1) / x, back = rows * HIDDEN / y / (x * y) * (y - 1),
                     within = rows * width[i] / x * (y - 1) / y;
        const bool column = i % 2 == 0;
        expected[0] += (column ? 2 : 1) * spread; /* forward and for the weight, or of the gradient */
        expected[1] += sum, expected[2] += back;
        expected[2] += (column ? 2 : 3) * within;
    }
    for (int i = 0; i < 3; i++)
        before[i] = c[i]->traffic.bytes;
    run(f, &group, &p);
    drop(&p);
    expected[0] *= LAYERS, expected[1] *= LAYERS, expected[2] *= LAYERS;
    expected[0] += rows * HIDDEN * (x * y - 1) / (x * y); /* behind the last layer */
    for (int i = 0; i < 3; i++)
        EXPECT(fabs(c[i]->traffic.bytes - before[i] - expected[i]) < 0.5, "%s: %g bytes in %s, %g expected",
               f->name, c[i]->traffic.bytes - before[i], c[i]->group, expected[i]);
}

int main(void)
{
    static const form forms[] = {
        { .name = "plain", .compute = TS_DTYPE_F32 },
        { .name = "other", .other = true, .compute = TS_DTYPE_F32 },
        { .name = "norms of heads", .qk_norm = true, .compute = TS_DTYPE_F32 },
        { .name = "dropout", .dropout = 0.2F, .compute = TS_DTYPE_F32 },
        { .name = "recomputed", .recompute = true, .dropout = 0.2F, .compute = TS_DTYPE_F32 },
        { .name = "sequence", .sequence = true, .compute = TS_DTYPE_F32 },
        { .name = "sequence, other", .sequence = true, .other = true, .compute = TS_DTYPE_F32 },
        { .name = "sequence, all", .sequence = true, .qk_norm = true, .recompute = true,
          .dropout = 0.2F, .compute = TS_DTYPE_F32 },
        { .name = "both ways", .two = true, .compute = TS_DTYPE_F32 },
        { .name = "both ways, other", .two = true, .other = true, .compute = TS_DTYPE_F32 },
        { .name = "both ways, all", .two = true, .qk_norm = true, .recompute = true, .dropout = 0.2F,
          .compute = TS_DTYPE_F32 },
        { .name = "both ways, bf16", .two = true, .compute = TS_DTYPE_BF16 },
        { .name = "bf16", .compute = TS_DTYPE_BF16 },
        { .name = "bf16, sequence", .sequence = true, .other = true, .compute = TS_DTYPE_BF16 },
    };
    if (ts_comm_world(&comm) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    const bool is_mesh = comm->size >= 4 && T / comm->size * comm->size == T;
    EXPECT_OK(ts_comm_split(comm, "tp-x", comm->rank / 2, comm->rank, &comm_x));
    EXPECT_OK(ts_comm_split(comm, "tp-y", comm->rank % 2, comm->rank, &comm_y));
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (is_mesh || !forms[i].two)
            as_one(&forms[i]);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (int parts = 2; parts <= 3; parts++)
            if (T / comm->size % parts == 0 && (is_mesh || !forms[i].two))
                in_parts(&forms[i], parts);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].compute == TS_DTYPE_F32 && !forms[i].recompute && !forms[i].two)
            count_traffic(&forms[i]);
    for (size_t i = 0; is_mesh && i < sizeof forms / sizeof *forms; i++)
        if (forms[i].two && !forms[i].other && forms[i].compute == TS_DTYPE_F32 && !forms[i].recompute)
            count_both_ways(&forms[i]);
    ts_comm_destroy(&comm_y);
    ts_comm_destroy(&comm_x);
    ts_device_close(&dev);
    ts_comm_finish(&comm, false);
    return 0;
}
