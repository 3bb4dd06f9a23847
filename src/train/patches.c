#include "train/patches.h"

ts_patches ts_patches_of(const ts_param *p, int64_t most)
{
    ts_patches it = { .p = p, .most = most };
    it.last = ts_param_pieces(p, &it.piece);
    return it;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Rows from element `at` of the piece on that follow one another in the whole: full ones, or what is left of one. */
static void begin_rows(ts_patches *it, const ts_shard_piece *x)
{
    const ts_param *p = it->p;
    const int64_t ld = p->dim[1], row = (x->at + it->at) / ld, left = x->n - it->at, counted = p->counted / ld;
    int64_t whole, rows = ts_place_along(&p->place.dim[0], row, &whole);
    it->from = it->col = (x->at + it->at) % ld;
    rows = row < counted ? least(rows, counted - row) : rows;
    rows = least(rows, it->most > ld ? it->most / ld : 1);
    it->rows = it->from || left < ld ? 1 : least(rows, left / ld);
    it->cols = least(left, ld - it->from);
}

bool ts_patches_next(ts_patches *it, ts_patch *out)
{
    const ts_param *p = it->p;
    const ts_shard_piece *x = &p->set->shards.piece[it->piece];
    if (it->piece < it->last && it->at == x->n)
        it->piece++, x++, it->at = 0;
    if (it->piece == it->last)
        return false;
    if (!it->rows)
        begin_rows(it, x);
    const int64_t ld = p->dim[1], row = (x->at + it->at) / ld, end = it->from + it->cols;
    *out = (ts_patch){ .piece = x, .at = it->at + it->col - it->from, .rows = it->rows, .ld = ld,
                       .width = ts_place_whole_count(&p->place) / p->place.dim[0].whole,
                       .counts = ts_place_is_whole(&p->place) || row < p->counted / ld };
    ts_place_along(&p->place.dim[0], row, &out->row);
    out->col = it->col;
    out->cols = end - it->col;
    if (p->place.rank == 2)
        out->cols = least(out->cols, ts_place_along(&p->place.dim[1], it->col, &out->col));
    it->col += out->cols;
    if (it->col == end) {
        it->at += it->rows > 1 ? it->rows * ld : it->cols;
        it->rows = 0;
    }
    return true;
}
