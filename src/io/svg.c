#include "io/svg.h"

#include <math.h>

ts_status ts_svg_begin(ts_str *out, double width, double height, const char *style)
{
    return ts_str_printf(out,
                         "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
                         "viewBox=\"0 0 %.0f %.0f\">\n<style>text{font:12px sans-serif;fill:#222}"
                         ".n{text-anchor:middle}.e{text-anchor:end}%s</style>\n"
                         "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                         width, height, width, height, style);
}

ts_status ts_svg_begin_inside(ts_str *out, double width, double height)
{
    return ts_str_printf(out, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", width, height);
}

ts_status ts_svg_end(ts_str *out) { return ts_str_puts(out, "</svg>\n"); }

ts_status ts_svg_text(ts_str *out, const char *css, double x, double y, const char *text)
{
    TS_TRY(ts_str_puts(out, "<text"));
    if (css)
        TS_TRY(ts_str_printf(out, " class=\"%s\"", css));
    TS_TRY(ts_str_printf(out, " x=\"%.7g\" y=\"%.7g\">", x, y));
    TS_TRY(ts_str_xml(out, text));
    return ts_str_puts(out, "</text>\n");
}

double ts_svg_step(double span, int n)
{
    const double power = pow(10, floor(log10(span / n)));
    static const double times[] = { 1, 2, 5 };
    for (int i = 0; i < 3; i++)
        if (span <= times[i] * power * n * (1 + 1e-9))
            return times[i] * power;
    return 10 * power;
}
