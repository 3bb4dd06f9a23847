/* Fields out of a record, a JSON object on a line, without building the values. Of fields that are
 * not asked for nothing is needed but where they end, so there whatever Python's json module writes
 * will do (NaN, Infinity, numbers of any size, halves of surrogate pairs), and bytes that are not
 * UTF-8 too. */
#ifndef TS_IO_JSON_FIELDS_H
#define TS_IO_JSON_FIELDS_H
#include "base/json.h"

typedef enum ts_json_kind {
    TS_JSON_ABSENT,
    TS_JSON_TEXT,  /* a string: valid UTF-8 without escapes */
    TS_JSON_OTHER, /* any other value, as it is written */
} ts_json_kind;

typedef struct ts_json_field {
    const char *s; /* in the line, or in the buffer below */
    size_t n;
    ts_json_kind kind;
} ts_json_field;

/* Zero-initialise; the memory is kept from line to line. */
typedef struct ts_json_fields {
    ts_json_field *v; /* of the line read last, by the number of the key */
    size_t cap;
    ts_str memory;
} ts_json_fields;
void ts_json_fields_deinit(ts_json_fields *f);

/* The keys' fields of the object s[0..n); of a key that is there twice the last one. Text that is
 * no JSON object, and a string among the fields that is not Unicode, are TS_ERR_USER. */
ts_status ts_json_fields_read(ts_json_fields *f, const char *s, size_t n, const char *const *keys,
                              size_t n_keys) TS_NODISCARD;
/* The same, and all of them must be strings. option: where the keys come from, for the message;
 * may be NULL. */
ts_status ts_json_texts_read(ts_json_fields *f, const char *s, size_t n, const char *const *keys,
                             size_t n_keys, const char *option) TS_NODISCARD;
/* The same as an object (json_decref) that has those of the keys that are there. */
ts_status ts_json_fields_object(ts_json_fields *f, const char *s, size_t n,
                                const char *const *keys, size_t n_keys, json_t **out) TS_NODISCARD;
#endif
