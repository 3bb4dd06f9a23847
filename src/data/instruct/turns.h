/* Turns of records as messages in OpenAI's form. */
#ifndef TS_DATA_INSTRUCT_TURNS_H
#define TS_DATA_INSTRUCT_TURNS_H
#include "data/instruct/form.h"

/* Appends the turns of the field `name` to messages: calls of functions as tool_calls, typed parts (LLaMA-Factory's
 * "value") joined, whether an answer is trained as "weight". */
ts_status ts_turns_add(const ts_record_form *f, const json_t *turns, const char *name,
                       json_t *messages) TS_NODISCARD;
/* Appends one turn, or one text as the assistant's. */
ts_status ts_turn_add(const ts_record_form *f, const json_t *turn, const char *name, json_t *messages) TS_NODISCARD;
/* Appends {"role", "content"}; text must be one. */
ts_status ts_message_add(const char *role, const json_t *text, const char *name, json_t *messages) TS_NODISCARD;
/* A list of tools, or its JSON text; bare ones are put into {"type": "function", "function"}. *out NULL: none. */
ts_status ts_tools_read(const json_t *field, const char *name, json_t **out) TS_NODISCARD;
#endif
