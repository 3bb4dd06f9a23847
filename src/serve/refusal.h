/* Why a request is not answered, as OpenAI's clients read it. The sentence is the thread's message (base/status.h). */
#ifndef TS_SERVE_REFUSAL_H
#define TS_SERVE_REFUSAL_H
#include "base/str.h"

typedef struct ts_refusal {
    int http;          /* 0: there is none */
    const char *param; /* the field that is at fault; NULL: none */
    const char *code;  /* for programs; NULL: none */
} ts_refusal;

/* Sets it and the message; TS_ERR_USER. */
ts_status ts_refuse(ts_refusal *r, int http, const char *param, const char *code, const char *fmt, ...) TS_PRINTF(5, 6);
/* 400 for a field. */
#define ts_refuse_field(r, param, ...) ts_refuse(r, 400, param, "invalid_value", __VA_ARGS__)
/* The HTTP status of a failure: the refusal's, else by the status. */
int ts_refusal_status(const ts_refusal *r, ts_status st);
/* Adds {"error": {...}} with a message. */
ts_status ts_refusal_json(const ts_refusal *r, int http, const char *message, ts_str *out) TS_NODISCARD;
#endif
