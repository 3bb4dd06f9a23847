/* What the options of training contradict each other in, each with the sentence that says so. */
#include "../cmocka_all.h"
#include "train/job.h"
#include "words.h"

#define GOOD "--seq-length 8 --train-iters 10 --lr 0.001 "

static void refused(const char *text, int dp, const char *says)
{
    words w;
    words_parse(&w, text);
    const ts_status st = ts_train_options_check(&w.o, dp);
    if (st != TS_ERR_USER)
        fail_msg("%s with %d processes: status %d", text, dp, (int)st);
    if (!strstr(ts_error_message(), says))
        fail_msg("%s: the message has no \"%s\": %s", text, says, ts_error_message());
    words_free(&w);
}

static void taken(const char *text, int dp)
{
    words w;
    words_parse(&w, text);
    OK(ts_train_options_check(&w.o, dp));
    words_free(&w);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    refused("--train-iters 10 --lr 0.001", 1, "--seq-length is missing");
    refused("--seq-length 8 --lr 0.001", 1, "--train-iters is missing");
    taken("--seq-length 8 --train-iters 10 --lr 0", 1);
    taken(GOOD, 1);
    taken("--seq-length 8 --train-samples 10 --lr 0.001", 1);
}

static void contradictions_name_both_sides(void **state)
{
    (void)state;
    refused(GOOD "--train-samples 80", 1,
            "--train-iters and --train-samples contradict each other");
    refused(GOOD "--min-lr 0.01", 1, "--min-lr 0.01 is above --lr 0.001");
    taken(GOOD "--min-lr 0.001", 1);
    refused(GOOD "--lr-decay-style WSD", 1,
            "--lr-decay-style WSD needs --lr-wsd-decay-iters or --lr-wsd-decay-samples");
    taken(GOOD "--lr-decay-style WSD --lr-wsd-decay-iters 3", 1);
    taken(GOOD "--lr-wsd-decay-iters 3", 1);
    refused(GOOD "--lr-warmup-iters 11", 1,
            "--lr-warmup-iters is longer than --train-iters: a warm-up of 11 sequences, a decay "
            "that ends after 10");
    taken(GOOD "--lr-warmup-iters 10", 1);
    taken(GOOD "--lr-warmup-iters 11 --lr-decay-iters 11", 1);
    refused(GOOD "--lr-warmup-iters 4 --lr-decay-iters 3 --global-batch-size 6", 1,
            "--lr-warmup-iters is longer than --lr-decay-iters: a warm-up of 24 sequences");
    refused("--seq-length 8 --train-samples 10 --lr 0.001 --lr-warmup-samples 11", 1,
            "--lr-warmup-samples is longer than --train-samples");
    refused(GOOD "--lr-warmup-fraction 0.5 --lr-warmup-iters 1", 1,
            "--lr-warmup-fraction and --lr-warmup-iters contradict each other");
    taken(GOOD "--lr-warmup-fraction 0.5 --lr-warmup-iters 0 --lr-warmup-samples 0", 1);
    refused(GOOD "--lr-decay-iters 5 --lr-decay-samples 5", 1,
            "--lr-decay-iters and --lr-decay-samples contradict each other");
    refused(GOOD "--lr-warmup-init 0.002", 1, "--lr-warmup-init 0.002 is above --lr 0.001");
    refused(GOOD "--recompute-activations --recompute-granularity full", 1,
            "contradicts --recompute-granularity full");
    refused(GOOD "--save-interval 5", 1, "--save-interval needs --save");
    taken(GOOD "--save-interval 5 --save folder", 1);
}

/* Megatron's rule: the optimizer's types are fp32 unless --use-precision-aware-optimizer is there.
 * What its fused kernels have and we have not is refused by name. */
static void types_of_the_optimizer(void **state)
{
    (void)state;
    static const char *const type[] = { "exp-avg-dtype", "exp-avg-sq-dtype", "main-params-dtype" };
    char text[160], says[160];
    for (size_t i = 0; i < sizeof type / sizeof *type; i++) {
        snprintf(text, sizeof text, GOOD "--%s bf16", type[i]);
        snprintf(says, sizeof says, "--%s bf16 needs --use-precision-aware-optimizer", type[i]);
        refused(text, 1, says);
        snprintf(text, sizeof text, GOOD "--use-precision-aware-optimizer --%s bf16", type[i]);
        taken(text, 1);
        snprintf(text, sizeof text, GOOD "--use-precision-aware-optimizer --%s fp8", type[i]);
        snprintf(says, sizeof says, "--%s fp8 needs a scale for each tensor", type[i]);
        if (i < 2)
            taken(text, 1);
        else
            refused(text, 1, says);
    }
    taken(GOOD "--use-precision-aware-optimizer", 1);
    taken(GOOD "--exp-avg-dtype fp32 --main-grads-dtype fp32", 1);
    taken(GOOD "--use-precision-aware-optimizer --main-grads-dtype fp16", 1);
    taken(GOOD "--use-precision-aware-optimizer --main-grads-dtype bf16", 1);
    refused(GOOD "--use-precision-aware-optimizer --main-grads-dtype fp8", 1, "give bf16, fp16 or fp32");
    taken(GOOD "--quant-grads", 1);
    refused(GOOD "--quant-grads --optimizer lion", 1, "--quant-grads goes with --optimizer adam");
    refused(GOOD "--quant-grads --swap-optimizer", 1, "--swap-optimizer contradict each other");
    refused(GOOD "--quant-grads --deterministic-mode", 1, "--quant-grads contradicts --deterministic-mode");
    refused(GOOD "--quant-grads --use-precision-aware-optimizer --main-grads-dtype bf16", 1,
            "--quant-grads and --main-grads-dtype contradict each other");
    refused(GOOD "--use-apollo --apollo-layerwise --global-batch-size 4 --micro-batch-size 2", 1,
            "give --global-batch-size 2");
    refused(GOOD "--quant-states fp8 --optimizer sgd", 1, "of --optimizer adam");
    refused(GOOD "--optimizer adamw_8bit --swap-optimizer", 1, "--swap-optimizer contradict each other");
    refused(GOOD "--optimizer adamw_bnb_8bit --use-precision-aware-optimizer", 1, "for --optimizer adam alone");
    refused(GOOD "--main-grads-dtype bf16", 1,
            "--main-grads-dtype bf16 needs --use-precision-aware-optimizer");
    refused(GOOD "--use-precision-aware-optimizer --optimizer sgd", 1,
            "--use-precision-aware-optimizer is for --optimizer adam alone");
}

/* The bounds of single numbers are the table's. */
static void numbers_have_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } bad[] = {
        { "--micro-batch-size", "0" },
        { "--global-batch-size", "-4" },
        { "--train-iters", "0" },
        { "--lr", "-1" },
        { "--lr", "nan" },
        { "--lr-warmup-fraction", "1.5" },
        { "--hidden-dropout", "1" },
        { "--adam-beta2", "1" },
        { "--lr-decay-style", "square" },
        { "--optimizer", "adagrad" },
        { "--loss-scale-window", "0" },
        { "--recompute-method", "all" },
        { "--exp-avg-dtype", "double" },
        { "--save-hf-dtype", "nonsense" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        words w;
        words_parse(&w, "");
        char name[48], value[48], *argv[] = { name, value };
        snprintf(name, sizeof name, "%s", bad[i].name);
        snprintf(value, sizeof value, "%s", bad[i].value);
        OK(ts_option_parse(w.set, 2, argv));
        REFUSED(ts_option_finish(w.set), TS_ERR_USER, bad[i].name);
        if (!strstr(ts_error_message(), bad[i].value))
            fail_msg("the message does not show %s: %s", bad[i].value, ts_error_message());
        words_free(&w);
    }
}

/* All names of a field say alike whether it decides what is computed; what has no field says
 * nothing. */
static void names_of_a_field_decide_alike(void **state)
{
    (void)state;
    static ts_job_options o;
    ts_option_table t[TS_JOB_TABLES];
    int decide = 0;
    ts_job_tables(&o, t);
    for (int k = 0; k < TS_JOB_TABLES; k++)
        for (size_t i = 0; i < t[k].n; i++) {
            const ts_option *a = &t[k].rows[i];
            decide += a->is & TS_OPTION_DECIDES;
            if (a->is && a->type >= TS_OPTION_NOTE)
                fail_msg("--%s has no value that could decide", a->name);
            for (size_t j = 0; j < i; j++) {
                const ts_option *b = &t[k].rows[j];
                if (a->type < TS_OPTION_NOTE && b->type < TS_OPTION_NOTE &&
                    a->offset == b->offset && a->is != b->is)
                    fail_msg("--%s and --%s are names of one field", a->name, b->name);
            }
        }
    assert_true(decide > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(contradictions_name_both_sides),
        
        cmocka_unit_test(types_of_the_optimizer),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(names_of_a_field_decide_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
