/* Conversations in JSON files as samples for tuning (data/rows.h), encoded as they are asked for. */
#ifndef TS_DATA_INSTRUCT_CHAT_ROWS_H
#define TS_DATA_INSTRUCT_CHAT_ROWS_H
#include "base/option.h"
#include "data/rows.h"
#include "text/text_options.h"

typedef struct ts_chat_options {
    bool hf_chat_template, mask_history;
    const char *chat_template, *template_now, *prompt_type;
    int on_bad_record; /* TS_BAD_RECORD_* */
} ts_chat_options;
extern const ts_option ts_chat_option_rows[];
extern const size_t ts_chat_option_count;

typedef struct ts_chat_need {
    const char *path;             /* as ts_records_open has it */
    const char *folder;           /* the model's, for its chat template; NULL: the tokenizer's */
    const ts_text_options *text;  /* whose folder holds a template where the model's has none; may be NULL */
    const ts_text_tokenizer *tok; /* lent while the rows live */
    ts_rows_kind kind;
    int64_t seq_length; /* what is read of a row; 0: all */
    bool speaks;        /* names bad records and counts in the log; another process does else */
} ts_chat_need;

/* What there was, over all samples. */
typedef struct ts_chat_counts {
    int64_t records, samples; /* read; of them good */
    int64_t tokens, trained;  /* of good samples, within seq_length */
    int64_t cut, cut_tokens;  /* samples longer than seq_length, and what is lost of them */
    int64_t untrained;        /* samples without a token to train on */
} ts_chat_counts;

/* Whether the path is one of conversations: it ends in .json or .jsonl. */
bool ts_chat_rows_is_path(const char *path);
/* Every record is read and encoded once, by all cores: a bad one is TS_ERR_USER with file, line and field, or left
 * out, named and counted (--on-bad-record skip). Data that train nothing, and templates that lose the answer, are
 * TS_ERR_USER. counts may be NULL. Of kto, the mismatched answer of a sample is the one of the sample before it (of
 * the last for the first). */
ts_status ts_chat_rows_open(const ts_chat_options *o, const ts_chat_need *need, ts_chat_counts *counts,
                            ts_rows **out) TS_NODISCARD;
#endif
