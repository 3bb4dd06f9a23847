/* What adapter_config.json says of a new adapter, and of a head beside it. */
#ifndef TS_MODEL_ADAPTER_CONFIG_H
#define TS_MODEL_ADAPTER_CONFIG_H
#include "model/adapter_rules.h"
#include "model/arch.h"
#include "model/lora_options.h"

/* One of the options, with PEFT's defaults; the head of a model that tells something of whole texts is trained beside it. */
ts_status ts_adapter_config_new(const ts_lora_options *o, const ts_arch *arch, json_t **out) TS_NODISCARD;
/* Of an adapter that is trained: a head that is not saved with it is TS_ERR_USER. */
ts_status ts_adapter_config_check_head(const ts_adapter_rules *r, const ts_arch *arch) TS_NODISCARD;
/* Labels of the head that stands in a PEFT folder (modules_to_save score); 0: none. */
ts_status ts_adapters_find_labels(const char *folder, int64_t *labels) TS_NODISCARD;
#endif
