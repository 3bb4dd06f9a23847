#include "json_mutate.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max, unsigned seed);

enum { MAX_ROWS = 128, MAX_PLACES = 4096, MAX_TEXT = 512 };

static uint64_t state;

size_t fuzz_below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state >> 11) % n;
}

static void seed_with(unsigned seed) { state = seed * 0x9e3779b97f4a7c15u | 1; }

/* ---- the grammar ---- */

static size_t count_rows(void)
{
    size_t n = 0;
    while (fuzz_rows[n].key)
        n++;
    return n;
}

/* The values of a row, parsed once. */
static const json_t *values_of(size_t row)
{
    static json_t *parsed[MAX_ROWS];
    if (row >= MAX_ROWS)
        abort();
    if (!parsed[row])
        parsed[row] = json_loads(fuzz_rows[row].values, JSON_ALLOW_NUL, NULL);
    if (!json_is_array(parsed[row]))
        abort();
    return parsed[row];
}

static json_t *some_value(size_t row)
{
    const json_t *list = values_of(row);
    return json_deep_copy(json_array_get(list, fuzz_below(json_array_size(list))));
}

json_t *fuzz_value_of(const char *key)
{
    const size_t n = count_rows();
    for (size_t k = 0, i = fuzz_below(n); k < n; k++, i = (i + 1) % n)
        if (!strcmp(fuzz_rows[i].key, key))
            return some_value(i);
    return NULL;
}

/* ---- places in a document ---- */

typedef struct place {
    json_t *parent, *value;
    const char *key; /* NULL: in a list, at */
    size_t at;
} place;

typedef struct places {
    place v[MAX_PLACES];
    size_t n;
} places;

static void walk(places *p, json_t *o)
{
    const char *key;
    json_t *v;
    size_t i;
    json_object_foreach(o, key, v) {
        if (p->n == MAX_PLACES)
            return;
        p->v[p->n++] = (place){ .parent = o, .value = v, .key = key };
        walk(p, v);
    }
    json_array_foreach(o, i, v) {
        if (p->n == MAX_PLACES)
            return;
        p->v[p->n++] = (place){ .parent = o, .value = v, .at = i };
        walk(p, v);
    }
}

static const places *places_of(json_t *root)
{
    static places p[2];
    static int which;
    places *to = &p[which = !which];
    to->n = 0;
    walk(to, root);
    return to;
}

/* A random place that `fits`, going round from a random one. */
static const place *some_place(json_t *root, bool (*fits)(const place *p, const void *what),
                               const void *what)
{
    const places *p = places_of(root);
    const size_t from = p->n ? fuzz_below(p->n) : 0;
    for (size_t i = 0; i < p->n; i++) {
        const place *at = &p->v[(from + i) % p->n];
        if (!fits || fits(at, what))
            return at;
    }
    return NULL;
}

static bool put(const place *p, json_t *value)
{
    if (!value)
        return false;
    if (p->key)
        json_object_set_new(p->parent, p->key, value);
    else
        json_array_set_new(p->parent, p->at, value);
    return true;
}

/* ---- mutations ---- */

static bool has_key(const place *p, const void *key) { return p->key && !strcmp(p->key, key); }
static bool is_text(const place *p, const void *what)
{
    (void)what;
    return json_is_string(p->value);
}
static bool is_scalar(const place *p, const void *what)
{
    (void)what;
    return !json_is_object(p->value) && !json_is_array(p->value);
}
static bool is_list(const place *p, const void *what)
{
    (void)what;
    return json_array_size(p->value) > 0;
}

static bool is_of_type(const json_t *o, const char *type)
{
    const char *is = json_string_value(json_object_get(o, "type"));
    return json_is_object(o) && (!type || (is && !strcmp(is, type)));
}
static bool is_object(const place *p, const void *type) { return is_of_type(p->value, type); }

/* One of the grammar's values where its key stands or may stand. */
static bool set_row(json_t *root)
{
    const fuzz_row *r = &fuzz_rows[fuzz_below(count_rows())];
    json_t *value = some_value((size_t)(r - fuzz_rows));
    const place *p = fuzz_below(3) ? some_place(root, has_key, r->key) : NULL;
    if (p && is_of_type(p->parent, r->type))
        return put(p, value);
    p = some_place(root, is_object, r->type);
    json_t *o = p && (r->type || fuzz_below(2)) ? p->value : root;
    if (!json_is_object(o) || (r->type && o == root && !is_of_type(o, r->type))) {
        json_decref(value);
        return false;
    }
    return json_object_set_new(o, r->key, value) == 0;
}

static bool remove_one(json_t *root)
{
    const place *p = some_place(root, NULL, NULL);
    if (!p)
        return false;
    if (p->key)
        json_object_del(p->parent, p->key);
    else
        json_array_remove(p->parent, p->at);
    return true;
}

/* A piece of one document takes the place of another piece, of the same key where there is one. */
static bool transplant(json_t *root, json_t *from)
{
    const place *a = some_place(from, NULL, NULL);
    if (!a)
        return false;
    const char *key = a->key;
    json_t *copy = json_deep_copy(a->value);
    const place *b = key && fuzz_below(4) ? some_place(root, has_key, key) : NULL;
    if (!b && key && fuzz_below(2)) {
        b = some_place(root, is_object, NULL);
        json_t *o = b && fuzz_below(2) ? b->value : root;
        if (json_is_object(o))
            return json_object_set_new(o, key, copy) == 0;
        b = NULL;
    }
    if (!b)
        b = some_place(root, NULL, NULL);
    if (b)
        return put(b, copy);
    json_decref(copy);
    return false;
}

static bool transplant_own(json_t *root) { return transplant(root, root); }

static bool list_op(json_t *root)
{
    const place *p = some_place(root, is_list, NULL);
    if (!p)
        return false;
    json_t *list = p->value;
    const size_t n = json_array_size(list), i = fuzz_below(n), k = fuzz_below(n);
    json_t *v = json_deep_copy(json_array_get(list, i));
    switch (fuzz_below(4)) {
    case 0: return json_array_insert_new(list, k, v) == 0;
    case 1:
        json_array_set(list, i, json_array_get(list, k));
        return json_array_set_new(list, k, v) == 0;
    case 2: json_decref(v); return json_array_remove(list, i) == 0;
    default: return json_array_append_new(list, v) == 0;
    }
}

static const char *const odd_texts[] = {
    "", " ", "  ", "\n", "a", "\xE2\x96\x81", "\xC4\xA0", "e\xCC\x81", "\xC3\xA9", "\xC4\xB0",
    "\xC5\xBF", "\xEF\xBF\xBD", "\xF0\x9F\x91\x8D", "\xE2\x80\x8D", "\xEA\xB0\x80", "##", "</w>",
    "<0x0A>", "<0xE2>", "<0x+A>", "[UNK]", "<unk>", "<s>", "{", "\\", "%s", "*", "0", "-1",
    "1e400", "nan", "inf", "/", "..", "true", "null", "\x01", "\xEF\xBB\xBF", "\xED\x9F\xBF",
};

const char *fuzz_some_text(json_t *root, char *buf, size_t size)
{
    const char *s = odd_texts[fuzz_below(sizeof odd_texts / sizeof *odd_texts)];
    const place *p = fuzz_below(3) ? some_place(root, is_text, NULL) : NULL;
    const json_t *list = values_of(fuzz_below(count_rows()));
    const json_t *v = json_array_get(list, fuzz_below(json_array_size(list)));
    if (p)
        s = json_string_value(p->value);
    else if (json_is_string(v) && fuzz_below(2))
        s = json_string_value(v);
    size_t n = strlen(s) < size - 1 ? strlen(s) : size - 1;
    n = ts_utf8_check(s, n);
    memcpy(buf, s, n);
    buf[n] = 0;
    return buf;
}

/* Bytes changed, and what is then no UTF-8 made a question mark. */
static json_t *other_text(json_t *root, const char *old)
{
    char buf[MAX_TEXT], more[MAX_TEXT];
    size_t n = strlen(old) < MAX_TEXT / 2 ? strlen(old) : MAX_TEXT / 2;
    memcpy(buf, old, n);
    switch (fuzz_below(4)) {
    case 0: return json_string(fuzz_some_text(root, more, sizeof more / 2));
    case 1:
        fuzz_some_text(root, more, sizeof more / 2);
        memcpy(buf + n, more, strlen(more));
        n += strlen(more);
        break;
    default: n = LLVMFuzzerMutate((uint8_t *)buf, n, n + 8); break;
    }
    for (size_t bad; (bad = ts_utf8_check(buf, n)) < n;)
        buf[bad] = '?';
    return json_stringn(buf, n);
}

static json_t *other_number(const json_t *old)
{
    static const json_int_t whole[] = {
        0, 1, -1, 2, 3, 4, 7, 8, 16, 64, 127, 128, 255, 256, 65535, 65536, 9999999, 10000000,
        INT32_MAX, (json_int_t)INT32_MAX + 1, INT32_MIN, INT64_MAX, INT64_MIN, 9007199254740993,
    };
    static const double real[] = { 0, 0.5, 1, -1, 0.1, 1e-30, 1e30, 1e300, -1e308, 5e-324, 2.5 };
    if (fuzz_below(5) == 0)
        return json_real(real[fuzz_below(sizeof real / sizeof *real)]);
    if (json_is_real(old) && fuzz_below(2))
        return json_real(json_real_value(old) * (fuzz_below(2) ? 2 : -0.5));
    if (fuzz_below(3) == 0)
        return json_integer(whole[fuzz_below(sizeof whole / sizeof *whole)]);
    const uint64_t v = (uint64_t)json_integer_value(old), step = fuzz_below(3) ? 1 : v;
    return json_integer((json_int_t)(fuzz_below(2) ? v + step : v - step));
}

static bool scalar(json_t *root)
{
    const place *p = some_place(root, is_scalar, NULL);
    if (!p)
        return false;
    if (fuzz_below(20) == 0) { /* another type */
        static const char *const other[] = { "null", "true", "0", "\"\"", "[]", "{}", "1.5" };
        return put(p, json_loads(other[fuzz_below(sizeof other / sizeof *other)], JSON_DECODE_ANY,
                                 NULL));
    }
    if (json_is_string(p->value)) {
        const place at = *p; /* the table is used again for other texts */
        return put(&at, other_text(root, json_string_value(at.value)));
    }
    if (json_is_number(p->value))
        return put(p, other_number(p->value));
    return put(p, json_boolean(!json_is_true(p->value)));
}

static bool hook(json_t *root)
{
    size_t n = 0;
    while (fuzz_hooks[n])
        n++;
    return n && fuzz_hooks[fuzz_below(n)](root);
}

static void mutate(json_t *root)
{
    static fuzz_hook *const ways[] = { set_row, set_row, set_row,   remove_one, transplant_own,
                                       list_op, scalar,  scalar, hook,    hook,       hook };
    for (size_t times = 1 + fuzz_below(4), tries = 0; times && tries < 20; tries++)
        times -= ways[fuzz_below(sizeof ways / sizeof *ways)](root);
}

/* ---- libFuzzer's two doors ---- */

static json_t *load(const uint8_t *data, size_t size)
{
    json_t *o = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
    return o ? o : json_object();
}

/* 0: it does not fit. */
static size_t dump(const json_t *root, uint8_t *out, size_t max)
{
    const size_t n = json_dumpb(root, NULL, 0, JSON_COMPACT);
    return n && n <= max ? json_dumpb(root, (char *)out, n, JSON_COMPACT) : 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    const size_t skip = fuzz_kinds ? 1 : 0;
    seed_with(seed);
    if (max <= skip + 2 || fuzz_below(30) == 0)
        return LLVMFuzzerMutate(data, size, max);
    if (skip && (size < 1 || fuzz_below(40) == 0)) {
        data[0] = (uint8_t)fuzz_kinds[fuzz_below(strlen(fuzz_kinds))];
        size = size ? size : 1;
    }
    json_t *root = load(data + skip, size - skip);
    mutate(root);
    const size_t n = dump(root, data + skip, max - skip);
    json_decref(root);
    return n ? n + skip : LLVMFuzzerMutate(data, size, max);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max, unsigned seed)
{
    const size_t skip = fuzz_kinds ? 1 : 0;
    seed_with(seed);
    if (a_size < skip || b_size < skip || max <= skip)
        return 0;
    json_t *to = load(a + skip, a_size - skip), *from = load(b + skip, b_size - skip);
    for (size_t i = 0, times = 1 + fuzz_below(3); i < times; i++)
        transplant(to, from);
    const size_t n = dump(to, out + skip, max - skip);
    json_decref(to);
    json_decref(from);
    if (skip && n)
        out[0] = a[0];
    return n ? n + skip : 0;
}
