/* The layer of gated delta nets (Yang, Kautz and Hatamizadeh, arXiv 2412.06464), in the place of attention:
 *
 *   q, k, v = silu(convolution of projections of x);   z, b, a = projections of x
 *   out_proj(norm(delta rule of q, k, v, a, b) * silu(z)), the norm of each head with one weight for all
 *
 * Processes share out the heads of keys, and with them those of values that read these. */
#ifndef TS_NN_DELTA_H
#define TS_NN_DELTA_H
#include "nn/linear.h"
#include "nn/sublayer.h"

typedef struct ts_delta_layer {
    int64_t hidden, heads, key_heads, K, V, width; /* of the whole; once declared heads are those here */
    float eps;                      /* of the norm */
    ts_linear qkv, z, b, a, out;    /* filled in when declared, as the next */
    ts_param *conv_w, *A_log, *dt_bias, *norm_w;
} ts_delta_layer;
ts_status ts_delta_declare(const ts_declarer *d, ts_delta_layer *l) TS_NODISCARD;
ts_sublayer ts_delta_sublayer(const ts_delta_layer *l);
#endif
