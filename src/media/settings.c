#include "media/settings.h"

#include <string.h>

/* What a class has where a file says nothing: the same words as in files. */
typedef struct class {
    const char *type;
    ts_plan_rule rule;
    ts_frame_rule frame_rule;
    const char *defaults;
} class;

#define HALVES "\"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.5, 0.5, 0.5]"

static const class classes[] = {
    { "CLIPImageProcessor", TS_PLAN_SHORTEST, 0,
      "{\"size\": {\"shortest_edge\": 224}, \"crop_size\": 224, \"do_center_crop\": true}" },
    { "CLIPFeatureExtractor", TS_PLAN_SHORTEST, 0,
      "{\"size\": {\"shortest_edge\": 224}, \"crop_size\": 224, \"do_center_crop\": true}" },
    { "LlavaImageProcessor", TS_PLAN_SHORTEST, 0,
      "{\"size\": {\"shortest_edge\": 224}, \"crop_size\": 224, \"do_center_crop\": true}" },
    { "SiglipImageProcessor", TS_PLAN_EXACT, 0, "{\"size\": {\"height\": 224, \"width\": 224}, " HALVES "}" },
    { "LlavaNextImageProcessor", TS_PLAN_ANYRES, 0,
      "{\"size\": {\"shortest_edge\": 224}, \"crop_size\": 224, \"do_center_crop\": true, "
      "\"image_grid_pinpoints\": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]}" },
    { "Qwen2VLImageProcessor", TS_PLAN_SMART, 0,
      "{\"size\": {\"shortest_edge\": 3136, \"longest_edge\": 1003520}, \"patch_size\": 14}" },
    { "Glm4vImageProcessor", TS_PLAN_SMART_FRAMES, 0,
      "{\"size\": {\"shortest_edge\": 12544, \"longest_edge\": 11760000}, \"patch_size\": 14}" },
    { "Qwen2VLVideoProcessor", TS_PLAN_SMART, TS_FRAMES_QWEN2,
      "{\"size\": {\"shortest_edge\": 100352, \"longest_edge\": 602112}, \"patch_size\": 14, \"min_frames\": 4, "
      "\"max_frames\": 768, \"do_sample_frames\": false}" },
    { "Qwen3VLVideoProcessor", TS_PLAN_SMART_FRAMES, TS_FRAMES_QWEN3,
      "{\"size\": {\"shortest_edge\": 131072, \"longest_edge\": 786432}, \"patch_size\": 16, \"min_frames\": 4, "
      "\"max_frames\": 768, \"fps\": 2, " HALVES "}" },
    { "Glm4vVideoProcessor", TS_PLAN_SMART_FRAMES, TS_FRAMES_GLM,
      "{\"size\": {\"shortest_edge\": 12544, \"longest_edge\": 47040000}, \"patch_size\": 14, \"fps\": 2, "
      "\"max_duration\": 300}" },
    { "GotOcr2ImageProcessor", TS_PLAN_TILES, 0,
      "{\"size\": {\"height\": 384, \"width\": 384}, \"crop_to_patches\": false, \"min_patches\": 1, \"max_patches\": 12}" },
    { "InternVLVideoProcessor", TS_PLAN_EXACT, TS_FRAMES_INTERNVL,
      "{\"size\": {\"height\": 384, \"width\": 384}, \"do_sample_frames\": false, \"initial_shift\": true}" },
    { "UnlimitedOcrImageProcessor", TS_PLAN_LOCAL, 0,
      "{\"size\": {\"height\": 1024, \"width\": 1024}, \"crop_to_patches\": true, \"min_patches\": 2, \"max_patches\": 32, "
      "\"tile_size\": 640, \"background_color\": [127, 127, 127], \"maximum_pad_value\": 640, " HALVES "}" },
};

static const char common[] =
    "{\"do_resize\": true, \"do_rescale\": true, \"do_normalize\": true, \"do_center_crop\": false, \"do_pad\": false, "
    "\"use_thumbnail\": true, "
    "\"resample\": 3, \"rescale_factor\": 0.00392156862745098, \"do_sample_frames\": true, "
    "\"image_mean\": [0.48145466, 0.4578275, 0.40821073], \"image_std\": [0.26862954, 0.26130258, 0.27577711], "
    "\"merge_size\": 2, \"temporal_patch_size\": 2}";

/* A file, and behind it what its class and then all classes have. */
typedef struct source {
    const json_t *o;
    json_t *of_class, *of_all;
    const char *file;
} source;

/* The value of a key; null counts as not given, as in transformers. */
static const json_t *get(const source *s, const char *key)
{
    const json_t *const in[] = { s->o, s->of_class, s->of_all };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        const json_t *v = json_object_get(in[i], key);
        if (v && !json_is_null(v))
            return v;
    }
    return NULL;
}

static ts_status wrong(const source *s, const char *key, const char *expected)
{
    return ts_error(TS_ERR_USER, "%s: \"%s\" must be %s", s->file, key, expected);
}

static ts_status get_flag(const source *s, const char *key, bool *out)
{
    const json_t *v = get(s, key);
    if (v && !json_is_boolean(v))
        return wrong(s, key, "true or false");
    *out = json_is_true(v);
    return TS_OK;
}

enum { LARGE = 1 << 30 };

static ts_status whole(const source *s, const char *key, const json_t *v, int64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > LARGE)
        return wrong(s, key, "a whole number from 0 to 2^30");
    *out = json_integer_value(v);
    return TS_OK;
}

/* 0 where it is not given. */
static ts_status get_whole(const source *s, const char *key, int64_t *out)
{
    const json_t *v = get(s, key);
    *out = 0;
    return v ? whole(s, key, v, out) : TS_OK;
}

static ts_status get_real(const source *s, const char *key, double *out)
{
    const json_t *v = get(s, key);
    *out = 0;
    if (v && (!json_is_number(v) || json_number_value(v) < 0))
        return wrong(s, key, "a number that is not negative");
    *out = v ? json_number_value(v) : 0;
    return TS_OK;
}

/* Three numbers, or one for all. */
static ts_status get_colour(const source *s, const char *key, double *out)
{
    const json_t *v = get(s, key);
    for (size_t c = 0; c < 3; c++) {
        const json_t *x = json_is_array(v) ? json_array_get(v, c) : v;
        if (v && !json_is_number(x))
            return wrong(s, key, "three numbers");
        out[c] = json_number_value(x);
    }
    return TS_OK;
}

/* An entry of a size's object; 0: not given. */
static ts_status entry(const source *s, const char *key, const json_t *size, const char *name, int64_t *out)
{
    const json_t *v = json_object_get(size, name);
    *out = 0;
    return v && !json_is_null(v) ? whole(s, key, v, out) : TS_OK;
}

/* A number stands for the shorter side where that is the rule, else for both. */
static ts_status read_size(const source *s, ts_vision_settings *v)
{
    const json_t *size = get(s, "size");
    int64_t least, most;
    if (json_is_integer(size)) {
        TS_TRY(whole(s, "size", size, &v->shortest));
        v->height = v->width = v->rule == TS_PLAN_EXACT || v->rule == TS_PLAN_TILES ? v->shortest : 0;
        return TS_OK;
    }
    if (!json_is_object(size))
        return wrong(s, "size", "an object with shortest_edge, or height and width");
    TS_TRY(entry(s, "size", size, "shortest_edge", &v->shortest));
    TS_TRY(entry(s, "size", size, "longest_edge", &v->longest));
    TS_TRY(entry(s, "size", size, "height", &v->height));
    TS_TRY(entry(s, "size", size, "width", &v->width));
    /* as published before transformers 5 */
    TS_TRY(get_whole(s, "min_pixels", &least));
    TS_TRY(get_whole(s, "max_pixels", &most));
    v->shortest = least ? least : v->shortest;
    v->longest = most ? most : v->longest;
    return TS_OK;
}

static ts_status read_crop(const source *s, ts_vision_settings *v)
{
    const json_t *size = get(s, "crop_size");
    if (!size)
        return TS_OK;
    if (json_is_integer(size)) {
        TS_TRY(whole(s, "crop_size", size, &v->crop_height));
        v->crop_width = v->crop_height;
        return TS_OK;
    }
    TS_TRY(entry(s, "crop_size", size, "height", &v->crop_height));
    return entry(s, "crop_size", size, "width", &v->crop_width);
}

static ts_status read_pinpoints(const source *s, ts_vision_settings *v)
{
    const json_t *list = get(s, "image_grid_pinpoints");
    const size_t n = json_array_size(list);
    if (!list)
        return TS_OK;
    TS_TRY(ts_alloc(&v->pinpoint, n, sizeof *v->pinpoint));
    for (v->n_pinpoints = 0; v->n_pinpoints < n; v->n_pinpoints++)
        for (size_t i = 0; i < 2; i++) {
            const json_t *at = json_array_get(json_array_get(list, v->n_pinpoints), i);
            int64_t *to = &v->pinpoint[v->n_pinpoints][i];
            TS_TRY(whole(s, "image_grid_pinpoints", at, to));
            if (!*to)
                return wrong(s, "image_grid_pinpoints", "pairs of heights and widths above 0");
        }
    return n ? TS_OK : wrong(s, "image_grid_pinpoints", "a list of heights and widths");
}

static ts_status read_flags(const source *s, ts_vision_settings *v)
{
    TS_TRY(get_flag(s, "do_resize", &v->resize));
    TS_TRY(get_flag(s, "do_center_crop", &v->crop));
    TS_TRY(get_flag(s, "do_rescale", &v->rescale));
    TS_TRY(get_flag(s, "do_normalize", &v->normalize));
    TS_TRY(get_flag(s, "do_pad", &v->pads));
    TS_TRY(get_flag(s, "crop_to_patches", &v->tiles));
    TS_TRY(get_flag(s, "use_thumbnail", &v->thumbnail));
    return get_flag(s, "do_sample_frames", &v->samples);
}

static ts_status read_frames(const source *s, ts_vision_settings *v)
{
    const json_t *shift = get(s, "initial_shift");
    TS_TRY(get_real(s, "fps", &v->fps));
    TS_TRY(get_whole(s, "num_frames", &v->n_frames));
    TS_TRY(get_whole(s, "min_frames", &v->min_frames));
    TS_TRY(get_whole(s, "max_frames", &v->max_frames));
    TS_TRY(get_whole(s, "max_duration", &v->max_seconds));
    v->is_shifted = json_is_true(shift);
    v->shift = json_is_number(shift) ? json_number_value(shift) : 0;
    return TS_OK;
}

static ts_status read_numbers(const source *s, ts_vision_settings *v)
{
    int64_t how;
    double ground[3];
    TS_TRY(get_whole(s, "resample", &how));
    if (how >= TS_RESAMPLES)
        return wrong(s, "resample", "one of Pillow's filters, 0 to 5");
    v->resample = (ts_resample)how;
    TS_TRY(get_real(s, "rescale_factor", &v->factor));
    TS_TRY(get_colour(s, "image_mean", v->mean));
    TS_TRY(get_colour(s, "image_std", v->std));
    TS_TRY(get_whole(s, "patch_size", &v->patch));
    TS_TRY(get_whole(s, "merge_size", &v->merge));
    TS_TRY(get_whole(s, "temporal_patch_size", &v->temporal));
    TS_TRY(get_whole(s, "min_patches", &v->min_tiles));
    TS_TRY(get_whole(s, "max_patches", &v->max_tiles));
    TS_TRY(get_whole(s, "tile_size", &v->tile));
    TS_TRY(get_whole(s, "maximum_pad_value", &v->max_pad));
    TS_TRY(get_colour(s, "background_color", ground));
    for (int c = 0; c < 3; c++) {
        v->ground[c] = (int64_t)ground[c];
        if (v->normalize && v->std[c] <= 0)
            return wrong(s, "image_std", "three numbers above 0");
    }
    return TS_OK;
}

/* What the rule divides by or counts with must be there. */
static ts_status check(const source *s, const ts_vision_settings *v)
{
    const bool smart = v->rule == TS_PLAN_SMART || v->rule == TS_PLAN_SMART_FRAMES;
    if (smart && (!v->patch || !v->merge || !v->temporal || v->patch > 4096 || v->merge > 64 || v->temporal > 64))
        return wrong(s, "patch_size", "above 0, and so \"merge_size\" and \"temporal_patch_size\"");
    if (smart && v->resize && (!v->shortest || !v->longest))
        return wrong(s, "size", "an object with shortest_edge and longest_edge, the least and the most pixels");
    if ((v->rule == TS_PLAN_EXACT || v->rule == TS_PLAN_TILES || v->rule == TS_PLAN_LOCAL) && (!v->height || !v->width))
        return wrong(s, "size", "an object with height and width above 0");
    if ((v->rule == TS_PLAN_SHORTEST || v->rule == TS_PLAN_ANYRES) && v->resize && !v->shortest && !v->height)
        return wrong(s, "size", "an object with shortest_edge, or height and width");
    if (v->crop && (!v->crop_height || !v->crop_width))
        return wrong(s, "crop_size", "a number or an object with height and width above 0");
    if (v->tiles && (!v->max_tiles || v->max_tiles > 4096))
        return wrong(s, "max_patches", "from 1 to 4096");
    if (v->rule == TS_PLAN_LOCAL && !v->tile)
        return wrong(s, "tile_size", "above 0");
    return v->rule == TS_PLAN_ANYRES && !v->n_pinpoints ? wrong(s, "image_grid_pinpoints", "given") : TS_OK;
}

/* A class by its name, with what transformers puts behind it for a back end left away. */
static const class *find_class(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    if (n > 4 && !strcmp(name + n - 4, "Fast"))
        n -= 4;
    else if (n > 3 && !strcmp(name + n - 3, "Pil"))
        n -= 3;
    for (size_t i = 0; n && i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].type) == n && !memcmp(classes[i].type, name, n))
            return &classes[i];
    return NULL;
}

static const class *class_of(const json_t *o, const char *type)
{
    static const char *const keys[] = { "video_processor_type", "image_processor_type", "feature_extractor_type" };
    const class *fallback = find_class(type);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const class *c = find_class(json_string_value(json_object_get(o, keys[i])));
        /* an old file for pictures is read for clips too, by the clips' class */
        if (c && fallback && (strstr(c->type, "Video") != NULL) == (strstr(fallback->type, "Video") != NULL))
            return c;
    }
    return fallback;
}

void ts_vision_settings_deinit(ts_vision_settings *v) { ts_free(&v->pinpoint); }

ts_status ts_vision_settings_read(const json_t *o, const char *file, const char *type, ts_vision_settings *out)
{
    const class *c = class_of(o, type);
    TS_ASSERT(c, "no class %s", type);
    source s = { .o = o, .file = file };
    ts_vision_settings v = { .rule = c->rule, .frame_rule = c->frame_rule };
    ts_status st = ts_json_parse(c->defaults, strlen(c->defaults), c->type, &s.of_class);
    if (st == TS_OK)
        st = ts_json_parse(common, sizeof common - 1, "defaults", &s.of_all);
    if (st == TS_OK)
        st = read_flags(&s, &v);
    if (st == TS_OK)
        st = read_numbers(&s, &v);
    if (st == TS_OK)
        st = read_size(&s, &v);
    if (st == TS_OK)
        st = read_crop(&s, &v);
    if (st == TS_OK)
        st = read_pinpoints(&s, &v);
    if (st == TS_OK)
        st = read_frames(&s, &v);
    if (st == TS_OK)
        st = check(&s, &v);
    json_decref(s.of_class);
    json_decref(s.of_all);
    if (st == TS_OK)
        *out = v;
    else
        ts_vision_settings_deinit(&v);
    return st;
}

ts_status ts_sound_settings_read(const json_t *o, const char *file, ts_sound_settings *out)
{
    int64_t seconds, rate;
    TS_TRY(ts_json_int(o, file, "feature_size", 80, 1, 512, &out->bands));
    TS_TRY(ts_json_int(o, file, "hop_length", 160, 1, 4096, &out->hop));
    TS_TRY(ts_json_int(o, file, "n_fft", 400, 4, 4096, &out->window));
    TS_TRY(ts_json_int(o, file, "chunk_length", 30, 1, 3600, &seconds));
    TS_TRY(ts_json_int(o, file, "sampling_rate", 16000, 1, 1 << 20, &rate));
    if (rate != 16000)
        return ts_error(TS_ERR_USER, "%s: \"sampling_rate\" is %lld; sounds are read at 16000", file, (long long)rate);
    return ts_json_int(o, file, "n_samples", seconds * rate, 1, 1 << 30, &out->most);
}
