/* How conversations are written: the options, and the tokenizer and encoder that they describe. */
#ifndef TS_DATA_INSTRUCT_WRITER_H
#define TS_DATA_INSTRUCT_WRITER_H
#include "base/option.h"
#include "text/chat/encoder.h"
#include "text/prompt/prompt.h"

typedef struct ts_chat_style {
    bool hf_chat_template;
    const char *chat_template, *template_now;
    ts_prompt_options prompt;
} ts_chat_style;
/* is_: TS_OPTION_DECIDES where a run's data depend on them, else 0. */
#define TS_CHAT_STYLE_ROWS(is_, struct_, field_, group_)                                                            \
    TS_ROW_IS(is_, FLAG, struct_, field_.hf_chat_template, "hf-chat-template", NULL, 0, 0, NULL, group_,            \
              "conversations are written by the chat template of the model's folder (chat_template.jinja, else the " \
              "one in tokenizer_config.json)"),                                                                     \
        TS_ROW_IS((is_) | TS_OPTION_PLACE, TEXT, struct_, field_.chat_template, "chat-template", NULL, 0, 0, NULL,  \
                  group_, "with --hf-chat-template: a Jinja file that is taken instead"),                           \
        TS_PROMPT_ROWS(is_, struct_, field_.prompt, group_),                                                        \
        TS_ROW_IS(is_, TEXT, struct_, field_.template_now, "template-now", NULL, 0, 0, NULL, group_,                \
                  "the date, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, that a template's strftime_now shows (the "         \
                  "clock's, when the data are opened)")

typedef struct ts_chat_options {
    ts_chat_style style;
    bool mask_history, pack;
    const char *map_keys, *dataset_dir;
    ts_option_list dataset, eval_dataset, probabilities;
    int mix;             /* TS_MIX_*: of several data sets of training */
    int64_t max_samples; /* 0: all */
    int on_bad_record;   /* TS_BAD_RECORD_* */
} ts_chat_options;
extern const ts_option ts_chat_option_rows[];
extern const size_t ts_chat_option_count;
/* For a command that trains on text alone: the same names, refused. */
extern const ts_option ts_chat_later_rows[];
extern const size_t ts_chat_later_count;

/* *out [n], owned: --interleave-probs of so many data sets; NULL: none are given. TS_ERR_USER: others. */
ts_status ts_chat_options_probabilities(const ts_chat_options *o, int64_t n, double **out) TS_NODISCARD;

typedef struct ts_chat_writer {
    ts_text_tokenizer tok;
    ts_chat_encoder *encoder;
} ts_chat_writer;

/* The tokenizer that text names, else the folder's (may be NULL). One without texts is TS_ERR_USER. */
ts_status ts_chat_tokenizer_open(const char *folder, const ts_text_options *text,
                                 ts_text_tokenizer *out) TS_NODISCARD;
/* What writes conversations so. folder: the model's, for its chat template; may be NULL. tok: that text names or the
 * folder's, borrowed while the encoder lives; a template of --prompt-type may add to it (ts_prompt_open). A style that
 * leaves open how, and folders without a template, are TS_ERR_USER. */
ts_status ts_chat_encoder_open(const ts_chat_style *style, const char *folder, const ts_text_options *text,
                               ts_text_tokenizer *tok, ts_chat_encoder **out) TS_NODISCARD;

/* folder: the model's, for its chat template and, where text names none, its tokenizer; may be NULL. Options that leave
 * open how conversations are written, and folders without what is needed, are TS_ERR_USER. The writer stays where it
 * is: its encoder borrows its tokenizer. */
ts_status ts_chat_writer_open(const ts_chat_options *o, const char *folder, const ts_text_options *text,
                              ts_chat_writer *out) TS_NODISCARD;
void ts_chat_writer_close(ts_chat_writer *w);
#endif
