/* Text to ids and back for many threads at once, by the tokenizer of a model and its way of writing
 * conversations. */
#ifndef TS_SERVE_WORDING_H
#define TS_SERVE_WORDING_H
#include "api/lm_chat.h"
#include "serve/refusal.h"

#include <pthread.h>

typedef struct ts_wording_work ts_wording_work;

/* Read-only but for the list of work spaces, which has its lock. */
typedef struct ts_wording {
    const ts_lm *lm;             /* for its tokenizer and vocabulary */
    const ts_text_tokenizer *tok;
    ts_lm_chat chat;             /* its work is nobody's */
    bool has_text, has_chat;
    pthread_mutex_t lock;
    ts_wording_work *spare;
} ts_wording;

/* The lm is borrowed, with its tokenizer found; so are the options. A model without a way of writing conversations is
 * fine, unless the options ask for one. */
ts_status ts_wording_open(ts_lm *lm, const ts_lm_chat_options *o, ts_wording *out) TS_NODISCARD;
void ts_wording_close(ts_wording *t);

/* Appends the ids of a text: with what the tokenizer puts around one, as `tessera infer` reads a prompt, or alone. */
ts_status ts_wording_encode(ts_wording *t, const char *text, size_t n, bool special, ts_ids *out, ts_refusal *r) TS_NODISCARD;
/* A request's messages, with its tools and chat_template_kwargs, as the prompt of an answer. */
ts_status ts_wording_chat(ts_wording *t, const json_t *body, ts_ids *out, ts_refusal *r) TS_NODISCARD;
/* Whether the request's tools are shown to the model. */
bool ts_wording_has_tools(const json_t *body);
/* Adds the text that a token adds behind another one (before: -1: behind none), special tokens too. */
ts_status ts_wording_token(const ts_wording *t, int32_t before, int32_t id, ts_str *out) TS_NODISCARD;
#endif
