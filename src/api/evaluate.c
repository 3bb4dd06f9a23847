#include "api/evaluate.h"

#include "api/words.h"
#include "base/output.h"

void ts_evaluation_tables(ts_evaluation *e, ts_option_table tables[TS_EVALUATION_TABLES])
{
    const ts_option_table all[TS_EVALUATION_TABLES] = {
        { ts_eval_rows, ts_eval_row_count, &e->o },
        { ts_lm_chat_option_rows, ts_lm_chat_option_count, &e->chat },
        { ts_lm_option_rows, ts_lm_option_count, &e->lm.o },
        { ts_lm_cache_rows, ts_lm_cache_count, &e->lm.o },
        { ts_model_group_option_rows, ts_model_group_option_count, &e->lm.cut },
        { ts_text_option_rows, ts_text_option_count, &e->lm.to },
        { ts_runtime_option_rows, ts_runtime_option_count, &e->lm.rt },
    };
    for (size_t i = 0; i < TS_EVALUATION_TABLES; i++)
        tables[i] = all[i];
}

static ts_status check(const ts_evaluation *e)
{
    if (!e->lm.rt.load || !e->o.task.n || !e->o.data_path)
        return ts_error(TS_ERR_USER, "--%s is missing",
                        !e->lm.rt.load ? "load"
                        : !e->o.task.n ? "task"
                                       : "task-data-path");
    if (e->o.multiturn && e->o.one_turn)
        return ts_error(TS_ERR_USER, "--fewshot-as-multiturn and --no-fewshot-as-multiturn: give one");
    if (e->o.system && e->chat.system)
        return ts_error(TS_ERR_USER, "--system-instruction and --system are one: give one");
    return e->o.output ? ts_output_check("--output", e->o.output) : TS_OK;
}

/* What a run that goes on must have the same of. */
static ts_status name_model(ts_evaluation *e)
{
    const ts_lm_options *o = &e->lm.o;
    return ts_str_printf(&e->name, "%s step %lld adapter %s bits %d type %d cache %d prompts %s %s", e->lm.rt.load,
                         (long long)o->ckpt_step, o->lora_load ? o->lora_load : "none",
                         o->load_in_4bit   ? 4
                         : o->load_in_8bit ? 8
                                           : 0,
                         (int)e->lm.model.decoder->compute, e->lm.o.kv_cache_dtype,
                         e->chat.style.prompt.type ? e->chat.style.prompt.type : "none",
                         e->chat.style.chat_template ? e->chat.style.chat_template : "own");
}

/* How conversations are written, where questions are such. */
static ts_status open_chat(ts_evaluation *e)
{
    const ts_chat_style *s = &e->chat.style;
    const char *folder = e->lm.model.folder, *own = e->lm.to.name_or_path;
    e->o.system = e->o.system ? e->o.system : e->chat.system;
    e->o.chat = e->o.chat || ts_chat_style_given(s);
    if (!e->o.chat)
        return TS_OK;
    if (s->prompt.type)
        return ts_lm_chat_open(&e->lm, &(ts_lm_chat_options){ .style = *s }, &e->encoder);
    const bool has = folder && ts_chat_template_is_in(folder);
    TS_TRY(
        ts_chat_template_open(has || !own ? folder : own, s->chat_template, s->template_now, &e->template));
    e->has_template = true;
    return TS_OK;
}

/* The model's own settings of generation, greedy. */
static ts_status settings(ts_evaluation *e)
{
    static const char *const greedy[] = { "--greedy" };
    const ts_option_table table = { ts_gen_option_rows, ts_gen_option_count, &e->go };
    ts_option_set *set;
    TS_TRY(ts_words_parse(&table, 1, greedy, 1, &set));
    const ts_status st = ts_lm_gen_config(&e->lm, &e->go, set, &e->config);
    ts_option_set_destroy(&set);
    return st;
}

/* All but the model, which is open. */
static ts_status open_rest(ts_evaluation *e)
{
    const ts_tape_options to = { 0 };
    TS_TRY(ts_lm_need_words(&e->lm, "evaluate", true));
    TS_TRY(ts_lm_need_tokenizer(&e->lm));
    if (!ts_lm_has_text(&e->lm))
        return ts_error(TS_ERR_USER, "benchmarks need a tokenizer of texts, not NullTokenizer");
    TS_TRY(open_chat(e));
    TS_TRY(settings(e));
    if (e->encoder.encoder)
        TS_TRY(ts_lm_chat_stop(&e->encoder, &e->config));
    TS_TRY(name_model(e));
    return ts_tape_create(e->lm.dev, &to, &e->lm.tape);
}

/* Of one process, whose failure at work is a figure that is no number. */
static ts_status explain(const ts_evaluation *e, const ts_comm *comm, ts_status st)
{
    return comm->size == 1 ? ts_lm_explain(&e->lm, st) : st;
}

/* Among the processes from which models are led. */
static ts_status lead(ts_evaluation *e, ts_comm *comm)
{
    TS_TRY(ts_comm_agree(comm, open_rest(e)));
    const ts_eval_model m = { .decoder = e->lm.model.decoder,
                              .tape = e->lm.tape,
                              .tok = &e->lm.tok,
                              .scratch = e->lm.scratch,
                              .gen = &e->config,
                              .name = e->name.s,
                              .template = e->has_template ? &e->template : NULL,
                              .encoder = e->encoder.encoder,
                              .encoder_work = e->encoder.work };
    return ts_device_explain(e->lm.dev, explain(e, comm, ts_eval_run(&e->o, &m, comm, &e->report)));
}

ts_status ts_evaluation_run(ts_evaluation *e, ts_comm *comm)
{
    e->lm.world = comm;
    TS_TRY(ts_comm_agree(comm, check(e)));
    TS_TRY(ts_lm_begin(&e->lm));
    if (ts_lm_follows(&e->lm))
        return ts_lm_follow(&e->lm);
    return ts_lm_dismiss(&e->lm, lead(e, e->lm.model_group ? e->lm.model_group->leaders : comm));
}

void ts_evaluation_end(ts_evaluation *e)
{
    json_decref(e->report);
    ts_lm_chat_close(&e->encoder);
    if (e->has_template)
        ts_chat_template_close(&e->template);
    ts_str_deinit(&e->name);
    ts_lm_end(&e->lm);
}

/* ---- the public function ---- */

static ts_status give_report(const ts_evaluation *e, char **report, size_t *n_report)
{
    ts_str text = { 0 };
    ts_status st = ts_json_write(e->report, JSON_INDENT(2), "results", &text);
    if (st == TS_OK)
        st = ts_give_text(&text, report, n_report);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_evaluate(const char *folder, const char *const *options, size_t n, char **report,
                      size_t *n_report)
{
    ts_evaluation e = { 0 };
    ts_option_table tables[TS_EVALUATION_TABLES];
    ts_option_set *set;
    ts_comm *self = NULL;
    TS_NEED(folder);
    TS_NEED(report);
    ts_evaluation_tables(&e, tables);
    TS_TRY(ts_words_parse(tables, TS_EVALUATION_TABLES, options, n, &set));
    ts_status st = TS_OK;
    if (e.lm.rt.load)
        st = ts_error(TS_ERR_USER, "ts_evaluate: folder %s and --load %s: give one", folder, e.lm.rt.load);
    e.lm.rt.load = folder;
    if (st == TS_OK)
        st = ts_comm_self_create(&self);
    if (st == TS_OK)
        st = ts_evaluation_run(&e, self);
    if (st == TS_OK)
        st = give_report(&e, report, n_report);
    ts_evaluation_end(&e);
    ts_comm_destroy(&self);
    ts_option_set_destroy(&set);
    return st;
}
