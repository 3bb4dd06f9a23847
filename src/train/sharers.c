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

ts_status ts_sharers_init(ts_sharers *s, const ts_sharing *sharing, const ts_mesh *mesh)
{
    ts_comm *all = mesh->comm[TS_MESH_DP_CP];
    const int n = (int)sharing->group, near = (int)sharing->near;
    *s = (ts_sharers){ .sharing = *sharing, .share = all };
    if ((sharing->level || sharing->by_unit || sharing->coded) && n < all->size) {
        TS_TRY(group_of(all, "shares", all->rank / n * n, 1, n, &s->share));
        s->is_part = true;
        TS_TRY(group_of(all, "copies", all->rank % n, n, all->size / n, &s->copies));
    }
    if (near && near < all->size)
        TS_TRY(group_of(all, "near", all->rank / near * near, 1, near, &s->near));
    return TS_OK;
}

void ts_sharers_deinit(ts_sharers *s)
{
    ts_comm_destroy(&s->near);
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
    if (s)
        ts_traffic_add_group(&t, s->near);
    return t;
}
