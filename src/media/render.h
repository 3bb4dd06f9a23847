/* Pictures by a plan into the tensors of a sample: levels become numbers, laid out in planes or patches. */
#ifndef TS_MEDIA_RENDER_H
#define TS_MEDIA_RENDER_H
#include "media/plan.h"
#include "media/tensors.h"

/* What a level is read as, a channel each: (level * factor - mean) / std in fp32, step by step as NumPy does it. */
typedef struct ts_levels {
    float of[3][256];
} ts_levels;
void ts_levels_init(ts_levels *l, const ts_vision_settings *v);

/* All views of a picture as planes [3, H, W] behind those that are there: of the tower's tiles into pixel_values_local, of
 * all else into pixel_values. */
ts_status ts_render_planes(const ts_vision_settings *v, const ts_levels *l, const ts_plan *plan, const ts_picture *in,
                           ts_media_tensors *out) TS_NODISCARD;
/* Frame number `frame` of a clip (0, and last, of a picture) as patches of the tensor `name`: view 0 of the plan alone. A
 * group of `temporal` frames is as many rows as the grid has patches, ordered by blocks of merge x merge patches, and in a
 * row by channel, frame, height and width. After the last frame the rest of its group are copies of it. */
ts_status ts_render_patches(const ts_vision_settings *v, const ts_levels *l, const ts_plan *plan, const ts_picture *in,
                            int64_t frame, bool is_last, const char *name, ts_media_tensors *out) TS_NODISCARD;
#endif
