#include "train/sharers.h"

/* Ranks of c: n from `first` on, `stride` apart. */
static ts_status group_of(ts_comm *c, const char *name, int first, int stride, int n, ts_comm **out)
{
    int *ranks;
    const ts_status st = ts_alloc(&ranks, (size_t)n, sizeof *ranks);
    TS_TRY(ts_comm_agree(c, st));
    for (int i = 0; i < n; i++)
        ranks[i] = first + i * stride;
    const ts_status made = ts_comm_group(c, name, ranks, n, out);
    ts_free(&ranks);
    return made;
}

/* Runs of n consecutive ones, and who stand alike in theirs. */
static ts_status runs_of(ts_comm *all, const char *name, const char *name_of_copies, int n, ts_comm **share,
                         ts_comm **copies)
{
    TS_TRY(group_of(all, name, all->rank / n * n, 1, n, share));
    return group_of(all, name_of_copies, all->rank % n, n, all->size / n, copies);
}

ts_status ts_sharers_init(ts_sharers *s, const ts_sharing *sharing, const ts_mesh *mesh)
{
    ts_comm *all = mesh->comm[TS_MESH_DP_CP];
    ts_comm *experts = ts_mesh_parts_experts(mesh) ? mesh->comm[TS_MESH_EXPERT_DP] : NULL;
    const int n = (int)sharing->group, near = (int)sharing->near;
    *s = (ts_sharers){ .sharing = *sharing, .share = all, .expert_share = experts };
    if ((sharing->level || sharing->by_unit || sharing->coded) && n < all->size) {
        s->share = s->expert_share = NULL;
        s->is_part = true;
        TS_TRY(runs_of(all, "shares", "copies", n, &s->share, &s->copies));
        if (experts && experts->size % (all->size / n) == 0) /* else a group has not all of them: none share out */
            TS_TRY(runs_of(experts, "expert-shares", "expert-copies", experts->size / (all->size / n),
                           &s->expert_share, &s->expert_copies));
    }
    if (near && near < all->size)
        TS_TRY(group_of(all, "near", all->rank / near * near, 1, near, &s->near));
    return TS_OK;
}

void ts_sharers_deinit(ts_sharers *s)
{
    ts_comm_destroy(&s->near);
    ts_comm_destroy(&s->expert_copies);
    if (s->is_part)
        ts_comm_destroy(&s->expert_share);
    ts_comm_destroy(&s->copies);
    if (s->is_part)
        ts_comm_destroy(&s->share);
    *s = (ts_sharers){ 0 };
}

ts_traffic ts_sharers_traffic(const ts_sharers *s, const ts_mesh *m)
{
    ts_traffic t = ts_mesh_traffic(m);
    if (s && s->is_part)
        ts_traffic_add_group(&t, s->share);
    if (s)
        ts_traffic_add_group(&t, s->copies);
    if (s && s->is_part)
        ts_traffic_add_group(&t, s->expert_share);
    if (s)
        ts_traffic_add_group(&t, s->expert_copies);
    if (s)
        ts_traffic_add_group(&t, s->near);
    return t;
}
