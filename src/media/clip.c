#include "media/clip.h"

#include "media/av.h"

struct ts_clip {
    char *path;
    ts_av av;
    ts_clip_info info;
    struct SwsContext *scaler;
    ts_picture frame;
    bool is_fresh; /* nothing was read since the beginning */
};

static ts_status rewind_clip(ts_clip *c)
{
    if (c->is_fresh)
        return TS_OK;
    ts_av_close(&c->av); /* seeking lands beside the first frame in some files; opening does not */
    TS_TRY(ts_av_open(c->path, AVMEDIA_TYPE_VIDEO, &c->av));
    c->is_fresh = true;
    return TS_OK;
}

static ts_status count(ts_clip *c)
{
    AVFrame *f = NULL;
    do {
        c->is_fresh = false;
        TS_TRY(ts_av_next(&c->av, &f));
        if (f && !c->info.frames)
            c->info.width = f->width, c->info.height = f->height;
        c->info.frames += f != NULL;
    } while (f);
    if (!c->info.frames)
        return ts_error(TS_ERR_USER, "%s: there is no frame in it", c->path);
    return TS_OK;
}

bool ts_clip_is_there(void)
{
    ts_av_calls calls;
    return ts_av_load(&calls) == TS_OK;
}

ts_status ts_clip_is(const char *path, bool *out)
{
    ts_av a;
    TS_TRY(ts_av_open_file(path, &a));
    *out = ts_av_find(&a, AVMEDIA_TYPE_VIDEO) >= 0;
    const bool is_sound = ts_av_find(&a, AVMEDIA_TYPE_AUDIO) >= 0;
    ts_av_close(&a);
    return *out || is_sound ? TS_OK : ts_error(TS_ERR_USER, "%s: neither a picture nor a clip nor a sound", path);
}

ts_status ts_clip_open(const char *path, ts_clip **out)
{
    ts_clip *c = NULL;
    TS_TRY(ts_alloc(&c, 1, sizeof *c));
    ts_status st = ts_strdup(path, &c->path);
    if (st == TS_OK)
        st = ts_av_open(c->path, AVMEDIA_TYPE_VIDEO, &c->av);
    if (st == TS_OK) {
        const AVRational r = c->av.stream->avg_frame_rate;
        c->info.fps = r.num > 0 && r.den > 0 ? (double)r.num / (double)r.den : 0;
        c->info.has_sound = ts_av_find(&c->av, AVMEDIA_TYPE_AUDIO) >= 0;
        st = count(c);
    }
    if (st == TS_OK && c->info.fps <= 0)
        st = ts_error(TS_ERR_USER, "%s: the file does not say how many frames a second it has", path);
    if (st == TS_OK)
        *out = c;
    else
        ts_clip_close(&c);
    return st;
}

void ts_clip_close(ts_clip **c)
{
    if (!*c)
        return;
    ts_av_close(&(*c)->av);
    if ((*c)->scaler)
        (*c)->av.call.sws_freeContext((*c)->scaler);
    ts_picture_deinit(&(*c)->frame);
    ts_free(&(*c)->path);
    ts_free(c);
}

const ts_clip_info *ts_clip_about(const ts_clip *c) { return &c->info; }

/* The decoder's frame as RGB. */
static ts_status convert(ts_clip *c, const AVFrame *f)
{
    if (c->frame.width != f->width || c->frame.height != f->height) {
        ts_picture_deinit(&c->frame);
        if (f->width <= 0 || f->height <= 0 || f->width > TS_PICTURE_MAX_PIXELS / f->height)
            return ts_error(TS_ERR_USER, "%s: a frame of %d x %d pixels", c->path, f->width, f->height);
        /* the scaler writes some bytes behind rows of odd widths */
        TS_TRY(ts_alloc(&c->frame.rgb, (size_t)f->width * (size_t)f->height * 3 + 64, 1));
        c->frame.width = f->width, c->frame.height = f->height;
    }
    c->scaler = c->av.call.sws_getCachedContext(c->scaler, f->width, f->height, f->format, f->width, f->height, AV_PIX_FMT_RGB24,
                                     SWS_BILINEAR, NULL, NULL, NULL);
    uint8_t *to[] = { c->frame.rgb };
    const int row[] = { 3 * f->width };
    if (!c->scaler || c->av.call.sws_scale(c->scaler, (const uint8_t *const *)f->data, f->linesize, 0, f->height, to, row) <= 0)
        return ts_error(TS_ERR_USER, "%s: its colours (%d) cannot be read", c->path, f->format);
    return TS_OK;
}

ts_status ts_clip_each(ts_clip *c, const int64_t *index, int64_t n,
                       ts_status (*fn)(void *ctx, int64_t i, const ts_picture *frame), void *ctx)
{
    AVFrame *f = NULL;
    TS_TRY(rewind_clip(c));
    for (int64_t i = 0, at = -1; i < n; i++) {
        for (; at < index[i]; at++) {
            c->is_fresh = false;
            TS_TRY(ts_av_next(&c->av, &f));
            if (!f)
                return ts_error(TS_ERR_USER, "%s: it has %lld frames, not %lld", c->path, (long long)at + 1, (long long)index[i] + 1);
        }
        if (i == 0 || index[i] != index[i - 1])
            TS_TRY(convert(c, f));
        TS_TRY(fn(ctx, i, &c->frame));
    }
    return TS_OK;
}
