/* The forms of weights: see param.h. */
#include "tensor/param.h"

void ts_param_set_changed(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->p[i]->version++;
}

void ts_param_set_trained(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->p[i]->version += ts_param_is_trained(s->p[i]);
}

static void *kept_form(const ts_form_slot *slot, const ts_param *p)
{
    return slot->storage && slot->of == p && slot->packed_as == TS_DTYPE_BF16 ? slot->storage->data
                                                                              : NULL;
}

ts_kept_forms ts_param_kept_forms(const ts_param *p)
{
    if (p->set->shares || p->held == TS_HELD_ONE || p->held == TS_HELD_NF4 || p->place.rank > 2)
        return (ts_kept_forms){ NULL, NULL };
    return (ts_kept_forms){ kept_form(&p->nt, p), kept_form(&p->nn, p) };
}

void ts_param_forms_made(ts_param *p)
{
    if (kept_form(&p->nt, p))
        p->nt.version = p->version;
    if (kept_form(&p->nn, p))
        p->nn.version = p->version;
}

void ts_param_set_share_forms(ts_param_set *s)
{
    s->shares = true;
    for (size_t i = 0; i < s->n; i++) {
        if (s->p[i]->held == TS_HELD_ONE)
            continue;
        ts_storage_release(&s->p[i]->nt.storage);
        ts_storage_release(&s->p[i]->nn.storage);
    }
}

static ts_status slot_storage(ts_device *dev, ts_form_slot *slot, size_t bytes)
{
    if (slot->storage && slot->storage->bytes >= bytes)
        return TS_OK;
    ts_storage_release(&slot->storage);
    slot->of = NULL;
    return ts_storage_create(dev, TS_MEM_WEIGHT, bytes, &slot->storage);
}

/* The place of this weight's form, and whether the form is there. */
static ts_status form_slot(ts_param *p, bool nt, size_t bytes, ts_form_slot **out, bool *there)
{
    ts_param_set *s = p->set;
    const bool shares = s->shares && p->held != TS_HELD_ONE;
    ts_form_slot *slot = shares ? nt ? &s->nt : &s->nn : nt ? &p->nt : &p->nn;
    TS_TRY(slot_storage(s->dev, slot, bytes));
    *there = slot->of == p && slot->version == p->version;
    slot->of = p;
    slot->version = p->version;
    *out = slot;
    return TS_OK;
}

static void pack_matrix(const ts_param *p, ts_gemm_form form, ts_dtype dtype, int64_t which, void *to)
{
    const bool nt = form == TS_GEMM_NT;
    const int64_t rows = p->dim[0] / p->matrices, cols = p->dim[1];
    const ts_gemm_pack_args a = { .form = form,
                                  .n = nt ? rows : cols,
                                  .k = nt ? cols : rows,
                                  .ld = cols,
                                  .src_dtype = p->dtype,
                                  .dtype = dtype,
                                  .src = (const char *)p->value +
                                         (size_t)(which * rows * cols) * ts_dtype_size(p->dtype),
                                  .dst = to };
    const double count = (double)rows * (double)cols;
    const ts_cost cost = { 0, count * (double)(ts_dtype_size(p->dtype) + ts_dtype_size(dtype)),
                           dtype };
    if (dtype == TS_DTYPE_I8)
        ts_launch_gemm_i8_pack(p->set->dev, &a, 0, cost);
    else
        ts_launch_gemm_pack(p->set->dev, &a, 0, cost);
}

/* bytes: of one matrix. */
static ts_status packed_form(ts_param *p, ts_gemm_form form, ts_dtype dtype, size_t bytes,
                             ts_form *out)
{
    const size_t stride = ts_device_round(bytes);
    ts_form_slot *slot;
    bool there;
    TS_TRY(form_slot(p, form == TS_GEMM_NT, p->matrices > 1 ? stride * (size_t)p->matrices : bytes, &slot,
                     &there));
    slot->packed_as = dtype;
    *out = (ts_form){ .data = slot->storage->data, .packed = true, .stride = stride };
    for (int64_t i = 0; !there && i < p->matrices; i++)
        pack_matrix(p, form, dtype, i, (char *)slot->storage->data + (size_t)i * stride);
    return TS_OK;
}

static size_t matrix_bytes(const ts_param *p, ts_dtype dtype)
{
    return (size_t)(ts_param_count(p) / p->matrices) * ts_dtype_size(dtype);
}

/* A row-major copy in the compute type, for both directions. */
static ts_status plain_form(ts_param *p, ts_dtype dtype, ts_form *out)
{
    const double count = (double)ts_param_count(p);
    ts_form_slot *slot;
    bool there;
    TS_TRY(form_slot(p, true, (size_t)ts_param_count(p) * ts_dtype_size(dtype), &slot, &there));
    slot->packed_as = TS_DTYPE_F32;
    *out = (ts_form){ .data = slot->storage->data, .ld = p->dim[1], .stride = matrix_bytes(p, dtype) };
    if (there)
        return TS_OK;
    const ts_elementwise_args a = {
        .x_dtype = p->dtype, .y_dtype = dtype, .x = p->value, .y = slot->storage->data
    };
    ts_launch_copy(
        p->set->dev, &a, ts_param_count(p),
        (ts_cost){ 0, count * (double)(ts_dtype_size(p->dtype) + ts_dtype_size(dtype)), dtype });
    return TS_OK;
}

static ts_status quant_form(ts_param *p, ts_form *out)
{
    if (!p->sealed) {
        const ts_quantize_args a = { .quant = p->quant,
                                     .n = p->dim[0],
                                     .k = p->dim[1],
                                     .ld = p->dim[1],
                                     .src_dtype = p->dtype,
                                     .src = p->value };
        ts_quantize_args q = a;
        const size_t bytes = ts_quant_bytes(p->quant, a.n, a.k);
        TS_TRY(slot_storage(p->set->dev, &p->nt, bytes));
        q.dst = p->nt.storage->data;
        ts_launch_quantize(p->set->dev, &q, 0, (ts_cost){ 0, (double)bytes, p->dtype });
    }
    *out = (ts_form){ .data = p->nt.storage->data, .quant = p->quant };
    return TS_OK;
}

void ts_param_rows(const ts_param *p, const int32_t *ids, int64_t first, int64_t rows,
                   ts_dtype dtype, void *y)
{
    TS_ASSERT(p->sealed, "%s has rows of its own", p->name);
    const ts_gemm_rows_args a = { .quant = p->quant,
                                  .n = p->dim[0],
                                  .k = p->dim[1],
                                  .rows = rows,
                                  .b = p->nt.storage->data,
                                  .ids = ids,
                                  .first = first,
                                  .y_dtype = dtype,
                                  .y = y };
    ts_launch_gemm_rows(p->set->dev, &a, rows, (ts_cost){ 0, 4 * (double)(rows * a.k), dtype });
}

/* Whether a product in dtype takes the values as they are. A copy that many products read pays; one for a single
 * product does not. */
static bool reads_values(const ts_param *p, ts_dtype dtype)
{
    return p->set->dev->rounds_b && p->set->shares && p->dtype == TS_DTYPE_F32 && dtype == TS_DTYPE_BF16;
}

ts_status ts_param_form(ts_param *p, ts_gemm_form form, ts_dtype dtype, ts_form *out)
{
    ts_device *dev = p->set->dev;
    TS_TRY(ts_param_need(p));
    if (p->held == TS_HELD_NF4) {
        *out = (ts_form){ .nf4 = &p->nf4 };
        return TS_OK;
    }
    if (p->quant)
        return quant_form(p, out);
    const bool nt = form == TS_GEMM_NT;
    const int64_t rows = p->dim[0] / p->matrices;
    const size_t bytes = dev->gemm_packed_bytes(dev, form, dtype, nt ? rows : p->dim[1],
                                                nt ? p->dim[1] : rows);
    if (p->sealed) {
        TS_ASSERT(nt && dtype == p->dtype, "%s exists in one form", p->name);
        *out = (ts_form){ .data = p->nt.storage->data, .packed = true, .stride = ts_device_round(bytes) };
        return TS_OK;
    }
    /* What never changes is packed on the way, which takes one part in the product's rows and no memory. */
    if (bytes && !(p->held == TS_HELD_FROZEN && p->dtype == dtype))
        return packed_form(p, form, dtype, bytes, out);
    if (reads_values(p, dtype)) {
        *out = (ts_form){ .data = p->value, .ld = p->dim[1], .wide = true, .stride = matrix_bytes(p, p->dtype) };
        return TS_OK;
    }
    if (p->dtype != dtype)
        return plain_form(p, dtype, out);
    *out = (ts_form){ .data = p->value, .ld = p->dim[1], .stride = matrix_bytes(p, dtype) };
    return TS_OK;
}
