#include "device/cpu/place.h"

#include "base/log.h"
#include "base/numa.h"
#include "device/cpu/heap.h"

/* The caller, thread 0, is not bound: it is the user's, and starts others. A thread's own scratch
 * is not spread, since only it touches it. */
void ts_cpu_place(ts_cpu *c, const char *root)
{
    const int threads = ts_pool_threads(c->pool);
    ts_numa n;
    if (threads == 1)
        return;
    ts_numa_read_mine(root, &n);
    if (n.n_nodes > 1) {
        int bound = 0;
        for (int t = 1; t < threads; t++)
            bound += ts_pool_bind(c->pool, t, &n.node[ts_numa_node_of_thread(&n, t, threads)].cpus);
        ts_cpu_heap_interleave(c->heap, &n, threads);
        ts_numa_interleave(&n, threads, c->shared_scratch, TS_CPU_SHARED_SCRATCH);
        ts_log(TS_LOG_DEBUG, "%d of %d threads are bound to one of %d memory nodes", bound, threads,
               n.n_nodes);
    }
    ts_numa_deinit(&n);
}
