/* What the processors of families have in common, as rows: which class reads what, how many ids a medium has, and what its
 * placeholder becomes. */
#ifndef TS_MEDIA_FAMILIES_H
#define TS_MEDIA_FAMILIES_H
#include "media/mel.h"
#include "media/processor.h"
#include "media/render.h"

/* How many features a picture (or a clip) has. */
typedef enum ts_count {
    TS_COUNT_NONE,   /* a tower alone: there is no text */
    TS_COUNT_GRID,   /* patches by merge x merge */
    TS_COUNT_TILES,  /* so many for each picture that is read */
    TS_COUNT_PLAIN,  /* patches of the plane, and what stands beside them (LLaVA) */
    TS_COUNT_ANYRES, /* those of the whole, and those of the tiles without their stripes, a newline a row */
    TS_COUNT_VIEWS,  /* of the whole and of the tiles, a newline a row, one between the two (DeepSeek-OCR) */
    TS_COUNT_POOLED, /* cells that frames are averaged to (PLLaVA) */
} ts_count;

/* What a placeholder becomes: ids of the medium, alone or with text among them. */
typedef enum ts_widening {
    TS_WIDEN_IDS,           /* the placeholder, so many times */
    TS_WIDEN_FRAMED,        /* so many between the tokens that open and close them (InternVL) */
    TS_WIDEN_FRAMES,        /* the same for each frame behind "FrameK: ", a line each (InternVL) */
    TS_WIDEN_TIMED,         /* "<T seconds>", opened, of each group of frames, closed (Qwen3-VL) */
    TS_WIDEN_TIME_BEHIND,   /* opened, of each group of frames, closed, and its whole second (GLM) */
} ts_widening;

typedef enum ts_own_sound { TS_OWN_SOUND_NONE, TS_OWN_SOUND_CHUNKS, TS_OWN_SOUND_TIMES } ts_own_sound;

/* How long sounds are made, and how many ids one has. */
typedef enum ts_sound_rule {
    TS_SOUND_NONE,
    TS_SOUND_WHISPER, /* all as long as the longest that is allowed; no ids in a text */
    TS_SOUND_HALVED,  /* the same with a mask; halved twice (Qwen2-Audio, Qwen2.5-Omni) */
    TS_SOUND_CHUNKED, /* as long as the sample's longest; 13 a chunk of 100 frames (Qwen3-Omni) */
} ts_sound_rule;

/* By what a step of a clip's grid is one of time, where it matters (M-RoPE). */
typedef enum ts_second_rule {
    TS_SECOND_NONE,
    TS_SECOND_SAMPLED, /* as frames were sampled */
    TS_SECOND_TWO,     /* as if there were two a second */
    TS_SECOND_ONE,     /* as if there were one */
} ts_second_rule;

typedef struct ts_media_family {
    const char *model_type;
    const char *picture_class, *clip_class; /* NULL: no such media */
    bool patches;                           /* else planes */
    bool clips_are_pictures;                /* frames stand in pixel_values */
    ts_count picture_count, clip_count;
    ts_widening picture_widening, clip_widening;
    ts_sound_rule sound;
    ts_own_sound own_sound;
    ts_second_rule second;
    bool marks_itself;     /* the template knows no media: "<image>\n" is put into the text */
    bool doubles_start;    /* the tokenizer puts its own beginning before the template's too */
    bool frames_have_ends; /* the placeholder of a clip is replaced with the tokens that open and close it */
} ts_media_family;

/* By config.json; NULL: none of a medium. */
const ts_media_family *ts_media_family_of(const json_t *config);

/* Tokens that stand in texts. */
typedef enum ts_media_word {
    TS_WORD_PICTURE, TS_WORD_CLIP, TS_WORD_SOUND, /* as ts_medium_kind */
    TS_WORD_FEATURE, /* what a picture's placeholder becomes, where that is another token */
    TS_WORD_OPEN, TS_WORD_CLOSE, TS_WORD_SOUND_OPEN, TS_WORD_SOUND_CLOSE,
    TS_MEDIA_WORDS,
} ts_media_word;

struct ts_media_processor {
    const ts_media_family *family;
    char *word[TS_MEDIA_WORDS]; /* NULL: there is none */
    int32_t feature_id[TS_MEDIUM_KINDS]; /* what stands in texts for features of each kind; -1: none */
    ts_vision_settings picture, clip;
    ts_levels picture_levels, clip_levels;
    ts_sound_settings sound;
    ts_mel *mel;
    int64_t per_tile;     /* TS_COUNT_TILES */
    int64_t patch, beside; /* TS_COUNT_PLAIN, _ANYRES, _VIEWS: the tower's patch; further features of a plane */
    int64_t down;          /* TS_COUNT_VIEWS: by which the tower makes a side shorter */
    int64_t pooled[3];
    int64_t chunk_seconds_x1000; /* of a clip with its sound */
    double ids_per_second;       /* positions of a second (M-RoPE), which are ids of sound where there is some */
    int64_t sound_chunk; /* TS_SOUND_CHUNKED: frames */
};

/* media/counts.c */
int64_t ts_media_count(const ts_media_processor *p, const ts_medium *m, const ts_plan *plan);
int64_t ts_media_sound_count(const ts_media_processor *p, int64_t frames);
/* media/widen.c: fills m->text; sound: the clip's own one, or NULL. */
ts_status ts_media_write_text(const ts_media_processor *p, ts_medium *m, const ts_medium *sound) TS_NODISCARD;
#endif
