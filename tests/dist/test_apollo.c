/* APOLLO on weights that a tensor-parallel group has cut and whose shares are shared out, beside one process that has
 * all of them: the same but for the order of sums. Gradients are made up, by the element's number in the whole.
 * Argument: tensor-parallel size. */
#include "dist_test.h"

#include "device/isa.h"
#include "dist/mesh.h"
#include "train/optimizer.h"

#include <math.h>

enum { WEIGHTS = 6, STEPS = 3 };

static ts_comm *comm;
static ts_mesh *mesh;

/* Sizes, and how many stretches and what stays together of the side that is cut. */
static const struct {
    int64_t rows, cols;
    int dim, stretches; /* dim -1: not cut */
    int64_t unit;
} weight[WEIGHTS] = { { 48, 20, 0, 1, 12 }, { 20, 36, 1, 1, 9 }, { 44, 20, 0, 2, 1 },
                      { 20, 44, 1, 2, 1 },  { 20, 20, -1, 1, 1 }, { 30, 8, -1, 1, 1 } };

typedef struct run {
    ts_param_set set;
    ts_param *p[WEIGHTS];
    ts_optimizer z;
    ts_storage *own; /* gradients of the own pieces */
} run;

static void declare(run *r, int i, bool is_cut)
{
    char name[16];
    ts_place place = ts_place_whole(weight[i].rows, weight[i].cols);
    if (weight[i].dim >= 0 && is_cut)
        ts_place_cut_even(&place, weight[i].dim, TS_AXIS_TENSOR, mesh->size[TS_MESH_TP], mesh->at[TS_MESH_TP],
                          weight[i].stretches, weight[i].unit);
    snprintf(name, sizeof name, "w%d", i);
    if (i % 2 == 0)
        ts_param_set_unit(&r->set);
    EXPECT_OK(ts_param_declare(&r->set, name, &place, true, &r->p[i]));
    if (weight[i].dim < 0 && mesh->at[TS_MESH_TP] > 0 && is_cut)
        r->p[i]->counted = 0;
}

/* Of step t; 0: what it begins with. */
static float number(const ts_param *p, int64_t at, int t)
{
    int64_t whole;
    (void)ts_place_run(&p->place, at, &whole);
    return (float)made_up(t + 10 * (int)p->index, whole * (whole + 13)) / 4099 - 0.5F;
}

static void make(run *r, const ts_train_options *o, ts_device *dev, ts_shard_level level, bool is_cut)
{
    *r = (run){ 0 };
    EXPECT_OK(ts_param_set_init(&r->set, dev));
    for (int i = 0; i < WEIGHTS; i++)
        declare(r, i, is_cut);
    ts_param_set_step_whole(&r->set, NULL, 0);
    ts_comm *sharers = mesh->comm[TS_MESH_DP_CP];
    if (is_cut)
        ts_param_set_share(&r->set, &(ts_shard_options){ .level = level, .size = sharers->size, .rank = sharers->rank,
                                                         .unit = 500, .cuts_whole = true,
                                                         .values = ts_train_dtype(o->main_params_dtype) });
    EXPECT_OK(ts_param_set_allocate(&r->set, ts_train_dtype(o->main_params_dtype)));
    EXPECT_OK(ts_optimizer_init(&r->z, o, &r->set, is_cut ? mesh->comm[TS_MESH_TP] : NULL));
    EXPECT_OK(ts_storage_create(dev, TS_MEM_GRAD, (size_t)r->set.shards.most * sizeof(float), &r->own));
    r->z.own_grads = true;
    r->z.sharers = r->z.counters = ts_shards_alone(&r->set.shards) ? NULL : sharers;
    for (int i = 0; i < WEIGHTS; i++)
        for (int64_t k = 0; k < ts_param_count(r->p[i]); k++) {
            float v = number(r->p[i], k, 0);
            EXPECT_OK(ts_param_put(r->p[i], k, 1, &v));
        }
}

static void step(run *r, int t)
{
    const ts_shards *s = &r->set.shards;
    for (int64_t i = 0; i < s->n_pieces; i++)
        for (int64_t k = 0; k < s->piece[i].n; k++)
            ((float *)r->own->data)[s->piece[i].own + k] = number(s->piece[i].p, s->piece[i].at + k, t) * (float)t;
    EXPECT_OK(ts_optimizer_step(&r->z, r->own->data, 0.02, 0.5));
}

static void drop(run *r)
{
    ts_optimizer_deinit(&r->z);
    ts_storage_release(&r->own);
    ts_param_set_deinit(&r->set);
}

static float value(const ts_shard_piece *x, int64_t k) { return ts_load_f32(ts_shard_piece_master(x), k, ts_shard_piece_type(x)); }

/* Own pieces beside their elements of the whole weights; which of all elements were looked at is added up. */
static void compare(const run *cut, const run *alone, double bound, const char *name)
{
    const ts_shards *s = &cut->set.shards;
    int64_t n = 0, all = 0, whole;
    for (int64_t i = 0; i < s->n_pieces; i++)
        for (int64_t k = 0; k < s->piece[i].n; k++) {
            const ts_shard_piece *x = &s->piece[i];
            (void)ts_place_run(&x->p->place, x->at + k, &whole);
            const float want = value(&alone->set.shards.piece[x->p->index], whole);
            n += x->at + k < x->p->counted;
            EXPECT(fabs((double)(value(x, k) - want)) <= bound, "%s: weight %d, element %lld: %.9g, not %.9g", name,
                   (int)x->p->index, (long long)whole, (double)value(x, k), (double)want);
        }
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(&n, 1, TS_COMM_I64, TS_COMM_SUM)));
    for (int i = 0; i < WEIGHTS; i++)
        all += weight[i].rows * weight[i].cols;
    EXPECT(n == all, "%s: %lld of %lld elements were compared", name, (long long)n, (long long)all);
}

/* Sums of at most 48 products in another order are wrong by 48 x 2^-24 of their terms. A step is 0.02 x 2 x the
 * gradient (up to 0.75) x a factor: the root of 1 / 1 - beta2 at most where the projected gradient is not far smaller
 * than its terms. Masters in bf16 go from one number to a neighbour where what is rounded lies near the border. */
static void check(ts_device *dev, ts_shard_level level, ts_matrix_options m, int masters, const char *name)
{
    const ts_train_options o = { .optimizer = TS_OPTIMIZER_ADAM, .weight_decay = 0.1, .matrix = m, .seed = 5,
                                 .adam_beta1 = 0.9, .adam_beta2 = 0.95, .adam_eps = 1e-8, .main_params_dtype = masters };
    const double bound = masters ? 0x1p-8 : 1e-5;
    run cut, alone;
    make(&cut, &o, dev, level, true);
    make(&alone, &o, dev, TS_SHARD_NOTHING, false);
    for (int t = 1; t <= STEPS; t++) {
        step(&cut, t);
        step(&alone, t);
        compare(&cut, &alone, bound, name);
    }
    drop(&cut);
    drop(&alone);
}

int main(int argc, char **argv)
{
    ts_device *dev;
    comm = open_world("");
    EXPECT_OK(ts_mesh_create(comm, &(ts_mesh_shape){ .tp = argc > 1 ? atoi(argv[1]) : 1 }, &mesh));
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    static const char *const name[] = { "nothing", "state", "gradients", "values" };
    const bool alone = mesh->size[TS_MESH_DP_CP] == 1; /* otherwise all processes share something out */
    for (ts_shard_level l = alone ? TS_SHARD_NOTHING : TS_SHARD_STATE; l <= (alone ? TS_SHARD_NOTHING : TS_SHARD_GRADS); l++) {
        ts_matrix_options m = { .apollo = true, .apollo_rank = 3, .apollo_interval = 2, .apollo_scale = 4 };
        check(dev, l, m, TS_STATE_F32, name[l]);
        m.apollo_side = TS_APOLLO_RIGHT;
        check(dev, l, m, TS_STATE_BF16, name[l]);
        m = (ts_matrix_options){ .apollo = true, .apollo_rank = 1, .apollo_interval = 200, .apollo_scale = 128,
                                 .apollo_scale_type = TS_APOLLO_TENSOR, .apollo_side = TS_APOLLO_LEFT };
        check(dev, l, m, TS_STATE_F32, name[l]);
    }
    ts_device_close(&dev);
    ts_mesh_destroy(&mesh);
    ts_comm_finish(&comm, false);
    return 0;
}
