/* Requests and answers over libmicrohttpd: a thread for each connection, which waits for what the worker
 * writes. */
#include "base/log.h"
#include "base/thread.h"
#include "serve/site.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    IDLE_SECONDS = 60,     /* of a connection that sends nothing, or takes nothing */
    BODY_SECONDS = 120,    /* in which a request has to be there */
    ALIVE_SECONDS = 10,    /* of a stream without news, until a comment says that it lives */
    PATIENCE = 4,          /* bodies that are too large are read up to so many times the limit, to answer */
    STACK_BYTES = 8 << 20, /* templates and JSON nest */
    BLOCK_BYTES = 16 << 10,
};

/* A request on its way. */
typedef struct visit {
    ts_server *server;
    const ts_route *route; /* NULL: refused */
    const char *rest, *allow, *label;
    ts_refusal refusal;
    ts_str message; /* of the refusal */
    ts_str path, body, out;
    size_t sent; /* bytes of a stream's `out` */
    bool is_large;
    ts_request *request;
    double began;
    int fd;
} visit;

static size_t limit_of(const visit *v) { return (size_t)v->server->o.body_mib << 20; }

/* ---- refusing ---- */

/* Keeps the thread's message with the refusal. */
static void note(visit *v, ts_status st)
{
    v->refusal.http = ts_refusal_status(&v->refusal, st);
    v->route = NULL;
    if (ts_str_puts(&v->message, ts_error_message()) != TS_OK)
        ts_str_reset(&v->message);
}

#define REFUSE(v, ...) note(v, ts_refuse(&(v)->refusal, __VA_ARGS__))

/* Of keys, in a time that does not tell where they differ. */
static bool is_same(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    unsigned differ = n != m;
    for (size_t i = 0; i < n; i++)
        differ |= (unsigned)(unsigned char)a[i] ^ (unsigned char)b[m ? i % m : 0];
    return !differ;
}

static bool has_key(struct MHD_Connection *c, const char *key)
{
    const char *v = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    return v && !strncasecmp(v, "Bearer ", 7) && is_same(v + 7, key);
}

/* A page of another site that a browser shows may send requests here, which its user knows nothing of. */
static bool is_foreign(struct MHD_Connection *c)
{
    const char *origin = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin"),
               *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
    const char *at = origin ? strstr(origin, "://") : NULL;
    return origin && (!at || !host || strcasecmp(at + 3, host) != 0);
}

static void check(visit *v, struct MHD_Connection *c, const char *method)
{
    const char *key = v->server->o.api_key,
               *size = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
    v->route = ts_route_find(method, ts_str_text(&v->path), &v->rest, &v->allow, &v->refusal);
    v->label = v->route ? v->route->path : "other";
    if (!v->route)
        note(v, TS_ERR_USER);
    else if (key && !v->route->is_open && !has_key(c, key))
        REFUSE(v, 401, NULL, "invalid_api_key", "this server wants its key: Authorization: Bearer KEY");
    else if (is_foreign(c))
        REFUSE(v, 403, NULL, "foreign_origin", "requests of other sites' pages are not answered");
    else if (v->route->kind == TS_ROUTE_TEXTS && atomic_load(&v->server->is_closing))
        REFUSE(v, 503, NULL, "closing", "the server is going down");
    else if (size && strtoull(size, NULL, 10) > limit_of(v))
        v->is_large = true;
}

/* ---- sending ---- */

/* Connections that may be open. */
static int most_connections(const ts_serve_options *o) { return (int)(o->texts + o->queue) + 64; }

/* Where half of the connections are taken, none is kept for a next request: those that idle would keep others out. */
static bool is_crowded(ts_server *s) { return atomic_load(&s->connections) > most_connections(&s->o) / 2; }

static enum MHD_Result send_response(visit *v, struct MHD_Connection *c, struct MHD_Response *r, int http,
                                     const char *type)
{
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (v->allow)
        MHD_add_response_header(r, "Allow", v->allow);
    if (http == 429 || http == 503)
        MHD_add_response_header(r, "Retry-After", "1");
    if (http == 401)
        MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    if (v->is_large || atomic_load(&v->server->is_closing) || is_crowded(v->server))
        MHD_add_response_header(r, "Connection", "close");
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)IDLE_SECONDS);
    const enum MHD_Result done = MHD_queue_response(c, (unsigned)http, r);
    MHD_destroy_response(r);
    ts_metrics_answer(&v->server->metrics, v->label, http);
    return done;
}

static enum MHD_Result send_text(visit *v, struct MHD_Connection *c, int http, const char *type)
{
    return send_response(v, c,
                         MHD_create_response_from_buffer(v->out.len, (void *)(uintptr_t)ts_str_text(&v->out),
                                                         MHD_RESPMEM_MUST_COPY),
                         http, type);
}

static enum MHD_Result send_refusal(visit *v, struct MHD_Connection *c)
{
    ts_str_reset(&v->out);
    if (ts_refusal_json(&v->refusal, v->refusal.http, ts_str_text(&v->message), &v->out) != TS_OK)
        return MHD_NO;
    return send_text(v, c, v->refusal.http, "application/json");
}

/* ---- texts ---- */

/* Whether the client has hung up. */
static bool is_gone(const visit *v)
{
    char one;
    const ssize_t n = recv(v->fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static bool is_late(const visit *v) { return ts_now() - v->began > (double)v->server->o.timeout; }

/* Waits for news; false: the client is gone. Late requests, and all when the server ends, are refused. */
static bool wait_for_news(visit *v, double seconds, bool *news)
{
    const double upto = ts_now() + seconds;
    *news = false;
    while (!*news && !v->refusal.http && ts_now() < upto) {
        *news = ts_request_wait(v->request, 0.1);
        if (is_gone(v))
            return false;
        if (!*news && is_late(v))
            REFUSE(v, 408, NULL, "timeout", "the answer took more than %lld s",
                   (long long)v->server->o.timeout);
        else if (!*news && atomic_load(&v->server->is_ending))
            REFUSE(v, 503, NULL, "closing", "the server is going down");
    }
    return true;
}

static ts_status add_news(visit *v)
{
    ts_worker *w = v->server->rules.worker;
    ts_status st;
    ts_worker_lock(w);
    st = ts_request_result(v->request);
    if (st == TS_OK)
        st = ts_request_news(v->request, &v->out);
    ts_worker_unlock(w);
    return st == TS_OK ? st : ts_request_failed(v->request, ts_error_message(), &v->out);
}

/* The next bytes of a stream. */
static ssize_t read_stream(void *ctx, uint64_t pos, char *to, size_t most)
{
    visit *v = ctx;
    ts_status st = TS_OK;
    bool news;
    (void)pos;
    if (v->sent == v->out.len) {
        if (v->request->is_over)
            return MHD_CONTENT_READER_END_OF_STREAM;
        ts_str_reset(&v->out);
        v->sent = 0;
        while (st == TS_OK && !v->out.len) {
            if (!wait_for_news(v, ALIVE_SECONDS, &news))
                return MHD_CONTENT_READER_END_WITH_ERROR;
            st = v->refusal.http ? ts_request_failed(v->request, ts_str_text(&v->message), &v->out)
                 : news          ? add_news(v)
                                 : ts_str_puts(&v->out, ": waiting\n\n");
        }
    }
    if (st != TS_OK)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    const size_t left = v->out.len - v->sent, n = left < most ? left : most;
    memcpy(to, v->out.s + v->sent, n);
    v->sent += n;
    return (ssize_t)n;
}

static enum MHD_Result send_stream(visit *v, struct MHD_Connection *c)
{
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, v, NULL);
    if (r)
        MHD_add_response_header(r, "Cache-Control", "no-cache");
    return send_response(v, c, r, 200, "text/event-stream; charset=utf-8");
}

static enum MHD_Result send_whole(visit *v, struct MHD_Connection *c)
{
    bool news = false;
    while (!news && !v->refusal.http)
        if (!wait_for_news(v, 3600, &news))
            return MHD_NO;
    ts_status st = v->refusal.http ? TS_OK : ts_request_result(v->request);
    if (st == TS_OK && !v->refusal.http)
        st = ts_request_whole(v->request, &v->out);
    if (st != TS_OK)
        note(v, st);
    return v->refusal.http ? send_refusal(v, c) : send_text(v, c, 200, "application/json");
}

/* Of a body that names the model it is for. */
static void check_model(visit *v, const json_t *body)
{
    const char *name;
    const ts_status st = ts_field_text(body, "model", &name, &v->refusal);
    if (st != TS_OK)
        note(v, st);
    else if (name && strcmp(name, v->server->rules.model) != 0)
        REFUSE(v, 404, "model", "model_not_found", "there is no model \"%.100s\" here, but \"%.100s\"", name,
               v->server->rules.model);
}

static enum MHD_Result answer_texts(visit *v, struct MHD_Connection *c, json_t *body)
{
    const ts_request_kind kind = v->route->request;
    check_model(v, body);
    if (v->refusal.http) {
        json_decref(body);
        return send_refusal(v, c);
    }
    ts_status st = ts_request_create(&v->server->rules, kind, body, &v->refusal, &v->request);
    if (st == TS_OK)
        st = ts_request_ask(v->request, &v->refusal);
    if (st != TS_OK) {
        note(v, st);
        return send_refusal(v, c);
    }
    return v->request->settings.streams ? send_stream(v, c) : send_whole(v, c);
}

/* ---- requests ---- */

static enum MHD_Result answer(visit *v, struct MHD_Connection *c)
{
    const char *method = v->route ? v->route->method : "";
    json_t *body = NULL;
    ts_status st = TS_OK;
    if (v->is_large)
        REFUSE(v, 413, NULL, "body_too_large", "a request may have %lld MiB",
               (long long)v->server->o.body_mib);
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0u); /* it is ours to wait now */
    if (!v->refusal.http && !strcmp(method, "POST")) {
        st = ts_json_parse(ts_str_text(&v->body), v->body.len, "the body", &body);
        if (st == TS_OK && !json_is_object(body))
            st = ts_refuse(&v->refusal, 400, NULL, "invalid_json", "the body is no JSON object");
        if (st != TS_OK)
            note(v, st);
    }
    if (v->refusal.http) {
        json_decref(body);
        return send_refusal(v, c);
    }
    if (v->route->kind == TS_ROUTE_TEXTS)
        return answer_texts(v, c, body);
    const char *type = v->route->type;
    st = v->route->answer(v->server, v->rest, body, &v->out, &v->refusal);
    json_decref(body);
    if (st == TS_OK)
        return send_text(v, c, 200, type);
    note(v, st);
    return send_refusal(v, c);
}

static enum MHD_Result take_body(visit *v, const char *data, size_t *n)
{
    v->is_large = v->is_large || v->body.len + *n > limit_of(v);
    if (ts_now() - v->began > BODY_SECONDS)
        return MHD_NO;
    if (!v->is_large && ts_str_add(&v->body, data, *n) != TS_OK)
        return MHD_NO;
    v->sent += *n;
    *n = 0;
    return v->sent > PATIENCE * limit_of(v) ? MHD_NO : MHD_YES;
}

static visit *begin(ts_server *s, struct MHD_Connection *c, const char *url, const char *method)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    visit *v;
    if (!i || ts_alloc(&v, 1, sizeof *v) != TS_OK)
        return NULL;
    v->server = s;
    v->began = ts_now();
    v->fd = i->connect_fd;
    atomic_fetch_add(&s->active, 1);
    if (ts_str_puts(&v->path, url) == TS_OK)
        check(v, c, method);
    return v;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *n, void **state)
{
    visit *v = *state;
    (void)version;
    if (v && *n)
        return take_body(v, data, n);
    if (v) {
        v->sent = 0;
        return answer(v, c);
    }
    v = *state = begin(ctx, c, url, method);
    if (!v)
        return MHD_NO;
    return v->is_large ? answer(v, c) : MHD_YES; /* before it is sent */
}

static void completed(void *ctx, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how)
{
    visit *v = *state;
    (void)ctx, (void)c, (void)how;
    if (!v)
        return;
    ts_server *s = v->server;
    if (v->request && v->request->is_asked) {
        ts_worker_cancel(s->rules.worker, v->request->list, v->request->n);
        for (size_t i = 0; i < v->request->n; i++)
            ts_metrics_text(&s->metrics, &v->request->texts[i]);
    }
    ts_request_destroy(&v->request);
    ts_str *const all[] = { &v->message, &v->path, &v->body, &v->out };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ts_str_deinit(all[i]);
    ts_free(&v);
    *state = NULL;
    atomic_fetch_sub(&s->active, 1);
}

static void connected(void *ctx, struct MHD_Connection *c, void **state, enum MHD_ConnectionNotificationCode code)
{
    ts_server *s = ctx;
    (void)c, (void)state;
    atomic_fetch_add(&s->connections, code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
}

/* ---- the socket ---- */

static ts_status cannot_listen(const ts_serve_options *o, int why)
{
    return ts_error(TS_ERR_USER, "--host %s --port %lld: cannot listen there: %s%s", o->host,
                    (long long)o->port, strerror(why),
                    why == EADDRINUSE ? " (another program does; --port 0 takes a free one)" : "");
}

static ts_status open_socket(const ts_serve_options *o, int *out)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE };
    struct addrinfo *list;
    char port[16];
    snprintf(port, sizeof port, "%d", (int)o->port);
    const int failed = getaddrinfo(o->host, port, &hints, &list);
    if (failed)
        return ts_error(TS_ERR_USER, "--host %s: %s", o->host, gai_strerror(failed));
    const int on = 1, fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool works = fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) &&
                       !bind(fd, list->ai_addr, list->ai_addrlen) && !listen(fd, SOMAXCONN);
    const int why = errno;
    freeaddrinfo(list);
    if (works) {
        *out = fd;
        return TS_OK;
    }
    if (fd >= 0)
        close(fd);
    return cannot_listen(o, why);
}

static ts_status name_socket(ts_server *s, int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    char host[64], port[16];
    if (getsockname(fd, (struct sockaddr *)&a, &n) ||
        getnameinfo((struct sockaddr *)&a, n, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return cannot_listen(&s->o, errno);
    return ts_str_printf(&s->url, strchr(host, ':') ? "http://[%s]:%s" : "http://%s:%s", host, port);
}

ts_status ts_http_start(ts_server *s)
{
    int fd = -1;
    TS_TRY(open_socket(&s->o, &fd));
    const ts_status st = name_socket(s, fd);
    if (st == TS_OK)
        s->daemon = MHD_start_daemon(
            MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC, 0,
            NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
            MHD_OPTION_NOTIFY_CONNECTION, connected, s, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)most_connections(&s->o), MHD_OPTION_THREAD_STACK_SIZE,
            (size_t)STACK_BYTES, MHD_OPTION_END);
    if (s->daemon)
        return TS_OK;
    close(fd);
    return st != TS_OK ? st : ts_error(TS_ERR_RUN, "the HTTP server does not start: %s", strerror(errno));
}

void ts_http_stop(ts_server *s)
{
    const double upto = ts_now() + (double)s->o.drain;
    if (!s->daemon)
        return;
    atomic_store(&s->is_closing, true);
    const int fd = MHD_quiesce_daemon(s->daemon);
    while (atomic_load(&s->active) > 0 && ts_now() < upto)
        usleep(20000);
    atomic_store(&s->is_ending, true);
    MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
    if (fd >= 0)
        close(fd);
}
