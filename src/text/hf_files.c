#include "text/hf_files.h"

#include "base/file.h"
#include "io/gguf/models.h"
#include "text/gguf/gguf_tokenizer.h"

static ts_status put_generation_config(const ts_gguf *g, ts_side_files *out)
{
    static const char name[] = "generation_config.json";
    json_t *o = NULL;
    ts_str text = { 0 };
    TS_TRY(ts_gguf_generation_config(g, &o));
    ts_status st = ts_json_write(o, JSON_INDENT(2) | JSON_SORT_KEYS, name, &text);
    if (st == TS_OK)
        st = ts_side_files_put(out, name, text.s, text.len);
    json_decref(o);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_hf_files_read(const char *path, ts_side_files *out)
{
    ts_gguf *g;
    if (!ts_gguf_is(path))
        return ts_side_files_read(out, path);
    TS_TRY(ts_gguf_open(path, &g));
    ts_status st = ts_gguf_tokenizer_files(g, out);
    if (st == TS_OK)
        st = put_generation_config(g, out);
    ts_gguf_close(&g);
    return st;
}

static bool gguf_has_tokenizer(const char *path)
{
    ts_gguf *g;
    if (ts_gguf_open(path, &g) != TS_OK) /* said by who reads it */
        return false;
    const bool has = ts_gguf_has_tokenizer(g);
    ts_gguf_close(&g);
    return has;
}

bool ts_hf_files_have_tokenizer(const char *path)
{
    static const char *const names[] = { "tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
                                         "vocab.json" };
    ts_str file = { 0 };
    bool found = false;
    if (ts_gguf_is(path))
        return gguf_has_tokenizer(path);
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++)
        found = ts_path_join(&file, path, names[i]) == TS_OK && ts_path_exists(file.s);
    ts_str_deinit(&file);
    return found;
}
