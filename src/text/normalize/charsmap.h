/* SentencePiece's precompiled character map: a double-array trie from text to its replacement. */
#ifndef TS_TEXT_NORMALIZE_CHARSMAP_H
#define TS_TEXT_NORMALIZE_CHARSMAP_H
#include "base/str.h"

typedef struct ts_charsmap {
    uint32_t *unit; /* [n_units] */
    size_t n_units;
    char *text; /* replacements, each with its NUL; one more NUL behind */
    size_t text_len;
    const char *ascii[128]; /* what a single character becomes, NULL: itself */
} ts_charsmap;

/* data: uint32 size of the trie in bytes, the trie, the replacements. `where` stands in
 * messages. */
ts_status ts_charsmap_init(ts_charsmap *m, const char *data, size_t n,
                           const char *where) TS_NODISCARD;
void ts_charsmap_deinit(ts_charsmap *m);
/* The replacement of the longest (or, with shortest, the shortest) text that s begins with,
 * NULL: none; *len is how much of s it stands for. Borrowed, NUL-terminated. */
const char *ts_charsmap_find(const ts_charsmap *m, const char *s, size_t n, bool shortest,
                             size_t *len);
#endif
