/* Calls of tools in what a model wrote, in the forms that models' templates teach them:
 *
 *   <tool_call>{"name": N, "arguments": {...}}</tool_call>, any number    Hermes, Qwen
 *   {"name": N, "parameters": {...}} as the whole text, several with ;    Llama 3
 *   [{"name": N, "arguments": {...}}, ...] as the whole text              Mistral (behind its [TOOL_CALLS])
 *
 * Names are those of the request's tools; what is none of these is text. */
#ifndef TS_SERVE_CALLS_H
#define TS_SERVE_CALLS_H
#include "base/json.h"

typedef struct ts_tool_call {
    char *name, *arguments; /* arguments: JSON text */
} ts_tool_call;

typedef struct ts_tool_calls {
    ts_tool_call *v; /* [n] */
    size_t n, cap;
    ts_str content; /* what stands around them */
} ts_tool_calls;
void ts_tool_calls_deinit(ts_tool_calls *c);

/* Of a whole text. tools: OpenAI's list. */
ts_status ts_tool_calls_find(const char *s, size_t n, const json_t *tools, ts_tool_calls *out) TS_NODISCARD;
/* Of a text that goes on: calls that have begun, one behind another, as far as their names are there and are followed by
 * their arguments; these as they were written, of the last one as much as is there. */
ts_status ts_tool_calls_begun(const char *s, size_t n, const json_t *tools, ts_tool_calls *out) TS_NODISCARD;
/* How many bytes from the beginning of a text that goes on are certainly no part of a call. */
size_t ts_tool_calls_none(const char *s, size_t n);
#endif
