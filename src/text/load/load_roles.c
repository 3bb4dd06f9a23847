/* Which tokens begin, end, fill and are unknown: tokenizer_config.json, then
 * special_tokens_map.json. */
#include "base/file.h"
#include "text/tok.h"

#include <string.h>

/* A token as text, or as an object with content. */
static const char *token_name(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_object(v))
        v = json_object_get(v, "content");
    return json_is_string(v) ? json_string_value(v) : NULL;
}

static void take_role(const ts_tokenizer *tok, const json_t *o, const char *key, bool *found,
                      int32_t *id)
{
    const char *name = *found ? NULL : token_name(o, key);
    const int32_t v = name ? ts_tokenizer_token_id(tok, name) : -1;
    if (v >= 0) {
        *id = v;
        *found = true;
    }
}

/* model_max_length is often 10^30: numbers are read as reals. */
static ts_status read_json(const char *path, json_t **out)
{
    ts_str text = { 0 };
    ts_status st = ts_file_read(path, &text);
    if (st == TS_OK)
        st = ts_json_load(ts_str_text(&text), text.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
                          path, out);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_load_roles(ts_tokenizer *tok, const char *folder)
{
    static const char *const files[] = { "tokenizer_config.json", "special_tokens_map.json" };
    bool found[4] = { false };
    ts_str path = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && st == TS_OK; i++) {
        json_t *o = NULL;
        TS_TRY_TO(done, st, ts_path_join(&path, folder, files[i]));
        if (!ts_path_exists(path.s))
            continue;
        TS_TRY_TO(done, st, read_json(path.s, &o));
        take_role(tok, o, "bos_token", &found[0], &tok->bos);
        take_role(tok, o, "eos_token", &found[1], &tok->eos);
        take_role(tok, o, "pad_token", &found[2], &tok->pad);
        take_role(tok, o, "unk_token", &found[3], &tok->unk);
        json_decref(o);
    }
done:
    ts_str_deinit(&path);
    return st;
}
