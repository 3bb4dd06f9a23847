/* What MiniCPM's models multiply with, so that their hyperparameters hold at any width and depth (Hu et
 * al., arXiv 2404.06395): scale_emb, scale_depth, dim_model_base. */
#ifndef TS_MODEL_FAMILIES_MINICPM_H
#define TS_MODEL_FAMILIES_MINICPM_H
#include "model/families/families.h"

#define TS_MINICPM_SCALES(emb_, depth_, base_)                                                     \
    TS_COPY("scale_emb", embed_scale, emb_),                                                       \
        TS_OWN("scale_depth", residual_scale, ts_minicpm_read_depth, ts_minicpm_write_depth, depth_), \
        TS_OWN("dim_model_base", logit_scale, ts_minicpm_read_base, ts_minicpm_write_base, base_)

ts_config_read_fn ts_minicpm_read_depth, ts_minicpm_read_base;
ts_config_write_fn ts_minicpm_write_depth, ts_minicpm_write_base;
#endif
