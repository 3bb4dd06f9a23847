#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "text/bpe/bpe.h"

#include <string.h>

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x;
}

enum { SYMBOLS = 128 };

/* The merges of a test by their symbols, less `base`; rank UINT32_MAX: none. */
typedef struct plain_table {
    ts_bpe_made made[SYMBOLS][SYMBOLS];
    int32_t base;
} plain_table;

/* The definition: the pair of lowest rank, the leftmost of those, until there is none. */
static size_t merge_plain(const plain_table *t, int32_t *id, size_t n)
{
    for (;;) {
        ts_bpe_made best = TS_BPE_NOTHING;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            if (id[i] < 0 || id[i + 1] < 0)
                continue;
            const ts_bpe_made p = t->made[id[i] - t->base][id[i + 1] - t->base];
            if (p.rank < best.rank) {
                best = p;
                at = i;
            }
        }
        if (best.id < 0)
            return n;
        id[at] = best.id;
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        n--;
    }
}

/* Random merges over few symbols, texts around the length where the method changes; equal ranks
 * too. */
static void merges_in_order(void **state)
{
    (void)state;
    static int32_t plain[400];
    static plain_table t;
    ts_bpe_work w = { 0 };
    for (uint64_t seed = 1; seed < 400; seed++) {
        uint64_t x = seed * 0x9e3779b97f4a7c15u;
        ts_bpe b = { 0 };
        const int32_t symbols = 3 + (int32_t)(seed % 20),
                      base = seed % 5 ? 0 : 1 << TS_BPE_ID_BITS; /* too large for the cells */
        memset(&t, 0xFF, sizeof t);
        t.base = base;
        for (int32_t k = 0; k < 60; k++) {
            const int32_t left = (int32_t)(next(&x) % (uint64_t)(seed % 4 ? symbols + k : 2)),
                          right = (int32_t)(next(&x) % (uint64_t)(symbols + k));
            const uint32_t rank = (uint32_t)(seed % 3 ? (uint64_t)k : next(&x) % 8);
            OK(ts_bpe_add(&b, base + left, base + right, rank, base + symbols + k));
            t.made[left][right] = (ts_bpe_made){ rank, base + symbols + k };
        }
        OK(ts_bpe_settle(&b));
        if (seed & 1)
            OK(ts_bpe_use_bytes(&b, base + (int32_t)(seed & 2)));
        assert_int_equal(b.row != NULL, base == 0);
        for (size_t n = 0; n < 300; n += 1 + n / 8) {
            w.n = 0;
            for (size_t i = 0; i < n; i++) {
                plain[i] = next(&x) % 50 ? base + (int32_t)(next(&x) % (uint64_t)symbols) : -1;
                OK(ts_bpe_push(&w, plain[i]));
            }
            const size_t want = merge_plain(&t, plain, n);
            OK(ts_bpe_merge(&b, &w));
            assert_int_equal(w.n, want);
            for (size_t i = 0; i < want; i++)
                assert_int_equal(w.sym[i].id, plain[i]);
        }
        ts_bpe_deinit(&b);
    }
    ts_bpe_work_deinit(&w);
}

/* A million symbols of one piece must take about a second, not a day. */
static void long_piece(void **state)
{
    (void)state;
    ts_bpe b = { 0 };
    ts_bpe_work w = { 0 };
    for (int32_t k = 0; k < 20; k++)
        OK(ts_bpe_add(&b, k, k, (uint32_t)k, k + 1));
    OK(ts_bpe_settle(&b));
    for (size_t i = 0; i < 1u << 20; i++)
        OK(ts_bpe_push(&w, 0));
    OK(ts_bpe_merge(&b, &w));
    assert_int_equal(w.n, 1);
    assert_int_equal(w.sym[0].id, 20);
    ts_bpe_deinit(&b);
    ts_bpe_work_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(merges_in_order),
                                        cmocka_unit_test(long_piece) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
