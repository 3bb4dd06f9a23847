/* What adapter_config.json says of a new adapter, and of a head beside it. */
#include "model/adapter_config.h"

#include "base/file.h"
#include "io/safetensors.h"

#include <string.h>

/* As PEFT writes one of its defaults. */
static json_t *new_config(const ts_lora_options *o)
{
    static const char defaults[] =
        "{\"alora_invocation_tokens\":null,\"alpha_pattern\":{},\"arrow_config\":null,\"auto_mapping\":null,"
        "\"base_model_name_or_path\":null,\"bias\":\"none\",\"corda_config\":null,\"ensure_weight_tying\":false,"
        "\"eva_config\":null,\"exclude_modules\":null,\"fan_in_fan_out\":false,\"inference_mode\":true,"
        "\"init_lora_weights\":true,\"layer_replication\":null,\"layers_pattern\":null,\"layers_to_transform\":null,"
        "\"loftq_config\":{},\"lora_bias\":false,\"lora_dropout\":0.0,\"megatron_config\":null,"
        "\"megatron_core\":\"megatron.core\",\"modules_to_save\":null,\"peft_type\":\"LORA\",\"qalora_group_size\":16,"
        "\"rank_pattern\":{},\"revision\":null,\"target_parameters\":null,\"task_type\":\"CAUSAL_LM\","
        "\"trainable_token_indices\":null,\"use_dora\":false,\"use_qalora\":false,\"use_rslora\":false}";
    json_t *c = NULL, *targets = json_array();
    const bool whole = o->alpha == (double)(int64_t)o->alpha;
    bool failed = ts_json_parse(defaults, sizeof defaults - 1, "adapter_config.json", &c) != TS_OK || !targets;
    for (int64_t i = 0; !failed && i < o->targets.n; i++)
        failed = json_array_append_new(targets, json_string(o->targets.v[i]));
    const bool all = o->targets.n == 1 && !strcmp(o->targets.v[0], "all-linear");
    failed = failed || json_object_set(c, "target_modules", all ? json_array_get(targets, 0) : targets) ||
             json_object_set_new(c, "r", json_integer(o->r)) || json_object_set_new(c, "use_rslora", json_boolean(o->rslora)) ||
             json_object_set_new(c, "use_dora", json_boolean(o->dora)) ||
             json_object_set_new(c, "lora_alpha", whole ? json_integer((int64_t)o->alpha) : json_real(o->alpha));
    json_decref(targets);
    if (failed)
        json_decref(c);
    return failed ? NULL : c;
}

/* The module that tells something of whole texts; NULL: the model tells words. */
static const char *head_of(const ts_arch *arch) { return arch->labels ? "score" : arch->reward ? "rm_head" : NULL; }

/* A head that tells something of whole texts is trained beside the adapter, as PEFT has it. */
static bool save_head(const ts_arch *arch, json_t *config)
{
    const char *head = head_of(arch);
    return !head ||
           (!json_object_set_new(config, "modules_to_save", json_pack("[s]", head)) &&
            !json_object_set_new(config, "task_type", json_string("SEQ_CLS")));
}

ts_status ts_adapter_config_new(const ts_lora_options *o, const ts_arch *arch, json_t **out)
{
    json_t *c = new_config(o);
    if (c && save_head(arch, c)) {
        *out = c;
        return TS_OK;
    }
    json_decref(c);
    return ts_error(TS_ERR_NOMEM, "no memory for adapter_config.json");
}

/* A head that is not trained would stay as it began. */
ts_status ts_adapter_config_check_head(const ts_adapter_rules *r, const ts_arch *arch)
{
    const char *head = head_of(arch);
    if (!head || ts_adapter_rules_saves(r, head))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: modules_to_save has no %s, the model's head, which would stay as it is: add it, or merge the "
                                 "adapter first (`tessera convert`)", r->file, head);
}

ts_status ts_adapters_find_labels(const char *folder, int64_t *labels)
{
    ts_st_dir *dir;
    *labels = 0;
    if (!ts_path_is_dir(folder)) /* who opens it says so */
        return TS_OK;
    TS_TRY(ts_st_dir_open(folder, "adapter_model", &dir));
    const ts_st_tensor *t = ts_st_dir_find(dir, "base_model.model.score.weight");
    if (t && t->rank == 2)
        *labels = t->shape[0];
    ts_st_dir_destroy(&dir);
    return TS_OK;
}
