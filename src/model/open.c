#include "model/open.h"

#include "base/file.h"
#include "io/gguf/gguf.h"
#include "model/adapter_config.h"
#include "model/adapter_start.h"
#include "model/adapters.h"
#include "model/folder.h"
#include "model/weights_scaled.h"
#include "text/hf_files.h"

#include <math.h>

static ts_status allocate(ts_decoder *d, const ts_model_use *use, ts_dtype value)
{
    if (use->int8)
        ts_decoder_use_int8(d, use->int8_head);
    if (use->narrow && ts_narrow_options_on(use->narrow))
        TS_TRY(ts_decoder_use_narrow(d, use->narrow, use->rows));
    if (use->vectors && d->head.w && !d->arch.tied && !use->lora)
        ts_param_hold(d->head.w, TS_HELD_FROZEN, d->compute, TS_QUANT_NONE);
    if (use->training && use->freeze.n)
        TS_TRY(ts_decoder_freeze(d, use->freeze.v, use->freeze.n));
    if (use->training && use->steps_whole)
        ts_param_set_step_whole(&d->params, use->whole_words.v, use->whole_words.n);
    if (use->training && use->keeps_tops)
        TS_TRY(ts_param_set_keep_tops(&d->params));
    if (use->training && !use->no_grads)
        ts_param_set_share(&d->params, &use->shards);
    d->params.parts_masters = use->training && !use->no_grads && use->parts_masters;
    return use->inference ? ts_decoder_allocate_one(d, use->quant)
                          : ts_decoder_allocate(d, value, use->training && !use->no_grads);
}

/* An embedding that is only looked up, by some rows a step, stays in its file. */
static void leave_table(ts_model *m, const ts_arch *a)
{
    static const ts_dtype types[TS_ST_DTYPES] = { [TS_ST_F32] = TS_DTYPE_F32, [TS_ST_BF16] = TS_DTYPE_BF16, [TS_ST_F16] = TS_DTYPE_F16 };
    ts_decoder *d = m->decoder;
    ts_param *p = ts_param_find(&d->params, "embedding.word_embeddings.weight");
    const ts_st_tensor *t = m->mapped ? ts_weights_table(m->family, a, m->mapped) : NULL;
    if (p && !ts_param_is_trained(p) && p != d->head.w && ts_place_is_whole(&p->place) &&
        (d->dev->computes ? t && d->dev->on_host : t || !m->mapped))
        ts_param_hold(p, TS_HELD_FILE, t ? types[t->dtype] : d->compute, TS_QUANT_NONE);
}

/* Lengths are of rows that are values. */
static ts_status check_nf4(const ts_adapters *a)
{
    for (size_t i = 0; i < a->plan.n; i++)
        if (a->plan.site[i].dora)
            return ts_error(TS_ERR_USER, "--qlora: an adapter with DoRA (--lora-dora, use_dora) counts the lengths of weights' rows, "
                                         "which are not there in 4 bits: leave one of the two out");
    return TS_OK;
}

ts_status ts_model_use_decoder(const ts_arch *arch, const ts_model_use *use, ts_dtype value, ts_model *m)
{
    ts_decoder_stage stage = { 0 };
    ts_arch a = *arch; /* borrows its layers */
    if (use->reward)
        ts_arch_take_reward(&a, !use->no_final_norm);
    if (use->stage_of)
        TS_TRY(use->stage_of(use->stage_ctx, &a, &stage));
    if (use->lora && ts_lora_on(use->lora)) {
        TS_TRY(ts_adapters_open(use->lora, use->set, m->family, &a, use->training, &m->adapters));
        stage.adapting = &m->adapters->plan.adapting;
        stage.n_adapting = ts_adapter_plan_params(&m->adapters->plan);
    }
    TS_TRY(ts_decoder_create_stage(use->dev, &a, use->compute, a.vocab, &use->group, &stage,
                                   &m->decoder));
    if (m->adapters)
        TS_TRY(ts_adapters_freeze(m->adapters, m->decoder));
    if (m->adapters && use->lora->nf4) {
        TS_TRY(check_nf4(m->adapters));
        TS_TRY(ts_decoder_hold_nf4(m->decoder));
        leave_table(m, &a);
    }
    return allocate(m->decoder, use, value);
}

ts_status ts_model_check_words(const ts_model_use *use, bool rewards, const char *from)
{
    return !rewards || use->reward || !use->inference
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s has a head of rewards (rm_head) and no output layer: it tells no words, and `tessera score "
                                       "--reward` tells the reward of a text", from);
}

ts_status ts_model_begin_reward(ts_model *m, const ts_model_use *use, bool is_there, const char *from)
{
    ts_decoder *d = m->decoder;
    const bool brought = m->adapters && m->adapters->folder && ts_names_find(m->adapters->saved, "rm_head.weight") >= 0;
    if (!use->reward || is_there)
        return TS_OK;
    if (!use->loosely && !brought)
        return ts_error(TS_ERR_USER, "--load %s: there is no head of rewards (tensors rm_head.weight and rm_head.bias)%s", from,
                        use->training ? "; --load-checkpoint-loosely begins with random values" : "");
    d->reward_begins = true;
    for (int i = 0; use->dev->computes && i < 2; i++)
        if (d->reward[i])
            TS_TRY(ts_param_begin(d->reward[i], use->seed, (float)d->arch.init_std));
    return TS_OK;
}

static ts_dtype value_type(const ts_model_use *use, ts_st_dtype file)
{
    if (use->training)
        return use->master;
    if (use->compute == TS_DTYPE_F32)
        return TS_DTYPE_F32;
    return file == TS_ST_F32 ? use->compute : file == TS_ST_BF16 ? TS_DTYPE_BF16 : TS_DTYPE_F16;
}

/* What an adapter brings a head for. */
static ts_status find_labels(const ts_model_use *use, const ts_arch *a, int64_t *labels, ts_problem *problem)
{
    *labels = use->labels, *problem = use->problem;
    if (use->labels || a->labels || use->reward || !use->lora || !use->lora->load)
        return TS_OK;
    *problem = TS_PROBLEM_SINGLE;
    TS_TRY(ts_adapters_find_labels(use->lora->load, labels));
    if (*labels == 1) /* as where a config says nothing */
        *problem = TS_PROBLEM_REGRESSION;
    return TS_OK;
}

static ts_status take_labels(const ts_model_use *use, const char *from, ts_arch *a, ts_model *m)
{
    int64_t labels;
    ts_problem problem;
    TS_TRY(find_labels(use, a, &labels, &problem));
    if (!labels)
        return TS_OK;
    if (a->labels && a->labels != labels)
        return ts_error(TS_ERR_USER, "--num-labels %lld: %s has a head of %lld labels", (long long)labels, from,
                        (long long)a->labels);
    ts_arch_take_labels(a, labels, problem);
    if (a->pad < 0 && a->n_eos) /* as the config says from now on */
        a->pad = a->eos[0];
    return ts_family_write_labels(m->family, a, m->config);
}

/* A new head, or one that an adapter brings. */
static bool may_begin(const ts_model_use *use, const ts_model *m)
{
    return use->labels || (m->adapters && ts_names_find(m->adapters->saved, "output_layer.weight") >= 0);
}

/* A head that no file has begins with random values. */
static ts_status begin_head(ts_decoder *d, const ts_model_use *use)
{
    d->head_begins = true;
    return use->dev->computes && d->labels ? ts_param_begin(d->labels, use->seed, (float)d->arch.init_std) : TS_OK;
}

/* An adapter whose embedding was trained whole with more rows than the model has needs as many here; it is of its own
 * tokenizer then. */
static ts_status grow(const ts_model_use *use, const char *folder, ts_arch *a, ts_st_dir *dir, ts_model *m, ts_new_rows **rows)
{
    const char *adapter = use->lora ? use->lora->load : NULL;
    ts_new_rows_want of_adapter = { .multiple = 1, .from = -1, .init = TS_NEW_ROWS_MEAN };
    const ts_new_rows_want *w = use->rows_wanted;
    if (adapter)
        TS_TRY(ts_new_rows_of_adapter(adapter, m->family, &of_adapter.ids));
    if (of_adapter.ids > a->vocab) {
        w = &of_adapter;
        if (ts_hf_files_have_tokenizer(adapter))
            TS_TRY(ts_strdup(adapter, &m->tokens_folder));
    }
    const int64_t had = a->vocab;
    if (w)
        TS_TRY(ts_new_rows_put(w, m->family, folder, use->dev->computes, a, m->config, dir, rows));
    m->rows_grown = a->vocab > had ? had : 0;
    return TS_OK;
}

static ts_status use_grown(const ts_arch *a, const ts_model_use *use, ts_model *m)
{
    const bool learns = m->rows_grown || (use->rows_wanted && use->rows_wanted->adds);
    ts_model_use with = *use;
    ts_lora_options lora = { 0 };
    if (use->lora && learns) {
        lora = *use->lora;
        lora.tokens = true;
        with.lora = &lora;
    }
    return ts_model_use_decoder(a, &with, value_type(use, m->file_dtype), m);
}

static ts_status load(const char *folder, const ts_model_use *use, ts_model *m)
{
    /* what is read is unpacked, and so is what is written from it */
    static const char *const packed[] = { "quantization_config", "expert_dtype" };
    ts_arch a;
    ts_st_dir *dir = NULL;
    ts_new_rows *rows = NULL;
    ts_arch_init(&a);
    ts_status st = ts_folder_read(folder, &m->family, &a, &m->config);
    if (st == TS_OK)
        st = ts_strdup(folder, &m->folder);
    if (st == TS_OK)
        st = take_labels(use, folder, &a, m);
    if (st == TS_OK && use->lora && (use->lora->nf4 || use->lora->alone))
        st = ts_strdup(folder, &m->nf4_base);
    if (st == TS_OK && use->lora && use->lora->nf4) /* apart, since what was read of a mapping stays in memory with it */
        st = ts_folder_open(folder, &m->mapped);
    if (st == TS_OK)
        st = ts_folder_open(folder, &dir);
    for (size_t i = 0; st == TS_OK && i < sizeof packed / sizeof *packed; i++)
        json_object_del(m->config, packed[i]);
    if (st == TS_OK)
        st = ts_model_check_words(use, ts_st_dir_find(dir, "rm_head.weight"), folder);
    if (st == TS_OK)
        st = ts_weights_settle_tie(m->family, dir, folder, &a, m->config);
    if (st == TS_OK)
        st = ts_weights_settle_mtp(m->family, dir, &a);
    const int64_t mtp_layers = a.mtp_layers;
    if (st == TS_OK)
        st = ts_weights_want_mtp(folder, use->training ? use->mtp_layers : 0, &a, m->config);
    if (st == TS_OK)
        st = ts_weights_settle_names(m->family, dir, &a);
    if (st == TS_OK)
        st = grow(use, folder, &a, dir, m, &rows);
    if (st == TS_OK) {
        ts_weights_settle_experts(dir, &a);
        m->file_dtype = ts_weights_dtype(dir);
        st = use_grown(&a, use, m);
    }
    if (st == TS_OK && a.labels && !ts_st_dir_find(dir, "score.weight") && may_begin(use, m))
        st = begin_head(m->decoder, use);
    if (st == TS_OK)
        st = ts_model_begin_reward(m, use, ts_st_dir_find(dir, "rm_head.weight"), folder);
    if (st == TS_OK && m->adapters && use->dev->computes)
        st = ts_adapter_start_make(m->adapters, m->family, &a, dir, NULL);
    if (st == TS_OK && use->dev->computes)
        st = ts_weights_load(m->decoder, m->family, dir, folder, mtp_layers);
    if (st == TS_OK && m->mapped)
        ts_weights_map(m->decoder, m->family, m->mapped);
    if (st == TS_OK && m->adapters)
        st = ts_adapters_fill(m->adapters, m->decoder, m->family, use->seed);
    ts_st_dir_destroy(&dir);
    ts_new_rows_destroy(&rows);
    ts_arch_deinit(&a);
    return st;
}

bool ts_model_is_hf(const char *folder) { return ts_folder_is(folder); }

ts_status ts_model_load(const char *folder, const ts_model_use *use, ts_model *out)
{
    ts_model m = { 0 };
    if (!ts_path_is_dir(folder) && !ts_gguf_is(folder))
        return ts_error(TS_ERR_USER, ts_path_exists(folder) ? "--load %s: is no folder, and no GGUF file"
                                                            : "--load %s: there is no such folder", folder);
    const ts_status st = load(folder, use, &m);
    if (st != TS_OK)
        ts_model_deinit(&m);
    else
        *out = m;
    return st;
}

ts_status ts_model_make(const ts_arch *a, const ts_model_use *use, uint64_t seed, ts_model *out)
{
    ts_model m = { .file_dtype = TS_ST_F32 };
    if (use->lora && use->lora->nf4 && use->dev->computes)
        return ts_error(TS_ERR_USER, "--qlora: a model of random values has no weights in 4 bits, nor are any made of it: give "
                        "--load, a Hugging Face folder");
    ts_status st = ts_model_use_decoder(a, use, use->master, &m);
    if (st == TS_OK)
        st = ts_decoder_init(m.decoder, seed, a->init_std);
    if (st == TS_OK && m.adapters)
        st = ts_adapters_fill(m.adapters, m.decoder, m.family, seed);
    if (st != TS_OK)
        ts_model_deinit(&m);
    else
        *out = m;
    return st;
}

/* ---- of either kind ---- */

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
                         isnan(v) ? "nan"
                         : v < 0  ? "-inf"
                                  : "inf",
                         (long long)at, (long long)t->elements);
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

/* The same of one in few bits, that is whole. */
static ts_status tell_not_finite_code(const ts_st_dir *dir, const ts_st_tensor *t, const ts_name_tensor *want, ts_str *why)
{
    ts_scaled s;
    float *row = NULL;
    TS_TRY(ts_scaled_find(dir, t, want, &s));
    TS_TRY(ts_alloc(&row, (size_t)want->dim[1], sizeof *row));
    ts_status st = TS_OK;
    for (int64_t r = 0; st == TS_OK && !why->len && r < want->dim[0]; r++) {
        ts_scaled_row(&s, r, row);
        for (int64_t i = 0; st == TS_OK && !why->len && i < want->dim[1]; i++)
            if (!isfinite(row[i]))
                st = ts_str_printf(why, "%s: tensor %s with its scales holds nan at element %lld of row %lld", t->path, t->name,
                                   (long long)i, (long long)r);
    }
    ts_free(&row);
    return st;
}

static ts_status look_in_folder(const ts_model *m, const char *folder, ts_str *why)
{
    const ts_arch *a = &m->decoder->arch;
    ts_name_map map = { 0 };
    ts_st_dir *dir = NULL;
    ts_status st = ts_family_names(m->family, a, &map);
    if (st == TS_OK)
        st = ts_folder_open(folder, &dir);
    for (size_t i = 0; st == TS_OK && !why->len && i < map.n_tensors; i++) {
        const ts_st_tensor *t = ts_weights_find(m->family, a, dir, map.tensor[i].hf_name);
        st = t && ts_scaled_is(dir, t) ? tell_not_finite_code(dir, t, &map.tensor[i], why) : tell_not_finite(t, why);
    }
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
