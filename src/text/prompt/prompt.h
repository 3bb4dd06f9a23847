/* Conversations as token ids by MindSpeed LLM's prompt templates (--prompt-type): each piece of text of a
 * template is tokenized on its own, what a message's writer answers is a target, all else a source. The
 * list of templates is templates.json beside this file, in the form of MindSpeed LLM's
 * configs/finetune/templates.json; --prompt-type-path names another. */
#ifndef TS_TEXT_PROMPT_PROMPT_H
#define TS_TEXT_PROMPT_PROMPT_H
#include "base/json.h"
#include "text/chat/encoder.h"
#include "text/text_options.h"

#define TS_PROMPT_THINKING(W)                                                                               \
    W(TS_PROMPT_THINKING_NONE, "none,None")                                                                 \
    W(TS_PROMPT_THINKING_TRUE, "true,True")                                                                 \
    W(TS_PROMPT_THINKING_FALSE, "false,False")
typedef enum ts_prompt_thinking { TS_PROMPT_THINKING(TS_CHOICE_VALUE) } ts_prompt_thinking;
#define TS_PROMPT_EFFORTS(W)                                                                                \
    W(TS_PROMPT_EFFORT_NONE, "none") W(TS_PROMPT_EFFORT_HIGH, "high") W(TS_PROMPT_EFFORT_MAX, "max")
typedef enum ts_prompt_effort { TS_PROMPT_EFFORTS(TS_CHOICE_VALUE) } ts_prompt_effort;
#define TS_PROMPT_DROPS(W) W(TS_PROMPT_DROP, "true,True") W(TS_PROMPT_KEEP, "false,False")
typedef enum ts_prompt_drop { TS_PROMPT_DROPS(TS_CHOICE_VALUE) } ts_prompt_drop;

typedef struct ts_prompt_options {
    const char *type, *path; /* path NULL: the built-in list */
    int thinking, effort,
        drop_thinking; /* TS_PROMPT_THINKING_*, TS_PROMPT_EFFORT_*, TS_PROMPT_DROP or KEEP */
} ts_prompt_options;
/* is_: TS_OPTION_DECIDES where a run's data depend on them, else 0. */
#define TS_PROMPT_ROWS(is_, struct_, field_, group_)                                                        \
    TS_ROW_IS(is_, TEXT, struct_, field_.type, "prompt-type", NULL, 0, 0, NULL, group_,                     \
           "template of conversations: qwen3, llama3, deepseek3, ..."),                                     \
        TS_ROW_IS((is_) | TS_OPTION_PLACE, TEXT, struct_, field_.path, "prompt-type-path", NULL, 0, 0, NULL,\
               group_,                                                                                      \
               "file of templates in MindSpeed LLM's form, in place of the built-in list"),                 \
        TS_ROW_IS(is_, CHOICE, struct_, field_.thinking, "enable-thinking", "none", 0, 0,                   \
               TS_CHOICES(TS_PROMPT_THINKING), group_,                                                      \
               "answers without a thought get an empty one: in the answer (true), in the "                  \
               "prompt (none), or all thoughts are removed and the prompt has it (false)"),                 \
        TS_ROW_IS(is_, CHOICE, struct_, field_.effort, "reasoning-effort", "none", 0, 0,                    \
               TS_CHOICES(TS_PROMPT_EFFORTS), group_,                                                       \
               "of deepseek4 with --enable-thinking true; max asks for it in the prompt"),                  \
        TS_ROW_IS(is_, CHOICE, struct_, field_.drop_thinking, "drop-thinking", "true", 0, 0,                \
               TS_CHOICES(TS_PROMPT_DROPS), group_,                                                         \
               "of deepseek4: thoughts before the last question are left out")

/* Who says it. */
typedef enum ts_prompt_role {
    TS_PROMPT_USER,
    TS_PROMPT_ASSISTANT,
    TS_PROMPT_OBSERVATION, /* what a tool returned; stands where a user's message does */
    TS_PROMPT_FUNCTION,    /* calls of tools: {"name", "arguments"}, or a list of such, as text */
} ts_prompt_role;

typedef struct ts_prompt_text {
    const char *s; /* [n] UTF-8; NULL: none */
    size_t n;
} ts_prompt_text;

typedef struct ts_prompt_turn {
    ts_prompt_role role;
    ts_prompt_text content, thought; /* thought: OpenAI's reasoning_content */
    const json_t *calls;             /* OpenAI's tool_calls of an assistant; NULL: none */
    ts_prompt_text call_id;          /* of an observation: which call it is of */
    float weight;                    /* of an answer's labels, OpenAI's "weight"; 0: it has none */
} ts_prompt_turn;

/* A conversation; zero-initialise. Texts and values are borrowed. */
typedef struct ts_prompt_talk {
    ts_prompt_turn *v; /* [n] */
    size_t n, cap;
    ts_prompt_text system, tools; /* tools: a JSON list */
} ts_prompt_talk;
void ts_prompt_talk_deinit(ts_prompt_talk *t);
ts_status ts_prompt_talk_add(ts_prompt_talk *t, ts_prompt_role role, const char *s, size_t n) TS_NODISCARD;
/* A conversation in OpenAI's form, {"messages": [{"role": system|user|assistant|tool, "content",
 * "tool_calls"?, "reasoning_content"?, "tool_call_id"?}, ...], "tools"?}, written over *t; its texts are
 * borrowed from c, but for a list of tools, which is written to `memory`. What does not fit is TS_ERR_USER
 * naming the message and its field. */
ts_status ts_prompt_talk_read(const json_t *c, ts_str *memory, ts_prompt_talk *t) TS_NODISCARD;

/* A template, bound to a tokenizer. Read-only: any number of threads may encode, each with its own work. */
typedef struct ts_prompt_template ts_prompt_template;
/* tok: lent for the life of the template. Its end-of-document and pad become the template's: with
 * replace_eos the first stop word, "<|endoftext|>" where there is no end, and the end where there is no
 * pad. Stop words that are no tokens yet become special ones behind the others, with a warning. An unknown
 * name, a file that does not fit and tokens that the template names but the tokenizer lacks are
 * TS_ERR_USER. */
ts_status ts_prompt_open(const ts_prompt_options *o, ts_text_tokenizer *tok, ts_prompt_template **out) TS_NODISCARD;
void ts_prompt_close(ts_prompt_template **p);
const char *ts_prompt_name(const ts_prompt_template *p);
/* Whether answers end without an end token of their own, and one follows behind the last. */
bool ts_prompt_is_efficient(const ts_prompt_template *p);
int32_t ts_prompt_eos(const ts_prompt_template *p);
/* The ids that end an answer: the end token and the template's stop words, [*n], borrowed. */
const int32_t *ts_prompt_stops(const ts_prompt_template *p, size_t *n);

/* Work space of one thread, and what was encoded last. */
typedef struct ts_prompt_work ts_prompt_work;
ts_status ts_prompt_work_create(const ts_prompt_template *p, ts_prompt_work **out) TS_NODISCARD;
void ts_prompt_work_destroy(ts_prompt_work **w);

/* Sources and targets in turn, lying one after another. */
typedef struct ts_prompt_pair {
    const int32_t *source, *target; /* [n_source], [n_target] */
    size_t n_source, n_target;
} ts_prompt_pair;
typedef struct ts_prompt_pairs {
    const ts_prompt_pair *v; /* [n] valid until the work space is used again */
    size_t n;
} ts_prompt_pairs;

/* Every answer of the conversation as a target, at most `limit` ids in all by the template's rule (0: a
 * million). Questions (user, observation) and answers (assistant, function) must take turns and an answer
 * be the last: else TS_ERR_USER; so are calls and tools that are not what the template needs. */
ts_status ts_prompt_encode(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, int64_t limit,
                           ts_prompt_pairs *out) TS_NODISCARD;
/* One pair: the last answer, and all that stands before it. For the prompt of an answer that is still to be
 * written, the last turn is an empty answer and the target is not looked at. */
ts_status ts_prompt_encode_last(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t,
                                ts_prompt_pair *out) TS_NODISCARD;
/* A sample of tuning: ids and labels (-100: none) of all turns appended, the labels being the targets and
 * what ends them. last_only: of the last answer alone. part > 0: each pair is cut to that many ids (neat
 * packing). weights: of the labels; NULL: answers that weigh other than 0 or 1 are TS_ERR_USER. */
ts_status ts_prompt_sample(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, int64_t limit,
                           int64_t part, bool last_only, ts_ids *ids, ts_ids *labels, ts_chat_weights *weights) TS_NODISCARD;

/* The template as one of the ways of writing conversations. tok: as for ts_prompt_open. */
ts_status ts_prompt_encoder_create(const ts_prompt_options *o, ts_text_tokenizer *tok,
                                   ts_chat_encoder **out) TS_NODISCARD;
#endif
