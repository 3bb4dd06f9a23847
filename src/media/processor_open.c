/* A folder's files to what a processor goes by. */
#include "base/file.h"
#include "media/families.h"

#include <string.h>

typedef struct folder {
    const char *path;
    json_t *config, *processor, *image, *video, *tokenizer; /* NULL: there is no such file */
    ts_str name;
    const ts_tokenizer *tok;
} folder;

static ts_status read_file(folder *f, const char *name, json_t **out)
{
    TS_TRY(ts_path_join(&f->name, f->path, name));
    return ts_path_exists(f->name.s) ? ts_json_read(f->name.s, out) : TS_OK;
}

/* The tokenizer's, of which texts alone are read: its model_max_length is often 10^30. */
static ts_status read_tokenizer(folder *f)
{
    ts_str text = { 0 };
    TS_TRY(ts_path_join(&f->name, f->path, "tokenizer_config.json"));
    if (!ts_path_exists(f->name.s))
        return TS_OK;
    ts_status st = ts_file_read(f->name.s, &text);
    if (st == TS_OK)
        st = ts_json_load(ts_str_text(&text), text.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, f->name.s, &f->tokenizer);
    ts_str_deinit(&text);
    return st;
}

static void folder_close(folder *f)
{
    json_decref(f->config);
    json_decref(f->processor);
    json_decref(f->image);
    json_decref(f->video);
    json_decref(f->tokenizer);
    ts_str_deinit(&f->name);
}

static ts_status folder_open(folder *f)
{
    TS_TRY(read_file(f, "config.json", &f->config));
    TS_TRY(read_file(f, "processor_config.json", &f->processor));
    TS_TRY(read_file(f, "preprocessor_config.json", &f->image));
    TS_TRY(read_file(f, "video_preprocessor_config.json", &f->video));
    return read_tokenizer(f);
}

/* A part of processor_config.json, else one of the files as they were before transformers 5; *name is where it is from. */
static const json_t *part(folder *f, const char *key, json_t *const *files, const char *const *names, size_t n,
                          const char **name)
{
    const json_t *o = json_object_get(f->processor, key);
    *name = "processor_config.json";
    for (size_t i = 0; !o && i < n; i++) {
        o = files[i];
        *name = names[i];
    }
    return o;
}

static const json_t *picture_part(folder *f, const char **name)
{
    return part(f, "image_processor", &f->image, (const char *const[]){ "preprocessor_config.json" }, 1, name);
}

/* The file in the folder, for messages, lent until the next call. */
static const char *full(folder *f, const char *name)
{
    return ts_path_join(&f->name, f->path, name) == TS_OK ? f->name.s : name;
}

static ts_status missing(folder *f, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: neither processor_config.json nor preprocessor_config.json says how %s are read",
                    f->path, what);
}

/* ---- OpenGVLab's config.json, which has the tiling ---- */

static ts_status open_gvlab(folder *f, ts_media_processor *p)
{
    int64_t side, patch, least, most;
    bool tiles;
    double ratio;
    const char *name;
    const json_t *vision = json_object_get(f->config, "vision_config"), *image = picture_part(f, &name);
    const char *file = full(f, "config.json");
    TS_TRY(ts_json_int(vision, file, "image_size", 448, 1, 1 << 14, &side));
    TS_TRY(ts_json_int(f->config, file, "force_image_size", side, 1, 1 << 14, &side));
    TS_TRY(ts_json_int(vision, file, "patch_size", 14, 1, 1 << 12, &patch));
    TS_TRY(ts_json_int(f->config, file, "min_dynamic_patch", 1, 1, 4096, &least));
    TS_TRY(ts_json_int(f->config, file, "max_dynamic_patch", 6, 1, 4096, &most));
    TS_TRY(ts_json_bool(f->config, file, "dynamic_image_size", true, &tiles));
    TS_TRY(ts_json_real(f->config, file, "downsample_ratio", 0.5, &ratio));
    json_t *o = json_pack("{s:{s:I,s:I}, s:b, s:I, s:I, s:O*, s:O*, s:O*}", "size", "height", (json_int_t)side, "width",
                          (json_int_t)side, "crop_to_patches", tiles, "min_patches", (json_int_t)least, "max_patches",
                          (json_int_t)most, "use_thumbnail", json_object_get(f->config, "use_thumbnail"), "image_mean",
                          json_object_get(image, "image_mean"), "image_std", json_object_get(image, "image_std"));
    if (!o)
        return ts_error(TS_ERR_NOMEM, "%s: out of memory", file);
    const ts_status st = ts_vision_settings_read(o, file, p->family->picture_class, &p->picture);
    json_decref(o);
    p->per_tile = (int64_t)((double)(side / patch * (side / patch)) * ratio * ratio);
    return st;
}

/* ---- what is counted by ---- */

/* A number that processor_config.json has, else config.json. */
static ts_status number(folder *f, const char *key, int64_t def, int64_t *out)
{
    TS_TRY(ts_json_int(f->config, full(f, "config.json"), key, def, 0, 1 << 20, &def));
    return ts_json_int(f->processor, full(f, "processor_config.json"), key, def, 0, 1 << 20, out);
}

static ts_status read_plain(folder *f, ts_media_processor *p)
{
    const json_t *vision = json_object_get(f->config, "vision_config");
    const char *strategy = NULL, *file = full(f, "config.json");
    int64_t patch;
    TS_TRY(ts_json_int(vision, file, "patch_size", 14, 1, 1 << 12, &patch));
    TS_TRY(ts_json_text(f->config, file, "vision_feature_select_strategy", "default", &strategy));
    TS_TRY(ts_json_text(f->processor, full(f, "processor_config.json"), "vision_feature_select_strategy", strategy, &strategy));
    TS_TRY(number(f, "patch_size", patch, &p->patch));
    const bool drops = !strcmp(strategy, "default"); /* the class's feature, which CLIP has and others have not */
    TS_TRY(number(f, "num_additional_image_tokens", drops ? 1 : 0, &p->beside));
    p->beside -= drops;
    if (!p->patch)
        return ts_error(TS_ERR_USER, "%s: \"patch_size\" must be above 0", full(f, "processor_config.json"));
    return TS_OK;
}

static ts_status read_pooled(folder *f, ts_media_processor *p)
{
    const json_t *shape = json_object_get(f->config, "pooling_shape");
    for (size_t i = 0; i < 3; i++) {
        p->pooled[i] = json_integer_value(json_array_get(shape, i));
        if (p->pooled[i] < 1 || p->pooled[i] > 4096)
            return ts_error(TS_ERR_USER, "%s: \"pooling_shape\" must be three numbers from 1 to 4096", full(f, "config.json"));
    }
    return TS_OK;
}

static ts_status read_counts(folder *f, ts_media_processor *p)
{
    switch (p->family->picture_count) {
    case TS_COUNT_TILES:
        return number(f, "image_seq_length", 256, &p->per_tile);
    case TS_COUNT_PLAIN:
    case TS_COUNT_ANYRES:
        return read_plain(f, p);
    case TS_COUNT_VIEWS:
        TS_TRY(number(f, "patch_size", 16, &p->patch));
        TS_TRY(number(f, "downsample_ratio", 4, &p->down));
        if (!p->patch || !p->down)
            return ts_error(TS_ERR_USER, "%s: \"patch_size\" and \"downsample_ratio\" must be above 0", full(f, "processor_config.json"));
        return TS_OK;
    default:
        return p->family->clip_count == TS_COUNT_POOLED ? read_pooled(f, p) : TS_OK;
    }
}

/* ---- pictures, clips, sounds ---- */

static ts_status read_pictures(folder *f, ts_media_processor *p)
{
    const char *name;
    if (p->family->marks_itself)
        return open_gvlab(f, p);
    const json_t *o = picture_part(f, &name);
    if (!o)
        return missing(f, "pictures");
    TS_TRY(ts_vision_settings_read(o, full(f, name), p->family->picture_class, &p->picture));
    return read_counts(f, p);
}

static ts_status read_clips(folder *f, ts_media_processor *p)
{
    const char *name;
    json_t *files[] = { f->video, f->image };
    const char *const names[] = { "video_preprocessor_config.json", "preprocessor_config.json" };
    const json_t *o = p->family->clip_count == TS_COUNT_POOLED ? picture_part(f, &name)
                                                              : part(f, "video_processor", files, names, 2, &name);
    if (!o)
        return missing(f, "clips");
    TS_TRY(ts_vision_settings_read(o, full(f, name), p->family->clip_class, &p->clip));
    if (p->family->second == TS_SECOND_SAMPLED)
        TS_TRY(ts_json_real(json_object_get(f->config, "vision_config"), full(f, "config.json"), "tokens_per_second", 4,
                            &p->ids_per_second));
    return p->family->picture_class ? TS_OK : read_counts(f, p);
}

static ts_status read_sounds(folder *f, const json_t *thinker, ts_media_processor *p)
{
    const char *name, *file;
    const json_t *o = part(f, "feature_extractor", &f->image, (const char *const[]){ "preprocessor_config.json" }, 1, &name);
    int64_t window;
    double seconds;
    if (!o)
        return missing(f, "sounds");
    TS_TRY(ts_sound_settings_read(o, full(f, name), &p->sound));
    file = full(f, "config.json");
    TS_TRY(ts_json_int(json_object_get(thinker, "audio_config"), file, "n_window", 50, 1, 1 << 16, &window));
    p->sound_chunk = 2 * window;
    const bool is_third = p->family->sound == TS_SOUND_CHUNKED;
    TS_TRY(ts_json_real(thinker, file, "position_id_per_seconds", is_third ? 13 : 25, &p->ids_per_second));
    TS_TRY(ts_json_real(thinker, file, "seconds_per_chunk", 2, &seconds));
    p->chunk_seconds_x1000 = (int64_t)(seconds * 1000);
    return ts_mel_create(&p->sound, &p->mel);
}

/* ---- words ---- */

typedef struct word_row {
    const char *id_keys[2];  /* of config.json */
    const char *text_key;    /* of tokenizer_config.json */
    const char *text;        /* where neither says it, and the tokenizer knows it */
} word_row;

static const word_row words[TS_MEDIA_WORDS] = {
    [TS_WORD_PICTURE] = { { "image_token_id", "image_token_index" }, "image_token", "<image>" },
    [TS_WORD_CLIP] = { { "video_token_id", "video_token_index" }, "video_token", "<video>" },
    [TS_WORD_SOUND] = { { "audio_token_id", "audio_token_index" }, "audio_token", "<|AUDIO|>" },
    [TS_WORD_FEATURE] = { { "image_token_id", "image_token_index" }, "context_image_token", "<IMG_CONTEXT>" },
    [TS_WORD_OPEN] = { { "vision_start_token_id", "image_start_token_id" }, "start_image_token", "<img>" },
    [TS_WORD_CLOSE] = { { "vision_end_token_id", "image_end_token_id" }, "end_image_token", "</img>" },
    [TS_WORD_SOUND_OPEN] = { { "audio_start_token_id", "audio_start_token_index" }, "audio_bos_token", "<|audio_bos|>" },
    [TS_WORD_SOUND_CLOSE] = { { "audio_end_token_id", "audio_end_token_index" }, "audio_eos_token", "<|audio_eos|>" },
};

/* A token's text in tokenizer_config.json: it may be an object, or stand among the extra ones. */
static const char *named_token(const json_t *tokenizer, const char *key)
{
    const json_t *v = json_object_get(tokenizer, key);
    v = v ? v : json_object_get(json_object_get(tokenizer, "extra_special_tokens"), key);
    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

static const char *find_word(const folder *f, const json_t *config, const word_row *w)
{
    for (size_t i = 0; i < 2; i++) {
        const json_t *id = json_object_get(config, w->id_keys[i]);
        const char *token = json_is_integer(id) && f->tok && json_integer_value(id) >= 0 && json_integer_value(id) <= INT32_MAX
                                ? ts_tokenizer_id_token(f->tok, (int32_t)json_integer_value(id))
                                : NULL;
        if (token)
            return token;
    }
    const char *token = named_token(f->tokenizer, w->text_key);
    if (token)
        return token;
    return f->tok && ts_tokenizer_token_id(f->tok, w->text) >= 0 ? w->text : NULL;
}

static ts_status need_word(const ts_media_processor *p, const folder *f, ts_media_word w, bool needed)
{
    if (!needed || p->word[w])
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: neither config.json (\"%s\") nor tokenizer_config.json (\"%s\") names a token of the tokenizer",
                    f->path, words[w].id_keys[0], words[w].text_key);
}

static void find_features(const folder *f, ts_media_processor *p)
{
    for (int k = 0; k < TS_MEDIUM_KINDS; k++) {
        const bool other = k == TS_MEDIUM_PICTURE && p->family->picture_widening == TS_WIDEN_FRAMED;
        const char *word = p->word[other ? (int)TS_WORD_FEATURE : k];
        p->feature_id[k] = word && f->tok ? ts_tokenizer_token_id(f->tok, word) : -1;
    }
}

static ts_status read_words(folder *f, const json_t *thinker, ts_media_processor *p)
{
    const ts_media_family *fam = p->family;
    const bool pooled = fam->clip_count == TS_COUNT_POOLED;
    const bool has[] = { fam->picture_count != TS_COUNT_NONE, fam->clip_class != NULL,
                         fam->sound != TS_SOUND_NONE && fam->sound != TS_SOUND_WHISPER };
    if (!f->tok)
        return TS_OK;
    for (int w = 0; w < TS_MEDIA_WORDS; w++) {
        const char *found = find_word(f, thinker, &words[pooled && w == TS_WORD_CLIP ? TS_WORD_PICTURE : w]);
        if (fam->marks_itself && w == TS_WORD_PICTURE)
            found = "<image>";
        if (found && (w >= TS_MEDIUM_KINDS || has[w]))
            TS_TRY(ts_strdup(found, &p->word[w]));
    }
    for (int k = 0; k < TS_MEDIUM_KINDS; k++)
        TS_TRY(need_word(p, f, (ts_media_word)k, has[k]));
    const bool framed = fam->picture_widening == TS_WIDEN_FRAMED || fam->clip_widening != TS_WIDEN_IDS;
    TS_TRY(need_word(p, f, TS_WORD_FEATURE, fam->picture_widening == TS_WIDEN_FRAMED));
    TS_TRY(need_word(p, f, TS_WORD_OPEN, framed));
    TS_TRY(need_word(p, f, TS_WORD_CLOSE, framed));
    TS_TRY(need_word(p, f, TS_WORD_SOUND_OPEN, fam->own_sound != TS_OWN_SOUND_NONE));
    return need_word(p, f, TS_WORD_SOUND_CLOSE, fam->own_sound != TS_OWN_SOUND_NONE);
}

/* ---- */

static ts_status fill(folder *f, ts_media_processor *p)
{
    const json_t *thinker = json_object_get(f->config, "thinker_config");
    thinker = thinker ? thinker : f->config;
    if (p->family->picture_class)
        TS_TRY(read_pictures(f, p));
    if (p->family->clip_class)
        TS_TRY(read_clips(f, p));
    if (p->family->sound != TS_SOUND_NONE)
        TS_TRY(read_sounds(f, thinker, p));
    ts_levels_init(&p->picture_levels, &p->picture);
    ts_levels_init(&p->clip_levels, &p->clip);
    TS_TRY(read_words(f, thinker, p));
    find_features(f, p);
    return TS_OK;
}

ts_status ts_media_processor_open(const char *path, const ts_tokenizer *tok, ts_media_processor **out)
{
    folder f = { .path = path, .tok = tok };
    ts_media_processor *p = NULL;
    ts_status st = folder_open(&f);
    const ts_media_family *family = st == TS_OK ? ts_media_family_of(f.config) : NULL;
    if (family)
        st = ts_alloc(&p, 1, sizeof *p);
    if (p) {
        p->family = family;
        st = fill(&f, p);
    }
    folder_close(&f);
    if (st == TS_OK)
        *out = p;
    else
        ts_media_processor_close(&p);
    return st;
}

void ts_media_processor_close(ts_media_processor **p)
{
    if (!*p)
        return;
    for (int w = 0; w < TS_MEDIA_WORDS; w++)
        ts_free(&(*p)->word[w]);
    ts_vision_settings_deinit(&(*p)->picture);
    ts_vision_settings_deinit(&(*p)->clip);
    ts_mel_destroy(&(*p)->mel);
    ts_free(p);
}
