#include "nn/norm.h"

ts_status ts_norm_declare(const ts_declarer *d, const char *name, ts_norm_layer *n)
{
    const ts_declarer in = ts_declare_in(d, name);
    const ts_param_spec w = { .place = ts_place_whole(n->width, 0),
                              .parts = { .slots = ts_shares_rows(d->group) && !n->sees_all },
                              .start = TS_START_CONSTANT,
                              .value = 1 - n->op.offset };
    ts_param_spec b = w;
    b.value = 0;
    if (!n->present)
        return TS_OK;
    if (!n->is_bare)
        TS_TRY(ts_declare(&in, "weight", &w, &n->op.w));
    return n->has_bias ? ts_declare(&in, "bias", &b, &n->op.b) : TS_OK;
}
