#include "dist/shm_read.h"
#include "dist/sum.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t read_process(int64_t pid, void *to, uintptr_t from, size_t bytes)
{
    const struct iovec here = { to, bytes }, there = { (void *)from, bytes };
    return process_vm_readv((pid_t)pid, &here, 1, &there, 1, 0);
}

void ts_shm_offer(ts_shm_head *h, int rank, int64_t *token)
{
    *token = h->cookie + rank;
    h->rank[rank].pid = getpid();
    h->rank[rank].token = (uintptr_t)token;
}

/* Where processes do not share their numbering, another one has the number: the token tells. */
bool ts_shm_readable(const ts_shm_head *h, int rank, int size)
{
    for (int q = 0; q < size; q++) {
        int64_t token = 0;
        if (q != rank && (read_process(h->rank[q].pid, &token, h->rank[q].token, sizeof token) !=
                              (ssize_t)sizeof token ||
                          token != h->cookie + q))
            return false;
    }
    return true;
}

static ts_status read_block(const ts_shm_head *h, int q, char *to, const char *from, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t n = read_process(h->rank[q].pid, to, (uintptr_t)from, bytes);
        if (n < 0 && errno == ESRCH)
            return ts_error(TS_ERR_RUN,
                            "rank %d (process %lld) has ended while its values were being read", q,
                            (long long)h->rank[q].pid);
        if (n <= 0)
            return ts_error(TS_ERR_RUN, "values of rank %d (process %lld) cannot be read: %s", q,
                            (long long)h->rank[q].pid, n < 0 ? strerror(errno) : "nothing comes");
        to += n, from += n, bytes -= (size_t)n;
    }
    return TS_OK;
}

ts_status ts_shm_read(const ts_shm_head *h, int q, void *to, const char *from, size_t bytes,
                      char *bounce)
{
    if (!bounce)
        return read_block(h, q, to, from, bytes);
    for (size_t b = 0; b < bytes; b += TS_SHM_BOUNCE) {
        const size_t n = bytes - b < TS_SHM_BOUNCE ? bytes - b : TS_SHM_BOUNCE;
        TS_TRY(read_block(h, q, bounce, from + b, n));
        ts_copy_fast((char *)to + b, bounce, n, true);
    }
    return TS_OK;
}
