/* A model behind HTTP, in OpenAI's words. */
#ifndef TS_SERVE_SERVER_H
#define TS_SERVE_SERVER_H
#include "serve/options.h"

typedef struct ts_server ts_server;

/* Listens and answers from now on, on threads of its own. lm, with its tokenizer found, and gen, what requests that do
 * not say get, are borrowed; max_new 0: texts end where the model or the room ends. An address that cannot be had is
 * TS_ERR_USER. */
ts_status ts_server_start(const ts_serve_options *o, ts_lm *lm, const ts_gen_config *gen, bool is_greedy, int64_t max_new,
                          ts_server **out) TS_NODISCARD;
/* Where it listens: "http://HOST:PORT". */
const char *ts_server_url(const ts_server *s);
/* Takes no more requests, lets those that run end within o->drain seconds, and goes down. */
void ts_server_stop(ts_server **s);
#endif
