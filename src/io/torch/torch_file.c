#include "io/torch/torch_file.h"

#include "base/file.h"
#include "io/torch/zip.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TENSORS = 1000 * 1000, MAX_EXPANDED = 1 << 20, MAX_COPIED = 1 << 30, MAX_SEEN = 10 * 1000 * 1000 };

/* How the elements of a tensor stand in its storage. */
typedef struct strided {
    int64_t stride[TS_ST_MAX_RANK];
} strided;

struct ts_torch_file {
    char *path;
    ts_map map;
    ts_zip *zip;
    bool *checked; /* [entries of zip] */
    ts_arena arena;
    size_t copied; /* bytes of tensors that were copied out */
    const ts_pickle_node *root;
};

static ts_status refuse(const ts_torch_file *f, const char *name, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: tensor %.200s: %s", f->path, name, what);
}

/* ---- the file ---- */

static ts_status check_byte_order(const ts_torch_file *f)
{
    const ts_zip_entry *e = ts_zip_find(f->zip, "byteorder");
    if (!e || (e->size == 6 && !memcmp(e->data, "little", 6)))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: its numbers are not in little-endian order (entry byteorder)", f->path);
}

static ts_status read_pickle(ts_torch_file *f, const unsigned char *data, size_t n)
{
    TS_TRY(ts_zip_open(data, n, f->path, &f->zip));
    TS_TRY(ts_alloc(&f->checked, ts_zip_count(f->zip), sizeof *f->checked));
    const ts_zip_entry *e = ts_zip_find(f->zip, "data.pkl");
    if (!e)
        return ts_error(TS_ERR_USER, "%s: has no data.pkl%s", f->path,
                        ts_zip_find(f->zip, "constants.pkl") ? ": it is a program of TorchScript, not weights" : "");
    TS_TRY(ts_zip_check(f->zip, e));
    TS_TRY(check_byte_order(f));
    return ts_pickle_read(e->data, e->size, f->path, &f->arena, &f->root);
}

static ts_status open_file(const char *path, const unsigned char *data, size_t n, ts_torch_file **out)
{
    ts_torch_file *f;
    TS_TRY(ts_alloc(&f, 1, sizeof *f));
    ts_status st = ts_strdup(path, &f->path);
    if (st == TS_OK && !data)
        st = ts_map_open(path, &f->map);
    if (st == TS_OK)
        st = data ? read_pickle(f, data, n) : read_pickle(f, f->map.data, f->map.size);
    if (st == TS_OK)
        *out = f;
    else
        ts_torch_file_close(&f);
    return st;
}

ts_status ts_torch_file_open(const char *path, ts_torch_file **out) { return open_file(path, NULL, 0, out); }

ts_status ts_torch_file_read(const unsigned char *data, size_t n, const char *path, ts_torch_file **out)
{
    return open_file(path, data, n, out);
}

void ts_torch_file_close(ts_torch_file **file)
{
    ts_torch_file *f = *file;
    if (!f)
        return;
    ts_arena_deinit(&f->arena);
    ts_free(&f->checked);
    ts_zip_close(&f->zip);
    ts_map_close(&f->map);
    ts_free(&f->path);
    ts_free(file);
}

const char *ts_torch_file_path(const ts_torch_file *f) { return f->path; }
const ts_pickle_node *ts_torch_file_root(const ts_torch_file *f) { return f->root; }

/* ---- tensors ---- */

static const struct {
    const char *name; /* of torch.<name>Storage and of torch.<name> */
    const char *type;
    ts_st_dtype dtype;
} types[] = {
    { "Float", "float32", TS_ST_F32 },      { "BFloat16", "bfloat16", TS_ST_BF16 }, { "Half", "float16", TS_ST_F16 },
    { "Double", "float64", TS_ST_F64 },     { "Long", "int64", TS_ST_I64 },         { "Int", "int32", TS_ST_I32 },
    { "Short", "int16", TS_ST_I16 },        { "Char", "int8", TS_ST_I8 },           { "Byte", "uint8", TS_ST_U8 },
    { "Bool", "bool", TS_ST_BOOL },         { "ComplexFloat", "complex64", TS_ST_C64 },
    { "Float8_e4m3fn", "float8_e4m3fn", TS_ST_F8_E4M3 },       { "Float8_e5m2", "float8_e5m2", TS_ST_F8_E5M2 },
    { NULL, "float8_e4m3fnuz", TS_ST_F8_E4M3FNUZ },            { NULL, "float8_e5m2fnuz", TS_ST_F8_E5M2FNUZ },
    { NULL, "float8_e8m0fnu", TS_ST_F8_E8M0 },                 { NULL, "uint16", TS_ST_U16 },
    { NULL, "uint32", TS_ST_U32 },          { NULL, "uint64", TS_ST_U64 },
};

static bool type_of(const ts_pickle_node *node, bool of_storage, ts_st_dtype *out)
{
    char text[64];
    if (!ts_pickle_is(node, TS_PICKLE_NAME))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (of_storage && !types[i].name)
            continue;
        snprintf(text, sizeof text, of_storage ? "torch.%sStorage" : "torch.%s", of_storage ? types[i].name : types[i].type);
        if (ts_pickle_is_name(node, text)) {
            *out = types[i].dtype;
            return true;
        }
    }
    return false;
}

/* The call that makes the tensor itself: of a parameter and of a subclass what stands inside. */
static const ts_pickle_node *inner(const ts_pickle_node *node)
{
    const ts_pickle_node *args;
    for (int i = 0; i < 4; i++) {
        if ((args = ts_pickle_called(node, "torch._utils._rebuild_parameter")) ||
            (args = ts_pickle_called(node, "torch._utils._rebuild_parameter_with_state")))
            node = ts_pickle_at(args, 0);
        else if ((args = ts_pickle_called(node, "torch.nn.parameter.Parameter")))
            node = ts_pickle_at(args, 0);
        else
            break;
    }
    return node;
}

static const ts_pickle_node *tensor_args(const ts_pickle_node *node)
{
    static const char *const makers[] = { "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
                                          "torch._utils._rebuild_tensor" };
    const ts_pickle_node *args = NULL;
    node = inner(node);
    for (size_t i = 0; !args && i < sizeof makers / sizeof *makers; i++)
        args = ts_pickle_called(node, makers[i]);
    /* func, type, arguments, state */
    const ts_pickle_node *typed = args ? NULL : ts_pickle_called(node, "torch._tensor._rebuild_from_type_v2");
    for (size_t i = 0; typed && !args && i < sizeof makers / sizeof *makers; i++)
        if (ts_pickle_is_name(ts_pickle_at(typed, 0), makers[i]))
            args = ts_pickle_at(typed, 2);
    return args;
}

bool ts_torch_is_tensor(const ts_pickle_node *node) { return tensor_args(node); }

/* The storage's bytes, looked at once against their sum. */
static ts_status find_storage(ts_torch_file *f, const char *name, const ts_pickle_node *key, const ts_zip_entry **out)
{
    char text[64];
    if (!ts_pickle_is(key, TS_PICKLE_TEXT) || key->text.n > 40)
        return refuse(f, name, "its storage has no name");
    snprintf(text, sizeof text, "data/%.*s", (int)key->text.n, key->text.s);
    const ts_zip_entry *e = ts_zip_find(f->zip, text);
    if (!e)
        return refuse(f, name, "its storage is not in the file");
    const size_t i = (size_t)(e - ts_zip_at(f->zip, 0));
    if (!f->checked[i])
        TS_TRY(ts_zip_check(f->zip, e));
    f->checked[i] = true;
    *out = e;
    return TS_OK;
}

static ts_status take_shape(const ts_torch_file *f, const char *name, const ts_pickle_node *size,
                            const ts_pickle_node *stride, ts_st_tensor *t, strided *s)
{
    const ts_pickle_node *inside = ts_pickle_called(size, "torch.Size");
    if (inside)
        size = ts_pickle_at(inside, 0);
    if (!ts_pickle_is(size, TS_PICKLE_TUPLE) || !ts_pickle_is(stride, TS_PICKLE_TUPLE) || size->list.n != stride->list.n)
        return refuse(f, name, "it has no shape with strides");
    if (size->list.n > TS_ST_MAX_RANK)
        return refuse(f, name, "it has more than 8 dimensions");
    t->rank = (int)size->list.n;
    t->elements = 1;
    for (int i = 0; i < t->rank; i++)
        if (!ts_pickle_int(size->list.item[i], 0, INT64_MAX, &t->shape[i]) ||
            !ts_pickle_int(stride->list.item[i], 0, INT64_MAX, &s->stride[i]) ||
            __builtin_mul_overflow(t->elements, t->shape[i], &t->elements))
            return refuse(f, name, "its shape or strides are no sizes");
    return TS_OK;
}

/* Whether all elements stand in the storage of `room` elements, from number `offset` of it on. */
static bool fits(const ts_st_tensor *t, const strided *s, int64_t offset, int64_t room)
{
    int64_t last = offset;
    if (!t->elements)
        return offset <= room;
    for (int i = 0; i < t->rank; i++) {
        int64_t more;
        if (__builtin_mul_overflow(t->shape[i] - 1, s->stride[i], &more) || __builtin_add_overflow(last, more, &last))
            return false;
    }
    return last < room;
}

static bool is_contiguous(const ts_st_tensor *t, const strided *s)
{
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && s->stride[i] != step)
            return !t->elements;
        step *= t->shape[i];
    }
    return true;
}

/* Where element number i stands. */
static int64_t place_of(const ts_st_tensor *t, const strided *s, int64_t i)
{
    int64_t at = 0;
    for (int k = t->rank - 1; k >= 0; k--) {
        at += i % t->shape[k] * s->stride[k];
        i /= t->shape[k];
    }
    return at;
}

static void make(const ts_st_tensor *t, int64_t first, int64_t n, float *out)
{
    const strided *s = t->made_of;
    const int64_t size = ts_st_dtype_bits(t->dtype) / 8, row = t->shape[t->rank - 1], step = s->stride[t->rank - 1];
    const char *data = t->data;
    while (n > 0) { /* along the last dimension */
        const int64_t skip = first % row, now = row - skip < n ? row - skip : n;
        const char *from = data + place_of(t, s, first) * size;
        if (step == 1)
            (void)ts_st_to_f32(t->dtype, from, now, out);
        else
            for (int64_t i = 0; i < now; i++)
                (void)ts_st_to_f32(t->dtype, from + i * step * size, 1, out + i);
        first += now;
        out += now;
        n -= now;
    }
}

/* Elements that are no numbers that fp32 holds: one behind the other. */
static ts_status copy_out(ts_torch_file *f, const strided *s, ts_st_tensor *t)
{
    const size_t size = (size_t)ts_st_dtype_bits(t->dtype) / 8;
    char *to;
    f->copied += t->size;
    if (f->copied > MAX_COPIED)
        return refuse(f, t->name, "its elements do not stand one behind the other, and the file has more such than are read");
    TS_TRY(ts_arena_alloc(&f->arena, t->size, &to));
    for (int64_t i = 0; i < t->elements; i++)
        memcpy(to + (size_t)i * size, (const char *)t->data + (size_t)place_of(t, s, i) * size, size);
    t->data = to;
    return TS_OK;
}

static ts_status stand_apart(ts_torch_file *f, const strided *s, ts_st_tensor *t)
{
    if (t->dtype != TS_ST_F32 && t->dtype != TS_ST_BF16 && t->dtype != TS_ST_F16)
        return copy_out(f, s, t);
    strided *kept;
    TS_TRY(ts_arena_alloc(&f->arena, sizeof *kept, &kept));
    *kept = *s;
    t->make = make;
    t->made_of = kept;
    return TS_OK;
}

ts_status ts_torch_tensor(ts_torch_file *f, const char *name, const ts_pickle_node *node, ts_st_tensor *out)
{
    const ts_pickle_node *args = tensor_args(node), *storage = ts_pickle_at(args, 0);
    ts_st_tensor t = { .name = name, .path = f->path };
    strided s = { 0 };
    const ts_zip_entry *bytes = NULL;
    int64_t offset = 0;
    const ts_pickle_node *id = ts_pickle_is(storage, TS_PICKLE_PERSISTENT) ? storage->id : NULL;
    if (!ts_pickle_is_text(ts_pickle_at(id, 0), "storage") || !ts_pickle_int(ts_pickle_at(args, 1), 0, INT64_MAX, &offset))
        return refuse(f, name, "it has no storage");
    const bool is_typed = type_of(ts_pickle_at(id, 1), true, &t.dtype);
    if (!type_of(ts_pickle_at(args, 6), false, &t.dtype) && !is_typed)
        return refuse(f, name, "it is of a type that is not read");
    TS_TRY(find_storage(f, name, ts_pickle_at(id, 2), &bytes));
    TS_TRY(take_shape(f, name, ts_pickle_at(args, 2), ts_pickle_at(args, 3), &t, &s));
    const int64_t size = ts_st_dtype_bits(t.dtype) / 8, room = (int64_t)(bytes->size / (size_t)size);
    if (!fits(&t, &s, offset, room))
        return refuse(f, name, "its shape, strides and offset reach outside of its storage");
    if (t.elements > room && t.elements > MAX_EXPANDED)
        return refuse(f, name, "it repeats its storage into more elements than are there");
    t.size = (size_t)(t.elements * size);
    t.data = bytes->data + offset * size;
    if (!is_contiguous(&t, &s))
        TS_TRY(stand_apart(f, &s, &t));
    *out = t;
    return TS_OK;
}

void ts_torch_file_is_done(const ts_torch_file *f, const ts_st_tensor *t)
{
    if (!t->make)
        ts_map_release(&f->map, t->data, t->size);
}

/* ---- state dicts ---- */

static ts_status take_dict(ts_torch_dict *d, const char *prefix, const ts_pickle_node *dict, int deep)
{
    enum { DEEP = 8 };
    for (size_t i = 0; ts_pickle_is(dict, TS_PICKLE_DICT) && i + 1 < dict->list.n; i += 2) {
        const ts_pickle_node *key = dict->list.item[i], *value = dict->list.item[i + 1];
        const bool is_tensor = ts_torch_is_tensor(value);
        char *name;
        if (d->seen++ == MAX_SEEN)
            return ts_error(TS_ERR_USER, "%s: more than %d values", d->file->path, MAX_SEEN);
        if (!ts_pickle_is(key, TS_PICKLE_TEXT) || (!is_tensor && !ts_pickle_is(value, TS_PICKLE_DICT)) || deep == DEEP)
            continue;
        const size_t n = strlen(prefix), k = key->text.n;
        if (n + k > TS_ST_MAX_NAME || memchr(key->text.s, 0, k) || ts_utf8_check(key->text.s, k) != k)
            return ts_error(TS_ERR_USER, "%s: a tensor's name is longer than %d bytes, or no UTF-8", d->file->path, TS_ST_MAX_NAME);
        TS_TRY(ts_arena_alloc(&d->file->arena, n + k + 2, &name));
        snprintf(name, n + k + 2, "%s%.*s%s", prefix, (int)k, key->text.s, is_tensor ? "" : ".");
        if (!is_tensor) {
            TS_TRY(take_dict(d, name, value, deep + 1));
            continue;
        }
        if (d->n >= MAX_TENSORS)
            return ts_error(TS_ERR_USER, "%s: more than %d tensors", d->file->path, MAX_TENSORS);
        TS_TRY(ts_grow(&d->v, &d->cap, d->n + 1, sizeof *d->v));
        TS_TRY(ts_torch_tensor(d->file, name, value, &d->v[d->n++]));
    }
    return TS_OK;
}

static ts_status take_tensors(ts_torch_dict *d)
{
    static const char *const inside[] = { "state_dict", "model", "module" };
    const ts_pickle_node *root = ts_torch_file_root(d->file), *dict = root;
    for (size_t i = 0; dict == root && i < sizeof inside / sizeof *inside; i++)
        if (ts_pickle_is(ts_pickle_get(root, inside[i]), TS_PICKLE_DICT))
            dict = ts_pickle_get(root, inside[i]);
    TS_TRY(take_dict(d, "", dict, 0));
    return d->n ? TS_OK : ts_error(TS_ERR_USER, "%s: holds no tensors by names (a state dict)", d->file->path);
}

ts_status ts_torch_dict_open(const char *path, ts_torch_dict *out)
{
    ts_torch_dict d = { 0 };
    TS_TRY(ts_torch_file_open(path, &d.file));
    const ts_status st = take_tensors(&d);
    if (st == TS_OK)
        *out = d;
    else
        ts_torch_dict_close(&d);
    return st;
}

void ts_torch_dict_close(ts_torch_dict *d)
{
    ts_torch_file_close(&d->file);
    ts_free(&d->v);
    d->n = d->cap = 0;
}
