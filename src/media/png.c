#include "media/picture_parts.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

/* libpng leaves through its own jump buffer when it fails. */
typedef struct reader {
    const ts_picture_file *f;
    size_t at;
    ts_picture *out;
    png_structp png;
    png_infop info;
    bool is_grey, is_interlaced;
    int channels;
    char said[256];
    int orientation;
    ts_status st;
} reader;

static void fail(png_structp png, png_const_charp what)
{
    reader *r = png_get_error_ptr(png);
    strncpy(r->said, what, sizeof r->said - 1);
    png_longjmp(png, 1);
}

static void warn(png_structp png, png_const_charp what)
{
    (void)png;
    (void)what;
}

static void give(png_structp png, png_bytep to, size_t n)
{
    reader *r = png_get_io_ptr(png);
    if (n > r->f->size - r->at)
        png_error(png, "the file is cut short");
    memcpy(to, r->f->data + r->at, n);
    r->at += n;
}

static void read_header(reader *r)
{
    png_uint_32 n = 0;
    png_bytep exif = NULL;
    png_read_info(r->png, r->info);
    const int type = png_get_color_type(r->png, r->info);
    r->is_interlaced = png_get_interlace_type(r->png, r->info) != PNG_INTERLACE_NONE;
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(r->png);
    else if (!(type & PNG_COLOR_MASK_COLOR))
        png_set_expand_gray_1_2_4_to_8(r->png);
    png_set_strip_16(r->png);
    png_set_strip_alpha(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    r->channels = png_get_channels(r->png, r->info);
    r->is_grey = r->channels == 1;
    if (png_get_eXIf_1(r->png, r->info, &n, &exif))
        r->orientation = ts_exif_orientation(exif, n);
}

/* Grey rows stand at the front of their place and are spread from behind. */
static void spread(uint8_t *row, int64_t w)
{
    for (int64_t x = w - 1; x >= 0; x--)
        row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = row[x];
}

static void read_rows(reader *r)
{
    const int64_t w = r->out->width, h = r->out->height;
    for (int pass = r->is_interlaced ? 7 : 1; pass > 0; pass--)
        for (int64_t y = 0; y < h; y++)
            png_read_row(r->png, r->out->rgb + 3 * w * y, NULL);
    for (int64_t y = 0; r->is_grey && y < h; y++)
        spread(r->out->rgb + 3 * w * y, w);
}

static void read_file(reader *r)
{
    if (setjmp(png_jmpbuf(r->png))) {
        r->st = ts_error(TS_ERR_USER, "%s: this PNG file cannot be decoded: %s", r->f->name, r->said);
        return;
    }
    png_set_read_fn(r->png, r, give);
    png_set_user_limits(r->png, 0x7fffffff, 0x7fffffff); /* ts_picture_reserve says how many there may be */
    read_header(r);
    /* deflate makes at most 1032 bytes of one, and a pixel has at least a bit */
    r->st = ts_picture_reserve(r->f, png_get_image_width(r->png, r->info), png_get_image_height(r->png, r->info),
                               1.0 / 1032, r->out);
    if (r->st == TS_OK)
        read_rows(r);
}

ts_status ts_png_decode(const ts_picture_file *f, ts_picture *out, int *orientation)
{
    reader r = { .f = f, .out = out, .orientation = 1 };
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, fail, warn);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    if (r.info)
        read_file(&r);
    else
        r.st = ts_error(TS_ERR_NOMEM, "%s: out of memory", f->name);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    *orientation = r.orientation;
    return r.st;
}
