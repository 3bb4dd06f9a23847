#include "eval/results.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "out of memory for results"); }

/* Of some units: samples, and what pools their errors. */
typedef struct total {
    double n, sum,
        spread; /* spread: of each unit (n - 1) n e^2, which is the sum of squares around its mean */
    double units;
} total;

static double score_of(const json_t *line, const char *metric)
{
    return json_number_value(json_object_get(json_object_get(line, "correct"), metric));
}

static total of_unit(const ts_eval_unit *u, const char *metric)
{
    total t = { .n = (double)u->n, .units = 1 };
    for (size_t i = 0; i < u->n; i++)
        t.sum += score_of(u->line[i], metric);
    for (size_t i = 0; i < u->n; i++) {
        const double far = score_of(u->line[i], metric) - t.sum / t.n;
        t.spread += far * far;
    }
    return t;
}

static bool is_in(const ts_eval_unit *u, const char *task, const json_t *subjects)
{
    if (strcmp(u->task->name, task) != 0)
        return false;
    for (size_t i = 0; i < json_array_size(subjects); i++)
        if (u->subject && !strcmp(json_string_value(json_array_get(subjects, i)), u->subject))
            return true;
    return !subjects;
}

/* The units of a task whose subjects are among these; NULL: all. No unit: nothing is set. */
static ts_status put(const ts_eval_units *u, const char *task, const json_t *subjects, json_t *out)
{
    const ts_eval_unit *first = NULL;
    int64_t count = 0;
    for (size_t k = 0; k < u->n; k++)
        if (is_in(&u->v[k], task, subjects)) {
            first = first ? first : &u->v[k];
            count += (int64_t)u->v[k].n;
        }
    if (!first || json_object_set_new(out, "count", json_integer(count)))
        return first ? no_memory() : TS_OK;
    const char *metric;
    json_t *v;
    json_object_foreach(json_object_get(first->line[0], "correct"), metric, v)
    {
        total all = { 0 };
        char name[128];
        for (size_t k = 0; k < u->n; k++) {
            if (!is_in(&u->v[k], task, subjects))
                continue;
            const total t = of_unit(&u->v[k], metric);
            all = (total){ all.n + t.n, all.sum + t.sum, all.spread + t.spread, all.units + t.units };
        }
        snprintf(name, sizeof name, "%s_stderr", metric);
        const double error = all.n > all.units ? sqrt(all.spread / (all.n - all.units) / all.n) : (double)NAN;
        if (json_object_set_new(out, metric, json_real(all.sum / all.n)) ||
            json_object_set_new(out, name, ts_json_number(error)))
            return no_memory();
    }
    return TS_OK;
}

static ts_status put_groups(const ts_eval_units *u, const ts_eval_task *t, json_t *out)
{
    const char *name;
    json_t *subjects, *all = json_object();
    json_object_foreach(json_object_get(t->def, "groups"), name, subjects)
    {
        json_t *one = json_object();
        if (json_object_set_new(all, name, one))
            return no_memory();
        TS_TRY(put(u, t->name, subjects, one));
        if (!json_object_size(one))
            json_object_del(all, name);
    }
    if (json_object_size(all))
        return json_object_set_new(out, "groups", all) ? no_memory() : TS_OK;
    json_decref(all);
    return TS_OK;
}

static ts_status put_subjects(const ts_eval_units *u, const ts_eval_task *t, json_t *out)
{
    json_t *all = json_object();
    if (json_object_set_new(out, "subjects", all))
        return no_memory();
    for (size_t k = 0; k < u->n; k++) {
        if (u->v[k].task != t)
            continue;
        json_t *one = json_object(), *list = json_pack("[s]", u->v[k].subject);
        ts_status st =
            json_object_set_new(all, u->v[k].subject, one) ? no_memory() : put(u, t->name, list, one);
        json_decref(list);
        TS_TRY(st);
    }
    return TS_OK;
}

ts_status ts_eval_results(const ts_eval_units *u, json_t **out)
{
    json_t *tasks = json_object(), *all = json_pack("{so}", "tasks", tasks);
    ts_status st = all ? TS_OK : no_memory();
    for (size_t k = 0; k < u->n && st == TS_OK; k++) {
        const ts_eval_task *t = u->v[k].task;
        if (json_object_get(tasks, t->name))
            continue;
        json_t *one = json_object();
        st = json_object_set_new(tasks, t->name, one) ? no_memory() : put(u, t->name, NULL, one);
        if (st == TS_OK && u->v[k].subject)
            st = put_groups(u, t, one);
        if (st == TS_OK && u->v[k].subject)
            st = put_subjects(u, t, one);
    }
    if (st != TS_OK)
        json_decref(all);
    else
        *out = all;
    return st;
}
