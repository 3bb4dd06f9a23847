/* Granite's factors: of embeddings, scores, sublayers and (as what they are divided by) logits. */
#ifndef TS_MODEL_FAMILIES_GRANITE_H
#define TS_MODEL_FAMILIES_GRANITE_H
#include "model/families/config.h"

ts_config_read_fn ts_granite_read_logits;
ts_config_write_fn ts_granite_write_logits;
#define TS_GRANITE_FACTORS                                                                         \
    TS_COPY("attention_multiplier", attn_scale, 1),                                                \
    TS_COPY("embedding_multiplier", embed_scale, 1),                                               \
    TS_COPY("residual_multiplier", residual_scale, 1),                                             \
    TS_OWN("logits_scaling", logit_scale, ts_granite_read_logits, ts_granite_write_logits, 1)
#endif
