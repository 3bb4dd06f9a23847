/* Alternating updates (Baykal et al., arXiv 2301.13310, as Gemma 3n has them): the stream is `inputs` streams side
 * by side, of which a layer works on one.
 *
 *   predict: p[j] = s[j] + sum over i of C[j][i] s[i]      C = W_prediction r(s[active])
 *   correct: s[j] = p[j] + (1 + k[j]) (y - p[active])      k = W_correction r(y), y: what the layer makes
 *   r(x) = tanh(W_router norm(x) / hidden)
 *
 * What the stream that layers work on becomes is scaled by column where per-layer embeddings are made of it.
 * The learned residual beside attention is h + norm(W_right W_left h) of what attention reads. */
#ifndef TS_NN_ALTUP_H
#define TS_NN_ALTUP_H
#include "nn/linear.h"
#include "nn/norm.h"

typedef struct ts_altup_layer {
    int64_t inputs, active, width; /* inputs 0: there is none */
    ts_norm_layer router_norm, laurel_norm;
    ts_linear laurel_left, laurel_right;
    /* [inputs, width], [inputs^2, inputs], [inputs, inputs], [width] */
    ts_param *router, *prediction, *correction, *scale;
} ts_altup_layer;
ts_status ts_altup_declare(const ts_declarer *d, ts_altup_layer *l) TS_NODISCARD;
ts_status ts_altup_predict(ts_tape *tape, const ts_altup_layer *l, ts_tensor *s, ts_tensor **p) TS_NODISCARD;
ts_status ts_altup_correct(ts_tape *tape, const ts_altup_layer *l, ts_tensor *p, ts_tensor *y, ts_tensor **s) TS_NODISCARD;
/* The stream that the layer works on, [T, width]. */
ts_status ts_altup_active(ts_tape *tape, const ts_altup_layer *l, ts_tensor *s, ts_tensor **x) TS_NODISCARD;
ts_status ts_altup_laurel(ts_tape *tape, const ts_altup_layer *l, ts_tensor *h, ts_tensor **y) TS_NODISCARD;

/* Before the first layer and behind the last: streams of one, one of streams. A projection of it, with its
 * magnitude, is what each further one begins with; back, the mean of them. */
enum { TS_ALTUP_MOST = 8 };
typedef struct ts_altup_ends {
    int64_t inputs, width;
    ts_linear in[TS_ALTUP_MOST - 1], out[TS_ALTUP_MOST - 1];
} ts_altup_ends;
ts_status ts_altup_declare_in(const ts_declarer *d, ts_altup_ends *l) TS_NODISCARD;
ts_status ts_altup_declare_out(const ts_declarer *d, ts_altup_ends *l) TS_NODISCARD;
ts_status ts_altup_widen(ts_tape *tape, const ts_altup_ends *l, ts_tensor *x, ts_tensor **s) TS_NODISCARD;
ts_status ts_altup_narrow(ts_tape *tape, const ts_altup_ends *l, ts_tensor *s, ts_tensor **x) TS_NODISCARD;
#endif
