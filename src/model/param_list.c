#include "model/param_list.h"

#include "model/decoder.h"

static ts_status add(void *ctx, const char *name, const ts_param_spec *spec)
{
    ts_param_list *l = ctx;
    const size_t n = ts_names_count(l->names);
    TS_TRY(ts_grow(&l->param, &l->cap, n + 1, sizeof *l->param));
    TS_TRY(ts_names_add(l->names, name));
    const ts_place *p = &spec->place;
    const bool is_stack = p->rank > 2;
    l->param[n] = (ts_listed_param){ .dim = { p->dim[0].whole, p->rank > 1 ? p->dim[1].whole : 0 },
                                     .matrices = is_stack ? p->dim[0].whole : 1 };
    if (spec->is_matrix)
        l->param[n] = (ts_listed_param){ .dim = { ts_place_whole_count(p) }, .matrices = 1 };
    if (spec->is_vectors)
        l->param[n] = (ts_listed_param){ .dim = { ts_place_whole_count(p) }, .matrices = 1, .vectors = p->dim[0].whole };
    if (is_stack)
        l->param[n].dim[0] = p->dim[0].whole * p->dim[1].whole, l->param[n].dim[1] = p->dim[2].whole;
    return TS_OK;
}

ts_status ts_param_list_make(const ts_arch *a, ts_param_list *out)
{
    *out = (ts_param_list){ 0 };
    ts_status st = ts_names_create(0, &out->names);
    if (st == TS_OK)
        st = ts_decoder_list(a, add, out);
    if (st != TS_OK)
        ts_param_list_deinit(out);
    return st;
}

void ts_param_list_deinit(ts_param_list *l)
{
    ts_names_destroy(&l->names);
    ts_free(&l->param);
    *l = (ts_param_list){ 0 };
}
