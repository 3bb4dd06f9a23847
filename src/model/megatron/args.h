/* The options that Megatron's checkpoints carry (`args`, an argparse.Namespace): what model it is and how it is cut. */
#ifndef TS_MODEL_MEGATRON_ARGS_H
#define TS_MODEL_MEGATRON_ARGS_H
#include "base/json.h"
#include "io/safetensors.h"
#include "io/torch/pickle_write.h"
#include "model/family.h"
#include "model/megatron/layout.h"

/* Adds the namespace to a pickle. config: the model's config.json, which goes along as text (hf_config): what no option of
 * Megatron's says is in it; NULL: none. */
ts_status ts_mg_args_put(ts_str *pickle, const ts_arch *a, const ts_mg_split *s, const json_t *config,
                         ts_st_dtype dtype) TS_NODISCARD;
#endif
