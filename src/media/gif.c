/* The first frame of a GIF file: its palette, and its indices packed by LZW. */
#include "media/picture_parts.h"

#include <string.h>

enum { MAX_CODES = 4096, MAX_BITS = 12 };

typedef struct gif {
    const ts_picture_file *f;
    size_t at;
    const uint8_t *colours; /* [n_colours, 3], of the frame or of all */
    size_t n_colours;
    int64_t left, top, width, height; /* of the frame on the canvas */
    bool is_interlaced;
    /* bits that were read and not yet used, and what is left of their block */
    uint32_t bits;
    int n_bits;
    size_t in_block;
} gif;

static ts_status is_cut(const gif *g)
{
    return ts_error(TS_ERR_USER, "%s: this GIF file is damaged or cut short (at byte %zu)", g->f->name, g->at);
}

static const uint8_t *take(gif *g, size_t n)
{
    if (n > g->f->size - g->at)
        return NULL;
    g->at += n;
    return g->f->data + g->at - n;
}

static ts_status take_colours(gif *g, uint32_t flags)
{
    if (!(flags & 0x80))
        return TS_OK;
    g->n_colours = (size_t)2 << (flags & 7);
    g->colours = take(g, 3 * g->n_colours);
    return g->colours ? TS_OK : is_cut(g);
}

/* To the first frame, past what is said about it. */
static ts_status find_frame(gif *g)
{
    for (;;) {
        const uint8_t *b = take(g, 1);
        if (!b)
            return is_cut(g);
        if (*b == 0x2C)
            break;
        if (*b != 0x21 || !take(g, 1))
            return is_cut(g);
        while ((b = take(g, 1)) && *b)
            if (!take(g, *b))
                return is_cut(g);
        if (!b)
            return is_cut(g);
    }
    const uint8_t *h = take(g, 9);
    if (!h)
        return is_cut(g);
    g->left = ts_u16_le(h), g->top = ts_u16_le(h + 2);
    g->width = ts_u16_le(h + 4), g->height = ts_u16_le(h + 6);
    g->is_interlaced = h[8] & 0x40;
    return take_colours(g, h[8]);
}

/* -1: there are no more. */
static int take_code(gif *g, int n)
{
    while (g->n_bits < n) {
        const uint8_t *b;
        if (!g->in_block) {
            b = take(g, 1);
            if (!b || !*b)
                return -1;
            g->in_block = *b;
        }
        b = take(g, 1);
        if (!b)
            return -1;
        g->in_block--;
        g->bits |= (uint32_t)*b << g->n_bits;
        g->n_bits += 8;
    }
    const int code = (int)(g->bits & ((1u << n) - 1));
    g->bits >>= n;
    g->n_bits -= n;
    return code;
}

/* The row of the frame that comes as number i. */
static int64_t row_of(const gif *g, int64_t i)
{
    static const int first[] = { 0, 4, 2, 1 }, step[] = { 8, 8, 4, 2 };
    for (int pass = 0; g->is_interlaced && pass < 4; pass++) {
        const int64_t n = (g->height - first[pass] + step[pass] - 1) / step[pass];
        if (i < n)
            return first[pass] + i * step[pass];
        i -= n > 0 ? n : 0;
    }
    return i;
}

static void put(const gif *g, ts_picture *out, int64_t at, uint8_t index)
{
    const int64_t x = g->left + at % g->width, y = g->top + row_of(g, at / g->width);
    if (x < out->width && y < out->height && index < g->n_colours)
        memcpy(out->rgb + 3 * (y * out->width + x), g->colours + 3 * (size_t)index, 3);
}

/* The strings of codes: each is another one's and a byte more. */
typedef struct strings {
    int16_t before[MAX_CODES];
    uint8_t last[MAX_CODES], first[MAX_CODES];
    uint8_t text[MAX_CODES + 1];
} strings;

static ts_status unpack(gif *g, strings *s, ts_picture *out)
{
    const uint8_t *b = take(g, 1);
    if (!b || *b < 1 || *b > 11)
        return is_cut(g);
    const int least = *b, clear = 1 << least, end = clear + 1;
    const int64_t all = g->width * g->height;
    int next = end + 1, n = least + 1, before = -1;
    for (int c = 0; c < clear; c++)
        s->before[c] = -1, s->last[c] = s->first[c] = (uint8_t)c;
    for (int64_t at = 0; at < all;) {
        const int code = take_code(g, n);
        if (code == clear) {
            next = end + 1, n = least + 1, before = -1;
            continue;
        }
        if (code < 0 || code == end || code > next || (code == next && before < 0))
            return is_cut(g);
        if (before >= 0 && next < MAX_CODES) {
            s->before[next] = (int16_t)before;
            s->first[next] = s->first[before];
            s->last[next] = s->first[code == next ? before : code];
            next++;
        } else if (code == next)
            return is_cut(g);
        if (next == 1 << n && n < MAX_BITS)
            n++;
        int len = 0;
        for (int c = code; c >= 0; c = s->before[c])
            s->text[len++] = s->last[c];
        while (len && at < all)
            put(g, out, at++, s->text[--len]);
        before = code;
    }
    return TS_OK;
}

ts_status ts_gif_decode(const ts_picture_file *f, ts_picture *out, int *orientation)
{
    gif g = { .f = f, .at = 6 };
    strings *s = NULL;
    (void)orientation;
    const uint8_t *h = take(&g, 7);
    if (!h)
        return is_cut(&g);
    const int64_t width = ts_u16_le(h), height = ts_u16_le(h + 2);
    const uint8_t ground = h[5];
    TS_TRY(take_colours(&g, h[4]));
    const uint8_t *colours = g.colours;
    const size_t n_colours = g.n_colours;
    TS_TRY(find_frame(&g));
    if (!g.colours || !g.width || !g.height)
        return is_cut(&g);
    /* a code of 12 bits stands for 4096 pixels at most */
    const double least = (double)g.width * (double)g.height > 8.0 * 4096 * (double)f->size ? 1e30 : 0;
    TS_TRY(ts_picture_reserve(f, width, height, least, out));
    for (int64_t i = 0; ground < n_colours && i < width * height; i++)
        memcpy(out->rgb + 3 * i, colours + 3 * (size_t)ground, 3);
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    const ts_status st = unpack(&g, s, out);
    ts_free(&s);
    return st;
}
