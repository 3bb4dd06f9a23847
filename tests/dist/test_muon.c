/* Muon on weights that a tensor-parallel group has cut, beside one process that has all of them: the same bits
 * where every process makes all (duplicated), nearly so where they make it together (distributed), and those of
 * the share as a matrix of its own (blockwise). Gradients are made up, by the element's number in the whole. */
#include "dist_test.h"

#include "device/isa.h"
#include "train/optimizer.h"

#include <math.h>

enum { WEIGHTS = 5, STEPS = 3 };

static ts_comm *comm;

/* Sizes, how many stretches and what stays together of the side that is cut, and the matrices within. */
static const struct {
    int64_t rows, cols;
    int dim, stretches; /* dim -1: not cut */
    int64_t unit;
    ts_param_bands bands;
} weight[WEIGHTS] = {
    { 48, 20, 0, 1, 12, { 3, { 6, 3, 3 }, 3 } }, /* queries, keys and values of four groups */
    { 20, 36, 1, 1, 9, { 0 } },
    { 44, 20, 0, 2, 1, { 2, { 22, 22 }, 0 } }, /* gate and up */
    { 20, 22, 1, 1, 1, { 0 } },
    { 20, 20, -1, 1, 1, { 0 } },
};

typedef enum kind { CUT, ALONE, SHARE } kind; /* of the group; whole weights; the shares, as whole weights */

typedef struct run {
    ts_param_set set;
    ts_param *p[WEIGHTS];
    ts_optimizer z;
    ts_place place[WEIGHTS]; /* of the share in the whole */
} run;

static void declare(run *r, int i, kind k)
{
    char name[16];
    ts_place whole = ts_place_whole(weight[i].rows, weight[i].cols), *share = &r->place[i];
    *share = whole;
    if (weight[i].dim >= 0 && k != ALONE)
        ts_place_cut_even(share, weight[i].dim, TS_AXIS_TENSOR, comm->size, comm->rank, weight[i].stretches,
                          weight[i].unit);
    if (k == SHARE)
        whole = ts_place_whole(ts_place_local(share, 0), ts_place_local(share, 1));
    snprintf(name, sizeof name, "w%d", i);
    EXPECT_OK(ts_param_declare(&r->set, name, k == CUT ? share : &whole, true, &r->p[i]));
    r->p[i]->bands = weight[i].bands;
    if (k == SHARE && !weight[i].bands.head && weight[i].bands.n)
        r->p[i]->bands.rows[0] = r->p[i]->bands.rows[1] = r->p[i]->dim[0] / 2;
    if (weight[i].dim < 0 && comm->rank > 0 && k == CUT)
        r->p[i]->counted = 0;
}

/* Of step t; 0: what it begins with. */
static void fill(const run *r, int i, int t, float *v)
{
    const int64_t n = ts_param_count(r->p[i]);
    for (int64_t at = 0, whole, len; at < n; at += len) {
        len = ts_place_run(&r->place[i], at, &whole);
        for (int64_t k = 0; k < len && at + k < n; k++)
            v[at + k] = (float)made_up(t + 10 * i, (whole + k) * (whole + k + 13)) / 4099 - 0.5F;
    }
}

static void make(run *r, const ts_train_options *o, ts_device *dev, kind k)
{
    EXPECT_OK(ts_param_set_init(&r->set, dev));
    for (int i = 0; i < WEIGHTS; i++)
        declare(r, i, k);
    ts_param_set_step_whole(&r->set, NULL, 0);
    EXPECT_OK(ts_param_set_allocate(&r->set, TS_DTYPE_F32));
    EXPECT_OK(ts_param_set_allocate_grads(&r->set));
    EXPECT_OK(ts_optimizer_init(&r->z, o, &r->set, k == CUT ? comm : NULL));
    for (int i = 0; i < WEIGHTS; i++)
        fill(r, i, 0, r->p[i]->value);
}

static void step(run *r, int t)
{
    for (int i = 0; i < WEIGHTS; i++)
        fill(r, i, t, r->p[i]->grad);
    EXPECT_OK(ts_optimizer_step(&r->z, r->set.grads->data, 0.02, 0.5));
}

static void drop(run *r)
{
    ts_optimizer_deinit(&r->z);
    ts_param_set_deinit(&r->set);
}

/* The share beside its elements of the others' weights. */
static void compare(const run *cut, const run *other, bool is_share, double bound, const char *name)
{
    for (int i = 0; i < WEIGHTS; i++) {
        const float *a = cut->p[i]->value, *b = other->p[i]->value;
        const int64_t n = ts_param_count(cut->p[i]);
        for (int64_t at = 0, whole; at < n; at++) {
            (void)ts_place_run(&cut->place[i], at, &whole);
            const float want = b[is_share ? at : whole];
            EXPECT(fabs((double)(a[at] - want)) <= bound, "%s: weight %d, element %lld: %.9g, not %.9g", name, i,
                   (long long)whole, (double)a[at], (double)want);
        }
    }
}

/* In fp32 a sum in another order is wrong by some 2^-24, which the iteration grows by no more than 700 (quintic's
 * first coefficients), in steps of 0.02 sqrt(48). */
static void check(ts_device *dev, ts_matrix_options m, const char *name)
{
    const ts_train_options o = { .optimizer = TS_OPTIMIZER_MUON, .weight_decay = 0.1, .matrix = m,
                                 .adam_beta1 = 0.9, .adam_beta2 = 0.95, .adam_eps = 1e-8 };
    const bool is_share = m.tp_mode == TS_MUON_BLOCKWISE;
    const double bound = m.tp_mode == TS_MUON_DISTRIBUTED ? STEPS * 0.02 * 7 * 700 * 16 * 0x1p-24 : 0;
    run cut, other;
    make(&cut, &o, dev, CUT);
    make(&other, &o, dev, is_share ? SHARE : ALONE);
    for (int t = 1; t <= STEPS; t++) {
        step(&cut, t);
        step(&other, t);
    }
    compare(&cut, &other, is_share, bound, name);
    drop(&cut);
    drop(&other);
}

int main(void)
{
    ts_device *dev;
    comm = open_world("");
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    ts_matrix_options m = { .momentum = 0.9, .extra_scale = 1, .split_qkv = true, .set = TS_MUON_QUINTIC, .steps = 5,
                            .precision = TS_MUON_HIGH };
    static const char *const name[] = { "blockwise", "duplicated", "distributed" };
    for (m.tp_mode = TS_MUON_BLOCKWISE; m.tp_mode <= TS_MUON_DISTRIBUTED; m.tp_mode++) {
        check(dev, m, name[m.tp_mode]);
        m.split_qkv = false, m.nesterov = true;
        check(dev, m, name[m.tp_mode]);
        m.split_qkv = m.per_head = true;
        check(dev, m, name[m.tp_mode]);
        m.per_head = m.nesterov = false;
    }
    m.tp_mode = TS_MUON_DUPLICATED, m.precision = TS_MUON_MEDIUM;
    check(dev, m, "duplicated, in bf16");
    ts_device_close(&dev);
    ts_comm_finish(&comm, false);
    return 0;
}
