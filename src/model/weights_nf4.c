#include "model/weights_nf4.h"

#include "model/param_read.h"

static ts_status check_form(const ts_st_tensor *t, const ts_bnb *bnb)
{
    return !bnb || bnb->is_nf4
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: tensor %s is quantised otherwise than NF4 with double quantisation in blocks of 64, "
                          "which --qlora holds: tessera convert makes values of it", t->path,
                          t->name);
}

ts_status ts_nf4_reader_open(const ts_st_tensor *t, const ts_bnb *bnb, ts_nf4_reader *out)
{
    ts_nf4_reader r = { .t = t };
    ts_dtype type;
    TS_TRY(check_form(t, bnb));
    const int64_t room = (bnb ? bnb->cols : t->shape[t->rank - 1]) + 2 * TS_NF4_BLOCK;
    if (bnb)
        r.bnb = *bnb;
    ts_status st = bnb ? TS_OK : ts_nf4_type(t, &type);
    if (st == TS_OK)
        st = ts_alloc(&r.code, (size_t)room, sizeof *r.code);
    if (st == TS_OK && !bnb)
        st = ts_alloc(&r.values, (size_t)room, sizeof *r.values);
    if (st == TS_OK && !bnb)
        st = ts_nf4_scales_make(t, &r.scales);
    if (st == TS_OK)
        *out = r;
    else
        ts_nf4_reader_close(&r);
    return st;
}

void ts_nf4_reader_close(ts_nf4_reader *r)
{
    ts_nf4_scales_deinit(&r->scales);
    ts_free(&r->values);
    ts_free(&r->code);
}

/* Where numbers of the tensor's elements begin in p. */
static ts_status meet(ts_nf4_reader *r, ts_param *p, int64_t *first)
{
    ts_nf4_whole w = { .elements = r->bnb.codes ? r->bnb.rows * r->bnb.cols : r->t->elements, .nested = r->scales.nested,
                       .offset = r->scales.offset };
    float *nested = NULL;
    for (int i = 0; i < r->n; i++)
        if (r->p[i] == p) {
            *first = r->first[i];
            return TS_OK;
        }
    TS_ASSERT(r->n < TS_NF4_READERS, "%s has rows of many parameters", r->t->name);
    if (r->bnb.codes) {
        const ts_st_tensor *t = r->bnb.nested;
        w.type = r->bnb.type, w.offset = r->bnb.offset;
        TS_TRY(ts_alloc(&nested, (size_t)t->elements, sizeof *nested));
        const ts_status st = ts_st_read_f32(t, 0, t->elements, nested);
        if (st != TS_OK) {
            ts_free(&nested);
            return st;
        }
        w.nested = nested;
    } else {
        TS_TRY(ts_nf4_type(r->t, &w.type));
    }
    const ts_status st = ts_param_nf4_begin(p, &w, first);
    ts_free(&nested);
    r->p[r->n] = p, r->first[r->n++] = *first;
    return st;
}

/* n codes from element `at` on, in r->code behind those that its block begins with. */
static ts_status read_codes(ts_nf4_reader *r, int64_t at, int64_t n)
{
    const int64_t begin = at / TS_NF4_BLOCK * TS_NF4_BLOCK, blocks = (at + n - begin + TS_NF4_BLOCK - 1) / TS_NF4_BLOCK;
    if (r->bnb.codes) {
        ts_bnb_codes(&r->bnb, at, n, r->code + (at - begin));
        return TS_OK;
    }
    const int64_t all = blocks * TS_NF4_BLOCK, left = r->t->elements - begin;
    return ts_nf4_codes(r->t, &r->scales, begin, all < left ? all : left, r->values, r->code);
}

ts_status ts_nf4_reader_put(ts_nf4_reader *r, const ts_name_piece *piece, ts_param *p)
{
    const ts_place_dim *d = &p->place.dim[p->place.rank - 1];
    const uint8_t *most = r->bnb.codes ? r->bnb.most->data : r->scales.code;
    const int64_t column = d->axis == TS_AXIS_NONE ? 0 : d->span[0].begin;
    int64_t first;
    if (piece->transposed || (d->axis != TS_AXIS_NONE && d->n_spans > 1))
        return ts_error(TS_ERR_USER, "%s: tensor %s %s, which is not held in NF4", r->t->path, r->t->name,
                        piece->transposed ? "stands transposed" : "is shared out in columns that lie apart");
    TS_TRY(meet(r, p, &first));
    for (int64_t i = 0; i < piece->rows; i++) {
        const int64_t here = ts_param_row_here(p, piece->row + i),
                      at = (piece->hf_row + i * piece->step) * d->whole + column;
        if (here < 0)
            continue;
        TS_TRY(read_codes(r, at, p->dim[1]));
        ts_param_nf4_put(p, here, first + at, r->code + at % TS_NF4_BLOCK, most + at / TS_NF4_BLOCK);
    }
    return TS_OK;
}
