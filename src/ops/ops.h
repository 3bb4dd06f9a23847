/* Differentiable operators. Activations are [T, width] with T = B * S rows (sequence after
 * sequence). Each checks its shapes (a mismatch is a programmer's mistake and names the operator),
 * allocates its results in the tape's current frame, launches kernels with their cost, and records
 * itself while the tape is recording and a gradient is wanted. Outputs belong to the tape. */
#ifndef TS_OPS_OPS_H
#define TS_OPS_OPS_H
#include "ops/group.h"

/* y[t] = scale * table[ids[t]] (+ positions[pos[t]]), in dtype. ids, pos: int32 [T] on the
 * device.
 *
 * The table may be cut over the processes of a group: each has some of its rows, one after another;
 * positions, ids and y's gradient are the same on all, and so is y, with the values of one process:
 * each row comes from the one process that has it. */
typedef struct ts_embed_op {
    ts_param *table, *positions; /* positions may be NULL */
    ts_comm *group;              /* over which the table is cut; NULL or of one: it is whole */
    int64_t first;               /* number of the table's first row here in the whole vocabulary */
    const ts_tensor *ids, *pos;
    int32_t known;               /* tokens from this number on count as token 0; 0: there are none */
    float scale;
    ts_dtype dtype;
    bool freezes;                /* the row of token `frozen` gets no gradient here */
    int32_t frozen;
} ts_embed_op;
ts_status ts_op_embed(ts_tape *tape, const ts_embed_op *o, ts_tensor **y) TS_NODISCARD;

/* y = x W^T + b, W [out, in]; b may be NULL.
 *
 * Processes may share out the rows of W (Megatron-LM's column parallelism), each making its part of the
 * columns of y. x is the same on all, or with `gathers` its rows are shared out and y has the rows of
 * all; nothing but x's own rows is kept for the backward. The gradient of x is the sum over the group.
 * Where they share out the columns of W (row parallelism), each y is one part of a sum, to which one of
 * them adds b (elsewhere: not this one) and of which all make b's gradient. The sum is the caller's, or
 * made here with `sums`: y is the sum, the same on all, or with `scatters` has this process's rows of it.
 *
 * Products and exchanges may go in parts of the rows, one beside the other (ops/parts.h), with the
 * same numbers. */
typedef struct ts_linear_op {
    ts_param *w, *b;
    ts_comm *group; /* NULL: none shares out rows of w */
    bool gathers;
    bool elsewhere;
    ts_comm *sums;  /* NULL: the columns of w are all here, or the caller sums */
    bool scatters;
    /* of what is gathered, and of what is summed or scattered; 0 and 1: in one piece */
    int gather_parts, sum_parts;
} ts_linear_op;
ts_status ts_op_linear_of(ts_tape *tape, const ts_linear_op *o, ts_tensor *x,
                          ts_tensor **y) TS_NODISCARD;
/* Of one process. */
ts_status ts_op_linear(ts_tape *tape, ts_tensor *x, ts_param *w, ts_param *b,
                       ts_tensor **y) TS_NODISCARD;

/* The same where the columns of x stand in as many groups as w has matrices, a stack [groups, out, in], and of y too: a
 * group's columns of y are its columns of x times its own matrix, transposed (a block-diagonal weight). */
ts_status ts_op_linear_blocks(ts_tape *tape, ts_tensor *x, ts_param *w, ts_tensor **y) TS_NODISCARD;

/* s = x + res, y = norm(s). res NULL: s is x. sum may be NULL when it is not wanted. */
typedef struct ts_norm_op {
    bool layer;          /* layer norm; else RMS norm */
    float eps, offset;
    ts_param *w, *b;     /* b: layer norm only, may be NULL */
    bool is_kept;        /* y is the stream itself: what reads it is made again from it, so it stays */
} ts_norm_op;
ts_status ts_op_norm(ts_tape *tape, const ts_norm_op *o, ts_tensor *x, ts_tensor *res,
                     ts_tensor **sum, ts_tensor **y) TS_NODISCARD;

/* Norm of q and k (optional) and rotary embedding on fused query-key-value rows, [T, (n_q + 2 n_kv)
 * head_dim]; on queries alone where n_kv is 0, on key-value rows alone where n_q is 0. With no norm
 * it works in place: the bytes of x become y's and x must not be read any more. */
typedef struct ts_rope_op {
    int64_t n_q, n_kv, head_dim, rot_dim;
    bool interleaved, full_norm, unit_norm, own_weights; /* unit_norm: a norm without weights */
    bool norm_values;            /* values too, by head and without a weight; where queries and keys are */
    const ts_storage *cos, *sin; /* fp32 [positions, rot_dim / 2] */
    const ts_storage *q_cos, *q_sin; /* of queries, where they are others; or NULL */
    const ts_tensor *pos;        /* int32 [T]; may be NULL without a rotation */
    ts_param *wq, *wk;           /* of the heads that there are; none: no norm */
    float eps, offset;
    ts_comm *group;              /* full_norm: whose heads are normed together, of the same rows; may be NULL */
    int64_t all_q, all_kv;       /* their heads, each as often as processes have it */
} ts_rope_op;
ts_status ts_op_rope(ts_tape *tape, const ts_rope_op *o, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* y: x [T, heads dim] of which the last `rope` values of each head are rotated by its row's position, or back by it;
 * copies: into bytes of its own, else x's, which must not be read any more. */
typedef struct ts_rope_tail_op {
    int64_t heads, dim, rope;
    bool interleaved, back, copies;
    const ts_storage *cos, *sin; /* fp32 [positions, rope / 2]; NULL: nothing is rotated */
    const ts_tensor *pos;        /* int32 [T] */
} ts_rope_tail_op;
ts_status ts_op_rope_tail(ts_tape *tape, const ts_rope_tail_op *o, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* Queries in such rows times a factor that grows with their positions (ts_temper_args), in place: x must not be read any
 * more. */
typedef struct ts_temper_op {
    int64_t n_q, n_kv, head_dim;
    float by, every;
    const ts_tensor *pos; /* int32 [T] */
} ts_temper_op;
ts_status ts_op_temper(ts_tape *tape, const ts_temper_op *o, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* Keys and values of earlier tokens. One for each layer; rows [B, capacity, n_kv, 2, head_dim], of keys
 * that are their own values [B, capacity, n_kv, head_dim]; in eight bits head_dim numbers are a vector of codes. */
typedef struct ts_kv_cache {
    ts_storage *kv;
    int64_t capacity;
    ts_kv_code code;
} ts_kv_cache;

/* Where the tokens of a pass's sequences lie in caches that have one row of pages of 2^bits tokens each: sequence b's
 * token t is in page table[b * each + (t >> bits)]. */
typedef struct ts_kv_pages {
    const int32_t *table;        /* [B, each], host */
    const ts_tensor *on_device;  /* the same */
    int64_t each;
    int bits;                    /* 4 or more */
} ts_kv_pages;

/* Attention (ts_attn_args has the formulas) of B sequences of S queries. Keys and values come with
 * the queries, or apart from them, of this sequence or another:
 *
 *   kv NULL   q: fused rows [B * S, (n_q + 2 n_kv) head_dim], of each group its queries, key, value
 *   kv given  q: [B * S, n_q head_dim]; kv: [B * S_kv, 2 n_kv head_dim], of each group its key and
 *             value
 *
 * y is [B * S, n_q head_dim]. lse: the log-sum-exp of each row's scores, fp32 [B * S, n_q], -inf
 * where a row sees no key; NULL: not wanted. No gradient goes through it.
 *
 * Where only some queries of each sequence attend, n of them (kv NULL, no cache), y is [B * n, n_q head_dim]
 * and lse [B * n, n_q]; q, first_key and last_key are of all S. Gradients of keys and values are then sums
 * over such calls, and other queries have none.
 *
 * With a cache (keys of this sequence, causal or a window, no lse), the new keys and values are put
 * behind the ones that are there (row q_start[b] + i) and queries see all of them; rows behind
 * q_len[b] are padding and come out as zeros; no gradient then. */
typedef struct ts_attention_op {
    int64_t B, S, n_q, n_kv, head_dim;
    ts_stretch queries;          /* of each sequence's S the ones that attend; n 0: all */
    float scale, softcap;
    ts_attention_mask mask;
    const ts_tensor *first_key, *last_key; /* int32 [B * S] or NULL; stay until the backward */
    float dropout;
    ts_rng rng;
    int64_t sample0;
    int64_t head0, all_q;        /* dropout's: the first head here, of all heads; all_q 0: n_q */
    ts_param *sinks;             /* [heads]: a logit a head that joins the softmax's denominator alone; or NULL */
    const ts_storage *slopes;    /* fp32 [heads]: ALiBi, scores lose slope * distance; NULL: no */
    int64_t head_at;             /* the first head here, of those of sinks and slopes */
    float *tops;                 /* [n_q], the device's: each becomes the largest of it and its head's scores, in
                                    passes that train; NULL: nobody asks */
    ts_kv_cache *cache;          /* NULL: none */
    bool keys_alone;             /* with a cache: a key is its value too; kv and the cache have it once */
    bool are_there;              /* with a cache, which has this pass's keys and values too: q are queries alone */
    int64_t slot0;               /* of the cache: sequence b is there sequence slot0 + b */
    const ts_kv_pages *pages;    /* of the cache; NULL: it has a slot for each sequence */
    bool any_cut;                /* with a cache: rows come to the same bits however prompts are cut into passes */
    const int32_t *q_start, *q_len; /* [B], host; with a cache */
} ts_attention_op;
ts_status ts_op_attention(ts_tape *tape, const ts_attention_op *o, ts_tensor *q, ts_tensor *kv,
                          ts_tensor **y, ts_tensor **lse) TS_NODISCARD;
/* Pairs of query and key that a mask lets see each other, of S_q queries and S_kv keys: what the
 * operator's cost is counted by. Documents are not known to it. */
double ts_mask_pairs(const ts_attention_mask *m, int64_t S_q, int64_t S_kv);

/* y = act(x), or gated: x = [gate | up], y = act(gate) * up. */
ts_status ts_op_act(ts_tape *tape, ts_act act, bool gated, ts_tensor *x,
                    ts_tensor **y) TS_NODISCARD;
/* Gated with a clamp or an offset of values (device/kernels/act.h); 0: none. */
typedef struct ts_act_op {
    ts_act act;
    bool gated;
    float clamp, offset;
    bool clamps_value; /* the clamp is of act(gate), not of the gate */
} ts_act_op;
ts_status ts_op_act_of(ts_tape *tape, const ts_act_op *o, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* y = alpha * a + beta * b; b NULL: y = alpha * a. */
ts_status ts_op_add(ts_tape *tape, ts_tensor *a, float alpha, ts_tensor *b, float beta,
                    ts_tensor **y) TS_NODISCARD;

/* Which rows of a global batch the rows of a tensor are: of each sequence, `length` rows long, the pieces
 * `at` are here; sequence sample0 is the first, and of all that the tensor begins with row row0. */
typedef struct ts_row_places {
    ts_stretches at;
    int64_t length, sample0, row0;
} ts_row_places;

/* y = dropout(x) with the numbers that its elements have in the global batch. */
ts_status ts_op_dropout(ts_tape *tape, ts_tensor *x, float p, const ts_rng *rng,
                        const ts_row_places *rows, ts_tensor **y) TS_NODISCARD;

/* The same of columns of such rows that are `whole` long: x has these, one span after another. */
ts_status ts_op_dropout_cols(ts_tape *tape, ts_tensor *x, float p, const ts_rng *rng, const ts_row_places *rows, int64_t whole,
                             const ts_place_span *span, int n_spans, ts_tensor **y) TS_NODISCARD;

/* y = x + numbers from [-amount, amount), likewise. */
ts_status ts_op_noise(ts_tape *tape, ts_tensor *x, float amount, const ts_rng *rng, const ts_row_places *rows,
                      ts_tensor **y) TS_NODISCARD;

/* y = x times numbers from [1 - eps, 1 + eps), likewise; fp32. */
ts_status ts_op_jitter(ts_tape *tape, ts_tensor *x, float eps, const ts_rng *rng, const ts_row_places *rows,
                       ts_tensor **y) TS_NODISCARD;
/* y: fp32 [n, 1], ones. */
ts_status ts_op_ones(ts_tape *tape, int64_t n, ts_tensor **y) TS_NODISCARD;
/* y: fp32 [n, 1], numbers from [0, 2) by the rows that these n are. */
ts_status ts_op_draw(ts_tape *tape, int64_t n, const ts_rng *rng, const ts_row_places *rows, ts_tensor **y) TS_NODISCARD;
/* y = x with Gumbel's noise, fp32 (ts_jitter_args); no gradient goes through it. */
ts_status ts_op_gumbel(ts_tape *tape, const ts_tensor *x, const ts_rng *rng, const ts_row_places *rows,
                       ts_tensor **y) TS_NODISCARD;
/* y = x in another type; of this type already: *y is x. */
ts_status ts_op_cast(ts_tape *tape, ts_tensor *x, ts_dtype dtype, ts_tensor **y) TS_NODISCARD;

/* Rows that count, of T. Whoever makes a batch knows them. */
typedef struct ts_chosen_rows {
    int64_t n;
    const ts_tensor *at;     /* int32 [n]: which they are, in order */
    const ts_tensor *back;   /* int32 [T]: 1 + a row's number among them; 0: it does not count */
    const ts_tensor *labels; /* int32 [n]: theirs */
} ts_chosen_rows;

/* From labels on the host, [T]: fills at [n], back [T] and chosen [n] of those that are not -1;
 * returns n. */
int64_t ts_choose_rows(const int32_t *labels, int64_t T, int32_t *at, int32_t *back,
                       int32_t *chosen);

/* y = x, and to row at[i] of it row i of `more` is added; [T, cols] and [rows->n, cols] of one type. */
ts_status ts_op_add_rows(ts_tape *tape, ts_tensor *x, const ts_chosen_rows *rows, ts_tensor *more,
                         ts_tensor **y) TS_NODISCARD;

/* y [rows->n, cols]: those rows of x. back tells of each row of x which it is, at of each of y which it was; where
 * several at are one row, `back` says whose gradient it gets. Without a record it is not read. */
ts_status ts_op_pick_rows(ts_tape *tape, ts_tensor *x, const ts_chosen_rows *rows, ts_tensor **y) TS_NODISCARD;

/* The output layer with cross-entropy. Logits exist only for a chunk of rows at a time.
 *   z = softcap(logit_scale * (x W^T + b)),  loss[t] = -log softmax(z)[label[t]]
 * The backward makes the logits again, so that its gradient may depend on the losses. Where it does
 * not, `late` saves the products of the forward: while recording, the losses' values are then there
 * after the backward only, and 0 where the gradient is. Labels and chosen rows must stay until
 * then.
 *
 * The vocabulary may be cut over the processes of a group: each has some rows of w and b, one after
 * another, at least one. x, labels, chosen rows and the losses' gradient are the same on all of them
 * and so are losses, argmax and x's gradient, which is summed over the group in x's type. Between
 * the processes go numbers a row: the largest logit; the sum of exponentials and the label's logit;
 * for the argmax its column. */
typedef struct ts_xent_op {
    ts_param *w, *b;          /* [rows here, hidden], [rows here] or NULL */
    /* rows of the whole w that are real; 0: all, not with a group (padded vocabulary takes part) */
    int64_t vocab;
    ts_comm *group;           /* over which the vocabulary is cut; NULL or of one: w is whole */
    int64_t first;            /* number of w's first row here in the whole vocabulary */
    float softcap, logit_scale;
    bool unit_rows;           /* rows of w count as of length one (ts_unit_args); b has none */
    const ts_tensor *labels;  /* int32 [T] in the whole vocabulary, -1: ignore */
    const ts_chosen_rows *chosen; /* others have label -1 and take no products; NULL: all rows do */
    bool late;
    /* An adapter of w, of one part that has all its rows (ops/lora.h): x W^T + (x (scale A)^T) B^T; NULL: none. Not with
     * unit_rows. It lasts as long as the tape's records */
    const struct ts_lora_op *lora;
} ts_xent_op;
/* loss: fp32 [T], 0 where the label is -1. argmax: int32 [T] of all rows, there at once; may be
 * NULL (not wanted). */
ts_status ts_op_linear_xent(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor **loss,
                            ts_tensor **argmax) TS_NODISCARD;
/* Logits in fp32 [T, rows of w here] for a few rows (no gradient, nothing is exchanged). */
ts_status ts_op_logits(ts_tape *tape, const ts_xent_op *o, ts_tensor *x,
                       ts_tensor **logits) TS_NODISCARD;
/* The same of the whole vocabulary, [T, vocab], on every process of the group that it is cut over. */
ts_status ts_op_logits_whole(ts_tape *tape, const ts_xent_op *o, ts_tensor *x,
                             ts_tensor **logits) TS_NODISCARD;
/* Rows of logits that ts_op_linear_xent holds at a time. */
int64_t ts_xent_chunk(int64_t rows, int64_t vocab);
#endif
