#include "train/border.h"

static ts_seam_side side_of(const ts_line *l, int network)
{
    const ts_mesh *m = &l->sizes[network];
    return (ts_seam_side){ .tp = m->size[TS_MESH_TP], .cp = m->size[TS_MESH_CP] };
}

/* Tensor i, of which `rows` are here. */
static ts_status add_tensor(ts_border *b, const ts_line *l, const ts_objective *o, int i, int64_t rows,
                            int64_t samples)
{
    ts_seam_side side[TS_LINE_NETWORKS] = { side_of(l, 0), side_of(l, 1) };
    const int here = l->network, rank = l->seam->rank - (here ? ts_seam_size(&side[0]) : 0);
    int64_t length = o->lies ? o->lies(o, i, side) : 0;
    b->whole[i] = length == 0;
    if (!length)
        samples = 1, length = rows;
    TS_ASSERT(ts_seam_rows(&side[here], samples, length, rank) == rows, "tensor %d has %lld rows here, not %lld", i,
              (long long)rows, (long long)ts_seam_rows(&side[here], samples, length, rank));
    TS_ASSERT(b->whole[i] || !o->varies, "tensor %d is in pieces on some side, so that its rows cannot vary", i);
    ts_seam_runs *forward = &b->runs[TS_PASS_FORWARD][i], *back = &b->runs[TS_PASS_BACK][i];
    TS_TRY((here == 0 ? ts_seam_sends : ts_seam_receives)(&side[0], &side[1], samples, length, rank, forward));
    return (here == 0 ? ts_seam_receives : ts_seam_sends)(&side[1], &side[0], samples, length, rank, back);
}

ts_status ts_border_init(ts_border *b, const ts_mesh *mesh, const ts_objective *o, int64_t samples)
{
    const ts_line *l = mesh->line;
    *b = (ts_border){ 0 };
    if (!l || !l->seam)
        return TS_OK;
    const int last = l->sizes[0].size[TS_MESH_PP] - 1;
    const ts_seam_side side = side_of(l, 0);
    b->comm[TS_PASS_FORWARD] = l->seam;
    b->comm[TS_PASS_BACK] = l->seam_back;
    b->stage = l->network ? last : last + 1;
    b->first = l->network ? 0 : ts_seam_size(&side);
    ts_passed_shapes s;
    o->passes(o, last, samples, &s); /* parts are stages: each has one chunk */
    for (int i = 0; i < s.n; i++)
        TS_TRY(add_tensor(b, l, o, i, s.v[i].dim[0], samples));
    return TS_OK;
}

void ts_border_deinit(ts_border *b)
{
    for (int w = 0; w < TS_PASS_WAYS; w++)
        for (int i = 0; i < TS_PASSED; i++)
            ts_free(&b->runs[w][i].v);
    *b = (ts_border){ 0 };
}
