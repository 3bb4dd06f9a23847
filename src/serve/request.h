/* A request for texts and what it gets: the prompts of a body, the texts that are written for them, and how
 * these go to the client, whole or piece by piece. */
#ifndef TS_SERVE_REQUEST_H
#define TS_SERVE_REQUEST_H
#include "serve/calls.h"
#include "serve/settings.h"
#include "serve/wording.h"
#include "serve/worker.h"

typedef enum ts_request_kind { TS_REQUEST_CHAT, TS_REQUEST_COMPLETION, TS_REQUEST_RESPONSE } ts_request_kind;

/* What a server has for all requests. */
typedef struct ts_request_rules {
    ts_worker *worker;
    ts_wording *wording;
    ts_settings_defaults defaults;
    const char *model;  /* its name */
    const ts_token_list *tokens; /* of grammars; NULL: there is no text */
    int64_t max_length; /* tokens of a prompt and its answer */
} ts_request_rules;

/* Log-probabilities of a prompt, for its echo: of token i, and of the most probable ones in its place; of
 * the first there are none. */
typedef struct ts_prompt_scores {
    ts_choice *v; /* [tokens of the prompt] */
} ts_prompt_scores;

/* How far a text has gone to the client. */
typedef struct ts_request_sent {
    size_t text, tokens;
    bool is_begun, is_ended;
    ts_tool_calls calls; /* when it has ended */
    size_t begun, arguments; /* calls whose beginning is sent; bytes of the last one's arguments */
} ts_request_sent;

typedef struct ts_request {
    const ts_request_rules *rules;
    ts_request_kind kind;
    json_t *body;
    ts_settings settings;
    bool echoes, has_tools;
    ts_constraint *constraint; /* what all answers must fit; NULL: anything */
    ts_ids *prompts;           /* [n_prompts] */
    ts_prompt_scores *scores;  /* the same, where prompts are echoed with log-probabilities; else NULL */
    size_t n_prompts;
    ts_writing *texts;     /* [n]: settings.n for each prompt, one after another */
    ts_writing **list;     /* [n] their addresses */
    ts_request_sent *sent; /* [n] */
    size_t n;
    ts_waiter waiter;
    bool has_waiter, is_asked;
    char id[48];
    int64_t created; /* seconds since 1970 */
    int64_t number;  /* of the events of a response */
    bool is_over;    /* a stream: all of it is sent */
} ts_request;

/* Takes the body over. What is wrong with the request is refused here, before anything runs. */
ts_status ts_request_create(const ts_request_rules *rules, ts_request_kind kind, json_t *body, ts_refusal *r,
                            ts_request **out) TS_NODISCARD;
/* Texts that are not at their end are given up. */
void ts_request_destroy(ts_request **e);
/* Hands the texts to the worker; a full queue is refused (429). */
ts_status ts_request_ask(ts_request *e, ts_refusal *r) TS_NODISCARD;
/* Waits for news for so long, at most: is there any? */
bool ts_request_wait(ts_request *e, double seconds);
/* Whether all texts have ended; a failure of one is the request's. */
bool ts_request_is_done(ts_request *e);
ts_status ts_request_result(ts_request *e) TS_NODISCARD;

/* The tokens that one prompt may have for its answer. */
static inline const ts_ids *ts_request_prompt(const ts_request *e, size_t text)
{
    return &e->prompts[text / (size_t)e->settings.n];
}

/* Makes the constraint that a body asks for, where it does (request_form.c). */
ts_status ts_request_constrain(ts_request *e, ts_refusal *r) TS_NODISCARD;
/* Fills in prompts, echoes and has_tools from the body, whose settings are read (request_read.c). */
ts_status ts_request_read(ts_request *e, ts_refusal *r) TS_NODISCARD;

/* ---- answers: answer.c, response.c ---- */

/* The whole answer as JSON, when all is done. */
ts_status ts_request_whole(ts_request *e, ts_str *out) TS_NODISCARD;
/* Adds events of a stream: all that is new since the last time; sets is_over. Under the worker's lock. */
ts_status ts_request_news(ts_request *e, ts_str *out) TS_NODISCARD;
/* An event that says that the stream ends with a failure. */
ts_status ts_request_failed(ts_request *e, const char *message, ts_str *out) TS_NODISCARD;
/* The same for responses. */
ts_status ts_response_whole(ts_request *e, ts_str *out) TS_NODISCARD;
ts_status ts_response_news(ts_request *e, ts_str *out) TS_NODISCARD;
ts_status ts_response_failed(ts_request *e, const char *message, ts_str *out) TS_NODISCARD;

/* ---- parts of answers: parts.c ---- */

/* What may go out of a text now: its bytes from `from` on; calls of tools are held back. Once it has ended,
 * sent->calls has them, and its content is the text. */
ts_status ts_request_part(ts_request *e, size_t text, const char **s, size_t *n) TS_NODISCARD;
const char *ts_request_finish(const ts_request *e, size_t text); /* "stop", "length", "tool_calls" */
/* {"prompt_tokens": ...} */
ts_status ts_request_usage(const ts_request *e, ts_str *out) TS_NODISCARD;
/* [{"id", "type": "function", ...}, ...] */
ts_status ts_request_calls(const ts_request *e, size_t text, ts_str *out) TS_NODISCARD;
/* The same of a stream: what is new of calls that have begun, each with its index; nothing where there is none. */
ts_status ts_request_call_pieces(ts_request *e, size_t text, ts_str *out) TS_NODISCARD;
/* Of a chat's tokens from `from` on: {"content": [...], "refusal": null}. */
ts_status ts_request_logprobs(const ts_request *e, size_t text, size_t from, ts_str *out) TS_NODISCARD;
/* Of a completion's: {"tokens": ..., "token_logprobs", "top_logprobs", "text_offset"}; from 0 with those of
 * an echo. */
ts_status ts_request_token_lists(const ts_request *e, size_t text, size_t from, ts_str *out) TS_NODISCARD;
/* The text of a prompt that is echoed. */
ts_status ts_request_echo(const ts_request *e, size_t text, ts_str *out) TS_NODISCARD;
#endif
