#include "dist/traffic.h"

#include "dist/line.h"

static ts_group_traffic traffic_of(const ts_comm *c, const char *name)
{
    ts_group_traffic t = { .group = name, .sum = c->traffic };
    for (int i = 0; i < TS_COLLECTIVES; i++)
        t.by[i] = c->traffic_by[i];
    return t;
}

/* Several dimensions may be one communicator: the first of them names it. */
static bool is_new(const ts_mesh *m, int dim)
{
    const ts_comm *c = m->comm[dim];
    for (int i = 0; i < dim; i++)
        if (m->comm[i] == c)
            return false;
    return c && c != m->world && c->size > 1;
}

static void add(ts_comm_traffic *a, double n, const ts_comm_traffic *b)
{
    const int64_t k = (int64_t)n;
    a->calls += k * b->calls, a->messages += k * b->messages, a->bytes += n * b->bytes;
    a->seconds += n * b->seconds;
}

/* All groups of stages with layers that share weights are one row. */
static void add_blocks(ts_traffic *t, const ts_mesh *m)
{
    ts_group_traffic *row = NULL;
    for (int i = 0; i < m->n_blocks; i++) {
        const ts_comm *c = m->blocks[i];
        for (int k = 0; c && row && k < TS_COLLECTIVES; k++)
            add(&row->by[k], 1, &c->traffic_by[k]);
        if (c && row)
            add(&row->sum, 1, &c->traffic);
        if (!c || row)
            continue;
        ts_traffic_add_group(t, c);
        for (row = t->group; row[1].group;)
            row++;
    }
}

ts_traffic ts_mesh_traffic(const ts_mesh *m)
{
    ts_traffic t = { 0 };
    int n = 0;
    const bool is_dp = m->world == m->comm[TS_MESH_DP];
    t.group[n++] = traffic_of(m->world, is_dp ? "dp" : m->world->group);
    for (int i = 0; i < TS_MESH_DIMS; i++)
        if (is_new(m, i))
            t.group[n++] = traffic_of(m->comm[i], m->comm[i]->group);
    ts_traffic_add_group(&t, m->pp_back);
    ts_traffic_add_group(&t, m->embd);
    add_blocks(&t, m);
    if (m->line) {
        ts_traffic_add_group(&t, m->line->seam);
        ts_traffic_add_group(&t, m->line->seam_back);
        ts_traffic_add_group(&t, m->line->all);
    }
    return t;
}

void ts_traffic_add_group(ts_traffic *t, const ts_comm *c)
{
    int n = 0;
    if (!c || c->size == 1)
        return;
    while (t->group[n].group)
        n++;
    TS_ASSERT(n < TS_TRAFFIC_GROUPS, "%d groups with traffic", n);
    t->group[n] = traffic_of(c, c->group);
}

void ts_mesh_traffic_add(ts_traffic *a, double n, const ts_traffic *b)
{
    for (int i = 0; b->group[i].group; i++) {
        a->group[i].group = b->group[i].group;
        add(&a->group[i].sum, n, &b->group[i].sum);
        for (int k = 0; k < TS_COLLECTIVES; k++)
            add(&a->group[i].by[k], n, &b->group[i].by[k]);
    }
}

/* ---- shown ---- */

static json_t *counts(const ts_comm_traffic *t)
{
    return json_pack("{s:I, s:I, s:I}", "calls", (json_int_t)t->calls, "messages",
                     (json_int_t)t->messages, "bytes", (json_int_t)(t->bytes + 0.5));
}

static json_t *group_json(const ts_group_traffic *g)
{
    json_t *o = counts(&g->sum), *by = json_object();
    int bad = !o;
    for (int i = 0; i < TS_COLLECTIVES && !bad; i++)
        if (g->by[i].calls)
            bad = json_object_set_new(by, ts_collective_name((ts_collective)i), counts(&g->by[i]));
    if (!bad && !json_object_set_new(o, "by", by))
        return o;
    json_decref(o);
    return NULL;
}

json_t *ts_traffic_json(const ts_traffic *t)
{
    json_t *o = json_object();
    int bad = !o;
    for (const ts_group_traffic *g = t->group; !bad && g->group; g++)
        bad = json_object_set_new(o, g->group, group_json(g));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

ts_status ts_traffic_table(const ts_traffic *t, ts_str *out)
{
    char bytes[32];
    for (const ts_group_traffic *g = t->group; g->group; g++)
        for (int i = 0; i < TS_COLLECTIVES; i++)
            if (g->by[i].calls)
                TS_TRY(ts_str_printf(out, "  group %-10s%-15s%10lld calls %10lld messages %12s\n",
                                     g->group, ts_collective_name((ts_collective)i),
                                     (long long)g->by[i].calls, (long long)g->by[i].messages,
                                     ts_human_bytes(g->by[i].bytes, bytes)));
    return TS_OK;
}
