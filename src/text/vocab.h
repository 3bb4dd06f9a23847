/* Tokens and their ids: text to id by an open-addressing hash, id to text by an array. */
#ifndef TS_TEXT_VOCAB_H
#define TS_TEXT_VOCAB_H
#include "base/str.h"

enum {
    TS_VOCAB_MAX_ID = 10000000
}; /* a file that claims more is refused: the array must stay small */

typedef struct ts_vocab_entry {
    size_t off; /* into text */
    uint32_t len;
    int32_t id;
} ts_vocab_entry;

typedef struct ts_vocab {
    ts_str text; /* all tokens, each followed by a NUL */
    ts_vocab_entry *entry;
    size_t n, cap;
    uint64_t *slot; /* upper half of the hash << 32 | entry + 1, 0: empty */
    size_t slots;   /* a power of two */
    uint64_t *known; /* a bit for each hash of a text, 8 to a slot */
    uint32_t *by_id; /* entry + 1, 0: a hole */
    size_t n_ids, by_id_cap;
} ts_vocab;

/* Room for n tokens without re-hashing. */
ts_status ts_vocab_reserve(ts_vocab *v, size_t n) TS_NODISCARD;
/* A text given twice keeps its last id, an id given twice its last text. Ids outside
 * [0, TS_VOCAB_MAX_ID) are TS_ERR_USER. */
ts_status ts_vocab_add(ts_vocab *v, const char *s, size_t n, int64_t id) TS_NODISCARD;
int32_t ts_vocab_find(const ts_vocab *v, const char *s, size_t n); /* -1: none */
/* NULL: no such id. Borrowed, NUL-terminated; len may be NULL. */
/* The same with the text's ts_hash_bytes, quicker where most texts are none of the vocabulary's;
 * some time after ts_vocab_fetch it need not wait for memory. */
int32_t ts_vocab_find_rare(const ts_vocab *v, const char *s, size_t n, uint64_t hash);
/* Whether ts_vocab_find would say id. */
bool ts_vocab_is(const ts_vocab *v, int32_t id, const char *s, size_t n);
void ts_vocab_fetch(const ts_vocab *v, uint64_t hash);
const char *ts_vocab_text(const ts_vocab *v, int32_t id, size_t *len);
void ts_vocab_deinit(ts_vocab *v);
#endif
