/* How a request wants its texts written: what OpenAI's endpoints have in common, and what other servers' clients send
 * beside it (top_k, min_p, repetition_penalty, min_tokens, ignore_eos). */
#ifndef TS_SERVE_SETTINGS_H
#define TS_SERVE_SETTINGS_H
#include "base/json.h"
#include "infer/choice.h"
#include "infer/gen_config.h"
#include "serve/refusal.h"

enum { TS_SETTINGS_MOST_STOPS = 16, TS_SETTINGS_MOST_TEXTS = 128 };

/* What the server has for requests that do not say. */
typedef struct ts_settings_defaults {
    ts_gen_config gen;           /* where it does not sample, and is_greedy does not hold, a request gets temperature 1 */
    bool is_greedy;
    int64_t max_new;             /* -1: as the endpoint has it */
    int64_t vocab;
    const ts_token_list *tokens; /* for grammars; NULL: there is no text */
} ts_settings_defaults;

typedef struct ts_settings {
    ts_choice_options choice;    /* of the first text; its bias and constraint are ours */
    bool has_seed;
    int64_t max_new;             /* -1: not said */
    int64_t n;                   /* texts for each prompt */
    bool streams, wants_usage;
    const char *stop[TS_SETTINGS_MOST_STOPS]; /* [n_stop], borrowed from the body */
    int64_t n_stop;
} ts_settings;

/* From a request's body, an object that stays. What is not as it should be is refused with its field's name. */
ts_status ts_settings_read(const json_t *body, const ts_settings_defaults *d, ts_settings *out,
                           ts_refusal *r) TS_NODISCARD;
void ts_settings_deinit(ts_settings *s);
/* What the answers of a body must fit: response_format of chats, text.format of responses, llama.cpp's json_schema and
 * grammar, vLLM's structured_outputs. *out NULL: anything; else the caller's. tokens: lent to it. */
ts_status ts_settings_read_format(const json_t *body, const ts_token_list *tokens, ts_constraint **out,
                                  ts_refusal *r) TS_NODISCARD;

/* ---- fields ---- */

/* A number in [lo, hi]; missing or null: *out stays, *is_there (may be NULL) is false. */
ts_status ts_field_real(const json_t *o, const char *key, double lo, double hi, double *out, bool *is_there,
                        ts_refusal *r) TS_NODISCARD;
ts_status ts_field_int(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out, bool *is_there,
                       ts_refusal *r) TS_NODISCARD;
ts_status ts_field_bool(const json_t *o, const char *key, bool *out, ts_refusal *r) TS_NODISCARD;
/* Borrowed; missing or null: NULL. */
ts_status ts_field_text(const json_t *o, const char *key, const char **out, ts_refusal *r) TS_NODISCARD;
#endif
