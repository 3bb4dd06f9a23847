/* The options of a server. */
#ifndef TS_SERVE_OPTIONS_H
#define TS_SERVE_OPTIONS_H
#include "api/lm_chat.h"
#include "train/objective/pooled.h"

typedef struct ts_serve_options {
    const char *host, *api_key, *model_name;
    ts_lm_chat_options chat; /* rows of its own: ts_lm_chat_option_rows */
    int64_t port;            /* 0: a free one */
    int64_t max_length;      /* tokens of a prompt and its answer; 0: the model's positions */
    int64_t texts, step_tokens, cache_tokens; /* cache_tokens 0: chosen by memory */
    int64_t queue, body_mib;
    int64_t timeout, drain; /* seconds: of a request; of those that run when the server goes down */
    bool no_prefix, no_memory, embeddings;
    int pooling; /* TS_POOL_* */
} ts_serve_options;
extern const ts_option ts_serve_option_rows[];
extern const size_t ts_serve_option_count;
#endif
