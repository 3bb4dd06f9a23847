/* Attention of all heads to one key a token, which is its value too, in two parts that one softmax joins: the keys of a
 * window, and entries that stand for several tokens each (formulas: device/kernels/compress.h, attn.h). */
#ifndef TS_OPS_COMPRESS_H
#define TS_OPS_COMPRESS_H
#include "ops/ops.h"

/* Which entries a pass makes, and which its rows see. */
typedef struct ts_compress_rows {
    int64_t B, S, rate;
    int64_t before;                 /* rows of a sequence that were kept before those of the pass */
    const ts_tensor *pos, *first_key; /* as ts_run has them */
    const int32_t *start, *length;  /* [B], the host's: of sequences that go on; NULL: they are whole */
} ts_compress_rows;

typedef struct ts_compress_plan {
    ts_compress_rows rows;
    int64_t slots;                  /* entries of a sequence that there is room for */
    ts_tensor *row, *opens, *place; /* int32 [B slots] */
    ts_tensor *first, *last;        /* int32 [B S] */
    ts_tensor *count;               /* int32 [B]: entries of each sequence, with those of earlier passes */
} ts_compress_plan;
ts_status ts_compress_plan_make(ts_tape *tape, const ts_compress_rows *rows, ts_compress_plan *out) TS_NODISCARD;

typedef struct ts_compress_op {
    int64_t dim;
    bool overlaps;
    ts_param *bias; /* [rate width], vectors */
} ts_compress_op;
/* y [B slots, dim] from kv and gate [B (before + S), width]; zeros where there is no entry. */
ts_status ts_op_compress(ts_tape *tape, const ts_compress_op *o, const ts_compress_plan *plan, ts_tensor *kv, ts_tensor *gate,
                         ts_tensor **y) TS_NODISCARD;

typedef struct ts_shared_keys_op {
    int64_t B, S, heads, dim;
    float scale;
    ts_attention_mask mask;      /* of the window */
    const ts_tensor *first_key;  /* int32 [B S]: of the window's keys; or NULL */
    ts_param *sinks;             /* of which head_at is the first head's */
    int64_t head_at;
    /* Of entries: what the plan says of them, which a row sees; lists of those it attends to, [B S, most], of ts_dsa_select,
     * or NULL: all of them. */
    ts_tensor *first, *last, *count, *chosen;
} ts_shared_keys_op;
/* y [B S, heads dim] of queries q, keys kv [B (keys of a sequence), dim] and entries [B (of a sequence), dim]; entries
 * NULL: there are none. What o points to stays until the backward pass. */
ts_status ts_op_shared_keys(ts_tape *tape, const ts_shared_keys_op *o, ts_tensor *q, ts_tensor *kv, ts_tensor *entries,
                            ts_tensor **y) TS_NODISCARD;
#endif
