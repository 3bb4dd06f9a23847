#include "data/preprocess_batch.h"

#include "base/json.h"

#include <string.h>

enum { QUICK_KEYS = 8 };

/* Ends the document whose ids began at `from`. */
static ts_status end_document(const ts_preprocess_options *o, const ts_text_tokenizer *tok,
                              size_t from, ts_token_run *r)
{
    if (r->ids.n == from)
        return TS_OK;
    if (o->append_eod)
        TS_TRY(ts_ids_add(&r->ids, tok->eod));
    if (o->pad_to_multiple_of) {
        const size_t m = (size_t)o->pad_to_multiple_of;
        for (size_t left = m - (r->ids.n - from) % m; left; left--)
            TS_TRY(ts_ids_add(&r->ids, (int32_t)tok->vocab_size));
    }
    TS_TRY(ts_grow(&r->lengths, &r->cap, r->n + 1, sizeof *r->lengths));
    r->lengths[r->n++] = (int64_t)(r->ids.n - from);
    return TS_OK;
}

/* text: valid UTF-8 */
static ts_status add_text(const ts_preprocess_options *o, const ts_text_tokenizer *tok,
                          ts_tokenizer_scratch *scratch, const char *text, size_t n,
                          ts_token_run *r)
{
    const size_t from = r->ids.n;
    TS_TRY(ts_text_encode(tok, scratch, text, n, &r->ids));
    return end_document(o, tok, from, r);
}

static ts_status missing_key(const json_t *record, const char *key)
{
    ts_str found = { 0 };
    const char *name;
    json_t *v;
    ts_status st = TS_OK;
    json_object_foreach((json_t *)(uintptr_t)record, name, v)
        if (st == TS_OK && found.len < 200)
            st = ts_str_printf(&found, "%s%.60s", found.len ? ", " : "", name);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "the record has no \"%s\" (--json-keys); it has: %s", key,
                      found.len ? found.s : "nothing");
    ts_str_deinit(&found);
    return st;
}

static ts_status add_record(const ts_preprocess_options *o, const ts_text_tokenizer *tok,
                            ts_tokenizer_scratch *scratch, const json_t *record,
                            ts_token_batch *out)
{
    if (!json_is_object(record))
        return ts_error(TS_ERR_USER, "expected a JSON object with the keys of --json-keys");
    for (int64_t k = 0; k < o->json_keys.n; k++) {
        const json_t *v = json_object_get(record, o->json_keys.v[k]);
        if (!v)
            return missing_key(record, o->json_keys.v[k]);
        if (!json_is_string(v))
            return ts_error(TS_ERR_USER, "\"%s\" is not a string", o->json_keys.v[k]);
        TS_TRY(
            add_text(o, tok, scratch, json_string_value(v), json_string_length(v), &out->runs[k]));
    }
    return TS_OK;
}

/* Unlike ts_json_parse: one line of many, whose other fields may hold anything (numbers past 64
 * bits). */
static ts_status parse(const char *text, size_t n, json_t **out)
{
    json_error_t e;
    *out = json_loadb(text, n, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &e);
    return *out ? TS_OK
                : ts_error(TS_ERR_USER, "not valid JSON at column %d: %s", e.column, e.text);
}

/* A line of JSON: by the quick reader, else by the library. */
static ts_status add_json(const ts_preprocess_options *o, const ts_text_tokenizer *tok,
                          ts_tokenizer_scratch *scratch, const char *text, size_t n,
                          ts_token_batch *out)
{
    ts_json_field field[QUICK_KEYS];
    bool found = false;
    if (o->json_keys.n <= QUICK_KEYS)
        TS_TRY(ts_json_fields_read(&out->fields, text, n, o->json_keys.v, (size_t)o->json_keys.n,
                                   false, field, &found));
    if (found) {
        for (int64_t k = 0; k < o->json_keys.n; k++)
            TS_TRY(add_text(o, tok, scratch, field[k].s, field[k].n, &out->runs[k]));
        return TS_OK;
    }
    json_t *record = NULL;
    TS_TRY(parse(text, n, &record));
    const ts_status st = add_record(o, tok, scratch, record, out);
    json_decref(record);
    return st;
}

static ts_status add_plain(const ts_preprocess_options *o, const ts_text_tokenizer *tok,
                           ts_tokenizer_scratch *scratch, const char *text, size_t n,
                           ts_token_batch *out)
{
    const size_t bad = ts_utf8_check(text, n);
    if (bad < n)
        return ts_error(TS_ERR_USER, "not UTF-8 at byte %zu of the document", bad);
    return add_text(o, tok, scratch, text, n, &out->runs[0]);
}

ts_status ts_preprocess_batch(const ts_preprocess_options *o, const ts_text_tokenizer *tok,
                              ts_tokenizer_scratch *scratch, const ts_text_batch *in,
                              ts_token_batch *out)
{
    for (int64_t k = 0; k < o->json_keys.n; k++)
        out->runs[k].n = out->runs[k].ids.n = 0;
    out->documents = (int64_t)in->n;
    for (size_t i = 0; i < in->n; i++) {
        const ts_span *s = &in->spans[i];
        const char *text = in->text.s + s->at;
        const ts_status st = in->is_json ? add_json(o, tok, scratch, text, s->n, out)
                                         : add_plain(o, tok, scratch, text, s->n, out);
        if (st != TS_OK) {
            char why[1024];
            size_t n = strlen(ts_error_message());
            n = n < sizeof why - 1 ? n : sizeof why - 1;
            memcpy(why, ts_error_message(), n);
            why[n] = 0;
            return ts_error(st, "%s:%lld: %s", in->file, (long long)s->line, why);
        }
    }
    return TS_OK;
}
