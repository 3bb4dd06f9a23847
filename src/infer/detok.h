/* Text of tokens as they come: only whole characters, and nothing that a stop text may take back.
 *
 * The text is that of decoding all new ids at once without special tokens, as transformers' decode
 * gives it. */
#ifndef TS_INFER_DETOK_H
#define TS_INFER_DETOK_H
#include "text/tokenizer.h"

typedef struct ts_detok {
    const ts_tokenizer *tok;
    const char *const *stop;     /* borrowed */
    int64_t n_stop;
    ts_str text;                 /* so far, whole characters only */
    size_t shown;                /* bytes that ts_detok_next gave out */
    size_t from, upto;           /* ids: begin of the window; first that is not in the text yet */
    ts_str a, b;                 /* work space */
    bool is_stopped;             /* a stop text came: text ends before it */
} ts_detok;

void ts_detok_init(ts_detok *d, const ts_tokenizer *tok, const char *const *stop, int64_t n_stop);
void ts_detok_reset(ts_detok *d); /* for another line; memory kept */
void ts_detok_deinit(ts_detok *d);
/* All new ids so far, more than last time or as many. */
ts_status ts_detok_add(ts_detok *d, const int32_t *ids, size_t n) TS_NODISCARD;
/* No more will come: what was held back becomes text. */
ts_status ts_detok_end(ts_detok *d, const int32_t *ids, size_t n) TS_NODISCARD;
/* The text that may be shown now and was not yet; *n may be 0. is_last: nothing has to be held
 * back. */
const char *ts_detok_next(ts_detok *d, bool is_last, size_t *n);
#endif
