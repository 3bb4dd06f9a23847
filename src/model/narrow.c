#include "model/narrow.h"

enum { MX = 32, SQUARE = 128, LINEARS = 6 };

static ts_linear *linear_of(ts_block *b, int i)
{
    ts_linear *const all[LINEARS] = { &b->attention.qkv, &b->attention.q,  &b->attention.kv,
                                      &b->attention.proj, &b->mlp.fc1, &b->mlp.fc2 };
    return all[i];
}

static bool is_wide(const ts_decoder *d, const ts_narrow_options *o, int64_t layer)
{
    return o->ends_wide && (layer < o->wide_first || layer >= d->arch.n_layers - o->wide_last);
}

/* ---- what is rounded ---- */

/* Largest values of hif8 below its own, since its numbers are finest near 1 (as MindSpeed has them). */
static ts_narrow_rule format_of(const ts_narrow_options *o, ts_operand is)
{
    const bool gradient = is == TS_OPERAND_DY;
    const ts_fp8 f = o->format == TS_NARROW_HIF8                 ? TS_FP8_HIF8
                     : gradient && o->format == TS_NARROW_HYBRID ? TS_FP8_E5M2
                                                                 : TS_FP8_E4M3;
    return (ts_narrow_rule){ .format = f, .largest = f != TS_FP8_HIF8 ? ts_fp8_max(f) : gradient ? 224 : 15 };
}

/* Powers of two are rounded up, so that nothing saturates (Mishra et al. 2025, arXiv 2506.08027). */
static ts_narrow_rule rule_of(const ts_narrow_options *o, ts_operand is)
{
    const bool weight = is == TS_OPERAND_W;
    ts_narrow_rule r = format_of(o, is);
    switch (o->recipe) {
    case TS_RECIPE_TENSORWISE: r.scaling = TS_SCALING_NOW; return r;
    case TS_RECIPE_DELAYED: r.scaling = TS_SCALING_DELAYED; return r;
    case TS_RECIPE_BLOCKWISE: r.block = SQUARE, r.across = weight ? SQUARE : 1; break;
    default: r.block = MX, r.across = weight && o->recipe == TS_RECIPE_MX_SQUARE ? MX : 1; break;
    }
    r.scaling = TS_SCALING_BLOCKS;
    r.kind = o->recipe == TS_RECIPE_BLOCKWISE ? TS_SCALE_F32 : TS_SCALE_POWER_UP;
    return r;
}

/* MindSpeed's: of four bits amax's own power of two less that of 6, of eight the one that nothing is too large
 * for; blocks lie along the columns, so that forward and backward multiply with the same weights. */
static ts_narrow_rule qat_rule(int scheme, ts_operand is)
{
    const bool rounds = is == TS_OPERAND_W || (is == TS_OPERAND_X && scheme == TS_QAT_W4A4_MX),
               four = scheme != TS_QAT_W8_MX;
    return (ts_narrow_rule){ .scaling = rounds ? TS_SCALING_BLOCKS : TS_SCALING_NONE,
                             .format = four ? TS_FP4_E2M1 : TS_FP8_E4M3,
                             .kind = four ? TS_SCALE_POWER_DOWN : TS_SCALE_POWER_UP,
                             .largest = ts_fp8_max(four ? TS_FP4_E2M1 : TS_FP8_E4M3),
                             .block = MX, .across = 1, .one_way = true };
}

/* Who has a part of an operand: of W and of what is cut as it is, the layer's group; of rows, who shares out
 * sequences. */
static void note_groups(const ts_linear *l, ts_comm *rows, ts_narrow *n)
{
    ts_comm *group = l->group ? l->group->comm : NULL;
    n->over[TS_OPERAND_W][0] = group;
    n->over[l->cut == TS_CUT_ROW ? TS_OPERAND_X : TS_OPERAND_DY][0] = group;
    n->over[TS_OPERAND_X][1] = n->over[TS_OPERAND_DY][1] = rows;
}

/* ---- blocks ---- */

/* Blocks are those of the whole weight where each share begins and ends with one. */
static ts_status check_side(const ts_param *p, int side, int64_t block)
{
    const ts_place_dim *x = &p->place.dim[side];
    for (int i = 0; i < x->n_spans; i++)
        if (x->span[i].n != x->whole && (x->span[i].begin % block || x->span[i].n % block))
            return ts_error(TS_ERR_USER,
                            "%s: --tensor-model-parallel-size cuts it within a block of %lld that shares a scale "
                            "(numbers %lld to %lld of %lld are one process's): give fewer processes, or "
                            "another recipe or scheme",
                            p->name, (long long)block, (long long)x->span[i].begin,
                            (long long)(x->span[i].begin + x->span[i].n - 1), (long long)x->whole);
    return TS_OK;
}

static ts_status check_blocks(const ts_narrow *n, const ts_param *p)
{
    const ts_narrow_rule *r = &n->rule[TS_OPERAND_W];
    if (r->scaling != TS_SCALING_BLOCKS)
        return TS_OK;
    TS_TRY(check_side(p, 1, r->block));
    return r->one_way ? TS_OK : check_side(p, 0, r->block);
}

static ts_status use(const ts_narrow_options *o, const ts_linear *l, ts_dtype compute, ts_comm *rows,
                     ts_narrow *n)
{
    for (int i = 0; i < TS_OPERANDS; i++)
        n->rule[i] = o->qat ? qat_rule(o->qat, (ts_operand)i) : rule_of(o, (ts_operand)i);
    n->dtype = o->qat ? compute : TS_DTYPE_F32; /* bf16 holds what MX formats of a weight do */
    n->weight_grad = !o->qat && o->wgrad;
    n->keeps = !o->qat && o->reuses;
    note_groups(l, rows, n);
    TS_TRY(check_blocks(n, l->w));
    l->w->narrow = n;
    return TS_OK;
}

ts_status ts_decoder_use_narrow(ts_decoder *d, const ts_narrow_options *o, ts_comm *rows)
{
    const bool delays = o->format != TS_NARROW_NONE && o->recipe == TS_RECIPE_DELAYED;
    const int64_t length = delays ? o->history : 0, n_layers = ts_arch_blocks(&d->arch);
    ts_narrow_set *s;
    int64_t n = 0, at = 0;
    for (int64_t i = 0; i < n_layers * LINEARS; i++)
        n += linear_of(&d->block[i / LINEARS], (int)(i % LINEARS))->w && !is_wide(d, o, i / LINEARS);
    TS_TRY(ts_narrow_set_create(d->dev, n, length, &s));
    d->params.narrow = s;
    s->most_recent = o->algo == TS_AMAX_MOST_RECENT;
    s->margin = o->margin;
    for (int64_t i = 0; i < n_layers * LINEARS; i++) {
        const ts_linear *l = linear_of(&d->block[i / LINEARS], (int)(i % LINEARS));
        if (!l->w || is_wide(d, o, i / LINEARS))
            continue;
        s->weight[at] = l->w;
        TS_TRY(use(o, l, d->compute, rows, &s->of[at++]));
    }
    return TS_OK;
}
