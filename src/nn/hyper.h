/* Manifold-constrained hyper-connections (Xie et al., arXiv 2512.24880): the stream is several streams side by side.
 * Before each sublayer one is made of them for it to read; behind it the streams are mixed and get of its result,
 * all by coefficients of each token:
 *
 *   c = hyper(W norm(s))                 norm over all streams, without a weight; W in fp32
 *   x = sum over i of read[i] s[i]       y = what the sublayer makes of x
 *   s[j] = sum over i of M[i][j] s[i] + write[j] y
 *
 * The first layer's streams are copies of the embedding; behind the last one is made of them as for a sublayer. */
#ifndef TS_NN_HYPER_H
#define TS_NN_HYPER_H
#include "nn/norm.h"
#include "ops/hyper.h"

typedef struct ts_hyper_layer {
    int64_t width; /* of one stream */
    float start;   /* of scales */
    ts_norm_layer norm;
    ts_hyper_op op; /* streams 0: the stream is one */
    ts_param *weight; /* [its columns, streams width] */
} ts_hyper_layer;

/* What mixes the streams behind a sublayer. */
typedef struct ts_hyper_mix {
    ts_tensor *write, *across;
} ts_hyper_mix;

/* name.weight, name.scale, name.base. */
ts_status ts_hyper_declare(const ts_declarer *d, const char *name, ts_hyper_layer *l) TS_NODISCARD;
ts_status ts_hyper_widen(ts_tape *tape, const ts_hyper_layer *l, ts_tensor *x, ts_tensor **s) TS_NODISCARD;
/* mix NULL: of a layer without iterations, which only makes one of the streams. */
ts_status ts_hyper_read(ts_tape *tape, const ts_hyper_layer *l, ts_tensor *s, ts_tensor **x, ts_hyper_mix *mix) TS_NODISCARD;
ts_status ts_hyper_write(ts_tape *tape, const ts_hyper_layer *l, ts_tensor *s, ts_tensor *y, const ts_hyper_mix *mix,
                         ts_tensor **out) TS_NODISCARD;
#endif
