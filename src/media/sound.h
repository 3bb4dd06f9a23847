/* Sounds: WAV, FLAC, MP3, OGG and the sound of clips, as one channel of 16000 samples a second. */
#ifndef TS_MEDIA_SOUND_H
#define TS_MEDIA_SOUND_H
#include "base/mem.h"

enum { TS_SOUND_RATE = 16000 };

typedef struct ts_sound {
    float *samples; /* [n], about -1 to 1 */
    int64_t n;
    int64_t file_rate; /* of the file, samples a second */
} ts_sound;
void ts_sound_deinit(ts_sound *s);
/* Channels are averaged; another rate is resampled by soxr's HQ, to ceil(n * 16000 / rate) samples. What cannot be
 * decoded or has no sound is TS_ERR_USER with the path. */
ts_status ts_sound_read(const char *path, ts_sound *out) TS_NODISCARD;
#endif
