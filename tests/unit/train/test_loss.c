/* A small decoder trained on a small file: what must not depend on how the work is cut up, and what
 * must. */
#include "rig.h"

enum { STEPS = 3 };

typedef struct curve {
    double loss[STEPS], norm[STEPS];
    int64_t tokens[STEPS], peak;
    float *weights; /* at the end */
    size_t bytes;
} curve;

static void train(const char *text, ts_dtype compute, bool mask_ends, curve *c)
{
    rig r;
    rig_make(&r, text, compute, mask_ends);
    for (int i = 0; i < STEPS; i++) {
        ts_step_result s;
        OK(ts_trainer_step(r.trainer, false, &s));
        c->loss[i] = s.loss;
        c->norm[i] = s.grad_norm;
        c->tokens[i] = s.tokens;
        c->peak = s.memory_peak;
    }
    c->weights = rig_weights(&r, &c->bytes);
    rig_free(&r);
}

static void close_to(const char *what, int step, double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("%s of step %d: %.12g, expected %.12g within %.2g of it", what, step, got, want,
                 relative);
}

/* ---- cutting the batch up ---- */

/* A token's loss goes through 4 products a layer and the output layer, each of at most FFN terms in
 * fp32; a weight's gradient adds the S * GLOBAL tokens and goes through the same products backward
 * and forward. In another order each addition may err by 2^-24 of the sum; the sums here do not
 * cancel to less than a tenth, and the third step has the errors of the two before it. */
#define DEPTH (4 * LAYERS + 1)
#define LOSS_BOUND (0x1p-24 * DEPTH * FFN)
#define NORM_BOUND (0x1p-24 * (2 * DEPTH * FFN + S * GLOBAL))

static void every_cut_gives_the_same(bool mask_ends, const char *more)
{
    curve one, c;
    char text[256];
    for (int micro = GLOBAL; micro >= 1; micro /= 2) {
        snprintf(text, sizeof text, COMMON "--micro-batch-size %d %s", micro, more);
        train(text, TS_DTYPE_F32, mask_ends, micro == GLOBAL ? &one : &c);
        if (micro == GLOBAL)
            continue;
        for (int i = 0; i < STEPS; i++) {
            assert_int_equal(c.tokens[i], one.tokens[i]);
            close_to("loss", i, c.loss[i], one.loss[i], LOSS_BOUND);
            close_to("gradient's norm", i, c.norm[i], one.norm[i], NORM_BOUND);
        }
        free(c.weights);
    }
    assert_true(one.loss[0] > 3 && one.norm[0] > 0.1 && one.loss[0] != one.loss[1]);
    assert_true(mask_ends ? one.tokens[0] < S * GLOBAL : one.tokens[0] == S * GLOBAL);
    free(one.weights);
}

static void micro_batches_do_not_matter(void **state)
{
    (void)state;
    every_cut_gives_the_same(false, "");
    every_cut_gives_the_same(false, "--deterministic-mode");
}

/* Every order of a pipeline's work, in one process: several micro-batches under way, each on a tape of its
 * own, through parts that hand their streams to one another. Gradients add up in the same order, so not a
 * bit changes; only the memory does. */
static const ts_layer_range halves[] = { { 0, 1 }, { 1, LAYERS } },
                            thirds[] = { { 0, 0 }, { 0, 2 }, { 2, LAYERS } };
static const struct order {
    ts_pipeline_kind kind;
    const ts_layer_range *layers;
    bool holds_more; /* than one micro-batch at a time */
} orders[] = {
    { { .schedule = TS_SCHEDULE_GPIPE }, NULL, true },
    { { .schedule = TS_SCHEDULE_ZERO_BUBBLE }, NULL, false },
    { { .schedule = TS_SCHEDULE_1F1B, .recompute = TS_AGAIN_ADVANCE }, NULL, false },
    { { .schedule = TS_SCHEDULE_INTERLEAVED, .chunks = 2 }, halves, false },
    { { .schedule = TS_SCHEDULE_INTERLEAVED, .chunks = 3, .group = 2 }, thirds, true },
    { { .schedule = TS_SCHEDULE_INTERLEAVED, .chunks = 3, .group = 2,
        .recompute = TS_AGAIN_ADVANCE }, thirds, false },
    { { .schedule = TS_SCHEDULE_INTERLEAVED, .chunks = 2, .recompute = TS_AGAIN_BUBBLE }, halves, false },
    { { .schedule = TS_SCHEDULE_NANOPIPE, .chunks = 2, .group = 2 }, halves, true },
    { { .schedule = TS_SCHEDULE_DUALPIPEV, .chunks = 2 }, halves, false },
    { { .schedule = TS_SCHEDULE_DUALPIPEV, .chunks = 2, .detaches_weights = true }, halves, false },
};

static void check_order(const struct order *o, const char *text, const curve *one)
{
    rig r;
    size_t bytes;
    ts_step_result s;
    rig_make(&r, text, TS_DTYPE_F32, true);
    ts_trainer_destroy(&r.trainer);
    if (o->layers)
        ts_lm_objective_cut(&r.objective, o->layers, o->kind.chunks, 1);
    rig_train(&r, TS_DTYPE_F32, &o->kind);
    for (int i = 0; i < STEPS; i++) {
        OK(ts_trainer_step(r.trainer, false, &s));
        assert_true(s.loss == one->loss[i] && s.grad_norm == one->norm[i]);
    }
    float *weights = rig_weights(&r, &bytes);
    assert_memory_equal(weights, one->weights, bytes);
    assert_true(!o->holds_more || s.memory_peak > one->peak);
    free(weights);
    rig_free(&r);
}

static void nor_does_the_order_of_work(void **state)
{
    (void)state;
    static const char *const how_summed[] = { "", "--deterministic-mode" };
    for (int k = 0; k < 2; k++) {
        char text[256];
        curve one;
        snprintf(text, sizeof text, COMMON "--micro-batch-size 2 --hidden-dropout 0.1 %s", how_summed[k]);
        train(text, TS_DTYPE_F32, true, &one);
        for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
            check_order(&orders[i], text, &one);
        free(one.weights);
    }
}

static void nor_when_ends_carry_no_loss(void **state)
{
    (void)state;
    every_cut_gives_the_same(true, "");
    every_cut_gives_the_same(true, "--deterministic-mode");
}

/* The loss of a step from those of its sequences one by one: weighed by their trained tokens, which
 * the mean of means would not do. */
static void each_token_counts_once(void **state)
{
    (void)state;
    rig r, single;
    ts_step_result s;
    double sum = 0, means = 0;
    int64_t n = 0, least = S, most = 0;
    rig_make(&r, COMMON "--micro-batch-size 2", TS_DTYPE_F32, true);
    rig_make(&single, "--seq-length 16 --train-iters 100 --lr 0.1 --global-batch-size 1",
             TS_DTYPE_F32, true);
    for (int64_t i = 0; i < GLOBAL; i++) {
        ts_evaluation e;
        int64_t tokens = 0;
        OK(ts_trainer_evaluate(single.trainer, TS_DATA_TRAIN, i, 1, &e));
        const int32_t *ids = ts_batch_ints(&single.trainer->feed.batch, "tokens", 0);
        for (int k = 0; k < S; k++)
            tokens += ids[k] != END;
        sum += e.loss * (double)tokens;
        means += e.loss / GLOBAL;
        n += tokens;
        least = tokens < least ? tokens : least;
        most = tokens > most ? tokens : most;
    }
    OK(ts_trainer_step(r.trainer, false, &s));
    assert_true(least < most);
    assert_int_equal(s.tokens, n);
    close_to("loss", 0, s.loss, sum / (double)n, LOSS_BOUND);
    /* the test could see the difference */
    assert_true(fabs(means - s.loss) > 4 * LOSS_BOUND * s.loss);
    rig_free(&r);
    rig_free(&single);
}

/* ---- 16-bit types ---- */

/* A rounding to bf16 is 2^-9 of a value. The loss is the mean of many tokens' and moves by less
 * than one rounding of itself (2^-8 with room); the gradients are products of rounded activations
 * and errors: 2^-5. */
static void bf16_is_near(void **state)
{
    (void)state;
    curve full, half;
    train(COMMON "--micro-batch-size 4", TS_DTYPE_F32, false, &full);
    train(COMMON "--micro-batch-size 4", TS_DTYPE_BF16, false, &half);
    for (int i = 0; i < STEPS; i++) {
        assert_true(half.loss[i] != full.loss[i]);
        close_to("loss", i, half.loss[i], full.loss[i], 0x1p-8);
        close_to("gradient's norm", i, half.norm[i], full.norm[i], 0x1p-5);
    }
    free(full.weights);
    free(half.weights);
}

static void fp16_skips_until_the_scale_fits(void **state)
{
    (void)state;
    rig r, full;
    ts_step_result s, f;
    int64_t skipped = 0;
    rig_make(&r,
             COMMON
             "--micro-batch-size 4 --initial-loss-scale 1e12 --hysteresis 1 --lr-warmup-iters 5 "
             "--lr-warmup-init 0.01",
             TS_DTYPE_F16, false);
    size_t bytes;
    void *before = rig_weights(&r, &bytes), *after = NULL;
    for (double scale = 1e12;; scale /= 2) {
        assert_true(r.trainer->scaler.scale == scale);
        OK(ts_trainer_step(r.trainer, false, &s));
        free(after);
        after = rig_weights(&r, &bytes);
        assert_true(s.loss_scale == scale && s.lr == 0.01 && isfinite(s.loss));
        /* it counts, and its samples are used up */
        assert_int_equal(r.trainer->iteration, skipped + 1);
        assert_int_equal(r.trainer->consumed, (skipped + 1) * GLOBAL);
        if (!s.skipped)
            break;
        skipped++;
        assert_int_equal(r.trainer->skipped, skipped);
        assert_int_equal(r.trainer->scheduled, 0);
        assert_int_equal(r.trainer->optim.steps, 0);
        assert_memory_equal(after, before, bytes);
        assert_true(skipped < 40);
    }
    assert_true(skipped >= 1);
    assert_int_equal(r.trainer->scheduled, GLOBAL);
    assert_int_equal(r.trainer->optim.steps, 1);
    assert_true(memcmp(after, before, bytes) != 0);
    /* the same batch in fp32: the scale is undone (fp16 rounds by 2^-11: bounds a quarter of
     * bf16's) */
    rig_make(&full, COMMON "--micro-batch-size 4", TS_DTYPE_F32, false);
    full.trainer->consumed = skipped * GLOBAL;
    OK(ts_trainer_step(full.trainer, false, &f));
    close_to("loss", (int)skipped, s.loss, f.loss, 0x1p-10);
    close_to("gradient's norm", (int)skipped, s.grad_norm, f.grad_norm, 0x1p-7);
    OK(ts_trainer_step(r.trainer, false, &s));
    /* and the schedule goes on: a fifth of 0.09 */
    assert_true(!s.skipped && fabs(s.lr - 0.028) < 1e-12);
    free(before);
    free(after);
    rig_free(&r);
    rig_free(&full);
}

/* ---- computing again instead of keeping ---- */

#define DROPPING COMMON "--micro-batch-size 4 --hidden-dropout 0.1 --attention-dropout 0.1 "
static const char *const how[] = {
    "--keep-cheap-activations",
    "--recompute-activations",
    "--recompute-granularity selective",
    "--recompute-granularity full --recompute-method uniform",
    "--recompute-granularity full --recompute-method uniform --recompute-num-layers 2",
    "--recompute-granularity full --recompute-method uniform --keep-cheap-activations",
    "--recompute-granularity full --recompute-method block",
    "--recompute-granularity full --recompute-method block --recompute-num-layers 3",
    "--recompute-granularity full --swap-layer-input --recompute-num-layers 2",
    "--recompute-granularity selective --recompute-modules mlp core_attn layernorm",
    "--swap-attention",
    "--swap-attention --swap-modules self_attention,mlp --recompute-num-layers 1",
};
enum { HOW = sizeof how / sizeof *how };

/* It does what it is for: less memory at the peak, or more for what is kept. */
static void check_peak(const char *text, const curve *c, const curve *plain)
{
    const bool keeps = !strcmp(text, how[0]), full = strstr(text, "full") != NULL;
    if (strstr(text, "--swap-attention")) /* both memories are the host's: they hold what one has held, and a window */
        return;
    if (keeps ? c->peak <= plain->peak : full ? c->peak >= plain->peak : c->peak > plain->peak)
        fail_msg("%s: %lld bytes at most, without it %lld", text, (long long)c->peak,
                 (long long)plain->peak);
}

static void check_bits(const char *text, const curve *c, const curve *plain)
{
    for (int i = 0; i < STEPS; i++)
        if (c->loss[i] != plain->loss[i] || c->norm[i] != plain->norm[i])
            fail_msg("%s: step %d has loss %.17g and norm %.17g, without it %.17g and %.17g", text,
                     i, c->loss[i], c->norm[i], plain->loss[i], plain->norm[i]);
    assert_memory_equal(c->weights, plain->weights, plain->bytes);
}

static void recomputation_changes_no_bit(void **state)
{
    (void)state;
    curve plain, c;
    char text[320];
    train(DROPPING, TS_DTYPE_F32, false, &plain);
    for (size_t i = 0; i < HOW; i++) {
        snprintf(text, sizeof text, DROPPING "%s", how[i]);
        train(text, TS_DTYPE_F32, false, &c);
        check_bits(how[i], &c, &plain);
        check_peak(how[i], &c, &plain);
        free(c.weights);
    }
    free(plain.weights);
}

/* In 16 bits too: also where a segment begins, the gradients of the norm and of the residual path
 * are rounded once, together. */
static void nor_in_16_bits(void **state)
{
    (void)state;
    curve plain, c;
    char text[320];
    train(DROPPING, TS_DTYPE_BF16, false, &plain);
    for (size_t i = 0; i < HOW; i++) {
        snprintf(text, sizeof text, DROPPING "%s", how[i]);
        train(text, TS_DTYPE_BF16, false, &c);
        check_bits(how[i], &c, &plain);
        check_peak(how[i], &c, &plain);
        free(c.weights);
    }
    free(plain.weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(micro_batches_do_not_matter),
        cmocka_unit_test(nor_does_the_order_of_work),
        cmocka_unit_test(nor_when_ends_carry_no_loss),
        cmocka_unit_test(each_token_counts_once),
        cmocka_unit_test(bf16_is_near),
        cmocka_unit_test(fp16_skips_until_the_scale_fits),
        cmocka_unit_test(recomputation_changes_no_bit),
        cmocka_unit_test(nor_in_16_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
