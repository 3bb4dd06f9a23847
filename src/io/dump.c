#include "io/dump.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[TS_DUMP_KINDS] = {
    [TS_DUMP_OUTPUT] = "output",
    [TS_DUMP_OUTPUT_GRADIENT] = "gradient of the output",
    [TS_DUMP_GRADIENT] = "gradient",
    [TS_DUMP_WEIGHT] = "weight",
};
const char *ts_dump_kind_name(ts_dump_kind k) { return kinds[k]; }

void ts_dump_piece_deinit(ts_dump_piece *p)
{
    ts_free(&p->name);
    ts_free(&p->span[0]);
    ts_free(&p->span[1]);
    *p = (ts_dump_piece){ 0 };
}

/* ---- numbers ---- */

/* The finalizer of MurmurHash3, which is in the public domain: all bits of the input reach all of the
 * output. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static int64_t count(const ts_stretch *v, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i].n;
    return sum;
}

/* Where number i of the spans stands in the whole, and how many follow it there. */
static int64_t place(const ts_stretch *v, int64_t i, int64_t *run)
{
    while (i >= v->n)
        i -= v++->n;
    *run = v->n - i;
    return v->begin + i;
}

void ts_dump_walk(const ts_dump_piece *p, ts_dump_run_fn *fn, void *ctx)
{
    const int64_t cols = count(p->span[1], p->n_spans[1]);
    for (int64_t at = 0, n; at < p->n; at += n) {
        int64_t rest, unused;
        const int64_t row = place(p->span[0], (p->from + at) / cols, &unused),
                      col = place(p->span[1], (p->from + at) % cols, &rest);
        n = rest < p->n - at ? rest : p->n - at;
        fn(ctx, at, n, row * p->whole[1] + col);
    }
}

typedef struct measuring {
    const float *v;
    ts_dump_stats *s;
} measuring;

static void measure_run(void *ctx, int64_t at, int64_t n, int64_t whole)
{
    const measuring *m = ctx;
    ts_dump_stats *s = m->s;
    for (int64_t i = 0; i < n; i++) {
        const float x = m->v[at + i];
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        s->hash +=
            mix((uint64_t)(whole + i) * UINT64_C(0x9e3779b97f4a7c15) ^ mix(bits + UINT64_C(1)));
        if (!isfinite(x)) {
            s->unfinite++;
            continue;
        }
        s->min = (double)x < s->min ? (double)x : s->min;
        s->max = (double)x > s->max ? (double)x : s->max;
        s->sum += (double)x;
        s->squares += (double)x * (double)x;
    }
}

void ts_dump_measure(ts_dump_piece *p, const float *v)
{
    measuring m = { v, &p->stats };
    p->stats = (ts_dump_stats){ .min = INFINITY, .max = -INFINITY, .count = p->n };
    ts_dump_walk(p, measure_run, &m);
}

void ts_dump_add(ts_dump_stats *a, const ts_dump_stats *b)
{
    a->min = b->min < a->min ? b->min : a->min;
    a->max = b->max > a->max ? b->max : a->max;
    a->sum += b->sum;
    a->squares += b->squares;
    a->count += b->count;
    a->unfinite += b->unfinite;
    a->hash += b->hash;
}

/* ---- lines ---- */

static ts_status write_spans(const char *key, const ts_stretch *v, size_t n, ts_str *out)
{
    TS_TRY(ts_str_printf(out, ", \"%s\": [", key));
    for (size_t i = 0; i < n; i++)
        TS_TRY(
            ts_str_printf(out, "%s[%" PRId64 ", %" PRId64 "]", i ? ", " : "", v[i].begin, v[i].n));
    return ts_str_puts(out, "]");
}

static ts_status write_number(const char *key, double v, ts_str *out)
{
    TS_TRY(ts_str_printf(out, ", \"%s\": ", key));
    return ts_str_json_real(out, v, 17);
}

ts_status ts_dump_write_line(const ts_dump_piece *p, ts_str *out)
{
    const ts_dump_stats *s = &p->stats;
    TS_TRY(ts_str_puts(out, "{\"name\": "));
    TS_TRY(ts_str_json(out, p->name, strlen(p->name)));
    TS_TRY(ts_str_printf(
        out, ", \"kind\": \"%s\", \"order\": %" PRId64 ", \"shape\": [%" PRId64 ", %" PRId64 "]",
        kinds[p->kind], p->order, p->whole[0], p->whole[1]));
    TS_TRY(write_spans("rows", p->span[0], p->n_spans[0], out));
    TS_TRY(write_spans("cols", p->span[1], p->n_spans[1], out));
    TS_TRY(ts_str_printf(out,
                         ", \"from\": %" PRId64 ", \"count\": %" PRId64 ", \"unfinite\": %" PRId64,
                         p->from, p->n, s->unfinite));
    TS_TRY(write_number("min", s->min, out));
    TS_TRY(write_number("max", s->max, out));
    TS_TRY(write_number("mean", s->sum / (double)(s->count - s->unfinite), out));
    TS_TRY(write_number("norm", sqrt(s->squares), out));
    TS_TRY(write_number("sum", s->sum, out));
    TS_TRY(write_number("squares", s->squares, out));
    TS_TRY(ts_str_printf(out, ", \"hash\": \"%016" PRIx64 "\"", s->hash));
    if (p->adds)
        TS_TRY(ts_str_puts(out, ", \"adds\": true"));
    if (p->tensor >= 0)
        TS_TRY(ts_str_printf(out, ", \"tensor\": %" PRId64, p->tensor));
    return ts_str_puts(out, "}\n");
}

static ts_status bad(const char *name, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: no line of a dump: %s", name, what);
}

#define MOST (INT64_C(1) << 48) /* elements of a tensor */

/* The spans of one side, all inside the whole. */
static ts_status read_spans(const json_t *list, const char *name, int64_t whole, ts_stretch **out,
                            size_t *n)
{
    ts_stretch *v;
    int64_t sum = 0;
    if (!json_is_array(list) || !json_array_size(list))
        return bad(name, "\"rows\" and \"cols\" are lists of [begin, count]");
    TS_TRY(ts_alloc(&v, json_array_size(list), sizeof *v));
    for (*n = 0; *n < json_array_size(list); ++*n) {
        const json_t *e = json_array_get(list, *n);
        const int64_t begin = json_integer_value(json_array_get(e, 0)),
                      k = json_integer_value(json_array_get(e, 1));
        sum += k;
        if (json_array_size(e) != 2 || begin < 0 || k < 1 || begin > whole || k > whole - begin ||
            sum > whole) {
            ts_free(&v);
            return bad(name, "rows or columns that are not in the whole");
        }
        v[*n] = (ts_stretch){ begin, k };
    }
    *out = v;
    return TS_OK;
}

static int kind_of(const char *word)
{
    for (int k = 0; k < TS_DUMP_KINDS; k++)
        if (!strcmp(kinds[k], word))
            return k;
    return -1;
}

static double real_of(const json_t *line, const char *key, double other)
{
    const json_t *v = json_object_get(line, key);
    return json_is_number(v) ? json_number_value(v) : other;
}

static ts_status read_stats(const json_t *line, const char *name, ts_dump_stats *s)
{
    const char *hash;
    char *end;
    TS_TRY(ts_json_text(line, name, "hash", "", &hash));
    *s = (ts_dump_stats){ .min = real_of(line, "min", INFINITY),
                          .max = real_of(line, "max", -INFINITY),
                          .sum = real_of(line, "sum", NAN),
                          .squares = real_of(line, "squares", NAN),
                          .hash = strtoull(hash, &end, 16) };
    TS_TRY(ts_json_int(line, name, "count", 0, 1, INT64_MAX / 8, &s->count));
    TS_TRY(ts_json_int(line, name, "unfinite", 0, 0, s->count, &s->unfinite));
    return *end || end != hash + 16 ? bad(name, "\"hash\" has 16 digits") : TS_OK;
}

static ts_status read_place(const json_t *line, const char *name, ts_dump_piece *p)
{
    const json_t *shape = json_object_get(line, "shape");
    for (size_t i = 0; i < 2; i++) {
        p->whole[i] = json_integer_value(json_array_get(shape, i));
        if (json_array_size(shape) != 2 || p->whole[i] < 1 ||
            p->whole[i] > MOST / (i ? p->whole[0] : 1))
            return bad(name, "\"shape\" is [rows, columns]");
        TS_TRY(read_spans(json_object_get(line, i ? "cols" : "rows"), name, p->whole[i],
                          &p->span[i], &p->n_spans[i]));
    }
    const int64_t all = count(p->span[0], p->n_spans[0]) * count(p->span[1], p->n_spans[1]);
    TS_TRY(ts_json_int(line, name, "from", 0, 0, all, &p->from));
    return p->n > all - p->from ? bad(name, "it has more elements than its place") : TS_OK;
}

ts_status ts_dump_read_line(const json_t *line, const char *name, ts_dump_piece *out)
{
    ts_dump_piece p = { 0 };
    const char *text, *kind;
    TS_TRY(ts_json_text(line, name, "name", NULL, &text));
    TS_TRY(ts_json_text(line, name, "kind", "", &kind));
    if (!text || kind_of(kind) < 0)
        return bad(name, "it has no \"name\", or no \"kind\" that is known");
    p.kind = (ts_dump_kind)kind_of(kind);
    TS_TRY(ts_json_int(line, name, "order", 0, -1, INT64_MAX, &p.order));
    TS_TRY(ts_json_int(line, name, "tensor", -1, -1, INT64_MAX, &p.tensor));
    TS_TRY(ts_json_bool(line, name, "adds", false, &p.adds));
    TS_TRY(read_stats(line, name, &p.stats));
    p.n = p.stats.count;
    ts_status st = read_place(line, name, &p);
    if (st == TS_OK)
        st = ts_strdup(text, &p.name);
    if (st == TS_OK)
        *out = p;
    else
        ts_dump_piece_deinit(&p);
    return st;
}
