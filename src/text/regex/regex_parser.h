/* What the files of the translator of regular expressions share. */
#ifndef TS_TEXT_REGEX_REGEX_PARSER_H
#define TS_TEXT_REGEX_REGEX_PARSER_H
#include "base/str.h"
#include "text/regex/charset.h"

enum {
    TS_RX_FOLD = 1,    /* (?i) */
    TS_RX_DOTALL = 2,  /* (?m) of Oniguruma, (?s) of Rust */
    TS_RX_EXTENDED = 4, /* (?x) */
    TS_RX_LINES = 8,   /* Rust's (?m); Oniguruma's anchors always look at lines */
    TS_RX_LAZY = 16,   /* Rust's (?U) */
    TS_RX_ASCII_WORD = 32,
    TS_RX_ASCII_DIGIT = 64,
    TS_RX_ASCII_SPACE = 128,
    TS_RX_ASCII_POSIX = 256, /* (?W) (?D) (?S) (?P) */
};

/* The classes that have names of their own. */
typedef enum ts_rx_type { TS_RX_WORD, TS_RX_DIGIT, TS_RX_SPACE, TS_RX_HEX } ts_rx_type;

typedef struct ts_rx_group {
    size_t name, name_len; /* into the parser's names; a group without one has length 0 */
} ts_rx_group;

typedef struct ts_rx {
    const char *pattern, *p, *end;
    const char *where; /* for messages */
    ts_dialect dialect;
    unsigned options;
    int depth;
    bool in_behind;    /* inside a look-behind */
    bool in_look;      /* inside any look-around */
    bool in_class;     /* between brackets */
    bool only_named;   /* groups without a name do not capture */
    const char *plain_end; /* of a group that is as good as not there; NULL: in none */
    int sequence;      /* base of the numbers of an open \x{61 62} or \o{..}, 0: none is open */
    ts_rx_group *group; /* [n_groups]: the capturing groups that began so far */
    size_t n_groups, groups_cap, n_named, highest_ref;
    ts_str names;
    ts_folds folds; /* empty before they are needed */
    /* The general categories as PCRE2 knows them; without, ranges alone are written. */
    ts_charset category[30];
    bool has_categories;
} ts_rx;

/* TS_ERR_USER: the expression, `what` it has, and where. */
ts_status ts_rx_refuse(const ts_rx *x, const char *at, const char *what) TS_NODISCARD;

/* ---- regex_escape.c ---- */
/* Whether p is at this text; and takes it. */
bool ts_rx_at(const ts_rx *x, const char *what);
bool ts_rx_take(ts_rx *x, const char *what);
/* A decimal number at *p; false: there is none. */
bool ts_rx_digits(const char **p, const char *end, uint32_t *out);
/* Whether p is at an escape (behind the backslash) that stands for a character by number or as a
 * control: takes it, and more of an open sequence. *is_code says whether it did. */
ts_status ts_rx_code(ts_rx *x, bool in_class, bool *is_code, uint32_t *c) TS_NODISCARD;
/* The next number of an open sequence; *is_code is false at its end. */
ts_status ts_rx_code_of_sequence(ts_rx *x, bool *is_code, uint32_t *c) TS_NODISCARD;
/* The character at p. */
uint32_t ts_rx_char(ts_rx *x);

/* ---- regex_class.c ---- */
/* Adds \w, \d, \s or \h, negated or not. */
ts_status ts_rx_add_type(ts_rx *x, ts_rx_type type, bool negated, ts_charset *s) TS_NODISCARD;
/* Whether p, behind a backslash, is at \p{..} or \P{..}. */
bool ts_rx_at_property(const ts_rx *x);
/* Adds \p{..}; p is behind the p or P, `at` at the backslash. */
ts_status ts_rx_add_property(ts_rx *x, const char *at, bool negated, ts_charset *s) TS_NODISCARD;
/* A bracketed class; p is behind the opening bracket. */
ts_status ts_rx_class(ts_rx *x, ts_str *out) TS_NODISCARD;

/* ---- regex_atom.c ---- */
/* An escape, p behind its backslash, outside of brackets; *is_place: it has no width, *is_char: it is
 * the character *c, and nothing was written. */
ts_status ts_rx_escape(ts_rx *x, const char *begin, ts_str *out, bool *is_place, bool *is_char,
                       uint32_t *c) TS_NODISCARD;

/* The rest of \k<name> and its like, p at the name: of several groups with it the last that matched
 * counts. */
ts_status ts_rx_named_reference(ts_rx *x, const char *begin, char close, ts_str *out) TS_NODISCARD;

/* ---- regex_emit.c ---- */
/* Asks PCRE2 which Unicode it knows. */
ts_status ts_rx_find_categories(ts_rx *x) TS_NODISCARD;
/* One character of s, in PCRE2's words. */
ts_status ts_rx_put_set(ts_rx *x, ts_charset *s, ts_str *out) TS_NODISCARD;
ts_status ts_rx_put_char(ts_str *out, uint32_t c) TS_NODISCARD;
/* Characters in a row, of any case where that is asked for. */
ts_status ts_rx_put_text(ts_rx *x, const uint32_t *c, size_t n, ts_str *out) TS_NODISCARD;
/* A character by its folding, as a set. */
ts_status ts_rx_put_folded(ts_rx *x, const uint32_t key[3], ts_str *out) TS_NODISCARD;
ts_status ts_rx_need_folds(ts_rx *x) TS_NODISCARD;
#endif
