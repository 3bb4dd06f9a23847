/* The model that a checkpoint describes and holds. */
#include "base/file.h"
#include "model/adapter_start.h"
#include "model/adapters.h"
#include "model/open.h"
#include "model/param_read.h"

#include <string.h>

ts_status ts_checkpoint_describe(const ts_checkpoint *ck, const ts_family **family, ts_arch *a,
                                 json_t **config)
{
    const char *file = ts_checkpoint_state_file(ck);
    const json_t *s = ts_checkpoint_state(ck), *c = json_object_get(s, "config"),
                 *own = json_object_get(s, "arch");
    bool frozen, with_norm;
    static const char further[] = "mtp.layers.0.enorm.weight";
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
    TS_TRY(ts_json_bool(s, file, "experts_stacked", a->experts_stacked, &a->experts_stacked));
    TS_TRY(ts_json_bool(s, file, "other_names", a->other_names, &a->other_names));
    const bool normed = ts_checkpoint_tensor(ck, "decoder.final_layernorm.weight"); /* unless the base alone has it */
    TS_TRY(ts_json_bool(s, file, "reward_norm", normed, &with_norm));
    if (ts_checkpoint_tensor(ck, "rm_head.weight"))
        ts_arch_take_reward(a, with_norm);
    if (a->mtp_layers && !ts_checkpoint_tensor(ck, further)) /* config is of the folder that it began with */
        a->mtp_layers = 0;
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

/* n: of the model itself; adapters, whose ids are behind these, may be elsewhere. *all: they are here too. */
static ts_status load_values(ts_decoder *d, int64_t n, const ts_checkpoint *ck, bool from_base, bool *all)
{
    ts_param_set *s = &d->params;
    *all = true;
    for (size_t i = 0; i < s->n; i++) {
        if (d->reward_begins && ts_decoder_is_reward(s->p[i]->name))
            continue;
        const ts_st_tensor *t = ts_checkpoint_tensor(ck, s->p[i]->name);
        if (!t && s->p[i]->id >= n) {
            *all = false;
            continue;
        }
        if (s->p[i]->held == TS_HELD_NF4 || s->p[i]->held == TS_HELD_FILE || (!t && from_base))
            continue;
        if (!t)
            return ts_error(TS_ERR_USER, "%s: tensor %s is missing%s", ts_checkpoint_path(ck), s->p[i]->name,
                            json_object_get(ts_checkpoint_state(ck), "nf4_base")
                                ? ": weights in 4 bits are in the folder that the run began with, and its adapter in "
                                  "--save-peft's (or go on with --qlora)" : "");
        TS_TRY(ts_param_read_values(s->p[i], t));
    }
    ts_param_set_changed(s);
    return TS_OK;
}

/* The folder that the run began with, which has what checkpoints do not hold: weights in NF4, and with
 * --lora-ckpt-filter all but the adapter. */
static ts_status find_base(const ts_checkpoint *ck, ts_model *m)
{
    const char *base = json_string_value(json_object_get(ts_checkpoint_state(ck), "nf4_base"));
    if (!base || !m->family)
        return ts_error(TS_ERR_USER, "--qlora: %s is of a run without it: --load must be a Hugging Face folder, or a checkpoint "
                        "of such a run", ts_checkpoint_path(ck));
    if (!ts_path_is_dir(base))
        return ts_error(TS_ERR_USER, "%s has weights (of --qlora or --lora-ckpt-filter) in %s, which is not there any more",
                        ts_checkpoint_path(ck), base);
    TS_TRY(ts_strdup(base, &m->nf4_base));
    return ts_st_dir_open(base, NULL, &m->mapped);
}

/* Of a vocabulary that had got rows: they are trained, so that the checkpoint has them. */
static ts_status add_rows(const ts_model *m, ts_st_dir *dir, ts_new_rows **rows)
{
    const ts_new_rows_want w = { .ids = m->decoder->arch.vocab, .multiple = 1, .from = -1, .init = TS_NEW_ROWS_MEAN };
    const ts_family *family;
    json_t *config = NULL;
    ts_arch a;
    ts_arch_init(&a);
    ts_status st = ts_family_read_folder(m->nf4_base, &family, &a, &config);
    if (st == TS_OK)
        st = ts_new_rows_put(&w, family, m->nf4_base, true, &a, config, dir, rows);
    json_decref(config);
    ts_arch_deinit(&a);
    return st;
}

static ts_status load_base(ts_model *m, const ts_checkpoint *ck)
{
    ts_st_dir *dir = NULL;
    ts_decoder *d = m->decoder;
    const bool reward_begins = d->reward_begins;
    ts_new_rows *rows = NULL;
    TS_TRY(ts_st_dir_open(m->nf4_base, NULL, &dir));
    d->head_begins = d->reward_begins = true; /* heads are the checkpoint's */
    ts_status st = add_rows(m, dir, &rows);
    if (st == TS_OK && m->adapters)
        st = ts_adapter_start_make(m->adapters, m->family, &d->arch, dir, ck);
    if (st == TS_OK)
        st = ts_weights_load(d, m->family, dir, m->nf4_base, d->arch.mtp_layers);
    if (m->adapters)
        ts_adapter_start_drop(m->adapters);
    d->reward_begins = reward_begins;
    ts_st_dir_destroy(&dir);
    ts_new_rows_destroy(&rows);
    ts_weights_map(m->decoder, m->family, m->mapped);
    return st;
}

/* Whether its adapter trains the embedding whole, which new tokens have made it do (see ts_lora_options). */
static bool trains_tokens(const json_t *told, const ts_family *f)
{
    const json_t *save = json_object_get(json_object_get(told, "config"), "modules_to_save");
    const char *module = f ? ts_family_module(f, NULL, "embedding.word_embeddings") : NULL, *dot = module ? strrchr(module, '.') : NULL;
    bool is = false;
    for (size_t i = 0; module && i < json_array_size(save); i++) {
        const char *name = json_string_value(json_array_get(save, i));
        is = is || (name && !strcmp(name, dot ? dot + 1 : module));
    }
    return is;
}

static ts_status make_from(const ts_checkpoint *ck, const ts_model_use *wanted, ts_arch *a,
                           ts_model *m)
{
    const json_t *s = ts_checkpoint_state(ck), *told = json_object_get(s, "adapter");
    const bool from_base = json_is_true(json_object_get(told, "alone"));
    ts_lora_options lora = wanted->lora ? *wanted->lora : (ts_lora_options){ 0 };
    ts_model_use with = *wanted;
    if (told && !ts_lora_on(&lora)) /* a model is what it was */
        lora.told = told;
    with.lora = &lora;
    const ts_model_use *use = &with;
    const char *type = json_string_value(json_object_get(s, "file_dtype"));
    TS_TRY(ts_checkpoint_describe(ck, &m->family, a, &m->config));
    lora.tokens = trains_tokens(told, m->family);
    TS_TRY(ts_model_check_words(use, a->reward, ts_checkpoint_path(ck)));
    if (use->labels && (a->labels != use->labels || a->problem != use->problem))
        return ts_error(TS_ERR_USER, "--num-labels %lld: %s %s", (long long)use->labels, ts_checkpoint_path(ck),
                        !a->labels                ? "is of a language model: a head of labels begins with a Hugging Face folder "
                                                    "(--save-hf)"
                        : a->labels != use->labels ? "has another number of labels"
                                                   : "has labels of another --problem-type");
    if (!type || !ts_st_dtype_from_name(type, &m->file_dtype))
        return ts_error(TS_ERR_USER, "%s: file_dtype is missing or not the name of a type",
                        ts_checkpoint_state_file(ck));
    m->tokenizer = json_deep_copy(json_object_get(s, "tokenizer"));
    TS_TRY(ts_checkpoint_folder(ck, &m->folder));
    if ((lora.nf4 || (from_base && m->family)) && use->dev->computes)
        TS_TRY(find_base(ck, m));
    if (!use->training) /* they are for training alone */
        a->mtp_layers = 0;
    TS_TRY(ts_model_use_decoder(a, use, use->training ? use->master : use->compute, m));
    bool all = false;
    TS_TRY(ts_model_begin_reward(m, use, a->reward, ts_checkpoint_path(ck)));
    if (m->mapped)
        TS_TRY(load_base(m, ck));
    if (use->dev->computes)
        TS_TRY(load_values(m->decoder, m->adapters ? m->adapters->n_base : INT64_MAX, ck, from_base, &all));
    return m->adapters && !all ? ts_adapters_fill(m->adapters, m->decoder, m->family, use->seed) : TS_OK;
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
