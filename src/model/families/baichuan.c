/* Baichuan 7B, 13B: Llama with all queries, keys and values in one tensor; the large one has ALiBi instead of a
 * rotary embedding, and the second generation an output layer whose rows count as of length one (NormHead).
 * transformers runs it from code beside the weights. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.W_pack", TS_PART_QKV, false },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    TS_NAMES_LAST,
    { 0 },
};

/* The one with a rotary embedding names its positions, the other how long texts are. */
static ts_status read_positions(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    if (json_object_get(o, "max_position_embeddings")) {
        TS_TRY(ts_config_read_rope(r, o, file, a));
        return ts_config_int(o, file, "max_position_embeddings", 2048, 2048, 1, TS_ARCH_MAX_POSITIONS,
                             &a->max_positions);
    }
    a->position = TS_POSITION_ALIBI;
    return ts_config_int(o, file, "model_max_length", 4096, 4096, 1, TS_ARCH_MAX_POSITIONS, &a->max_positions);
}

/* The second generation's vocabulary tells of its output layer; norm_head says it of others. */
static ts_status read_head(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    enum { BAICHUAN2 = 125696 };
    return ts_json_bool(o, file, r->key, a->vocab == BAICHUAN2, &a->unit_head);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 64000),
    TS_CONFIG_ROW(OWN, "norm_head", unit_head, 0, .read = read_head),
    TS_OWN(NULL, n_kv_heads, ts_config_kv_as_heads, NULL, 0),
    TS_NO_HEAD_DIM,
    TS_CONFIG_ROW(OWN, "rope_theta", rope, 10000, .read = read_positions),
    { TS_CONFIG_END },
};

const ts_family ts_family_baichuan = { .model_type = "baichuan", .architecture = "BaichuanForCausalLM",
                                 .base = &ts_family_base, .names = names, .read_only = true,
                                 .rows = rows };
