/* Texts out of a line of JSON without building the values: what a corpus of JSON lines needs. It
 * reads plain objects only; whatever is unusual, wrong or rare it leaves to the JSON library, which
 * also has the messages. */
#ifndef TS_TEXT_JSON_FIELDS_H
#define TS_TEXT_JSON_FIELDS_H
#include "base/str.h"

typedef struct ts_json_field {
    const char *s; /* valid UTF-8 without escapes, in the line or in the buffer below */
    size_t n;
} ts_json_field;

/* Zero-initialise; `memory` is kept from line to line. */
typedef struct ts_json_fields {
    ts_str memory;
} ts_json_fields;
void ts_json_fields_deinit(ts_json_fields *f);

/* found: s[0..n) is a JSON object, every part of which was checked, that has each of the keys once
 * with a string as its value: field[k] is keys[k]'s. Otherwise the line must be read by other
 * means. unique: no object in it has a key twice. */
ts_status ts_json_fields_read(ts_json_fields *f, const char *s, size_t n, const char *const *keys,
                              size_t n_keys, bool unique, ts_json_field *field,
                              bool *found) TS_NODISCARD;
#endif
