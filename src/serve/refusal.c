#include "serve/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ts_status ts_refuse(ts_refusal *r, int http, const char *param, const char *code, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    *r = (ts_refusal){ http, param, code };
    return ts_error(TS_ERR_USER, "%s", text);
}

int ts_refusal_status(const ts_refusal *r, ts_status st)
{
    if (r->http)
        return r->http;
    return st == TS_ERR_USER ? 400 : st == TS_ERR_NOMEM || st == TS_ERR_INTERRUPTED ? 503 : 500;
}

static const char *type_of(int http)
{
    switch (http) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 500: case 503: return "server_error";
    default: return "invalid_request_error";
    }
}

static ts_status add_or_null(ts_str *out, const char *key, const char *text)
{
    TS_TRY(ts_str_printf(out, ", \"%s\": ", key));
    return text ? ts_str_json(out, text, strlen(text)) : ts_str_puts(out, "null");
}

ts_status ts_refusal_json(const ts_refusal *r, int http, const char *message, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{\"error\": {\"message\": "));
    TS_TRY(ts_str_json(out, message, strlen(message)));
    TS_TRY(ts_str_printf(out, ", \"type\": \"%s\"", type_of(http)));
    TS_TRY(add_or_null(out, "param", r->param));
    TS_TRY(add_or_null(out, "code", r->code));
    return ts_str_puts(out, "}}");
}
