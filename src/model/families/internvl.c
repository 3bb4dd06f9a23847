/* InternVL, as transformers has it and as OpenGVLab publishes it: InternViT, of which two by two rows become one, a norm and an
 * MLP. */
#include "model/families/families.h"
#include "model/families/vision.h"

#include <string.h>

static const ts_config_row rows[] = {
    TS_CONFIG_ROW(COPY, "attention_bias", bias_qkv, false, .before = "qkv_bias"),
    TS_COPY("layer_norm_eps", norm_eps, 1e-6),
    TS_FIXED(branch_scale, true),
    { TS_CONFIG_END },
};

static const ts_name_row names[] = {
    { .name = "vision_model.class_embedding", .hf_name = "embeddings.cls_token", .part = TS_PART_ONE },
    { "vision_model.position_embeddings", "embeddings.position_embeddings%", TS_PART_ONE, true },
    { .name = "vision_model.patch_embedding", .hf_name = "embeddings.patch_embeddings.projection", .part = TS_PART_PATCH },
    { .name = "attention_scale", .hf_name = "encoder.layer.*.lambda_1" },
    { .name = "mlp_scale", .hf_name = "encoder.layer.*.lambda_2" },
    { "self_attention.linear_qkv", "encoder.layer.*.attention.q_proj", TS_PART_Q, false },
    { "self_attention.linear_qkv", "encoder.layer.*.attention.k_proj", TS_PART_K, false },
    { "self_attention.linear_qkv", "encoder.layer.*.attention.v_proj", TS_PART_V, false },
    { .name = "self_attention.linear_proj", .hf_name = "encoder.layer.*.attention.projection_layer" },
    { .name = "self_attention.q_layernorm", .hf_name = "encoder.layer.*.attention.q_norm" },
    { .name = "self_attention.k_layernorm", .hf_name = "encoder.layer.*.attention.k_norm" },
    { .name = "mlp.linear_fc1", .hf_name = "encoder.layer.*.mlp.fc1" },
    { .name = "mlp.linear_fc2", .hf_name = "encoder.layer.*.mlp.fc2" },
    { .name = "input_layernorm", .hf_name = "encoder.layer.*.layernorm_before" },
    { .name = "pre_mlp_layernorm", .hf_name = "encoder.layer.*.layernorm_after" },
    { .name = "vision_model.decoder.final_layernorm", .hf_name = "layernorm" },
    { .name = "vision_projection.norm", .hf_name = "layer_norm" },
    { .name = "vision_projection.linear_fc1", .hf_name = "linear_1" },
    { .name = "vision_projection.linear_fc2", .hf_name = "linear_2" },
    { 0 },
};
static const ts_family tower = { .base = &ts_tower_base, .rows = rows, .names = names };

/* Patches that become one: 1 / downsample_ratio a side. */
static ts_status read_merge(const json_t *config, const char *file, ts_vision_arch *v)
{
    double ratio;
    TS_TRY(ts_config_real(config, file, "downsample_ratio", 0.5, 0.5, &ratio));
    v->merge = ratio > 0 && ratio <= 1 ? (int64_t)(1 / ratio + 0.5) : 0;
    if (v->merge < 1 || (double)v->merge * ratio != 1)
        return ts_error(TS_ERR_USER, "%s: downsample_ratio is %g, expected one over a whole number", file, ratio);
    return TS_OK;
}

/* layer_norm or rms_norm; a norm over all heads of queries and of keys, or none. */
static ts_status read_norms(const json_t *vision, const char *file, const char *qk_key, ts_arch *tower_arch)
{
    const char *kind = "layer_norm";
    bool norms = false;
    TS_TRY(ts_json_text(vision, file, "norm_type", kind, &kind));
    if (strcmp(kind, "layer_norm") && strcmp(kind, "rms_norm"))
        return ts_error(TS_ERR_USER, "%s: norm_type is \"%.40s\", expected layer_norm or rms_norm", file, kind);
    if (!strcmp(kind, "rms_norm"))
        tower_arch->norm = TS_NORM_RMS, tower_arch->norm_bias = false;
    TS_TRY(ts_json_bool(vision, file, qk_key, false, &norms));
    tower_arch->qk_norm = norms ? TS_QK_NORM_FULL : TS_QK_NORM_NONE;
    return TS_OK;
}

/* layer_key: which state the rows are from, counted from the end where it is negative. */
static ts_status read_both(const json_t *config, const json_t *vision, const char *file, const char *layer_key, ts_arch *a)
{
    ts_vision_arch *v = a->vision;
    int64_t side, at;
    TS_TRY(ts_config_int(vision, file, "num_channels", 3, 3, 1, 16, &v->channels));
    TS_TRY(ts_vision_side(vision, file, "patch_size", 14, &v->patch));
    TS_TRY(ts_vision_side(vision, file, "image_size", 448, &side));
    TS_TRY(read_merge(config, file, v));
    TS_TRY(ts_config_int(config, file, layer_key, -1, -1, -v->tower.n_layers - 1, v->tower.n_layers, &at));
    v->behind = at < 0 ? v->tower.n_layers + 1 + at : at;
    v->side = side / v->patch;
    v->placing = TS_PLACES_TABLE;
    v->places_rows = 1 + v->side * v->side;
    v->places_stacked = v->has_class = v->class_decays = v->patch_bias = v->joint_norm_merged = true;
    v->joint_eps = 1e-5;
    v->joint_ffn = a->hidden;
    return TS_OK;
}

static ts_status read(const json_t *config, const json_t *vision, const char *file, ts_arch *a)
{
    ts_vision_arch *v = a->vision;
    const char *strategy = "default", *act = "gelu";
    bool pools = true;
    TS_TRY(read_both(config, vision, file, "vision_feature_layer", a));
    TS_TRY(read_norms(vision, file, "use_qk_norm", &v->tower));
    TS_TRY(ts_json_text(config, file, "vision_feature_select_strategy", strategy, &strategy));
    if (strcmp(strategy, "default"))
        return ts_error(TS_ERR_USER, "%s: vision_feature_select_strategy is \"%.40s\", expected default", file, strategy);
    TS_TRY(ts_json_text(config, file, "projector_hidden_act", act, &act));
    if (!ts_config_act_named(act, &v->joint_act))
        return ts_error(TS_ERR_USER, "%s: projector_hidden_act is \"%.40s\", which is no known activation", file, act);
    TS_TRY(ts_json_bool(vision, file, "use_mean_pooling", true, &pools));
    v->post_norm = !pools;
    v->post_norm_layer = true;
    v->post_norm_idle = v->behind < v->tower.n_layers;
    return ts_vision_token(config, file, "image_token_id", NULL, &v->image_token);
}

static const ts_vision_form forms[] = {
    { "language_model.model.", "language_model.", "vision_tower.", "multi_modal_projector." },
    { "model.language_model.", "", "model.vision_tower.", "model.multi_modal_projector." },
    { 0 },
};
static const ts_vision_family vision_hf = { .text_key = "text_config", .vision_key = "vision_config", .tower = &tower,
                                            .read = read, .form = forms };
static const ts_config_row none[] = { { TS_CONFIG_END } };

const ts_family ts_family_internvl = { .model_type = "internvl", .architecture = "InternVLForConditionalGeneration",
                                       .rows = none, .read_only = true, .vision = &vision_hf };

/* ---- OpenGVLab's files; the placeholder is told by the tokenizer alone ---- */

static const ts_name_row names_published[] = {
    { .name = "vision_model.class_embedding", .hf_name = "embeddings.class_embedding", .part = TS_PART_ONE },
    { .name = "vision_model.patch_embedding", .hf_name = "embeddings.patch_embedding", .part = TS_PART_PATCH },
    { "vision_model.position_embeddings", "embeddings.position_embedding%", TS_PART_ONE, true },
    { .name = "attention_scale", .hf_name = "encoder.layers.*.ls1" },
    { .name = "mlp_scale", .hf_name = "encoder.layers.*.ls2" },
    { .name = "self_attention.linear_qkv", .hf_name = "encoder.layers.*.attn.qkv", .part = TS_PART_QKV },
    { .name = "self_attention.linear_proj", .hf_name = "encoder.layers.*.attn.proj" },
    { .name = "self_attention.q_layernorm", .hf_name = "encoder.layers.*.attn.q_norm" },
    { .name = "self_attention.k_layernorm", .hf_name = "encoder.layers.*.attn.k_norm" },
    { .name = "mlp.linear_fc1", .hf_name = "encoder.layers.*.mlp.fc1" },
    { .name = "mlp.linear_fc2", .hf_name = "encoder.layers.*.mlp.fc2" },
    { .name = "input_layernorm", .hf_name = "encoder.layers.*.norm1" },
    { .name = "pre_mlp_layernorm", .hf_name = "encoder.layers.*.norm2" },
    { .name = "vision_projection.norm", .hf_name = "0" },
    { .name = "vision_projection.linear_fc1", .hf_name = "1" },
    { .name = "vision_projection.linear_fc2", .hf_name = "3" },
    { 0 },
};
static const ts_family tower_published = { .base = &ts_tower_base, .rows = rows, .names = names_published };

static ts_status read_published(const json_t *config, const json_t *vision, const char *file, ts_arch *a)
{
    const char *version = "v2";
    TS_TRY(read_both(config, vision, file, "select_layer", a));
    TS_TRY(ts_json_text(config, file, "ps_version", version, &version));
    if (strcmp(version, "v2"))
        return ts_error(TS_ERR_USER, "%s: ps_version is \"%.20s\", expected v2", file, version);
    return read_norms(vision, file, "qk_normalization", &a->vision->tower);
}

static const ts_vision_form published[] = { { "language_model.model.", "language_model.", "vision_model.", "mlp1." }, { 0 } };
static const ts_vision_family vision_published = { .text_key = "llm_config", .vision_key = "vision_config",
                                                   .tower = &tower_published, .read = read_published, .form = published,
                                                   .placeholder = "<IMG_CONTEXT>" };

const ts_family ts_family_internvl_chat = { .model_type = "internvl_chat", .architecture = "InternVLChatModel", .rows = none,
                                            .read_only = true, .vision = &vision_published };
