#include "tensor/state_code.h"

enum { SMALL = 4096 };

static int64_t blocks_of(int64_t n) { return (n + TS_CODES_BLOCK - 1) / TS_CODES_BLOCK; }

static ts_codes codes_of(const ts_state_code *c, const ts_param *p)
{
    if (c->plain == TS_STATE_PLAIN_REST)
        return p->steps_whole ? c->codes : TS_CODES_NONE;
    const bool has_ends = c->plain != TS_STATE_PLAIN_NONE && c->plain != TS_STATE_PLAIN_PARTS,
               small = c->plain == TS_STATE_PLAIN_SMALL && ts_place_whole_count(&p->place) < SMALL,
               parts = c->plain >= TS_STATE_PLAIN_PARTS && (p->parts.slots || p->at_both_ends);
    return (has_ends && p->decoupled) || small || parts ? TS_CODES_NONE : c->codes;
}

ts_codes ts_state_code_of(const ts_state_code *c, const ts_shard_piece *x) { return codes_of(c, x->p); }

/* Of whole blocks, as flat arrays are made of. */
static int64_t code_bytes(ts_codes codes, int64_t n)
{
    return blocks_of(n) * TS_CODES_BLOCK * (int64_t)ts_codes_size(codes);
}

static int64_t scale_bytes(ts_codes codes, int64_t n) { return blocks_of(n) * (int64_t)ts_codes_scale_bytes(codes); }

/* How many elements of the flat arrays [from, to) rank r has. */
static int64_t elements_of(const ts_shards *s, int r, int64_t from, int64_t to)
{
    int64_t n = 0;
    for (int64_t u = ts_shard_unit(s, from); u < s->n_units && s->begin[u] < to; u++) {
        const int by = ts_shard_rank_of(s, u, r);
        const int64_t begin = ts_shard_begin(s, u, by), end = ts_shard_begin(s, u, by + 1),
                      first = begin > from ? begin : from, last = end < to ? end : to;
        n += first < last ? last - first : 0;
    }
    return n;
}

static int64_t bytes_of_rank(const ts_state_code *c, int r)
{
    const ts_param_set *set = c->params;
    int64_t plain = 0;
    for (size_t i = 0; i < set->n; i++)
        if (ts_param_is_trained(set->p[i]) && !codes_of(c, set->p[i]))
            plain += elements_of(&set->shards, r, set->p[i]->offset, set->p[i]->offset + ts_param_room(set->p[i]));
    const int64_t coded = elements_of(&set->shards, r, 0, set->total) - plain;
    return code_bytes(TS_CODES_NONE, plain) + code_bytes(c->codes, coded) + scale_bytes(c->codes, coded);
}

ts_status ts_state_code_init(ts_state_code *c, const ts_param_set *params, ts_codes codes, bool second,
                             ts_state_plain plain)
{
    const ts_shards *s = &params->shards;
    *c = (ts_state_code){ .params = params, .codes = codes, .second = second, .plain = plain };
    if (!codes)
        return TS_OK;
    TS_TRY(ts_alloc(&c->at, 2 * (size_t)s->n_pieces + 1, sizeof *c->at));
    int64_t at = 0;
    for (int64_t i = 0; i < s->n_pieces; at += code_bytes(codes_of(c, s->piece[i].p), s->piece[i].n), i++)
        c->at[i] = at;
    for (int64_t i = 0; i < s->n_pieces; at += scale_bytes(codes_of(c, s->piece[i].p), s->piece[i].n), i++)
        c->at[s->n_pieces + i] = at;
    for (int r = 0; r < s->o.size; r++) {
        const size_t bytes = (size_t)bytes_of_rank(c, r);
        c->bytes = bytes > c->bytes ? bytes : c->bytes;
    }
    TS_ASSERT((size_t)at <= c->bytes, "%lld bytes of moments in %zu", (long long)at, c->bytes);
    return TS_OK;
}

void ts_state_code_deinit(ts_state_code *c)
{
    ts_free(&c->at);
    *c = (ts_state_code){ 0 };
}

void *ts_state_code_at(const ts_state_code *c, const ts_storage *array, const ts_shard_piece *x)
{
    return (char *)array->data + c->at[x - c->params->shards.piece];
}

void *ts_state_code_scales(const ts_state_code *c, const ts_storage *array, const ts_shard_piece *x)
{
    const ts_shards *s = &c->params->shards;
    return (char *)array->data + c->at[s->n_pieces + (x - s->piece)];
}

/* ---- from and to the host, so many blocks at a time ---- */

enum { BLOCKS = 256, NUMBERS = BLOCKS * TS_CODES_BLOCK };

typedef struct window {
    float code[NUMBERS]; /* the codes, which take as much at most */
    float scale[BLOCKS];
} window;

ts_status ts_state_code_read(const ts_state_code *c, const ts_storage *array, const ts_shard_piece *x,
                             int64_t from, int64_t n, float *to)
{
    const ts_codes codes = ts_state_code_of(c, x);
    const size_t size = ts_codes_size(codes), scale = ts_codes_scale_bytes(codes);
    const char *code = ts_state_code_at(c, array, x), *scales = ts_state_code_scales(c, array, x);
    ts_device *dev = c->params->dev;
    window *w;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    ts_status st = TS_OK;
    for (int64_t at = 0; st == TS_OK && at < n; at += NUMBERS) {
        const int64_t some = n - at < NUMBERS ? n - at : NUMBERS, first = (from + at) / TS_CODES_BLOCK;
        st = ts_device_read(dev, w->code, code + (size_t)(from + at) * size, (size_t)some * size);
        if (st == TS_OK && scale)
            st = ts_device_read(dev, w->scale, scales + (size_t)first * scale, (size_t)blocks_of(some) * scale);
        for (int64_t k = 0; st == TS_OK && k < some; k += TS_CODES_BLOCK)
            ts_codes_read(codes, c->second, (char *)w->code + (size_t)k * size,
                          (char *)w->scale + (size_t)(k / TS_CODES_BLOCK) * scale,
                          some - k < TS_CODES_BLOCK ? some - k : TS_CODES_BLOCK, to + at + k);
    }
    ts_free(&w);
    return st;
}

ts_status ts_state_code_write(const ts_state_code *c, const ts_storage *array, const ts_shard_piece *x,
                              const float *v)
{
    const ts_codes codes = ts_state_code_of(c, x);
    const size_t size = ts_codes_size(codes), scale = ts_codes_scale_bytes(codes);
    char *code = ts_state_code_at(c, array, x), *scales = ts_state_code_scales(c, array, x);
    ts_device *dev = c->params->dev;
    window *w;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    for (int64_t at = 0; at < x->n; at += NUMBERS) {
        const int64_t some = x->n - at < NUMBERS ? x->n - at : NUMBERS;
        for (int64_t k = 0; k < some; k += TS_CODES_BLOCK)
            ts_codes_write(codes, c->second, v + at + k, some - k < TS_CODES_BLOCK ? some - k : TS_CODES_BLOCK,
                           (char *)w->code + (size_t)k * size,
                           (char *)w->scale + (size_t)(k / TS_CODES_BLOCK) * scale);
        dev->to_device(dev, code + (size_t)at * size, w->code, (size_t)some * size);
        if (scale)
            dev->to_device(dev, scales + (size_t)(at / TS_CODES_BLOCK) * scale, w->scale,
                           (size_t)blocks_of(some) * scale);
    }
    ts_free(&w);
    return TS_OK;
}
