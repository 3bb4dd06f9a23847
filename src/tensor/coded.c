/* Masters in 8 bits, of a set that keeps matrices so (ts_shard_options.coded). */
#include "tensor/state_code.h"

ts_status ts_param_set_init_code(ts_param_set *s)
{
    TS_TRY(ts_alloc(&s->code, 1, sizeof *s->code));
    TS_TRY(ts_state_code_init(s->code, s, TS_CODES_I8, false, TS_STATE_PLAIN_REST));
    return ts_storage_create(s->dev, TS_MEM_WEIGHT, s->code->bytes, &s->master);
}

void ts_param_set_deinit_code(ts_param_set *s)
{
    if (s->code)
        ts_state_code_deinit(s->code);
    ts_free(&s->code);
}

int ts_shard_piece_codes(const ts_shard_piece *x)
{
    return x->p->set->code ? (int)ts_state_code_of(x->p->set->code, x) : TS_CODES_NONE;
}

void *ts_shard_piece_coded(const ts_shard_piece *x)
{
    return ts_state_code_at(x->p->set->code, x->p->set->master, x);
}

static int64_t blocks_of(int64_t n) { return (n + TS_CODES_BLOCK - 1) / TS_CODES_BLOCK; }

static ts_codes_args args_of(const ts_shard_piece *x, int64_t at, int64_t n)
{
    const ts_param_set *s = x->p->set;
    const ts_codes c = ts_state_code_of(s->code, x);
    TS_ASSERT(at % TS_CODES_BLOCK == 0, "%s: element %lld is inside a block", x->p->name, (long long)at);
    return (ts_codes_args){ .codes = c,
                            .code = (char *)ts_state_code_at(s->code, s->master, x) + (size_t)at * ts_codes_size(c),
                            .scales = (char *)ts_state_code_scales(s->code, s->master, x) +
                                      (size_t)(at / TS_CODES_BLOCK) * ts_codes_scale_bytes(c),
                            .len = n };
}

static ts_cost cost_of(const ts_codes_args *a, size_t size)
{
    const double n = (double)a->len;
    return (ts_cost){ 0, n * (double)(ts_codes_size(a->codes) + size) +
                             (double)(blocks_of(a->len) * (int64_t)ts_codes_scale_bytes(a->codes)), TS_DTYPE_F32 };
}

void ts_shard_piece_decode(const ts_shard_piece *x, int64_t at, int64_t n, ts_dtype t, void *to)
{
    ts_codes_args a = args_of(x, at, n);
    a.y = to;
    a.y_dtype = t;
    ts_launch_codes_read(x->p->set->dev, &a, blocks_of(n), cost_of(&a, ts_dtype_size(t)));
}

void ts_shard_piece_encode(const ts_shard_piece *x, int64_t at, int64_t n, const float *from, const ts_rng *rng)
{
    ts_codes_args a = args_of(x, at, n);
    a.x = from;
    a.begins = true;
    if (rng)
        a.random = true, a.rng = *rng, a.first = x->at + at;
    ts_launch_codes_add(x->p->set->dev, &a, blocks_of(n), cost_of(&a, sizeof *from));
}

/* Codes are made of blocks, and values come in any stretches: all of them first. */
ts_status ts_param_put_coded(ts_param *p, int64_t at, int64_t n, const float *v)
{
    ts_device *dev = p->set->dev;
    int64_t i;
    if (!p->own)
        TS_TRY(ts_storage_create(dev, TS_MEM_WEIGHT, (size_t)ts_param_count(p) * sizeof *v, &p->own));
    dev->to_device(dev, (float *)p->own->data + at, v, (size_t)n * sizeof *v);
    p->filled += n;
    if (p->filled < ts_param_count(p))
        return TS_OK;
    TS_ASSERT(ts_param_pieces(p, &i) == i + 1, "%s is shared out", p->name);
    ts_shard_piece_encode(&p->set->shards.piece[i], 0, ts_param_count(p), p->own->data, NULL);
    TS_TRY(dev->sync(dev));
    ts_storage_release(&p->own);
    p->filled = 0;
    return TS_OK;
}
