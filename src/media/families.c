#include "media/families.h"

#include <string.h>

#define QWEN_PICTURES                                                                                              \
    .picture_class = "Qwen2VLImageProcessor", .patches = true, .picture_count = TS_COUNT_GRID,                     \
    .clip_count = TS_COUNT_GRID
#define QWEN3 QWEN_PICTURES, .clip_class = "Qwen3VLVideoProcessor", .clip_widening = TS_WIDEN_TIMED, .frames_have_ends = true
#define GLM                                                                                                        \
    .picture_class = "Glm4vImageProcessor", .clip_class = "Glm4vVideoProcessor", .patches = true,                  \
    .picture_count = TS_COUNT_GRID, .clip_count = TS_COUNT_GRID, .clip_widening = TS_WIDEN_TIME_BEHIND

static const ts_media_family families[] = {
    { .model_type = "qwen2_vl", QWEN_PICTURES, .clip_class = "Qwen2VLVideoProcessor" },
    { .model_type = "qwen2_5_vl", QWEN_PICTURES, .clip_class = "Qwen2VLVideoProcessor", .second = TS_SECOND_SAMPLED },
    { .model_type = "qwen3_vl", QWEN3 },
    { .model_type = "qwen3_vl_moe", QWEN3 },
    { .model_type = "glm4v", GLM },
    { .model_type = "glm4v_moe", GLM },
    { .model_type = "qwen2_5_omni", QWEN_PICTURES, .clip_class = "Qwen2VLVideoProcessor", .sound = TS_SOUND_HALVED,
      .own_sound = TS_OWN_SOUND_CHUNKS, .second = TS_SECOND_TWO },
    { .model_type = "qwen3_omni_moe", QWEN_PICTURES, .clip_class = "Qwen2VLVideoProcessor", .sound = TS_SOUND_CHUNKED,
      .own_sound = TS_OWN_SOUND_TIMES, .second = TS_SECOND_ONE },
    { .model_type = "qwen2_audio", .sound = TS_SOUND_HALVED },
    { .model_type = "whisper", .sound = TS_SOUND_WHISPER },
    { .model_type = "internvl", .picture_class = "GotOcr2ImageProcessor", .clip_class = "InternVLVideoProcessor",
      .clips_are_pictures = true, .picture_count = TS_COUNT_TILES, .clip_count = TS_COUNT_TILES,
      .picture_widening = TS_WIDEN_FRAMED, .clip_widening = TS_WIDEN_FRAMES },
    { .model_type = "internvl_chat", .picture_class = "GotOcr2ImageProcessor", .picture_count = TS_COUNT_TILES,
      .picture_widening = TS_WIDEN_FRAMED, .marks_itself = true },
    { .model_type = "llava", .picture_class = "CLIPImageProcessor", .picture_count = TS_COUNT_PLAIN },
    { .model_type = "pllava", .clip_class = "CLIPImageProcessor", .clips_are_pictures = true,
      .clip_count = TS_COUNT_POOLED },
    { .model_type = "llava_next", .picture_class = "LlavaNextImageProcessor", .picture_count = TS_COUNT_ANYRES },
    { .model_type = "unlimited_ocr", .picture_class = "UnlimitedOcrImageProcessor", .picture_count = TS_COUNT_VIEWS,
      .doubles_start = true },
    { .model_type = "clip", .picture_class = "CLIPImageProcessor" },
    { .model_type = "clip_vision_model", .picture_class = "CLIPImageProcessor" },
    { .model_type = "siglip", .picture_class = "SiglipImageProcessor" },
    { .model_type = "siglip_vision_model", .picture_class = "SiglipImageProcessor" },
};

/* PLLaVA calls itself LLaVA; its class has a name of its own. */
static const char *type_of(const json_t *config)
{
    const char *class = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    return class && !strcmp(class, "PllavaForConditionalGeneration") ? "pllava" : json_string_value(json_object_get(config, "model_type"));
}

const ts_media_family *ts_media_family_of(const json_t *config)
{
    const char *type = type_of(config);
    for (size_t i = 0; type && i < sizeof families / sizeof *families; i++)
        if (!strcmp(families[i].model_type, type))
            return &families[i];
    return NULL;
}
