/* What later features need of the house, each with as little as it takes: an adapter on one linear layer,
 * experts in the place of one MLP, features added behind layers, two models in one loss. */
#include "seams.h"

/* ---- the output layer ---- */

/* A linear layer as the others: with a weight of its own, or the embedding's. */
static void output_is_a_linear(void **state)
{
    (void)state;
    rig r;
    open_rig(&r);
    for (int tied = 0; tied < 2; tied++) {
        ts_arch a;
        describe(&a);
        a.tied = tied, a.bias_head = true;
        OK(ts_decoder_create(r.dev, &a, TS_DTYPE_F32, VOCAB + 8, NULL, &r.d[tied]));
        ts_decoder *d = r.d[tied];
        ts_arch_deinit(&a);
        const ts_param *own = ts_param_find(&d->params, "output_layer.weight");
        assert_true(d->head.w == (tied ? d->embedding : own) && (own == NULL) == (tied != 0));
        assert_true(d->head.w->decoupled && d->head.w->decays && d->head.out == VOCAB + 8);
        assert_ptr_equal(d->head.b, ts_param_find(&d->params, "output_layer.bias"));
        assert_int_equal(d->head.b->dim[0], VOCAB + 8);
        const ts_xent_op o = ts_decoder_head(d);
        assert_true(o.w == d->head.w && o.b == d->head.b && o.vocab == VOCAB);
    }
    close_rig(&r);
}

/* ---- layers of several kinds ---- */

static double loss_of(const rig *r, const ts_arch *a)
{
    ts_decoder *d;
    OK(ts_arch_check(a, "test"));
    OK(ts_decoder_create(r->dev, a, TS_DTYPE_F32, VOCAB, NULL, &d));
    OK(ts_decoder_allocate(d, TS_DTYPE_F32, true));
    OK(ts_decoder_init(d, 7, 0.5));
    OK(ts_decoder_prepare(d, S, S));
    for (int64_t i = 0; i < LAYERS; i++)
        assert_int_equal(d->block[i].mlp.fc1.out,
                         a->layer[i].mlp == TS_MLP_GATED ? 2 * a->ffn : a->ffn);
    const double loss = step(r, d);
    ts_tape_reset(r->tape);
    ts_decoder_destroy(&d);
    return loss;
}

/* What is built goes by the layers, and the model's fields are no more than what these begin with. */
static void layers_of_several_kinds(void **state)
{
    (void)state;
    rig r;
    ts_arch a, b;
    open_rig(&r);
    describe(&a);
    describe(&b);
    const double rope = loss_of(&r, &a);
    a.layer[0].position = TS_POSITION_NONE;
    const double one = loss_of(&r, &a);
    a.layer[1].position = TS_POSITION_NONE;
    ts_arch_set_position(&b, TS_POSITION_NONE);
    b.n_ropes = 0;
    const double none = loss_of(&r, &a);
    assert_true(none == loss_of(&r, &b) && fabs(none - one) > 1e-4 && fabs(one - rope) > 1e-4);
    a.layer[0].mlp = a.layer[1].mlp = TS_MLP_PLAIN;
    b.gated = false;
    OK(ts_arch_layers(&b, 0));
    assert_true(loss_of(&r, &a) == loss_of(&r, &b));
    a.layer[0].mlp = TS_MLP_GATED;
    assert_true(fabs(loss_of(&r, &a) - loss_of(&r, &b)) > 1e-3);
    ts_arch_deinit(&a);
    ts_arch_deinit(&b);
    close_rig(&r);
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
    d->block[0].feed = (ts_sublayer){ .forward = run_experts, .module = &e };
    const double split = step(&r, d);
    assert_true(fabs(split - plain) < 1e-4 * T);
    for (int64_t i = 0; i < ts_param_count(mlp->fc1.w); i++)
        assert_true(fabsf(grad[i] - mlp->fc1.w->grad[i]) < 1e-4f * (1 + fabsf(grad[i])));
    e.share[1] = 0; /* the seam carries: another result */
    assert_true(fabs(step(&r, d) - plain) > 1e-3);
    free(grad);
    close_rig(&r);
}

/* ---- features behind layers ---- */

enum { FEW = 3 };

/* One for every row behind the first layer, and one for some rows behind the last. */
typedef struct features {
    float every[T * HIDDEN], few[FEW * HIDDEN];
    float d_every[T * HIDDEN], d_few[FEW * HIDDEN]; /* their gradients */
} features;

static ts_tensor *feature(ts_tape *tape, int64_t rows, const float *values)
{
    ts_tensor *x;
    OK(ts_tape_new(tape, TS_DTYPE_F32, rows, HIDDEN, &x));
    tape->dev->to_device(tape->dev, ts_tensor_data(x), values, ts_tensor_bytes(x));
    x->wants_grad = true;
    return x;
}

static ts_tensor *whole(ts_tape *tape, int64_t n, const int32_t *host)
{
    ts_tensor *x;
    OK(ts_tape_new(tape, TS_DTYPE_I32, n, 0, &x));
    tape->dev->to_device(tape->dev, ts_tensor_data(x), host, ts_tensor_bytes(x));
    return x;
}

/* The sum of the losses with these features; n_joins 0: without. */
static double joined(const rig *r, ts_decoder *d, features *f, int n_joins, bool again, bool grads)
{
    static const ts_recompute_plan every_layer = { .method = TS_RECOMPUTE_UNIFORM, .layers = 1 };
    int32_t ids[T], pos[T], labels[T], at[T], back[T], chosen[T];
    double sum = 0;
    ts_tape_reset(r->tape);
    ts_param_set_clear_grads(&d->params);
    r->tape->recording = grads;
    for (int i = 0; i < T; i++)
        ids[i] = (i * 7 + 3) % VOCAB, pos[i] = i % S, labels[i] = i == 2 || i == 3 || i == 7 ? 1 : -1;
    assert_int_equal(ts_choose_rows(labels, T, at, back, chosen), FEW);
    ts_tensor *x[2] = { feature(r->tape, T, f->every), feature(r->tape, FEW, f->few) };
    const ts_chosen_rows rows = { .n = FEW, .at = whole(r->tape, FEW, at),
                                  .back = whole(r->tape, T, back) };
    const ts_join joins[] = { { .layer = 0, .x = x[0] },
                              { .layer = LAYERS - 1, .x = x[1], .rows = &rows } };
    for (int i = 0; i < T; i++)
        labels[i] = (i * 5 + 1) % VOCAB;
    const ts_run run = { .B = B, .S = S, .pos = upload(r->tape, TS_DTYPE_I32, pos),
                         .joins = joins, .n_joins = n_joins };
    ts_tensor *hidden, *loss;
    OK(ts_decoder_forward(d, r->tape, &run, again ? &every_layer : NULL,
                          upload(r->tape, TS_DTYPE_I32, ids), &hidden));
    ts_xent_op o = ts_decoder_head(d);
    o.labels = upload(r->tape, TS_DTYPE_I32, labels);
    OK(ts_op_linear_xent(r->tape, &o, hidden, &loss, NULL));
    if (grads) {
        sum = backward(r, loss);
        memcpy(f->d_every, ts_tensor_data(x[0]->grad), sizeof f->d_every);
        memcpy(f->d_few, ts_tensor_data(x[1]->grad), sizeof f->d_few);
        return sum;
    }
    for (int i = 0; i < T; i++)
        sum += (double)((const float *)ts_tensor_data(loss))[i];
    return sum;
}

static void check_slopes(const rig *r, ts_decoder *d, features *f, const char *what, float *values,
                         const float *grads, int n)
{
    for (int i = 0; i < n; i += 7) {
        const float h = 1e-2f, before = values[i];
        double at[2];
        for (int side = 0; side < 2; side++) {
            values[i] = before + (side ? h : -h);
            at[side] = joined(r, d, f, 2, false, false);
        }
        values[i] = before;
        const double slope = (at[1] - at[0]) / (2 * (double)h);
        if (fabs(slope - (double)grads[i]) > 2e-3 + 1e-2 * fabs(slope))
            fail_msg("%s[%d]: %g, the losses say %g", what, i, (double)grads[i], slope);
    }
}

/* Their gradients are what the losses say, to the bit the same where layers run again, and there also
 * where the model has none. */
static void features_behind_layers(void **state)
{
    (void)state;
    rig r;
    open_rig(&r);
    features f, again;
    for (int i = 0; i < T * HIDDEN; i++)
        f.every[i] = (float)((i * 37 + 11) % 64) / 64 - 0.5f;
    for (int i = 0; i < FEW * HIDDEN; i++)
        f.few[i] = (float)((i * 29 + 5) % 64) / 64 - 0.5f;
    for (int trains = 0; trains < 2; trains++) {
        ts_decoder *d = r.d[trains] = make_decoder(r.dev, 6, trains);
        d->first_trained = trains ? 0 : LAYERS;
        const double with = joined(&r, d, &f, 2, false, true);
        again = f;
        memset(again.d_every, 0, sizeof again.d_every);
        assert_true(joined(&r, d, &again, 2, true, true) == with);
        assert_memory_equal(f.d_every, again.d_every, sizeof f.d_every);
        assert_memory_equal(f.d_few, again.d_few, sizeof f.d_few);
        check_slopes(&r, d, &f, "every", f.every, f.d_every, T * HIDDEN);
        check_slopes(&r, d, &f, "few", f.few, f.d_few, FEW * HIDDEN);
        const double first = joined(&r, d, &f, 1, false, false);
        assert_true(fabs(first - with) > 1e-2); /* each counts */
        assert_true(fabs(joined(&r, d, &f, 0, false, false) - first) > 1e-2);
        memset(again.few, 0, sizeof again.few);
        assert_true(fabs(joined(&r, d, &again, 2, false, false) - first) < 1e-4 * T);
        r.tape->recording = true;
    }
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
        cmocka_unit_test(output_is_a_linear),
        cmocka_unit_test(layers_of_several_kinds),
        cmocka_unit_test(adapter_on_one_linear),
        cmocka_unit_test(experts_in_one_layer),
        cmocka_unit_test(features_behind_layers),
        cmocka_unit_test(two_models_in_one_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
