/* adapter_config.json of an adapter that begins, and what options say beside one that is there. */
#include "model/adapter_config.h"

#include <string.h>
#include <strings.h>

/* ---- the config ---- */

/* As PEFT writes one of its defaults. */
ts_status ts_adapter_config_new(const ts_lora_options *o, json_t **out)
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
    json_t *c = NULL, *targets = json_array(), *saved = json_array();
    const bool whole = o->alpha == (double)(int64_t)o->alpha;
    bool failed = ts_json_parse(defaults, sizeof defaults - 1, "adapter_config.json", &c) != TS_OK || !targets || !saved;
    for (int64_t i = 0; !failed && i < o->whole.n; i++)
        failed = json_array_append_new(saved, json_string(o->whole.v[i]));
    failed = failed || (o->whole.n && json_object_set(c, "modules_to_save", saved));
    for (int64_t i = 0; !failed && i < o->targets.n; i++)
        failed = json_array_append_new(targets, json_string(o->targets.v[i]));
    const bool all = o->targets.n == 1 && !strcmp(o->targets.v[0], "all-linear");
    failed = failed || json_object_set(c, "target_modules", all ? json_array_get(targets, 0) : targets) ||
             json_object_set_new(c, "r", json_integer(o->r)) || json_object_set_new(c, "use_rslora", json_boolean(o->rslora)) ||
             json_object_set_new(c, "use_dora", json_boolean(o->dora)) ||
             (o->init && strcmp(o->init, "true") && json_object_set_new(c, "init_lora_weights", json_string(o->init))) ||
             json_object_set_new(c, "lora_dropout", json_real(o->dropout)) ||
             json_object_set_new(c, "lora_alpha", whole ? json_integer((int64_t)o->alpha) : json_real(o->alpha));
    json_decref(targets);
    json_decref(saved);
    if (failed) {
        json_decref(c);
        return ts_error(TS_ERR_NOMEM, "no memory");
    }
    *out = c;
    return TS_OK;
}

/* One more of a list of names, where it is not there yet. */
static ts_status add_name(json_t *list, const char *name)
{
    for (size_t k = 0; k < json_array_size(list); k++)
        if (!strcmp(json_string_value(json_array_get(list, k)), name))
            return TS_OK;
    return json_array_append_new(list, json_string(name)) ? ts_error(TS_ERR_NOMEM, "no memory") : TS_OK;
}

static const char *leaf_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

ts_status ts_adapter_config_tell(ts_adapters *a)
{
    json_t *targets = json_array(), *parameters = json_array();
    ts_status st = targets && parameters ? TS_OK : ts_error(TS_ERR_NOMEM, "no memory");
    for (size_t i = 0; st == TS_OK && i < a->n; i++) {
        const char *parameter = a->module[i].parameter;
        st = add_name(parameter ? parameters : targets, parameter ? parameter : leaf_of(a->module[i].name));
    }
    if (st == TS_OK && (json_object_set(a->config, "target_modules", targets) ||
                        (json_array_size(parameters) && json_object_set(a->config, "target_parameters", parameters))))
        st = ts_error(TS_ERR_NOMEM, "no memory");
    json_decref(targets);
    json_decref(parameters);
    return st;
}

static ts_status contradicts(const char *option, const char *file, const char *key, const json_t *v)
{
    ts_str text = { 0 };
    ts_status st = ts_json_write(v, JSON_ENCODE_ANY, file, &text);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "--%s contradicts %s, whose %s is %s: leave it out", option, file, key, text.s);
    ts_str_deinit(&text);
    return st;
}

static bool same_names(const json_t *v, const ts_option_list *l)
{
    bool same = json_is_array(v) ? (int64_t)json_array_size(v) == l->n : l->n == 1 && json_is_string(v);
    for (int64_t i = 0; same && i < l->n; i++) {
        bool found = json_is_string(v) && !strcmp(json_string_value(v), l->v[i]);
        for (size_t k = 0; k < json_array_size(v); k++)
            found = found || !strcmp(json_string_value(json_array_get(v, k)), l->v[i]);
        same = found;
    }
    return same;
}

/* A folder decides everything: an option that says the same is as good as none. */
ts_status ts_adapter_config_compare(const ts_lora_options *o, const ts_option_set *set, const ts_adapter_rules *r)
{
    const json_t *c = r->config, *targets = json_object_get(c, "target_modules");
    if (o->r && o->r != r->r)
        return contradicts("lora-r", r->file, "r", json_object_get(c, "r"));
    if ((set ? ts_option_given(set, "lora-alpha") : o->alpha > 0) && o->alpha != r->alpha)
        return contradicts("lora-alpha", r->file, "lora_alpha", json_object_get(c, "lora_alpha"));
    if (set && ts_option_given(set, "lora-rslora") && o->rslora != r->rslora)
        return contradicts("lora-rslora", r->file, "use_rslora", json_boolean(r->rslora));
    if (set && ts_option_given(set, "lora-dora") && o->dora != r->dora)
        return contradicts("lora-dora", r->file, "use_dora", json_boolean(r->dora));
    if (o->whole.n && !same_names(json_object_get(c, "modules_to_save"), &o->whole))
        return contradicts("lora-modules-to-save", r->file, "modules_to_save", json_object_get(c, "modules_to_save"));
    if (set && ts_option_given(set, "lora-dropout") && o->dropout != r->dropout)
        return contradicts("lora-dropout", r->file, "lora_dropout", json_object_get(c, "lora_dropout"));
    const json_t *init = json_object_get(c, "init_lora_weights");
    if (set && ts_option_given(set, "lora-init") && strcmp(o->init, json_is_string(init) ? json_string_value(init) : "true"))
        return contradicts("lora-init", r->file, "init_lora_weights", init);
    return o->targets.n && !same_names(targets, &o->targets) ? contradicts("lora-target-modules", r->file, "target_modules", targets)
                                                                : TS_OK;
}

/* ---- names of before ---- */

/* The modules that experts had, and what has become of them. */
typedef struct renamed {
    const char *module, *parameter;
    bool is_half; /* of gate_up_proj */
} renamed;

static const renamed of_mixtral[] = { { "gate", "gate.weight", false }, { "w1", "gate_up_proj", true },
                                      { "w3", "gate_up_proj", true }, { "w2", "down_proj", false }, { 0 } };
static const renamed of_qwen[] = { { "gate", "gate.weight", false }, { "gate_proj", "gate_up_proj", true },
                                   { "up_proj", "gate_up_proj", true }, { "down_proj", "down_proj", false }, { 0 } };

static const renamed *renamed_of(const char *type)
{
    static const char *const mixtral[] = { "mixtral", "minimax", "minimax_m2" },
                             *const qwen[] = { "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots1", "ernie4_5_moe",
                                               "glm4_moe", "glm4_moe_lite", "glm_moe_dsa", "longcat_flash", "qwen3_moe",
                                               "qwen3_next", "hunyuan_v1_moe", "olmoe" };
    for (size_t i = 0; i < sizeof mixtral / sizeof *mixtral; i++)
        if (!strcmp(type, mixtral[i]))
            return of_mixtral;
    for (size_t i = 0; i < sizeof qwen / sizeof *qwen; i++)
        if (!strcmp(type, qwen[i]))
            return of_qwen;
    return NULL;
}

static const renamed *find_renamed(const renamed *r, const char *target)
{
    const char *leaf = leaf_of(target);
    while (r->module && strcmp(r->module, leaf))
        r++;
    return r->module ? r : NULL;
}

static ts_status put_number(json_t *c, const char *pattern, const char *key, double x)
{
    json_t *p = json_object_get(c, pattern);
    if (!json_is_object(p)) {
        p = json_object();
        if (!p || json_object_set_new(c, pattern, p))
            return ts_error(TS_ERR_NOMEM, "no memory");
    }
    const bool whole = x == (double)(int64_t)x;
    return json_object_set_new(p, key, whole ? json_integer((int64_t)x) : json_real(x)) ? ts_error(TS_ERR_NOMEM, "no memory") : TS_OK;
}

/* Both halves of one parameter have twice the rank, so that each has its own, and the same scale. */
static ts_status widen(json_t *c, const char *file)
{
    static const char key[] = ".*\\.gate_up_proj";
    int64_t r;
    double alpha;
    TS_TRY(ts_json_int(c, file, "r", 8, 1, 1 << 15, &r));
    TS_TRY(ts_json_real(c, file, "lora_alpha", 8, &alpha));
    TS_TRY(put_number(c, "rank_pattern", key, (double)(2 * r)));
    return put_number(c, "alpha_pattern", key, 2 * alpha);
}

static ts_status split_targets(const json_t *targets, const renamed *names, json_t *modules, json_t *parameters, int *halves)
{
    const json_t *v;
    size_t i;
    json_array_foreach(targets, i, v) {
        const renamed *now = json_is_string(v) ? find_renamed(names, json_string_value(v)) : NULL;
        if (now)
            *halves += now->is_half;
        if (!now && json_array_append(modules, (json_t *)v))
            return ts_error(TS_ERR_NOMEM, "no memory");
        if (now)
            TS_TRY(add_name(parameters, now->parameter));
    }
    return TS_OK;
}

/* "all-linear" means what was a linear layer before. */
static ts_status name_all(json_t *config, const renamed *names, json_t *linears)
{
    const char *targets = json_string_value(json_object_get(config, "target_modules"));
    if (!targets || strcasecmp(targets, "all-linear"))
        return TS_OK;
    for (; names->module; names++)
        TS_TRY(add_name(linears, names->module));
    return json_object_set(config, "target_modules", linears) ? ts_error(TS_ERR_NOMEM, "no memory") : TS_OK;
}

ts_status ts_adapter_config_modernise(json_t *config, const char *file, const char *model_type, json_t *linears)
{
    const renamed *names = renamed_of(model_type);
    if (names)
        TS_TRY(name_all(config, names, linears));
    const json_t *targets = json_object_get(config, "target_modules");
    json_t *parameters = json_object_get(config, "target_parameters");
    int halves = 0;
    if (!names || !json_is_array(targets) || !json_array_size(targets))
        return TS_OK;
    json_t *modules = json_array();
    parameters = json_is_array(parameters) ? json_copy(parameters) : json_array();
    ts_status st = modules && parameters ? split_targets(targets, names, modules, parameters, &halves)
                                         : ts_error(TS_ERR_NOMEM, "no memory");
    if (st == TS_OK && halves == 1)
        st = ts_error(TS_ERR_USER, "%s: of experts' gate and up, which are one parameter (gate_up_proj), target_modules has one: "
                                   "name both, or neither", file);
    if (st == TS_OK && halves)
        st = widen(config, file);
    if (st == TS_OK && json_array_size(modules) < json_array_size(targets) &&
        (json_object_set(config, "target_parameters", parameters) || json_object_set(config, "target_modules", modules)))
        st = ts_error(TS_ERR_NOMEM, "no memory");
    json_decref(modules);
    json_decref(parameters);
    return st;
}
