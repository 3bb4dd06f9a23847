#include "data/instruct/text_rows.h"

#include "data/instruct/records.h"
#include "data/instruct/text_record.h"
#include "io/bad_records.h"

typedef struct text_rows {
    ts_rows table;
    ts_records *records;
    int64_t *record; /* [table.n] of a sample */
    ts_text_reader reader;
} text_rows;

int64_t ts_texts_numbers(const ts_texts *t)
{
    switch (t->kind) {
    case TS_TEXTS_CLASS:
        return 1;
    case TS_TEXTS_NUMBERS:
        return t->labels;
    case TS_TEXTS_RANK:
        return t->each == 1;
    default:
        return 0;
    }
}

static text_rows *inside(const ts_rows *r) { return (text_rows *)(uintptr_t)r; }

static ts_status read_number(const text_rows *r, int64_t record, ts_row *out)
{
    json_t *o;
    TS_TRY(ts_records_read(r->records, record, &o));
    const ts_status st = ts_text_record_read(&r->reader, o, out);
    json_decref(o);
    return ts_records_error(r->records, record, st);
}

static ts_status read_sample(const ts_rows *table, int64_t i, ts_row *out)
{
    const text_rows *r = inside(table);
    return read_number(r, r->record[i], out);
}

static void destroy(ts_rows *table)
{
    text_rows *r = inside(table);
    ts_records_close(&r->records);
    if (r->reader.has_tok)
        ts_text_tokenizer_close(&r->reader.tok);
    ts_free(&r->record);
    ts_free(&r);
}

/* Every record is looked at once, so that a bad one is found before the first step. */
static ts_status look_at_all(text_rows *r, const ts_text_need *need)
{
    const int64_t n = ts_records_count(r->records), most = need->max_samples ? need->max_samples : n;
    ts_bad_records bad = { 0 };
    ts_row row = { 0 };
    ts_status st = ts_alloc(&r->record, (size_t)n, sizeof *r->record);
    for (int64_t i = 0; st == TS_OK && i < n && r->table.n < most; i++) {
        const ts_status read = read_number(r, i, &row);
        if (read == TS_OK)
            r->record[r->table.n++] = i;
        else if (read != TS_ERR_USER || !need->skips)
            st = read;
        else if (need->speaks)
            ts_bad_records_add(&bad, ts_error_message());
    }
    ts_row_deinit(&row);
    if (st != TS_OK)
        return st;
    ts_bad_records_say(&bad, r->table.n);
    return r->table.n ? TS_OK : ts_error(TS_ERR_USER, "%s: none of %lld records could be read", need->path, (long long)n);
}

ts_status ts_text_rows_open(const ts_text_need *need, ts_rows **out)
{
    static const char *const key[] = { "input_ids" };
    text_rows *r;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    *r = (text_rows){ .table = { .key = key, .n_keys = 1, .read = read_sample, .destroy = destroy },
                      .reader = { .texts = need->texts, .seq_length = need->seq_length, .vocab_size = need->vocab_size } };
    const bool named = need->text && ts_text_options_given(need->text);
    ts_status st = named ? ts_text_tokenizer_open(need->text, &r->reader.tok) : TS_OK;
    r->reader.has_tok = st == TS_OK && named;
    if (st == TS_OK)
        st = ts_records_open(need->path, &r->records);
    if (st == TS_OK)
        st = look_at_all(r, need);
    if (st != TS_OK)
        destroy(&r->table);
    else
        *out = &r->table;
    return st;
}
