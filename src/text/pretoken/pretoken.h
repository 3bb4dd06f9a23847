/* Pre-tokenizers of tokenizer.json: steps that cut a text into pieces, some of which rewrite it
 * too. */
#ifndef TS_TEXT_PRETOKEN_PRETOKEN_H
#define TS_TEXT_PRETOKEN_PRETOKEN_H
#include "base/json.h"
#include "text/pretoken/scan.h"
#include "text/regex/regex.h"

typedef enum ts_split_behavior {
    TS_SPLIT_REMOVED,
    TS_SPLIT_ISOLATED,
    TS_SPLIT_PREVIOUS,
    TS_SPLIT_NEXT,
    TS_SPLIT_CONTIGUOUS,
} ts_split_behavior;

typedef enum ts_match_kind {
    TS_MATCH_NONE,
    TS_MATCH_SCAN,  /* the pieces of a scanner, each isolated */
    TS_MATCH_REGEX,
    TS_MATCH_TEXT,  /* a literal */
    TS_MATCH_CHAR,  /* one character of a class at a time */
    TS_MATCH_WORD,  /* runs of \w, runs of neither \w nor \s */
} ts_match_kind;

typedef struct ts_pre_step {
    ts_match_kind match;
    ts_split_behavior behavior;
    bool invert;
    ts_scan_fn *scan;
    ts_regex *regex;
    bool (*is_match)(uint32_t c);
    bool ascii[128]; /* is_match of these */
    char *text; /* a literal, Metaspace's replacement, or the pattern */
    size_t text_len;
    /* rewriting, before the split: */
    bool add_space;     /* ByteLevel's prefix */
    bool map_bytes;     /* ByteLevel's alphabet, after the split */
    bool is_metaspace;  /* blanks become text; text is put in front: */
    enum { TS_PREPEND_NEVER, TS_PREPEND_FIRST, TS_PREPEND_ALWAYS } prepend;
    int64_t fixed;      /* FixedLength */
} ts_pre_step;

typedef struct ts_pretoken {
    ts_pre_step *step;
    size_t n, cap;
    ts_scan_fn *scan;   /* set when the whole of it is this one scanner */
    ts_block_fn *block; /* its twin or NULL */
} ts_pretoken;

typedef struct ts_piece {
    size_t off, len;
    bool first; /* begins where the original text begins */
} ts_piece;

typedef struct ts_pieces {
    ts_piece *v;
    size_t n, cap;
} ts_pieces;

typedef struct ts_pre_work {
    ts_pieces pieces[2];
    ts_str text[2];
} ts_pre_work;

ts_status ts_pretoken_load(ts_pretoken *p, const json_t *o, const char *file) TS_NODISCARD;
/* tiktoken's: matches of the pattern are the pieces, and what stands between them is dropped. */
ts_status ts_pretoken_add_pattern(ts_pretoken *p, const char *pattern,
                                  const char *file) TS_NODISCARD;
/* Leaves the byte-level alphabet out when the last step alone maps to it; says whether it did. */
bool ts_pretoken_take_bytes(ts_pretoken *p);
/* Looks for a single scanner that does all; call when the steps are complete. */
void ts_pretoken_finish(ts_pretoken *p);
void ts_pretoken_deinit(ts_pretoken *p);

/* Cuts s[0..n). The pieces lie in *text (borrowed from s or from the work space). first: s is the
 * text's beginning; goes_on: where another text ended, so no blank is put in front of it. */
ts_status ts_pretokenize(const ts_pretoken *p, const ts_unicode *u, ts_pre_work *w, const char *s,
                         size_t n, bool first, bool goes_on, const char **text,
                         const ts_pieces **out) TS_NODISCARD;
void ts_pre_work_deinit(ts_pre_work *w);
#endif
