#include "media/frames.h"

#include <math.h>

typedef struct chosen {
    const char *name;
    int64_t frames; /* of the clip */
    double fps;
    int64_t *v, n;
} chosen;

static ts_status reserve(chosen *c, int64_t n)
{
    c->n = n;
    return ts_alloc(&c->v, (size_t)n, sizeof *c->v);
}

static int64_t within(double at, const chosen *c)
{
    return at < 0 ? 0 : at >= (double)c->frames ? c->frames - 1 : (int64_t)at;
}

static ts_status too_few(const chosen *c, int64_t n)
{
    return ts_error(TS_ERR_USER, "%s: it has %lld frames, and %lld are to be read of it", c->name, (long long)c->frames,
                    (long long)n);
}

/* Every frame. */
static ts_status all(chosen *c)
{
    TS_TRY(reserve(c, c->frames));
    for (int64_t i = 0; i < c->n; i++)
        c->v[i] = i;
    return TS_OK;
}

/* From `shift` on, n to the clip, in the numbers of fp32 in which transformers counts them. */
static ts_status evenly(chosen *c, double shift, double n)
{
    const double step = (double)c->frames / n;
    if (n < 1)
        return ts_error(TS_ERR_USER, "%s: no frame of it is to be read", c->name);
    TS_TRY(reserve(c, (int64_t)ceil(((double)c->frames - shift) / step)));
    for (int64_t i = 0; i < c->n; i++)
        c->v[i] = within((double)(float)(shift + (double)i * step), c);
    return TS_OK;
}

static ts_status qwen2(const ts_vision_settings *v, chosen *c)
{
    const double unit = (double)v->temporal, frames = (double)c->frames;
    double n;
    if (v->n_frames)
        n = rint((double)v->n_frames / unit) * unit;
    else if (v->fps > 0) {
        const double limit = floor(fmin((double)v->max_frames, frames) / unit) * unit;
        n = fmin(fmin(fmax(frames / c->fps * v->fps, (double)v->min_frames), limit), frames);
        n = floor(n / unit) * unit;
    } else
        return all(c);
    if (n > frames || n < 1)
        return too_few(c, n < 1 ? v->temporal : (int64_t)n);
    return evenly(c, 0, n);
}

static ts_status qwen3(const ts_vision_settings *v, chosen *c)
{
    int64_t n = v->n_frames;
    if (!n && v->fps > 0) {
        n = (int64_t)((double)c->frames / c->fps * v->fps);
        n = n > v->min_frames ? n : v->min_frames;
        n = n < v->max_frames ? n : v->max_frames;
        n = n < c->frames ? n : c->frames;
    } else if (!n) {
        n = c->frames > v->min_frames ? c->frames : v->min_frames;
        n = n < v->max_frames ? n : v->max_frames;
    }
    TS_TRY(reserve(c, n));
    const double last = (double)(c->frames - 1), step = n > 1 ? last / (double)(n - 1) : 0;
    for (int64_t i = 0; i < n; i++)
        c->v[i] = within(rint(i && i == n - 1 ? last : (double)i * step), c);
    return TS_OK;
}

/* At whole steps of time; each frame once, and an even number of them. */
static ts_status glm(const ts_vision_settings *v, chosen *c)
{
    const double fps = v->fps > 0 ? v->fps : 2, limit = (double)v->max_seconds;
    const double seconds = (double)c->frames / c->fps;
    const bool is_long = seconds > limit;
    int64_t n = (int64_t)floor((is_long ? limit : seconds) * fps), kept = 0;
    n = n < 1 ? 1 : n;
    if (is_long && n >= c->frames)
        n = c->frames;
    TS_TRY(reserve(c, n + 1));
    for (int64_t i = 0; i < n; i++) {
        const double at = is_long ? (n > 1 ? seconds * (double)i / (double)(n - 1) : 0) * c->fps : (double)i * c->fps / fps;
        const int64_t index = is_long && n == c->frames ? i : within(ceil(at), c);
        if (!kept || index != c->v[kept - 1])
            c->v[kept++] = index;
    }
    if (kept % 2) {
        c->v[kept] = c->v[kept - 1];
        kept++;
    }
    c->n = kept;
    return TS_OK;
}

static ts_status internvl(const ts_vision_settings *v, chosen *c)
{
    int64_t n = v->n_frames;
    if (!n && v->fps > 0)
        n = (int64_t)((double)c->frames / c->fps * v->fps);
    if (n < 1 || n > c->frames)
        return too_few(c, n);
    return evenly(c, v->is_shifted ? (double)c->frames / (double)n / 2 : v->shift, (double)n);
}

ts_status ts_frames_choose(const ts_vision_settings *v, const char *name, int64_t frames, double fps, int64_t **index,
                             int64_t *n)
{
    static ts_status (*const rules[])(const ts_vision_settings *, chosen *) = {
        [TS_FRAMES_QWEN2] = qwen2, [TS_FRAMES_QWEN3] = qwen3, [TS_FRAMES_GLM] = glm, [TS_FRAMES_INTERNVL] = internvl,
    };
    chosen c = { .name = name, .frames = frames, .fps = fps };
    const ts_status st = v->samples ? rules[v->frame_rule](v, &c) : all(&c);
    if (st != TS_OK) {
        ts_free(&c.v);
        return st;
    }
    *index = c.v;
    *n = c.n;
    return TS_OK;
}
