#include "media/picture_parts.h"

#include <string.h>
#include <webp/demux.h>

static ts_status damaged(const ts_picture_file *f)
{
    return ts_error(TS_ERR_USER, "%s: this WebP file is damaged or cut short", f->name);
}

static int orientation_of(const WebPDemuxer *d)
{
    WebPChunkIterator it;
    int found = 1;
    if (WebPDemuxGetChunk(d, "EXIF", 1, &it))
        found = ts_exif_orientation(it.chunk.bytes, it.chunk.size);
    WebPDemuxReleaseChunkIterator(&it);
    return found;
}

/* The first frame on its canvas, as RGBA that is the decoder's. */
static ts_status draw(const ts_picture_file *f, WebPAnimDecoder *d, ts_picture *out)
{
    uint8_t *rgba = NULL;
    int when = 0;
    if (!WebPAnimDecoderGetNext(d, &rgba, &when))
        return damaged(f);
    for (int64_t i = 0; i < out->width * out->height; i++)
        memcpy(out->rgb + 3 * i, rgba + 4 * i, 3);
    return TS_OK;
}

ts_status ts_webp_decode(const ts_picture_file *f, ts_picture *out, int *orientation)
{
    const WebPData data = { f->data, f->size };
    WebPAnimDecoderOptions o;
    WebPDemuxer *demux = WebPDemux(&data);
    if (!demux || !WebPAnimDecoderOptionsInit(&o)) {
        WebPDemuxDelete(demux);
        return damaged(f);
    }
    *orientation = orientation_of(demux);
    o.color_mode = MODE_RGBA;
    o.use_threads = 0;
    /* no least size: a plain picture of any extent takes a few bytes */
    ts_status st = ts_picture_reserve(f, WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH),
                                      WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT), 0, out);
    WebPDemuxDelete(demux);
    if (st != TS_OK)
        return st;
    WebPAnimDecoder *d = WebPAnimDecoderNew(&data, &o);
    st = d ? draw(f, d, out) : damaged(f);
    WebPAnimDecoderDelete(d);
    return st;
}
