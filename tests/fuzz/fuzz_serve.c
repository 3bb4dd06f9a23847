/* Bodies of HTTP requests, up to where the model is asked, and answers to them, whole and in pieces. A key
 * "answer" is what the model writes. */
#include "api/lm_chat.h"
#include "fuzz.h"
#include "json_mutate.h"
#include "serve/request.h"

enum { VOCAB = 600 };

/* A tokenizer and a template without a model. */
static ts_request_rules *rules(void)
{
    static ts_decoder decoder;
    static ts_lm lm;
    static ts_wording wording;
    static ts_request_rules r;
    static ts_lm_chat_options chat;
    if (r.wording)
        return &r;
    const ts_text_options o = { .type = "PretrainedFromHF", .name_or_path = FUZZ_GOLDEN "/text/byte_level" };
    decoder.arch.vocab = VOCAB;
    lm.model.decoder = &decoder;
    static char folder[] = FUZZ_GOLDEN "/chat";
    lm.model.folder = folder;
    chat.style.chat_template = FUZZ_GOLDEN "/chat/tools.jinja";
    if (ts_text_tokenizer_open(&o, &lm.tok) != TS_OK)
        abort();
    lm.has_tok = true;
    if (ts_wording_open(&lm, &chat, &wording) != TS_OK ||
        ts_token_list_create(lm.tok.tok, VOCAB, &lm.tokens) != TS_OK)
        abort();
    r = (ts_request_rules){ .wording = &wording,
                            .tokens = lm.tokens,
                            .model = "m",
                            .max_length = 4096,
                            .defaults = { .gen = { .num_beams = 1,
                                                   .sampling = { .temperature = 1,
                                                                 .top_p = 1,
                                                                 .keep = 1,
                                                                 .repetition_penalty = 1 } },
                                          .max_new = -1,
                                          .vocab = VOCAB } };
    return &r;
}

static void check_json(const char *s, size_t n)
{
    json_t *v = NULL;
    if (ts_json_parse(s, n, "an answer", &v) != TS_OK)
        abort();
    json_decref(v);
}

/* Every event of a stream is JSON. */
static void check_events(const ts_str *out)
{
    static const char data[] = "data: ", done[] = "[DONE]";
    for (const char *line = ts_str_text(out), *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end)
            abort();
        if (!strncmp(line, data, strlen(data)) && strncmp(line + strlen(data), done, strlen(done)) != 0)
            check_json(line + strlen(data), (size_t)(end - line) - strlen(data));
    }
}

/* All texts are this one, of as many tokens as it has bytes. */
static void write_texts(ts_request *e, const char *text, size_t n)
{
    for (size_t i = 0; i < e->n; i++) {
        ts_writing *x = &e->texts[i];
        x->is_ended = x->is_stopped = true;
        if (ts_str_add(&x->text, text, n) != TS_OK || ts_alloc(&x->ids, n + 1, sizeof *x->ids) != TS_OK ||
            ts_alloc(&x->v, n + 1, sizeof *x->v) != TS_OK)
            abort();
        x->n = e->settings.max_new == 0 ? 0 : n;
        for (size_t k = 0; k < n; k++)
            x->v[k].id = x->ids[k] = (unsigned char)text[k];
    }
}

static void answer(ts_request *e, const char *text, size_t n)
{
    enum { MOST = 300 };
    ts_str out = { 0 };
    for (size_t i = 0; i < e->n_prompts; i++)
        for (size_t k = 0; k < e->prompts[i].n; k++)
            if (e->prompts[i].v[k] < 0 || e->prompts[i].v[k] >= VOCAB)
                abort();
    write_texts(e, text, n < MOST ? n : ts_utf8_check(text, MOST));
    if ((e->settings.streams ? ts_request_news : ts_request_whole)(e, &out) != TS_OK)
        abort();
    if (e->settings.streams)
        check_events(&out);
    else
        check_json(ts_str_text(&out), out.len);
    ts_str_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ts_request_kind kinds[] = { TS_REQUEST_CHAT, TS_REQUEST_COMPLETION, TS_REQUEST_RESPONSE };
    for (int k = 0; k < 3; k++) {
        ts_refusal r = { 0 };
        ts_request *e = NULL;
        json_t *body = NULL;
        if (ts_json_parse((const char *)data, size, "the body", &body) != TS_OK || !json_is_object(body)) {
            json_decref(body);
            return 0;
        }
        json_t *text = json_incref(json_object_get(body, "answer"));
        const ts_status st = ts_request_create(rules(), kinds[k], body, &r, &e);
        if (st == TS_OK)
            answer(e, json_is_string(text) ? json_string_value(text) : "", json_string_length(text));
        else if (!*ts_error_message() || ts_refusal_status(&r, st) < 400)
            abort();
        ts_request_destroy(&e);
        json_decref(text);
    }
    return 0;
}

#define TOOLS                                                                                                             \
    "[{\"type\": \"function\", \"function\": {\"name\": \"add\", \"parameters\": {\"type\": \"object\", \"properties\": " \
    "{\"a\": {\"type\": \"integer\"}}}}}]"
const fuzz_row fuzz_rows[] = {
    { "answer",
      "[\"a\", \"<tool_call>{\\\"name\\\": \\\"add\\\", \\\"arguments\\\": {}}</tool_call>\", \"{\\\"name\\\": \\\"add\\\", "
      "\\\"parameters\\\": {}}\"]",
      NULL },
    { "messages",
      "[[{\"role\": \"user\", \"content\": \"a\"}], [], [{\"role\": \"tool\", \"content\": \"a\", \"tool_call_id\": \"x\"}]]",
      NULL },
    { "role", "[\"user\", \"assistant\", \"system\", \"developer\", \"tool\"]", NULL },
    { "content", "[\"a\", null, [{\"type\": \"text\", \"text\": \"b\"}], [{\"type\": \"image_url\"}]]",
      NULL },
    { "tool_calls", "[[{\"function\": {\"name\": \"add\", \"arguments\": \"{}\"}}], [{}]]", NULL },
    { "tools", "[" TOOLS ", [], [{\"type\": \"function\", \"name\": \"add\", \"parameters\": {}}]]", NULL },
    { "tool_choice",
      "[\"auto\", \"none\", \"required\", {\"type\": \"function\", \"function\": {\"name\": \"add\"}}]",
      NULL },
    { "prompt", "[\"a\", [\"a\", \"b\"], [1, 2], [[1], [2, 3]], []]", NULL },
    { "input",
      "[\"a\", [{\"role\": \"user\", \"content\": \"a\"}], [{\"type\": \"function_call\", \"name\": \"add\", \"arguments\": "
      "\"{}\", \"call_id\": \"x\"}, {\"type\": \"function_call_output\", \"output\": \"1\"}]]",
      NULL },
    { "instructions", "[\"a\", null]", NULL },
    { "max_tokens", "[0, 1, 16, 100000]", NULL },
    { "temperature", "[0, 1, 2.5, -1]", NULL },
    { "top_p", "[0, 0.5, 1]", NULL },
    { "seed", "[0, -1, 9223372036854775807]", NULL },
    { "n", "[1, 2, 128, 0]", NULL },
    { "stop", "[\"a\", [\"a\", \"b\"], \"\"]", NULL },
    { "stream", "[true, false]", NULL },
    { "stream_options", "[{\"include_usage\": true}]", NULL },
    { "logprobs", "[true, 0, 2, 20]", NULL },
    { "top_logprobs", "[0, 20]", NULL },
    { "echo", "[true]", NULL },
    { "logit_bias", "[{\"1\": 5}, {\"x\": 1}]", NULL },
    { "response_format",
      "[{\"type\": \"text\"}, {\"type\": \"json_object\"}, {\"type\": \"json_schema\", \"json_schema\": {\"schema\": "
      "{\"type\": \"object\", \"properties\": {\"a\": {\"enum\": [1, \"b\"]}}}}}]",
      NULL },
    { "text", "[{\"format\": {\"type\": \"json_object\"}}]", NULL },
    { "grammar", "[\"root ::= [a-z]+\", \"root ::= root\"]", NULL },
    { "chat_template_kwargs", "[{\"enable_thinking\": false}]", NULL },
    { NULL, NULL, NULL },
};
const char *const fuzz_kinds = NULL;
fuzz_hook *const fuzz_hooks[] = { NULL };
