/* Which setting counts: option, generation_config.json, default. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "infer/gen_config.h"

#include <string.h>

typedef struct setup {
    temp t;
    ts_gen_options o;
    ts_option_set *set;
    ts_arch arch;
} setup;

static int begin(void **state)
{
    static setup s;
    s = (setup){ 0 };
    temp_make(&s.t);
    ts_arch_init(&s.arch);
    s.arch.n_eos = 1;
    s.arch.eos[0] = 2;
    *state = &s;
    return 0;
}

static int end(void **state)
{
    setup *s = *state;
    temp_remove(&s->t);
    ts_arch_deinit(&s->arch);
    return 0;
}

/* Up to six words of options, and the file (NULL: none). */
static ts_status resolve(setup *s, const char *file, const char *words, ts_gen_config *c)
{
    char text[256], *argv[12], *save = NULL;
    int argc = 0;
    const ts_option_table table = { ts_gen_option_rows, ts_gen_option_count, &s->o };
    s->o = (ts_gen_options){ 0 };
    if (file)
        temp_write(&s->t, "generation_config.json", file, strlen(file));
    snprintf(text, sizeof text, "%s", words);
    for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    OK(ts_option_set_create(&table, 1, &s->set));
    OK(ts_option_parse(s->set, argc, argv));
    OK(ts_option_finish(s->set));
    const ts_status st = ts_gen_config_resolve(&s->o, s->set, s->t.dir, &s->arch, c);
    ts_option_set_destroy(&s->set);
    return st;
}

static void test_defaults(void **state)
{
    ts_gen_config c;
    OK(resolve(*state, NULL, "", &c));
    assert_false(c.sampling.do_sample);
    assert_int_equal(c.max_new_tokens, 128);
    assert_int_equal(c.sampling.top_k, 50);
    assert_int_equal(c.sampling.n_eos, 1);
    assert_int_equal(c.sampling.eos[0], 2);
    assert_int_equal(c.num_beams, 1);
}

static void test_file(void **state)
{
    static const char file[] =
        "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.9, \"top_k\": null,"
        " \"eos_token_id\": [7, 9], \"max_length\": 100, \"num_beams\": 4}";
    ts_gen_config c;
    OK(resolve(*state, file, "", &c));
    assert_true(c.sampling.do_sample);
    assert_true(c.sampling.temperature == 0.6 && c.sampling.top_p == 0.9);
    assert_int_equal(c.sampling.top_k, 50);
    assert_int_equal(c.sampling.n_eos, 2);
    assert_int_equal(c.sampling.eos[1], 9);
    assert_int_equal(c.max_length, 100);
    assert_int_equal(c.max_new_tokens, 0);
    assert_int_equal(c.num_beams, 4);
    OK(resolve(*state, NULL, "--greedy --max-new-tokens 5 --ignore-eos", &c));
    assert_false(c.sampling.do_sample);
    assert_int_equal(c.num_beams, 1);
    assert_int_equal(c.max_new_tokens, 5);
    assert_int_equal(c.max_length, 0);
    assert_int_equal(c.sampling.n_eos, 0);
    OK(resolve(*state, NULL, "--temperature 2 --top-k 0 --num-beams 1", &c));
    assert_true(c.sampling.do_sample && c.sampling.temperature == 2);
    assert_int_equal(c.sampling.top_k, 0);
}

static void test_refused(void **state)
{
    setup *s = *state;
    ts_gen_config c;
    REFUSED(resolve(s, NULL, "--greedy --do-sample", &c), TS_ERR_USER, "--greedy and --do-sample");
    REFUSED(resolve(s, NULL, "--do-sample --temperature 0", &c), TS_ERR_USER, "--temperature 0");
    REFUSED(resolve(s, NULL, "--do-sample --temperature 1e-50", &c), TS_ERR_USER,
            "--temperature 1e-50");
    REFUSED(resolve(s, "{\"temperature\": 1e300}", "", &c), TS_ERR_USER, "1e+300");
    REFUSED(resolve(s, "{\"repetition_penalty\": 1e300}", "", &c), TS_ERR_USER, "1e+300");
    REFUSED(resolve(s, "{\"length_penalty\": -1e300}", "", &c), TS_ERR_USER, "-1e+300");
    OK(resolve(s, "{}", "", &c));
    REFUSED(resolve(s, NULL, "--num-beams 2 --stop x", &c), TS_ERR_USER, "--stop");
    REFUSED(resolve(s, NULL, "--num-beams 2 --greedy", &c), TS_ERR_USER, "--num-beams 2");
    REFUSED(resolve(s, "[]", "", &c), TS_ERR_USER, "object");
    REFUSED(resolve(s, "{\"eos_token_id\": [1, \"x\"]}", "", &c), TS_ERR_USER, "eos_token_id");
    REFUSED(resolve(s, "{\"eos_token_id\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}", "", &c), TS_ERR_USER,
            "more than 8");
    REFUSED(resolve(s, "{\"top_p\": 1.5}", "", &c), TS_ERR_USER, "top_p");
    REFUSED(resolve(s, "{\"num_beams\": 0}", "", &c), TS_ERR_USER, "num_beams");
    REFUSED(resolve(s, "{\"early_stopping\": 3}", "", &c), TS_ERR_USER, "early_stopping");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, begin, end),
        cmocka_unit_test_setup_teardown(test_file, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
    };
    return cmocka_run_group_tests_name("infer config", tests, NULL, NULL);
}
