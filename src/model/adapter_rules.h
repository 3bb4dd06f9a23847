/* What an adapter_config.json of PEFT says: which modules get an adapter, and what kind of one. */
#ifndef TS_MODEL_ADAPTER_RULES_H
#define TS_MODEL_ADAPTER_RULES_H
#include "base/json.h"
#include "text/regex/regex.h"

typedef struct ts_patterns {
    ts_regex **re; /* [n] */
    const char **text; /* [n] the config's */
    size_t n;
} ts_patterns;

typedef struct ts_adapter_rules {
    const json_t *config; /* borrowed, as the next */
    const char *file;
    int64_t r;
    double alpha;
    bool rslora, dora;
    bool all_linear;   /* every linear layer but the output layer */
    ts_patterns target, exclude; /* of the whole name, where they are one text; else n is 0 */
    ts_patterns layers, save;    /* layers_pattern; modules_to_save */
    ts_patterns rank, alphas;    /* rank_pattern, alpha_pattern: keys */
} ts_adapter_rules;

/* TS_ERR_USER: what the file says is no adapter of this kind, names the key. */
ts_status ts_adapter_rules_open(const json_t *config, const char *file, ts_adapter_rules *out) TS_NODISCARD;
void ts_adapter_rules_close(ts_adapter_rules *r);
/* Whether the module, a linear layer of this name, gets one. */
ts_status ts_adapter_rules_match(const ts_adapter_rules *r, const char *module, bool is_output, bool *out) TS_NODISCARD;
/* Whether a parameter of this name does, of whatever module (target_parameters); whether any may. */
bool ts_adapter_rules_parameter(const ts_adapter_rules *r, const char *parameter);
bool ts_adapter_rules_has_parameters(const ts_adapter_rules *r);
/* Whether the module, whatever it is, is trained whole. */
bool ts_adapter_rules_saves(const ts_adapter_rules *r, const char *module);
/* Its rank, and what is multiplied with. */
ts_status ts_adapter_rules_rank(const ts_adapter_rules *r, const char *module, int64_t *rank, float *scale) TS_NODISCARD;
#endif
