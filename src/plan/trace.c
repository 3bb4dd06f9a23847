#include "plan/trace.h"

#include "base/output.h"
#include "base/timeline_trace.h"

#include <stdio.h>

static ts_status trace_text(const ts_plan *p, ts_str *out)
{
    ts_trace trace;
    ts_trace_begin(&trace, out);
    for (int k = 0; k < p->n_ranks; k++) {
        char name[32];
        snprintf(name, sizeof name, "rank %d", p->rank[k].rank);
        TS_TRY(ts_timeline_trace(&p->rank[k].timeline, p->rank[k].rank, name, &trace));
    }
    return ts_trace_end(&trace, "{\"planned\": true}");
}

ts_status ts_plan_write_trace(const ts_plan *p, const char *path)
{
    ts_str text = { 0 };
    ts_status st = trace_text(p, &text);
    if (st == TS_OK)
        st = ts_output_all("--trace", path, text.s, text.len);
    ts_str_deinit(&text);
    return st;
}
