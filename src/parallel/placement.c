#include "parallel/placement.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const char *option;
    const ts_arch *a;
    int64_t processes;
    ts_placement *out;
} reader;

static ts_status fail(const reader *r, const char *where, const char *what)
{
    return ts_error(TS_ERR_USER, "--%s, %s: %s: expected %lld lists, one a process, of %lld numbers of experts each, in which "
                                 "each of 0 to %lld stands once", r->option, where, what, (long long)r->processes,
                    (long long)(r->out->experts / r->processes), (long long)(r->out->experts - 1));
}

/* One layer's lists. order [experts]: -1 before. */
static ts_status read_lists(const reader *r, const char *where, const json_t *lists, int32_t *place, int32_t *order)
{
    const size_t here = (size_t)(r->out->experts / r->processes);
    if (!json_is_array(lists) || json_array_size(lists) != (size_t)r->processes)
        return fail(r, where, "these are not as many lists as processes");
    for (int64_t e = 0; e < r->out->experts; e++)
        place[e] = -1;
    for (size_t p = 0; p < (size_t)r->processes; p++) {
        const json_t *own = json_array_get(lists, p);
        if (!json_is_array(own) || json_array_size(own) != here)
            return fail(r, where, "a process has not as many experts as another");
        for (size_t i = 0; i < here; i++) {
            const json_t *number = json_array_get(own, i);
            const int64_t e = json_is_integer(number) ? json_integer_value(number) : -1, at = (int64_t)(p * here + i);
            if (e < 0 || e >= r->out->experts || place[e] >= 0)
                return fail(r, where, "there is no such expert, or it has been there before");
            place[e] = (int32_t)at;
            order[at] = (int32_t)e;
        }
    }
    return TS_OK;
}

static void stay(const ts_placement *p, int64_t layer)
{
    for (int64_t e = 0; e < p->experts; e++)
        p->place[layer * p->experts + e] = p->order[layer * p->experts + e] = (int32_t)e;
}

static ts_status read_layers(const reader *r, json_t *layers)
{
    const int64_t E = r->out->experts;
    const char *key;
    json_t *lists;
    json_object_foreach(layers, key, lists) {
        char where[64], *end;
        const long layer = strtol(key, &end, 10);
        snprintf(where, sizeof where, "layer %.40s", key);
        if (end == key || *end || layer < 0 || layer >= r->a->n_layers || !ts_has_experts(ts_arch_block(r->a, layer)))
            return ts_error(TS_ERR_USER, "--%s, %s: the model has no experts there (layers are counted from 0, and there are %lld)",
                            r->option, where, (long long)r->a->n_layers);
        TS_TRY(read_lists(r, where, lists, r->out->place + layer * E, r->out->order + layer * E));
    }
    return TS_OK;
}

static ts_status read_json(const reader *r, json_t *v)
{
    const int64_t blocks = ts_arch_blocks(r->a), E = r->out->experts;
    for (int64_t l = 0; l < blocks; l++)
        stay(r->out, l);
    if (json_is_object(v))
        return read_layers(r, v);
    for (int64_t l = 0; l < blocks; l++)
        TS_TRY(read_lists(r, "all layers", v, r->out->place + l * E, r->out->order + l * E));
    return TS_OK;
}

ts_status ts_placement_read(const char *option, const char *value, const ts_arch *a, int64_t processes, ts_placement *out)
{
    const reader r = { option, a, processes, out };
    const bool is_text = value[0] == '[' || value[0] == '{';
    json_t *v;
    *out = (ts_placement){ .experts = a->n_experts };
    const size_t n = (size_t)(ts_arch_blocks(a) * a->n_experts);
    char name[64];
    snprintf(name, sizeof name, "--%s", option);
    TS_TRY(is_text ? ts_json_parse(value, strlen(value), name, &v) : ts_json_read(value, &v));
    ts_status st = ts_alloc(&out->place, n, sizeof *out->place);
    if (st == TS_OK)
        st = ts_alloc(&out->order, n, sizeof *out->order);
    if (st == TS_OK)
        st = read_json(&r, v);
    json_decref(v);
    if (st != TS_OK)
        ts_placement_deinit(out);
    return st;
}

void ts_placement_deinit(ts_placement *p)
{
    ts_free(&p->place);
    ts_free(&p->order);
}
