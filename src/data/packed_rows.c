#include "data/rows.h"

#include "base/file.h"
#include "base/str.h"
#include "data/indexed.h"

#include <string.h>

enum { CHECK_AT_ONCE = 64 << 20 }; /* bytes of numbers */

static const char *const keys_of[TS_ROWS_KINDS][TS_ROW_KEYS] = {
    { "input_ids", "labels", "attention_mask" },
    { "chosen_input_ids", "chosen_labels", "rejected_input_ids", "rejected_labels" },
    { "input_ids", "labels", "kl_input_ids", "kl_labels", "kto_tags" },
};

typedef struct packed_rows {
    ts_rows base;
    ts_indexed *file[TS_ROW_KEYS];
    int64_t lo[TS_ROW_KEYS], hi[TS_ROW_KEYS]; /* numbers of a key are in [lo, hi) */
} packed_rows;

static int64_t length_of(const ts_indexed *d, int64_t document)
{
    int64_t n = 0;
    for (int64_t s = ts_indexed_boundary(d, document); s < ts_indexed_boundary(d, document + 1); s++)
        n += ts_indexed_length(d, s);
    return n;
}

static ts_status read_key(const packed_rows *r, int key, int64_t i, ts_row *out)
{
    const ts_indexed *d = r->file[key];
    int64_t n = 0;
    TS_TRY(ts_row_room(out, key, length_of(d, i)));
    for (int64_t s = ts_indexed_boundary(d, i); s < ts_indexed_boundary(d, i + 1); s++) {
        const int64_t length = ts_indexed_length(d, s);
        TS_TRY(ts_indexed_read(d, s, 0, length, r->lo[key], r->hi[key], out->v[key] + n));
        n += length;
    }
    return TS_OK;
}

static ts_status read_rows(const ts_rows *base, int64_t i, ts_row *out)
{
    const packed_rows *r = (const packed_rows *)(const void *)base;
    for (int k = 0; k < base->n_keys; k++)
        TS_TRY(read_key(r, k, i, out));
    return TS_OK;
}

static void destroy(ts_rows *base)
{
    packed_rows *r = (packed_rows *)(void *)base;
    for (int k = 0; k < TS_ROW_KEYS; k++)
        ts_indexed_destroy(&r->file[k]);
    ts_free(&r);
}

static bool is_labels(const char *key) { return strstr(key, "labels"); }

/* What the files are of, where the first of them is missing. */
static ts_status missing(const char *prefix, const char *file, ts_rows_kind kind)
{
    static const char *const what[] = { "instruction data (--is-instruction-dataset)",
                                        "pairs of answers (--is-pairwise-dataset)", "answers with kto_tags" };
    return ts_error(TS_ERR_USER, "--data-path %s: there is no %s.idx. This stage reads %s from files named "
                                 "PREFIX_packed_KEY_document.bin and .idx, or a .json or .jsonl file; give the PREFIX "
                                 "before \"_packed\"", prefix, file, what[kind]);
}

static ts_status open_key(packed_rows *r, const char *prefix, ts_rows_kind kind, int key, int64_t vocab)
{
    const char *name = r->base.key[key];
    ts_str path = { 0 }, index = { 0 };
    ts_status st = ts_str_printf(&path, "%s_packed_%s_document", prefix, name);
    if (st == TS_OK)
        st = ts_str_printf(&index, "%s.idx", path.s);
    if (st == TS_OK && !ts_path_exists(index.s))
        st = missing(prefix, path.s, kind);
    if (st == TS_OK)
        st = ts_indexed_open(path.s, &r->file[key]);
    ts_str_deinit(&path);
    ts_str_deinit(&index);
    TS_TRY(st);
    const bool tags = kind == TS_ROWS_KTO && key == TS_KTO_TAGS, ordinals = !strcmp(name, "attention_mask");
    r->lo[key] = is_labels(name) ? TS_ROW_NO_LABEL : 0;
    r->hi[key] = tags ? 2 : ordinals ? (int64_t)INT32_MAX + 1 : vocab;
    const ts_indexed *d = r->file[key];
    const int64_t bytes = ts_indexed_tokens(d) * ts_indexed_dtype_size(ts_indexed_type(d));
    return bytes <= CHECK_AT_ONCE ? ts_indexed_check_ids(d, r->lo[key], r->hi[key]) : TS_OK;
}

/* The arrays of a sequence are as long as each other. */
static ts_status check_lengths(const packed_rows *r, int key, int like)
{
    const ts_indexed *a = r->file[like], *b = r->file[key];
    for (int64_t i = 0; i < r->base.n; i++) {
        const int64_t n = length_of(a, i), m = length_of(b, i);
        if (like == key ? n != 1 : n != m)
            return ts_error(TS_ERR_USER, "%s.bin: document %lld has %lld numbers: expected %s%lld%s%s",
                            ts_indexed_prefix(b), (long long)i, (long long)m, like == key ? "" : "the ",
                            (long long)(like == key ? 1 : n), like == key ? "" : " of ",
                            like == key ? "" : ts_indexed_prefix(a));
    }
    return TS_OK;
}

static ts_status check(const packed_rows *r, ts_rows_kind kind)
{
    for (int k = 1; k < r->base.n_keys; k++) {
        const int64_t n = ts_indexed_documents(r->file[k]);
        if (n != r->base.n)
            return ts_error(TS_ERR_USER, "%s.idx has %lld documents, but %s.idx %lld: they are not of the same samples",
                            ts_indexed_prefix(r->file[k]), (long long)n, ts_indexed_prefix(r->file[0]), (long long)r->base.n);
    }
    for (int k = 1; k < r->base.n_keys; k++) {
        const bool tags = kind == TS_ROWS_KTO && k == TS_KTO_TAGS;
        if (tags || kind == TS_ROWS_SFT || k % 2) /* others begin a sequence of their own */
            TS_TRY(check_lengths(r, k, tags ? k : kind == TS_ROWS_SFT ? 0 : k - 1));
    }
    return TS_OK;
}

ts_status ts_packed_rows_open(const char *prefix, ts_rows_kind kind, bool with_ordinals, int64_t vocab_size, ts_rows **out)
{
    packed_rows *r;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    r->base = (ts_rows){ .key = keys_of[kind], .read = read_rows, .destroy = destroy };
    const int n = kind == TS_ROWS_SFT ? 2 + with_ordinals : kind == TS_ROWS_PAIRS ? 4 : 5;
    ts_status st = TS_OK;
    for (; st == TS_OK && r->base.n_keys < n; r->base.n_keys++)
        st = open_key(r, prefix, kind, r->base.n_keys, vocab_size);
    if (st == TS_OK) {
        r->base.n = ts_indexed_documents(r->file[0]);
        st = check(r, kind);
    }
    if (st == TS_OK)
        *out = &r->base;
    else
        destroy(&r->base);
    return st;
}
