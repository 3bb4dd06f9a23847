/* MiniMax-M2: experts that a sigmoid scores, chosen with a bias; part of a head is rotated. */
#include "model/families/families.h"

/* Published configs say rotary_dim, a width. */
static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t dim;
    TS_TRY(ts_config_read_rope(r, o, file, a));
    TS_TRY(ts_config_int(o, file, "rotary_dim", a->rope[0].dim, a->rope[0].dim, 2, TS_ARCH_MAX_HEAD_DIM, &dim));
    a->rope[0].dim = dim;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 200064),
    TS_COPY("hidden_size", hidden, 3072),
    TS_COPY_BOTH("intermediate_size", ffn, expert_ffn, 1536),
    TS_COPY("num_hidden_layers", n_layers, 62),
    TS_COPY("num_attention_heads", n_heads, 48),
    TS_KV_HEADS(8),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 196608),
    TS_ID("bos_token_id", bos, 200034),
    TS_ENDS(200020),
    TS_CONFIG_ROW(OWN, "rope_theta", rope, 5e6, .part = 1, .read = read_rope, .write = ts_config_write_ropes),
    TS_FIXED(qk_norm, TS_QK_NORM_FULL),
    TS_COPY("num_local_experts", n_experts, 256),
    TS_COPY("num_experts_per_tok", experts_per_token, 8),
    TS_FIXED(router_score, TS_ROUTE_SIGMOID),
    TS_ALWAYS("scoring_func", "sigmoid"),
    TS_FIXED(router_norm, true),
    TS_FIXED(router_bias, true),
    TS_ALL_EXPERTS,
    { TS_CONFIG_END },
};

const ts_family ts_family_minimax_m2 = { .model_type = "minimax_m2", .architecture = "MiniMaxM2ForCausalLM",
                                         .base = &ts_family_base, .names = ts_mixtral_names, .rows = rows };
