#include "api/lm_chat.h"
#include "api/words.h"
#include "base/log.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/processes.h"
#include "eval/run.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: tessera evaluate --load DIR --task NAME... --task-data-path DIR [--output FILE.jsonl] [--json]\n"
    "       mpirun -n 4 tessera evaluate ...      (samples are dealt to the processes)\n\n"
    "Asks a model the questions of benchmarks and judges its answers, as lm-evaluation-harness 0.4.13 does or, with\n"
    "--eval-rule original, as MindSpeed LLM does. Benchmarks' files are not part of Tessera: docs/evaluation.md says\n"
    "which are looked for under which names.\n"
    "example: tessera evaluate --load models/my-model --task mmlu --task-data-path mmlu/test --num-fewshot 5";

typedef struct evaluation {
    ts_eval_options o;
    ts_lm_chat_options chat;
    ts_lm lm;
    ts_gen_options go;
    ts_gen_config config;
    ts_chat_template template;
    bool has_template;
    ts_lm_chat encoder;
    ts_str name;
    json_t *report;
} evaluation;

/* ---- results ---- */

static void print_row(const char *indent, const char *name, const json_t *one)
{
    const char *metric;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)one, metric, v)
    {
        char error[160] = "";
        const size_t n = strlen(metric);
        if (!json_is_real(v) || (n > 7 && !strcmp(metric + n - 7, "_stderr")))
            continue;
        snprintf(error, sizeof error, "%s_stderr", metric);
        const json_t *e = json_object_get(one, error);
        snprintf(error, sizeof error, json_is_real(e) ? " +- %.4f" : "", json_real_value(e));
        printf("%-2s%-*s %7lld  %-18s %.4f%s\n", indent, 34, name,
               (long long)json_integer_value(json_object_get(one, "count")), metric, json_real_value(v),
               error);
        name = "";
    }
}

static void print_table(const json_t *tasks)
{
    const char *name, *part;
    json_t *task, *one;
    printf("%-36s %7s  %-18s %s\n", "task", "samples", "metric", "value");
    json_object_foreach((json_t *)(uintptr_t)tasks, name, task)
    {
        print_row("", name, task);
        json_object_foreach(json_object_get(task, "groups"), part, one) print_row(" -", part, one);
        json_object_foreach(json_object_get(task, "subjects"), part, one) print_row("  ", part, one);
    }
}

static ts_status show(const evaluation *e)
{
    ts_str text = { 0 };
    if (!e->o.json) {
        print_table(json_object_get(e->report, "tasks"));
        return TS_OK;
    }
    const ts_status st = ts_json_write(e->report, JSON_INDENT(2), "results", &text);
    if (st == TS_OK)
        puts(text.s);
    ts_str_deinit(&text);
    return st;
}

/* ---- the model ---- */

static ts_status check(const evaluation *e)
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
static ts_status name_model(evaluation *e)
{
    const ts_lm_options *o = &e->lm.o;
    return ts_str_printf(&e->name, "%s step %lld adapter %s bits %d type %d prompts %s %s", e->lm.rt.load,
                         (long long)o->ckpt_step, o->lora_load ? o->lora_load : "none",
                         o->load_in_4bit   ? 4
                         : o->load_in_8bit ? 8
                                           : 0,
                         (int)e->lm.model.decoder->compute,
                         e->chat.style.prompt.type ? e->chat.style.prompt.type : "none",
                         e->chat.style.chat_template ? e->chat.style.chat_template : "own");
}

/* How conversations are written, where questions are such. */
static ts_status open_chat(evaluation *e)
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
static ts_status settings(evaluation *e)
{
    static const char *const greedy[] = { "--greedy" };
    const ts_option_table table = { ts_gen_option_rows, ts_gen_option_count, &e->go };
    ts_option_set *set;
    TS_TRY(ts_words_parse(&table, 1, greedy, 1, &set));
    const ts_status st = ts_lm_gen_config(&e->lm, &e->go, set, &e->config);
    ts_option_set_destroy(&set);
    return st;
}

static ts_status open_model(evaluation *e)
{
    const ts_tape_options to = { 0 };
    TS_TRY(ts_lm_begin(&e->lm));
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

static ts_status run_all(evaluation *e, ts_comm *comm)
{
    e->lm.local_rank = comm->local_rank, e->lm.local_size = comm->local_size;
    ts_status st = check(e);
    if (st == TS_OK)
        st = open_model(e);
    TS_TRY(ts_comm_agree(comm, st));
    const ts_eval_model m = { .decoder = e->lm.model.decoder,
                              .tape = e->lm.tape,
                              .tok = &e->lm.tok,
                              .scratch = e->lm.scratch,
                              .gen = &e->config,
                              .name = e->name.s,
                              .template = e->has_template ? &e->template : NULL,
                              .encoder = e->encoder.encoder,
                              .encoder_work = e->encoder.work };
    TS_TRY(ts_eval_run(&e->o, &m, comm, &e->report));
    return comm->rank ? TS_OK : show(e);
}

static void close_all(evaluation *e)
{
    json_decref(e->report);
    ts_lm_chat_close(&e->encoder);
    if (e->has_template)
        ts_chat_template_close(&e->template);
    ts_str_deinit(&e->name);
    ts_lm_end(&e->lm);
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_evaluate = { "evaluate", "benchmarks: MMLU, GSM8K, HellaSwag, HumanEval and others",
                                     run };

static ts_status run(int argc, char *const *argv)
{
    evaluation e = { 0 };
    const ts_option_table tables[] = {
        { ts_eval_rows, ts_eval_row_count, &e.o },
        { ts_lm_chat_option_rows, ts_lm_chat_option_count, &e.chat },
        { ts_lm_option_rows, ts_lm_option_count, &e.lm.o },
        { ts_text_option_rows, ts_text_option_count, &e.lm.to },
        { ts_runtime_option_rows, ts_runtime_option_count, &e.lm.rt },
    };
    ts_option_set *set;
    ts_comm *comm = NULL;
    bool helped;
    TS_TRY(ts_command_options(&ts_cmd_evaluate, usage, tables, sizeof tables / sizeof *tables, argc, argv,
                              &set, &helped));
    if (helped)
        return TS_OK;
    ts_status st = ts_comm_world(&comm);
    if (st == TS_OK) {
        ts_processes_log((ts_log_level)e.lm.rt.log_level, comm);
        ts_words_log_notes(set);
        st = ts_device_explain(e.lm.dev, run_all(&e, comm));
        close_all(&e);
        st = ts_processes_end(&comm, st);
    }
    ts_option_set_destroy(&set);
    return st;
}
