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
    int64_t n, length; /* replay: sequences of the file, and their tokens; length 0: each has its own, */
    off_t *begins;     /* and they begin there */
    bool replays, planned;
    const char *option;
    ts_output out;
    ts_map map;
    ts_str path;
    uint16_t *all;   /* recording: of a step, what is put here; zeros elsewhere */
    size_t cap_all;
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
    const ts_status st = path ? ts_str_puts(&r->path, path) : TS_OK;
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

/* ---- what a file has ---- */

/* Its ids of a sequence, which begin there: [layers][n][k]. */
typedef struct recorded {
    off_t at;
    int64_t n;
} recorded;

static recorded sequence_of(const ts_routes *r, int64_t number)
{
    recorded x = { .at = HEAD + (off_t)(number * r->s.layers * r->length * r->s.k * 2), .n = r->length };
    if (!r->begins)
        return x;
    memcpy(&x.n, r->map.data + r->begins[number], sizeof x.n);
    x.at = r->begins[number] + (off_t)sizeof x.n;
    return x;
}

/* Where each of the sequences begins that have a length of their own. */
static ts_status find_sequences(ts_routes *r)
{
    const size_t row = (size_t)(r->s.layers * r->s.k) * sizeof(uint16_t);
    size_t cap = 0, left;
    for (size_t at = HEAD; (left = r->map.size - at) > 0; r->n++) {
        int64_t n = -1;
        if (left >= sizeof n)
            memcpy(&n, r->map.data + at, sizeof n);
        if (n < 0 || (left - sizeof n) / row < (size_t)n)
            return ts_error(TS_ERR_USER, "%s %s: it ends within sequence %lld", r->option, r->path.s, (long long)(r->n + 1));
        TS_TRY(ts_grow(&r->begins, &cap, (size_t)r->n + 1, sizeof *r->begins));
        r->begins[r->n] = (off_t)at;
        at += sizeof n + (size_t)n * row;
    }
    return TS_OK;
}

/* What this run needs of the model's shape, and (of: those of a step) of the batches. */
static ts_status check_numbers(const ts_routes *r, const int64_t head[NUMBERS], size_t of)
{
    static const char *const name[] = { "experts", "experts of a token", "layers", "tokens of a sequence",
                                        "sequences of a step" };
    const int64_t want[] = { r->s.experts, r->s.k, r->s.layers, r->s.length, r->s.samples };
    for (size_t i = 0; i < of; i++)
        if (head[i] != want[i])
            return ts_error(TS_ERR_USER, "%s %s: it has %s: %lld, and this run %lld. Replay it with the model and the "
                                         "batches that it was recorded with", r->option, r->path.s, name[i],
                            (long long)head[i], (long long)want[i]);
    return TS_OK;
}

static ts_status check_steps(const ts_routes *r, int64_t first, int64_t end)
{
    const int64_t steps = r->n / r->s.samples;
    if (first < r->first || end > r->first + steps)
        return ts_error(TS_ERR_USER, "%s %s: it has iterations %lld to %lld, and this run makes %lld to %lld. Record "
                                     "as many", r->option, r->path.s, (long long)(r->first + 1),
                        (long long)(r->first + steps), (long long)(first + 1), (long long)end);
    return TS_OK;
}

/* The file's sequence is at least and at most so long. */
static ts_status check_length(const ts_routes *r, int64_t number, int64_t least, int64_t most)
{
    const int64_t has = sequence_of(r, number).n;
    if (has < least || has > most)
        return ts_error(TS_ERR_USER, "%s %s: sequence %lld has %lld tokens, and here %lld", r->option, r->path.s,
                        (long long)(number + 1), (long long)has, (long long)r->s.length);
    return TS_OK;
}

/* Sequences that were scored are a training's, which scores with the last token that is here nothing but has it in its data. */
static ts_status check_scored(const ts_routes *r, int64_t first, int64_t end)
{
    if (r->n < end * r->s.samples)
        return ts_error(TS_ERR_USER, "%s %s: it has %lld sequences that were scored, and this run takes %lld in %lld iterations. "
                                     "Score as many", r->option, r->path.s, (long long)r->n,
                        (long long)(end * r->s.samples), (long long)end);
    for (int64_t i = first * r->s.samples; i < end * r->s.samples; i++)
        TS_TRY(check_length(r, i, r->s.pads ? 0 : r->s.length, r->s.length + 1));
    return TS_OK;
}

static ts_status check_file(ts_routes *r, int64_t first, int64_t end)
{
    int64_t head[NUMBERS];
    if (r->map.size < HEAD || memcmp(r->map.data, magic, sizeof magic))
        return ts_error(TS_ERR_USER, "%s %s: this is no file that --moe-routing-record made", r->option, r->path.s);
    memcpy(head, r->map.data + sizeof magic, sizeof head);
    TS_TRY(check_numbers(r, head, head[3] && !r->varies ? 5 : 3));
    if (!head[3]) {
        TS_TRY(find_sequences(r));
        return r->varies ? TS_OK : check_scored(r, first, end);
    }
    size_t bytes;
    if (head[3] < 0 || !ts_mul_size((size_t)head[3], (size_t)(r->s.layers * r->s.k) * sizeof(uint16_t), &bytes) || !bytes)
        return ts_error(TS_ERR_USER, "%s %s: it says sequences of %lld tokens: it is damaged", r->option, r->path.s,
                        (long long)head[3]);
    r->first = head[5], r->length = head[3], r->n = (int64_t)((r->map.size - HEAD) / bytes);
    return r->varies ? TS_OK : check_steps(r, first, end);
}

ts_status ts_routes_replay(const char *option, const char *path, const ts_routes_shape *shape, int64_t first, int64_t end,
                           ts_routes **out)
{
    ts_routes *r;
    TS_TRY(create(option, path, !path, shape, &r));
    r->replays = true;
    ts_status st = path ? ts_map_open(path, &r->map) : TS_OK;
    if (st == TS_OK && path)
        st = check_file(r, first, end);
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
    ts_free(&r->begins);
    ts_free(&r->all);
    ts_free(routes);
}

/* ---- sequences of any length ---- */

/* Of those that were scored, the same; of a training, whose last label is no token of it, or with padding behind it. */
static ts_status check_next(const ts_routes *r, int64_t n)
{
    if (r->number == r->n)
        return ts_error(TS_ERR_USER, "%s %s: it has %lld sequences, and here is one more", r->option, r->path.s,
                        (long long)r->number);
    return check_length(r, r->number, r->length ? n - 1 : n, r->length ? INT64_MAX : n);
}

ts_status ts_routes_begin(ts_routes *r, int64_t n)
{
    TS_ASSERT(r->varies, "sequences of %lld tokens", (long long)r->s.length);
    r->s.length = n, r->s.samples = 1;
    if (r->replays)
        return check_next(r, n);
    TS_TRY(ts_grow(&r->all, &r->cap_all, (size_t)step_count(&r->s), sizeof *r->all));
    memset(r->all, 0, (size_t)step_count(&r->s) * sizeof *r->all);
    return TS_OK;
}

ts_status ts_routes_end(ts_routes *r)
{
    const int64_t n = r->s.length;
    const size_t bytes = (size_t)step_count(&r->s) * sizeof *r->all;
    r->number++;
    if (r->replays)
        return TS_OK;
    TS_TRY(write_at(r, &n, sizeof n, r->at));
    TS_TRY(write_at(r, r->all, bytes, r->at + (off_t)sizeof n));
    r->at += (off_t)(sizeof n + bytes);
    return TS_OK;
}

bool ts_routes_replays(const ts_routes *r) { return r->replays; }

/* Rows from `row` on that follow each other in a sequence: how many; which sequence of the step and which token the
 * first is. */
static int64_t stretch_of(const ts_row_places *rows, int64_t row, int64_t *sample, int64_t *token)
{
    const int64_t here = ts_stretches_count(&rows->at);
    int64_t i = (rows->row0 + row) % here, piece = 0;
    *sample = rows->sample0 + (rows->row0 + row) / here;
    *token = ts_stretches_at(&rows->at, i);
    while (i >= rows->at.piece[piece].n)
        i -= rows->at.piece[piece++].n;
    return rows->at.piece[piece].n - i;
}

void ts_routes_put(ts_routes *r, int64_t step, int64_t layer, const ts_row_places *rows, int64_t n, const int32_t *ids)
{
    int64_t sample, token;
    for (int64_t i = 0, m; i < n && r->all; i += m) {
        m = stretch_of(rows, i, &sample, &token);
        m = m < n - i ? m : n - i;
        uint16_t *to = r->all + (step - r->step) * step_count(&r->s) +
                       ((sample * r->s.layers + layer) * r->s.length + token) * r->s.k;
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

/* Of n tokens of a sequence in a layer, as far as the file has them. */
static void read_ids(const ts_routes *r, int64_t number, int64_t layer, int64_t token, int64_t n, int32_t *ids)
{
    const recorded x = sequence_of(r, number);
    const int64_t k = r->s.k, there = token < x.n ? (x.n - token < n ? x.n - token : n) : 0;
    const char *at = (const char *)r->map.data + x.at + 2 * ((layer * x.n + token) * k);
    for (int64_t p = 0; p < there * k; p++) {
        uint16_t id;
        memcpy(&id, at + 2 * p, sizeof id);
        ids[p] = id;
    }
    for (int64_t p = there * k; p < n * k; p++)
        ids[p] = (int32_t)(p % k);
}

ts_status ts_routes_take(const ts_routes *r, int64_t step, int64_t layer, const ts_row_places *rows, int64_t n,
                         int32_t *ids)
{
    const int64_t k = r->s.k;
    int64_t sample, token;
    for (int64_t p = 0; r->planned && p < n * k; p++)
        ids[p] = (int32_t)(p % k);
    for (int64_t i = 0, m; i < n && !r->planned; i += m) {
        m = stretch_of(rows, i, &sample, &token);
        m = m < n - i ? m : n - i;
        read_ids(r, r->varies ? r->number : (step - r->first) * r->s.samples + sample, layer, token, m, ids + i * k);
        for (int64_t row = i; row < i + m; row++)
            if (!is_whole(r, ids + row * k))
                return ts_error(TS_ERR_USER, "%s %s: %s %lld, layer %lld: these are no experts; the file is damaged",
                                r->option, r->path.s, r->varies ? "sequence" : "iteration",
                                (long long)((r->varies ? r->number : step) + 1), (long long)layer);
    }
    return TS_OK;
}
