/* Nemotron-H: layers of one part each: a state-space scan, attention without positions, or a plain MLP. */
#include "model/families/families.h"
#include "model/families/mamba.h"

#include <math.h>
#include <string.h>

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "backbone.embeddings" },
    { .name = "input_layernorm", .hf_name = "backbone.layers.*.norm" },
    { .name = "pre_mlp_layernorm", .hf_name = "backbone.layers.*.norm" },
    TS_MAMBA_NAMES("backbone.layers.*.mixer"),
    TS_NAMES_QKV("backbone.layers.*.mixer."),
    { .name = "self_attention.linear_proj", .hf_name = "backbone.layers.*.mixer.o_proj" },
    { .name = "mlp.linear_fc1", .hf_name = "backbone.layers.*.mixer.up_proj" },
    { .name = "mlp.linear_fc2", .hf_name = "backbone.layers.*.mixer.down_proj" },
    { .name = "decoder.final_layernorm", .hf_name = "backbone.norm_f" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* A layer's word in layers_block_type, and its letter in hybrid_override_pattern. */
static const struct {
    const char *word;
    char letter;
    ts_attention_kind attention;
    bool feeds;
} kinds[] = { { "linear_attention", 'M', TS_ATTENTION_MAMBA, false },
              { "full_attention", '*', TS_ATTENTION_SOFTMAX, false },
              { "mlp", '-', TS_ATTENTION_NONE, true },
              { "mamba", 'M', TS_ATTENTION_MAMBA, false },
              { "attention", '*', TS_ATTENTION_SOFTMAX, false } };
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Which of them layer i is; -1: none. */
static int kind_at(const json_t *o, int64_t i)
{
    const json_t *list = json_object_get(o, "layers_block_type");
    const char *pattern = json_string_value(json_object_get(o, "hybrid_override_pattern"));
    list = list ? list : json_object_get(o, "layer_types");
    const char *word = json_string_value(json_array_get(list, (size_t)i));
    for (int k = 0; k < KINDS; k++)
        if (word ? !strcmp(word, kinds[k].word) : pattern && i < (int64_t)strlen(pattern) && pattern[i] == kinds[k].letter)
            return k;
    return -1;
}

/* The list's length; num_hidden_layers need not be there. */
static ts_status read_count(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list = json_object_get(o, "layers_block_type");
    const char *pattern = json_string_value(json_object_get(o, "hybrid_override_pattern"));
    list = list ? list : json_object_get(o, "layer_types");
    TS_TRY(ts_config_int(o, file, r->key, 0, 0, 1, TS_ARCH_MAX_LAYERS, &a->n_layers));
    const size_t n = json_is_array(list) ? json_array_size(list) : pattern ? strlen(pattern) : 0;
    if (n > TS_ARCH_MAX_LAYERS)
        return ts_error(TS_ERR_USER, "%s: layers_block_type lists %zu layers, at most %d were expected", file, n,
                        (int)TS_ARCH_MAX_LAYERS);
    a->n_layers = n ? (int64_t)n : a->n_layers ? a->n_layers : 1; /* read_layers misses what is missing */
    return TS_OK;
}

static ts_status write_count(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->n_layers));
}

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r;
    a->mamba.norm_groups = a->mamba.groups;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const int k = kind_at(o, i);
        if (k < 0)
            return ts_error(TS_ERR_USER,
                            "%s: layer %lld of layers_block_type is none of linear_attention, full_attention and mlp "
                            "(mixtures of experts are not supported)", file, (long long)i);
        a->layer[i].attention = kinds[k].attention;
        if (!kinds[k].feeds)
            a->layer[i].mlp = TS_MLP_NONE;
    }
    return TS_OK;
}

static const char *type_of(const ts_layer_arch *l)
{
    return kinds[l->attention == TS_ATTENTION_MAMBA ? 0 : l->attention == TS_ATTENTION_SOFTMAX ? 1 : 2].word;
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)r;
    return ts_config_put_words(o, "layers_block_type", a, type_of);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 131072),
    TS_COPY("intermediate_size", ffn, 21504),
    TS_OWN("num_hidden_layers", n_layers, read_count, write_count, 0),
    TS_KV_HEADS(8),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_COPY("layer_norm_epsilon", norm_eps, 1e-5),
    TS_COPY("mlp_hidden_act", act, TS_ACT_RELU2),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_ID("pad_token_id", pad, 0),
    TS_FIXED(pad_frozen, false),
    TS_REFUSE("sliding_window", "attention of models of this type sees all keys"),
    TS_FIXED(position, TS_POSITION_NONE),
    { .kind = TS_CONFIG_OWN, .key = "rope_theta" },
    TS_FIXED(gated, false),
    TS_ALWAYS("mamba_hidden_act", "silu swish"),
    TS_COPY("mamba_num_heads", mamba.heads, 128),
    TS_COPY("mamba_head_dim", mamba.head_dim, 64),
    TS_COPY("ssm_state_size", mamba.state, 128),
    TS_COPY("n_groups", mamba.groups, 8),
    TS_COPY("conv_kernel", mamba.conv, 4),
    TS_COPY("use_conv_bias", mamba.conv_bias, true),
    TS_COPY("use_bias", mamba.bias, false),
    TS_COPY("time_step_min", mamba.dt_min, 0.001),
    TS_OWN(NULL, layer, read_layers, write_layers, 0),
    { TS_CONFIG_END },
};

/* The names of transformers' modules, which its files do not have. */
static const ts_name_other others[] = { { "backbone.", "model.", false }, { 0 } };

const ts_family ts_family_nemotron_h = { .model_type = "nemotron_h", .architecture = "NemotronHForCausalLM",
                                         .base = &ts_family_base, .prefix = "backbone.", .names = names, .rows = rows,
                                         .others = others, .has_further = true };
