/* Two networks in one pipeline, one behind the other, each on processes of its own with a mesh of its own
 * (MindSpeed's dist-train): of the ranks of a job the first are the first network's, the others the second's.
 *
 *   world 6:   network 0, tp 2           ranks [0 1]         its stage 0 is stage 0 of the pipeline
 *              network 1, tp 2, pp 2     ranks [2 3] [4 5]   its stages are 1 and 2
 *
 * Both share out samples over as many groups (dp), so that one replica of the one hands on to one of the
 * other. What is passed at the border goes over `seam`, between all processes of the first's last stage and all
 * of the second's first stage; parallel/seam.h says who has which rows. */
#ifndef TS_DIST_LINE_H
#define TS_DIST_LINE_H
#include "dist/mesh.h"

enum { TS_LINE_NETWORKS = 2 };

typedef struct ts_line {
    ts_comm *all;   /* all processes of the job; borrowed */
    ts_comm *own;   /* those of this process's network */
    ts_mesh *mesh;  /* of them; its line is this one */
    int network;    /* which one that is */
    int first[TS_LINE_NETWORKS];     /* rank in `all` of each one's first process */
    ts_mesh sizes[TS_LINE_NETWORKS]; /* of both: sizes alone, for ts_mesh_rank and ts_mesh_at */
    /* Of one replica: rank cp * TP + tp of the first's last stage, then those of the second's first one. NULL
     * on other stages. Gradients have a communicator of their own. */
    ts_comm *seam, *seam_back;
} ts_line;

/* processes: of each network; together they are the world. Collective. Sizes that do not divide them, or
 * other numbers of replicas, are TS_ERR_USER. */
ts_status ts_line_create(ts_comm *world, const int processes[TS_LINE_NETWORKS],
                         const ts_mesh_shape shape[TS_LINE_NETWORKS], ts_line **out) TS_NODISCARD;
void ts_line_destroy(ts_line **line);

/* ---- of any mesh, whether its network is alone or one of two ---- */

/* All processes of the job. */
static inline ts_comm *ts_mesh_all(const ts_mesh *m) { return m->line ? m->line->all : m->world; }
/* Stages of the whole pipeline, the one that is here, and the first that is of this network. */
int ts_line_stages(const ts_mesh *m);
int ts_line_first_stage(const ts_mesh *m);
static inline int ts_line_stage(const ts_mesh *m) { return ts_line_first_stage(m) + m->at[TS_MESH_PP]; }
/* The mesh of the network that has the pipeline's last stage, sizes alone, and the rank in ts_mesh_all of
 * its first process. */
const ts_mesh *ts_line_end(const ts_mesh *m, int *first);
/* Whether this process is of that network. */
static inline bool ts_line_is_end(const ts_mesh *m) { return !m->line || m->line->network + 1 == TS_LINE_NETWORKS; }
/* What the processes of that network know alike, to those of the other: n values. Nothing where there is no
 * other. Collective over all. */
ts_status ts_line_tell(const ts_mesh *m, void *v, int64_t n, ts_comm_type t) TS_NODISCARD;
#endif
