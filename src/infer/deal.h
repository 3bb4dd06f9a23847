/* Lines that are dealt to several processes, and what became of them, brought together in the order of the lines. */
#ifndef TS_INFER_DEAL_H
#define TS_INFER_DEAL_H
#include "dist/gather_text.h"

/* Whether line `number`, from 0, is this process's. */
static inline bool ts_deal_is_mine(const ts_comm *c, int64_t number) { return number % c->size == c->rank; }
/* What became of a line of this process; lines in ascending order, each once at most. */
ts_status ts_deal_put(ts_str *own, int64_t number, const char *s, size_t n) TS_NODISCARD;
/* Collective: on rank 0 `line` is called for each line of all processes in their order. The bytes of `own` are given up. */
ts_status ts_deal_collect(ts_comm *c, ts_str *own, ts_status (*line)(void *ctx, const char *s, size_t n),
                          void *ctx) TS_NODISCARD;
#endif
