#include "train/resume.h"

#include "base/file.h"

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
                        json_object_set_new(state, "pad_frozen", json_boolean(a->pad_frozen))))
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
        "{s:I, s:I, s:I, s:I, s:{s:b, s:o, s:I, s:I}, s:s, s:O*, s:o}", "iteration",
        (json_int_t)t->iteration, "consumed_train_samples", (json_int_t)t->consumed, "num_steps",
        (json_int_t)t->scheduled, "optimizer_steps", (json_int_t)t->optim.steps, "grad_scaler",
        "dynamic", t->scaler.dynamic, "scale", ts_json_number(t->scaler.scale), "growth_tracker",
        (json_int_t)t->scaler.good, "hysteresis_tracker", (json_int_t)t->scaler.tolerance,
        "file_dtype", ts_st_dtype_name(m->file_dtype), "tokenizer", m->tokenizer,
        "options", opts);
    st = s ? describe_model(m, s) : TS_OK;
    if (st == TS_OK)
        st = ts_json_write(s, JSON_INDENT(1) | JSON_REAL_PRECISION(17),
                           "the state of a checkpoint", out);
    json_decref(s);
    return st;
}

/* ---- saving ---- */

typedef struct tensor_list {
    ts_ckpt_tensor *t;
    char (*name)[128];
    int64_t n;
} tensor_list;

static void add_tensor(tensor_list *l, const char *prefix, const ts_param *p, ts_ckpt_part part,
                       ts_dtype type, const void *data)
{
    snprintf(l->name[l->n], sizeof *l->name, "%s%s", prefix, p->name);
    l->t[l->n] = (ts_ckpt_tensor){ .name = l->name[l->n], .part = part,
                                   .dtype = type == TS_DTYPE_BF16 ? TS_ST_BF16 : TS_ST_F32,
                                   .rank = p->rank,
                                   .shape = { p->dim[0], p->dim[1] },
                                   .data = data,
                                   .rows = p->dim[0] };
    l->n++;
}

static ts_status list_tensors(const ts_trainer *t, tensor_list *l)
{
    const ts_param_set *p = t->objective->params;
    TS_TRY(ts_alloc(&l->t, p->n * 3, sizeof *l->t));
    TS_TRY(ts_alloc(&l->name, p->n * 3, sizeof *l->name));
    for (size_t i = 0; i < p->n; i++)
        add_tensor(l, "", p->p[i], TS_CKPT_MODEL, p->p[i]->dtype, p->p[i]->value);
    for (size_t i = 0; i < p->n && !t->o->no_save_optim; i++) {
        const ts_optimizer *z = &t->optim;
        if (!ts_param_is_trained(p->p[i]))
            continue;
        if (z->m)
            add_tensor(l, "optimizer.exp_avg.", p->p[i], TS_CKPT_OPTIMIZER, z->m_dtype,
                       ts_optimizer_at(z->m, z->m_dtype, p->p[i]));
        if (z->v)
            add_tensor(l, "optimizer.exp_avg_sq.", p->p[i], TS_CKPT_OPTIMIZER, z->v_dtype,
                       ts_optimizer_at(z->v, z->v_dtype, p->p[i]));
    }
    return TS_OK;
}

int64_t ts_trainer_state_bytes(const ts_trainer *t)
{
    const ts_param_set *s = t->objective->params;
    const ts_optimizer *z = &t->optim;
    size_t moments = 0, bytes = 0;
    if (z->m && !t->o->no_save_optim)
        moments += ts_dtype_size(z->m_dtype);
    if (z->v && !t->o->no_save_optim)
        moments += ts_dtype_size(z->v_dtype);
    for (size_t i = 0; i < s->n; i++)
        bytes += (size_t)ts_param_count(s->p[i]) *
                 ((ts_param_is_trained(s->p[i]) ? moments : 0) + ts_dtype_size(s->p[i]->dtype));
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
    ts_status st = t->dev->sync(t->dev);
    if (st == TS_OK)
        st = list_tensors(t, &l);
    if (st == TS_OK)
        st = state_text(t, m, options, &state);
    if (st == TS_OK)
        st = ts_checkpointer_save(c, t->iteration, l.t, l.n, state.s);
    ts_trainer_book_copies(t, (int64_t)ts_checkpointer_staging(c));
    ts_str_deinit(&state);
    ts_free(&l.t);
    ts_free(&l.name);
    return st;
}

/* ---- loading ---- */

static ts_status find(const ts_checkpoint *ck, const char *prefix, const ts_param *p,
                      const ts_st_tensor **out)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", prefix, p->name);
    const ts_st_tensor *t = ts_checkpoint_tensor(ck, name);
    if (!t)
        return ts_error(TS_ERR_USER, "%s: tensor %s is missing", ts_checkpoint_path(ck), name);
    if (t->rank != p->rank || t->shape[0] != p->dim[0] || (p->rank > 1 && t->shape[1] != p->dim[1]))
        return ts_error(
            TS_ERR_USER,
            "%s: tensor %s has shape [%lld, %lld], the model's options say [%lld, %lld]", t->path,
            name, (long long)t->shape[0], (long long)(t->rank > 1 ? t->shape[1] : 1),
            (long long)p->dim[0], (long long)p->dim[1]);
    *out = t;
    return TS_OK;
}

/* Whether the host may write p's values or moments where they lie. */
static bool can_read_into(const ts_param *p, const void *to, ts_dtype type)
{
    return to && type == TS_DTYPE_F32 && p->set->dev->on_host;
}

/* Reads a tensor through a buffer, piece by piece; put: what is done with the pieces. */
static ts_status
read_pieces(const ts_st_tensor *t, ts_param *p,
            ts_status (*put)(void *ctx, ts_param *p, int64_t at, int64_t n, float *v), void *ctx)
{
    enum { PIECE = 1 << 20 };
    const int64_t count = ts_param_count(p);
    float *v;
    TS_TRY(ts_alloc(&v, (size_t)(count < PIECE ? count : PIECE), sizeof *v));
    ts_status st = TS_OK;
    for (int64_t at = 0; st == TS_OK && at < count; at += PIECE) {
        const int64_t n = count - at < PIECE ? count - at : PIECE;
        st = ts_st_read_f32(t, at, n, v);
        if (st == TS_OK)
            st = put(ctx, p, at, n, v);
    }
    ts_free(&v);
    return st;
}

typedef struct moment {
    char *to;
    ts_dtype type;
} moment;

/* What is wider in the file is rounded to nearest. */
static ts_status put_moment(void *ctx, ts_param *p, int64_t at, int64_t n, float *v)
{
    const moment *m = ctx;
    ts_device *dev = p->set->dev;
    const size_t size = ts_dtype_size(m->type);
    if (m->type != TS_DTYPE_F32) /* in place: narrower, front to back */
        for (int64_t i = 0; i < n; i++)
            ts_store_f32(v, i, m->type, v[i]);
    dev->to_device(dev, m->to + (size_t)at * size, v, (size_t)n * size);
    return TS_OK;
}

/* A moment of this type, whatever the file's. */
static ts_status load_moment(const ts_checkpoint *ck, const char *prefix, ts_param *p,
                             const ts_storage *flat, ts_dtype type)
{
    moment m = { ts_optimizer_at(flat, type, p), type };
    const ts_st_tensor *t;
    char name[128];
    snprintf(name, sizeof name, "%s%s", prefix, p->name);
    if (!ts_checkpoint_tensor(ck, name))
        return ts_error(TS_ERR_USER,
                        "%s: tensor %s is missing; a run that freezes %s (--freeze) saves none: "
                        "continue with its --freeze, or with --no-load-optim",
                        ts_checkpoint_path(ck), name, p->name);
    TS_TRY(find(ck, prefix, p, &t));
    return can_read_into(p, m.to, type)
               ? ts_st_read_f32(t, 0, ts_param_count(p), (float *)(void *)m.to)
               : read_pieces(t, p, put_moment, &m);
}

static ts_status put_values(void *ctx, ts_param *p, int64_t at, int64_t n, float *v)
{
    (void)ctx;
    return ts_param_put(p, at, n, v);
}

static ts_status load_values(ts_param_set *s, const ts_checkpoint *ck)
{
    TS_TRY(s->dev->sync(s->dev)); /* before the host writes */
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        const ts_st_tensor *t;
        TS_TRY(find(ck, "", p, &t));
        TS_TRY(can_read_into(p, p->value, p->dtype)
                   ? ts_st_read_f32(t, 0, ts_param_count(p), p->value)
                   : read_pieces(t, p, put_values, NULL));
    }
    ts_param_set_changed(s);
    return TS_OK;
}

static ts_status load_moments(ts_trainer *t, const ts_checkpoint *ck)
{
    const ts_param_set *p = t->objective->params;
    if (ts_checkpoint_count(ck, TS_CKPT_OPTIMIZER) == 0 && (t->optim.m || t->optim.v))
        return ts_error(TS_ERR_USER,
                        "%s holds no optimizer state (it was saved with --no-save-optim): continue "
                        "with --no-load-optim, or begin anew from its weights with --finetune",
                        ts_checkpoint_path(ck));
    TS_TRY(t->dev->sync(t->dev)); /* before the host writes */
    for (size_t i = 0; i < p->n; i++) {
        const ts_optimizer *z = &t->optim;
        if (!ts_param_is_trained(p->p[i]))
            continue;
        if (z->m)
            TS_TRY(load_moment(ck, "optimizer.exp_avg.", p->p[i], z->m, z->m_dtype));
        if (z->v)
            TS_TRY(load_moment(ck, "optimizer.exp_avg_sq.", p->p[i], z->v, z->v_dtype));
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

/* ---- models ---- */

ts_status ts_checkpoint_describe(const ts_checkpoint *ck, const ts_family **family, ts_arch *a,
                                 json_t **config)
{
    const char *file = ts_checkpoint_state_file(ck);
    const json_t *s = ts_checkpoint_state(ck), *c = json_object_get(s, "config"),
                 *own = json_object_get(s, "arch");
    bool frozen;
    *family = NULL;
    *config = NULL;
    if (json_is_object(own)) {
        TS_TRY(ts_arch_read(own, file, a));
    } else if (json_is_object(c)) {
        TS_TRY(ts_family_of(c, file, family));
        TS_TRY(ts_family_read(*family, c, file, a));
        TS_TRY(ts_arch_check(a, file));
    } else {
        return ts_error(TS_ERR_USER, "%s does not describe the model: config and arch are missing",
                        file);
    }
    TS_TRY(ts_json_bool(s, file, "pad_frozen", a->pad_frozen, &frozen));
    a->pad_frozen = frozen;
    if (!*family)
        return TS_OK;
    *config = json_deep_copy(c);
    return *config ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory while reading %s", file);
}

ts_status ts_checkpoint_folder(const ts_checkpoint *ck, char **out)
{
    ts_str path = { 0 };
    const char *named = json_string_value(json_object_get(ts_checkpoint_state(ck), "folder"));
    ts_status st = ts_path_join(&path, ts_checkpoint_path(ck), "generation_config.json");
    if (st == TS_OK && (ts_path_exists(path.s) || !named))
        st = ts_strdup(ts_checkpoint_path(ck), out);
    else if (st == TS_OK)
        st = ts_strdup(named, out);
    ts_str_deinit(&path);
    return st;
}

static ts_status make_from(const ts_checkpoint *ck, const ts_model_use *use, ts_arch *a,
                           ts_model *m)
{
    const json_t *s = ts_checkpoint_state(ck);
    const char *type = json_string_value(json_object_get(s, "file_dtype"));
    TS_TRY(ts_checkpoint_describe(ck, &m->family, a, &m->config));
    if (!type || !ts_st_dtype_from_name(type, &m->file_dtype))
        return ts_error(TS_ERR_USER, "%s: file_dtype is missing or not the name of a type",
                        ts_checkpoint_state_file(ck));
    m->tokenizer = json_deep_copy(json_object_get(s, "tokenizer"));
    TS_TRY(ts_checkpoint_folder(ck, &m->folder));
    TS_TRY(ts_decoder_create(use->dev, a, use->compute, a->vocab, &m->decoder));
    TS_TRY(ts_model_allocate(m->decoder, use, use->training ? use->master : use->compute));
    return use->dev->computes ? load_values(&m->decoder->params, ck) : TS_OK;
}

ts_status ts_model_from_checkpoint(const ts_checkpoint *ck, const ts_model_use *use, ts_model *out)
{
    ts_model m = { 0 };
    ts_arch a;
    ts_arch_init(&a);
    const ts_status st = make_from(ck, use, &a, &m);
    ts_arch_deinit(&a);
    if (st != TS_OK)
        ts_model_deinit(&m);
    else
        *out = m;
    return st;
}

ts_status ts_model_open(const char *folder, int64_t step, const ts_model_use *use, ts_model *out)
{
    ts_checkpoint *ck;
    if (!ts_checkpoint_is(folder) && step >= 0 && ts_path_is_dir(folder))
        return ts_error(TS_ERR_USER, "--ckpt-step %lld: --load %s is no folder of checkpoints",
                        (long long)step, folder);
    if (!ts_checkpoint_is(folder))
        return ts_model_load(folder, use, out);
    TS_TRY(ts_checkpoint_open(folder, step, TS_CKPT_MODEL_ONLY, NULL, &ck));
    const ts_status st = ts_model_from_checkpoint(ck, use, out);
    ts_checkpoint_close(&ck);
    return st;
}

/* ---- models that are no numbers ---- */

static ts_status tell_not_finite(const ts_st_tensor *t, ts_str *why)
{
    int64_t at;
    float v;
    if (!t)
        return TS_OK;
    TS_TRY(ts_weights_not_finite(t, &at));
    if (at < 0)
        return TS_OK;
    TS_TRY(ts_st_read_f32(t, at, 1, &v));
    return ts_str_printf(why, "%s: tensor %s holds %s at element %lld of %lld", t->path, t->name,
                         isnan(v) ? "nan" : v < 0 ? "-inf" : "inf", (long long)at,
                         (long long)t->elements);
}

static ts_status look_in_checkpoint(const ts_model *m, const char *folder, int64_t step,
                                    ts_str *why)
{
    const ts_param_set *p = &m->decoder->params;
    ts_checkpoint *ck;
    TS_TRY(ts_checkpoint_open(folder, step, TS_CKPT_MODEL_ONLY | TS_CKPT_UNCHECKED, NULL, &ck));
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && !why->len && i < p->n; i++)
        st = tell_not_finite(ts_checkpoint_tensor(ck, p->p[i]->name), why);
    ts_checkpoint_close(&ck);
    return st;
}

static ts_status look_in_folder(const ts_model *m, const char *folder, ts_str *why)
{
    const ts_arch *a = &m->decoder->arch;
    ts_name_map map = { 0 };
    ts_st_dir *dir = NULL;
    ts_status st = ts_family_names(m->family, a, &map);
    if (st == TS_OK)
        st = ts_st_dir_open(folder, NULL, &dir);
    for (size_t i = 0; st == TS_OK && !why->len && i < map.n_tensors; i++)
        st = tell_not_finite(ts_weights_find(m->family, a, dir, map.tensor[i].hf_name), why);
    ts_st_dir_destroy(&dir);
    ts_name_map_deinit(&map);
    return st;
}

ts_status ts_model_not_finite(const ts_model *m, const char *folder, int64_t step, ts_str *why)
{
    ts_str_reset(why);
    return ts_checkpoint_is(folder) ? look_in_checkpoint(m, folder, step, why)
                                    : look_in_folder(m, folder, why);
}
