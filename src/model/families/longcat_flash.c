/* LongCat-Flash (Meituan, arXiv 2509.01322): a layer of its files is two of ours, each with latent attention and an MLP;
 * beside the first MLP stand experts, some of which compute nothing, and what they make joins behind the second layer. */
#include "model/families/latent.h"

#include <math.h>
#include <string.h>

#define ROW(name_, hf_name_) { .name = name_, .hf_name = "model.layers.*%." hf_name_ }
static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { .name = "embedding.ngram.*.table", .hf_name = "model.ngram_embeddings.embedders.*", .part = TS_PART_EACH },
    { .name = "embedding.ngram.*.proj", .hf_name = "model.ngram_embeddings.post_projs.*", .part = TS_PART_EACH },
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*%.mlp.experts.*."),
    ROW("mlp.router.expert_bias", "mlp.router.e_score_correction_bias"),
    ROW("mlp.router", "mlp.router.classifier"),
    ROW("self_attention.linear_q_down_proj", "self_attn.+.q_a_proj"),
    ROW("self_attention.q_layernorm", "self_attn.+.q_a_layernorm"),
    ROW("self_attention.linear_q_up_proj", "self_attn.+.q_b_proj"),
    ROW("self_attention.linear_kv_down_proj", "self_attn.+.kv_a_proj_with_mqa"),
    ROW("self_attention.kv_layernorm", "self_attn.+.kv_a_layernorm"),
    ROW("self_attention.linear_kv_up_proj", "self_attn.+.kv_b_proj"),
    ROW("self_attention.linear_proj", "self_attn.+.o_proj"),
    TS_NAMES_GATED_MLP("mlp", "model.layers.*%.mlps.+."),
    ROW("input_layernorm", "input_layernorm.+"),
    ROW("pre_mlp_layernorm", "post_attention_layernorm.+"),
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* Each of the files' is two. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t n;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, (int64_t)r->def, 1, TS_ARCH_MAX_LAYERS / 2, &n));
    a->n_layers = 2 * n;
    return TS_OK;
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->n_layers / 2));
}

static ts_status read_shortcuts(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const char *kind = "identity";
    TS_TRY(ts_json_text(o, file, r->key, kind, &kind));
    if (strcmp(kind, "identity"))
        return ts_error(TS_ERR_USER, "%s: %s is \"%.60s\", expected identity", file, r->key, kind);
    for (int64_t i = 0; i < a->n_layers; i += 2)
        a->layer[i].shortcut = 1;
    return TS_OK;
}

static ts_status write_kind(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)a;
    return ts_config_put(o, r->key, json_string("identity"));
}

/* transformers' class scales always. */
static ts_status read_scales(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool of_q = true, of_kv = true;
    TS_TRY(ts_json_bool(o, file, r->key, true, &of_q));
    TS_TRY(ts_json_bool(o, file, "mla_scale_kv_lora", true, &of_kv));
    if (!of_q || !of_kv || a->q_lora_rank < 1 || a->kv_lora_rank < 1)
        return ts_error(TS_ERR_USER, "%s: expected latent vectors (q_lora_rank, kv_lora_rank) that are scaled (%s, "
                                     "mla_scale_kv_lora)", file, r->key);
    a->q_latent_scale = sqrt((double)a->hidden / (double)a->q_lora_rank);
    a->kv_latent_scale = sqrt((double)a->hidden / (double)a->kv_lora_rank);
    return TS_OK;
}

static ts_status write_scales(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)a;
    TS_TRY(ts_config_put(o, r->key, json_true()));
    return ts_config_put(o, "mla_scale_kv_lora", json_true());
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 131072),
    TS_COPY("hidden_size", hidden, 6144),
    TS_CONFIG_ROW(COPY, "ffn_hidden_size", ffn, 12288, .before = "intermediate_size"),
    TS_OWN("num_layers", n_layers, read_layers, write_layers, 28),
    TS_COPY("num_attention_heads", n_heads, 64),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("bos_token_id", bos, 1),
    TS_ENDS(2),
    TS_OWN("rope_theta", rope, ts_latent_read_pairs, ts_latent_write_pairs, 10000000),
    TS_CONFIG_ROW(COPY, "n_routed_experts", n_experts, 512, .before = "num_local_experts"),
    TS_CONFIG_ROW(COPY, "moe_topk", experts_per_token, 12, .before = "num_experts_per_tok"),
    TS_CONFIG_ROW(COPY, "expert_ffn_hidden_size", expert_ffn, 2048, .before = "moe_intermediate_size"),
    TS_COPY("zero_expert_num", zero_experts, 256),
    TS_COPY("routed_scaling_factor", router_scale, 6),
    TS_FIXED(shared_ffn, 0),
    TS_FIXED(router_groups, 1),
    TS_FIXED(router_group_topk, 1),
    TS_FIXED(router_score, TS_ROUTE_SOFTMAX),
    TS_FIXED(router_norm, false),
    TS_FIXED(mtp_layers, 0),
    TS_REFUSE("router_bias", "the router of this class has no bias"),
    { .kind = TS_CONFIG_OWN, .key = "first_k_dense_replace" }, /* the class has none of these */
    { .kind = TS_CONFIG_OWN, .key = "mla_scale_q_lora", .late = true, .read = read_scales, .write = write_scales },
    { .kind = TS_CONFIG_OWN, .key = "zero_expert_type", .late = true, .read = read_shortcuts, .write = write_kind },
    { TS_CONFIG_END },
};

const ts_family ts_family_longcat_flash = { .model_type = "longcat_flash", .architecture = "LongcatFlashForCausalLM",
                                            .base = &ts_family_deepseek_v3, .names = names, .rows = rows,
                                            .has_further = true };

/* LongCat-Flash-Lite: the same behind embeddings of n-grams (arXiv 2601.21204). */
static const ts_config_row lite_rows[] = {
    TS_COPY("ngram_vocab_size_ratio", ngram_ratio, 78),
    TS_COPY("emb_neighbor_num", ngram_order, 4),
    TS_COPY("emb_split_num", ngram_splits, 4),
    { TS_CONFIG_END },
};

/* What the published class calls its embedding, the same tensor, too. */
static const ts_name_other others[] = { { "model.embed_tokens.", "model.ngram_embeddings.word_embeddings.", false }, { 0 } };

const ts_family ts_family_longcat_flash_ngram = { .model_type = "longcat_flash_ngram",
                                                  .architecture = "LongcatFlashNgramForCausalLM",
                                                  .base = &ts_family_longcat_flash, .rows = lite_rows, .others = others };
