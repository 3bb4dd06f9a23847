#include "train/memory_report.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ROWS = 40 };

bool ts_memory_report_speaks(const ts_job *j)
{
    const ts_profile_options *o = &j->o->profile;
    return j->holders && (o->ranks.n ? ts_profile_chooses(o, j->comm->rank) : j->comm->rank == 0);
}

/* Rank 0 speaks for a job; of another rank it was asked for by name. */
static void say(const ts_job *j, const char *what, const char *table)
{
    if (j->comm->rank == 0)
        ts_log(TS_LOG_INFO, "%s%s", what, table);
    else
        ts_log_raw("rank %d: %s%s\n", j->comm->rank, what, table);
}

static void forgive(ts_status st)
{
    if (st != TS_OK)
        ts_log(TS_LOG_WARN, "--memory-report: %s", ts_error_message());
}

static ts_status say_growth(const ts_job *j, int64_t iteration, const ts_holder_list *first)
{
    ts_holder_list now = { 0 }, grown = { 0 };
    ts_str table = { 0 };
    char what[128];
    ts_status st = ts_holders_now(j->holders, &now);
    if (st == TS_OK)
        st = ts_holder_list_growth(first, &now, &grown);
    if (st == TS_OK)
        st = ts_holder_list_table(&grown, NULL, MOST_ROWS, &table);
    snprintf(what, sizeof what,
             grown.n ? "memory that has grown from iteration %lld to %lld:\n"
                     : "memory: nothing has grown from iteration %lld to %lld",
             (long long)j->o->profile.report_from, (long long)iteration);
    if (st == TS_OK)
        say(j, what, grown.n ? table.s : "");
    ts_holder_list_deinit(&now);
    ts_holder_list_deinit(&grown);
    ts_str_deinit(&table);
    return st;
}

void ts_memory_report_step(const ts_job *j, int64_t iteration, ts_holder_list *first)
{
    const ts_profile_options *o = &j->o->profile;
    const int64_t last = o->report_to < 0 || o->report_to > j->train_iters ? j->train_iters : o->report_to;
    if (!ts_memory_report_speaks(j))
        return;
    if (iteration == o->report_from)
        forgive(ts_holders_now(j->holders, first));
    else if (iteration == last && first->v)
        forgive(say_growth(j, iteration, first));
}

/* "mlp" of decoder.layers.3.mlp.linear_fc1.weight; what belongs to no layer by its whole module. */
static size_t module_of(const char *name, const char **out)
{
    static const char layers[] = "decoder.layers.", decoder[] = "decoder.";
    if (!strncmp(name, layers, sizeof layers - 1)) {
        name += sizeof layers - 1;
        name += strcspn(name, ".");
        name += *name == '.';
    } else if (!strncmp(name, decoder, sizeof decoder - 1)) {
        name += sizeof decoder - 1;
    }
    *out = name;
    return strcspn(name, ".");
}

/* Weights, gradients and moments lie in few pieces, in which each module has as much as it has parameters. */
static ts_status say_parameters(const ts_job *j, ts_str *out)
{
    const ts_param_set *s = &j->model.decoder->params;
    TS_TRY(ts_str_puts(out, "\nparameters in these:"));
    for (size_t i = 0; i < s->n; i++) {
        const char *module, *other;
        const size_t n = module_of(s->p[i]->name, &module);
        int64_t sum = 0;
        bool is_first = true;
        for (size_t k = 0; k < s->n; k++) {
            const bool is_same = module_of(s->p[k]->name, &other) == n && !strncmp(module, other, n);
            is_first = is_first && !(is_same && k < i);
            sum += is_same ? ts_param_count(s->p[k]) : 0;
        }
        if (is_first)
            TS_TRY(ts_str_printf(out, " %.*s %lld", (int)n, module, (long long)sum));
    }
    return TS_OK;
}

void ts_memory_report_peak(const ts_job *j, const ts_holder_list *plan)
{
    ts_holder_list peak = { 0 }, parts = { 0 }, planned = { 0 };
    ts_str table = { 0 };
    char at[128], what[192];
    if (!ts_memory_report_speaks(j))
        return;
    ts_status st = ts_holders_peak(j->holders, &peak);
    if (st == TS_OK)
        st = ts_holder_list_by_part(&peak, &parts);
    if (st == TS_OK && plan)
        st = ts_holder_list_by_part(plan, &planned);
    if (st == TS_OK)
        st = ts_holder_list_table(&parts, plan ? &planned : NULL, MOST_ROWS, &table);
    if (st == TS_OK)
        st = say_parameters(j, &table);
    snprintf(what, sizeof what, "memory at its highest moment, in %s:\n", ts_device_peak_at(j->dev, at));
    if (st == TS_OK)
        say(j, what, table.s);
    forgive(st);
    if (ts_holders_lost(j->holders))
        ts_log(TS_LOG_WARN, "%zu allocations are not in it: there was no room for their rows", ts_holders_lost(j->holders));
    ts_holder_list_deinit(&peak);
    ts_holder_list_deinit(&parts);
    ts_holder_list_deinit(&planned);
    ts_str_deinit(&table);
}
