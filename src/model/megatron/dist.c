#include "model/megatron/dist.h"

#include "base/file.h"
#include "model/megatron/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANK = 6, NAME = 256 };
#define META "torch.distributed.checkpoint.metadata."

/* A piece of a tensor: a box of it. */
typedef struct box {
    int64_t offset[MAX_RANK], size[MAX_RANK];
    size_t shard; /* file */
    size_t at, length;
    ts_torch_file *file; /* once it is needed */
    ts_st_tensor t;
} box;

typedef struct whole {
    char *name;
    int rank;
    int64_t dim[MAX_RANK];
    box *box;
    size_t n;
} whole;

struct ts_mg_dist {
    char *folder;
    ts_map metadata;
    ts_arena arena;
    whole *tensor; /* by name */
    size_t n, cap;
    ts_names *shards;
    ts_map *map; /* [shards] */
    size_t n_maps;
    ts_torch_file *common;
};

static ts_status refuse(const ts_mg_dist *d, const char *what, const char *name)
{
    return ts_error(TS_ERR_USER, "%s/.metadata: %s%s%.200s", d->folder, what, name ? ": " : "", name ? name : "");
}

bool ts_mg_dist_is(const char *folder)
{
    ts_str path = { 0 };
    bool found = ts_path_is_dir(folder) && ts_path_join(&path, folder, ".metadata") == TS_OK && ts_path_exists(path.s);
    ts_str_deinit(&path);
    return found;
}

/* ---- .metadata ---- */

/* What a dataclass has: it is made empty, and then told its fields. */
static const ts_pickle_node *field(const ts_pickle_node *object, const char *name)
{
    return ts_pickle_is(object, TS_PICKLE_CALL) ? ts_pickle_get(object->call.state, name) : NULL;
}

static bool is_object(const ts_pickle_node *object, const char *name)
{
    return ts_pickle_is(object, TS_PICKLE_CALL) && ts_pickle_is_name(object->call.callee, name);
}

/* A torch.Size. */
static bool take_size(const ts_pickle_node *node, int64_t to[MAX_RANK], int *rank)
{
    const ts_pickle_node *args = ts_pickle_called(node, "torch.Size");
    if (args)
        node = ts_pickle_at(args, 0);
    const size_t n = ts_pickle_count(node);
    if (!node || n > MAX_RANK || (!ts_pickle_is(node, TS_PICKLE_TUPLE) && !ts_pickle_is(node, TS_PICKLE_LIST)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!ts_pickle_int(ts_pickle_at(node, i), 0, INT64_MAX, &to[i]))
            return false;
    *rank = (int)n;
    return true;
}

/* Boxes inside of the whole; their places come later. */
static ts_status take_boxes(const ts_mg_dist *d, const ts_pickle_node *chunks, whole *w)
{
    int64_t all = 1;
    for (int k = 0; k < w->rank; k++)
        if (__builtin_mul_overflow(all, w->dim[k], &all))
            return refuse(d, "a shape that is no shape", w->name);
    TS_TRY(ts_alloc(&w->box, ts_pickle_count(chunks), sizeof *w->box));
    for (; w->n < ts_pickle_count(chunks); w->n++) {
        const ts_pickle_node *c = ts_pickle_at(chunks, w->n);
        box *b = &w->box[w->n];
        int from, size;
        if (!take_size(field(c, "offsets"), b->offset, &from) || !take_size(field(c, "sizes"), b->size, &size) || from != w->rank ||
            size != w->rank)
            return refuse(d, "a piece that has no place", w->name);
        for (int k = 0; k < w->rank; k++)
            if (b->size[k] > w->dim[k] || b->offset[k] > w->dim[k] - b->size[k])
                return refuse(d, "a piece outside of its tensor", w->name);
    }
    return TS_OK;
}

static ts_status take_tensor(ts_mg_dist *d, const ts_pickle_node *key, const ts_pickle_node *value)
{
    if (!ts_pickle_is(key, TS_PICKLE_TEXT) || key->text.n >= NAME || memchr(key->text.s, 0, key->text.n))
        return refuse(d, "the name of a tensor is none", NULL);
    if (!is_object(value, META "TensorStorageMetadata"))
        return TS_OK; /* bytes */
    TS_TRY(ts_grow(&d->tensor, &d->cap, d->n + 1, sizeof *d->tensor));
    whole *w = &d->tensor[d->n];
    *w = (whole){ 0 };
    TS_TRY(ts_strndup(key->text.s, key->text.n, &w->name));
    d->n++;
    if (!take_size(field(value, "size"), w->dim, &w->rank))
        return refuse(d, "a tensor without shape, or of more than 6 dimensions", w->name);
    return take_boxes(d, field(value, "chunks"), w);
}

static int by_name(const void *a, const void *b) { return strcmp(((const whole *)a)->name, ((const whole *)b)->name); }

static whole *find(const ts_mg_dist *d, const char *name)
{
    const whole key = { .name = (char *)(uintptr_t)name };
    return d->n ? bsearch(&key, d->tensor, d->n, sizeof key, by_name) : NULL;
}

/* ---- where pieces stand ---- */

static bool is_plain(const char *name) { return *name && !strchr(name, '/') && !strchr(name, '\\') && *name != '.'; }

static ts_status find_shard(ts_mg_dist *d, const ts_pickle_node *path, size_t *out)
{
    char name[NAME];
    if (!ts_pickle_is(path, TS_PICKLE_TEXT) || path->text.n >= sizeof name)
        return refuse(d, "the name of a file is none", NULL);
    snprintf(name, sizeof name, "%.*s", (int)path->text.n, path->text.s);
    if (!is_plain(name))
        return refuse(d, "a file that is not of the same folder", name);
    int64_t i = ts_names_find(d->shards, name);
    if (i < 0) {
        i = (int64_t)ts_names_count(d->shards);
        TS_TRY(ts_names_add(d->shards, name));
    }
    *out = (size_t)i;
    return TS_OK;
}

/* The place of the piece that begins at these offsets; of bytes *common. */
static ts_status take_place(ts_mg_dist *d, const ts_pickle_node *index, const ts_pickle_node *info, box *common)
{
    const ts_pickle_node *fqn = field(index, "fqn");
    int64_t offset[MAX_RANK] = { 0 }, at, length;
    int rank = 0;
    box place = { 0 };
    char name[NAME];
    if (!ts_pickle_is(fqn, TS_PICKLE_TEXT) || fqn->text.n >= sizeof name || !ts_pickle_int(field(info, "offset"), 0, INT64_MAX, &at) ||
        !ts_pickle_int(field(info, "length"), 0, INT64_MAX, &length))
        return refuse(d, "a piece without place", NULL);
    if (field(info, "transform_descriptors") && ts_pickle_count(field(info, "transform_descriptors")))
        return refuse(d, "pieces are compressed", NULL);
    TS_TRY(find_shard(d, field(info, "relative_path"), &place.shard));
    place.at = (size_t)at;
    place.length = (size_t)length;
    snprintf(name, sizeof name, "%.*s", (int)fqn->text.n, fqn->text.s);
    if (!strncmp(name, "common_state/", 13))
        *common = place;
    whole *w = find(d, name);
    const bool has_offset = take_size(field(index, "offset"), offset, &rank);
    for (size_t i = 0; w && has_offset && rank == w->rank && i < w->n; i++) {
        box *b = &w->box[i];
        if (memcmp(b->offset, offset, sizeof offset) != 0)
            continue;
        b->shard = place.shard, b->at = place.at, b->length = place.length;
        return TS_OK;
    }
    return TS_OK;
}

static ts_status open_maps(ts_mg_dist *d)
{
    const size_t n = ts_names_count(d->shards);
    ts_str path = { 0 };
    ts_status st = ts_alloc(&d->map, n, sizeof *d->map);
    for (; st == TS_OK && d->n_maps < n; d->n_maps++) {
        st = ts_path_join(&path, d->folder, ts_names_text(d->shards, d->n_maps));
        if (st == TS_OK)
            st = ts_map_open(path.s, &d->map[d->n_maps]);
        if (st != TS_OK)
            break;
    }
    ts_str_deinit(&path);
    return st;
}

/* The file of torch.save that a piece is. */
static ts_status open_piece(const ts_mg_dist *d, const box *b, ts_torch_file **out)
{
    const ts_map *m = &d->map[b->shard];
    ts_str path = { 0 };
    TS_TRY(ts_path_join(&path, d->folder, ts_names_text(d->shards, b->shard)));
    ts_status st = !b->length || b->at > m->size || b->length > m->size - b->at
                       ? ts_error(TS_ERR_USER, "%s: a piece is not in it: the file is cut off, or .metadata is another's", path.s)
                       : ts_torch_file_read(m->data + b->at, b->length, path.s, out);
    ts_str_deinit(&path);
    return st;
}

/* ---- opening ---- */

static ts_status read_metadata(ts_mg_dist *d, box *common)
{
    const ts_pickle_node *root;
    ts_str path = { 0 };
    ts_status st = ts_path_join(&path, d->folder, ".metadata");
    if (st == TS_OK)
        st = ts_map_open(path.s, &d->metadata);
    if (st == TS_OK)
        st = ts_pickle_read(d->metadata.data, d->metadata.size, path.s, &d->arena, &root);
    ts_str_deinit(&path);
    TS_TRY(st);
    const ts_pickle_node *tensors = field(root, "state_dict_metadata"), *places = field(root, "storage_data");
    if (!is_object(root, META "Metadata") || !ts_pickle_is(tensors, TS_PICKLE_DICT) || !ts_pickle_is(places, TS_PICKLE_DICT))
        return refuse(d, "says nothing of tensors and where they stand", NULL);
    for (size_t i = 0; i + 1 < tensors->list.n; i += 2)
        TS_TRY(take_tensor(d, tensors->list.item[i], tensors->list.item[i + 1]));
    qsort(d->tensor, d->n, sizeof *d->tensor, by_name);
    for (size_t i = 0; i + 1 < places->list.n; i += 2)
        TS_TRY(take_place(d, places->list.item[i], places->list.item[i + 1], common));
    return open_maps(d);
}

static ts_status open_common(ts_mg_dist *d, const box *common)
{
    ts_str path = { 0 };
    ts_status st = ts_path_join(&path, d->folder, "common.pt");
    if (st == TS_OK && ts_path_exists(path.s))
        st = ts_torch_file_open(path.s, &d->common);
    else if (st == TS_OK && common->length)
        st = open_piece(d, common, &d->common);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_mg_dist_open(const char *folder, ts_mg_dist **out)
{
    ts_mg_dist *d;
    box common = { 0 };
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    ts_status st = ts_strdup(folder, &d->folder);
    if (st == TS_OK)
        st = ts_names_create(0, &d->shards);
    if (st == TS_OK)
        st = read_metadata(d, &common);
    if (st == TS_OK)
        st = open_common(d, &common);
    if (st == TS_OK)
        *out = d;
    else
        ts_mg_dist_close(&d);
    return st;
}

void ts_mg_dist_close(ts_mg_dist **dist)
{
    ts_mg_dist *d = *dist;
    if (!d)
        return;
    for (size_t i = 0; i < d->n; i++) {
        for (size_t k = 0; k < d->tensor[i].n; k++)
            ts_torch_file_close(&d->tensor[i].box[k].file);
        ts_free(&d->tensor[i].box);
        ts_free(&d->tensor[i].name);
    }
    ts_torch_file_close(&d->common);
    for (size_t i = 0; i < d->n_maps; i++)
        ts_map_close(&d->map[i]);
    ts_free(&d->map);
    ts_free(&d->tensor);
    ts_names_destroy(&d->shards);
    ts_map_close(&d->metadata);
    ts_arena_deinit(&d->arena);
    ts_free(&d->folder);
    ts_free(dist);
}

/* As a piece it is a list of one, of the rank that saved it. */
const ts_pickle_node *ts_mg_dist_common(const ts_mg_dist *d)
{
    const ts_pickle_node *root = d->common ? ts_torch_file_root(d->common) : NULL;
    return ts_pickle_is(root, TS_PICKLE_LIST) ? ts_pickle_at(root, 0) : root;
}

const char *ts_mg_dist_name(const ts_mg_dist *d, size_t i) { return i < d->n ? d->tensor[i].name : NULL; }

/* ---- values ---- */

/* The tensor of a box, once it is there. */
static ts_status need(ts_mg_dist *d, const whole *w, box *b)
{
    int64_t n = 1;
    if (b->file)
        return TS_OK;
    for (int k = 0; k < w->rank; k++)
        n *= b->size[k];
    TS_TRY(open_piece(d, b, &b->file));
    const ts_pickle_node *root = ts_torch_file_root(b->file);
    if (!ts_torch_is_tensor(root))
        return ts_error(TS_ERR_USER, "%s: a piece of %s is no tensor", ts_torch_file_path(b->file), w->name);
    TS_TRY(ts_torch_tensor(b->file, w->name, root, &b->t));
    return b->t.elements == n ? TS_OK
                              : ts_error(TS_ERR_USER, "%s: a piece of %s has %lld elements, .metadata says %lld", b->t.path, w->name,
                                         (long long)b->t.elements, (long long)n);
}

/* Where a parameter is. */
typedef struct place {
    size_t param;
    int64_t rows, cols;
    bool flat;      /* of one dimension: rows of one element */
    bool is_filled; /* the tensor may have more rows: of a vocabulary */
    whole *w;
    int64_t layer;  /* of the first dimension; -1: it is none of layers */
} place;

/* Whether the tensor's shape is the parameter's, one layer's of it where it has all. */
static bool fits(const place *p)
{
    int64_t rows = 1;
    const int first = p->layer >= 0, last = p->w->rank - (p->flat ? 0 : 1);
    for (int k = first; k < last; k++)
        rows *= p->w->dim[k];
    if (last <= first || (!p->flat && p->w->dim[last] != p->cols))
        return p->flat && last == first && p->rows == 1;
    return p->is_filled ? rows >= p->rows : rows == p->rows;
}

/* The rows of a box: runs along the last dimension of rows, one for each index of those before. */
static ts_status add_box(const place *p, const box *b, ts_param_values *v)
{
    const int rank = p->w->rank, last = rank - (p->flat ? 1 : 2), first = p->layer >= 0; /* last: of rows */
    const int64_t wide = p->flat ? 1 : b->size[rank - 1], col = p->flat ? 0 : b->offset[rank - 1];
    int64_t runs = 1;
    if (first && (p->layer < b->offset[0] || p->layer >= b->offset[0] + b->size[0]))
        return TS_OK;
    for (int k = first; k < last; k++)
        runs *= b->size[k];
    for (int64_t r = 0; r < runs; r++) {
        int64_t row = 0, at = first ? p->layer - b->offset[0] : 0, index[MAX_RANK] = { 0 }, left = r;
        for (int k = last - 1; k >= first; k--) {
            index[k] = left % b->size[k];
            left /= b->size[k];
        }
        for (int k = first; k < last; k++) {
            row = row * p->w->dim[k] + b->offset[k] + index[k];
            at = at * b->size[k] + index[k];
        }
        row = row * p->w->dim[last] + b->offset[last];
        int64_t rows = b->size[last];
        if (row + rows > p->rows)
            rows = p->rows - row;
        if (rows > 0 && wide > 0)
            TS_TRY(ts_param_values_add(v, &(ts_param_block){ p->param, row, rows, col, wide, &b->t, at * b->size[last] * wide, wide, 1 }));
    }
    return TS_OK;
}

static ts_status add_param(ts_mg_dist *d, const place *p, ts_param_values *v)
{
    const char *name = ts_names_text(v->params.names, p->param);
    if (!fits(p))
        return ts_error(TS_ERR_USER, "%s: tensor %s has another shape than %s (%lld x %lld)", d->folder, p->w->name, name,
                        (long long)p->rows, (long long)p->cols);
    for (size_t i = 0; i < p->w->n; i++) {
        box *b = &p->w->box[i];
        if (p->layer >= 0 && (p->layer < b->offset[0] || p->layer >= b->offset[0] + b->size[0]))
            continue;
        TS_TRY(need(d, p->w, b));
        TS_TRY(add_box(p, b, v));
    }
    return TS_OK;
}

/* ---- names ---- */

/* What else a parameter within a layer may be called, which is looked for first; NULL: nothing else. */
static const char *other_name(const char *ours, char to[NAME])
{
    static const char experts[] = "mlp.experts.";
    bool of_latent;
    if (strncmp(ours, experts, sizeof experts - 1) != 0)
        return ts_mg_norm_inside(ours, &of_latent);
    snprintf(to, NAME, "mlp.experts.experts.%s", ours + sizeof experts - 1);
    return to;
}

/* A tensor of this layer alone, or of all. */
static bool find_layered(const ts_mg_dist *d, const char *stem, int64_t layer, const char *rest, place *p)
{
    char name[NAME];
    snprintf(name, sizeof name, "%s%lld.%s", stem, (long long)layer, rest);
    p->layer = -1;
    p->w = find(d, name);
    if (!p->w) {
        snprintf(name, sizeof name, "%s%s", stem, rest);
        p->w = find(d, name);
        p->layer = layer;
    }
    return p->w && (p->layer < 0 || (p->w->rank > 0 && p->layer < p->w->dim[0]));
}

static bool find_param(const ts_mg_dist *d, const char *name, place *p)
{
    static const char layers[] = "decoder.layers.";
    char *rest, text[NAME];
    p->layer = -1;
    if (strncmp(name, layers, sizeof layers - 1) != 0) {
        p->w = find(d, name);
        return p->w;
    }
    const int64_t layer = strtoll(name + sizeof layers - 1, &rest, 10);
    rest++;
    const char *other = other_name(rest, text);
    return (other && find_layered(d, layers, layer, other, p)) || find_layered(d, layers, layer, rest, p);
}

static ts_status take_param(ts_mg_dist *d, size_t number, ts_param_values *v)
{
    const char *name = ts_names_text(v->params.names, number);
    const ts_listed_param *l = &v->params.param[number];
    place p = { .param = number, .rows = l->dim[0], .cols = l->dim[1] ? l->dim[1] : 1, .flat = !l->dim[1] };
    p.is_filled = !strncmp(name, "embedding.word_embeddings.", 26) || !strncmp(name, "output_layer.", 13);
    if (!find_param(d, name, &p))
        return ts_error(TS_ERR_USER, "%s/.metadata: there is no tensor %s, nor one of all layers", d->folder, name);
    return add_param(d, &p, v);
}

ts_status ts_mg_dist_values(ts_mg_dist *d, const ts_arch *a, ts_param_values *out)
{
    ts_param_values v = { 0 };
    ts_status st = ts_param_values_init(a, &v);
    for (size_t i = 0; st == TS_OK && i < ts_names_count(v.params.names); i++)
        st = take_param(d, i, &v);
    if (st == TS_OK)
        st = ts_param_values_finish(&v, d->folder);
    if (st == TS_OK)
        *out = v;
    else
        ts_param_values_deinit(&v);
    return st;
}
