#include "dist/mesh.h"

/* Where a dimension stands in a rank's number: its groups are the ranks that differ by multiples of the
 * stride within stride * size. */
typedef struct digit {
    int stride, size;
} digit;

/* cp and dp are two digits, the lower first, of the dimension that is both of them; etp, ep and expert-dp cut
 * the same ranks another way:
 *
 *   rank    tp fastest | cp | dp            | pp        tp  | cp | pp | dp
 *           etp    | ep         | expert-dp | pp        etp | ep | pp | expert-dp
 *
 * In the other order that leaves the stages where they are only if etp is tp and ep is cp; or ep is 1, where
 * the same hold the same experts that hold the same weights. */
static int digits_of(const ts_mesh *m, ts_mesh_dim dim, digit d[2])
{
    const int *n = m->size, tp = n[TS_MESH_TP], cp = n[TS_MESH_CP], ep = n[TS_MESH_EP], etp = n[TS_MESH_ETP],
              pp = n[TS_MESH_PP], behind = m->pp_before_dp ? pp : 1;
    if (dim == TS_MESH_EXPERT_DP && !ts_mesh_parts_experts(m))
        dim = TS_MESH_DP_CP;
    d[0] = (digit){ 1, n[dim] };
    switch (dim) {
    case TS_MESH_TP:
    case TS_MESH_ETP:
    case TS_MESH_EXPERTS:
    case TS_MESH_TP_X: return 1;
    case TS_MESH_TP_Y: d[0].stride = n[TS_MESH_TP_X]; return 1;
    case TS_MESH_EP_NEAR: d[0].stride = etp; return 1;
    case TS_MESH_EP_FAR: d[0].stride = etp * n[TS_MESH_EP_NEAR]; return 1;
    case TS_MESH_CP: d[0].stride = tp; return 1;
    case TS_MESH_EP: d[0].stride = etp; return 1;
    case TS_MESH_DP: d[0].stride = tp * cp * behind; return 1;
    case TS_MESH_EXPERT_DP: d[0].stride = etp * ep * behind; return 1;
    case TS_MESH_PP: d[0].stride = tp * (m->pp_before_dp ? cp : n[TS_MESH_DP_CP]); return 1;
    default:
        d[0] = (digit){ tp, cp };
        d[1] = (digit){ tp * cp * behind, n[TS_MESH_DP] };
        return 2;
    }
}

int ts_mesh_at(const ts_mesh *m, ts_mesh_dim dim, int rank)
{
    digit d[2];
    int at = 0;
    for (int i = digits_of(m, dim, d) - 1; i >= 0; i--)
        at = at * d[i].size + rank / d[i].stride % d[i].size;
    return at;
}

int ts_mesh_rank(const ts_mesh *m, ts_mesh_dim dim, int rank, int at)
{
    digit d[2];
    const int n = digits_of(m, dim, d);
    for (int i = 0; i < n; i++) {
        rank += (at % d[i].size - rank / d[i].stride % d[i].size) * d[i].stride;
        at /= d[i].size;
    }
    return rank;
}

const char *ts_mesh_dim_name(ts_mesh_dim dim)
{
    static const char *const name[] = { "tp", "cp", "ep", "etp", "dp", "pp", "dp-cp", "expert-dp",
                                        "experts", "tp-x", "tp-y", "ep-near", "ep-far" };
    return name[dim];
}

static int or_one(int n) { return n ? n : 1; }

ts_status ts_mesh_measure(int world, const ts_mesh_shape *s, ts_mesh *m)
{
    const int64_t tp = or_one(s->tp), cp = or_one(s->cp), ep = or_one(s->ep), pp = or_one(s->pp);
    TS_ASSERT(tp > 0 && cp > 0 && ep > 0 && pp > 0, "a mesh of %lld x %lld x %lld x %lld",
              (long long)tp, (long long)cp, (long long)ep, (long long)pp);
    /* by steps: the product of what a user wrote may be anything */
    if (world % tp || world / tp % cp || world / tp / cp % pp)
        return ts_error(TS_ERR_USER,
                        "%d processes cannot be shared out: --tensor-model-parallel-size %lld "
                        "times --context-parallel-size %lld times --pipeline-model-parallel-size "
                        "%lld does not divide them",
                        world, (long long)tp, (long long)cp, (long long)pp);
    const int64_t same = world / tp / pp, etp = s->etp ? s->etp : tp;
    if (tp % etp || same * (tp / etp) % ep)
        return ts_error(TS_ERR_USER,
                        "%d processes cannot be shared out: --expert-model-parallel-size %lld times "
                        "--expert-tensor-parallel-size %lld does not divide the %lld that "
                        "--pipeline-model-parallel-size %lld leaves",
                        world, (long long)ep, (long long)etp, (long long)(same * tp), (long long)pp);
    TS_ASSERT(!s->pp_before_dp || pp == 1 || (etp == tp && (ep == 1 || ep == cp)),
              "stages before samples: %lld of experts, %lld of sequences", (long long)ep, (long long)cp);
    TS_ASSERT(!s->tp_x || tp % s->tp_x == 0, "%lld processes as a mesh, %d the one way", (long long)tp,
              s->tp_x);
    m->pp_before_dp = s->pp_before_dp;
    TS_ASSERT(!s->ep_near || ep % s->ep_near == 0, "%lld processes as a mesh, %d the one way", (long long)ep, s->ep_near);
    m->size[TS_MESH_EP_NEAR] = or_one(s->ep_near), m->size[TS_MESH_EP_FAR] = s->ep_near ? (int)ep / s->ep_near : 1;
    m->size[TS_MESH_TP_X] = or_one(s->tp_x), m->size[TS_MESH_TP_Y] = s->tp_x ? (int)tp / s->tp_x : 1;
    m->size[TS_MESH_TP] = (int)tp, m->size[TS_MESH_CP] = (int)cp, m->size[TS_MESH_EP] = (int)ep;
    m->size[TS_MESH_DP] = (int)(same / cp), m->size[TS_MESH_PP] = (int)pp;
    m->size[TS_MESH_ETP] = (int)etp, m->size[TS_MESH_EXPERTS] = (int)(ep * etp);
    m->size[TS_MESH_DP_CP] = (int)same, m->size[TS_MESH_EXPERT_DP] = (int)(same * (tp / etp) / ep);
    return TS_OK;
}

/* The dimension whose communicator it uses: both reduce gradients over the same groups. Dimensions
 * of different use stay apart where their groups happen to be the same: each has its own order of
 * calls, and its own row in tables. */
static ts_mesh_dim twin_of(const ts_mesh *m, ts_mesh_dim dim)
{
    if (dim == TS_MESH_EXPERT_DP && !ts_mesh_parts_experts(m))
        dim = TS_MESH_DP_CP;
    if (dim == TS_MESH_EXPERTS && m->size[TS_MESH_ETP] == 1)
        dim = TS_MESH_EP;
    if (dim == TS_MESH_EXPERTS && m->size[TS_MESH_EP] == 1)
        dim = TS_MESH_ETP;
    if (dim == TS_MESH_ETP && m->size[TS_MESH_ETP] == m->size[TS_MESH_TP])
        dim = TS_MESH_TP;
    if (dim == TS_MESH_DP_CP && m->size[TS_MESH_CP] == 1)
        dim = TS_MESH_DP;
    return dim;
}

/* A job that only shares out samples has one communicator, as it has one order of calls. */
static bool is_world(const ts_mesh *m, ts_mesh_dim dim)
{
    return dim == TS_MESH_DP && m->size[dim] == m->world->size;
}

static ts_status make_group(ts_mesh *m, ts_mesh_dim dim)
{
    const int n = m->size[dim];
    int *ranks;
    if (is_world(m, dim)) {
        m->comm[dim] = m->world;
        return TS_OK;
    }
    ts_status st = ts_alloc(&ranks, (size_t)n, sizeof *ranks);
    TS_TRY(ts_comm_agree(m->world, st));
    for (int i = 0; i < n; i++)
        ranks[i] = ts_mesh_rank(m, dim, m->world->rank, i);
    st = ts_comm_group(m->world, ts_mesh_dim_name(dim), ranks, n, &m->comm[dim]);
    ts_free(&ranks);
    return st;
}

/* Dimensions that are there only where another is itself a mesh. */
static bool is_wanted(const ts_mesh_shape *s, ts_mesh_dim dim)
{
    return dim == TS_MESH_TP_X || dim == TS_MESH_TP_Y       ? s->tp_x > 0
           : dim == TS_MESH_EP_NEAR || dim == TS_MESH_EP_FAR ? s->ep_near > 0
                                                             : true;
}

/* The groups beside the dimensions that a pipeline needs. */
static ts_status make_pipeline(ts_mesh *m)
{
    const int last = m->size[TS_MESH_PP] - 1, at = m->at[TS_MESH_PP];
    const int ends[] = { ts_mesh_rank(m, TS_MESH_PP, m->world->rank, 0),
                         ts_mesh_rank(m, TS_MESH_PP, m->world->rank, last) };
    int *ranks;
    if (last == 0)
        return TS_OK;
    ts_status st = ts_alloc(&ranks, (size_t)last + 1, sizeof *ranks);
    TS_TRY(ts_comm_agree(m->world, st));
    for (int i = 0; i <= last; i++)
        ranks[i] = ts_mesh_rank(m, TS_MESH_PP, m->world->rank, i);
    st = ts_comm_group(m->world, TS_MESH_PP_BACK, ranks, last + 1, &m->pp_back);
    ts_free(&ranks);
    TS_TRY(st);
    return ts_comm_group(m->world, "embd", ends, at == 0 || at == last ? 2 : 0, &m->embd);
}

ts_status ts_mesh_join_stages(ts_mesh *m, const int *stage, int n)
{
    size_t cap = (size_t)m->n_blocks;
    int *ranks = NULL;
    bool is_mine = false;
    ts_status st = ts_grow(&m->blocks, &cap, (size_t)m->n_blocks + 1, sizeof(ts_comm *));
    if (st == TS_OK)
        st = ts_alloc(&ranks, (size_t)n, sizeof *ranks);
    st = ts_comm_agree(m->world, st);
    for (int i = 0; st == TS_OK && i < n; i++) {
        ranks[i] = ts_mesh_rank(m, TS_MESH_PP, m->world->rank, stage[i]);
        is_mine = is_mine || stage[i] == m->at[TS_MESH_PP];
    }
    ts_comm *group = NULL;
    if (st == TS_OK && n > 1)
        st = ts_comm_group(m->world, "blocks", ranks, is_mine ? n : 0, &group);
    if (st == TS_OK)
        m->blocks[m->n_blocks++] = group;
    ts_free(&ranks);
    return st;
}

ts_status ts_mesh_create(ts_comm *world, const ts_mesh_shape *shape, ts_mesh **out)
{
    ts_mesh *m = NULL;
    ts_status st = ts_alloc(&m, 1, sizeof *m);
    TS_TRY_TO(fail, st, ts_comm_agree(world, st));
    m->world = world;
    TS_TRY_TO(fail, st, ts_mesh_measure(world->size, shape, m));
    for (ts_mesh_dim d = TS_MESH_TP; d < TS_MESH_DIMS; d++) {
        const ts_mesh_dim twin = twin_of(m, d);
        m->at[d] = ts_mesh_at(m, d, world->rank);
        m->comm[d] = m->comm[twin];
        if (twin == d && is_wanted(shape, d))
            TS_TRY_TO(fail, st, make_group(m, d));
    }
    TS_TRY_TO(fail, st, make_pipeline(m));
    *out = m;
    return TS_OK;
fail:
    ts_mesh_destroy(&m);
    return st;
}

void ts_mesh_destroy(ts_mesh **mesh)
{
    ts_mesh *m = *mesh;
    if (!m)
        return;
    for (int i = m->n_blocks; i-- > 0;)
        ts_comm_destroy(&m->blocks[i]);
    ts_free(&m->blocks);
    ts_comm_destroy(&m->embd);
    ts_comm_destroy(&m->pp_back);
    for (int d = TS_MESH_DIMS - 1; d >= 0; d--)
        if (twin_of(m, (ts_mesh_dim)d) == (ts_mesh_dim)d && !is_world(m, (ts_mesh_dim)d))
            ts_comm_destroy(&m->comm[d]);
    ts_free(mesh);
}
