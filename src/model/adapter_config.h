/* adapter_config.json, as PEFT writes one, of adapters that begin. */
#ifndef TS_MODEL_ADAPTER_CONFIG_H
#define TS_MODEL_ADAPTER_CONFIG_H
#include "model/adapter_rules.h"
#include "model/adapters.h"

/* What the options ask for; json_decref. */
ts_status ts_adapter_config_new(const ts_lora_options *o, json_t **out) TS_NODISCARD;
/* The names that an adapter's modules have in the end, in the place of those that were asked for. */
ts_status ts_adapter_config_tell(ts_adapters *a) TS_NODISCARD;
/* TS_ERR_USER where options say otherwise than a folder's config. set NULL: what is zero is not given. */
ts_status ts_adapter_config_compare(const ts_lora_options *o, const ts_option_set *set, const ts_adapter_rules *r) TS_NODISCARD;
/* A config that names modules as they were before transformers 5 made one parameter of all experts' weights, of a model of
 * this type: as PEFT changes it when it reads one (utils/transformers_weight_conversion.py). linears: the last parts of the
 * names that "all-linear" means beside experts and routers, a list. */
ts_status ts_adapter_config_modernise(json_t *config, const char *file, const char *model_type,
                                      json_t *linears) TS_NODISCARD;
/* Labels of the head that stands in a PEFT folder (modules_to_save score); 0: none. */
ts_status ts_adapters_find_labels(const char *folder, int64_t *labels) TS_NODISCARD;
#endif
