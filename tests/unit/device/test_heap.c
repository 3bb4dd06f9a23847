/* The CPU device's heap: a long random game of taking and giving back against a shadow. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/rng.h"
#include "device/cpu/heap.h"

#include <string.h>

enum { SLOTS = 200, MOVES = 60000 };

typedef struct slot {
    unsigned char *p;
    size_t n;
    unsigned char mark;
} slot;

static bool overlaps(const slot *a, const slot *b)
{
    return a->p && b->p && a->p < b->p + b->n && b->p < a->p + a->n;
}

static void fill(slot *s)
{
    memset(s->p, s->mark, s->n < 512 ? s->n : 512);
    if (s->n)
        s->p[s->n - 1] = s->mark;
}

static void check(const slot *s)
{
    for (size_t i = 0; i < s->n && i < 512; i++)
        assert_int_equal(s->p[i], s->mark);
    if (s->n)
        assert_int_equal(s->p[s->n - 1], s->mark);
}

static void random_game(void **state)
{
    (void)state;
    static slot s[SLOTS];
    ts_cpu_heap *h = NULL;
    const ts_rng r = ts_rng_stream(5, TS_RNG_TEST, 0, 0);
    OK(ts_cpu_heap_create(&h));
    for (uint64_t m = 0; m < MOVES; m++) {
        uint32_t u[4];
        ts_rng_block(&r, m, u);
        slot *x = &s[u[0] % SLOTS];
        if (x->p) {
            check(x);
            ts_cpu_heap_free(h, x->p);
            x->p = NULL;
            continue;
        }
        const size_t most = u[1] % 16 ? 2000 : 300000;
        *x = (slot){ .n = u[2] % most, .mark = (unsigned char)m };
        OK(ts_cpu_heap_alloc(h, x->n, (void **)&x->p));
        assert_int_equal((uintptr_t)x->p % 64, 0);
        for (int i = 0; i < SLOTS; i++)
            if (&s[i] != x && overlaps(&s[i], x))
                fail_msg("move %d: %zu bytes lie over another block", (int)m, x->n);
        fill(x);
    }
    for (int i = 0; i < SLOTS; i++) {
        if (s[i].p)
            check(&s[i]);
        ts_cpu_heap_free(h, s[i].p);
    }
    ts_cpu_heap_free(h, NULL);
    ts_cpu_heap_destroy(&h);
    assert_null(h);
    ts_cpu_heap_destroy(&h);
}

#if !defined(TESSERA_SANITIZED)
/* What a step takes and gives back, the next finds at the same places: the heap does not grow. */
static void same_places(void **state)
{
    (void)state;
    enum { N = 50 };
    ts_cpu_heap *h = NULL;
    void *first[N] = { 0 }, *p[N];
    OK(ts_cpu_heap_create(&h));
    for (int step = 0; step < 20; step++) {
        for (size_t i = 0; i < N; i++) {
            OK(ts_cpu_heap_alloc(h, 64 + i * 1000 % 7777, &p[i]));
            if (!step)
                first[i] = p[i];
            assert_ptr_equal(p[i], first[i]);
        }
        for (size_t i = 0; i < N; i++)
            ts_cpu_heap_free(h, p[(i * 17 + (size_t)step) % N]);
    }
    void *all, *again;
    /* all pieces are one again, so this begins where the first did */
    OK(ts_cpu_heap_alloc(h, 100000, &all));
    assert_ptr_equal(all, first[0]);
    OK(ts_cpu_heap_alloc(h, 0, &again));
    assert_true(again != all);
    ts_cpu_heap_free(h, again);
    ts_cpu_heap_free(h, all);
    ts_cpu_heap_destroy(&h);
}

static void too_much(void **state)
{
    (void)state;
    ts_cpu_heap *h = NULL;
    void *p = NULL, *q = NULL;
    OK(ts_cpu_heap_create(&h));
    REFUSED(ts_cpu_heap_alloc(h, (size_t)1 << 60, &p), TS_ERR_NOMEM, "out of memory: ");
    REFUSED(ts_cpu_heap_alloc(h, SIZE_MAX, &p), TS_ERR_NOMEM, "out of memory: ");
    REFUSED(ts_cpu_heap_alloc(h, SIZE_MAX / 2, &p), TS_ERR_NOMEM, "out of memory: ");
    assert_null(p);
    OK(ts_cpu_heap_alloc(h, 10, &p));
    OK(ts_cpu_heap_alloc(h, 10, &q));
    ts_cpu_heap_free(h, p);
    REFUSED(ts_cpu_heap_alloc(h, (size_t)1 << 60, &p), TS_ERR_NOMEM, "out of memory: ");
    ts_cpu_heap_free(h, q);
    ts_cpu_heap_destroy(&h);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_game),
#if !defined(TESSERA_SANITIZED)
        cmocka_unit_test(same_places), cmocka_unit_test(too_much),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
