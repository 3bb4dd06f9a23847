/* A schedule's units one after another as time goes by, on all stages: what replays, checks, and
 * fills idle time. A unit begins when its stage is free and what it needs has come. */
#ifndef TS_PARALLEL_SCHEDULE_WALK_H
#define TS_PARALLEL_SCHEDULE_WALK_H
#include "base/mem.h"
#include "parallel/schedule.h"

/* In any unit of time; none is below 0. */
typedef struct ts_schedule_costs {
    double unit[TS_UNIT_KINDS];
    /* where stages or chunks differ: [stage * n_chunks + chunk]; NULL: all are `unit` */
    const double (*of)[TS_UNIT_KINDS];
    /* likewise, of each micro-batch [n_micro], where these differ; NULL: they do not */
    const double (*const *of_micro)[TS_UNIT_KINDS];
    double send;      /* from the end of a unit until its message is there; one after another */
    bool shares_link; /* messages of both directions between two stages wait for each other; else
                         forward messages and gradients have communicators of their own */
    double jitter;    /* each message takes up to so much longer, by chance */
    uint64_t seed;    /* of that chance */
} ts_schedule_costs;

typedef struct ts_walk_event {
    int64_t stage;
    ts_unit unit;
    double begin, end;
} ts_walk_event;

/* What does not wait for its place in the list. */
typedef struct ts_walk_moves {
    bool weight_halves;     /* they are not in the lists: each comes when its stage would wait */
    int64_t recompute_held; /* RECOMPUTE comes earlier when its stage would wait and does then not
                               hold more units than this; 0: never */
    bool pairs; /* a forward that may run interwoven does not begin before its backward may begin too */
} ts_walk_moves;

typedef struct ts_walk {
    const ts_schedule *s; /* borrowed, like the costs */
    const ts_schedule_costs *costs;
    ts_walk_moves moves;
    double *input[2]; /* [part * n_micro + micro]: when it is there for the part; by whether it is a
                          gradient. Below 0: not yet */
    double *link_free; /* [2 * link + direction] */
    int64_t n_messages;
    struct ts_walk_stage {
        int64_t next;     /* units of the list that are done, */
        int64_t flushed;  /* whose weight halves are, */
        int64_t early;    /* and the place up to which all RECOMPUTE are */
        int64_t in_sight; /* the RECOMPUTE that may come now */
        int64_t held;     /* as ts_schedule_holds counts */
        double free;
        ts_walk_event event; /* what it does next, where it can */
        int64_t at;          /* its place in the queue; 0: it waits, or is done */
    } * stage;
    int64_t *queue, n_queue; /* stages that can go on: a heap from 1, the earliest end first */
} ts_walk;

/* All is released by ts_walk_deinit, after a failure too. */
ts_status ts_walk_init(ts_walk *w, const ts_schedule *s, const ts_schedule_costs *costs,
                       ts_walk_moves moves) TS_NODISCARD;
void ts_walk_deinit(ts_walk *w);
/* The unit that ends next. False: none can begin; all is done, or ts_walk_finish fails. */
bool ts_walk_step(ts_walk *w, ts_walk_event *out);
/* TS_ERR_RUN where units are left: says which stage waits at which unit for what, and on along who
 * waits for whom. */
ts_status ts_walk_finish(const ts_walk *w) TS_NODISCARD;
#endif
