/* The layer of Mamba 1 (Gu and Dao, arXiv 2312.00752):
 *
 *   x, z = projections of the input;   x = silu(convolution of x)
 *   low, B, C = x_proj x, each normed where the model says so;   dt = dt_proj low
 *   out_proj(scan of x, dt, B, C * silu(z))
 *
 * x and z are rows of one in_proj in files. Processes share out channels; what x_proj gives is their sum, and all have
 * all of it. */
#ifndef TS_NN_SELECTIVE_H
#define TS_NN_SELECTIVE_H
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/sublayer.h"

typedef struct ts_selective_layer {
    int64_t hidden, channels, N, rank, width; /* channels: of the whole; once declared those here */
    bool bias, conv_bias;                     /* of the first projection and the last; of the convolution */
    ts_norm_layer dt_norm, b_norm, c_norm;    /* of the three parts of x_proj's result */
    const ts_tensor_group *group;             /* filled in when declared, as the next */
    ts_linear x, z, low, dt, out;
    ts_param *conv_w, *conv_b, *A_log, *D, *dt_bias;
} ts_selective_layer;
ts_status ts_selective_declare(const ts_declarer *d, ts_selective_layer *l) TS_NODISCARD;
ts_sublayer ts_selective_sublayer(const ts_selective_layer *l);
#endif
