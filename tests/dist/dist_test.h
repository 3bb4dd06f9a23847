/* Tests of several processes: every rank runs main; a rank that sees something wrong says so and
 * takes the job down, so that mpirun's exit code tells. */
#ifndef TS_TESTS_DIST_TEST_H
#define TS_TESTS_DIST_TEST_H
#include "dist/comm_mpi.h"
#include "dist/world.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* comm must be in scope. */
#define EXPECT(cond, ...)                                                                          \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: rank %d: %s: ", __FILE__, __LINE__, comm->rank, #cond);        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            ts_comm_finish(&comm, true);                                                           \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define EXPECT_OK(call) EXPECT((call) == TS_OK, "%s", ts_error_message())

/* A value that depends on all its arguments, exact in float, different for each rank. */
static inline int64_t made_up(int rank, int64_t i) { return (i * 7 + rank * 1000 + 3) % 4099; }

#if defined(__x86_64__) || defined(__aarch64__)
/* As in a container that does not let a program call this of the system. */
static inline bool forbid(unsigned call)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { sizeof code / sizeof *code, code };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}
#else
static inline bool forbid(unsigned call)
{
    (void)call;
    return false;
}
#endif

/* Before the communicator is made: the last rank may not read the memory of others. */
static inline bool forbid_reading(void)
{
    int64_t rank;
    const int64_t size = ts_comm_launched(&rank);
    return rank + 1 < size || forbid(SYS_process_vm_readv);
}

/* The world in one of several ways: mpi, even on one host; pieces, which are all that MPI can count
 * to; no-reading; or as it comes. Does not come back without one. */
static inline ts_comm *open_world(const char *way)
{
    ts_comm *comm;
    const bool pieces = strcmp(way, "pieces") == 0, mpi = pieces || strcmp(way, "mpi") == 0;
    if (strcmp(way, "no-reading") == 0 && !forbid_reading()) {
        fprintf(stderr, "SKIPPED: no filter of system calls here\n");
        exit(77);
    }
    if ((mpi ? ts_comm_mpi_world(0, false, &comm) : ts_comm_world(&comm)) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        exit(1);
    }
    if (pieces)
        ts_comm_mpi_limit(comm, 301);
    return comm;
}
#endif
