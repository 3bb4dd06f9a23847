/* Pictures in SVG 1.1, written into a text from front to back. Each call adds a piece; on failure the
 * text is to be thrown away. Places are pixels from the upper left corner. */
#ifndef TS_IO_SVG_H
#define TS_IO_SVG_H
#include "base/str.h"

/* A picture that stands alone, on white. style: CSS of its own behind that of texts (12 pixels, class
 * n centred on its place, class e ending there). */
ts_status ts_svg_begin(ts_str *out, double width, double height, const char *style) TS_NODISCARD;
/* One inside a page, whose style is the page's; it shrinks with its surroundings. */
ts_status ts_svg_begin_inside(ts_str *out, double width, double height) TS_NODISCARD;
ts_status ts_svg_end(ts_str *out) TS_NODISCARD;

/* A line of text, escaped. css: its classes; NULL: none, it begins at its place. */
ts_status ts_svg_text(ts_str *out, const char *css, double x, double y,
                      const char *text) TS_NODISCARD;

/* 1, 2 or 5 times a power of ten: the least of them that cuts `span` (above 0) into at most n. */
double ts_svg_step(double span, int n);
#endif
