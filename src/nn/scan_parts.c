#include "nn/scan_parts.h"
#include "ops/columns.h"

/* Part i, whose columns begin at `at`; o NULL: no convolution. */
static ts_status exchange_part(ts_tape *tape, const ts_run *run, const ts_conv_op *o, const ts_scan_parts *parts, int i,
                               int64_t at, ts_tensor *x, ts_tensor **y)
{
    const int64_t units = parts->units, width = parts->width[i];
    const ts_spread_share here = ts_spread_share_of(run->spread, units);
    ts_tensor *part, *whole;
    TS_TRY(ts_op_take_cols(tape, x, 1, at, units * width, &part));
    TS_TRY(parts->common[i] ? ts_op_spread_copy(tape, run->spread, run->B, units, part, &whole)
                            : ts_op_spread_out(tape, run->spread, run->B, units, part, &whole));
    if (part != x)
        ts_tape_drop(tape, part);
    *y = whole;
    if (!o)
        return TS_OK;
    ts_conv_op some = *o;
    some.first += at + (parts->common[i] ? here.first * width : ts_spread_first_of(&here, width));
    return ts_op_conv(tape, &some, whole, y);
}

static ts_status exchange(ts_tape *tape, const ts_run *run, const ts_conv_op *o, const ts_scan_parts *parts, ts_tensor *x,
                          ts_tensor **y)
{
    ts_tensor *part;
    int64_t at = 0;
    for (int i = 0; i < parts->n; at += parts->units * parts->width[i], i++) {
        TS_TRY(exchange_part(tape, run, o, parts, i, at, x, &part));
        if (i)
            TS_TRY(ts_op_join_cols(tape, *y, part, y));
        else
            *y = part;
    }
    return TS_OK;
}

ts_status ts_scan_exchange(ts_tape *tape, const ts_run *run, const ts_scan_parts *parts, ts_tensor *x, ts_tensor **y)
{
    *y = x;
    return run->spread ? exchange(tape, run, NULL, parts, x, y) : TS_OK;
}

ts_status ts_scan_convolve(ts_tape *tape, const ts_run *run, const ts_conv_op *o, const ts_scan_parts *parts,
                           ts_tensor *x, ts_tensor **y)
{
    ts_conv_op of_rows = *o;
    of_rows.B = run->B, of_rows.S = ts_scan_rows(run);
    return run->spread ? exchange(tape, run, &of_rows, parts, x, y) : ts_op_conv(tape, &of_rows, x, y);
}
