/* Parts that answers have in common. */
#include "serve/request.h"

#include <string.h>

ts_status ts_request_part(ts_request *e, size_t text, const char **s, size_t *n)
{
    const ts_writing *x = &e->texts[text];
    ts_request_sent *sent = &e->sent[text];
    size_t upto = x->text.len;
    *s = ts_str_text(&x->text) + sent->text;
    if (e->has_tools && !x->is_ended) {
        upto = ts_tool_calls_none(ts_str_text(&x->text), x->text.len);
    } else if (e->has_tools && !sent->is_ended) {
        TS_TRY(ts_tool_calls_find(ts_str_text(&x->text), x->text.len, json_object_get(e->body, "tools"),
                                  &sent->calls));
        *s = ts_str_text(&sent->calls.content) + sent->text;
        upto = sent->calls.content.len;
    }
    const bool is_out = x->is_ended && sent->begun > sent->calls.n; /* it began as a call, is none in the end, and is sent */
    *n = upto > sent->text && !is_out ? upto - sent->text : 0;
    sent->text += *n;
    return TS_OK;
}

const char *ts_request_finish(const ts_request *e, size_t text)
{
    if (e->sent[text].calls.n || (e->sent[text].begun && e->texts[text].is_stopped))
        return "tool_calls";
    return e->texts[text].is_stopped ? "stop" : "length";
}

ts_status ts_request_usage(const ts_request *e, ts_str *out)
{
    const bool is_response = e->kind == TS_REQUEST_RESPONSE;
    size_t prompt = 0, answer = 0;
    int64_t reused = 0;
    for (size_t i = 0; i < e->n_prompts; i++)
        prompt += e->prompts[i].n;
    for (size_t i = 0; i < e->n; i++) {
        answer += e->texts[i].n;
        if (i % (size_t)e->settings.n == 0)
            reused += e->texts[i].reused;
    }
    return ts_str_printf(
        out, "{\"%s\": %zu, \"%s\": %zu, \"total_tokens\": %zu, \"%s\": {\"cached_tokens\": %lld}%s}",
        is_response ? "input_tokens" : "prompt_tokens", prompt,
        is_response ? "output_tokens" : "completion_tokens", answer, prompt + answer,
        is_response ? "input_tokens_details" : "prompt_tokens_details", (long long)reused,
        is_response ? ", \"output_tokens_details\": {\"reasoning_tokens\": 0}" : "");
}

/* "id": ..., "type": ..., "function": {"name": ...; ids follow from the request's. */
static ts_status begin_call(const ts_request *e, size_t text, size_t i, const char *name, ts_str *out)
{
    TS_TRY(ts_str_printf(out, "\"id\": \"call_%s%zu%zu\", \"type\": \"function\", \"function\": {\"name\": ",
                         strpbrk(e->id, "-_") + 1, text, i));
    TS_TRY(ts_str_json(out, name, strlen(name)));
    return ts_str_puts(out, ", ");
}

static ts_status end_call(const char *arguments, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "\"arguments\": "));
    TS_TRY(ts_str_json(out, arguments, strlen(arguments)));
    return ts_str_puts(out, "}}");
}

ts_status ts_request_calls(const ts_request *e, size_t text, ts_str *out)
{
    const ts_tool_calls *c = &e->sent[text].calls;
    TS_TRY(ts_str_puts(out, "["));
    for (size_t i = 0; i < c->n; i++) {
        TS_TRY(ts_str_puts(out, i ? ", {" : "{"));
        TS_TRY(begin_call(e, text, i, c->v[i].name, out));
        TS_TRY(end_call(c->v[i].arguments, out));
    }
    return ts_str_puts(out, "]");
}

/* What is new of call number i. */
static ts_status call_piece(ts_request *e, size_t text, size_t i, const ts_tool_call *c, ts_str *out)
{
    ts_request_sent *sent = &e->sent[text];
    const bool is_new = i == sent->begun;
    sent->arguments = is_new ? 0 : sent->arguments;
    const char *rest = c->arguments + sent->arguments;
    if (!is_new && !*rest)
        return TS_OK;
    TS_TRY(ts_str_printf(out, "%s{\"index\": %zu, ", out->len ? ", " : "", i));
    TS_TRY(is_new ? begin_call(e, text, i, c->name, out) : ts_str_puts(out, "\"function\": {"));
    sent->begun = i + 1;
    sent->arguments += strlen(rest);
    return end_call(rest, out);
}

ts_status ts_request_call_pieces(ts_request *e, size_t text, ts_str *out)
{
    const ts_writing *x = &e->texts[text];
    const ts_request_sent *sent = &e->sent[text];
    ts_tool_calls begun;
    if (!e->has_tools)
        return TS_OK;
    TS_TRY(ts_tool_calls_begun(ts_str_text(&x->text), x->text.len, json_object_get(e->body, "tools"), &begun));
    ts_status st = TS_OK;
    for (size_t i = sent->begun ? sent->begun - 1 : 0; i < begun.n && st == TS_OK; i++)
        st = call_piece(e, text, i, &begun.v[i], out);
    /* those that are known by their end alone */
    for (size_t i = begun.n > sent->begun ? begun.n : sent->begun; x->is_ended && i < sent->calls.n && st == TS_OK; i++)
        st = call_piece(e, text, i, &sent->calls.v[i], out);
    ts_tool_calls_deinit(&begun);
    return st;
}

/* ---- log-probabilities ---- */

/* Of what a token's text is behind another. */
static ts_status token_text(const ts_request *e, int32_t before, int32_t id, ts_str *text)
{
    ts_str_reset(text);
    return ts_wording_token(e->rules->wording, before, id, text);
}

static const char replacement[] = "\xEF\xBF\xBD"; /* of a token that is a part of a character */

/* The bytes of a token whose text is not all of it; of a special token its text. */
static ts_status token_bytes(const ts_request *e, int32_t id, ts_str *text)
{
    if (!text->len || !memmem(text->s, text->len, replacement, 3) ||
        id >= ts_tokenizer_vocab_size(e->rules->wording->tok->tok))
        return TS_OK;
    ts_str_reset(text);
    return ts_tokenizer_bytes(e->rules->wording->tok->tok, id, text);
}

/* "token": ..., "logprob": ..., "bytes": ...; text is used up. */
static ts_status add_token(const ts_request *e, ts_str *out, int32_t id, ts_str *text, double logprob)
{
    const char *s = ts_str_text(text);
    TS_TRY(ts_str_puts(out, "\"token\": "));
    TS_TRY(ts_str_json(out, s, text->len));
    TS_TRY(ts_str_puts(out, ", \"logprob\": "));
    TS_TRY(ts_str_json_real(out, logprob, 9));
    TS_TRY(ts_str_puts(out, ", \"bytes\": ["));
    TS_TRY(token_bytes(e, id, text));
    for (size_t i = 0; i < text->len; i++)
        TS_TRY(ts_str_printf(out, "%s%d", i ? ", " : "", (unsigned char)text->s[i]));
    return ts_str_puts(out, "]");
}

static ts_status add_choice(const ts_request *e, int32_t before, const ts_choice *c, ts_str *text,
                            ts_str *out)
{
    TS_TRY(token_text(e, before, c->id, text));
    TS_TRY(ts_str_puts(out, "{"));
    TS_TRY(add_token(e, out, c->id, text, c->logprob));
    TS_TRY(ts_str_puts(out, ", \"top_logprobs\": ["));
    for (int i = 0; i < c->n_top; i++) {
        TS_TRY(token_text(e, before, c->top[i].id, text));
        TS_TRY(ts_str_puts(out, i ? ", {" : "{"));
        TS_TRY(add_token(e, out, c->top[i].id, text, c->top[i].logprob));
        TS_TRY(ts_str_puts(out, "}"));
    }
    return ts_str_puts(out, "]}");
}

/* The token before number i of an answer. */
static int32_t before(const ts_request *e, size_t text, size_t i)
{
    const ts_ids *p = ts_request_prompt(e, text);
    return i ? e->texts[text].ids[i - 1] : p->v[p->n - 1];
}

ts_status ts_request_logprobs(const ts_request *e, size_t text, size_t from, ts_str *out)
{
    const ts_writing *x = &e->texts[text];
    ts_str one = { 0 };
    ts_status st = ts_str_puts(out, "{\"content\": [");
    for (size_t i = from; st == TS_OK && i < x->n; i++) {
        st = i > from ? ts_str_puts(out, ", ") : TS_OK;
        if (st == TS_OK)
            st = add_choice(e, before(e, text, i), &x->v[i], &one, out);
    }
    ts_str_deinit(&one);
    return st == TS_OK ? ts_str_puts(out, "], \"refusal\": null}") : st;
}

/* The four lists of a completion while they grow. */
typedef struct token_lists {
    ts_str tokens, logprobs, top, offsets, text, key;
    int64_t n, offset, begun; /* offset: in characters; begun: of them in `text` */
} token_lists;

static int64_t characters(const ts_str *s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->len; i++)
        n += ((unsigned char)s->s[i] & 0xC0) != 0x80;
    return n;
}

/* A token's text, or "bytes:\\xe2\\x80", as OpenAI tells a part of a character. */
static ts_status list_text(const ts_request *e, int32_t before_it, int32_t id, token_lists *l)
{
    TS_TRY(token_text(e, before_it, id, &l->text));
    const bool is_part = l->text.len && memmem(l->text.s, l->text.len, replacement, 3);
    TS_TRY(token_bytes(e, id, &l->text));
    l->begun = characters(&l->text);
    if (!is_part)
        return TS_OK;
    ts_str_reset(&l->key);
    TS_TRY(ts_str_puts(&l->key, "bytes:"));
    for (size_t i = 0; i < l->text.len; i++)
        TS_TRY(ts_str_printf(&l->key, "\\x%02x", (unsigned char)l->text.s[i]));
    ts_str_reset(&l->text);
    return ts_str_puts(&l->text, l->key.s);
}

static ts_status add_top(const ts_request *e, int32_t before_it, const ts_choice *c, token_lists *l)
{
    TS_TRY(ts_str_puts(&l->top, "{"));
    for (int i = 0; i < c->n_top; i++) {
        TS_TRY(list_text(e, before_it, c->top[i].id, l));
        TS_TRY(ts_str_puts(&l->top, i ? ", " : ""));
        TS_TRY(ts_str_json(&l->top, ts_str_text(&l->text), l->text.len));
        TS_TRY(ts_str_puts(&l->top, ": "));
        TS_TRY(ts_str_json_real(&l->top, c->top[i].logprob, 9));
    }
    return ts_str_puts(&l->top, "}");
}

/* has: there are log-probabilities, as the first token of a prompt has none. */
static ts_status add_to_lists(const ts_request *e, int32_t before_it, const ts_choice *c, bool has,
                              token_lists *l)
{
    const char *comma = l->n++ ? ", " : "";
    ts_str *const all[] = { &l->tokens, &l->logprobs, &l->top, &l->offsets };
    for (int i = 0; i < 4; i++)
        TS_TRY(ts_str_puts(all[i], comma));
    TS_TRY(list_text(e, before_it, c->id, l));
    TS_TRY(ts_str_json(&l->tokens, ts_str_text(&l->text), l->text.len));
    TS_TRY(ts_str_printf(&l->offsets, "%lld", (long long)l->offset));
    l->offset += l->begun;
    if (!has) {
        TS_TRY(ts_str_puts(&l->logprobs, "null"));
        return ts_str_puts(&l->top, "null");
    }
    TS_TRY(ts_str_json_real(&l->logprobs, c->logprob, 9));
    return e->settings.choice.top ? add_top(e, before_it, c, l) : ts_str_puts(&l->top, "null");
}

static ts_status fill_lists(const ts_request *e, size_t text, size_t from, token_lists *l)
{
    const ts_writing *x = &e->texts[text];
    const ts_ids *p = ts_request_prompt(e, text);
    const ts_prompt_scores *s = e->scores ? &e->scores[text / (size_t)e->settings.n] : NULL;
    for (size_t i = 0; s && from == 0 && i < p->n; i++)
        TS_TRY(add_to_lists(e, i ? p->v[i - 1] : -1, &s->v[i], i > 0, l));
    for (size_t i = from; i < x->n; i++)
        TS_TRY(add_to_lists(e, before(e, text, i), &x->v[i], true, l));
    return TS_OK;
}

ts_status ts_request_token_lists(const ts_request *e, size_t text, size_t from, ts_str *out)
{
    token_lists l = { 0 };
    ts_status st = fill_lists(e, text, from, &l);
    if (st == TS_OK)
        st = ts_str_printf(out, "{\"tokens\": [%s], \"token_logprobs\": [%s], \"top_logprobs\": ",
                           ts_str_text(&l.tokens), ts_str_text(&l.logprobs));
    if (st == TS_OK)
        st = e->settings.choice.top ? ts_str_printf(out, "[%s]", ts_str_text(&l.top))
                                    : ts_str_puts(out, "null");
    if (st == TS_OK)
        st = ts_str_printf(out, ", \"text_offset\": [%s]}", ts_str_text(&l.offsets));
    ts_str *const all[] = { &l.tokens, &l.logprobs, &l.top, &l.offsets, &l.text, &l.key };
    for (int i = 0; i < 6; i++)
        ts_str_deinit(all[i]);
    return st;
}

ts_status ts_request_echo(const ts_request *e, size_t text, ts_str *out)
{
    const size_t i = text / (size_t)e->settings.n;
    const json_t *p = json_object_get(e->body, "prompt"), *one = json_is_array(p) ? json_array_get(p, i) : p;
    if (!e->echoes)
        return TS_OK;
    if (json_is_string(one))
        return ts_str_add(out, json_string_value(one), json_string_length(one));
    return ts_tokenizer_decode(e->rules->wording->tok->tok, e->prompts[i].v, e->prompts[i].n, false, out);
}
