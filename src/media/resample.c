#include "media/resize_parts.h"

#include <math.h>
#include <string.h>

/* ---- filters ---- */

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }
static double bilinear(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}
static double hamming(double x)
{
    x = fabs(x);
    if (x == 0)
        return 1;
    return x >= 1 ? 0 : sin(x * M_PI) / (x * M_PI) * (0.54 + 0.46 * cos(x * M_PI));
}
static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}
static double sinc(double x) { return x == 0 ? 1 : sin(x * M_PI) / (x * M_PI); }
static double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

static const struct {
    double (*at)(double);
    double support;
} filters[TS_RESAMPLES] = {
    [TS_RESAMPLE_LANCZOS] = { lanczos, 3 }, [TS_RESAMPLE_BILINEAR] = { bilinear, 1 },
    [TS_RESAMPLE_BICUBIC] = { bicubic, 2 }, [TS_RESAMPLE_BOX] = { box, 0.5 },
    [TS_RESAMPLE_HAMMING] = { hamming, 1 },
};

/* ---- taps ---- */

static void taps_deinit(ts_taps *t)
{
    ts_free(&t->first);
    ts_free(&t->count);
    ts_free(&t->weight);
}

/* The weights of value i, in the order of Pillow's operations, which decides their last bits. */
static void weigh(ts_taps *t, int64_t i, int64_t size, double scale, ts_resample how, double *w)
{
    const double wide = scale < 1 ? 1 : scale, support = filters[how].support * wide, per = 1 / wide;
    const double middle = ((double)i + 0.5) * scale;
    double sum = 0;
    int64_t from = (int64_t)(middle - support + 0.5), to = (int64_t)(middle + support + 0.5);
    from = from < 0 ? 0 : from;
    to = to > size ? size : to;
    for (int64_t k = 0; k < to - from; k++) {
        w[k] = filters[how].at(((double)(k + from) - middle + 0.5) * per);
        sum += w[k];
    }
    t->first[i] = from;
    t->count[i] = to - from;
    for (int64_t k = 0; k < to - from; k++) {
        const double v = (sum != 0 ? w[k] / sum : w[k]) * (1 << TS_RESIZE_BITS);
        t->weight[i * t->stride + k] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
    }
}

static ts_status taps_init(ts_taps *t, int64_t size, int64_t n, ts_resample how)
{
    const double scale = (double)size / (double)n;
    const int64_t most = 2 * (int64_t)ceil(filters[how].support * (scale < 1 ? 1 : scale)) + 1;
    double *w = NULL;
    *t = (ts_taps){ .n = n, .stride = (most + 3) / 4 * 4 };
    ts_status st = ts_alloc(&w, (size_t)most, sizeof *w);
    if (st == TS_OK)
        st = ts_alloc(&t->first, (size_t)n, sizeof *t->first);
    if (st == TS_OK)
        st = ts_alloc(&t->count, (size_t)n, sizeof *t->count);
    if (st == TS_OK)
        st = ts_alloc(&t->weight, (size_t)(n * t->stride), sizeof *t->weight);
    for (int64_t i = 0; st == TS_OK && i < n; i++)
        weigh(t, i, size, scale, how, w);
    ts_free(&w);
    if (st != TS_OK)
        taps_deinit(t);
    return st;
}

/* ---- passes ---- */

static uint8_t rounded(int32_t sum)
{
    const int32_t v = sum >> TS_RESIZE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void across(const ts_resize_pass *p)
{
    const ts_taps *t = p->taps;
    for (int64_t y = 0; y < p->rows; y++)
        for (int64_t x = 0; x < t->n; x++) {
            const uint8_t *in = p->in + y * p->in_row + 3 * t->first[x];
            const int32_t *w = t->weight + x * t->stride;
            int32_t sum[3] = { 1 << (TS_RESIZE_BITS - 1), 1 << (TS_RESIZE_BITS - 1), 1 << (TS_RESIZE_BITS - 1) };
            for (int64_t k = 0; k < t->count[x]; k++)
                for (int c = 0; c < 3; c++)
                    sum[c] += in[3 * k + c] * w[k];
            for (int c = 0; c < 3; c++)
                p->out[y * p->out_row + 3 * x + c] = rounded(sum[c]);
        }
}

static void down(const ts_resize_pass *p)
{
    const ts_taps *t = p->taps;
    for (int64_t y = 0; y < p->rows; y++)
        for (int64_t b = 0; b < p->out_row; b++) {
            const uint8_t *in = p->in + t->first[y] * p->in_row + b;
            int32_t sum = 1 << (TS_RESIZE_BITS - 1);
            for (int64_t k = 0; k < t->count[y]; k++)
                sum += in[k * p->in_row] * t->weight[y * t->stride + k];
            p->out[y * p->out_row + b] = rounded(sum);
        }
}

static bool has_avx2(ts_resize_way way)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return way == TS_RESIZE_BEST && __builtin_cpu_supports("avx2");
#else
    (void)way;
    return false;
#endif
}

/* The pass along the width of the rows that the other will read, or along the height. */
static ts_status run_pass(const ts_picture *in, int64_t n, bool is_across, ts_resample how, ts_resize_way way,
                          ts_picture *out)
{
    ts_taps t;
    *out = (ts_picture){ .width = is_across ? n : in->width, .height = is_across ? in->height : n };
    TS_TRY(taps_init(&t, is_across ? in->width : in->height, n, how));
    const ts_status st = ts_alloc(&out->rgb, (size_t)(out->width * out->height), 3);
    const ts_resize_pass p = { in->rgb, out->rgb, 3 * in->width, 3 * out->width, out->height, &t };
    if (st == TS_OK) {
#if defined(__x86_64__)
        if (has_avx2(way) && is_across)
            ts_resize_across_avx2(&p, in->rgb + 3 * in->width * in->height);
        else if (has_avx2(way))
            ts_resize_down_avx2(&p);
        else
#endif
            (is_across ? across : down)(&p);
    }
    taps_deinit(&t);
    return st;
}

static ts_status nearest(const ts_picture *in, int64_t width, int64_t height, ts_picture *out)
{
    *out = (ts_picture){ .width = width, .height = height };
    TS_TRY(ts_alloc(&out->rgb, (size_t)(width * height), 3));
    const double sx = (double)in->width / (double)width, sy = (double)in->height / (double)height;
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *row = in->rgb + 3 * in->width * (int64_t)(((double)y + 0.5) * sy);
        for (int64_t x = 0; x < width; x++)
            memcpy(out->rgb + 3 * (y * width + x), row + 3 * (int64_t)(((double)x + 0.5) * sx), 3);
    }
    return TS_OK;
}

ts_status ts_picture_resize(const ts_picture *in, int64_t width, int64_t height, ts_resample how, ts_resize_way way,
                            ts_picture *out)
{
    TS_ASSERT(width > 0 && height > 0 && width <= TS_PICTURE_MAX_PIXELS / height && how < TS_RESAMPLES,
              "%lld x %lld, filter %d", (long long)width, (long long)height, (int)how);
    if (how == TS_RESAMPLE_NEAREST)
        return nearest(in, width, height, out);
    const bool is_lower_first = height < in->height && 2 * (in->width - width) < in->height - height;
    const int64_t size[2] = { height, width };
    ts_picture between = { 0 };
    /* along a side that keeps its size a pass changes nothing: each weight is one */
    TS_TRY(run_pass(in, size[!is_lower_first], !is_lower_first, how, way, &between));
    const ts_status st = run_pass(&between, size[is_lower_first], is_lower_first, how, way, out);
    ts_picture_deinit(&between);
    return st;
}
