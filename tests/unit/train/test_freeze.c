/* Frozen weights: which they are, that they stay as they are, that the others get the gradients
 * that they had without, and that nothing is held or computed for the frozen ones. */
#include "rig.h"

enum { STEPS = 3 };

/* ---- names ---- */

static void many_layers(ts_arch *a)
{
    a->n_layers = 12;
    OK(ts_arch_layers(a, 0));
}

static void make_decoder(ts_device *dev, ts_decoder **d)
{
    ts_arch a;
    describe(&a);
    many_layers(&a);
    OK(ts_decoder_create(dev, &a, TS_DTYPE_F32, VOCAB, NULL, d));
    ts_arch_deinit(&a);
}

static void names_say_what_is_frozen(void **state)
{
    static const struct {
        const char *pattern, *yes, *no;
        size_t n; /* how many: a layer has 6 */
    } row[] = {
        { "embedding", "embedding.word_embeddings.weight", "decoder.final_layernorm.weight", 1 },
        { "layers.1", "decoder.layers.1.mlp.linear_fc1.weight",
          "decoder.layers.10.mlp.linear_fc1.weight", 6 },
        { "mlp", "decoder.layers.11.mlp.linear_fc2.weight", "decoder.layers.0.pre_mlp_layernorm.weight",
          24 },
        { "linear_qkv.weight", "decoder.layers.0.self_attention.linear_qkv.weight",
          "decoder.layers.0.self_attention.linear_proj.weight", 12 },
        { "layers.{*}.mlp.linear_fc1", "decoder.layers.10.mlp.linear_fc1.weight",
          "decoder.layers.10.mlp.linear_fc2.weight", 12 },
        { "decoder.layers.{0-3,7,10-11}", "decoder.layers.10.input_layernorm.weight",
          "decoder.layers.6.input_layernorm.weight", 42 },
        { "decoder", "decoder.final_layernorm.weight", "embedding.word_embeddings.weight", 73 },
    };
    ts_device *dev;
    (void)state;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        ts_decoder *d;
        size_t n = 0;
        make_decoder(dev, &d);
        OK(ts_decoder_freeze(d, &row[k].pattern, 1));
        for (size_t i = 0; i < d->params.n; i++)
            n += !ts_param_is_trained(d->params.p[i]);
        if (n != row[k].n || ts_param_is_trained(ts_param_find(&d->params, row[k].yes)) ||
            !ts_param_is_trained(ts_param_find(&d->params, row[k].no)))
            fail_msg("--freeze %s: %zu parameters, %s or not %s", row[k].pattern, n, row[k].no,
                     row[k].yes);
        ts_decoder_destroy(&d);
    }
    ts_device_close(&dev);
}

static void mistakes_are_named(void **state)
{
    static const char *const bad[] = { "layer", "layers.12", "mlp.", "", "layers.{1-}", "layers.{}",
                                       "layers.{a}", "layers.{0-3", "word_embeddings.bias" };
    static const char *const all[] = { "decoder", "embedding", "output_layer" };
    ts_device *dev;
    ts_decoder *d;
    (void)state;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    make_decoder(dev, &d);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (ts_decoder_freeze(d, &bad[i], 1) != TS_ERR_USER)
            fail_msg("--freeze %s was taken", bad[i]);
        assert_non_null(strstr(ts_error_message(), "--freeze"));
        assert_non_null(strstr(ts_error_message(), "decoder.layers.0.mlp.linear_fc1"));
    }
    assert_int_equal(ts_decoder_freeze(d, all, 3), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "nothing to train"));
    ts_decoder_destroy(&d);
    ts_device_close(&dev);
}

/* ---- training ---- */

/* Everything that has weights of its own: biases, positions, norms of queries and keys, a head. */
static void rich(ts_arch *a)
{
    a->norm = TS_NORM_LAYER;
    a->norm_bias = a->bias_qkv = a->bias_proj = a->bias_fc1 = a->bias_fc2 = true;
    a->qk_norm = TS_QK_NORM_HEAD;
    ts_arch_set_position(a, TS_POSITION_LEARNED);
    a->n_ropes = 0;
    a->tied = false;
    a->bias_head = true;
}

/* The output layer is the embedding. */
static void tie(ts_arch *a) { a->tied = true; }

static const char *const sets[] = {
    "embedding",
    "linear_qkv linear_proj linear_fc1 linear_fc2 embedding",
    "embedding layers.{0-1}",
    "embedding layers.0 layers.1.input_layernorm layers.1.self_attention",
    "decoder.layers",
    "final_layernorm layers.2",
    "embedding layers.0.input_layernorm layers.0.self_attention.linear_qkv layers.2.mlp",
    "embedding decoder.layers.{0-2}.mlp layers.{*}.self_attention.linear_proj",
};

static const char *const how[] = {
    "--micro-batch-size 8",
    "--micro-batch-size 4",
    "--micro-batch-size 4 --deterministic-mode",
    "--micro-batch-size 4 --keep-cheap-activations",
    "--micro-batch-size 8 --recompute-granularity full --recompute-method uniform",
    ("--micro-batch-size 8 --recompute-granularity full --recompute-method uniform "
     "--recompute-num-layers 2"),
};

static const float *gradient(const rig *r, const ts_param *p)
{
    const ts_trainer *t = r->trainer;
    return (const float *)(t->grads.deterministic ? t->grads.acc->data : r->model.decoder->params.grads->data) +
           p->offset;
}

static double product_flops(const ts_device *dev)
{
    return dev->stat[TS_KERNEL_gemm].flops + dev->stat[TS_KERNEL_gemm_i8].flops;
}

/* A frozen run beside one that trains everything, after the same first step. */
static void compare(const char *set, const char *options, ts_dtype compute,
                    void (*adjust)(ts_arch *))
{
    rig all, some;
    ts_step_result s;
    char text[512];
    snprintf(text, sizeof text, COMMON "%s", options);
    rig_make_as(&all, text, compute, false, adjust);
    snprintf(text, sizeof text, COMMON "--freeze %s %s", set, options);
    rig_make_as(&some, text, compute, false, adjust);
    ts_param_set *f = &some.model.decoder->params;
    const ts_param_set *w = &all.model.decoder->params;
    size_t bytes;
    char *before = rig_weights(&some, &bytes), *others = rig_weights(&all, &bytes);
    assert_memory_equal(before, others, bytes);
    free(others);
    OK(ts_trainer_step(all.trainer, false, &s));
    OK(ts_trainer_step(some.trainer, false, &s));
    int64_t trained = 0;
    for (size_t i = 0; i < f->n; i++) {
        const ts_param *p = f->p[i];
        trained += ts_param_is_trained(p) ? ts_param_count(p) : 0;
        assert_true(ts_param_is_trained(p) == !!p->grad && ts_param_is_trained(p) == (p->offset >= 0));
        if (ts_param_is_trained(p) && memcmp(gradient(&some, p), gradient(&all, w->p[i]),
                                 (size_t)ts_param_count(p) * sizeof(float)))
            fail_msg("--freeze %s %s: %s has another gradient", set, options, p->name);
    }
    assert_true(trained > 0 && trained == ts_decoder_trained(some.model.decoder));
    assert_true(f->total < w->total && f->grads->bytes == (size_t)f->total * sizeof(float));
    assert_true(s.memory_peak < all.dev->mem.peak);
    OK(ts_trainer_step(some.trainer, false, &s));
    for (size_t i = 0; i < f->n; i++) {
        const ts_param *p = f->p[i];
        const size_t at = (size_t)((const char *)p->value - (const char *)f->values->data);
        const bool same = !memcmp(before + at, p->value,
                                  (size_t)ts_param_count(p) * ts_dtype_size(p->dtype));
        if (same == ts_param_is_trained(p))
            fail_msg("--freeze %s %s: %s %s", set, options, p->name,
                     same ? "was not trained" : "was changed");
    }
    free(before);
    rig_free(&all);
    rig_free(&some);
}

static void others_are_trained_as_before(void **state)
{
    (void)state;
    enum { HOW = sizeof how / sizeof *how };
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
        compare(sets[k], how[k % HOW], TS_DTYPE_F32, tie);
        compare(sets[k], how[(k + 4) % HOW], k % 2 ? TS_DTYPE_BF16 : TS_DTYPE_F32, NULL);
    }
}

static void also_where_everything_has_weights(void **state)
{
    static const char *const more[] = {
        "embedding linear_qkv linear_proj linear_fc1 linear_fc2 output_layer",
        "word_embeddings input_layernorm",
        "embedding layers.0.input_layernorm layers.0.self_attention.linear_qkv",
        "embedding layers.0.input_layernorm linear_qkv q_layernorm",
        "weight",
        "bias",
        "embedding layers output_layer",
        "embedding decoder output_layer.weight",
    };
    (void)state;
    for (size_t k = 0; k < sizeof more / sizeof *more; k++) {
        compare(more[k], how[k % 2 ? 1 : 4], k % 3 ? TS_DTYPE_F32 : TS_DTYPE_BF16, rich);
    }
}

/* Products of a step are those that the count of operations names: none for frozen weights'
 * gradients, and none below the lowest weight that is trained. */
static void nothing_is_computed_in_vain(void **state)
{
    double all = 0;
    (void)state;
    for (size_t k = 0; k <= sizeof sets / sizeof *sets; k++) {
        rig r;
        ts_step_result s;
        char text[512];
        snprintf(text, sizeof text, COMMON "--micro-batch-size 4 %s %s", k ? "--freeze" : "",
                 k ? sets[k - 1] : "");
        rig_make_as(&r, text, TS_DTYPE_F32, false, k % 2 ? tie : NULL);
        r.dev->timing = true;
        OK(ts_trainer_step(r.trainer, false, &s));
        const double want = S * GLOBAL * ts_decoder_training_flops(r.model.decoder, 0);
        if (fabs(product_flops(r.dev) - want) > 1e-9 * want)
            fail_msg("%s: %.0f operations in products, expected %.0f", text, product_flops(r.dev),
                     want);
        if (!k)
            all = 3 * S * GLOBAL * ts_decoder_flops_per_token(r.model.decoder);
        assert_true(k ? want <= all : fabs(want - all) < 1e-9 * all);
        rig_free(&r);
    }
}

/* Recomputed: the layer that is trained, and neither of those below. */
static void nor_again_in_vain(void **state)
{
    rig r;
    ts_step_result s;
    (void)state;
    rig_make(&r,
             COMMON "--micro-batch-size 4 --freeze embedding layers.{0-1} --recompute-method uniform "
                    "--recompute-granularity full",
             TS_DTYPE_F32, false);
    r.dev->timing = true;
    OK(ts_trainer_step(r.trainer, false, &s));
    const ts_block *b = &r.model.decoder->block[2];
    const int64_t layer = ts_param_count(b->attention.qkv.w) + ts_param_count(b->attention.proj.w) +
                          ts_param_count(b->mlp.fc1.w) + ts_param_count(b->mlp.fc2.w);
    const double want = S * GLOBAL * (ts_decoder_training_flops(r.model.decoder, 0) +
                                      2 * (double)layer);
    assert_true(fabs(product_flops(r.dev) - want) < 1e-9 * want);
    rig_free(&r);
    /* each norm but the first passes a gradient on */
    rig_make(&r,
             COMMON "--micro-batch-size 8 --freeze embedding linear_qkv linear_proj linear_fc1 "
                    "linear_fc2 output_layer",
             TS_DTYPE_F32, false);
    r.dev->timing = true;
    OK(ts_trainer_step(r.trainer, false, &s));
    assert_int_equal(r.dev->stat[TS_KERNEL_rms_dw].calls, 2 * LAYERS + 1);
    assert_int_equal(r.dev->stat[TS_KERNEL_rms_bwd].calls, 2 * LAYERS);
    rig_free(&r);
}

/* Norms and counts of the gradient are of what is trained; that of all values needs its room. */
static void norms_are_counted(void **state)
{
    rig r;
    ts_step_result s;
    (void)state;
    rig_make(&r,
             COMMON "--micro-batch-size 8 --freeze linear_qkv linear_proj linear_fc1 linear_fc2 "
                    "embedding --log-num-zeros-in-grad --log-params-norm",
             TS_DTYPE_F32, false);
    double sum = 0;
    OK(ts_trainer_step(r.trainer, false, &s));
    const ts_param_set *p = &r.model.decoder->params;
    for (size_t i = 0; i < p->n; i++)
        for (int64_t k = 0; k < ts_param_count(p->p[i]); k++) {
            const double v = ((const float *)p->p[i]->value)[k];
            sum += v * v;
        }
    assert_true(s.zeros == 0 && s.grad_norm > 0);
    assert_true(fabs(s.params_norm - sqrt(sum)) < 1e-6 * sqrt(sum));
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_say_what_is_frozen),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(others_are_trained_as_before),
        cmocka_unit_test(also_where_everything_has_weights),
        cmocka_unit_test(nothing_is_computed_in_vain),
        cmocka_unit_test(nor_again_in_vain),
        cmocka_unit_test(norms_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
