/* What a handler is made of: for the files of this folder. */
#ifndef TS_DATA_HANDLERS_INSIDE_H
#define TS_DATA_HANDLERS_INSIDE_H
#include "base/arena.h"
#include "data/handlers/handler.h"
#include "data/instruct/form.h"
#include "io/json_fields.h"

/* What becomes of a conversation. */
typedef enum ts_handler_output {
    TS_OUTPUT_SAMPLE, /* input_ids, attention_mask, labels */
    TS_OUTPUT_RENDERED, /* likewise (rendered.c) */
    TS_OUTPUT_PAIR,   /* chosen_ and rejected_ input_ids, labels */
    TS_OUTPUT_PROMPT, /* input_ids, attention_mask; and additional keys */
    TS_OUTPUT_TEXT,   /* corpora.c: input_ids of texts, a key each */
    TS_OUTPUT_STEPS,  /* corpora.c: as samples, of texts without a template */
} ts_handler_output;

typedef ts_status ts_corpus_fn(const ts_handler *h, ts_handler_work *w, ts_token_run *runs);

typedef struct ts_handler_kind {
    const char *name;
    ts_handler_output output;
    const char *formatting; /* of ts_record_form_map_as */
    bool has_more; /* --dataset-additional-keys */
    /* Of older corpora: what makes the samples, and the fields that it reads (NULL: --json-keys). */
    ts_corpus_fn *corpus;
    const char *fields[4];
} ts_handler_kind;

typedef struct ts_rendering ts_rendering;

struct ts_handler {
    const ts_handler_kind *kind;
    const ts_handler_options *o;
    const ts_text_tokenizer *tok;
    bool append_eod;
    ts_record_form form;
    bool is_openai; /* messages in OpenAI's form: ts_prompt_talk_read */
    ts_str file;    /* of a data set of dataset_info.json; empty: --input says it */
    ts_prompt_template *prompt;
    ts_rendering *rendering; /* of TS_OUTPUT_RENDERED; else NULL */
    const char **keys; /* [n_keys] */
    size_t n_keys;
    const char **read; /* [n_read] the fields that records are read for */
    size_t n_read;
    int at[TS_N_COLUMNS];    /* in `read`, -1: not read */
    int *more;               /* in `read`: of the additional keys */
    int32_t placeholder;     /* process rewards */
};

struct ts_handler_work {
    ts_prompt_work *prompt;
    ts_tokenizer_scratch *scratch; /* NULL with NullTokenizer */
    ts_json_fields fields;
    ts_prompt_talk talk;     /* the last turn is the answer; of pairs the chosen one, */
    ts_prompt_turn rejected; /* and this the other */
    json_t *held[4];         /* [n_held] what their texts are borrowed from */
    size_t n_held;
    ts_arena arena;
    ts_str text;
    ts_ids ids[2];
};

/* The record in w->fields as a conversation: records.c. */
ts_status ts_record_read(const ts_handler *h, ts_handler_work *w) TS_NODISCARD;
/* A field as a value that is kept until the next record; key for messages. NULL: null or not there. */
ts_status ts_record_value(ts_handler_work *w, const ts_json_field *f, const char *key,
                          json_t **out) TS_NODISCARD;

/* The id of a text that is one token; option: what asks for it. */
ts_status ts_handler_one_token(const ts_text_tokenizer *tok, const char *option, const char *text, int32_t *id) TS_NODISCARD;

/* The chat template of the tokenizer's folder, and the marks of what is trained; then a sample of w->talk. */
ts_status ts_rendering_open(const char *folder, const ts_text_tokenizer *tok, ts_rendering **out) TS_NODISCARD;
void ts_rendering_close(ts_rendering **r);
ts_status ts_handler_render(const ts_handler *h, ts_handler_work *w, ts_token_run *runs) TS_NODISCARD;

/* Handlers of older corpora. */
ts_corpus_fn ts_corpus_alpaca, ts_corpus_sharegpt, ts_corpus_stack_overflow, ts_corpus_general,
    ts_corpus_belle, ts_corpus_leetcode, ts_corpus_moss, ts_corpus_moss_turns, ts_corpus_rewards;
#endif
