/* What a process did when: marks, kept in memory while `on`, told later (timeline_trace.h, timeline_sum.h). Devices,
 * communicators and the trainer leave them; each looks at ts_timeline_is_on first, so that a timeline that is
 * off, or none, costs a branch. One thread records. All texts are borrowed for good: literals. */
#ifndef TS_BASE_TIMELINE_H
#define TS_BASE_TIMELINE_H
#include "base/mem.h"

typedef enum ts_track {
    TS_TRACK_STEP,   /* a step, and what of it is no unit: reading data, reduction, optimizer; saving, evaluation */
    TS_TRACK_UNIT,   /* of the pipeline's schedule: "forward" of a micro-batch */
    TS_TRACK_MODULE, /* kernels of one part of a layer, one after another */
    TS_TRACK_KERNEL, /* each of them */
    TS_TRACK_HOST,   /* copies */
    TS_TRACK_WAIT,   /* blocked in a call of a communicator */
    TS_TRACK_COMM,   /* a call under way, from its start until it is known to be done */
    TS_TRACKS,
} ts_track;

enum { TS_MARK_DIMS = 5, TS_MARK_STACK = 12 };

typedef struct ts_mark {
    ts_track track;
    bool again;              /* computed before: recomputation */
    bool is_open;            /* has not ended yet */
    const char *name;
    const char *phase, *part; /* as the device's ledger has them, or NULL */
    const char *group;       /* of the communicator */
    int64_t layer, step;     /* layer -1: none; step 0: between steps */
    int32_t micro, chunk;    /* -1: within no unit */
    double begin, end;       /* by the timeline's clock */
    double busy;             /* seconds: of a module's kernels; that a call blocked */
    double flops, bytes;     /* of a kernel (bytes moved) or of a call (bytes sent) */
    int64_t calls, messages; /* kernels of a module; what a call sends */
    const char *dims;        /* names of dim, "m,n,k"; NULL: none */
    int64_t dim[TS_MARK_DIMS];
    void *stack[TS_MARK_STACK]; /* addresses of callers, NULL behind the last */
    double cpu_seconds;      /* of the process, in a unit or a step */
    int64_t faults, switches; /* pages brought in, and times it was taken off its processor against its will */
} ts_mark;

/* Bytes by kind from a moment on. */
typedef struct ts_memory_mark {
    double at;
    int64_t now[TS_MEM_KINDS];
} ts_memory_mark;

/* What is recorded beside modules, units, calls and waits. */
typedef struct ts_timeline_detail {
    bool kernels, costs, shapes, memory, host, stack;
} ts_timeline_detail;

typedef struct ts_timeline {
    bool on;
    ts_timeline_detail detail;
    double (*clock)(void *ctx); /* seconds; NULL: ts_now */
    void *clock_ctx;
    double origin; /* what counts as 0 when it is told */
    /* where the program is */
    int64_t step;
    int32_t micro, chunk;
    ts_mark *mark; /* [n] */
    size_t n, cap, lost; /* lost: marks that there was no memory for, or too many */
    size_t module;       /* 1 + the module that goes on; 0: none */
    ts_memory_mark *memory; /* [n_memory] */
    size_t n_memory, cap_memory;
    struct ts_call_open {
        const void *request;
        size_t mark;
    } *open; /* [n_open] calls under way */
    size_t n_open, cap_open;
} ts_timeline;

static inline bool ts_timeline_is_on(const ts_timeline *t) { return t && t->on; }
double ts_timeline_now(const ts_timeline *t);

/* Forgets what was recorded and begins; origin is the moment that is told as 0. */
void ts_timeline_start(ts_timeline *t, const ts_timeline_detail *detail, double origin);
/* Ends what is open, and recording. */
void ts_timeline_stop(ts_timeline *t);
void ts_timeline_deinit(ts_timeline *t);

/* Adds a mark; where the program is (step, micro-batch) is filled in. Returns its number, SIZE_MAX where it is
 * lost. */
size_t ts_timeline_add(ts_timeline *t, const ts_mark *m);
/* A kernel that has run: to its module, and as a mark of its own where each is wanted. */
void ts_timeline_kernel(ts_timeline *t, const ts_mark *m);
/* The time when something begins, and a mark of the track from then to now; both do nothing where nothing is
 * recorded. */
double ts_timeline_begin(const ts_timeline *t);
void ts_timeline_span(ts_timeline *t, ts_track track, const char *name, double begin);
/* The bytes of each kind have changed. */
void ts_timeline_memory(ts_timeline *t, const int64_t now[TS_MEM_KINDS]);

/* A call of a communicator was started at m->begin and has returned now; request NULL: it is done. */
void ts_timeline_call(ts_timeline *t, const ts_mark *m, const void *request);
/* It was waited for since `began` (blocked), or looked at, and is done now. group: where the call is not known,
 * since it began before the recording. */
void ts_timeline_waited(ts_timeline *t, const void *request, const char *group, double began);
void ts_timeline_done(ts_timeline *t, const void *request);

/* The same with what the process has used of its processors meanwhile, where the host is recorded. */
typedef struct ts_timeline_piece {
    double begin, cpu_seconds;
    int64_t faults, switches;
} ts_timeline_piece;
ts_timeline_piece ts_timeline_open(const ts_timeline *t);
void ts_timeline_close(ts_timeline *t, ts_track track, const char *name, const ts_timeline_piece *from);
#endif
