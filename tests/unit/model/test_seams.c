/* What later features need of the house, each with as little as it takes: an adapter on one linear layer,
 * experts in the place of one MLP, two models in one loss, attention to a second sequence. */
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

static ts_tensor *upload_some(ts_tape *tape, ts_dtype t, int64_t n, const void *host)
{
    ts_tensor *x;
    OK(ts_tape_new(tape, t, n, 0, &x));
    tape->dev->to_device(tape->dev, ts_tensor_data(x), host, ts_tensor_bytes(x));
    return x;
}

static ts_tensor *upload(ts_tape *tape, ts_dtype t, const void *host)
{
    return upload_some(tape, t, T, host);
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

/* ---- a second sequence ---- */

/* An encoder, and a decoder whose layers attend to its output. A family of such models touches
 *   1. arch.h: the encoder's width, which layers attend to it
 *   2. block_of in decoder.c: fills cross_attention from that, as block_of_crossing does here
 *   3. its file in families/: the config, and the names of the weights
 *   4. train/batch.c: runs the encoder and puts its output into the run's context
 *   5. ts_decoder_training_flops in freeze.c, which counts what it costs. */
enum { CONTEXT = 4 };
static const int32_t context_length[B] = { CONTEXT, CONTEXT - 1 }; /* behind it: padding */

typedef struct crossing {
    rig r; /* d[0]: decoder, d[1]: encoder */
    ts_param_set layers; /* the decoder's layers */
    const ts_recompute_plan *plan;
    int32_t padding;     /* the id that stands there */
} crossing;

static void block_of_crossing(ts_block *b)
{
    const int64_t width = b->attention.n_q * b->attention.head_dim;
    b->cross_attention = b->attention;
    b->cross_attention.mask = (ts_attention_mask){ .kind = TS_MASK_BIDIRECTIONAL };
    b->cross_attention.is_apart = true;
    b->cross_attention.rope.rot_dim = 0;
    b->cross_attention.q = (ts_linear){ .in = HIDDEN, .out = width };
    b->cross_attention.kv = (ts_linear){ .in = HIDDEN, .out = width }; /* 2 keys for 4 queries */
    b->pre_cross_norm = b->pre_mlp_norm;
}

static void open_crossing(crossing *c)
{
    *c = (crossing){ .padding = 1 };
    open_rig(&c->r);
    c->r.d[0] = make_decoder(c->r.dev, 8, true);
    c->r.d[1] = make_decoder(c->r.dev, 9, true);
    OK(ts_param_set_init(&c->layers, c->r.dev));
    for (int i = 0; i < LAYERS; i++) {
        ts_block *b = &c->r.d[0]->block[i];
        char name[32];
        snprintf(name, sizeof name, "decoder.layers.%d", i);
        const ts_declarer in = ts_declare_in(&(ts_declarer){ .set = &c->layers }, name);
        block_of_crossing(b);
        OK(ts_block_declare(&in, b));
        c->r.d[1]->block[i].attention.mask = (ts_attention_mask){ .kind = TS_MASK_BIDIRECTIONAL };
    }
    OK(ts_param_set_allocate(&c->layers, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&c->layers));
    for (size_t i = 0; i < c->layers.n; i++)
        OK(ts_param_begin(c->layers.p[i], 10, 0.3f));
    ts_param_set_changed(&c->layers);
}

static void close_crossing(crossing *c)
{
    ts_tape_reset(c->r.tape);
    ts_param_set_deinit(&c->layers);
    close_rig(&c->r);
}

/* [B * S]: the last of the context's keys, for each of a sequence's rows. */
static ts_tensor *last_of_context(ts_tape *tape, int64_t rows)
{
    int32_t last[T];
    for (int64_t i = 0; i < B * rows; i++)
        last[i] = context_length[i / rows] - 1;
    return upload_some(tape, TS_DTYPE_I32, B * rows, last);
}

static ts_tensor *encode(const crossing *c)
{
    int32_t ids[B * CONTEXT], pos[B * CONTEXT];
    ts_tensor *out;
    ts_tape *tape = c->r.tape;
    for (int i = 0; i < B * CONTEXT; i++) {
        pos[i] = i % CONTEXT;
        ids[i] = pos[i] < context_length[i / CONTEXT] ? (i * 11 + 5) % VOCAB : c->padding;
    }
    ts_run *run;
    OK(ts_arena_alloc(&tape->arena, sizeof *run, &run));
    *run = (ts_run){ .B = B, .S = CONTEXT,
                     .pos = upload_some(tape, TS_DTYPE_I32, B * CONTEXT, pos),
                     .last_key = last_of_context(tape, CONTEXT) };
    OK(ts_decoder_forward(c->r.d[1], tape, run, c->plan,
                          upload_some(tape, TS_DTYPE_I32, B * CONTEXT, ids), &out));
    return out;
}

static ts_tensor *translate(const crossing *c)
{
    int32_t ids[T], pos[T], labels[T];
    ts_tape *tape = c->r.tape;
    ts_tensor *hidden, *loss;
    for (int i = 0; i < T; i++)
        ids[i] = (i * 7 + 3) % VOCAB, pos[i] = i % S, labels[i] = (i * 5 + 1) % VOCAB;
    ts_run *run;
    OK(ts_arena_alloc(&tape->arena, sizeof *run, &run));
    *run = (ts_run){ .B = B, .S = S, .pos = upload(tape, TS_DTYPE_I32, pos),
                     .context = { .x = encode(c), .last_key = last_of_context(tape, S) } };
    OK(ts_decoder_forward(c->r.d[0], tape, run, c->plan, upload(tape, TS_DTYPE_I32, ids), &hidden));
    ts_xent_op o = ts_decoder_head(c->r.d[0]);
    o.labels = upload(tape, TS_DTYPE_I32, labels);
    OK(ts_op_linear_xent(tape, &o, hidden, &loss, NULL));
    return loss;
}

static double sum_of(const crossing *c)
{
    double sum = 0;
    ts_tape_reset(c->r.tape);
    c->r.tape->recording = false;
    const ts_tensor *loss = translate(c);
    for (int t = 0; t < T; t++)
        sum += (double)((const float *)ts_tensor_data(loss))[t];
    return sum;
}

static void step_crossing(crossing *c)
{
    ts_tape_reset(c->r.tape);
    ts_param_set_clear_grads(&c->layers);
    for (int i = 0; i < 2; i++)
        ts_param_set_clear_grads(&c->r.d[i]->params);
    backward(&c->r, translate(c));
}

/* The losses' change by one of set's values, over 2 h. */
static double difference(crossing *c, ts_param_set *set, float *v, float h)
{
    const float before = *v;
    double at[2];
    for (int side = 0; side < 2; side++) {
        *v = before + (side ? h : -h);
        ts_param_set_changed(set);
        at[side] = sum_of(c);
    }
    *v = before;
    ts_param_set_changed(set);
    return (at[1] - at[0]) / (2 * (double)h);
}

/* Some of a parameter's gradient against what the losses say, by two steps: what is left is h^4 times
 * a fifth derivative, and rounding of the sums over h. */
static void check_gradient(crossing *c, ts_param_set *set, const char *name)
{
    const ts_param *p = ts_param_find(set, name);
    const float h = 5e-3f;
    double largest = 0;
    if (!p || !p->grad)
        fail_msg("%s is not there, or not trained", name);
    for (int64_t i = 0; i < ts_param_count(p); i += 1 + ts_param_count(p) / 19) {
        float *v = (float *)p->value + i;
        const double grad = (double)p->grad[i];
        const double slope =
            (4 * difference(c, set, v, h) - difference(c, set, v, 2 * h)) / 3;
        if (!(fabs(slope - grad) < 3e-3 + 3e-3 * fabs(slope)))
            fail_msg("%s[%lld]: %g, the losses say %g", name, (long long)i, grad, slope);
        largest = fabs(grad) > largest ? fabs(grad) : largest;
    }
    if (!(largest > 2e-2))
        fail_msg("%s: no gradient above %g", name, largest);
}

static void second_sequence(void **state)
{
    static const char *const of_layers[] = {
        "decoder.layers.0.self_attention.linear_qkv.weight",
        "decoder.layers.0.pre_cross_attn_layernorm.weight",
        "decoder.layers.0.cross_attention.linear_q.weight",
        "decoder.layers.0.cross_attention.linear_kv.weight",
        "decoder.layers.1.cross_attention.linear_q.weight",
        "decoder.layers.1.cross_attention.linear_kv.weight",
        "decoder.layers.1.cross_attention.linear_proj.weight",
    };
    (void)state;
    crossing c;
    open_crossing(&c);
    step_crossing(&c);
    for (size_t i = 0; i < sizeof of_layers / sizeof *of_layers; i++)
        check_gradient(&c, &c.layers, of_layers[i]);
    check_gradient(&c, &c.r.d[0]->params, "embedding.word_embeddings.weight");
    check_gradient(&c, &c.r.d[1]->params, "embedding.word_embeddings.weight");
    check_gradient(&c, &c.r.d[1]->params, "decoder.layers.0.self_attention.linear_qkv.weight");
    const double sum = sum_of(&c);
    c.padding = 2; /* nobody sees it */
    assert_true(sum == sum_of(&c));
    close_crossing(&c);
}

/* Layers that run again in the backward reach the context's gradient too. */
static void second_sequence_again(void **state)
{
    (void)state;
    crossing c;
    open_crossing(&c);
    ts_param_set *const sets[] = { &c.layers, &c.r.d[0]->params, &c.r.d[1]->params };
    float *kept[3];
    step_crossing(&c);
    for (int i = 0; i < 3; i++) {
        kept[i] = malloc((size_t)sets[i]->total * sizeof(float));
        assert_non_null(kept[i]);
        memcpy(kept[i], sets[i]->grads->data, (size_t)sets[i]->total * sizeof(float));
    }
    c.plan = &(ts_recompute_plan){ TS_RECOMPUTE_UNIFORM, 1 };
    step_crossing(&c);
    for (int i = 0; i < 3; i++) {
        const float *grads = sets[i]->grads->data;
        for (int64_t k = 0; k < (int64_t)sets[i]->total; k++)
            if (!(fabsf(grads[k] - kept[i][k]) <= 1e-5f * (1 + fabsf(kept[i][k]))))
                fail_msg("gradient %lld of set %d: %g, without recomputation %g", (long long)k, i,
                         (double)grads[k], (double)kept[i][k]);
        free(kept[i]);
    }
    close_crossing(&c);
}

/* Attention to both sides: two documents in one row see as much as in rows of their own. */
static void documents_to_both_sides(void **state)
{
    static const int32_t ids[S] = { 4, 9, 17, 2, 11 }, pos[S] = { 0, 1, 0, 1, 2 },
                         first[S] = { 0, 0, 2, 2, 2 }, last[S] = { 1, 1, 4, 4, 4 };
    (void)state;
    rig r;
    open_rig(&r);
    ts_decoder *d = r.d[0] = make_decoder(r.dev, 12, false);
    for (int i = 0; i < LAYERS; i++)
        d->block[i].attention.mask = (ts_attention_mask){ .kind = TS_MASK_BIDIRECTIONAL };
    ts_tensor *packed, *alone;
    ts_run run = { .B = 1, .S = S, .pos = upload_some(r.tape, TS_DTYPE_I32, S, pos),
                   .first_key = upload_some(r.tape, TS_DTYPE_I32, S, first),
                   .last_key = upload_some(r.tape, TS_DTYPE_I32, S, last) };
    OK(ts_decoder_forward(d, r.tape, &run, NULL, upload_some(r.tape, TS_DTYPE_I32, S, ids),
                          &packed));
    for (int begin = 0, n = 2; begin < S; begin += n, n = 3) {
        run = (ts_run){ .B = 1, .S = n, .pos = upload_some(r.tape, TS_DTYPE_I32, n, pos + begin) };
        OK(ts_decoder_forward(d, r.tape, &run, NULL,
                              upload_some(r.tape, TS_DTYPE_I32, n, ids + begin), &alone));
        const float *x = (const float *)ts_tensor_data(packed) + begin * HIDDEN,
                    *y = ts_tensor_data(alone);
        for (int i = 0; i < n * HIDDEN; i++)
            assert_true(fabsf(x[i] - y[i]) < 1e-5f * (1 + fabsf(y[i])));
    }
    ts_tape_reset(r.tape);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_sequence),
        cmocka_unit_test(second_sequence_again),
        cmocka_unit_test(documents_to_both_sides),
        cmocka_unit_test(adapter_on_one_linear),
        cmocka_unit_test(experts_in_one_layer),
        cmocka_unit_test(two_models_in_one_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
