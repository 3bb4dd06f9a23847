/* Zamba2: state-space layers, and at the hybrid ones, before the scan, a block of attention and MLP that several of them
 * share, with adapters of their own. */
#include "model/families/families.h"
#include "model/families/mamba.h"

#include <math.h>

#define BLOCK "model.layers.*.shared_transformer."
#define ADAPTER(ours_, theirs_)                                                                    \
    { .name = ours_ ".down", .hf_name = "model.layers.*@.shared_transformer." theirs_ ".#.0" },    \
    { .name = ours_ ".up", .hf_name = "model.layers.*@.shared_transformer." theirs_ ".#.1" }
static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    TS_MAMBA_NAMES("model.layers.*.mamba"),
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "linear", .hf_name = "model.layers.*.linear" },
    TS_MAMBA_NAMES_OF("mamba_decoder.mixer", "model.layers.*.mamba_decoder.mamba"),
    { .name = "mamba_decoder.input_layernorm", .hf_name = "model.layers.*.mamba_decoder.input_layernorm" },
    TS_NAMES_QKV(BLOCK "self_attn."),
    { .name = "self_attention.linear_proj", .hf_name = BLOCK "self_attn.o_proj" },
    ADAPTER("self_attention.adapter_q", "self_attn.linear_q_adapter_list"),
    ADAPTER("self_attention.adapter_k", "self_attn.linear_k_adapter_list"),
    ADAPTER("self_attention.adapter_v", "self_attn.linear_v_adapter_list"),
    { .name = "mlp.linear_fc1", .hf_name = BLOCK "feed_forward.gate_up_proj" },
    { .name = "mlp.linear_fc2", .hf_name = BLOCK "feed_forward.down_proj" },
    ADAPTER("mlp.adapter", "feed_forward.gate_up_proj_adapter_list"),
    { .name = "self_attention.input_layernorm", .hf_name = BLOCK "input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = BLOCK "pre_ff_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.final_layernorm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* Attention reads the stream and the embedding. */
static ts_status read_heads(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o;
    if (2 * a->hidden % a->n_heads)
        return ts_error(TS_ERR_USER,
                        "%s: num_attention_heads is %lld, expected a divisor of twice hidden_size, which is %lld",
                        file, (long long)a->n_heads, (long long)a->hidden);
    a->head_dim = 2 * a->hidden / a->n_heads;
    return TS_OK;
}

/* As of heads half as wide. */
static ts_status read_scale(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->attn_scale = 1 / sqrt((double)a->head_dim / 2);
    return TS_OK;
}

/* A norm within state-space layers has 1e-5, whatever the key says. */
static ts_status read_eps(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_copy_in(r, o, file, a));
    return a->norm_eps == 1e-5
               ? TS_OK
               : ts_error(TS_ERR_USER,
                          "%s: rms_norm_eps is %g, expected 1e-05, which norms within state-space layers of these "
                          "models have", file, a->norm_eps);
}

/* Without a width, or a null, four times hidden_size. */
static ts_status read_ffn(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    return ts_config_int(o, file, r->key, 4 * a->hidden, 4 * a->hidden, 1, TS_ARCH_MAX_WIDTH, &a->ffn);
}

static ts_status write_ffn(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->ffn));
}

/* transformers ties all weights that are shared, or none. */
static ts_status read_tied(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_copy_in(r, o, file, a));
    return a->tied ? TS_OK
                   : ts_error(TS_ERR_USER,
                              "%s: tie_word_embeddings is false: expected true, without which blocks are not shared "
                              "either", file);
}

static ts_status read_position(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool rotates = false;
    TS_TRY(ts_json_bool(o, file, "use_mem_rope", false, &rotates));
    if (rotates)
        return ts_config_read_rope(r, o, file, a);
    a->position = TS_POSITION_NONE;
    return TS_OK;
}

static ts_status write_position(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const bool rotates = a->position == TS_POSITION_ROPE;
    TS_TRY(ts_config_put(o, "use_mem_rope", json_boolean(rotates)));
    return rotates ? ts_config_write_ropes(r, a, o) : TS_OK;
}

/* Heads of a scan share mamba_expand times hidden_size. */
static ts_status read_expand(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const int64_t heads = a->mamba.heads > 0 ? a->mamba.heads : 1;
    int64_t expand = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, (int64_t)r->def, 1, 64, &expand));
    a->mamba.head_dim = expand * a->hidden / heads;
    return a->mamba.head_dim * heads == expand * a->hidden
               ? TS_OK
               : ts_error(TS_ERR_USER,
                          "%s: n_mamba_heads is %lld, expected a divisor of %s times hidden_size, which is %lld",
                          file, (long long)a->mamba.heads, r->key, (long long)(expand * a->hidden));
}

static ts_status write_expand(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->mamba.heads * a->mamba.head_dim / a->hidden));
}

static ts_status read_conv_bias(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    a->mamba.conv_bias = true;
    TS_TRY(ts_json_bool(o, file, r->key, true, &a->mamba.conv_bias));
    return a->mamba.conv_bias
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: %s is false: expected true, as convolutions of these models have biases",
                          file, r->key);
}

enum { BY_DEFAULT = 54 };
/* The pattern of transformers' class for so many layers: every sixth of 7 x 6 layers behind the first, and two more. */
static bool hybrid_by_default(int64_t i) { return (i > 0 && i <= 42 && i % 6 == 0) || i == 47 || i == 51; }

/* Blocks take turns. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    static const char *const words[] = { "mamba", "linear_attention", "hybrid", NULL };
    const char *key = r->key;
    const json_t *list;
    int64_t blocks = 1, n = 0;
    TS_TRY(ts_config_layer_list(o, file, key, a, &list));
    if (!list)
        TS_TRY(ts_config_layer_list(o, file, key = "layer_types", a, &list));
    if (!list && a->n_layers != BY_DEFAULT)
        return ts_error(TS_ERR_USER, "%s: %s is missing, without which num_hidden_layers is expected to be %d", file,
                        r->key, (int)BY_DEFAULT);
    TS_TRY(ts_config_int(o, file, "num_mem_blocks", 1, 1, 1, TS_ARCH_MAX_LAYERS, &blocks));
    a->mamba.norm_groups = a->mamba.groups;
    for (int64_t i = 0; i < a->n_layers; i++) {
        int k = hybrid_by_default(i) ? 2 : 0;
        if (list)
            TS_TRY(ts_config_layer_word(list, file, key, i, words, &k));
        const bool hybrid = k == 2;
        a->layer[i].attention = hybrid ? TS_ATTENTION_HYBRID : TS_ATTENTION_MAMBA;
        a->layer[i].mlp = hybrid ? TS_MLP_GATED : TS_MLP_NONE;
        a->layer[i].shared = hybrid ? 1 + n++ % blocks : 0;
    }
    return TS_OK;
}

static const char *type_of(const ts_layer_arch *l) { return l->shared ? "hybrid" : "mamba"; }

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    int64_t blocks = 1;
    for (int64_t i = 0; i < a->n_layers; i++)
        blocks = a->layer[i].shared > blocks ? a->layer[i].shared : blocks;
    TS_TRY(ts_config_put_words(o, r->key, a, type_of));
    return ts_config_put(o, "num_mem_blocks", json_integer(blocks));
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 32000),
    TS_COPY("hidden_size", hidden, 2560),
    TS_OWN("intermediate_size", ffn, read_ffn, write_ffn, 0),
    TS_COPY("num_hidden_layers", n_layers, BY_DEFAULT),
    TS_KV_HEADS(0),
    TS_OWN("head_dim", head_dim, read_heads, NULL, 0),
    TS_OWN(NULL, attn_scale, read_scale, NULL, 0),
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_CONFIG_ROW(COPY, "rms_norm_eps", norm_eps, 1e-5, .read = read_eps),
    TS_COPY("hidden_act", act, TS_ACT_GELU),
    TS_CONFIG_ROW(COPY, "tie_word_embeddings", tied, true, .read = read_tied),
    TS_ID("pad_token_id", pad, 0),
    TS_OWN("rope_theta", rope, read_position, write_position, 10000),
    TS_REFUSE("use_long_context", "rotary embeddings are as rope_parameters says"),
    TS_REFUSE("add_bias_linear", "projections of models of this type have no biases here"),
    TS_COPY("n_mamba_heads", mamba.heads, 8),
    TS_COPY("mamba_ngroups", mamba.groups, 1),
    TS_COPY("mamba_d_state", mamba.state, 64),
    TS_COPY("mamba_d_conv", mamba.conv, 4),
    TS_OWN("use_conv_bias", mamba.conv_bias, read_conv_bias, NULL, 1),
    TS_OWN("mamba_expand", mamba.head_dim, read_expand, write_expand, 2),
    TS_COPY("time_step_min", mamba.dt_min, 0.001),
    TS_COPY("adapter_rank", adapter_rank, 128),
    TS_COPY("use_shared_attention_adapter", adapts_attention, false),
    TS_OWN("layers_block_type", layer, read_layers, write_layers, 0),
    { TS_CONFIG_END },
};

const ts_family ts_family_zamba2 = { .model_type = "zamba2", .architecture = "Zamba2ForCausalLM", .base = &ts_family_base,
                                     .names = names, .rows = rows };
