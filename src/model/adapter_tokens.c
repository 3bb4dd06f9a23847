#include "model/adapter_tokens.h"

#include <string.h>

static const char embedding[] = "embedding.word_embeddings", output[] = "output_layer";

static bool has_text(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!strcmp(json_string_value(json_array_get(list, i)), text))
            return true;
    return false;
}

ts_status ts_adapter_save_tokens(const ts_family *f, const ts_arch *arch, json_t *config)
{
    const char *const names[] = { embedding, output };
    json_t *given = json_object_get(config, "modules_to_save"), *save = json_is_array(given) ? json_copy(given) : json_array();
    bool failed = !save || json_object_set_new(config, "modules_to_save", save) ||
                  json_object_set_new(config, "ensure_weight_tying", json_boolean(arch->tied));
    for (int i = 0; !failed && i < (arch->tied || arch->labels ? 1 : 2); i++) {
        const char *module = f ? ts_family_module(f, arch, names[i]) : NULL;
        const char *dot = module ? strrchr(module, '.') : NULL;
        failed = module && !has_text(save, dot ? dot + 1 : module) && json_array_append_new(save, json_string(dot ? dot + 1 : module));
    }
    return failed ? ts_error(TS_ERR_NOMEM, "no memory") : TS_OK;
}

ts_status ts_adapter_settle_tie(const json_t *config, const char *file, const ts_family *f, const ts_arch *arch,
                                const ts_names *saved, char **head)
{
    const char *module = f ? ts_family_module(f, arch, output) : NULL;
    ts_str name = { 0 };
    if (!arch->tied || !module || ts_names_find(saved, "embedding.word_embeddings.weight") < 0)
        return TS_OK;
    if (!json_is_true(json_object_get(config, "ensure_weight_tying")))
        return ts_error(TS_ERR_USER, "%s: modules_to_save: the embedding is the output layer too in this model, and cannot be "
                                     "trained as one of the two (ensure_weight_tying: true trains it as both)", file);
    TS_TRY(ts_str_printf(&name, "base_model.model.%s.weight", module));
    *head = name.s;
    return TS_OK;
}
