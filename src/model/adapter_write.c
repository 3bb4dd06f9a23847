/* Folders of adapters as PEFT has them, and their names; what checkpoints say of them. */
#include "base/file.h"
#include "base/output.h"
#include "io/st_write.h"
#include "model/adapter_start.h"
#include "model/adapters.h"
#include "model/weights.h"

#include <stdio.h>
#include <string.h>

/* ---- names ---- */

static const char *const words[] = { "lora_A", "lora_B", "lora_magnitude_vector", "lora_start_A", "lora_start_B" };

void ts_adapter_name(const ts_adapter_site *s, int part, ts_adapter_kind kind, char out[TS_DECLARED_NAME])
{
    snprintf(out, TS_DECLARED_NAME, "%s.%s.%s%s", s->linear, words[kind], s->part[part].name, kind == TS_ADAPTER_M ? "" : ".weight");
}

void ts_adapter_file_name(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, char out[TS_ADAPTER_FILE_NAME],
                          int64_t dim[2])
{
    const ts_adapter_site *s = &a->plan.site[m->site];
    const int64_t rank = ts_adapter_site_rows(s, s->part[m->part].rank);
    dim[0] = kind == TS_ADAPTER_A ? rank : m->out;
    dim[1] = kind == TS_ADAPTER_A ? s->in : kind == TS_ADAPTER_B ? rank : 0;
    if (s->is_table) { /* the other way round */
        const int64_t wide = kind == TS_ADAPTER_A ? s->in : m->out;
        dim[0] = kind == TS_ADAPTER_A ? wide : rank, dim[1] = kind == TS_ADAPTER_A ? rank : wide;
        snprintf(out, TS_ADAPTER_FILE_NAME, "base_model.model.%s.lora_embedding_%s", m->name, kind == TS_ADAPTER_A ? "B" : "A");
        return;
    }
    snprintf(out, TS_ADAPTER_FILE_NAME, "base_model.model.%s.%s%s", m->name, words[kind], kind == TS_ADAPTER_M ? "" : ".weight");
}

ts_status ts_adapters_tell(const ts_adapters *a, json_t **out)
{
    *out = json_pack("{s:O, s:b, s:O*}", "config", a->config, "alone", a->alone, "megatron", a->megatron);
    return *out ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory while describing an adapter");
}

/* ---- a folder ---- */

typedef struct writing {
    const ts_adapters *a;
    const ts_weights_source *values;
    const char *base;
    ts_st_writer *w;
    ts_name_map map; /* where modules are written whole */
    int64_t n;
    float *x, *y;
    size_t room, room_y;
} writing;

static ts_status write_config(const writing *w, const char *folder)
{
    ts_str path = { 0 }, text = { 0 };
    json_t *c = json_deep_copy(w->a->config);
    const char *was = json_string_value(json_object_get(c, "base_model_name_or_path"));
    ts_status st = c ? TS_OK : ts_error(TS_ERR_NOMEM, "no memory");
    if (st == TS_OK && w->base && !was && json_object_set_new(c, "base_model_name_or_path", ts_json_string(w->base)))
        st = ts_error(TS_ERR_NOMEM, "no memory");
    if (st == TS_OK && w->a->plan.starts)
        st = ts_adapter_start_undo(c);
    if (st == TS_OK && w->a->start == TS_ADAPTER_START_LOFTQ && json_object_set_new(c, "init_lora_weights", json_true()))
        st = ts_error(TS_ERR_NOMEM, "no memory"); /* else who reads it begins anew */
    if (st == TS_OK)
        st = ts_json_write(c, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17), "adapter_config.json", &text);
    if (st == TS_OK)
        st = ts_path_join(&path, folder, "adapter_config.json");
    if (st == TS_OK)
        st = ts_file_write_atomic(path.s, text.s, text.len);
    json_decref(c);
    ts_str_deinit(&text);
    ts_str_deinit(&path);
    return st;
}

/* PEFT wants the embedding of a tied model under both of its names. */
static bool has_copy(const writing *w, const ts_name_tensor *t)
{
    return w->a->tied && !strcmp(w->map.piece[t->first_piece].name, "embedding.word_embeddings.weight");
}

static ts_status name_tensors(writing *w)
{
    char name[TS_ADAPTER_FILE_NAME];
    int64_t dim[2];
    for (size_t i = 0; i < w->a->n; i++)
        for (int k = 0; k < ts_adapter_kinds(&w->a->plan.site[w->a->module[i].site]); k++) {
            ts_adapter_file_name(w->a, &w->a->module[i], (ts_adapter_kind)k, name, dim);
            if (w->a->plan.starts)
                dim[k] *= 2; /* A's rows, B's columns */
            TS_TRY(ts_st_writer_add(w->w, name, TS_ST_F32, dim[1] ? 2 : 1, dim));
        }
    for (size_t i = 0; i < w->map.n_tensors; i++) {
        const ts_name_tensor *t = &w->map.tensor[i];
        if (ts_names_find(w->a->saved_files, t->hf_name) < 0)
            continue;
        snprintf(name, sizeof name, "base_model.model.%s", t->hf_name);
        TS_TRY(ts_st_writer_add(w->w, name, TS_ST_F32, t->rank, t->dim));
        if (has_copy(w, t))
            TS_TRY(ts_st_writer_add(w->w, w->a->tied, TS_ST_F32, t->rank, t->dim));
    }
    return TS_OK;
}

/* All of one tensor, which is small. */
static ts_status put(writing *w, const float *x, int64_t n)
{
    return ts_st_writer_put(w->w, w->n++, 0, x, (size_t)n * sizeof *x);
}

/* Into w->y, in the order of files: the parameter `which` of those that are as `kind` is, dim there. */
static ts_status read_one(writing *w, const ts_adapted *m, ts_adapter_kind which, ts_adapter_kind kind, const int64_t dim[2])
{
    char name[TS_DECLARED_NAME];
    const int64_t cols = dim[1] ? dim[1] : 1, n = dim[0] * cols;
    TS_TRY(ts_grow(&w->x, &w->room, (size_t)n, sizeof *w->x));
    TS_TRY(ts_grow(&w->y, &w->room_y, (size_t)n, sizeof *w->y));
    ts_adapter_name(&w->a->plan.site[m->site], m->part, which, name);
    if (kind == TS_ADAPTER_A)
        return w->values->read(w->values->ctx, name, 0, n, w->y);
    if (w->a->plan.site[m->site].experts || w->a->plan.site[m->site].is_table) {
        TS_TRY(w->values->read(w->values->ctx, name, 0, n, w->x));
        ts_adapted_experts(m, &w->a->plan.site[m->site], true, w->x, w->y);
        return TS_OK;
    }
    for (size_t k = 0; k < m->n_rows; k++) {
        const ts_adapted_rows *r = &m->rows[k];
        TS_TRY(w->values->read(w->values->ctx, name, r->row * cols, r->n * cols, w->x));
        for (int64_t i = 0; i < r->n; i++)
            memcpy(w->y + (r->hf + i * r->step) * cols, w->x + i * cols, (size_t)cols * sizeof *w->y);
    }
    return TS_OK;
}

/* What was read of A or B, beside what it was at first: both together are the adapter of the unchanged model. */
static ts_status put_pair(writing *w, const ts_adapted *m, ts_adapter_kind kind, const int64_t dim[2])
{
    const int64_t n = dim[0] * dim[1], rows = kind == TS_ADAPTER_A ? 1 : dim[0], each = n / rows;
    float *both;
    TS_TRY(ts_alloc(&both, (size_t)(2 * n), sizeof *both));
    for (int64_t r = 0; r < rows; r++)
        memcpy(both + 2 * r * each, w->y + r * each, (size_t)each * sizeof *both);
    ts_status st = read_one(w, m, kind == TS_ADAPTER_A ? TS_ADAPTER_START_A : TS_ADAPTER_START_B, kind, dim);
    for (int64_t r = 0; st == TS_OK && r < rows; r++)
        for (int64_t i = 0; i < each; i++)
            both[(2 * r + 1) * each + i] = kind == TS_ADAPTER_A ? w->y[r * each + i] : -w->y[r * each + i];
    if (st == TS_OK)
        st = put(w, both, 2 * n);
    ts_free(&both);
    return st;
}

static ts_status write_one(writing *w, const ts_adapted *m, ts_adapter_kind kind)
{
    char name[TS_ADAPTER_FILE_NAME];
    int64_t dim[2];
    ts_adapter_file_name(w->a, m, kind, name, dim);
    TS_TRY(read_one(w, m, kind, kind, dim));
    return w->a->plan.starts ? put_pair(w, m, kind, dim) : put(w, w->y, dim[0] * (dim[1] ? dim[1] : 1));
}

static ts_status write_module(writing *w, const ts_adapted *m)
{
    for (int k = 0; k < ts_adapter_kinds(&w->a->plan.site[m->site]); k++)
        TS_TRY(write_one(w, m, (ts_adapter_kind)k));
    return TS_OK;
}

/* A module that was trained whole. */
static ts_status write_tensor(writing *w, const ts_name_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= t->dim[i];
    TS_TRY(ts_grow(&w->y, &w->room_y, (size_t)count, sizeof *w->y));
    const int64_t cols = t->rank > 1 && !t->is_line ? t->dim[t->rank - 1] : 1;
    for (size_t k = t->first_piece; k < t->first_piece + t->n_pieces; k++) {
        const ts_name_piece *p = &w->map.piece[k];
        if (p->transposed || p->step != 1)
            return ts_error(TS_ERR_USER, "modules_to_save: %s stands transposed in files, which adapters are not written as",
                            t->hf_name);
        TS_TRY(w->values->read(w->values->ctx, p->name, p->row * cols, p->rows * cols, w->y + p->hf_row * cols));
    }
    TS_TRY(put(w, w->y, count));
    return has_copy(w, t) ? put(w, w->y, count) : TS_OK;
}

static ts_status write_tensors(writing *w, const char *folder)
{
    ts_str path = { 0 };
    ts_status st = ts_path_join(&path, folder, "adapter_model.safetensors");
    if (st == TS_OK)
        st = ts_st_writer_create(path.s, &w->w);
    if (st == TS_OK)
        st = name_tensors(w);
    if (st == TS_OK)
        st = ts_st_writer_begin(w->w);
    for (size_t i = 0; st == TS_OK && i < w->a->n; i++)
        st = write_module(w, &w->a->module[i]);
    for (size_t i = 0; st == TS_OK && i < w->map.n_tensors; i++)
        if (ts_names_find(w->a->saved_files, w->map.tensor[i].hf_name) >= 0)
            st = write_tensor(w, &w->map.tensor[i]);
    if (st == TS_OK)
        st = ts_st_writer_finish(w->w);
    ts_st_writer_destroy(&w->w);
    ts_free(&w->x);
    ts_free(&w->y);
    ts_str_deinit(&path);
    return st;
}

/* One that has the embedding is of its own tokenizer, which may have tokens that the base model's has not. */
static ts_status write_tokenizer(const writing *w, const char *folder)
{
    const ts_side_files *all = w->values->files;
    ts_side_files own = { 0 };
    ts_status st = TS_OK;
    if (!all || ts_names_find(w->a->saved, "embedding.word_embeddings.weight") < 0)
        return TS_OK;
    for (size_t i = 0; i < all->n && st == TS_OK; i++)
        if (ts_side_file_of_tokenizer(all->v[i].name))
            st = ts_side_files_put(&own, all->v[i].name, ts_str_text(&all->v[i].text), all->v[i].text.len);
    if (st == TS_OK)
        st = ts_side_files_write(&own, folder);
    ts_side_files_deinit(&own);
    return st;
}

static ts_status make_folder(void *ctx, const char *folder)
{
    writing *w = ctx;
    TS_TRY(write_tensors(w, folder));
    TS_TRY(write_tokenizer(w, folder));
    return write_config(w, folder);
}

ts_status ts_adapters_write(const ts_adapters *a, const ts_weights_source *values, const char *base, const char *folder,
                            const char *option)
{
    writing w = { .a = a, .values = values, .base = base };
    if (!a->n)
        return ts_error(TS_ERR_USER, "%s %s: no Hugging Face class describes the model, so that its layers have no names there",
                        option, folder);
    ts_status st = ts_names_count(a->saved_files) ? ts_family_names(values->family, values->arch, &w.map) : TS_OK;
    if (st == TS_OK)
        st = ts_weights_publish(folder, option, make_folder, &w);
    ts_name_map_deinit(&w.map);
    return st;
}
