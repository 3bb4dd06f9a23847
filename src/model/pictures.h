/* The pictures of one sequence, made of what transformers' processors give (pixel_values, image_grid_thw, ...), and the
 * positions of its tokens. */
#ifndef TS_MODEL_PICTURES_H
#define TS_MODEL_PICTURES_H
#include "io/safetensors.h"
#include "media/processor.h"
#include "model/tower.h"

/* Media of one kind; n 0: there are none. */
typedef struct ts_seen_media {
    const float *pixels;
    int rank;             /* 2: [patches, values of one], with grids; 4: [n, channels, height, width] */
    int64_t shape[4];
    int64_t n;            /* grids of rank 2 */
    const int64_t *grid;  /* [n, 3] patches along time, height, width */
    const double *seconds; /* [n] of clips: that a step of the grid's time is; NULL: 1 */
    const char *what;     /* for messages: "pixel_values" */
} ts_seen_media;
enum { TS_SEEN_PICTURES, TS_SEEN_CLIPS, TS_SEEN_KINDS };

typedef struct ts_picture_set {
    ts_pictures p;        /* of what follows */
    ts_patch_grid *grid;
    float *pixels;
    int32_t *at, *places; /* places: [3, n] where the model's positions have three parts; else NULL */
    int64_t n, next;      /* tokens of the sequence; position of the token behind it */
} ts_picture_set;

/* Of a sequence whose placeholders are already as many as there are features; where they are not that is TS_ERR_USER, told
 * of `where`. Without any media the set has n 0 and positions alone. */
ts_status ts_picture_set_make(const ts_arch *a, const int32_t *ids, int64_t n, const ts_seen_media seen[TS_SEEN_KINDS], const char *where,
                              ts_picture_set *out) TS_NODISCARD;
/* The same of tensors that `data show --tensors` has written, with `number` and a dot before their names. */
ts_status ts_picture_set_read(const ts_arch *a, const ts_st_file *file, int64_t number, const int32_t *ids, int64_t n,
                              const char *where, ts_picture_set *out) TS_NODISCARD;
/* The same of what a processor has made of the sequence's media. Sounds are TS_ERR_USER. */
ts_status ts_picture_set_of(const ts_arch *a, const ts_media_sample *s, const int32_t *ids, int64_t n, const char *where,
                            ts_picture_set *out) TS_NODISCARD;
void ts_picture_set_deinit(ts_picture_set *s);
#endif
