/* What a processor's files say, by the classes of transformers that they name. */
#ifndef TS_MEDIA_SETTINGS_H
#define TS_MEDIA_SETTINGS_H
#include "base/json.h"
#include "media/resize.h"

/* How a picture becomes the pictures that are read (media/plan.c has each). */
typedef enum ts_plan_rule {
    TS_PLAN_SHORTEST, /* the shorter side to a size, the middle cut out */
    TS_PLAN_EXACT,    /* to a height and a width */
    TS_PLAN_SMART,    /* to multiples of patches, within limits of pixels (Qwen) */
    TS_PLAN_SMART_FRAMES, /* the same with limits that count the frames too */
    TS_PLAN_TILES,    /* a grid of tiles that has its proportions, and the whole (InternVL) */
    TS_PLAN_LOCAL,    /* the same apart: tiles, and the whole on a square (DeepSeek-OCR) */
    TS_PLAN_ANYRES,   /* one of a list of grids, on a ground, and the whole (LLaVA-NeXT) */
} ts_plan_rule;

/* Which frames of a clip are read (media/frames.c). */
typedef enum ts_frame_rule { TS_FRAMES_QWEN2, TS_FRAMES_QWEN3, TS_FRAMES_GLM, TS_FRAMES_INTERNVL } ts_frame_rule;

typedef struct ts_vision_settings {
    ts_plan_rule rule;
    ts_frame_rule frame_rule;
    bool resize, crop, rescale, normalize;
    bool pads;     /* to a square with the mean colour first */
    ts_resample resample;
    int64_t shortest, longest; /* size: edges, or least and most pixels */
    int64_t height, width;     /* size; 0: not given */
    int64_t crop_height, crop_width;
    double factor; /* of rescaling */
    double mean[3], std[3];
    int64_t patch, merge, temporal;
    bool tiles, thumbnail; /* the whole behind tiles */
    int64_t min_tiles, max_tiles, tile;
    int64_t ground[3], max_pad;
    int64_t (*pinpoint)[2]; /* [n_pinpoints] heights and widths */
    size_t n_pinpoints;
    bool samples;
    double fps; /* 0: not given; so the numbers of frames */
    int64_t n_frames, min_frames, max_frames, max_seconds;
    bool is_shifted; /* from the middle of the first stretch */
    double shift;    /* where not: frames */
} ts_vision_settings;
void ts_vision_settings_deinit(ts_vision_settings *v);

/* o: a processor's object; file: its name, for messages. The class is that of o, where it names a known one, else `type`
 * ("Qwen2VLImageProcessor"). */
ts_status ts_vision_settings_read(const json_t *o, const char *file, const char *type, ts_vision_settings *out) TS_NODISCARD;

typedef struct ts_sound_settings {
    int64_t bands, hop, window; /* feature_size, hop_length, n_fft */
    int64_t most;               /* samples of the longest sound: n_samples */
} ts_sound_settings;
ts_status ts_sound_settings_read(const json_t *o, const char *file, ts_sound_settings *out) TS_NODISCARD;
#endif
