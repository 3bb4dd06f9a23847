#include "fuzz.h"
#include "media/resize.h"

/* Whatever is decoded has its pixels and can be resized; whatever is refused is refused with its name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { SMALL = 1 << 20 };
    ts_picture p = { 0 }, half = { 0 };
    const ts_status st = ts_picture_decode(data, size, "f.picture", &p);
    if (st != TS_OK && !strstr(ts_error_message(), st == TS_ERR_NOMEM ? "" : "f.picture"))
        abort();
    if (st == TS_OK && (!p.rgb || p.width < 1 || p.height < 1))
        abort();
    if (st == TS_OK && p.width * p.height < SMALL)
        if (ts_picture_resize(&p, (p.width + 1) / 2, p.height + 1, TS_RESAMPLE_BICUBIC, TS_RESIZE_BEST, &half) == TS_OK)
            ts_picture_deinit(&half);
    ts_picture_deinit(&p);
    return 0;
}
