#include "media/picture_parts.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* libjpeg leaves through `jump` when it fails. */
typedef struct reader {
    struct jpeg_decompress_struct j;
    struct jpeg_error_mgr errors;
    jmp_buf jump;
    char said[JMSG_LENGTH_MAX];
    bool is_cut;
    const ts_picture_file *f;
    ts_picture *out;
    uint8_t *row;
    int orientation;
    ts_status st;
} reader;

static reader *of(j_common_ptr j) { return (reader *)(void *)j; }

static void fail(j_common_ptr j)
{
    (*j->err->format_message)(j, of(j)->said);
    longjmp(of(j)->jump, 1);
}

/* Of what libjpeg warns of, Pillow minds one thing: a file that ends before its picture. */
static void warn(j_common_ptr j, int level)
{
    if (level < 0 && j->err->msg_code == JWRN_JPEG_EOF)
        of(j)->is_cut = true;
}

/* The first segment with EXIF. */
static void find_orientation(reader *r)
{
    for (jpeg_saved_marker_ptr m = r->j.marker_list; m && r->orientation == 1; m = m->next)
        if (m->data_length > 6 && !memcmp(m->data, "Exif\0\0", 6))
            r->orientation = ts_exif_orientation(m->data, m->data_length);
}

/* Adobe's inks are the wrong way round in files; K is taken off each, as Pillow does it. */
static void from_cmyk(const uint8_t *row, int64_t n, uint8_t *rgb)
{
    for (int64_t x = 0; x < n; x++) {
        const int nk = row[4 * x + 3];
        for (int c = 0; c < 3; c++) {
            const int t = (255 - row[4 * x + c]) * nk + 128;
            rgb[3 * x + c] = (uint8_t)(nk - ((t + (t >> 8)) >> 8));
        }
    }
}

static bool read_rows(reader *r)
{
    const bool is_cmyk = r->j.out_color_space == JCS_CMYK;
    const int64_t w = r->out->width;
    while (r->j.output_scanline < r->j.output_height && !r->is_cut) {
        uint8_t *to = r->out->rgb + 3 * w * (int64_t)r->j.output_scanline;
        JSAMPROW line = is_cmyk ? r->row : to;
        if (!jpeg_read_scanlines(&r->j, &line, 1))
            return false;
        if (is_cmyk)
            from_cmyk(r->row, w, to);
    }
    return !r->is_cut;
}

static void read_file(reader *r)
{
    struct jpeg_decompress_struct *j = &r->j;
    if (setjmp(r->jump)) {
        r->st = ts_error(TS_ERR_USER, "%s: this JPEG file cannot be decoded: %s", r->f->name, r->said);
        return;
    }
    jpeg_create_decompress(j);
    jpeg_mem_src(j, r->f->data, r->f->size);
    jpeg_save_markers(j, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(j, TRUE);
    find_orientation(r);
    j->out_color_space = j->num_components == 4 ? JCS_CMYK : JCS_RGB;
    /* a block of 64 pixels takes at least a bit of Huffman's code */
    r->st = ts_picture_reserve(r->f, j->image_width, j->image_height, j->arith_code ? 1.0 / 1024 : 1.0 / 64, r->out);
    if (r->st == TS_OK && j->num_components == 4)
        r->st = ts_alloc(&r->row, j->image_width, 4);
    if (r->st != TS_OK)
        return;
    jpeg_start_decompress(j);
    if (!read_rows(r))
        r->st = ts_error(TS_ERR_USER, "%s: this JPEG file ends before its picture (%zu bytes are there)", r->f->name,
                         r->f->size);
}

ts_status ts_jpeg_decode(const ts_picture_file *f, ts_picture *out, int *orientation)
{
    reader r = { .f = f, .out = out, .orientation = 1 };
    r.j.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = fail;
    r.errors.emit_message = warn;
    read_file(&r);
    jpeg_destroy_decompress(&r.j);
    ts_free(&r.row);
    *orientation = r.orientation;
    return r.st;
}
