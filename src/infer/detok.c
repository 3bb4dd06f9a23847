#include "infer/detok.h"

#include <string.h>

void ts_detok_init(ts_detok *d, const ts_tokenizer *tok, const char *const *stop, int64_t n_stop)
{
    *d = (ts_detok){ .tok = tok, .stop = stop, .n_stop = n_stop };
}

void ts_detok_reset(ts_detok *d)
{
    ts_str_reset(&d->text);
    d->shown = d->from = d->upto = 0;
    d->is_stopped = false;
}

void ts_detok_deinit(ts_detok *d)
{
    ts_str_deinit(&d->text);
    ts_str_deinit(&d->a);
    ts_str_deinit(&d->b);
}

/* Looks for stop texts that end behind byte `begin`. */
static void find_stop(ts_detok *d, size_t begin)
{
    size_t cut = SIZE_MAX;
    for (int64_t i = 0; i < d->n_stop; i++) {
        const size_t len = strlen(d->stop[i]);
        for (size_t at = begin > len ? begin - len : 0; at + len <= d->text.len && at < cut; at++)
            if (!memcmp(d->text.s + at, d->stop[i], len))
                cut = at;
    }
    if (cut == SIZE_MAX)
        return;
    d->text.len = cut;
    d->text.s[cut] = 0;
    d->is_stopped = true;
}

/* Ids [from, upto) are text already; they stand in front only because a token's text may depend on
 * those before it. What the window's text has beyond theirs is new. */
static ts_status take(ts_detok *d, const int32_t *ids, size_t n, bool is_last)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    if (d->is_stopped || n <= d->upto)
        return TS_OK;
    ts_str_reset(&d->a);
    ts_str_reset(&d->b);
    TS_TRY(ts_tokenizer_decode_written(d->tok, ids + d->from, d->upto - d->from, &d->a));
    TS_TRY(ts_tokenizer_decode_written(d->tok, ids + d->from, n - d->from, &d->b));
    const bool broken = d->b.len >= 3 && !memcmp(d->b.s + d->b.len - 3, replacement, 3);
    if (d->b.len < d->a.len || (broken && !is_last))
        return TS_OK;
    if (d->b.len == d->a.len)
        return TS_OK; /* a special token, or a space that waits for a word */
    const size_t begin = d->text.len;
    TS_TRY(ts_str_add(&d->text, d->b.s + d->a.len, d->b.len - d->a.len));
    find_stop(d, begin);
    d->from = d->upto;
    d->upto = n;
    return TS_OK;
}

ts_status ts_detok_add(ts_detok *d, const int32_t *ids, size_t n) { return take(d, ids, n, false); }

ts_status ts_detok_end(ts_detok *d, const int32_t *ids, size_t n) { return take(d, ids, n, true); }

/* Bytes at the end of the text that could be the beginning of a stop text. */
static size_t held_back(const ts_detok *d)
{
    size_t most = 0;
    for (int64_t i = 0; i < d->n_stop; i++) {
        const size_t len = strlen(d->stop[i]);
        for (size_t k = len - 1; k > most; k--)
            if (k <= d->text.len && !memcmp(d->text.s + d->text.len - k, d->stop[i], k))
                most = k;
    }
    return most;
}

const char *ts_detok_next(ts_detok *d, bool is_last, size_t *n)
{
    const size_t upto = d->text.len - (is_last || d->is_stopped ? 0 : held_back(d));
    const char *s = ts_str_text(&d->text) + d->shown;
    *n = upto > d->shown ? upto - d->shown : 0;
    d->shown += *n;
    return s;
}
