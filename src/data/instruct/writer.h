/* How conversations are written: the options, and the tokenizer and encoder that they describe. */
#ifndef TS_DATA_INSTRUCT_WRITER_H
#define TS_DATA_INSTRUCT_WRITER_H
#include "base/option.h"
#include "text/chat/encoder.h"
#include "text/prompt/prompt.h"

typedef struct ts_chat_options {
    bool hf_chat_template, mask_history, pack;
    const char *chat_template, *template_now, *map_keys, *dataset_dir;
    ts_option_list dataset;
    ts_prompt_options prompt;
    int64_t max_samples; /* 0: all */
    int on_bad_record;   /* TS_BAD_RECORD_* */
} ts_chat_options;
extern const ts_option ts_chat_option_rows[];
extern const size_t ts_chat_option_count;
/* For a command that trains on text alone: the same names, refused. */
extern const ts_option ts_chat_later_rows[];
extern const size_t ts_chat_later_count;

typedef struct ts_chat_writer {
    ts_text_tokenizer tok;
    ts_chat_encoder *encoder;
} ts_chat_writer;

/* The tokenizer that text names, else the folder's (may be NULL). One without texts is TS_ERR_USER. */
ts_status ts_chat_tokenizer_open(const char *folder, const ts_text_options *text,
                                 ts_text_tokenizer *out) TS_NODISCARD;
/* folder: the model's, for its chat template and, where text names none, its tokenizer; may be NULL. Options that leave
 * open how conversations are written, and folders without what is needed, are TS_ERR_USER. The writer stays where it
 * is: its encoder borrows its tokenizer. */
ts_status ts_chat_writer_open(const ts_chat_options *o, const char *folder, const ts_text_options *text,
                              ts_chat_writer *out) TS_NODISCARD;
void ts_chat_writer_close(ts_chat_writer *w);
#endif
