/* The tape itself: composed operators with shared tensors and parameters, replay, recomputation,
 * weight halves that are run later, and what the hooks are told. */
#include "grad.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { T = 4, W = 6, F = 8 };

/* Variables of all cases: x, the norm's weight, the two layers of an MLP. */
enum { X, NORM_W, UP, UP_B, DOWN, VARS };
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

typedef struct block_ctx {
    ts_param *norm, *up, *up_b, *down;
} block_ctx;

static ts_status block_run(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    const block_ctx *c = ctx;
    const ts_norm_op norm = { .eps = 1e-3f, .w = c->norm };
    ts_tensor *h, *u, *a, *d;
    TS_TRY(ts_tape_push(tape));
    TS_TRY(ts_op_norm(tape, &norm, x, NULL, NULL, &h));
    TS_TRY(ts_op_linear(tape, h, c->up, c->up_b, &u));
    TS_TRY(ts_op_act(tape, TS_ACT_SILU, true, u, &a));
    TS_TRY(ts_op_linear(tape, a, c->down, NULL, &d));
    TS_TRY(ts_op_add(tape, x, 1, d, 1, y));
    ts_tape_pop(tape, *y);
    return TS_OK;
}

static block_ctx ctx_of(const grad_env *e)
{
    return (block_ctx){ e->param[NORM_W], e->param[UP], e->param[UP_B], e->param[DOWN] };
}

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
};

/* ---- bits and hooks ---- */

typedef struct job {
    ts_device *dev;
    ts_param_set params;
    grad_env e;
} job;

static void need(ts_status st)
{
    if (st != TS_OK) {
        fprintf(stderr, "grad tape: %s\n", ts_error_message());
        exit(1);
    }
}

static void open_job(job *j, const ts_tape_options *o)
{
    static const struct {
        const char *name;
        int64_t d0, d1;
    } p[VARS] = { { NULL, 0, 0 },
                  { "norm", W, 0 },
                  { "up", 2 * F, W },
                  { "up_bias", 2 * F, 0 },
                  { "down", W, F } };
    const ts_rng r = ts_rng_stream(3, TS_RNG_TEST, 0, 0);
    *j = (job){ 0 };
    need(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = 0xFFFF }, &j->dev));
    need(ts_param_set_init(&j->params, j->dev));
    for (int v = NORM_W; v < VARS; v++)
        need(ts_param_add(&j->params, p[v].name, p[v].d0, p[v].d1, true, &j->e.param[v]));
    need(ts_param_set_allocate(&j->params, TS_DTYPE_F32));
    need(ts_param_set_allocate_grads(&j->params));
    ts_rng_normal(&r, 0, j->params.total, 0.5f, j->params.values->data);
    j->e.dev = j->dev;
    need(ts_tape_create(j->dev, o, &j->e.tape));
    need(ts_tape_new(j->e.tape, TS_DTYPE_F32, T, W, &j->e.leaf[X]));
    j->e.leaf[X]->wants_grad = true;
    ts_rng_normal(&r, 5000, T * W, 1, ts_tensor_data(j->e.leaf[X]));
}

static void seed(job *j)
{
    ts_tensor *c;
    const ts_rng r = ts_rng_stream(3, TS_RNG_TEST, 0, 1);
    need(ts_tape_new(j->e.tape, TS_DTYPE_F32, T, W, &c));
    ts_rng_normal(&r, 0, T * W, 1, ts_tensor_data(c));
    need(ts_tape_accumulate(j->e.tape, j->e.out[0], c));
}

static void close_job(job *j)
{
    ts_tape_destroy(&j->e.tape);
    ts_param_set_deinit(&j->params);
    ts_device_close(&j->dev);
}

static bool expect(bool cond, const char *what)
{
    if (!cond)
        fprintf(stderr, "grad tape: %s\n", what);
    return cond;
}

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
                { { .replay = true }, nested_run, "segment in a segment" } };
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

/* While a segment is on, less is held after the forward pass; with replay too. */
static int64_t held_after_forward(const ts_tape_options *o,
                                  ts_status (*run)(const grad_case *, grad_env *))
{
    job j;
    open_job(&j, o);
    const int64_t before = j.dev->mem.now[TS_MEM_ACT];
    need(run(NULL, &j.e));
    const int64_t after = j.dev->mem.now[TS_MEM_ACT] - before;
    close_job(&j);
    return after;
}

static bool memory(void)
{
    const int64_t plain = held_after_forward(&(ts_tape_options){ 0 }, twice_run);
    const int64_t replay = held_after_forward(&(ts_tape_options){ .replay = true }, twice_run);
    const int64_t segment = held_after_forward(&(ts_tape_options){ 0 }, segments_run);
    printf("grad tape, bytes held after forward: %lld, with replay %lld, in segments %lld\n",
           (long long)plain, (long long)replay, (long long)segment);
    return expect(replay < plain && segment < replay, "replay and segments hold less");
}

/* ---- a backward pass that fails half way */

static bool fails; /* while set, so does `faulty` */

static ts_status faulty_half(ts_tape *tape, ts_record *r)
{
    if (fails)
        return ts_error(TS_ERR_RUN, "as it should");
    return ts_tape_accumulate(tape, r->in[0], r->out[0]->grad);
}

static ts_status faulty_weight(ts_tape *tape, ts_record *r)
{
    (void)tape, (void)r;
    return ts_error(TS_ERR_RUN, "as it should");
}

static const ts_op faulty = { .name = "faulty", .backward = faulty_half };
static const ts_op faulty_later = { .name = "faulty", .backward = faulty_half,
                                    .weight = faulty_weight };

/* y = x, through a record that keeps a tensor of its own and uses a parameter. */
static ts_status leave_record(ts_tape *tape, const ts_op *op, ts_param *p, ts_tensor *x,
                              ts_tensor **y)
{
    ts_record *r;
    ts_tensor *kept;
    TS_TRY(ts_tape_alias(tape, x, y));
    if (!tape->recording)
        return TS_OK;
    TS_TRY(ts_tape_push(tape));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, W, &kept));
    TS_TRY(ts_tape_record(tape, op, 0, &r));
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    ts_record_save(tape, r, kept);
    TS_TRY(ts_record_param(tape, r, 0, p));
    ts_tape_pop(tape, NULL);
    return TS_OK;
}

/* block, the fault, block: some records have run when it comes, some have not. */
static ts_status faulty_between(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    block_ctx *c = ctx;
    ts_tensor *h, *same;
    TS_TRY(block_run(tape, c, x, &h));
    TS_TRY(leave_record(tape, &faulty, c->norm, h, &same));
    return block_run(tape, c, same, y);
}

/* x + the fault of something else: all that reads x has run when the fault comes. */
static ts_status faulty_beside(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    const block_ctx *c = ctx;
    ts_tensor *other, *same;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, W, &other));
    memset(ts_tensor_data(other), 0, ts_tensor_bytes(other));
    other->wants_grad = true;
    TS_TRY(leave_record(tape, &faulty, c->norm, other, &same));
    return ts_op_add(tape, x, 1, same, 1, y);
}

/* A function that fails itself when it is run again. */
static ts_status cut_off(ts_tape *tape, void *ctx, ts_tensor *x, ts_tensor **y)
{
    TS_TRY(block_run(tape, ctx, x, y));
    return tape->recording ? ts_error(TS_ERR_RUN, "as it should") : TS_OK;
}

static ts_status faulty_run(const grad_case *g, grad_env *e)
{
    block_ctx c = ctx_of(e);
    (void)g;
    return faulty_between(e->tape, &c, e->leaf[X], &e->out[0]);
}

static ts_status in_segment(grad_env *e, ts_segment_fn *fn)
{
    block_ctx c = ctx_of(e);
    ts_tensor *h, *z;
    TS_TRY(block_run(e->tape, &c, e->leaf[X], &h));
    TS_TRY(ts_tape_segment(e->tape, fn, &c, sizeof c, h, &z));
    return block_run(e->tape, &c, z, &e->out[0]);
}

static ts_status faulty_segment_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return in_segment(e, faulty_between);
}

static ts_status faulty_beside_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return in_segment(e, faulty_beside);
}

static ts_status cut_off_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return in_segment(e, cut_off);
}

static ts_status faulty_weight_run(const grad_case *g, grad_env *e)
{
    block_ctx c = ctx_of(e);
    ts_tensor *h, *same;
    (void)g;
    TS_TRY(block_run(e->tape, &c, e->leaf[X], &h));
    TS_TRY(leave_record(e->tape, &faulty_later, c.norm, h, &same));
    return block_run(e->tape, &c, same, &e->out[0]);
}

/* After reset and destroy the device holds what it held, and no parameter waits for a record. */
static bool all_given_back(const char *name, const ts_tape_options *o,
                           ts_status (*run)(const grad_case *, grad_env *), bool in_weights)
{
    job j;
    bool good = true;
    open_job(&j, o);
    const int64_t workspace = j.dev->mem.now[TS_MEM_OTHER];
    need(run(NULL, &j.e));
    seed(&j);
    fails = !in_weights;
    ts_status st = ts_tape_backward(j.e.tape);
    if (in_weights && o->defer_weights) {
        need(st);
        st = ts_tape_run_weights(j.e.tape);
    }
    fails = false;
    good = expect(st == TS_ERR_RUN, "the pass did not fail") && good;
    ts_tape_reset(j.e.tape);
    good = expect(j.dev->mem.now[TS_MEM_ACT] == 0, "activations are held after reset") && good;
    for (int v = NORM_W; v < VARS; v++)
        good = expect(ts_uses_left(&j.e.tape->uses, j.e.param[v]) == 0, "uses are left over") && good;
    ts_tape_destroy(&j.e.tape);
    ts_param_set_deinit(&j.params);
    for (int k = 0; k < TS_MEM_KINDS; k++)
        good = expect(j.dev->mem.now[k] == (k == TS_MEM_OTHER ? workspace : 0),
                      "memory is held after destroy") &&
               good;
    ts_device_close(&j.dev);
    printf("grad tape, failure %s: %s\n", name, good ? "all given back" : "bad");
    return good;
}

static bool failures(void)
{
    const ts_tape_options now = { 0 }, later = { .defer_weights = true };
    bool good = all_given_back("of a record", &now, faulty_run, false);
    good = all_given_back("of a record, weight halves later", &later, faulty_run, false) && good;
    good = all_given_back("in a segment", &now, faulty_segment_run, false) && good;
    good = all_given_back("beside a segment's input", &now, faulty_beside_run, false) && good;
    good = all_given_back("of a segment's function", &now, cut_off_run, false) && good;
    good = all_given_back("of a weight half", &now, faulty_weight_run, true) && good;
    return all_given_back("of a later weight half", &later, faulty_weight_run, true) && good;
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
    all_ = failures() && all_;
    return all_ ? 0 : 1;
}
