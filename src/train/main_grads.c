#include "train/main_grads.h"

ts_codes ts_main_grads_codes(const ts_train_options *o)
{
    return o->quant_grads || o->main_grads_dtype == TS_STATE_F16 ? TS_CODES_F16
           : o->main_grads_dtype == TS_STATE_BF16                ? TS_CODES_BF16
                                                                 : TS_CODES_NONE;
}

static int64_t blocks_of(int64_t n) { return (n + TS_CODES_BLOCK - 1) / TS_CODES_BLOCK; }

ts_status ts_main_grads_init(ts_main_grads *g, const ts_train_options *o, ts_param_set *params)
{
    *g = (ts_main_grads){ .params = params };
    TS_TRY(ts_state_code_init(&g->code, params, ts_main_grads_codes(o), false,
                              o->quant_grads ? TS_STATE_PLAIN_ENDS_PARTS : TS_STATE_PLAIN_PARTS));
    int64_t longest = 0;
    for (int64_t i = 0; i < params->shards.n_pieces; i++)
        longest = params->shards.piece[i].n > longest ? params->shards.piece[i].n : longest;
    if (!g->code.codes)
        return TS_OK;
    if (g->code.codes == TS_CODES_F16 && params->dev->computes)
        TS_TRY(ts_alloc(&g->scale, (size_t)blocks_of(longest), sizeof *g->scale));
    return ts_storage_create(params->dev, TS_MEM_GRAD, g->code.bytes, &g->sum);
}

void ts_main_grads_deinit(ts_main_grads *g)
{
    ts_state_code_deinit(&g->code);
    ts_storage_release(&g->sum);
    ts_free(&g->scale);
    *g = (ts_main_grads){ 0 };
}

/* ---- a piece ---- */

static ts_codes_args args_of(const ts_main_grads *g, const ts_shard_piece *p)
{
    return (ts_codes_args){ .codes = ts_state_code_of(&g->code, p),
                            .code = ts_state_code_at(&g->code, g->sum, p),
                            .scales = ts_state_code_scales(&g->code, g->sum, p),
                            .len = p->n };
}

/* n elements read or written as codes, and as many numbers. */
static double bytes_of(const ts_codes_args *a, int64_t n)
{
    return (double)n * (4 + (double)ts_codes_size(a->codes)) +
           (double)(blocks_of(n) * (int64_t)ts_codes_scale_bytes(a->codes));
}

void ts_main_grads_add(const ts_main_grads *g, const ts_shard_piece *p, const float *x, bool begins)
{
    ts_codes_args a = args_of(g, p);
    const double bytes = bytes_of(&a, p->n), n = (double)p->n;
    a.x = x;
    a.begins = begins;
    ts_launch_codes_add(g->params->dev, &a, blocks_of(p->n),
                        (ts_cost){ begins ? 0 : n, begins ? bytes : 2 * bytes - 4 * n, TS_DTYPE_F32 });
}

void ts_main_grads_clear(const ts_main_grads *g, const ts_shard_piece *p)
{
    const ts_codes_args a = args_of(g, p);
    ts_device *dev = g->params->dev;
    dev->zero(dev, a.code, (size_t)p->n * ts_codes_size(a.codes));
    if (ts_codes_scale_bytes(a.codes))
        dev->zero(dev, a.scales, (size_t)blocks_of(p->n) * ts_codes_scale_bytes(a.codes));
}

void ts_main_grads_read(const ts_main_grads *g, const ts_shard_piece *p, int64_t at, int64_t n, float *to)
{
    ts_codes_args a = args_of(g, p);
    TS_ASSERT(at % TS_CODES_BLOCK == 0, "%s: element %lld is inside a block", p->p->name, (long long)at);
    a.code = (char *)a.code + (size_t)at * ts_codes_size(a.codes);
    a.scales = (char *)a.scales + (size_t)(at / TS_CODES_BLOCK) * ts_codes_scale_bytes(a.codes);
    a.len = n;
    a.y = to;
    ts_launch_codes_read(g->params->dev, &a, blocks_of(n), (ts_cost){ 0, bytes_of(&a, n), TS_DTYPE_F32 });
}

float *ts_main_grads_plain(const ts_main_grads *g, const ts_shard_piece *p)
{
    const ts_codes_args a = args_of(g, p);
    TS_ASSERT(!a.codes, "the gradient of %s is in few bits", p->p->name);
    return a.code;
}

/* ---- over processes ---- */

/* Codes as multiples of another scale. */
static void rescale(uint16_t *code, int64_t n, float from, float to)
{
    const float factor = to > 0 ? from / to : 0;
    for (int64_t i = 0; i < n; i++)
        code[i] = ts_f32_to_f16(ts_f16_to_f32(code[i]) * factor);
}

/* Of all processes the largest scale of each block, times their number; this one's codes likewise. */
static ts_status agree_on_scales(const ts_main_grads *g, ts_comm *comm, const ts_codes_args *a)
{
    const int64_t n = blocks_of(a->len);
    float *scale = g->scale ? a->scales : NULL;
    for (int64_t b = 0; scale && b < n; b++)
        g->scale[b] = scale[b];
    TS_TRY(ts_comm_run(comm, ts_all_reduce(scale, n, TS_COMM_F32, TS_COMM_MAX)));
    for (int64_t b = 0; scale && b < n; b++) {
        const int64_t at = b * TS_CODES_BLOCK, left = a->len - at;
        scale[b] *= (float)comm->size;
        rescale((uint16_t *)a->code + at, left < TS_CODES_BLOCK ? left : TS_CODES_BLOCK, g->scale[b], scale[b]);
    }
    return TS_OK;
}

ts_status ts_main_grads_all_reduce(const ts_main_grads *g, const ts_sharers *of)
{
    const ts_shards *s = &g->params->shards;
    for (int64_t i = 0; i < s->n_pieces; i++) {
        const ts_codes_args a = args_of(g, &s->piece[i]);
        ts_comm *comm = ts_sharers_copies(of, s->piece[i].p->is_expert);
        const ts_comm_type type = a.codes == TS_CODES_BF16  ? TS_COMM_BF16
                                  : a.codes == TS_CODES_F16 ? TS_COMM_F16
                                                            : TS_COMM_F32;
        if (a.codes == TS_CODES_F16)
            TS_TRY(agree_on_scales(g, comm, &a));
        TS_TRY(ts_comm_run(comm, ts_all_reduce(a.code, a.len, type, TS_COMM_SUM)));
    }
    return TS_OK;
}

/* ---- for who reads ---- */

ts_grads_there ts_step_grads_there(const ts_step_grads *g, const ts_shard_piece *p, int64_t at)
{
    if (!g->main)
        return (ts_grads_there){ ts_step_grads_at(g, p, at, 0), TS_DTYPE_F32 };
    const ts_codes_args a = args_of(g->main, p);
    const bool is_plain = a.codes == TS_CODES_NONE || a.codes == TS_CODES_BF16;
    return (ts_grads_there){ is_plain ? (char *)a.code + (size_t)at * ts_codes_size(a.codes) : NULL,
                             a.codes == TS_CODES_BF16 ? TS_DTYPE_BF16 : TS_DTYPE_F32 };
}

const float *ts_step_grads_at(const ts_step_grads *g, const ts_shard_piece *p, int64_t at, int64_t n)
{
    const int64_t before = at % TS_CODES_BLOCK;
    if (!g->main)
        return g->all + (g->is_own ? p->own : p->p->offset + p->at - g->from) + at;
    TS_ASSERT(n <= TS_STEP_GRADS, "%s: %lld gradients at once", p->p->name, (long long)n);
    ts_main_grads_read(g->main, p, at - before, n + before, g->room);
    return g->room + before;
}
