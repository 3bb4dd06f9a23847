/* Post-processors of tokenizer.json: what comes before and after the ids of a text. */
#ifndef TS_TEXT_POSTPROC_H
#define TS_TEXT_POSTPROC_H
#include "base/json.h"
#include "text/ids.h"

typedef struct ts_postproc {
    ts_ids before, after;
    bool drops_text; /* a template without the text in it */
    bool trims; /* blanks around a word are no part of its token, as far as places in the text go */
} ts_postproc;

ts_status ts_postproc_load(ts_postproc *p, const json_t *o, const char *file) TS_NODISCARD;
void ts_postproc_deinit(ts_postproc *p);
#endif
