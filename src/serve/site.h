/* A server's parts, for the files of this folder. */
#ifndef TS_SERVE_SITE_H
#define TS_SERVE_SITE_H
#include "serve/request.h"
#include "serve/metrics.h"
#include "serve/options.h"

#include <stdatomic.h>

struct MHD_Daemon;

typedef struct ts_server ts_server;
struct ts_server {
    ts_serve_options o;
    ts_wording wording;
    ts_request_rules rules;
    ts_metrics metrics;
    struct MHD_Daemon *daemon;
    ts_str url, name;
    int64_t created, hidden;
    int64_t ngram; /* tokens that have to repeat for a guess */
    atomic_int active;      /* requests that are being answered */
    atomic_int connections; /* that are open, with those that wait for their next request */
    atomic_bool is_closing; /* new ones are refused */
    atomic_bool is_ending;  /* those that run are given up */
};

/* An answer that is there at once. */
typedef ts_status ts_answer_fn(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r);

typedef enum ts_route_kind {
    TS_ROUTE_VALUE, /* of answer */
    TS_ROUTE_TEXTS, /* a request */
} ts_route_kind;

typedef struct ts_route {
    const char *method, *path; /* a path that ends with / has a rest */
    ts_route_kind kind;
    ts_answer_fn *answer;
    ts_request_kind request;
    const char *type; /* of what it answers */
    bool is_open;     /* needs no key */
} ts_route;

/* The route, or NULL with a refusal: of no such path (404) or another method (405, *allow). rest: what is
 * behind its path. */
const ts_route *ts_route_find(const char *method, const char *path, const char **rest, const char **allow,
                              ts_refusal *r);

/* Answers http requests by these routes (libmicrohttpd). */
ts_status ts_http_start(ts_server *s) TS_NODISCARD;
void ts_http_stop(ts_server *s);
#endif
