/* What later features need of the house, each with as little as it takes: an adapter on one linear layer,
 * experts in the place of one MLP, two models in one loss. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "model/decoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 2, S = 5, T = B * S, HIDDEN = 16, VOCAB = 24, LAYERS = 2 };

typedef struct rig {
    ts_device *dev;
    ts_tape *tape;
    ts_decoder *d[2];
} rig;

static void open_rig(rig *r)
{
    *r = (rig){ 0 };
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &r->dev));
    OK(ts_tape_create(r->dev, &(ts_tape_options){ .replay = true }, &r->tape));
}

static void close_rig(rig *r)
{
    ts_tape_destroy(&r->tape);
    for (int i = 0; i < 2; i++)
        ts_decoder_destroy(&r->d[i]);
    ts_device_close(&r->dev);
}

static ts_decoder *make_decoder(ts_device *dev, uint64_t seed, bool trains)
{
    ts_arch a;
    ts_decoder *d;
    ts_arch_init(&a);
    a.n_layers = LAYERS, a.hidden = HIDDEN, a.n_heads = 4, a.n_kv_heads = 2, a.head_dim = 4;
    a.ffn = 20, a.vocab = VOCAB, a.max_positions = S, a.n_ropes = 1;
    a.rope[0] = (ts_rope_config){ .theta = 10000, .dim = 4, .max_positions = S };
    OK(ts_arch_layers(&a, 0));
    OK(ts_arch_check(&a, "test"));
    OK(ts_decoder_create(dev, &a, TS_DTYPE_F32, VOCAB, &d));
    ts_arch_deinit(&a);
    for (size_t i = 0; !trains && i < d->params.n; i++)
        ts_param_hold(d->params.p[i], TS_HELD_FROZEN, TS_DTYPE_F32, TS_QUANT_NONE);
    OK(ts_decoder_allocate(d, TS_DTYPE_F32, trains));
    OK(ts_decoder_init(d, seed, 0.5));
    OK(ts_decoder_prepare(d, S, S));
    return d;
}

static ts_tensor *upload(ts_tape *tape, ts_dtype t, const void *host)
{
    ts_tensor *x;
    OK(ts_tape_new(tape, t, T, 0, &x));
    tape->dev->to_device(tape->dev, ts_tensor_data(x), host, ts_tensor_bytes(x));
    return x;
}

/* The losses of some tokens; the batch is the tape's. */
static ts_tensor *losses(const rig *r, ts_decoder *d, bool late)
{
    int32_t ids[T], pos[T], labels[T];
    ts_tensor *hidden, *loss;
    for (int i = 0; i < T; i++)
        ids[i] = (i * 7 + 3) % VOCAB, pos[i] = i % S, labels[i] = (i * 5 + 1) % VOCAB;
    ts_run *run;
    OK(ts_arena_alloc(&r->tape->arena, sizeof *run, &run));
    *run = (ts_run){ .B = B, .S = S, .pos = upload(r->tape, TS_DTYPE_I32, pos) };
    OK(ts_decoder_forward(d, r->tape, run, NULL, upload(r->tape, TS_DTYPE_I32, ids), &hidden));
    ts_xent_op o = ts_decoder_head(d);
    o.labels = upload(r->tape, TS_DTYPE_I32, labels);
    o.late = late;
    OK(ts_op_linear_xent(r->tape, &o, hidden, &loss, NULL));
    return loss;
}

/* Backward from these losses, each with gradient 1; their sum. */
static double backward(const rig *r, ts_tensor *loss)
{
    float one[T];
    double sum = 0;
    for (int i = 0; i < T; i++)
        one[i] = 1;
    OK(ts_tape_accumulate(r->tape, loss, upload(r->tape, TS_DTYPE_F32, one)));
    OK(ts_tape_backward(r->tape));
    for (int i = 0; i < T; i++)
        sum += (double)((const float *)ts_tensor_data(loss))[i];
    return sum;
}

static double step(const rig *r, ts_decoder *d)
{
    ts_tape_reset(r->tape);
    ts_param_set_clear_grads(&d->params);
    return backward(r, losses(r, d, true));
}

/* ---- an adapter ---- */

enum { RANK = 3 };

typedef struct low_rank {
    ts_adapter base;
    ts_linear a, b; /* y + b(a x) */
} low_rank;

static ts_status add_low_rank(const ts_adapter *base, ts_tape *tape, ts_tensor *x, ts_tensor **y)
{
    const low_rank *l = (const low_rank *)(const void *)base;
    ts_tensor *h, *more;
    TS_TRY(ts_linear_forward(tape, &l->a, x, &h));
    TS_TRY(ts_linear_forward(tape, &l->b, h, &more));
    return ts_op_add(tape, *y, 1, more, 1, y);
}

/* W += sign B A */
static void merge(const ts_linear *w, const low_rank *l, float sign)
{
    float *values = w->w->value;
    for (int64_t o = 0; o < w->out; o++)
        for (int64_t i = 0; i < w->in; i++) {
            double sum = 0;
            for (int k = 0; k < RANK; k++)
                sum += (double)((const float *)l->b.w->value)[o * RANK + k] *
                       (double)((const float *)l->a.w->value)[k * w->in + i];
            values[o * w->in + i] += sign * (float)sum;
        }
    ts_param_set_changed(w->w->set);
}

/* A frozen model with trained matrices beside one layer's: losses as with the product merged into the
 * weight, gradients as differences of losses have them, and none for the frozen ones. */
static void adapter_on_one_linear(void **state)
{
    (void)state;
    rig r;
    ts_param_set set;
    open_rig(&r);
    ts_decoder *d = r.d[0] = make_decoder(r.dev, 1, false);
    ts_linear *w = &d->block[1].attention.qkv;
    low_rank l = { .base = { add_low_rank },
                   .a = { .in = w->in, .out = RANK },
                   .b = { .in = RANK, .out = w->out } };
    OK(ts_param_set_init(&set, r.dev));
    OK(ts_linear_declare(&(ts_declarer){ .set = &set, .prefix = "lora_" }, "a", &l.a));
    OK(ts_linear_declare(&(ts_declarer){ .set = &set, .prefix = "lora_" }, "b", &l.b));
    assert_non_null(ts_param_find(&set, "lora_a.weight"));
    OK(ts_param_set_allocate(&set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&set));
    OK(ts_param_begin(l.a.w, 5, 0.3f));
    OK(ts_param_begin(l.b.w, 5, 0.3f));
    ts_param_set_changed(&set);
    const double alone = step(&r, d);
    w->adapter = &l.base;
    ts_param_set_clear_grads(&set);
    const double adapted = step(&r, d);
    w->adapter = NULL;
    merge(w, &l, 1);
    const double merged = step(&r, d);
    merge(w, &l, -1);
    w->adapter = &l.base;
    /* sums of T losses of some units, in fp32 */
    assert_true(fabs(adapted - merged) < 1e-4 * T && fabs(adapted - alone) > 1e-2);
    for (size_t p = 0; p < d->params.n; p++)
        assert_null(d->params.p[p]->grad);
    ts_param *const trained[] = { l.a.w, l.b.w };
    for (int p = 0; p < 2; p++)
        for (int64_t i = 0; i < ts_param_count(trained[p]); i += 11) {
            const float h = 1e-2f, grad = trained[p]->grad[i];
            float *v = (float *)trained[p]->value + i, before = *v;
            double at[2];
            for (int side = 0; side < 2; side++) {
                *v = before + (side ? h : -h);
                ts_param_set_changed(&set);
                ts_tape_reset(r.tape);
                r.tape->recording = false;
                const ts_tensor *loss = losses(&r, d, false);
                at[side] = 0;
                for (int t = 0; t < T; t++)
                    at[side] += (double)((const float *)ts_tensor_data(loss))[t];
            }
            *v = before;
            ts_param_set_changed(&set);
            /* the difference's own error: h^2 times a third derivative, and rounding of the sums over h */
            const double slope = (at[1] - at[0]) / (2 * (double)h);
            if (fabs(slope - (double)grad) > 2e-3 + 1e-2 * fabs(slope))
                fail_msg("%s[%lld]: %g, the losses say %g", trained[p]->name, (long long)i,
                         (double)grad, slope);
        }
    ts_tape_reset(r.tape);
    ts_param_set_deinit(&set);
    close_rig(&r);
}

/* ---- experts ---- */

typedef struct two_experts {
    ts_sublayer each[2];
    float share[2];
} two_experts;

static ts_status run_experts(const void *module, ts_tape *tape, const ts_run *run, int64_t layer,
                             ts_tensor *x, ts_tensor **y)
{
    const two_experts *e = module;
    ts_tensor *one, *two;
    TS_TRY(e->each[0].forward(e->each[0].module, tape, run, layer, x, &one));
    TS_TRY(e->each[1].forward(e->each[1].module, tape, run, layer, x, &two));
    return ts_op_add(tape, one, e->share[0], two, e->share[1], y);
}

/* One layer's MLP becomes two that share the work: with the same weights and a quarter and three
 * quarters of the result it is the MLP again, and so is the gradient, added up. */
static void experts_in_one_layer(void **state)
{
    (void)state;
    rig r;
    open_rig(&r);
    ts_decoder *d = r.d[0] = make_decoder(r.dev, 2, true);
    ts_mlp_layer *mlp = &d->block[0].mlp;
    const double plain = step(&r, d);
    const size_t bytes = (size_t)ts_param_count(mlp->fc1.w) * sizeof(float);
    float *grad = malloc(bytes);
    assert_non_null(grad);
    memcpy(grad, mlp->fc1.w->grad, bytes);
    two_experts e = { .each = { ts_mlp_sublayer(mlp), ts_mlp_sublayer(mlp) },
                      .share = { 0.25f, 0.75f } };
    d->block[0].feed = (ts_sublayer){ run_experts, &e };
    const double split = step(&r, d);
    assert_true(fabs(split - plain) < 1e-4 * T);
    for (int64_t i = 0; i < ts_param_count(mlp->fc1.w); i++)
        assert_true(fabsf(grad[i] - mlp->fc1.w->grad[i]) < 1e-4f * (1 + fabsf(grad[i])));
    e.share[1] = 0; /* the seam carries: another result */
    assert_true(fabs(step(&r, d) - plain) > 1e-3);
    free(grad);
    close_rig(&r);
}

/* ---- two models in one loss ---- */

/* Policy and frozen reference on one tape, the loss their difference: the policy's gradient is that
 * of its own losses, to the bit, and the reference has none. */
static void two_models_in_one_loss(void **state)
{
    (void)state;
    rig r;
    open_rig(&r);
    ts_decoder *policy = r.d[0] = make_decoder(r.dev, 3, true);
    ts_decoder *reference = r.d[1] = make_decoder(r.dev, 4, false);
    const double own = step(&r, policy);
    const size_t bytes = (size_t)policy->params.total * sizeof(float);
    float *grads = malloc(bytes);
    assert_non_null(grads);
    memcpy(grads, policy->params.grads->data, bytes);
    ts_tape_reset(r.tape);
    ts_param_set_clear_grads(&policy->params);
    ts_tensor *p = losses(&r, policy, false), *q = losses(&r, reference, false), *difference;
    assert_true(p->wants_grad && !q->wants_grad);
    double other = 0;
    for (int i = 0; i < T; i++)
        other += (double)((const float *)ts_tensor_data(q))[i];
    OK(ts_op_add(r.tape, p, 1, q, -1, &difference));
    assert_true(fabs(backward(&r, difference) - (own - other)) < 1e-4 * T);
    assert_memory_equal(grads, policy->params.grads->data, bytes);
    for (size_t i = 0; i < reference->params.n; i++)
        assert_null(reference->params.p[i]->grad);
    free(grads);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapter_on_one_linear),
        cmocka_unit_test(experts_in_one_layer),
        cmocka_unit_test(two_models_in_one_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
