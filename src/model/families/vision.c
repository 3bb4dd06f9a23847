#include "model/families/vision.h"

#include "model/families/families.h"

#include <stdio.h>
#include <string.h>

static const ts_name_row no_names[] = { { 0 } };

static const ts_config_row tower_rows[] = {
    TS_FIXED(vocab, 1),
    TS_FIXED(max_positions, 1),
    TS_COPY("hidden_size", hidden, 1024),
    TS_COPY("intermediate_size", ffn, 4096),
    TS_COPY("num_hidden_layers", n_layers, 24),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_OWN(NULL, n_kv_heads, ts_config_kv_as_heads, NULL, 0),
    TS_NO_HEAD_DIM,
    TS_OWN(NULL, attn_scale, ts_config_attn_scale, NULL, 0),
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bias, true),
    TS_COPY("layer_norm_eps", norm_eps, 1e-5),
    TS_COPY("hidden_act", act, TS_ACT_GELU),
    TS_FIXED(gated, false),
    TS_FIXED(position, TS_POSITION_NONE),
    TS_FIXED(bias_qkv, true),
    TS_FIXED(bias_proj, true),
    TS_FIXED(bias_fc1, true),
    TS_FIXED(bias_fc2, true),
    { TS_CONFIG_END },
};
const ts_family ts_tower_base = { .prefix = "", .names = no_names, .rows = tower_rows };

/* ---- config.json ---- */

static ts_status text_of(const ts_vision_family *v, const json_t *config, const char *file, const ts_family **out)
{
    const char *type = json_string_value(json_object_get(config, "model_type"));
    *out = v->text ? v->text : type ? ts_family_named(type) : NULL;
    if (*out && !(*out)->vision)
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: %s: model_type is \"%.60s\", which is no known family of words", file, v->text_key,
                    type ? type : "not given");
}

/* The words' part of config.json, in which a rotary embedding whose positions have three parts is what it is for one. */
static json_t *words_alone(const json_t *words)
{
    static const char *const keys[] = { "rope_scaling", "rope_parameters" }, *const kinds[] = { "type", "rope_type" };
    json_t *copy = json_deep_copy(words);
    for (size_t i = 0; copy && i < 4; i++) {
        json_t *rope = json_object_get(copy, keys[i / 2]);
        const char *kind = json_string_value(json_object_get(rope, kinds[i % 2]));
        if (kind && !strcmp(kind, "mrope"))
            json_object_set_new(rope, kinds[i % 2], json_string("default"));
    }
    return copy;
}

static ts_status read_words(const ts_family *text, const json_t *words, const char *file, ts_arch *a)
{
    json_t *copy = words_alone(words);
    const ts_status st = copy ? ts_family_read(text, copy, file, a) : ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    json_decref(copy);
    return st;
}

ts_status ts_vision_read(const ts_family *f, const json_t *config, const char *file, ts_arch *a)
{
    const ts_vision_family *v = f->vision;
    const json_t *words = json_object_get(config, v->text_key), *vision = json_object_get(config, v->vision_key);
    const ts_family *text = NULL;
    if (!json_is_object(vision))
        return ts_error(TS_ERR_USER, "%s: %s is missing or no object", file, v->vision_key);
    words = json_is_object(words) ? words : config;
    TS_TRY(text_of(v, words, file, &text));
    TS_TRY(read_words(text, words, file, a));
    if (words != config) /* the whole's counts where both say it */
        TS_TRY(ts_json_bool(config, file, "tie_word_embeddings", a->tied, &a->tied));
    TS_TRY(ts_vision_create(a));
    snprintf(a->vision->text, sizeof a->vision->text, "%s", text->model_type);
    snprintf(a->vision->tower.family, sizeof a->vision->tower.family, "%s", f->model_type);
    TS_TRY(ts_family_read(v->tower, vision, file, &a->vision->tower));
    a->vision->behind = a->vision->tower.n_layers;
    return v->read(config, vision, file, a);
}

ts_status ts_vision_token(const json_t *config, const char *file, const char *key, const char *or_key, int64_t *out)
{
    return ts_config_int(config, file, or_key && !json_object_get(config, key) ? or_key : key, -1, -1, -1, INT32_MAX, out);
}

void ts_vision_rotate(ts_vision_arch *v, double theta)
{
    v->tower.rope[0] = (ts_rope_config){ .theta = theta, .dim = v->tower.head_dim, .factor = 1, .max_positions = 1 };
    v->tower.n_ropes = 1;
}

ts_status ts_vision_side(const json_t *o, const char *file, const char *key, int64_t missing, int64_t *out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_array(v))
        return ts_config_int(o, file, key, missing, missing, 1, 65536, out);
    const json_int_t a = json_integer_value(json_array_get(v, 0)), b = json_integer_value(json_array_get(v, 1));
    if (json_array_size(v) != 2 || a != b || a < 1 || a > 65536)
        return ts_error(TS_ERR_USER, "%s: %s must be a number or two equal ones", file, key);
    *out = a;
    return TS_OK;
}

ts_status ts_vision_sections(const json_t *config, const char *text_key, const char *file, ts_arch *a)
{
    const json_t *words = json_object_get(config, text_key), *rope;
    ts_vision_arch *v = a->vision;
    TS_TRY(ts_config_rope_find(json_is_object(words) ? words : config, file, &rope));
    const json_t *list = json_object_get(rope, "mrope_section");
    int64_t *const part[] = { &v->turns_time, &v->turns_row, &v->turns_column };
    for (size_t i = 0; i < 3; i++) {
        const json_t *n = json_array_get(list, i);
        if (json_array_size(list) != 3 || !json_is_integer(n) || json_integer_value(n) < 0)
            return ts_error(TS_ERR_USER, "%s: mrope_section must be three whole numbers", file);
        *part[i] = json_integer_value(n);
    }
    return ts_json_bool(rope, file, "mrope_interleaved", v->turns_mixed, &v->turns_mixed);
}

/* ---- names ---- */

static const ts_vision_form *form_of(const ts_family *f, const ts_arch *a) { return &f->vision->form[a->vision->form]; }

static const ts_family *words_of(const ts_family *f, const ts_arch *a)
{
    return f->vision->text ? f->vision->text : ts_family_named(a->vision->text);
}

static const char words_begin[] = "model.";

static ts_status begin_with(ts_name_map *m, ts_name_tensor *t, const char *begin, size_t skip)
{
    ts_str name = { 0 };
    char *copy = NULL;
    ts_status st = ts_str_printf(&name, "%s%s", begin, t->hf_name + skip);
    if (st == TS_OK)
        st = ts_strdup(name.s, &copy);
    ts_str_deinit(&name);
    TS_TRY(st);
    ts_free(&t->hf_name);
    t->hf_name = copy;
    for (size_t i = 0; i < t->n_pieces; i++)
        m->piece[t->first_piece + i].hf_name = copy;
    return TS_OK;
}

ts_status ts_vision_names(const ts_family *f, const ts_arch *a, ts_name_map *m)
{
    const ts_family *text = words_of(f, a);
    const ts_vision_form *form = form_of(f, a);
    const size_t n = sizeof words_begin - 1;
    TS_TRY(ts_name_table_of(m, a, TS_NAMES_WORDS, text->names_of ? text->names_of(a) : ts_family_name_rows(text)));
    const size_t words = m->n_tensors;
    TS_TRY(ts_name_table_of(m, a, TS_NAMES_TOWER, ts_family_name_rows(f->vision->tower)));
    for (size_t i = 0; i < m->n_tensors; i++) {
        const bool is_word = i < words, inside = is_word && !strncmp(m->tensor[i].hf_name, words_begin, n);
        const bool joint = !is_word && !strncmp(m->piece[m->tensor[i].first_piece].name, TS_JOINT_NAMES, strlen(TS_JOINT_NAMES));
        TS_TRY(begin_with(m, &m->tensor[i], joint ? form->joint : !is_word ? form->tower : inside ? form->words : form->others,
                          inside ? n : 0));
    }
    return TS_OK;
}

const char *ts_vision_module(const ts_family *f, const ts_arch *a, const char *name)
{
    const ts_vision_form *form = form_of(f, a);
    ts_vision_arch *v = a->vision;
    const char *own = ts_family_module(words_of(f, a), NULL, name);
    const bool inside = own && !strncmp(own, words_begin, sizeof words_begin - 1);
    if (!own)
        return NULL;
    char *const out = strcmp(name, "output_layer") ? v->module : v->output;
    snprintf(out, sizeof v->module, "%s%s", inside ? form->words : form->others, own + (inside ? sizeof words_begin - 1 : 0));
    return out;
}

/* Whether the form's embedding and the first tensor of its tower are in the files. */
static ts_status try_form(const ts_family *f, const ts_st_dir *dir, const ts_arch *a, bool *is)
{
    ts_name_map m = { 0 };
    char name[2 * sizeof a->vision->module];
    size_t i = 0;
    const ts_status st = ts_vision_names(f, a, &m);
    while (st == TS_OK && i < m.n_tensors && !(m.tensor[i].n_pieces && ts_tower_has(m.piece[m.tensor[i].first_piece].name)))
        i++;
    snprintf(name, sizeof name, "%s.weight", ts_vision_module(f, a, "embedding.word_embeddings"));
    *is = st == TS_OK && i < m.n_tensors && ts_st_dir_find(dir, name) && ts_st_dir_find(dir, m.tensor[i].hf_name);
    ts_name_map_deinit(&m);
    return st;
}

ts_status ts_vision_settle_form(const ts_family *f, const ts_st_dir *dir, ts_arch *a)
{
    bool is = false;
    for (int64_t i = 0; !is && f->vision->form[i].words; i++) {
        a->vision->form = i;
        TS_TRY(try_form(f, dir, a, &is));
    }
    a->vision->form = is ? a->vision->form : 0;
    return TS_OK;
}
