/* LLaVA 1.5: a CLIP tower, whose rows from before its last block an MLP brings to the decoder, of whatever family. */
#include "model/families/families.h"
#include "model/families/vision.h"

#include <string.h>

static const ts_config_row rows[] = {
    TS_COPY("hidden_size", hidden, 768),
    TS_COPY("intermediate_size", ffn, 3072),
    TS_COPY("num_hidden_layers", n_layers, 12),
    TS_COPY("num_attention_heads", n_heads, 12),
    TS_COPY("hidden_act", act, TS_ACT_GELU_QUICK),
    { TS_CONFIG_END },
};

static const ts_name_row names[] = {
    { .name = "vision_model.class_embedding", .hf_name = "embeddings.class_embedding" },
    { .name = "vision_model.patch_embedding", .hf_name = "embeddings.patch_embedding", .part = TS_PART_PATCH },
    { "vision_model.position_embeddings", "embeddings.position_embedding", TS_PART_ALL, true },
    { .name = "vision_model.pre_layernorm", .hf_name = "pre_layrnorm" },
    { "self_attention.linear_qkv", "encoder.layers.*.self_attn.k_proj", TS_PART_K, false },
    { "self_attention.linear_qkv", "encoder.layers.*.self_attn.v_proj", TS_PART_V, false },
    { "self_attention.linear_qkv", "encoder.layers.*.self_attn.q_proj", TS_PART_Q, false },
    { .name = "self_attention.linear_proj", .hf_name = "encoder.layers.*.self_attn.out_proj" },
    { .name = "input_layernorm", .hf_name = "encoder.layers.*.layer_norm1" },
    { .name = "mlp.linear_fc1", .hf_name = "encoder.layers.*.mlp.fc1" },
    { .name = "mlp.linear_fc2", .hf_name = "encoder.layers.*.mlp.fc2" },
    { .name = "pre_mlp_layernorm", .hf_name = "encoder.layers.*.layer_norm2" },
    { .name = "vision_model.decoder.final_layernorm", .hf_name = "post_layernorm" },
    { .name = "vision_projection.linear_fc1", .hf_name = "linear_1" },
    { .name = "vision_projection.linear_fc2", .hf_name = "linear_2" },
    { 0 },
};
static const ts_family tower = { .base = &ts_tower_base, .rows = rows, .names = names };

/* Counted from the end where it is negative; there is one state more than blocks. */
static ts_status read_layer(const json_t *config, const char *file, ts_vision_arch *v)
{
    int64_t at;
    if (json_is_array(json_object_get(config, "vision_feature_layer")))
        return ts_error(TS_ERR_USER, "%s: vision_feature_layer lists several layers, expected one", file);
    TS_TRY(ts_config_int(config, file, "vision_feature_layer", -2, -2, -v->tower.n_layers - 1, v->tower.n_layers, &at));
    v->behind = at < 0 ? v->tower.n_layers + 1 + at : at;
    return TS_OK;
}

static ts_status read(const json_t *config, const json_t *vision, const char *file, ts_arch *a)
{
    ts_vision_arch *v = a->vision;
    const char *strategy = "default", *act = "gelu";
    int64_t side;
    TS_TRY(ts_config_int(vision, file, "num_channels", 3, 3, 1, 16, &v->channels));
    TS_TRY(ts_config_int(vision, file, "patch_size", 32, 32, 1, 1024, &v->patch));
    TS_TRY(ts_config_int(vision, file, "image_size", 224, 224, v->patch, 65536, &side));
    TS_TRY(ts_json_text(config, file, "vision_feature_select_strategy", strategy, &strategy));
    if (strcmp(strategy, "default"))
        return ts_error(TS_ERR_USER, "%s: vision_feature_select_strategy is \"%.40s\", expected default", file, strategy);
    TS_TRY(ts_json_text(config, file, "projector_hidden_act", act, &act));
    if (!ts_config_act_named(act, &v->joint_act))
        return ts_error(TS_ERR_USER, "%s: projector_hidden_act is \"%.40s\", which is no known activation", file, act);
    TS_TRY(ts_json_bool(config, file, "multimodal_projector_bias", true, &v->joint_bias));
    TS_TRY(ts_vision_token(config, file, "image_token_id", "image_token_index", &v->image_token));
    v->side = side / v->patch;
    v->placing = TS_PLACES_TABLE;
    v->places_rows = 1 + v->side * v->side;
    v->has_class = v->pre_norm = v->post_norm = v->post_norm_idle = true;
    v->joint_ffn = a->hidden;
    return read_layer(config, file, v);
}

static const ts_vision_form forms[] = {
    { "language_model.model.", "language_model.", "vision_tower.", "multi_modal_projector." },
    { "language_model.model.", "language_model.", "vision_tower.vision_model.", "multi_modal_projector." },
    { "model.language_model.", "", "model.vision_tower.vision_model.", "model.multi_modal_projector." },
    { "model.language_model.", "", "model.vision_tower.", "model.multi_modal_projector." },
    { 0 },
};
static const ts_vision_family vision = { .text_key = "text_config", .vision_key = "vision_config", .tower = &tower, .read = read,
                                         .form = forms };
static const ts_config_row none[] = { { TS_CONFIG_END } };

const ts_family ts_family_llava = { .model_type = "llava", .architecture = "LlavaForConditionalGeneration", .rows = none,
                                    .read_only = true, .vision = &vision };
