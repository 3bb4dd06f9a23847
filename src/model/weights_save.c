#include "base/file.h"
#include "io/st_write.h"
#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

/* n values of a parameter from element `at` on, as fp32. */
static void get_values(const ts_decoder *d, const ts_param *p, int64_t at, int64_t n, float *v)
{
    const void *from = (const char *)p->value + (size_t)at * ts_dtype_size(p->dtype);
    d->dev->to_host(d->dev, v, from, (size_t)n * ts_dtype_size(p->dtype));
    if (p->dtype != TS_DTYPE_F32) /* in place: wider, back to front */
        for (int64_t i = n; i-- > 0;)
            v[i] = ts_load_f32(v, i, p->dtype);
}

typedef struct saver {
    const ts_decoder *d;
    const ts_name_map *map;
    ts_st_dir_writer *w;
    ts_st_dtype dtype;
    float *values;  /* at least PIECE and the widest row */
    char *bytes;
    int64_t capacity;
} saver;

static ts_status put(const saver *s, int64_t tensor, int64_t at, int64_t n)
{
    const size_t size = (size_t)ts_st_dtype_bits(s->dtype) / 8;
    ts_st_from_f32(s->dtype, s->values, n, s->bytes);
    return ts_st_dir_writer_put(s->w, tensor, (size_t)at * size, s->bytes, (size_t)n * size);
}

static ts_status save_rows(const saver *s, int64_t tensor, const ts_name_piece *piece,
                           const ts_param *p)
{
    const int64_t cols = p->dim[1], step = s->capacity / cols;
    for (int64_t r = 0; r < piece->rows; r += step) {
        const int64_t n = piece->rows - r < step ? piece->rows - r : step;
        get_values(s->d, p, (piece->row + r) * cols, n * cols, s->values);
        TS_TRY(put(s, tensor, (piece->hf_row + r) * cols, n * cols));
    }
    return TS_OK;
}

/* Column by column of our matrix is row by row of the file's. */
static ts_status save_transposed(const saver *s, int64_t tensor, const ts_name_piece *piece,
                                 const ts_param *p)
{
    const int64_t in = p->dim[1], out = s->map->tensor[tensor].dim[1];
    float *whole;
    TS_TRY(ts_alloc(&whole, (size_t)(piece->rows * in), sizeof *whole));
    get_values(s->d, p, piece->row * in, piece->rows * in, whole);
    ts_status st = TS_OK;
    for (int64_t i = 0; st == TS_OK && i < in; i++) {
        for (int64_t r = 0; r < piece->rows; r++)
            s->values[r] = whole[r * in + i];
        st = put(s, tensor, i * out + piece->hf_row, piece->rows);
    }
    ts_free(&whole);
    return st;
}

static ts_status save_tensor(const saver *s, int64_t tensor)
{
    const ts_name_tensor *t = &s->map->tensor[tensor];
    for (size_t i = t->first_piece; i < t->first_piece + t->n_pieces; i++) {
        const ts_name_piece *piece = &s->map->piece[i];
        const ts_param *p = ts_param_find(&s->d->params, piece->name);
        TS_ASSERT(p, "%s has no parameter %s", piece->hf_name, piece->name);
        TS_TRY(piece->transposed ? save_transposed(s, tensor, piece, p)
                                 : save_rows(s, tensor, piece, p));
    }
    return TS_OK;
}

static ts_status save_tensors(saver *s)
{
    int64_t widest = PIECE;
    for (size_t i = 0; i < s->map->n_tensors; i++) {
        const ts_name_tensor *t = &s->map->tensor[i];
        TS_TRY(ts_st_dir_writer_add(s->w, t->hf_name, s->dtype, t->rank, t->dim));
        for (int k = 0; k < t->rank; k++)
            widest = t->dim[k] > widest ? t->dim[k] : widest;
    }
    TS_TRY(ts_st_dir_writer_begin(s->w));
    TS_TRY(ts_alloc(&s->values, (size_t)widest, sizeof *s->values));
    TS_TRY(ts_alloc(&s->bytes, (size_t)widest, sizeof *s->values));
    s->capacity = widest;
    for (size_t i = 0; i < s->map->n_tensors; i++)
        TS_TRY(save_tensor(s, (int64_t)i));
    return ts_st_dir_writer_finish(s->w);
}

static ts_status save_weights(const ts_model *m, const char *folder,
                              const ts_weights_save_options *o)
{
    ts_name_map map = { 0 };
    saver s = { .d = m->decoder, .map = &map, .dtype = o->dtype };
    ts_status st;
    TS_TRY_TO(done, st, ts_family_names(m->family, &m->decoder->arch, &map));
    TS_TRY_TO(done, st,
              ts_st_dir_writer_create(folder, NULL,
                                      o->max_shard_bytes ? o->max_shard_bytes : 5000000000u, &s.w));
    TS_TRY_TO(done, st, save_tensors(&s));
done:
    ts_st_dir_writer_destroy(&s.w);
    ts_name_map_deinit(&map);
    ts_free(&s.values);
    ts_free(&s.bytes);
    return st;
}

static ts_status write_json(const char *folder, const char *name, const json_t *o)
{
    ts_str path = { 0 };
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    ts_status st = text ? ts_path_join(&path, folder, name)
                        : ts_error(TS_ERR_NOMEM, "out of memory while writing %s", name);
    if (st == TS_OK)
        st = ts_file_write_atomic(path.s, text, strlen(text));
    free(text);
    ts_str_deinit(&path);
    return st;
}

/* The config that was read, with the type that the weights have now. */
static ts_status save_config(const ts_model *m, const char *folder, ts_st_dtype dtype)
{
    const char *name = dtype == TS_ST_F32    ? "float32"
                       : dtype == TS_ST_BF16 ? "bfloat16"
                                             : "float16";
    json_t *c = json_deep_copy(m->config);
    if (!c)
        return ts_error(TS_ERR_NOMEM, "out of memory while writing config.json");
    json_object_set_new(c, json_object_get(c, "torch_dtype") ? "torch_dtype" : "dtype",
                        json_string(name));
    const ts_status st = write_json(folder, "config.json", c);
    json_decref(c);
    return st;
}

static ts_status save_generation_config(const ts_model *m, const char *folder)
{
    const ts_arch *a = &m->decoder->arch;
    json_t *c = json_pack("{s:b}", "_from_model_config", 1);
    if (a->bos >= 0)
        json_object_set_new(c, "bos_token_id", json_integer(a->bos));
    if (a->pad >= 0)
        json_object_set_new(c, "pad_token_id", json_integer(a->pad));
    if (a->n_eos == 1)
        json_object_set_new(c, "eos_token_id", json_integer(a->eos[0]));
    if (a->n_eos > 1) {
        json_t *eos = json_array();
        for (int i = 0; i < a->n_eos; i++)
            json_array_append_new(eos, json_integer(a->eos[i]));
        json_object_set_new(c, "eos_token_id", eos);
    }
    const ts_status st = write_json(folder, "generation_config.json", c);
    json_decref(c);
    return st;
}

static const char *const small_files[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja",
};

static bool is_model_file(const char *name)
{
    static const char *const own[] = { "config.json", "generation_config.json",
                                       "model.safetensors.index.json" };
    const size_t n = strlen(name);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strcmp(name, own[i]))
            return true;
    for (size_t i = 0; i < sizeof small_files / sizeof *small_files; i++)
        if (!strcmp(name, small_files[i]))
            return true;
    return n > 12 && !strcmp(name + n - 12, ".safetensors");
}

/* Whether a folder that is not there can be made: its nearest parent that is there says so. */
static ts_status may_make(const char *folder)
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
        st = ts_error(TS_ERR_USER, "--save-hf %s: cannot be made: %s is no folder to write to",
                      folder, parent);
    ts_str_deinit(&p);
    return st;
}

ts_status ts_weights_may_save(const char *folder)
{
    char **names;
    size_t n;
    if (!ts_path_exists(folder))
        return may_make(folder);
    if (!ts_path_is_dir(folder))
        return ts_error(TS_ERR_USER, "--save-hf %s: is there, but is no folder", folder);
    TS_TRY(ts_dir_list(folder, &names, &n));
    ts_str path = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK)
            st = ts_path_join(&path, folder, names[i]);
        if (st == TS_OK && (!is_model_file(names[i]) || ts_path_is_dir(path.s)))
            st = ts_error(
                TS_ERR_USER,
                "--save-hf %s: the folder holds %s, which is no file of a model and would be "
                "lost; name a new or empty folder",
                folder, names[i]);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&path);
    return st;
}

static ts_status copy_file(const char *from, const char *to, const char *name, bool *found)
{
    ts_str path = { 0 }, text = { 0 };
    ts_status st = ts_path_join(&path, from, name);
    *found = st == TS_OK && ts_path_exists(path.s) && !ts_path_is_dir(path.s);
    if (*found && (st = ts_file_read(path.s, &text)) == TS_OK &&
        (st = ts_path_join(&path, to, name)) == TS_OK)
        st = ts_file_write_atomic(path.s, ts_str_text(&text), text.len);
    ts_str_deinit(&path);
    ts_str_deinit(&text);
    return st;
}

static ts_status save_small_files(const ts_model *m, const char *folder)
{
    bool found = false;
    if (m->folder)
        TS_TRY(copy_file(m->folder, folder, "generation_config.json", &found));
    if (!found)
        TS_TRY(save_generation_config(m, folder));
    for (size_t i = 0; m->folder && i < sizeof small_files / sizeof *small_files; i++)
        TS_TRY(copy_file(m->folder, folder, small_files[i], &found));
    return TS_OK;
}

/* A model that options described gets the family that can say it. */
static ts_status with_family(const ts_model *m, ts_model *out)
{
    *out = *m;
    if (m->family)
        return TS_OK;
    const ts_status st = ts_family_describe(&m->decoder->arch, &out->family, &out->config);
    return st == TS_OK ? st : ts_error_context(st, "while writing a Hugging Face folder");
}

static ts_status save_folder(const ts_model *m, const char *folder,
                             const ts_weights_save_options *o)
{
    TS_TRY(ts_remove_tree(folder));
    TS_TRY(ts_mkdirs(folder));
    TS_TRY(save_weights(m, folder, o));
    TS_TRY(save_config(m, folder, o->dtype));
    TS_TRY(save_small_files(m, folder));
    return ts_dir_sync(folder);
}

/* The old folder steps aside only when the new one is whole. */
static ts_status publish(const char *tmp, const char *folder, const char *old)
{
    TS_TRY(ts_remove_tree(old));
    if (ts_path_exists(folder) && rename(folder, old) != 0)
        return ts_error(TS_ERR_IO, "%s: cannot be renamed to %s", folder, old);
    if (rename(tmp, folder) != 0)
        return ts_error(TS_ERR_IO, "%s: cannot be renamed to %s", tmp, folder);
    return ts_remove_tree(old);
}

ts_status ts_weights_save(const ts_model *model, const char *folder,
                          const ts_weights_save_options *o)
{
    ts_str path = { 0 }, tmp = { 0 }, old = { 0 };
    ts_model m;
    TS_TRY(ts_weights_may_save(folder));
    TS_TRY(with_family(model, &m));
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        n--;
    ts_status st = ts_str_add(&path, folder, n);
    if (st == TS_OK)
        st = ts_str_printf(&tmp, "%s.tmp-%d", path.s, (int)getpid());
    if (st == TS_OK)
        st = ts_str_printf(&old, "%s.old-%d", path.s, (int)getpid());
    if (st == TS_OK)
        st = save_folder(&m, tmp.s, o);
    if (st == TS_OK)
        st = publish(tmp.s, path.s, old.s);
    else if (tmp.s && ts_remove_tree(tmp.s) != TS_OK)
        st = TS_ERR_IO;
    if (!model->config)
        json_decref(m.config);
    ts_str_deinit(&path);
    ts_str_deinit(&tmp);
    ts_str_deinit(&old);
    return st;
}
