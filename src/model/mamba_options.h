/* Models with state-space layers by options. */
#ifndef TS_MODEL_MAMBA_OPTIONS_H
#define TS_MODEL_MAMBA_OPTIONS_H
#include "model/options.h"

/* Whether an option of such models is given. */
bool ts_model_is_mamba(const ts_option_set *set);
/* Their sizes and which layer is what; all else of `a` is there, and layers as its fields say. */
ts_status ts_model_describe_mamba(const ts_model_options *o, ts_arch *a) TS_NODISCARD;
/* The options that were given beside a model that was read from `folder`: a contradiction is TS_ERR_USER. */
ts_status ts_model_compare_mamba(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                 const char *folder) TS_NODISCARD;
#endif
