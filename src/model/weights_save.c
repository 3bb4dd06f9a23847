#include "base/file.h"
#include "base/log.h"
#include "base/output.h"
#include "io/st_write.h"
#include "model/families/config.h"
#include "model/param_values.h"
#include "model/weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

/* What will be written: the model in a family's words. */
typedef struct plan {
    const ts_weights_source *source;
    const ts_family *family;
    const json_t *config;
    const ts_arch *arch;
    ts_family_fit fit; /* where the source has no family */
    ts_name_map map;
    ts_param_list has; /* what the source has; the family may have more: biases and positions, zeros */
} plan;

static void plan_close(plan *p)
{
    ts_param_list_deinit(&p->has);
    ts_name_map_deinit(&p->map);
    ts_family_fit_deinit(&p->fit);
}

static ts_status plan_open(const ts_weights_source *s, plan *p)
{
    *p = (plan){ .source = s, .family = s->family, .config = s->config, .arch = s->arch };
    if (!s->family) {
        TS_TRY(ts_family_fit_init(&p->fit, s->arch));
        p->family = p->fit.family;
        p->config = p->fit.config;
        p->arch = &p->fit.arch;
    }
    if (p->arch->mtp_layers < s->arch->mtp_layers)
        ts_log(TS_LOG_INFO, "%s has no layers that predict further tokens (--mtp-num-layers): they are left out of the "
                            "folder", p->family->architecture);
    TS_TRY(ts_param_list_make(s->arch, &p->has));
    return ts_family_names(p->family, p->arch, &p->map);
}

typedef struct saver {
    const plan *plan;
    ts_st_dir_writer *w;
    ts_st_dtype dtype;
    bool keeps_types;
    float *values;  /* at least PIECE and the widest row */
    char *bytes;
    int64_t capacity;
} saver;

/* Values as the family counts them. */
static ts_status get_values(const saver *s, const ts_name_piece *piece, int64_t at, int64_t n,
                            float *v)
{
    const plan *p = s->plan;
    const double more = p->source->arch->norm_offset - p->arch->norm_offset;
    if (ts_names_find(p->has.names, piece->name) < 0) {
        memset(v, 0, (size_t)n * sizeof *v);
        return TS_OK;
    }
    TS_TRY(p->source->read(p->source->ctx, piece->name, at, n, v));
    /* norms within a layer that carries a state never count from 0 */
    if (more != 0 && strstr(piece->name, "norm") && !strstr(piece->name, ".norm.") && strstr(piece->name, ".weight"))
        for (int64_t i = 0; i < n; i++)
            v[i] += (float)more;
    return TS_OK;
}

static ts_st_dtype dtype_of(const saver *s, int64_t tensor)
{
    const ts_weights_source *source = s->plan->source;
    const ts_name_tensor *t = &s->plan->map.tensor[tensor];
    const char *name = t->n_pieces ? s->plan->map.piece[t->first_piece].name : NULL;
    if (t->is_choice)
        return TS_ST_I64;
    return s->keeps_types && source->dtype && name && ts_names_find(s->plan->has.names, name) >= 0
               ? source->dtype(source->dtype_ctx, name)
               : s->dtype;
}

static ts_status put(const saver *s, int64_t tensor, int64_t at, int64_t n)
{
    const ts_st_dtype dtype = dtype_of(s, tensor);
    const size_t size = (size_t)ts_st_dtype_bits(dtype) / 8;
    ts_st_from_f32(dtype, s->values, n, s->bytes);
    return ts_st_dir_writer_put(s->w, tensor, (size_t)at * size, s->bytes, (size_t)n * size);
}

static ts_status save_rows(const saver *s, int64_t tensor, const ts_name_piece *piece)
{
    const ts_name_tensor *t = &s->plan->map.tensor[tensor];
    const int64_t cols = t->cols ? t->cols : t->rank > 1 && !t->is_line ? t->dim[t->rank - 1] : 1, step = s->capacity / cols;
    for (int64_t r = 0; r < piece->rows; r += step) {
        const int64_t n = piece->rows - r < step ? piece->rows - r : step;
        TS_TRY(get_values(s, piece, (piece->row + r) * cols, n * cols, s->values));
        if (t->groups)
            TS_TRY(ts_weights_regroup(s->values, n, cols, cols / t->groups));
        TS_TRY(put(s, tensor, (piece->hf_row + r) * cols, n * cols));
    }
    return TS_OK;
}

/* n values in the file's order, from element `at` of the tensor on. */
static ts_status put_all(const saver *s, int64_t tensor, int64_t at, const float *v, int64_t n)
{
    for (int64_t i = 0; i < n; i += s->capacity) {
        const int64_t some = n - i < s->capacity ? n - i : s->capacity;
        memcpy(s->values, v + i, (size_t)some * sizeof *v);
        TS_TRY(put(s, tensor, at + i, some));
    }
    return TS_OK;
}

/* A piece into the matrix [in, out] that it is columns of; of a vector, in is 1. */
static ts_status turn(const saver *s, const ts_name_piece *p, int64_t in, int64_t out, float *whole)
{
    enum { AT_ONCE = 32 };
    float *v;
    TS_TRY(ts_alloc(&v, (size_t)(p->rows * in), sizeof *v));
    const ts_status st = get_values(s, p, p->row * in, p->rows * in, v);
    for (int64_t r = 0; st == TS_OK && r < p->rows; r += AT_ONCE)
        for (int64_t i = 0; i < in; i++)
            for (int64_t k = r; k < p->rows && k < r + AT_ONCE; k++)
                whole[i * out + p->hf_row + k * p->step] = v[k * in + i];
    ts_free(&v);
    return st;
}

/* Columns and rows that pieces of a tensor which is turned are of; of a vector there is one column. */
static int64_t columns_of(const ts_name_tensor *t, bool transposed) { return transposed ? t->dim[t->rank - 2] : 1; }

static int64_t rows_of(const ts_name_tensor *t)
{
    return t->is_line ? t->dim[0] * t->dim[1] * (t->rank > 2 ? t->dim[2] : 1) : t->dim[t->rank - 1];
}

/* The pieces from number *i on that are of one matrix of the file's, or of all of its vector, which are written
 * together; *i: behind them. */
static ts_status save_turned(const saver *s, int64_t tensor, size_t *i, size_t end)
{
    const ts_name_tensor *t = &s->plan->map.tensor[tensor];
    const ts_name_piece *piece = s->plan->map.piece;
    const int64_t matrix = piece[*i].matrix, in = columns_of(t, piece[*i].transposed), out = rows_of(t);
    float *whole;
    TS_TRY(ts_alloc(&whole, (size_t)(in * out), sizeof *whole));
    ts_status st = TS_OK;
    for (; st == TS_OK && *i < end && piece[*i].matrix == matrix; (*i)++)
        st = turn(s, &piece[*i], in, out, whole);
    if (st == TS_OK)
        st = put_all(s, tensor, matrix * in * out, whole, in * out);
    ts_free(&whole);
    return st;
}

/* ---- of values that stand in files ---- */

/* Whether the tensor's values are those of the files, in this type or another. */
static bool stands_in_files(const saver *s, const ts_name_tensor *t)
{
    const plan *p = s->plan;
    if (!p->source->values || t->is_choice || p->source->arch->norm_offset != p->arch->norm_offset)
        return false;
    for (size_t i = t->first_piece; i < t->first_piece + t->n_pieces; i++)
        if (ts_names_find(p->has.names, p->map.piece[i].name) < 0)
            return false;
    return true;
}

static size_t number_of(const ts_param_values *v, const char *name)
{
    const int64_t n = ts_names_find(v->params.names, name);
    TS_ASSERT(n >= 0, "no parameter is called %s", name);
    return (size_t)n;
}

static ts_status copy_rows(const saver *s, int64_t tensor, const ts_name_piece *piece)
{
    const ts_name_tensor *t = &s->plan->map.tensor[tensor];
    const ts_param_values *v = s->plan->source->values;
    const ts_st_dtype dtype = dtype_of(s, tensor);
    const int64_t cols = t->rank > 1 && !t->is_line ? t->dim[t->rank - 1] : 1, step = s->capacity / cols;
    const size_t size = (size_t)ts_st_dtype_bits(dtype) / 8, number = number_of(v, piece->name);
    for (int64_t r = 0, n; r < piece->rows; r += n) {
        const char *bytes = ts_param_values_run(v, number, piece->row + r, piece->rows - r, dtype, &n);
        if (!bytes) {
            n = piece->rows - r < step ? piece->rows - r : step;
            TS_TRY(ts_param_values_put(v, number, piece->row + r, n, 0, cols, &(ts_param_target){ dtype, s->bytes, cols, 1 }));
            bytes = s->bytes;
        }
        TS_TRY(ts_st_dir_writer_put(s->w, tensor, (size_t)((piece->hf_row + r) * cols) * size, bytes, (size_t)(n * cols) * size));
    }
    return TS_OK;
}

/* As save_turned. */
static ts_status copy_turned(const saver *s, int64_t tensor, size_t *i, size_t end)
{
    const ts_name_tensor *t = &s->plan->map.tensor[tensor];
    const ts_name_piece *piece = s->plan->map.piece;
    const ts_param_values *v = s->plan->source->values;
    const ts_st_dtype dtype = dtype_of(s, tensor);
    const int64_t matrix = piece[*i].matrix, in = columns_of(t, piece[*i].transposed), out = rows_of(t);
    const size_t size = (size_t)ts_st_dtype_bits(dtype) / 8, bytes = (size_t)(in * out) * size;
    char *whole;
    TS_TRY(ts_alloc(&whole, bytes, 1));
    ts_status st = TS_OK;
    for (; st == TS_OK && *i < end && piece[*i].matrix == matrix; (*i)++) {
        const ts_name_piece *p = &piece[*i];
        const ts_param_target to = { dtype, whole + (size_t)p->hf_row * size, p->step, out };
        st = ts_param_values_put(v, number_of(v, p->name), p->row, p->rows, 0, in, &to);
    }
    if (st == TS_OK)
        st = ts_st_dir_writer_put(s->w, tensor, (size_t)matrix * bytes, whole, bytes);
    ts_free(&whole);
    return st;
}

/* Tells which of the files' tensors are not needed any more: those that the tensor's pieces stand in, whose memory comes back if
 * another tensor has a part of them. */
static void tell_done(const saver *s, const ts_name_tensor *t)
{
    const ts_weights_source *source = s->plan->source;
    const ts_param_values *v = source->values;
    for (size_t i = t->first_piece; source->is_done && i < t->first_piece + t->n_pieces; i++) {
        const size_t number = number_of(v, s->plan->map.piece[i].name);
        for (size_t k = v->first[number]; k < v->first[number + 1]; k++)
            source->is_done(source->done_ctx, v->block[k].t);
    }
}

static ts_status save_tensor(const saver *s, int64_t tensor)
{
    const ts_name_map *map = &s->plan->map;
    const ts_name_tensor *t = &map->tensor[tensor];
    const size_t end = t->first_piece + t->n_pieces;
    const bool copies = stands_in_files(s, t);
    for (size_t i = t->first_piece; i < end;) {
        const bool turns = map->piece[i].transposed || map->piece[i].step != 1;
        if (copies && turns)
            TS_TRY(copy_turned(s, tensor, &i, end));
        else if (copies)
            TS_TRY(copy_rows(s, tensor, &map->piece[i++]));
        else if (turns)
            TS_TRY(save_turned(s, tensor, &i, end));
        else
            TS_TRY(save_rows(s, tensor, &map->piece[i++]));
    }
    if (copies)
        tell_done(s, t);
    if (s->plan->source->progress)
        s->plan->source->progress(s->plan->source->ctx, (size_t)tensor + 1, map->n_tensors);
    return TS_OK;
}

static ts_status save_tensors(saver *s)
{
    const ts_name_map *map = &s->plan->map;
    int64_t widest = PIECE;
    for (size_t i = 0; i < map->n_tensors; i++) {
        const ts_name_tensor *t = &map->tensor[i];
        TS_TRY(ts_st_dir_writer_add(s->w, t->hf_name, dtype_of(s, (int64_t)i), t->rank, t->dim));
        for (int k = 0; k < t->rank; k++)
            widest = t->dim[k] > widest ? t->dim[k] : widest;
        widest = t->cols > widest ? t->cols : widest;
    }
    TS_TRY(ts_st_dir_writer_begin(s->w));
    TS_TRY(ts_alloc(&s->values, (size_t)widest, sizeof *s->values));
    TS_TRY(ts_alloc(&s->bytes, (size_t)widest, sizeof(int64_t)));
    s->capacity = widest;
    for (size_t i = 0; i < map->n_tensors; i++)
        TS_TRY(save_tensor(s, (int64_t)i));
    return ts_st_dir_writer_finish(s->w);
}

static ts_status save_weights(const plan *p, const char *folder, const ts_weights_save_options *o)
{
    saver s = { .plan = p, .dtype = o->dtype, .keeps_types = o->keeps_types };
    ts_status st = ts_st_dir_writer_create(
        folder, NULL, o->max_shard_bytes ? o->max_shard_bytes : 5000000000u, &s.w);
    if (st == TS_OK)
        st = save_tensors(&s);
    ts_st_dir_writer_destroy(&s.w);
    ts_free(&s.values);
    ts_free(&s.bytes);
    return st;
}

static ts_status write_json(const char *folder, const char *name, const json_t *o)
{
    ts_str path = { 0 }, text = { 0 };
    ts_status st = ts_json_write(o, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17), name,
                                 &text);
    if (st == TS_OK)
        st = ts_path_join(&path, folder, name);
    if (st == TS_OK)
        st = ts_file_write_atomic(path.s, text.s, text.len);
    ts_str_deinit(&text);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_weights_save_config(const json_t *config, const char *folder, ts_st_dtype dtype)
{
    const char *name = dtype == TS_ST_F32    ? "float32"
                       : dtype == TS_ST_BF16 ? "bfloat16"
                                             : "float16";
    json_t *c = json_deep_copy(config);
    if (!c)
        return ts_error(TS_ERR_NOMEM, "out of memory while writing config.json");
    const char *key = json_object_get(c, "torch_dtype") ? "torch_dtype" : "dtype";
    const ts_status st = json_object_set_new(c, key, json_string(name))
                             ? ts_error(TS_ERR_NOMEM, "out of memory while writing config.json")
                             : write_json(folder, "config.json", c);
    json_decref(c);
    return st;
}

ts_status ts_weights_generation_config(const ts_arch *a, ts_str *out)
{
    json_t *c = json_pack("{s:b}", "_from_model_config", 1);
    ts_status st = c ? ts_config_write_ids(a, c) : ts_error(TS_ERR_NOMEM, "no memory");
    static const char *const keys[] = { "bos_token_id", "pad_token_id", "eos_token_id" };
    for (size_t i = 0; st == TS_OK && i < sizeof keys / sizeof *keys; i++)
        if (json_is_null(json_object_get(c, keys[i])))
            json_object_del(c, keys[i]);
    if (st == TS_OK)
        st = ts_json_write(c, JSON_INDENT(2) | JSON_SORT_KEYS, "generation_config.json", out);
    json_decref(c);
    return st;
}

static bool is_model_file(const char *name)
{
    static const char *const own[] = { "config.json", "model.safetensors.index.json", "adapter_config.json", "modules.json",
                                       "sentence_bert_config.json", "config_sentence_transformers.json" };
    const size_t n = strlen(name);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strcmp(name, own[i]))
            return true;
    return ts_side_file_known(name) || (n > 12 && !strcmp(name + n - 12, ".safetensors"));
}

/* Parts of sentence-transformers' folders (model/sentence.h). */
static bool is_model_folder(const char *name) { return !strcmp(name, "1_Pooling") || !strcmp(name, "2_Normalize"); }

/* Whether a folder that is not there can be made: its nearest parent that is there says so. */
static ts_status may_make(const char *folder, const char *option)
{
    ts_str p = { 0 };
    TS_TRY(ts_str_puts(&p, folder));
    while (p.len && !ts_path_exists(p.s)) {
        while (p.len && p.s[p.len - 1] != '/')
            p.s[--p.len] = 0;
        while (p.len > 1 && p.s[p.len - 1] == '/')
            p.s[--p.len] = 0;
    }
    const char *parent = p.len ? p.s : ".";
    ts_status st = TS_OK;
    if (!ts_path_is_dir(parent) || access(parent, W_OK | X_OK) != 0)
        st = ts_error(TS_ERR_USER, "%s %s: cannot be made: %s is no folder to write to", option,
                      folder, parent);
    ts_str_deinit(&p);
    return st;
}

ts_status ts_weights_may_save(const char *folder, const char *option)
{
    char **names;
    size_t n;
    if (!ts_path_exists(folder))
        return may_make(folder, option);
    if (!ts_path_is_dir(folder))
        return ts_error(TS_ERR_USER, "%s %s: is there, but is no folder", option, folder);
    TS_TRY(ts_dir_list(folder, &names, &n));
    ts_str path = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK)
            st = ts_path_join(&path, folder, names[i]);
        if (st == TS_OK && !(ts_path_is_dir(path.s) ? is_model_folder(names[i]) : is_model_file(names[i])))
            st = ts_error(
                TS_ERR_USER,
                "%s %s: the folder holds %s, which is no file of a model and would be lost; name a "
                "new or empty folder",
                option, folder, names[i]);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&path);
    return st;
}

/* The old folder steps aside only when the new one is whole. */
static ts_status publish(const char *tmp, const char *folder, const char *old)
{
    TS_TRY(ts_remove_tree(old));
    const bool is_replaced = ts_path_exists(folder);
    if (is_replaced && rename(folder, old) != 0)
        return ts_error(TS_ERR_IO, "%s: cannot be renamed to %s: %s", folder, old,
                        strerror(errno));
    if (rename(tmp, folder) != 0) {
        const ts_status st = ts_error(TS_ERR_IO, "%s: cannot be renamed to %s: %s", tmp, folder,
                                      strerror(errno));
        return is_replaced && rename(old, folder) != 0
                   ? ts_error_context(st, "what was there is in %s now", old)
                   : st;
    }
    if (ts_remove_tree(old) != TS_OK) /* the new folder is good */
        ts_log(TS_LOG_WARN, "%s: the folder that was replaced cannot be removed: %s", old,
               ts_error_message());
    return TS_OK;
}

/* Clears away what was written; that may fail too, but what failed first is what the reader must
 * know. */
static ts_status give_up(ts_status st, const char *tmp)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", ts_error_message());
    if (ts_remove_tree(tmp) != TS_OK)
        ts_log(TS_LOG_WARN, "%s: what was written of the folder cannot be removed: %s", tmp,
               ts_error_message());
    return ts_error(st, "%s", text);
}

ts_status ts_weights_publish(const char *folder, const char *option,
                             ts_status (*make)(void *ctx, const char *folder), void *ctx)
{
    ts_str path = { 0 }, tmp = { 0 }, old = { 0 };
    TS_TRY(ts_weights_may_save(folder, option));
    ts_status st = ts_path_follow(folder, &path);
    if (st == TS_OK)
        st = ts_str_printf(&tmp, "%s.tmp-%d", path.s, (int)getpid());
    if (st == TS_OK)
        st = ts_str_printf(&old, "%s.old-%d", path.s, (int)getpid());
    if (st == TS_OK)
        st = ts_remove_tree(tmp.s);
    if (st == TS_OK)
        st = ts_mkdirs(tmp.s);
    if (st == TS_OK)
        st = make(ctx, tmp.s);
    if (st == TS_OK)
        st = ts_dir_sync(tmp.s);
    if (st == TS_OK)
        st = publish(tmp.s, path.s, old.s);
    if (st != TS_OK && tmp.s)
        st = give_up(st, tmp.s);
    ts_str_deinit(&path);
    ts_str_deinit(&tmp);
    ts_str_deinit(&old);
    return st;
}

typedef struct making {
    const plan *plan;
    const ts_weights_save_options *o;
} making;

static ts_status save_side_files(const plan *p, const char *folder)
{
    static const char name[] = "generation_config.json";
    const ts_side_files *files = p->source->files;
    ts_side_files own = { 0 };
    ts_str text = { 0 };
    if (files)
        TS_TRY(ts_side_files_write(files, folder));
    if (files && ts_side_files_find(files, name))
        return TS_OK;
    ts_status st = ts_weights_generation_config(p->arch, &text);
    if (st == TS_OK)
        st = ts_side_files_put(&own, name, text.s, text.len);
    if (st == TS_OK)
        st = ts_side_files_write(&own, folder);
    ts_str_deinit(&text);
    ts_side_files_deinit(&own);
    return st;
}

static ts_status make_folder(void *ctx, const char *folder)
{
    const making *m = ctx;
    TS_TRY(save_weights(m->plan, folder, m->o));
    TS_TRY(ts_weights_save_config(m->plan->config, folder, m->o->dtype));
    return save_side_files(m->plan, folder);
}

ts_status ts_weights_check(const ts_weights_source *s)
{
    plan p;
    const ts_status st = plan_open(s, &p);
    plan_close(&p);
    return st;
}

ts_status ts_weights_write(const ts_weights_source *s, const char *folder, const char *option,
                           const ts_weights_save_options *o)
{
    plan p;
    making m = { &p, o };
    ts_status st = plan_open(s, &p);
    if (st == TS_OK)
        st = ts_weights_publish(folder, option, make_folder, &m);
    plan_close(&p);
    return st;
}

/* ---- a model in memory ---- */

static ts_status read_decoder(void *ctx, const char *param, int64_t at, int64_t n, float *v)
{
    const ts_decoder *d = ctx;
    const ts_param *p = ts_param_find(&d->params, param);
    TS_ASSERT(p && p->value, "there is no parameter %s", param);
    const void *from = (const char *)p->value + (size_t)at * ts_dtype_size(p->dtype);
    TS_TRY(ts_device_read(d->dev, v, from, (size_t)n * ts_dtype_size(p->dtype)));
    if (p->dtype != TS_DTYPE_F32) /* in place: wider, back to front */
        for (int64_t i = n; i-- > 0;)
            v[i] = ts_load_f32(v, i, p->dtype);
    return TS_OK;
}

ts_weights_source ts_model_source(ts_model *m)
{
    return (ts_weights_source){ .arch = &m->decoder->arch, .family = m->family, .config = m->config,
                                .files = &m->hf_files, .read = read_decoder, .ctx = m->decoder };
}

ts_status ts_weights_save(ts_model *m, const char *folder, const ts_weights_save_options *o)
{
    const ts_weights_source s = ts_model_source(m);
    return ts_weights_write(&s, folder, "--save-hf", o);
}
