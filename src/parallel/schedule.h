/* Pipeline schedules as data: which units of work each stage of a pipeline does, in which order.
 *
 * A pipeline of p stages (processes) holds a model in p x v parts, v chunks of layers a stage. A
 * schedule is a list of units for each stage; an engine walks the list of its own stage, takes what
 * a unit needs from the stage that holds the part before (forward) or after (gradients), and hands
 * on what it made. Sends must not wait for the receiver; then a schedule that ts_schedule_check
 * accepts comes to its end, whatever the units and the messages cost. Between two stages the
 * forward messages, and the gradients among themselves, are taken in the order in which they are
 * sent. docs/schedules.md has the formulas and where each schedule comes from. */
#ifndef TS_PARALLEL_SCHEDULE_H
#define TS_PARALLEL_SCHEDULE_H
#include "base/choice.h"
#include "base/status.h"

#include <stdint.h>

typedef enum ts_unit_kind {
    TS_UNIT_FORWARD,
    TS_UNIT_BACKWARD,    /* both halves at once */
    TS_UNIT_INPUT_GRAD,  /* the half that the part before waits for */
    TS_UNIT_WEIGHT_GRAD, /* the half that nobody waits for */
    TS_UNIT_RECOMPUTE,   /* the forward again; its first run kept nothing but its input */
    TS_UNIT_KINDS,
} ts_unit_kind;
const char *ts_unit_kind_name(ts_unit_kind kind); /* "forward", "input gradient", ... */

typedef struct ts_unit {
    ts_unit_kind kind;
    int32_t micro, chunk; /* micro-batch and chunk of the stage, from 0 */
    bool with_next;       /* a forward that may run interwoven with the backward behind it */
    bool runs_again;      /* a forward that need keep nothing but its input: a RECOMPUTE follows */
} ts_unit;

#define TS_SCHEDULE_RECOMPUTES(W)                                                                  \
    W(TS_AGAIN_NONE, "none")                                                                   \
    W(TS_AGAIN_ADVANCE, "advance")                                                             \
    W(TS_AGAIN_BUBBLE, "bubble")
/* ADVANCE: every unit runs again, beginning before its gradient has come, but for the one whose
 * backward follows at once (on the stage with the last part). BUBBLE (interleaved): only what a
 * stage would hold beyond p x v units. */
typedef enum ts_schedule_recompute {
    TS_SCHEDULE_RECOMPUTES(TS_CHOICE_VALUE)
} ts_schedule_recompute;

typedef struct ts_schedule_shape {
    int64_t n_stages, n_chunks, n_micro;
    int64_t group; /* interleaved, nanopipe: micro-batches that go through a chunk before the next
                      chunk's turn; 0: n_stages, which is what it then is in
                      the schedule */
    ts_schedule_recompute recompute;
    bool detaches_weights; /* dualpipev: weight gradients wait in the cool-down too, so that input
                              gradients come sooner; holds more */
    bool interweaves;      /* 1f1b, interleaved: a stage begins one forward more, and each one behind these may run
                              interwoven with the backward behind it, which does not wait for it */
} ts_schedule_shape;

typedef struct ts_unit_list {
    ts_unit *v;
    int64_t n;
} ts_unit_list;

typedef struct ts_schedule {
    ts_schedule_shape shape;
    bool is_v; /* odd chunks go from the last stage to the first; else each begins at stage 0 */
    ts_unit_list *stage; /* [n_stages] */
} ts_schedule;

void ts_schedule_destroy(ts_schedule **s);

/* One part of the model: a chunk of a stage. */
typedef struct ts_spot {
    int64_t stage, chunk;
} ts_spot;
/* Which part of the whole pipeline that is, 0 .. n_stages * n_chunks - 1, and back. */
int64_t ts_schedule_part(const ts_schedule *s, ts_spot at);
ts_spot ts_schedule_spot(const ts_schedule *s, int64_t part);
/* Who hands it its input, who takes its output; false at the ends of the pipeline. The same stage
 * as `at`: nothing is sent. */
bool ts_schedule_before(const ts_schedule *s, ts_spot at, ts_spot *out);
bool ts_schedule_after(const ts_schedule *s, ts_spot at, ts_spot *out);

/* What a stage holds at most: forwards whose backward is not wholly done (from the recomputation on
 * where there is one), and of these the ones of which only the weight half is left. */
typedef struct ts_schedule_held {
    int64_t units, weight_halves;
} ts_schedule_held;
ts_schedule_held ts_schedule_holds(const ts_schedule *s, int64_t stage);
#endif
