/* The layer of Kimi delta attention (Kimi Team, arXiv 2510.26692), in the place of attention:
 *
 *   q, k, v = silu(convolution of projections of x);   b = a projection of x
 *   f = f_up f_down x, g = g_up g_down x: of low rank, the decays of channels and the gate of the output
 *   out_proj(norm(delta rule of q, k, v, f, b) * sigmoid(g)), the norm of each head with one weight for all
 *
 * Processes share out the heads; what comes to low rank every process makes. */
#ifndef TS_NN_KDA_H
#define TS_NN_KDA_H
#include "nn/linear.h"
#include "nn/sublayer.h"

typedef struct ts_kda_layer {
    int64_t hidden, heads, K, V, width; /* of the whole; once declared heads are those here */
    float eps;                          /* of the norm */
    ts_linear qkv, b, f_down, f_up, g_down, g_up, out; /* filled in when declared, as the next */
    ts_param *conv_w, *A_log, *dt_bias, *norm_w;
} ts_kda_layer;
ts_status ts_kda_declare(const ts_declarer *d, ts_kda_layer *l) TS_NODISCARD;
ts_sublayer ts_kda_sublayer(const ts_kda_layer *l);
#endif
