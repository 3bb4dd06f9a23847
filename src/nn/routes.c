#include "nn/routes.h"

#include "base/file.h"
#include "base/output.h"

#include <string.h>
#include <unistd.h>

enum { HEAD = 64, NUMBERS = 7 };
static const char magic[8] = "TSROUTE1";

struct ts_routes {
    ts_routes_shape s;
    int64_t first; /* step of the file */
    bool replays, planned;
    const char *option;
    ts_output out;
    ts_map map;
    ts_str path;
    uint16_t *piece; /* one sequence of one layer */
    uint16_t *all;   /* recording: of a step, what is put here; zeros elsewhere */
    size_t cap_piece, cap_all;
    int64_t step;    /* which it is */
    bool varies;     /* sequences have any length: a step is one of them, */
    int64_t number;  /* of so many before it */
    off_t at;        /* where what follows begins in the file */
};

static int64_t step_count(const ts_routes_shape *s) { return s->samples * s->layers * s->length * s->k; }

static ts_status create(const char *option, const char *path, bool planned, const ts_routes_shape *shape, ts_routes **out)
{
    ts_routes *r;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    *r = (ts_routes){ .s = *shape, .option = option, .planned = planned, .varies = !shape->length, .at = HEAD };
    ts_status st = ts_grow(&r->piece, &r->cap_piece, (size_t)(shape->length * shape->k), sizeof *r->piece);
    if (st == TS_OK && path)
        st = ts_str_puts(&r->path, path);
    if (st != TS_OK)
        ts_routes_close(&r);
    else
        *out = r;
    return st;
}

static ts_status write_at(ts_routes *r, const void *data, size_t size, off_t at)
{
    const char *p = data;
    while (size > 0) {
        const ssize_t n = pwrite(r->out.fd, p, size, at);
        if (n < 0)
            return ts_output_error(&r->out, "writing");
        p += n, at += n, size -= (size_t)n;
    }
    return TS_OK;
}

ts_status ts_routes_record(const char *option, const char *path, bool planned, const ts_routes_shape *shape, int64_t first,
                           ts_routes **out)
{
    const int64_t head[NUMBERS] = { shape->experts, shape->k, shape->layers, shape->length, shape->samples, first };
    ts_routes *r;
    TS_TRY(create(option, path, planned, shape, &r));
    r->first = r->step = first;
    ts_status st = planned ? TS_OK : ts_grow(&r->all, &r->cap_all, (size_t)step_count(shape), sizeof *r->all);
    if (st == TS_OK && r->all)
        memset(r->all, 0, (size_t)step_count(shape) * sizeof *r->all);
    if (st == TS_OK && path) {
        st = ts_output_open(&r->out, option, path, TS_OUTPUT_SEEK);
        if (st == TS_OK)
            st = write_at(r, magic, sizeof magic, 0);
        if (st == TS_OK)
            st = write_at(r, head, sizeof head, sizeof magic);
    }
    if (st != TS_OK)
        ts_routes_close(&r);
    else
        *out = r;
    return st;
}

/* What the head of the file says, beside what this run needs. */
static ts_status check_head(ts_routes *r, int64_t first, int64_t end)
{
    static const char *const name[] = { "experts", "experts of a token", "layers", "tokens of a sequence",
                                        "sequences of a step" };
    const int64_t want[] = { r->s.experts, r->s.k, r->s.layers, r->s.length, r->s.samples };
    int64_t head[NUMBERS];
    if (r->map.size < HEAD || memcmp(r->map.data, magic, sizeof magic))
        return ts_error(TS_ERR_USER, "%s %s: this is no file that --moe-routing-record made", r->option, r->path.s);
    memcpy(head, r->map.data + sizeof magic, sizeof head);
    if (!head[3] != r->varies)
        return ts_error(TS_ERR_USER, "%s %s: it was recorded in %s, and this is %s", r->option, r->path.s,
                        r->varies ? "training" : "scoring", r->varies ? "scoring" : "training");
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        if (head[i] != want[i])
            return ts_error(TS_ERR_USER, "%s %s: it has %s: %lld, and this run %lld. Replay it with the model and the "
                                         "batches that it was recorded with", r->option, r->path.s, name[i],
                            (long long)head[i], (long long)want[i]);
    if (r->varies)
        return TS_OK;
    const size_t step = (size_t)step_count(&r->s) * sizeof(uint16_t);
    const int64_t steps = (int64_t)((r->map.size - HEAD) / step);
    r->first = head[5];
    if (first < r->first || end > r->first + steps)
        return ts_error(TS_ERR_USER, "%s %s: it has iterations %lld to %lld, and this run makes %lld to %lld. Record "
                                     "as many", r->option, r->path.s, (long long)(r->first + 1),
                        (long long)(r->first + steps), (long long)(first + 1), (long long)end);
    return TS_OK;
}

ts_status ts_routes_replay(const char *option, const char *path, const ts_routes_shape *shape, int64_t first, int64_t end,
                           ts_routes **out)
{
    ts_routes *r;
    TS_TRY(create(option, path, !path, shape, &r));
    r->replays = true;
    ts_status st = path ? ts_map_open(path, &r->map) : TS_OK;
    if (st == TS_OK && path)
        st = check_head(r, first, end);
    if (st != TS_OK)
        ts_routes_close(&r);
    else
        *out = r;
    return st;
}

ts_status ts_routes_finish(ts_routes *r)
{
    return r->replays || !r->path.len ? TS_OK : ts_output_finish(&r->out);
}

void ts_routes_close(ts_routes **routes)
{
    ts_routes *r = *routes;
    if (!r)
        return;
    ts_output_abandon(&r->out);
    ts_map_close(&r->map);
    ts_str_deinit(&r->path);
    ts_free(&r->piece);
    ts_free(&r->all);
    ts_free(routes);
}

/* ---- sequences of any length ---- */

/* What the file has of the next sequence: all of n tokens. */
static ts_status check_next(const ts_routes *r, int64_t n)
{
    const size_t left = r->map.size - (size_t)r->at;
    int64_t has;
    if (!left)
        return ts_error(TS_ERR_USER, "%s %s: it has %lld sequences, and here is one more", r->option, r->path.s,
                        (long long)r->number);
    if (left >= sizeof has)
        memcpy(&has, r->map.data + r->at, sizeof has);
    if (left < sizeof has || has < 0 || (left - sizeof has) / sizeof(uint16_t) < (size_t)step_count(&r->s))
        return ts_error(TS_ERR_USER, "%s %s: it ends within sequence %lld", r->option, r->path.s, (long long)(r->number + 1));
    if (has != n)
        return ts_error(TS_ERR_USER, "%s %s: sequence %lld has %lld tokens, and here %lld", r->option, r->path.s,
                        (long long)(r->number + 1), (long long)has, (long long)n);
    return TS_OK;
}

ts_status ts_routes_begin(ts_routes *r, int64_t n)
{
    TS_ASSERT(r->varies, "sequences of %lld tokens", (long long)r->s.length);
    r->s.length = n, r->s.samples = 1;
    TS_TRY(ts_grow(&r->piece, &r->cap_piece, (size_t)(n * r->s.k), sizeof *r->piece));
    if (r->replays)
        TS_TRY(check_next(r, n));
    else
        TS_TRY(ts_grow(&r->all, &r->cap_all, (size_t)step_count(&r->s), sizeof *r->all));
    if (r->all)
        memset(r->all, 0, (size_t)step_count(&r->s) * sizeof *r->all);
    r->at += (off_t)sizeof n;
    return TS_OK;
}

ts_status ts_routes_end(ts_routes *r)
{
    const size_t bytes = (size_t)step_count(&r->s) * sizeof *r->all;
    if (!r->replays) {
        TS_TRY(write_at(r, &r->s.length, sizeof r->s.length, r->at - (off_t)sizeof r->s.length));
        TS_TRY(write_at(r, r->all, bytes, r->at));
    }
    r->at += (off_t)bytes;
    r->number++;
    return TS_OK;
}

bool ts_routes_replays(const ts_routes *r) { return r->replays; }

/* Rows from `row` on that follow each other in a sequence: how many, and where their ids begin. */
static int64_t stretch_of(const ts_routes *r, int64_t step, int64_t layer, const ts_row_places *rows, int64_t row,
                          int64_t *at)
{
    const int64_t here = ts_stretches_count(&rows->at);
    const int64_t sample = rows->sample0 + (rows->row0 + row) / here;
    int64_t i = (rows->row0 + row) % here, piece = 0;
    const int64_t token = ts_stretches_at(&rows->at, i);
    while (i >= rows->at.piece[piece].n)
        i -= rows->at.piece[piece++].n;
    *at = (step - r->first) * step_count(&r->s) + ((sample * r->s.layers + layer) * r->s.length + token) * r->s.k;
    return rows->at.piece[piece].n - i;
}

void ts_routes_put(ts_routes *r, int64_t step, int64_t layer, const ts_row_places *rows, int64_t n, const int32_t *ids)
{
    int64_t at;
    for (int64_t i = 0, m; i < n && r->all; i += m) {
        m = stretch_of(r, step, layer, rows, i, &at);
        m = m < n - i ? m : n - i;
        uint16_t *to = r->all + at - (r->step - r->first) * step_count(&r->s);
        for (int64_t p = 0; p < m * r->s.k; p++)
            to[p] = (uint16_t)ids[i * r->s.k + p];
    }
}

/* Where a process has put nothing it has zeros, and those that have put something have the same: byte by byte the largest. */
ts_status ts_routes_step(ts_routes *r, ts_comm *everyone)
{
    const size_t bytes = (size_t)step_count(&r->s) * sizeof *r->all;
    if (r->replays)
        return TS_OK;
    if (everyone->size > 1)
        TS_TRY(ts_comm_run(everyone, ts_all_reduce(r->all, (int64_t)bytes, TS_COMM_U8, TS_COMM_MAX)));
    const off_t at = HEAD + (off_t)bytes * (r->step++ - r->first);
    const ts_status st = r->path.len ? write_at(r, r->all, bytes, at) : TS_OK;
    if (r->all)
        memset(r->all, 0, bytes);
    return ts_comm_agree(everyone, st);
}

/* A row's experts: each there, and once. */
static bool is_whole(const ts_routes *r, const int32_t *ids)
{
    for (int64_t j = 0; j < r->s.k; j++) {
        if (ids[j] >= r->s.experts)
            return false;
        for (int64_t i = 0; i < j; i++)
            if (ids[i] == ids[j])
                return false;
    }
    return true;
}

ts_status ts_routes_take(const ts_routes *r, int64_t step, int64_t layer, const ts_row_places *rows, int64_t n,
                         int32_t *ids)
{
    int64_t at;
    const int64_t k = r->s.k;
    for (int64_t p = 0; r->planned && p < n * k; p++)
        ids[p] = (int32_t)(p % k);
    for (int64_t i = 0, m; i < n && !r->planned; i += m) {
        m = stretch_of(r, step, layer, rows, i, &at);
        m = m < n - i ? m : n - i;
        memcpy(r->piece, r->map.data + r->at + 2 * at, (size_t)(m * k) * sizeof *r->piece);
        for (int64_t p = 0; p < m * k; p++)
            ids[i * k + p] = r->piece[p];
        for (int64_t row = i; row < i + m; row++)
            if (!is_whole(r, ids + row * k))
                return ts_error(TS_ERR_USER, "%s %s: %s %lld, layer %lld: these are no experts; the file is damaged",
                                r->option, r->path.s, r->varies ? "sequence" : "iteration",
                                (long long)((r->varies ? r->number : step) + 1), (long long)layer);
    }
    return TS_OK;
}
