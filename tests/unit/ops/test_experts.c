/* Routing against its definition in double and its gradients against differences of it; products of groups, bit
 * by bit, against linear layers of each expert's rows alone; rows there and back. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "ops/experts.h"
#include "ops/ops.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { T = 12, E = 8, MOST = 4, SEQ = 6 };

typedef struct rig {
    ts_device *dev;
    ts_tape *tape;
    ts_param_set params;
} rig;

static void open_rig(rig *r, int threads)
{
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = threads, .isa = TS_ISA_ALL }, &r->dev));
    OK(ts_tape_create(r->dev, &(ts_tape_options){ 0 }, &r->tape));
    OK(ts_param_set_init(&r->params, r->dev));
}

static void close_rig(rig *r)
{
    ts_tape_destroy(&r->tape);
    ts_param_set_deinit(&r->params);
    ts_device_close(&r->dev);
}

static float value(int64_t i)
{
    const uint32_t u = ((uint32_t)i + 17) * 2654435761u;
    return (float)(u >> 8 & 0xFFFF) / 32768 - 1;
}

static ts_tensor *tensor(ts_tape *tape, int64_t d0, int64_t d1, const float *v)
{
    ts_tensor *x;
    OK(ts_tape_new(tape, TS_DTYPE_F32, d0, d1, &x));
    memcpy(ts_tensor_data(x), v, ts_tensor_bytes(x));
    return x;
}

/* ---- routing, as it is defined ---- */

static void scores(const ts_route_op *o, const double *z, double *s)
{
    double sum = 0;
    for (int e = 0; e < E; e++) {
        s[e] = o->score == TS_ROUTE_SIGMOID         ? 1 / (1 + exp(-z[e]))
               : o->score == TS_ROUTE_SQRT_SOFTPLUS ? sqrt(log(1 + exp(z[e])))
               : o->score == TS_ROUTE_SOFTMAX       ? exp(z[e])
                                                    : z[e];
        sum += s[e];
    }
    for (int e = 0; e < E && o->score == TS_ROUTE_SOFTMAX; e++)
        s[e] /= sum;
}

static int best_of(const double *x, int n, const bool *taken)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (!taken[i] && (best < 0 || x[i] > x[best]))
            best = i;
    return best;
}

static void choose(const ts_route_op *o, const double *s, const float *bias, int *ids)
{
    double x[E], group[E] = { 0 };
    bool out[E] = { false }, kept[E] = { false }, taken[E] = { false };
    const int size = E / (int)o->groups;
    for (int e = 0; e < E; e++)
        x[e] = s[e] + (bias ? (double)bias[e] : 0);
    for (int g = 0; g < o->groups; g++)
        for (int b = 0; b < o->group_best; b++) {
            const int e = g * size + best_of(x + g * size, size, taken + g * size);
            taken[e] = true;
            group[g] += x[e];
        }
    for (int g = 0; g < o->group_topk; g++)
        kept[best_of(group, (int)o->groups, kept)] = true;
    for (int e = 0; e < E; e++)
        out[e] = o->groups > 1 && !kept[e / size];
    for (int j = 0; j < o->k; j++) {
        ids[j] = best_of(x, E, out);
        out[ids[j]] = true;
    }
}

static void weigh(const ts_route_op *o, const double *s, const int *ids, double *w)
{
    double sum = 0;
    for (int j = 0; j < o->k; j++) {
        w[j] = o->score == TS_ROUTE_CHOSEN ? exp(s[ids[j]]) : s[ids[j]];
        sum += w[j];
    }
    for (int j = 0; j < o->k; j++)
        w[j] *= (double)o->scale / (o->norms || o->score == TS_ROUTE_CHOSEN ? sum : 1);
}

/* The auxiliary losses as ts_balance writes them, with ids that stay. */
static double auxiliary(const ts_route_op *o, const double *z, const int *ids)
{
    const ts_balance *b = &o->balance;
    const int block = b->by_sequence ? SEQ : T;
    double all = 0;
    for (int first = 0; first < T; first += block) {
        double c[E] = { 0 }, P[E] = { 0 };
        for (int t = first; t < first + block; t++) {
            const ts_route_op plain = { .score = o->score == TS_ROUTE_CHOSEN ? TS_ROUTE_SOFTMAX : o->score };
            double s[E], sum = 0;
            scores(&plain, z + t * E, s);
            for (int e = 0; e < E; e++)
                sum += s[e];
            for (int e = 0; e < E; e++)
                P[e] += s[e] / sum;
            for (int j = 0; j < o->k; j++)
                c[ids[t * o->k + j]]++;
        }
        for (int e = 0; e < E; e++)
            all += (double)b->aux * E / ((double)o->k * block * block) * c[e] * P[e] / (T / block);
    }
    for (int t = 0; t < T; t++) {
        double sum = 0;
        for (int e = 0; e < E; e++)
            sum += exp(z[t * E + e]);
        all += (double)b->z / T * log(sum) * log(sum);
    }
    return all;
}

/* sum of c w + weight * auxiliary losses */
static double objective(const ts_route_op *o, const double *z, const int *ids, const float *c)
{
    double sum = (double)o->balance.weight * auxiliary(o, z, ids);
    for (int t = 0; t < T; t++) {
        double s[E], w[MOST];
        scores(o, z + t * E, s);
        weigh(o, s, ids + t * o->k, w);
        for (int j = 0; j < o->k; j++)
            sum += (double)c[t * o->k + j] * w[j];
    }
    return sum;
}

static void check_route(rig *r, ts_route_op o, bool biased)
{
    float logits[T * E], c[T * MOST], bias[E], sums[3 * E + 1] = { 0 };
    double z[T * E];
    int ids[T * MOST];
    ts_tensor *weights, *chosen;
    ts_tape_reset(r->tape);
    r->tape->recording = true;
    for (int i = 0; i < T * E; i++)
        z[i] = (double)(logits[i] = 2 * value(i));
    for (int i = 0; i < T * MOST; i++)
        c[i] = value(1000 + i);
    for (int e = 0; e < E; e++)
        bias[e] = value(2000 + e) / 2;
    ts_param b = { .value = bias };
    o.bias = biased ? &b : NULL;
    o.balance.load = sums, o.balance.losses = sums + E, o.balance.z_loss = sums + 3 * E;
    o.balance.block_rows = SEQ;
    ts_tensor *x = tensor(r->tape, T, E, logits);
    x->wants_grad = true;
    OK(ts_op_route(r->tape, &o, x, &weights, &chosen));
    for (int t = 0; t < T; t++) {
        double s[E], w[MOST];
        scores(&o, z + t * E, s);
        choose(&o, s, o.bias ? bias : NULL, ids + t * o.k);
        weigh(&o, s, ids + t * o.k, w);
        for (int j = 0; j < o.k; j++) {
            assert_int_equal(((int32_t *)ts_tensor_data(chosen))[t * o.k + j], ids[t * o.k + j]);
            assert_true(fabs((double)((float *)ts_tensor_data(weights))[t * o.k + j] - w[j]) < 1e-5 * (1 + fabs(w[j])));
        }
    }
    double losses = 0, load = 0;
    for (int e = 0; e < E; e++)
        losses += (double)sums[E + e], load += (double)sums[e];
    assert_true(fabs(losses + (double)sums[3 * E] - auxiliary(&o, z, ids)) < 1e-5 * (1 + losses));
    assert_true(load == (o.balance.weight != 0 ? (double)(T * o.k) : 0));
    OK(ts_tape_accumulate(r->tape, weights, tensor(r->tape, T, o.k, c)));
    OK(ts_tape_backward(r->tape));
    for (int i = 0; i < T * E; i++) {
        const double h = 1e-5, was = z[i];
        z[i] = was + h;
        const double up = objective(&o, z, ids, c);
        z[i] = was - h;
        const double slope = (up - objective(&o, z, ids, c)) / (2 * h), got = (double)((float *)ts_tensor_data(x->grad))[i];
        z[i] = was;
        if (fabs(got - slope) > 1e-5 * (1 + fabs(slope)))
            fail_msg("score %d groups %d bias %d: d[%d] is %g, differences say %g", o.score, (int)o.groups, biased, i,
                     got, slope);
    }
}

static void routes(void **state)
{
    (void)state;
    rig r = { 0 };
    open_rig(&r, 1);
    for (int score = TS_ROUTE_SOFTMAX; score <= TS_ROUTE_SQRT_SOFTPLUS; score++)
        for (int variant = 0; variant < 16; variant++) {
            const bool groups = variant & 4;
            const ts_route_op o = { .score = (ts_route_score)score, .k = 3, .groups = groups ? 4 : 1,
                                    .group_topk = groups ? 2 : 1, .group_best = variant & 8 ? 2 : 1,
                                    .norms = variant & 1 && score != TS_ROUTE_CHOSEN, .scale = 1.5f,
                                    .balance = { .weight = variant & 2 ? 0.5f : 0, .aux = variant & 2 ? 0.7f : 0,
                                                 .z = variant & 2 ? 0.3f : 0, .by_sequence = variant & 1 } };
            check_route(&r, o, variant & 1);
        }
    close_rig(&r);
}

/* A single weight that is divided by its sum is 1 whatever its score: not even a rounding of its gradient is left, which
 * Adam would make a step of. */
static void one_normed(void **state)
{
    (void)state;
    static const ts_route_score scores_that_norm[] = { TS_ROUTE_SOFTMAX, TS_ROUTE_SIGMOID, TS_ROUTE_SQRT_SOFTPLUS };
    float logits[T * E], c[T];
    rig r = { 0 };
    open_rig(&r, 1);
    for (size_t i = 0; i < sizeof scores_that_norm / sizeof *scores_that_norm; i++) {
        const ts_route_op o = { .score = scores_that_norm[i], .k = 1, .groups = 1, .group_topk = 1, .group_best = 1, .norms = true,
                                .scale = 1.5f };
        ts_tensor *w, *ids;
        ts_tape_reset(r.tape);
        r.tape->recording = true;
        for (int k = 0; k < T * E; k++)
            logits[k] = 2 * value(k);
        for (int t = 0; t < T; t++)
            c[t] = value(1000 + t);
        ts_tensor *x = tensor(r.tape, T, E, logits);
        x->wants_grad = true;
        OK(ts_op_route(r.tape, &o, x, &w, &ids));
        OK(ts_tape_accumulate(r.tape, w, tensor(r.tape, T, 1, c)));
        OK(ts_tape_backward(r.tape));
        for (int k = 0; k < T * E; k++)
            assert_true(((float *)ts_tensor_data(x->grad))[k] == 0);
    }
    close_rig(&r);
}

/* What Megatron-LM's own functions give for these logits (megatron-core 0.19). */
static void as_megatron(void **state)
{
    (void)state;
    static const struct {
        ts_route_score score;
        int k;
        bool norms, biased;
        float scale;
        int ids[2];
        double w[2];
    } fact[] = {
        { TS_ROUTE_CHOSEN, 2, false, false, 1, { 0, 1 }, { .731059, .268941 } },
        { TS_ROUTE_SOFTMAX, 2, false, false, 1, { 0, 1 }, { .643914, .236883 } },
        { TS_ROUTE_CHOSEN, 1, false, false, 1, { 0 }, { 1 } },
        { TS_ROUTE_SOFTMAX, 1, false, false, 1, { 0 }, { .643914 } },
        { TS_ROUTE_SIGMOID, 2, true, false, 1, { 0, 1 }, { .546449, .453551 } },
        { TS_ROUTE_SIGMOID, 1, false, false, 1, { 0 }, { .880797 } },
        { TS_ROUTE_SIGMOID, 1, false, false, 2.5f, { 0 }, { 2.201993 } },
        { TS_ROUTE_SQRT_SOFTPLUS, 2, true, false, 1, { 0, 1 }, { .55998, .44002 } },
        { TS_ROUTE_SIGMOID, 2, true, true, 1, { 1, 3 }, { .731059, .268941 } },
    };
    static const float logits[] = { 2, 1, 0, -1 }, bias[] = { -1, 0, 0, 1 };
    rig r = { 0 };
    open_rig(&r, 1);
    for (size_t i = 0; i < sizeof fact / sizeof *fact; i++) {
        const ts_param b = { .value = (void *)(uintptr_t)bias };
        const ts_route_op o = { .score = fact[i].score, .k = fact[i].k, .groups = 1, .group_topk = 1, .group_best = 1,
                                .norms = fact[i].norms, .scale = fact[i].scale, .bias = fact[i].biased ? &b : NULL };
        ts_tensor *w, *ids;
        OK(ts_op_route(r.tape, &o, tensor(r.tape, 1, 4, logits), &w, &ids));
        double sum = 0;
        for (int j = 0; j < fact[i].k; j++) {
            const int id = ((int32_t *)ts_tensor_data(ids))[j];
            const int at = id == fact[i].ids[0] ? 0 : 1;
            assert_int_equal(id, fact[i].ids[at]);
            assert_true(fabs((double)((float *)ts_tensor_data(w))[j] - fact[i].w[at]) < 2e-6);
            sum += id;
        }
        assert_true(fact[i].k == 1 || sum == fact[i].ids[0] + fact[i].ids[1]);
    }
    close_rig(&r);
}

/* Group-limited choices of sigmoid scores, as Megatron-LM makes them: a group counts by its best k / group_topk. */
static void groups_as_megatron(void **state)
{
    (void)state;
    static const double score[] = { .9, .01, .5, .48, .6, .3, .2, .1 };
    static const struct {
        int topk, k, ids[4];
    } fact[] = { { 1, 2, { 2, 3 } }, { 2, 2, { 0, 4 } }, { 2, 3, { 0, 4, 5 } }, { 2, 4, { 0, 1, 2, 3 } } };
    float logits[8];
    rig r = { 0 };
    open_rig(&r, 1);
    for (int e = 0; e < 8; e++)
        logits[e] = (float)log(score[e] / (1 - score[e]));
    for (size_t i = 0; i < sizeof fact / sizeof *fact; i++) {
        const ts_route_op o = { .score = TS_ROUTE_SIGMOID, .k = fact[i].k, .groups = 4, .group_topk = fact[i].topk,
                                .group_best = fact[i].k / fact[i].topk, .norms = true, .scale = 1 };
        ts_tensor *w, *ids;
        bool found[8] = { false };
        OK(ts_op_route(r.tape, &o, tensor(r.tape, 1, 8, logits), &w, &ids));
        for (int j = 0; j < fact[i].k; j++)
            found[((int32_t *)ts_tensor_data(ids))[j]] = true;
        for (int j = 0; j < fact[i].k; j++)
            assert_true(found[fact[i].ids[j]]);
    }
    close_rig(&r);
}

static void sinkhorn(void **state)
{
    (void)state;
    static const float logits[] = { 3, 2, 0, 3, 1, 0, 3, 2.5f, 0 };
    static const int want[] = { 1, 0, 1 }, plain[] = { 0, 0, 0 };
    rig r = { 0 };
    open_rig(&r, 1);
    for (int trains = 0; trains < 2; trains++) {
        const ts_route_op o = { .score = TS_ROUTE_SIGMOID, .k = 1, .groups = 1, .group_topk = 1, .group_best = 1,
                                .scale = 1, .by = trains ? TS_ROUTE_BY_SINKHORN : TS_ROUTE_BY_SCORE };
        ts_tensor *w, *ids;
        OK(ts_op_route(r.tape, &o, tensor(r.tape, 3, 3, logits), &w, &ids));
        for (int t = 0; t < 3; t++) {
            const int id = ((int32_t *)ts_tensor_data(ids))[t];
            assert_int_equal(id, (trains ? want : plain)[t]);
            assert_true(fabs((double)((float *)ts_tensor_data(w))[t] - 1 / (1 + exp(-(double)logits[t * 3 + id]))) < 1e-6);
        }
    }
    close_rig(&r);
}

/* ---- order ---- */

static void sorted_rows(void **state)
{
    (void)state;
    static const int32_t ids[] = { 2, 0, 2, 1, 2, 0, 3, 2 }; /* 4 rows of 2 */
    static const float w[] = { .1f, .9f, .4f, .5f, .3f, .2f, .6f, .4f };
    rig r = { 0 };
    open_rig(&r, 1);
    ts_tensor *id, *weights = tensor(r.tape, 4, 2, w);
    OK(ts_tape_new(r.tape, TS_DTYPE_I32, 4, 2, &id));
    memcpy(ts_tensor_data(id), ids, sizeof ids);
    static const struct {
        ts_sort_op o;
        int32_t at[8], offsets[6], rows;
    } want[] = {
        { { .experts = 5 }, { 3, 0, 4, 2, 5, 1, 7, 6 }, { 0, 2, 3, 7, 8, 8 }, 8 },
        { { .experts = 5, .capacity = 2 }, { 3, 0, 4, 2, -1, 1, 5, -1 }, { 0, 2, 3, 5, 6, 6 }, 8 },
        { { .experts = 5, .capacity = 2, .by_weight = true }, { -1, 0, 3, 2, -1, 1, 5, 4 }, { 0, 2, 3, 5, 6, 6 }, 8 },
        { { .experts = 5, .capacity = 2, .by_slot = true }, { 3, 0, 4, 2, -1, 1, 5, -1 }, { 0, 2, 3, 5, 6, 6 }, 8 },
        { { .experts = 5, .capacity = 2, .pads = true }, { 4, 0, 5, 2, -1, 1, 6, -1 }, { 0, 2, 4, 6, 8, 10 }, 10 },
        { { .experts = 2, .first = 2 }, { 0, -1, 1, -1, 2, -1, 4, 3 }, { 0, 4, 5 }, 8 },
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        ts_sorted_rows s;
        OK(ts_sort_rows(r.tape, &want[i].o, id, weights, &s));
        assert_int_equal(s.rows, want[i].rows);
        assert_memory_equal(ts_tensor_data(s.at), want[i].at, sizeof ids);
        assert_memory_equal(ts_tensor_data(s.offsets), want[i].offsets, (size_t)(want[i].o.experts + 1) * 4);
        for (int32_t row = 0; row < want[i].rows; row++) {
            const int32_t from = ((int32_t *)ts_tensor_data(s.from))[row];
            int32_t expected = -1;
            for (int p = 0; p < 8; p++)
                expected = want[i].at[p] == row ? p / 2 : expected;
            assert_int_equal(from, expected);
        }
    }
    close_rig(&r);
}

/* ---- products ---- */

enum { IN = 70, OUT = 52, X = 5 };
static const int32_t counts[X] = { 19, 0, 1, 40, 7 };

static ts_tensor *filled(ts_tape *tape, ts_dtype t, int64_t d0, int64_t d1, int64_t seed)
{
    ts_tensor *x;
    OK(ts_tape_new(tape, t, d0, d1, &x));
    for (int64_t i = 0; i < d0 * d1; i++)
        ts_store_f32(ts_tensor_data(x), i, t, value(seed + i));
    return x;
}

static void fill_param(ts_param *p, int64_t from)
{
    for (int64_t i = 0; i < ts_param_count(p); i++)
        ((float *)p->value)[i] = value(from + i);
}

static ts_tensor *part_of(ts_tape *tape, const ts_tensor *x, int64_t row, int64_t n)
{
    ts_tensor *y;
    OK(ts_tape_new(tape, x->dtype, n, x->dim[1], &y));
    const size_t bytes = (size_t)x->dim[1] * ts_dtype_size(x->dtype);
    memcpy(ts_tensor_data(y), (char *)ts_tensor_data(x) + (size_t)row * bytes, (size_t)n * bytes);
    return y;
}

/* Weights of all experts and their gradients, and those of a linear layer; b NULL: without biases. */
typedef struct layers {
    ts_param w, *one, *b, *one_b;
    float *b_grad;
} layers;

/* One expert's rows through a linear layer of its own weight: y, dx, dW and db are the groups', bit by bit. */
static void check_expert(rig *r, const layers *l, const ts_tensor *const all[4], int e, int64_t row)
{
    ts_param *one = l->one;
    const int64_t n = counts[e];
    const size_t size = ts_dtype_size(all[0]->dtype);
    ts_tensor *x = part_of(r->tape, all[0], row, n), *y;
    fill_param(one, 500 + (int64_t)e * OUT * IN);
    fill_param(l->one_b, 40 + (int64_t)e * OUT);
    ts_param_set_changed(one->set);
    ts_param_set_clear_grads(one->set);
    x->wants_grad = true;
    r->tape->recording = true;
    OK(ts_op_linear(r->tape, x, one, l->b ? l->one_b : NULL, &y));
    assert_memory_equal(ts_tensor_data(y), (char *)ts_tensor_data(all[1]) + (size_t)(row * OUT) * size,
                        (size_t)(n * OUT) * size);
    OK(ts_tape_accumulate(r->tape, y, part_of(r->tape, all[2], row, n)));
    OK(ts_tape_backward(r->tape));
    assert_memory_equal(ts_tensor_data(x->grad), (char *)ts_tensor_data(all[3]) + (size_t)(row * IN) * size,
                        (size_t)(n * IN) * size);
    assert_memory_equal(l->w.grad + (int64_t)e * OUT * IN, one->grad, OUT * IN * sizeof(float));
    if (l->b)
        assert_memory_equal(l->b_grad + (int64_t)e * OUT, l->one_b->grad, OUT * sizeof(float));
}

static void check_groups(ts_dtype t, int threads, bool biased)
{
    rig r = { 0 };
    ts_param *w, *one, *b, *one_b;
    int32_t offsets[X + 1] = { 0 };
    open_rig(&r, threads);
    const ts_place stack = ts_place_stack(X, OUT, IN);
    OK(ts_param_declare(&r.params, "experts", &stack, true, &w));
    OK(ts_param_add(&r.params, "one", OUT, IN, true, &one));
    OK(ts_param_add(&r.params, "biases", X * OUT, 0, false, &b));
    OK(ts_param_add(&r.params, "bias", OUT, 0, false, &one_b));
    OK(ts_param_set_allocate(&r.params, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&r.params));
    assert_int_equal(w->matrices, X);
    fill_param(w, 500);
    fill_param(b, 40);
    ts_param_set_changed(&r.params);
    for (int e = 0; e < X; e++)
        offsets[e + 1] = offsets[e] + counts[e];
    const int64_t rows = offsets[X] + 3; /* three that are nobody's */
    ts_sorted_rows s = { .T = rows, .k = 1, .rows = rows, .experts = X };
    OK(ts_tape_new(r.tape, TS_DTYPE_I32, X + 1, 0, &s.offsets));
    memcpy(ts_tensor_data(s.offsets), offsets, sizeof offsets);
    ts_tensor *x = filled(r.tape, t, rows, IN, 3), *dy = filled(r.tape, t, rows, OUT, 90000), *y;
    x->wants_grad = true;
    r.tape->recording = true;
    ts_param_set_clear_grads(&r.params);
    OK(ts_op_linear_groups_of(r.tape, &s, &(ts_groups_op){ .w = w, .b = biased ? b : NULL }, x, &y));
    for (int64_t i = offsets[X] * OUT; i < rows * OUT; i++)
        assert_true(ts_load_f32(ts_tensor_data(y), i, t) == 0);
    OK(ts_tape_accumulate(r.tape, y, dy));
    OK(ts_tape_backward(r.tape));
    for (int64_t i = 0; i < OUT * IN; i++) /* of the expert without rows */
        assert_true(w->grad[OUT * IN + i] == 0);
    float *grads = malloc((size_t)(ts_param_count(w) + X * OUT) * sizeof *grads);
    assert_non_null(grads);
    memcpy(grads, w->grad, (size_t)ts_param_count(w) * sizeof *grads);
    layers l = { .w = *w, .one = one, .b = biased ? b : NULL, .one_b = one_b, .b_grad = grads + ts_param_count(w) };
    memcpy(l.b_grad, b->grad, X * OUT * sizeof *grads);
    l.w.grad = grads;
    const ts_tensor *const all[] = { x, y, dy, x->grad };
    for (int e = 0; e < X; e++)
        if (counts[e])
            check_expert(&r, &l, all, e, offsets[e]);
    free(grads);
    close_rig(&r);
}

static void groups_are_loops(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        check_groups(TS_DTYPE_F32, threads, false);
        check_groups(TS_DTYPE_BF16, threads, false);
        check_groups(TS_DTYPE_F32, threads, true);
        check_groups(TS_DTYPE_BF16, threads, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes), cmocka_unit_test(one_normed),      cmocka_unit_test(as_megatron), cmocka_unit_test(groups_as_megatron),
        cmocka_unit_test(sinkhorn),    cmocka_unit_test(sorted_rows), cmocka_unit_test(groups_are_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
