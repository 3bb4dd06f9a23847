/* Normalizers of tokenizer.json: a list of operations, each from one text to another. */
#ifndef TS_TEXT_NORMALIZE_NORMALIZE_H
#define TS_TEXT_NORMALIZE_NORMALIZE_H
#include "base/json.h"
#include "text/normalize/charsmap.h"
#include "text/regex/regex.h"
#include "text/unicode.h"

typedef enum ts_norm_kind {
    TS_NORM_BERT_CLEAN,
    TS_NORM_BERT_CHINESE,
    TS_NORM_BERT_ACCENTS,
    TS_NORM_LOWER,
    TS_NORM_FORM, /* NFC, NFD, NFKC, NFKD */
    TS_NORM_STRIP,
    TS_NORM_ACCENTS,
    TS_NORM_NMT,
    TS_NORM_PRECOMPILED,
    TS_NORM_REPLACE,       /* a -> b */
    TS_NORM_REPLACE_REGEX, /* matches -> b */
    TS_NORM_PREPEND,
    TS_NORM_BYTES,
} ts_norm_kind;

typedef struct ts_norm_op {
    ts_norm_kind kind;
    char *a, *b;
    size_t a_len, b_len;
    ts_regex *regex;
    ts_charsmap map;
    bool left, right;
    bool compose, compat; /* form */
    /* form: a bit for every character up to U+2FFFF that stays as it is and never acts on its
     * neighbours */
    uint8_t *stable;
} ts_norm_op;

typedef struct ts_normalizer {
    ts_norm_op *op;
    size_t n, cap;
} ts_normalizer;

/* Reads a normalizer of tokenizer.json (null: none). Unknown types are TS_ERR_USER naming
 * `file`. */
ts_status ts_normalizer_load(ts_normalizer *nm, const json_t *o, const char *file) TS_NODISCARD;
void ts_normalizer_deinit(ts_normalizer *nm);
/* The normalised form of s[0..n): *text, *len; borrowed from s or from one of the two buffers.
 * *moved: characters at the beginning were dropped. */
ts_status ts_normalize(const ts_normalizer *nm, const char *s, size_t n, ts_str buf[2],
                       const char **text, size_t *len, bool *moved) TS_NODISCARD;
/* Of a text that follows on another without a gap: nothing is put in front of it. */
ts_status ts_normalize_rest(const ts_normalizer *nm, const char *s, size_t n, ts_str buf[2],
                            const char **text, size_t *len, bool *moved) TS_NODISCARD;
/* Applies one operation. */
ts_status ts_norm_apply(const ts_norm_op *op, const char *s, size_t n, ts_str *out) TS_NODISCARD;
/* Whether the operation leaves the text as it is; quick, and may say false without need. */
bool ts_norm_is_idle(const ts_norm_op *op, const char *s, size_t n);

/* normalize_form.c */
ts_status ts_norm_form_init(ts_norm_op *op) TS_NODISCARD;
ts_status ts_norm_form(const ts_norm_op *op, const char *s, size_t n, ts_str *out) TS_NODISCARD;
bool ts_norm_form_is_idle(const ts_norm_op *op, const char *s, size_t n);

/* Base64 of a JSON file. */
ts_status ts_base64_decode(const char *s, size_t n, ts_str *out) TS_NODISCARD;
#endif
