#include "train/idle.h"

#include "base/log.h"
#include "base/str.h"

ts_status ts_idle_init(ts_idle *i, const ts_optimizer *z)
{
    *i = (ts_idle){ .n = z->params->next_id };
    TS_TRY(ts_alloc(&i->is_idle, (size_t)i->n, sizeof *i->is_idle));
    for (int64_t k = 0; k < i->n; k++) /* what is on other stages too */
        i->is_idle[k] = true;
    return TS_OK;
}

void ts_idle_deinit(ts_idle *i)
{
    ts_free(&i->is_idle);
    *i = (ts_idle){ 0 };
}

/* Of what several processes have, the first that counts it tells. */
static bool tells(const ts_optimizer *z, const ts_param *p)
{
    const bool first = (!z->group || z->group->rank == 0) && (!z->counters || z->counters->rank == 0);
    const bool again = p->at_both_ends && z->stages && z->stages->rank > 0;
    return first && !again && ts_param_is_trained(p) && !p->is_elsewhere;
}

static ts_status warn(const ts_idle *i, const ts_optimizer *z)
{
    enum { SHOWN = 8 };
    ts_str names = { 0 };
    int64_t n = 0;
    ts_status st = TS_OK;
    for (size_t k = 0; st == TS_OK && k < z->params->n; k++) {
        const ts_param *p = z->params->p[k];
        if (!tells(z, p) || !i->is_idle[p->id])
            continue;
        if (n++ < SHOWN)
            st = ts_str_printf(&names, "%s%s", n > 1 ? ", " : "", p->name);
    }
    if (st == TS_OK && n)
        ts_log(TS_LOG_WARN, "the gradient of %lld trained parameter%s was zero in each of %d steps: %s%s. Nothing is learned "
                            "there", (long long)n, n > 1 ? "s" : "", (int)TS_IDLE_STEPS, names.s, n > SHOWN ? ", ..." : "");
    ts_str_deinit(&names);
    return st;
}

ts_status ts_idle_step(ts_idle *i, const ts_optimizer *z, const float *grads)
{
    bool any = false;
    double *of;
    if (!i->is_idle)
        return TS_OK;
    TS_TRY(ts_alloc(&of, (size_t)i->n, sizeof *of));
    ts_status st = ts_optimizer_squares(z, grads, i->is_idle, of);
    for (int64_t k = 0; st == TS_OK && k < i->n; k++) {
        i->is_idle[k] = i->is_idle[k] && of[k] == 0;
        any = any || i->is_idle[k];
    }
    ts_free(&of);
    TS_TRY(st);
    if (++i->steps == TS_IDLE_STEPS)
        st = warn(i, z);
    if (i->steps == TS_IDLE_STEPS || !any)
        ts_idle_deinit(i);
    return st;
}
