/* The layer of Mamba 3 (arXiv 2603.15569) with one input and one output a head:
 *
 *   z, x, [B | C], [dt | A | trap], angles = projections of the stream
 *   y = scan of x, norm(B), norm(C) and the rest (device/kernels/mamba3.h);   out_proj(y * silu(z))
 *
 * or out_proj(norm(y) * silu(z)), of each head. There is no convolution. The projections are rows of one in_proj in files.
 *
 * Processes share out the heads. What heads have in common, B and C and the angles, every process makes; of B and C it takes
 * those of its heads' groups, or of the one group that they are of. */
#ifndef TS_NN_MAMBA3_H
#define TS_NN_MAMBA3_H
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/sublayer.h"

typedef struct ts_mamba3_layer {
    int64_t hidden, heads, groups, P, N, angles; /* heads 0: there is none; once declared heads and groups are those here */
    int64_t all_groups, group0;  /* and of how many these are, from which on */
    ts_comm *comm;               /* who shares them out, and whether rows of the stream too; NULL: nobody */
    bool shares_rows;
    float floor, eps;
    bool normed;                 /* what heads give */
    ts_norm_layer b_norm, c_norm;
    ts_linear z, x, bc, steps, turns, out;
    ts_param *D, *dt_bias, *b_bias, *c_bias, *norm_w;
} ts_mamba3_layer;
ts_status ts_mamba3_declare(const ts_declarer *d, ts_mamba3_layer *l) TS_NODISCARD;
ts_sublayer ts_mamba3_sublayer(const ts_mamba3_layer *l);
#endif
