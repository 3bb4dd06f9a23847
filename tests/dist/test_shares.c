/* Steps of parameters of odd sizes whose state, gradients or values are shared out: masters, and values as
 * everybody sees them, must have the bits that they have when nothing is shared out, and a process must send
 * what a simulated one counts. The gradients are made up. Arguments: tensor-parallel size (1), and
 * how the world is opened (MPI adds more than two terms in an order of its own). */
#include "dist_test.h"

#include "device/isa.h"
#include "train/gather.h"
#include "train/grads.h"
#include "train/optimizer.h"

enum { PARAMS = 9, STEPS = 3 };

static const int64_t shape[PARAMS][2] = { { 97, 13 }, { 5, 0 },  { 64, 3 },  { 1, 0 },   { 33, 17 },
                                          { 2, 0 },   { 129, 5 }, { 300, 0 }, { 40, 1 } };

static ts_comm *comm; /* the real one, for EXPECT */
static int tensor = 1;

/* How it is shared out. */
typedef struct form {
    const char *name;
    ts_shard_level level;
    int64_t bucket, group, near;
    bool overlap, deterministic, in_bf16;
    bool muon;  /* matrices are stepped whole */
    bool exact; /* gradients whose sums are, in whatever order */
    ts_state_dtype sums; /* BF16: of gradients, which are then small enough to be exact; nothing is shared out with
                            level NOTHING, and processes add up theirs */
    ts_dtype values;
    int micro;
} form;

typedef struct run {
    ts_device *dev;
    ts_mesh *mesh;
    ts_sharers sharers;
    ts_train_options o;
    ts_param_set set;
    ts_tape *tape;
    ts_grads grads;
    ts_optimizer optim;
    ts_gather gather;
} run;

static ts_train_options options_of(const form *f)
{
    return (ts_train_options){ .optimizer = f->muon ? TS_OPTIMIZER_MUON : TS_OPTIMIZER_ADAM,
                               .matrix = { .momentum = 0.9, .extra_scale = 1, .set = TS_MUON_SIMPLE, .steps = 2 }, .adam_beta1 = 0.9, .adam_beta2 = 0.95,
                               .adam_eps = 1e-8, .weight_decay = 0.1, .log_num_zeros = true,
                               .deterministic = f->deterministic, .grad_reduce_in_bf16 = f->in_bf16 };
}

static ts_train_options options_of_shared(const form *f)
{
    ts_train_options o = options_of(f);
    o.main_grads_dtype = f->sums;
    return o;
}

static void declare(run *r)
{
    const int tp = r->mesh->at[TS_MESH_TP];
    for (int i = 0; i < PARAMS; i++) {
        char name[16];
        ts_param *p;
        snprintf(name, sizeof name, "p%d", i);
        if (i % 2 == 0)
            ts_param_set_unit(&r->set);
        /* of what is cut one process may have less: places of what is not differ then */
        EXPECT_OK(ts_param_add(&r->set, name, shape[i][0] - (i ? 0 : 7 * tp), shape[i][1], shape[i][1] > 0, &p));
        if (p->rank > 1 || r->mesh->size[TS_MESH_TP] == 1)
            continue;
        p->parts = (ts_param_parts){ 0, 0, 1 }; /* the same on a tensor-parallel group, which adds it up */
        p->counted = tp == 0 ? p->counted : 0;
    }
}

static float start_of(const run *r, const ts_param *p, int64_t i)
{
    const int tp = p->rank > 1 ? r->mesh->at[TS_MESH_TP] : 0;
    return (float)made_up(tp, i + 31 * p->id) / 4099 - 0.5F;
}

static void begin_values(run *r)
{
    float v[2000];
    for (int i = 0; i < PARAMS; i++) {
        ts_param *p = r->set.p[i];
        for (int64_t k = 0; k < ts_param_count(p); k++)
            v[k] = start_of(r, p, k);
        EXPECT_OK(ts_param_put(p, 0, ts_param_count(p), v));
    }
}

static void make(run *r, const form *f, ts_device *dev, ts_comm *world, bool shares)
{
    *r = (run){ .dev = dev, .o = shares ? options_of_shared(f) : options_of(f) };
    EXPECT_OK(ts_mesh_create(world, &(ts_mesh_shape){ .tp = tensor }, &r->mesh));
    const int all = r->mesh->size[TS_MESH_DP_CP];
    const ts_sharing s = { .level = shares ? f->level : TS_SHARD_NOTHING,
                           .by_unit = shares && f->sums, .group = f->group ? f->group : all, .near = f->near };
    EXPECT_OK(ts_sharers_init(&r->sharers, &s, r->mesh));
    EXPECT_OK(ts_param_set_init(&r->set, dev));
    declare(r);
    if (f->muon)
        ts_param_set_step_whole(&r->set, NULL, 0);
    if (shares)
        ts_param_set_share(&r->set, &(ts_shard_options){ .level = f->level, .whole_grads = f->near > 0,
                                                         .by_unit = f->sums != TS_STATE_F32,
                                                         .size = r->sharers.share->size,
                                                         .rank = r->sharers.share->rank,
                                                         .unit = f->bucket, .values = f->values });
    EXPECT_OK(ts_param_set_allocate(&r->set, TS_DTYPE_F32));
    EXPECT_OK(ts_param_set_allocate_grads(&r->set));
    if (dev->computes)
        begin_values(r);
    EXPECT_OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &r->tape));
    EXPECT_OK(ts_grads_init(&r->grads, &r->o, r->mesh, &r->sharers, &r->set, f->overlap, f->bucket));
    EXPECT_OK(ts_optimizer_init(&r->optim, &r->o, &r->set, r->mesh->comm[TS_MESH_TP]));
    r->optim.sharers = r->optim.counters = ts_shards_alone(&r->set.shards) ? NULL : r->sharers.share;
    r->optim.main = ts_main_grads_are_here(&r->grads.scatter.main) ? &r->grads.scatter.main : NULL;
    r->optim.own_grads = ts_scatter_is_own(&r->grads.scatter);
    EXPECT_OK(ts_gather_init(&r->gather, &r->set, &r->sharers, f->overlap));
}

static void drop(run *r)
{
    ts_gather_deinit(&r->gather);
    ts_optimizer_deinit(&r->optim);
    ts_grads_deinit(&r->grads);
    ts_tape_destroy(&r->tape);
    ts_param_set_deinit(&r->set);
    ts_sharers_deinit(&r->sharers);
    ts_mesh_destroy(&r->mesh);
}

/* Numbers whose sums are not exact, zeros among them. */
static float gradient(const run *r, const form *f, const ts_param *p, int step, int micro, int64_t i)
{
    const int64_t n = made_up(r->mesh->world->rank + 10 * micro + 100 * step, i + 17 * p->id);
    if (f->sums)
        return (float)(n % 8);
    if (f->exact)
        return (float)(n % 64);
    return n % 50 == 0 ? 0 : (float)n / 3000 - 0.6F;
}

/* Whether units go while later gradients are still being made. */
static bool goes_early(const run *r, const form *f, int micro)
{
    const bool is_last = micro + 1 == f->micro;
    return f->overlap && !f->in_bf16 && (is_last || ts_shards_grads(&r->set.shards)) &&
           !ts_shards_alone(&r->set.shards);
}

/* Parameters are used, and their gradients made, from the last to the first. */
static void micro_batch(run *r, const form *f, int step, int micro)
{
    const int64_t calls = r->sharers.share->traffic.calls;
    ts_grads_enter(&r->grads, r->tape, micro + 1 == f->micro);
    for (int i = PARAMS - 1; i >= 0; i--) {
        ts_param *p = r->set.p[i];
        EXPECT_OK(ts_param_need(p));
        EXPECT_OK(ts_param_need_grad(p));
        const bool is_empty = ts_param_grad_begin(p);
        for (int64_t k = 0; r->dev->computes && k < ts_param_count(p); k++)
            p->grad[k] = (is_empty ? 0 : p->grad[k]) + gradient(r, f, p, step, micro, k);
        if (r->tape->hooks.param_done)
            r->tape->hooks.param_done(r->tape->hooks.ctx, p);
        if (r->tape->hooks.progress)
            r->tape->hooks.progress(r->tape->hooks.ctx);
    }
    EXPECT(!goes_early(r, f, micro) || r->sharers.share->traffic.calls > calls, "%s: nothing has gone",
           f->name);
    EXPECT_OK(ts_grads_leave(&r->grads, r->tape));
}

/* What a step tells. */
typedef struct told {
    double sumsq, norm;
    int64_t zeros;
} told;

static told one_step(run *r, const form *f, int step)
{
    const float *sums;
    told t;
    ts_gather_begin(&r->gather, true);
    EXPECT_OK(ts_grads_begin(&r->grads));
    for (int m = 0; m < f->micro; m++)
        micro_batch(r, f, step, m);
    EXPECT_OK(ts_grads_finish(&r->grads, &sums));
    EXPECT_OK(ts_optimizer_sumsq(&r->optim, sums, &t.sumsq, &t.zeros));
    EXPECT_OK(ts_optimizer_step(&r->optim, sums, 1e-2, 0.5));
    EXPECT_OK(ts_gather_update(&r->gather));
    EXPECT_OK(ts_optimizer_params_norm(&r->optim, &t.norm));
    return t;
}

/* ---- what must be equal ---- */

static bool near(double a, double b) { return a - b <= 1e-12 * b && b - a <= 1e-12 * b; }

/* What has not been gathered yet becomes NaN, but for the own share: who used it would be found out. */
static void poison(run *r, const form *f)
{
    const ts_shards *s = &r->set.shards;
    int64_t old = 0;
    for (int64_t u = 0; r->gather.unit && u < s->n_units; u++) {
        if (r->gather.unit[u].state != TS_GATHER_OLD)
            continue;
        char *values = r->set.values->data;
        const int64_t begin = ts_param_set_byte(&r->set, s->begin[u]),
                      end = ts_param_set_byte(&r->set, s->begin[u + 1]),
                      own = ts_param_set_byte(&r->set, ts_shard_begin(s, u, s->o.rank)),
                      own_end = ts_param_set_byte(&r->set, ts_shard_begin(s, u, s->o.rank + 1));
        memset(values + begin, 0xFF, (size_t)(own - begin));
        memset(values + own_end, 0xFF, (size_t)(end - own_end));
        old++;
    }
    EXPECT(!r->gather.overlap || !r->gather.unit || old > 0, "%s: all has been gathered already", f->name);
}

/* As a pass that evaluates does. */
static void use_values(run *r)
{
    ts_gather_begin(&r->gather, false);
    for (int i = PARAMS - 1; i >= 0; i--)
        EXPECT_OK(ts_param_need(r->set.p[i]));
}

static void compare_values(const form *f, int step, run *r, const run *plain)
{
    ts_gather_begin(&r->gather, false);
    for (int i = PARAMS - 1; i >= 0; i--) {
        const ts_param *p = r->set.p[i];
        const float *want = plain->set.p[i]->value;
        EXPECT_OK(ts_param_need(p));
        for (int64_t k = 0; k < ts_param_count(p); k++) {
            char rounded[4];
            ts_store_f32(rounded, 0, p->dtype, want[k]);
            EXPECT(ts_load_f32(p->value, k, p->dtype) == ts_load_f32(rounded, 0, p->dtype),
                   "%s, step %d: value %lld of %s is %g, not %g", f->name, step, (long long)k, p->name,
                   (double)ts_load_f32(p->value, k, p->dtype), (double)want[k]);
        }
    }
}

static void compare_masters(const form *f, int step, const run *r, const run *plain)
{
    int64_t n = 0;
    for (int64_t i = 0; i < r->set.shards.n_pieces; i++) {
        const ts_shard_piece *x = &r->set.shards.piece[i];
        const float *want = (const float *)plain->set.p[x->p->index]->value + x->at;
        EXPECT(!memcmp(ts_shard_piece_master(x), want, (size_t)x->n * sizeof *want),
               "%s, step %d: masters of %s from %lld on", f->name, step, x->p->name, (long long)x->at);
        n += x->n;
    }
    int64_t all = 0;
    for (int i = 0; i < PARAMS; i++)
        all += ts_param_count(r->set.p[i]);
    EXPECT_OK(ts_comm_run(r->sharers.share, ts_all_reduce(&n, 1, TS_COMM_I64, TS_COMM_SUM)));
    EXPECT(n == all, "%s: the shares have %lld of %lld elements", f->name, (long long)n, (long long)all);
}

static void compare_traffic(const form *f, const ts_comm *real, const ts_comm *counted)
{
    if (!real)
        return;
    EXPECT(real->traffic.calls == counted->traffic.calls && real->traffic.bytes == counted->traffic.bytes,
           "%s, group %s: %lld calls of %g bytes, a simulated rank counts %lld of %g", f->name, real->group,
           (long long)real->traffic.calls, real->traffic.bytes, (long long)counted->traffic.calls,
           counted->traffic.bytes);
}

/* What a step and a pass that evaluates send, beside two sums of two numbers: gradients in fp32 once, or, where
 * they are kept as shares, in each micro-batch; values once, or, where they are shared out, in each pass: with
 * LayerZeRO from all only in the first pass behind an update, and in the very first. */
static void check_traffic(const form *f, const run *r, int step)
{
    if (f->deterministic || f->in_bf16 || tensor > 1 || ts_shards_alone(&r->set.shards))
        return;
    const ts_sharers *s = &r->sharers;
    const bool everywhere = f->level == TS_SHARD_VALUES;
    const double values = (double)ts_param_set_byte(&r->set, r->set.total), passes = f->micro + 1,
                 grads = 4 * (double)r->set.total * (ts_shards_grads(&r->set.shards) ? f->micro : 1),
                 far = !everywhere ? 1 : !s->near ? passes : step ? 1 : 2,
                 all = grads + values * far + 2 * 2 * 16,
                 part = (double)(s->share->size - 1) / s->share->size;
    EXPECT(near(s->share->traffic.bytes, all * part), "%s: %g bytes, expected %g", f->name,
           s->share->traffic.bytes, all * part);
    const double few = s->near ? (double)(s->near->size - 1) / s->near->size : 0;
    EXPECT(!s->near || near(s->near->traffic.bytes, values * (passes - far) * few), "%s: %g bytes nearby",
           f->name, s->near->traffic.bytes);
}

static void forget(ts_comm *c)
{
    if (c)
        c->traffic = (ts_comm_traffic){ 0 };
}

static void forget_traffic(run *r)
{
    ts_comm *all[] = { r->mesh->world, r->mesh->comm[TS_MESH_DP_CP], r->mesh->comm[TS_MESH_TP], r->sharers.share,
                       r->sharers.copies, r->sharers.near };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        forget(all[i]);
}

/* The bits are those without shares where the terms of each sum have the same order. */
static void check(const form *f, ts_device *cpu, ts_device *sim)
{
    run shared, plain, counted;
    ts_comm *world;
    EXPECT_OK(ts_comm_sim_create(comm->rank, comm->size, "world", NULL, &world));
    make(&shared, f, cpu, comm, true);
    make(&plain, f, cpu, comm, false);
    make(&counted, f, sim, world, true);
    for (int step = 0; step < STEPS; step++) {
        const told b = one_step(&plain, f, step);
        forget_traffic(&shared), forget_traffic(&counted);
        const told a = one_step(&shared, f, step);
        poison(&shared, f);
        compare_values(f, step, &shared, &plain);
        check_traffic(f, &shared, step);
        (void)one_step(&counted, f, step);
        use_values(&counted);
        compare_traffic(f, shared.sharers.share, counted.sharers.share);
        compare_traffic(f, shared.sharers.copies, counted.sharers.copies);
        compare_traffic(f, shared.sharers.near, counted.sharers.near);
        compare_traffic(f, shared.mesh->comm[TS_MESH_TP], counted.mesh->comm[TS_MESH_TP]);
        EXPECT(near(a.sumsq, b.sumsq) && near(a.norm, b.norm) && a.zeros == b.zeros,
               "%s, step %d: %.17g %.17g %lld, not %.17g %.17g %lld", f->name, step, a.sumsq, a.norm,
               (long long)a.zeros, b.sumsq, b.norm, (long long)b.zeros);
        compare_masters(f, step, &shared, &plain);
    }
    drop(&counted);
    drop(&plain);
    drop(&shared);
    ts_comm_destroy(&world);
}

int main(int argc, char **argv)
{
    ts_device *cpu, *sim;
    comm = open_world(argc > 2 ? argv[2] : "");
    tensor = argc > 1 ? atoi(argv[1]) : 1;
    const int same = comm->size / tensor;
    static const form forms[] = {
        { .name = "state", .level = TS_SHARD_STATE, .bucket = 1 << 20, .micro = 2 },
        { .name = "state, units", .level = TS_SHARD_STATE, .bucket = 200, .overlap = true, .micro = 2 },
        { .name = "state, bf16", .level = TS_SHARD_STATE, .bucket = 200, .overlap = true,
          .values = TS_DTYPE_BF16, .micro = 1 },
        { .name = "state, sums in bf16", .level = TS_SHARD_STATE, .bucket = 500, .in_bf16 = true,
          .values = TS_DTYPE_BF16, .micro = 2 },
        { .name = "state, in order", .level = TS_SHARD_STATE, .bucket = 300, .deterministic = true, .micro = 3 },
        { .name = "whole matrices", .level = TS_SHARD_STATE, .bucket = 1 << 20, .muon = true, .micro = 2 },
        { .name = "whole matrices, units", .level = TS_SHARD_STATE, .bucket = 600, .muon = true, .overlap = true,
          .values = TS_DTYPE_BF16, .micro = 1 },
        { .name = "whole matrices, in order", .level = TS_SHARD_STATE, .bucket = 900, .muon = true,
          .deterministic = true, .micro = 3 },
        { .name = "gradients", .level = TS_SHARD_GRADS, .bucket = 100, .micro = 1 },
        { .name = "gradients, overlap", .level = TS_SHARD_GRADS, .bucket = 100, .overlap = true,
          .values = TS_DTYPE_BF16, .micro = 1 },
        { .name = "gradients, in order", .level = TS_SHARD_GRADS, .bucket = 100, .deterministic = true,
          .micro = 3 },
        { .name = "values", .level = TS_SHARD_VALUES, .bucket = 100, .micro = 1 },
        { .name = "values, bf16", .level = TS_SHARD_VALUES, .bucket = 100, .overlap = true,
          .values = TS_DTYPE_BF16, .micro = 1 },
        { .name = "values, in order", .level = TS_SHARD_VALUES, .bucket = 100, .deterministic = true,
          .values = TS_DTYPE_BF16, .micro = 3 },
        { .name = "sums in bf16", .level = TS_SHARD_NOTHING, .bucket = 100, .group = 1, .sums = TS_STATE_BF16, .micro = 3 },
        { .name = "gradients, sums in bf16", .level = TS_SHARD_GRADS, .bucket = 100, .sums = TS_STATE_BF16, .micro = 2 },
        { .name = "values, sums in bf16", .level = TS_SHARD_VALUES, .bucket = 100, .sums = TS_STATE_BF16, .overlap = true,
          .values = TS_DTYPE_BF16, .micro = 3 },
    };
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &cpu));
    EXPECT_OK(ts_device_open("sim", &(ts_device_options){ .threads = 1 }, &sim));
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        check(&forms[i], cpu, sim);
    if (same > 1)
        check(&(form){ .name = "layerzero", .level = TS_SHARD_VALUES, .bucket = 100, .near = same % 2 ? same : 2,
                       .values = TS_DTYPE_BF16, .overlap = true, .micro = 2 }, cpu, sim);
    if (same % 2 == 0 && same > 2) {
        check(&(form){ .name = "copies of values", .level = TS_SHARD_VALUES, .bucket = 100, .group = 2,
                       .exact = true, .overlap = true, .micro = 2 }, cpu, sim);
        check(&(form){ .name = "copies of the state", .level = TS_SHARD_STATE, .bucket = 100, .group = 2,
                       .exact = true, .micro = 2, .values = TS_DTYPE_BF16 }, cpu, sim);
    }
    ts_device_close(&sim);
    ts_device_close(&cpu);
    ts_comm_finish(&comm, false);
    return 0;
}
