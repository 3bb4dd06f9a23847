/* Sets of characters, as sorted ranges, and what tokenizers' patterns call by name: general
 * categories, scripts, blocks and other properties of Unicode 16.0. */
#ifndef TS_TEXT_REGEX_CHARSET_H
#define TS_TEXT_REGEX_CHARSET_H
#include "base/mem.h"

enum { TS_CHAR_MAX = 0x10FFFF };

typedef struct ts_char_range {
    uint32_t lo, hi;
} ts_char_range;

typedef struct ts_charset {
    ts_char_range *r;
    size_t n, cap;
    bool is_mixed; /* ranges were added that do not stand in order */
} ts_charset;

void ts_charset_deinit(ts_charset *s);
void ts_charset_reset(ts_charset *s); /* empty, memory kept */
ts_status ts_charset_add(ts_charset *s, uint32_t lo, uint32_t hi) TS_NODISCARD;
/* Sorts and joins ranges; the functions below do it themselves. */
void ts_charset_settle(ts_charset *s);
ts_status ts_charset_unite(ts_charset *s, ts_charset *with) TS_NODISCARD;
ts_status ts_charset_copy(ts_charset *s, ts_charset *from) TS_NODISCARD;
ts_status ts_charset_intersect(ts_charset *s, ts_charset *with) TS_NODISCARD;
ts_status ts_charset_invert(ts_charset *s) TS_NODISCARD;
bool ts_charset_has(ts_charset *s, uint32_t c);
bool ts_charset_holds(ts_charset *s, ts_charset *part); /* whether all of part is in s */

/* General categories: bits of UTF8PROC_CATEGORY_ values. */
#define TS_CATEGORY_BIT(cat) (1u << (cat))
ts_status ts_charset_add_categories(ts_charset *s, uint32_t bits) TS_NODISCARD;

/* Whose names: the two libraries know different ones and mean different things by some. */
typedef enum ts_dialect {
    TS_DIALECT_ONIGURUMA, /* of tokenizer.json */
    TS_DIALECT_RUST,      /* of tiktoken */
} ts_dialect;

/* Adds the characters of \p{name}; *found: whether there is such a name. */
ts_status ts_charset_add_property(ts_charset *s, ts_dialect dialect, const char *name, size_t n,
                                  bool *found) TS_NODISCARD;

/* Characters that are one when case does not count: groups with the same full folding. */
typedef struct ts_fold {
    uint32_t key[3]; /* the folding, 0 behind its end */
    uint32_t c;
} ts_fold;
typedef struct ts_folds {
    ts_fold *v; /* sorted by key; characters that fold to themselves are there when others do */
    size_t n, cap;
} ts_folds;
ts_status ts_folds_init(ts_folds *f) TS_NODISCARD;
void ts_folds_deinit(ts_folds *f);
/* Adds all characters that fold to key; *found: whether there are any. */
ts_status ts_folds_add(const ts_folds *f, const uint32_t key[3], ts_charset *s,
                       bool *found) TS_NODISCARD;
/* Adds what is equal to a member when case does not count. */
ts_status ts_folds_close(const ts_folds *f, ts_charset *s) TS_NODISCARD;
#endif
