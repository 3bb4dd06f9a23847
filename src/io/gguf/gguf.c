#include "io/gguf/gguf.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF files are little-endian");

enum { MAX_KEY = 65535, MAX_DEPTH = 4, MAX_SAID = 80, DEFAULT_ALIGNMENT = 32 };
/* The fewest bytes that a key with its value, and the description of a tensor, take in a file. */
enum { LEAST_KEY = 8 + 1 + 4 + 1, LEAST_TENSOR = 8 + 1 + 4 + 4 + 8 };

typedef struct key {
    const char *name; /* not terminated */
    size_t n;
    ts_gguf_value value;
} key;

struct ts_gguf {
    ts_map map;
    char *path;
    key *keys; /* by name */
    size_t n_keys;
    ts_gguf_tensor *tensors;
    const ts_gguf_tensor **by_name;
    char (*names)[TS_GGUF_MAX_NAME + 1];
    size_t n;
};

static const int sizes[TS_GGUF_KINDS] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
static const char *const kinds[TS_GGUF_KINDS] = { "u8",   "i8",     "u16",    "i16", "u32", "i32", "f32",
                                                  "bool", "string", "array", "u64", "i64", "f64" };

/* ---- reading front to back ---- */

typedef struct cursor {
    const char *path;
    const unsigned char *begin, *at, *end;
} cursor;

static size_t left(const cursor *c) { return (size_t)(c->end - c->at); }

static ts_status cut(const cursor *c, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: the file of %zu bytes ends in %s, which begins at byte %zu: it is cut off, or not "
                    "a GGUF file", c->path, (size_t)(c->end - c->begin), what, (size_t)(c->at - c->begin));
}

static ts_status take(cursor *c, void *to, size_t n, const char *what)
{
    if (left(c) < n)
        return cut(c, what);
    memcpy(to, c->at, n);
    c->at += n;
    return TS_OK;
}

static ts_status take_text(cursor *c, const char **s, size_t *n, const char *what)
{
    uint64_t len = 0;
    TS_TRY(take(c, &len, sizeof len, what));
    if (len > left(c))
        return ts_error(TS_ERR_USER, "%s: %s at byte %zu says that it has %llu bytes, but the file has %zu more", c->path,
                        what, (size_t)(c->at - c->begin) - 8, (unsigned long long)len, left(c));
    *s = (const char *)c->at;
    *n = (size_t)len;
    c->at += len;
    return TS_OK;
}

/* ---- keys ---- */

/* A name may hold anything: what a message shows of it. */
static const char *said(const char *s, size_t n, char to[MAX_SAID])
{
    n = n < MAX_SAID - 1 ? n : MAX_SAID - 1;
    for (size_t i = 0; i < n; i++)
        to[i] = (s[i] >= ' ' && s[i] < 127) ? s[i] : '?';
    to[n] = 0;
    return to;
}

static bool is_name(const char *s, size_t n) { return n && !memchr(s, 0, n) && ts_utf8_check(s, n) == n; }

static ts_status take_kind(cursor *c, ts_gguf_kind *out)
{
    uint32_t kind = 0;
    TS_TRY(take(c, &kind, sizeof kind, "the kind of a value"));
    if (kind >= TS_GGUF_KINDS)
        return ts_error(TS_ERR_USER, "%s: value of the unknown kind %u, expected 0 to %d", c->path, kind,
                        TS_GGUF_KINDS - 1);
    *out = (ts_gguf_kind)kind;
    return TS_OK;
}

static ts_status take_value(cursor *c, ts_gguf_kind kind, int depth, ts_gguf_value *out);

static ts_status take_list(cursor *c, int depth, ts_gguf_value *out)
{
    uint64_t n = 0;
    TS_TRY(take_kind(c, &out->of));
    TS_TRY(take(c, &n, sizeof n, "the length of an array"));
    const size_t each = sizes[out->of] ? (size_t)sizes[out->of] : out->of == TS_GGUF_TEXT ? 8 : 12;
    if (n > left(c) / each)
        return ts_error(TS_ERR_USER, "%s: an array says that it has %llu elements (%s), but the file has %zu more bytes",
                        c->path, (unsigned long long)n, kinds[out->of], left(c));
    if (depth == MAX_DEPTH)
        return ts_error(TS_ERR_USER, "%s: arrays in arrays, more than %d deep", c->path, MAX_DEPTH);
    out->n = (int64_t)n;
    out->data = c->at;
    if (sizes[out->of]) {
        c->at += n * each;
        return TS_OK;
    }
    for (uint64_t i = 0; i < n; i++) {
        ts_gguf_value inner;
        TS_TRY(take_value(c, out->of, depth + 1, &inner));
    }
    return TS_OK;
}

static ts_status take_value(cursor *c, ts_gguf_kind kind, int depth, ts_gguf_value *out)
{
    const char *s;
    size_t n;
    *out = (ts_gguf_value){ .kind = kind, .data = c->at };
    if (kind == TS_GGUF_LIST)
        return take_list(c, depth, out);
    if (kind == TS_GGUF_TEXT) {
        TS_TRY(take_text(c, &s, &n, "a string"));
        out->data = (const unsigned char *)s;
        out->n = (int64_t)n;
        return TS_OK;
    }
    if (left(c) < (size_t)sizes[kind])
        return cut(c, "a value");
    c->at += sizes[kind];
    if (kind == TS_GGUF_BOOL && *out->data > 1)
        return ts_error(TS_ERR_USER, "%s: a bool is %d, expected 0 or 1", c->path, *out->data);
    return TS_OK;
}

static ts_status take_key(cursor *c, key *k)
{
    char text[MAX_SAID];
    ts_gguf_kind kind;
    TS_TRY(take_text(c, &k->name, &k->n, "a key"));
    if (k->n > MAX_KEY || !is_name(k->name, k->n))
        return ts_error(TS_ERR_USER, "%s: a key of %zu bytes (%s), expected 1 to %d bytes of text", c->path, k->n,
                        said(k->name, k->n, text), MAX_KEY);
    ts_status st = take_kind(c, &kind);
    if (st == TS_OK)
        st = take_value(c, kind, 0, &k->value);
    return st == TS_ERR_USER ? ts_error_context(st, "of the key %s", said(k->name, k->n, text)) : st;
}

static int compare_names(const char *a, size_t n, const char *b, size_t m)
{
    const int order = memcmp(a, b, n < m ? n : m);
    return order ? order : n < m ? -1 : n > m;
}

static int by_key(const void *a, const void *b)
{
    const key *x = a, *y = b;
    return compare_names(x->name, x->n, y->name, y->n);
}

static ts_status take_keys(ts_gguf *g, cursor *c, uint64_t n)
{
    char text[MAX_SAID];
    if (n > left(c) / LEAST_KEY)
        return ts_error(TS_ERR_USER, "%s: says that it has %llu keys, but has %zu more bytes", g->path,
                        (unsigned long long)n, left(c));
    TS_TRY(ts_alloc(&g->keys, (size_t)n, sizeof *g->keys));
    for (g->n_keys = 0; g->n_keys < n; g->n_keys++)
        TS_TRY(take_key(c, &g->keys[g->n_keys]));
    if (n)
        qsort(g->keys, g->n_keys, sizeof *g->keys, by_key);
    for (size_t i = 1; i < g->n_keys; i++)
        if (!by_key(&g->keys[i - 1], &g->keys[i]))
            return ts_error(TS_ERR_USER, "%s: the key %s stands twice", g->path,
                            said(g->keys[i].name, g->keys[i].n, text));
    return TS_OK;
}

/* ---- tensors ---- */

/* Elements, bytes; the fastest dimension is of whole blocks. */
static ts_status measure(const cursor *c, ts_gguf_tensor *t)
{
    int64_t n = 1;
    size_t bytes;
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] < 1 || __builtin_mul_overflow(n, t->shape[i], &n))
            return ts_error(TS_ERR_USER, "%s: tensor %s: its dimension %d is %lld: expected numbers from 1 whose product "
                            "is below 2^63", c->path, t->name, t->rank - 1 - i, (long long)t->shape[i]);
    const int64_t row = t->rank ? t->shape[t->rank - 1] : 1;
    if (row % t->type->values)
        return ts_error(TS_ERR_USER, "%s: tensor %s: its rows of %lld elements are no whole blocks of %s, of %d elements",
                        c->path, t->name, (long long)row, t->type->name, t->type->values);
    if (!ts_mul_size((size_t)(n / t->type->values), (size_t)t->type->bytes, &bytes))
        return ts_error(TS_ERR_USER, "%s: tensor %s: its shape multiplies to more bytes than there can be", c->path,
                        t->name);
    t->elements = n;
    t->size = bytes;
    return TS_OK;
}

static ts_status take_type(cursor *c, ts_gguf_tensor *t)
{
    uint32_t id = 0;
    ts_str known = { 0 };
    TS_TRY(take(c, &id, sizeof id, "the type of a tensor"));
    t->type = ts_block_type_of(id);
    if (t->type)
        return TS_OK;
    ts_status st = ts_block_types_known(&known);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: tensor %s is of type %u, which is not known here; known are %s", c->path, t->name,
                      id, ts_str_text(&known));
    ts_str_deinit(&known);
    return st;
}

/* Its offset is left in *offset until the place of the data is known. */
static ts_status take_tensor(cursor *c, char name[TS_GGUF_MAX_NAME + 1], ts_gguf_tensor *t, uint64_t *offset)
{
    const char *s;
    char text[MAX_SAID];
    size_t n;
    uint32_t rank = 0;
    TS_TRY(take_text(c, &s, &n, "the name of a tensor"));
    if (n > TS_GGUF_MAX_NAME || !is_name(s, n))
        return ts_error(TS_ERR_USER, "%s: a tensor's name of %zu bytes (%s), expected 1 to %d bytes of text", c->path, n,
                        said(s, n, text), TS_GGUF_MAX_NAME);
    memcpy(name, s, n);
    *t = (ts_gguf_tensor){ .name = name };
    TS_TRY(take(c, &rank, sizeof rank, "the description of a tensor"));
    if (rank > TS_GGUF_MAX_RANK)
        return ts_error(TS_ERR_USER, "%s: tensor %s has %u dimensions, at most %d are read", c->path, name, rank,
                        TS_GGUF_MAX_RANK);
    t->rank = (int)rank;
    for (int i = 0; i < t->rank; i++)
        TS_TRY(take(c, &t->shape[t->rank - 1 - i], sizeof *t->shape, "the shape of a tensor"));
    TS_TRY(take_type(c, t));
    TS_TRY(take(c, offset, sizeof *offset, "the place of a tensor"));
    return measure(c, t);
}

static int by_tensor(const void *a, const void *b)
{
    return strcmp((*(const ts_gguf_tensor *const *)a)->name, (*(const ts_gguf_tensor *const *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const ts_gguf_tensor *x = *(const ts_gguf_tensor *const *)a, *y = *(const ts_gguf_tensor *const *)b;
    return x->data < y->data ? -1 : x->data > y->data;
}

/* No two over each other, no name twice; leaves by_name sorted. */
static ts_status check_tensors(ts_gguf *g)
{
    for (size_t i = 0; i < g->n; i++)
        g->by_name[i] = &g->tensors[i];
    if (g->n)
        qsort(g->by_name, g->n, sizeof *g->by_name, by_place);
    for (size_t i = 1; i < g->n; i++) {
        const ts_gguf_tensor *a = g->by_name[i - 1], *b = g->by_name[i];
        if (a->data + a->size > b->data)
            return ts_error(TS_ERR_USER, "%s: tensors %s and %s stand over each other", g->path, a->name, b->name);
    }
    if (g->n)
        qsort(g->by_name, g->n, sizeof *g->by_name, by_tensor);
    for (size_t i = 1; i < g->n; i++)
        if (!strcmp(g->by_name[i - 1]->name, g->by_name[i]->name))
            return ts_error(TS_ERR_USER, "%s: tensor %s stands twice", g->path, g->by_name[i]->name);
    return TS_OK;
}

/* Where the data begin: behind the descriptions, at a multiple of the alignment. */
static ts_status find_data(const ts_gguf *g, const cursor *c, int64_t *alignment, size_t *begin)
{
    TS_TRY(ts_gguf_int(g, "general.alignment", DEFAULT_ALIGNMENT, 1, INT32_MAX, alignment));
    if (*alignment & (*alignment - 1))
        return ts_error(TS_ERR_USER, "%s: general.alignment is %lld, expected a power of two", g->path,
                        (long long)*alignment);
    const size_t mask = (size_t)*alignment - 1;
    *begin = ((size_t)(c->at - c->begin) + mask) & ~mask;
    return TS_OK;
}

static ts_status place(const ts_gguf *g, ts_gguf_tensor *t, uint64_t offset, int64_t alignment, size_t begin)
{
    const size_t size = g->map.size, room = begin < size ? size - begin : 0;
    if (offset % (uint64_t)alignment)
        return ts_error(TS_ERR_USER, "%s: tensor %s begins at byte %llu of the data, expected a multiple of %lld", g->path,
                        t->name, (unsigned long long)offset, (long long)alignment);
    if (offset > room || t->size > room - (size_t)offset)
        return ts_error(TS_ERR_USER, "%s: tensor %s of %zu bytes begins at byte %llu of the data, of which the file has "
                        "%zu: it is cut off", g->path, t->name, t->size, (unsigned long long)offset, room);
    t->data = g->map.data + begin + offset;
    return TS_OK;
}

static ts_status take_tensors(ts_gguf *g, cursor *c, uint64_t n)
{
    uint64_t *offsets = NULL;
    int64_t alignment = 0;
    size_t begin = 0;
    if (n > left(c) / LEAST_TENSOR)
        return ts_error(TS_ERR_USER, "%s: says that it has %llu tensors, but has %zu more bytes", g->path,
                        (unsigned long long)n, left(c));
    ts_status st = ts_alloc(&offsets, (size_t)n, sizeof *offsets);
    if (st == TS_OK)
        st = ts_alloc(&g->tensors, (size_t)n, sizeof *g->tensors);
    if (st == TS_OK)
        st = ts_alloc(&g->by_name, (size_t)n, sizeof *g->by_name);
    if (st == TS_OK)
        st = ts_alloc(&g->names, (size_t)n, sizeof *g->names);
    for (g->n = 0; st == TS_OK && g->n < n; g->n++)
        st = take_tensor(c, g->names[g->n], &g->tensors[g->n], &offsets[g->n]);
    if (st == TS_OK)
        st = find_data(g, c, &alignment, &begin);
    for (size_t i = 0; st == TS_OK && i < g->n; i++)
        st = place(g, &g->tensors[i], offsets[i], alignment, begin);
    ts_free(&offsets);
    return st == TS_OK ? check_tensors(g) : st;
}

/* ---- files ---- */

static const char magic[4] = { 'G', 'G', 'U', 'F' };

static ts_status load(ts_gguf *g)
{
    if (!g->map.size)
        return ts_error(TS_ERR_USER, "%s: is empty: no GGUF file", g->path);
    cursor c = { .path = g->path, .begin = g->map.data, .at = g->map.data, .end = g->map.data + g->map.size };
    char begins[sizeof magic];
    uint32_t version = 0;
    uint64_t n_tensors = 0, n_keys = 0;
    TS_TRY(take(&c, begins, sizeof begins, "its first bytes"));
    if (memcmp(begins, magic, sizeof magic))
        return ts_error(TS_ERR_USER, "%s: does not begin with GGUF: no GGUF file, or a damaged one", g->path);
    TS_TRY(take(&c, &version, sizeof version, "its version"));
    if (version != 2 && version != 3)
        return ts_error(TS_ERR_USER, "%s: is of version %u of GGUF%s; 2 and 3 are read", g->path, version,
                        version && !(version & 0xFFFF) ? " in the order of bytes of other machines" : "");
    TS_TRY(take(&c, &n_tensors, sizeof n_tensors, "the number of tensors"));
    TS_TRY(take(&c, &n_keys, sizeof n_keys, "the number of keys"));
    TS_TRY(take_keys(g, &c, n_keys));
    return take_tensors(g, &c, n_tensors);
}

bool ts_gguf_is(const char *path) { return ts_file_begins_with(path, magic, sizeof magic); }

ts_status ts_gguf_open(const char *path, ts_gguf **out)
{
    ts_gguf *g = NULL;
    TS_TRY(ts_alloc(&g, 1, sizeof *g));
    ts_status st = ts_strdup(path, &g->path);
    if (st == TS_OK)
        st = ts_map_open(path, &g->map);
    if (st == TS_OK)
        st = load(g);
    if (st != TS_OK) {
        ts_gguf_close(&g);
        return st;
    }
    *out = g;
    return TS_OK;
}

void ts_gguf_is_done(const ts_gguf *g, const void *data, size_t n) { ts_map_release(&g->map, data, n); }

void ts_gguf_close(ts_gguf **file)
{
    ts_gguf *g = *file;
    if (!g)
        return;
    ts_map_close(&g->map);
    ts_free(&g->keys);
    ts_free(&g->tensors);
    ts_free(&g->by_name);
    ts_free(&g->names);
    ts_free(&g->path);
    ts_free(file);
}

const char *ts_gguf_path(const ts_gguf *g) { return g->path; }

/* ---- look-ups ---- */

const ts_gguf_value *ts_gguf_find(const ts_gguf *g, const char *name)
{
    const key want = { .name = name, .n = strlen(name) };
    const key *hit = g->n_keys ? bsearch(&want, g->keys, g->n_keys, sizeof want, by_key) : NULL;
    return hit ? &hit->value : NULL;
}

static bool is_whole(ts_gguf_kind k) { return sizes[k] && k != TS_GGUF_F32 && k != TS_GGUF_F64 && k != TS_GGUF_BOOL; }

static int64_t whole(const ts_gguf_value *v, int64_t i)
{
    const ts_gguf_kind kind = v->kind == TS_GGUF_LIST ? v->of : v->kind;
    const unsigned char *p = v->data + i * sizes[kind];
    uint64_t u = 0;
    for (int b = sizes[kind] - 1; b >= 0; b--)
        u = u << 8 | p[b];
    switch (kind) {
    case TS_GGUF_I8: return (int8_t)u;
    case TS_GGUF_I16: return (int16_t)u;
    case TS_GGUF_I32: return (int32_t)u;
    case TS_GGUF_U64: return u > INT64_MAX ? INT64_MAX : (int64_t)u;
    default: return (int64_t)u;
    }
}

double ts_gguf_number(const ts_gguf_value *v, int64_t i)
{
    const ts_gguf_kind kind = v->kind == TS_GGUF_LIST ? v->of : v->kind;
    float f;
    double d;
    if (kind == TS_GGUF_F32) {
        memcpy(&f, v->data + i * 4, sizeof f);
        return (double)f;
    }
    if (kind == TS_GGUF_F64) {
        memcpy(&d, v->data + i * 8, sizeof d);
        return d;
    }
    return (double)whole(v, i);
}

static ts_status wrong_kind(const ts_gguf *g, const char *name, const ts_gguf_value *v, const char *expected)
{
    return ts_error(TS_ERR_USER, "%s: the key %s is %s%s%s, expected %s", g->path, name, kinds[v->kind],
                    v->kind == TS_GGUF_LIST ? " of " : "", v->kind == TS_GGUF_LIST ? kinds[v->of] : "", expected);
}

ts_status ts_gguf_int(const ts_gguf *g, const char *name, int64_t def, int64_t lo, int64_t hi, int64_t *out)
{
    const ts_gguf_value *v = ts_gguf_find(g, name);
    if (v && !is_whole(v->kind))
        return wrong_kind(g, name, v, "a whole number");
    const int64_t n = v ? whole(v, 0) : def;
    if (v && (n < lo || n > hi))
        return ts_error(TS_ERR_USER, "%s: the key %s is %lld, expected %lld to %lld", g->path, name, (long long)n,
                        (long long)lo, (long long)hi);
    *out = n;
    return TS_OK;
}

ts_status ts_gguf_real(const ts_gguf *g, const char *name, double def, double *out)
{
    const ts_gguf_value *v = ts_gguf_find(g, name);
    if (v && (!sizes[v->kind] || v->kind == TS_GGUF_BOOL))
        return wrong_kind(g, name, v, "a number");
    const double x = v ? ts_gguf_number(v, 0) : def;
    if (v && !isfinite(x))
        return ts_error(TS_ERR_USER, "%s: the key %s is not a finite number", g->path, name);
    *out = x;
    return TS_OK;
}

ts_status ts_gguf_bool(const ts_gguf *g, const char *name, bool def, bool *out)
{
    const ts_gguf_value *v = ts_gguf_find(g, name);
    if (v && v->kind != TS_GGUF_BOOL)
        return wrong_kind(g, name, v, "a bool");
    *out = v ? *v->data : def;
    return TS_OK;
}

ts_status ts_gguf_text(const ts_gguf *g, const char *name, const char **s, size_t *n)
{
    const ts_gguf_value *v = ts_gguf_find(g, name);
    if (v && v->kind != TS_GGUF_TEXT)
        return wrong_kind(g, name, v, "a string");
    if (v && ts_utf8_check((const char *)v->data, (size_t)v->n) != (size_t)v->n)
        return ts_error(TS_ERR_USER, "%s: the string of the key %s is not UTF-8", g->path, name);
    *s = v ? (const char *)v->data : NULL;
    *n = v ? (size_t)v->n : 0;
    return TS_OK;
}

ts_status ts_gguf_texts(const ts_gguf *g, const char *name, const ts_gguf_value **out)
{
    const ts_gguf_value *v = ts_gguf_find(g, name);
    if (v && (v->kind != TS_GGUF_LIST || v->of != TS_GGUF_TEXT))
        return wrong_kind(g, name, v, "an array of strings");
    *out = v;
    return TS_OK;
}

ts_status ts_gguf_numbers(const ts_gguf *g, const char *name, const ts_gguf_value **out)
{
    const ts_gguf_value *v = ts_gguf_find(g, name);
    if (v && (v->kind != TS_GGUF_LIST || !sizes[v->of] || v->of == TS_GGUF_BOOL))
        return wrong_kind(g, name, v, "an array of numbers");
    *out = v;
    return TS_OK;
}

const char *ts_gguf_next_text(const unsigned char **at, size_t *n)
{
    uint64_t len;
    memcpy(&len, *at, sizeof len);
    const char *s = (const char *)*at + sizeof len;
    *at += sizeof len + len;
    *n = (size_t)len;
    return s;
}

int64_t ts_gguf_count(const ts_gguf *g) { return (int64_t)g->n; }

const ts_gguf_tensor *ts_gguf_at(const ts_gguf *g, int64_t i)
{
    TS_ASSERT(i >= 0 && (size_t)i < g->n, "tensor %lld of %zu", (long long)i, g->n);
    return &g->tensors[i];
}

const ts_gguf_tensor *ts_gguf_tensor_find(const ts_gguf *g, const char *name)
{
    const ts_gguf_tensor want = { .name = name }, *w = &want;
    const ts_gguf_tensor **hit = g->n ? bsearch(&w, g->by_name, g->n, sizeof *g->by_name, by_tensor) : NULL;
    return hit ? *hit : NULL;
}

ts_status ts_gguf_read_f32(const ts_gguf *g, const ts_gguf_tensor *t, int64_t first, int64_t n, float *out)
{
    TS_ASSERT(first >= 0 && n >= 0 && first <= t->elements && n <= t->elements - first,
              "%s: elements [%lld, +%lld) of %lld", t->name, (long long)first, (long long)n, (long long)t->elements);
    if (t->type->decode)
        ts_blocks_read(t->type, t->data, first, n, out);
    else if (!t->type->is_plain || !ts_st_to_f32(t->type->plain, t->data + first * t->type->bytes, n, out))
        return ts_error(TS_ERR_USER, "%s: tensor %s is %s, which is no type of weights", g->path, t->name, t->type->name);
    return TS_OK;
}
