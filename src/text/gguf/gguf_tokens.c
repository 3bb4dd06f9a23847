#include "text/gguf/gguf_tokens.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANK "\xE2\x96\x81" /* U+2581 */

ts_gguf_token *ts_gguf_tok_place(ts_gguf_tok_put *p, double id)
{
    if (id >= 0 && id < (double)p->o->rows)
        return &p->v[(int64_t)id];
    p->beyond++;
    return NULL;
}

/* ---- added tokens ---- */

static bool begins(const ts_gguf_token *t, const char *s) { return t->n >= strlen(s) && !memcmp(t->s, s, strlen(s)); }

static bool ends(const ts_gguf_token *t, const char *s)
{
    return t->n >= strlen(s) && !memcmp(t->s + t->n - strlen(s), s, strlen(s));
}

/* Some models do not mark as special what stands for no text: llama.cpp's converter tells such tokens by how they look. */
static bool looks_special(const ts_gguf_token *t)
{
    static const char *const whole[] = { "<pad>", "<mask>", "<2mass>", "[@BOS@]" };
    static const char *const around[][2] = { { "<|", "|>" }, { "<\xEF\xBD\x9C", "\xEF\xBD\x9C>" }, { "<unused", ">" } };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (begins(t, whole[i]) && t->n == strlen(whole[i]))
            return true;
    for (size_t i = 0; i < sizeof around / sizeof *around; i++)
        if (begins(t, around[i][0]) && ends(t, around[i][1]))
            return true;
    return false;
}

static void add_token(ts_gguf_tok_put *p, double id, const char *s, size_t n, bool special)
{
    ts_gguf_token *t = s ? ts_gguf_tok_place(p, id) : NULL;
    if (!t)
        return;
    if (!t->s || t->n != n || memcmp(t->s, s, n))
        *t = (ts_gguf_token){ .s = s, .n = n, .score = -1000 };
    if (t->type != TS_GGUF_UNKNOWN)
        t->type = special || looks_special(t) ? TS_GGUF_CONTROL : TS_GGUF_USER;
}

static void add_described(ts_gguf_tok_put *p, double id, const json_t *t)
{
    const json_t *text = json_object_get(t, "content");
    add_token(p, id, json_string_value(text), json_string_length(text), json_is_true(json_object_get(t, "special")));
}

/* tokenizer.json has all of them; folders without have some in tokenizer_config.json, by number, and those that are no
 * special ones in added_tokens.json, by text. */
static ts_status take_added(ts_gguf_tok_put *p)
{
    const json_t *list = json_object_get(p->json, "added_tokens"), *by_id = json_object_get(p->settings, "added_tokens_decoder");
    const ts_side_file *more = p->json ? NULL : ts_side_files_find(p->o->files, "added_tokens.json");
    const char *key;
    json_t *t;
    size_t i;
    if (more) {
        TS_TRY(ts_json_parse(more->text.s, more->text.len, more->name, &p->more));
        json_object_foreach(p->more, key, t)
            add_token(p, json_number_value(t), key, strlen(key), false);
    }
    json_array_foreach(list, i, t)
        add_described(p, json_number_value(json_object_get(t, "id")), t);
    if (!p->json)
        json_object_foreach((json_t *)by_id, key, t)
            add_described(p, strtod(key, NULL), t);
    return TS_OK;
}

/* ---- as keys ---- */

/* What the user added stands in texts as it looks, with blanks; a row without token gets a name of its own. */
static ts_status put_text(ts_gguf_tok_put *p, int64_t id, ts_str *work)
{
    const ts_gguf_token *t = &p->v[id];
    const size_t mark = strlen(BLANK);
    ts_str_reset(work);
    if (!t->s)
        TS_TRY(ts_str_printf(work, "[PAD%lld]", (long long)id));
    else if (t->type != TS_GGUF_USER)
        return ts_gguf_add_element(p->out, t->s, t->n);
    for (size_t i = 0; t->s && i < t->n;) {
        const bool is_mark = t->n - i >= mark && !memcmp(t->s + i, BLANK, mark);
        TS_TRY(ts_str_add(work, is_mark ? " " : t->s + i, 1));
        i += is_mark ? mark : 1;
    }
    return ts_gguf_add_element(p->out, ts_str_text(work), work->len);
}

static ts_status put_texts(ts_gguf_tok_put *p)
{
    ts_str work = { 0 };
    ts_status st = ts_gguf_add_texts(p->out, "tokenizer.ggml.tokens", p->o->rows);
    for (int64_t id = 0; st == TS_OK && id < p->o->rows; id++)
        st = put_text(p, id, &work);
    ts_str_deinit(&work);
    return st;
}

static ts_status put_numbers(ts_gguf_tok_put *p, bool scored)
{
    int32_t *type = NULL;
    float *score = NULL;
    ts_status st = ts_alloc(&type, (size_t)p->o->rows, sizeof *type);
    if (st == TS_OK)
        st = ts_alloc(&score, (size_t)p->o->rows, sizeof *score);
    for (int64_t id = 0; st == TS_OK && id < p->o->rows; id++) {
        type[id] = p->v[id].s ? p->v[id].type : TS_GGUF_UNUSED;
        score[id] = p->v[id].s ? p->v[id].score : -10000;
    }
    if (st == TS_OK && scored)
        st = ts_gguf_add_list(p->out, "tokenizer.ggml.scores", TS_GGUF_F32, score, p->o->rows);
    if (st == TS_OK)
        st = ts_gguf_add_list(p->out, "tokenizer.ggml.token_type", TS_GGUF_I32, type, p->o->rows);
    ts_free(&type);
    ts_free(&score);
    return st;
}

ts_status ts_gguf_tok_put_tokens(ts_gguf_tok_put *p, bool scored)
{
    TS_TRY(take_added(p));
    if (p->beyond)
        ts_log(TS_LOG_WARN, "%s: %lld tokens of its tokenizer have no row in the model, which has %lld: they are left out",
               p->o->path, (long long)p->beyond, (long long)p->o->rows);
    TS_TRY(put_texts(p));
    return put_numbers(p, scored);
}
