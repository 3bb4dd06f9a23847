#include "model/megatron/rules.h"

#include <stdlib.h>
#include <string.h>

static const ts_mg_rule layer_rules[] = {
    { "input_layernorm.weight", NULL, NULL, TS_MG_WHOLE },
    { "input_layernorm.bias", NULL, NULL, TS_MG_WHOLE },
    { "pre_mlp_layernorm.weight", NULL, NULL, TS_MG_WHOLE },
    { "pre_mlp_layernorm.bias", NULL, NULL, TS_MG_WHOLE },
    { "post_attn_norm.weight", NULL, NULL, TS_MG_WHOLE },
    { "post_mlp_layernorm.weight", NULL, NULL, TS_MG_WHOLE },
    { "self_attention.linear_qkv.weight", NULL, NULL, TS_MG_ROWS },
    { "self_attention.linear_qkv.bias", NULL, NULL, TS_MG_ROWS },
    { "self_attention.linear_proj.weight", NULL, NULL, TS_MG_COLUMNS },
    { "self_attention.linear_proj.bias", NULL, NULL, TS_MG_WHOLE },
    { "self_attention.q_layernorm.weight", NULL, NULL, TS_MG_WHOLE },
    { "self_attention.q_layernorm.bias", NULL, NULL, TS_MG_WHOLE },
    { "self_attention.k_layernorm.weight", NULL, NULL, TS_MG_WHOLE },
    { "self_attention.k_layernorm.bias", NULL, NULL, TS_MG_WHOLE },
    { "self_attention.kv_layernorm.weight", NULL, NULL, TS_MG_WHOLE },
    { "self_attention.core_attention.softmax_offset", NULL, NULL, TS_MG_ROWS },
    { "self_attention.linear_q_proj.weight", "self_attention.linear_qkv.weight", NULL, TS_MG_JOINED },
    { "self_attention.linear_q_down_proj.weight", "self_attention.linear_qkv.weight", NULL, TS_MG_JOINED },
    { "self_attention.linear_q_down_proj.bias", "self_attention.linear_qkv.bias", NULL, TS_MG_JOINED },
    { "self_attention.linear_kv_down_proj.weight", "self_attention.linear_qkv.weight", NULL, TS_MG_JOINED },
    { "self_attention.linear_kv_down_proj.bias", "self_attention.linear_qkv.bias", NULL, TS_MG_JOINED },
    { "self_attention.linear_q_up_proj.weight", "self_attention.linear_qk_nope.weight", "self_attention.linear_qk_rope.weight",
      TS_MG_TWO_PARTS },
    { "self_attention.linear_kv_up_proj.weight", "self_attention.linear_kv_nope.weight", "self_attention.linear_v.weight",
      TS_MG_TWO_PARTS },
    { "self_attention.core_attention.indexer.linear_wq_b.weight", "self_attention.dsa_indexer.wq_b.weight", NULL, TS_MG_WHOLE },
    { "self_attention.core_attention.indexer.linear_wk.weight", "self_attention.dsa_indexer.wk.weight", NULL, TS_MG_WHOLE },
    { "self_attention.core_attention.indexer.k_norm.weight", "self_attention.dsa_indexer.k_norm.weight", NULL, TS_MG_WHOLE },
    { "self_attention.core_attention.indexer.k_norm.bias", "self_attention.dsa_indexer.k_norm.bias", NULL, TS_MG_WHOLE },
    { "self_attention.core_attention.indexer.linear_weights_proj.weight", "self_attention.dsa_indexer.weights_proj.weight", NULL,
      TS_MG_WHOLE },
    { "mlp.linear_fc1.weight", NULL, NULL, TS_MG_GATED },
    { "mlp.linear_fc1.bias", NULL, NULL, TS_MG_GATED },
    { "mlp.linear_fc2.weight", NULL, NULL, TS_MG_COLUMNS },
    { "mlp.linear_fc2.bias", NULL, NULL, TS_MG_WHOLE },
    { "mlp.router.weight", NULL, NULL, TS_MG_WHOLE },
    { "mlp.router.bias", NULL, NULL, TS_MG_WHOLE },
    { "mlp.router.expert_bias", NULL, NULL, TS_MG_WHOLE },
    { "mlp.experts.linear_fc1.weight", "mlp.experts.weight1", NULL, TS_MG_EXPERTS_1 },
    { "mlp.experts.linear_fc2.weight", "mlp.experts.weight2", NULL, TS_MG_EXPERTS_2 },
    { "mlp.experts.linear_fc1.bias", NULL, NULL, TS_MG_EXPERT_BIASES_1 },
    { "mlp.experts.linear_fc2.bias", NULL, NULL, TS_MG_EXPERT_BIASES_2 },
    { "mlp.shared_experts.linear_fc1.weight", NULL, NULL, TS_MG_GATED },
    { "mlp.shared_experts.linear_fc1.bias", NULL, NULL, TS_MG_GATED },
    { "mlp.shared_experts.linear_fc2.weight", NULL, NULL, TS_MG_COLUMNS },
    { "mlp.shared_experts.linear_fc2.bias", NULL, NULL, TS_MG_WHOLE },
    { "mlp.shared_experts.gate_weight", NULL, NULL, TS_MG_LINE },
    { "enorm.weight", NULL, NULL, TS_MG_WHOLE },
    { "hnorm.weight", NULL, NULL, TS_MG_WHOLE },
    { "eh_proj.weight", NULL, NULL, TS_MG_ROWS },
    { "final_layernorm.weight", NULL, NULL, TS_MG_WHOLE },
};
static const ts_mg_rule outer_rules[] = {
    { "embedding.word_embeddings.weight", NULL, NULL, TS_MG_VOCAB },
    { "embedding.position_embeddings.weight", NULL, NULL, TS_MG_WHOLE },
    { "embedding.norm.weight", "embedding.word_embeddings.norm.weight", NULL, TS_MG_WHOLE },
    { "embedding.norm.bias", "embedding.word_embeddings.norm.bias", NULL, TS_MG_WHOLE },
    { "decoder.final_layernorm.weight", NULL, NULL, TS_MG_WHOLE },
    { "decoder.final_layernorm.bias", NULL, NULL, TS_MG_WHOLE },
    { "output_layer.weight", NULL, NULL, TS_MG_VOCAB },
    { "output_layer.bias", NULL, NULL, TS_MG_VOCAB },
    { "rm_head.weight", NULL, NULL, TS_MG_WHOLE },
    { "rm_head.bias", NULL, NULL, TS_MG_WHOLE },
};

static const ts_mg_rule *find(const ts_mg_rule *rules, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rules[i].ours, name))
            return &rules[i];
    return NULL;
}

const ts_mg_rule *ts_mg_rule_of(const ts_mg_name *name)
{
    return name->layer >= 0 ? find(layer_rules, sizeof layer_rules / sizeof *layer_rules, name->rest)
                            : find(outer_rules, sizeof outer_rules / sizeof *outer_rules, name->rest);
}

const char *ts_mg_norm_inside(const char *ours, bool *of_latent)
{
    static const struct {
        const char *ours, *theirs;
        bool of_latent;
    } names[] = {
        { "input_layernorm.weight", "self_attention.linear_qkv.layer_norm_weight", false },
        { "input_layernorm.bias", "self_attention.linear_qkv.layer_norm_bias", false },
        { "pre_mlp_layernorm.weight", "mlp.linear_fc1.layer_norm_weight", false },
        { "pre_mlp_layernorm.bias", "mlp.linear_fc1.layer_norm_bias", false },
        { "self_attention.q_layernorm.weight", "self_attention.linear_q_up_proj.layer_norm_weight", true },
        { "self_attention.kv_layernorm.weight", "self_attention.linear_kv_up_proj.layer_norm_weight", true },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].ours, ours)) {
            *of_latent = names[i].of_latent;
            return names[i].theirs;
        }
    return NULL;
}

ts_mg_name ts_mg_name_parse(const char *name)
{
    static const char decoder[] = "decoder.layers.", mtp[] = "mtp.layers.", inside[] = "transformer_layer.";
    ts_mg_name p = { .rest = name, .layer = -1, .is_further = !strncmp(name, mtp, sizeof mtp - 1) };
    const bool is_layer = !strncmp(name, decoder, sizeof decoder - 1);
    if (!is_layer && !p.is_further)
        return p;
    char *end;
    p.layer = strtoll(name + (is_layer ? sizeof decoder : sizeof mtp) - 1, &end, 10);
    p.rest = end + 1;
    p.is_inside = p.is_further && !strncmp(p.rest, inside, sizeof inside - 1);
    if (p.is_inside)
        p.rest += sizeof inside - 1;
    return p;
}
