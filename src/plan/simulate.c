#include "plan/simulate.h"

#include "dist/world.h"
#include "plan/hardware.h"

#include <string.h>

#define ROW(type, field, name, def, lo, hi, help)                                                  \
    TS_ROW(type, ts_plan_options, field, name, def, lo, hi, NULL, "plan", help)

const ts_option ts_plan_option_rows[] = {
    ROW(INT, world_size, "world-size", NULL, 1, 1 << 24,
        "processes of the job (default: those that the launcher started)"),
    ROW(TEXT, hardware, "hardware", "here", 0, 0,
        "what each process runs on: here (this machine, shared by the processes of a host), epyc-9654, xeon-6248, "
        "laptop, or a JSON file that describes it"),
    ROW(FLAG, json, "json", NULL, 0, 0, "one JSON object instead of a table"),
};
const size_t ts_plan_option_count = sizeof ts_plan_option_rows / sizeof *ts_plan_option_rows;

/* What has been counted so far. */
typedef struct counters {
    ts_kernel_stat kernel[TS_KERNEL_COUNT];
    ts_comm_traffic sent[TS_PLAN_GROUPS];
    double seconds, network, activation_seconds, activation_bytes;
} counters;

typedef struct simulation {
    ts_device *dev;
    ts_comm *comm;
    const ts_mesh *mesh; /* of it */
    double network; /* seconds spent in it */
} simulation;

/* Communicator number i, the world first; NULL: a dimension of the mesh that is the world. */
static const ts_comm *group_of(const simulation *s, int i)
{
    static const ts_mesh_dim dims[TS_PLAN_GROUPS] = { TS_MESH_DIMS, TS_MESH_TP, TS_MESH_DP, TS_MESH_PP };
    const ts_comm *c = i ? s->mesh->comm[dims[i]] : s->comm;
    return i && c == s->comm ? NULL : c;
}

static void spend(void *ctx, double seconds)
{
    simulation *s = ctx;
    s->network += seconds;
    ts_sim_add_seconds(s->dev, seconds);
}

static counters count(const simulation *s)
{
    counters c = { .seconds = ts_sim_seconds(s->dev),
                   .network = s->network,
                   .activation_seconds = ts_sim_activation_seconds(s->dev),
                   .activation_bytes = s->dev->mem.taken[TS_MEM_ACT] };
    memcpy(c.kernel, s->dev->stat, sizeof c.kernel);
    for (int i = 0; i < TS_PLAN_GROUPS; i++)
        if (group_of(s, i))
            c.sent[i] = group_of(s, i)->traffic;
    return c;
}

/* a + n * b, counter by counter. */
static counters add(const counters *a, double n, const counters *b)
{
    counters c = *a;
    const int64_t k = (int64_t)n;
    for (int i = 0; i < TS_KERNEL_COUNT; i++) {
        c.kernel[i].calls += k * b->kernel[i].calls;
        c.kernel[i].seconds += n * b->kernel[i].seconds;
        c.kernel[i].flops += n * b->kernel[i].flops;
        c.kernel[i].bytes += n * b->kernel[i].bytes;
    }
    for (int i = 0; i < TS_PLAN_GROUPS; i++) {
        c.sent[i].calls += k * b->sent[i].calls;
        c.sent[i].messages += k * b->sent[i].messages;
        c.sent[i].bytes += n * b->sent[i].bytes;
    }
    c.seconds += n * b->seconds;
    c.network += n * b->network;
    c.activation_seconds += n * b->activation_seconds;
    c.activation_bytes += n * b->activation_bytes;
    return c;
}

static ts_status step(const simulation *s, ts_trainer *t, int64_t n_micro, counters *out)
{
    ts_step_result r;
    const counters before = count(s);
    t->feed.n_micro = n_micro;
    TS_TRY(ts_trainer_step(t, false, &r));
    const counters after = count(s);
    *out = add(&after, -1, &before);
    return TS_OK;
}

/* The first step also packs weights, so the second is the one that counts. All micro-batches but
 * the first and the last are alike: of many, only as many are run as show what one more adds. */
static ts_status steps(const simulation *s, ts_trainer *t, counters *out)
{
    enum { FEW = 3 };
    const int64_t n = t->feed.n_micro, few = n < FEW ? n : FEW;
    counters more;
    TS_TRY(step(s, t, few, out));
    if (t->o->save && t->o->async_save && t->o->save_interval)
        ts_trainer_book_copies(t, (ts_trainer_state_bytes(t) + s->comm->size - 1) / s->comm->size);
    TS_TRY(step(s, t, few, out));
    if (n > few) {
        TS_TRY(step(s, t, few + 1, &more));
        more = add(&more, -1, out);
        *out = add(out, (double)(n - few), &more);
    }
    t->feed.n_micro = n;
    return TS_OK;
}

/* Where samples alone are shared out the world is named for that. */
static void describe_traffic(const simulation *s, const counters *c, const ts_sim_hardware *hw,
                             ts_plan_rank *r)
{
    const ts_comm_sim_link link = { hw->network_bytes_per_second, hw->network_latency, NULL, NULL };
    int n = 0;
    for (int i = 0; i < TS_PLAN_GROUPS; i++) {
        const ts_comm *g = group_of(s, i);
        if (!g || (i && g->size == 1))
            continue;
        const ts_comm_traffic *t = &c->sent[i];
        r->traffic[n++] = (ts_plan_traffic){
            .group = g == s->mesh->comm[TS_MESH_DP] ? "dp" : g->group, .sent = *t,
            .seconds = ts_comm_sim_seconds(&link, t) };
    }
}

static void describe_rank(const simulation *s, const counters *c, const ts_sim_hardware *hw,
                          ts_plan_rank *r)
{
    *r = (ts_plan_rank){ .rank = s->comm->rank, .count = s->comm->size,
                         .tp = s->mesh->at[TS_MESH_TP], .cp = s->mesh->at[TS_MESH_CP],
                         .ep = s->mesh->at[TS_MESH_EP], .dp = s->mesh->at[TS_MESH_DP],
                         .pp = s->mesh->at[TS_MESH_PP], .mem = s->dev->mem, .seconds = c->seconds,
                         .network_seconds = c->network };
    memcpy(r->kernel, c->kernel, sizeof r->kernel);
    ts_device_peak_at(s->dev, r->peak_at);
    for (int i = 0; i < TS_KERNEL_COUNT; i++)
        r->flops += c->kernel[i].flops;
    describe_traffic(s, c, hw, r);
    r->activation_bytes = c->seconds > 0 ? c->activation_seconds / c->seconds : 0;
    r->activation_seconds =
        c->activation_bytes > 0 ? c->activation_seconds / c->activation_bytes : 0;
}

static ts_status simulate(const simulation *s, ts_job *job, ts_plan *p)
{
    ts_trainer *t = job->trainer;
    counters c;
    TS_TRY(steps(s, t, &c));
    p->parameters = ts_decoder_parameters(job->model.decoder);
    p->trained = ts_decoder_trained(job->model.decoder);
    p->layers = job->model.decoder->arch.n_layers;
    p->vocab = job->model.decoder->arch.vocab;
    p->compute = job->compute;
    p->replicas = t->feed.size;
    p->global = t->feed.global;
    p->micro = t->feed.micro;
    p->n_micro = t->feed.n_micro;
    p->ramp = t->feed.ramp;
    p->train_iters = job->train_iters;
    p->seq_length = t->o->seq_length;
    describe_rank(s, &c, &p->hw, &p->rank[0]);
    p->n_ranks = 1;
    p->step_seconds = p->rank[0].seconds;
    p->tokens_per_second = (double)p->global * (double)p->seq_length / p->step_seconds;
    return TS_OK;
}

static ts_status open_and_simulate(const ts_job_options *o, const ts_option_set *set, simulation *s,
                                   ts_plan *p)
{
    const ts_comm_sim_link link = { p->hw.network_bytes_per_second, p->hw.network_latency, spend,
                                    s };
    ts_job job;
    TS_TRY(ts_comm_sim_create(0, p->world_size, "world", &link, &s->comm));
    TS_TRY(ts_dist_options_check(&o->dist, s->comm));
    TS_TRY(ts_job_open(o, set, s->dev, s->comm, false, &job));
    s->mesh = job.mesh;
    const ts_status st = simulate(s, &job, p);
    ts_job_close(&job);
    return st;
}

static int64_t world_size(const ts_job_options *o, const ts_plan_options *p)
{
    if (p->world_size)
        return p->world_size;
    if (o->dist.nnodes && o->dist.nproc_per_node)
        return o->dist.nnodes * o->dist.nproc_per_node;
    int64_t rank;
    const int64_t launched = ts_comm_launched(&rank);
    if (o->dist.worker_num)
        return o->dist.worker_num;
    return launched == 1 && o->dist.nproc_per_node ? o->dist.nproc_per_node : launched;
}

ts_status ts_plan_run(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                      ts_plan *out)
{
    simulation s = { 0 };
    const int64_t world = world_size(o, p), host = o->dist.nproc_per_node;
    if (world > 1 << 24)
        return ts_error(TS_ERR_USER, "%lld processes: at most %d can be planned for",
                        (long long)world, 1 << 24);
    *out = (ts_plan){ .world_size = (int)world,
                      .ranks_of_a_host = (int)(host < world ? host : world),
                      .memory_limit = (int64_t)(o->runtime.memory_limit_gb * 1e9) };
    TS_TRY(ts_plan_hardware(p->hardware, (int)o->runtime.threads, (int)world, &out->ranks_of_a_host,
                            &out->hw));
    TS_TRY(ts_sim_open_hardware(&out->hw, &s.dev));
    const ts_status st = open_and_simulate(o, set, &s, out);
    ts_comm_destroy(&s.comm);
    ts_device_close(&s.dev);
    return st;
}
