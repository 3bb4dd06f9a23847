/* Models that options describe: what the words come to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../temp.h"
#include "model/options.h"

#include <math.h>
#include <string.h>

enum { MOST = 32 };

/* A model with these words more. */
static ts_status describe(const char *more, ts_arch *a)
{
    static char text[512];
    char *words[MOST];
    int n = 0;
    ts_model_options o = { 0 };
    ts_option_set *set;
    const ts_option_table table = { ts_model_option_rows, ts_model_option_count, &o };
    snprintf(text, sizeof text,
             "--num-layers|2|--hidden-size|32|--num-attention-heads|2|--max-position-embeddings|64|%s",
             more);
    for (char *save = NULL, *w = strtok_r(text, "|", &save); w; w = strtok_r(NULL, "|", &save))
        words[n++] = w;
    OK(ts_option_set_create(&table, 1, &set));
    ts_arch_init(a);
    ts_status st = ts_option_parse(set, n, words);
    if (st == TS_OK)
        st = ts_option_finish(set);
    if (st == TS_OK)
        st = ts_model_describe(&o, set, 96, a);
    ts_option_set_destroy(&set);
    return st;
}

static void test_windows(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        int64_t window;
    } good[] = {
        { "", 0 },
        { "--window-size|8", 8 },
        { "--window-size|1", 1 },
        { "--window-size|7,0", 8 },
        { "--window-size|(7,0)", 8 },
        { "--window-size|(7, 0)", 8 },
        { "--window-size|[7, 0]", 8 },
        { "--window-size|7|0", 8 },
        { "--window-size|7 0", 8 },
        { "--window-size=7,0", 8 },
        { "--window-size|0,0", 1 },
        { "--window-size|-1,0", 0 },
        { "--window-size|-1,-1", 0 },
    };
    static const char *const bad[] = { "0",   "-1", "x",     "7,",    "7,1",   "7,0,0", "7,-1",
                                       "-2,0", "()", "7.5,0", "1e3", "7x",    "99999999999,0" };
    ts_arch a;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        OK(describe(good[i].words, &a));
        if (a.layer[1].window != good[i].window)
            fail_msg("%s: window %lld", good[i].words, (long long)a.layer[1].window);
        ts_arch_deinit(&a);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char words[64];
        snprintf(words, sizeof words, "--window-size|%s", bad[i]);
        if (describe(words, &a) != TS_ERR_USER || !strstr(ts_error_message(), "--window-size"))
            fail_msg("%s: %s", words, ts_error_message());
        ts_arch_deinit(&a);
    }
    REFUSED(describe("--window-size|7|0|0", &a), TS_ERR_USER, "--window-size");
    ts_arch_deinit(&a);
}

/* Which layers have a window (w), a rotary embedding (r), both (b), neither (-). */
static void test_layers(void **state)
{
    (void)state;
    static const struct {
        const char *words, *layers;
    } good[] = {
        { "--window-size|7,0", "bbbb" },
        { "--window-size|7,0|--window-attn-skip-freq|2", "brbr" },
        { "--window-size|7,0|--window-attn-skip-freq|[1,0,0,1]", "brrb" },
        { "--sliding-window|5|--window-attn-skip-freq|([1]*3+[0]*1)", "bbbr" },
        { "--no-rope-freq|4", "rrr-" },
        { "--no-rope-freq|0", "rrrr" },
        { "--window-size|8|--window-attn-skip-freq|2|--no-rope-freq|[0,1,1,0]", "b-wr" },
    };
    static const struct {
        const char *words, *says;
    } bad[] = {
        { "--window-size|8|--window-attn-skip-freq|[1,0]", "--window-attn-skip-freq [1,0]: expected a number N" },
        { "--window-size|8|--window-attn-skip-freq|-1", "--window-attn-skip-freq -1: expected" },
        { "--window-attn-skip-freq|2", "give --window-size" },
        { "--no-rope-freq|x", "--no-rope-freq x: expected" },
        { "--no-rope-freq|2|--position-embedding-type|none", "give --position-embedding-type rope" },
    };
    ts_arch a;
    char words[160];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(words, sizeof words, "--num-layers|4|--position-embedding-type|rope|%s", good[i].words);
        OK(describe(words, &a));
        for (int64_t k = 0; k < 4; k++) {
            const bool w = a.layer[k].window, r = a.layer[k].position == TS_POSITION_ROPE;
            if (good[i].layers[k] != (w && r ? 'b' : w ? 'w' : r ? 'r' : '-'))
                fail_msg("%s: layer %lld", good[i].words, (long long)k);
        }
        ts_arch_deinit(&a);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(words, sizeof words, "--num-layers|4|--position-embedding-type|rope|%s", bad[i].words);
        REFUSED(describe(words, &a), TS_ERR_USER, bad[i].says);
        ts_arch_deinit(&a);
    }
}

static void check_llama3(const char *words, double factor, int64_t original, double low)
{
    ts_arch a;
    OK(describe(words, &a));
    const ts_rope_config *r = &a.rope[0];
    assert_int_equal(r->scaling, TS_ROPE_LLAMA3);
    assert_true(r->factor == factor);
    assert_int_equal(r->original_max_positions, original);
    assert_true(r->low_freq_factor == low && r->high_freq_factor == 4);
    ts_arch_deinit(&a);
}

/* Megatron's numbers: factor 8, low 1, high 4, from 8192 positions whatever the model's. */
static void test_rope_scaling(void **state)
{
    (void)state;
    ts_arch a;
#define ROPE "--position-embedding-type|rope|--use-rope-scaling"
    check_llama3(ROPE, 8, 8192, 1);
    check_llama3(ROPE "|--rope-scaling-factor|32", 32, 8192, 1);
    check_llama3(ROPE "|--rope-scaling-factor|1", 1, 8192, 1);
    check_llama3(ROPE "|--rope-scaling-type|llama3", 8, 8192, 1);
    check_llama3(ROPE "|--rope-scaling-original-max-position-embeddings|64|--low-freq-factor|2", 8,
                 64, 2);
    REFUSED(describe(ROPE "|--rope-scaling-type|yarn", &a), TS_ERR_USER, "--rope-scaling-type");
    ts_arch_deinit(&a);
    REFUSED(describe(ROPE "|--rotary-seq-len-interpolation-factor|2", &a), TS_ERR_USER,
            "--rotary-seq-len-interpolation-factor");
    ts_arch_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_windows), cmocka_unit_test(test_layers),
                                        cmocka_unit_test(test_rope_scaling) };
    return cmocka_run_group_tests_name("models of options", tests, NULL, NULL);
}
