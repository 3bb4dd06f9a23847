#include "media/av.h"

#include "media/picture.h"

#include <stdio.h>

/* Containers with the media in them; none that names other files. */
static const char formats[] = "aac,aiff,asf,avi,flac,flv,gif,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,mpegvideo,"
                              "ogg,wav,w64";

static ts_status refuse(const ts_av *a, const char *what, int error)
{
    char why[AV_ERROR_MAX_STRING_SIZE] = "";
    a->call.av_strerror(error, why, sizeof why);
    return ts_error(error == AVERROR(ENOMEM) ? TS_ERR_NOMEM : TS_ERR_USER, "%s: %s: %s", a->path, what, why);
}

int ts_av_find(const ts_av *a, enum AVMediaType type)
{
    const int i = a->call.av_find_best_stream(a->file, type, -1, -1, NULL, 0);
    return i >= 0 && !(a->file->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC) ? i : -1;
}

static ts_status open_file(ts_av *a)
{
    AVDictionary *o = NULL;
    char url[4200];
    const int n = snprintf(url, sizeof url, "file:%s", a->path);
    if (n < 0 || (size_t)n >= sizeof url)
        return ts_error(TS_ERR_USER, "%.64s...: the path is too long", a->path);
    a->call.av_log_set_level(AV_LOG_QUIET);
    int e = a->call.av_dict_set(&o, "protocol_whitelist", "file", 0);
    if (e >= 0)
        e = a->call.av_dict_set(&o, "format_whitelist", formats, 0);
    if (e >= 0)
        e = a->call.avformat_open_input(&a->file, url, NULL, &o);
    a->call.av_dict_free(&o);
    if (e >= 0)
        e = a->call.avformat_find_stream_info(a->file, NULL);
    return e >= 0 ? TS_OK : refuse(a, "cannot be read as a clip or a sound", e);
}

static ts_status open_codec(ts_av *a, enum AVMediaType type)
{
    const int i = ts_av_find(a, type);
    if (i < 0)
        return ts_error(TS_ERR_USER, "%s: there is no %s in it", a->path, type == AVMEDIA_TYPE_VIDEO ? "moving picture" : "sound");
    a->stream = a->file->streams[i];
    const AVCodec *codec = a->call.avcodec_find_decoder(a->stream->codecpar->codec_id);
    if (!codec)
        return ts_error(TS_ERR_USER, "%s: there is no decoder for %s", a->path, a->call.avcodec_get_name(a->stream->codecpar->codec_id));
    a->codec = a->call.avcodec_alloc_context3(codec);
    a->packet = a->call.av_packet_alloc();
    a->frame = a->call.av_frame_alloc();
    if (!a->codec || !a->packet || !a->frame)
        return ts_error(TS_ERR_NOMEM, "%s: out of memory", a->path);
    int e = a->call.avcodec_parameters_to_context(a->codec, a->stream->codecpar);
    a->codec->thread_count = 1;
    a->codec->max_pixels = TS_PICTURE_MAX_PIXELS;
    a->codec->pkt_timebase = a->stream->time_base;
    if (e >= 0)
        e = a->call.avcodec_open2(a->codec, codec, NULL);
    return e >= 0 ? TS_OK : refuse(a, "cannot be decoded", e);
}

ts_status ts_av_open_file(const char *path, ts_av *out)
{
    *out = (ts_av){ .path = path };
    TS_TRY(ts_av_load(&out->call));
    const ts_status st = open_file(out);
    if (st != TS_OK)
        ts_av_close(out);
    return st;
}

ts_status ts_av_open(const char *path, enum AVMediaType type, ts_av *out)
{
    TS_TRY(ts_av_open_file(path, out));
    const ts_status st = open_codec(out, type);
    if (st != TS_OK)
        ts_av_close(out);
    return st;
}

void ts_av_close(ts_av *a)
{
    if (!a->file)
        return;
    a->call.av_frame_free(&a->frame);
    a->call.av_packet_free(&a->packet);
    a->call.avcodec_free_context(&a->codec);
    a->call.avformat_close_input(&a->file);
}

/* Gives the decoder the next packet of the stream, or says that there are no more. */
static ts_status feed(ts_av *a)
{
    int e;
    while ((e = a->call.av_read_frame(a->file, a->packet)) >= 0) {
        const bool is_ours = a->packet->stream_index == a->stream->index;
        if (is_ours)
            e = a->call.avcodec_send_packet(a->codec, a->packet);
        a->call.av_packet_unref(a->packet);
        if (e < 0)
            return refuse(a, "is damaged", e);
        if (is_ours)
            return TS_OK;
    }
    if (e != AVERROR_EOF)
        return refuse(a, "cannot be read to its end", e);
    a->is_drained = true;
    e = a->call.avcodec_send_packet(a->codec, NULL);
    return e >= 0 || e == AVERROR_EOF ? TS_OK : refuse(a, "is damaged", e);
}

ts_status ts_av_next(ts_av *a, AVFrame **out)
{
    for (;;) {
        a->call.av_frame_unref(a->frame);
        const int e = a->call.avcodec_receive_frame(a->codec, a->frame);
        if (e >= 0) {
            *out = a->frame;
            return TS_OK;
        }
        if (e == AVERROR_EOF || (e == AVERROR(EAGAIN) && a->is_drained)) {
            *out = NULL;
            return TS_OK;
        }
        if (e != AVERROR(EAGAIN))
            return refuse(a, "is damaged", e);
        TS_TRY(feed(a));
    }
}
