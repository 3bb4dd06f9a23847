#include "parallel/schedule_picture.h"

#include "io/svg.h"
#include "base/trace.h"

#include <stdio.h>

static ts_status check_size(const ts_schedule *s)
{
    int64_t n = 0;
    for (int64_t r = 0; r < s->shape.n_stages; r++)
        n += s->stage[r].n;
    return n <= TS_SCHEDULE_MOST_DRAWN
               ? TS_OK
               : ts_error(TS_ERR_USER, "%lld units are too many for a picture: at most %d",
                          (long long)n, TS_SCHEDULE_MOST_DRAWN);
}

/* ---- SVG ---- */

/* In pixels. */
enum {
    ROW = 28,
    BOX = 22,
    LEFT = 64,
    TOP = 34,
    LEGEND = 40,
    LEAST_WIDTH = 400,
    MOST_WIDTH = 20000,
    DIGIT = 7
};

static const char *const colour[TS_UNIT_KINDS] = {
    [TS_UNIT_FORWARD] = "#6fa8dc",    [TS_UNIT_BACKWARD] = "#93c47d",
    [TS_UNIT_INPUT_GRAD] = "#76d7c4", [TS_UNIT_WEIGHT_GRAD] = "#f6c344",
    [TS_UNIT_RECOMPUTE] = "#c39bd3",
};

static int digits(int64_t n)
{
    int d = 1;
    while (n /= 10)
        d++;
    return d;
}

/* So that most boxes have room for their number: the shortest one that takes any time. */
static double pixels_per_time(const ts_schedule *s, const ts_replay *r)
{
    double shortest = r->makespan;
    for (int64_t k = 0; k < r->n_stages; k++)
        for (int64_t i = 0; i < s->stage[k].n; i++) {
            const double t = r->stage[k].unit[i].end - r->stage[k].unit[i].begin;
            shortest = t > 0 && t < shortest ? t : shortest;
        }
    if (!(r->makespan > 0))
        return 1;
    double width = r->makespan / shortest * (DIGIT * digits(s->shape.n_micro - 1) + 6);
    width = width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : width;
    return width / r->makespan;
}

/* A chunk's number is in the box's tooltip, and how pale it is tells it too. */
static ts_status draw_unit(const ts_schedule *s, ts_unit u, ts_span t, double scale, int64_t row,
                           ts_str *out)
{
    const double x = LEFT + t.begin * scale, w = (t.end - t.begin) * scale;
    const double y = (double)(TOP + row * ROW);
    char number[16];
    const double pale = 1 - 0.65 * u.chunk / (double)s->shape.n_chunks;
    TS_TRY(ts_str_printf(out,
                         "<rect class=\"k%d\" x=\"%.2f\" y=\"%g\" width=\"%.2f\" height=\"%d\" "
                         "fill-opacity=\"%.2f\"><title>%s of micro-batch %d, chunk %d: %g to "
                         "%g</title></rect>\n",
                         (int)u.kind, x, y, w, BOX, pale, ts_unit_kind_name(u.kind), u.micro,
                         u.chunk, t.begin, t.end));
    if (w < DIGIT * digits(u.micro))
        return TS_OK;
    snprintf(number, sizeof number, "%d", u.micro);
    return ts_svg_text(out, "n", x + w / 2, y + 15, number);
}

static ts_status draw_legend(const ts_schedule *s, int64_t y, ts_str *out)
{
    bool is_there[TS_UNIT_KINDS] = { false };
    int x = LEFT;
    for (int64_t r = 0; r < s->shape.n_stages; r++)
        for (int64_t i = 0; i < s->stage[r].n; i++)
            is_there[s->stage[r].v[i].kind] = true;
    for (int k = 0; k < TS_UNIT_KINDS; k++) {
        if (!is_there[k])
            continue;
        TS_TRY(ts_str_printf(out,
                             "<rect class=\"k%d\" x=\"%d\" y=\"%lld\" width=\"14\" height=\"14\"/>\n",
                             k, x, (long long)y));
        TS_TRY(ts_svg_text(out, NULL, x + 20, (double)y + 12, ts_unit_kind_name((ts_unit_kind)k)));
        x += 130;
    }
    return TS_OK;
}

static ts_status begin(double width, double height, const char *title, ts_str *out)
{
    ts_str style = { 0 };
    ts_status st = ts_str_puts(&style, "rect{stroke:#fff;stroke-width:1}");
    for (int k = 0; st == TS_OK && k < TS_UNIT_KINDS; k++)
        st = ts_str_printf(&style, ".k%d{fill:%s}", k, colour[k]);
    if (st == TS_OK)
        st = ts_svg_begin(out, width, height, style.s);
    ts_str_deinit(&style);
    return st == TS_OK ? ts_svg_text(out, NULL, LEFT, 20, title) : st;
}

ts_status ts_schedule_svg(const ts_schedule *s, const ts_replay *r, const char *title, ts_str *out)
{
    const int64_t p = r->n_stages;
    char name[32];
    TS_TRY(check_size(s));
    const double scale = pixels_per_time(s, r), run = r->makespan * scale;
    const double legend = 130 * TS_UNIT_KINDS;
    TS_TRY(begin(LEFT + (run > legend ? run : legend) + 20, (double)(TOP + p * ROW + LEGEND), title,
                 out));
    for (int64_t k = 0; k < p; k++) {
        snprintf(name, sizeof name, "stage %lld", (long long)k);
        TS_TRY(ts_svg_text(out, NULL, 8, (double)(TOP + k * ROW + 15), name));
        TS_TRY(ts_str_printf(out,
                             "<rect x=\"%d\" y=\"%lld\" width=\"%.2f\" height=\"%d\" "
                             "fill=\"#eee\"/>\n",
                             LEFT, (long long)(TOP + k * ROW), run, BOX));
        for (int64_t i = 0; i < s->stage[k].n; i++)
            TS_TRY(draw_unit(s, s->stage[k].v[i], r->stage[k].unit[i], scale, k, out));
    }
    TS_TRY(draw_legend(s, TOP + p * ROW + 10, out));
    return ts_svg_end(out);
}

/* ---- trace events ---- */

enum { US = 1000 }; /* microseconds, the format's unit, to a unit of time */

static void add_stage(ts_trace *t, const ts_schedule *s, const ts_replay *r, int64_t stage)
{
    char name[32];
    snprintf(name, sizeof name, "stage %lld", (long long)stage);
    ts_trace_thread(t, 0, stage, name);
    for (int64_t i = 0; i < s->stage[stage].n; i++) {
        const ts_unit u = s->stage[stage].v[i];
        const ts_span at = r->stage[stage].unit[i];
        snprintf(name, sizeof name, "%s %d", ts_unit_kind_name(u.kind), u.micro);
        ts_trace_span(t, 0, stage, name, ts_unit_kind_name(u.kind), at.begin * US, (at.end - at.begin) * US);
        ts_trace_int(t, "micro-batch", u.micro);
        ts_trace_int(t, "chunk", u.chunk);
    }
}

ts_status ts_schedule_trace(const ts_schedule *s, const ts_replay *r, const char *title,
                            ts_str *out)
{
    ts_trace t;
    TS_TRY(check_size(s));
    ts_trace_begin(&t, out);
    ts_trace_process(&t, 0, title);
    for (int64_t k = 0; k < r->n_stages; k++)
        add_stage(&t, s, r, k);
    return ts_trace_end(&t, NULL);
}
