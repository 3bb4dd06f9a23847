/* Adapters that train the embedding and the output layer whole, as new tokens need it. */
#ifndef TS_MODEL_ADAPTER_TOKENS_H
#define TS_MODEL_ADAPTER_TOKENS_H
#include "base/names.h"
#include "model/family.h"

/* A new adapter's config trains both whole (modules_to_save): of a tied model the one as both (ensure_weight_tying). */
ts_status ts_adapter_save_tokens(const ts_family *f, const ts_arch *arch, json_t *config) TS_NODISCARD;
/* Of a tied model whose embedding is trained whole (one of the parameters `saved`): that config trains it as both, else
 * TS_ERR_USER (`file` says where). *head is the name that the adapter's file has for it as the output layer, the caller's;
 * NULL: there is none. */
ts_status ts_adapter_settle_tie(const json_t *config, const char *file, const ts_family *f, const ts_arch *arch,
                                const ts_names *saved, char **head) TS_NODISCARD;
#endif
