/* Which tokens begin, end and fill, whether they are put around a text, and the chat template: of tokenizer_config.json and
 * tokenizer.json, then config.json, as the package gguf finds them (SpecialVocab). */
#include "text/gguf/gguf_tokens.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct role {
    const char *word; /* of "bos_token", "add_bos_token", config.json's "bos_token_id" */
    const char *key;
} role;

enum { BOS, EOS, SEP = 3, ROLES = 7 };
static const role roles[ROLES] = { { "bos", "bos_token_id" },      { "eos", "eos_token_id" },  { "unk", "unknown_token_id" },
                                   { "sep", "seperator_token_id" }, { "pad", "padding_token_id" }, { "cls", "cls_token_id" },
                                   { "mask", "mask_token_id" } };

static const char *text_of(const json_t *o, const char *word)
{
    char key[32];
    snprintf(key, sizeof key, "%s_token", word);
    const json_t *v = json_object_get(o, key);
    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

/* ---- ids ---- */

static int64_t added_id(const ts_gguf_tok_put *p, const char *text)
{
    size_t i;
    json_t *t;
    json_array_foreach(json_object_get(p->json, "added_tokens"), i, t) {
        const char *content = json_string_value(json_object_get(t, "content"));
        if (text && content && !strcmp(content, text))
            return (int64_t)json_number_value(json_object_get(t, "id"));
    }
    return -1;
}

static int64_t id_of(const ts_gguf_tok_put *p, const char *word)
{
    char key[32];
    const int64_t id = added_id(p, text_of(p->settings, word));
    snprintf(key, sizeof key, "%s_token_id", word);
    const json_t *v = json_object_get(p->o->config, key);
    return id >= 0 ? id : json_is_integer(v) ? (int64_t)json_integer_value(v) : -1;
}

/* ---- what is put around a text: 1 it is, 0 it is not, -1 nothing is said ---- */

static bool is_text(const char *a, const char *b) { return a && b && !strcmp(a, b); }

static const char *special_at(const json_t *single, size_t i)
{
    return json_string_value(json_object_get(json_object_get(json_array_get(single, i), "SpecialToken"), "id"));
}

static void take_step(const ts_gguf_tok_put *p, const json_t *step, int added[ROLES])
{
    const char *type = json_string_value(json_object_get(step, "type"));
    const json_t *single = json_object_get(step, "single");
    const size_t n = json_array_size(single);
    if (is_text(type, "ByteLevel")) {
        added[BOS] = added[BOS] < 0 ? 0 : added[BOS];
        added[EOS] = added[EOS] < 0 ? 0 : added[EOS];
    } else if (is_text(type, "RobertaProcessing")) {
        added[BOS] = added[EOS] = added[SEP] = 1;
    } else if (is_text(type, "TemplateProcessing") && n > 1) {
        const char *first = special_at(single, 0), *last = special_at(single, n - 1);
        if (first)
            added[BOS] = is_text(first, text_of(p->settings, "bos")) || is_text(first, text_of(p->settings, "cls"));
        if (last)
            added[EOS] = is_text(last, text_of(p->settings, "eos")) || is_text(last, text_of(p->settings, "sep"));
    }
}

static ts_status put_added(const ts_gguf_tok_put *p)
{
    static const char *const keys[ROLES] = { [BOS] = "tokenizer.ggml.add_bos_token", [EOS] = "tokenizer.ggml.add_eos_token",
                                             [SEP] = "tokenizer.ggml.add_sep_token" };
    const json_t *post = json_object_get(p->json, "post_processor"), *steps = json_object_get(post, "processors");
    int added[ROLES] = { -1, -1, -1, -1, -1, -1, -1 };
    size_t i;
    json_t *step;
    take_step(p, post, added);
    json_array_foreach(steps, i, step)
        take_step(p, step, added);
    for (int r = 0; r < ROLES; r++) {
        char key[32];
        snprintf(key, sizeof key, "add_%s_token", roles[r].word);
        const json_t *said = json_object_get(p->settings, key);
        if (added[r] < 0 && json_is_boolean(said))
            added[r] = json_is_true(said);
        if (keys[r] && added[r] >= 0)
            TS_TRY(ts_gguf_add_bool(p->out, keys[r], added[r]));
    }
    return TS_OK;
}

/* ---- chat template ---- */

static ts_status put_named(const ts_gguf_tok_put *p, const json_t *list)
{
    char key[128];
    size_t i;
    json_t *t;
    json_array_foreach(list, i, t) {
        const char *name = json_string_value(json_object_get(t, "name"));
        const json_t *text = json_object_get(t, "template");
        if (!name || !json_is_string(text))
            continue;
        const bool usual = !strcmp(name, "default");
        if (snprintf(key, sizeof key, "tokenizer.chat_template%s%s", usual ? "" : ".", usual ? "" : name) < (int)sizeof key)
            TS_TRY(ts_gguf_add_text(p->out, key, json_string_value(text), json_string_length(text)));
    }
    return TS_OK;
}

static ts_status put_template(const ts_gguf_tok_put *p)
{
    const json_t *said = json_object_get(p->settings, "chat_template");
    const ts_side_file *f = ts_side_files_find(p->o->files, "chat_template.jinja");
    if (json_is_array(said))
        return put_named(p, said);
    if (json_is_string(said))
        return ts_gguf_add_text(p->out, "tokenizer.chat_template", json_string_value(said), json_string_length(said));
    return f ? ts_gguf_add_text(p->out, "tokenizer.chat_template", ts_str_text(&f->text), f->text.len) : TS_OK;
}

ts_status ts_gguf_tok_put_roles(const ts_gguf_tok_put *p)
{
    for (int r = 0; r < ROLES; r++) {
        char key[48];
        const int64_t id = id_of(p, roles[r].word);
        snprintf(key, sizeof key, "tokenizer.ggml.%s", roles[r].key);
        if (id >= 0 && id < p->o->rows)
            TS_TRY(ts_gguf_add_u32(p->out, key, (uint32_t)id));
    }
    TS_TRY(put_added(p));
    return put_template(p);
}
