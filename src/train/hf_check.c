#include "train/hf_check.h"

#include "base/file.h"
#include "base/names.h"
#include "model/weights.h"
#include "model/weights_packed.h"
#include "model/weights_scaled.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct checker {
    ts_hf_check *check;
    const char *folder;
    ts_st_dir *dir;
    const ts_family *family;
    ts_arch arch;
    char first[1024];
} checker;

static void found(checker *c, const char *fmt, ...) TS_PRINTF(2, 3);
static void found(checker *c, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!c->check->damages++)
        memcpy(c->first, text, sizeof text);
    if (c->check->found)
        c->check->found(c->check->ctx, text);
}

/* A failed call that is about the files is a finding; others are failures. */
static ts_status as_finding(checker *c, ts_status st)
{
    if (st != TS_ERR_USER)
        return st;
    found(c, "%s", ts_error_message());
    return TS_OK;
}

static ts_status check_index(checker *c)
{
    ts_str path = { 0 };
    json_t *root = NULL;
    int64_t total = 0;
    ts_status st = ts_path_join(&path, c->folder, "model.safetensors.index.json");
    if (st == TS_OK && ts_st_dir_has_index(c->dir)) {
        st = ts_json_read(path.s, &root);
        const json_t *meta = json_object_get(root, "metadata");
        if (st == TS_OK && json_is_object(meta))
            st = ts_json_int(meta, path.s, "total_size", 0, 0, INT64_MAX, &total);
        if (st == TS_OK && total && (size_t)total != ts_st_dir_bytes(c->dir))
            found(c, "%s: says total_size %lld, but the tensors have %zu bytes", path.s,
                  (long long)total, ts_st_dir_bytes(c->dir));
        if (root)
            json_decref(root);
    }
    ts_str_deinit(&path);
    return as_finding(c, st);
}

static void check_shape(checker *c, const ts_name_tensor *want)
{
    const ts_st_tensor *t = ts_weights_find(c->family, &c->arch, c->dir, want->hf_name);
    char have[256] = "", need[256] = "";
    ts_packed packed;
    ts_scaled scaled;
    if (!t && ts_packed_find(c->family, c->dir, want->hf_name, &packed)) {
        if (ts_packed_check(&packed, c->folder, want) != TS_OK)
            found(c, "%s", ts_error_message());
        return;
    }
    if (!t) {
        found(c, "%s: tensor %s is missing", c->folder, want->hf_name);
        return;
    }
    if (ts_scaled_is(c->dir, t)) {
        if (ts_scaled_find(c->dir, t, want, &scaled) != TS_OK)
            found(c, "%s", ts_error_message());
        return;
    }
    bool same = t->rank == want->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = t->shape[i] == want->dim[i];
    if (same)
        return;
    for (int i = 0; i < t->rank; i++)
        snprintf(have + strlen(have), sizeof have - strlen(have), "%s%lld", i ? ", " : "",
                 (long long)t->shape[i]);
    for (int i = 0; i < want->rank; i++)
        snprintf(need + strlen(need), sizeof need - strlen(need), "%s%lld", i ? ", " : "",
                 (long long)want->dim[i]);
    found(c, "%s: tensor %s has shape [%s], but config.json means [%s]", t->path, t->name, have,
          need);
}

/* All names that the model's tensors may have in files, into a list that has none yet. */
static ts_status list_names(const checker *c, const ts_name_map *m, ts_names *out)
{
    char alias[TS_FAMILY_NAME];
    for (size_t i = 0; i < m->n_tensors; i++) {
        const char *name = m->tensor[i].hf_name;
        TS_TRY(ts_names_add(out, name));
        for (int k = 0; ts_family_alias(c->family, name, k, alias); k++)
            TS_TRY(ts_names_add(out, alias));
    }
    return TS_OK;
}

static ts_status check_tensors(checker *c)
{
    ts_name_map m = { 0 };
    ts_names *names;
    TS_TRY(ts_names_create(0, &names));
    ts_status st = ts_family_names(c->family, &c->arch, &m);
    if (st == TS_OK)
        st = list_names(c, &m, names);
    for (size_t i = 0; st == TS_OK && i < m.n_tensors; i++)
        if (!m.tensor[i].is_copy)
            check_shape(c, &m.tensor[i]);
    for (int64_t i = 0; st == TS_OK && i < ts_st_dir_count(c->dir); i++) {
        const ts_st_tensor *t = ts_st_dir_at(c->dir, i);
        char stem[TS_PACKED_NAME], scaled[TS_FAMILY_NAME];
        const char *name = ts_packed_stem(t->name, stem) ? stem : t->name;
        const bool scales = ts_scaled_stem(name, scaled) && ts_names_find(names, scaled) >= 0;
        if (ts_names_find(names, name) < 0 && !scales && !ts_family_ignores(c->family, &c->arch, t->name) &&
            !ts_family_further(c->family, &c->arch, t->name))
            found(c, "%s: tensor %s belongs to no part of the model that config.json describes",
                  t->path, t->name);
    }
    ts_names_destroy(&names);
    ts_name_map_deinit(&m);
    return st;
}

/* A config that is no config is damage; one of a family that is not known here is none. */
static ts_status check_config(checker *c)
{
    ts_str path = { 0 };
    json_t *config = NULL, *again = NULL;
    ts_status st = ts_path_join(&path, c->folder, "config.json");
    if (st == TS_OK)
        st = ts_json_read(path.s, &config);
    if (st == TS_OK && !json_is_object(config))
        st = ts_error(TS_ERR_USER, "%s: must be a JSON object", path.s);
    if (st == TS_OK && ts_family_of(config, path.s, &c->family) == TS_OK) {
        st = ts_family_read_folder(c->folder, &c->family, &c->arch, &again);
        if (st == TS_OK)
            c->check->model_type = c->family->model_type;
        if (st == TS_OK && c->dir)
            st = ts_weights_settle_tie(c->family, c->dir, c->folder, &c->arch, again);
        if (st == TS_OK && c->dir)
            st = ts_weights_settle_mtp(c->family, c->dir, &c->arch);
        if (st == TS_OK && c->dir)
            ts_weights_settle_experts(c->dir, &c->arch);
        if (st == TS_OK && c->dir)
            st = check_tensors(c);
        if (again)
            json_decref(again);
    }
    if (config)
        json_decref(config);
    ts_str_deinit(&path);
    return as_finding(c, st);
}

ts_status ts_hf_check_folder(const char *folder, ts_hf_check *check)
{
    checker c = { .check = check, .folder = folder };
    ts_status st = as_finding(&c, ts_st_dir_open(folder, "model", &c.dir));
    if (st == TS_OK && c.dir) {
        check->tensors = ts_st_dir_count(c.dir);
        check->bytes = (double)ts_st_dir_bytes(c.dir);
        st = check_index(&c);
    }
    if (st == TS_OK)
        st = check_config(&c);
    ts_st_dir_destroy(&c.dir);
    ts_arch_deinit(&c.arch);
    if (st == TS_OK && check->damages > 1)
        st = ts_error(TS_ERR_USER, "%s (and %lld more)", c.first, (long long)check->damages - 1);
    else if (st == TS_OK && check->damages)
        st = ts_error(TS_ERR_USER, "%s", c.first);
    return st;
}
