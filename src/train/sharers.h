/* The groups of processes that share out what belongs to the parameters they all train: of those that hold
 * the same ones (dp-cp of the mesh) consecutive runs share out, and the runs hold copies of each other. */
#ifndef TS_TRAIN_SHARERS_H
#define TS_TRAIN_SHARERS_H
#include "dist/traffic.h"
#include "parallel/sharing.h"

typedef struct ts_sharers {
    ts_sharing sharing;
    ts_comm *share;  /* who shares out: dp-cp, or a run of it */
    ts_comm *copies; /* who has the same shares; NULL: nobody else */
    ts_comm *near;   /* LayerZeRO: who keeps values for each other between steps; NULL: nobody */
    bool is_part;    /* share is a run: its own communicator */
} ts_sharers;

/* Collective. Borrows the mesh. */
ts_status ts_sharers_init(ts_sharers *s, const ts_sharing *sharing, const ts_mesh *mesh) TS_NODISCARD;
void ts_sharers_deinit(ts_sharers *s);
/* What has been sent over the mesh and, where it is another group's, among sharers. s may be NULL. */
ts_traffic ts_sharers_traffic(const ts_sharers *s, const ts_mesh *m);
#endif
