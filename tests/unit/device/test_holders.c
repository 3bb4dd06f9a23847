/* Who holds what: against an account kept by hand, with many allocations that come and go. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/device.h"

#include <stdlib.h>
#include <string.h>

static ts_device *open_device(ts_holders **h)
{
    ts_device *d;
    OK(ts_device_open("sim", &(ts_device_options){ .threads = 1 }, &d));
    OK(ts_holders_create(d->mem.now, h));
    d->holders = *h;
    return d;
}

static int64_t sum_of(const ts_holder_list *l, int kind)
{
    int64_t sum = 0;
    for (size_t i = 0; i < l->n; i++)
        sum += kind < 0 || (int)l->v[i].kind == kind ? l->v[i].bytes : 0;
    return sum;
}

static void close_device(ts_device *d, ts_holders *h)
{
    ts_holders_destroy(&h);
    d->holders = NULL;
    ts_device_close(&d);
}

/* At every moment the rows are the ledger, now and at its peak. */
static void the_ledger(void **state)
{
    (void)state;
    enum { LIVE = 700, ROUNDS = 20000 };
    static struct {
        void *p;
        size_t bytes;
        ts_mem_kind kind;
    } live[LIVE];
    ts_holders *h;
    ts_device *d = open_device(&h);
    ts_holder_list now, peak;
    uint32_t random = 7;
    memset(live, 0, sizeof live);
    for (int i = 0; i < ROUNDS; i++) {
        random = random * 1664525u + 1013904223u;
        const size_t at = (random >> 8) % LIVE;
        ts_device_phase(d, random & 64 ? "forward" : "backward");
        ts_device_part(d, random & 128 ? "mlp" : "attention", (int64_t)(random >> 20) % 3);
        if (live[at].p) {
            ts_device_free(d, live[at].kind, live[at].p, live[at].bytes);
            live[at].p = NULL;
        } else {
            live[at].kind = random & 256 ? TS_MEM_ACT : TS_MEM_GRAD;
            live[at].bytes = 64 * (1 + (random >> 12) % 4);
            OK(ts_device_alloc(d, live[at].kind, live[at].bytes, &live[at].p));
        }
        if (i % 100 == 0)
            ts_device_book(d, TS_MEM_COMM, i % 200 ? -500 : 500);
        if (i % 1000 && i + 1 < ROUNDS)
            continue;
        OK(ts_holders_now(h, &now));
        OK(ts_holders_peak(h, &peak));
        for (int k = 0; k < TS_MEM_KINDS; k++) {
            assert_int_equal(sum_of(&now, k), d->mem.now[k]);
            assert_int_equal(sum_of(&peak, k), d->mem.at_peak[k]);
        }
        ts_holder_list_deinit(&now);
        ts_holder_list_deinit(&peak);
    }
    assert_int_equal(ts_holders_lost(h), 0);
    close_device(d, h);
}

/* What grew between two moments, largest first; what went is below zero. */
static void growth(void **state)
{
    (void)state;
    ts_holders *h;
    ts_device *d = open_device(&h);
    ts_holder_list a, b, grown, parts;
    ts_str text = { 0 };
    void *x, *y, *z;
    ts_device_phase(d, "forward");
    ts_device_part(d, "attention", 3);
    OK(ts_device_alloc(d, TS_MEM_ACT, 640, &x));
    OK(ts_holders_now(h, &a));
    ts_device_free(d, TS_MEM_ACT, x, 640);
    ts_device_part(d, "mlp", 1);
    OK(ts_device_alloc(d, TS_MEM_ACT, 128, &y));
    OK(ts_device_alloc(d, TS_MEM_ACT, 128, &z));
    OK(ts_holders_now(h, &b));
    OK(ts_holder_list_growth(&a, &b, &grown));
    assert_int_equal(grown.n, 2);
    assert_string_equal(grown.v[0].part, "mlp");
    assert_true(grown.v[0].layer == 1 && grown.v[0].count == 2 && grown.v[0].size == 128 && grown.v[0].bytes == 256);
    assert_true(grown.v[1].layer == 3 && grown.v[1].count == -1 && grown.v[1].bytes == -640);
    OK(ts_holder_list_by_part(&b, &parts));
    OK(ts_holder_list_table(&grown, &parts, 1, &text));
    assert_non_null(strstr(text.s, "mlp 1"));
    assert_non_null(strstr(text.s, "1 smaller rows"));
    assert_null(strstr(text.s, "attention"));
    ts_device_free(d, TS_MEM_ACT, y, 128);
    ts_device_free(d, TS_MEM_ACT, z, 128);
    ts_holder_list_deinit(&a);
    ts_holder_list_deinit(&b);
    ts_holder_list_deinit(&grown);
    ts_holder_list_deinit(&parts);
    ts_str_deinit(&text);
    close_device(d, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_ledger), cmocka_unit_test(growth) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
