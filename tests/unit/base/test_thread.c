/* The pool: every element of every job once, whatever the number of threads. */
#include "../cmocka_all.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 5000, THREADS = 16 };

typedef struct job {
    _Atomic unsigned char seen[MOST];
    int64_t n, grain;
    int threads;
    _Atomic int bad, used[THREADS];
} job;

static void share(void *ctx, int64_t begin, int64_t end, int thread)
{
    job *j = ctx;
    if (thread < 0 || thread >= j->threads || begin < 0 || end > j->n || begin >= end ||
        end - begin > j->grain || begin % j->grain)
        j->bad++;
    j->used[thread]++;
    for (int64_t i = begin; i < end && i < MOST; i++)
        j->seen[i]++;
}

static void run_once(ts_pool *pool, job *j, int64_t n, int64_t grain)
{
    memset(j, 0, sizeof *j);
    j->n = n;
    j->grain = grain < 1 ? 1 : grain;
    j->threads = ts_pool_threads(pool);
    ts_pool_run(pool, n, grain, share, j);
    assert_int_equal(j->bad, 0);
    for (int64_t i = 0; i < MOST; i++)
        assert_int_equal(j->seen[i], i < n);
}

static void all_shares(void **state)
{
    (void)state;
    static const int threads[] = { 1, 2, 3, 8, THREADS };
    static job j;
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        ts_pool *pool = NULL;
        assert_int_equal(ts_pool_create(threads[t], &pool), TS_OK);
        assert_int_equal(ts_pool_threads(pool), threads[t]);
        for (int64_t n = 0; n < 40; n++)
            for (int64_t grain = 0; grain < 7; grain++)
                run_once(pool, &j, n, grain);
        for (int i = 0; i < 100; i++)
            run_once(pool, &j, MOST - i, 1 + i % 13);
        run_once(pool, &j, -5, 3);
        ts_pool_destroy(&pool);
        assert_null(pool);
        ts_pool_destroy(&pool);
    }
}

/* Many small jobs: workers go to sleep and are woken at any moment. */
static void add(void *ctx, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    atomic_fetch_add((_Atomic int64_t *)ctx, (end - begin) * (begin + end - 1) / 2);
}

static void many_jobs(void **state)
{
    (void)state;
    for (int threads = 2; threads <= 6; threads += 2) {
        ts_pool *pool = NULL;
        assert_int_equal(ts_pool_create(threads, &pool), TS_OK);
        for (int i = 0; i < 3000; i++) {
            const int64_t n = 1 + i % 97;
            _Atomic int64_t sum = 0;
            ts_pool_run(pool, n, 1 + i % 3, add, &sum);
            assert_int_equal(sum, n * (n - 1) / 2);
        }
        ts_pool_destroy(&pool);
    }
}

static void unused_pools(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        ts_pool *pool = NULL;
        assert_int_equal(ts_pool_create(1 + i % 5, &pool), TS_OK);
        ts_pool_destroy(&pool);
    }
    assert_true(ts_cpu_count() >= 1);
    const double a = ts_now();
    assert_true(ts_now() >= a);
}

/* One share takes as long as all the others together: other threads do those. */
static void slow_first(void *ctx, int64_t begin, int64_t end, int thread)
{
    _Atomic int64_t *done = ctx;
    (void)end, (void)thread;
    const double give_up = ts_now() + 20;
    while (begin == 0 && atomic_load(done) < 63 && ts_now() < give_up)
        sched_yield();
    atomic_fetch_add(done, begin == 0 && atomic_load(done) < 63 ? 1000 : 1);
}

static void uneven_shares(void **state)
{
    (void)state;
    for (int threads = 2; threads <= 5; threads++) {
        ts_pool *pool = NULL;
        assert_int_equal(ts_pool_create(threads, &pool), TS_OK);
        for (int i = 0; i < 50; i++) {
            _Atomic int64_t done = 0;
            ts_pool_run(pool, 64, 1, slow_first, &done);
            assert_int_equal(done, 64);
        }
        ts_pool_destroy(&pool);
    }
}

/* Pools of two callers do not meet. */
static void *caller(void *arg)
{
    ts_pool *pool = NULL;
    int64_t *bad = arg;
    if (ts_pool_create(3, &pool) != TS_OK)
        ++*bad;
    for (int i = 0; i < 500 && pool; i++) {
        _Atomic int64_t sum = 0;
        ts_pool_run(pool, 64, 1, add, &sum);
        *bad += sum != 64 * 63 / 2;
    }
    ts_pool_destroy(&pool);
    return NULL;
}

static void two_callers(void **state)
{
    (void)state;
    pthread_t id[2];
    int64_t bad[2] = { 0, 0 };
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&id[i], NULL, caller, &bad[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(id[i], NULL);
    assert_int_equal(bad[0] + bad[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_shares), cmocka_unit_test(many_jobs), cmocka_unit_test(unused_pools),
        cmocka_unit_test(uneven_shares), cmocka_unit_test(two_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
