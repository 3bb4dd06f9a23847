/* Documents from text files: .txt (a line each, or parted by a separator), .jsonl (a line each),
 * .json (a list, or a line each), plain or packed, and pipes; .parquet (a row each, as JSON). Read from front to back in pieces; a
 * document is never cut. */
#ifndef TS_DATA_TEXTFEED_H
#define TS_DATA_TEXTFEED_H
#include "base/str.h"
#include "data/textfiles.h"
#include "io/bad_records.h"

/* What the commands that read a corpus share. */
typedef struct ts_feed_options {
    ts_option_list input, json_keys;
    const char *document_separator; /* with \n, \t, \r, \\ as they are typed; NULL: lines */
    int input_format;               /* TS_TEXT_* */
    int on_bad_record;              /* TS_BAD_RECORD_* */
    /* no options: */
    bool any_name;    /* a file may have any name and is then told by its content */
    bool whole_lines; /* a line of a .txt file is given with its end, and empty ones too */
    size_t piece;     /* bytes read at a time, 0 for a megabyte */
} ts_feed_options;
#define TS_FEED_ROWS(struct_, feed_, group_)                                                       \
    TS_ROW(LIST, struct_, feed_.input, "input", NULL, TS_LIST_ADDS, 0, NULL, group_,               \
           ".txt, .jsonl, .ndjson, .json (also packed: .gz, .zst) or .parquet files, folders of "  \
           "them, patterns, or - for the standard input. May be repeated"),                         \
        TS_ROW(LIST, struct_, feed_.json_keys, "json-keys", "text", 0, 0, NULL, group_,            \
               "fields of a record that hold text"),                                               \
        TS_ROW(TEXT, struct_, feed_.document_separator, "document-separator", NULL, 0, 0, NULL,    \
               group_,                                                                             \
               "what parts documents in .txt files (\\n, \\t and \\\\ may be used); a line each "  \
               "otherwise"),                                                                       \
        TS_ROW(CHOICE, struct_, feed_.input_format, "input-format", "auto", 0, 0,                  \
               TS_CHOICES(TS_TEXT_KINDS), group_,                                                  \
               "what the files are; auto: by their names, pipes by how they begin"),               \
        TS_BAD_RECORD_ROW(struct_, feed_.on_bad_record, group_)

typedef struct ts_span {
    size_t at, n; /* bytes in the batch's text */
    int64_t line; /* where it begins in the file, from 1 */
} ts_span;

/* Documents of one file, in order; zero-initialise. */
typedef struct ts_text_batch {
    const char *file; /* borrowed from the feed */
    bool is_json;     /* spans are JSON values, else plain text (not yet checked to be UTF-8) */
    ts_str text;
    ts_span *spans;
    size_t n, cap;
    size_t bytes;    /* of text used up by this batch */
    double position; /* bytes of all files used up so far, packed as they are */
} ts_text_batch;
void ts_text_batch_deinit(ts_text_batch *b);
/* Plain text i that is not UTF-8 is TS_ERR_USER. */
ts_status ts_text_batch_check(const ts_text_batch *b, size_t i) TS_NODISCARD;
/* Puts document i's FILE:LINE before this thread's message; returns st. */
ts_status ts_text_batch_error(const ts_text_batch *b, size_t i, ts_status st);

typedef struct ts_textfeed ts_textfeed;
/* o: borrowed while this runs. Mistakes in the options and missing files are TS_ERR_USER; nothing is
 * read yet. */
ts_status ts_textfeed_create(const ts_feed_options *o, ts_textfeed **out) TS_NODISCARD;
void ts_textfeed_destroy(ts_textfeed **f);
/* Size of all files; -1: not known. */
double ts_textfeed_bytes(const ts_textfeed *f);
/* The next documents (at least one) into b; at the end b->n is 0. */
ts_status ts_textfeed_next(ts_textfeed *f, ts_text_batch *b) TS_NODISCARD;
#endif
