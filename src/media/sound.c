#include "media/sound.h"

#include "media/av.h"

#include <soxr.h>
#include <string.h>

void ts_sound_deinit(ts_sound *s)
{
    ts_free(&s->samples);
    *s = (ts_sound){ 0 };
}

/* Sample i of a channel. */
static float sample(const AVFrame *f, enum AVSampleFormat packed, bool planar, int channel, int64_t i)
{
    const uint8_t *p = f->extended_data[planar ? channel : 0];
    const int64_t at = planar ? i : i * f->ch_layout.nb_channels + channel;
    switch (packed) {
    case AV_SAMPLE_FMT_U8:
        return (float)((int)p[at] - 128) / 128;
    case AV_SAMPLE_FMT_S16:
        return (float)((const int16_t *)(const void *)p)[at] / 32768;
    case AV_SAMPLE_FMT_S32:
        return (float)((double)((const int32_t *)(const void *)p)[at] / 2147483648.0);
    case AV_SAMPLE_FMT_FLT:
        return ((const float *)(const void *)p)[at];
    case AV_SAMPLE_FMT_DBL:
        return (float)((const double *)(const void *)p)[at];
    default:
        return 0;
    }
}

static ts_status add_frame(const ts_av *a, const AVFrame *f, ts_sound *s, size_t *cap)
{
    const int channels = f->ch_layout.nb_channels;
    if (channels < 1 || (s->file_rate && f->sample_rate != s->file_rate))
        return ts_error(TS_ERR_USER, "%s: its sound changes within the file", a->path);
    s->file_rate = f->sample_rate;
    const bool planar = a->call.av_sample_fmt_is_planar(f->format);
    const enum AVSampleFormat packed = a->call.av_get_packed_sample_fmt(f->format);
    TS_TRY(ts_grow(&s->samples, cap, (size_t)(s->n + f->nb_samples), sizeof *s->samples));
    for (int64_t i = 0; i < f->nb_samples; i++) {
        float sum = 0;
        for (int c = 0; c < channels; c++)
            sum += sample(f, packed, planar, c, i);
        s->samples[s->n++] = sum / (float)channels;
    }
    return TS_OK;
}

/* Where an Ogg stream ends stands in its last page; the decoder hands out whole blocks. */
static int64_t true_end(const ts_av *a, const ts_sound *s)
{
    const AVStream *t = a->stream;
    const bool says = !strcmp(a->file->iformat->name, "ogg") && t->time_base.num == 1 && t->time_base.den == s->file_rate;
    return says && t->duration > 0 && t->duration < s->n ? t->duration : s->n;
}

static ts_status decode(const char *path, ts_sound *s)
{
    ts_av a;
    AVFrame *f = NULL;
    size_t cap = 0;
    TS_TRY(ts_av_open(path, AVMEDIA_TYPE_AUDIO, &a));
    ts_status st;
    do {
        st = ts_av_next(&a, &f);
        if (st == TS_OK && f)
            st = add_frame(&a, f, s, &cap);
    } while (st == TS_OK && f);
    s->n = true_end(&a, s);
    ts_av_close(&a);
    if (st == TS_OK && (!s->n || s->file_rate <= 0))
        st = ts_error(TS_ERR_USER, "%s: there is no sample of sound in it", path);
    return st;
}

static ts_status resample(const char *path, ts_sound *s)
{
    float *out = NULL;
    size_t done = 0;
    const int64_t rate = s->file_rate, n = (s->n * TS_SOUND_RATE + rate - 1) / rate;
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    const soxr_runtime_spec_t one = soxr_runtime_spec(1);
    TS_TRY(ts_alloc(&out, (size_t)n, sizeof *out));
    const soxr_error_t e = soxr_oneshot((double)rate, TS_SOUND_RATE, 1, s->samples, (size_t)s->n, NULL, out, (size_t)n,
                                        &done, NULL, &quality, &one);
    if (e) {
        ts_free(&out);
        return ts_error(TS_ERR_USER, "%s: cannot be resampled from %lld a second: %s", path, (long long)rate, e);
    }
    ts_free(&s->samples);
    s->samples = out;
    s->n = n;
    return TS_OK;
}

ts_status ts_sound_read(const char *path, ts_sound *out)
{
    ts_sound s = { 0 };
    ts_status st = decode(path, &s);
    if (st == TS_OK && s.file_rate != TS_SOUND_RATE)
        st = resample(path, &s);
    if (st == TS_OK)
        *out = s;
    else
        ts_sound_deinit(&s);
    return st;
}
