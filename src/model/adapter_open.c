/* Adapters of a model: opened, and taken down. */
#include "model/adapters.h"

#include "base/file.h"
#include "model/adapter_config.h"
#include "model/adapter_modules.h"
#include "model/adapter_start.h"
#include "model/adapter_tokens.h"
#include "model/param_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static ts_status read_config(const char *folder, ts_str *path, ts_adapters *a)
{
    if (!ts_path_is_dir(folder))
        return ts_error(TS_ERR_USER, "--lora-load %s: there is no such folder", folder);
    TS_TRY(ts_path_join(path, folder, "adapter_config.json"));
    if (!ts_path_exists(path->s))
        return ts_error(TS_ERR_USER, "--lora-load %s: there is no adapter_config.json in it", folder);
    TS_TRY(ts_json_read(path->s, &a->config));
    TS_TRY(ts_strdup(folder, &a->folder));
    return ts_st_dir_open(folder, "adapter_model", &a->dir);
}

/* Of a checkpoint. */
static ts_status take_config(ts_adapter_resolving *r, ts_str *path)
{
    const json_t *names = json_object_get(r->o->told, "megatron"), *v;
    size_t i;
    r->out->config = json_deep_copy(json_object_get(r->o->told, "config"));
    TS_TRY(ts_str_puts(path, "the checkpoint's adapter"));
    if (!r->out->config)
        return ts_error(TS_ERR_USER, "%s has no config", path->s);
    if (!json_array_size(names))
        return TS_OK;
    TS_TRY(ts_alloc(&r->told, json_array_size(names), sizeof *r->told));
    json_array_foreach(names, i, v)
        r->told[r->targets.n++] = json_is_string(v) ? json_string_value(v) : "";
    r->targets.v = r->told;
    return TS_OK;
}

/* What the model tells of whole texts with; NULL: it tells words. */
static const char *head_of(const ts_arch *arch) { return arch->labels ? "score" : arch->reward ? "rm_head" : NULL; }

/* A head is trained beside the adapter, as PEFT has it. */
static ts_status save_head(const char *head, json_t *config)
{
    json_t *saved = json_copy(json_object_get(config, "modules_to_save"));
    if (!json_is_array(saved)) {
        json_decref(saved);
        saved = json_array();
    }
    return !json_array_append_new(saved, json_string(head)) && !json_object_set_new(config, "modules_to_save", saved) &&
                   !json_object_set_new(config, "task_type", json_string("SEQ_CLS"))
               ? TS_OK
               : ts_error(TS_ERR_NOMEM, "no memory");
}

static ts_status begin_config(const ts_adapter_resolving *r, ts_str *path, ts_adapters *a)
{
    const char *head = head_of(r->arch);
    TS_TRY(ts_str_puts(path, "--lora-target-modules"));
    TS_TRY(ts_adapter_config_new(r->o, &a->config));
    if (r->o->tokens)
        TS_TRY(ts_adapter_save_tokens(r->family, r->arch, a->config));
    return head ? save_head(head, a->config) : TS_OK;
}

/* A head that is not trained would stay as it began. */
static ts_status check_head(const ts_adapter_resolving *r, bool training)
{
    const char *head = head_of(r->arch);
    if (!training || !head || ts_adapter_rules_saves(&r->rules, head))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: modules_to_save has no %s, the model's head, which would stay as it is: add it, or merge the "
                                 "adapter first (`tessera convert`)", r->file, head);
}

ts_status ts_adapters_find_labels(const char *folder, int64_t *labels)
{
    ts_st_dir *dir;
    *labels = 0;
    ts_str config = { 0 };
    ts_status st = ts_path_join(&config, folder, "adapter_config.json");
    const bool is_adapter = st == TS_OK && ts_path_exists(config.s); /* else who opens it says so */
    ts_str_deinit(&config);
    if (!is_adapter)
        return st;
    TS_TRY(ts_st_dir_open(folder, "adapter_model", &dir));
    const ts_st_tensor *t = ts_st_dir_find(dir, "base_model.model.score.weight");
    if (t && t->rank == 2)
        *labels = t->shape[0];
    ts_st_dir_destroy(&dir);
    return TS_OK;
}

static ts_status count_base(const ts_arch *arch, int64_t *n)
{
    ts_param_list list;
    TS_TRY(ts_param_list_make(arch, &list));
    *n = (int64_t)ts_names_count(list.names);
    ts_param_list_deinit(&list);
    return TS_OK;
}

/* What counts in training alone. */
static ts_status take_dropout(const ts_adapter_resolving *r, bool training)
{
    const double p = r->rules.dropout;
    if (p < 0 || p >= 1)
        return ts_error(TS_ERR_USER, "%s: lora_dropout is %g, expected a number from 0 to less than 1", r->file, p);
    r->out->plan.dropout = training ? (float)p : 0;
    return TS_OK;
}

static ts_status modernise(const ts_adapter_resolving *r)
{
    json_t *linears = NULL;
    if (!r->family || r->arch->n_experts <= 0 || (r->o->told && r->targets.n))
        return TS_OK;
    ts_status st = ts_adapter_leaves(r, &linears);
    if (st == TS_OK)
        st = ts_adapter_config_modernise(r->out->config, r->file, r->family->model_type, linears);
    json_decref(linears);
    return st;
}

static ts_status open_all(ts_adapter_resolving *r, const ts_option_set *set, bool training, ts_str *path)
{
    ts_adapters *a = r->out;
    TS_TRY(ts_adapter_plan_init(&a->plan));
    a->plan.training = training;
    TS_TRY(ts_names_create(4, &a->saved));
    TS_TRY(ts_names_create(4, &a->saved_files));
    TS_TRY(count_base(r->arch, &a->n_base));
    if (!r->o->load && !r->o->told)
        r->targets = r->o->targets;
    TS_TRY(r->o->load   ? read_config(r->o->load, path, a)
           : r->o->told ? take_config(r, path)
                        : begin_config(r, path, a));
    TS_TRY(ts_met_linears_make(r->arch, &r->linears));
    if (r->family)
        TS_TRY(ts_family_names(r->family, r->arch, &r->map));
    a->alone = r->o->alone;
    a->plan.decoupled = r->o->plus > 0;
    r->file = path->s;
    TS_TRY(modernise(r));
    TS_TRY(ts_adapter_rules_open(a->config, r->file, &r->rules));
    TS_TRY(ts_adapter_start_read(a->config, r->file, r->o->load, &a->start, &a->start_passes));
    a->plan.starts = a->start == TS_ADAPTER_START_PISSA || a->start == TS_ADAPTER_START_OLORA;
    TS_TRY(take_dropout(r, training));
    TS_TRY(check_head(r, training));
    if (r->o->load || (r->o->told && !r->targets.n))
        TS_TRY(ts_adapter_config_compare(r->o, set, &r->rules));
    if (r->o->load && !r->family)
        return ts_error(TS_ERR_USER, "--lora-load %s: no Hugging Face class describes the model, so that names in it fit nothing",
                        r->o->load);
    TS_TRY(ts_adapter_resolve(r));
    TS_TRY(ts_adapter_start_check(a, r->file));
    for (size_t i = 0; a->plan.dropout > 0 && i < a->n; i++)
        if (a->module[i].parameter)
            return ts_error(TS_ERR_USER, "%s: lora_dropout is %g, but adapters of parameters (experts) have none: set it to 0",
                            r->file, r->rules.dropout);
    ts_adapter_plan_number(&a->plan, a->n_base);
    return r->o->load || r->o->told ? TS_OK : ts_adapter_config_tell(a);
}

ts_status ts_adapters_open(const ts_lora_options *o, const ts_option_set *set, const ts_family *family, const ts_arch *arch,
                           bool training, ts_adapters **out)
{
    ts_adapter_resolving r = { .o = o, .family = family, .arch = arch };
    ts_str path = { 0 };
    TS_TRY(ts_alloc(&r.out, 1, sizeof *r.out));
    ts_status st = open_all(&r, set, training, &path);
    ts_str_deinit(&path);
    ts_met_linears_deinit(&r.linears);
    ts_name_map_deinit(&r.map);
    ts_adapter_rules_close(&r.rules);
    ts_free(&r.fits);
    ts_free(&r.told);
    if (st != TS_OK)
        ts_adapters_destroy(&r.out);
    else
        *out = r.out;
    return st;
}

void ts_adapters_destroy(ts_adapters **adapters)
{
    ts_adapters *a = *adapters;
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++) {
        ts_free(&a->module[i].name);
        ts_free(&a->module[i].parameter);
        ts_free(&a->module[i].rows);
    }
    ts_free(&a->module);
    ts_adapter_start_drop(a);
    ts_adapter_plan_deinit(&a->plan);
    ts_names_destroy(&a->saved);
    ts_names_destroy(&a->saved_files);
    ts_st_dir_destroy(&a->dir);
    json_decref(a->config);
    json_decref(a->megatron);
    ts_free(&a->folder);
    ts_free(&a->tied);
    ts_free(adapters);
}
