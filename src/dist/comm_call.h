/* What a communicator (comm.h) may be asked to do, as a value. Whoever makes one owns nothing: it
 * points to the caller's arrays. */
#ifndef TS_DIST_COMM_CALL_H
#define TS_DIST_COMM_CALL_H
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reductions of the 16-bit types are made in fp32, in the order of the ranks, and rounded once to
 * nearest even: SUM is round(((x_0 + x_1) + x_2) + ...), the same bits on all ranks and for every
 * kind of communicator. MAX and MIN are exact, a NaN wins. Those of wider types are made in the
 * type itself; in which order of the ranks is up to MPI (mpi) or as written here (shm). */
typedef enum ts_comm_type {
    TS_COMM_F32,
    TS_COMM_F64,
    TS_COMM_I64,
    TS_COMM_U8,
    TS_COMM_BF16,
    TS_COMM_F16,
} ts_comm_type;
typedef enum ts_comm_op { TS_COMM_SUM, TS_COMM_MAX, TS_COMM_MIN } ts_comm_op;

typedef enum ts_collective {
    TS_ALL_REDUCE,
    TS_REDUCE_SCATTER,
    TS_ALL_GATHER,
    TS_ALL_TO_ALL,
    TS_BROADCAST,
    TS_BARRIER,
    TS_SEND,
    TS_RECV,
    TS_COLLECTIVES,
} ts_collective;

/* Counts, offsets and n are in values. An array of counts has an entry a rank, and one of offsets;
 * both NULL: every part is n long, rank after rank. They are read at the start only; send and recv
 * are untouchable until the end. */
typedef struct ts_comm_call {
    ts_collective what;
    ts_comm_type type;
    ts_comm_op op; /* ALL_REDUCE, REDUCE_SCATTER */
    int peer;      /* BROADCAST: who has the values; SEND, RECV: the other rank */
    int64_t n;
    const void *send;
    void *recv;
    const int64_t *send_counts, *send_offsets, *recv_counts, *recv_offsets; /* [size] */
} ts_comm_call;

/* In place. */
TS_NODISCARD static inline ts_comm_call ts_all_reduce(void *buf, int64_t n, ts_comm_type t,
                                                      ts_comm_op op)
{
    return (ts_comm_call){ .what = TS_ALL_REDUCE, .type = t, .op = op, .n = n, .recv = buf };
}

/* recv holds size * n values, rank after rank. In both gathers send may be the own place in
 * recv. */
TS_NODISCARD static inline ts_comm_call ts_all_gather(const void *send, void *recv, int64_t n,
                                                      ts_comm_type t)
{
    return (ts_comm_call){ .what = TS_ALL_GATHER, .type = t, .n = n, .send = send, .recv = recv };
}

/* n: counts[rank]. Counts and offsets of the parts in recv. */
TS_NODISCARD static inline ts_comm_call ts_all_gather_v(const void *send, int64_t n, void *recv,
                                                        const int64_t *counts,
                                                        const int64_t *offsets, ts_comm_type t)
{
    return (ts_comm_call){ .what = TS_ALL_GATHER,
                           .type = t,
                           .n = n,
                           .send = send,
                           .recv = recv,
                           .recv_counts = counts,
                           .recv_offsets = offsets };
}

/* n values for each rank, and n from each. */
TS_NODISCARD static inline ts_comm_call ts_all_to_all(const void *send, void *recv, int64_t n,
                                                      ts_comm_type t)
{
    return (ts_comm_call){ .what = TS_ALL_TO_ALL, .type = t, .n = n, .send = send, .recv = recv };
}

TS_NODISCARD static inline ts_comm_call
ts_all_to_all_v(const void *send, const int64_t *send_counts, const int64_t *send_offsets,
                void *recv, const int64_t *recv_counts, const int64_t *recv_offsets, ts_comm_type t)
{
    return (ts_comm_call){ .what = TS_ALL_TO_ALL,
                           .type = t,
                           .send = send,
                           .recv = recv,
                           .send_counts = send_counts,
                           .send_offsets = send_offsets,
                           .recv_counts = recv_counts,
                           .recv_offsets = recv_offsets };
}

/* send holds size * n values; those of this rank's part, reduced over all ranks, come into recv,
 * which may be that part's place in send. */
TS_NODISCARD static inline ts_comm_call ts_reduce_scatter(const void *send, void *recv, int64_t n,
                                                          ts_comm_type t, ts_comm_op op)
{
    return (ts_comm_call){
        .what = TS_REDUCE_SCATTER, .type = t, .op = op, .n = n, .send = send, .recv = recv
    };
}

/* Counts and offsets of the parts in send. */
TS_NODISCARD static inline ts_comm_call ts_reduce_scatter_v(const void *send, void *recv,
                                                            const int64_t *counts,
                                                            const int64_t *offsets, ts_comm_type t,
                                                            ts_comm_op op)
{
    return (ts_comm_call){ .what = TS_REDUCE_SCATTER,
                           .type = t,
                           .op = op,
                           .send = send,
                           .recv = recv,
                           .send_counts = counts,
                           .send_offsets = offsets };
}

TS_NODISCARD static inline ts_comm_call ts_broadcast(void *buf, int64_t n, ts_comm_type t, int root)
{
    return (ts_comm_call){ .what = TS_BROADCAST, .type = t, .peer = root, .n = n, .recv = buf };
}

TS_NODISCARD static inline ts_comm_call ts_barrier(void)
{
    return (ts_comm_call){ .what = TS_BARRIER, .type = TS_COMM_U8 };
}

/* To and from another rank than this one. */
TS_NODISCARD static inline ts_comm_call ts_send(const void *buf, int64_t n, ts_comm_type t, int to)
{
    return (ts_comm_call){ .what = TS_SEND, .type = t, .peer = to, .n = n, .send = buf };
}

TS_NODISCARD static inline ts_comm_call ts_recv(void *buf, int64_t n, ts_comm_type t, int from)
{
    return (ts_comm_call){ .what = TS_RECV, .type = t, .peer = from, .n = n, .recv = buf };
}

/* For the kinds: how long part r is and where it begins. */
static inline int64_t ts_call_count(const int64_t *counts, int64_t n, int r)
{
    return counts ? counts[r] : n;
}

static inline int64_t ts_call_offset(const int64_t *offsets, int64_t n, int r)
{
    return offsets ? offsets[r] : r * n;
}

/* Bytes of a value. */
size_t ts_comm_type_size(ts_comm_type t);
/* 16 bits: reduced in fp32. */
static inline bool ts_comm_type_is_half(ts_comm_type t)
{
    return t == TS_COMM_BF16 || t == TS_COMM_F16;
}
const char *ts_collective_name(ts_collective what);
#endif
