/* Waiting for MPI: neither slow when cores are free nor a thief where processes outnumber them. */
#ifndef TS_DIST_MPI_WAIT_H
#define TS_DIST_MPI_WAIT_H
#include "dist/comm.h"

#include <mpi.h>

enum { TS_MPI_WHY = 512 };

/* One a process, for all its communicators. */
typedef struct ts_mpi_waiter {
    int rank;
    bool crowded; /* more processes than cores on this host */
    char host[64];
    ts_watch watch;
    MPI_Comm talk; /* the world's, for ranks that have failed to say so */
    int size;      /* of it */
    ts_watch_reports reports;
    int64_t told;  /* the number of the wait in which this rank has told */
    int failed;    /* 1 + the first that was heard of; 0: none */
    int heard;     /* how many */
    char why[TS_MPI_WHY];
    struct ts_mpi_request *halfway; /* what has a second half to be started: mpi_call.h */
} ts_mpi_waiter;

void ts_mpi_waiter_init(ts_mpi_waiter *w, int rank, int local_size);
/* The world's communicator is there: makes what ranks tell each other by. Collective. */
ts_status ts_mpi_waiter_open(ts_mpi_waiter *w, int size) TS_NODISCARD;
void ts_mpi_waiter_close(ts_mpi_waiter *w);
/* Looks once at each of n requests; *done when all are. Returns MPI's code. */
int ts_mpi_look(int64_t n, MPI_Request *r, bool *done);
/* Calls look until it is done or fails; c: where it waits; what names the
 * collective, a literal. peer: number in the
 * world of the rank that is waited for, -1: any. */
ts_status ts_mpi_wait(ts_mpi_waiter *w, const ts_comm *c, const char *what, int peer,
                      ts_status (*look)(void *ctx, bool *done), void *ctx) TS_NODISCARD;
/* This rank has failed: tells the others why, who fail in what they wait for. Returns when all have
 * answered, or after some seconds. */
void ts_mpi_give_up(ts_mpi_waiter *w, const char *why);
/* TS_OK, or TS_ERR_RUN naming collective, rank, host and MPI's reason. */
ts_status ts_mpi_check(const ts_mpi_waiter *w, const char *what, int code) TS_NODISCARD;
#endif
