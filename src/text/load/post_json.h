/* The post-processor of a tokenizer.json that puts a token in front of texts or behind them. */
#ifndef TS_TEXT_LOAD_POST_JSON_H
#define TS_TEXT_LOAD_POST_JSON_H
#include "base/str.h"

typedef struct ts_post_token {
    const char *text;
    size_t n;
    int32_t id; /* -1: none */
} ts_post_token;

/* Appends the JSON value; null where there is neither. */
ts_status ts_post_json(const ts_post_token *begin, const ts_post_token *end, ts_str *out) TS_NODISCARD;
#endif
