/* Mamba 2: layers of one part each, the state-space scan; no positions. */
#include "model/families/families.h"
#include "model/families/mamba.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "backbone.embeddings" },
    { .name = "input_layernorm", .hf_name = "backbone.layers.*.norm" },
    TS_MAMBA_NAMES("backbone.layers.*.mixer"),
    { .name = "decoder.final_layernorm", .hf_name = "backbone.norm_f" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* What transformers' class holds too. */
static ts_status read_expand(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const int64_t inner = a->mamba.heads * a->mamba.head_dim;
    int64_t expand = 0;
    TS_TRY(ts_config_int(o, file, r->key, 2, 2, 1, TS_ARCH_MAX_WIDTH, &expand));
    if (inner == expand * a->hidden)
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "%s: expand %lld times hidden_size %lld is not num_heads %lld times head_dim %lld", file,
                    (long long)expand, (long long)a->hidden, (long long)a->mamba.heads, (long long)a->mamba.head_dim);
}

static ts_status write_expand(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->mamba.heads * a->mamba.head_dim / a->hidden));
}

static ts_status norm_in_groups(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->mamba.norm_groups = a->mamba.groups;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_NOT_QUANTISED,
    TS_COPY("vocab_size", vocab, 32768),
    TS_COPY("hidden_size", hidden, 4096),
    TS_COPY("num_hidden_layers", n_layers, 64),
    TS_COPY("num_heads", mamba.heads, 128),
    TS_COPY("head_dim", mamba.head_dim, 64),
    TS_COPY("state_size", mamba.state, 128),
    TS_COPY("n_groups", mamba.groups, 8),
    TS_COPY("conv_kernel", mamba.conv, 4),
    TS_COPY("use_bias", mamba.bias, false),
    TS_COPY("use_conv_bias", mamba.conv_bias, true),
    TS_COPY("layer_norm_epsilon", norm_eps, 1e-5),
    TS_COPY("initializer_range", init_std, 0.1),
    { .kind = TS_CONFIG_OWN, .key = "expand", .read = read_expand, .write = write_expand },
    TS_MAMBA_STEPS("time_step_limit"),
    TS_ALWAYS("hidden_act", "silu swish"),
    TS_COPY("tie_word_embeddings", tied, false),
    TS_ID("bos_token_id", bos, 0),
    TS_ID("pad_token_id", pad, 1),
    TS_ENDS(2),
    TS_OWN(NULL, mamba.norm_groups, norm_in_groups, NULL, 0),
    TS_SCANS_ALONE(TS_ATTENTION_MAMBA),
    { TS_CONFIG_END },
};

const ts_family ts_family_mamba2 = { .model_type = "mamba2", .architecture = "Mamba2ForCausalLM",
                                     .prefix = "backbone.", .names = names, .rows = rows };
