/* What a collective sends by the usual algorithms: one account for every kind of communicator, so
 * that a simulated job and a real one print the same table. */
#ifndef TS_DIST_COMM_COST_H
#define TS_DIST_COMM_COST_H
#include "dist/comm.h"

typedef enum ts_collective {
    TS_ALL_REDUCE,     /* ring: 2 (p-1) messages, 2 (p-1)/p of the array */
    TS_REDUCE_SCATTER, /* ring: p-1 messages, (p-1)/p of the array */
    TS_ALL_GATHER,     /* ring: p-1 messages, (p-1)/p of the result */
    TS_ALL_TO_ALL,     /* direct: p-1 messages, what is sent to others */
    TS_BROADCAST,      /* ring in pieces: about one message and one array a rank */
    TS_BARRIER,        /* dissemination: ceil(log2 p) empty messages */
    TS_COLLECTIVES,
} ts_collective;

/* bytes: the whole array (ALL_REDUCE, REDUCE_SCATTER, ALL_GATHER's result, BROADCAST) or what this
 * rank sends to others (ALL_TO_ALL). Messages and bytes that one rank sends; calls is 1. */
ts_comm_traffic ts_collective_cost(ts_collective what, int size, double bytes);
void ts_traffic_add(ts_comm_traffic *sum, const ts_comm_traffic *t);
const char *ts_collective_name(ts_collective what);
size_t ts_comm_type_size(ts_comm_type t);
#endif
