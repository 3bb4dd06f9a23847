/* A pool of threads for kernels: shares of [0, n) run side by side, and the caller works too. */
#ifndef TS_BASE_THREAD_H
#define TS_BASE_THREAD_H
#include "base/mem.h"

#include <sched.h>

typedef struct ts_pool ts_pool;

/* `threads` in all, the caller included (1: no thread is made). */
ts_status ts_pool_create(int threads, ts_pool **out) TS_NODISCARD;
void ts_pool_destroy(ts_pool **pool);
int ts_pool_threads(const ts_pool *pool);
/* A thread of the pool (1..threads-1; 0 is whoever calls) stays on these CPUs. False when the
 * system will not. */
bool ts_pool_bind(ts_pool *pool, int thread, const cpu_set_t *cpus);

/* A share of the work; `thread` is 0..threads-1 and names the scratch that the share may use. */
typedef void ts_share_fn(void *ctx, int64_t begin, int64_t end, int thread);

/* Calls fn on shares of at most `grain` that together are [0, n), in any order and on any thread,
 * and returns when all are done. Results must not depend on how shares fall on threads. Not
 * reentrant. */
void ts_pool_run(ts_pool *pool, int64_t n, int64_t grain, ts_share_fn *fn, void *ctx);

/* Cores this process may use. */
int ts_cpu_count(void);
/* Seconds on a clock that only goes forward. */
double ts_now(void);
#endif
