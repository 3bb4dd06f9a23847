#include "nn/declare.h"

#include <stdio.h>

ts_declarer ts_declare_in(const ts_declarer *d, const char *name)
{
    ts_declarer in = *d;
    const int n = snprintf(in.prefix, sizeof in.prefix, "%s%s.", d->prefix, name);
    TS_ASSERT(n < TS_DECLARED_NAME, "the name of module %s%s is too long", d->prefix, name);
    return in;
}

/* Whether another process has the same of what its group cuts, and counts it. */
static bool is_copied(const ts_declarer *d, const ts_param_spec *spec)
{
    const ts_comm *c = spec->is_expert && d->experts ? d->experts->pieces : d->group ? d->group->comm : NULL;
    for (int i = 0; i < spec->place.rank; i++)
        if (spec->place.dim[i].axis == TS_AXIS_TENSOR)
            return false;
    return c && c->rank > 0;
}

void ts_declare_unit(const ts_declarer *d)
{
    if (d->set)
        ts_param_set_unit(d->set);
}

ts_status ts_declare(const ts_declarer *d, const char *name, const ts_param_spec *spec,
                     ts_param **out)
{
    char full[TS_DECLARED_NAME];
    const int n = snprintf(full, sizeof full, "%s%s", d->prefix, name);
    TS_ASSERT(n < TS_DECLARED_NAME, "the name of parameter %s%s is too long", d->prefix, name);
    if (!d->set)
        return d->list(d->ctx, full, spec);
    TS_TRY(ts_param_declare(d->set, full, &spec->place, spec->place.rank > 1 && !spec->is_vectors, out));
    if (spec->is_vectors || spec->is_matrix)
        (*out)->rank = 1, (*out)->dim[0] = ts_param_count(*out), (*out)->dim[1] = 1;
    (*out)->start = spec->start;
    (*out)->start_value = spec->value;
    (*out)->decoupled = spec->decoupled;
    (*out)->is_table = spec->is_table;
    (*out)->is_filter = spec->is_filter;
    (*out)->is_qk_norm = spec->is_qk_norm;
    (*out)->is_router = spec->is_router;
    (*out)->is_expert = spec->is_expert;
    (*out)->is_linear = spec->is_linear;
    (*out)->at_both_ends = spec->at_both_ends;
    (*out)->block = d->block, (*out)->chunks = d->chunks, (*out)->is_elsewhere = d->is_elsewhere;
    if (spec->is_fixed)
        ts_param_hold(*out, TS_HELD_FROZEN, TS_DTYPE_F32, TS_QUANT_NONE);
    (*out)->bands = spec->bands;
    (*out)->parts = spec->parts;
    const bool copied = is_copied(d, spec);
    if (copied || spec->is_copy)
        (*out)->counted = copied ? 0 : spec->parts.from * (*out)->dim[1];
    return TS_OK;
}
