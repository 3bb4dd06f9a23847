#include "nn/block.h"
#include "nn/show.h"
#include "ops/columns.h"
#include "ops/latent.h"

/* Heads are shared out; what is made for all of them, the latent vectors, every process makes. */
static void share(const ts_declarer *d, ts_latent_layer *l)
{
    const ts_param_parts of_rows = { .slots = ts_shares_rows(d->group) };
    l->all_heads = l->n_heads;
    l->group = d->group;
    l->q.bands = (ts_param_bands){ 1, { l->nope + l->rope }, l->nope + l->rope };
    l->kv_up.bands = (ts_param_bands){ 1, { l->nope + l->value }, l->nope + l->value };
    if (!d->group)
        return;
    TS_ASSERT(!d->group->x && d->group->comm->size <= l->n_heads, "%lld latent heads on %d processes",
              (long long)l->n_heads, d->group->comm->size);
    l->q_down.parts = l->kv_down.parts = of_rows;
    ts_linear_share(d, &l->q, TS_CUT_COLUMN, 1, l->nope + l->rope);
    ts_linear_share(d, &l->kv_up, TS_CUT_COLUMN, 1, l->nope + l->value);
    ts_linear_share(d, &l->proj, TS_CUT_ROW, 1, l->value);
    l->n_heads = l->proj.span[0].n / l->value;
    l->head0 = l->proj.span[0].begin / l->value;
}

ts_status ts_latent_declare(const ts_declarer *d, ts_latent_layer *l)
{
    share(d, l);
    if (l->q_rank) {
        TS_TRY(ts_linear_declare(d, "linear_q_down_proj", &l->q_down));
        TS_TRY(ts_norm_declare(d, "q_layernorm", &l->q_norm));
    }
    TS_TRY(ts_linear_declare(d, l->q_rank ? "linear_q_up_proj" : "linear_q_proj", &l->q));
    TS_TRY(ts_linear_declare(d, "linear_kv_down_proj", &l->kv_down));
    TS_TRY(ts_norm_declare(d, "kv_layernorm", &l->kv_norm));
    TS_TRY(ts_linear_declare(d, "linear_kv_up_proj", &l->kv_up));
    l->proj.start = TS_START_OUT;
    TS_TRY(ts_linear_declare(d, "linear_proj", &l->proj));
    return l->indexer.heads ? ts_indexer_declare(d, &l->indexer) : TS_OK;
}

/* One pass: whose it is, and what the projections give. */
typedef struct pass {
    ts_tape *tape;
    const ts_latent_layer *l;
    const ts_run *run;
    int64_t layer;
    ts_latent_op o;
    ts_tensor *x, *q_latent, *q, *c, *k_rope;
} pass;

static ts_status show(const pass *p, const char *part, const ts_shown_columns *c, ts_tensor *t)
{
    return ts_show(p->tape, p->run, p->layer, "self_attention", part, c, t);
}

/* A latent vector's norm and scale. */
static ts_status norm(const pass *p, const ts_norm_layer *n, float scale, ts_tensor **x)
{
    if (n->present)
        TS_TRY(ts_op_norm(p->tape, &n->op, *x, NULL, NULL, x));
    return scale == 1 ? TS_OK : ts_op_add(p->tape, *x, scale, NULL, 0, x);
}

static ts_status make_queries(pass *p, ts_tensor *x)
{
    const ts_latent_layer *l = p->l;
    const ts_shown_columns columns = ts_columns_of(&l->q, TS_CUT_COLUMN);
    if (l->q_rank) {
        TS_TRY(ts_linear_forward(p->tape, &l->q_down, x, &x));
        TS_TRY(norm(p, &l->q_norm, l->q_scale, &x));
        p->q_latent = x;
    }
    TS_TRY(ts_linear_forward(p->tape, &l->q, x, &p->q));
    return show(p, l->q_rank ? "linear_q_up_proj" : "linear_q_proj", &columns, p->q);
}

/* The keys' rotated part is made of this process's rows and used, by its heads, of all. */
static ts_status make_latent(pass *p, ts_tensor *x)
{
    const ts_latent_layer *l = p->l;
    const ts_shown_columns columns = ts_columns_whole(l->kv_down.out);
    ts_comm *group = l->group ? l->group->comm : NULL;
    ts_tensor *down;
    TS_TRY(ts_linear_forward(p->tape, &l->kv_down, x, &down));
    TS_TRY(show(p, "linear_kv_down_proj", &columns, down));
    TS_TRY(ts_op_take_cols(p->tape, down, 1, 0, l->kv_rank, &p->c));
    TS_TRY(norm(p, &l->kv_norm, l->kv_scale, &p->c));
    TS_TRY(ts_op_take_cols(p->tape, down, 1, l->kv_rank, l->rope, &p->k_rope));
    return ts_shares_rows(l->group) ? ts_op_group_collect(p->tape, group, p->k_rope, &p->k_rope)
                                    : ts_op_group_copy(p->tape, group, p->k_rope, &p->k_rope);
}

static ts_attention_op attention_of(const pass *p)
{
    const ts_latent_layer *l = p->l;
    const ts_run *run = p->run;
    return (ts_attention_op){ .B = run->B, .S = run->S, .n_q = l->n_heads, .n_kv = l->n_heads,
                              .head_dim = ts_latent_width(&p->o), .head0 = l->head0,
                              .all_q = l->all_heads, .scale = l->scale, .softcap = l->softcap,
                              .mask = l->mask, .first_key = run->first_key, .last_key = run->last_key,
                              .dropout = run->attention_dropout,
                              .rng = ts_run_rng(run, TS_RNG_ATTN_DROPOUT, p->layer),
                              .sample0 = run->sample0 };
}

/* ---- the best keys alone ---- */

static ts_dsa_op sparse_of(const pass *p, int64_t width, int64_t keys)
{
    const ts_latent_layer *l = p->l;
    const ts_indexer *x = &l->indexer;
    return (ts_dsa_op){ .B = p->run->B, .S = p->run->S, .heads = l->n_heads, .width = width,
                        .most = x->topk < keys ? x->topk : keys, .scale = l->scale, .first_key = p->run->first_key,
                        .spread = p->run->spread, .index_heads = x->heads, .index_dim = x->dim };
}

static ts_status index_rows(const pass *p, bool records, ts_dsa_index *index)
{
    const ts_indexed from = { .pos = p->run->pos, .x = p->x, .latent = p->q_latent, .B = p->run->B, .spread = p->run->spread,
                              .rows = ts_shares_rows(p->l->group) ? p->l->group->comm : NULL };
    return ts_indexer_forward(p->tape, &p->l->indexer, &from, records, index);
}

/* To layers that have no indexer. */
static ts_status lend(const pass *p, ts_tensor *chosen)
{
    if (!p->l->indexer.lends)
        return TS_OK;
    p->run->lent[p->layer] = chosen;
    return ts_tape_hold(p->tape, chosen);
}

/* Of fused rows. In training the indexer learns what all heads look at. */
static ts_status attend_to_best(const pass *p, ts_tensor *rows, ts_tensor **heads)
{
    const ts_latent_layer *l = p->l;
    const ts_indexer *x = &l->indexer;
    const int64_t keys = p->run->spread ? p->run->spread->length : p->run->S;
    ts_dsa_op o = sparse_of(p, ts_latent_width(&p->o), keys);
    const bool learns = ts_indexer_learns(p->tape, x, p->run), sparsely = learns && x->rules->is_sparse;
    ts_dsa_index index;
    ts_tensor *chosen, *lse = NULL;
    if (x->of) {
        chosen = p->run->lent[x->of - 1];
    } else {
        TS_TRY(index_rows(p, learns, &index));
        TS_TRY(ts_dsa_select(p->tape, &o, &index, &chosen));
        TS_TRY(lend(p, chosen));
    }
    TS_TRY(ts_dsa_gather(p->tape, &o, rows, &o.kv));
    TS_TRY(ts_op_dsa(p->tape, &o, rows, chosen, heads, sparsely ? &lse : NULL));
    const ts_dsa_lesson lesson = { .weight = learns ? p->run->balance * x->rules->coeff / (float)(o.B * keys) : 0,
                                   .group = l->group ? l->group->comm : NULL, .loss = learns ? x->rules->loss : NULL };
    if (learns)
        TS_TRY(ts_dsa_learn(p->tape, &o, &lesson, rows, sparsely ? chosen : NULL, lse, &index));
    ts_tape_drop(p->tape, o.kv);
    return TS_OK;
}

/* Each head with keys and values of its own. */
static ts_status attend_to_heads(const pass *p, ts_tensor **heads)
{
    const ts_shown_columns columns = ts_columns_of(&p->l->kv_up, TS_CUT_COLUMN);
    const ts_attention_op o = attention_of(p);
    ts_tensor *kv, *rows;
    TS_TRY(ts_linear_forward(p->tape, &p->l->kv_up, p->c, &kv));
    TS_TRY(show(p, "linear_kv_up_proj", &columns, kv));
    TS_TRY(ts_op_latent_rows(p->tape, &p->o, p->q, kv, p->k_rope, &rows));
    ts_tape_drop(p->tape, kv);
    ts_tape_drop(p->tape, p->q);
    TS_TRY(ts_indexer_is_there(&p->l->indexer) ? attend_to_best(p, rows, heads)
           : p->run->spread    ? ts_op_spread_attention(p->tape, &o, p->run->spread, p->layer, rows, heads)
                               : ts_op_attention(p->tape, &o, rows, NULL, heads, NULL));
    return ts_op_take_cols(p->tape, *heads, p->l->n_heads, 0, p->l->value, heads);
}

/* The weight that makes keys and values, head by head, made anew where the weight has changed. */
static ts_status find_up(const pass *p, ts_made *made, ts_tensor **up)
{
    ts_param *w = p->l->kv_up.w;
    ts_device *dev = p->tape->dev;
    const ts_dtype type = p->q->dtype;
    const bool is_old = !made->storage || made->version != w->version;
    if (ts_linear_is_adapted(&p->l->kv_up))
        return ts_error(TS_ERR_USER, "--lora-load: text cannot be generated with an adapter of %s beside it: merge it first (tessera "
                                     "convert --lora-load)", w->name);
    if (!made->storage)
        TS_TRY(ts_storage_create(dev, TS_MEM_OTHER, (size_t)ts_param_count(w) * ts_dtype_size(type),
                                 &made->storage));
    TS_TRY(ts_tape_alias(p->tape, p->q, up));
    ts_storage_release(&(*up)->storage);
    (*up)->storage = ts_storage_retain(made->storage);
    (*up)->offset = 0, (*up)->dim[0] = w->dim[1], (*up)->dim[1] = w->dim[0];
    made->version = w->version;
    return is_old ? ts_latent_up(p->tape, &p->o, w, *up) : TS_OK;
}

/* The latent vectors of the best keys, with the indexer's keys behind them in the same rows. */
static ts_status attend_to_best_kept(const pass *p, const ts_kv_cache *cache, ts_tensor *queries, ts_tensor *keys,
                                     ts_tensor **heads)
{
    const ts_run *run = p->run;
    const ts_dsa_op o = sparse_of(p, keys->dim[1], cache->capacity);
    const ts_indexer *x = &p->l->indexer;
    ts_tensor *chosen = x->of ? run->lent[x->of - 1] : NULL;
    ts_dsa_index index;
    if (!x->of)
        TS_TRY(index_rows(p, false, &index));
    TS_TRY(ts_dsa_cached(p->tape, &o, cache, run->slot0, run->q_start, run->q_len, queries, keys, x->of ? NULL : &index,
                         &chosen, heads));
    return lend(p, chosen);
}

/* All heads with the latent vectors as their keys and values, which alone are kept. */
static ts_status attend_to_latent(const pass *p, ts_layer_state *state, ts_tensor **heads)
{
    const ts_run *run = p->run;
    ts_attention_op o = attention_of(p);
    ts_tensor *up, *queries, *keys;
    TS_TRY(find_up(p, ts_kv_state_made(state), &up));
    TS_TRY(ts_latent_queries(p->tape, &p->o, up, p->q, p->c, p->k_rope, &queries, &keys));
    o.n_kv = 1, o.head_dim = keys->dim[1], o.keys_alone = true;
    o.cache = ts_kv_state_cache(state);
    o.slot0 = run->slot0, o.q_start = run->q_start, o.q_len = run->q_len;
    TS_TRY(ts_indexer_is_there(&p->l->indexer) ? attend_to_best_kept(p, o.cache, queries, keys, heads)
                                               : ts_op_attention(p->tape, &o, queries, keys, heads, NULL));
    return ts_latent_values(p->tape, &p->o, up, *heads, heads);
}

static ts_status attend(ts_tape *tape, const void *module, const ts_run *run, int64_t layer, ts_tensor *x,
                        ts_tensor **y)
{
    const ts_latent_layer *l = module;
    pass p = { .tape = tape, .l = l, .run = run, .layer = layer, .x = x,
               .o = { .heads = l->n_heads, .nope = l->nope, .rope = l->rope, .value = l->value,
                      .interleaved = l->interleaved, .cos = l->cos, .sin = l->sin, .pos = run->pos } };
    const ts_shown_columns of_heads = ts_columns_of(&l->proj, TS_CUT_ROW),
                           of_stream = ts_columns_whole(l->proj.out);
    ts_layer_state *state = run->state ? run->state[layer] : NULL;
    ts_tensor *heads;
    TS_TRY(make_queries(&p, x));
    TS_TRY(make_latent(&p, x));
    TS_TRY(state ? attend_to_latent(&p, state, &heads) : attend_to_heads(&p, &heads));
    TS_TRY(show(&p, "core_attention", &of_heads, heads));
    TS_TRY(ts_linear_forward(tape, &l->proj, heads, y));
    return show(&p, "linear_proj", &of_stream, *y);
}

static bool trains(const ts_latent_layer *l)
{
    const ts_linear *const all[] = { &l->q_down, &l->q, &l->kv_down, &l->kv_up, &l->proj };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (ts_linear_trains(all[i]))
            return true;
    if (l->indexer.heads && ts_linear_trains(&l->indexer.wq_b))
        return true;
    return ts_param_has_grad(l->q_norm.op.w) || ts_param_has_grad(l->kv_norm.op.w);
}

static ts_status forward(const void *module, ts_tape *tape, const ts_run *run, int64_t layer, ts_tensor *x,
                         ts_tensor **y)
{
    const ts_latent_layer *l = module;
    const ts_mixer m = { attend, module, "attention", trains(l) };
    ts_run once = *run; /* the layers that go by its choice run again before it would */
    if (l->indexer.lends)
        once.memory = NULL;
    return ts_mixer_forward(tape, &m, &once, layer, x, y);
}

static ts_status make_state(const void *module, ts_device *dev, ts_dtype dtype, int64_t slots,
                            ts_layer_state **out)
{
    const ts_latent_layer *l = module;
    const int64_t index = l->indexer.heads ? l->indexer.dim : 0;
    return ts_kv_state_create(dev, dtype, slots, 1, l->kv_rank + l->rope + index, out);
}

ts_sublayer ts_latent_sublayer(const ts_latent_layer *l)
{
    return (ts_sublayer){ .forward = forward, .module = l, .make_state = make_state,
                          .codes = ts_indexer_is_there(&l->indexer) ? TS_KV_CODES_REFUSED : TS_KV_CODES_TAKEN };
}
