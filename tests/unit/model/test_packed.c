/* A document in a pack is what it is alone: of every kind of layer the same bits of the losses and of the gradients of
 * what goes in and of the parameters, wherever the document stands. */
#include "seams.h"

/* Longer than tiles of keys, blocks of rows and chunks of scans. */
#if defined(TESSERA_SANITIZED)
enum { ROWS = 150, BEGIN = 41, LENGTH = 88, DOC_END = BEGIN + LENGTH };
#else
enum { ROWS = 1000, BEGIN = 311, LENGTH = 588, DOC_END = BEGIN + LENGTH };
#endif

typedef struct layer_case {
    const char *name;
    void (*describe)(ts_arch *a);
} layer_case;

static void all_layers(ts_arch *a, ts_attention_kind kind)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].attention = kind;
}

static void attention(ts_arch *a) { (void)a; }
static void window(ts_arch *a)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].window = 21;
}
static void gated(ts_arch *a) { a->attn_gate = true, a->qk_norm = TS_QK_NORM_HEAD, a->attn_sinks = true; }
static void alibi(ts_arch *a) { ts_arch_set_position(a, TS_POSITION_ALIBI); }
static void latent(ts_arch *a)
{
    a->kv_lora_rank = 12, a->qk_rope_dim = 4, a->v_head_dim = 6, a->head_dim = 10, a->n_kv_heads = a->n_heads;
    all_layers(a, TS_ATTENTION_LATENT);
}
static void latent_without_positions(ts_arch *a)
{
    latent(a);
    ts_arch_set_position(a, TS_POSITION_NONE);
}
static void latent_sparse(ts_arch *a)
{
    latent(a);
    a->q_lora_rank = 7, a->index_heads = 2, a->index_dim = 6, a->index_topk = 5;
}
static void mamba(ts_arch *a)
{
    a->mamba = (ts_mamba_arch){ .heads = 4, .head_dim = 8, .groups = 2, .state = 6, .conv = 4, .conv_bias = true,
                                .norm_groups = 2, .in_scale = 1, .z_scale = 1, .x_scale = 1, .b_scale = 1, .c_scale = 1,
                                .dt_scale = 1, .out_scale = 1 };
    all_layers(a, TS_ATTENTION_MAMBA);
}
static void mamba3(ts_arch *a)
{
    a->mamba3 = (ts_mamba3_arch){ .heads = 4, .head_dim = 8, .groups = 2, .state = 6, .angles = 2, .floor = 1e-4, .eps = 1e-5 };
    all_layers(a, TS_ATTENTION_MAMBA3);
}
static void delta(ts_arch *a)
{
    a->delta = (ts_delta_arch){ .heads = 4, .key_heads = 2, .key_dim = 6, .value_dim = 8, .conv = 4 };
    all_layers(a, TS_ATTENTION_DELTA);
}
static void kda(ts_arch *a)
{
    a->delta = (ts_delta_arch){ .heads = 3, .key_heads = 3, .key_dim = 6, .value_dim = 8, .conv = 4 };
    all_layers(a, TS_ATTENTION_KDA);
}

static void selective(ts_arch *a)
{
    a->selective = (ts_selective_arch){ .channels = 20, .state = 5, .conv = 4, .rank = 3, .conv_bias = true,
                                        .norm = TS_SELECTIVE_NORM_OWN, .eps = 1e-5 };
    all_layers(a, TS_ATTENTION_SELECTIVE);
}
static void short_conv(ts_arch *a)
{
    a->short_conv = (ts_short_conv_arch){ .width = 3, .bias = true };
    all_layers(a, TS_ATTENTION_CONV);
}
static void beside(ts_arch *a)
{
    mamba(a);
    a->mamba.no_norm = true, a->mamba.dt_scale = 0.7, a->attn_in_scale = 0.8;
    all_layers(a, TS_ATTENTION_BESIDE);
}

static void shared(ts_arch *a)
{
    mamba(a);
    a->adapter_rank = 3;
    all_layers(a, TS_ATTENTION_HYBRID);
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].shared = 1;
}

static void compress(ts_arch *a, int64_t rate, bool sparse)
{
    a->n_heads = 2, a->n_kv_heads = 1, a->head_dim = 8, a->q_lora_rank = 6, a->out_groups = 2, a->out_rank = 5;
    a->index_heads = 2, a->index_dim = 6, a->index_topk = 5;
    all_layers(a, TS_ATTENTION_COMPRESSED);
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].window = 21, a->layer[i].compress = rate, a->layer[i].sparse = sparse;
}
static void heavy(ts_arch *a) { compress(a, 7, false); }
static void sparse(ts_arch *a) { compress(a, 4, true); }

/* Tokens are embedded, with those before them. */
static void ngrams(ts_arch *a)
{
    a->ngram_order = 3, a->ngram_splits = 2, a->ngram_ratio = 1.5;
    a->n_eos = 1, a->eos[0] = 17;
}

static const layer_case cases[] = {
    { "attention", attention }, { "window", window },   { "gated attention with sinks", gated },
    { "ALiBi", alibi },         { "latent", latent },   { "latent, no positions", latent_without_positions },
    { "latent, chosen keys", latent_sparse },
    { "Mamba 2", mamba }, { "Mamba 3", mamba3 },       { "delta", delta },     { "Kimi delta attention", kda },
    { "selective scan", selective }, { "short convolution", short_conv }, { "attention beside Mamba 2", beside },
    { "shared blocks before Mamba 2", shared }, { "keys of seven tokens", heavy }, { "chosen keys of four tokens", sparse },
    { "embeddings of n-grams", ngrams },
};

static ts_decoder *make(ts_device *dev, const layer_case *c, ts_dtype compute)
{
    ts_arch a;
    ts_decoder *d;
    describe(&a);
    a.max_positions = ROWS, a.rope[0].max_positions = ROWS;
    c->describe(&a);
    OK(ts_arch_check(&a, c->name));
    OK(ts_decoder_create(dev, &a, compute, VOCAB, NULL, &d));
    ts_arch_deinit(&a);
    OK(ts_decoder_allocate(d, TS_DTYPE_F32, true));
    OK(ts_decoder_init(d, 11, 0.3));
    OK(ts_decoder_prepare(d, ROWS, ROWS));
    return d;
}

/* What a pass gives of rows [begin, begin + LENGTH): losses, the input's gradient; the parameters' are in the set. */
typedef struct result {
    float loss[LENGTH], dx[LENGTH * HIDDEN];
} result;

static float number(int64_t row, int64_t col) { return (float)((row * 37 + col * 61) % 101) / 50 - 1; }

/* Rows [from, from + rows) of the pack, in which three documents stand; losses of the one alone count. */
static void pass(const rig *r, ts_decoder *d, int64_t from, int64_t rows, ts_dtype compute, result *out)
{
    static int32_t pos[ROWS], first[ROWS], labels[ROWS], ids[ROWS];
    static float stream[ROWS * HIDDEN], ones[ROWS];
    ts_tensor *x, *wide, *hidden, *loss;
    for (int64_t i = 0; i < rows; i++) {
        const int64_t row = from + i, begin = row < BEGIN ? 0 : row < DOC_END ? BEGIN : DOC_END;
        pos[i] = (int32_t)(row - begin), first[i] = (int32_t)(begin > from ? begin - from : 0);
        ones[i] = begin == BEGIN, labels[i] = (int32_t)((row * 5 + 1) % VOCAB), ids[i] = (int32_t)((row * row + 2) % VOCAB);
        for (int64_t c = 0; c < HIDDEN; c++)
            stream[i * HIDDEN + c] = number(row, c);
    }
    ts_tape_reset(r->tape);
    ts_param_set_clear_grads(&d->params);
    OK(ts_tape_new(r->tape, TS_DTYPE_F32, rows, HIDDEN, &wide));
    r->dev->to_device(r->dev, ts_tensor_data(wide), stream, ts_tensor_bytes(wide));
    wide->wants_grad = true;
    OK(ts_op_cast(r->tape, wide, compute, &x));
    ts_run *run;
    OK(ts_arena_alloc(&r->tape->arena, sizeof *run, &run));
    *run = (ts_run){ .B = 1, .S = rows, .pos = upload_some(r->tape, TS_DTYPE_I32, rows, pos),
                     .first_key = upload_some(r->tape, TS_DTYPE_I32, rows, first) };
    const bool embeds = d->ngram.order > 0;
    const ts_decoder_span span = { .ids = embeds ? upload_some(r->tape, TS_DTYPE_I32, rows, ids) : NULL,
                                   .stream = embeds ? NULL : x, .last = LAYERS };
    OK(ts_decoder_run(d, r->tape, run, NULL, &span, &hidden));
    ts_xent_op o = ts_decoder_head(d);
    o.labels = upload_some(r->tape, TS_DTYPE_I32, rows, labels);
    OK(ts_op_linear_xent(r->tape, &o, hidden, &loss, NULL));
    memcpy(out->loss, (const float *)ts_tensor_data(loss) + (BEGIN - from), sizeof out->loss);
    OK(ts_tape_accumulate(r->tape, loss, upload_some(r->tape, TS_DTYPE_F32, rows, ones)));
    OK(ts_tape_backward(r->tape));
    if (!embeds)
        memcpy(out->dx, (const float *)ts_tensor_data(wide->grad) + (BEGIN - from) * HIDDEN, sizeof out->dx);
}

/* Copies of the parameters' gradients, one after another; free them. */
static float *gradients(const ts_decoder *d, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < d->params.n; i++)
        *n += (size_t)ts_param_count(d->params.p[i]);
    float *all = malloc(*n * sizeof *all), *at = all;
    assert_non_null(all);
    for (size_t i = 0; i < d->params.n; at += ts_param_count(d->params.p[i++]))
        memcpy(at, d->params.p[i]->grad, (size_t)ts_param_count(d->params.p[i]) * sizeof *at);
    return all;
}

static void same_bits(const layer_case *c, ts_dtype t, const char *what, const float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&x[i], &y[i], sizeof *x))
            fail_msg("%s, %s: %s[%zu] is %.9g in a pack, %.9g alone", c->name, ts_dtype_name(t), what, i, (double)x[i],
                     (double)y[i]);
}

static void packed_and_alone(void **state)
{
    static result packed, alone;
    (void)state;
    rig r;
    open_rig(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (ts_dtype t = TS_DTYPE_F32; t <= TS_DTYPE_BF16; t++) {
            size_t n;
            ts_decoder *d = r.d[0] = make(r.dev, &cases[i], t);
            pass(&r, d, 0, ROWS, t, &packed);
            float *grads = gradients(d, &n);
            pass(&r, d, BEGIN, LENGTH, t, &alone);
            float *own = gradients(d, &n);
            same_bits(&cases[i], t, "loss", packed.loss, alone.loss, LENGTH);
            same_bits(&cases[i], t, "gradient of the input", packed.dx, alone.dx, LENGTH * HIDDEN);
            same_bits(&cases[i], t, "gradient of a parameter", grads, own, n);
            free(grads), free(own);
            ts_tape_reset(r.tape);
            ts_decoder_destroy(&r.d[0]);
        }
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(packed_and_alone) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
