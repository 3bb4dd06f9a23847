/* Showing modules' results to who looks at a pass (ops/tape.h). */
#ifndef TS_NN_SHOW_H
#define TS_NN_SHOW_H
#include "nn/linear.h"
#include "nn/run.h"

/* Columns of a result. */
typedef struct ts_shown_columns {
    int64_t whole, own;
    const ts_place_span *span; /* [n] */
    int n;                     /* 0: all are here */
    bool adds;                 /* as in ts_shown */
} ts_shown_columns;

/* Of what has this width on all processes. */
static inline ts_shown_columns ts_columns_whole(int64_t n)
{
    return (ts_shown_columns){ .whole = n, .own = n };
}

/* Those that a linear layer makes, or else takes. */
static inline ts_shown_columns ts_columns_of(const ts_linear *l, ts_cut cut)
{
    ts_shown_columns c = { .whole = cut == TS_CUT_ROW ? l->in : l->out };
    if (l->cut == cut)
        c.span = l->span, c.n = l->n_spans;
    c.own = c.n ? 0 : c.whole;
    for (int i = 0; i < c.n; i++)
        c.own += c.span[i].n;
    c.adds = c.n && cut == TS_CUT_COLUMN && l->parts.slots;
    if (l->is_copy && c.adds)
        c.own = l->parts.from;
    return c;
}

/* t, the result of a part of a layer's module. */
static inline ts_status ts_show(ts_tape *tape, const ts_run *run, int64_t layer, const char *module,
                                const char *part, const ts_shown_columns *c, ts_tensor *t)
{
    if (!tape->viewer)
        return TS_OK;
    const ts_row_places rows = ts_run_places(run, c->n ? 0 : run->row0);
    ts_shown s = { .module = module,
                   .part = part,
                   .layer = layer,
                   .at = rows.at,
                   .length = rows.length,
                   .sample0 = rows.sample0,
                   .row0 = rows.row0,
                   .cols = c->whole,
                   .n_spans = c->n,
                   .own = c->own,
                   .adds = c->adds };
    for (int i = 0; i < c->n; i++)
        s.span[i] = c->span[i];
    return ts_tape_show(tape, &s, t);
}
#endif
