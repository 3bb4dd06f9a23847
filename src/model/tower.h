/* A vision tower and its joint as modules: pictures in, rows of the decoder's stream out (model/vision.h says which). */
#ifndef TS_MODEL_TOWER_H
#define TS_MODEL_TOWER_H
#include "model/vision.h"
#include "nn/block.h"

/* Patches of a picture, a tile of one, or a clip: t times h rows of w; h and w are multiples of the tower's merge. */
typedef struct ts_patch_grid {
    int64_t t, h, w;
} ts_patch_grid;

/* Those of a pass, on the host; whoever gives them keeps them until the pass is recorded. */
typedef struct ts_pictures {
    int64_t n;
    const ts_patch_grid *picture; /* [n] */
    const float *pixels;       /* [patches, ts_vision_pixels], picture after picture; NULL where nothing is computed */
    const int32_t *at;         /* [rows they become] which rows of the stream they replace */
    /* [3, rows of the stream] time, row and column of each token, for decoders whose positions have three parts; NULL: those
     * of the tokens count for all three */
    const int32_t *places;
} ts_pictures;

/* Rows of the stream that it becomes. */
int64_t ts_patch_rows(const ts_vision_arch *v, const ts_patch_grid *p);
/* Of all of them: their patches, and these rows. */
int64_t ts_pictures_patches(const ts_pictures *p);
int64_t ts_pictures_rows(const ts_vision_arch *v, const ts_pictures *p);

typedef struct ts_joint_layer {
    const ts_vision_arch *v;
    ts_norm_layer norm;        /* over rows before they are merged, or over merged ones */
    bool merged;
    ts_linear merge, proj;     /* GATED: they are there */
    ts_norm_layer proj_norm;
    ts_mlp_layer mlp;
} ts_joint_layer;

typedef struct ts_tower {
    const ts_vision_arch *v;   /* borrowed; NULL: there is no tower */
    ts_dtype compute;
    ts_linear patch, places;   /* places: [hidden, rows of the table] */
    ts_param *class_row;
    ts_norm_layer pre_norm, post_norm;
    ts_block *block;           /* [v->tower.n_layers], the owner's */
    ts_joint_layer joint, tap[TS_VISION_TAPS];
} ts_tower;

/* t->v, t->compute and t->block are there; out: the decoder's width. */
ts_status ts_tower_declare(const ts_declarer *d, ts_tower *t, int64_t out) TS_NODISCARD;

/* Rows for the stream, in the order of p->at of *order [rows], which lasts as long as the tape's records; and of each tap
 * (taps [ts_vision_taps]). */
typedef struct ts_tower_result {
    int64_t rows;
    ts_tensor *x;    /* [rows, out] */
    ts_tensor *tap[TS_VISION_TAPS];
    int32_t *order;  /* [rows] which of p->at each is */
} ts_tower_result;
ts_status ts_tower_forward(ts_tape *tape, const ts_tower *t, const ts_pictures *p, ts_tower_result *out) TS_NODISCARD;

/* ---- for tower.c (vision_places.c): where rows stand ---- */

typedef struct ts_tower_row {
    int32_t pixels;  /* which row of the pictures' pixels; -1: the class's */
    int32_t y, x;    /* of its patch */
    int32_t first, last;             /* rows of its frame */
    int32_t window_first, window_last; /* of its window */
    int32_t picture;
} ts_tower_row;
/* Rows in the order that the tower has them in: those that are merged side by side, those of a window together; order [rows
 * of the stream]: of each merged row, which of its pictures' in reading order it is. */
void ts_tower_rows(const ts_vision_arch *v, const ts_pictures *p, ts_tower_row *row, int32_t *order);
int64_t ts_tower_row_count(const ts_vision_arch *v, const ts_pictures *p);
/* Weights of the table's rows in each row's place: [rows, v->places_rows]. */
void ts_tower_mix(const ts_vision_arch *v, const ts_pictures *p, const ts_tower_row *row, int64_t rows, float *out);
/* Cosines and sines [rows, pairs of a head]: of each row, the first half of the pairs turns by y, the others by x. */
ts_status ts_tower_turns(const ts_vision_arch *v, const ts_tower_row *row, int64_t rows, float *cosines, float *sines) TS_NODISCARD;
/* Of a decoder whose positions have three parts, the same by places [3, rows]. */
ts_status ts_decoder_turns(const ts_arch *a, const int32_t *places, int64_t rows, int64_t seq_len, float *cosines,
                           float *sines) TS_NODISCARD;
#endif
