/* Attention that is not to what came before: to a second sequence, and to both sides. */
#include "seams.h"

/* ---- a second sequence ---- */

/* An encoder, and a decoder whose layers attend to its output. A family of such models touches
 *   1. arch.h: the encoder's width, which layers attend to it
 *   2. block_of in decoder.c: fills cross_attention from that, as block_of_crossing does here
 *   3. its file in families/: the config, and the names of the weights
 *   4. an objective (train/objective/): runs the encoder and puts its output into the run's context
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

static void check_kept(const ts_param_set *s, const float *kept, const char *what)
{
    const float *grads = s->grads->data;
    for (int64_t k = 0; k < (int64_t)s->total; k++)
        if (!(fabsf(grads[k] - kept[k]) <= 1e-5f * (1 + fabsf(kept[k]))))
            fail_msg("%s: gradient %lld is %g, without recomputation %g", what, (long long)k,
                     (double)grads[k], (double)kept[k]);
}

static void freeze(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->p[i]->grad = NULL;
}

/* Layers that run again in the backward reach the context's gradient too, also where the context alone
 * is trained. */
static void second_sequence_again(void **state)
{
    (void)state;
    crossing c;
    open_crossing(&c);
    ts_decoder *decoder = c.r.d[0];
    ts_param_set *const sets[] = { &c.layers, &decoder->params, &c.r.d[1]->params };
    float *kept[3];
    step_crossing(&c);
    for (int i = 0; i < 3; i++) {
        kept[i] = malloc((size_t)sets[i]->total * sizeof(float));
        assert_non_null(kept[i]);
        memcpy(kept[i], sets[i]->grads->data, (size_t)sets[i]->total * sizeof(float));
    }
    c.plan = &(ts_recompute_plan){ .method = TS_RECOMPUTE_UNIFORM, .layers = 1 };
    step_crossing(&c);
    for (int i = 0; i < 3; i++)
        check_kept(sets[i], kept[i], "all trained");
    freeze(&c.layers);
    freeze(&decoder->params);
    decoder->first_trained = LAYERS;
    step_crossing(&c);
    check_kept(sets[2], kept[2], "the encoder alone trained");
    for (int i = 0; i < 3; i++)
        free(kept[i]);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
