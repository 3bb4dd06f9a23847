/* Prompt templates over conversations in OpenAI's form: what the goldens of MindSpeed LLM's own code do not say. */
#include "text/prompt/prompt.h"

#include "../cmocka_all.h"
#include "../temp.h"

#include <string.h>

static ts_text_tokenizer tok;

static void open_tokenizer(void)
{
    const ts_text_options o = { .type = "PretrainedFromHF", .name_or_path = "tests/golden/prompts/bytes" };
    OK(ts_text_tokenizer_open(&o, &tok));
}

/* The text of tokens, those with labels between < and >. A label that is not the id at its place is shown itself. */
static void show(const ts_chat_tokens *t, ts_str *out)
{
    bool on = false;
    ts_str_reset(out);
    assert_int_equal(t->ids.n, t->labels.n);
    for (size_t i = 0; i < t->ids.n; i++) {
        const int32_t label = t->labels.v[i];
        if ((label != -100) != on)
            OK(ts_str_puts(out, on ? "»" : "«"));
        on = label != -100;
        if (on && label != t->ids.v[i])
            OK(ts_str_printf(out, "[%s]", ts_tokenizer_id_token(tok.tok, label)));
        OK(ts_tokenizer_decode(tok.tok, &t->ids.v[i], 1, false, out));
    }
    OK(ts_str_puts(out, on ? "»" : ""));
}

static void encode(const char *type, int thinking, ts_chat_train train, const char *text, ts_str *out)
{
    const ts_prompt_options o = { .type = type, .thinking = thinking };
    ts_chat_encoder *e;
    ts_chat_tokens tokens = { 0 };
    void *work;
    json_t *c;
    OK(ts_json_parse(text, strlen(text), "conversation", &c));
    OK(ts_prompt_encoder_create(&o, &tok, &e));
    OK(e->begin(e, &work));
    if (e->encode(e, work, c, train, &tokens) == TS_OK)
        show(&tokens, out);
    else {
        ts_str_reset(out);
        OK(ts_str_printf(out, "error: %s", ts_error_message()));
    }
    e->end(e, &work);
    ts_chat_encoder_destroy(&e);
    ts_chat_tokens_deinit(&tokens);
    json_decref(c);
}

#define TALK                                                                                                 \
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Ho\"%s},"   \
    "{\"role\":\"user\",\"content\":\"So\"},{\"role\":\"assistant\",\"content\":\"No\"}]}"

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *type, *weight;
        ts_chat_train train;
        const char *want;
    } cases[] = {
        { "default", "", TS_CHAT_ANSWERS, "Human: Hi\nAssistant:«Ho</s>»\nHuman: So\nAssistant:«No</s>»" },
        { "default", "", TS_CHAT_LAST_ANSWER, "Human: Hi\nAssistant:Ho</s>\nHuman: So\nAssistant:«No</s>»" },
        { "default", "", TS_CHAT_PREFERENCE, "Human: Hi\nAssistant:Ho</s>\nHuman: So\nAssistant:«No</s>»" },
        { "default", ",\"weight\":0", TS_CHAT_ANSWERS,
          "Human: Hi\nAssistant:Ho</s>\nHuman: So\nAssistant:«No</s>»" },
        { "baichuan2", "", TS_CHAT_ANSWERS,
          "<reserved_106>Hi<reserved_107>«Ho[</s>]<»reserved_106>So<reserved_107>«No</s>»" },
        { "baichuan2", "", TS_CHAT_LAST_ANSWER,
          "<reserved_106>Hi<reserved_107>Ho<reserved_106>So<reserved_107>«No</s>»" },
        { "baichuan2", "", TS_CHAT_PREFERENCE,
          "<reserved_106>Hi<reserved_107>Ho<reserved_106>So<reserved_107>«No</s>»" },
        { "baichuan2", ",\"weight\":0", TS_CHAT_ANSWERS,
          "<reserved_106>Hi<reserved_107>Ho<reserved_106>So<reserved_107>«No</s>»" },
    };
    ts_str got = { 0 };
    char text[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, TALK, cases[i].weight);
        encode(cases[i].type, TS_PROMPT_THINKING_NONE, cases[i].train, text, &got);
        assert_string_equal(got.s, cases[i].want);
    }
    ts_str_deinit(&got);
}

/* Thoughts of their own field; calls in OpenAI's form, several at once, and their results. */
static void thoughts_and_calls(void **state)
{
    (void)state;
    static const char thinks[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Ho\","
        "\"reasoning_content\":\"hm\"}]}";
    static const char calls[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
        "{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 0.1}\"}},{\"function\":{\"name\":\"g\",\"arguments\":{}}}]},"
        "{\"role\":\"tool\",\"content\":\"one\"},{\"role\":\"tool\",\"content\":\"two\"},"
        "{\"role\":\"assistant\",\"content\":\"Ho\"}]}";
    static const char beside[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"I ask.\","
        "\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{}}}]},"
        "{\"role\":\"tool\",\"content\":\"one\"},{\"role\":\"assistant\",\"content\":\"Ho\"}]}";
    ts_str got = { 0 };
    encode("qwen3", TS_PROMPT_THINKING_TRUE, TS_CHAT_ANSWERS, thinks, &got);
    assert_string_equal(got.s, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
                               "«<think>\nhm\n</think>\n\nHo<|im_end|>\n»");
    encode("qwen3", TS_PROMPT_THINKING_FALSE, TS_CHAT_ANSWERS, thinks, &got);
    assert_string_equal(got.s,
                        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
                        "«Ho<|im_end|>\n»");
    encode("qwen3", TS_PROMPT_THINKING_TRUE, TS_CHAT_LAST_ANSWER, calls, &got);
    assert_string_equal(
        got.s,
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 0.1}}\n</tool_call>\n"
        "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call><|im_end|>\n"
        "<|im_start|>user\n<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n«<think>\n\n</think>\n\nHo<|im_end|>\n»");
    encode("bailing_mini", TS_PROMPT_THINKING_NONE, TS_CHAT_LAST_ANSWER, beside, &got);
    assert_string_equal(got.s, "<role>HUMAN</role>Hi<|role_end|><role>ASSISTANT</role>I ask.\n<tool_call>\n"
                               "{\"name\": \"f\", \"arguments\": {}}\n</tool_call><|role_end|><role>OBSERVATION</role>\n"
                               "<tool_response>\none\n</tool_response><|role_end|><role>ASSISTANT</role>«Ho<|role_end|><|im_end|>»" /* the end of qwen3, above */);
    encode("qwen", TS_PROMPT_THINKING_NONE, TS_CHAT_ANSWERS, beside, &got);
    assert_string_equal(got.s, "error: a text beside a call: template qwen writes the call alone");
    encode("qwen", TS_PROMPT_THINKING_NONE, TS_CHAT_ANSWERS, calls, &got);
    assert_string_equal(got.s, "error: 2 calls in one message: template qwen writes one");
    ts_str_deinit(&got);
}

/* What a template must not lose, and what is no conversation. */
static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "{}", "\"messages\": expected a list" },
        { "{\"messages\":[]}", "the last message must be the assistant's answer" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
          "the last message must be the assistant's answer" },
        { "{\"messages\":[{\"role\":\"assistant\",\"content\":\"Hi\"}]}",
          "message 1: expected one of the user" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"user\",\"content\":\"Hi\"}]}",
          "message 2: expected an answer" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":[]}]}", "message 1: \"content\": expected a text" },
        { "{\"messages\":[{\"content\":\"\"}]}", "message 1: \"role\": no text: expected system, user" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Hi\"}],\"tools\":{}}",
          "tools: expected a list" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"tool_calls\":[{}]}]}",
          "a call of a tool needs \"name\"" },
    };
    ts_str got = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        encode("qwen3", TS_PROMPT_THINKING_NONE, TS_CHAT_ANSWERS, cases[i].text, &got);
        if (strncmp(got.s, "error: ", 7) || !strstr(got.s, cases[i].why))
            fail_msg("%s: %s, expected %s", cases[i].text, got.s, cases[i].why);
    }
    ts_str_deinit(&got);
}

/* The prompt of an answer that is still to be written, and what ends it. */
static void generation(void **state)
{
    (void)state;
    const ts_prompt_options o = { .type = "chatml" };
    ts_prompt_template *p;
    ts_prompt_work *w;
    ts_prompt_pair v;
    ts_prompt_talk t = { .system = { "Be kind.", 8 } };
    ts_str got = { 0 };
    size_t n;
    ts_text_tokenizer_close(&tok); /* as it comes, without pad */
    open_tokenizer();
    OK(ts_prompt_open(&o, &tok, &p));
    OK(ts_prompt_work_create(p, &w));
    OK(ts_prompt_talk_add(&t, TS_PROMPT_USER, "Hi", 2));
    OK(ts_prompt_talk_add(&t, TS_PROMPT_ASSISTANT, "", 0));
    OK(ts_prompt_encode_last(p, w, &t, &v));
    OK(ts_tokenizer_decode(tok.tok, v.source, v.n_source, false, &got));
    assert_string_equal(
        got.s,
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    const int32_t *stops = ts_prompt_stops(p, &n);
    assert_int_equal(n, 2);
    assert_int_equal(stops[0], ts_tokenizer_token_id(tok.tok, "<|im_end|>"));
    assert_int_equal(stops[1], ts_tokenizer_token_id(tok.tok, "<|im_start|>"));
    assert_int_equal(tok.eod, stops[0]);
    assert_int_equal(tok.pad, stops[0]);
    ts_prompt_talk_deinit(&t);
    ts_prompt_work_destroy(&w);
    ts_prompt_close(&p);
    ts_str_deinit(&got);
}

/* A stop word that is no token becomes one, found in texts from then on. */
static void new_tokens(void **state)
{
    (void)state;
    ts_tokenizer_scratch *scratch;
    ts_ids ids = { 0 };
    int32_t id, again;
    const int64_t size = ts_tokenizer_vocab_size(tok.tok);
    OK(ts_tokenizer_add(tok.tok, "<|new|>", true, &id));
    OK(ts_tokenizer_add(tok.tok, "<|new|>", true, &again));
    assert_int_equal(id, size);
    assert_int_equal(again, size);
    assert_int_equal(ts_tokenizer_vocab_size(tok.tok), size + 1);
    assert_true(ts_tokenizer_is_special(tok.tok, id));
    OK(ts_tokenizer_scratch_create(tok.tok, &scratch));
    OK(ts_tokenizer_encode(tok.tok, scratch, "<s><|new|><s>", 13, false, &ids));
    assert_int_equal(ids.n, 3);
    assert_int_equal(ids.v[1], id);
    assert_int_equal(ids.v[0], ts_tokenizer_bos(tok.tok));
    ts_tokenizer_scratch_destroy(&scratch);
    ts_ids_deinit(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),    cmocka_unit_test(thoughts_and_calls), cmocka_unit_test(refused),
        cmocka_unit_test(generation), cmocka_unit_test(new_tokens),
    };
    open_tokenizer();
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ts_text_tokenizer_close(&tok);
    return failed;
}
