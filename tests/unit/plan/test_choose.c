/* The best of all choices, against trying them all. */
#include "plan/choose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PARTS = 3, LAYERS = 4, WAYS = (1 << PARTS) + 1 };

typedef struct job {
    ts_layer_way way[LAYERS][WAYS];
    ts_layer_ways layer[LAYERS];
} job;

/* Each layer of three parts that are kept or run again, or runs again as a whole. Layers differ, or are alike. */
static void fill(job *j, unsigned seed, bool alike)
{
    srand(seed);
    for (int l = 0; l < LAYERS; l++) {
        int64_t bytes[PARTS], cost[PARTS];
        for (int p = 0; p < PARTS; p++) {
            bytes[p] = alike && l ? 0 : 1 + rand() % 40;
            cost[p] = alike && l ? 0 : 1 + rand() % 25;
        }
        for (int w = 0; w < WAYS; w++) {
            ts_layer_way v = { 0 };
            for (int p = 0; p < PARTS; p++) {
                const bool again = w == WAYS - 1 || w & 1 << p;
                v.bytes += again ? 0 : bytes[p];
                v.cost += again ? cost[p] : 0;
            }
            if (w < WAYS - 1)
                v.bytes += 7; /* the inputs of parts */
            j->way[l][w] = alike && l ? j->way[0][w] : v;
        }
        j->layer[l] = (ts_layer_ways){ j->way[l], WAYS };
    }
}

/* The least cost within so many bytes, -1: none. */
static int64_t try_all(const job *j, int64_t bytes)
{
    int64_t best = -1;
    for (int at = 0; at < WAYS * WAYS * WAYS * WAYS; at++) {
        ts_layer_way sum = { 0 };
        for (int l = 0, rest = at; l < LAYERS; l++, rest /= WAYS) {
            sum.bytes += j->way[l][rest % WAYS].bytes;
            sum.cost += j->way[l][rest % WAYS].cost;
        }
        if (sum.bytes <= bytes && (best < 0 || sum.cost < best))
            best = sum.cost;
    }
    return best;
}

static int64_t first_that_fits(const ts_front *f, int64_t bytes)
{
    for (int64_t i = 0; i < ts_front_count(f); i++)
        if (ts_front_at(f, i)->bytes <= bytes)
            return i;
    return -1;
}

static void check_point(const job *j, const ts_front *f, int64_t i)
{
    int way[LAYERS];
    ts_layer_way sum = { 0 };
    ts_front_take(f, i, way);
    for (int l = 0; l < LAYERS; l++) {
        sum.bytes += j->way[l][way[l]].bytes;
        sum.cost += j->way[l][way[l]].cost;
    }
    assert_true(sum.bytes == ts_front_at(f, i)->bytes && sum.cost == ts_front_at(f, i)->cost);
}

static void equals_trying_all(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 6; seed++) {
        job j;
        ts_front f;
        int64_t before = INT64_MAX;
        fill(&j, seed, seed % 2);
        assert_int_equal(ts_front_make(j.layer, LAYERS, &f), TS_OK);
        for (int64_t bytes = 0; bytes < 420; bytes += 13) {
            const int64_t i = first_that_fits(&f, bytes), best = try_all(&j, bytes);
            assert_true(i < 0 ? best < 0 : ts_front_at(&f, i)->cost == best);
            if (i < 0)
                continue;
            assert_true(best <= before); /* more room never costs more */
            before = best;
            check_point(&j, &f, i);
        }
        ts_front_deinit(&f);
    }
}

/* A deep model: the list is thinned out, its ends stay. */
static void many_layers(void **state)
{
    (void)state;
    enum { DEEP = 96 };
    ts_layer_way way[DEEP][4];
    ts_layer_ways layer[DEEP];
    ts_front f;
    int64_t most = 0, least = 0;
    srand(1);
    for (int l = 0; l < DEEP; l++) {
        for (int w = 0; w < 4; w++)
            way[l][w] = (ts_layer_way){ (4 - w) * 1000 + rand() % 1000, w * (100 + rand() % 50) };
        layer[l] = (ts_layer_ways){ way[l], 4 };
        most += way[l][0].bytes;
        least += way[l][3].bytes;
    }
    assert_int_equal(ts_front_make(layer, DEEP, &f), TS_OK);
    const int64_t n = ts_front_count(&f);
    assert_true(n > 500 && n <= 2049);
    assert_true(ts_front_at(&f, 0)->cost == 0 && ts_front_at(&f, 0)->bytes == most);
    assert_true(ts_front_at(&f, n - 1)->bytes == least);
    ts_front_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_trying_all), cmocka_unit_test(many_layers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
