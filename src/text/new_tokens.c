#include "text/new_tokens.h"

#include "text/load/sp_json.h"
#include "text/tok.h"

#include <stdlib.h>
#include <string.h>

/* ---- what options name ---- */

static ts_status add(ts_new_tokens *t, const ts_new_token *token, const char *option)
{
    if (!*token->text)
        return ts_error(TS_ERR_USER, "--%s: an empty text is no token", option);
    TS_TRY(ts_grow(&t->v, &t->cap, t->n + 1, sizeof *t->v));
    t->v[t->n++] = *token;
    return TS_OK;
}

/* The tokens of one word: several have commas between, as LLaMA-Factory has them; a comma alone is one. */
static ts_status add_word(ts_new_tokens *t, const char *word, bool special)
{
    const char *option = special ? "add-special-tokens" : "add-tokens";
    if (!strchr(word, ',') || !strcmp(word, ","))
        return add(t, &(ts_new_token){ .text = word, .special = special }, option);
    for (const char *p = word; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        json_t *part = json_stringn(p, strcspn(p, ","));
        if (!t->words)
            t->words = json_array();
        if (!part || json_array_append_new(t->words, part))
            return ts_error(TS_ERR_NOMEM, "out of memory for new tokens");
        TS_TRY(add(t, &(ts_new_token){ .text = json_string_value(part), .special = special }, option));
    }
    return TS_OK;
}

static ts_status read_config(const char *path, ts_new_tokens *t)
{
    const char *token;
    json_t *words;
    TS_TRY(ts_yaml_read(path, &t->config, NULL));
    if (!json_is_object(t->config) || !json_object_size(t->config))
        return ts_error(TS_ERR_USER, "--new-tokens-config %s: expected tokens, each with the words that describe it", path);
    json_object_foreach(t->config, token, words) {
        const ts_new_token one = { .text = token, .description = json_string_value(words), .special = true };
        if (!one.description)
            return ts_error(TS_ERR_USER, "--new-tokens-config %s: the description of %s is no text", path, token);
        TS_TRY(add(t, &one, "new-tokens-config"));
    }
    return TS_OK;
}

ts_status ts_new_tokens_read(const ts_option_list *plain, const ts_option_list *special, const char *config, ts_new_tokens *out)
{
    ts_new_tokens t = { 0 };
    ts_status st = TS_OK;
    for (int64_t i = 0; i < plain->n && st == TS_OK; i++)
        st = add_word(&t, plain->v[i], false);
    for (int64_t i = 0; i < special->n && st == TS_OK; i++)
        st = add_word(&t, special->v[i], true);
    if (st == TS_OK && config)
        st = read_config(config, &t);
    if (st == TS_OK)
        *out = t;
    else
        ts_new_tokens_deinit(&t);
    return st;
}

void ts_new_tokens_deinit(ts_new_tokens *t)
{
    json_decref(t->config);
    json_decref(t->words);
    ts_free(&t->v);
    *t = (ts_new_tokens){ 0 };
}

/* ---- in memory ---- */

ts_status ts_new_tokens_add(const ts_new_tokens *t, ts_tokenizer *tok)
{
    for (size_t i = 0; i < t->n; i++) {
        int32_t id;
        TS_TRY(ts_tokenizer_add(tok, t->v[i].text, t->v[i].special, &id));
    }
    return TS_OK;
}

/* ---- in files ---- */

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "out of memory for new tokens"); }

/* model_max_length is often 10^30: `flags` say how numbers pass. */
static ts_status edit(ts_side_files *files, const char *name, size_t flags, ts_status (*change)(void *ctx, json_t *o),
                      void *ctx)
{
    const ts_side_file *f = ts_side_files_find(files, name);
    json_t *o = NULL;
    ts_str text = { 0 };
    if (!f)
        return TS_OK;
    TS_TRY(ts_json_load(ts_str_text(&f->text), f->text.len, flags, name, &o));
    ts_status st = change(ctx, o);
    if (st == TS_OK)
        st = ts_json_write(o, JSON_INDENT(2) | JSON_REAL_PRECISION(17), name, &text);
    if (st == TS_OK)
        st = ts_side_files_put(files, name, text.s, text.len);
    json_decref(o);
    ts_str_deinit(&text);
    return st;
}

/* The new tokens with their ids. */
typedef struct numbered {
    const ts_new_tokens *t;
    int32_t *id; /* [t->n] */
} numbered;

/* As tokenizers describes an added token. */
static json_t *describe(const ts_new_token *t)
{
    return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", t->text, "single_word", 0, "lstrip", 0, "rstrip", 0,
                     "normalized", !t->special, "special", t->special);
}

/* Its entry in a list of added tokens, or NULL. */
static json_t *find_entry(const json_t *list, const char *text)
{
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)(uintptr_t)list, i, v) {
        const char *content = json_string_value(json_object_get(v, "content"));
        if (content && !strcmp(content, text))
            return v;
    }
    return NULL;
}

static ts_status into_list(void *ctx, json_t *root)
{
    const numbered *n = ctx;
    json_t *list = json_object_get(root, "added_tokens");
    if (!json_is_array(list)) {
        list = json_array();
        if (json_object_set_new(root, "added_tokens", list))
            return no_memory();
    }
    for (size_t i = 0; i < n->t->n; i++) {
        const ts_new_token *t = &n->t->v[i];
        json_t *entry = find_entry(list, t->text);
        if (entry && (!t->special || json_is_true(json_object_get(entry, "special"))))
            continue;
        if (entry) {
            if (json_object_set_new(entry, "special", json_true()) || json_object_set_new(entry, "normalized", json_false()))
                return no_memory();
            continue;
        }
        json_t *first = json_pack("{s:i}", "id", (int)n->id[i]), *rest = describe(t);
        const bool failed = !first || !rest || json_object_update(first, rest);
        json_decref(rest);
        if (failed || json_array_append_new(list, first))
            return no_memory();
    }
    return TS_OK;
}

static ts_status into_config(void *ctx, json_t *root)
{
    const numbered *n = ctx;
    json_t *by_id = json_object_get(root, "added_tokens_decoder");
    for (size_t i = 0; by_id && i < n->t->n; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", (int)n->id[i]);
        if (json_object_set_new(by_id, key, describe(&n->t->v[i])))
            return no_memory();
    }
    return TS_OK;
}

static ts_status into_ids(void *ctx, json_t *root)
{
    const numbered *n = ctx;
    for (size_t i = 0; i < n->t->n; i++)
        if (json_object_set_new(root, n->t->v[i].text, json_integer(n->id[i])))
            return no_memory();
    return TS_OK;
}

static ts_status number(const ts_side_file *f, numbered *n)
{
    ts_tokenizer *tok;
    TS_TRY(ts_tokenizer_open_bytes(ts_str_text(&f->text), f->text.len, f->name, NULL, &tok));
    ts_status st = ts_alloc(&n->id, n->t->n, sizeof *n->id);
    for (size_t i = 0; i < n->t->n && st == TS_OK; i++)
        st = ts_tokenizer_add(tok, n->t->v[i].text, n->t->v[i].special, &n->id[i]);
    ts_tokenizer_destroy(&tok);
    return st;
}

static const char name[] = "tokenizer.json";

/* A SentencePiece model takes no tokens: the form that transformers reads stands beside it from now on. */
static ts_status from_pieces(ts_side_files *files)
{
    const ts_side_file *pieces = ts_side_files_find(files, "tokenizer.model"), *f = ts_side_files_find(files, "tokenizer_config.json");
    json_t *config = NULL;
    ts_str text = { 0 };
    bool can = false;
    if (!pieces)
        return TS_OK;
    if (f)
        TS_TRY(ts_json_load(ts_str_text(&f->text), f->text.len, JSON_DECODE_INT_AS_REAL, f->name, &config));
    ts_status st = ts_sp_json(ts_str_text(&pieces->text), pieces->text.len, pieces->name,
                              json_is_true(json_object_get(config, "add_bos_token")),
                              json_is_true(json_object_get(config, "add_eos_token")), &text, &can);
    if (st == TS_OK && can)
        st = ts_side_files_put(files, name, text.s, text.len);
    json_decref(config);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_new_tokens_put(const ts_new_tokens *t, ts_side_files *files)
{
    numbered n = { t, NULL };
    if (!t->n)
        return TS_OK;
    if (!ts_side_files_find(files, name))
        TS_TRY(from_pieces(files));
    const ts_side_file *f = ts_side_files_find(files, name);
    if (!f)
        return ts_error(TS_ERR_USER, "new tokens (%s, ...) have a place in a tokenizer.json, which the tokenizer has not: save it "
                        "with transformers first, which makes one", t->v[0].text);
    ts_status st = number(f, &n);
    if (st == TS_OK)
        st = edit(files, name, JSON_ALLOW_NUL, into_list, &n);
    if (st == TS_OK)
        st = edit(files, "tokenizer_config.json", JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, into_config, &n);
    if (st == TS_OK)
        st = edit(files, "added_tokens.json", 0, into_ids, &n);
    ts_free(&n.id);
    return st;
}

ts_status ts_tokenizer_files_ids(const ts_side_files *files, int64_t *out)
{
    const ts_side_file *f = ts_side_files_find(files, "tokenizer.json");
    ts_tokenizer *tok;
    *out = 0;
    if (!f)
        f = ts_side_files_find(files, "tokenizer.model");
    if (!f)
        return TS_OK;
    TS_TRY(ts_tokenizer_open_bytes(ts_str_text(&f->text), f->text.len, f->name, NULL, &tok));
    *out = ts_tokenizer_vocab_size(tok);
    ts_tokenizer_destroy(&tok);
    return TS_OK;
}
