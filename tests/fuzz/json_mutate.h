/* Mutations of JSON that keep it JSON: a target that has a grammar (keys, and values that the
 * parser knows for them) is fed documents that get past the first check. */
#ifndef TS_TESTS_FUZZ_JSON_MUTATE_H
#define TS_TESTS_FUZZ_JSON_MUTATE_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key and what may stand there. */
typedef struct fuzz_row {
    const char *key;
    const char *values; /* a JSON list */
    const char *type;   /* it goes into objects with this "type"; NULL: into any */
} fuzz_row;

/* A mutation of the target's own; false: there was nothing to do it to. */
typedef bool fuzz_hook(json_t *root);

/* What a target with this mutator defines. */
extern const fuzz_row fuzz_rows[];    /* the last has no key; at most 128 */
extern fuzz_hook *const fuzz_hooks[]; /* the last is NULL */
/* First bytes that say what the JSON behind them is; or NULL. */
extern const char *const fuzz_kinds;

/* A number below n (n > 0), from the seed of the mutation under way. */
size_t fuzz_below(size_t n);
/* One of a key's values (NULL: no such key); the caller's. */
json_t *fuzz_value_of(const char *key);
/* Some text: one of the document's own, of the grammar's, or an odd character. Into buf. */
const char *fuzz_some_text(json_t *root, char *buf, size_t size);
#endif
