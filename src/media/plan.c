#include "media/plan.h"

#include <math.h>

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
/* Towards below, as Python divides. */
static int64_t halved(int64_t a) { return a >= 0 ? a / 2 : -((1 - a) / 2); }

static ts_view exact(int64_t height, int64_t width)
{
    return (ts_view){ .to_height = height, .to_width = width, .height = height, .width = width, .rows = 1, .columns = 1 };
}

/* ---- a size, and the middle cut out ---- */

static void shortest(const ts_vision_settings *v, int64_t width, int64_t height, ts_plan *out)
{
    ts_view w = exact(height, width);
    out->is_squared = v->pads;
    for (int c = 0; v->pads && c < 3; c++)
        w.ground[c] = (uint8_t)(v->mean[c] * 255);
    if (v->pads)
        height = width = most(height, width);
    w.to_height = height, w.to_width = width;
    if (v->resize && v->height) {
        w.to_height = v->height, w.to_width = v->width;
    } else if (v->resize) {
        /* in doubles, as it is there: the product may lie just below a whole number */
        const int64_t shorter = least(height, width), longer = most(height, width);
        const int64_t other = (int64_t)((double)(v->shortest * longer) / (double)shorter);
        w.to_height = height <= width ? v->shortest : other;
        w.to_width = height <= width ? other : v->shortest;
    }
    w.height = v->crop ? v->crop_height : w.to_height;
    w.width = v->crop ? v->crop_width : w.to_width;
    w.top = halved(w.to_height - w.height);
    w.left = halved(w.to_width - w.width);
    out->view[out->n++] = w;
}

/* ---- within limits of pixels ---- */

static ts_status smart(const ts_vision_settings *v, const char *name, int64_t width, int64_t height, int64_t frames,
                       ts_plan *out)
{
    const bool counts = v->rule == TS_PLAN_SMART_FRAMES;
    const int64_t factor = v->patch * v->merge;
    double h = (double)height, w = (double)width, f = (double)factor, t = counts ? (double)frames : 1;
    if (counts && frames < v->temporal)
        return ts_error(TS_ERR_USER, "%s: %lld frames; at least %lld are needed", name, (long long)frames,
                        (long long)v->temporal);
    if (counts && (height < factor || width < factor)) {
        const double scale = fmax(f / h, f / w);
        h = trunc(h * scale), w = trunc(w * scale);
    }
    if (fmax(h, w) / fmin(h, w) > 200)
        return ts_error(TS_ERR_USER, "%s: %lld x %lld pixels: one side is more than 200 times the other", name,
                        (long long)width, (long long)height);
    const double t_bar = counts ? rint(t / (double)v->temporal) * (double)v->temporal : 1;
    double h_bar = rint(h / f) * f, w_bar = rint(w / f) * f;
    if (t_bar * h_bar * w_bar > (double)v->longest) {
        const double beta = sqrt(t * h * w / (double)v->longest);
        h_bar = fmax(f, floor(h / beta / f) * f);
        w_bar = fmax(f, floor(w / beta / f) * f);
    } else if (t_bar * h_bar * w_bar < (double)v->shortest) {
        const double beta = sqrt((double)v->shortest / (t * h * w));
        h_bar = ceil(h * beta / f) * f;
        w_bar = ceil(w * beta / f) * f;
    }
    if (!(h_bar * w_bar > 0 && h_bar * w_bar <= TS_PICTURE_MAX_PIXELS))
        return ts_error(TS_ERR_USER, "%s: %lld x %lld pixels would be resized to %.0f x %.0f", name, (long long)width,
                        (long long)height, w_bar, h_bar);
    out->view[out->n++] = exact((int64_t)h_bar, (int64_t)w_bar);
    return TS_OK;
}

static ts_status as_it_is(const ts_vision_settings *v, const char *name, int64_t width, int64_t height, ts_plan *out)
{
    const int64_t factor = v->patch * v->merge;
    if (width % factor || height % factor)
        return ts_error(TS_ERR_USER, "%s: %lld x %lld pixels are no multiples of %lld, and the model's files say that nothing is resized",
                        name, (long long)width, (long long)height, (long long)factor);
    out->view[out->n++] = exact(height, width);
    return TS_OK;
}

/* ---- tiles ---- */

/* Of all grids of so many tiles that whose proportions are nearest; of two as near the later one, unless it is more than
 * twice the picture. Grids are looked through by their number of tiles, then columns. */
static void choose_grid(const ts_vision_settings *v, int64_t side_h, int64_t side_w, int64_t width, int64_t height,
                        int64_t *columns, int64_t *rows)
{
    const double ratio = (double)width / (double)height, area = (double)width * (double)height;
    double best = INFINITY;
    *columns = *rows = 1;
    for (int64_t n = most(v->min_tiles, 1); n <= v->max_tiles; n++)
        for (int64_t c = 1; c <= n; c++) {
            if (n % c)
                continue;
            const double far = fabs(ratio - (double)c / (double)(n / c));
            if (far < best || (far == best && area > 0.5 * (double)side_h * (double)side_w * (double)n))
                *columns = c, *rows = n / c;
            best = fmin(best, far);
        }
}

static ts_view tiled(int64_t side_h, int64_t side_w, int64_t columns, int64_t rows)
{
    ts_view w = exact(side_h * rows, side_w * columns);
    w.rows = rows, w.columns = columns;
    return w;
}

static void tiles(const ts_vision_settings *v, int64_t width, int64_t height, ts_plan *out)
{
    int64_t columns = 1, rows = 1;
    if (v->tiles && v->max_tiles > 1)
        choose_grid(v, v->height, v->width, width, height, &columns, &rows);
    out->view[out->n++] = tiled(v->height, v->width, columns, rows);
    if (v->thumbnail && columns * rows > 1)
        out->view[out->n++] = exact(v->height, v->width);
}

/* The whole on a square of the ground, then the tiles, where the picture is larger than one. */
static void local(const ts_vision_settings *v, int64_t width, int64_t height, ts_plan *out)
{
    const int64_t side = most(v->height, v->width);
    ts_view w = exact(side, side);
    if (v->tiles || side > v->max_pad) {
        const double scale = (double)side / (double)most(width, height);
        w.to_height = most((int64_t)rint((double)height * scale), 1);
        w.to_width = most((int64_t)rint((double)width * scale), 1);
        w.height = w.width = most(w.to_height, w.to_width);
        w.top = -((w.height - w.to_height) / 2);
        w.left = -((w.width - w.to_width) / 2);
        for (int c = 0; c < 3; c++)
            w.ground[c] = (uint8_t)v->ground[c];
    }
    out->view[out->n++] = w;
    if (v->tiles && most(width, height) > v->tile) {
        int64_t columns, rows;
        choose_grid(v, v->tile, v->tile, width, height, &columns, &rows);
        out->view[out->n] = tiled(v->tile, v->tile, columns, rows);
        out->view[out->n++].is_local = true;
    }
}

const int64_t *ts_plan_pinpoint(const ts_vision_settings *v, int64_t width, int64_t height)
{
    const int64_t *best = v->pinpoint[0];
    int64_t best_used = 0, best_waste = INT64_MAX;
    for (size_t i = 0; i < v->n_pinpoints; i++) {
        const int64_t *at = v->pinpoint[i];
        const double scale = fmin((double)at[1] / (double)width, (double)at[0] / (double)height);
        const int64_t used = least((int64_t)((double)width * scale) * (int64_t)((double)height * scale), width * height);
        const int64_t waste = at[0] * at[1] - used;
        if (used > best_used || (used == best_used && waste < best_waste))
            best = at, best_used = used, best_waste = waste;
    }
    return best;
}

static ts_status anyres(const ts_vision_settings *v, const char *name, int64_t width, int64_t height, ts_plan *out)
{
    const int64_t whole_h = v->height ? v->height : v->shortest, whole_w = v->height ? v->width : v->shortest;
    const int64_t side = v->crop_height ? v->crop_height : whole_h, *at = ts_plan_pinpoint(v, width, height);
    const double scale_w = (double)at[1] / (double)width, scale_h = (double)at[0] / (double)height;
    if (at[0] % side || at[1] % side || whole_h != side || whole_w != side)
        return ts_error(TS_ERR_USER, "%s: the model's \"image_grid_pinpoints\" have %lld x %lld, which is no grid of tiles of %lld",
                        name, (long long)at[0], (long long)at[1], (long long)side);
    ts_view w = tiled(side, side, at[1] / side, at[0] / side);
    w.to_width = scale_w < scale_h ? at[1] : least((int64_t)ceil((double)width * scale_h), at[1]);
    w.to_height = scale_w < scale_h ? least((int64_t)ceil((double)height * scale_w), at[0]) : at[0];
    w.top = -((w.height - w.to_height) / 2);
    w.left = -((w.width - w.to_width) / 2);
    out->view[out->n++] = exact(whole_h, whole_w);
    out->view[out->n++] = w;
    return TS_OK;
}

/* ---- */

int64_t ts_plan_pictures(const ts_plan *p)
{
    int64_t n = 0;
    for (int i = 0; i < p->n; i++)
        n += p->view[i].rows * p->view[i].columns;
    return n;
}

static ts_status check(const char *name, const ts_plan *p)
{
    for (int i = 0; i < p->n; i++) {
        const ts_view *w = &p->view[i];
        if (w->to_width < 1 || w->to_height < 1 || w->to_width > TS_PICTURE_MAX_PIXELS / w->to_height ||
            w->width > TS_PICTURE_MAX_PIXELS / w->height)
            return ts_error(TS_ERR_USER, "%s: it would be resized to %lld x %lld pixels", name, (long long)w->to_width,
                            (long long)w->to_height);
    }
    return TS_OK;
}

ts_status ts_plan_make(const ts_vision_settings *v, const char *name, int64_t width, int64_t height, int64_t frames,
                       ts_plan *out)
{
    ts_plan p = { 0 };
    switch (v->rule) {
    case TS_PLAN_SHORTEST:
        shortest(v, width, height, &p);
        break;
    case TS_PLAN_EXACT:
        p.view[p.n++] = v->resize ? exact(v->height, v->width) : exact(height, width);
        break;
    case TS_PLAN_SMART:
    case TS_PLAN_SMART_FRAMES:
        TS_TRY(v->resize ? smart(v, name, width, height, frames, &p) : as_it_is(v, name, width, height, &p));
        break;
    case TS_PLAN_TILES:
        tiles(v, width, height, &p);
        break;
    case TS_PLAN_LOCAL:
        local(v, width, height, &p);
        break;
    case TS_PLAN_ANYRES:
        TS_TRY(anyres(v, name, width, height, &p));
        break;
    }
    TS_TRY(check(name, &p));
    *out = p;
    return TS_OK;
}
