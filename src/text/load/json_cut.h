/* The two large parts of a tokenizer.json, vocabulary and merges, read without building a tree
 * of a million small objects. The rest is left to jansson. */
#ifndef TS_TEXT_LOAD_JSON_CUT_H
#define TS_TEXT_LOAD_JSON_CUT_H
#include "base/str.h"

typedef struct ts_json_cut {
    const char *vocab, *vocab_end;   /* value of model.vocab, NULL: none */
    const char *merges, *merges_end; /* value of model.merges */
    ts_str rest;                     /* the text with null in their place */
} ts_json_cut;

/* Fails only for want of memory: text that is not JSON is found whole in rest. */
ts_status ts_json_cut_init(ts_json_cut *c, const char *text, size_t n) TS_NODISCARD;

/* Reads JSON values one after another. */
typedef struct ts_json_reader {
    const char *p, *end;
    const char *file, *what; /* for messages */
    ts_str buf[2];           /* the last two strings with escapes in them */
    int which;
} ts_json_reader;

void ts_json_reader_deinit(ts_json_reader *r);
/* Steps over the character (after white space) if it comes next. */
bool ts_json_reader_take(ts_json_reader *r, char c);
ts_status ts_json_reader_expect(ts_json_reader *r, char c) TS_NODISCARD;
/* A string, valid UTF-8; borrowed until the next but one. */
ts_status ts_json_reader_text(ts_json_reader *r, const char **s, size_t *n) TS_NODISCARD;
ts_status ts_json_reader_number(ts_json_reader *r, double *v) TS_NODISCARD;
#endif
