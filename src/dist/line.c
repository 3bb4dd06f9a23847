#include "dist/line.h"

/* ---- made ---- */

static ts_status measure(ts_line *l, const int *processes, const ts_mesh_shape *shape)
{
    for (int k = 0; k < TS_LINE_NETWORKS; k++)
        TS_TRY(ts_mesh_measure(processes[k], &shape[k], &l->sizes[k]));
    const int a = l->sizes[0].size[TS_MESH_DP], b = l->sizes[1].size[TS_MESH_DP];
    if (processes[0] + processes[1] != l->all->size)
        return ts_error(TS_ERR_USER, "networks on %d and %d processes: there are %d", processes[0], processes[1],
                        l->all->size);
    if (a != b)
        return ts_error(TS_ERR_USER, "networks of %d and %d replicas: both must share out the batch over as many",
                        a, b);
    return TS_OK;
}

static ts_status make_own(ts_line *l, const int *processes, const ts_mesh_shape *shape)
{
    const int n = processes[l->network];
    int *ranks;
    ts_status st = ts_alloc(&ranks, (size_t)n, sizeof *ranks);
    TS_TRY(ts_comm_agree(l->all, st));
    for (int i = 0; i < n; i++)
        ranks[i] = l->first[l->network] + i;
    st = ts_comm_group(l->all, "network", ranks, n, &l->own);
    ts_free(&ranks);
    TS_TRY(st);
    TS_TRY(ts_comm_agree(l->all, ts_mesh_create(l->own, &shape[l->network], &l->mesh)));
    l->mesh->line = l;
    return TS_OK;
}

/* Processes of a network's stage, of one replica. */
static int of_stage(const ts_mesh *m) { return m->size[TS_MESH_TP] * m->size[TS_MESH_CP]; }

/* Those of network k at the border, of the replica that this process is in, from ranks on. */
static int *put_side(const ts_line *l, int k, int *ranks)
{
    const ts_mesh *m = &l->sizes[k];
    const int stage = k == 0 ? m->size[TS_MESH_PP] - 1 : 0, dp = l->mesh->at[TS_MESH_DP];
    const int r = ts_mesh_rank(m, TS_MESH_DP, ts_mesh_rank(m, TS_MESH_PP, 0, stage), dp);
    for (int i = 0; i < of_stage(m); i++)
        *ranks++ = l->first[k] + ts_mesh_rank(m, TS_MESH_TP, ts_mesh_rank(m, TS_MESH_CP, r, i / m->size[TS_MESH_TP]),
                                              i % m->size[TS_MESH_TP]);
    return ranks;
}

static ts_status make_seam(ts_line *l)
{
    const bool is_at_it = l->network == 0 ? ts_mesh_is_last_stage(l->mesh) : ts_mesh_is_first_stage(l->mesh);
    const int n = of_stage(&l->sizes[0]) + of_stage(&l->sizes[1]);
    int *ranks;
    ts_status st = ts_alloc(&ranks, (size_t)n, sizeof *ranks);
    TS_TRY(ts_comm_agree(l->all, st));
    put_side(l, 1, put_side(l, 0, ranks));
    st = ts_comm_group(l->all, "seam", ranks, is_at_it ? n : 0, &l->seam);
    if (st == TS_OK)
        st = ts_comm_group(l->all, "seam-back", ranks, is_at_it ? n : 0, &l->seam_back);
    ts_free(&ranks);
    return st;
}

ts_status ts_line_create(ts_comm *world, const int processes[TS_LINE_NETWORKS],
                         const ts_mesh_shape shape[TS_LINE_NETWORKS], ts_line **out)
{
    ts_line *l = NULL;
    ts_status st = ts_alloc(&l, 1, sizeof *l);
    TS_TRY_TO(fail, st, ts_comm_agree(world, st));
    l->all = world;
    l->first[1] = processes[0];
    l->network = world->rank >= processes[0];
    TS_TRY_TO(fail, st, measure(l, processes, shape));
    TS_TRY_TO(fail, st, make_own(l, processes, shape));
    TS_TRY_TO(fail, st, make_seam(l));
    *out = l;
    return TS_OK;
fail:
    ts_line_destroy(&l);
    return st;
}

void ts_line_destroy(ts_line **line)
{
    ts_line *l = *line;
    if (!l)
        return;
    ts_comm_destroy(&l->seam_back);
    ts_comm_destroy(&l->seam);
    ts_mesh_destroy(&l->mesh);
    ts_comm_destroy(&l->own);
    ts_free(line);
}

/* ---- used ---- */

int ts_line_stages(const ts_mesh *m)
{
    int n = 0;
    for (int k = 0; m->line && k < TS_LINE_NETWORKS; k++)
        n += m->line->sizes[k].size[TS_MESH_PP];
    return m->line ? n : m->size[TS_MESH_PP];
}

int ts_line_first_stage(const ts_mesh *m)
{
    return m->line && m->line->network ? m->line->sizes[0].size[TS_MESH_PP] : 0;
}

const ts_mesh *ts_line_end(const ts_mesh *m, int *first)
{
    *first = m->line ? m->line->first[TS_LINE_NETWORKS - 1] : 0;
    return m->line ? &m->line->sizes[TS_LINE_NETWORKS - 1] : m;
}

ts_status ts_line_tell(const ts_mesh *m, void *v, int64_t n, ts_comm_type t)
{
    return m->line ? ts_comm_run(m->line->all, ts_broadcast(v, n, t, m->line->first[TS_LINE_NETWORKS - 1])) : TS_OK;
}
