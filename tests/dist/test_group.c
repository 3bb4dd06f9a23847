/* Groups of a part of the ranks: who is in them, that they work beside each other, and the mesh. */
#include "dist/mesh.h"
#include "dist_test.h"

#include <unistd.h>

static void expect_ranks(ts_comm *comm, const ts_comm *g, const int *ranks, int n)
{
    EXPECT(g->size == n, "%d ranks, not %d", g->size, n);
    for (int i = 0; i < n; i++) {
        EXPECT(ts_comm_world_rank(g, i) == ranks[i], "[%d] is rank %d, not %d", i,
               ts_comm_world_rank(g, i), ranks[i]);
        EXPECT(ranks[i] != comm->rank || g->rank == i, "rank %d of %s", g->rank, g->group);
    }
    EXPECT(strcmp(g->kind, n > 1 ? comm->kind : "self") == 0, "%s", g->kind);
}

/* Every rank's number in the world, by every way through the group. */
static void use(ts_comm *comm, ts_comm *g)
{
    enum { N = 3001 };
    int64_t x[N], all[16 * 2], sum = 0;
    const int64_t me[2] = { comm->rank, g->rank };
    for (int r = 0; r < g->size; r++)
        sum += ts_comm_world_rank(g, r);
    for (int i = 0; i < N; i++)
        x[i] = comm->rank + i;
    EXPECT_OK(ts_comm_run(g, ts_all_reduce(x, N, TS_COMM_I64, TS_COMM_SUM)));
    for (int i = 0; i < N; i++)
        EXPECT(x[i] == sum + (int64_t)i * g->size, "[%d] of the sum in %s", i, g->group);
    EXPECT_OK(ts_comm_run(g, ts_all_gather(me, all, 2, TS_COMM_I64)));
    for (int r = 0; r < g->size; r++)
        EXPECT(all[2 * r] == ts_comm_world_rank(g, r) && all[2 * r + 1] == r, "from %d", r);
    if (g->size > 1) {
        ts_comm_request *r;
        int64_t from;
        const int next = (g->rank + 1) % g->size, last = (g->rank + g->size - 1) % g->size;
        EXPECT_OK(ts_comm_start(g, ts_send(me, 1, TS_COMM_I64, next), &r));
        EXPECT_OK(ts_comm_run(g, ts_recv(&from, 1, TS_COMM_I64, last)));
        EXPECT_OK(ts_comm_wait(g, &r));
        EXPECT(from == ts_comm_world_rank(g, last), "from %lld", (long long)from);
    }
    EXPECT(ts_comm_agree(g, TS_OK) == TS_OK, "%s", ts_error_message());
}

static void by_colour(ts_comm *comm)
{
    const int p = comm->size, me = comm->rank;
    int same[16], n = 0;
    ts_comm *g, *inner, *none = comm;
    /* odd and even, backwards */
    for (int r = p - 1; r >= 0; r--)
        if (r % 2 == me % 2)
            same[n++] = r;
    EXPECT_OK(ts_comm_split(comm, "parity", me % 2, -me, &g));
    EXPECT(strcmp(g->group, "parity") == 0 && g->traffic.calls == 0, "%s", g->group);
    expect_ranks(comm, g, same, n);
    use(comm, g);
    /* its halves, forwards again: equal keys go by rank */
    const int half = g->rank < (n + 1) / 2 ? 0 : 1, b = half ? (n + 1) / 2 : 0;
    EXPECT_OK(ts_comm_split(g, "half", half, 7, &inner));
    expect_ranks(comm, inner, same + b, half ? n - b : (n + 1) / 2);
    use(comm, inner);
    use(comm, g);
    use(comm, comm);
    ts_comm_destroy(&inner);
    ts_comm_destroy(&g);
    /* all but rank 0 */
    EXPECT_OK(ts_comm_split(comm, "others", me ? 3 : -1, me, &none));
    EXPECT((me == 0) == !none, "rank 0 is in no group");
    if (none)
        use(comm, none);
    ts_comm_destroy(&none);
}

/* Rank 0 waits in one group for what another rank sends only when rank 0 has done its part in the
 * other, and the other way round. */
static void beside_each_other(ts_comm *comm)
{
    enum { N = 40000 };
    static float x[N], y[N];
    ts_comm *a, *b;
    ts_comm_request *r;
    EXPECT_OK(ts_comm_split(comm, "a", 0, comm->rank, &a));
    EXPECT_OK(ts_comm_split(comm, "b", 0, -comm->rank, &b));
    for (int first = 0; first < 2; first++)
        for (ts_comm_type t = TS_COMM_F32; t <= TS_COMM_BF16; t += TS_COMM_BF16) {
            EXPECT_OK(ts_comm_start(a, ts_all_reduce(x, N, t, TS_COMM_SUM), &r));
            if (comm->rank == first)
                EXPECT_OK(ts_comm_run(b, ts_broadcast(y, N, t, b->size - 1)));
            EXPECT_OK(ts_comm_wait(a, &r));
            if (comm->rank != first)
                EXPECT_OK(ts_comm_run(b, ts_broadcast(y, N, t, b->size - 1)));
        }
    ts_comm_destroy(&b);
    ts_comm_destroy(&a);
}

/* The same groups as Megatron's for 4 and 8 processes; each row of `ranks` is a list of groups. */
typedef struct layout {
    int world;
    ts_mesh_shape shape;
    ts_mesh_dim dim;
    int size, ranks[8];
} layout;

static void meshes(ts_comm *comm)
{
    static const layout layouts[] = {
        { 4, { .tp = 2 }, TS_MESH_TP, 2, { 0, 1, 2, 3 } },
        { 4, { .tp = 2 }, TS_MESH_DP, 2, { 0, 2, 1, 3 } },
        { 4, { .tp = 2, .pp = 2 }, TS_MESH_PP, 2, { 0, 2, 1, 3 } },
        { 4, { .ep = 2 }, TS_MESH_EXPERT_DP, 2, { 0, 2, 1, 3 } },
        { 4, { .cp = 2, .ep = 4 }, TS_MESH_EP, 4, { 0, 1, 2, 3 } },
        { 4, { .tp = 4, .tp_x = 2 }, TS_MESH_TP_X, 2, { 0, 1, 2, 3 } },
        { 4, { .tp = 4, .tp_x = 2 }, TS_MESH_TP_Y, 2, { 0, 2, 1, 3 } },
        { 8, { .tp = 8, .tp_x = 4 }, TS_MESH_TP_Y, 2, { 0, 4, 1, 5, 2, 6, 3, 7 } },
        { 8, { .tp = 2, .cp = 2, .pp = 2, .pp_before_dp = true }, TS_MESH_PP, 2, { 0, 4, 1, 5, 2, 6, 3, 7 } },
        { 8, { .tp = 4, .cp = 2 }, TS_MESH_CP, 2, { 0, 4, 1, 5, 2, 6, 3, 7 } },
        { 8, { .tp = 2, .pp = 2 }, TS_MESH_DP, 2, { 0, 2, 1, 3, 4, 6, 5, 7 } },
        { 8, { .tp = 2, .pp = 2, .ep = 2 }, TS_MESH_EP, 2, { 0, 2, 1, 3, 4, 6, 5, 7 } },
        { 8, { .cp = 2, .pp = 2 }, TS_MESH_DP_CP, 4, { 0, 1, 2, 3, 4, 5, 6, 7 } },
        { 8, { .pp = 4 }, TS_MESH_PP, 4, { 0, 2, 4, 6, 1, 3, 5, 7 } },
    };
    for (size_t k = 0; k < sizeof layouts / sizeof *layouts; k++) {
        const layout *l = &layouts[k];
        if (l->world != comm->size)
            continue;
        ts_mesh *m;
        EXPECT_OK(ts_mesh_create(comm, &l->shape, &m));
        int at = 0;
        while (l->ranks[at] != comm->rank)
            at++;
        expect_ranks(comm, m->comm[l->dim], l->ranks + at / l->size * l->size, l->size);
        for (ts_mesh_dim d = TS_MESH_TP; d < TS_MESH_DIMS; d++) {
            if (!m->comm[d]) /* of a tensor mesh, which is not there */
                continue;
            EXPECT(m->comm[d]->rank == m->at[d] && m->comm[d]->size == m->size[d], "dimension %d",
                   d);
            use(comm, m->comm[d]);
        }
        const double stage = ts_mesh_next_stage(m);
        EXPECT(stage < m->size[TS_MESH_PP], "stage %g", stage);
        ts_mesh_destroy(&m);
    }
    ts_mesh *m = NULL;
    EXPECT(ts_mesh_create(comm, &(ts_mesh_shape){ .tp = comm->size + 1 }, &m) == TS_ERR_USER && !m,
           "more than there are");
}

static void say_stuck(void *ctx, const ts_watch_report *r)
{
    (void)ctx;
    const bool good = r->behind == r->size && r->rank != r->size - 1;
    fprintf(stderr, "stuck: rank %d of %d in %s, for rank %lld: %s\n", r->rank, r->size,
            r->collective, (long long)r->behind - 1, good ? "good" : "BAD");
    _exit(good ? 3 : 0); /* the runner wants a failure */
}

/* Who is waited for is told by its number in the world, not in the group. */
static void silent(ts_comm *comm)
{
    ts_comm *g;
    ts_watchdog *dog;
    EXPECT_OK(ts_comm_split(comm, "backwards", 0, -comm->rank, &g));
    if (comm->rank == comm->size - 1)
        sleep(600);
    EXPECT_OK(
        ts_watchdog_create(g->watch, comm->rank, comm->size, g->host, 1, say_stuck, NULL, &dog));
    EXPECT_OK(ts_comm_run(g, ts_barrier()));
    _exit(0);
}

int main(int argc, char **argv)
{
    ts_comm *comm = open_world(argc > 1 ? argv[1] : "");
    if (argc > 2)
        silent(comm);
    by_colour(comm);
    beside_each_other(comm);
    meshes(comm);
    use(comm, comm);
    ts_comm_finish(&comm, false);
    return 0;
}
