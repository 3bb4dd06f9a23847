/* What a rank has sent, by group of the mesh and kind of call: one table for real communicators and
 * simulated ones. */
#ifndef TS_DIST_TRAFFIC_H
#define TS_DIST_TRAFFIC_H
#include "base/json.h"
#include "dist/mesh.h"

typedef struct ts_group_traffic {
    const char *group; /* "dp"; NULL ends the list */
    ts_comm_traffic sum, by[TS_COLLECTIVES];
} ts_group_traffic;

enum { TS_TRAFFIC_GROUPS = TS_MESH_DIMS + 10 };
/* The world first, named "dp" where samples alone are shared out; then the mesh's groups of several
 * ranks. */
typedef struct ts_traffic {
    ts_group_traffic group[TS_TRAFFIC_GROUPS + 1];
} ts_traffic;

/* All that has been sent so far. */
ts_traffic ts_mesh_traffic(const ts_mesh *m);
/* A group beside the mesh's; NULL or one process: nothing. */
void ts_traffic_add_group(ts_traffic *t, const ts_comm *c);
/* a += n * b; both of one mesh, or a is empty. */
void ts_mesh_traffic_add(ts_traffic *a, double n, const ts_traffic *b);
/* {"tp": {"calls": .., "messages": .., "bytes": .., "by": {"all-reduce": {the same}, ...}}, ...}, kinds
 * that there were. NULL: no memory. */
json_t *ts_traffic_json(const ts_traffic *t);
/* The same as rows of text, "group tp  all-reduce  48 calls ...". */
ts_status ts_traffic_table(const ts_traffic *t, ts_str *out) TS_NODISCARD;
#endif
