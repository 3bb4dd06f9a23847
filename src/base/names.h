/* Names and their numbers: a hash of texts, open addressing. The names of options, of parameters. */
#ifndef TS_BASE_NAMES_H
#define TS_BASE_NAMES_H
#include "base/mem.h"

typedef struct ts_names ts_names;

/* Room for n names at once; more may follow. */
ts_status ts_names_create(size_t n, ts_names **out) TS_NODISCARD;
void ts_names_destroy(ts_names **names);
/* Adds a name, of which a copy is kept. Its number is how many were there before. One that is there
 * is TS_ERR_USER; on any failure nothing changes. */
ts_status ts_names_add(ts_names *names, const char *name) TS_NODISCARD;
/* The number of a name, -1: none. */
int64_t ts_names_find(const ts_names *names, const char *name);
size_t ts_names_count(const ts_names *names);
/* The name of this number, which must be one that was added; valid until the next is added. */
const char *ts_names_text(const ts_names *names, size_t number);
#endif
