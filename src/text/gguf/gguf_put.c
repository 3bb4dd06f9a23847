#include "text/gguf/gguf_put.h"

#include "text/tokenizer_files.h"

#include <string.h>

/* A file of the folder's; numbers as reals, since some lengths are 10^30. */
static ts_status read_file(const ts_side_files *files, const char *name, json_t **out)
{
    const ts_side_file *f = ts_side_files_find(files, name);
    return f ? ts_json_load(ts_str_text(&f->text), f->text.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, name, out) : TS_OK;
}

/* A tokenizer of other files than its own tokenizer.json is made one. */
static ts_status read_json(ts_gguf_tok_put *p)
{
    ts_side_files made = { 0 };
    TS_TRY(read_file(p->o->files, "tokenizer.json", &p->json));
    if (p->json || ts_side_files_find(p->o->files, "tokenizer.model"))
        return TS_OK;
    ts_status st = ts_tokenizer_files_hf(p->o->files, NULL, &made);
    if (st == TS_OK)
        st = read_file(&made, "tokenizer.json", &p->json);
    ts_side_files_deinit(&made);
    return st;
}

static bool is_sentencepiece(const ts_str *text)
{
    return text->len && (unsigned char)text->s[0] == 10; /* the first of its pieces */
}

static ts_status put_kind(ts_gguf_tok_put *p)
{
    const ts_side_file *model = ts_side_files_find(p->o->files, "tokenizer.model");
    const json_t *m = json_object_get(p->json, "model");
    const char *type = json_string_value(json_object_get(m, "type"));
    if (model && is_sentencepiece(&model->text))
        return ts_gguf_tok_put_pieces(p, &model->text);
    if (!p->json)
        return ts_gguf_add_text(p->out, "tokenizer.ggml.model", "none", 4);
    if (type ? strcmp(type, "BPE") : !json_object_get(m, "merges"))
        return ts_error(TS_ERR_USER, "%s: its tokenizer is of the kind %.40s, which is not written to GGUF files: expected BPE",
                        p->o->path, type ? type : "without a name");
    return json_is_true(json_object_get(m, "byte_fallback")) ? ts_gguf_tok_put_pieces(p, NULL) : ts_gguf_tok_put_bpe(p);
}

ts_status ts_gguf_put_tokenizer(const ts_gguf_put_options *o, ts_gguf_keys *out)
{
    ts_gguf_tok_put p = { .o = o, .out = out };
    ts_status st = ts_alloc(&p.v, (size_t)o->rows, sizeof *p.v);
    if (st == TS_OK)
        st = read_json(&p);
    if (st == TS_OK)
        st = read_file(o->files, "tokenizer_config.json", &p.settings);
    if (st == TS_OK)
        st = put_kind(&p);
    if (st == TS_OK)
        st = ts_gguf_tok_put_roles(&p);
    json_decref(p.json);
    json_decref(p.settings);
    json_decref(p.more);
    ts_free(&p.v);
    return st;
}
