#include "base/file.h"
#include "ckpt/check.h"
#include "ckpt/checkpoint.h"
#include "io/events.h"
#include "io/jsonl.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- event files ---- */

static bool is_events(const char *name) { return strstr(name, "events.out.tfevents.") != NULL; }

typedef struct known_tag {
    const char *tag, *name;
} known_tag;
static const known_tag tags[] = {
    { "lm loss", "lm_loss" },
    { "lm loss validation", "valid_lm_loss" },
    { "grad-norm", "grad_norm" },
    { "learning-rate", "learning_rate" },
    { "decoupled-learning-rate", "decoupled_learning_rate" },
    { "loss-scale", "loss_scale" },
    { "iteration-time", "iteration_seconds" },
    { "throughput", "tflops" },
};

static ts_status forget_from(ts_report_run *r, int64_t at)
{
    TS_TRY(ts_grow(&r->seams, &r->cap_seams, r->n_seams + 1, sizeof *r->seams));
    r->seams[r->n_seams++] = (ts_seam){ at, at <= r->last ? r->last - at + 1 : 0 };
    ts_series_cut(&r->series, at);
    r->last = at <= r->last ? at - 1 : r->last;
    if (r->last < r->first)
        r->first = r->last = 0; /* nothing is left */
    return TS_OK;
}

static ts_status take_event(void *ctx, const ts_event *e)
{
    ts_report_run *r = ctx;
    const char *name = e->tag;
    if (!e->tag)
        return r->last && e->step > 0 && e->step <= TS_REPORT_MOST_STEPS ? forget_from(r, e->step)
                                                                         : TS_OK;
    if (e->step < 1 || e->step > TS_REPORT_MOST_STEPS)
        return TS_OK;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        name = strcmp(tags[i].tag, e->tag) ? name : tags[i].name;
    const ts_series *s = ts_series_find(&r->series, name);
    if (s && s->n && s->v[s->n - 1].x > e->step) /* out of order: not ours */
        return TS_OK;
    r->first = r->first && r->first < e->step ? r->first : e->step;
    r->last = r->last > e->step ? r->last : e->step;
    return ts_series_add(&r->series, name, e->step, e->value);
}

ts_status ts_report_read_events(ts_report_run *r, const char *path)
{
    bool is_whole;
    TS_TRY(ts_events_read(path, take_event, r, &is_whole));
    return is_whole
               ? TS_OK
               : ts_report_note(
                     r,
                     "%s: the last record is not whole: the run was writing it, or was killed then",
                     path);
}

/* ---- logs ---- */

/* Warnings and errors of a log, each once. */
static ts_status read_log(ts_report_run *r, const char *path)
{
    ts_jsonl j;
    ts_jsonl_line l;
    char text[1024];
    TS_TRY(ts_jsonl_open(path, NULL, 0, TS_BAD_RECORD_STOP, &j));
    ts_status st = ts_jsonl_read_line(&j, &l);
    for (; st == TS_OK && l.s; st = ts_jsonl_read_line(&j, &l)) {
        const size_t n = l.n < sizeof text - 1 ? l.n : sizeof text - 1;
        memcpy(text, l.s, n);
        text[n] = 0;
        bool is_new = strstr(text, "warning: ") || strstr(text, "error: ");
        for (size_t i = 0; is_new && i < r->n_notes; i++)
            is_new = !strstr(r->notes[i], text);
        if (is_new)
            TS_TRY_TO(close, st, ts_report_note(r, "%s:%lld: %s", path, (long long)l.number, text));
    }
close:
    ts_jsonl_close(&j);
    return st;
}

/* ---- checkpoints ---- */

static int by_iteration(const void *a, const void *b)
{
    const ts_run_checkpoint *x = a, *y = b;
    return (x->iteration > y->iteration) - (x->iteration < y->iteration);
}

/* The options of the run, as the newest checkpoint has them. */
static ts_status read_options(ts_report_run *r, const char *folder)
{
    ts_str path = { 0 };
    json_t *state = NULL;
    ts_status st = ts_path_join(&path, folder, "state.json");
    if (st == TS_OK)
        st = ts_json_read(path.s, &state);
    ts_str_deinit(&path);
    json_t *options = json_object_get(state, "options");
    if (st == TS_OK && json_is_object(options)) {
        json_decref(r->options);
        r->options = json_incref(options);
    }
    json_decref(state);
    return st == TS_ERR_USER ? ts_report_note(r, "%s", ts_error_message()) : st;
}

static ts_status take_checkpoints(ts_report_run *r, const ts_ckpt_entry *list, size_t n)
{
    TS_TRY(ts_alloc(&r->checkpoints, n, sizeof *r->checkpoints));
    for (size_t i = 0; i < n; i++) {
        const ts_ckpt_entry *e = &list[i];
        if (e->trouble) {
            TS_TRY(ts_report_note(r, "%s: %s", e->folder, e->trouble));
            continue;
        }
        ts_run_checkpoint *c = &r->checkpoints[r->n_checkpoints];
        *c = (ts_run_checkpoint){ .iteration = e->iteration,
                                  .world_size = e->world_size,
                                  .bytes = e->bytes };
        TS_TRY(ts_strdup(e->saved_at, &c->saved_at));
        if (r->n_checkpoints++ == 0) { /* the last saved comes first */
            r->world_size = e->world_size;
            TS_TRY(read_options(r, e->folder));
        }
    }
    qsort(r->checkpoints, r->n_checkpoints, sizeof *r->checkpoints, by_iteration);
    return TS_OK;
}

static ts_status read_checkpoints(ts_report_run *r, const char *dir)
{
    ts_ckpt_entry *list;
    size_t n;
    if (r->n_checkpoints || !ts_checkpoint_is(dir))
        return TS_OK;
    TS_TRY(ts_ckpt_list(dir, &list, &n));
    const ts_status st = take_checkpoints(r, list, n);
    ts_ckpt_list_free(&list, n);
    return st;
}

/* ---- a folder ---- */

/* The step of the first line of metrics in a file; 0: there is none. */
static ts_status first_step(const char *path, int64_t *step)
{
    ts_report_run peek = { 0 };
    ts_jsonl j;
    ts_jsonl_line l;
    json_t *line;
    *step = 0;
    TS_TRY(ts_jsonl_open(path, NULL, 0, TS_BAD_RECORD_STOP, &j));
    ts_status st = ts_jsonl_read_line(&j, &l);
    for (int tries = 0; st == TS_OK && l.s && !peek.last && tries < 20; tries++) {
        if (ts_json_load(l.s, l.n, 0, path, &line) == TS_OK) {
            st = ts_report_take_line(&peek, line, path);
            json_decref(line);
        }
        if (st == TS_OK)
            st = ts_jsonl_read_line(&j, &l);
    }
    *step = peek.first;
    ts_report_run_deinit(&peek);
    ts_jsonl_close(&j);
    return st;
}

typedef struct found_file {
    char *path;
    int64_t step;
} found_file;

typedef struct found {
    found_file *metrics;
    size_t n, cap;
} found;

static int by_step(const void *a, const void *b)
{
    const found_file *x = a, *y = b;
    return x->step != y->step ? (x->step > y->step) - (x->step < y->step)
                              : strcmp(x->path, y->path);
}

/* What a file that cannot be read holds is missing, and said to be. */
static ts_status or_note(ts_report_run *r, ts_status st)
{
    return st == TS_ERR_USER ? ts_report_note(r, "%s", ts_error_message()) : st;
}

static ts_status look_at_file(ts_report_run *r, found *f, const char *path, bool wants_events)
{
    int64_t step;
    if (wants_events)
        return is_events(path) ? or_note(r, ts_report_read_events(r, path)) : TS_OK;
    if (ts_path_ends(path, ".log"))
        return or_note(r, read_log(r, path));
    if (!ts_path_ends(path, ".jsonl"))
        return TS_OK;
    const ts_status st = first_step(path, &step);
    if (st != TS_OK)
        return or_note(r, st);
    if (!step)
        return ts_report_note(r, "%s: has no lines of metrics", path);
    TS_TRY(ts_grow(&f->metrics, &f->cap, f->n + 1, sizeof *f->metrics));
    TS_TRY(ts_strdup(path, &f->metrics[f->n].path));
    f->metrics[f->n++].step = step;
    return TS_OK;
}

/* The folder and those in it, but for what is within checkpoints; "samples" counts otherwise. */
static ts_status look(ts_report_run *r, found *f, const char *dir, int depth, bool wants_events)
{
    char **names;
    size_t n;
    ts_str path = { 0 };
    if (!wants_events)
        TS_TRY(read_checkpoints(r, dir));
    TS_TRY(ts_dir_list(dir, &names, &n));
    ts_status st = TS_OK;
    for (size_t i = 0; i < n; i++) {
        const char *name = names[i];
        const bool is_other =
            name[0] == '.' || !strncmp(name, "iter_", 5) || !strcmp(name, "samples");
        if (st == TS_OK && !is_other)
            st = ts_path_join(&path, dir, name);
        if (st == TS_OK && !is_other && !ts_path_is_dir(path.s))
            st = look_at_file(r, f, path.s, wants_events);
        else if (st == TS_OK && !is_other && depth)
            st = look(r, f, path.s, depth - 1, wants_events);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&path);
    return st;
}

/* Attempts at one run follow each other; one that begins where the first did is another run. */
static ts_status read_found(ts_report_run *r, const found *f)
{
    if (f->n)
        qsort(f->metrics, f->n, sizeof *f->metrics, by_step);
    for (size_t i = 0; i < f->n; i++) {
        const char *path = f->metrics[i].path;
        if (i && f->metrics[i].step == f->metrics[0].step)
            TS_TRY(ts_report_note(
                r, "%s: begins with step %lld as %s does, so it is another run: give it by itself",
                path, (long long)f->metrics[i].step, f->metrics[0].path));
        else
            TS_TRY(or_note(r, ts_report_read_metrics(r, path)));
    }
    return TS_OK;
}

static ts_status read_folder(ts_report_run *r, const char *dir)
{
    found f = { 0 };
    ts_status st = look(r, &f, dir, 2, false);
    if (st == TS_OK)
        st = read_found(r, &f);
    if (st == TS_OK && !r->last)
        st = look(r, &f, dir, 2, true);
    for (size_t i = 0; i < f.n; i++)
        ts_free(&f.metrics[i].path);
    ts_free(&f.metrics);
    if (st == TS_OK && !r->last)
        st = ts_error(TS_ERR_USER,
                      "%s: holds no metrics (*.jsonl of --metrics-jsonl) and no event files (of "
                      "--tensorboard-dir)%s%s",
                      dir, r->n_notes ? "; " : "", r->n_notes ? r->notes[0] : "");
    return st;
}

ts_status ts_report_read_run(ts_report_run *r, const char *path)
{
    TS_TRY(ts_strdup(path, &r->path));
    if (ts_path_is_dir(path))
        return read_folder(r, path);
    if (!is_events(path))
        return ts_report_read_metrics(r, path);
    TS_TRY(ts_report_read_events(r, path));
    return r->last ? TS_OK : ts_error(TS_ERR_USER, "%s: has no values of steps", path);
}
