#include "io/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "io/gguf/tensors.h"
#include "io/torch/torch_file.h"

#include <stdlib.h>
#include <string.h>

typedef struct shard {
    char *name; /* file name in the folder */
    ts_st_file *file;
    ts_torch_dict torch; /* instead of file, where its own file is set */
} shard;

struct ts_st_dir {
    shard *shards;
    size_t n_shards, cap_shards;
    ts_gguf_tensors *gguf; /* instead of shards; or NULL */
    void *own;             /* likewise */
    void (*close)(void *own);
    const ts_st_tensor **tensors; /* by name */
    size_t n, bytes;
    bool has_index;
};

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const ts_st_tensor *const *)a)->name, (*(const ts_st_tensor *const *)b)->name);
}

static int by_shard(const void *a, const void *b)
{
    return strcmp(((const shard *)a)->name, ((const shard *)b)->name);
}

/* Kinds of files, by the ends of their names. */
static bool is_safetensors(const char *path) { return ts_path_ends(path, ".safetensors"); }
static bool is_torch(const char *path)
{
    return ts_path_ends(path, ".bin") || ts_path_ends(path, ".pt") || ts_path_ends(path, ".pth");
}

static size_t shard_count(const shard *s) { return s->file ? (size_t)ts_st_file_count(s->file) : s->torch.n; }

static const ts_st_tensor *shard_at(const shard *s, size_t i)
{
    return s->file ? ts_st_file_at(s->file, (int64_t)i) : &s->torch.v[i];
}

static ts_status open_shard(ts_st_dir *d, const char *path, const char *name)
{
    TS_TRY(ts_grow(&d->shards, &d->cap_shards, d->n_shards + 1, sizeof *d->shards));
    shard *s = &d->shards[d->n_shards];
    TS_TRY(ts_strdup(name, &s->name));
    d->n_shards++;
    return is_torch(path) ? ts_torch_dict_open(path, &s->torch) : ts_st_file_open(path, &s->file);
}

static ts_status sort(ts_st_dir *d)
{
    qsort(d->tensors, d->n, sizeof *d->tensors, by_name);
    for (size_t i = 1; i < d->n; i++)
        if (!strcmp(d->tensors[i - 1]->name, d->tensors[i]->name))
            return ts_error(TS_ERR_USER, "tensor %s stands in both %s and %s", d->tensors[i]->name,
                            d->tensors[i - 1]->path, d->tensors[i]->path);
    return TS_OK;
}

static void take(ts_st_dir *d, const ts_st_tensor *t)
{
    d->tensors[d->n++] = t;
    d->bytes += t->size;
}

/* All tensors of all files into one sorted list; a name in two files is refused. */
static ts_status gather(ts_st_dir *d)
{
    const int64_t in_gguf = d->gguf ? ts_gguf_tensors_count(d->gguf) : 0;
    size_t total = (size_t)in_gguf;
    for (size_t i = 0; i < d->n_shards; i++)
        total += shard_count(&d->shards[i]);
    TS_TRY(ts_alloc(&d->tensors, total, sizeof *d->tensors));
    for (size_t i = 0; i < d->n_shards; i++)
        for (size_t j = 0; j < shard_count(&d->shards[i]); j++)
            take(d, shard_at(&d->shards[i], j));
    for (int64_t i = 0; i < in_gguf; i++)
        take(d, ts_gguf_tensors_at(d->gguf, i));
    return sort(d);
}

static bool is_plain_name(const char *name)
{
    return *name && !strchr(name, '/') && !strchr(name, '\\') && strcmp(name, ".") &&
           strcmp(name, "..");
}

static ts_status open_mapped(ts_st_dir *d, const char *dir, const char *index, const json_t *map)
{
    const char *tensor;
    json_t *v;
    ts_str path = { 0 };
    ts_status st = TS_OK;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, v) {
        const char *name = json_string_value(v);
        if (!name || !is_plain_name(name)) {
            st = ts_error(TS_ERR_USER, "%s: weight_map: %s must name a file of the same folder",
                          index, tensor);
            break;
        }
        const shard key = { .name = (char *)(uintptr_t)name };
        if (d->n_shards && bsearch(&key, d->shards, d->n_shards, sizeof key, by_shard))
            continue;
        st = ts_path_join(&path, dir, name);
        if (st == TS_OK && !ts_path_exists(path.s))
            st = ts_error(TS_ERR_USER, "%s: missing; %s says that it holds %s", path.s, index,
                          tensor);
        if (st == TS_OK)
            st = open_shard(d, path.s, name);
        if (st != TS_OK)
            break;
        qsort(d->shards, d->n_shards, sizeof *d->shards, by_shard);
    }
    ts_str_deinit(&path);
    return st;
}

static ts_status check_mapped(const ts_st_dir *d, const char *index, const json_t *map)
{
    const char *tensor;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, v) {
        const char *name = json_string_value(v);
        const ts_st_tensor *t = ts_st_dir_find(d, tensor);
        if (!t || !ts_path_ends(t->path, name))
            return ts_error(TS_ERR_USER, "%s: tensor %s should be in %s, but is not there", index,
                            tensor, name);
    }
    return TS_OK;
}

static ts_status open_index(ts_st_dir *d, const char *dir, const char *index)
{
    json_t *root = NULL;
    TS_TRY(ts_json_read(index, &root));
    const json_t *map = json_object_get(root, "weight_map");
    ts_status st = TS_OK;
    if (!json_is_object(map) || json_object_size(map) == 0)
        st = ts_error(TS_ERR_USER, "%s: has no weight_map (tensor names to file names)", index);
    if (st == TS_OK)
        st = open_mapped(d, dir, index, map);
    if (st == TS_OK)
        st = gather(d);
    if (st == TS_OK)
        st = check_mapped(d, index, map);
    d->has_index = true;
    json_decref(root);
    return st;
}

static bool is_open(const ts_st_dir *d, const char *name)
{
    for (size_t i = 0; i < d->n_shards; i++)
        if (!strcmp(d->shards[i].name, name))
            return true;
    return false;
}

/* STEM.safetensors or STEM-anything.safetensors. */
static bool is_weights(const char *name, const char *stem)
{
    const size_t m = strlen(stem);
    return !strncmp(name, stem, m) && (name[m] == '-' || name[m] == '.') && is_safetensors(name);
}

/* Weights that stand in the folder and are not read: a wrong index, or a folder written twice. */
static ts_status report_left_out(const ts_st_dir *d, const char *dir, const char *stem)
{
    char **names;
    size_t n, left = 0, first = 0;
    TS_TRY(ts_dir_list(dir, &names, &n));
    for (size_t i = 0; i < n; i++)
        if (is_weights(names[i], stem) && !is_open(d, names[i]) && !left++)
            first = i;
    if (left)
        ts_log(TS_LOG_WARN, "%s: %s%s left out: %s", dir, names[first],
               left > 1 ? " and more weights are" : " is",
               d->has_index ? "the index does not name it" : "the single file has all weights");
    for (size_t i = 0; i < n; i++)
        ts_free(&names[i]);
    ts_free(&names);
    return TS_OK;
}

/* What transformers looks for in a folder, in its order: a single file goes before an index, safetensors before files of
 * torch. */
static ts_status open_form(ts_st_dir *d, const char *dir, const char *stem, const char *end, bool *found)
{
    ts_str single = { 0 }, index = { 0 };
    ts_status st = ts_str_printf(&single, "%s/%s%s", dir, stem, end);
    if (st == TS_OK)
        st = ts_str_printf(&index, "%s/%s%s.index.json", dir, stem, end);
    if (st == TS_OK) {
        *found = true;
        if (ts_path_exists(single.s))
            st = open_shard(d, single.s, single.s + strlen(dir) + 1);
        else if (ts_path_exists(index.s))
            st = open_index(d, dir, index.s);
        else
            *found = false;
    }
    if (st == TS_OK && *found && !d->has_index && ts_path_exists(index.s))
        ts_log(TS_LOG_WARN, "%s is read, and not the shards that %s names", single.s, index.s);
    else if (st == TS_OK && *found)
        st = report_left_out(d, dir, stem);
    ts_str_deinit(&single);
    ts_str_deinit(&index);
    return st;
}

static ts_status open_folder(ts_st_dir *d, const char *dir, const char *stem)
{
    ts_str torch = { 0 };
    bool found = false;
    if (!ts_path_is_dir(dir))
        return ts_error(TS_ERR_USER, "%s: no such folder; expected one with %s.safetensors", dir, stem);
    TS_TRY(open_form(d, dir, stem, ".safetensors", &found));
    if (found)
        return TS_OK;
    TS_TRY(ts_str_printf(&torch, "%s%s", strcmp(stem, "model") ? "" : "pytorch_", stem));
    ts_status st = open_form(d, dir, torch.s, ".bin", &found);
    if (st == TS_OK && !found)
        st = ts_error(TS_ERR_USER, "%s: has neither %s.safetensors nor %s.safetensors.index.json, nor %s.bin", dir, stem, stem, torch.s);
    ts_str_deinit(&torch);
    return st;
}

ts_status ts_st_dir_open(const char *path, const char *stem, ts_st_dir **out)
{
    ts_st_dir *d = NULL;
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    const bool is_file = is_safetensors(path) || is_torch(path);
    ts_status st = is_file && !ts_path_is_dir(path) ? open_shard(d, path, "file")
                   : ts_gguf_is(path)               ? ts_gguf_tensors_open(path, &d->gguf)
                                                    : open_folder(d, path, stem ? stem : "model");
    if (st == TS_OK && !d->tensors)
        st = gather(d);
    if (st != TS_OK) {
        ts_st_dir_destroy(&d);
        return st;
    }
    *out = d;
    return TS_OK;
}

ts_status ts_st_dir_of(const ts_st_tensor *v, size_t n, void *own, void (*close)(void *own), ts_st_dir **out)
{
    ts_st_dir *d = NULL;
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    ts_status st = ts_alloc(&d->tensors, n, sizeof *d->tensors);
    for (size_t i = 0; st == TS_OK && i < n; i++)
        take(d, &v[i]);
    if (st == TS_OK)
        st = sort(d);
    if (st != TS_OK) {
        ts_st_dir_destroy(&d);
        return st;
    }
    d->own = own;
    d->close = close;
    *out = d;
    return TS_OK;
}

void ts_st_dir_destroy(ts_st_dir **dir)
{
    ts_st_dir *d = *dir;
    if (!d)
        return;
    for (size_t i = 0; i < d->n_shards; i++) {
        ts_st_file_destroy(&d->shards[i].file);
        ts_torch_dict_close(&d->shards[i].torch);
        ts_free(&d->shards[i].name);
    }
    ts_gguf_tensors_close(&d->gguf);
    if (d->close)
        d->close(d->own);
    ts_free(&d->shards);
    ts_free(&d->tensors);
    ts_free(dir);
}

int64_t ts_st_dir_count(const ts_st_dir *d) { return (int64_t)d->n; }
size_t ts_st_dir_bytes(const ts_st_dir *d) { return d->bytes; }
void ts_st_dir_is_done(const ts_st_dir *dir, const ts_st_tensor *t)
{
    if (dir->gguf)
        ts_gguf_tensors_is_done(dir->gguf, t);
    for (size_t i = 0; i < dir->n_shards; i++)
        if (dir->shards[i].file)
            ts_st_file_is_done(dir->shards[i].file, t);
        else if (dir->shards[i].torch.file)
            ts_torch_file_is_done(dir->shards[i].torch.file, t);
}

bool ts_st_dir_has_index(const ts_st_dir *d) { return d->has_index; }

const ts_st_tensor *ts_st_dir_at(const ts_st_dir *d, int64_t i)
{
    TS_ASSERT(i >= 0 && (size_t)i < d->n, "tensor %lld of %zu", (long long)i, d->n);
    return d->tensors[i];
}

void ts_st_dir_replace(ts_st_dir *d, const ts_st_tensor *t)
{
    const ts_st_tensor **at = bsearch(&t, d->tensors, d->n, sizeof *d->tensors, by_name);
    TS_ASSERT(at, "there is no tensor %s to replace", t->name);
    d->bytes += t->size - (*at)->size;
    *at = t;
}

const ts_st_tensor *ts_st_dir_find(const ts_st_dir *d, const char *name)
{
    const ts_st_tensor key = { .name = name }, *k = &key;
    const ts_st_tensor **hit = bsearch(&k, d->tensors, d->n, sizeof *d->tensors, by_name);
    return hit ? *hit : NULL;
}
