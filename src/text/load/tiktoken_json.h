/* A .tiktoken rank file as the tokenizer.json that gives the same ids: transformers reads no other
 * form without tiktoken's own library. */
#ifndef TS_TEXT_LOAD_TIKTOKEN_JSON_H
#define TS_TEXT_LOAD_TIKTOKEN_JSON_H
#include "text/text_options.h"

/* Appends. `ranks`: the file's text, `file`: its name; o: pattern and special tokens. */
ts_status ts_tiktoken_json(const char *ranks, size_t n, const char *file, const ts_text_options *o,
                           ts_str *out) TS_NODISCARD;
#endif
