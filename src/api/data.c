#include "tessera/data.h"

#include "api/preprocess_run.h"
#include "api/words.h"
#include "data/indexed.h"

ts_status ts_preprocess_run(const ts_preprocess_options *o, const ts_text_options *t,
                            ts_preprocess_totals *totals)
{
    ts_text_tokenizer tok = { 0 };
    if (o->merge_group_keys.n)
        return ts_preprocess_merge(o, totals);
    TS_TRY(ts_text_tokenizer_open(t, &tok));
    ts_preprocess_options own = *o;
    own.handler.folder = t->name_or_path;
    const ts_status st = ts_preprocess(&own, &tok, totals);
    ts_text_tokenizer_close(&tok);
    return st;
}

ts_status ts_data_preprocess(const char *const *options, size_t n, ts_preprocess_totals *totals)
{
    ts_preprocess_options o = { 0 };
    ts_text_options t = { 0 };
    ts_preprocess_totals sum = { 0 };
    const ts_option_table tables[] = {
        { ts_preprocess_option_rows, ts_preprocess_option_count, &o },
        { ts_text_option_rows, ts_text_option_count, &t },
    };
    ts_option_set *set;
    TS_TRY(ts_words_parse(tables, 2, options, n, &set));
    const ts_status st = ts_preprocess_run(&o, &t, &sum);
    ts_option_set_destroy(&set);
    if (st == TS_OK && totals)
        *totals = sum;
    return st;
}

/* ---- reading ---- */

struct ts_token_file {
    ts_indexed *d;
};

static const ts_indexed *indexed(const ts_token_file *f) { return f->d; }

ts_status ts_token_file_open(const char *prefix, ts_token_file **out)
{
    ts_token_file *f;
    TS_NEED(prefix);
    TS_NEED(out);
    TS_TRY(ts_alloc(&f, 1, sizeof *f));
    const ts_status st = ts_indexed_open(prefix, &f->d);
    if (st == TS_OK)
        *out = f;
    else
        ts_free(&f);
    return st;
}

void ts_token_file_close(ts_token_file **f)
{
    if (!f || !*f)
        return;
    ts_indexed_destroy(&(*f)->d);
    ts_free(f);
}

int64_t ts_token_file_sequences(const ts_token_file *f)
{
    return f ? ts_indexed_count(indexed(f)) : 0;
}

int64_t ts_token_file_documents(const ts_token_file *f)
{
    return f ? ts_indexed_documents(indexed(f)) : 0;
}

int64_t ts_token_file_tokens(const ts_token_file *f)
{
    return f ? ts_indexed_tokens(indexed(f)) : 0;
}

int64_t ts_token_file_length(const ts_token_file *f, int64_t sequence)
{
    const bool is_there = f && sequence >= 0 && sequence < ts_indexed_count(indexed(f));
    return is_there ? ts_indexed_length(indexed(f), sequence) : -1;
}

int64_t ts_token_file_first(const ts_token_file *f, int64_t document)
{
    const bool is_there = f && document >= 0 && document <= ts_indexed_documents(indexed(f));
    return is_there ? ts_indexed_boundary(indexed(f), document) : -1;
}

ts_status ts_token_file_read(const ts_token_file *f, int64_t sequence, int64_t first, int64_t n,
                             int32_t *ids)
{
    TS_NEED(f);
    const int64_t length = ts_token_file_length(f, sequence);
    if (length < 0)
        return ts_error(TS_ERR_USER, "%s: there is no sequence %lld: it has %lld",
                        ts_indexed_prefix(indexed(f)), (long long)sequence,
                        (long long)ts_token_file_sequences(f));
    if (first < 0 || n < 0 || first > length || n > length - first)
        return ts_error(TS_ERR_USER,
                        "%s: sequence %lld has %lld tokens: there are no %lld from %lld on",
                        ts_indexed_prefix(indexed(f)), (long long)sequence, (long long)length,
                        (long long)n, (long long)first);
    if (!n)
        return TS_OK;
    TS_NEED(ids);
    return ts_indexed_read(indexed(f), sequence, first, n, INT32_MIN, (int64_t)INT32_MAX + 1, ids);
}

/* ---- writing ---- */

struct ts_token_writer {
    ts_indexed_builder *b;
    int64_t hi; /* ids are below it */
    bool is_finished;
};

ts_status ts_token_writer_open(const char *prefix, int bytes_per_token, ts_token_writer **out)
{
    ts_token_writer *w;
    TS_NEED(prefix);
    TS_NEED(out);
    if (bytes_per_token != 2 && bytes_per_token != 4)
        return ts_error(TS_ERR_USER, "ts_token_writer_open: %d bytes a token: expected 2 or 4",
                        bytes_per_token);
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    w->hi = bytes_per_token == 2 ? 65536 : (int64_t)INT32_MAX + 1;
    const ts_status st = ts_indexed_builder_create(
        prefix, bytes_per_token == 2 ? TS_INDEXED_U16 : TS_INDEXED_I32, &w->b);
    if (st == TS_OK)
        *out = w;
    else
        ts_free(&w);
    return st;
}

static ts_status check_open(const ts_token_writer *w, const char *function)
{
    return w->is_finished ? ts_error(TS_ERR_USER, "%s: this writer was finished before", function)
                          : TS_OK;
}

ts_status ts_token_writer_add(ts_token_writer *w, const int32_t *ids, int64_t n)
{
    TS_NEED(w);
    TS_TRY(check_open(w, __func__));
    if (n < 0)
        return ts_error(TS_ERR_USER, "ts_token_writer_add: %lld ids", (long long)n);
    if (n)
        TS_NEED(ids);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= w->hi)
            return ts_error(TS_ERR_USER, "ts_token_writer_add: ids[%lld] is %d: expected 0 to %lld",
                            (long long)i, (int)ids[i], (long long)w->hi - 1);
    TS_TRY(ts_indexed_builder_add(w->b, ids, n));
    return ts_indexed_builder_end_document(w->b);
}

ts_status ts_token_writer_finish(ts_token_writer *w)
{
    TS_NEED(w);
    TS_TRY(check_open(w, __func__));
    w->is_finished = true; /* or failed: what is left to do is to close it */
    return ts_indexed_builder_finish(w->b);
}

void ts_token_writer_close(ts_token_writer **w)
{
    if (!w || !*w)
        return;
    ts_indexed_builder_destroy(&(*w)->b);
    ts_free(w);
}
