#include "nn/block.h"
#include "nn/show.h"
#include "ops/columns.h"
#include "ops/product.h"

/* Where keys and values come from, and what queries may see of them. */
typedef struct keys_from {
    ts_tensor *x;
    const ts_tensor *pos, *first_key, *last_key;
    ts_kv_cache *cache;
    ts_rng_purpose dropout;
    const char *module; /* what the layer is called in it */
} keys_from;

/* Width of a key and its value, which stand behind their group's queries. */
static int64_t pair_of(const ts_attention_layer *l) { return (l->one_for_both ? 1 : 2) * l->head_dim; }

/* More processes than heads of keys and values: `copies` neighbours have the same one, each with its
 * share of the head's queries. Before them in a group of heads stand `queries` heads of queries, `times` over: with
 * their gates. */
static void share_head(const ts_comm *c, ts_linear *l, int64_t kv, int64_t queries, int times, int64_t dim, int64_t pair)
{
    const int64_t copies = c->size / kv, head = c->rank / copies, mine = queries / copies;
    const int64_t begin = head * (times * queries * dim + pair);
    int n = 0;
    for (int i = 0; i < times; i++)
        l->span[n++] =
            (ts_place_span){ begin + (i * queries + c->rank % copies * mine) * dim, mine * dim };
    l->span[n++] = (ts_place_span){ begin + times * queries * dim, pair };
    l->n_spans = n;
    l->cut = TS_CUT_COLUMN;
    l->parts = (ts_param_parts){ .from = times * mine * dim, .slot = head, .slots = kv };
    l->is_copy = c->rank % copies > 0;
}

/* With a group: groups of heads that share keys and values stay together, or are shared out evenly. */
static void share(const ts_declarer *d, ts_attention_layer *l)
{
    const int64_t queries = l->n_q / l->n_kv, dim = l->head_dim, kv = l->n_kv;
    l->all_q = l->n_q;
    if (!d->group)
        return;
    const bool copies = d->group->comm->size > kv;
    const int64_t unit = copies ? l->n_q / d->group->comm->size : queries;
    const bool apart = l->is_apart || l->keys_of;
    const int times = apart ? 0 : l->has_gate ? 2 : 1; /* that a query has rows before the keys */
    ts_linear *keys = apart ? &l->kv : &l->qkv;
    TS_ASSERT(!copies || !d->group->x, "heads that several processes have, on a mesh of them");
    if (copies)
        share_head(d->group->comm, keys, kv, apart ? 0 : queries, times, dim, pair_of(l));
    else
        ts_linear_share(d, keys, TS_CUT_COLUMN, 1, (apart ? 0 : times * queries * dim) + pair_of(l));
    if (apart)
        ts_linear_share(d, &l->q, TS_CUT_COLUMN, 1, unit * dim);
    ts_linear_share(d, &l->proj, TS_CUT_ROW, 1, unit * dim);
    if (l->gate.out)
        ts_linear_share(d, &l->gate, TS_CUT_COLUMN, 1, unit);
    const ts_comm *y = d->group->y; /* shares out the heads of its x */
    l->n_q = l->proj.span[0].n / dim / (y ? y->size : 1);
    l->head0 = l->proj.span[0].begin / dim + (y ? y->rank * l->n_q : 0);
    l->n_kv = copies ? 1 : l->n_q / queries;
    l->rope.n_q = l->n_q, l->rope.n_kv = l->n_kv;
}

/* How queries, keys and values stand in the rows of the weights. */
static void name_bands(ts_attention_layer *l)
{
    const int64_t dim = l->head_dim, queries = l->n_q / l->n_kv;
    l->q.bands = (ts_param_bands){ 1, { dim }, dim };
    l->kv.bands = (ts_param_bands){ 2, { dim, dim }, dim };
    l->qkv.bands = l->has_gate ? (ts_param_bands){ 4, { queries * dim, queries * dim, dim, dim }, dim }
                               : (ts_param_bands){ l->one_for_both ? 2 : 3, { queries * dim, dim, l->one_for_both ? 0 : dim }, dim };
}

static ts_status declare_sinks(const ts_declarer *d, ts_attention_layer *l)
{
    const ts_place_span here = { l->head0, l->n_q };
    ts_param_spec s = { .place = ts_place_whole(l->all_q, 0) };
    if (d->group)
        ts_place_cut(&s.place, 0, TS_AXIS_TENSOR, &here, 1);
    return ts_declare(d, "core_attention.softmax_offset", &s, &l->sinks);
}

/* Weights that each head has for itself are where the head is. */
static void cut_by_heads(ts_param_spec *w, int64_t first, int64_t n, int64_t dim)
{
    const ts_place_span here = { first * dim, n * dim };
    ts_place_cut(&w->place, 0, TS_AXIS_TENSOR, &here, 1);
    w->parts.slots = 0;
}

/* q, k: weights of a norm of queries, and of one of keys, of which processes may have the same. In sums over all heads
 * such a key is as often as there are copies, and counted as often: forward the mean is the same; backward each copy has
 * a part of the gradient and takes off that part of the mean, so that together they take off the whole. */
static void share_norms(const ts_declarer *d, ts_attention_layer *l, ts_param_spec *q, ts_param_spec *k)
{
    const int size = d->group->comm->size;
    const int64_t kv = k->place.dim[0].whole / l->head_dim, copies = size > kv ? size / kv : 1;
    const int64_t first = copies > 1 ? d->group->comm->rank / copies : l->head0 * l->n_kv / l->n_q;
    cut_by_heads(q, l->head0, l->n_q, l->head_dim);
    cut_by_heads(k, first, l->n_kv, l->head_dim);
    if (copies > 1) {
        k->parts = (ts_param_parts){ .slot = first, .slots = kv };
        k->is_copy = l->kv.is_copy || l->qkv.is_copy;
    }
    if (l->rope.full_norm)
        l->rope.group = d->group->comm, l->rope.all_q = l->all_q, l->rope.all_kv = copies * kv;
}

ts_status ts_attention_declare(const ts_declarer *d, ts_attention_layer *l)
{
    const bool apart = l->rope.full_norm || l->rope.own_weights;
    ts_param_spec q = { .place = ts_place_whole(apart ? l->n_q * l->head_dim : l->head_dim, 0),
                        .parts = { .slots = d->group != NULL },
                        .is_qk_norm = true,
                        .start = TS_START_CONSTANT,
                        .value = 1 - l->rope.offset };
    ts_param_spec k = q;
    k.place = ts_place_whole(apart ? l->n_kv * l->head_dim : l->head_dim, 0);
    name_bands(l);
    share(d, l);
    if (d->group && apart)
        share_norms(d, l, &q, &k);
    if (l->is_apart || l->keys_of) {
        TS_TRY(ts_linear_declare(d, "linear_q", &l->q));
        if (!l->keys_of)
            TS_TRY(ts_linear_declare(d, "linear_kv", &l->kv));
    } else {
        TS_TRY(ts_linear_declare(d, "linear_qkv", &l->qkv));
    }
    if (l->qk_norm) {
        TS_TRY(ts_declare(d, "q_layernorm.weight", &q, &l->rope.wq));
        if (!l->keys_of || l->keys_raw)
            TS_TRY(ts_declare(d, "k_layernorm.weight", &k, &l->rope.wk));
    }
    if (l->has_sinks)
        TS_TRY(declare_sinks(d, l));
    if (l->gate.out)
        TS_TRY(ts_linear_declare(d, "linear_gate", &l->gate));
    l->proj.start = TS_START_OUT;
    return ts_linear_declare(d, "linear_proj", &l->proj);
}

/* The rotation by itself, and then the norm. */
static ts_status rotate_and_norm(ts_tape *tape, ts_rope_op o, ts_tensor *x, ts_tensor **y)
{
    ts_rope_op plain = o;
    plain.wq = plain.wk = NULL, plain.unit_norm = false;
    o.rot_dim = 0;
    TS_TRY(ts_op_rope(tape, &plain, x, y));
    return ts_op_rope(tape, &o, *y, y);
}

static ts_status rotate(ts_tape *tape, const ts_attention_layer *l, ts_rope_op o, const ts_tensor *pos, ts_tensor *x,
                        ts_tensor **y)
{
    const bool norms = o.wq || o.wk || o.unit_norm;
    o.pos = pos;
    o.rot_dim = pos ? o.rot_dim : 0;
    if (!o.rot_dim && !norms) {
        *y = x;
        return TS_OK;
    }
    return l->norm_last && norms && o.rot_dim ? rotate_and_norm(tape, o, x, y) : ts_op_rope(tape, &o, x, y);
}

/* The rotation of a pass: by tables of its own, if it has some. */
static ts_rope_op rope_of(const ts_attention_layer *l, const ts_run *run)
{
    ts_rope_op o = l->rope;
    if (run->cos && o.rot_dim) {
        o.cos = run->cos->storage, o.sin = run->sin->storage;
        o.q_cos = o.q_sin = NULL;
    }
    return o;
}

/* Queries grow with their positions where the layer has it so. */
static ts_status temper(ts_tape *tape, const ts_attention_layer *l, const ts_run *run, ts_tensor **q)
{
    const ts_temper_op o = { .n_q = l->n_q, .n_kv = l->n_kv, .head_dim = l->head_dim, .by = l->temper_by,
                             .every = l->temper_every, .pos = run->pos };
    return l->temper_by != 0 ? ts_op_temper(tape, &o, *q, q) : TS_OK;
}

/* Queries from x alone. */
static ts_status project_queries(ts_tape *tape, const ts_attention_layer *l, const ts_run *run, ts_tensor *x,
                                 ts_tensor **q)
{
    ts_rope_op queries = rope_of(l, run);
    queries.n_kv = 0, queries.wk = NULL, queries.norm_values = false;
    TS_TRY(ts_linear_forward(tape, &l->q, x, q));
    return rotate(tape, l, queries, run->pos, *q, q);
}

/* What comes before a rotation and is not part of it: heads lose their mean, so that the RMS norm that follows is
 * a layer norm; values are held to bounds, behind a norm. o: what is left to do. */
static ts_status prepare(ts_tape *tape, const ts_attention_layer *l, ts_rope_op *o, ts_tensor *x, ts_tensor **y)
{
    ts_rope_op norm = *o;
    *y = x;
    if (o->own_weights && o->wq)
        TS_TRY(ts_op_centre_heads(tape, l->n_kv, l->head_dim, *y, y));
    if (l->clip <= 0)
        return TS_OK;
    norm.rot_dim = 0;
    TS_TRY(rotate(tape, l, norm, NULL, *y, y));
    o->wq = o->wk = NULL, o->unit_norm = false;
    return ts_op_clip(tape, l->clip, *y, y);
}

/* Of keys and values alone. */
static ts_status rotate_keys(ts_tape *tape, const ts_attention_layer *l, const ts_run *run, const ts_tensor *pos,
                             ts_tensor *x, ts_tensor **kv)
{
    ts_rope_op keys = rope_of(l, run);
    keys.n_q = 0, keys.wq = NULL;
    return rotate(tape, l, keys, pos, x, kv);
}

/* Queries from x, keys and values from another sequence or the same one. */
static ts_status project_apart(ts_tape *tape, const ts_attention_layer *l, const ts_run *run,
                               const keys_from *from, ts_tensor *x, ts_tensor **q, ts_tensor **kv)
{
    TS_TRY(project_queries(tape, l, run, x, q));
    TS_TRY(ts_linear_forward(tape, &l->kv, from->x, kv));
    return rotate_keys(tape, l, run, from->pos, *kv, kv);
}

/* Keys and values of fused rows, for later layers. */
static ts_status lend(ts_tape *tape, const ts_attention_layer *l, const ts_run *run, int64_t layer, ts_tensor *fused)
{
    const int64_t queries = l->n_q / l->n_kv * l->head_dim;
    TS_TRY(ts_op_take_cols(tape, fused, l->n_kv, queries, 2 * l->head_dim, &run->lent[layer]));
    return ts_tape_hold(tape, run->lent[layer]);
}

/* Of fused rows those of queries, keys and values, and the gates. */
static ts_status take_gates(ts_tape *tape, const ts_attention_layer *l, ts_tensor **fused, ts_tensor **gate)
{
    const int64_t width = l->n_q / l->n_kv * l->head_dim;
    ts_tensor *all = *fused;
    TS_TRY(ts_op_split_cols(tape, all, l->n_kv, width, width, gate, fused));
    ts_tape_drop(tape, all);
    return TS_OK;
}

/* gate NULL: there is none. */
static ts_status project(ts_tape *tape, const ts_attention_layer *l, const ts_run *run,
                         int64_t layer, const keys_from *from, ts_tensor *x, ts_tensor **q,
                         ts_tensor **kv, ts_tensor **gate)
{
    *kv = *gate = NULL;
    if (l->is_apart)
        return project_apart(tape, l, run, from, x, q, kv);
    if (l->keys_of) {
        *kv = from->cache && !l->keys_raw ? NULL : run->lent[l->keys_of - 1];
        TS_TRY(project_queries(tape, l, run, x, q));
        if (!l->keys_raw)
            return TS_OK;
        TS_TRY(ts_op_add(tape, *kv, 1, NULL, 0, kv)); /* a rotation may be in its place, and others read it */
        return rotate_keys(tape, l, run, run->pos, *kv, kv);
    }
    const ts_shown_columns columns = ts_columns_of(&l->qkv, TS_CUT_COLUMN);
    ts_rope_op rope = rope_of(l, run);
    ts_tensor *fused, *ready;
    TS_TRY(ts_linear_forward(tape, &l->qkv, x, &fused));
    TS_TRY(ts_show(tape, run, layer, from->module, "linear_qkv", &columns, fused));
    if (l->one_for_both)
        TS_TRY(ts_op_repeat_last(tape, fused, l->n_kv, l->head_dim, &fused));
    if (l->has_gate)
        TS_TRY(take_gates(tape, l, &fused, gate));
    if (l->lends && l->keys_raw)
        TS_TRY(lend(tape, l, run, layer, fused));
    TS_TRY(prepare(tape, l, &rope, fused, &ready));
    TS_TRY(rotate(tape, l, rope, run->pos, ready, q));
    TS_TRY(temper(tape, l, run, q));
    if (fused != *q && !*gate)
        TS_TRY(ts_show(tape, run, layer, from->module, "rotary", &columns, *q));
    if (ready != fused)
        ts_tape_drop(tape, fused);
    if (run->spread && ready != *q) /* its bytes may go when heads have been exchanged */
        ts_tape_drop(tape, ready);
    return l->lends && !l->keys_raw && !from->cache ? lend(tape, l, run, layer, *q) : TS_OK;
}

/* Fused rows again, of which heads travel together: of each group its queries, its key and its value. */
static ts_status fuse(ts_tape *tape, const ts_attention_layer *l, ts_tensor *kv, ts_tensor **q)
{
    const int64_t queries = l->n_q / l->n_kv * l->head_dim, pair = 2 * l->head_dim;
    TS_TRY(ts_op_reshape(tape, *q, queries, q));
    TS_TRY(ts_op_reshape(tape, kv, pair, &kv));
    TS_TRY(ts_op_join_cols(tape, *q, kv, q));
    return ts_op_reshape(tape, *q, l->n_kv * (queries + pair), q);
}

static ts_attention_op op_of(const ts_attention_layer *l, const ts_run *run, int64_t layer, const keys_from *from)
{
    return (ts_attention_op){ .B = run->B,
                              .S = run->S,
                              .n_q = l->n_q,
                              .n_kv = l->n_kv,
                              .head_dim = l->head_dim,
                              .head0 = l->head0,
                              .all_q = l->all_q,
                              .scale = l->scale,
                              .softcap = l->softcap,
                              .mask = l->mask,
                              .first_key = from->first_key,
                              .last_key = from->last_key,
                              .sinks = l->sinks,
                              .slopes = l->slopes,
                              .dropout = run->attention_dropout,
                              .rng = ts_run_rng(run, from->dropout, layer),
                              .sample0 = run->sample0,
                              .tops = l->qkv.w && !from->cache ? l->qkv.w->tops : NULL,
                              .cache = from->cache,
                              .are_there = l->keys_of && !l->keys_raw && from->cache,
                              .slot0 = run->slot0,
                              .pages = run->pages,
                              .any_cut = run->any_cut,
                              .q_start = run->q_start,
                              .q_len = run->q_len };
}

static ts_status attend(ts_tape *tape, const ts_attention_layer *l, const ts_run *run,
                        int64_t layer, const keys_from *from, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *q, *kv, *gate, *head_gate, *heads;
    const ts_shown_columns of_heads = ts_columns_of(&l->proj, TS_CUT_ROW),
                           of_stream = ts_columns_whole(l->proj.out);
    TS_TRY(project(tape, l, run, layer, from, x, &q, &kv, &gate));
    const ts_attention_op o = op_of(l, run, layer, from);
    TS_ASSERT(!run->spread || !l->is_apart, "a second sequence is not shared out");
    if (run->spread && kv)
        TS_TRY(fuse(tape, l, kv, &q));
    TS_TRY(run->spread ? ts_op_spread_attention(tape, &o, run->spread, layer, q, &heads)
                       : ts_op_attention(tape, &o, q, kv, &heads, NULL));
    TS_TRY(ts_show(tape, run, layer, from->module, "core_attention", &of_heads, heads));
    if (gate)
        TS_TRY(ts_op_product(tape, TS_FACTOR_SIGMOID, heads, gate, &heads));
    if (l->gate.out) {
        TS_TRY(ts_linear_forward(tape, &l->gate, x, &head_gate));
        TS_TRY(ts_op_product(tape, TS_FACTOR_SIGMOID, heads, head_gate, &heads));
    }
    TS_TRY(ts_linear_forward(tape, &l->proj, heads, y));
    return ts_show(tape, run, layer, from->module, "linear_proj", &of_stream, *y);
}

static ts_status attend_in_frame(ts_tape *tape, const ts_attention_layer *l, const ts_run *run,
                                 int64_t layer, const keys_from *from, ts_tensor *x, ts_tensor **y)
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = attend(tape, l, run, layer, from, x, y);
    ts_tape_pop(tape, st == TS_OK ? *y : NULL);
    return st;
}

static ts_status attend_to_itself(ts_tape *tape, const ts_attention_layer *l, const ts_run *run, int64_t layer,
                                  ts_tensor *x, ts_tensor **y)
{
    const int64_t of = l->keys_of && !l->keys_raw ? l->keys_of - 1 : layer;
    const keys_from self = { .x = x, .pos = run->pos, .first_key = run->first_key,
                             .last_key = run->last_key,
                             .cache = ts_kv_state_cache(run->state ? run->state[of] : NULL),
                             .dropout = TS_RNG_ATTN_DROPOUT, .module = "self_attention" };
    ts_device_part(tape->dev, "attention", layer);
    return attend_in_frame(tape, l, run, layer, &self, x, y);
}

ts_status ts_attention_begin(ts_tape *tape, const ts_attention_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                             ts_tensor **rows)
{
    const keys_from self = { .x = x, .pos = run->pos, .module = "self_attention" };
    ts_tensor *kv, *gate;
    TS_ASSERT(ts_attention_has_slices(l) && !run->spread, "layer %lld: attention of some queries", (long long)layer);
    ts_device_part(tape->dev, "attention", layer);
    return project(tape, l, run, layer, &self, x, rows, &kv, &gate);
}

ts_status ts_attention_slice(ts_tape *tape, const ts_attention_layer *l, const ts_run *run, int64_t layer, ts_tensor *rows,
                             int64_t begin, int64_t n, ts_tensor **y)
{
    const keys_from self = { .pos = run->pos, .first_key = run->first_key, .last_key = run->last_key,
                             .dropout = TS_RNG_ATTN_DROPOUT };
    ts_attention_op o = op_of(l, run, layer, &self);
    ts_tensor *heads;
    ts_device_part(tape->dev, "attention", layer);
    o.queries = (ts_stretch){ begin, n };
    TS_TRY(ts_op_attention(tape, &o, rows, NULL, &heads, NULL));
    return ts_linear_forward(tape, &l->proj, heads, y);
}

typedef struct again_ctx {
    const ts_attention_layer *l;
    const ts_run *run;
    int64_t layer;
} again_ctx;

static ts_status again(ts_tape *tape, void *ctx, ts_tensor *in, ts_tensor **out)
{
    const again_ctx *c = ctx;
    return attend_to_itself(tape, c->l, c->run, c->layer, in, out);
}

static bool trains(const ts_attention_layer *l)
{
    return ts_linear_trains(&l->qkv) || ts_linear_trains(&l->q) || ts_linear_trains(&l->proj) || ts_linear_trains(&l->gate) ||
           ts_param_has_grad(l->rope.wq) || ts_param_has_grad(l->rope.wk) || ts_param_has_grad(l->sinks);
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer,
                         ts_tensor *x, ts_tensor **y)
{
    const ts_attention_layer *l = module;
    if (l->lends || !ts_run_again(run, layer, TS_PART_ATTENTION))
        return attend_to_itself(tape, l, run, layer, x, y);
    const again_ctx c = { l, run, layer };
    return ts_run_segment(tape, again, &c, sizeof c, trains(l), x, y);
}

static ts_status forward_cross(const void *module, ts_tape *tape, const ts_run *run, int64_t layer,
                               ts_tensor *x, ts_tensor **y)
{
    const ts_attention_layer *l = module;
    const ts_context *c = &run->context;
    const keys_from other = { .x = c->x, .pos = c->pos, .first_key = c->first_key,
                              .last_key = c->last_key, .dropout = TS_RNG_CROSS_ATTN_DROPOUT,
                              .module = "cross_attention" };
    TS_ASSERT(!ts_shares_rows(l->kv.group), "the rows of a second sequence are not shared out");
    TS_ASSERT(l->is_apart && c->x, "layer %lld attends to a second sequence: there is none",
              (long long)layer);
    ts_device_part(tape->dev, "cross attention", layer);
    return attend_in_frame(tape, l, run, layer, &other, x, y);
}

static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots,
                            ts_layer_state **out)
{
    const ts_attention_layer *l = module;
    return ts_kv_state_create(dev, dtype, slots, 2 * l->n_kv, l->head_dim, out);
}

ts_sublayer ts_attention_sublayer(const ts_attention_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .has_pages = true, .codes = TS_KV_CODES_TAKEN, .make_state = l->keys_of && !l->keys_raw ? NULL : make_state };
}

ts_sublayer ts_cross_attention_sublayer(const ts_attention_layer *l)
{
    return (ts_sublayer){ .forward = forward_cross, .module = l };
}
