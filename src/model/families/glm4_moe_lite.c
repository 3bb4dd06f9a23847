/* GLM-4.7-Flash: DeepSeek-V3's attention with GLM-4-MoE's experts; mlp_layer_types says which layers have them. */
#include "model/families/latent.h"

#include <string.h>

static const char dense[] = "dense", sparse[] = "sparse";

/* Without a list all but the first layer have experts. */
static ts_status read_mlps(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list = json_object_get(o, r->key);
    const bool given = list && !json_is_null(list);
    if (given && (!json_is_array(list) || json_array_size(list) != (size_t)a->n_layers))
        return ts_error(TS_ERR_USER, "%s: %s must be a list of num_hidden_layers = %lld names", file, r->key,
                        (long long)a->n_layers);
    for (int64_t i = 0; i < a->n_layers; i++) {
        const char *kind = given ? json_string_value(json_array_get(list, (size_t)i)) : i ? sparse : dense;
        if (!kind || (strcmp(kind, dense) && strcmp(kind, sparse)))
            return ts_error(TS_ERR_USER, "%s: entry %lld of %s is \"%.60s\", expected dense or sparse", file,
                            (long long)i, r->key, kind ? kind : "not a string");
        if (!strcmp(kind, sparse))
            a->layer[i].mlp = TS_MLP_EXPERTS;
    }
    return TS_OK;
}

static ts_status write_mlps(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_array()));
    for (int64_t i = 0; i < a->n_layers; i++)
        if (json_array_append_new(json_object_get(o, r->key),
                                  json_string(a->layer[i].mlp == TS_MLP_EXPERTS ? sparse : dense)))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

/* 192 values without positions and 64 with them. */
static ts_status read_head(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t nope = 0;
    TS_TRY(ts_json_int(o, file, r->key, (int64_t)r->def, 1, TS_ARCH_MAX_HEAD_DIM / 2, &nope));
    TS_TRY(ts_json_int(o, file, "qk_rope_head_dim", 64, 2, TS_ARCH_MAX_HEAD_DIM / 2, &a->qk_rope_dim));
    a->head_dim = nope + a->qk_rope_dim;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 154880),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 10240),
    TS_COPY("num_hidden_layers", n_layers, 47),
    TS_COPY("num_attention_heads", n_heads, 20),
    TS_COPY("max_position_embeddings", max_positions, 202752),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_OWN("qk_nope_head_dim", head_dim, read_head, ts_latent_write_head, 192),
    TS_LATENT_RANKS(768, 512),
    TS_COPY("v_head_dim", v_head_dim, 256),
    TS_EXPERT_ROWS(64, 4, 1536, 1, 1, 1),
    TS_COPY("routed_scaling_factor", router_scale, 1.8),
    { .kind = TS_CONFIG_OWN, .key = "first_k_dense_replace" }, /* transformers' class does not read it */
    { .kind = TS_CONFIG_OWN, .key = "mlp_layer_types", .late = true, .read = read_mlps, .write = write_mlps },
    { TS_CONFIG_END },
};

const ts_family ts_family_glm4_moe_lite = { .model_type = "glm4_moe_lite", .architecture = "Glm4MoeLiteForCausalLM",
                                            .base = &ts_family_deepseek_v3, .rows = rows };
