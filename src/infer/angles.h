/* Rotary angles that depend on how long a sequence is, as generation sees them. */
#ifndef TS_INFER_ANGLES_H
#define TS_INFER_ANGLES_H
#include "model/arch.h"

/* Angles of sequences of more tokens depend on their length (INT64_MAX: never). */
int64_t ts_angles_alone_above(const ts_arch *a);
/* Whether all angles of a sequence are others when it grows to n tokens. */
bool ts_angles_change_at(const ts_arch *a, int64_t n);
/* The length to make tables for: one value for all lengths that have the same tables. */
int64_t ts_angles_length(const ts_arch *a, int64_t n);
#endif
