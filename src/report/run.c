#include "report/run.h"

#include "io/jsonl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ts_report_run_deinit(ts_report_run *r)
{
    for (size_t i = 0; i < r->n_notes; i++)
        ts_free(&r->notes[i]);
    for (size_t i = 0; i < r->n_checkpoints; i++)
        ts_free(&r->checkpoints[i].saved_at);
    ts_free(&r->notes);
    ts_free(&r->checkpoints);
    ts_free(&r->seams);
    ts_free(&r->name);
    ts_free(&r->path);
    ts_series_list_deinit(&r->series);
    json_decref(r->options);
    json_decref(r->plan);
    *r = (ts_report_run){ 0 };
}

ts_status ts_report_note(ts_report_run *r, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    if (r->n_notes == TS_REPORT_MOST_NOTES) {
        r->n_more++;
        return TS_OK;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    TS_TRY(ts_grow(&r->notes, &r->cap_notes, r->n_notes + 1, sizeof *r->notes));
    TS_TRY(ts_strdup(text, &r->notes[r->n_notes]));
    r->n_notes++;
    return TS_OK;
}

/* ---- a line ---- */

static ts_status begin_again(ts_report_run *r, int64_t at)
{
    TS_TRY(ts_grow(&r->seams, &r->cap_seams, r->n_seams + 1, sizeof *r->seams));
    r->seams[r->n_seams++] = (ts_seam){ at, r->last - at + 1 };
    ts_series_cut(&r->series, at);
    return TS_OK;
}

/* The extremes and the mean of a list of numbers, such as the load of experts. */
static ts_status take_list(ts_report_run *r, const char *name, int64_t x, const json_t *list)
{
    const size_t n = json_array_size(list);
    double least = INFINITY, most = -INFINITY, sum = 0;
    char inner[320];
    for (size_t i = 0; i < n; i++) {
        const json_t *e = json_array_get(list, i);
        if (!json_is_number(e))
            return TS_OK;
        const double v = json_number_value(e);
        least = v < least ? v : least;
        most = v > most ? v : most;
        sum += v;
    }
    if (!n)
        return TS_OK;
    snprintf(inner, sizeof inner, "%s (least)", name);
    TS_TRY(ts_series_add(&r->series, inner, x, least));
    snprintf(inner, sizeof inner, "%s (mean)", name);
    TS_TRY(ts_series_add(&r->series, inner, x, sum / (double)n));
    snprintf(inner, sizeof inner, "%s (most)", name);
    return ts_series_add(&r->series, inner, x, most);
}

static ts_status take_value(ts_report_run *r, const char *name, int64_t x, const json_t *v)
{
    if (json_is_number(v))
        return ts_series_add(&r->series, name, x, json_number_value(v));
    if (json_is_true(v)) /* only where it is so: "skipped" */
        return ts_series_add(&r->series, name, x, 1);
    if (json_is_null(v)) /* what is not finite is written so */
        return ts_series_add(&r->series, name, x, NAN);
    return json_is_array(v) ? take_list(r, name, x, v) : TS_OK;
}

/* Members of objects get the names of those around them: "traffic.dp.bytes". Of traffic the bytes of
 * each group are enough. */
static ts_status take_members(ts_report_run *r, const char *prefix, int64_t x, const json_t *o,
                              int depth)
{
    enum { DEEPEST = 3 };
    const char *key;
    json_t *v;
    char name[256];
    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        const bool is_traffic = !strncmp(prefix, "traffic.", 8) && prefix[8];
        if ((is_traffic && strcmp(key, "bytes")) || (!*prefix && !strcmp(key, "iteration")))
            continue;
        snprintf(name, sizeof name, "%s%s", prefix, key);
        if (!json_is_object(v)) {
            TS_TRY(take_value(r, name, x, v));
        } else if (depth < DEEPEST) {
            snprintf(name, sizeof name, "%s%s.", prefix, key);
            TS_TRY(take_members(r, name, x, v, depth + 1));
        }
    }
    return TS_OK;
}

ts_status ts_report_take_line(ts_report_run *r, const json_t *line, const char *name)
{
    const json_t *at = json_object_get(line, "iteration");
    const int64_t x = json_integer_value(at);
    if (!json_is_integer(at) || x < 1 || x > TS_REPORT_MOST_STEPS)
        return ts_report_note(r, "%s: no line of metrics: it has no \"iteration\" above 0", name);
    if (r->last && x <= r->last)
        TS_TRY(begin_again(r, x));
    r->first = r->first && r->first < x ? r->first : x;
    r->last = x;
    return take_members(r, "", x, line, 0);
}

/* ---- a file ---- */

static ts_status take_text(ts_report_run *r, const char *path, const ts_jsonl_line *l)
{
    json_t *line;
    char name[1024];
    snprintf(name, sizeof name, "%s:%lld", path, (long long)l->number);
    const ts_status st = ts_json_load(l->s, l->n, JSON_ALLOW_NUL, name, &line);
    if (st == TS_ERR_USER && !l->is_ended)
        return ts_report_note(
            r, "%s: the last line is not whole: the run was writing it, or was killed then", name);
    if (st == TS_ERR_USER)
        return ts_report_note(r, "%s", ts_error_message());
    TS_TRY(st);
    const ts_status taken =
        json_is_object(line) ? ts_report_take_line(r, line, name)
                             : ts_report_note(r, "%s: no line of metrics: it is no object", name);
    json_decref(line);
    return taken;
}

ts_status ts_report_read_metrics(ts_report_run *r, const char *path)
{
    ts_jsonl j;
    ts_jsonl_line line;
    int64_t lines = 0;
    bool has_steps = false;
    TS_TRY(ts_jsonl_open(path, NULL, 0, TS_BAD_RECORD_STOP, &j));
    ts_status st = ts_jsonl_read_line(&j, &line);
    for (; st == TS_OK && line.s; st = ts_jsonl_read_line(&j, &line)) {
        const size_t n_seams = r->n_seams;
        const int64_t last = r->last;
        lines++;
        TS_TRY_TO(close, st, take_text(r, path, &line));
        has_steps = has_steps || r->last != last || r->n_seams != n_seams;
    }
    if (st == TS_OK && !has_steps)
        st = ts_error(TS_ERR_USER,
                      lines ? "%s: none of its %lld lines is a line of metrics (--metrics-jsonl)"
                            : "%s: is empty: it has %lld lines of metrics (--metrics-jsonl)",
                      path, (long long)lines);
close:
    ts_jsonl_close(&j);
    return st;
}
