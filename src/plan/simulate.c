#include "plan/simulate.h"

#include "dist/world.h"
#include "plan/hardware.h"
#include "plan/record.h"

#include <string.h>

#define ROW(type, field, name, def, lo, hi, help)                                                  \
    TS_ROW(type, ts_plan_options, field, name, def, lo, hi, NULL, "plan", help)

const ts_option ts_plan_option_rows[] = {
    ROW(INT, world_size, "world-size", NULL, 1, 1 << 24,
        "processes of the job (default: those that the launcher started)"),
    ROW(TEXT, hardware, "hardware", "here", 0, 0,
        "what each process runs on: here (this machine, shared by the processes of a host), epyc-9654, xeon-6248, "
        "laptop, or a JSON file that describes it"),
    ROW(LIST, scale, "scale", NULL, 0, 0,
        "numbers of processes, as 128,1024,7968: a table of them, the batch grows with what shares it out"),
    ROW(TEXT, trace, "trace", NULL, 0, 0,
        "the planned step as a trace for ui.perfetto.dev, with the tracks and names of --profile (- is the standard "
        "output); --profile-level, -with-memory and -record-shapes say what is in it"),
    ROW(FLAG, list_presets, "list-presets", NULL, 0, 0, "names that --preset takes, and what those lack that cannot be made"),
    ROW(FLAG, json, "json", NULL, 0, 0, "one JSON object instead of a table"),
};
const size_t ts_plan_option_count = sizeof ts_plan_option_rows / sizeof *ts_plan_option_rows;

/* What has been counted so far. */
typedef struct counters {
    ts_kernel_stat kernel[TS_KERNEL_COUNT];
    ts_traffic sent;
    double seconds, network, activation_seconds, activation_bytes;
    double swapped[TS_WAYS];
} counters;

static void spend(void *ctx, double seconds)
{
    ts_simulation *s = ctx;
    s->network += seconds;
    ts_sim_add_seconds(s->dev, seconds);
}

static counters count(const ts_simulation *s)
{
    counters c = { .seconds = ts_sim_seconds(s->dev),
                   .network = s->network,
                   .activation_seconds = ts_sim_activation_seconds(s->dev),
                   .activation_bytes = s->dev->mem.taken[TS_MEM_ACT] };
    memcpy(c.kernel, s->dev->stat, sizeof c.kernel);
    memcpy(c.swapped, s->dev->swapped, sizeof c.swapped);
    c.sent = ts_sharers_traffic(s->sharers, s->mesh);
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
    ts_mesh_traffic_add(&c.sent, n, &b->sent);
    for (int i = 0; i < TS_WAYS; i++)
        c.swapped[i] += n * b->swapped[i];
    c.seconds += n * b->seconds;
    c.network += n * b->network;
    c.activation_seconds += n * b->activation_seconds;
    c.activation_bytes += n * b->activation_bytes;
    return c;
}

static ts_status step(const ts_simulation *s, ts_trainer *t, int64_t n_micro, counters *out)
{
    ts_step_result r;
    const counters before = count(s);
    t->feed.n_micro = n_micro;
    TS_TRY(ts_trainer_step(t, false, &r));
    const counters after = count(s);
    *out = add(&after, -1, &before);
    return TS_OK;
}

/* Whether a stage holds as many micro-batches as there are, be they many or few (gpipe). */
static bool holds_all(const ts_schedule *s, int64_t few)
{
    bool all = false;
    for (int64_t r = 0; r < s->shape.n_stages; r++)
        all = all || ts_schedule_holds(s, r).units >= few * s->shape.n_chunks;
    return all;
}

/* Micro-batches of which a schedule is in its stride, and those that it takes more at a time. */
static void stride(const ts_trainer *t, int64_t *few, int64_t *more)
{
    enum { ALONE = 3 };
    const ts_schedule_shape *shape = &t->pipeline.schedule->shape;
    const int64_t p = shape->n_stages, n = t->feed.n_micro;
    *more = p > 1 && shape->n_chunks > 1 ? shape->group : 1;
    const int64_t least = p > 1 ? 4 * p + 2 * *more : ALONE;
    if (t->feed.begin) { /* none is as another */
        *few = n;
        return;
    }
    *few = n <= least ? n : least + (n - least) % *more;
    if (n > least && p > 1 && holds_all(t->pipeline.schedule, *few))
        *few = n;
}

int64_t ts_simulation_few(const ts_trainer *t)
{
    int64_t few, more;
    stride(t, &few, &more);
    return few;
}

/* The first step also packs weights, so the second is the one that counts. All micro-batches but
 * the first and the last are alike: of many, only as many are run as show what one more adds. */
static ts_status steps(const ts_simulation *s, ts_trainer *t, counters *out)
{
    int64_t few, of_more;
    counters more;
    stride(t, &few, &of_more);
    const int64_t n = t->feed.n_micro;
    TS_TRY(step(s, t, few, out));
    if (t->o->save && t->o->async_save && t->o->save_interval)
        ts_trainer_book_copies(t, (ts_trainer_state_bytes(t) + s->comm->size - 1) / s->comm->size);
    TS_TRY(step(s, t, few, out));
    if (n > few) {
        if (t->gather.visit.params) /* which units are fetched ahead is learnt of the step before */
            TS_TRY(step(s, t, few + of_more, &more));
        TS_TRY(step(s, t, few + of_more, &more));
        more = add(&more, -1, out);
        *out = add(out, (double)((n - few) / of_more), &more);
    }
    t->feed.n_micro = n;
    return TS_OK;
}

static void describe_rank(const ts_simulation *s, const counters *c, ts_plan_rank *r)
{
    *r = (ts_plan_rank){ .rank = s->comm->rank, .count = s->comm->size / s->mesh->size[TS_MESH_PP],
                         .tp = s->mesh->at[TS_MESH_TP], .cp = s->mesh->at[TS_MESH_CP],
                         .ep = s->mesh->at[TS_MESH_EP], .dp = s->mesh->at[TS_MESH_DP],
                         .pp = s->mesh->at[TS_MESH_PP], .mem = s->dev->mem, .seconds = c->seconds,
                         .network_seconds = c->network };
    memcpy(r->kernel, c->kernel, sizeof r->kernel);
    ts_device_peak_at(s->dev, r->peak_at);
    for (int i = 0; i < TS_KERNEL_COUNT; i++)
        r->flops += c->kernel[i].flops;
    r->traffic = c->sent;
    memcpy(r->swapped, c->swapped, sizeof r->swapped);
    r->activation_bytes = c->seconds > 0 ? c->activation_seconds / c->seconds : 0;
    r->activation_seconds =
        c->activation_bytes > 0 ? c->activation_seconds / c->activation_bytes : 0;
}

/* What the stages' units take, for the replay of the schedule. */
typedef struct timing {
    double (*of)[TS_UNIT_KINDS]; /* [stage * chunks + chunk] */
    double rest;                 /* the longest of what is no unit: reduction, optimizer */
    double message;
} timing;

static void describe_job(const ts_job *job, ts_plan *p)
{
    const ts_trainer *t = job->trainer;
    p->flops = ts_trainer_step_flops(t);
    p->active = ts_decoder_active(job->model.decoder);
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
    p->schedule = t->pipeline.kind.schedule;
    p->interweaves = t->pipeline.kind.interweaves;
    p->chunks = t->pipeline.schedule->shape.n_chunks;
}

/* Each unit of this stage, and what is left of the step beside them. */
static void time_units(const ts_trainer *t, const counters *c, timing *y)
{
    const ts_pipeline *p = &t->pipeline;
    const int64_t v = p->schedule->shape.n_chunks;
    double units = 0;
    for (int64_t k = 0; k < v * TS_UNIT_KINDS; k++) {
        const struct ts_unit_time *x = &p->time[k];
        const double one = x->units ? x->seconds / (double)x->units : 0;
        y->of[p->stage * v + k / TS_UNIT_KINDS][k % TS_UNIT_KINDS] = one;
        units += one * (double)x->units * (double)t->feed.n_micro /
                 (double)p->schedule->shape.n_micro;
    }
    const double rest = c->seconds - units;
    y->rest = rest > y->rest ? rest : y->rest;
}

double ts_simulation_clock(void *simulated)
{
    const ts_simulation *s = simulated;
    return ts_sim_seconds(s->dev) - s->network;
}

/* records: the step as a timeline too. */
static ts_status simulate(ts_simulation *s, ts_job *job, bool records, ts_plan_rank *r, timing *y)
{
    ts_trainer *t = job->trainer;
    counters c;
    t->pipeline.clock = ts_simulation_clock;
    t->pipeline.clock_ctx = s;
    TS_TRY(steps(s, t, &c));
    describe_rank(s, &c, r);
    if (!y->of)
        TS_TRY(ts_alloc(&y->of, (size_t)(job->stages.n_stages * job->stages.n_chunks), sizeof *y->of));
    time_units(t, &c, y);
    if (job->holders)
        TS_TRY(ts_holders_peak(job->holders, &r->held));
    if (records)
        TS_TRY(ts_plan_record(job, &r->timeline));
    y->message = ts_comm_sim_seconds(s->mesh->comm[TS_MESH_PP],
                                     &(ts_comm_traffic){ .messages = 1,
                                                         .bytes = (double)t->pipeline.passing.size });
    return TS_OK;
}

ts_status ts_simulation_run(const ts_job_options *o, const ts_option_set *set, int rank, const ts_plan *p,
                            ts_simulation_use *use, void *ctx, int *next)
{
    ts_simulation s = { 0 };
    ts_job job;
    const ts_sim_hardware *hw = &p->hw;
    const ts_comm_sim_link link = { .bytes_per_second = hw->network_bytes_per_second,
                                    .latency = hw->network_latency,
                                    .host_bytes_per_second = hw->host_bytes_per_second,
                                    .host_latency = hw->host_latency,
                                    .ranks_of_a_host = hw->host_bytes_per_second > 0 ? p->ranks_of_a_host : 0,
                                    .spend = spend, .ctx = &s };
    ts_status st = ts_sim_open_hardware(&p->hw, &s.dev);
    if (st == TS_OK)
        st = ts_comm_sim_create(rank, p->world_size, "world", &link, &s.comm);
    if (st == TS_OK)
        st = ts_dist_options_check(&o->dist, s.comm);
    if (st == TS_OK)
        st = ts_job_open(o, set, s.dev, s.comm, false, &job);
    if (st == TS_OK) {
        const ts_mesh *m = s.mesh = job.mesh;
        s.sharers = &job.sharers;
        st = use(&s, &job, ctx);
        *next = ts_mesh_is_last_stage(m) ? -1 : ts_mesh_rank(m, TS_MESH_PP, rank, m->at[TS_MESH_PP] + 1);
        ts_job_close(&job);
    }
    ts_comm_destroy(&s.comm);
    ts_device_close(&s.dev);
    return st;
}

typedef struct stage_ctx {
    ts_plan *p;
    timing y;
} stage_ctx;

static ts_status one_stage(ts_simulation *s, ts_job *job, void *ctx)
{
    stage_ctx *c = ctx;
    ts_plan *p = c->p;
    if (!p->rank)
        TS_TRY(ts_alloc(&p->rank, (size_t)s->mesh->size[TS_MESH_PP], sizeof *p->rank));
    TS_TRY(simulate(s, job, p->is_recorded, &p->rank[p->n_ranks++], &c->y));
    describe_job(job, p);
    return TS_OK;
}

/* How many threads of a host share a core. */
static double crowd(const ts_plan *p)
{
    const double threads = (double)p->ranks_of_a_host * p->hw.threads;
    return p->hw.cores > 0 && threads > p->hw.cores ? threads / p->hw.cores : 1;
}

/* Where threads share cores, another works while one waits: a step is as long as its longest chain of work, or as what
 * the cores of a host have to do. busy: what a process works of a step. */
static void share_cores(ts_plan *p, double busy)
{
    const double work = crowd(p) * busy;
    p->step_seconds = work > p->step_seconds ? work : p->step_seconds;
    p->bubble = p->step_seconds > 0 ? 1 - work / p->step_seconds : 0;
}

/* Units of the mean micro-batch, as long as each micro-batch's share of it says. */
typedef struct by_size {
    double (**of)[TS_UNIT_KINDS]; /* [n_micro], one allocation behind the first; NULL: they are all alike */
} by_size;

static ts_status stretch(const ts_job_options *o, const ts_plan *p, const timing *y, by_size *out)
{
    const int64_t spots = p->n_ranks * p->chunks;
    int64_t *size, n, sum = 0;
    *out = (by_size){ 0 };
    TS_TRY(ts_train_micro_sizes(&o->train, &size, &n));
    if (!n)
        return TS_OK;
    ts_status st = ts_alloc(&out->of, (size_t)n, sizeof *out->of);
    if (st == TS_OK)
        st = ts_alloc(&out->of[0], (size_t)(n * spots), sizeof *out->of[0]);
    for (int64_t i = 0; i < n; i++)
        sum += size[i];
    for (int64_t i = 0; st == TS_OK && i < n; i++) {
        out->of[i] = out->of[0] + i * spots;
        for (int64_t k = 0; k < spots * TS_UNIT_KINDS; k++)
            out->of[i][k / TS_UNIT_KINDS][k % TS_UNIT_KINDS] =
                y->of[k / TS_UNIT_KINDS][k % TS_UNIT_KINDS] * (double)(size[i] * n) / (double)sum;
    }
    ts_free(&size);
    return st;
}

static void by_size_deinit(by_size *b)
{
    if (b->of)
        ts_free(&b->of[0]);
    ts_free(&b->of);
}

/* Stages wait for one another as the schedule says; the rest comes behind it. */
static ts_status add_up(const ts_job_options *o, ts_plan *p, const ts_schedule_shape *shape, const timing *y)
{
    by_size sizes;
    ts_schedule *s;
    ts_replay r;
    TS_TRY(ts_schedule_create(p->schedule, shape, &s));
    ts_status st = stretch(o, p, y, &sizes);
    const ts_schedule_costs costs = { .of = (const double (*)[TS_UNIT_KINDS])y->of, .send = y->message,
                                      .of_micro = (const double (*const *)[TS_UNIT_KINDS])sizes.of };
    if (st == TS_OK)
        st = ts_schedule_replay(s, &costs, &r);
    by_size_deinit(&sizes);
    if (st == TS_OK) {
        double idle = 0;
        for (int64_t k = 0; k < r.n_stages; k++)
            idle += r.stage[k].idle / (double)r.n_stages;
        p->step_seconds = r.makespan + y->rest;
        share_cores(p, p->step_seconds - idle);
        for (int k = 0; st == TS_OK && p->is_recorded && k < p->n_ranks; k++)
            st = ts_plan_place(&p->rank[k].timeline, &r, k, p->step_seconds);
        ts_replay_deinit(&r);
    }
    ts_schedule_destroy(&s);
    return st;
}

ts_status ts_plan_simulate(const ts_job_options *o, const ts_option_set *set, ts_plan *p)
{
    stage_ctx c = { .p = p };
    ts_status st = TS_OK;
    for (int rank = 0; st == TS_OK && rank >= 0;)
        st = ts_simulation_run(o, set, rank, p, one_stage, &c, &rank);
    const ts_schedule_shape shape = { .n_stages = p->n_ranks, .n_chunks = p->chunks, .n_micro = p->n_micro,
                                      .group = o->parallel.group,
                                      .recompute = ts_parallel_recompute(&o->parallel),
                                      .detaches_weights = o->parallel.detaches, .interweaves = p->interweaves };
    if (st == TS_OK && p->n_ranks > 1)
        st = add_up(o, p, &shape, &c.y);
    else if (st == TS_OK)
        p->step_seconds = p->rank[0].seconds, share_cores(p, p->step_seconds);
    if (st == TS_OK)
        p->tokens_per_second = (double)p->global * (double)p->seq_length / p->step_seconds;
    p->unit = c.y.of, p->rest_seconds = c.y.rest, p->message_seconds = c.y.message;
    return st;
}

int64_t ts_plan_world_size(const ts_job_options *o, const ts_plan_options *p)
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

ts_status ts_plan_begin(const ts_job_options *o, const ts_plan_options *p, ts_plan *out)
{
    const int64_t world = ts_plan_world_size(o, p), host = o->dist.nproc_per_node;
    *out = (ts_plan){ 0 };
    if (world > 1 << 24)
        return ts_error(TS_ERR_USER, "%lld processes: at most %d can be planned for",
                        (long long)world, 1 << 24);
    *out = (ts_plan){ .world_size = (int)world,
                      .is_recorded = p->trace != NULL,
                      .ranks_of_a_host = (int)(host < world ? host : world),
                      .memory_limit = (int64_t)(o->runtime.memory_limit_gb * 1e9) };
    return ts_plan_hardware(p->hardware, (int)o->runtime.threads, (int)world, &out->ranks_of_a_host,
                            &out->hw);
}

void ts_plan_deinit(ts_plan *p)
{
    for (int i = 0; p->rank && i < p->n_ranks; i++) {
        ts_timeline_deinit(&p->rank[i].timeline);
        ts_holder_list_deinit(&p->rank[i].held);
    }
    ts_free(&p->rank);
    ts_free(&p->chosen);
    ts_free(&p->order);
    ts_free(&p->unit);
    ts_free(&p->stage_layers);
    ts_free(&p->stage_again);
    *p = (ts_plan){ 0 };
}

double ts_plan_utilisation(const ts_plan *p)
{
    const double peak = p->hw.flops_peak * p->world_size * p->step_seconds;
    return peak > 0 ? p->flops / peak : 0;
}

bool ts_plan_over_limit(const ts_plan *p, const ts_plan_rank *r)
{
    return p->memory_limit && r->mem.peak > p->memory_limit;
}

double ts_plan_host_bytes(const ts_plan *p, const ts_plan_rank *r)
{
    return (double)(p->hw.is_gpu ? r->mem.device_peak : r->mem.peak) * p->ranks_of_a_host;
}

bool ts_plan_over_host(const ts_plan *p, const ts_plan_rank *r)
{
    return p->hw.memory_bytes > 0 && ts_plan_host_bytes(p, r) > p->hw.memory_bytes;
}

bool ts_plan_fits(const ts_plan *p)
{
    bool fits = true;
    for (int i = 0; i < p->n_ranks; i++)
        fits = fits && !ts_plan_over_limit(p, &p->rank[i]) && !ts_plan_over_host(p, &p->rank[i]);
    return fits;
}

void ts_plan_order(const int64_t *order, ts_job_options *o)
{
    o->train.micro_batch_size = order[0];
    o->parallel.schedule = (int)order[1];
    o->train.global_batch_size = order[2];
    o->train.accumulation = 0;
    o->train.chosen_sizes = order + 3;
}

const ts_plan_rank *ts_plan_worst(const ts_plan *p)
{
    const ts_plan_rank *r = &p->rank[0];
    for (int i = 1; i < p->n_ranks; i++)
        if (p->rank[i].mem.peak > r->mem.peak)
            r = &p->rank[i];
    return r;
}
