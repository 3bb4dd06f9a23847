/* Log-mel spectra as Whisper has them: log10 of the power in bands of Slaney's scale, cut at 8 below the largest, plus 4,
 * divided by 4. */
#ifndef TS_MEDIA_MEL_H
#define TS_MEDIA_MEL_H
#include "media/settings.h"

typedef struct ts_mel ts_mel;
ts_status ts_mel_create(const ts_sound_settings *o, ts_mel **out) TS_NODISCARD;
void ts_mel_destroy(ts_mel **m);
/* Frames of a sound of so many samples: one a hop, without the last. */
int64_t ts_mel_frames(const ts_mel *m, int64_t samples);
/* samples [n], as if silence followed up to `padded` of them (at least half a window); out [bands, ts_mel_frames(padded)]. */
ts_status ts_mel_run(const ts_mel *m, const float *samples, int64_t n, int64_t padded, float *out) TS_NODISCARD;
#endif
