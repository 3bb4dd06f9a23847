#include "io/safetensors.h"

#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_HEADER = 100 * 1000 * 1000, MAX_TENSORS = 1000 * 1000 };

static const struct {
    const char *name;
    int bits;
} dtypes[TS_ST_DTYPES] = {
    { "BOOL", 8 },        { "F4", 4 },           { "F6_E2M3", 6 }, { "F6_E3M2", 6 }, { "U8", 8 },
    { "I8", 8 },          { "F8_E5M2", 8 },      { "F8_E4M3", 8 }, { "F8_E8M0", 8 },
    { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 },  { "I16", 16 },    { "U16", 16 },    { "F16", 16 },
    { "BF16", 16 },       { "I32", 32 },         { "U32", 32 },    { "F32", 32 },    { "C64", 64 },
    { "F64", 64 },        { "I64", 64 },         { "U64", 64 },
};

struct ts_st_file {
    ts_map map;
    char *path;
    json_t *root; /* names and metadata point into it */
    ts_st_tensor *tensors;
    const ts_st_tensor **by_name;
    size_t n;
};

const char *ts_st_dtype_name(ts_st_dtype t) { return dtypes[t].name; }
int ts_st_dtype_bits(ts_st_dtype t) { return dtypes[t].bits; }

bool ts_st_dtype_from_name(const char *name, ts_st_dtype *out)
{
    for (int t = 0; t < TS_ST_DTYPES; t++)
        if (!strcmp(dtypes[t].name, name)) {
            *out = (ts_st_dtype)t;
            return true;
        }
    return false;
}

/* A plain non-negative whole number. */
static bool take_count(const json_t *v, int64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *out = json_integer_value(v);
    return true;
}

static ts_status parse_shape(const char *path, const json_t *shape, ts_st_tensor *t)
{
    if (!json_is_array(shape))
        return ts_error(TS_ERR_USER, "%s: tensor %s has no shape (a list of sizes)", path, t->name);
    if (json_array_size(shape) > TS_ST_MAX_RANK)
        return ts_error(TS_ERR_USER, "%s: tensor %s has %zu dimensions, at most %d are read", path,
                        t->name, json_array_size(shape), TS_ST_MAX_RANK);
    t->rank = (int)json_array_size(shape);
    for (int i = 0; i < t->rank; i++)
        if (!take_count(json_array_get(shape, i), &t->shape[i]))
            return ts_error(TS_ERR_USER,
                            "%s: tensor %s: dimension %d of its shape is not a whole number from 0",
                            path, t->name, i);
    return TS_OK;
}

/* The form of one entry; its offsets are left in data (begin) and size (end) until they are
 * checked. */
static ts_status parse_tensor(const char *path, const char *name, const json_t *v, ts_st_tensor *t,
                              int64_t offsets[2])
{
    *t = (ts_st_tensor){ .name = name, .path = path };
    if (strlen(name) > TS_ST_MAX_NAME)
        return ts_error(TS_ERR_USER, "%s: a tensor's name has %zu bytes, at most %d are read", path,
                        strlen(name), TS_ST_MAX_NAME);
    const char *dtype = json_string_value(json_object_get(v, "dtype"));
    if (!dtype)
        return ts_error(TS_ERR_USER, "%s: tensor %s has no dtype", path, name);
    if (!ts_st_dtype_from_name(dtype, &t->dtype))
        return ts_error(TS_ERR_USER, "%s: tensor %s has the unknown dtype \"%.40s\"", path, name,
                        dtype);
    TS_TRY(parse_shape(path, json_object_get(v, "shape"), t));
    const json_t *o = json_object_get(v, "data_offsets");
    if (json_array_size(o) != 2 || !take_count(json_array_get(o, 0), &offsets[0]) ||
        !take_count(json_array_get(o, 1), &offsets[1]))
        return ts_error(TS_ERR_USER, "%s: tensor %s has no data_offsets (two whole numbers from 0)",
                        path, name);
    return TS_OK;
}

static ts_status check_metadata(const char *path, const json_t *meta)
{
    const char *key;
    json_t *v;
    if (!json_is_object(meta))
        return ts_error(TS_ERR_USER, "%s: __metadata__ is not an object", path);
    json_object_foreach((json_t *)(uintptr_t)meta, key, v)
        if (!json_is_string(v))
            return ts_error(TS_ERR_USER, "%s: __metadata__: %s is not a string", path, key);
    return TS_OK;
}

/* An entry of the header with its place in the data, for sorting. */
typedef struct placed {
    int64_t begin, end;
    ts_st_tensor t;
} placed;

static int by_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Bytes that shape and type need; checked against the place in the file. */
static ts_status check_size(const char *path, placed *p)
{
    ts_st_tensor *t = &p->t;
    int64_t n = 1, bits;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(n, t->shape[i], &n))
            return ts_error(TS_ERR_USER,
                            "%s: tensor %s: its shape multiplies to more than 2^63 elements", path,
                            t->name);
    if (__builtin_mul_overflow(n, dtypes[t->dtype].bits, &bits))
        return ts_error(TS_ERR_USER,
                        "%s: tensor %s: its shape and dtype %s need more than 2^63 bits", path,
                        t->name, dtypes[t->dtype].name);
    if (bits % 8)
        return ts_error(TS_ERR_USER, "%s: tensor %s: %lld elements of %s do not fill whole bytes",
                        path, t->name, (long long)n, dtypes[t->dtype].name);
    if (p->end - p->begin != bits / 8)
        return ts_error(
            TS_ERR_USER,
            "%s: tensor %s: data_offsets give it %lld bytes, its shape and dtype %s need %lld",
            path, t->name, (long long)(p->end - p->begin), dtypes[t->dtype].name,
            (long long)(bits / 8));
    t->elements = n;
    t->size = (size_t)(bits / 8);
    return TS_OK;
}

static ts_status check_places(ts_st_file *f, placed *list, const unsigned char *data,
                              size_t data_size)
{
    int64_t at = 0;
    qsort(list, f->n, sizeof *list, by_place);
    for (size_t i = 0; i < f->n; i++) {
        placed *p = &list[i];
        if (p->begin != at || p->end < p->begin)
            return ts_error(
                TS_ERR_USER,
                "%s: tensor %s: data_offsets are [%lld, %lld], expected to begin at %lld, "
                "where the tensor before it ends",
                f->path, p->t.name, (long long)p->begin, (long long)p->end, (long long)at);
        TS_TRY(check_size(f->path, p));
        at = p->end;
    }
    if ((uint64_t)at != data_size)
        return ts_error(TS_ERR_USER,
                        "%s: the file has %zu bytes of data, its header describes %lld (%s)",
                        f->path, data_size, (long long)at,
                        (uint64_t)at > data_size ? "it is cut off" : "something was appended");
    for (size_t i = 0; i < f->n; i++) {
        f->tensors[i] = list[i].t;
        f->tensors[i].data = data + list[i].begin;
    }
    return TS_OK;
}

static ts_status parse_header(ts_st_file *f, const unsigned char *data, size_t data_size)
{
    const char *name;
    json_t *v;
    placed *list = NULL;
    if (!json_is_object(f->root))
        return ts_error(TS_ERR_USER, "%s: the header is not a JSON object", f->path);
    const size_t count = json_object_size(f->root);
    if (count > MAX_TENSORS)
        return ts_error(TS_ERR_USER, "%s: the header lists %zu tensors, at most %d are read",
                        f->path, count, MAX_TENSORS);
    ts_status st = ts_alloc(&list, count, sizeof *list);
    if (st == TS_OK)
        st = ts_alloc(&f->tensors, count, sizeof *f->tensors);
    if (st == TS_OK)
        st = ts_alloc(&f->by_name, count, sizeof *f->by_name);
    json_object_foreach(f->root, name, v) {
        if (st != TS_OK)
            break;
        if (!strcmp(name, "__metadata__")) {
            st = check_metadata(f->path, v);
            continue;
        }
        placed *p = &list[f->n++];
        int64_t at[2] = { 0 };
        st = parse_tensor(f->path, name, v, &p->t, at);
        p->begin = at[0], p->end = at[1];
    }
    if (st == TS_OK)
        st = check_places(f, list, data, data_size);
    ts_free(&list);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const ts_st_tensor *const *)a)->name, (*(const ts_st_tensor *const *)b)->name);
}

static ts_status load(ts_st_file *f)
{
    const size_t size = f->map.size;
    if (size < 8)
        return ts_error(TS_ERR_USER, "%s: %zu bytes long: too short for a safetensors file",
                        f->path, size);
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | f->map.data[i];
    if (n > MAX_HEADER)
        return ts_error(
            TS_ERR_USER,
            "%s: its first 8 bytes announce a header of %llu bytes, at most %d are allowed: "
            "not a safetensors file, or damaged",
            f->path, (unsigned long long)n, MAX_HEADER);
    if (n > size - 8)
        return ts_error(TS_ERR_USER,
                        "%s: its header of %llu bytes does not fit into the file of %zu bytes",
                        f->path, (unsigned long long)n, size);
    const char *text = (const char *)f->map.data + 8;
    const size_t bad = ts_utf8_check(text, (size_t)n);
    if (bad < n)
        return ts_error(TS_ERR_USER, "%s: its header is not UTF-8 at byte %zu", f->path, bad + 8);
    TS_TRY(ts_json_parse(text, (size_t)n, f->path, &f->root));
    TS_TRY(parse_header(f, f->map.data + 8 + n, size - 8 - (size_t)n));
    for (size_t i = 0; i < f->n; i++)
        f->by_name[i] = &f->tensors[i];
    qsort(f->by_name, f->n, sizeof *f->by_name, by_name);
    return TS_OK;
}

ts_status ts_st_file_open(const char *path, ts_st_file **out)
{
    ts_st_file *f = NULL;
    TS_TRY(ts_alloc(&f, 1, sizeof *f));
    ts_status st = ts_strdup(path, &f->path);
    if (st == TS_OK)
        st = ts_map_open(path, &f->map);
    if (st == TS_OK)
        st = load(f);
    if (st != TS_OK) {
        ts_st_file_destroy(&f);
        return st;
    }
    *out = f;
    return TS_OK;
}

void ts_st_file_destroy(ts_st_file **file)
{
    ts_st_file *f = *file;
    if (!f)
        return;
    json_decref(f->root);
    ts_map_close(&f->map);
    ts_free(&f->tensors);
    ts_free(&f->by_name);
    ts_free(&f->path);
    ts_free(file);
}

int64_t ts_st_file_count(const ts_st_file *f) { return (int64_t)f->n; }

const ts_st_tensor *ts_st_file_at(const ts_st_file *f, int64_t i)
{
    TS_ASSERT(i >= 0 && (size_t)i < f->n, "tensor %lld of %zu", (long long)i, f->n);
    return &f->tensors[i];
}

const ts_st_tensor *ts_st_file_find(const ts_st_file *f, const char *name)
{
    const ts_st_tensor key = { .name = name }, *k = &key;
    const ts_st_tensor **hit = bsearch(&k, f->by_name, f->n, sizeof *f->by_name, by_name);
    return hit ? *hit : NULL;
}

const char *ts_st_file_metadata(const ts_st_file *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(f->root, "__metadata__"), key));
}

void ts_st_will_need(const ts_st_tensor *t)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)t->data;
    const uintptr_t from = at / page * page;
    if (t->size) /* advice: what it returns changes nothing */
        (void)madvise((void *)from, at - from + t->size, MADV_WILLNEED);
}

void ts_st_file_is_done(const ts_st_file *f, const ts_st_tensor *t)
{
    ts_map_release(&f->map, t->data, t->size);
}
