/* Waiting for MPI: neither slow when cores are free nor a thief where processes outnumber them. */
#ifndef TS_DIST_MPI_WAIT_H
#define TS_DIST_MPI_WAIT_H
#include "dist/watchdog.h"

#include <mpi.h>

typedef struct ts_mpi_waiter {
    int rank;
    bool crowded; /* more processes than cores on this host */
    char host[64];
    ts_watch watch;
} ts_mpi_waiter;

void ts_mpi_waiter_init(ts_mpi_waiter *w, int rank, int local_size);
/* Looks once at each of n requests; *done when all are. Returns MPI's code. */
int ts_mpi_look(int n, MPI_Request *r, int *done);
/* Waits for all n requests; what names the collective, a literal. */
ts_status ts_mpi_wait(ts_mpi_waiter *w, const char *what, int n, MPI_Request *r) TS_NODISCARD;
/* TS_OK, or TS_ERR_RUN naming collective, rank, host and MPI's reason. */
ts_status ts_mpi_check(const ts_mpi_waiter *w, const char *what, int code) TS_NODISCARD;
#endif
