/* What is to be evaluated, and the model that is asked. */
#ifndef TS_EVAL_OPTIONS_H
#define TS_EVAL_OPTIONS_H
#include "base/option.h"
#include "eval/task.h"
#include "infer/engine.h"
#include "infer/gen_config.h"
#include "text/chat/encoder.h"
#include "text/chat/template.h"
#include "text/text_options.h"

typedef struct ts_eval_options {
    ts_option_list task;
    const char *data_path, *output, *system;
    int rule;               /* TS_EVAL_LM_EVAL, TS_EVAL_ORIGINAL */
    int64_t num_fewshot;    /* -1: the task's */
    int64_t max_new_tokens; /* 0: the task's */
    int64_t max_samples;    /* of each subject; 0: all */
    int64_t batch;
    bool chat, multiturn, one_turn, json;
} ts_eval_options;
extern const ts_option ts_eval_rows[];
extern const size_t ts_eval_row_count;

/* The model that is asked; all borrowed. */
typedef struct ts_eval_model {
    ts_decoder *decoder;
    ts_tape *tape;
    const ts_text_tokenizer *tok;
    ts_tokenizer_scratch *scratch;
    const ts_gen_config *gen; /* the model's own settings, greedy */
    const char *name; /* of --load, and what stands beside it: a run that goes on must have the same */
    const ts_chat_template *template; /* of conversations; or */
    const ts_chat_encoder *encoder;   /* what encodes them, with its work space; both NULL: plain texts */
    void *encoder_work;
} ts_eval_model;
#endif
