/* Experts that are lent: of some experts that processes share out everybody gets a copy of the weights for one pass, so
 * that its rows need not travel to them (Tutel's and MindSpeed's hot experts; He et al., FasterMoE, PPoPP 2022). Their
 * gradients are summed where the experts are. Every process of the group calls the same in the same order. */
#ifndef TS_OPS_LENT_H
#define TS_OPS_LENT_H
#include "ops/experts.h"
#include "ops/group.h"

/* Which, in the order in which copies are stacked: those of an exchange follow one another, and in it those of a
 * process. Exchange i brings those of processes that are i modulo the number of exchanges. */
typedef struct ts_lending {
    ts_comm *comm;
    int64_t n, here;     /* here: experts that each process has */
    int exchanges;       /* which go on at the same time */
    int64_t *expert;     /* [n] of all */
    int64_t *first;      /* [exchanges + 1] where an exchange's begin */
    int64_t *count, *at; /* [exchanges][size] of each process, and where they begin in the exchange */
} ts_lending;

/* expert [n]: in any order. In the tape's arena. */
ts_status ts_lending_make(ts_tape *tape, ts_comm *comm, int64_t here, int exchanges, const int64_t *expert, int64_t n,
                          ts_lending **out) TS_NODISCARD;

/* Copies of a stack's matrices [n, out, in], or of its vectors [n, out], on their way. */
typedef struct ts_lent ts_lent;
/* In the type that products read, vectors in fp32. p NULL gives NULL. */
ts_status ts_lent_start(ts_tape *tape, const ts_lending *l, ts_param *p, ts_dtype dtype, ts_lent **out) TS_NODISCARD;
ts_status ts_lent_wait(ts_tape *tape, ts_lent *l) TS_NODISCARD;

/* As ts_op_linear_groups_of, s's experts are those that are lent; b may be NULL. */
ts_status ts_op_linear_lent(ts_tape *tape, const ts_sorted_rows *s, ts_lent *w, ts_lent *b, ts_tensor *x,
                            ts_tensor **y) TS_NODISCARD;
#endif
