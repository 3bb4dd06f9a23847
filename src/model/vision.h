/* What a model sees pictures with, described by its features: a tower of blocks over patches, and a joint that turns its
 * rows into rows of the decoder's stream.
 *
 *   pixels   a row a patch: channels x frames x patch x patch values, as a convolution's weight has them
 *   tower    a linear layer over them, places (a table of learned rows, mixed where the picture has other sizes than the
 *            table, or a rotation by row and column), blocks of the decoder's kind whose rows see all of their frame or of
 *            their window in it
 *   joint    merge x merge rows that are neighbours become one, and an MLP brings it to the decoder's width
 *   stream   these rows stand where the text has placeholders; rows from behind earlier blocks (taps) are added to the
 *            stream behind the decoder's first layers (DeepStack)
 *
 * A family says this in one file (model/families/vision.h); model/tower.h runs it. */
#ifndef TS_MODEL_VISION_H
#define TS_MODEL_VISION_H
#include "model/arch.h"

/* Learned rows of places. */
#define TS_VISION_PLACES(W)                                                                        \
    W(TS_PLACES_NONE, "none")                                                                      \
    W(TS_PLACES_TABLE, "table")       /* one for each patch of a picture of the size that the tower is made for */ \
    W(TS_PLACES_BILINEAR, "bilinear") /* corners on corners (Qwen3-VL) */                          \
    W(TS_PLACES_BICUBIC, "bicubic")   /* centres of patches, beyond the border its nearest row (GLM-4V) */
typedef enum ts_vision_places { TS_VISION_PLACES(TS_CHOICE_VALUE) } ts_vision_places;

#define TS_VISION_JOINTS(W)                                                                        \
    W(TS_JOINT_MLP, "mlp")   /* fc2(act(fc1 x)) */                                                 \
    W(TS_JOINT_GATED, "gated") /* a linear layer, its norm and a GELU, then a gated MLP; rows are merged by a layer of
                                  their own before (GLM-4V) */
typedef enum ts_vision_joint { TS_VISION_JOINTS(TS_CHOICE_VALUE) } ts_vision_joint;

enum { TS_VISION_TAPS = 8 };

/* Our names of what is part of it: these begin those of the tower and of the joint. */
#define TS_TOWER_NAMES "vision_model."
#define TS_JOINT_NAMES "vision_projection."
bool ts_tower_has(const char *parameter);

/* Numbers are rows of ts_vision_rows (model/arch_rows.h) too. */
struct ts_vision_arch {
    char text[32];          /* model_type of the family that says the decoder */
    ts_arch tower;          /* its blocks; a layer with a window sees that of its row alone. It has no words */
    char module[64], output[64]; /* names that ts_family_module has told */
    int64_t form;           /* which of its family's forms the names in files have */
    int64_t channels, frames, patch; /* of a patch: frames together, pixels a side */
    int64_t merge;          /* rows and columns of patches that become one row of the stream */
    int64_t side;           /* patches a side of a picture; 0: any */
    int64_t window;         /* rows and columns, merged, of a window */
    int64_t behind;         /* blocks that the rows of the stream go through: later ones are there and do not run */
    int64_t taps;           /* bit i: rows from behind block i, as far as the decoder has layers */
    bool in_blocks;         /* pixels come with merged patches side by side; else row by row */
    bool patch_bias;
    bool has_class;         /* a row more in each frame, before the others, that the stream does not get */
    bool class_decays;      /* it is no vector in files */
    ts_vision_places placing;
    int64_t places_rows;    /* of their table, the class's among them */
    bool places_stacked;    /* in files as a stack of one matrix */
    bool pre_norm, post_norm; /* before the first block, behind the last */
    bool pre_norm_first;      /* of patches, to which places are added then */
    bool post_norm_idle;      /* it is there and does not run */
    bool post_norm_layer;     /* it is a layer norm, whatever blocks have */
    ts_vision_joint joint;
    bool joint_norm, joint_norm_merged; /* of rows before they are merged, or of merged ones; taps' are of merged ones */
    bool joint_rms;
    double joint_eps;
    bool joint_bias;
    int64_t joint_ffn;
    ts_act joint_act;
    int64_t image_token, video_token; /* placeholders; -1: none */
    int64_t clip_begins, clip_ends;   /* between these two tokens the former stand for clips (GLM-4V); -1: nowhere */
    /* Positions of the decoder have three parts (time, row, column), each of which turns so many of a head's pairs;
     * turns_mixed: the pairs take turns. All 0: positions have one part. */
    int64_t turns_time, turns_row, turns_column;
    bool turns_mixed;
    double per_second;      /* positions of a second of a clip; 0: a step of its grid is one */
};

ts_status ts_vision_create(ts_arch *a) TS_NODISCARD; /* a->vision, of neutral values */
void ts_vision_destroy(ts_vision_arch **v);
ts_status ts_vision_copy(const ts_vision_arch *v, ts_vision_arch **out) TS_NODISCARD; /* NULL of NULL */
bool ts_vision_equal(const ts_vision_arch *a, const ts_vision_arch *b);
/* Refuses what cannot be: TS_ERR_USER naming `file`. */
ts_status ts_vision_check(const ts_arch *a, const char *file) TS_NODISCARD;

static inline int64_t ts_vision_pixels(const ts_vision_arch *v) /* values of a patch */
{
    return v->channels * v->frames * v->patch * v->patch;
}
int64_t ts_vision_taps(const ts_vision_arch *v); /* how many */
static inline bool ts_vision_turns(const ts_vision_arch *v)
{
    return v && v->turns_time + v->turns_row + v->turns_column > 0;
}
#endif
