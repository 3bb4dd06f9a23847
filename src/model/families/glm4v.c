/* GLM-4.1V and 4.5V: RMS norms and gated MLPs, learned places beside the rotation; a convolution merges two by two rows, and a
 * gated MLP brings them to the decoder. */
#include "model/families/families.h"
#include "model/families/vision.h"

static const ts_config_row rows[] = {
    TS_COPY("hidden_size", hidden, 1536),
    TS_COPY("out_hidden_size", ffn, 4096),
    TS_COPY("depth", n_layers, 24),
    TS_COPY("num_heads", n_heads, 12),
    TS_FIXED(norm, TS_NORM_RMS),
    TS_FIXED(norm_bias, false),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_FIXED(gated, true),
    TS_COPY("hidden_act", act, TS_ACT_SILU),
    TS_COPY("attention_bias", bias_qkv, false),
    TS_FIXED(bias_proj, false),
    TS_FIXED(bias_fc1, false),
    TS_FIXED(bias_fc2, false),
    { TS_CONFIG_END },
};

static const ts_name_row names[] = {
    { "vision_model.position_embeddings", "embeddings.position_embedding", TS_PART_ALL, true },
    { .name = "vision_model.patch_embedding", .hf_name = "patch_embed.proj", .part = TS_PART_PATCH },
    { .name = "input_layernorm", .hf_name = "blocks.*.norm1" },
    { .name = "pre_mlp_layernorm", .hf_name = "blocks.*.norm2" },
    { .name = "self_attention.linear_qkv", .hf_name = "blocks.*.attn.qkv", .part = TS_PART_QKV },
    { .name = "self_attention.linear_proj", .hf_name = "blocks.*.attn.proj" },
    { "mlp.linear_fc1", "blocks.*.mlp.gate_proj", TS_PART_GATE, false },
    { "mlp.linear_fc1", "blocks.*.mlp.up_proj", TS_PART_UP, false },
    { .name = "mlp.linear_fc2", .hf_name = "blocks.*.mlp.down_proj" },
    { .name = "vision_projection.proj", .hf_name = "merger.proj" },
    { .name = "vision_projection.proj_norm", .hf_name = "merger.post_projection_norm" },
    { "vision_projection.linear_fc1", "merger.gate_proj", TS_PART_UPPER, false },
    { "vision_projection.linear_fc1", "merger.up_proj", TS_PART_LOWER, false },
    { .name = "vision_projection.linear_fc2", .hf_name = "merger.down_proj" },
    { .name = "vision_model.pre_layernorm", .hf_name = "post_conv_layernorm" },
    { .name = "vision_projection.merge", .hf_name = "downsample", .part = TS_PART_MERGE },
    { .name = "vision_model.decoder.final_layernorm", .hf_name = "post_layernorm" },
    { 0 },
};
static const ts_family tower = { .base = &ts_tower_base, .rows = rows, .names = names };

static ts_status read(const json_t *config, const json_t *vision, const char *file, ts_arch *a)
{
    ts_vision_arch *v = a->vision;
    int64_t side;
    TS_TRY(ts_config_int(vision, file, "in_channels", 3, 3, 1, 16, &v->channels));
    TS_TRY(ts_config_int(vision, file, "patch_size", 14, 14, 1, 1024, &v->patch));
    TS_TRY(ts_config_int(vision, file, "temporal_patch_size", 2, 2, 1, 64, &v->frames));
    TS_TRY(ts_config_int(vision, file, "spatial_merge_size", 2, 2, 1, 64, &v->merge));
    TS_TRY(ts_vision_side(vision, file, "image_size", 336, &side));
    TS_TRY(ts_config_int(vision, file, "intermediate_size", 13696, 13696, 1, TS_ARCH_MAX_WIDTH, &v->joint_ffn));
    TS_TRY(ts_vision_token(config, file, "image_token_id", NULL, &v->image_token));
    TS_TRY(ts_vision_token(config, file, "video_token_id", NULL, &v->video_token));
    TS_TRY(ts_vision_token(config, file, "video_start_token_id", NULL, &v->clip_begins));
    TS_TRY(ts_vision_token(config, file, "video_end_token_id", NULL, &v->clip_ends));
    TS_TRY(ts_vision_sections(config, "text_config", file, a));
    v->places_rows = side / v->patch * (side / v->patch);
    v->placing = TS_PLACES_BICUBIC;
    v->in_blocks = v->patch_bias = v->pre_norm = v->pre_norm_first = v->post_norm = true;
    v->joint = TS_JOINT_GATED;
    v->joint_act = TS_ACT_SILU;
    v->joint_bias = false;
    ts_vision_rotate(v, 10000);
    return TS_OK;
}

static const ts_config_row text_rows[] = { TS_HEAD_DIM(0), { TS_CONFIG_END } };
static const ts_family words = { .model_type = "glm4", .base = &ts_family_glm4, .rows = text_rows },
                       words_moe = { .model_type = "glm4_moe", .base = &ts_family_glm4_moe, .rows = text_rows };

static const ts_vision_form forms[] = { { "model.language_model.", "", "model.visual.", "model.visual." }, { 0 } };
static const ts_vision_family dense = { .text = &words, .text_key = "text_config", .vision_key = "vision_config",
                                        .tower = &tower, .read = read, .form = forms },
                              moe = { .text = &words_moe, .text_key = "text_config", .vision_key = "vision_config",
                                      .tower = &tower, .read = read, .form = forms };
static const ts_config_row none[] = { { TS_CONFIG_END } };

const ts_family ts_family_glm4v = { .model_type = "glm4v", .architecture = "Glm4vForConditionalGeneration", .rows = none,
                                    .read_only = true, .vision = &dense };
const ts_family ts_family_glm4v_moe = { .model_type = "glm4v_moe", .architecture = "Glm4vMoeForConditionalGeneration",
                                        .rows = none, .read_only = true, .vision = &moe };
