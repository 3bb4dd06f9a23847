/* The groups of processes that share out what belongs to the parameters they all train: of those that hold
 * the same ones (dp-cp of the mesh) consecutive runs share out, and the runs hold copies of each other. Experts
 * may be the same on other processes (expert-dp): these then are cut into as many runs. */
#ifndef TS_TRAIN_SHARERS_H
#define TS_TRAIN_SHARERS_H
#include "dist/traffic.h"
#include "parallel/sharing.h"

typedef struct ts_sharers {
    ts_sharing sharing;
    ts_comm *share;  /* who shares out: dp-cp, or a run of it */
    ts_comm *copies; /* who has the same shares; NULL: nobody else */
    ts_comm *expert_share, *expert_copies; /* of experts; share NULL: the same as of the rest */
    ts_comm *near;   /* LayerZeRO: who keeps values for each other between steps; NULL: nobody */
    bool is_part;    /* share is a run: its own communicator, and so is expert_share */
} ts_sharers;
/* Of experts, and of the rest. */
static inline ts_comm *ts_sharers_share(const ts_sharers *s, bool of_experts)
{
    return of_experts && s->expert_share ? s->expert_share : s->share;
}
static inline ts_comm *ts_sharers_copies(const ts_sharers *s, bool of_experts)
{
    return of_experts && s->expert_share ? s->expert_copies : s->copies;
}

/* Collective. Borrows the mesh. */
ts_status ts_sharers_init(ts_sharers *s, const ts_sharing *sharing, const ts_mesh *mesh) TS_NODISCARD;
void ts_sharers_deinit(ts_sharers *s);
/* What has been sent over the mesh and, where it is another group's, among sharers. s may be NULL. */
ts_traffic ts_sharers_traffic(const ts_sharers *s, const ts_mesh *m);
#endif
