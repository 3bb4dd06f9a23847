/* Which experts each token went to in the steps of a training, or in sequences that were scored, in a file:
 * recorded by one run, replayed by another, which then chooses nothing itself (Megatron Core's RouterReplay).
 * Weights are still the scores of the chosen, so that routers are trained.
 *
 *   64 bytes   "TSROUTE1" and seven int64: experts, k, layers, tokens of a sequence, sequences of a step,
 *              number of the first step, 0
 *   uint16     ids [steps][sequences][layers][tokens][k], a layer's best first; zeros of layers without experts
 *
 * Where tokens of a sequence are 0 (scoring) each has its own number, and there are no steps: of each sequence an
 * int64, its tokens, and ids [layers][tokens][k].
 *
 * Numbers are little-endian, as processors that this runs on have them. Rows are found by what they are in the
 * global batch, so that a file serves any layout. Each kind of run replays either kind of file: sequence number q of
 * those that were scored is row q of a training, counted through all its steps. What a file does not have of a sequence
 * (its last token, which is only predicted; padding) goes to the experts 0 to k - 1. */
#ifndef TS_NN_ROUTES_H
#define TS_NN_ROUTES_H
#include "dist/comm.h"
#include "ops/ops.h"

typedef struct ts_routes_shape {
    int64_t experts, k, layers; /* layers: of any kind */
    int64_t length, samples;    /* tokens of a sequence, sequences of a step; 0: sequences of any length */
    bool pads;                  /* sequences of a step may be shorter, with padding behind them */
} ts_routes_shape;

typedef struct ts_routes ts_routes;

/* A file to be made; it takes its name at ts_routes_finish. path NULL: another process writes it, or (planned) none does.
 * first: the first step that is run. */
ts_status ts_routes_record(const char *option, const char *path, bool planned, const ts_routes_shape *shape, int64_t first,
                           ts_routes **out) TS_NODISCARD;
/* A step is over: what all processes have put of it comes together, and is written. Collective; of a replay nothing. */
ts_status ts_routes_step(ts_routes *r, ts_comm *everyone) TS_NODISCARD;
/* A file that was recorded. TS_ERR_USER, with the option: it is none, of another shape, or lacks a step of
 * [first, end) or a sequence of one. path NULL: all ids count up from 0 (planning). */
ts_status ts_routes_replay(const char *option, const char *path, const ts_routes_shape *shape, int64_t first, int64_t end,
                           ts_routes **out) TS_NODISCARD;
/* Of sequences of any length: what is put or taken from now on is of the next one, of n tokens, in step 0. TS_ERR_USER:
 * the file has none more, or one of another length. */
ts_status ts_routes_begin(ts_routes *r, int64_t n) TS_NODISCARD;
ts_status ts_routes_end(ts_routes *r) TS_NODISCARD; /* it is over, and what was recorded of it is written */
ts_status ts_routes_finish(ts_routes *r) TS_NODISCARD; /* what was recorded */
void ts_routes_close(ts_routes **r);                    /* without finish: gives up what was recorded */
bool ts_routes_replays(const ts_routes *r);

/* ids [n, k] of the n rows of a layer in a step, on the host. Several processes may put the same. */
void ts_routes_put(ts_routes *r, int64_t step, int64_t layer, const ts_row_places *rows, int64_t n, const int32_t *ids);
/* TS_ERR_USER: an id in the file is no expert, or stands twice. */
ts_status ts_routes_take(const ts_routes *r, int64_t step, int64_t layer, const ts_row_places *rows, int64_t n,
                         int32_t *ids) TS_NODISCARD;
#endif
