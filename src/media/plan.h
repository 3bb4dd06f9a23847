/* How a picture becomes those that a tower reads: sizes and places alone, no pixels. */
#ifndef TS_MEDIA_PLAN_H
#define TS_MEDIA_PLAN_H
#include "media/settings.h"

/* The picture, resized, a piece of it cut out, which may reach over its edges onto the ground, and cut into tiles. */
typedef struct ts_view {
    int64_t to_height, to_width;
    int64_t top, left, height, width; /* the piece, in pixels of the resized picture */
    int64_t rows, columns;            /* of tiles, which follow one another row by row */
    uint8_t ground[3];
    bool is_local; /* one of a tower's tiles, apart from the views of the whole */
} ts_view;

enum { TS_PLAN_VIEWS = 2 };
typedef struct ts_plan {
    bool is_squared; /* the picture is first made a square by stripes of `ground` of view 0 */
    ts_view view[TS_PLAN_VIEWS];
    int n; /* views, in the order in which they are read */
} ts_plan;

/* A picture, or the frames of a clip, of width x height. name: for messages; what cannot be resized so is TS_ERR_USER. */
ts_status ts_plan_make(const ts_vision_settings *v, const char *name, int64_t width, int64_t height, int64_t frames,
                       ts_plan *out) TS_NODISCARD;
/* How many pictures a plan makes. */
int64_t ts_plan_pictures(const ts_plan *p);
/* The grid of TS_PLAN_ANYRES for a picture: the height and the width of the list that wastes least. */
const int64_t *ts_plan_pinpoint(const ts_vision_settings *v, int64_t width, int64_t height);
#endif
