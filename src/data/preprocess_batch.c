#include "data/preprocess_batch.h"

#include <string.h>

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
    return ts_token_run_end(r);
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

static ts_status add_document(const ts_preprocess_options *o, const ts_text_tokenizer *tok,
                              ts_tokenizer_scratch *scratch, const ts_text_batch *in, size_t i,
                              ts_token_batch *out)
{
    const ts_option_list *keys = &o->feed.json_keys;
    const char *text = in->text.s + in->spans[i].at;
    const size_t n = in->spans[i].n;
    if (!in->is_json) {
        TS_TRY(ts_text_batch_check(in, i));
        return add_text(o, tok, scratch, text, n, &out->runs[0]);
    }
    TS_TRY(ts_json_texts_read(&out->fields, text, n, keys->v, (size_t)keys->n, "--json-keys"));
    for (int64_t k = 0; k < keys->n; k++) {
        const ts_json_field *f = &out->fields.v[k];
        TS_TRY(add_text(o, tok, scratch, f->s, f->n, &out->runs[k]));
    }
    return TS_OK;
}

static ts_status add_record(const ts_handler *h, ts_batch_work *work, const ts_text_batch *in, size_t i,
                            ts_token_batch *out)
{
    if (!in->is_json)
        return ts_error(TS_ERR_USER, "plain text: a handler of records reads JSON, a list or an object a line");
    return ts_handler_record(h, work->handler, in->text.s + in->spans[i].at, in->spans[i].n, out->runs);
}

/* Forgets what there is of a bad record and keeps the reason. */
static ts_status leave_out(ts_token_batch *out, size_t n_keys)
{
    for (size_t k = 0; k < n_keys; k++)
        ts_token_run_back(&out->runs[k]);
    out->n_bad++;
    return ts_str_add(&out->bad, ts_error_message(), strlen(ts_error_message()) + 1);
}

ts_status ts_preprocess_batch(const ts_preprocess_options *o, const ts_handler *h, const ts_text_tokenizer *tok,
                              ts_batch_work *work, const ts_text_batch *in, ts_token_batch *out)
{
    size_t n_keys = (size_t)o->feed.json_keys.n;
    if (h)
        ts_handler_keys(h, &n_keys);
    for (size_t k = 0; k < n_keys; k++)
        out->runs[k].n = out->runs[k].ids.n = 0;
    ts_str_reset(&out->bad);
    out->n_bad = 0;
    for (size_t i = 0; i < in->n; i++) {
        for (size_t k = 0; k < n_keys; k++)
            ts_token_run_mark(&out->runs[k]);
        ts_status st = h ? add_record(h, work, in, i, out) : add_document(o, tok, work->scratch, in, i, out);
        if (st != TS_OK)
            st = ts_text_batch_error(in, i, st);
        if (st == TS_ERR_USER && o->feed.on_bad_record == TS_BAD_RECORD_SKIP)
            st = leave_out(out, n_keys);
        TS_TRY(st);
    }
    out->documents = (int64_t)(in->n - out->n_bad);
    return TS_OK;
}
