#include "media/decoded.h"

#include "base/file.h"
#include "media/clip.h"
#include "media/picture.h"
#include "media/sound.h"

#include <string.h>

const char *ts_medium_word(ts_medium_kind kind)
{
    static const char *const words[TS_MEDIUM_KINDS] = { "image", "video", "audio" };
    return words[kind];
}

void ts_decoded_deinit(ts_decoded *d)
{
    ts_media_tensors_deinit(&d->tensors);
    *d = (ts_decoded){ 0 };
}

/* n rows of 8-bit values of a tensor of its own. */
static ts_status put_bytes(ts_decoded *d, const char *name, int rank, const int64_t *inner, int64_t n, const void *bytes,
                           size_t size)
{
    ts_media_tensor *t = NULL;
    uint8_t *rows = NULL;
    TS_TRY(ts_media_tensors_of(&d->tensors, name, TS_ST_U8, rank, inner, &t));
    TS_TRY(ts_media_tensor_rows(t, n, &rows));
    memcpy(rows, bytes, size);
    return TS_OK;
}

static ts_status take_picture(ts_decoded *d, const ts_picture *p)
{
    const int64_t inner[] = { p->width, 3 };
    d->width = p->width, d->height = p->height;
    return put_bytes(d, "pixels", 3, inner, p->height, p->rgb, (size_t)(3 * p->width * p->height));
}

static ts_status take_frame(void *ctx, int64_t i, const ts_picture *frame)
{
    ts_decoded *d = ctx;
    const int64_t inner[] = { frame->height, frame->width, 3 };
    (void)i;
    return put_bytes(d, "frames", 4, inner, 1, frame->rgb, (size_t)(3 * frame->width * frame->height));
}

static ts_status read_clip(const char *path, ts_decoded *d)
{
    ts_clip *c = NULL;
    int64_t *index = NULL;
    TS_TRY(ts_clip_open(path, &c));
    const ts_clip_info *about = ts_clip_about(c);
    d->width = about->width, d->height = about->height, d->frames = about->frames, d->fps = about->fps;
    ts_status st = ts_alloc(&index, (size_t)d->frames, sizeof *index);
    for (int64_t i = 0; st == TS_OK && i < d->frames; i++)
        index[i] = i;
    if (st == TS_OK)
        st = ts_clip_each(c, index, d->frames, take_frame, d);
    ts_free(&index);
    ts_clip_close(&c);
    return st;
}

static ts_status read_sound(const char *path, ts_decoded *d)
{
    ts_sound s = { 0 };
    ts_media_tensor *t = NULL;
    float *rows = NULL;
    TS_TRY(ts_sound_read(path, &s));
    d->samples = s.n, d->rate = s.file_rate;
    ts_status st = ts_media_tensors_of(&d->tensors, "samples", TS_ST_F32, 1, NULL, &t);
    if (st == TS_OK)
        st = ts_media_tensor_rows(t, s.n, &rows);
    if (st == TS_OK)
        memcpy(rows, s.samples, (size_t)s.n * sizeof *rows);
    ts_sound_deinit(&s);
    return st;
}

/* A picture by its first bytes, else a clip where there are moving pictures, else a sound. */
static ts_status read_as_found(const char *path, ts_decoded *d)
{
    ts_map m;
    ts_picture p = { 0 };
    bool is_moving = false;
    TS_TRY(ts_map_open(path, &m));
    const bool is_picture = ts_picture_is(m.data, m.size);
    ts_status st = is_picture ? ts_picture_decode(m.data, m.size, path, &p) : TS_OK;
    ts_map_close(&m);
    if (st == TS_OK && is_picture)
        st = take_picture(d, &p);
    ts_picture_deinit(&p);
    if (st != TS_OK || is_picture)
        return st;
    TS_TRY(ts_clip_is(path, &is_moving));
    d->kind = is_moving ? TS_MEDIUM_CLIP : TS_MEDIUM_SOUND;
    return is_moving ? read_clip(path, d) : read_sound(path, d);
}

ts_status ts_decoded_read(const char *path, ts_decoded *out)
{
    ts_decoded d = { 0 };
    const ts_status st = read_as_found(path, &d);
    if (st == TS_OK)
        *out = d;
    else
        ts_decoded_deinit(&d);
    return st;
}
