/* What a benchmark asks and how it is judged: a task as its file describes it, in lm-evaluation-harness's words.
 *
 * A task's file (eval/tasks/NAME.json, or a user's in JSON or YAML) has
 *   task                  its name
 *   rules                 {"lm-eval": {...}, "original": {...}}: what goes over the rest under --eval-rule
 *   test_split, fewshot_split  stems of files in --task-data-path, or a list of such: the first that is there;
 *                         {subject} stands for a subject, of which the task then has as many as there are files
 *   columns, rows         as ts_eval_records_read has them
 *   needs                 fields that each record must have
 *   fields                {NAME: {"from": template, "steps": [["strip"], ["replace", a, b], ["sub", regex, by]]}}: further
 *                         fields of a record, texts or lists of texts
 *   output_type           multiple_choice, generate_until
 *   description, doc_to_text, doc_to_choice, doc_to_target, gen_prefix, target_delimiter, fewshot_delimiter,
 *   num_fewshot, fewshot_config.samples, generation_kwargs, filter_list, metric_list   as lm-evaluation-harness has them;
 *                         templates see the record's fields, and `subject` and `subject_name`
 *   multiple_inputs       choices are contexts (WinoGrande)
 *   subject_names         {SUBJECT: how a description calls it}; else its letters with blanks for _
 *   groups                {GROUP: [SUBJECT, ...]} */
#ifndef TS_EVAL_TASK_H
#define TS_EVAL_TASK_H
#include "base/choice.h"
#include "base/json.h"
#include "text/jinja/jinja.h"

#define TS_EVAL_RULES(W) W(TS_EVAL_LM_EVAL, "lm-eval") W(TS_EVAL_ORIGINAL, "original")
typedef enum ts_eval_rule { TS_EVAL_RULES(TS_CHOICE_VALUE) } ts_eval_rule;

/* How an answer is judged beside comparing texts and log-likelihoods. */
typedef enum ts_eval_judge { TS_EVAL_PLAIN, TS_EVAL_PYTHON, TS_EVAL_NEEDLE } ts_eval_judge;

/* A text that depends on a record: a template, a field's name, or neither. */
typedef struct ts_eval_text {
    const char *plain; /* borrowed from the definition; NULL: there is none */
    ts_jinja *jinja;   /* NULL: plain is a field's name where the record has such, else the text itself */
} ts_eval_text;

typedef struct ts_eval_task {
    json_t *def; /* the rule's part over the rest */
    const char *name;
    bool is_choice; /* log-likelihoods of choices; else texts are generated */
    bool multiple_inputs;
    ts_eval_judge judge;
    ts_eval_text text, target, description, prefix;
    ts_eval_text choices;  /* a list as JSON; plain NULL: fixed_choices */
    json_t *fixed_choices; /* borrowed; NULL: none */
    ts_jinja **field;      /* [n_fields] of "fields", in their order */
    size_t n_fields;
    const char *target_delimiter, *fewshot_delimiter;
    int64_t num_fewshot;
} ts_eval_task;

/* name: a built-in task's, or a file. What is no task, or needs what is not here (functions of Python), is TS_ERR_USER. */
ts_status ts_eval_task_open(const char *name, ts_eval_rule rule, ts_eval_task *out) TS_NODISCARD;
void ts_eval_task_close(ts_eval_task *t);
/* "boolq, gsm8k, ..." of the built-in ones, appended. */
ts_status ts_eval_task_names(ts_str *out) TS_NODISCARD;

/* A record's text, appended. place: of the record, for messages. work: a rendering's memory. */
ts_status ts_eval_text_of(const ts_eval_text *t, const json_t *record, const char *place, ts_jinja_text *work,
                          ts_str *out) TS_NODISCARD;
/* Adds the task's own fields to a record. */
ts_status ts_eval_add_fields(const ts_eval_task *t, json_t *record, const char *place,
                             ts_jinja_text *work) TS_NODISCARD;
/* The record's choices, a list of texts (json_decref). */
ts_status ts_eval_choices_of(const ts_eval_task *t, const json_t *record, const char *place,
                             ts_jinja_text *work, json_t **out) TS_NODISCARD;
/* The record's answer (json_decref): a number or list of numbers (of choices), or a text. */
ts_status ts_eval_target_of(const ts_eval_task *t, const json_t *record, const char *place,
                            ts_jinja_text *work, json_t **out) TS_NODISCARD;
#endif
