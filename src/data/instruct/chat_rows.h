/* Conversations in JSON files as samples for tuning (data/rows.h), encoded as they are asked for. */
#ifndef TS_DATA_INSTRUCT_CHAT_ROWS_H
#define TS_DATA_INSTRUCT_CHAT_ROWS_H
#include "data/instruct/writer.h"
#include "data/rows.h"

typedef struct ts_chat_need {
    const char *path;             /* as ts_records_open has it */
    bool is_entry;                /* path is the name of an entry of dataset_info.json */
    const ts_chat_writer *writer; /* lent while the rows live */
    ts_rows_kind kind;
    int64_t seq_length; /* what is read of a row; 0: all */
    int64_t vocab_size; /* ids must be below; 0: not checked */
    bool speaks;        /* names bad records and counts in the log; another process does else */
} ts_chat_need;

/* What there was, over all samples. */
typedef struct ts_chat_counts {
    int64_t records, samples; /* read; of them good */
    int64_t tokens, trained;  /* of good samples, within seq_length */
    int64_t cut, cut_tokens;  /* samples longer than seq_length, and what is lost of them */
    int64_t untrained;        /* samples without a token to train on */
    int64_t packs;            /* rows that they are packed into (--pack) */
} ts_chat_counts;

/* Whether the path is one of conversations: it ends in .json, .jsonl or .parquet. */
bool ts_chat_rows_is_path(const char *path);
/* Every record is read and encoded once, by all cores: a bad one is TS_ERR_USER with file, line and field, or left
 * out, named and counted (--on-bad-record skip). Data that train nothing, and templates that lose the answer, are
 * TS_ERR_USER. counts may be NULL. Of kto, the mismatched answer of a sample is the one of the sample before it (of
 * the last for the first). With --pack the rows are packs (instruct/packs.h). */
ts_status ts_chat_rows_open(const ts_chat_options *o, const ts_chat_need *need, ts_chat_counts *counts,
                            ts_rows **out) TS_NODISCARD;
#endif
