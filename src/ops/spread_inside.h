/* Inside of attention over several processes (spread.h). */
#ifndef TS_OPS_SPREAD_INSIDE_H
#define TS_OPS_SPREAD_INSIDE_H
#include "ops/attention.h"
#include "ops/spread.h"

/* Processes across, and where this one stands among them; the rank in s->comm of another. */
static inline int ts_spread_across(const ts_spread *s) { return s->comm->size / s->heads; }
static inline int ts_spread_at(const ts_spread *s) { return s->comm->rank / s->heads; }
static inline int ts_spread_peer(const ts_spread *s, int at)
{
    return at * s->heads + s->comm->rank % s->heads;
}

/* Heads in groups that are shared out together: of each its queries and, in fused rows, a key and a
 * value behind them. With `copies` each group goes as so many, that have the same key and value. */
typedef struct ts_head_form {
    int64_t groups, queries, behind, dim;
    int64_t copies;
    bool whole; /* all processes are neighbours, and rows of all stand in the order of the sequence */
} ts_head_form;

ts_head_form ts_head_form_of(const ts_attention_op *o, int heads);
/* Groups before those that neighbour i gets. */
int64_t ts_head_form_begin(const ts_head_form *f, int heads, int i);

/* Rows here with all heads, [B * rows, width], become the rows of all neighbours with some heads; and
 * back. */
ts_status ts_heads_out(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                       const ts_tensor *x, ts_tensor **y) TS_NODISCARD;
ts_status ts_heads_back(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                        const ts_tensor *x, ts_tensor **y) TS_NODISCARD;
/* The same with keys and values gathered instead of exchanged, where neighbours are all there are; y and x are
 * fused rows. */
ts_status ts_heads_out_gathering(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                                 const ts_tensor *x, ts_tensor **y) TS_NODISCARD;
ts_status ts_heads_back_gathering(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                                  const ts_tensor *x, ts_tensor **y) TS_NODISCARD;
/* The same as operators. */
ts_status ts_op_heads_out(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                          ts_tensor *x, ts_tensor **y) TS_NODISCARD;
ts_status ts_op_heads_back(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                           ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* All of it where neighbours are all there are: heads out (`in`), attention (`o` is of what is then here), back
 * (`out`). What is kept is q as it came, with each key once; heads go out again in the backward pass. */
ts_status ts_op_heads_attention(ts_tape *tape, const ts_attention_op *o, const ts_spread *s,
                                const ts_head_form *in, const ts_head_form *out, ts_tensor *q,
                                ts_tensor **y) TS_NODISCARD;

/* Attention across, of queries that all have the same heads. */
ts_status ts_op_gather_attention(ts_tape *tape, const ts_attention_op *o, const ts_spread *s,
                                 ts_tensor *q, ts_tensor **y) TS_NODISCARD;
ts_status ts_op_ring_attention(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, bool keeps,
                               ts_tensor *q, ts_tensor **y) TS_NODISCARD;

/* Keys and then values out of fused rows, each [B * S, n_kv * head_dim]; and back. */
void ts_spread_take_keys(ts_tape *tape, const ts_attention_op *o, const ts_tensor *q, void *kv);
void ts_spread_put_keys(ts_tape *tape, const ts_attention_op *o, const void *kv, const ts_tensor *q);
/* Keys and then values of all processes out of the fused rows of each, in the order of the sequence, each [B *
 * length, n_kv * head_dim]; and of such gradients the sums of everyone's, into the fused rows of whose they are. */
ts_status ts_spread_gather_keys(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, const ts_tensor *q,
                                ts_tensor **kv) TS_NODISCARD;
ts_status ts_spread_scatter_keys(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, const ts_tensor *dkv,
                                 const ts_tensor *dx) TS_NODISCARD;
/* Pairs that see each other of queries at q_at and keys [key0, key0 + keys). */
double ts_spread_pairs(const ts_attention_mask *m, const ts_stretches *q_at, int64_t key0, int64_t keys);
#endif
