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
#include "dist/comm_call.h"

typedef struct ts_comm_traffic {
    int64_t calls, messages; /* messages and bytes that one rank sends */
    double bytes;
    double seconds; /* of a simulated link; 0 of a real one */
} ts_comm_traffic;

/* Of one call, to rank `rank` of `size`. calls is 1. */
ts_comm_traffic ts_call_cost(const ts_comm_call *call, int rank, int size);
void ts_traffic_add(ts_comm_traffic *sum, const ts_comm_traffic *t);
#endif
