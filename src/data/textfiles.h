/* Which files an --input means: files, "-", patterns (*, ?, [...], {a,b}) and folders with all that
 * is below them. */
#ifndef TS_DATA_TEXTFILES_H
#define TS_DATA_TEXTFILES_H
#include "base/option.h"

#define TS_TEXT_KINDS(W)                                                                           \
    W(TS_TEXT_UNKNOWN, "auto") /* the content must tell: pipes, the standard input */              \
    W(TS_TEXT_TXT, "txt")                                                                          \
    W(TS_TEXT_JSONL, "jsonl")                                                                      \
    W(TS_TEXT_JSON, "json") /* a list, or an object a line */                                      \
    W(TS_TEXT_PARQUET, "parquet")
typedef enum ts_text_kind { TS_TEXT_KINDS(TS_CHOICE_VALUE) } ts_text_kind;

typedef struct ts_text_file {
    char *path;
    ts_text_kind kind;
    double bytes; /* -1: not known */
} ts_text_file;

typedef struct ts_text_files {
    ts_text_file *v;
    size_t n, cap;
    double bytes; /* of all; -1: not known */
} ts_text_files;

/* kind: what all files are, or TS_TEXT_UNKNOWN to tell by name (.txt, .jsonl, .ndjson, .json, each
 * also with .gz or .zst, and .parquet). any_name: a file with another name may be given too and is of unknown
 * kind. A folder's files come in the order of their paths; what is not read there is named in the
 * log. Missing and unreadable files, and folders and patterns without a file to read, are
 * TS_ERR_USER. No pipe is opened. */
ts_status ts_text_files_find(const ts_option_list *input, ts_text_kind kind, bool any_name,
                             ts_text_files *out) TS_NODISCARD;
void ts_text_files_deinit(ts_text_files *f);
#endif
