/* Phi-3, Phi-3.5, Phi-4: Llama with fused projections; longrope; part of a head rotated in
 * Phi-4-mini. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.qkv_proj", TS_PART_QKV, false },
    { .name = "mlp.linear_fc1", .hf_name = "model.layers.*.mlp.gate_up_proj" },
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.mlp.down_proj" },
    TS_NAMES_LAST,
    { 0 },
};

/* The length before stretching stands outside rope_scaling, and is 4096 where it does not stand
 * at all. */
static ts_status default_length(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *rope = NULL, *length = json_object_get(o, "original_max_position_embeddings");
    if (length && !json_is_null(length))
        return TS_OK;
    TS_TRY(ts_config_rope_find(o, file, &rope));
    const json_t *factor = json_object_get(rope, "factor");
    a->rope[0].original_max_positions = 4096;
    if (!factor || json_is_null(factor))
        a->rope[0].factor = (double)a->max_positions / 4096;
    return TS_OK;
}

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read_rope(r, o, file, a));
    if (a->rope[0].scaling != TS_ROPE_DEFAULT && a->rope[0].scaling != TS_ROPE_LONGROPE)
        return ts_error(TS_ERR_USER, "%s: rope_type of a phi3 model must be default or longrope",
                        file);
    return a->rope[0].scaling == TS_ROPE_LONGROPE ? default_length(o, file, a) : TS_OK;
}

static ts_status write_rope(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write_ropes(r, a, o));
    if (a->rope[0].scaling != TS_ROPE_LONGROPE)
        return TS_OK;
    return ts_config_put(o, "original_max_position_embeddings",
                         json_integer(a->rope[0].original_max_positions));
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 32064),
    TS_COPY("hidden_size", hidden, 3072),
    TS_COPY("intermediate_size", ffn, 8192),
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("pad_token_id", pad, 32000),
    TS_ENDS(32000),
    TS_CONFIG_ROW(OWN, "rope_theta", rope, 10000, .part = 1, .read = read_rope,
                  .write = write_rope),
    TS_WINDOW(0),
    { TS_CONFIG_END },
};

const ts_family ts_family_phi3 = { .model_type = "phi3", .architecture = "Phi3ForCausalLM",
                                   .base = &ts_family_base, .names = names, .rows = rows };
