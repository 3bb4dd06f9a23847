/* DeepSeek-V3.2: DeepSeek-V3 whose latent attention is to the best keys alone, as an indexer finds them. Its heads are
 * rotated in pairs, the indexer's in halves. */
#include "model/families/latent.h"

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_latent_read_rope(r, o, file, a));
    a->rope[0].interleaved = true;
    return TS_OK;
}

/* Without one it is another class. */
static ts_status check_indexer(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o;
    return a->index_heads > 0 ? TS_OK
                              : ts_error(TS_ERR_USER, "%s: index_n_heads is 0, expected at least 1", file);
}

static const ts_config_row rows[] = {
    TS_LATENT_ROPE(read_rope),
    TS_COPY("max_position_embeddings", max_positions, 163840),
    TS_COPY("index_n_heads", index_heads, 64),
    TS_CHECK(check_indexer),
    TS_COPY("index_head_dim", index_dim, 128),
    TS_COPY("index_topk", index_topk, 2048),
    TS_REFUSE("mlp_bias", "MLPs of this class have no bias here"),
    TS_MLP_TYPES(-1),
    { TS_CONFIG_END },
};

const ts_family ts_family_deepseek_v32 = { .model_type = "deepseek_v32", .architecture = "DeepseekV32ForCausalLM",
                                           .base = &ts_family_deepseek_v3, .names = ts_latent_names, .rows = rows };
