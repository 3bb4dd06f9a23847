#include "text/gguf/gguf_tokenizer.h"

#include "base/json.h"
#include "text/gguf/gguf_vocab.h"
#include "text/tok.h"

#include <string.h>

bool ts_gguf_has_tokenizer(const ts_gguf *g)
{
    const ts_gguf_value *v = ts_gguf_find(g, "tokenizer.ggml.model");
    return v && v->kind == TS_GGUF_TEXT &&
           ((v->n == 4 && !memcmp(v->data, "gpt2", 4)) || (v->n == 5 && !memcmp(v->data, "llama", 5)));
}

/* No key, or the word of files that are without. */
static bool has_none(const ts_gguf *g)
{
    const ts_gguf_value *v = ts_gguf_find(g, "tokenizer.ggml.model");
    return !v || (v->kind == TS_GGUF_TEXT && v->n == 4 && !memcmp(v->data, "none", 4));
}

/* ---- files ---- */

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "out of memory for the files of a tokenizer"); }

static ts_status put_role(json_t *o, const char *key, const ts_gguf_vocab *v, int32_t id)
{
    if (id < 0)
        return TS_OK;
    return json_object_set_new(o, key, json_stringn(v->text[id], v->len[id])) ? no_memory() : TS_OK;
}

static ts_status make_config(const ts_gguf_vocab *v, json_t **out)
{
    json_t *o = json_pack("{s:s, s:b, s:b, s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
                          "clean_up_tokenization_spaces", 0, "add_bos_token", v->add_bos, "add_eos_token", v->add_eos);
    ts_status st = o ? put_role(o, "bos_token", v, v->bos) : no_memory();
    if (st == TS_OK)
        st = put_role(o, "eos_token", v, v->eos);
    if (st == TS_OK)
        st = put_role(o, "pad_token", v, v->pad);
    if (st == TS_OK)
        st = put_role(o, "unk_token", v, v->unk);
    if (st != TS_OK)
        json_decref(o);
    else
        *out = o;
    return st;
}

static ts_status put_config(const ts_gguf_vocab *v, ts_side_files *out)
{
    static const char name[] = "tokenizer_config.json";
    ts_str text = { 0 };
    json_t *o = NULL;
    TS_TRY(make_config(v, &o));
    ts_status st = ts_json_write(o, JSON_INDENT(2), name, &text);
    if (st == TS_OK)
        st = ts_side_files_put(out, name, text.s, text.len);
    json_decref(o);
    ts_str_deinit(&text);
    return st;
}

static ts_status put_tokenizer(const ts_gguf_vocab *v, ts_side_files *out)
{
    ts_str text = { 0 };
    ts_status st = v->is_pieces ? ts_gguf_pieces_json(v, &text) : ts_gguf_bpe_json(v, &text);
    if (st == TS_OK)
        st = ts_side_files_put(out, "tokenizer.json", text.s, text.len);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_gguf_tokenizer_files(const ts_gguf *g, ts_side_files *out)
{
    ts_gguf_vocab v;
    const char *chat;
    size_t n;
    if (has_none(g))
        return TS_OK;
    TS_TRY(ts_gguf_vocab_init(&v, g));
    ts_status st = put_tokenizer(&v, out);
    if (st == TS_OK)
        st = put_config(&v, out);
    if (st == TS_OK)
        st = ts_gguf_text(g, "tokenizer.chat_template", &chat, &n);
    if (st == TS_OK && chat)
        st = ts_side_files_put(out, "chat_template.jinja", chat, n);
    ts_gguf_vocab_deinit(&v);
    return st;
}

static ts_status config_with_template(const ts_gguf *g, json_t **out)
{
    ts_gguf_vocab v;
    const char *chat;
    size_t n;
    TS_TRY(ts_gguf_text(g, "tokenizer.chat_template", &chat, &n));
    TS_TRY(ts_gguf_vocab_init(&v, g));
    ts_status st = make_config(&v, out);
    ts_gguf_vocab_deinit(&v);
    if (st == TS_OK && chat && json_object_set_new(*out, "chat_template", json_stringn(chat, n)))
        st = no_memory();
    return st;
}

ts_status ts_gguf_tokenizer_config(const char *path, json_t **out)
{
    json_t *o = NULL;
    ts_gguf *g;
    TS_TRY(ts_gguf_open(path, &g));
    const ts_status st = has_none(g) ? TS_OK : config_with_template(g, &o);
    ts_gguf_close(&g);
    if (st != TS_OK)
        json_decref(o);
    else
        *out = o;
    return st;
}

/* ---- opening ---- */

static ts_status load(ts_tokenizer *tok, const ts_gguf *g)
{
    ts_gguf_vocab v;
    ts_str text = { 0 };
    TS_TRY(ts_gguf_vocab_init(&v, g));
    ts_status st = v.is_pieces ? ts_gguf_pieces_json(&v, &text) : ts_gguf_bpe_json(&v, &text);
    if (st == TS_OK)
        st = ts_load_json(tok, ts_str_text(&text), text.len, ts_gguf_path(g));
    if (st == TS_OK) {
        tok->bos = v.bos;
        tok->eos = v.eos;
        tok->pad = v.pad;
        tok->unk = v.unk;
    }
    ts_str_deinit(&text);
    ts_gguf_vocab_deinit(&v);
    return st;
}

ts_status ts_tokenizer_open_gguf(const char *path, ts_tokenizer **out)
{
    ts_tokenizer *tok = NULL;
    ts_gguf *g;
    TS_TRY(ts_gguf_open(path, &g));
    ts_status st = ts_tokenizer_new(NULL, &tok);
    if (st == TS_OK)
        st = load(tok, g);
    ts_gguf_close(&g);
    if (st != TS_OK)
        ts_tokenizer_destroy(&tok);
    else
        *out = tok;
    return st;
}
