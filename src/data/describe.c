#include "data/source_parts.h"

/* How documents end, beside what the run takes for the end of one. */
static ts_status put_end(const ts_gpt_facts *f, int32_t eod, ts_str *out)
{
    if (f->last < 0)
        TS_TRY(ts_str_puts(out, "documents end with no common token"));
    else
        TS_TRY(ts_str_printf(out, "documents end with id %d", (int)f->last));
    if (eod < 0)
        return ts_str_puts(out, " (which id ends a document is not known: no tokenizer is given)");
    if (f->last == eod)
        return ts_str_puts(out, ", the end-of-document id");
    return ts_str_printf(out, ", the end-of-document id is %d", (int)eod);
}

/* Samples that are drawn from a member, as a share of all. */
static double drawn(const ts_text_part *d, int64_t member, int64_t wanted)
{
    return (double)wanted * (d->weights ? d->weights[member] : 1);
}

static ts_status put_member(const ts_text_part *d, int64_t i, int64_t wanted, bool is_only,
                            ts_str *out)
{
    const ts_data_need *need = &d->source->need;
    ts_gpt_facts f;
    TS_TRY(ts_gpt_dataset_facts(d->members[i], &f));
    const double epochs = drawn(d, i, wanted) * (double)need->seq_length / (double)f.tokens;
    TS_TRY(is_only ? ts_str_printf(out, ", %.3g epochs; ", epochs)
                   : ts_str_printf(out,
                                   "\n  %.4g%% of the samples from %s: %lld sequences, %lld tokens, "
                                   "%.3g epochs; ",
                                   100 * (d->weights ? d->weights[i] : 1), f.prefix,
                                   (long long)f.sequences, (long long)f.tokens, epochs));
    return put_end(&f, need->eod, out);
}

static ts_status put_members(const ts_text_part *d, int64_t wanted, ts_str *out)
{
    enum { SHOWN = 16 };
    for (int64_t i = 0; i < d->n_members && i < SHOWN; i++)
        TS_TRY(put_member(d, i, wanted, d->n_members == 1, out));
    return d->n_members > SHOWN
               ? ts_str_printf(out, "\n  and %lld more", (long long)d->n_members - SHOWN)
               : TS_OK;
}

ts_status ts_data_source_describe(const ts_data_source *s, ts_data_part part, ts_str *out)
{
    static const char *const word[] = { "training", "validation", "test" };
    const int64_t wanted[] = { s->need.n_train, s->need.n_valid, s->need.n_test };
    const ts_text_part *d = s->parts[part];
    int64_t sequences = 0, tokens = 0;
    if (!d)
        return ts_str_printf(out, "%s data: none", word[part]);
    if (d->is_made_up)
        return ts_str_printf(out, "%s data: %lld samples of made-up tokens (--mock-data)",
                             word[part], (long long)d->base.n);
    for (int64_t i = 0; i < d->n_members; i++) {
        const ts_gpt_order order = ts_gpt_dataset_order(d->members[i]);
        tokens += order.tokens;
        sequences += order.n_documents / order.epochs;
    }
    TS_TRY(ts_str_printf(out, "%s data: %lld sequences, %lld tokens; %lld samples of %lld",
                         word[part], (long long)sequences, (long long)tokens,
                         (long long)wanted[part], (long long)s->need.seq_length));
    return put_members(d, wanted[part], out);
}
