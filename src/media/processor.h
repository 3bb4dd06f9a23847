/* What the towers of a model read, out of pictures, clips and sounds, as the processors of transformers make it; and what
 * stands for each medium in the text. Everything is told by the folder's files (processor_config.json or
 * preprocessor_config.json and video_preprocessor_config.json; OpenGVLab's config.json); what these leave out is what the
 * class that they name has by default.
 *
 * A sample's media are added in the order of its text. Its tensors, under transformers' names:
 *   pixel_values          F32 [patches, 3 * t * p * p] (Qwen, GLM), or [pictures or tiles, 3, H, W]; of InternVL the frames
 *                         of clips too
 *   pixel_values_videos   the same of clips
 *   pixel_values_local    F32 [tiles, 3, h, w]: the tiles of models that have a view of the whole beside them
 *   image_grid_thw, video_grid_thw   I64 [media, 3]: patches along time, height and width
 *   image_sizes           I64 [pictures, 2]: height and width before (LLaVA-NeXT) or after (Pixtral) resizing
 *   input_features        F32 [sounds, bands, frames]: log-mel; feature_attention_mask  I64 [sounds, frames]: 1 of sound */
#ifndef TS_MEDIA_PROCESSOR_H
#define TS_MEDIA_PROCESSOR_H
#include "media/decoded.h"
#include "media/picture.h"
#include "media/sound.h"
#include "text/tokenizer.h"

typedef struct ts_medium {
    ts_medium_kind kind;
    char *name;            /* its path, for messages and for who looks at it */
    int64_t width, height; /* as decoded */
    int64_t tokens;        /* features: ids of the text whose embeddings they take the place of */
    int64_t grid[3];       /* patches along time, height, width, before merging; zeros: the family has no patches here */
    int64_t tiles[2];      /* columns and rows of tiles beside the view of the whole; zeros: none */
    int64_t n_pictures;    /* planes in pixel_values: tiles and views, or frames; 0 of patches */
    int64_t n_frames;      /* of clips: that are read */
    double *times;         /* [n_frames], seconds */
    double seconds;        /* of sounds */
    double second_per_grid; /* of clips: by which a step of the grid's time is one (M-RoPE) */
    bool has_own_sound;    /* a clip whose sound is the sample's next medium and stands among its frames' ids */
    char *text;            /* what its placeholder in a rendered conversation becomes; "" of an own sound */
} ts_medium;

typedef struct ts_media_sample {
    ts_medium *v; /* [n] */
    size_t n, cap;
    ts_media_tensors tensors;
    ts_sound *sounds; /* [n_sounds], until ts_media_finish */
    size_t n_sounds, cap_sounds;
} ts_media_sample;
void ts_media_sample_deinit(ts_media_sample *s);

typedef struct ts_media_processor ts_media_processor;
/* folder: a model's, with config.json. tok: its tokenizer, for the placeholders' texts; borrowed while the processor lives.
 * *out NULL: the folder's model reads no media. Files that cannot be read, settings that are not known or missing are
 * TS_ERR_USER. Only read afterwards: any number of threads may use it. */
ts_status ts_media_processor_open(const char *folder, const ts_tokenizer *tok, ts_media_processor **out) TS_NODISCARD;
void ts_media_processor_close(ts_media_processor **p);
/* Whether the model has media of that kind. */
bool ts_media_processor_reads(const ts_media_processor *p, ts_medium_kind kind);
/* Whether what it reads has a text of its own, not a place in one: Whisper's sounds. */
bool ts_media_is_transcribed(const ts_media_processor *p);
/* Whether the tokenizer's beginning of a text stands before one that the template has begun with it, as where transformers'
 * processor is called with a rendered text. */
bool ts_media_doubles_start(const ts_media_processor *p);
/* How a medium's place is marked in a rendered conversation: a token's text, or NULL: the model has none of the kind. */
const char *ts_media_placeholder(const ts_media_processor *p, ts_medium_kind kind);
/* Whether the placeholder is written by us in the messages (as "<image>\n") since the folder's template knows no media. */
bool ts_media_marks_itself(const ts_media_processor *p);

/* Where a clip comes from: a file, or pictures that are its frames. */
typedef struct ts_clip_source {
    const char *path;          /* NULL: the pictures */
    const char *const *frames; /* [n_frames] paths */
    size_t n_frames;
    bool use_sound; /* its own sound is read too */
} ts_clip_source;

/* Each adds one medium (a clip with its own sound two). Failures name it. */
ts_status ts_media_add_picture(const ts_media_processor *p, const ts_picture *picture, const char *name,
                               ts_media_sample *s) TS_NODISCARD;
ts_status ts_media_add_picture_file(const ts_media_processor *p, const char *path, ts_media_sample *s) TS_NODISCARD;
ts_status ts_media_add_clip(const ts_media_processor *p, const ts_clip_source *clip, ts_media_sample *s) TS_NODISCARD;
/* The samples are taken over. */
ts_status ts_media_add_sound(const ts_media_processor *p, ts_sound *sound, const char *name, ts_media_sample *s) TS_NODISCARD;
ts_status ts_media_add_sound_file(const ts_media_processor *p, const char *path, ts_media_sample *s) TS_NODISCARD;
/* Once all are there: makes the tensors of sounds, which depend on each other's lengths. */
ts_status ts_media_finish(const ts_media_processor *p, ts_media_sample *s) TS_NODISCARD;

/* text with the placeholders of s's media, in order, replaced by what stands for them; mark[n_marks], in order, are places
 * in text and become places in out, which is emptied first. A number of placeholders that is not that of the media is
 * TS_ERR_USER. */
ts_status ts_media_widen(const ts_media_processor *p, const ts_media_sample *s, const char *text, size_t n, size_t *mark,
                         size_t n_marks, ts_str *out) TS_NODISCARD;
#endif
