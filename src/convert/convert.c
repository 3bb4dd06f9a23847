#include "convert/convert.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

static const ts_convert_reader *const readers[] = {
    [TS_CONVERT_LOAD_TESSERA] = &ts_convert_checkpoint, [TS_CONVERT_LOAD_HF] = &ts_convert_hf,
    [TS_CONVERT_LOAD_GGUF] = &ts_convert_gguf, [TS_CONVERT_LOAD_MG] = &ts_convert_mg,
    [TS_CONVERT_LOAD_TORCH_DIST] = &ts_convert_torch_dist, [TS_CONVERT_LOAD_PT] = &ts_convert_pt,
};
static const ts_convert_writer *const writers[] = {
    [TS_CONVERT_SAVE_HF] = &ts_convert_hf_writer, [TS_CONVERT_SAVE_GGUF] = &ts_convert_gguf_writer,
    [TS_CONVERT_SAVE_MG] = &ts_convert_mg_writer,
};

static ts_status find_reader(const ts_convert_options *o, const ts_convert_reader **out)
{
    const char *dir = o->load_dir;
    if (!ts_path_exists(dir))
        return ts_error(TS_ERR_USER, "--load-dir %s: there is no such folder", dir);
    for (int i = TS_CONVERT_LOAD_AUTO + 1; i < TS_CONVERT_LOAD_KINDS; i++)
        if (o->load_type == TS_CONVERT_LOAD_AUTO ? readers[i]->is(dir) : o->load_type == i) {
            *out = readers[i];
            return readers[i]->is(dir)
                       ? TS_OK
                       : ts_error(TS_ERR_USER, "--load-dir %s: is not of the kind %s "
                                               "(--load-model-type)", dir, readers[i]->name);
        }
    return ts_error(TS_ERR_USER,
                    "--load-dir %s: neither a checkpoint (iter_.../manifest.json) nor a Hugging "
                    "Face folder (config.json) nor a GGUF file",
                    dir);
}

/* A file that is named says what is written. */
static const ts_convert_writer *writer_of(const ts_convert_options *o)
{
    return writers[o->outfile ? TS_CONVERT_SAVE_GGUF : o->save_type];
}

static ts_status check(const ts_convert_options *o)
{
    if (!o->load_dir)
        return ts_error(TS_ERR_USER, "--load-dir is missing");
    return writer_of(o)->check(o);
}

/* MindSpeed LLM's names of kinds: Hugging Face's with a version behind (llama2 is llama), or these. */
static const struct {
    const char *theirs, *type;
} kinds[] = {
    { "chatglm3", "chatglm" },        { "glm4", "glm" },            { "glm4", "chatglm" },       { "bloom_3b", "bloom" },
    { "deepseek2-lite", "deepseek_v2" }, { "deepseek2", "deepseek_v2" }, { "deepseek32", "deepseek_v32" },
    { "deepseek3", "deepseek_v3" },   { "deepseek4_base", "deepseek_v4" }, { "deepseek4", "deepseek_v4" },
    { "qwen2-moe", "qwen2_moe" },     { "qwen3-moe", "qwen3_moe" }, { "qwen3-next", "qwen3_next" }, { "phi3.5-moe", "phimoe" },
    { "phi3.5", "phi3" },             { "hunyuan", "hunyuan" },     { "glm45-air", "glm4_moe" }, { "glm45", "glm4_moe" },
    { "glm5", "glm_moe_dsa" },        { "bailing_mini", "bailing_moe_v2" }, { "seed-oss", "seed_oss" },
    { "magistral", "mistral" },       { "longcat", "longcat_flash" }, { "HYV3", "hy_v3" },       { "minicpm-moe", "minicpm" },
    { "llama2", "mistral" },
};

static bool is_kind(const char *name, const char *type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(name, kinds[i].theirs) && !strcmp(kinds[i].type, type))
            return true;
    return !strncmp(name, type, strlen(type));
}

static ts_status check_kind(const ts_convert_options *o, const ts_convert_model *m)
{
    ts_family_fit fit = { 0 };
    const char *type = json_string_value(json_object_get(m->source.config, "model_type"));
    if (!o->model_type_hf)
        return TS_OK;
    if (!m->source.config) {
        TS_TRY(ts_family_fit_init(&fit, m->source.arch));
        type = fit.family->model_type;
    }
    const bool fits = !type || is_kind(o->model_type_hf, type);
    const ts_status st = fits ? TS_OK : ts_error(TS_ERR_USER, "--model-type-hf %s: %s is of the kind %s", o->model_type_hf, m->path, type);
    ts_family_fit_deinit(&fit);
    return st;
}

/* ---- adapters ---- */

static ts_status open_adapter(const ts_convert_options *o, ts_convert_model *m)
{
    const ts_lora_options own = { .told = m->told };
    if (m->told && o->lora.load)
        return ts_error(TS_ERR_USER, "--lora-load %s: %s has an adapter of its own: convert it without first", o->lora.load, m->path);
    if (m->told && !o->check)
        return ts_adapters_open(&own, NULL, m->source.family, m->source.arch, false, &m->adapters);
    if (!o->lora.load)
        return o->adapter_alone ? ts_error(TS_ERR_USER, "--save-lora-to-hf: there is no adapter: give --lora-load") : TS_OK;
    if (!m->source.arch)
        return ts_error(TS_ERR_USER, "--lora-load %s: %s is of a kind that is not known here, whose layers have no names",
                        o->lora.load, m->path);
    if (o->check)
        return ts_error(TS_ERR_USER, "--check compares what is read with what is written, which --lora-load makes another: leave "
                                     "one of the two out");
    TS_TRY(ts_adapters_open(&o->lora, NULL, m->source.family, m->source.arch, false, &m->adapters));
    if (m->adapters->plan.starts)
        return ts_error(TS_ERR_USER, "--lora-load %s: init_lora_weights is %s, so that it is of other weights than the model's: write "
                                     "it with PEFT's path_initial_model_for_weight_conversion first", o->lora.load,
                        ts_adapter_start_name(m->adapters->start));
    return ts_adapters_check_rest(m->adapters);
}

static ts_status read_adapter(void *ctx, const char *param, int64_t at, int64_t n, float *to)
{
    const ts_adapters *a = ctx;
    bool found;
    TS_TRY(ts_adapters_read(a, param, at, n, to, &found));
    TS_ASSERT(found, "the adapter has no %s", param);
    return TS_OK;
}

static ts_status write_adapter(const ts_convert_options *o, ts_convert_model *m, ts_convert_result *r)
{
    const bool in_folder = m->adapters->dir;
    const ts_weights_source values = { .arch = m->source.arch, .family = m->source.family, .files = m->source.files,
                                       .read = in_folder ? read_adapter : m->source.read,
                                       .ctx = in_folder ? (void *)m->adapters : m->source.ctx };
    if (in_folder && ts_names_count(m->adapters->saved_files))
        return ts_error(TS_ERR_USER, "--save-lora-to-hf: the adapter has modules that were trained whole, whose folder is one of "
                                     "PEFT already");
    TS_TRY(ts_adapters_write(m->adapters, &values, NULL, o->save_dir, "--save-dir"));
    snprintf(r->from, sizeof r->from, "%s", m->reader->name);
    snprintf(r->architecture, sizeof r->architecture, "LoRA");
    r->iteration = m->iteration;
    return TS_OK;
}

/* The rows of a model of an unknown kind are those that its config tells, if any. */
static ts_status check_ids(const ts_convert_options *o, const ts_convert_model *m)
{
    const json_t *told = json_object_get(m->source.config, "vocab_size");
    const int64_t vocab = m->source.arch ? m->source.arch->vocab : json_is_integer(told) ? json_integer_value(told) : INT64_MAX;
    const bool grows = ts_text_options_grow(&o->text) || o->rows.resize;
    if (grows && (!m->tensors || o->check))
        return ts_error(TS_ERR_USER, "--%s: %s", ts_text_options_grow(&o->text) ? "add-tokens" : "resize-vocab",
                        o->check ? "--check compares what is read with what is written, which gets rows: leave one of the two out"
                                 : "a checkpoint's vocabulary stays as it is: convert it to a Hugging Face folder, and that with it");
    return ts_new_rows_check(&o->rows, m->source.files, vocab, "--save-dir", o->save_dir);
}

static ts_status convert(const ts_convert_options *o, ts_convert_model *m, ts_convert_result *r)
{
    TS_TRY(check_kind(o, m));
    TS_TRY(check_ids(o, m));
    if (o->check && !m->source.arch)
        return ts_error(TS_ERR_USER,
                        "--check: %s is of a kind that cannot be run here; without it, it can be "
                        "converted",
                        m->path);
    TS_TRY(open_adapter(o, m));
    if (o->adapter_alone)
        return write_adapter(o, m, r);
    TS_TRY(writer_of(o)->write(o, m, r));
    snprintf(r->from, sizeof r->from, "%s", m->reader->name);
    r->iteration = m->iteration;
    return o->check ? ts_convert_compare(o, m, r) : TS_OK;
}

ts_status ts_convert_run(const ts_convert_options *o, ts_convert_result *r)
{
    ts_convert_model m = { .iteration = -1 };
    if (o->lora_merge.n)
        return ts_convert_blend_lora(o, r);
    TS_TRY(check(o));
    TS_TRY(find_reader(o, &m.reader));
    ts_status st = m.reader->open(o, &m);
    if (st == TS_OK)
        st = convert(o, &m, r);
    ts_adapters_destroy(&m.adapters);
    m.reader->close(&m);
    return st;
}
