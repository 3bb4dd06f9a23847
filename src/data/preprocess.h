/* Text and JSON files to indexed token files: Megatron's preprocess_data.py. */
#ifndef TS_DATA_PREPROCESS_H
#define TS_DATA_PREPROCESS_H
#include "data/preprocess_options.h"
#include "tessera/data.h"
#include "text/text_options.h"

/* Writes PREFIX_KEY_document.bin and .idx (int32) for each key of the handler. tok may change as
 * ts_prompt_open says. Documents keep their order,
 * whatever the number of workers. A bad document is TS_ERR_USER naming FILE:LINE, or left out
 * (--on-bad-record); after a failure, and where there are no documents, nothing is left at the
 * destination. Progress goes to the log. */
ts_status ts_preprocess(const ts_preprocess_options *o, ts_text_tokenizer *tok,
                        ts_preprocess_totals *totals) TS_NODISCARD;

/* --merge-group-keys: for each key, all pairs of the folder --input whose names contain it, by
 * name, into PREFIX_KEY. */
ts_status ts_preprocess_merge(const ts_preprocess_options *o,
                              ts_preprocess_totals *totals) TS_NODISCARD;
#endif
