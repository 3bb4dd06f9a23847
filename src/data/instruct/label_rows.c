#include "data/instruct/label_rows.h"

#include "data/instruct/records.h"
#include "data/instruct/writer.h"
#include "io/bad_records.h"

#include <string.h>

typedef struct label_rows {
    ts_rows table;
    ts_records *records;
    int64_t *record; /* [table.n] of a sample */
    int64_t labels, seq_length, vocab_size;
    ts_text_tokenizer tok;
    bool has_tok;
} label_rows;

static label_rows *inside(const ts_rows *r) { return (label_rows *)(uintptr_t)r; }

/* What a record says: its class, and a text or ids. */
static ts_status check_record(const label_rows *r, const json_t *o)
{
    const json_t *label = json_object_get(o, "label"), *text = json_object_get(o, "text"), *ids = json_object_get(o, "ids");
    const json_int_t class = json_integer_value(label);
    if (!json_is_integer(label))
        return ts_error(TS_ERR_USER, "field label: a whole number was expected, the number of the text's class");
    if (class < 0 || class >= r->labels)
        return ts_error(TS_ERR_USER, "field label: %lld is none of 0 to %lld (--num-labels %lld)", (long long)class,
                        (long long)r->labels - 1, (long long)r->labels);
    if (!json_is_string(text) && !json_is_array(ids))
        return ts_error(TS_ERR_USER, "field text: a text was expected (or ids, a list of whole numbers)");
    if (json_is_string(text) && !r->has_tok)
        return ts_error(TS_ERR_USER, "field text: texts need a tokenizer: --tokenizer-name-or-path FOLDER");
    return TS_OK;
}

static ts_status take_ids(const json_t *list, ts_ids *out)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v) {
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
            return ts_error(TS_ERR_USER, "field ids: element %zu is no id of a token", i);
        TS_TRY(ts_ids_add(out, (int32_t)json_integer_value(v)));
    }
    return TS_OK;
}

static ts_status take_text(const label_rows *r, const json_t *text, ts_ids *out)
{
    ts_tokenizer_scratch *scratch = NULL;
    if (r->tok.tok)
        TS_TRY(ts_tokenizer_scratch_create(r->tok.tok, &scratch));
    const ts_status st = ts_text_encode(&r->tok, scratch, json_string_value(text), json_string_length(text), out);
    ts_tokenizer_scratch_destroy(&scratch);
    return st;
}

static ts_status check_ids(const label_rows *r, const ts_ids *ids)
{
    if (!ids->n)
        return ts_error(TS_ERR_USER, "the text has no token, which its class could be told from");
    for (size_t i = 0; i < ids->n; i++)
        if (ids->v[i] >= r->vocab_size)
            return ts_error(TS_ERR_USER, "id %d is outside the model's vocabulary (0 to %lld)", (int)ids->v[i],
                            (long long)r->vocab_size - 1);
    return TS_OK;
}

static ts_status put(const label_rows *r, const ts_ids *ids, int32_t class, ts_row *out)
{
    const int64_t most = r->seq_length - 1, n = (int64_t)ids->n < most ? (int64_t)ids->n : most;
    for (int k = 0; k < 2; k++)
        TS_TRY(ts_row_room(out, k, n + 1));
    memcpy(out->v[0], ids->v, (size_t)n * sizeof *ids->v);
    out->v[0][n] = ids->v[n - 1];
    for (int64_t i = 0; i < n; i++)
        out->v[1][i] = TS_ROW_NO_LABEL;
    out->v[1][n] = class;
    return TS_OK;
}

static ts_status read_record(const label_rows *r, const json_t *o, ts_row *out)
{
    const json_t *text = json_object_get(o, "text");
    ts_ids ids = { 0 };
    TS_TRY(check_record(r, o));
    ts_status st = json_is_string(text) ? take_text(r, text, &ids) : take_ids(json_object_get(o, "ids"), &ids);
    if (st == TS_OK)
        st = check_ids(r, &ids);
    if (st == TS_OK && out)
        st = put(r, &ids, (int32_t)json_integer_value(json_object_get(o, "label")), out);
    ts_ids_deinit(&ids);
    return st;
}

/* out NULL: it is only looked at. */
static ts_status read_number(const label_rows *r, int64_t record, ts_row *out)
{
    json_t *o;
    TS_TRY(ts_records_read(r->records, record, &o));
    const ts_status st = read_record(r, o, out);
    json_decref(o);
    return ts_records_error(r->records, record, st);
}

static ts_status read_sample(const ts_rows *table, int64_t i, ts_row *out)
{
    const label_rows *r = inside(table);
    return read_number(r, r->record[i], out);
}

static void destroy(ts_rows *table)
{
    label_rows *r = inside(table);
    ts_records_close(&r->records);
    if (r->has_tok)
        ts_text_tokenizer_close(&r->tok);
    ts_free(&r->record);
    ts_free(&r);
}

/* Every record is looked at once, so that a bad one is found before the first step. */
static ts_status look_at_all(label_rows *r, const ts_label_need *need)
{
    const int64_t n = ts_records_count(r->records), most = need->max_samples ? need->max_samples : n;
    ts_bad_records bad = { 0 };
    TS_TRY(ts_alloc(&r->record, (size_t)n, sizeof *r->record));
    for (int64_t i = 0; i < n && r->table.n < most; i++) {
        const ts_status st = read_number(r, i, NULL);
        if (st == TS_OK)
            r->record[r->table.n++] = i;
        else if (st != TS_ERR_USER || !need->skips)
            return st;
        else if (need->speaks)
            ts_bad_records_add(&bad, ts_error_message());
    }
    ts_bad_records_say(&bad, r->table.n);
    return r->table.n ? TS_OK : ts_error(TS_ERR_USER, "%s: none of %lld records could be read", need->path, (long long)n);
}

ts_status ts_label_rows_open(const ts_label_need *need, ts_rows **out)
{
    static const char *const key[] = { "input_ids", "labels" };
    label_rows *r;
    if (need->seq_length < 2)
        return ts_error(TS_ERR_USER, "--seq-length %lld: a text and the place of its class need 2 at least",
                        (long long)need->seq_length);
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    *r = (label_rows){ .table = { .key = key, .n_keys = 2, .read = read_sample, .destroy = destroy }, .labels = need->labels,
                       .seq_length = need->seq_length, .vocab_size = need->vocab_size };
    const bool named = need->text && ts_text_options_given(need->text);
    ts_status st = named ? ts_text_tokenizer_open(need->text, &r->tok) : TS_OK;
    r->has_tok = st == TS_OK && named;
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
