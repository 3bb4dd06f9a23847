/* DeepSeek-V3.2: DeepSeek-V3 whose latent attention is to the best keys alone, as an indexer finds them. Its heads are
 * rotated in pairs, the indexer's in halves. */
#include "model/families/latent.h"

#include <string.h>

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_latent_read_rope(r, o, file, a));
    a->rope[0].interleaved = true;
    return TS_OK;
}

/* Layer by layer, "dense" or "sparse"; without it first_k_dense_replace says it. */
static ts_status read_mlps(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list = json_object_get(o, r->key);
    for (int64_t i = 0; list && !json_is_null(list) && i < a->n_layers; i++) {
        const char *kind = json_string_value(json_array_get(list, (size_t)i));
        if (!kind || (strcmp(kind, "dense") && strcmp(kind, "sparse")))
            return ts_error(TS_ERR_USER, "%s: entry %lld of %s is missing or neither \"dense\" nor \"sparse\"", file,
                            (long long)i, r->key);
        a->layer[i].mlp = !strcmp(kind, "sparse") ? TS_MLP_EXPERTS : TS_MLP_GATED;
    }
    return TS_OK;
}

/* Without one it is another class. */
static ts_status check_indexer(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o;
    return a->index_heads > 0 ? TS_OK
                              : ts_error(TS_ERR_USER, "%s: index_n_heads is 0, expected at least 1", file);
}

static ts_status write_mlps(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_array()));
    for (int64_t i = 0; i < a->n_layers; i++)
        if (json_array_append_new(json_object_get(o, r->key),
                                  json_string(a->layer[i].mlp == TS_MLP_EXPERTS ? "sparse" : "dense")))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_LATENT_ROPE(read_rope),
    TS_COPY("max_position_embeddings", max_positions, 163840),
    TS_COPY("index_n_heads", index_heads, 64),
    TS_CHECK(check_indexer),
    TS_COPY("index_head_dim", index_dim, 128),
    TS_COPY("index_topk", index_topk, 2048),
    TS_REFUSE("mlp_bias", "MLPs of this class have no bias here"),
    { .kind = TS_CONFIG_OWN, .key = "mlp_layer_types", .late = true, .read = read_mlps, .write = write_mlps },
    { TS_CONFIG_END },
};

const ts_family ts_family_deepseek_v32 = { .model_type = "deepseek_v32", .architecture = "DeepseekV32ForCausalLM",
                                           .base = &ts_family_deepseek_v3, .names = ts_latent_names, .rows = rows };
