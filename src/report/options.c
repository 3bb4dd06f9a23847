/* The layout and the options of runs beside each other: what differs comes first. */
#include "report/page.h"

#include <stdio.h>
#include <string.h>

/* What says how a run was laid out; these stand first. */
static const char *const layout[] = {
    "tensor-model-parallel-size",
    "sequence-parallel",
    "pipeline-model-parallel-size",
    "num-virtual-stages-per-pipeline-rank",
    "pipeline-schedule",
    "context-parallel-size",
    "cp-comm-type",
    "expert-model-parallel-size",
    "use-distributed-optimizer",
    "zero-stage",
    "micro-batch-size",
    "global-batch-size",
    "seq-length",
    "bf16",
    "fp16",
    "recompute-granularity",
    "num-layers",
    "hidden-size",
};
enum { LAYOUT = sizeof layout / sizeof *layout };

static bool is_layout(const char *name)
{
    for (int i = 0; i < LAYOUT; i++)
        if (!strcmp(layout[i], name))
            return true;
    return false;
}

static ts_status value_cell(const json_t *v, ts_str *out)
{
    if (!v || json_is_null(v))
        return ts_report_cell(out, "-", false);
    if (json_is_string(v))
        return ts_report_cell(out, json_string_value(v), false);
    ts_str text = { 0 };
    ts_status st = ts_json_write(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6),
                                 "an option", &text);
    if (st == TS_OK)
        st = ts_report_cell(out, text.s, false);
    ts_str_deinit(&text);
    return st;
}

static ts_status row(const ts_report *r, const char *name, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "<tr><td><code>"));
    TS_TRY(ts_str_xml(out, name));
    TS_TRY(ts_str_puts(out, "</code></td>"));
    for (size_t i = 0; i < r->n; i++)
        TS_TRY(r->runs[i].options ? value_cell(json_object_get(r->runs[i].options, name), out)
                                  : ts_report_cell(out, "not known", false));
    return ts_str_puts(out, "</tr>\n");
}

/* Of the runs whose options are known. */
static bool differs(const ts_report *r, const char *name)
{
    const json_t *first = NULL;
    bool is_first = true;
    for (size_t i = 0; i < r->n; i++) {
        if (!r->runs[i].options)
            continue;
        const json_t *v = json_object_get(r->runs[i].options, name);
        if (!is_first && !(v == first || (v && first && json_equal(v, first))))
            return true;
        first = v;
        is_first = false;
    }
    return false;
}

/* The names that any run has, each once, those of the first run in its order. */
static ts_status each(const ts_report *r, bool wants(const ts_report *r, const char *name),
                      ts_str *out)
{
    const char *key;
    json_t *v;
    for (size_t i = 0; i < r->n; i++)
        json_object_foreach(r->runs[i].options, key, v)
        {
            bool is_new = wants(r, key);
            for (size_t k = 0; is_new && k < i; k++)
                is_new = !json_object_get(r->runs[k].options, key);
            if (is_new)
                TS_TRY(row(r, key, out));
        }
    return TS_OK;
}

static bool differs_beside_layout(const ts_report *r, const char *name)
{
    return !is_layout(name) && differs(r, name);
}
static bool any(const ts_report *r, const char *name)
{
    (void)r;
    (void)name;
    return true;
}

/* How many processes a run had is no option of its own. */
static ts_status processes(const ts_report *r, bool want_different, ts_str *out)
{
    char text[32];
    int64_t first = 0;
    bool is_different = false;
    for (size_t i = 0; i < r->n; i++) {
        const int64_t n = r->runs[i].world_size;
        is_different = is_different || (first && n && n != first);
        first = first ? first : n;
    }
    if (is_different != want_different)
        return TS_OK;
    TS_TRY(ts_str_puts(out, "<tr><td>processes</td>"));
    for (size_t i = 0; i < r->n; i++) {
        snprintf(text, sizeof text, r->runs[i].world_size ? "%lld" : "not known",
                 (long long)r->runs[i].world_size);
        TS_TRY(ts_report_cell(out, text, false));
    }
    return ts_str_puts(out, "</tr>\n");
}

static ts_status layout_rows(const ts_report *r, bool want_different, ts_str *out)
{
    for (int i = 0; i < LAYOUT; i++) {
        bool is_known = false;
        for (size_t k = 0; k < r->n; k++)
            is_known = is_known || json_object_get(r->runs[k].options, layout[i]);
        if (is_known && differs(r, layout[i]) == want_different)
            TS_TRY(row(r, layout[i], out));
    }
    return TS_OK;
}

static ts_status table(const ts_report *r, const char *first, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "<div class=\"wide\"><table>\n"));
    return ts_report_head(r, first, out);
}

ts_status ts_report_options(const ts_report *r, ts_str *out)
{
    size_t n_known = 0;
    for (size_t i = 0; i < r->n; i++)
        n_known += r->runs[i].options != NULL;
    TS_TRY(ts_str_puts(out, "<section id=\"options\"><h2>Layout and options</h2>\n"));
    if (!n_known)
        return ts_str_puts(
            out,
            "<p class=\"pale\">Not known: a run's options stand in its checkpoints. Give the folder that "
            "holds the metrics and the checkpoints.</p></section>\n");
    if (n_known > 1) {
        TS_TRY(ts_str_puts(out, "<h3>What differs</h3>\n"));
        TS_TRY(table(r, "option", out));
        TS_TRY(processes(r, true, out));
        TS_TRY(layout_rows(r, true, out));
        TS_TRY(each(r, differs_beside_layout, out));
        TS_TRY(ts_str_puts(out, "</table></div>\n"));
    }
    TS_TRY(
        ts_str_puts(out, n_known > 1 ? "<h3>The rest of the layout</h3>\n" : "<h3>Layout</h3>\n"));
    TS_TRY(table(r, "option", out));
    TS_TRY(processes(r, false, out));
    TS_TRY(layout_rows(r, false, out));
    TS_TRY(ts_str_puts(out, "</table></div>\n<details><summary>All options</summary>\n"));
    TS_TRY(table(r, "option", out));
    TS_TRY(each(r, any, out));
    return ts_str_puts(out, "</table></div></details></section>\n");
}
