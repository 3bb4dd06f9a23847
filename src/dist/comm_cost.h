/* What a collective sends by the usual algorithms: one account for every kind of communicator, so
 * that a simulated job and a real one print the same table.
 *
 *   all-reduce      ring: 2 (p-1) messages, 2 (p-1)/p of the array
 *   reduce-scatter  ring: p-1 messages, (p-1)/p of the array
 *   all-gather      ring: p-1 messages, (p-1)/p of the result
 *   all-to-all      direct: p-1 messages, what is sent to others
 *   broadcast       ring in pieces: about one message and one array a rank
 *   barrier         dissemination: ceil(log2 p) empty messages
 *   send            one message, the array; it costs its receiver nothing  */
#ifndef TS_DIST_COMM_COST_H
#define TS_DIST_COMM_COST_H
#include "dist/comm.h"

/* Messages and bytes that this rank sends; calls is 1. */
ts_comm_traffic ts_call_cost(const ts_comm *c, const ts_comm_call *call);
void ts_traffic_add(ts_comm_traffic *sum, const ts_comm_traffic *t);
const char *ts_collective_name(ts_collective what);
size_t ts_comm_type_size(ts_comm_type t);
#endif
