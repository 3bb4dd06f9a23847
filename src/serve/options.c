#include "serve/options.h"

#include "infer/engine.h"

#define ROW(type, field, name, def, lo, hi, help)                                                            \
    TS_ROW(type, ts_serve_options, field, name, def, lo, hi, NULL, "server", help)
const ts_option ts_serve_option_rows[] = {
    ROW(TEXT, host, "host", "127.0.0.1", 0, 0,
        "address to listen at; 0.0.0.0 is every IPv4 address of this machine"),
    ROW(INT, port, "port", "8000", 0, 65535, "port to listen at; 0: a free one, which the log names"),
    ROW(TEXT, api_key, "api-key", NULL, 0, 0, "clients have to send this key (Authorization: Bearer KEY)"),
    ROW(TEXT, model_name, "served-model-name", NULL, 0, 0,
        "the model's name for clients (default: that of its folder)"),
    ROW(INT, max_length, "max-model-len", "0", 0, 1 << 30,
        "tokens that a prompt and its answer may have together; 0: as many as the model has positions"),
    ROW(INT, texts, "max-num-seqs", "64", 1, TS_ENGINE_MOST_SLOTS, "texts that are written side by side"),
    ROW(INT, step_tokens, "max-num-batched-tokens", "256", 16, 1 << 20,
        "tokens of prompts between two tokens of the texts that are written; changes waiting, never a result"),
    ROW(INT, cache_tokens, "kv-cache-tokens", "0", 0, 1 << 30,
        "tokens that all texts together may have in the cache; 0: chosen by the memory that is free"),
    ROW(FLAG, no_prefix, "no-enable-prefix-caching", NULL, 0, 0,
        "compute the beginnings of prompts that are alike each time"),
    ROW(FLAG, no_memory, "no-remember-answers", NULL, 0, 0,
        "do not make answers parts of beginnings to be found, which is done when there is nothing else to do"),
    ROW(FLAG, embeddings, "embeddings", NULL, 0, 0,
        "answer /v1/embeddings with vectors of texts, of length one"),
    TS_ROW(CHOICE, ts_serve_options, pooling, "pooling-mode", "last", 0, 0, TS_CHOICES(TS_POOLINGS), "server",
           "with --embeddings: what is behind the final norm at the last token, the first, or its mean"),
    ROW(INT, queue, "max-queue", "256", 0, 1 << 20,
        "texts that may wait for their turn; more are refused (429)"),
    ROW(INT, body_mib, "max-body-mib", "16", 1, 1024, "MiB that a request may have"),
    ROW(INT, timeout, "request-timeout", "600", 1, 1 << 20, "seconds that an answer may take"),
    ROW(INT, drain, "drain-seconds", "30", 0, 1 << 20,
        "seconds that running requests have when the server is told to end"),
};
const size_t ts_serve_option_count = sizeof ts_serve_option_rows / sizeof *ts_serve_option_rows;
