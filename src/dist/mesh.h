/* The processes of a job as a mesh of named dimensions, in Megatron's order (tp-cp-ep-dp-pp): the
 * ranks of a tensor-parallel group are neighbours, those of a pipeline furthest apart; or in its other
 * one (tp-cp-ep-pp-dp), where those that share out samples are.
 *
 *   rank = ((pp * DP + dp) * CP + cp) * TP + tp         DP = world / (TP * CP * PP)
 *   rank = ((dp * PP + pp) * CP + cp) * TP + tp         with pp_before_dp
 *
 * Layers of experts see the ranks of a stage in another way: those of an etp group have pieces of the same
 * experts, those of an ep group different ones, and those of an expert-dp group the same:
 *
 *   (dp * CP + cp) * TP + tp = (edp * EP + ep) * ETP + etp        ETP is TP, or less
 *
 * A tensor-parallel group may be a mesh itself: tp = tp_y * TP_X + tp_x.
 *
 * 16 ranks, TP 2, PP 4 (so DP 2), EP 2:     tp   [0 1] [2 3] [4 5] ...     dp, ep  [0 2] [1 3] ...
 *                                           pp   [0 4 8 12] [1 5 9 13] ... */
#ifndef TS_DIST_MESH_H
#define TS_DIST_MESH_H
#include "dist/comm.h"

typedef enum ts_mesh_dim {
    TS_MESH_TP,        /* pieces of a tensor */
    TS_MESH_CP,        /* pieces of a sequence */
    TS_MESH_EP,        /* experts */
    TS_MESH_ETP,       /* pieces of an expert */
    TS_MESH_DP,        /* samples */
    TS_MESH_PP,        /* stages of layers */
    TS_MESH_DP_CP,     /* all that hold the same weights: dp and cp together, cp the faster */
    TS_MESH_EXPERT_DP, /* all that hold the same experts, or the same pieces of them */
    TS_MESH_EXPERTS,   /* ep and etp together, etp the faster: who have all experts between them */
    TS_MESH_TP_X,      /* neighbours of a tp group that is itself a mesh of two dimensions */
    TS_MESH_TP_Y,      /* those of it that stand alike among their neighbours */
    TS_MESH_EP_NEAR,   /* neighbours of an ep group that is itself a mesh of two dimensions */
    TS_MESH_EP_FAR,    /* those of it that stand alike among their neighbours */
    TS_MESH_DIMS,
} ts_mesh_dim;
#define TS_MESH_PP_BACK "pp-back" /* the name of the group of pp_back */

typedef struct ts_mesh_shape {
    int tp, cp, ep, pp; /* 0 is 1; dp is what is left of the world */
    int etp;            /* 0: tp */
    int tp_x;           /* a tp group is tp_x times tp / tp_x; 0: it is no such mesh */
    int ep_near;        /* an ep group is ep_near times ep / ep_near; 0: likewise */
    bool pp_before_dp;  /* the other order; experts with stages then need an EP of CP */
} ts_mesh_shape;

typedef struct ts_mesh {
    ts_comm *world;              /* borrowed */
    const struct ts_line *line;  /* where the world is one of two networks (dist/line.h); else NULL */
    bool pp_before_dp;
    int size[TS_MESH_DIMS];      /* ranks in a group of the dimension */
    int at[TS_MESH_DIMS];        /* where this rank stands in its own: its rank in comm */
    /* its own group of each. TP_X and TP_Y are NULL without tp_x, EP_NEAR and EP_FAR without ep_near; DP is the
     * world where it is all of it, DP_CP is DP where cp is 1; ETP is TP and EXPERT_DP is DP_CP where they are the
     * same ranks; EXPERTS is that of its two dimensions which has more than one rank */
    ts_comm *comm[TS_MESH_DIMS];
    ts_comm *pp_back; /* the pp group once more: gradients that go back through it have an order of
                         their own; NULL where there is one stage */
    ts_comm *embd;    /* the first and the last of its stages, which both have the embedding where the
                         output layer is tied to it; NULL on others, and where there is one stage */
    ts_comm **blocks; /* [n_blocks] as embd, of stages with layers that share weights (ts_mesh_join_stages) */
    int n_blocks;
} ts_mesh;

/* Every rank of the world calls; on a simulated world (comm_sim) the mesh is a simulated one. Sizes
 * that do not divide the world are TS_ERR_USER. */
ts_status ts_mesh_create(ts_comm *world, const ts_mesh_shape *shape, ts_mesh **out) TS_NODISCARD;
void ts_mesh_destroy(ts_mesh **mesh);
/* Collective: these n of the stages have the same weights; the group of them that stand alike is the next of m->blocks,
 * NULL where n is 1 and on other stages. */
ts_status ts_mesh_join_stages(ts_mesh *m, const int *stage, int n) TS_NODISCARD;
/* Sizes alone, of a mesh of so many processes: no communicators. As above it may be TS_ERR_USER. */
ts_status ts_mesh_measure(int processes, const ts_mesh_shape *shape, ts_mesh *m) TS_NODISCARD;

/* Whether other ranks hold the same experts than hold the same weights otherwise. */
static inline bool ts_mesh_parts_experts(const ts_mesh *m)
{
    return m->size[TS_MESH_EP] > 1 || m->size[TS_MESH_ETP] != m->size[TS_MESH_TP];
}
/* Of any rank of the world: where it stands in its group of the dimension, and the rank that stands
 * at `at` there. */
int ts_mesh_at(const ts_mesh *m, ts_mesh_dim dim, int rank);
int ts_mesh_rank(const ts_mesh *m, ts_mesh_dim dim, int rank, int at);
const char *ts_mesh_dim_name(ts_mesh_dim dim); /* of its communicator: "tp", "dp-cp", ... */

/* The neighbours of this rank's stage, as ranks of comm[TS_MESH_PP]. In a ring: behind the last
 * stage comes the first, which is what an interleaved schedule sends to. */
static inline int ts_mesh_next_stage(const ts_mesh *m)
{
    return (m->at[TS_MESH_PP] + 1) % m->size[TS_MESH_PP];
}

static inline int ts_mesh_previous_stage(const ts_mesh *m)
{
    return (m->at[TS_MESH_PP] + m->size[TS_MESH_PP] - 1) % m->size[TS_MESH_PP];
}

static inline bool ts_mesh_is_first_stage(const ts_mesh *m) { return m->at[TS_MESH_PP] == 0; }

static inline bool ts_mesh_is_last_stage(const ts_mesh *m)
{
    return m->at[TS_MESH_PP] == m->size[TS_MESH_PP] - 1;
}
#endif
