/* The tape. An operator computes at once and, while gradients are on, leaves a record: what it
 * needs for its backward (pinned tensors) and its functions. Backward walks the records from the
 * last to the first and frees what is no longer needed as it goes.
 *
 * A record's backward has two halves, input gradient and weight gradient; the second can be
 * deferred, which is what zero-bubble schedules need. A segment keeps only its input and runs again
 * when its gradient arrives (recomputation). A tensor whose maker has a `replay` need not be kept
 * either: it is made again from the maker's inputs when somebody needs it (norm outputs, activation
 * outputs). What records keep while `waits` is on waits in a second memory: it goes when its layer has run
 * (ts_tape_send_away) and comes back when the backward pass is one layer behind it. */
#ifndef TS_OPS_TAPE_H
#define TS_OPS_TAPE_H
#include "base/arena.h"
#include "base/stretches.h"
#include "ops/swap.h"
#include "ops/uses.h"
#include "tensor/place.h"

typedef struct ts_tape ts_tape;
typedef struct ts_record ts_record;

/* What can be made again, by what makes it: cheaply, but for rows that have to travel again. */
typedef enum ts_replayed { TS_REPLAY_NORM, TS_REPLAY_ACT, TS_REPLAY_ROWS, TS_REPLAY_TRAVEL, TS_REPLAYED } ts_replayed;

typedef struct ts_op {
    const char *name;
    /* Gradients of in[] from those of out[] (ts_tape_accumulate). */
    ts_status (*backward)(ts_tape *tape, ts_record *r);
    /* Adds to the gradients of the parameters; NULL: none. out[]'s gradients are still there. */
    ts_status (*weight)(ts_tape *tape, ts_record *r);
    /* Computes out[i]'s bytes again into fresh storage (which out[i] already has); NULL: cannot. */
    ts_status (*replay)(ts_tape *tape, ts_record *r, int i);
    ts_replayed replayed; /* what replay makes */
    bool from_inputs;     /* replay reads the record's inputs, which may have been dropped as well */
} ts_op;

enum { TS_RECORD_TENSORS = 9, TS_RECORD_PARAMS = 4 };

struct ts_record {
    const ts_op *op;
    ts_record *prev;                      /* made before this one */
    ts_tensor *in[3], *out[2];            /* nodes: shape and gradient, bytes may be gone */
    ts_tensor *saved[TS_RECORD_TENSORS];  /* pinned until the record is done */
    int n_saved;
    bool is_late;                         /* its second half waits for ts_tape_run_late, and what it saves is kept */
    int kept;                             /* of these, what the first half has left to the second */
    ts_swap_slot *swapped;                /* in[0]'s bytes, where they wait on the host; or NULL */
    ts_param *param[TS_RECORD_PARAMS];
    void *attr;                           /* the operator's own settings, in the tape's arena */
    /* of the model, and its layer: where the ledger is in backward */
    const char *part;
    int64_t layer;
};

/* Called between records of a backward pass (to keep messages moving), and when all gradients of a
 * parameter for this micro-batch have been added. Either may be NULL. */
typedef struct ts_tape_hooks {
    void (*progress)(void *ctx);
    void (*param_done)(void *ctx, ts_param *p);
    void *ctx;
} ts_tape_hooks;

/* A module's result, for who looks at a pass. */
typedef struct ts_shown {
    const char *module, *part; /* "self_attention", "linear_qkv"; texts of the program */
    int64_t layer;             /* TS_SHOWN_BEFORE, TS_SHOWN_BEHIND: part of no layer */
    ts_stretches at;           /* which rows of the global batch its rows are: as ts_row_places */
    int64_t length, sample0, row0;
    int64_t cols;              /* of the whole */
    int n_spans;               /* which of them are here; 0: all */
    ts_place_span span[TS_PLACE_SPANS];
    int64_t own;               /* of those that are here, from the first on, what no other process brings */
    bool adds;                 /* several have the others, each with a part of their gradient */
} ts_shown;
enum { TS_SHOWN_BEFORE = -1, TS_SHOWN_BEHIND = 1 << 30 };

/* Looks at a pass without changing it: at results as they are made, and at their gradients when they are
 * complete. What runs again for its gradients is not shown again. */
typedef struct ts_viewer {
    ts_status (*see)(void *ctx, const ts_shown *what, const ts_tensor *t, bool is_gradient);
    void *ctx;
} ts_viewer;

typedef struct ts_layer_range {
    int64_t first, last; /* [first, last) */
} ts_layer_range;

typedef struct ts_tape_options {
    bool replay;         /* drop what can be replayed cheaply (less memory, a little more work) */
    /* Without it: what is made in these layers alone, by what makes it; the model's own parts, such as
     * the norm behind its last layer, are in no layer. */
    ts_layer_range again[TS_REPLAYED];
    bool swap;           /* what segments keep, their inputs, waits in the host's memory */
    bool defer_weights;  /* keep weight halves for ts_tape_run_weights */
} ts_tape_options;

struct ts_tape {
    ts_device *dev;
    ts_tape_options opt;
    ts_tape_hooks hooks;
    const ts_viewer *viewer; /* borrowed; NULL: nobody looks. Whoever begins a pass sets it, and the next */
    bool recording;
    bool makes_late;     /* the next records are late */
    /* The run that the pass is of (nn/run.h), for who is given the tape alone: whoever begins a pass sets it, and segments
     * run again with theirs. Borrowed, as long as records; NULL: nobody has */
    const struct ts_run *run;
    bool waits;          /* what the next records keep is to wait in the second memory */
    ts_arena arena;
    ts_uses uses;        /* what gradients are still to come */
    ts_swap swap;
    ts_record *last;
    ts_record *deferred; /* by prev, newest first */
    ts_record *late;     /* likewise, of this backward pass */
    struct ts_frame *frame;
};

ts_status ts_tape_create(ts_device *dev, const ts_tape_options *o, ts_tape **out) TS_NODISCARD;
void ts_tape_destroy(ts_tape **tape);
/* Drops all records, tensors and gradients. */
void ts_tape_reset(ts_tape *tape);

/* A new tensor [d0, d1] (d1 0: [d0]) of the device, pinned by the current frame, of kind ACT. */
ts_status ts_tape_new(ts_tape *tape, ts_dtype dtype, int64_t d0, int64_t d1,
                      ts_tensor **out) TS_NODISCARD;
ts_status ts_tape_new_kind(ts_tape *tape, ts_mem_kind kind, ts_dtype dtype, int64_t d0, int64_t d1,
                           ts_tensor **out) TS_NODISCARD;
/* One of kind DATA with n values of the host, which are free at once; not read where nothing is
 * computed. */
ts_status ts_tape_upload(ts_tape *tape, ts_dtype dtype, const void *host, int64_t n,
                         ts_tensor **out) TS_NODISCARD;
/* Another tensor over the same bytes and shape. */
ts_status ts_tape_alias(ts_tape *tape, const ts_tensor *t, ts_tensor **out) TS_NODISCARD;

/* Tensors made after push are unpinned by pop, but for `keep` (may be NULL), which the outer frame
 * takes. */
ts_status ts_tape_push(ts_tape *tape) TS_NODISCARD;
void ts_tape_pop(ts_tape *tape, ts_tensor *keep);
void ts_tape_pop2(ts_tape *tape, ts_tensor *keep, ts_tensor *keep2);
/* t stays until the tape is reset, for what reads it much later. */
ts_status ts_tape_hold(ts_tape *tape, ts_tensor *t) TS_NODISCARD;
/* The frame's pin of t goes now: nothing in this frame reads t any more. */
void ts_tape_drop(ts_tape *tape, ts_tensor *t);

static inline void ts_tensor_pin(ts_tensor *t) { t->pins++; }
void ts_tensor_unpin(ts_tensor *t);

/* While recording: makes a record with zeroed attr of attr_size bytes. */
ts_status ts_tape_record(ts_tape *tape, const ts_op *op, size_t attr_size,
                         ts_record **out) TS_NODISCARD;
/* The record will need t's bytes in backward. A t that can be replayed, and is by the options, is
 * noted but not pinned. */
void ts_record_save(ts_tape *tape, ts_record *r, ts_tensor *t);
/* Makes a parameter's gradient expected from this record. */
ts_status ts_record_param(ts_tape *tape, ts_record *r, int i, ts_param *p) TS_NODISCARD;
/* t's bytes, replayed if they were dropped. Pinned by the current frame if so. */
ts_status ts_tape_need(ts_tape *tape, ts_tensor *t, void **data) TS_NODISCARD;

/* Adds g to x's gradient (takes it over when it is the first; g must not be written afterwards). */
ts_status ts_tape_accumulate(ts_tape *tape, ts_tensor *x, ts_tensor *g) TS_NODISCARD;
/* The frame holds t on, but reads its bytes no more: they may wait in the second memory. */
void ts_tape_leave(ts_tape *tape, ts_tensor *t);
/* What records keep and nobody else holds, and is to wait, goes to the second memory. */
ts_status ts_tape_send_away(ts_tape *tape) TS_NODISCARD;
/* Runs all records backwards from out, whose gradient must be set (ts_tape_accumulate). */
ts_status ts_tape_backward(ts_tape *tape) TS_NODISCARD;
ts_status ts_tape_run_weights(ts_tape *tape) TS_NODISCARD;
/* Weight halves of records that were made with makes_late have time until what these hand on is on its way: whoever
 * sends it calls this meanwhile. At the end of a pass none is left. */
ts_status ts_tape_run_late(ts_tape *tape) TS_NODISCARD;
/* Whether what is made here so is not kept but made again. */
bool ts_tape_replays(const ts_tape *tape, ts_replayed what);

/* t is a module's result; *s is copied. Where nobody looks it is nothing. */
ts_status ts_tape_show(ts_tape *tape, const ts_shown *s, ts_tensor *t) TS_NODISCARD;
/* The same of a result that is there only after the backward pass, when _show_made tells of it. */
ts_status ts_tape_show_late(ts_tape *tape, const ts_shown *s, ts_tensor *t) TS_NODISCARD;
ts_status ts_tape_show_made(const ts_tape *tape, const ts_tensor *t) TS_NODISCARD;

/* Recomputation: runs fn without recording and keeps only `in` (ctx is copied). With recording off
 * it is the same as calling fn. */
typedef ts_status ts_segment_fn(ts_tape *tape, void *ctx, ts_tensor *in, ts_tensor **out);
ts_status ts_tape_segment(ts_tape *tape, ts_segment_fn *fn, const void *ctx, size_t ctx_size,
                          ts_tensor *in, ts_tensor **out) TS_NODISCARD;
#endif
