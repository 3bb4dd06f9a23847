/* Operators of layers that carry a state from token to token instead of looking back at keys: a causal
 * convolution, the scan of a state-space layer, a norm with a gate. Rows are B sequences of S. A document
 * begins where first_key says (int32 [B * S] or NULL, as of attention; it stays until the backward), and
 * has the same bits wherever it stands.
 *
 * While sequences are continued (`kept`), what came before is in memory of the device, of sequence b in
 * its slot slot0 + b: rows behind length[b] are padding, and sequences of which nothing came before
 * (start[b] 0) begin anew. No gradient then. */
#ifndef TS_OPS_SCAN_H
#define TS_OPS_SCAN_H
#include "ops/ops.h"

/* What a layer keeps of each slot, one after another: the last rows that the convolution saw, in the
 * activations' type, and states in fp32. */
typedef struct ts_scan_kept {
    ts_storage *rows;   /* [slots, width - 1, cols]; NULL: nothing is kept */
    ts_storage *states; /* [slots, floats of one] */
    int64_t slot0;
    const int32_t *start, *length; /* [B], host */
} ts_scan_kept;

/* y = act(bias + the convolution of x with w), see ts_conv_args; x's columns are the parameters' from `first` on. */
typedef struct ts_conv_op {
    int64_t B, S, first;
    ts_param *w, *b; /* [cols, width]; [cols] or NULL */
    bool silu;
    const ts_tensor *first_key;
    ts_scan_kept kept;
} ts_conv_op;
ts_status ts_op_conv(ts_tape *tape, const ts_conv_op *o, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* See ts_ssd_args. xbc [B * S, heads P + 2 groups N], raw [B * S, heads]; y [B * S, heads P]. Heads are the parameters'
 * from head0 on. */
typedef struct ts_ssd_op {
    int64_t B, S, heads, head0, groups, P, N;
    float lo, hi; /* of dt */
    ts_param *A_log, *D, *dt_bias;
    const ts_tensor *first_key;
    ts_scan_kept kept;
} ts_ssd_op;
ts_status ts_op_ssd(ts_tape *tape, const ts_ssd_op *o, ts_tensor *xbc, ts_tensor *raw,
                    ts_tensor **y) TS_NODISCARD;

/* See ts_mamba3_args. x [B * S, heads P], bc [B * S, 2 groups N], raw [B * S, 3 heads + angles]; y [B * S, heads P]. Beside a
 * state and a row, angles are kept, in fp32. Heads are the parameters' from head0 on. */
typedef struct ts_mamba3_op {
    int64_t B, S, heads, head0, groups, P, N, angles;
    float floor;
    ts_param *D, *dt_bias, *b_bias, *c_bias;
    const ts_tensor *first_key;
    ts_scan_kept kept, kept_angles;
} ts_mamba3_op;
ts_status ts_op_mamba3(ts_tape *tape, const ts_mamba3_op *o, ts_tensor *x, ts_tensor *bc, ts_tensor *raw,
                       ts_tensor **y) TS_NODISCARD;

/* See ts_selective_args. x and raw [B * S, channels], bc [B * S, 2 N]; y [B * S, channels]. */
typedef struct ts_selective_op {
    int64_t B, S, channels, N;
    ts_param *A_log, *D, *dt_bias;
    const ts_tensor *first_key;
    ts_scan_kept kept;
} ts_selective_op;
ts_status ts_op_selective(ts_tape *tape, const ts_selective_op *o, ts_tensor *x, ts_tensor *raw, ts_tensor *bc,
                          ts_tensor **y) TS_NODISCARD;

/* See ts_delta_args. qkv [B * S, 2 key_heads K + heads V], g and b [B * S, heads]; y [B * S, heads V]. by_channel:
 * Kimi delta attention, g [B * S, heads K] and dt_bias [heads K]. Heads are the parameters' from head0 on. */
typedef struct ts_delta_op {
    int64_t B, S, heads, head0, key_heads, K, V;
    bool by_channel;
    float eps; /* of lengths */
    ts_param *A_log, *dt_bias;
    const ts_tensor *first_key;
    ts_scan_kept kept;
} ts_delta_op;
ts_status ts_op_delta(ts_tape *tape, const ts_delta_op *o, ts_tensor *qkv, ts_tensor *g, ts_tensor *b,
                      ts_tensor **y) TS_NODISCARD;

/* The norm of groups of columns with a gate (see ts_gate_args); z NULL: none. The weight is of all columns,
 * or of one group for all of them. */
typedef struct ts_gate_op {
    int64_t group;
    ts_gate_kind kind;
    bool behind;
    float eps, offset;
    ts_param *w;
} ts_gate_op;
ts_status ts_op_gate(ts_tape *tape, const ts_gate_op *o, ts_tensor *x, ts_tensor *z, ts_tensor **y) TS_NODISCARD;

/* ---- for operators ---- */

/* Where the kept rows of each sequence stand, `bytes` of them, those of sequences that begin anew cleared; NULL: nothing is
 * kept. And behind a pass: the last `back` of these and of x ([B * S, ...]). */
void *ts_scan_rows_before(ts_tape *tape, const ts_scan_kept *k, int64_t B, size_t bytes);
void ts_scan_keep_rows(ts_tape *tape, const ts_scan_kept *k, int64_t B, int64_t back, const ts_tensor *x, void *rows);
/* Where the states of the sequences stand, those that begin anew cleared; `floats` of one. */
float *ts_scan_states(ts_tape *tape, const ts_scan_kept *k, int64_t B, int64_t floats);
/* Adds to p's gradient (nothing where it has none), from element `at` on, the sum over rows of sums, columns [begin,
 * begin + n), in fp32. */
ts_status ts_scan_give(ts_tape *tape, ts_param *p, int64_t at, const ts_tensor *sums, int64_t begin,
                       int64_t n) TS_NODISCARD;
/* length[] as the device reads it. */
ts_status ts_scan_lengths(ts_tape *tape, const ts_scan_kept *k, int64_t B, ts_tensor **out) TS_NODISCARD;
#endif
