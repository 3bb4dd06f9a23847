/* Who has which page of a cache of keys and values, and which pages begin texts that may come again.
 *
 * A page holds TS_ENGINE_PAGE tokens of one sequence or of several that begin alike. A full page may be kept under the
 * text that it ends: its tokens, and the page before it. Whoever comes with the same text finds it, tokens being
 * compared and not their hashes. When nobody has it any more it stays until its room is needed; who was given back
 * longest ago goes first. */
#ifndef TS_INFER_PAGES_H
#define TS_INFER_PAGES_H
#include "infer/engine.h"

typedef struct ts_pages ts_pages;

ts_status ts_pages_create(ts_pages **out) TS_NODISCARD;
void ts_pages_destroy(ts_pages **p);
/* So many in all, as many as before or more. */
ts_status ts_pages_grow(ts_pages *p, int64_t pages) TS_NODISCARD;
int64_t ts_pages_count(const ts_pages *p);
/* That can be taken: nobody has them. */
int64_t ts_pages_free(const ts_pages *p);
/* Pages that are kept under a text and that nobody has. */
int64_t ts_pages_idle(const ts_pages *p);

/* A page of one's own; false: there is none. */
bool ts_pages_take(ts_pages *p, int32_t *page);
/* One holder less. */
void ts_pages_release(ts_pages *p, int32_t page);
/* Full pages of which ids [n] begin, to pages [n / TS_ENGINE_PAGE], each with one holder more; how many there are. */
int64_t ts_pages_find(ts_pages *p, const int32_t *ids, int64_t n, int32_t *pages);
/* Page pages[i] of a sequence is full and kept under its text, where the pages before it are and no other is under
 * the same. ids: of the sequence from its beginning. */
void ts_pages_keep(ts_pages *p, const int32_t *ids, const int32_t *pages, int64_t i);
#endif
