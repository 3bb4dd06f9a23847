#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Every thread begins with its own run of pieces, so that it finds in its caches what it left there
 * in the job before and asks no other core for the next piece. When that is done it takes pieces
 * from the ends of the others' runs: an unlucky core does fewer. Between jobs a worker spins for a
 * few microseconds and then sleeps: a spinning worker would rob a process that shares its core. */
enum { SPINS = 2000, LINE = 64 };

/* Pieces next..end-1 of a thread's run: next in the upper half, end in the lower. */
typedef struct run {
    _Alignas(LINE) _Atomic uint64_t left;
} run;

/* What one side writes and the other reads is a cache line for each direction. */
struct ts_pool {
    _Alignas(LINE) _Atomic unsigned job; /* its number; workers wait for it to change */
    bool stop;
    int64_t n, grain;
    ts_share_fn *fn;
    void *ctx;
    _Alignas(LINE) _Atomic int busy; /* workers that have not yet finished the job */
    _Alignas(LINE) _Atomic int sleepers;
    int threads;
    pthread_t *ids;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    run run[]; /* [threads] */
};

typedef struct worker {
    ts_pool *pool;
    int number;
} worker;

static uint64_t pieces(uint64_t next, uint64_t end) { return next << 32 | end; }

static void share_out(ts_pool *p)
{
    const uint64_t n = (uint64_t)((p->n + p->grain - 1) / p->grain), threads = (uint64_t)p->threads;
    for (uint64_t t = 0; t < threads; t++)
        atomic_store_explicit(&p->run[t].left, pieces(n * t / threads, n * (t + 1) / threads),
                              memory_order_relaxed);
}

/* The first piece that is left of a run, or the last. */
static bool take(run *r, bool first, int64_t *piece)
{
    uint64_t left = atomic_load_explicit(&r->left, memory_order_relaxed), after;
    do {
        const uint64_t next = left >> 32, end = left & UINT32_MAX;
        if (next >= end)
            return false;
        *piece = (int64_t)(first ? next : end - 1);
        after = first ? pieces(next + 1, end) : pieces(next, end - 1);
    } while (!atomic_compare_exchange_weak_explicit(&r->left, &left, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void take_shares(ts_pool *p, int thread)
{
    const int64_t n = p->n, grain = p->grain;
    for (int i = 0; i < p->threads; i++) {
        run *r = &p->run[(thread + i) % p->threads];
        for (int64_t k; take(r, i == 0, &k);) {
            const int64_t begin = k * grain;
            p->fn(p->ctx, begin, begin + grain < n ? begin + grain : n, thread);
        }
    }
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void *work(void *arg)
{
    worker w = *(worker *)arg;
    ts_free(&arg);
    ts_pool *p = w.pool;
    unsigned seen = 0;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load_explicit(&p->job, memory_order_acquire) == seen;
             i++)
            pause_cpu();
        if (atomic_load_explicit(&p->job, memory_order_acquire) == seen) {
            pthread_mutex_lock(&p->lock);
            atomic_fetch_add(&p->sleepers, 1);
            while (atomic_load(&p->job) == seen && !p->stop)
                pthread_cond_wait(&p->wake, &p->lock);
            atomic_fetch_sub(&p->sleepers, 1);
            pthread_mutex_unlock(&p->lock);
        }
        if (p->stop)
            return NULL;
        seen = atomic_load_explicit(&p->job, memory_order_acquire);
        take_shares(p, w.number);
        if (atomic_fetch_sub_explicit(&p->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

ts_status ts_pool_create(int threads, ts_pool **out)
{
    const size_t most = (size_t)(threads > 0 ? threads : 1);
    const size_t bytes = sizeof(ts_pool) + most * sizeof(run);
    ts_pool *p = aligned_alloc(LINE, bytes);
    if (!p)
        return ts_error(TS_ERR_NOMEM, "no memory for a pool of %d threads", threads);
    memset(p, 0, bytes);
    p->threads = 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    ts_status st = ts_alloc(&p->ids, most, sizeof *p->ids);
    while (st == TS_OK && p->threads < threads) {
        worker *w;
        if ((st = ts_alloc(&w, 1, sizeof *w)) != TS_OK)
            break;
        *w = (worker){ p, p->threads };
        if (pthread_create(&p->ids[p->threads], NULL, work, w) != 0) {
            ts_free(&w);
            st = ts_error(TS_ERR_RUN, "thread %d of %d could not be started", p->threads + 1,
                          threads);
        } else {
            p->threads++;
        }
    }
    if (st != TS_OK)
        ts_pool_destroy(&p);
    else
        *out = p;
    return st;
}

void ts_pool_destroy(ts_pool **pool)
{
    ts_pool *p = *pool;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    atomic_fetch_add(&p->job, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i < p->threads; i++)
        pthread_join(p->ids[i], NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->idle);
    ts_free(&p->ids);
    ts_free(pool);
}

int ts_pool_threads(const ts_pool *pool) { return pool->threads; }

bool ts_pool_bind(ts_pool *pool, int thread, const cpu_set_t *cpus)
{
    TS_ASSERT(thread > 0 && thread < pool->threads, "thread %d of %d", thread, pool->threads);
    return pthread_setaffinity_np(pool->ids[thread], sizeof *cpus, cpus) == 0;
}

void ts_pool_run(ts_pool *p, int64_t n, int64_t grain, ts_share_fn *fn, void *ctx)
{
    if (n <= 0)
        return;
    if (grain < 1)
        grain = 1;
    if (p->threads == 1 || n <= grain) {
        for (int64_t b = 0; b < n; b += grain)
            fn(ctx, b, b + grain < n ? b + grain : n, 0);
        return;
    }
    while (n / grain >= UINT32_MAX) /* pieces are counted in 32 bits */
        grain *= 2;
    p->n = n, p->grain = grain, p->fn = fn, p->ctx = ctx;
    share_out(p);
    atomic_store_explicit(&p->busy, p->threads - 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->job, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&p->sleepers, memory_order_seq_cst)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    take_shares(p, 0);
    for (int i = 0; i < SPINS && atomic_load_explicit(&p->busy, memory_order_acquire); i++)
        pause_cpu();
    if (atomic_load_explicit(&p->busy, memory_order_acquire)) {
        pthread_mutex_lock(&p->lock);
        while (atomic_load_explicit(&p->busy, memory_order_acquire))
            pthread_cond_wait(&p->idle, &p->lock);
        pthread_mutex_unlock(&p->lock);
    }
}

int ts_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return 1;
}

double ts_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
