#include "base/numa.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_NODES = 1024 }; /* what Linux can be built for */

/* A number at *s, at most `most`; -1: there is none. */
static int number(const char **s, int most)
{
    int v = 0;
    if (**s < '0' || **s > '9')
        return -1;
    for (; **s >= '0' && **s <= '9'; ++*s)
        v = v > most ? v : v * 10 + (**s - '0');
    return v > most ? -1 : v;
}

/* "0-3,8,10-11": sets those that are allowed. False when it is not understood. */
static bool read_list(const char *s, const cpu_set_t *allowed, ts_numa_node *node)
{
    for (; *s && *s != '\n'; s += *s == ',') {
        const int first = number(&s, CPU_SETSIZE - 1);
        int last = first;
        if (*s == '-')
            s++, last = number(&s, CPU_SETSIZE - 1);
        if (first < 0 || last < first || (*s && *s != ',' && *s != '\n'))
            return false;
        for (int c = first; c <= last; c++)
            if (!allowed || CPU_ISSET(c, allowed))
                CPU_SET(c, &node->cpus);
    }
    node->n_cpus = CPU_COUNT(&node->cpus);
    return true;
}

static int by_id(const void *a, const void *b)
{
    return ((const ts_numa_node *)a)->id - ((const ts_numa_node *)b)->id;
}

/* One entry of the folder; others than nodes are passed over. */
static ts_status read_entry(const char *root, const char *name, const cpu_set_t *allowed,
                            ts_numa *n)
{
    ts_str path = { 0 }, text = { 0 };
    const char *digits = name + 4;
    if (strncmp(name, "node", 4) != 0)
        return TS_OK;
    ts_numa_node node = { .id = number(&digits, MOST_NODES - 1) };
    if (node.id < 0 || *digits)
        return TS_OK;
    ts_status st = ts_str_printf(&path, "%s/%s/cpulist", root, name);
    if (st == TS_OK)
        st = ts_file_read(path.s, &text);
    if (st == TS_OK && !read_list(text.s, allowed, &node))
        st = ts_error(TS_ERR_USER, "%s: not a list of CPUs", path.s);
    if (st == TS_OK && node.n_cpus > 0) {
        n->node[n->n_nodes++] = node;
        n->n_cpus += node.n_cpus;
    }
    ts_str_deinit(&path);
    ts_str_deinit(&text);
    return st;
}

void ts_numa_read(const char *root, const cpu_set_t *allowed, ts_numa *out)
{
    char **names = NULL;
    size_t n = 0;
    *out = (ts_numa){ 0 };
    root = root ? root : "/sys/devices/system/node";
    ts_status st = ts_dir_list(root, &names, &n);
    if (st == TS_OK)
        st = ts_alloc(&out->node, n, sizeof *out->node);
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK)
            st = read_entry(root, names[i], allowed, out);
        ts_free(&names[i]);
    }
    ts_free(&names);
    if (st != TS_OK) {
        ts_log(TS_LOG_DEBUG, "memory nodes are not known: %s", ts_error_message());
        ts_numa_deinit(out);
    } else {
        qsort(out->node, (size_t)out->n_nodes, sizeof *out->node, by_id);
    }
}

void ts_numa_read_mine(const char *root, ts_numa *out)
{
    cpu_set_t mine;
    *out = (ts_numa){ 0 };
    if (sched_getaffinity(0, sizeof mine, &mine) == 0)
        ts_numa_read(root, &mine, out);
}

void ts_numa_deinit(ts_numa *n)
{
    ts_free(&n->node);
    *n = (ts_numa){ 0 };
}

int ts_numa_node_of_thread(const ts_numa *n, int thread, int threads)
{
    int64_t cpu = (int64_t)thread * n->n_cpus / threads;
    int i = 0;
    while (i + 1 < n->n_nodes && cpu >= n->node[i].n_cpus)
        cpu -= n->node[i++].n_cpus;
    return i;
}

int ts_numa_node_of_rank(const ts_numa *all, const ts_numa *mine, int rank, int ranks, int threads)
{
    if (mine->n_nodes < 2 || mine->n_nodes != all->n_nodes || ranks < mine->n_nodes)
        return -1;
    const int meet = (ranks + mine->n_nodes - 1) / mine->n_nodes;
    /* A process takes its CPUs for the host's when it decides how to wait for the others, so it
     * keeps at least as many as there are of them. */
    for (int i = 0; i < mine->n_nodes; i++)
        if ((int64_t)meet * threads > mine->node[i].n_cpus || ranks > mine->node[i].n_cpus)
            return -1;
    return rank % mine->n_nodes;
}

bool ts_numa_bind_rank(const char *root, int rank, int ranks, int threads)
{
    ts_numa all = { 0 }, mine = { 0 };
    bool bound = false;
    if (ranks > 1) {
        ts_numa_read(root, NULL, &all);
        ts_numa_read_mine(root, &mine);
        const int i = ts_numa_node_of_rank(&all, &mine, rank, ranks, threads);
        bound = i >= 0 && sched_setaffinity(0, sizeof mine.node->cpus, &mine.node[i].cpus) == 0;
        if (bound)
            ts_log(TS_LOG_DEBUG, "process %d of this host is on memory node %d", rank,
                   mine.node[i].id);
    }
    ts_numa_deinit(&all);
    ts_numa_deinit(&mine);
    return bound;
}

bool ts_numa_interleave(const ts_numa *n, int threads, void *p, size_t bytes)
{
    enum { MPOL_INTERLEAVE = 3, BITS = sizeof(unsigned long) * CHAR_BIT };
    unsigned long mask[MOST_NODES / BITS] = { 0 };
    for (int t = 0; t < threads; t++) {
        const int id = n->node[ts_numa_node_of_thread(n, t, threads)].id;
        mask[id / BITS] |= 1UL << id % BITS;
    }
    /* the kernel takes one bit less than it is told of */
    if (syscall(SYS_mbind, p, bytes, MPOL_INTERLEAVE, mask, (unsigned long)MOST_NODES + 1, 0) == 0)
        return true;
    ts_log(TS_LOG_DEBUG, "memory is not spread over its nodes: %s", strerror(errno));
    return false;
}
