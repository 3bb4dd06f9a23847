#include "parallel/seam.h"

#include "base/mem.h"

/* ---- what a process has ---- */

/* Walks the rows that a process has, stretch after stretch of all rows. */
typedef struct walk {
    ts_stretches positions; /* of each sample */
    int64_t samples, length;
    int64_t begin, end; /* of the rows of the context process those that are here */
    int64_t sample, at; /* the next stretch: its sample, and the number of its first row among those */
    int piece;
} walk;

static walk walk_of(const ts_seam_side *s, int64_t samples, int64_t length, int rank)
{
    walk w = { .positions = ts_spread_rows(s->spread, length, rank / s->tp), .length = length };
    const int64_t all = samples * ts_stretches_count(&w.positions);
    w.samples = w.positions.n ? samples : 0;
    TS_ASSERT(!s->by_tp || all % s->tp == 0, "%lld rows on %d processes", (long long)all, s->tp);
    w.begin = s->by_tp ? all / s->tp * (rank % s->tp) : 0;
    w.end = s->by_tp ? w.begin + all / s->tp : all;
    return w;
}

/* The next stretch of all rows that is here; *here: the number of its first row here. */
static bool next(walk *w, ts_stretch *rows, int64_t *here)
{
    while (w->sample < w->samples) {
        const ts_stretch *p = &w->positions.piece[w->piece];
        const int64_t first = w->at, from = first > w->begin ? first : w->begin,
                      to = first + p->n < w->end ? first + p->n : w->end;
        *rows = (ts_stretch){ w->sample * w->length + p->begin + (from - first), to - from };
        *here = from - w->begin;
        w->at += p->n;
        if (++w->piece == w->positions.n)
            w->piece = 0, w->sample++;
        if (rows->n > 0)
            return true;
    }
    return false;
}

int64_t ts_seam_rows(const ts_seam_side *s, int64_t samples, int64_t length, int rank)
{
    const walk w = walk_of(s, samples, length, rank);
    return w.end - w.begin;
}

/* ---- what two have in common ---- */

/* Whether `rank` of `from` is the one that serves `to_rank` among those that have the same rows. */
static bool serves(const ts_seam_side *from, int rank, const ts_seam_side *to, int to_rank)
{
    const int tp = to_rank % to->tp % from->tp, cp = to_rank / to->tp % from->cp;
    return (from->by_tp || rank % from->tp == tp) && (from->spread || rank / from->tp == cp);
}

/* Rows that both have, the numbers of the first of them on either; joined to the run before where they follow. */
static ts_status add(ts_seam_runs *out, int peer, int64_t here, int64_t there, int64_t n, int64_t *expected)
{
    ts_seam_run *last = out->n ? &out->v[out->n - 1] : NULL;
    if (last && last->peer == peer && last->here + last->n == here && *expected == there) {
        last->n += n;
    } else {
        TS_TRY(ts_grow(&out->v, &out->cap, (size_t)out->n + 1, sizeof *out->v));
        out->v[out->n++] = (ts_seam_run){ peer, here, n };
    }
    *expected = there + n;
    return TS_OK;
}

/* a is this process's, b the peer's: both go up. */
static ts_status common(walk a, walk b, int peer, ts_seam_runs *out)
{
    ts_stretch x = { 0 }, y = { 0 };
    int64_t here = 0, there = 0, expected = -1;
    bool more = next(&a, &x, &here) && next(&b, &y, &there);
    while (more) {
        const int64_t from = x.begin > y.begin ? x.begin : y.begin, x_end = x.begin + x.n, y_end = y.begin + y.n;
        const int64_t n = (x_end < y_end ? x_end : y_end) - from;
        if (n > 0)
            TS_TRY(add(out, peer, here + (from - x.begin), there + (from - y.begin), n, &expected));
        more = x_end < y_end ? next(&a, &x, &here) : next(&b, &y, &there);
    }
    return TS_OK;
}

ts_status ts_seam_sends(const ts_seam_side *from, const ts_seam_side *to, int64_t samples, int64_t length, int rank,
                        ts_seam_runs *out)
{
    *out = (ts_seam_runs){ 0 };
    for (int peer = 0; peer < ts_seam_size(to); peer++)
        if (serves(from, rank, to, peer))
            TS_TRY(common(walk_of(from, samples, length, rank), walk_of(to, samples, length, peer), peer, out));
    return TS_OK;
}

ts_status ts_seam_receives(const ts_seam_side *from, const ts_seam_side *to, int64_t samples, int64_t length,
                           int rank, ts_seam_runs *out)
{
    *out = (ts_seam_runs){ 0 };
    for (int peer = 0; peer < ts_seam_size(from); peer++)
        if (serves(from, peer, to, rank))
            TS_TRY(common(walk_of(to, samples, length, rank), walk_of(from, samples, length, peer), peer, out));
    return TS_OK;
}
