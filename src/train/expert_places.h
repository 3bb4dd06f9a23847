/* Experts that move between processes, so that these have as much to do: of each layer the busiest go to who has least
 * (MindSpeed's expert placement; Zhai et al., SmartMoE, USENIX ATC 2023). What is computed does not depend on where
 * experts are, and what is saved does not show it. An expert stays the n-th of its process, as it was at
 * first: n-th ones change places, whose masters and moments lie alike on those that share out state. */
#ifndef TS_TRAIN_EXPERT_PLACES_H
#define TS_TRAIN_EXPERT_PLACES_H
#include "train/experts.h"
#include "train/optimizer.h"

typedef struct ts_expert_places_options {
    bool moves;
    int64_t every;  /* steps between two looks */
    double fall;    /* of the coefficient of variation of processes' loads in a layer, for which it is worth while; 0: any */
} ts_expert_places_options;

typedef struct ts_expert_places {
    ts_expert_places_options o;
    const ts_expert_load *load; /* whose layers they are */
    ts_optimizer *optim;        /* what has what moves */
    ts_comm *comm;              /* who share out experts; NULL: nothing moves */
    bool speaks, is_home;
    int64_t steps;
    double *mean;       /* [layers][experts] decaying averages of loads */
    int32_t *owner;     /* [layers][experts] whose each is */
    int32_t *base;      /* [layers][experts] where it stands when nothing has moved */
    int32_t *place;     /* [layers][experts] where it stands: what layers borrow */
} ts_expert_places;

/* Borrows all. What cannot be moved is TS_ERR_USER (state in few bits). */
ts_status ts_expert_places_init(ts_expert_places *x, const ts_expert_places_options *o, const ts_expert_load *load,
                                ts_optimizer *optim, const ts_mesh *mesh) TS_NODISCARD;
void ts_expert_places_deinit(ts_expert_places *x);
static inline bool ts_expert_places_moves(const ts_expert_places *x) { return x->comm != NULL; }
/* Whether the next step is one behind which experts may move; values must be gathered then. */
bool ts_expert_places_looks(const ts_expert_places *x);
/* Behind a step, which has this report. Collective. */
ts_status ts_expert_places_step(ts_expert_places *x, const ts_expert_report *r) TS_NODISCARD;
/* All are where they were at first, for who reads parameters; and then, if so, where they were. Collective. */
ts_status ts_expert_places_home(ts_expert_places *x) TS_NODISCARD;
ts_status ts_expert_places_back(ts_expert_places *x) TS_NODISCARD;
#endif
