#include "model/family.h"

#include "base/file.h"
#include "io/gguf/models.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

const ts_family *ts_family_named(const char *model_type)
{
    for (size_t i = 0; ts_families[i]; i++)
        if (!strcmp(ts_families[i]->model_type, model_type))
            return ts_families[i];
    return NULL;
}

/* "llama, mistral, ..." */
static ts_status known_types(ts_str *out)
{
    for (size_t i = 0; ts_families[i]; i++)
        TS_TRY(ts_str_printf(out, "%s%s", i ? ", " : "", ts_families[i]->model_type));
    return TS_OK;
}

static ts_status unknown_family(const char *file, const char *key, const char *value)
{
    ts_str known = { 0 };
    ts_status st = known_types(&known);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: %s is \"%.80s\", which is not a known family; known: %s",
                      file, key, value, ts_str_text(&known));
    ts_str_deinit(&known);
    return st;
}

ts_status ts_family_of(const json_t *config, const char *file, const ts_family **out)
{
    const char *type = NULL;
    if (!json_is_object(config))
        return ts_error(TS_ERR_USER, "%s: expected an object", file);
    TS_TRY(ts_json_text(config, file, "model_type", NULL, &type));
    if (type) {
        const ts_family *f = ts_family_named(type);
        if (!f)
            return unknown_family(file, "model_type", type);
        *out = f;
        return TS_OK;
    }
    const char *arch =
        json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    if (!arch)
        return ts_error(TS_ERR_USER, "%s: model_type is missing: which family is this model of?",
                        file);
    for (size_t i = 0; ts_families[i]; i++)
        if (!strcmp(ts_families[i]->architecture, arch)) {
            *out = ts_families[i];
            return TS_OK;
        }
    return unknown_family(file, "architectures", arch);
}

/* Reads and checks; *a belongs to the caller also on failure. */
static ts_status describe(const ts_family *f, const json_t *config, const char *file, ts_arch *a)
{
    ts_arch_init(a);
    snprintf(a->family, sizeof a->family, "%s", f->model_type);
    TS_TRY(ts_family_read(f, config, file, a));
    return ts_arch_check(a, file);
}

static ts_status gguf_config(const char *path, json_t **out)
{
    ts_gguf *g;
    TS_TRY(ts_gguf_open(path, &g));
    const ts_status st = ts_gguf_config(g, out);
    ts_gguf_close(&g);
    return st;
}

ts_status ts_family_config(const char *folder, ts_str *file, json_t **out)
{
    if (ts_gguf_is(folder)) {
        ts_str_reset(file);
        TS_TRY(ts_str_puts(file, folder));
        return gguf_config(folder, out);
    }
    json_t *o;
    TS_TRY(ts_path_join(file, folder, "config.json"));
    TS_TRY(ts_json_read(file->s, &o));
    if (!json_is_object(o)) {
        json_decref(o);
        return ts_error(TS_ERR_USER, "%s: expected an object", file->s);
    }
    *out = o;
    return TS_OK;
}

ts_status ts_family_read_folder(const char *folder, const ts_family **family, ts_arch *arch,
                                json_t **config)
{
    ts_str path = { 0 };
    json_t *o = NULL;
    ts_arch a;
    ts_status st;
    ts_arch_init(&a);
    TS_TRY_TO(out, st, ts_family_config(folder, &path, &o));
    TS_TRY_TO(out, st, ts_family_of(o, path.s, family));
    TS_TRY_TO(out, st, describe(*family, o, path.s, &a));
    *arch = a;
    *config = o;
out:
    if (st != TS_OK) {
        ts_arch_deinit(&a);
        json_decref(o);
    }
    ts_str_deinit(&path);
    return st;
}

static ts_status write_config(const ts_family *f, const ts_arch *a, json_t *o)
{
    json_t *list = json_array();
    if (json_object_set_new(o, "architectures", list) || !list ||
        json_array_append_new(list, json_string(f->architecture)) ||
        json_object_set_new(o, "model_type", json_string(f->model_type)))
        return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return ts_family_write(f, a, o);
}

/* How near a family comes to a description. */
typedef struct nearness {
    int least; /* differences of the nearest family, INT_MAX: none yet */
    const ts_family *family;
    ts_str words;
} nearness;

static ts_status note_nearest(const ts_family *f, const ts_arch *a, const ts_arch *back,
                              nearness *near)
{
    int n;
    TS_TRY(ts_arch_differences(a, back, NULL, &n));
    if (n >= near->least)
        return TS_OK;
    near->least = n;
    near->family = f;
    ts_str_reset(&near->words);
    return ts_arch_differences(a, back, &near->words, &n);
}

/* *out receives the config when the family, reading it back, sees the same model. near may be
 * NULL. */
static ts_status try_family(const ts_family *f, const ts_arch *a, nearness *near, json_t **out)
{
    ts_arch back;
    if (!near && !ts_family_may_say(f, a))
        return TS_OK;
    ts_arch_init(&back);
    json_t *o = json_object();
    ts_status st =
        o ? write_config(f, a, o) : ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    if (st == TS_OK)
        st = describe(f, o, "config.json", &back);
    if (st == TS_OK && ts_arch_equal(a, &back))
        *out = json_incref(o);
    else if (st == TS_OK && near)
        st = note_nearest(f, a, &back, near);
    ts_arch_deinit(&back);
    json_decref(o);
    return st == TS_ERR_USER ? TS_OK : st; /* what the family refuses to read, it cannot say */
}

/* The family that the description came from first, then all; *family stays NULL where none fits. */
static ts_status find_family(const ts_arch *a, nearness *near, const ts_family **family,
                             json_t **config)
{
    const ts_family *own = ts_family_named(a->family);
    *family = NULL;
    if (own && !own->read_only)
        TS_TRY(try_family(own, a, near, config));
    if (*config)
        *family = own;
    for (size_t i = 0; ts_families[i] && !*config; i++) {
        if (!ts_families[i]->read_only)
            TS_TRY(try_family(ts_families[i], a, near, config));
        if (*config)
            *family = ts_families[i];
    }
    return TS_OK;
}

static ts_status nobody_fits(const nearness *near)
{
    if (!near->family)
        return ts_error(TS_ERR_USER, "no Hugging Face class that is known here can say this model");
    return ts_error(TS_ERR_USER,
                    "no Hugging Face class that is known here can say this model; the nearest, %s, "
                    "has another %s",
                    near->family->architecture, ts_str_text(&near->words));
}

ts_status ts_family_describe(const ts_arch *a, const ts_family **family, json_t **config)
{
    nearness near = { .least = INT_MAX };
    const ts_family *f = NULL;
    json_t *o = NULL;
    ts_status st = find_family(a, &near, &f, &o);
    if (st == TS_OK && !o)
        st = nobody_fits(&near);
    ts_str_deinit(&near.words);
    if (st != TS_OK)
        return st;
    *family = f;
    *config = o;
    return TS_OK;
}

/* ---- a description that a family can say in other words ---- */

void ts_family_fit_deinit(ts_family_fit *f)
{
    ts_arch_deinit(&f->arch);
    json_decref(f->config);
    *f = (ts_family_fit){ 0 };
}

/* What may be changed without changing what the model computes. */
enum { FILL_ATTENTION = 1, FILL_MLP = 2, FILL_POSITIONS = 4, FILLS = 8 };

/* Where every layer has experts no MLP has the width of one. */
static void forget_width(ts_arch *a)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        if (a->layer[i].mlp != TS_MLP_EXPERTS)
            return;
    a->ffn = a->expert_ffn;
}

/* False: the same as with fewer changes. */
static bool change(ts_arch *a, int fill, double offset)
{
    const ts_arch before = *a;
    if (fill & FILL_ATTENTION)
        a->bias_qkv = a->bias_proj = true;
    if (fill & FILL_MLP)
        a->bias_fc1 = a->bias_fc2 = true;
    if (fill & FILL_POSITIONS && a->position == TS_POSITION_NONE)
        ts_arch_set_position(a, TS_POSITION_LEARNED);
    a->norm_offset = offset;
    forget_width(a);
    if (fill & FILL_ATTENTION && before.bias_qkv && before.bias_proj)
        return false;
    if (fill & FILL_MLP && before.bias_fc1 && before.bias_fc2)
        return false;
    return !(fill & FILL_POSITIONS) || before.position == TS_POSITION_NONE;
}

static ts_status try_changed(const ts_arch *a, int fill, double offset, nearness *near,
                             ts_family_fit *out)
{
    ts_family_fit f = { 0 };
    TS_TRY(ts_arch_copy(a, &f.arch));
    ts_status st = TS_OK;
    if (change(&f.arch, fill, offset))
        st = find_family(&f.arch, near, &f.family, &f.config);
    if (st == TS_OK && f.config)
        *out = f;
    else
        ts_family_fit_deinit(&f);
    return st;
}

static ts_status find_fit(const ts_arch *a, nearness *near, ts_family_fit *f)
{
    const double offsets[] = { a->norm_offset, 0, 1 };
    ts_status st = TS_OK;
    for (int fill = 0; fill < FILLS && st == TS_OK && !f->config; fill++)
        for (int i = 0; i < 3 && st == TS_OK && !f->config; i++)
            if (i == 0 || offsets[i] != a->norm_offset)
                st = try_changed(a, fill, offsets[i], fill ? NULL : near, f);
    return st;
}

/* Layers that predict further tokens are left out where no class has any: the model computes the same. */
ts_status ts_family_fit_init(ts_family_fit *out, const ts_arch *a)
{
    nearness near = { .least = INT_MAX };
    ts_family_fit f = { 0 };
    ts_arch without = *a; /* borrows its layers */
    without.mtp_layers = 0;
    ts_status st = find_fit(a, &near, &f);
    if (st == TS_OK && !f.config && a->mtp_layers)
        st = find_fit(&without, &near, &f);
    if (st == TS_OK && !f.config)
        st = nobody_fits(&near);
    ts_str_deinit(&near.words);
    if (st == TS_OK)
        *out = f;
    return st;
}

static const ts_name_other *others_of(const ts_family *f)
{
    static const ts_name_other none[] = { { 0 } };
    while (f && !f->others)
        f = f->base;
    return f ? f->others : none;
}

/* False: there is nothing to replace. */
static bool replace(const ts_name_other *o, const char *name, char out[TS_FAMILY_NAME])
{
    const char *at = strstr(name, o->ours);
    return at && snprintf(out, TS_FAMILY_NAME, "%.*s%s%s", (int)(at - name), name, o->theirs, at + strlen(o->ours)) <
                     TS_FAMILY_NAME;
}

bool ts_family_alias(const ts_family *f, const char *hf_name, int i, char out[TS_FAMILY_NAME])
{
    const char *prefix = ts_family_prefix(f);
    const size_t n = prefix ? strlen(prefix) : 0;
    const char *bare = n && !strncmp(hf_name, prefix, n) ? hf_name + n : NULL;
    if (bare && i-- == 0)
        return snprintf(out, TS_FAMILY_NAME, "%s", bare) < TS_FAMILY_NAME;
    for (const ts_name_other *o = others_of(f); o->ours; o++)
        if ((replace(o, hf_name, out) && i-- == 0) || (bare && replace(o, bare, out) && i-- == 0))
            return true;
    return false;
}

bool ts_family_other_name(const ts_family *f, const char *hf_name, char out[TS_FAMILY_NAME])
{
    for (const ts_name_other *o = others_of(f); o->ours; o++)
        if (o->stays && replace(o, hf_name, out))
            return true;
    return false;
}

static ts_status rename_tensor(ts_name_map *m, ts_name_tensor *t, const char *to)
{
    char *name;
    TS_TRY(ts_strdup(to, &name));
    ts_free(&t->hf_name);
    t->hf_name = name;
    for (size_t i = 0; i < t->n_pieces; i++)
        m->piece[t->first_piece + i].hf_name = name;
    return TS_OK;
}

ts_status ts_family_names(const ts_family *f, const ts_arch *a, ts_name_map *m)
{
    char other[TS_FAMILY_NAME];
    if (f->vision)
        return ts_vision_names(f, a, m);
    TS_TRY(ts_name_table(m, a, f->names_of ? f->names_of(a) : ts_family_name_rows(f)));
    for (size_t i = 0; a->other_names && i < m->n_tensors; i++)
        if (ts_family_other_name(f, m->tensor[i].hf_name, other))
            TS_TRY(rename_tensor(m, &m->tensor[i], other));
    return TS_OK;
}

const char *ts_family_module(const ts_family *f, const ts_arch *a, const char *name)
{
    if (f->vision)
        return a && a->vision ? ts_vision_module(f, a, name) : NULL;
    for (const ts_name_row *row = ts_family_name_rows(f); row->name; row++)
        if (!strcmp(row->name, name))
            return row->hf_name;
    return NULL;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcmp(s + n - m, end);
}

bool ts_family_may_predict(const ts_family *f, const ts_arch *a)
{
    if (f->vision || a->layer[a->n_layers - 1].attention != TS_ATTENTION_SOFTMAX)
        return false;
    for (const ts_name_row *row = ts_family_name_rows(f); row->name; row++)
        if (!strncmp(row->hf_name, TS_NAMES_FURTHER, strlen(TS_NAMES_FURTHER)))
            return true;
    return false;
}

bool ts_family_further(const ts_family *f, const ts_arch *a, const char *hf_name)
{
    static const char layers[] = "model.layers.";
    const ts_family *of = f;
    while (of && !of->has_further)
        of = of->base;
    if (!of)
        return false;
    if (!strncmp(hf_name, layers, sizeof layers - 1))
        return strtoll(hf_name + sizeof layers - 1, NULL, 10) >= ts_arch_blocks(a);
    return !strncmp(hf_name, "mtp.", 4) || !strncmp(hf_name, "model.mtp_", 10) || !strncmp(hf_name, "model.mtp.", 10);
}

bool ts_family_ignores(const ts_family *f, const ts_arch *a, const char *hf_name)
{
    static const char *const buffers[] = {
        ".rotary_emb.inv_freq",   ".attn.bias",
        ".attn.masked_bias",      ".attention.bias",
        ".attention.masked_bias", ".attention.rotary_emb.inv_freq"
    };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (ends_with(hf_name, buffers[i]))
            return true;
    const char *head = ts_family_module(f, a, "output_layer");
    const size_t n = head ? strlen(head) : 0;
    return a->tied && head && !strncmp(head, hf_name, n) && !strcmp(hf_name + n, ".weight");
}
