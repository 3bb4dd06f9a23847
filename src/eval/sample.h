/* What is asked of a model for one record: the prompt, with its examples, and the choices, as lm-evaluation-harness
 * writes them. */
#ifndef TS_EVAL_SAMPLE_H
#define TS_EVAL_SAMPLE_H
#include "eval/task.h"
#include "text/chat/template.h"

/* How prompts are written. */
typedef struct ts_eval_style {
    bool chat;          /* as conversations: by `template`, else left as they are for who encodes them */
    bool multiturn;     /* an example is a question and an answer, not part of one question */
    const char *system; /* a message before all others; NULL: none */
    const ts_chat_template *template;
} ts_eval_style;

typedef struct ts_eval_sample {
    int64_t index;       /* of the record in its file, from 0 */
    json_t *prompts;     /* one, or one a choice: a text, or without a template a conversation {"messages"} */
    json_t *choices;     /* texts; NULL: an answer is generated */
    const char *between; /* what stands between prompt and choice */
    json_t *target;      /* as ts_eval_target_of has it */
} ts_eval_sample;
void ts_eval_sample_deinit(ts_eval_sample *s);

/* Memory of who writes prompts; zero-initialise. */
typedef struct ts_eval_writer {
    ts_jinja_text work;
    ts_str a, b;
} ts_eval_writer;
void ts_eval_writer_deinit(ts_eval_writer *w);

/* The prompt of a record behind n examples, all of them with the task's fields. place: of the record, for messages. */
ts_status ts_eval_sample_make(const ts_eval_task *t, const ts_eval_style *style, ts_eval_writer *w,
                              const json_t *record, json_t *const *examples, size_t n, const char *place,
                              ts_eval_sample *out) TS_NODISCARD;
#endif
