/* Bytes of a text among its ids: followed on the text's way through the tokenizer, where it is cut, normalised and
 * rewritten. Idle (no cost but a comparison a stretch) where nothing was asked. */
#ifndef TS_TEXT_MARKS_H
#define TS_TEXT_MARKS_H
#include "text/ids.h"
#include "text/model/model.h"
#include "text/normalize/normalize.h"
#include "text/pretoken/pretoken.h"
#include "text/tokenizer.h"

/* Zero is idle. */
typedef struct ts_marks {
    ts_text_mark *v; /* borrowed */
    size_t *pos;     /* where each stands in the stretch as it is now */
    size_t cap;
    size_t over, from; /* the first that waits for its token of either kind */
    size_t end;        /* those before it lie in this stretch */
    ts_str buf[2];
} ts_marks;
void ts_marks_deinit(ts_marks *m);

ts_status ts_marks_begin(ts_marks *m, ts_text_mark *v, size_t n) TS_NODISCARD;
/* At the end of all: what is left stands behind the last id. */
void ts_marks_finish(ts_marks *m, size_t n_ids);
static inline bool ts_marks_wait(const ts_marks *m) { return m->over < m->end || m->from < m->end; }

/* Goes into the stretch [begin, end) of the present one, the text s; n_ids: ids so far; trims: as ts_marks_piece has
 * it. What ts_marks_leave needs. */
size_t ts_marks_enter(ts_marks *m, const char *s, size_t begin, size_t end, bool trims, size_t n_ids);
void ts_marks_leave(ts_marks *m, size_t outer, size_t n_ids);
/* Token number `index` stands at [begin, end) of the stretch. */
void ts_marks_token(ts_marks *m, size_t begin, size_t end, size_t index);

/* The stretch s became `text`, by the normalizer; by the pre-tokenizer (whose work space is used). Within what became
 * one character or was rewritten as a whole, a mark moves to an end of it. */
ts_status ts_marks_normalized(ts_marks *m, const ts_normalizer *nm, const char *s, const char *text,
                              size_t n) TS_NODISCARD;
ts_status ts_marks_rewritten(ts_marks *m, const ts_pretoken *p, const ts_unicode *u, ts_pre_work *w, const char *s,
                             bool first) TS_NODISCARD;
/* Marks stand in `text` as ts_sp_normalize's text of what is in front of them. */
typedef ts_status ts_marks_way(const void *ctx, const char *s, size_t n, ts_str *out);
ts_status ts_marks_moved(ts_marks *m, ts_marks_way *way, const void *ctx, const char *s, const char *text,
                         size_t n) TS_NODISCARD;
/* Ids [first, ids->n) are those of the piece s[0..n) at `off`. trims: blanks around a word are no part of its
 * token. */
void ts_marks_piece(ts_marks *m, const ts_token_model *model, bool trims, const char *s, size_t n, size_t off,
                    const ts_ids *ids, size_t first);
#endif
