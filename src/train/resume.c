#include "train/resume.h"

#include "model/adapters.h"
#include "model/param_read.h"
#include "train/narrow_state.h"
#include "train/stage_list.h"
#include "train/whole.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- state ---- */

/* The model in a family's words, or in our own. */
static ts_status describe_model(const ts_model *m, json_t *state)
{
    const ts_arch *a = &m->decoder->arch;
    const ts_family *f;
    json_t *o = m->config ? json_deep_copy(m->config) : NULL;
    const char *key = "config";
    ts_status st = m->config && !o ? ts_error(TS_ERR_NOMEM, "out of memory") : TS_OK;
    if (!m->config && ts_family_describe(a, &f, &o) != TS_OK) {
        key = "arch";
        st = ts_arch_write(a, &o);
    }
    if (st == TS_OK && (json_object_set_new(state, key, o) ||
                        json_object_set_new(state, "pad_frozen", json_boolean(a->pad_frozen)) ||
                        (a->reward && json_object_set_new(state, "reward_norm", json_boolean(a->final_norm))) ||
                        json_object_set_new(state, "experts_stacked", json_boolean(a->experts_stacked)) ||
                        json_object_set_new(state, "other_names", json_boolean(a->other_names))))
        st = ts_error(TS_ERR_NOMEM, "out of memory while describing the model");
    o = NULL;
    if (st == TS_OK && m->adapters)
        st = ts_adapters_tell(m->adapters, &o);
    if (st == TS_OK && o && json_object_set_new(state, "adapter", o))
        st = ts_error(TS_ERR_NOMEM, "out of memory while describing the model");
    return st;
}

static ts_status state_text(const ts_trainer *t, const ts_model *m, const ts_option_set *options,
                            ts_str *out)
{
    ts_str given = { 0 };
    json_t *opts = NULL;
    ts_status st = options ? ts_option_json(options, &given) : ts_str_puts(&given, "{}");
    if (st == TS_OK)
        st = ts_json_parse(given.s, given.len, "options", &opts);
    ts_str_deinit(&given);
    TS_TRY(st);
    /* skipped steps are consumed samples without num_steps; the seed is among the options */
    json_t *s = json_pack(
        "{s:I, s:I, s:I, s:I, s:{s:b, s:o, s:I, s:I}, s:s, s:O*, s:o*, s:o}", "iteration",
        (json_int_t)t->iteration, "consumed_train_samples", (json_int_t)t->consumed, "num_steps",
        (json_int_t)t->scheduled, "optimizer_steps", (json_int_t)t->optim.steps, "grad_scaler",
        "dynamic", t->scaler.dynamic, "scale", ts_json_number(t->scaler.scale), "growth_tracker",
        (json_int_t)t->scaler.good, "hysteresis_tracker", (json_int_t)t->scaler.tolerance,
        "file_dtype", ts_st_dtype_name(m->file_dtype), "tokenizer", m->tokenizer,
        "nf4_base", json_string(m->nf4_base), "options", opts);
    const ts_compared *x = t->objective->compared;
    if (s && x && json_object_set_new(s, "reference", json_pack("{s:s, s:I}", "folder", x->folder, "step", (json_int_t)x->step)))
        st = ts_error(TS_ERR_NOMEM, "out of memory while writing the state of a checkpoint");
    if (s && st == TS_OK)
        st = describe_model(m, s);
    if (st == TS_OK)
        st = ts_json_write(s, JSON_INDENT(1) | JSON_REAL_PRECISION(17),
                           "the state of a checkpoint", out);
    json_decref(s);
    return st;
}

/* ---- saving ---- */

/* What is saved of each parameter. */
typedef enum kind { VALUES, FIRST_MOMENT, SECOND_MOMENT, LAST_NORM, AVERAGE, KINDS } kind;
static const char *const prefix[KINDS] = { "", "optimizer.exp_avg.", "optimizer.exp_avg_sq.", "optimizer.norm.",
                                           "optimizer.ema." };

typedef struct tensor_list {
    ts_saved *of;      /* [n] what this stage holds; then all that is saved */
    ts_ckpt_tensor *t; /* [n] the same, for the checkpointer */
    bool *writes;      /* [n] which of them this process writes */
    bool *wants;       /* [parameters] of one kind */
    int64_t n;
    ts_whole whole[KINDS];
} tensor_list;

/* Which kinds there are. */
static bool keeps(const ts_trainer *t, kind k)
{
    const ts_storage *const own[KINDS] = { [FIRST_MOMENT] = t->optim.m, [SECOND_MOMENT] = t->optim.v,
                                           [AVERAGE] = t->optim.ema };
    return k == VALUES || (!t->o->no_save_optim && own[k]); /* of the last norms see is_projected */
}

/* Whether APOLLO has this kind of p. */
static bool is_projected(const ts_trainer *t, const ts_param *p, kind k)
{
    return k >= FIRST_MOMENT && k <= LAST_NORM && t->optim.lowrank.state && p->steps_whole && !t->o->no_save_optim;
}

enum { STATES = KINDS - FIRST_MOMENT };

/* The order of what is saved: all values, then each parameter's moments and average, and what is not a
 * parameter's. */
static int64_t key_of(const ts_trainer *t, const ts_param *p, kind k)
{
    return k == VALUES ? p->id : t->objective->params->next_id + STATES * p->id + k - FIRST_MOMENT;
}

/* Whose it is, if this stage brings it: NULL otherwise. */
static const ts_param *param_of(const ts_trainer *t, const ts_saved *s, kind *k)
{
    const ts_param_set *set = t->objective->params;
    const int64_t state = s->key - set->next_id, id = state < 0 ? s->key : state / STATES;
    *k = state < 0 ? VALUES : FIRST_MOMENT + (kind)(state % STATES);
    for (size_t i = 0; i < set->n && s->tensor.holder == t->mesh->at[TS_MESH_PP]; i++)
        if (set->p[i]->id == id)
            return set->p[i];
    return NULL;
}

/* [1] for APOLLO's norm, [rank, side] for GaLore's projection. */
static void shape_projected(const ts_trainer *t, const ts_param *p, kind k, ts_ckpt_tensor *x)
{
    const ts_lowrank_shape s = ts_lowrank_shape_of(&t->optim.lowrank, p);
    x->dtype = TS_ST_F32;
    x->rank = k == LAST_NORM && s.rest == 1 ? 1 : 2;
    x->shape[0] = x->rows = k != LAST_NORM ? s.rows : s.rest == 1 ? 1 : s.rank;
    x->shape[1] = k != LAST_NORM ? s.cols : s.rest == 1 ? 1 : s.rest / s.rank;
}

/* Of weights in NF4 the folder that they were read from has the codes, and with saves_trained of all that is frozen the
 * values, but for what belongs to what is trained. */
static bool is_saved(const ts_trainer *t, const ts_param *p)
{
    return p->held != TS_HELD_NF4 && !(t->saves_trained && !ts_param_is_trained(p) && !p->is_start);
}

/* Its data come later. */
static void add_tensor(const ts_trainer *t, tensor_list *l, size_t i, kind k)
{
    const ts_param *p = t->objective->params->p[i];
    if (!is_saved(t, p))
        return;
    if (!is_projected(t, p, k) && (!keeps(t, k) || !ts_whole_has(&l->whole[k], p)))
        return;
    ts_saved *s = &l->of[l->n++];
    snprintf(s->name, sizeof s->name, "%s%s", prefix[k], p->name);
    s->key = key_of(t, p, k);
    s->tensor = (ts_ckpt_tensor){
        .part = k == VALUES ? TS_CKPT_MODEL : TS_CKPT_OPTIMIZER,
        .dtype = ts_whole_type(&l->whole[k], p) == TS_DTYPE_BF16 ? TS_ST_BF16 : TS_ST_F32,
        .rank = p->place.rank,
        .rows = p->place.dim[0].whole
    };
    for (int d = 0; d < 2 || d < p->place.rank; d++)
        s->tensor.shape[d] = d < p->place.rank ? p->place.dim[d].whole : 1;
    if (is_projected(t, p, k))
        shape_projected(t, p, k, &s->tensor);
}

static ts_status list_tensors(const ts_trainer *t, tensor_list *l)
{
    const ts_param_set *p = t->objective->params;
    const ts_optimizer *z = &t->optim;
    ts_whole_init(&l->whole[VALUES], p, NULL, false, TS_DTYPE_F32);
    ts_whole_init(&l->whole[FIRST_MOMENT], p, z->m, z->m_of_rest, z->m_dtype);
    ts_whole_init(&l->whole[SECOND_MOMENT], p, z->v, z->v_of_rest, z->v_dtype);
    l->whole[FIRST_MOMENT].code = z->m_code.codes ? &z->m_code : NULL;
    l->whole[SECOND_MOMENT].code = z->v_code.codes ? &z->v_code : NULL;
    ts_whole_init(&l->whole[AVERAGE], p, z->ema, false, TS_DTYPE_F32);
    TS_TRY(ts_alloc(&l->of, p->n * KINDS + (size_t)ts_narrow_state_count(t), sizeof *l->of));
    for (size_t i = 0; i < p->n; i++)
        add_tensor(t, l, i, VALUES);
    for (size_t i = 0; i < p->n; i++)
        for (kind k = FIRST_MOMENT; k < KINDS; k++)
            add_tensor(t, l, i, k);
    ts_narrow_state_list(t, KINDS * p->next_id, l->of, &l->n);
    return ts_alloc(&l->wants, p->n, sizeof *l->wants);
}

/* What all stages have, and what of it this process writes. */
static ts_status list_all(const ts_trainer *t, const ts_checkpointer *c, tensor_list *l)
{
    TS_TRY(ts_stage_list(t->mesh->comm[TS_MESH_PP], &l->of, &l->n));
    TS_TRY(ts_alloc(&l->t, (size_t)l->n, sizeof *l->t));
    TS_TRY(ts_alloc(&l->writes, (size_t)l->n, sizeof *l->writes));
    for (int64_t i = 0; i < l->n; i++) {
        l->t[i] = l->of[i].tensor;
        l->t[i].name = l->of[i].name;
    }
    return ts_checkpointer_writes(c, l->t, l->n, l->writes);
}

/* What this process writes of each kind. */
static ts_status collect(const ts_trainer *t, tensor_list *l)
{
    const ts_whole_comms comms = ts_whole_comms_of(t->sharers, t->mesh);
    kind is;
    for (kind k = VALUES; k < KINDS; k++) {
        memset(l->wants, 0, t->objective->params->n * sizeof *l->wants);
        for (int64_t i = 0; i < l->n; i++) {
            const ts_param *p = param_of(t, &l->of[i], &is);
            if (p && is == k)
                l->wants[p->index] = l->writes[i];
        }
        if (keeps(t, k))
            TS_TRY(ts_whole_collect(&l->whole[k], &comms, l->wants));
    }
    for (int64_t i = 0; i < l->n; i++) {
        const ts_param *p = param_of(t, &l->of[i], &is);
        if (!p) /* it is no parameter's, or another stage's */
            continue;
        const bool projected = is_projected(t, p, is);
        l->t[i].on_host = !projected && ts_whole_is_brought(&l->whole[is], p);
        l->t[i].data = projected ? ts_lowrank_state(&t->optim.lowrank, p, (int)(is - FIRST_MOMENT))
                                 : ts_whole_of(&l->whole[is], p);
    }
    return TS_OK;
}

static void free_tensors(tensor_list *l)
{
    for (kind k = VALUES; k < KINDS; k++)
        ts_whole_deinit(&l->whole[k]);
    ts_free(&l->t);
    ts_free(&l->of);
    ts_free(&l->writes);
    ts_free(&l->wants);
}

int64_t ts_trainer_state_bytes(const ts_trainer *t)
{
    const ts_param_set *s = t->objective->params;
    const ts_optimizer *z = &t->optim;
    const bool saves = !t->o->no_save_optim;
    const size_t first = z->m && saves ? ts_dtype_size(z->m_dtype) : 0,
                 second = z->v && saves ? ts_dtype_size(z->v_dtype) : 0,
                 average = z->ema && saves ? sizeof(float) : 0;
    size_t bytes = 0;
    for (size_t i = 0; i < s->n; i++) {
        const ts_param *p = s->p[i];
        const size_t moments = average + (z->m_of_rest && p->steps_whole ? 0 : first) +
                               (z->v_of_rest && p->steps_whole ? 0 : second);
        for (kind k = FIRST_MOMENT; k < KINDS && is_projected(t, p, k); k++) {
            ts_ckpt_tensor x;
            shape_projected(t, p, k, &x);
            bytes += (size_t)(x.shape[0] * x.shape[1]) * sizeof(float);
        }
        if (!is_saved(t, p))
            continue;
        bytes += (size_t)ts_param_count(p) *
                 (ts_param_is_trained(p) ? moments + ts_dtype_size((s->master && !s->masters_are_values) || s->low ? TS_DTYPE_F32 : p->dtype)
                                         : ts_dtype_size(p->dtype));
    }
    if (s->narrow && saves)
        bytes += (size_t)ts_narrow_set_at(s->narrow, s->narrow->n) * (s->narrow->length ? sizeof(float) : 0);
    return (int64_t)bytes;
}

void ts_trainer_book_copies(ts_trainer *t, int64_t bytes)
{
    ts_device_book(t->dev, TS_MEM_OTHER, bytes - t->copies);
    t->copies = bytes;
}

ts_status ts_trainer_fetch(void *device, void *to, const void *data, size_t n)
{
    return ts_device_read(device, to, data, n);
}

ts_status ts_trainer_save(ts_trainer *t, const ts_model *m, ts_checkpointer *c,
                          const ts_option_set *options)
{
    tensor_list l = { 0 };
    ts_str state = { 0 };
    ts_status st = ts_comm_agree(t->comm, t->dev->sync(t->dev));
    if (st == TS_OK)
        st = ts_trainer_settle(t);
    if (st == TS_OK)
        st = list_tensors(t, &l);
    if (st == TS_OK)
        st = state_text(t, m, options, &state);
    st = ts_comm_agree(t->comm, st);
    if (st == TS_OK)
        st = ts_comm_agree(t->comm, list_all(t, c, &l));
    if (st == TS_OK)
        st = ts_comm_agree(t->comm, collect(t, &l)); /* other stages know nothing of this one's failure */
    if (st == TS_OK)
        st = ts_checkpointer_save(c, t->iteration, l.t, l.n, state.s);
    const ts_status back = ts_trainer_go_on(t);
    st = st == TS_OK ? back : st;
    ts_trainer_book_copies(t, (int64_t)ts_checkpointer_staging(c));
    ts_str_deinit(&state);
    free_tensors(&l);
    return st;
}

/* ---- loading ---- */

typedef struct coded {
    const ts_state_code *code;
    const ts_storage *own;
} coded;

static ts_status write_coded(void *ctx, const ts_shard_piece *x, const float *v)
{
    const coded *c = ctx;
    return ts_state_code_write(c->code, c->own, x, v);
}

/* A moment of this type or in these codes, whatever the file's: what is wider there is rounded to nearest. */
static ts_status load_moment(const ts_checkpoint *ck, const char *begin, ts_param *p,
                             const ts_storage *own, bool rest, ts_dtype type, const ts_state_code *code)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", begin, p->name);
    const ts_st_tensor *t = ts_checkpoint_tensor(ck, name);
    if (!t)
        return ts_error(TS_ERR_USER,
                        "%s: tensor %s is missing; a run that freezes %s (--freeze) or steps it otherwise "
                        "(--optimizer) saves none: continue with its options, or with --no-load-optim",
                        ts_checkpoint_path(ck), name, p->name);
    return code->codes ? ts_param_read_pieces(p, t, write_coded, &(coded){ code, own })
                       : ts_param_read(p, t, own->data, rest, type);
}

/* A run that had none begins with its weights. */
static ts_status load_average(const ts_checkpoint *ck, ts_param *p, const ts_storage *ema)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", prefix[AVERAGE], p->name);
    const ts_st_tensor *t = ema ? ts_checkpoint_tensor(ck, name) : NULL;
    return t ? ts_param_read(p, t, ema->data, false, TS_DTYPE_F32) : TS_OK;
}

static ts_status load_projected(const ts_trainer *t, const ts_checkpoint *ck, const ts_param *p, kind k)
{
    ts_ckpt_tensor want;
    char name[160];
    float *host;
    shape_projected(t, p, k, &want);
    snprintf(name, sizeof name, "%s%s", prefix[k], p->name);
    const ts_st_tensor *have = ts_checkpoint_tensor(ck, name);
    const int64_t n = want.shape[0] * want.shape[1];
    if (!have || have->rank != want.rank || have->shape[0] != want.shape[0] ||
        (want.rank > 1 && have->shape[1] != want.shape[1]))
        return ts_error(TS_ERR_USER,
                        "%s: there is no tensor %s of the projection that --apollo-rank and --apollo-proj-type ask "
                        "for: continue with the options of the run that was saved, or with --no-load-optim",
                        ts_checkpoint_path(ck), name);
    TS_TRY(ts_alloc(&host, (size_t)n, sizeof *host));
    const ts_status st = ts_st_read_f32(have, 0, n, host);
    if (st == TS_OK)
        t->dev->to_device(t->dev, ts_lowrank_state(&t->optim.lowrank, p, (int)(k - FIRST_MOMENT)), host,
                          (size_t)n * sizeof *host);
    ts_free(&host);
    return st;
}

static ts_status load_moments(ts_trainer *t, const ts_checkpoint *ck)
{
    const ts_param_set *p = t->objective->params;
    if (ts_checkpoint_count(ck, TS_CKPT_OPTIMIZER) == 0 && (t->optim.m || t->optim.v))
        return ts_error(TS_ERR_USER,
                        "%s holds no optimizer state (it was saved with --no-save-optim): continue "
                        "with --no-load-optim, or begin anew from its weights with --finetune",
                        ts_checkpoint_path(ck));
    for (size_t i = 0; i < p->n; i++) {
        const ts_optimizer *z = &t->optim;
        if (!ts_param_is_trained(p->p[i]))
            continue;
        for (kind k = FIRST_MOMENT; k <= LAST_NORM && z->lowrank.state && p->p[i]->steps_whole; k++)
            TS_TRY(load_projected(t, ck, p->p[i], k));
        if (z->m && !(z->m_of_rest && p->p[i]->steps_whole))
            TS_TRY(load_moment(ck, prefix[FIRST_MOMENT], p->p[i], z->m, z->m_of_rest, z->m_dtype, &z->m_code));
        if (z->v && !(z->v_of_rest && p->p[i]->steps_whole))
            TS_TRY(load_moment(ck, prefix[SECOND_MOMENT], p->p[i], z->v, z->v_of_rest, z->v_dtype, &z->v_code));
        TS_TRY(load_average(ck, p->p[i], z->ema));
    }
    return TS_OK;
}

static ts_status need_int(const json_t *s, const char *file, const char *key, int64_t least,
                          int64_t *out)
{
    if (!json_is_integer(json_object_get(s, key)))
        return ts_error(TS_ERR_USER, "%s: %s is missing", file, key);
    return ts_json_int(s, file, key, 0, least, INT64_MAX, out);
}

/* A run that had no dynamic scale leaves nothing to one that has. */
static ts_status load_scaler(ts_loss_scaler *s, const json_t *state, const char *file)
{
    const json_t *g = json_object_get(state, "grad_scaler"), *scale = json_object_get(g, "scale");
    const double v = json_number_value(scale);
    if (!json_is_boolean(json_object_get(g, "dynamic")) || !json_is_number(scale))
        return ts_error(TS_ERR_USER, "%s: grad_scaler with dynamic and scale is missing", file);
    if (!s->dynamic || !json_is_true(json_object_get(g, "dynamic")))
        return TS_OK;
    if (!(v > 0 && isfinite(v)))
        return ts_error(TS_ERR_USER, "%s: grad_scaler: scale is %g, expected a positive number",
                        file, v);
    s->scale = v;
    TS_TRY(need_int(g, file, "growth_tracker", 0, &s->good));
    return need_int(g, file, "hysteresis_tracker", INT64_MIN, &s->tolerance);
}

static ts_status load_counters(ts_trainer *t, const ts_checkpoint *ck)
{
    const json_t *s = ts_checkpoint_state(ck);
    const char *file = ts_checkpoint_state_file(ck);
    TS_TRY(need_int(s, file, "iteration", 0, &t->iteration));
    if (t->iteration != ts_checkpoint_iteration(ck))
        return ts_error(TS_ERR_USER, "%s: iteration is %lld, in a checkpoint of iteration %lld",
                        file, (long long)t->iteration, (long long)ts_checkpoint_iteration(ck));
    TS_TRY(need_int(s, file, "consumed_train_samples", 0, &t->consumed));
    TS_TRY(need_int(s, file, "num_steps", 0, &t->scheduled));
    TS_TRY(need_int(s, file, "optimizer_steps", 0, &t->optim.steps));
    return load_scaler(&t->scaler, s, file);
}

ts_status ts_trainer_restore(ts_trainer *t, const ts_checkpoint *ck, bool with_optimizer)
{
    if (with_optimizer)
        TS_TRY(load_moments(t, ck));
    if (with_optimizer)
        TS_TRY(ts_narrow_state_restore(t, ck));
    if (with_optimizer && t->optim.v)
        TS_TRY(ts_param_set_mark_ties(t->objective->params));
    TS_TRY(load_counters(t, ck));
    if (!with_optimizer)
        t->optim.steps = 0;
    return TS_OK;
}

/* ---- with what it goes on ---- */

/* Another value of what decides the run is the user's right, but not a matter for silence: the run
 * is no longer the one that was interrupted. */
ts_status ts_checkpoint_option_changes(const ts_checkpoint *ck, const ts_option_set *set,
                                       ts_str *out)
{
    const json_t *was = json_object_get(ts_checkpoint_state(ck), "options");
    ts_str_reset(out);
    if (!json_is_object(was))
        return ts_error(TS_ERR_USER, "%s: options is missing", ts_checkpoint_state_file(ck));
    return ts_option_changes(set, was, out);
}
