/* The tape itself: composed operators with shared tensors and parameters, replay, recomputation,
 * weight halves that are run later, and what the hooks are told. */
#include "tape_rig.h"

#include <math.h>

#define MLP_VARS                                                                                   \
    {                                                                                              \
        IN("x", T, W), PARAM("norm", W, 0), PARAM("up", 2 * F, W), PARAM("up_bias", 2 * F, 0),    \
            PARAM("down", W, F)                                                                    \
    }

/* ---- in double ---- */

static void norm_row(const double *x, const double *w, double *y)
{
    double ss = 0;
    for (int i = 0; i < W; i++)
        ss += x[i] * x[i] / W;
    for (int i = 0; i < W; i++)
        y[i] = x[i] / sqrt(ss + (double)1e-3f) * w[i];
}

/* y = x + down(silu(gate) * up of norm(x)) */
static void block(double *const *v, const double *x, double *y)
{
    for (int t = 0; t < T; t++) {
        double h[W], u[2 * F];
        norm_row(x + t * W, v[NORM_W], h);
        for (int o = 0; o < 2 * F; o++) {
            u[o] = v[UP_B][o];
            for (int i = 0; i < W; i++)
                u[o] += h[i] * v[UP][o * W + i];
        }
        for (int o = 0; o < W; o++) {
            double sum = x[t * W + o];
            for (int i = 0; i < F; i++)
                sum += u[i] / (1 + exp(-u[i])) * u[F + i] * v[DOWN][o * F + i];
            y[t * W + o] = sum;
        }
    }
}

/* The same parameters twice, so their gradients come from two records. */
static void twice_oracle(const grad_case *g, double *const *v, double *y)
{
    double h[T * W];
    (void)g;
    block(v, v[X], h);
    block(v, h, y);
}

/* h = block(x); y = (h + h) + 3 (2 x - h) + x: gradients of x and h come together from many
 * sides. */
static void shared_oracle(const grad_case *g, double *const *v, double *y)
{
    double h[T * W];
    (void)g;
    block(v, v[X], h);
    for (int i = 0; i < T * W; i++)
        y[i] = 2 * h[i] + 3 * (2 * v[X][i] - h[i]) + v[X][i];
}

/* ---- on the tape ---- */

/* What the hooks saw: how often each parameter was done, and its gradient then. */
typedef struct seen {
    int times[VARS];
    float grad[VARS][2 * F * W];
    const grad_env *e;
} seen;
static seen hooks; /* of the case that runs */

static void on_done(void *ctx, ts_param *p)
{
    seen *s = ctx;
    for (int v = 0; v < VARS; v++) {
        if (s->e->param[v] != p)
            continue;
        s->times[v]++;
        memcpy(s->grad[v], p->grad, (size_t)ts_param_count(p) * sizeof(float));
    }
}

static void watch(grad_env *e)
{
    hooks = (seen){ .e = e };
    e->tape->hooks = (ts_tape_hooks){ .param_done = on_done, .ctx = &hooks };
}

static ts_status twice_run(const grad_case *g, grad_env *e)
{
    block_ctx c = ctx_of(e);
    ts_tensor *h;
    (void)g;
    watch(e);
    TS_TRY(block_run(e->tape, &c, e->leaf[X], &h));
    return block_run(e->tape, &c, h, &e->out[0]);
}

static ts_status segments_run(const grad_case *g, grad_env *e)
{
    const block_ctx c = ctx_of(e);
    ts_tensor *h;
    (void)g;
    TS_TRY(ts_tape_segment(e->tape, block_run, &c, sizeof c, e->leaf[X], &h));
    return ts_tape_segment(e->tape, block_run, &c, sizeof c, h, &e->out[0]);
}

/* Nothing but the segments holds their inputs. */
static ts_status dropped_run(const grad_case *g, grad_env *e)
{
    const block_ctx c = ctx_of(e);
    ts_tensor *h;
    (void)g;
    TS_TRY(ts_tape_segment(e->tape, block_run, &c, sizeof c, e->leaf[X], &h));
    TS_TRY(ts_tape_segment(e->tape, block_run, &c, sizeof c, h, &e->out[0]));
    ts_tape_drop(e->tape, h);
    return TS_OK;
}

/* Two layers whose records' tensors wait: those of the first are gone when the second runs. */
static ts_status waiting_run(const grad_case *g, grad_env *e)
{
    block_ctx c = ctx_of(e);
    ts_tensor *h;
    (void)g;
    e->tape->waits = true;
    ts_device_part(e->tape->dev, "block", 0);
    TS_TRY(block_run(e->tape, &c, e->leaf[X], &h));
    TS_TRY(ts_tape_send_away(e->tape));
    ts_device_part(e->tape->dev, "block", 1);
    TS_TRY(block_run(e->tape, &c, h, &e->out[0]));
    ts_tape_drop(e->tape, h);
    e->tape->waits = false;
    return ts_tape_send_away(e->tape);
}

/* Behind the norm alone: what the segment begins with can be made again itself. */
static ts_status behind_norm(ts_tape *tape, void *ctx, ts_tensor *h, ts_tensor **y)
{
    const block_ctx *c = ctx;
    ts_tensor *u, *a;
    TS_TRY(ts_tape_push(tape));
    TS_TRY(ts_op_linear(tape, h, c->up, c->up_b, &u));
    TS_TRY(ts_op_act(tape, TS_ACT_SILU, true, u, &a));
    TS_TRY(ts_op_linear(tape, a, c->down, NULL, y));
    ts_tape_pop(tape, *y);
    return TS_OK;
}

static ts_status inner_block(ts_tape *tape, const block_ctx *c, ts_tensor *x, ts_tensor **y)
{
    const ts_norm_op norm = { .eps = 1e-3f, .w = c->norm };
    ts_tensor *h, *d;
    TS_TRY(ts_tape_push(tape));
    TS_TRY(ts_op_norm(tape, &norm, x, NULL, NULL, &h));
    TS_TRY(ts_tape_segment(tape, behind_norm, c, sizeof *c, h, &d));
    TS_TRY(ts_op_add(tape, x, 1, d, 1, y));
    ts_tape_pop(tape, *y);
    return TS_OK;
}

static ts_status inner_run(const grad_case *g, grad_env *e)
{
    const block_ctx c = ctx_of(e);
    ts_tensor *h;
    (void)g;
    TS_TRY(inner_block(e->tape, &c, e->leaf[X], &h));
    return inner_block(e->tape, &c, h, &e->out[0]);
}

/* The first half recomputed, the second not; then a segment in a segment. */
static ts_status mixed_run(const grad_case *g, grad_env *e)
{
    block_ctx c = ctx_of(e);
    ts_tensor *h;
    (void)g;
    TS_TRY(ts_tape_segment(e->tape, block_run, &c, sizeof c, e->leaf[X], &h));
    return block_run(e->tape, &c, h, &e->out[0]);
}

static ts_status both(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *h;
    TS_TRY(ts_tape_segment(tape, block_run, ctx, sizeof(block_ctx), x, &h));
    return block_run(tape, ctx, h, y);
}

static ts_status nested_run(const grad_case *g, grad_env *e)
{
    const block_ctx c = ctx_of(e);
    (void)g;
    return ts_tape_segment(e->tape, both, &c, sizeof c, e->leaf[X], &e->out[0]);
}

static ts_status shared_run(const grad_case *g, grad_env *e)
{
    block_ctx c = ctx_of(e);
    ts_tensor *h, *twice, *rest, *sum;
    (void)g;
    watch(e);
    TS_TRY(block_run(e->tape, &c, e->leaf[X], &h));
    TS_TRY(ts_op_add(e->tape, h, 1, h, 1, &twice));
    TS_TRY(ts_op_add(e->tape, e->leaf[X], 2, h, -1, &rest));
    TS_TRY(ts_op_add(e->tape, twice, 1, rest, 3, &sum));
    return ts_op_add(e->tape, sum, 1, e->leaf[X], 1, &e->out[0]);
}

/* y = R x + x, R a rotation of (0, 1) and (2, 3): the gradient of R's result is that of x too, so
 * the rotation must not be undone in place. */
static void in_place_oracle(const grad_case *g, double *const *v, double *y)
{
    (void)g;
    for (int t = 0; t < T; t++)
        for (int i = 0; i < W; i++) {
            const double *x = v[X] + t * W;
            const double turned = i >= 4 ? x[i]
                                         : (double)0.6f * x[i] + (i % 2 ? (double)0.8f * x[i - 1]
                                                                        : -(double)0.8f * x[i + 1]);
            y[t * W + i] = turned + x[i];
        }
}

static ts_status in_place_run(const grad_case *g, grad_env *e)
{
    ts_tensor *pos, *turned, *copy;
    const int32_t zero[T] = { 0 };
    const float cosine[1] = { 0.6f }, sine[1] = { 0.8f };
    ts_storage *c, *s;
    (void)g;
    TS_TRY(grad_ints(e, zero, T, &pos));
    TS_TRY(grad_table(e, cosine, 1, &c));
    TS_TRY(grad_table(e, sine, 1, &s));
    TS_TRY(ts_op_add(e->tape, e->leaf[X], 1, NULL, 0, &copy));
    const ts_rope_op o = {
        .n_q = 1, .n_kv = 1, .head_dim = W / 3, .rot_dim = 2, .cos = c, .sin = s, .pos = pos
    };
    TS_TRY(ts_op_rope(e->tape, &o, copy, &turned));
    return ts_op_add(e->tape, turned, 1, e->leaf[X], 1, &e->out[0]);
}

#define MLP .n_out = T * W, .longest = 2 * F, .with_bf16 = false
static const grad_case cases[] = {
    { "twice", MLP_VARS, MLP, .oracle = twice_oracle, .run = twice_run },
    { "twice, replay", MLP_VARS, MLP, .oracle = twice_oracle, .run = twice_run,
      .tape = { .replay = true } },
    { "twice, weight halves later", MLP_VARS, MLP, .oracle = twice_oracle, .run = twice_run,
      .tape = { .defer_weights = true } },
    { "twice, replay, weight halves later", MLP_VARS, MLP, .oracle = twice_oracle, .run = twice_run,
      .tape = { .replay = true, .defer_weights = true } },
    { "shared gradients", MLP_VARS, MLP, .oracle = shared_oracle, .run = shared_run },
    { "shared gradients, replay", MLP_VARS, MLP, .oracle = shared_oracle, .run = shared_run,
      .tape = { .replay = true } },
    { "shared gradients, weight halves later", MLP_VARS, MLP, .oracle = shared_oracle,
      .run = shared_run, .tape = { .defer_weights = true } },
    { "gradient shared with an operator in place",
      { IN("x", T, W) },
      MLP,
      .oracle = in_place_oracle,
      .run = in_place_run },
};
static const grad_case segments[] = {
    { "two segments", MLP_VARS, MLP, .oracle = twice_oracle, .run = segments_run },
    { "two segments, replay", MLP_VARS, MLP, .oracle = twice_oracle, .run = segments_run,
      .tape = { .replay = true } },
    { "two segments, weight halves later", MLP_VARS, MLP, .oracle = twice_oracle,
      .run = segments_run, .tape = { .defer_weights = true } },
    { "a segment and none", MLP_VARS, MLP, .oracle = twice_oracle, .run = mixed_run,
      .tape = { .replay = true } },
    { "segment in a segment", MLP_VARS, MLP, .oracle = twice_oracle, .run = nested_run,
      .tape = { .replay = true } },
    { "two segments, swapped", MLP_VARS, MLP, .oracle = twice_oracle, .run = dropped_run,
      .tape = { .replay = true, .swap = true } },
    { "two segments, swapped, weight halves later", MLP_VARS, MLP, .oracle = twice_oracle,
      .run = dropped_run, .tape = { .swap = true, .defer_weights = true } },
    { "segment in a segment, swapped", MLP_VARS, MLP, .oracle = twice_oracle, .run = nested_run,
      .tape = { .swap = true } },
    { "what records keep waits", MLP_VARS, MLP, .oracle = twice_oracle, .run = waiting_run },
    { "what records keep waits, replay", MLP_VARS, MLP, .oracle = twice_oracle, .run = waiting_run,
      .tape = { .replay = true } },
    { "what records keep waits, weight halves later", MLP_VARS, MLP, .oracle = twice_oracle, .run = waiting_run,
      .tape = { .defer_weights = true } },
    { "a segment of a norm", MLP_VARS, MLP, .oracle = twice_oracle, .run = inner_run,
      .tape = { .replay = true } },
};

/* ---- bits and hooks ---- */

/* Each parameter is done once, after all of its records, with what its gradient will be. */
static bool hooks_told(const ts_tape_options *o, const char *what)
{
    job j;
    bool good = true;
    open_job(&j, o);
    need(twice_run(NULL, &j.e));
    seed(&j);
    const float *grads = j.params.grads->data;
    need(ts_tape_backward(j.e.tape));
    if (o->defer_weights) {
        for (int64_t i = 0; i < j.params.total; i++)
            good = good && grads[i] == 0;
        good = expect(good && j.e.leaf[X]->grad,
                      "a deferred half ran at once, or the input has no gradient");
        need(ts_tape_run_weights(j.e.tape));
    }
    for (int v = NORM_W; v < VARS; v++) {
        const ts_param *p = j.e.param[v];
        good = expect(hooks.times[v] == 1, what) && good;
        good = expect(!memcmp(hooks.grad[v], p->grad, (size_t)ts_param_count(p) * 4),
                      "done before its end") &&
               good;
        good = expect(ts_uses_left(&j.e.tape->uses, p) == 0, "uses are left over") && good;
    }
    close_job(&j);
    printf("grad tape, hooks%s: %s\n", o->defer_weights ? ", weight halves later" : "",
           good ? "good" : "bad");
    return good;
}

/* Recomputing, replaying and deferring change no bit. */
static bool same_bits(void)
{
    static const struct {
        ts_tape_options o;
        ts_status (*run)(const grad_case *, grad_env *);
        const char *name;
    } way[] = { { { .replay = false }, twice_run, "plain" },
                { { .replay = true }, twice_run, "replay" },
                { { .defer_weights = true }, twice_run, "weight halves later" },
                { { .replay = true }, segments_run, "segments" },
                { { .replay = true }, nested_run, "segment in a segment" },
                { { .swap = true }, dropped_run, "segments, swapped" },
                { { .replay = true, .swap = true }, nested_run, "segment in a segment, swapped" },
                { { .replay = false }, waiting_run, "what records keep waits" },
                { { .replay = true }, waiting_run, "what records keep waits, replay" },
                { { .defer_weights = true }, waiting_run, "what records keep waits, weight halves later" },
                { { .replay = true }, inner_run, "a segment of a norm" },
                { { .again = { [TS_REPLAY_NORM] = { 0, 1 } } }, twice_run, "norms" },
                { { .again = { [TS_REPLAY_ACT] = { 0, 1 } } }, twice_run, "activations" } };
    float first[VARS * 2 * F * W * 2], dx[T * W];
    bool good = true;
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        job j;
        open_job(&j, &way[i].o);
        need(way[i].run(NULL, &j.e));
        seed(&j);
        need(ts_tape_backward(j.e.tape));
        need(ts_tape_run_weights(j.e.tape));
        const size_t bytes = (size_t)j.params.total * 4;
        TS_ASSERT(bytes <= sizeof first, "room for the gradients");
        if (!i) {
            memcpy(first, j.params.grads->data, bytes);
            memcpy(dx, ts_tensor_data(j.e.leaf[X]->grad), sizeof dx);
        }
        /* Weight halves that run later add the records in another order: two terms, so the sum is
         * the same. */
        good = expect(!memcmp(first, j.params.grads->data, bytes), way[i].name) && good;
        good =
            expect(!memcmp(dx, ts_tensor_data(j.e.leaf[X]->grad), sizeof dx), way[i].name) && good;
        close_job(&j);
    }
    printf("grad tape, the same bits in %zu ways: %s\n", sizeof way / sizeof *way,
           good ? "good" : "bad");
    return good;
}

/* Bytes of a kind that a forward pass leaves held. */
static int64_t held(const ts_tape_options *o, ts_status (*run)(const grad_case *, grad_env *),
                    ts_mem_kind kind)
{
    job j;
    open_job(&j, o);
    const int64_t before = j.dev->mem.now[kind];
    need(run(NULL, &j.e));
    const int64_t after = j.dev->mem.now[kind] - before;
    close_job(&j);
    return after;
}

/* Of the two blocks: the outputs of norms and of activation functions, inputs of segments. */
static bool memory(void)
{
    const int64_t norms = 2 * (int64_t)ts_device_round(T * W * 4),
                  acts = 2 * (int64_t)ts_device_round(T * F * 4),
                  ups = 2 * (int64_t)ts_device_round(T * 2 * F * 4),
                  input = (int64_t)ts_device_round(T * W * 4);
    const ts_tape_options keep = { 0 }, replay = { .replay = true }, swap = { .swap = true },
                          norm = { .again = { [TS_REPLAY_NORM] = { 0, 1 } } },
                          act = { .again = { [TS_REPLAY_ACT] = { 0, 1 } } },
                          elsewhere = { .again = { { 1, 9 }, { 1, 9 } } };
    const int64_t plain = held(&keep, twice_run, TS_MEM_ACT),
                  dropped = held(&keep, dropped_run, TS_MEM_ACT),
                  inner = held(&keep, inner_run, TS_MEM_ACT);
    const struct {
        const char *what;
        int64_t got, want;
    } row[] = {
        { "replay", plain - held(&replay, twice_run, TS_MEM_ACT), norms + acts },
        { "replay of norms", plain - held(&norm, twice_run, TS_MEM_ACT), norms },
        { "replay of activation functions", plain - held(&act, twice_run, TS_MEM_ACT), acts },
        { "replay in other layers", plain - held(&elsewhere, twice_run, TS_MEM_ACT), 0 },
        { "segments behind norms", plain - inner, acts + ups },
        { "the same, replay", inner - held(&replay, inner_run, TS_MEM_ACT), norms },
        /* what lies between the two; the first begins with what the job holds itself */
        { "segments whose inputs are swapped", dropped - held(&swap, dropped_run, TS_MEM_ACT), input },
        { "the second memory", held(&swap, dropped_run, TS_MEM_SWAP), 2 * input },
        /* the result alone is left, and all else that the job does not hold itself has gone */
        { "what records keep waits", held(&keep, waiting_run, TS_MEM_ACT), input },
        { "what waits", held(&keep, waiting_run, TS_MEM_SWAP), plain - input },
        { "the second memory without it", held(&keep, dropped_run, TS_MEM_SWAP), 0 },
    };
    bool good = true;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        printf("grad tape, %s: %lld bytes, %lld expected\n", row[i].what, (long long)row[i].got,
               (long long)row[i].want);
        good = expect(row[i].got == row[i].want, row[i].what) && good;
    }
    return expect(dropped < plain, "segments hold less") && good;
}

/* A slot is taken again by the next pass, is free when a pass is dropped half way, and all go with the
 * tape. */
static bool slots(ts_status (*run)(const grad_case *, grad_env *), bool of_segments)
{
    const ts_tape_options swap = { .swap = of_segments };
    job j;
    open_job(&j, &swap);
    bool good = true;
    int64_t first = 0;
    ts_mem_ledger *m = &j.dev->mem;
    for (int pass = 0; pass < 4; pass++) {
        need(ts_tape_new(j.e.tape, TS_DTYPE_F32, T, W, &j.e.leaf[X]));
        j.e.leaf[X]->wants_grad = true;
        memset(ts_tensor_data(j.e.leaf[X]), 0, T * W * sizeof(float));
        need(run(NULL, &j.e));
        seed(&j);
        if (pass % 2)
            need(ts_tape_backward(j.e.tape));
        ts_tape_reset(j.e.tape);
        first = pass ? first : m->now[TS_MEM_SWAP];
        good = expect(m->now[TS_MEM_SWAP] == first && first > 0 && m->now[TS_MEM_ACT] == 0,
                      "as many slots in each pass") &&
               good;
    }
    ts_tape_destroy(&j.e.tape);
    good = expect(m->now[TS_MEM_SWAP] == 0, "no slots without the tape") && good;
    need(ts_tape_create(j.dev, &swap, &j.e.tape));
    close_job(&j);
    printf("grad tape, slots of the second memory: %s\n", good ? "good" : "bad");
    return good;
}

int main(void)
{
    bool all_ = true;
    GRAD_RUN(cases);
    GRAD_RUN(segments);
    all_ = hooks_told(&(ts_tape_options){ 0 }, "not done exactly once") && all_;
    all_ = hooks_told(&(ts_tape_options){ .defer_weights = true }, "not done exactly once") && all_;
    all_ = same_bits() && all_;
    all_ = memory() && all_;
    all_ = slots(dropped_run, true) && all_;
    all_ = slots(waiting_run, false) && all_;
    return all_ ? 0 : 1;
}
