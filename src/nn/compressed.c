#include "nn/compressed.h"

#include "nn/scan_parts.h"
#include "nn/show.h"
#include "ops/dispatch.h"
#include "ops/dsa.h"
#include "ops/experts.h"
#include "ops/group.h"
#include "ops/rows.h"

/* ---- parameters ---- */

static ts_status declare_compressor(const ts_declarer *d, ts_compressor *c)
{
    const ts_declarer in = ts_declare_in(d, "compressor");
    const ts_param_spec bias = { .place = ts_place_whole(c->rate, c->kv.out), .start = TS_START_CONSTANT, .is_vectors = true };
    c->kv.parts.slots = c->gate.parts.slots = ts_shares_rows(d->group);
    c->norm.sees_all = true;
    TS_TRY(ts_declare(&in, "position_bias", &bias, &c->op.bias));
    TS_TRY(ts_linear_declare(&in, "linear_kv", &c->kv));
    TS_TRY(ts_linear_declare(&in, "linear_gate", &c->gate));
    return ts_norm_declare(&in, "norm", &c->norm);
}

static ts_status declare_indexer(const ts_declarer *d, ts_compressed_layer *l)
{
    const ts_declarer core = ts_declare_in(d, "core_attention"), in = ts_declare_in(&core, "indexer"),
                      weights = ts_declare_in(&in, "linear_weights_proj");
    const ts_param_spec w = { .place = ts_place_whole(l->index_heads, l->q_down.in), .is_router = true };
    TS_TRY(declare_compressor(&in, &l->index));
    TS_TRY(ts_linear_declare(&in, "linear_wq_b", &l->wq_b));
    return ts_declare(&weights, "weight", &w, &l->weights);
}

/* Groups of heads are shared out, each with its part of the output projection. What is made of rows for all heads, the
 * latent vector, keys and entries, every process makes of the rows that it has. */
static void share(const ts_declarer *d, ts_compressed_layer *l, ts_param_spec *sinks, ts_param_spec *blocks)
{
    const int64_t heads = l->n_heads / l->groups;
    const ts_tensor_group *g = l->group = d->group;
    if (!g)
        return;
    TS_ASSERT(!g->x && g->comm->size <= l->groups, "%lld groups of heads on %d processes", (long long)l->groups, g->comm->size);
    l->q_down.parts.slots = l->kv.parts.slots = ts_shares_rows(g);
    ts_linear_share(d, &l->q, TS_CUT_COLUMN, 1, heads * l->dim);
    ts_linear_share(d, &l->proj, TS_CUT_ROW, 1, l->rank);
    ts_place_cut_even(&sinks->place, 0, TS_AXIS_TENSOR, g->comm->size, g->comm->rank, 1, heads);
    ts_place_cut_even(&blocks->place, 0, TS_AXIS_TENSOR, g->comm->size, g->comm->rank, 1, 1);
    l->groups = l->proj.span[0].n / l->rank;
    l->n_heads = l->groups * heads;
}

ts_status ts_compressed_declare(const ts_declarer *d, ts_compressed_layer *l)
{
    const ts_declarer groups = ts_declare_in(d, "linear_groups_proj");
    ts_param_spec sinks = { .place = ts_place_whole(l->n_heads, 0), .start = TS_START_CONSTANT },
                  blocks = { .place = ts_place_stack(l->groups, l->rank, l->n_heads / l->groups * l->dim) };
    share(d, l, &sinks, &blocks);
    TS_TRY(ts_declare(d, "core_attention.softmax_offset", &sinks, &l->sinks));
    TS_TRY(ts_linear_declare(d, "linear_q_down_proj", &l->q_down));
    TS_TRY(ts_norm_declare(d, "q_layernorm", &l->q_norm));
    TS_TRY(ts_linear_declare(d, "linear_q_up_proj", &l->q));
    TS_TRY(ts_linear_declare(d, "linear_kv_proj", &l->kv));
    TS_TRY(ts_norm_declare(d, "kv_layernorm", &l->kv_norm));
    if (l->entries.rate)
        TS_TRY(declare_compressor(d, &l->entries));
    if (l->index_heads)
        TS_TRY(declare_indexer(d, l));
    TS_TRY(ts_declare(&groups, "weight", &blocks, &l->blocks));
    l->proj.start = TS_START_OUT;
    return ts_linear_declare(d, "linear_proj", &l->proj);
}

/* ---- what is kept ---- */

/* Kinds of rows: keys of the window, what entries that are not whole yet are made of, entries. */
enum { KEYS, KV, GATE, INDEX_KV, INDEX_GATE, ENTRIES, INDEX, KINDS };
_Static_assert((int)KINDS == (int)TS_KEPT_ROWS, "a state has room for all kinds of rows");

/* Rows that the next entry may need. */
static int64_t rows_before(const ts_compressor *c) { return (c->op.overlaps ? 2 : 1) * c->rate - (c->rate > 0); }

static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots, ts_layer_state **out)
{
    const ts_compressed_layer *l = module;
    const ts_compressor *c = &l->entries, *x = &l->index;
    const int64_t before = rows_before(c), of_index = l->index_heads ? before : 0;
    const ts_kept_rows kept[KINDS] = {
        [KEYS] = { .rows = l->window - 1, .cols = l->dim },
        [KV] = { .rows = before, .cols = c->kv.out }, [GATE] = { .rows = before, .cols = c->kv.out },
        [INDEX_KV] = { .rows = of_index, .cols = x->kv.out }, [INDEX_GATE] = { .rows = of_index, .cols = x->kv.out },
        [ENTRIES] = { .cols = c->op.dim, .rate = c->rate }, [INDEX] = { .cols = x->op.dim, .rate = x->rate },
    };
    return ts_rows_state_create(dev, dtype, slots, kept, KINDS, out);
}

/* ---- a pass ---- */

typedef struct pass {
    ts_tape *tape;
    const ts_compressed_layer *l;
    const ts_run *run;
    int64_t layer;
    ts_layer_state *state; /* NULL: nothing is kept */
    int64_t S;             /* rows of a sequence, wherever they are, and their positions */
    const ts_tensor *pos;
    ts_tensor *x, *latent;
    ts_compress_plan plan;
} pass;

static ts_status show(const pass *p, const char *part, ts_shown_columns columns, ts_tensor *t)
{
    return ts_show(p->tape, p->run, p->layer, "self_attention", part, &columns, t);
}

/* Whose rows of the stream are parts of all; NULL: they are all here. */
static ts_comm *rows_of(const pass *p) { return ts_shares_rows(p->l->group) ? p->l->group->comm : NULL; }

/* Everyone's rows of what each process makes of its own. */
static ts_status gather(const pass *p, ts_tensor **t)
{
    TS_TRY(ts_op_group_gather(p->tape, rows_of(p), *t, t));
    return ts_op_spread_copy(p->tape, p->run->spread, p->run->B, 1, *t, t);
}

/* Heads of dim values, whose ends are rotated by these positions. */
static ts_status rotate(const pass *p, int64_t heads, int64_t dim, const ts_tensor *pos, ts_tensor **t)
{
    const ts_rope_tail_op o = { .heads = heads, .dim = dim, .rope = p->l->rope, .interleaved = p->l->interleaved,
                                .cos = p->l->cos, .sin = p->l->sin, .pos = pos };
    return ts_op_rope_tail(p->tape, &o, *t, t);
}

static char *row_of(const ts_tensor *t, int64_t row)
{
    return (char *)ts_tensor_data(t) + (size_t)(row * t->dim[1]) * ts_dtype_size(t->dtype);
}

/* The rows that were kept of each sequence and those of the pass behind them, [B (kept + S), cols], of which the last
 * are kept for the next. Of a sequence that begins they are zeros. */
static ts_status extend(const pass *p, int kind, ts_tensor **t)
{
    const ts_run *run = p->run;
    ts_device *dev = p->tape->dev;
    const ts_kept_rows *k = p->state ? ts_rows_state_kept(p->state, kind) : NULL;
    const ts_tensor *new = *t;
    if (!k || !k->rows)
        return TS_OK;
    const int64_t all = k->rows + run->S;
    const size_t row = (size_t)k->cols * ts_dtype_size(new->dtype), kept = (size_t)k->rows * row;
    TS_TRY(ts_tape_new(p->tape, new->dtype, run->B * all, k->cols, t));
    for (int64_t b = 0; b < run->B; b++) {
        char *slot = (char *)k->storage->data + (size_t)(run->slot0 + b) * kept;
        if (run->q_start[b])
            dev->move(dev, row_of(*t, b * all), slot, kept);
        else
            dev->zero(dev, row_of(*t, b * all), kept);
        dev->move(dev, row_of(*t, b * all + k->rows), row_of(new, b * run->S), (size_t)run->S * row);
        dev->move(dev, slot, row_of(*t, b * all + run->q_len[b]), kept);
    }
    return TS_OK;
}

/* Entries that the pass completes go to those that are kept; *t becomes all of them, with the room behind. */
static ts_status keep_entries(const pass *p, int kind, ts_tensor **t)
{
    const ts_run *run = p->run;
    const ts_tensor *new = *t;
    if (!p->state)
        return TS_OK;
    const ts_kept_rows *k = ts_rows_state_kept(p->state, kind);
    const size_t row = (size_t)k->cols * ts_dtype_size(new->dtype);
    for (int64_t b = 0; b < run->B; b++) {
        const int64_t there = run->q_start[b] / k->rate, n = (run->q_start[b] + run->q_len[b]) / k->rate - there;
        if (n)
            p->tape->dev->move(p->tape->dev, (char *)k->storage->data + (size_t)((run->slot0 + b) * k->rows + there) * row,
                               row_of(new, b * p->plan.slots), (size_t)n * row);
    }
    TS_TRY(ts_tape_alias(p->tape, new, t));
    ts_storage_release(&(*t)->storage);
    (*t)->storage = ts_storage_retain(k->storage);
    (*t)->offset = (size_t)(run->slot0 * k->rows) * row;
    (*t)->dim[0] = run->B * k->rows;
    return TS_OK;
}

static ts_status make_entries(const pass *p, const ts_compressor *c, int kv_kind, int kind, ts_tensor **entries)
{
    ts_tensor *kv, *gate;
    TS_TRY(ts_linear_forward(p->tape, &c->kv, p->x, &kv));
    TS_TRY(ts_linear_forward(p->tape, &c->gate, p->x, &gate));
    TS_TRY(gather(p, &kv));
    TS_TRY(gather(p, &gate));
    TS_TRY(extend(p, kv_kind, &kv));
    TS_TRY(extend(p, kv_kind + 1, &gate));
    TS_TRY(ts_op_compress(p->tape, &c->op, &p->plan, kv, gate, entries));
    TS_TRY(ts_op_norm(p->tape, &c->norm.op, *entries, NULL, NULL, entries));
    TS_TRY(rotate(p, 1, c->op.dim, p->plan.place, entries));
    return keep_entries(p, kind, entries);
}

static ts_status plan_entries(pass *p)
{
    const ts_run *run = p->run;
    const ts_compress_rows rows = { .B = run->B, .S = p->S, .rate = p->l->entries.rate,
                                    .before = p->state ? rows_before(&p->l->entries) : 0, .pos = p->pos,
                                    .first_key = run->first_key, .start = p->state ? run->q_start : NULL,
                                    .length = p->state ? run->q_len : NULL };
    TS_TRY(ts_compress_plan_make(p->tape, &rows, &p->plan));
    return p->tape->recording ? ts_tape_hold(p->tape, p->plan.place) : TS_OK; /* the rotation's gradient reads it */
}

/* Who make the same rows of the whole sequences, and so may share out the choice for them: those who share out sequences
 * and, of each of these, those who share out heads. One that would leave somebody more than another: nobody. */
typedef struct choosers {
    ts_comm *group[2];
    int64_t row0, rows; /* for which this process chooses */
} choosers;

static choosers choosers_of(const pass *p)
{
    const ts_run *run = p->run;
    choosers c = { .group = { run->spread ? run->spread->comm : NULL, p->l->group ? p->l->group->comm : NULL },
                   .rows = run->B * p->S };
    int64_t n = 1, at = 0;
    for (int i = 0; i < 2; i++)
        if (ts_group_shares(c.group[i]))
            at = at * c.group[i]->size + c.group[i]->rank, n *= c.group[i]->size;
    if (p->state || c.rows % n)
        return (choosers){ .rows = c.rows };
    c.rows /= n, c.row0 = at * c.rows;
    return c;
}

/* Of what processes have of all rows, or of their own, the ones that this process chooses for. */
static ts_status own_rows(const pass *p, const choosers *c, ts_tensor **t)
{
    if ((*t)->dim[0] != c->rows || p->run->spread)
        TS_TRY(gather(p, t));
    return (*t)->dim[0] == c->rows ? TS_OK : ts_op_piece_rows(p->tape, *t, c->row0, c->rows, t);
}

static ts_status everyones(const pass *p, const choosers *c, ts_tensor **chosen)
{
    for (int i = 1; i >= 0; i--)
        if (ts_group_shares(c->group[i]))
            TS_TRY(ts_dispatch_gather_ids(p->tape, c->group[i], *chosen, chosen));
    return TS_OK;
}

/* The indexer's choice of n entries; none where all are seen, unless documents are packed: one that sees all of its
 * entries comes to the same bits in a pack that holds more of them. What the indexer reads stays as it is. */
static ts_status choose(const pass *p, int64_t n, ts_tensor **chosen)
{
    const ts_compressed_layer *l = p->l;
    const choosers c = choosers_of(p);
    const ts_dsa_op o = { .B = p->run->B, .S = p->S, .heads = 1, .most = n < l->topk ? n : l->topk, .row0 = c.row0,
                          .first_key = p->plan.first, .last_key = p->plan.last, .keys = n,
                          .index_heads = l->index_heads, .index_dim = l->index.op.dim };
    const bool all = n <= l->topk && !p->run->first_key;
    ts_dsa_index x;
    ts_tensor *latent = p->latent, *pos;
    if (all && !p->state)
        return TS_OK;
    TS_TRY(make_entries(p, &l->index, INDEX_KV, INDEX, &x.k));
    if (all)
        return TS_OK;
    TS_TRY(own_rows(p, &c, &latent));
    TS_TRY(ts_linear_forward(p->tape, &l->wq_b, latent, &x.q));
    TS_TRY(ts_tape_alias(p->tape, p->pos, &pos));
    TS_TRY(ts_op_piece_rows(p->tape, pos, c.row0, c.rows, &pos));
    TS_TRY(rotate(p, l->index_heads, l->index.op.dim, pos, &x.q));
    TS_TRY(ts_op_router(p->tape, p->x, l->weights, NULL, &x.w));
    TS_TRY(own_rows(p, &c, &x.w));
    TS_TRY(ts_dsa_select(p->tape, &o, &x, chosen));
    return everyones(p, &c, chosen);
}

static ts_status choose_unrecorded(const pass *p, int64_t n, ts_tensor **chosen)
{
    const bool recording = p->tape->recording;
    p->tape->recording = false;
    const ts_status st = choose(p, n, chosen);
    p->tape->recording = recording;
    return st;
}

static ts_status make_queries(pass *p, ts_tensor **q)
{
    const ts_compressed_layer *l = p->l;
    const ts_rope_op norm = { .n_q = l->n_heads, .head_dim = l->dim, .unit_norm = true, .eps = l->eps };
    TS_TRY(ts_linear_forward(p->tape, &l->q_down, p->x, &p->latent));
    TS_TRY(ts_op_norm(p->tape, &l->q_norm.op, p->latent, NULL, NULL, &p->latent));
    TS_TRY(ts_linear_forward(p->tape, &l->q, p->latent, q));
    TS_TRY(show(p, "linear_q_up_proj", ts_columns_of(&l->q, TS_CUT_COLUMN), *q));
    TS_TRY(ts_op_rope(p->tape, &norm, *q, q));
    TS_TRY(rotate(p, l->n_heads, l->dim, p->run->pos, q));
    return ts_op_spread_out(p->tape, p->run->spread, p->run->B, l->n_heads, *q, q);
}

/* Of the rows that were kept, those that were tokens. */
static ts_status first_keys(const pass *p, int64_t before, const ts_tensor **first)
{
    const ts_run *run = p->run;
    int32_t *host;
    ts_tensor *t;
    *first = run->first_key;
    if (!before)
        return TS_OK;
    TS_TRY(ts_arena_alloc(&p->tape->arena, (size_t)(run->B * run->S) * sizeof *host, &host));
    for (int64_t i = 0; i < run->B * run->S; i++) {
        const int64_t start = run->q_start[i / run->S];
        host[i] = (int32_t)(before - (start < before ? start : before));
    }
    TS_TRY(ts_tape_upload(p->tape, TS_DTYPE_I32, host, run->B * run->S, &t));
    *first = t;
    return TS_OK;
}

static ts_status attend_to_keys(pass *p, ts_tensor *q, ts_tensor **heads)
{
    const ts_compressed_layer *l = p->l;
    const int64_t before = p->state ? l->window - 1 : 0;
    const ts_spread *s = p->run->spread;
    const ts_spread_share here = ts_spread_share_of(s, l->n_heads);
    ts_shared_keys_op o = { .B = p->run->B, .S = p->S, .heads = here.n, .dim = l->dim, .scale = l->scale,
                            .mask = ts_mask_causal(l->window), .sinks = l->sinks, .head_at = here.first };
    ts_comm *group = l->group ? l->group->comm : NULL;
    ts_tensor *kv, *entries = NULL;
    TS_TRY(ts_linear_forward(p->tape, &l->kv, p->x, &kv));
    TS_TRY(show(p, "linear_kv_proj", ts_columns_whole(l->dim), kv));
    TS_TRY(ts_op_norm(p->tape, &l->kv_norm.op, kv, NULL, NULL, &kv));
    TS_TRY(rows_of(p) ? ts_op_group_collect(p->tape, group, kv, &kv) : ts_op_group_copy(p->tape, group, kv, &kv));
    TS_TRY(rotate(p, 1, l->dim, p->run->pos, &kv));
    TS_TRY(ts_op_spread_copy(p->tape, s, o.B, 1, kv, &kv));
    TS_TRY(extend(p, KEYS, &kv));
    o.mask.offset = before;
    TS_TRY(first_keys(p, before, &o.first_key));
    if (l->entries.rate) {
        TS_TRY(plan_entries(p));
        TS_TRY(make_entries(p, &l->entries, KV, ENTRIES, &entries));
        TS_TRY(ts_op_group_copy(p->tape, group, entries, &entries));
        o.first = p->plan.first, o.last = p->plan.last, o.count = p->plan.count;
    }
    if (l->index_heads)
        TS_TRY(choose_unrecorded(p, entries->dim[0] / o.B, &o.chosen));
    return ts_op_shared_keys(p->tape, &o, q, kv, entries, heads);
}

static ts_status attend(ts_tape *tape, const void *module, const ts_run *run, int64_t layer, ts_tensor *x, ts_tensor **y)
{
    const ts_compressed_layer *l = module;
    pass p = { .tape = tape, .l = l, .run = run, .layer = layer, .state = run->state ? run->state[layer] : NULL, .x = x,
               .S = ts_scan_rows(run), .pos = run->spread ? run->pos_whole : run->pos };
    const ts_rope_tail_op back = { .heads = l->n_heads, .dim = l->dim, .rope = l->rope, .interleaved = l->interleaved,
                                   .back = true, .copies = true, .cos = l->cos, .sin = l->sin, .pos = run->pos };
    ts_tensor *q, *heads;
    TS_ASSERT(p.pos, "compressed attention reads the positions of whole sequences");
    TS_ASSERT(run->attention_dropout <= 0, "compressed attention has no dropout");
    TS_TRY(make_queries(&p, &q));
    TS_TRY(attend_to_keys(&p, q, &heads));
    TS_TRY(ts_op_spread_back(tape, run->spread, run->B, l->n_heads, heads, &heads));
    TS_TRY(show(&p, "core_attention", ts_columns_of(&l->q, TS_CUT_COLUMN), heads));
    TS_TRY(ts_op_rope_tail(tape, &back, heads, &heads));
    TS_TRY(ts_op_linear_blocks(tape, heads, l->blocks, &heads));
    TS_TRY(show(&p, "linear_groups_proj", ts_columns_of(&l->proj, TS_CUT_ROW), heads));
    TS_TRY(ts_linear_forward(tape, &l->proj, heads, y));
    return show(&p, "linear_proj", ts_columns_whole(l->proj.out), *y);
}

static bool trains(const ts_compressed_layer *l)
{
    const ts_linear *const all[] = { &l->q_down, &l->q, &l->kv, &l->proj, &l->entries.kv, &l->entries.gate };
    const ts_param *const others[] = { l->q_norm.op.w, l->kv_norm.op.w, l->sinks, l->blocks, l->entries.op.bias,
                                       l->entries.norm.op.w };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (ts_linear_trains(all[i]))
            return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ts_param_has_grad(others[i]))
            return true;
    return false;
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x, ts_tensor **y)
{
    const ts_mixer m = { attend, module, "attention", trains(module) };
    return ts_mixer_forward(tape, &m, run, layer, x, y);
}

ts_sublayer ts_compressed_sublayer(const ts_compressed_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .make_state = make_state, .codes = TS_KV_CODES_REFUSED };
}
