/* Handlers of older corpora, whose texts have no template, and of process rewards. */
#include "data/handlers/inside.h"

#include "text/unicode.h"

#include <string.h>

/* The text of field i, which must be there. */
static ts_status text_of(const ts_handler *h, const ts_handler_work *w, size_t i, ts_prompt_text *out)
{
    const ts_json_field *f = &w->fields.v[i];
    *out = (ts_prompt_text){ f->s, f->n };
    return f->kind == TS_JSON_TEXT ? TS_OK : ts_error(TS_ERR_USER, "%s: expected a text", h->read[i]);
}

static ts_status texts_of(const ts_handler *h, const ts_handler_work *w, size_t n, ts_prompt_text *out)
{
    for (size_t i = 0; i < n; i++)
        TS_TRY(text_of(h, w, i, &out[i]));
    return TS_OK;
}

static ts_status put(ts_str *s, ts_prompt_text t) { return ts_str_add(s, t.s, t.n); }

static bool is_blank(const char *s, size_t n)
{
    const int len = ts_utf8_len(s, n);
    return len && ts_char_is_space(ts_utf8_decode(s, len));
}

/* Without blanks at its ends, as Python's strip(). */
static ts_prompt_text strip(ts_prompt_text t)
{
    for (int len; t.n && is_blank(t.s, t.n); t.s += len, t.n -= (size_t)len)
        len = ts_utf8_len(t.s, t.n);
    while (t.n) {
        size_t at = t.n - 1;
        while (at && ((unsigned char)t.s[at] & 0xC0) == 0x80)
            at--;
        if (!is_blank(t.s + at, t.n - at))
            break;
        t.n = at;
    }
    return t;
}

/* ---- pretraining ---- */

/* w->text as a document of key k. */
static ts_status add_document(const ts_handler *h, ts_handler_work *w, ts_token_run *run)
{
    const size_t before = run->ids.n;
    TS_TRY(ts_text_encode(h->tok, w->scratch, ts_str_text(&w->text), w->text.len, &run->ids));
    if (run->ids.n == before)
        return TS_OK;
    if (h->append_eod)
        TS_TRY(ts_ids_add(&run->ids, h->tok->eod));
    return ts_token_run_end(run);
}

ts_status ts_corpus_alpaca(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    ts_prompt_text instruction, response, input = { w->fields.v[1].s, w->fields.v[1].n };
    TS_TRY(text_of(h, w, 0, &instruction));
    TS_TRY(text_of(h, w, 2, &response));
    ts_str_reset(&w->text);
    TS_TRY(ts_str_puts(&w->text,
                       "A chat between a curious user and an artificial intelligence assistant. "
                       "The assistant gives helpful, detailed, and polite answers to the user's questions."
                       "USER: Below is an instruction that describes a task. Write a response that "
                       "appropriately completes the request.\n\n### Instruction:\n"));
    TS_TRY(put(&w->text, instruction));
    TS_TRY(ts_str_puts(&w->text, "\n\n###"));
    if (w->fields.v[1].kind == TS_JSON_TEXT && input.n) {
        TS_TRY(ts_str_puts(&w->text, " Input:\n"));
        TS_TRY(put(&w->text, input));
    } else {
        TS_TRY(ts_str_puts(&w->text, "None")); /* the original's word for no input */
    }
    TS_TRY(ts_str_puts(&w->text, "\n\n### Response: ASSISTANT: "));
    TS_TRY(put(&w->text, response));
    return add_document(h, w, &runs[0]);
}

/* A list of messages of which only the texts count, as a document for each key. */
ts_status ts_corpus_sharegpt(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    for (size_t k = 0; k < h->n_keys; k++) {
        json_t *list;
        while (w->n_held)
            json_decref(w->held[--w->n_held]);
        TS_TRY(ts_record_value(w, &w->fields.v[k], h->read[k], &list));
        if (!json_is_array(list))
            return ts_error(TS_ERR_USER, "%s: expected a list of messages", h->read[k]);
        ts_str_reset(&w->text);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *m = json_array_get(list, i), *v = json_object_get(m, "value");
            v = v ? v : json_object_get(m, "content");
            if (!json_is_string(v))
                return ts_error(TS_ERR_USER, "%s: message %zu: \"value\" or \"content\": expected a text",
                                h->read[k], i + 1);
            TS_TRY(ts_str_add(&w->text, json_string_value(v), json_string_length(v)));
        }
        TS_TRY(add_document(h, w, &runs[k]));
    }
    return TS_OK;
}

ts_status ts_corpus_stack_overflow(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    ts_prompt_text t[3];
    TS_TRY(texts_of(h, w, 3, t));
    ts_str_reset(&w->text);
    TS_TRY(ts_str_puts(&w->text, "In python, "));
    TS_TRY(put(&w->text, t[0]));
    TS_TRY(ts_str_puts(&w->text, "\n### Question:\n"));
    TS_TRY(put(&w->text, t[1]));
    TS_TRY(ts_str_puts(&w->text, "\n### Response:\n"));
    TS_TRY(put(&w->text, t[2]));
    TS_TRY(ts_str_puts(&w->text, "\n"));
    return add_document(h, w, &runs[0]);
}

/* ---- instructions in the words of Alpaca ---- */

static ts_status begin_prompt(ts_str *s)
{
    ts_str_reset(s);
    return ts_str_puts(
        s, "\nBelow is an instruction that describes a task, paired with an input that provides further "
           "context. Write a response that appropriately completes the request. Please note that you "
           "need to think through your response logically and step by step.\n");
}

static ts_status add_turn(ts_str *s, bool is_answer, ts_prompt_text t)
{
    TS_TRY(ts_str_puts(s, is_answer ? "### Response:\n" : "### Instruction:\n"));
    TS_TRY(put(s, t));
    return ts_str_puts(s, "\n");
}

/* The arrays of a sample from its ids, of which the first n_masked are no labels. */
static ts_status add_sample(const ts_handler *h, ts_handler_work *w, size_t n_masked, bool append,
                            ts_token_run *runs)
{
    ts_ids *ids = &w->ids[0];
    if (append)
        TS_TRY(ts_ids_add(ids, h->tok->eod));
    for (size_t i = 0; i < ids->n; i++) {
        TS_TRY(ts_ids_add(&runs[0].ids, ids->v[i]));
        TS_TRY(ts_ids_add(&runs[1].ids, 1));
        TS_TRY(ts_ids_add(&runs[2].ids, i < n_masked ? -100 : ids->v[i]));
    }
    for (size_t k = 0; k < 3; k++)
        TS_TRY(ts_token_run_end(&runs[k]));
    return TS_OK;
}

/* w->text up to and with the last words before an answer is the prompt; both are tokenized for themselves. */
static ts_status add_prompted(const ts_handler *h, ts_handler_work *w, bool append, ts_token_run *runs)
{
    static const char word[] = "### Response:";
    const char *s = ts_str_text(&w->text), *last = s;
    for (const char *hit = s; (hit = strstr(hit, word)); hit++)
        last = hit;
    w->ids[0].n = w->ids[1].n = 0;
    TS_TRY(ts_text_encode(h->tok, w->scratch, s, w->text.len, &w->ids[0]));
    w->text.len = (size_t)(last - s) + sizeof word - 1;
    TS_TRY(ts_str_puts(&w->text, "\n"));
    TS_TRY(ts_text_encode(h->tok, w->scratch, w->text.s, w->text.len, &w->ids[1]));
    return add_sample(h, w, w->ids[1].n, append, runs);
}

/* Two texts on lines of their own. */
static ts_status join(ts_handler_work *w, ts_prompt_text a, ts_prompt_text b, ts_prompt_text *out)
{
    char *s;
    ts_arena_reset(&w->arena);
    TS_TRY(ts_arena_alloc(&w->arena, a.n + b.n + 2, &s));
    memcpy(s, a.s, a.n);
    s[a.n] = '\n';
    memcpy(s + a.n + 1, b.s, b.n);
    *out = (ts_prompt_text){ s, a.n + b.n + 1 };
    return TS_OK;
}

ts_status ts_corpus_general(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    ts_prompt_text t[3], question;
    TS_TRY(texts_of(h, w, 3, t));
    TS_TRY(join(w, t[0], t[1], &question));
    TS_TRY(begin_prompt(&w->text));
    TS_TRY(add_turn(&w->text, false, question));
    TS_TRY(add_turn(&w->text, true, t[2]));
    return add_prompted(h, w, h->append_eod, runs);
}

/* The problem stands before the first ```. */
ts_status ts_corpus_leetcode(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    ts_prompt_text t[3], answer;
    TS_TRY(texts_of(h, w, 3, t));
    const char *code = memmem(t[0].s, t[0].n, "```", 3);
    t[0].n = code ? (size_t)(code - t[0].s) : t[0].n;
    TS_TRY(join(w, t[1], t[2], &answer));
    TS_TRY(begin_prompt(&w->text));
    TS_TRY(add_turn(&w->text, false, strip(t[0])));
    TS_TRY(add_turn(&w->text, true, answer));
    return add_prompted(h, w, h->append_eod, runs);
}

/* The next part of *rest up to a word, which is passed over. False: there is none. */
static bool next_part(ts_prompt_text *rest, const char *word, ts_prompt_text *part)
{
    if (!rest->s)
        return false;
    const char *hit = memmem(rest->s, rest->n, word, strlen(word));
    *part = (ts_prompt_text){ rest->s, hit ? (size_t)(hit - rest->s) : rest->n };
    if (hit)
        *rest = (ts_prompt_text){ hit + strlen(word), rest->n - part->n - strlen(word) };
    else
        *rest = (ts_prompt_text){ NULL, 0 };
    return true;
}

/* A turn between two "Human:", cut at "Assistant:"; one that has none is an answer as a whole. The answer
 * of the last turn is the record's output. */
ts_status ts_corpus_belle(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    ts_prompt_text t[2], turn, question, answer;
    TS_TRY(texts_of(h, w, 2, t));
    TS_TRY(begin_prompt(&w->text));
    size_t without_last = 0;
    while (next_part(&t[0], "Human:", &turn)) {
        if (!turn.n)
            continue;
        const bool both =
            next_part(&turn, "Assistant:", &question) && next_part(&turn, "Assistant:", &answer);
        if (both)
            TS_TRY(add_turn(&w->text, false, strip(question)));
        without_last = w->text.len;
        TS_TRY(add_turn(&w->text, true, strip(both ? answer : question)));
    }
    if (!without_last)
        return ts_error(TS_ERR_USER, "%s: no turn is in it", h->read[0]);
    w->text.len = without_last;
    w->text.s[without_last] = 0;
    TS_TRY(add_turn(&w->text, true, strip(t[1])));
    return add_prompted(h, w, h->append_eod, runs);
}

/* ---- MOSS ---- */

/* A copy in the arena without some words, stripped. */
static ts_status cleaned(ts_handler_work *w, const json_t *turn, const char *key, const char *const words[2],
                         ts_prompt_text *out)
{
    const json_t *v = json_object_get(turn, key);
    const char *s = json_string_value(v);
    char *to, *end;
    if (!s)
        return ts_error(TS_ERR_USER, "chat: \"%s\": expected a text", key);
    TS_TRY(ts_arena_alloc(&w->arena, json_string_length(v) + 1, &to));
    memcpy(to, s, json_string_length(v) + 1);
    end = to + json_string_length(v);
    for (int i = 0; i < 2; i++)
        for (char *hit = to; (hit = strstr(hit, words[i]));) {
            memmove(hit, hit + strlen(words[i]), (size_t)(end - hit) - strlen(words[i]) + 1);
            end -= strlen(words[i]);
        }
    *out = strip((ts_prompt_text){ to, (size_t)(end - to) });
    return TS_OK;
}

static ts_status moss_texts(ts_handler_work *w, const json_t *turn, ts_prompt_text *question,
                            ts_prompt_text *answer)
{
    static const char *const user[] = { "<eoh>", "<|Human|>: " }, *const moss[] = { "<|MOSS|>:", "<eom>" };
    TS_TRY(cleaned(w, turn, "Human", user, question));
    return cleaned(w, turn, "MOSS", moss, answer);
}

static ts_status read_chat(const ts_handler *h, ts_handler_work *w, json_t **out)
{
    while (w->n_held)
        json_decref(w->held[--w->n_held]);
    ts_arena_reset(&w->arena);
    TS_TRY(ts_record_value(w, &w->fields.v[0], h->read[0], out));
    return json_is_object(*out) ? TS_OK
                                : ts_error(TS_ERR_USER, "%s: expected an object of turns", h->read[0]);
}

static bool is_turn(const json_t *v) { return json_object_size(v) > 0; }

/* Baichuan's ids stand before questions (195) and answers (196). */
ts_status ts_corpus_moss(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    const char *key;
    json_t *chat, *turn;
    TS_TRY(read_chat(h, w, &chat));
    json_object_foreach(chat, key, turn)
    {
        ts_prompt_text t[2];
        if (!is_turn(turn))
            continue;
        TS_TRY(moss_texts(w, turn, &t[0], &t[1]));
        for (int side = 0; side < 2; side++) {
            const size_t before = runs[0].ids.n;
            TS_TRY(ts_ids_add(&runs[0].ids, 195 + side));
            TS_TRY(ts_text_encode(h->tok, w->scratch, t[side].s, t[side].n, &runs[0].ids));
            TS_TRY(ts_ids_add(&runs[2].ids, side ? -100 : h->tok->eod));
            for (size_t i = before + 1; i < runs[0].ids.n; i++)
                TS_TRY(ts_ids_add(&runs[2].ids, side ? runs[0].ids.v[i] : -100));
        }
    }
    TS_TRY(ts_ids_add(&runs[0].ids, h->tok->eod));
    TS_TRY(ts_ids_add(&runs[2].ids, h->tok->eod));
    while (runs[1].ids.n < runs[0].ids.n)
        TS_TRY(ts_ids_add(&runs[1].ids, 1));
    for (size_t k = 0; k < 3; k++)
        TS_TRY(ts_token_run_end(&runs[k]));
    return TS_OK;
}

/* A sample for each turn, with those before it as its prompt. */
ts_status ts_corpus_moss_turns(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    const char *key;
    json_t *chat, *turn;
    TS_TRY(read_chat(h, w, &chat));
    TS_TRY(begin_prompt(&w->text));
    json_object_foreach(chat, key, turn)
    {
        ts_prompt_text question, answer;
        if (!is_turn(turn))
            continue;
        TS_TRY(moss_texts(w, turn, &question, &answer));
        TS_TRY(add_turn(&w->text, false, question));
        const size_t prompt = w->text.len;
        TS_TRY(add_turn(&w->text, true, answer));
        TS_TRY(add_prompted(h, w, false, runs));
        w->text.len = prompt;
        TS_TRY(add_turn(&w->text, true, answer));
    }
    return TS_OK;
}

/* ---- process rewards ---- */

/* The id of a label, a text that is one token. */
static ts_status label_id(const ts_handler *h, ts_handler_work *w, const json_t *v, int32_t *out)
{
    const char *s = json_string_value(v);
    const ts_option_list *known = &h->o->reward_tokens;
    bool is_known = !known->n;
    for (int64_t i = 0; s && i < known->n; i++)
        is_known = is_known || !strcmp(known->v[i], s);
    if (!s || !is_known)
        return ts_error(TS_ERR_USER, "%s: expected labels of --reward-tokens", h->read[1]);
    w->ids[1].n = 0;
    TS_TRY(ts_tokenizer_encode(h->tok->tok, w->scratch, s, strlen(s), false, &w->ids[1]));
    if (w->ids[1].n != 1)
        return ts_error(TS_ERR_USER, "%s: %s is %zu tokens: expected one", h->read[1], s, w->ids[1].n);
    *out = w->ids[1].v[0];
    return TS_OK;
}

/* Labels stand where the placeholder does, in turn. */
ts_status ts_corpus_rewards(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    ts_prompt_text input;
    json_t *labels;
    size_t n = 0;
    while (w->n_held)
        json_decref(w->held[--w->n_held]);
    TS_TRY(text_of(h, w, 0, &input));
    TS_TRY(ts_record_value(w, &w->fields.v[1], h->read[1], &labels));
    if (!json_is_array(labels))
        return ts_error(TS_ERR_USER, "%s: expected a list of labels", h->read[1]);
    w->ids[0].n = 0;
    TS_TRY(ts_tokenizer_encode(h->tok->tok, w->scratch, input.s, input.n, false, &w->ids[0]));
    for (size_t i = 0; i < w->ids[0].n; i++) {
        int32_t label = -100;
        const bool is_step = w->ids[0].v[i] == h->placeholder;
        if (is_step && n++ < json_array_size(labels))
            TS_TRY(label_id(h, w, json_array_get(labels, n - 1), &label));
        TS_TRY(ts_ids_add(&runs[0].ids, w->ids[0].v[i]));
        TS_TRY(ts_ids_add(&runs[1].ids, 1));
        TS_TRY(ts_ids_add(&runs[2].ids, label));
    }
    if (n != json_array_size(labels))
        return ts_error(TS_ERR_USER, "%s: %zu labels, but the text has %zu placeholders %s", h->read[1],
                        json_array_size(labels), n, h->o->placeholder_token);
    for (size_t k = 0; k < 3; k++)
        TS_TRY(ts_token_run_end(&runs[k]));
    return TS_OK;
}
