/* Added tokens: texts that are cut out before (or after) normalising and stand for one id. */
#ifndef TS_TEXT_ADDED_H
#define TS_TEXT_ADDED_H
#include "text/normalize/normalize.h"
#include "text/trie.h"
#include "text/vocab.h"

typedef struct ts_added_token {
    int32_t id;
    bool special, normalized, single_word, lstrip, rstrip;
    bool has_form;              /* its normalized form is not its text, */
    size_t form_off, form_len;  /* and stands in ts_added.forms */
} ts_added_token;

typedef struct ts_added {
    ts_added_token *token;
    size_t n, cap;
    ts_vocab by_id;  /* text <-> id */
    ts_vocab by_text; /* text -> index into token */
    ts_trie raw, normal; /* -> index into token */
    ts_str forms;        /* normalized forms */
} ts_added;

/* Where the tokens of a text stand; begin with text, n and zeros. */
typedef struct ts_added_scan {
    const ts_added *a;
    const ts_trie *trie;
    const char *text;
    size_t n, at, done; /* next byte to look at; end of what was given out */
} ts_added_scan;

typedef struct ts_added_hit {
    size_t gap, gap_end; /* text before the token, may be empty */
    const ts_added_token *token; /* NULL: the text ended */
} ts_added_hit;

/* Adds a token; a text given twice keeps its id and takes the new flags. */
ts_status ts_added_add(ts_added *a, const char *s, size_t n, ts_added_token token) TS_NODISCARD;
/* Builds the searches, anew where there are some; normal tokens are looked for in their normalised form. Of several with the
 * same form the first is found, with a warning that names `file`. */
ts_status ts_added_finish(ts_added *a, const ts_normalizer *nm, const char *file) TS_NODISCARD;
const char *ts_added_text(const ts_added *a, int32_t id,
                          size_t *len); /* NULL: not an added token */
/* What decoders get: the normalised form of a token that is found in normalised text. NULL: not an
 * added token. */
const char *ts_added_form(const ts_added *a, int32_t id, size_t *len);
bool ts_added_is_special(const ts_added *a, const char *s, size_t n);
int32_t ts_added_find(const ts_added *a, const char *s, size_t n); /* id, -1: none */
void ts_added_next(ts_added_scan *scan, ts_added_hit *hit);
void ts_added_deinit(ts_added *a);
#endif
