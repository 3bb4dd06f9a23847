/* Memory nodes (NUMA): which of this process's CPUs stand beside which memory, and what to do about
 * it. All of it is help, not need: what cannot be found out or is refused is left as it was. */
#ifndef TS_BASE_NUMA_H
#define TS_BASE_NUMA_H
#include "base/mem.h"

#include <sched.h>

typedef struct ts_numa_node {
    int id, n_cpus; /* id: the system's, which may have gaps */
    cpu_set_t cpus;
} ts_numa_node;

typedef struct ts_numa {
    ts_numa_node *node; /* by id; only those with CPUs */
    int n_nodes;        /* 0: not known. Up to 1 there is nothing to place */
    int n_cpus;         /* of all */
} ts_numa;

/* The nodes in `root` (NULL: where Linux shows them) with their CPUs, of which only those in
 * `allowed` count (NULL: all). */
void ts_numa_read(const char *root, const cpu_set_t *allowed, ts_numa *out);
/* With the CPUs that the calling thread may use. */
void ts_numa_read_mine(const char *root, ts_numa *out);
void ts_numa_deinit(ts_numa *n);

/* Index of the node for a thread of `threads`: neighbours fill one node and then the next, and each
 * node has as many as its CPUs deserve. There must be a node. */
int ts_numa_node_of_thread(const ts_numa *n, int thread, int threads);

/* Index of the node in `mine` that a process of this host should have to itself, or to share with
 * others; -1: it should stay as it is. That is so unless the processes are as many as the nodes
 * or more, each may run on all the nodes that there are (nobody has bound it yet), and all threads
 * of those that meet on a node find a CPU there. */
int ts_numa_node_of_rank(const ts_numa *all, const ts_numa *mine, int rank, int ranks, int threads);
/* Binds the calling thread, and those that it will start, so. True when it did. */
bool ts_numa_bind_rank(const char *root, int rank, int ranks, int threads);

/* Pages of [p, p + bytes) that are not yet touched will come in turn from the nodes that a pool of
 * `threads` has threads on. p begins a page. False when the system will not. */
bool ts_numa_interleave(const ts_numa *n, int threads, void *p, size_t bytes);
#endif
