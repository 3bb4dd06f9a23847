/* Layers that predict further tokens (multi-token prediction: DeepSeek-AI, DeepSeek-V3, arXiv 2412.19437, section
 * 2.2; of several streams as in DeepSeek-V4's published code). Depth k, from 1, tells at each position t the token
 * t + k + 1, from what the depth before it made of t (the first: the model, behind its final norm) and from the
 * embedding of token t + k:
 *
 *   x = eh_proj [ enorm(embedding(token t + k)) ; hnorm(h) ]      eh_proj.weight [hidden, 2 hidden]
 *   h = final_layernorm(transformer_layer(x))                     a layer of the kind of the model's last one
 *
 * and where the stream is several (nn/hyper.h), what a depth reads and leaves is all of them:
 *
 *   s[i] = e_proj enorm(embedding(token t + k)) + h_proj hnorm(s[i])       [hidden, hidden] each
 *   h = final_layernorm(hyper_head(transformer_layer(s)))
 *
 * with the model's own embedding and output layer. Names are Megatron core's: mtp.layers.K.{enorm,hnorm,eh_proj,
 * transformer_layer...,final_layernorm}, and e_proj, h_proj, hyper_head. The model's own logits do not hang on any of it. */
#ifndef TS_MODEL_MTP_H
#define TS_MODEL_MTP_H
#include "nn/hyper.h"
#include "nn/linear.h"

/* What stands around one of these layers, which is a block of its decoder behind the model's own. */
typedef struct ts_mtp_layer {
    ts_norm_layer enorm, hnorm, final_norm;
    ts_linear eh_proj, e_proj, h_proj; /* of all processes of a group, whole: the first, or of several streams the others */
    ts_hyper_layer hyper; /* streams 0: the stream is one */
} ts_mtp_layer;
#endif
