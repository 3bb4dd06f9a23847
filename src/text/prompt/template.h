/* A template as it was read: for the files of this folder. */
#ifndef TS_TEXT_PROMPT_TEMPLATE_H
#define TS_TEXT_PROMPT_TEMPLATE_H
#include "text/jinja/jinja.h"
#include "text/prompt/prompt.h"

/* A piece of text with {{content}}, {{idx}}, {{name}} or {{arguments}} in it, or a token. */
typedef struct ts_prompt_slot {
    const char *text; /* borrowed from the template's JSON; NULL: a token */
    size_t n;
    int32_t id; /* of the token; -1: the tokenizer has none of this role, nothing stands here */
} ts_prompt_slot;

typedef struct ts_prompt_slots {
    ts_prompt_slot *v; /* [n] */
    size_t n;
} ts_prompt_slots;

typedef enum ts_prompt_class {
    TS_PROMPT_CLASSIC,   /* Template */
    TS_PROMPT_LLAMA2,    /* Llama2Template: the system's text is in the first question */
    TS_PROMPT_LF,        /* LFDefaultTemplate: no separators, another rule of lengths */
    TS_PROMPT_REASONING, /* ReasoningTemplate: LF's lengths, separators, thoughts */
    TS_PROMPT_DEEPSEEK4, /* DeepSeek4Template: rendered whole by deepseek4.jinja */
} ts_prompt_class;

/* Texts of tools and of calls, as Jinja templates over `tools` and `calls`. */
typedef struct ts_prompt_tool_format {
    const char *name, *tools, *calls;
    bool one_call;
} ts_prompt_tool_format;
/* NULL: there is none of this name. */
const ts_prompt_tool_format *ts_prompt_tool_format_of(const char *name);

enum {
    TS_PROMPT_PREFIX,
    TS_PROMPT_SYSTEM,
    TS_PROMPT_SEPARATOR,
    TS_PROMPT_OF_ROLE,
    TS_PROMPT_PARTS = TS_PROMPT_OF_ROLE + 4
};

struct ts_prompt_template {
    json_t *json; /* the template's object, whose texts are borrowed */
    const char *name;
    const ts_tokenizer *tok; /* lent */
    ts_prompt_class kind;
    ts_prompt_slots part[TS_PROMPT_PARTS]; /* TS_PROMPT_OF_ROLE + role: of its messages */
    char *system;                          /* default_system */
    const char *thought[2];                /* what stands around a thought */
    bool is_efficient;
    ts_prompt_thinking thinking;
    ts_prompt_effort effort;
    bool drops;
    bool calls_named; /* a function's slots have {{name}} and {{arguments}}, else {{content}} */
    const ts_prompt_tool_format *call_format;
    ts_jinja *tools, *calls, *dump, *whole; /* dump: a value as json.dumps writes it; whole: deepseek4 */
    int32_t eos;
    int32_t *stops; /* [n_stops] */
    size_t n_stops;
};

struct ts_prompt_work {
    ts_tokenizer_scratch *scratch;
    ts_ids ids;  /* of all messages */
    size_t *end; /* [n_ends] where each message ends in ids */
    size_t n_ends, cap;
    ts_prompt_pair *pairs;
    size_t cap_pairs;
    ts_str text, plain, more; /* a slot; a message without thoughts; its calls or tools */
    ts_jinja_text rendering;
    ts_prompt_talk joined; /* a conversation in which the results of several tools are one message */
    ts_arena arena;        /* for their texts */
};

/* The source, target or text of tools: formats.c. Values as json.dumps(ensure_ascii=False) writes them. */
ts_status ts_prompt_tools_text(const ts_prompt_template *p, ts_prompt_work *w, ts_prompt_text tools,
                               ts_str *out) TS_NODISCARD;
/* The calls of a turn as a list of {"name", "arguments"} (json_decref). */
ts_status ts_prompt_calls_of(const ts_prompt_turn *t, ts_prompt_text content, json_t **out) TS_NODISCARD;
ts_status ts_prompt_calls_text(const ts_prompt_template *p, ts_prompt_work *w, const json_t *calls,
                               ts_str *out) TS_NODISCARD;
ts_status ts_prompt_dump(const ts_prompt_template *p, ts_prompt_work *w, const json_t *v, ts_str *out) TS_NODISCARD;

/* Appends the ids of a text, tokenized on its own; and marks that a message ends here. */
ts_status ts_prompt_put(const ts_prompt_template *p, ts_prompt_work *w, const char *s, size_t n) TS_NODISCARD;
ts_status ts_prompt_end(ts_prompt_work *w) TS_NODISCARD;
/* All messages of a conversation to w->ids and w->end, of TS_PROMPT_DEEPSEEK4; last: all before the last
 * answer is one. */
ts_status ts_prompt_render_whole(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t,
                                 bool last) TS_NODISCARD;
#endif
