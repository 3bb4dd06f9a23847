/* A gated short convolution (LFM2: Liquid AI, arXiv 2511.23404):
 *
 *   B, C, x' = projections of x;   y = out_proj(C * convolution of (B * x'))
 *
 * The three projections are rows of one in_proj in files. Processes share out columns. */
#ifndef TS_NN_SHORT_CONV_H
#define TS_NN_SHORT_CONV_H
#include "nn/linear.h"
#include "nn/sublayer.h"

typedef struct ts_short_conv_layer {
    int64_t hidden, width;
    bool bias;              /* of the projections and the convolution */
    int64_t cols;           /* those here; filled in when declared, as the next */
    ts_linear b, c, x, out;
    ts_param *conv_w, *conv_b;
} ts_short_conv_layer;
ts_status ts_short_conv_declare(const ts_declarer *d, ts_short_conv_layer *l) TS_NODISCARD;
ts_sublayer ts_short_conv_sublayer(const ts_short_conv_layer *l);
#endif
