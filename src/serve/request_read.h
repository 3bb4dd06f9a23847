/* A body's prompts: for request.c. */
#ifndef TS_SERVE_REQUEST_READ_H
#define TS_SERVE_REQUEST_READ_H
#include "serve/request.h"

/* Fills in prompts, echoes and has_tools from the body, whose settings are read. */
ts_status ts_request_read(ts_request *e, ts_refusal *r) TS_NODISCARD;
#endif
