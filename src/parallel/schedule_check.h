/* Proves that a schedule is one: whatever made it. */
#ifndef TS_PARALLEL_SCHEDULE_CHECK_H
#define TS_PARALLEL_SCHEDULE_CHECK_H
#include "parallel/schedule.h"

/* TS_OK where
 * - each micro-batch passes each chunk of each stage once: a forward, behind it a backward or first
 *   its input and then its weight half, between forward and backward a recomputation where the
 *   forward says so and only there;
 * - a chunk's weight gradients come in the order of micro-batches, so that sums of them are the same
 *   in every schedule;
 * - messages of one direction from one stage to another are taken in the order in which they are
 *   sent;
 * - no stage waits for ever;
 * - stage r holds at most most[r] units (ts_schedule_holds); most NULL: any number.
 * Else TS_ERR_RUN with the stage, the unit and what is wrong with it. */
ts_status ts_schedule_check(const ts_schedule *s, const int64_t *most) TS_NODISCARD;
#endif
