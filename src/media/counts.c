#include "media/families.h"

#include <math.h>

/* Rows and columns of features of a plane, what is beside them left out. */
static int64_t plain(const ts_media_processor *p, const ts_view *w)
{
    return w->height / w->rows / p->patch * (w->width / w->columns / p->patch) + p->beside;
}

/* The tower's features of all tiles stand as one picture, whose stripes of ground are taken away again: at the sides where
 * it has them, as many whole cells as fit into each. The numbers are rounded to seven places first, as upstream does. */
static int64_t anyres(const ts_media_processor *p, const ts_medium *m, const ts_plan *plan)
{
    const ts_view *whole = &plan->view[0], *tiles = &plan->view[1];
    const double width = (double)m->width, height = (double)m->height;
    int64_t across = whole->width / p->patch * tiles->columns, down = whole->height / p->patch * tiles->rows;
    if (width / height > (double)across / (double)down) {
        const double exact = rint(height * ((double)across / width) * 1e7) / 1e7;
        down -= (down - (int64_t)exact) / 2 * 2;
    } else {
        const double exact = rint(width * ((double)down / height) * 1e7) / 1e7;
        across -= (across - (int64_t)exact) / 2 * 2;
    }
    return down * across + down + plain(p, whole);
}

/* Cells along a side of so many pixels. */
static int64_t cells(const ts_media_processor *p, int64_t side)
{
    return (side / p->patch + p->down - 1) / p->down;
}

static int64_t views(const ts_media_processor *p, const ts_medium *m)
{
    const int64_t side = p->picture.height > p->picture.width ? p->picture.height : p->picture.width;
    const int64_t whole = cells(p, side), tile = cells(p, p->picture.tile);
    const int64_t n = whole * (whole + 1) + 1;
    return m->tiles[0] ? n + m->tiles[1] * tile * (m->tiles[0] * tile + 1) : n;
}

int64_t ts_media_count(const ts_media_processor *p, const ts_medium *m, const ts_plan *plan)
{
    const bool is_clip = m->kind == TS_MEDIUM_CLIP;
    const int64_t merge = is_clip ? p->clip.merge : p->picture.merge;
    switch (is_clip ? p->family->clip_count : p->family->picture_count) {
    case TS_COUNT_GRID:
        return m->grid[0] * m->grid[1] * m->grid[2] / (merge * merge);
    case TS_COUNT_TILES:
        return m->n_pictures * p->per_tile;
    case TS_COUNT_PLAIN:
        return plain(p, &plan->view[0]);
    case TS_COUNT_ANYRES:
        return anyres(p, m, plan);
    case TS_COUNT_VIEWS:
        return views(p, m);
    case TS_COUNT_POOLED:
        return p->pooled[0] * p->pooled[1] * p->pooled[2];
    case TS_COUNT_NONE:
        break;
    }
    return 0;
}

static int64_t halved(int64_t n) { return (n - 1) / 2 + 1; }

int64_t ts_media_sound_count(const ts_media_processor *p, int64_t frames)
{
    switch (p->family->sound) {
    case TS_SOUND_HALVED:
        return (halved(frames) - 2) / 2 + 1;
    case TS_SOUND_CHUNKED: {
        const int64_t rest = frames % p->sound_chunk;
        return (rest ? halved(halved(halved(rest))) : 0) + frames / p->sound_chunk * 13;
    }
    case TS_SOUND_WHISPER:
    case TS_SOUND_NONE:
        break;
    }
    return 0;
}
