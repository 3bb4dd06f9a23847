/* One stream of a file through FFmpeg's libraries. They draw in more than a hundred others, so the program is not linked to
 * them: they are loaded when the first clip or sound is opened, in the version that it was built with. */
#ifndef TS_MEDIA_AV_H
#define TS_MEDIA_AV_H
#include "base/mem.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>

/* What is called of them. */
#define TS_AV_UTIL(W)                                                                                              \
    W(av_dict_free) W(av_dict_set) W(av_frame_alloc) W(av_frame_free) W(av_frame_unref)                            \
    W(av_get_packed_sample_fmt) W(av_log_set_level) W(av_sample_fmt_is_planar) W(av_strerror)
#define TS_AV_CODEC(W)                                                                                             \
    W(av_packet_alloc) W(av_packet_free) W(av_packet_unref) W(avcodec_alloc_context3) W(avcodec_find_decoder)      \
    W(avcodec_free_context) W(avcodec_get_name) W(avcodec_open2) W(avcodec_parameters_to_context)                  \
    W(avcodec_receive_frame) W(avcodec_send_packet)
#define TS_AV_FORMAT(W)                                                                                            \
    W(av_find_best_stream) W(av_read_frame) W(avformat_close_input) W(avformat_find_stream_info) W(avformat_open_input)
#define TS_AV_SCALE(W) W(sws_freeContext) W(sws_getCachedContext) W(sws_scale)
#define TS_AV_FIELD(name) __typeof__(&(name)) name;
typedef struct ts_av_calls {
    TS_AV_UTIL(TS_AV_FIELD)
    TS_AV_CODEC(TS_AV_FIELD)
    TS_AV_FORMAT(TS_AV_FIELD)
    TS_AV_SCALE(TS_AV_FIELD)
} ts_av_calls;
/* Libraries that are not there are TS_ERR_USER that names the packages. */
ts_status ts_av_load(ts_av_calls *out) TS_NODISCARD;

typedef struct ts_av {
    ts_av_calls call;
    const char *path; /* borrowed, for messages */
    AVFormatContext *file;
    AVCodecContext *codec;
    AVStream *stream;
    AVPacket *packet;
    AVFrame *frame;
    bool is_drained;
} ts_av;

/* type: whose best stream is opened; a still picture that goes with a sound does not count. Nothing but the file itself
 * is read, whatever it names. A file without such a stream is TS_ERR_USER. */
ts_status ts_av_open(const char *path, enum AVMediaType type, ts_av *out) TS_NODISCARD;
void ts_av_close(ts_av *a);
/* The next frame, lent until the next call; NULL at the end. */
ts_status ts_av_next(ts_av *a, AVFrame **out) TS_NODISCARD;
/* The file alone, without a stream: to ask what there is. */
ts_status ts_av_open_file(const char *path, ts_av *out) TS_NODISCARD;
/* The stream of that type that would be opened; -1: there is none. */
int ts_av_find(const ts_av *a, enum AVMediaType type);
#endif
