#include "train/optimizer.h"

#include <math.h>

/* Arrays that may be away. */
enum { IN_M, IN_V, IN_MASTER };

static ts_status moments(const ts_optimizer *z, const ts_state_code *c, ts_dtype t, int64_t n, ts_storage **out)
{
    const ts_param_set *p = z->params;
    const size_t bytes = c->codes ? c->bytes : (size_t)n * ts_dtype_size(t);
    TS_TRY(z->o->swap_optimizer || ts_train_virtual_bytes(z->o, 0) == INFINITY
               ? ts_storage_create_away(p->dev, bytes, out)
               : ts_storage_create(p->dev, TS_MEM_OPTIM, bytes, out));
    p->dev->zero(p->dev, (*out)->data, (*out)->bytes);
    return TS_OK;
}

/* Masters that are kept apart leave the device. */
static ts_status send_away(ts_param_set *p)
{
    ts_storage *away;
    TS_TRY(ts_storage_create_away(p->dev, p->master->bytes, &away));
    const ts_status st = p->dev->computes ? ts_device_read(p->dev, away->data, p->master->data, away->bytes) : TS_OK;
    if (st != TS_OK) {
        ts_storage_release(&away);
        return st;
    }
    ts_storage_release(&p->master);
    p->master = away;
    p->is_filled = true;
    return TS_OK;
}

static ts_status init_swap(ts_optimizer *z)
{
    ts_param_set *p = z->params;
    TS_TRY(ts_state_swap_init(&z->swap, p, z->o->swap_optimizer_times));
    if (p->master) {
        TS_TRY(send_away(p));
        ts_state_swap_add(&z->swap, IN_MASTER, p->master, sizeof(float), false);
    }
    ts_state_swap_add(&z->swap, IN_M, z->m, ts_dtype_size(z->m_dtype), z->m_of_rest);
    ts_state_swap_add(&z->swap, IN_V, z->v, ts_dtype_size(z->v_dtype), z->v_of_rest);
    return TS_OK;
}

/* Types of one kind of moments by its option, or by one of those that choose for both. */
static ts_codes codes_of(const ts_train_options *o, int dtype, bool second)
{
    switch (o->quant_states) {
    case TS_QUANT_STATES_FP8: return second ? TS_CODES_E5M2 : TS_CODES_E4M3;
    case TS_QUANT_STATES_HIF8: return TS_CODES_HIF8;
    case TS_QUANT_STATES_MXFP8: return TS_CODES_MX;
    default: break;
    }
    if (o->optimizer == TS_OPTIMIZER_ADAM_8BIT)
        return TS_CODES_DYNAMIC;
    return dtype == TS_STATE_F16  ? TS_CODES_F16
           : dtype == TS_STATE_F8 ? second ? TS_CODES_E5M2 : TS_CODES_E4M3
                                  : TS_CODES_NONE;
}

static ts_status init_codes(ts_optimizer *z)
{
    const ts_train_options *o = z->o;
    const ts_state_plain plain = o->quant_states                            ? TS_STATE_PLAIN_ENDS
                                 : o->optimizer == TS_OPTIMIZER_ADAM_8BIT ? TS_STATE_PLAIN_SMALL
                                                                          : TS_STATE_PLAIN_NONE;
    TS_TRY(ts_state_code_init(&z->m_code, z->params, codes_of(o, o->exp_avg_dtype, false), false, plain));
    return ts_state_code_init(&z->v_code, z->params, codes_of(o, o->exp_avg_sq_dtype, true), true, plain);
}

static ts_status init_ema(ts_optimizer *z)
{
    ts_param_set *p = z->params;
    const ts_shards *s = &p->shards;
    TS_TRY(ts_storage_create(p->dev, TS_MEM_OPTIM, (size_t)s->most * sizeof(float), &z->ema));
    p->dev->zero(p->dev, z->ema->data, z->ema->bytes);
    for (int64_t i = 0; i < s->n_pieces; i++)
        p->dev->move(p->dev, ts_optimizer_at(z->ema, TS_DTYPE_F32, &s->piece[i], false),
                     ts_shard_piece_master(&s->piece[i]), (size_t)s->piece[i].n * sizeof(float));
    return TS_OK;
}

/* What steps elements: the optimizer itself, or beside Muon what is chosen for the rest. */
static ts_optimizer_kind kind_of_rest(const ts_train_options *o)
{
    if (o->optimizer != TS_OPTIMIZER_MUON)
        return ts_train_is_adam(o) ? TS_OPTIMIZER_ADAM : (ts_optimizer_kind)o->optimizer;
    return o->matrix.scalar == TS_SCALAR_LION ? TS_OPTIMIZER_LION : TS_OPTIMIZER_ADAM;
}

static void size_room(ts_optimizer *z)
{
    const ts_param_set *s = z->params;
    for (size_t i = 0; i < s->n; i++) {
        const ts_param *p = s->p[i];
        const size_t bytes = !p->steps_whole   ? 0
                             : z->lowrank.state ? (z->o->matrix.galore ? ts_galore_bytes : ts_apollo_bytes)(&z->lowrank, p)
                                               : ts_muon_bytes(&z->muon, p);
        z->room = bytes > z->room ? bytes : z->room;
    }
    for (size_t i = 0; i < s->n && ts_main_grads_codes(z->o); i++)
        if (s->p[i]->steps_whole && !z->lowrank.state && ts_param_count(s->p[i]) > z->grads_room)
            z->grads_room = ts_param_count(s->p[i]);
}

/* For what is read of gradients in few bits at a time. */
static ts_status make_grads_room(ts_optimizer *z)
{
    const ts_param_set *s = z->params;
    int64_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n = ts_param_is_trained(s->p[i]) && ts_param_count(s->p[i]) > n ? ts_param_count(s->p[i]) : n;
    n = n < TS_STEP_GRADS ? n : TS_STEP_GRADS;
    return ts_main_grads_codes(z->o) ? ts_storage_create(s->dev, TS_MEM_GRAD, (size_t)(n + TS_CODES_BLOCK) * sizeof(float),
                                                         &z->grads)
                                     : TS_OK;
}

ts_status ts_optimizer_init(ts_optimizer *z, const ts_train_options *o, ts_param_set *params,
                            ts_comm *group)
{
    *z = (ts_optimizer){ .o = o,
                         .params = params,
                         .group = group && group->size > 1 ? group : NULL,
                         .m_dtype = ts_train_dtype(o->exp_avg_dtype),
                         .v_dtype = ts_train_dtype(o->exp_avg_sq_dtype) };
    const bool adam = kind_of_rest(o) == TS_OPTIMIZER_ADAM;
    const ts_shards *s = &params->shards;
    z->v_of_rest = ts_train_steps_whole(o);
    z->m_of_rest = z->v_of_rest && o->optimizer != TS_OPTIMIZER_MUON;
    if (z->m_of_rest)
        TS_TRY(ts_lowrank_init(&z->lowrank, o, params));
    if (adam)
        TS_TRY(init_codes(z));
    if (o->optimizer != TS_OPTIMIZER_SGD || o->sgd_momentum > 0)
        TS_TRY(moments(z, &z->m_code, z->m_dtype, z->m_of_rest ? s->most_rest : s->most, &z->m));
    if (adam)
        TS_TRY(moments(z, &z->v_code, z->v_dtype, z->v_of_rest ? s->most_rest : s->most, &z->v));
    if (o->swap_optimizer)
        TS_TRY(init_swap(z));
    if (ts_train_has_ema(o))
        TS_TRY(init_ema(z));
    if (params->code)
        TS_TRY(ts_storage_create(params->dev, TS_MEM_OTHER, TS_SUMSQ_BLOCK * sizeof(float), &z->joined));
    if (params->low) {
        params->ties = z->v;
        TS_TRY(ts_storage_create(params->dev, TS_MEM_OTHER, TS_SUMSQ_BLOCK * sizeof(float), &z->joined));
        TS_TRY(ts_param_set_mark_ties(params));
    }
    z->muon = (ts_muon){ .o = &o->matrix, .dev = params->dev, .group = z->group };
    size_room(z);
    int64_t longest = params->total; /* of what is summed: the flat arrays, or one parameter */
    for (size_t i = 0; i < params->n; i++)
        if (ts_param_count(params->p[i]) > longest)
            longest = ts_param_count(params->p[i]);
    TS_TRY(make_grads_room(z));
    const size_t n = (size_t)ts_sumsq_blocks(longest);
    TS_TRY(ts_storage_create(params->dev, TS_MEM_OTHER, n * sizeof(double), &z->sums));
    if (o->log_num_zeros)
        TS_TRY(ts_storage_create(params->dev, TS_MEM_OTHER, n * sizeof(int64_t), &z->zeros));
    return TS_OK;
}

void ts_optimizer_lend(ts_optimizer *z, double bytes)
{
    ts_storage *const own[] = { z->m, z->v };
    const double all = (double)((z->m ? z->m->bytes : 0) + (z->v ? z->v->bytes : 0));
    for (int i = 0; i < 2; i++)
        if (bytes > 0 && own[i] && !own[i]->is_away)
            ts_storage_lend(own[i], bytes < all ? (size_t)((double)own[i]->bytes * (bytes / all)) / 64 * 64
                                                : own[i]->bytes);
}

void ts_optimizer_deinit(ts_optimizer *z)
{
    ts_state_swap_deinit(&z->swap);
    ts_state_code_deinit(&z->m_code);
    ts_state_code_deinit(&z->v_code);
    ts_storage_release(&z->m);
    ts_storage_release(&z->v);
    ts_storage_release(&z->muon.room);
    ts_storage_release(&z->ema);
    ts_storage_release(&z->joined);
    ts_storage_release(&z->grads);
    ts_lowrank_deinit(&z->lowrank);
    ts_storage_release(&z->sums);
    ts_storage_release(&z->zeros);
}

/* Elements of a piece that one launch takes: [at, at + n) of it. */
typedef struct stretch {
    const ts_shard_piece *of;
    int64_t at, n, whole; /* whole: the number of the first in the whole parameter */
    int64_t slice;        /* of what is away; below 0: nothing is */
} stretch;

static bool is_kept_otherwise(const ts_optimizer *z) { return z->m_code.codes || z->v_code.codes || z->ema || z->params->low; }

static bool makes_forms(const ts_optimizer *z)
{
    return !z->sharers && !z->swap.dev && !is_kept_otherwise(z) && !z->main;
}

/* The forms that the step may make on the way: those of a parameter that is here alone. */
static ts_kept_forms kept_forms(const ts_optimizer *z, const ts_param *p)
{
    return makes_forms(z) ? ts_param_kept_forms(p) : (ts_kept_forms){ NULL, NULL };
}

/* One of the two; all of a parameter at once: also the forms that it keeps, while its values are in
 * the caches. */
static void launch(const ts_optimizer *z, const stretch *x, const ts_adamw_args *adamw,
                   const ts_sgd_args *sgd, ts_cost cost)
{
    ts_device *dev = z->params->dev;
    const ts_param *p = x->of->p;
    const ts_kept_forms kept = kept_forms(z, p);
    if (x->n == ts_param_count(p) && (kept.nt || kept.nn)) {
        const ts_step_pack_args a = {
            .adamw = adamw, .sgd = sgd, .n = p->dim[0], .k = p->dim[1], .nt = kept.nt, .nn = kept.nn
        };
        cost.bytes += (double)x->n * (2.0 * !!kept.nt + 2.0 * !!kept.nn);
        ts_launch_step_pack(dev, &a, 0, cost);
    } else if (adamw) {
        ts_launch_adamw(dev, adamw, x->n, cost);
    } else {
        ts_launch_sgd(dev, sgd, x->n, cost);
    }
}

/* Where the first one's moment is that own (borrowed, of type t) holds. */
static void *moment(const ts_optimizer *z, const stretch *x, int i, const ts_storage *own, ts_dtype t)
{
    const ts_state_code *c = i == IN_M ? &z->m_code : &z->v_code;
    if (!own)
        return NULL;
    if (c->codes)
        return (char *)ts_state_code_at(c, own, x->of) +
               (size_t)x->at * ts_codes_size(ts_state_code_of(c, x->of));
    const bool rest = i == IN_V ? z->v_of_rest : z->m_of_rest;
    return x->slice >= 0 ? ts_state_swap_at(&z->swap, x->slice, i, (rest ? x->of->rest : x->of->own) + x->at)
                         : (char *)ts_optimizer_at(own, t, x->of, rest) + (size_t)x->at * ts_dtype_size(t);
}

static void *master(const ts_optimizer *z, const stretch *x)
{
    if (x->slice >= 0 && z->swap.away[IN_MASTER])
        return ts_state_swap_at(&z->swap, x->slice, IN_MASTER, x->of->own + x->at);
    return (char *)ts_shard_piece_master(x->of) +
           (size_t)x->at * ts_dtype_size(ts_shard_piece_type(x->of));
}

/* Those of a stretch, which begins with a block. */
static void *scales(const ts_state_code *c, const ts_storage *array, const stretch *x)
{
    return (char *)ts_state_code_scales(c, array, x->of) +
           (size_t)(x->at / TS_CODES_BLOCK) * ts_codes_scale_bytes(ts_state_code_of(c, x->of));
}

/* Moments in few bits, or an average of the values. */
static void adam_kept(const ts_optimizer *z, const stretch *x, const ts_adamw_args *adamw, ts_cost cost)
{
    ts_adamw_kept_args a = { .adamw = *adamw, .len = x->n, .m_codes = ts_state_code_of(&z->m_code, x->of),
                             .v_codes = ts_state_code_of(&z->v_code, x->of), .ema_decay = (float)z->o->ema_decay };
    if (ts_param_is_parted(x->of->p))
        a.low = (uint16_t *)z->params->low->data + x->of->own + x->at;
    if (z->ema) {
        a.ema = (float *)ts_optimizer_at(z->ema, TS_DTYPE_F32, x->of, false) + x->at;
        cost.flops += 3 * (double)x->n;
        cost.bytes += 8 * (double)x->n;
    }
    if (a.m_codes)
        a.m_scales = scales(&z->m_code, z->m, x);
    if (a.v_codes)
        a.v_scales = scales(&z->v_code, z->v, x);
    ts_launch_adamw_kept(z->params->dev, &a, (x->n + TS_CODES_BLOCK - 1) / TS_CODES_BLOCK, cost);
}

static double decay_of(const ts_optimizer *z, const ts_param *p)
{
    return p->decays || (p->is_qk_norm && z->o->decays_qk_norm) ? z->o->weight_decay : 0;
}

static void adam(const ts_optimizer *z, const stretch *x, ts_grads_there g, double lr, double scale)
{
    const ts_train_options *o = z->o;
    const ts_param *p = x->of->p;
    const double t = (double)z->steps, n = (double)x->n;
    const ts_dtype tm = z->m_dtype, tv = z->v_dtype, tp = ts_shard_piece_type(x->of);
    const double bytes =
        (double)ts_dtype_size(g.dtype) + 2 * (double)(ts_dtype_size(tm) + ts_dtype_size(tv) + ts_dtype_size(tp));
    const ts_adamw_args a = { .p = master(z, x),
                              .m = moment(z, x, IN_M, z->m, tm),
                              .v = moment(z, x, IN_V, z->v, tv),
                              .grad = g.x,
                              .grad_dtype = g.dtype,
                              .lr = (float)lr,
                              .p_dtype = tp,
                              .m_dtype = tm,
                              .v_dtype = tv,
                              .rng = ts_rng_stream((uint64_t)o->seed, TS_RNG_ROUND,
                                                   (uint64_t)z->steps, (uint32_t)p->id),
                              .first = x->whole,
                              .beta1 = (float)o->adam_beta1,
                              .beta2 = (float)o->adam_beta2,
                              .eps = (float)o->adam_eps,
                              .weight_decay = (float)decay_of(z, p),
                              .grad_scale = (float)scale,
                              .c1 = 1 - pow(o->adam_beta1, t),
                              .c2 = 1 - pow(o->adam_beta2, t) };
    const ts_cost cost = { 12 * n, bytes * n, TS_DTYPE_F32 };
    if (is_kept_otherwise(z))
        adam_kept(z, x, &a, cost);
    else
        launch(z, x, &a, NULL, cost);
}

static void sgd(const ts_optimizer *z, const stretch *x, const float *g, double lr, double scale)
{
    const ts_param *p = x->of->p;
    const double n = (double)x->n;
    const ts_sgd_args a = { .p = master(z, x),
                            .m = moment(z, x, IN_M, z->m, TS_DTYPE_F32),
                            .grad = g,
                            .lr = (float)lr,
                            .momentum = (float)z->o->sgd_momentum,
                            .weight_decay = (float)decay_of(z, p),
                            .grad_scale = (float)scale };
    launch(z, x, NULL, &a, (ts_cost){ 4 * n, (z->m ? 20 : 12) * n, TS_DTYPE_F32 });
}

static void lion(const ts_optimizer *z, const stretch *x, const float *g, double lr, double scale)
{
    const ts_matrix_options *o = &z->o->matrix;
    const ts_param *p = x->of->p;
    const double n = (double)x->n;
    const ts_lion_args a = { .p = master(z, x),
                             .m = moment(z, x, IN_M, z->m, TS_DTYPE_F32),
                             .grad = g,
                             .lr = (float)lr,
                             .beta1 = (float)o->lion_beta1,
                             .beta2 = (float)o->lion_beta2,
                             .weight_decay = (float)decay_of(z, p),
                             .grad_scale = (float)scale };
    ts_launch_lion(z->params->dev, &a, x->n, (ts_cost){ 8 * n, 20 * n, TS_DTYPE_F32 });
}

/* A whole piece. */
static ts_status muon(const ts_optimizer *z, const stretch *x, const float *g, double lr, double scale)
{
    ts_param *p = x->of->p;
    TS_ASSERT(x->of->n == ts_param_count(p), "%s is cut where it is stepped as a whole", p->name);
    const ts_muon_step_args a = { .p = p,
                                  .value = master(z, x),
                                  .m = moment(z, x, IN_M, z->m, TS_DTYPE_F32),
                                  .grad = g,
                                  .lr = lr,
                                  .weight_decay = decay_of(z, p),
                                  .grad_scale = scale };
    return ts_muon_step(&z->muon, &a);
}

/* Elements from `at` on that one launch may take. Where random bits round something they hang on an
 * element's number in the whole, so that it ends where the share's elements no longer follow one
 * another there. */
static int64_t stretch_from(const ts_optimizer *z, const ts_shard_piece *x, int64_t at, int64_t *whole)
{
    const int64_t run = ts_place_run(&x->p->place, x->at + at, whole), left = x->n - at;
    const bool rounds = kind_of_rest(z->o) == TS_OPTIMIZER_ADAM &&
                        (ts_shard_piece_type(x) == TS_DTYPE_BF16 || z->m_dtype == TS_DTYPE_BF16 ||
                         z->v_dtype == TS_DTYPE_BF16);
    return rounds && run < left ? run : left;
}

/* Values of a stretch from its master in the room. */
static void fill(const ts_optimizer *z, const stretch *x)
{
    const ts_param *p = x->of->p;
    const size_t size = ts_dtype_size(p->dtype);
    const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32,
                                    .y_dtype = p->dtype,
                                    .x = master(z, x),
                                    .y = (char *)p->value + (size_t)(x->of->at + x->at) * size };
    ts_launch_copy(z->params->dev, &a, x->n, (ts_cost){ 0, (double)x->n * (double)(sizeof(float) + size), p->dtype });
}

static double rate_of(const ts_optimizer *z, const ts_param *p, double lr)
{
    return z->has_decoupled && p->decoupled ? z->decoupled_lr : lr;
}

/* Elements [at, end) of a piece. */
static void step_piece(const ts_optimizer *z, stretch x, int64_t end, const ts_step_grads *from, double lr, double scale)
{
    const ts_optimizer_kind kind = kind_of_rest(z->o);
    const double rate = rate_of(z, x.of->p, lr);
    const bool is_adam = kind == TS_OPTIMIZER_ADAM, in_place = is_adam && ts_step_grads_there(from, x.of, 0).x;
    const int64_t most = from->main && !in_place ? TS_STEP_GRADS : INT64_MAX;
    for (; x.at < end; x.at += x.n) {
        x.n = stretch_from(z, x.of, x.at, &x.whole);
        x.n = x.n < end - x.at ? x.n : end - x.at;
        x.n = x.n < most ? x.n : most;
        const ts_grads_there g = in_place ? ts_step_grads_there(from, x.of, x.at)
                                          : (ts_grads_there){ ts_step_grads_at(from, x.of, x.at, x.n), TS_DTYPE_F32 };
        if (is_adam)
            adam(z, &x, g, rate, scale);
        else
            (kind == TS_OPTIMIZER_LION ? lion : sgd)(z, &x, g.x, rate, scale);
        if (x.slice >= 0 && z->swap.away[IN_MASTER])
            fill(z, &x);
    }
}

/* Of what is stepped whole, behind the room that its step takes. */
static const float *whole_grads(const ts_optimizer *z, const ts_shard_piece *x, const ts_step_grads *grads)
{
    if (!grads->main)
        return ts_step_grads_at(grads, x, 0, x->n);
    float *to = (float *)(void *)((char *)z->muon.room->data + ts_device_round(z->room));
    ts_main_grads_read(grads->main, x, 0, x->n, to);
    return to;
}

static ts_status step_whole(const ts_optimizer *z, const ts_shard_piece *x, int64_t slice, const ts_step_grads *grads,
                            double lr, double scale)
{
    const stretch all = { .of = x, .n = x->n, .slice = slice };
    TS_TRY(muon(z, &all, whole_grads(z, x, grads), rate_of(z, x->p, lr), scale));
    if (slice >= 0 && z->swap.away[IN_MASTER])
        fill(z, &all);
    return TS_OK;
}

/* What of the pieces lies in slice k; *i: the first that may. */
static ts_status step_slice(const ts_optimizer *z, int64_t k, int64_t *i, const ts_step_grads *grads, double lr,
                            double scale)
{
    const ts_shards *s = &z->params->shards;
    int64_t from, to = ts_state_swap_slice(&z->swap, k, &from);
    for (; *i < s->n_pieces && s->piece[*i].own < to; ++*i) {
        const ts_shard_piece *x = &s->piece[*i];
        const int64_t at = from > x->own ? from - x->own : 0, left = to - x->own;
        if (at < x->n && x->p->steps_whole)
            TS_TRY(step_whole(z, x, k, grads, lr, scale));
        else if (at < x->n)
            step_piece(z, (stretch){ .of = x, .at = at, .slice = k }, left < x->n ? left : x->n, grads, lr, scale);
        if (left < x->n)
            return TS_OK; /* the next slice goes on with it */
    }
    return TS_OK;
}

static ts_status step_slices(ts_optimizer *z, const ts_step_grads *grads, double lr, double scale)
{
    ts_state_swap *s = &z->swap;
    int64_t i = 0;
    ts_status st = ts_state_swap_open(s);
    TS_TRY(st);
    for (int64_t k = 0; st == TS_OK && k < s->n_slices; k++) {
        if (k == 0)
            ts_state_swap_bring(s, 0);
        if (k + 1 < s->n_slices)
            ts_state_swap_bring(s, k + 1);
        ts_state_swap_await(s, k);
        st = step_slice(z, k, &i, grads, lr, scale);
        ts_state_swap_return(s, k);
    }
    ts_state_swap_close(s);
    return st;
}

/* Some of the pieces, by number. */
static ts_status step_pieces(const ts_optimizer *z, int64_t first, int64_t last, const ts_step_grads *grads, double lr,
                             double scale)
{
    for (int64_t i = first; i < last; i++) {
        const ts_shard_piece *x = &z->params->shards.piece[i];
        if (!x->p->steps_whole)
            step_piece(z, (stretch){ .of = x, .slice = -1 }, x->n, grads, lr, scale);
        else if (!z->lowrank.state)
            TS_TRY(step_whole(z, x, -1, grads, lr, scale));
    }
    return TS_OK;
}

/* Some of the parameters, of which all processes have pieces or none. */
static ts_status step_projected(const ts_optimizer *z, int64_t first, int64_t last, const ts_step_grads *grads,
                                double lr, double scale)
{
    for (int64_t i = first; i < last && z->lowrank.state; i++) {
        ts_param *p = z->params->p[i];
        const ts_lowrank_step_args a = { .p = p, .grads = grads, .sharers = z->sharers, .group = z->group,
                                        .lr = rate_of(z, p, lr), .weight_decay = decay_of(z, p),
                                        .grad_scale = scale, .steps = z->steps };
        if (p->steps_whole)
            TS_TRY((z->o->matrix.galore ? ts_galore_step : ts_apollo_step)(&z->lowrank, &a));
    }
    return TS_OK;
}

/* Memory for what is stepped whole, which the backward pass has given back. */
static ts_status open_room(ts_optimizer *z)
{
    TS_TRY(ts_lowrank_open(&z->lowrank));
    return z->room ? ts_storage_create(z->params->dev, TS_MEM_OPTIM,
                                       ts_device_round(z->room) + (size_t)z->grads_room * sizeof(float),
                                       z->lowrank.state ? &z->lowrank.room : &z->muon.room)
                   : TS_OK;
}

static void close_room(ts_optimizer *z)
{
    ts_lowrank_close(&z->lowrank);
    ts_storage_release(&z->muon.room);
}

static ts_status step_all(ts_optimizer *z, const ts_step_grads *grads, double lr, double scale)
{
    if (z->swap.dev)
        return step_slices(z, grads, lr, scale);
    TS_TRY(step_pieces(z, 0, z->params->shards.n_pieces, grads, lr, scale));
    return step_projected(z, 0, (int64_t)z->params->n, grads, lr, scale);
}

ts_status ts_optimizer_step(ts_optimizer *z, const float *grads, double lr, double grad_scale)
{
    const ts_shards *s = &z->params->shards;
    const ts_step_grads from = ts_optimizer_grads(z, grads);
    z->steps++;
    TS_TRY(open_room(z));
    const ts_status st = step_all(z, &from, lr, grad_scale);
    close_room(z);
    TS_TRY(st);
    ts_param_set_trained(z->params);
    for (int64_t i = 0; i < s->n_pieces && makes_forms(z); i++) {
        const ts_shard_piece *x = &s->piece[i];
        int64_t whole;
        if (!x->p->steps_whole && kind_of_rest(z->o) != TS_OPTIMIZER_LION && stretch_from(z, x, 0, &whole) == x->n)
            ts_param_forms_made(x->p);
    }
    return TS_OK;
}

/* ---- unit by unit ---- */

void ts_optimizer_begin(ts_optimizer *z)
{
    z->steps++;
    z->unit_sums = 0;
    z->unit_zeros = 0;
}

ts_status ts_optimizer_step_unit(ts_optimizer *z, int64_t unit, const ts_step_grads *grads, double lr)
{
    const ts_shards *s = &z->params->shards;
    double sum = 0;
    for (int64_t i = s->first[unit]; i < s->first[unit + 1]; i++)
        TS_TRY(ts_optimizer_add_grads(z, &s->piece[i], grads, &sum, z->zeros ? &z->unit_zeros : NULL));
    if (!isfinite(sum) && z->o->check_for_nan)
        return ts_error(TS_ERR_RUN, "the gradient of %s or of what is used with it is not a number, and layers behind it "
                                    "may have been stepped (%s): go on from the last checkpoint with a lower --lr",
                        z->params->p[s->param[unit]]->name, ts_train_layerwise_name(z->o));
    z->unit_sums += sum;
    TS_TRY(open_room(z));
    ts_status st = step_pieces(z, s->first[unit], s->first[unit + 1], grads, lr, 1);
    if (st == TS_OK)
        st = step_projected(z, s->param[unit], s->param[unit + 1], grads, lr, 1);
    close_room(z);
    return st;
}

ts_status ts_optimizer_end(ts_optimizer *z, double *sumsq, int64_t *zero_count)
{
    *sumsq = z->unit_sums;
    *zero_count = z->unit_zeros;
    ts_param_set_trained(z->params);
    return ts_optimizer_add_up(z, sumsq, zero_count);
}
