/* Presets: every one that says a model can be read, the others say what they lack; some have as many parameters
 * as the published files. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "model/param_list.h"
#include "model/presets.h"

#include <string.h>

static int64_t parameters(const ts_arch *a)
{
    ts_param_list l;
    int64_t total = 0;
    OK(ts_param_list_make(a, &l));
    for (size_t i = 0; i < ts_names_count(l.names); i++)
        total += l.param[i].dim[0] * (l.param[i].dim[1] ? l.param[i].dim[1] : 1);
    ts_param_list_deinit(&l);
    return total;
}

static void test_all(void **state)
{
    int made = 0;
    (void)state;
    for (size_t i = 0; i < ts_preset_count; i++) {
        const ts_preset *p = &ts_presets[i];
        ts_arch a;
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(p->name, ts_presets[k].name);
        assert_true(!p->config != !p->missing);
        ts_arch_init(&a);
        if (p->config) {
            OK(ts_preset_read(p->name, &a));
            assert_true(parameters(&a) > 100000000);
            made++;
        } else {
            REFUSED(ts_preset_read(p->name, &a), TS_ERR_USER, p->missing);
        }
        ts_arch_deinit(&a);
    }
    assert_true(made > 80);
}

/* Of the published files. */
static void test_counts(void **state)
{
    static const struct {
        const char *name;
        int64_t n;
    } trials[] = {
        { "llama2-7b", 6738415616 },   { "llama3-8b", 8030261248 },  { "mistral-7b", 7241732096 },
        { "qwen2-0.5b", 494032768 },   { "qwen2.5-7b", 7615616512 }, { "qwen3-0.6b", 596049920 },
        { "gemma2-9b", 9241705984 },   { "bloom-7b1", 7069016064 },
        { "mixtral-8x7b", 46702792704 }, { "qwen3-30b-a3b", 30532122624 }, { "qwen3-235b-a22b", 235093634560 },
        { "deepseek-v2-lite-16b", 15706484224 }, { "gpt-oss-20b", 20914757184 }, { "kimi-linear-48b-a3b", 49122681728 },
        { "phi3.5-mini-instruct-3.8b", 3821079552 }, { "phi3.5-moe-instruct-42b", 41873153344 },
        { "minicpm3-4b", 4073875968 }, { "hunyuan-3-299b", 295033543488 }, /* without its layer that predicts */
        { "hunyuan-large-389b", 388701405440 },
        { "step3.5-flash-196b", 196956130368 }, /* without its layers that predict further tokens: 2428171008 */
        { "deepseek-v3.2-671b", 671026419200 + 61 * 13959424 }, /* DeepSeek-V3 and an indexer a layer */
        { "deepseek-v4-flash-284b", 284332230231 + 2337280 }, /* with biases of routers and experts of tokens */
        { "qwen3-next-80b-a3b", 79674391296 }, /* without the layer that predicts a further token */
    };
    (void)state;
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        ts_arch a;
        ts_arch_init(&a);
        OK(ts_preset_read(trials[i].name, &a));
        if (parameters(&a) != trials[i].n)
            fail_msg("%s has %lld parameters, published are %lld", trials[i].name, (long long)parameters(&a),
                     (long long)trials[i].n);
        ts_arch_deinit(&a);
    }
}

static void test_unknown(void **state)
{
    ts_arch a;
    (void)state;
    ts_arch_init(&a);
    REFUSED(ts_preset_read("llama9", &a), TS_ERR_USER, "--preset llama9: there is no such preset; `tessera plan --list-presets`");
    ts_arch_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_all), cmocka_unit_test(test_counts),
                                        cmocka_unit_test(test_unknown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
