/* In the place of clip.c and sound.c where the program is built without FFmpeg's libraries. */
#include "media/clip.h"
#include "media/sound.h"

static ts_status refuse(const char *path, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: %s are not read: this program was built without FFmpeg's libraries and soxr", path, what);
}

bool ts_clip_is_there(void) { return false; }

ts_status ts_clip_is(const char *path, bool *out)
{
    (void)out;
    return refuse(path, "clips and sounds");
}

ts_status ts_clip_open(const char *path, ts_clip **out)
{
    (void)out;
    return refuse(path, "clips");
}
void ts_clip_close(ts_clip **c) { *c = NULL; }
const ts_clip_info *ts_clip_about(const ts_clip *c)
{
    (void)c;
    static const ts_clip_info none = { 0 };
    return &none;
}
ts_status ts_clip_each(ts_clip *c, const int64_t *index, int64_t n,
                       ts_status (*fn)(void *ctx, int64_t i, const ts_picture *frame), void *ctx)
{
    (void)c, (void)index, (void)n, (void)fn, (void)ctx;
    return refuse("", "clips");
}

void ts_sound_deinit(ts_sound *s) { ts_free(&s->samples); }
ts_status ts_sound_read(const char *path, ts_sound *out)
{
    (void)out;
    return refuse(path, "sounds");
}
