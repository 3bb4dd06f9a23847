/* How often a tape's records still have to add to each parameter's gradient: the count is the
 * tape's, so that several tapes may use one parameter. A hash of addresses, open addressing. */
#ifndef TS_OPS_USES_H
#define TS_OPS_USES_H
#include "tensor/param.h"

typedef struct ts_use {
    const ts_param *p; /* NULL: empty */
    int n;
} ts_use;

typedef struct ts_uses {
    ts_use *slot;
    size_t slots, used; /* a power of two; half of them empty at least */
} ts_uses;

void ts_uses_deinit(ts_uses *u);
/* Nothing is expected any more. */
void ts_uses_clear(ts_uses *u);
/* One more is expected. */
ts_status ts_uses_add(ts_uses *u, const ts_param *p) TS_NODISCARD;
/* One has come; returns how many are left. */
int ts_uses_come(ts_uses *u, const ts_param *p);
int ts_uses_left(const ts_uses *u, const ts_param *p);
#endif
