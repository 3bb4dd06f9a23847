/* Options: how functions are told what to do.
 *
 * Functions that take `options` and `n` take the options of the command line by their names, so
 * that what docs/options.md and `tessera help` say about them holds here too. options[i] is a word as
 * a shell would hand it over; an option's word may hold its value behind a blank or a '=':
 *
 *     const char *options[] = { "--lr", "1e-3", "--micro-batch-size 4", "--bf16",
 *                               "--data-path", "0.3", "one_document", "0.7", "two_document" };
 *
 * Options that take several values want them as words of their own. "--config FILE" takes options
 * from a YAML or JSON file. The environment (TESSERA_...) is not looked at. The words are copied.
 * options may be NULL where n is 0. An option that is unknown or out of its range is
 * TS_ERR_USER. */
#ifndef TESSERA_OPTIONS_H
#define TESSERA_OPTIONS_H
#include "tessera/status.h"

TS_API_BEGIN

/* The subjects that have options: "tokenizer", "tokenizer_train", "preprocess", "model",
 * "generate", "train", "plan", "checkpoint", "convert"; NULL for an index past the end. */
TS_API const char *ts_options_subject(size_t index);

/* The options of a subject with types, defaults and meaning, as text for people; and the defaults
 * as one JSON object. The results are the caller's (ts_memory_free). */
TS_API ts_status ts_options_help(const char *subject, char **text) TS_NODISCARD;
TS_API ts_status ts_options_defaults(const char *subject, char **json) TS_NODISCARD;

TS_API_END
#endif
