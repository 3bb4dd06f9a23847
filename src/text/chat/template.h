/* The chat template of a model's folder, with what transformers hands to it beside a conversation. */
#ifndef TS_TEXT_CHAT_TEMPLATE_H
#define TS_TEXT_CHAT_TEMPLATE_H
#include "text/jinja/jinja.h"

typedef struct ts_chat_template {
    ts_jinja *plain, *with_tools; /* with_tools may be NULL: as plain */
    json_t *roles;                /* {"bos_token": text, ...}: the tokenizer's, of seven roles */
    struct tm now;                /* what strftime_now shows */
    ts_str name;                  /* for messages: the file */
} ts_chat_template;

/* folder: where chat_template.jinja is, or chat_template.json or tokenizer_config.json with "chat_template" (a text, or a
 * list of {"name", "template"} of which "default" is taken, and "tool_use" where there are tools; likewise
 * additional_chat_templates/tool_use.jinja). file, where not NULL, is taken instead. now: as ts_chat_now has it.
 * A folder without a template and a template that Jinja2 would refuse are TS_ERR_USER. Only read afterwards. */
ts_status ts_chat_template_open(const char *folder, const char *file, const char *now,
                                ts_chat_template *out) TS_NODISCARD;
void ts_chat_template_close(ts_chat_template *t);
/* Whether the folder has a chat template. */
bool ts_chat_template_is_in(const char *folder);

/* YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS; NULL: the clock's. option: for the message, with its dashes. */
ts_status ts_chat_now(const char *option, const char *text, struct tm *now) TS_NODISCARD;

/* What is rendered of one conversation; zero-initialise. */
typedef struct ts_chat_view {
    json_t *vars;     /* the template's variables */
    json_t *messages; /* all of them, as transformers hands them over: without keys that are null, reasoning under
                       * each of its names */
    const ts_jinja *jinja;
} ts_chat_view;
/* conversation: as encoder.h has it; what is not is TS_ERR_USER. */
ts_status ts_chat_view_open(const ts_chat_template *t, const json_t *conversation, ts_chat_view *out) TS_NODISCARD;
void ts_chat_view_close(ts_chat_view *v);
/* The first n messages, with the beginning of an answer behind them (prompt) or not. */
ts_status ts_chat_view_render(const ts_chat_template *t, ts_chat_view *v, size_t n, bool prompt,
                              ts_jinja_text *out) TS_NODISCARD;
#endif
