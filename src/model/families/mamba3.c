/* Mamba 3 (arXiv 2603.15569), as flash-linear-attention's class describes it: layers of one part each, the scan; no positions.
 * Of heads with one input and one output. */
#include "model/families/families.h"
#include "model/families/mamba.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "backbone.embeddings" },
    { .name = "input_layernorm", .hf_name = "backbone.layers.*.norm" },
    { .name = "mixer.dt_bias", .hf_name = "backbone.layers.*.mixer.dt_bias" },
    { .name = "mixer.B_bias", .hf_name = "backbone.layers.*.mixer.B_bias", .part = TS_PART_FILTER },
    { .name = "mixer.C_bias", .hf_name = "backbone.layers.*.mixer.C_bias", .part = TS_PART_FILTER },
    { .name = "mixer.D", .hf_name = "backbone.layers.*.mixer.D" },
    { .name = "mixer.in_proj_z", .hf_name = "backbone.layers.*.mixer.in_proj" },
    { .name = "mixer.in_proj_x", .hf_name = "backbone.layers.*.mixer.in_proj", .part = TS_PART_MORE },
    { .name = "mixer.in_proj_bc", .hf_name = "backbone.layers.*.mixer.in_proj", .part = TS_PART_MORE },
    { .name = "mixer.in_proj_steps", .hf_name = "backbone.layers.*.mixer.in_proj", .part = TS_PART_MORE },
    { .name = "mixer.in_proj_angles", .hf_name = "backbone.layers.*.mixer.in_proj", .part = TS_PART_MORE },
    { .name = "mixer.B_norm", .hf_name = "backbone.layers.*.mixer.B_norm" },
    { .name = "mixer.C_norm", .hf_name = "backbone.layers.*.mixer.C_norm" },
    { .name = "mixer.norm", .hf_name = "backbone.layers.*.mixer.norm" },
    { .name = "mixer.out_proj", .hf_name = "backbone.layers.*.mixer.out_proj" },
    { .name = "decoder.final_layernorm", .hf_name = "backbone.norm_f" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* expand times hidden_size is what all heads have together. */
static ts_status read_heads(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t expand = 0;
    TS_TRY(ts_config_int(o, file, r->key, 2, 2, 1, 64, &expand));
    if (a->mamba3.head_dim < 1 || expand * a->hidden % a->mamba3.head_dim)
        return ts_error(TS_ERR_USER, "%s: expand %lld times hidden_size %lld is no multiple of head_dim %lld", file,
                        (long long)expand, (long long)a->hidden, (long long)a->mamba3.head_dim);
    a->mamba3.heads = expand * a->hidden / a->mamba3.head_dim;
    return TS_OK;
}

static ts_status write_heads(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->mamba3.heads * a->mamba3.head_dim / a->hidden));
}

/* The part of a state whose pairs turn: all, or half. */
static ts_status read_angles(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double part = 0;
    TS_TRY(ts_config_real(o, file, r->key, 0.5, 0.5, &part));
    if (part != 0.5 && part != 1)
        return ts_error(TS_ERR_USER, "%s: rope_fraction is %g, expected 0.5 or 1", file, part);
    a->mamba3.angles = (int64_t)(part * (double)a->mamba3.state) / 2;
    return TS_OK;
}

static ts_status write_angles(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_real(a->mamba3.angles == a->mamba3.state / 2 ? 1 : 0.5));
}

static const ts_config_row rows[] = {
    TS_NOT_QUANTISED,
    TS_COPY("vocab_size", vocab, 32000),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("num_hidden_layers", n_layers, 48),
    TS_COPY("head_dim", mamba3.head_dim, 64),
    TS_COPY("state_size", mamba3.state, 128),
    TS_COPY("n_groups", mamba3.groups, 1),
    TS_OWN("expand", mamba3.heads, read_heads, write_heads, 2),
    TS_OWN("rope_fraction", mamba3.angles, read_angles, write_angles, 0),
    TS_COPY("A_floor", mamba3.floor, 1e-4),
    TS_COPY("is_outproj_norm", mamba3.norm, false),
    TS_FIXED(mamba3.eps, 1e-5),
    TS_COPY("norm_eps", norm_eps, 1e-5),
    TS_COPY("initializer_range", init_std, 0.02),
    TS_REFUSE("is_mimo", "heads with several inputs and outputs are not computed"),
    TS_REFUSE("use_bias", "projections of this class have no biases"),
    TS_ALWAYS("hidden_act", "silu swish"),
    TS_COPY("tie_word_embeddings", tied, false),
    TS_ID("bos_token_id", bos, 1),
    TS_ID("pad_token_id", pad, 0),
    TS_ENDS(2),
    TS_SCANS_ALONE(TS_ATTENTION_MAMBA3),
    { TS_CONFIG_END },
};

const ts_family ts_family_mamba3 = { .model_type = "mamba3", .architecture = "Mamba3ForCausalLM", .prefix = "backbone.",
                                     .names = names, .rows = rows };
