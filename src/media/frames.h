/* Which frames of a clip a model reads. */
#ifndef TS_MEDIA_FRAMES_H
#define TS_MEDIA_FRAMES_H
#include "media/settings.h"

/* *index [*n], not falling, owned: numbers of frames of a clip of so many at so many a second, by the settings. A clip
 * with fewer than are asked for is TS_ERR_USER, where the model's processor refuses it too. */
ts_status ts_frames_choose(const ts_vision_settings *v, const char *name, int64_t frames, double fps, int64_t **index,
                             int64_t *n) TS_NODISCARD;
#endif
