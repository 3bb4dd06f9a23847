/* Moving pictures, frame by frame, in the order of showing: MP4, Matroska, WebM, AVI, MPEG, GIF, decoded by FFmpeg's
 * libraries. Where the program was built without these, opening is TS_ERR_USER that says so. */
#ifndef TS_MEDIA_CLIP_H
#define TS_MEDIA_CLIP_H
#include "media/picture.h"

typedef struct ts_clip ts_clip;
typedef struct ts_clip_info {
    int64_t frames; /* at least one; counted by decoding */
    double fps;     /* frames by seconds, as the file says on average */
    int64_t width, height;
    bool has_sound;
} ts_clip_info;

/* Whether the program was built to read clips and sounds, and finds FFmpeg's libraries. */
bool ts_clip_is_there(void);
/* Whether there are moving pictures in the file; one that is neither a clip nor a sound is TS_ERR_USER. */
ts_status ts_clip_is(const char *path, bool *out) TS_NODISCARD;
/* What cannot be decoded, has no frames or ends within one is TS_ERR_USER with the path. */
ts_status ts_clip_open(const char *path, ts_clip **out) TS_NODISCARD;
void ts_clip_close(ts_clip **c);
const ts_clip_info *ts_clip_about(const ts_clip *c);
/* Hands over frames index[0..n), which do not fall, each once more where it stands more often; frame is lent until fn
 * returns. A failure of fn ends it. */
ts_status ts_clip_each(ts_clip *c, const int64_t *index, int64_t n,
                       ts_status (*fn)(void *ctx, int64_t i, const ts_picture *frame), void *ctx) TS_NODISCARD;
#endif
