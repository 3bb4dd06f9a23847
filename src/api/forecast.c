#include "tessera/plan.h"

#include "api/words.h"
#include "plan/report.h"
#include "plan/run.h"

struct ts_forecast {
    ts_forecast_figures f;
    ts_str json, table;
};

static void take_figures(const ts_plan *p, ts_forecast_figures *f)
{
    const ts_plan_rank *r = ts_plan_worst(p);
    *f = (ts_forecast_figures){
        .world_size = p->world_size,
        .parameters = p->parameters,
        .layers = p->layers,
        .vocab_size = p->vocab,
        .global_batch = p->global,
        .micro_batch = p->micro,
        .seq_length = p->seq_length,
        .peak_bytes = r->mem.peak,
        .weight_bytes = r->mem.at_peak[TS_MEM_WEIGHT],
        .gradient_bytes = r->mem.at_peak[TS_MEM_GRAD],
        .optimizer_bytes = r->mem.at_peak[TS_MEM_OPTIM],
        .activation_bytes = r->mem.at_peak[TS_MEM_ACT],
        .buffer_bytes = ts_plan_buffers(&r->mem),
        .flops = r->flops,
        .step_seconds = p->step_seconds,
        .tokens_per_second = p->tokens_per_second,
        .bubble = p->bubble,
        .fits = ts_plan_fits(p),
        .swapped_bytes = r->mem.at_peak[TS_MEM_SWAP],
    };
    for (const ts_group_traffic *g = r->traffic.group; g->group; g++)
        f->traffic_bytes += g->sum.bytes;
}

static ts_status fill(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                      ts_forecast *f)
{
    ts_plan plan;
    ts_status st = ts_plan_run(o, set, p, &plan);
    if (st == TS_OK) {
        take_figures(&plan, &f->f);
        st = ts_plan_json(&plan, &f->json);
    }
    if (st == TS_OK)
        st = ts_plan_table(&plan, &f->table);
    ts_plan_deinit(&plan);
    return st;
}

ts_status ts_forecast_make(const char *const *options, size_t n, ts_forecast **out)
{
    ts_job_options o = { 0 };
    ts_plan_options p = { 0 };
    ts_option_table tables[TS_JOB_TABLES + 1];
    ts_option_set *set;
    ts_forecast *f = NULL;
    TS_NEED(out);
    ts_job_tables(&o, tables);
    tables[TS_JOB_TABLES] = (ts_option_table){ ts_plan_option_rows, ts_plan_option_count, &p };
    TS_TRY(ts_words_parse(tables, TS_JOB_TABLES + 1, options, n, &set));
    ts_status st = ts_alloc(&f, 1, sizeof *f);
    if (st == TS_OK)
        st = fill(&o, set, &p, f);
    ts_option_set_destroy(&set);
    if (st == TS_OK)
        *out = f;
    else
        ts_forecast_free(&f);
    return st;
}

void ts_forecast_free(ts_forecast **f)
{
    if (!f || !*f)
        return;
    ts_str_deinit(&(*f)->json);
    ts_str_deinit(&(*f)->table);
    ts_free(f);
}

const ts_forecast_figures *ts_forecast_get(const ts_forecast *f) { return f ? &f->f : NULL; }
const char *ts_forecast_json(const ts_forecast *f) { return f ? f->json.s : NULL; }
const char *ts_forecast_table(const ts_forecast *f) { return f ? f->table.s : NULL; }
