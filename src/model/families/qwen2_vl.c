/* Qwen 2 VL and 2.5 VL: pictures of any size, rows and columns as a rotation, merged two by two; positions of three parts. */
#include "model/families/families.h"
#include "model/families/vision.h"

static ts_status read_mlp_ratio(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double ratio;
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &ratio));
    a->ffn = (int64_t)((double)a->hidden * ratio);
    return TS_OK;
}

/* What both have: sizes of patches, the rotation, placeholders. Their number of channels has two names. */
static ts_status read_both(const json_t *config, const json_t *vision, const char *file, ts_arch *a)
{
    ts_vision_arch *v = a->vision;
    int64_t channels;
    TS_TRY(ts_config_int(vision, file, "in_chans", 3, 3, 1, 16, &channels));
    TS_TRY(ts_config_int(vision, file, "in_channels", channels, channels, 1, 16, &v->channels));
    TS_TRY(ts_config_int(vision, file, "patch_size", 14, 14, 1, 1024, &v->patch));
    TS_TRY(ts_config_int(vision, file, "temporal_patch_size", 2, 2, 1, 64, &v->frames));
    TS_TRY(ts_config_int(vision, file, "spatial_merge_size", 2, 2, 1, 64, &v->merge));
    TS_TRY(ts_vision_token(config, file, "image_token_id", NULL, &v->image_token));
    TS_TRY(ts_vision_token(config, file, "video_token_id", NULL, &v->video_token));
    TS_TRY(ts_vision_sections(config, "text_config", file, a));
    v->in_blocks = true;
    v->joint_norm = true;
    ts_vision_rotate(v, 10000);
    return TS_OK;
}

static const ts_config_row rows2[] = {
    TS_COPY("embed_dim", hidden, 1280),
    TS_COPY("depth", n_layers, 32),
    TS_COPY("num_heads", n_heads, 16),
    TS_OWN("mlp_ratio", ffn, read_mlp_ratio, NULL, 4),
    TS_FIXED(norm_eps, 1e-6),
    TS_COPY("hidden_act", act, TS_ACT_GELU_QUICK),
    { TS_CONFIG_END },
};

#define JOINT_NAMES                                                                                \
    { .name = "vision_projection.norm", .hf_name = "merger.ln_q" },                                \
    { .name = "vision_projection.linear_fc1", .hf_name = "merger.mlp.0" },                         \
    { .name = "vision_projection.linear_fc2", .hf_name = "merger.mlp.2" }
#define BLOCK_NAMES                                                                                \
    { .name = "vision_model.patch_embedding", .hf_name = "patch_embed.proj", .part = TS_PART_PATCH }, \
    { .name = "input_layernorm", .hf_name = "blocks.*.norm1" },                                    \
    { .name = "pre_mlp_layernorm", .hf_name = "blocks.*.norm2" },                                  \
    { .name = "self_attention.linear_qkv", .hf_name = "blocks.*.attn.qkv", .part = TS_PART_QKV },  \
    { .name = "self_attention.linear_proj", .hf_name = "blocks.*.attn.proj" }

static const ts_name_row names2[] = {
    BLOCK_NAMES,
    { .name = "mlp.linear_fc1", .hf_name = "blocks.*.mlp.fc1" },
    { .name = "mlp.linear_fc2", .hf_name = "blocks.*.mlp.fc2" },
    JOINT_NAMES,
    { 0 },
};
static const ts_family tower2 = { .base = &ts_tower_base, .rows = rows2, .names = names2 };

static const ts_vision_form forms[] = {
    { "model.language_model.", "", "model.visual.", "model.visual." },
    { "model.", "", "visual.", "visual." },
    { 0 },
};
static const ts_vision_family vision2 = { .text = &ts_family_qwen2, .text_key = "text_config", .vision_key = "vision_config",
                                          .tower = &tower2, .read = read_both, .form = forms };
static const ts_config_row none[] = { { TS_CONFIG_END } };

const ts_family ts_family_qwen2_vl = { .model_type = "qwen2_vl", .architecture = "Qwen2VLForConditionalGeneration",
                                       .rows = none, .read_only = true, .vision = &vision2 };

/* ---- 2.5: gated MLPs, and most blocks see windows ---- */

static const ts_config_row rows25[] = {
    TS_COPY("hidden_size", hidden, 3584),
    TS_COPY("intermediate_size", ffn, 3420),
    TS_COPY("depth", n_layers, 32),
    TS_COPY("num_heads", n_heads, 16),
    TS_FIXED(norm, TS_NORM_RMS),
    TS_FIXED(norm_bias, false),
    TS_FIXED(norm_eps, 1e-6),
    TS_FIXED(gated, true),
    TS_COPY("hidden_act", act, TS_ACT_SILU),
    { TS_CONFIG_END },
};

static const ts_name_row names25[] = {
    BLOCK_NAMES,
    { "mlp.linear_fc1", "blocks.*.mlp.gate_proj", TS_PART_GATE, false },
    { "mlp.linear_fc1", "blocks.*.mlp.up_proj", TS_PART_UP, false },
    { .name = "mlp.linear_fc2", .hf_name = "blocks.*.mlp.down_proj" },
    JOINT_NAMES,
    { 0 },
};
static const ts_family tower25 = { .base = &ts_tower_base, .rows = rows25, .names = names25 };

/* Blocks see their window unless fullatt_block_indexes names them. */
static ts_status read_windows(const json_t *vision, const char *file, ts_vision_arch *v)
{
    static const int64_t usual[] = { 7, 15, 23, 31 };
    const json_t *whole = json_object_get(vision, "fullatt_block_indexes");
    int64_t pixels;
    TS_TRY(ts_config_int(vision, file, "window_size", 112, 112, 1, 1 << 20, &pixels));
    v->window = pixels / v->patch / v->merge;
    if (v->window < 1)
        return ts_error(TS_ERR_USER, "%s: window_size is %lld, less than a merged patch of %lld", file, (long long)pixels,
                        (long long)(v->patch * v->merge));
    for (int64_t i = 0; i < v->tower.n_layers; i++)
        v->tower.layer[i].window = 1;
    const size_t n = whole ? json_array_size(whole) : sizeof usual / sizeof *usual;
    for (size_t k = 0; k < n; k++) {
        const int64_t i = whole ? json_integer_value(json_array_get(whole, k)) : usual[k];
        if (i >= 0 && i < v->tower.n_layers)
            v->tower.layer[i].window = 0;
    }
    return TS_OK;
}

static ts_status read25(const json_t *config, const json_t *vision, const char *file, ts_arch *a)
{
    TS_TRY(read_both(config, vision, file, a));
    a->vision->joint_rms = true;
    TS_TRY(ts_config_real(vision, file, "tokens_per_second", 4, 4, &a->vision->per_second));
    return read_windows(vision, file, a->vision);
}

static const ts_vision_family vision25 = { .text = &ts_family_qwen2, .text_key = "text_config", .vision_key = "vision_config",
                                           .tower = &tower25, .read = read25, .form = forms };
const ts_family ts_family_qwen2_5_vl = { .model_type = "qwen2_5_vl", .architecture = "Qwen2_5_VLForConditionalGeneration",
                                         .rows = none, .read_only = true, .vision = &vision25 };
