#include "model/sentence.h"

#include "base/file.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* The words of 1_Pooling/config.json; before version 6 each was a key of its own. */
static const struct {
    const char *word, *key;
} poolings[] = {
    [TS_POOL_LAST] = { "lasttoken", "pooling_mode_lasttoken" },
    [TS_POOL_MEAN] = { "mean", "pooling_mode_mean_tokens" },
    [TS_POOL_FIRST] = { "cls", "pooling_mode_cls_token" },
};
enum { POOLINGS = sizeof poolings / sizeof *poolings };

/* Takes the value over. */
static ts_status put(const char *name, json_t *o, ts_side_files *out)
{
    ts_str text = { 0 };
    ts_status st = o ? ts_json_write(o, JSON_INDENT(2), name, &text) : ts_error(TS_ERR_NOMEM, "no memory for %s", name);
    if (st == TS_OK)
        st = ts_side_files_put(out, name, ts_str_text(&text), text.len);
    ts_str_deinit(&text);
    json_decref(o);
    return st;
}

/* In the words of both kinds of versions: the older ones look for keys, the newer ones read these too. */
static json_t *pooling_config(const ts_sentence *s)
{
    json_t *o = json_pack("{s:I, s:b, s:b, s:b}", "word_embedding_dimension", (json_int_t)s->width, "include_prompt", 1,
                          "pooling_mode_max_tokens", 0, "pooling_mode_mean_sqrt_len_tokens", 0);
    bool fine = o;
    for (int i = 0; fine && i < POOLINGS; i++)
        fine = !json_object_set_new(o, poolings[i].key, json_boolean(i == (int)s->pooling));
    return o;
}

ts_status ts_sentence_files(const ts_sentence *s, ts_side_files *out)
{
    static const char type[] = "sentence_transformers.models.";
    char name[3][64];
    json_t *modules = json_array();
    const char *const parts[3][2] = { { "Transformer", "" }, { "Pooling", "1_Pooling" }, { "Normalize", "2_Normalize" } };
    bool fine = modules;
    for (int i = 0; fine && i < (s->unit ? 3 : 2); i++) {
        snprintf(name[i], sizeof name[i], "%s%s", type, parts[i][0]);
        fine = !json_array_append_new(modules, json_pack("{s:i, s:o, s:s, s:s}", "idx", i, "name", json_sprintf("%d", i), "path",
                                                         parts[i][1], "type", name[i]));
    }
    if (!fine) {
        json_decref(modules);
        return ts_error(TS_ERR_NOMEM, "no memory for modules.json");
    }
    TS_TRY(put("modules.json", modules, out));
    TS_TRY(put("1_Pooling/config.json", pooling_config(s), out));
    if (s->unit)
        TS_TRY(put("2_Normalize/config.json", json_object(), out));
    TS_TRY(put("sentence_bert_config.json", json_pack("{s:I, s:b}", "max_seq_length", (json_int_t)s->length, "do_lower_case", 0), out));
    return put("config_sentence_transformers.json", json_pack("{s:{}, s:{}, s:n, s:s}", "__version__", "prompts",
                                                              "default_prompt_name", "similarity_fn_name",
                                                              s->unit ? "cosine" : "dot"), out);
}

/* ---- reading ---- */

static ts_status read_pooling(const char *file, ts_sentence *out)
{
    json_t *o = NULL;
    TS_TRY(ts_json_read(file, &o));
    const char *word = json_string_value(json_object_get(o, "pooling_mode"));
    int found = 0;
    for (int i = 0; i < POOLINGS; i++)
        if (word ? !strcmp(word, poolings[i].word) : json_is_true(json_object_get(o, poolings[i].key))) {
            out->pooling = (ts_pooling)i;
            found++;
        }
    json_decref(o);
    return found == 1 ? TS_OK : ts_error(TS_ERR_USER, "%s: the pooling is none of lasttoken, mean and cls alone", file);
}

/* What a part does: the model is read by who asks. */
static ts_status read_part(const char *folder, const json_t *part, ts_sentence *out)
{
    const char *type = json_string_value(json_object_get(part, "type")), *path = json_string_value(json_object_get(part, "path"));
    const char *leaf = type && strrchr(type, '.') ? strrchr(type, '.') + 1 : "";
    ts_str sub = { 0 }, file = { 0 };
    if (!strcmp(leaf, "Normalize"))
        out->unit = true;
    if (!strcmp(leaf, "Normalize") || !strcmp(leaf, "Transformer"))
        return TS_OK;
    if (strcmp(leaf, "Pooling") || !path)
        return ts_error(TS_ERR_USER, "%s/modules.json: there is no part %s here: vectors are pooled and normalized alone", folder,
                        type ? type : "without a type");
    ts_status st = ts_path_join(&sub, folder, path);
    if (st == TS_OK)
        st = ts_path_join(&file, sub.s, "config.json");
    if (st == TS_OK)
        st = read_pooling(file.s, out);
    ts_str_deinit(&sub);
    ts_str_deinit(&file);
    return st;
}

ts_status ts_sentence_read(const char *folder, ts_sentence *out, bool *found)
{
    ts_str path = { 0 };
    json_t *modules = NULL, *part;
    ts_sentence s = { 0 };
    size_t i;
    ts_status st = ts_path_join(&path, folder, "modules.json");
    *found = st == TS_OK && ts_path_exists(path.s);
    if (*found)
        st = ts_json_read(path.s, &modules);
    json_array_foreach(modules, i, part) {
        if (st == TS_OK)
            st = read_part(folder, part, &s);
    }
    if (st == TS_OK && *found)
        *out = s;
    json_decref(modules);
    ts_str_deinit(&path);
    return st;
}
