/* Which process has which experts, as a user says it. A layer's experts stand one after another, those of the first
 * process first; without a word expert e stands e-th.
 *
 *   [[0, 5], [3, 1], [2, 4]]            of each process its experts, in all layers
 *   { "2": [[0, 5], ...], "7": ... }    of these layers (from 0); others as numbered */
#ifndef TS_PARALLEL_PLACEMENT_H
#define TS_PARALLEL_PLACEMENT_H
#include "model/arch.h"

typedef struct ts_placement {
    int64_t experts;
    /* [layers, experts], of all layers of any kind: where each expert stands, and which expert stands there; NULL: nothing
     * was said */
    int32_t *place, *order;
} ts_placement;

/* value: such a text in JSON, or the name of a file of it; of an option of this name. TS_ERR_USER: it is neither, or does
 * not give each of so many processes as many experts of a layer, each once, or names a layer without experts. */
ts_status ts_placement_read(const char *option, const char *value, const ts_arch *a, int64_t processes,
                            ts_placement *out) TS_NODISCARD;
void ts_placement_deinit(ts_placement *p);
#endif
