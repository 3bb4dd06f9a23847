/* Which modules of a model an adapter is of, for model/adapter_open.c. */
#ifndef TS_MODEL_ADAPTER_MODULES_H
#define TS_MODEL_ADAPTER_MODULES_H
#include "model/adapter_rules.h"
#include "model/adapters.h"

/* A linear layer, or a stack of experts' matrices. */
typedef struct ts_met_linear {
    int64_t in, out;
    int64_t experts; /* 0: a layer */
} ts_met_linear;

/* All that a model has. */
typedef struct ts_met_linears {
    ts_adapting adapting; /* first, so that its functions find the rest */
    ts_names *names;
    ts_met_linear *linear;
    size_t cap;
} ts_met_linears;

typedef struct ts_adapter_resolving {
    ts_adapters *out;
    const ts_lora_options *o;
    const ts_family *family;
    const ts_arch *arch;
    ts_met_linears linears;
    ts_name_map map;
    ts_adapter_rules rules;
    const char *file; /* for messages */
    const char **told; /* the names that a checkpoint tells */
    ts_option_list targets; /* names that are asked for; none where a config decides */
    bool *fits;             /* [targets.n] */
} ts_adapter_resolving;

ts_status ts_met_linears_make(const ts_arch *a, ts_met_linears *out) TS_NODISCARD;
/* The last parts of the names of modules that are linear layers, but for the output layer: a list, json_decref. */
ts_status ts_adapter_leaves(const ts_adapter_resolving *r, json_t **out) TS_NODISCARD;
void ts_met_linears_deinit(ts_met_linears *m);
/* Fills in plan and modules of r->out; what is trained whole. TS_ERR_USER: an adapter that fits nothing, or not. */
ts_status ts_adapter_resolve(ts_adapter_resolving *r) TS_NODISCARD;
/* Sites of the parameters that the config targets, and what of experts Megatron's names mean. */
ts_status ts_adapter_resolve_parameters(ts_adapter_resolving *r) TS_NODISCARD;
ts_status ts_adapter_resolve_experts(ts_adapter_resolving *r, size_t linear) TS_NODISCARD;
/* The layer whose weight the parameter is; -1: it is none's. */
int64_t ts_met_linear_of(const ts_met_linears *all, const char *param);
/* A module that is made for it: its name is borrowed no longer. */
ts_status ts_adapter_add_module(ts_adapters *a, const char *name, size_t n_rows, ts_adapted **out) TS_NODISCARD;
/* One part for all rows of the weight, which the first of its modules makes. */
ts_status ts_adapter_add_whole_part(ts_adapter_site *s, int64_t rank, float scale) TS_NODISCARD;
/* The module of a tensor that is the weight of a linear layer. */
ts_status ts_adapter_adapt(ts_adapter_resolving *r, const ts_name_tensor *t, int64_t linear, const char *key) TS_NODISCARD;
#endif
