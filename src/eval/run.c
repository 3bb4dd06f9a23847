#include "eval/run.h"

#include "base/log.h"
#include "base/output.h"
#include "base/thread.h"
#include "dist/gather_text.h"
#include "eval/asker.h"
#include "eval/partial.h"
#include "eval/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 32 }; /* samples of a process between two writings of what was judged */

typedef struct runner {
    const ts_eval_options *o;
    const ts_eval_model *m;
    ts_comm *comm;
    ts_eval_task *task; /* [n_tasks] */
    ts_eval_judging **judging;
    size_t n_tasks;
    ts_python python;
    bool has_python;
    ts_eval_units units;
    ts_eval_partial partial;
    ts_eval_asker asker;
    ts_str lines, all; /* of this process, of all */
    size_t samples, judged;
    double said;
} runner;

/* ---- before the model is asked ---- */

static ts_status open_tasks(runner *r)
{
    const ts_eval_style style = {
        .chat = r->o->chat, .multiturn = !r->o->one_turn, .system = r->o->system, .template = r->m->template
    };
    TS_TRY(ts_alloc(&r->task, (size_t)r->o->task.n, sizeof *r->task));
    TS_TRY(ts_alloc(&r->judging, (size_t)r->o->task.n, sizeof *r->judging));
    for (; r->n_tasks < (size_t)r->o->task.n; r->n_tasks++) {
        ts_eval_task *t = &r->task[r->n_tasks];
        TS_TRY(ts_eval_task_open(r->o->task.v[r->n_tasks], (ts_eval_rule)r->o->rule, t));
        for (size_t i = 0; i < r->n_tasks; i++)
            if (!strcmp(r->task[i].name, t->name)) {
                const ts_status st = ts_error(TS_ERR_USER, "--task: %s is named twice", t->name);
                ts_eval_task_close(t);
                return st;
            }
        ts_status st = TS_OK;
        if (t->judge == TS_EVAL_PYTHON && !r->has_python) {
            st = ts_python_open(&r->python);
            r->has_python = st == TS_OK;
        }
        if (st == TS_OK)
            st = ts_eval_judging_create(t, &r->python, &r->judging[r->n_tasks]);
        if (st == TS_OK)
            st = ts_eval_units_add(&r->units, r->o, &style, t, r->judging[r->n_tasks]);
        if (st != TS_OK) {
            r->n_tasks++;
            return st;
        }
    }
    return TS_OK;
}

/* A number of all prompts and choices, for the identity of a run. */
static ts_status fingerprint(const ts_eval_units *u, char out[20])
{
    ts_str text = { 0 };
    uint64_t h = 0;
    ts_status st = TS_OK;
    for (size_t k = 0; k < u->n; k++)
        for (size_t i = 0; i < u->v[k].n && st == TS_OK; i++) {
            const ts_eval_sample *s = &u->v[k].sample[i];
            ts_str_reset(&text);
            st = ts_json_write(s->prompts, JSON_COMPACT, "a prompt", &text);
            if (st == TS_OK && s->choices)
                st = ts_json_write(s->choices, JSON_COMPACT, "choices", &text);
            if (st == TS_OK)
                st = ts_json_write(s->target, JSON_COMPACT | JSON_ENCODE_ANY, "an answer", &text);
            h = h * 31 + ts_hash_bytes(ts_str_text(&text), text.len);
        }
    ts_str_deinit(&text);
    snprintf(out, 20, "%016llx", (unsigned long long)h);
    return st;
}

static ts_status describe(const runner *r, json_t **out)
{
    char samples[20];
    static const char *const rules[] = { "lm-eval", "original" };
    TS_TRY(fingerprint(&r->units, samples));
    *out = json_pack("{ss ss ss sI sI sI}", "model", r->m->name, "rule", rules[r->o->rule], "samples",
                     samples, "max_new_tokens", (json_int_t)r->o->max_new_tokens, "chat",
                     (json_int_t)r->o->chat, "version", (json_int_t)1);
    return *out ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory for a run");
}

/* ---- lines of all processes ---- */

/* Lines of this process to all: r->lines of each, one after another, in r->all. */
static ts_status exchange(runner *r)
{
    return ts_comm_gather_text(r->comm, ts_str_text(&r->lines), r->lines.len, &r->all);
}

static ts_status place_all(runner *r)
{
    for (const char *s = ts_str_text(&r->all), *end; (end = strchr(s, '\n')); s = end + 1) {
        json_t *line;
        TS_TRY(ts_json_parse(s, (size_t)(end - s), "a sample", &line));
        ts_eval_line_place(&r->units, line);
        r->judged++;
    }
    return TS_OK;
}

/* What was judged before, on every process. The first one alone writes. */
static ts_status go_on(runner *r)
{
    json_t *run = NULL;
    ts_status st = describe(r, &run);
    if (st == TS_OK)
        st = ts_eval_partial_open(r->comm->rank ? NULL : r->o->output, run, &r->units, &r->partial);
    json_decref(run);
    TS_TRY(ts_comm_agree(r->comm, st));
    ts_str_reset(&r->lines);
    if (!r->comm->rank)
        st = ts_eval_lines_write(&r->units, &r->lines);
    TS_TRY(ts_comm_agree(r->comm, st));
    TS_TRY(exchange(r));
    TS_TRY(place_all(r));
    r->judged = 0;
    for (size_t k = 0; k < r->units.n; k++) {
        ts_eval_unit *u = &r->units.v[k];
        r->samples += u->n;
        for (size_t i = 0; i < u->n; i++)
            r->judged += u->line[i] != NULL;
    }
    return TS_OK;
}

/* ---- asking ---- */

static void say_progress(runner *r)
{
    enum { EVERY = 10 };
    if (r->comm->rank || ts_now() - r->said < EVERY)
        return;
    r->said = ts_now();
    ts_log(TS_LOG_INFO, "%zu of %zu samples", r->judged, r->samples);
}

/* Samples t [n] of this process, maybe none, while the others have theirs. */
static ts_status run_chunk(runner *r, const ts_eval_unit *u, const ts_eval_tokens *t, size_t n)
{
    json_t *lines[CHUNK] = { NULL };
    ts_str_reset(&r->lines);
    ts_status st = n ? ts_eval_ask(&r->asker, u, t, n, lines) : TS_OK;
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK)
            st = ts_json_write(lines[i], JSON_COMPACT, "a sample", &r->lines);
        if (st == TS_OK)
            st = ts_str_puts(&r->lines, "\n");
        json_decref(lines[i]);
    }
    TS_TRY(ts_comm_agree(r->comm, st));
    TS_TRY(exchange(r));
    st = place_all(r);
    if (st == TS_OK && !r->comm->rank)
        st = ts_eval_partial_add(&r->partial, ts_str_text(&r->all), r->all.len);
    say_progress(r);
    return ts_comm_agree(r->comm, st);
}

static int by_length(const void *a, const void *b)
{
    const ts_eval_tokens *x = a, *y = b;
    if (x->longest != y->longest)
        return x->longest < y->longest ? 1 : -1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* This process's share of what is left of a unit; t has room for all. */
static ts_status encode_share(runner *r, const ts_eval_unit *u, ts_eval_tokens *t, size_t *n, size_t *most)
{
    size_t left = 0;
    for (size_t i = 0; i < u->n; i++) {
        if (u->line[i])
            continue;
        if ((int)(left++ % (size_t)r->comm->size) == r->comm->rank) {
            TS_TRY(ts_eval_encode(&r->asker, u, i, &t[*n]));
            (*n)++;
        }
    }
    *most = (left + (size_t)r->comm->size - 1) / (size_t)r->comm->size;
    return TS_OK;
}

static ts_status run_unit(runner *r, const ts_eval_unit *u)
{
    ts_eval_tokens *t = NULL;
    size_t n = 0, most = 0;
    ts_status st = ts_alloc(&t, u->n, sizeof *t);
    if (st == TS_OK)
        st = encode_share(r, u, t, &n, &most);
    if (st == TS_OK) {
        qsort(t, n, sizeof *t, by_length);
        st = ts_eval_ask_begin(&r->asker, u, t, n);
    }
    st = ts_comm_agree(r->comm, st);
    for (size_t at = 0; at < most && st == TS_OK; at += CHUNK) {
        const size_t from = at < n ? at : n, upto = at + CHUNK < n ? at + CHUNK : n;
        st = run_chunk(r, u, t + from, upto - from);
    }
    for (size_t i = 0; i < n; i++)
        ts_eval_tokens_deinit(&t[i]);
    ts_free(&t);
    return st;
}

/* ---- behind it ---- */

static ts_status publish(runner *r)
{
    ts_str text = { 0 };
    if (r->comm->rank || !r->o->output)
        return TS_OK;
    ts_status st = ts_eval_lines_write(&r->units, &text);
    if (st == TS_OK)
        st = ts_output_all("--output", r->o->output, ts_str_text(&text), text.len);
    if (st == TS_OK)
        st = ts_eval_partial_remove(&r->partial);
    ts_str_deinit(&text);
    return st;
}

static void close_all(runner *r)
{
    ts_eval_asker_deinit(&r->asker);
    ts_eval_partial_close(&r->partial);
    ts_eval_units_deinit(&r->units);
    for (size_t i = 0; i < r->n_tasks; i++) {
        ts_eval_judging_destroy(&r->judging[i]);
        ts_eval_task_close(&r->task[i]);
    }
    ts_free(&r->task);
    ts_free(&r->judging);
    if (r->has_python)
        ts_python_close(&r->python);
    ts_str_deinit(&r->lines);
    ts_str_deinit(&r->all);
}

ts_status ts_eval_run(const ts_eval_options *o, const ts_eval_model *m, ts_comm *comm, json_t **report)
{
    runner r = {
        .o = o, .m = m, .comm = comm, .partial = { .fd = -1 }, .asker = { .o = o, .m = m }, .said = ts_now()
    };
    ts_status st = open_tasks(&r);
    st = ts_comm_agree(comm, st);
    if (st == TS_OK)
        st = go_on(&r);
    for (size_t k = 0; k < r.units.n && st == TS_OK; k++)
        st = run_unit(&r, &r.units.v[k]);
    if (st == TS_OK)
        st = ts_comm_agree(comm, publish(&r));
    if (st == TS_OK)
        st = ts_eval_results(&r.units, report);
    close_all(&r);
    return st;
}
