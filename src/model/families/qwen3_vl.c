/* Qwen 3 VL: learned places beside the rotation, taps from earlier blocks into the decoder's first layers (DeepStack). */
#include "model/families/families.h"
#include "model/families/vision.h"

static const ts_config_row rows[] = {
    TS_COPY("hidden_size", hidden, 1152),
    TS_COPY("intermediate_size", ffn, 4304),
    TS_COPY("depth", n_layers, 27),
    TS_COPY("num_heads", n_heads, 16),
    TS_FIXED(norm_eps, 1e-6),
    TS_COPY("hidden_act", act, TS_ACT_GELU_TANH),
    { TS_CONFIG_END },
};

static const ts_name_row names[] = {
    { .name = "vision_model.patch_embedding", .hf_name = "patch_embed.proj", .part = TS_PART_PATCH },
    { "vision_model.position_embeddings", "pos_embed", TS_PART_ALL, true },
    { .name = "input_layernorm", .hf_name = "blocks.*.norm1" },
    { .name = "pre_mlp_layernorm", .hf_name = "blocks.*.norm2" },
    { .name = "self_attention.linear_qkv", .hf_name = "blocks.*.attn.qkv", .part = TS_PART_QKV },
    { .name = "self_attention.linear_proj", .hf_name = "blocks.*.attn.proj" },
    { .name = "mlp.linear_fc1", .hf_name = "blocks.*.mlp.linear_fc1" },
    { .name = "mlp.linear_fc2", .hf_name = "blocks.*.mlp.linear_fc2" },
    { .name = "vision_projection.norm", .hf_name = "merger.norm" },
    { .name = "vision_projection.linear_fc1", .hf_name = "merger.linear_fc1" },
    { .name = "vision_projection.linear_fc2", .hf_name = "merger.linear_fc2" },
    { .name = "vision_projection.taps.*.norm", .hf_name = "deepstack_merger_list.*.norm", .part = TS_PART_EACH },
    { .name = "vision_projection.taps.*.linear_fc1", .hf_name = "deepstack_merger_list.*.linear_fc1", .part = TS_PART_EACH },
    { .name = "vision_projection.taps.*.linear_fc2", .hf_name = "deepstack_merger_list.*.linear_fc2", .part = TS_PART_EACH },
    { 0 },
};
static const ts_family tower = { .base = &ts_tower_base, .rows = rows, .names = names };

static ts_status read_taps(const json_t *vision, const char *file, ts_vision_arch *v)
{
    const json_t *list = json_object_get(vision, "deepstack_visual_indexes");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *at = json_array_get(list, i);
        if (!json_is_integer(at) || json_integer_value(at) < 0 || json_integer_value(at) >= 52 ||
            json_integer_value(at) >= v->tower.n_layers)
            return ts_error(TS_ERR_USER, "%s: entry %zu of deepstack_visual_indexes is no layer of the vision tower", file, i);
        if (v->taps >> json_integer_value(at))
            return ts_error(TS_ERR_USER, "%s: deepstack_visual_indexes must ascend", file);
        v->taps |= INT64_C(1) << json_integer_value(at);
    }
    return TS_OK;
}

static ts_status read(const json_t *config, const json_t *vision, const char *file, ts_arch *a)
{
    ts_vision_arch *v = a->vision;
    TS_TRY(ts_config_int(vision, file, "in_channels", 3, 3, 1, 16, &v->channels));
    TS_TRY(ts_config_int(vision, file, "patch_size", 16, 16, 1, 1024, &v->patch));
    TS_TRY(ts_config_int(vision, file, "temporal_patch_size", 2, 2, 1, 64, &v->frames));
    TS_TRY(ts_config_int(vision, file, "spatial_merge_size", 2, 2, 1, 64, &v->merge));
    TS_TRY(ts_config_int(vision, file, "num_position_embeddings", 2304, 2304, 1, 1 << 24, &v->places_rows));
    TS_TRY(ts_vision_token(config, file, "image_token_id", NULL, &v->image_token));
    TS_TRY(ts_vision_token(config, file, "video_token_id", NULL, &v->video_token));
    v->turns_mixed = true;
    TS_TRY(ts_vision_sections(config, "text_config", file, a));
    v->in_blocks = v->patch_bias = v->joint_norm = true;
    v->placing = TS_PLACES_BILINEAR;
    ts_vision_rotate(v, 10000);
    return read_taps(vision, file, v);
}

static const ts_vision_form forms[] = {
    { "model.language_model.", "", "model.visual.", "model.visual." },
    { 0 },
};
static const ts_vision_family dense = { .text = &ts_family_qwen3, .text_key = "text_config", .vision_key = "vision_config",
                                        .tower = &tower, .read = read, .form = forms },
                              moe = { .text = &ts_family_qwen3_moe, .text_key = "text_config", .vision_key = "vision_config",
                                      .tower = &tower, .read = read, .form = forms };
static const ts_config_row none[] = { { TS_CONFIG_END } };

const ts_family ts_family_qwen3_vl = { .model_type = "qwen3_vl", .architecture = "Qwen3VLForConditionalGeneration",
                                       .rows = none, .read_only = true, .vision = &dense };
const ts_family ts_family_qwen3_vl_moe = { .model_type = "qwen3_vl_moe", .architecture = "Qwen3VLMoeForConditionalGeneration",
                                           .rows = none, .read_only = true, .vision = &moe };
