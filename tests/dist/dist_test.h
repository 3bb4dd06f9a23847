/* Tests of several processes: every rank runs main; a rank that sees something wrong says so and
 * takes the job down, so that mpirun's exit code tells. */
#ifndef TS_TESTS_DIST_TEST_H
#define TS_TESTS_DIST_TEST_H
#include "dist/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
#endif
