/* One file of a medium, told by its content and decoded whole: what `data show --media` looks at. */
#ifndef TS_MEDIA_DECODED_H
#define TS_MEDIA_DECODED_H
#include "media/tensors.h"

typedef enum ts_medium_kind { TS_MEDIUM_PICTURE, TS_MEDIUM_CLIP, TS_MEDIUM_SOUND, TS_MEDIUM_KINDS } ts_medium_kind;
const char *ts_medium_word(ts_medium_kind kind); /* "image", "video", "audio" */

typedef struct ts_decoded {
    ts_medium_kind kind;
    int64_t width, height; /* of pictures and clips */
    int64_t frames;        /* of clips */
    double fps;
    int64_t samples, rate; /* of sounds: as decoded, and of the file */
    /* "pixels" U8 [H, W, 3], "frames" U8 [N, H, W, 3] or "samples" F32 [n] */
    ts_media_tensors tensors;
} ts_decoded;
void ts_decoded_deinit(ts_decoded *d);
/* Failures are those of picture.h, clip.h and sound.h. */
ts_status ts_decoded_read(const char *path, ts_decoded *out) TS_NODISCARD;
#endif
