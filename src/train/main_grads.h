/* The sums of a step's gradients in fewer bits than fp32 (--main-grads-dtype, --quant-grads): of the own pieces
 * (tensor/shards.h), in bf16, or in fp16 in blocks with a scale (tensor/state_code.h). A micro-batch's gradients
 * are made in fp32, unit by unit (train/scatter.h), and added here; who reads them does so some at a time. */
#ifndef TS_TRAIN_MAIN_GRADS_H
#define TS_TRAIN_MAIN_GRADS_H
#include "dist/comm.h"
#include "train/options.h"
#include "train/sharers.h"
#include "tensor/state_code.h"

typedef struct ts_main_grads {
    ts_param_set *params;
    ts_state_code code; /* NONE: sums are fp32, and all of this is empty */
    ts_storage *sum;
    float *scale; /* host: for those of the longest piece, in fp16 and where something is computed */
} ts_main_grads;

/* What sums are kept in; NONE: fp32. */
ts_codes ts_main_grads_codes(const ts_train_options *o);
/* params: allocated, borrowed. */
ts_status ts_main_grads_init(ts_main_grads *g, const ts_train_options *o, ts_param_set *params) TS_NODISCARD;
void ts_main_grads_deinit(ts_main_grads *g);
static inline bool ts_main_grads_are_here(const ts_main_grads *g) { return g->sum; }
/* x, of all elements of a piece, is added; begins: to nothing. */
void ts_main_grads_add(const ts_main_grads *g, const ts_shard_piece *p, const float *x, bool begins);
void ts_main_grads_clear(const ts_main_grads *g, const ts_shard_piece *p);
/* Elements [at, at + n) of a piece in fp32, the device's; at: a multiple of TS_CODES_BLOCK. */
void ts_main_grads_read(const ts_main_grads *g, const ts_shard_piece *p, int64_t at, int64_t n, float *to);
/* Of a piece that is kept in fp32 its first element. */
float *ts_main_grads_plain(const ts_main_grads *g, const ts_shard_piece *p);
/* The sums become those of all processes, which have the same pieces: in the codes that travel, blocks first
 * brought to the largest scale of all, so far that no sum is too large. The device's memory is the host's. */
ts_status ts_main_grads_all_reduce(const ts_main_grads *g, const ts_sharers *of) TS_NODISCARD;

/* A step's gradients for who reads them: fp32, flat as the set's or of the own pieces, or sums in few bits, which
 * are read into a room. */
typedef struct ts_step_grads {
    const float *all;          /* fp32 */
    bool is_own;               /* of the own pieces */
    int64_t from;              /* of a flat one: the number of its first element (a unit's gradients alone) */
    const ts_main_grads *main; /* or these; NULL: none */
    float *room;               /* of TS_STEP_GRADS + TS_CODES_BLOCK elements, for these */
} ts_step_grads;
enum { TS_STEP_GRADS = 1 << 20 };
/* All of a piece from element `at` on where it lies, in the type that it has there; x NULL: it lies in few bits with
 * scales, and is read by ts_step_grads_at. */
typedef struct ts_grads_there {
    const void *x;
    ts_dtype dtype;
} ts_grads_there;
ts_grads_there ts_step_grads_there(const ts_step_grads *g, const ts_shard_piece *p, int64_t at);
/* Elements [at, at + n) of a piece, good until the next are read; from a room at most TS_STEP_GRADS. */
const float *ts_step_grads_at(const ts_step_grads *g, const ts_shard_piece *p, int64_t at, int64_t n);
#endif
