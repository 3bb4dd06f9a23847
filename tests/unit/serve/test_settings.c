/* Settings of requests: what is read, what is refused and by which field's name. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "serve/settings.h"

#include <string.h>

static const ts_settings_defaults defaults = {
    .gen = { .num_beams = 1, .sampling = { .temperature = 0.5, .top_k = 50, .top_p = 1, .repetition_penalty = 1, .keep = 1,
                                           .eos = { 2 }, .n_eos = 1 } },
    .max_new = -1,
    .vocab = 100,
};

static ts_status read(const char *text, const ts_settings_defaults *d, json_t **body, ts_settings *s, ts_refusal *r)
{
    *r = (ts_refusal){ 0 };
    OK(ts_json_parse(text, strlen(text), "body", body));
    return ts_settings_read(*body, d, s, r);
}

static void test_read(void **state)
{
    (void)state;
    ts_settings s;
    ts_refusal r;
    json_t *b;
    /* nothing said: OpenAI's temperature 1 of all tokens */
    OK(read("{}", &defaults, &b, &s, &r));
    assert_true(s.choice.sampling.do_sample && s.choice.sampling.temperature == 1 && s.choice.sampling.top_k == 0);
    assert_true(!s.has_seed && s.max_new == -1 && s.n == 1 && !s.streams && !s.choice.logprobs);
    json_decref(b);
    /* a folder that samples decides; 0 is greedy */
    ts_settings_defaults sampling = defaults;
    sampling.gen.sampling.do_sample = true;
    OK(read("{\"top_p\": 0.25, \"top_k\": -1}", &sampling, &b, &s, &r));
    assert_true(s.choice.sampling.temperature == 0.5 && s.choice.sampling.top_p == 0.25 && s.choice.sampling.top_k == 0);
    json_decref(b);
    OK(read("{\"temperature\": 0}", &sampling, &b, &s, &r));
    assert_false(s.choice.sampling.do_sample);
    json_decref(b);
    OK(read("{\"temperature\": 0.5, \"seed\": -3, \"stop\": [\"a\", \"b\"], \"n\": 2, \"max_completion_tokens\": 7, \"stream\": true, "
            "\"stream_options\": {\"include_usage\": true}, \"logprobs\": true, \"top_logprobs\": 3, \"presence_penalty\": 1, "
            "\"frequency_penalty\": -1, \"logit_bias\": {\"5\": -100, \"7\": 2.5}, \"ignore_eos\": true, \"user\": \"x\", "
            "\"response_format\": {\"type\": \"text\"}, \"top_k\": null}",
            &defaults, &b, &s, &r));
    assert_true(s.has_seed && s.choice.sampling.seed == (uint64_t)-3 && s.n_stop == 2 && !strcmp(s.stop[1], "b") && s.n == 2);
    assert_true(s.max_new == 7 && s.streams && s.wants_usage && s.choice.logprobs && s.choice.top == 3);
    assert_true(s.choice.presence == 1 && s.choice.frequency == -1 && s.choice.n_bias == 2 && s.choice.sampling.n_eos == 0);
    assert_true(s.choice.bias[1].id == 7 && s.choice.bias[1].add == 2.5f);
    ts_settings_deinit(&s);
    json_decref(b);
    OK(read("{\"logprobs\": 4, \"stop\": \"x\"}", &defaults, &b, &s, &r));
    assert_true(s.choice.logprobs && s.choice.top == 4 && s.n_stop == 1);
    json_decref(b);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param;
    } bad[] = {
        { "{\"temperature\": -0.1}", "temperature" },   { "{\"temperature\": \"hot\"}", "temperature" },
        { "{\"temperature\": 1e-9}", "temperature" },   { "{\"top_p\": 1.5}", "top_p" },
        { "{\"top_k\": -2}", "top_k" },                 { "{\"min_p\": 2}", "min_p" },
        { "{\"n\": 0}", "n" },                          { "{\"n\": 1.5}", "n" },
        { "{\"max_tokens\": -1}", "max_tokens" },       { "{\"max_tokens\": 99999999999}", "max_tokens" },
        { "{\"seed\": 1.5}", "seed" },                  { "{\"stop\": \"\"}", "stop" },
        { "{\"stop\": [1]}", "stop" },                  { "{\"stop\": \"a\\u0000b\"}", "stop" },
        { "{\"logprobs\": 21}", "logprobs" },           { "{\"logprobs\": \"x\"}", "logprobs" },
        { "{\"top_logprobs\": 2}", "top_logprobs" },    { "{\"logit_bias\": [1]}", "logit_bias" },
        { "{\"logit_bias\": {\"100\": 1}}", "logit_bias" }, { "{\"logit_bias\": {\"-1\": 1}}", "logit_bias" },
        { "{\"logit_bias\": {\"5x\": 1}}", "logit_bias" },  { "{\"logit_bias\": {\"5\": 101}}", "logit_bias" },
        { "{\"logit_bias\": {\"5\": \"1\"}}", "logit_bias" }, { "{\"stream\": 1}", "stream" },
        { "{\"stream_options\": {}}", "stream_options" },   { "{\"stream\": true, \"stream_options\": 3}", "stream_options" },
        { "{\"response_format\": {\"type\": \"json_object\"}}", "response_format" }, { "{\"response_format\": 3}", "response_format" },
        { "{\"presence_penalty\": 2.1}", "presence_penalty" }, { "{\"frequency_penalty\": null, \"min_tokens\": -1}", "min_tokens" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ts_settings s;
        ts_refusal r;
        json_t *b;
        assert_int_equal(read(bad[i].body, &defaults, &b, &s, &r), TS_ERR_USER);
        if (r.http != 400 || !r.param || strcmp(r.param, bad[i].param) != 0 || !strstr(ts_error_message(), bad[i].param))
            fail_msg("%s: http %d, %s: %s", bad[i].body, r.http, r.param ? r.param : "", ts_error_message());
        json_decref(b);
    }
}

/* What a request's answers must fit, and texts of tokens that do and do not. */
static void test_format(void **state)
{
    static const struct {
        const char *body, *good, *bad;
    } cases[] = {
        { "{\"response_format\": {\"type\": \"json_object\"}}", "{\"a\": [1]}", "[1]" },
        { "{\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\", \"schema\": {\"type\": \"boolean\"}}}}", "true", "1" },
        { "{\"response_format\": {\"type\": \"json_object\", \"schema\": {\"const\": 7}}}", "7", "{}" },
        { "{\"text\": {\"format\": {\"type\": \"json_schema\", \"name\": \"n\", \"schema\": {\"type\": \"null\"}}}}", "null", "{}" },
        { "{\"json_schema\": {\"enum\": [\"x\"]}}", "\"x\"", "x" },
        { "{\"grammar\": \"root ::= [ab]+\"}", "abba", "abc" },
        { "{\"structured_outputs\": {\"choice\": [\"a.b\", \"(c)\"]}}", "(c)", "axb" },
        { "{\"structured_outputs\": {\"regex\": \"x\\\\d\"}}", "x1", "xx" },
    };
    static const char *const wrong[] = {
        "{\"response_format\": {\"type\": \"xml\"}}", "{\"response_format\": {\"type\": \"json_schema\"}}",
        "{\"json_schema\": {\"not\": {}}}", "{\"grammar\": \"root ::= (\"}", "{\"grammar\": \"root ::= [a]\", \"json_schema\": {}}",
        "{\"structured_outputs\": {}}", "{\"structured_outputs\": {\"regex\": \"(\"}}",
    };
    ts_tokenizer *tok;
    ts_settings_defaults d = defaults;
    ts_token_list *list;
    (void)state;
    OK(ts_tokenizer_open("tests/golden/text/byte_level", NULL, &tok));
    OK(ts_token_list_create(tok, ts_tokenizer_vocab_size(tok), &list));
    d.tokens = list;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ts_settings s;
        ts_refusal r;
        json_t *b;
        OK(read(cases[i].body, &d, &b, &s, &r));
        ts_grammar *g = ts_constraint_grammar(s.choice.constraint);
        for (int k = 0; k < 2; k++) {
            int32_t at = ts_grammar_start(g);
            for (const char *c = k ? cases[i].bad : cases[i].good; *c && at != TS_GRAMMAR_DEAD; c++)
                OK(ts_grammar_step(g, at, (unsigned char)*c, &at));
            if ((at != TS_GRAMMAR_DEAD && ts_grammar_may_end(g, at)) == k)
                fail_msg("%s: \"%s\" should %sfit", cases[i].body, k ? cases[i].bad : cases[i].good, k ? "not " : "");
        }
        ts_settings_deinit(&s);
        json_decref(b);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ts_settings s;
        ts_refusal r;
        json_t *b;
        if (read(wrong[i], &d, &b, &s, &r) != TS_ERR_USER || r.http != 400 || !r.param)
            fail_msg("%s: is taken", wrong[i]);
        json_decref(b);
    }
    ts_token_list_destroy(&list);
    ts_tokenizer_destroy(&tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_read), cmocka_unit_test(test_refused), cmocka_unit_test(test_format) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
