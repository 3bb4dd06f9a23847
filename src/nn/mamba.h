/* The layer of state-space models (Mamba 2: Dao and Gu, arXiv 2405.21060):
 *
 *   z, xBC, dt = projections of x;   x, B, C = silu(convolution of xBC);   y = scan of x, B, C, dt
 *   out_proj(norm(y * silu(z)))
 *
 * What goes in, and parts of the projections, may be multiplied with numbers (Falcon-H1's muP).
 *
 * The three projections are rows of one in_proj in files. Processes share out heads, and with them
 * groups: those of a group are on one process. */
#ifndef TS_NN_MAMBA_H
#define TS_NN_MAMBA_H
#include "nn/linear.h"
#include "nn/sublayer.h"

typedef struct ts_mamba_layer {
    int64_t hidden, heads, groups, P, N, width; /* of the whole; once declared heads and groups are those here */
    float dt_min, dt_max;      /* dt is held to these; dt_max 0: to any */
    bool bias, conv_bias;      /* of the projections; of the convolution */
    bool norm_first;           /* norm(y) * silu(z) */
    bool no_norm;              /* y * silu(z) */
    float in_scale, z_scale, x_scale, b_scale, c_scale, dt_scale; /* 1: none */
    int64_t norm_groups;       /* the norm is over heads P / norm_groups columns each */
    float eps;
    ts_linear z, xbc, dt, out; /* filled in when declared, as the next */
    ts_param *conv_w, *conv_b, *A_log, *D, *dt_bias, *norm_w;
} ts_mamba_layer;
ts_status ts_mamba_declare(const ts_declarer *d, ts_mamba_layer *l) TS_NODISCARD;
ts_sublayer ts_mamba_sublayer(const ts_mamba_layer *l);
#endif
