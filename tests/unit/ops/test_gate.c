/* DeepSpeed's gate against its published description in double, written with masks as that is (GShard, arXiv 2006.16668;
 * top-1 and top-2 gating), and its gradients against differences of it. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "ops/experts.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

enum { T = 24, E = 5 };

typedef struct gate {
    int k, capacity;
    const float *draw; /* [T]: the largest of an expert's stay; NULL: the first */
    double aux;
    double z[T][E];
    /* what comes out */
    double w[T][E], loss;
    int loads[E];
} gate;

static double value(int64_t i)
{
    const uint32_t u = ((uint32_t)i + 5) * 2654435761u;
    return (double)(u >> 8 & 0xFFFF) / 32768 - 1;
}

static int best(const double *x, int but)
{
    int b = -1;
    for (int e = 0; e < E; e++)
        b = e != but && (b < 0 || x[e] > x[b]) ? e : b;
    return b;
}

/* A first choice's place among those of its expert: how many are before it. */
static int place(const gate *g, const int *first, int t)
{
    int before = 0;
    for (int i = 0; i < T; i++)
        before += i != t && first[i] == first[t] && (g->draw ? g->draw[i] > g->draw[t] : i < t);
    return before;
}

static void reference(gate *g)
{
    double p[T][E], me[E] = { 0 }, ce[E] = { 0 };
    int first[T], second[T], firsts[E] = { 0 }, seconds[E] = { 0 };
    for (int t = 0; t < T; t++) {
        double sum = 0;
        for (int e = 0; e < E; e++)
            sum += p[t][e] = exp(g->z[t][e]);
        for (int e = 0; e < E; e++)
            me[e] += (p[t][e] /= sum) / T;
        first[t] = best(p[t], -1);
        second[t] = best(p[t], first[t]);
        firsts[first[t]]++;
        ce[first[t]] += 1.0 / T;
    }
    g->loss = 0;
    for (int e = 0; e < E; e++)
        g->loss += E * me[e] * ce[e];
    memset(g->w, 0, sizeof g->w);
    memset(g->loads, 0, sizeof g->loads);
    for (int t = 0; t < T; t++) {
        const bool one = place(g, first, t) < g->capacity;
        const bool two = g->k == 2 && firsts[second[t]] + seconds[second[t]]++ < g->capacity;
        const double a = one ? p[t][first[t]] : 0, b = two ? p[t][second[t]] : 0;
        const double by = g->k == 2 ? fmax(a + b, 1e-16) : 1;
        g->w[t][first[t]] = a / by;
        if (g->k == 2)
            g->w[t][second[t]] = b / by;
        g->loads[first[t]] += one, g->loads[second[t]] += two;
    }
}

static double objective(gate *g)
{
    double sum = 0;
    reference(g);
    for (int i = 0; i < T * E; i++)
        sum += value(900 + i) * g->w[i / E][i % E];
    return sum + g->aux * g->loss;
}

static void check(ts_tape *tape, gate g)
{
    const ts_route_score score = g.k == 1 ? TS_ROUTE_SOFTMAX : TS_ROUTE_CHOSEN;
    float order[2 * T], sums[2 * E] = { 0 };
    ts_tensor *x, *o, *w, *ids, *c;
    ts_tape_reset(tape);
    tape->recording = true;
    OK(ts_tape_new(tape, TS_DTYPE_F32, T, E, &x));
    OK(ts_tape_new(tape, TS_DTYPE_F32, T, g.k, &o));
    OK(ts_tape_new(tape, TS_DTYPE_F32, T, g.k, &c));
    for (int i = 0; i < T * E; i++)
        g.z[i / E][i % E] = (double)(((float *)ts_tensor_data(x))[i] = (float)(2 * value(i) + (i % E == 1)));
    for (int i = 0; i < T * g.k; i++)
        order[i] = g.draw ? g.draw[i] : (float)(g.k - i % g.k);
    memcpy(ts_tensor_data(o), order, ts_tensor_bytes(o));
    x->wants_grad = true;
    const ts_route_op op = { .score = score, .k = g.k, .groups = 1, .group_topk = 1, .group_best = 1, .scale = 1,
                             .capacity = g.capacity, .order = o,
                             .balance = { .aux = (float)g.aux, .weight = 1, .of_first = true, .block_rows = T, .load = sums,
                                          .losses = sums + E } };
    OK(ts_op_route(tape, &op, x, &w, &ids));
    reference(&g);
    double got[T][E] = { 0 }, loss = 0;
    int loads[E] = { 0 };
    for (int i = 0; i < T * g.k; i++) {
        const int id = ((const int32_t *)ts_tensor_data(ids))[i];
        const float weight = ((const float *)ts_tensor_data(w))[i];
        assert_true(id >= 0 || weight == 0);
        ((float *)ts_tensor_data(c))[i] = id < 0 ? 7 : (float)value(900 + i / g.k * E + id); /* of a dropped pair nothing comes */
        if (id >= 0)
            got[i / g.k][id] = (double)weight, loads[id]++;
    }
    for (int i = 0; i < T * E; i++)
        assert_true(fabs(got[i / E][i % E] - g.w[i / E][i % E]) < 1e-6); /* some roundings of values up to 1 */
    for (int e = 0; e < E; e++) {
        assert_int_equal(loads[e], g.loads[e]);
        loss += (double)sums[E + e];
    }
    assert_true(fabs(loss - g.aux * g.loss) < 1e-6 * (1 + g.loss));
    OK(ts_tape_accumulate(tape, w, c));
    OK(ts_tape_backward(tape));
    for (int i = 0; i < T * E; i++) {
        double *z = &g.z[i / E][i % E], was = *z;
        *z = was + 1e-6;
        const double up = objective(&g);
        *z = was - 1e-6;
        const double slope = (up - objective(&g)) / 2e-6, d = (double)((float *)ts_tensor_data(x->grad))[i];
        *z = was;
        if (fabs(d - slope) > 1e-6 * (1 + fabs(slope)))
            fail_msg("top %d, capacity %d: d[%d] is %g, differences say %g", g.k, g.capacity, i, d, slope);
    }
}

static void gates(void **state)
{
    float draw[T];
    ts_device *dev;
    ts_tape *tape;
    (void)state;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    for (int t = 0; t < T; t++)
        draw[t] = (float)(1 + value(500 + t));
    for (int capacity = 1; capacity <= T; capacity = 2 * capacity + 1)
        for (int k = 1; k <= 2; k++) {
            check(tape, (gate){ .k = k, .capacity = capacity, .aux = 0.3 });
            if (k == 1)
                check(tape, (gate){ .k = k, .capacity = capacity, .draw = draw });
        }
    ts_tape_destroy(&tape);
    ts_device_close(&dev);
}

/* Gumbel's noise: the largest of a row is drawn by the softmax, alike by its place alone. */
static void gumbel(void **state)
{
    enum { N = 4000, W = 3 };
    const double p[W] = { 0.2, 0.5, 0.3 };
    const ts_rng rng = ts_rng_stream(3, TS_RNG_GUMBEL, 2, 1);
    const ts_row_places rows = { .at = ts_stretches_one(0, N), .length = N };
    int n[W] = { 0 };
    ts_device *dev;
    ts_tape *tape;
    ts_tensor *x, *y;
    (void)state;
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &dev));
    OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    OK(ts_tape_new(tape, TS_DTYPE_F32, N, W, &x));
    for (int i = 0; i < N * W; i++)
        ((float *)ts_tensor_data(x))[i] = (float)log(p[i % W]);
    OK(ts_op_gumbel(tape, x, &rng, &rows, &y));
    for (int t = 0; t < N; t++) {
        const float *row = (const float *)ts_tensor_data(y) + t * W;
        n[row[0] > row[1] && row[0] > row[2] ? 0 : row[1] > row[2] ? 1 : 2]++;
    }
    for (int e = 0; e < W; e++) /* four deviations of a binomial */
        assert_true(fabs(n[e] - N * p[e]) < 4 * sqrt(N * p[e] * (1 - p[e])));
    ts_tape_destroy(&tape);
    ts_device_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gates), cmocka_unit_test(gumbel) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
