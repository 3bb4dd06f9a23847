#include "tensor/param.h"

#include <stdio.h>
#include <string.h>

enum { ALIGN_ELEMENTS = 64 };

void ts_param_set_init(ts_param_set *s, ts_device *dev) { *s = (ts_param_set){ .dev = dev }; }

void ts_param_set_deinit(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        ts_storage_release(&s->p[i]->nt.storage);
        ts_storage_release(&s->p[i]->nn.storage);
        ts_storage_release(&s->p[i]->own);
        ts_free(&s->p[i]);
    }
    ts_free(&s->p);
    ts_storage_release(&s->nt.storage);
    ts_storage_release(&s->nn.storage);
    ts_storage_release(&s->values);
    ts_storage_release(&s->grads);
    *s = (ts_param_set){ 0 };
}

/* Elements that it takes in a flat array. */
static int64_t room(const ts_param *p)
{
    return (ts_param_count(p) + ALIGN_ELEMENTS - 1) / ALIGN_ELEMENTS * ALIGN_ELEMENTS;
}

ts_status ts_param_add(ts_param_set *s, const char *name, int64_t dim0, int64_t dim1, bool decays,
                       ts_param **out)
{
    ts_param *p;
    TS_ASSERT(!ts_param_find(s, name), "two parameters are called %s", name);
    TS_TRY(ts_grow(&s->p, &s->cap, s->n + 1, sizeof *s->p));
    TS_TRY(ts_alloc(&p, 1, sizeof *p));
    const int rank = dim1 ? 2 : 1;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->place = ts_place_whole(rank, dim0, dim1);
    p->rank = rank;
    p->dim[0] = dim0;
    p->dim[1] = rank > 1 ? dim1 : 1;
    p->decays = decays;
    p->index = (int64_t)s->n;
    p->offset = s->total;
    p->version = 1;
    s->total += room(p);
    s->p[s->n++] = p;
    *out = p;
    return TS_OK;
}

void ts_param_set_freeze(ts_param_set *s)
{
    TS_ASSERT(!s->values, "frozen after values were allocated");
    s->total = 0;
    for (size_t i = 0; i < s->n; i++) {
        s->p[i]->offset = s->p[i]->frozen ? -1 : s->total;
        s->total += s->p[i]->frozen ? 0 : room(s->p[i]);
    }
}

ts_param *ts_param_find(const ts_param_set *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->p[i]->name, name))
            return s->p[i];
    return NULL;
}

/* In a set of this type: all in fp32 stand as in the flat arrays. */
static size_t value_bytes(const ts_param *p, ts_dtype dtype)
{
    return dtype == TS_DTYPE_F32
               ? (size_t)room(p) * sizeof(float)
               : ts_device_round((size_t)ts_param_count(p) * ts_dtype_size(p->dtype));
}

ts_status ts_param_set_allocate(ts_param_set *s, ts_dtype dtype)
{
    size_t bytes = 0, at = 0;
    for (size_t i = 0; i < s->n; i++) {
        s->p[i]->dtype = s->p[i]->rank > 1 ? dtype : TS_DTYPE_F32;
        bytes += value_bytes(s->p[i], dtype);
    }
    TS_TRY(ts_storage_create(s->dev, TS_MEM_WEIGHT, bytes, &s->values));
    for (size_t i = 0; i < s->n; i++) {
        s->p[i]->value = (char *)s->values->data + at;
        at += value_bytes(s->p[i], dtype);
    }
    return TS_OK;
}

ts_status ts_param_set_allocate_one(ts_param_set *s, ts_dtype dtype)
{
    size_t bytes = 0, at = 0;
    s->single = true;
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        p->dtype = p->rank > 1 ? dtype : TS_DTYPE_F32;
        if (p->rank == 1 || p->is_table)
            bytes += ts_device_round((size_t)ts_param_count(p) * ts_dtype_size(p->dtype));
    }
    TS_TRY(ts_storage_create(s->dev, TS_MEM_WEIGHT, bytes, &s->values));
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        if (p->rank > 1 && !p->is_table)
            continue;
        p->value = (char *)s->values->data + at;
        at += ts_device_round((size_t)ts_param_count(p) * ts_dtype_size(p->dtype));
    }
    return TS_OK;
}

/* All elements are there: the form is made, and the rows go. */
static ts_status seal(ts_param_set *s, ts_param *p)
{
    ts_form f;
    TS_TRY(ts_param_form(s, p, TS_GEMM_NT, p->dtype, &f));
    if (f.data == p->value)
        return TS_OK;
    ts_storage_release(&p->own);
    p->value = NULL;
    p->sealed = true;
    return TS_OK;
}

ts_status ts_param_put(ts_param_set *s, ts_param *p, int64_t at, int64_t n, float *v)
{
    if (!p->value) {
        TS_ASSERT(s->single && !p->sealed, "%s has its values already", p->name);
        TS_TRY(ts_storage_create(s->dev, TS_MEM_WEIGHT,
                                 (size_t)ts_param_count(p) * ts_dtype_size(p->dtype), &p->own));
        p->value = p->own->data;
    }
    if (p->dtype != TS_DTYPE_F32) /* in place: narrower, front to back */
        for (int64_t i = 0; i < n; i++)
            ts_store_f32(v, i, p->dtype, v[i]);
    const size_t size = ts_dtype_size(p->dtype);
    s->dev->to_device(s->dev, (char *)p->value + (size_t)at * size, v, (size_t)n * size);
    p->filled += n;
    return p->own && p->filled == ts_param_count(p) ? seal(s, p) : TS_OK;
}

ts_status ts_param_set_allocate_grads(ts_param_set *s)
{
    TS_TRY(ts_storage_create(s->dev, TS_MEM_GRAD, (size_t)s->total * sizeof(float), &s->grads));
    s->dev->zero(s->dev, s->grads->data, s->grads->bytes);
    for (size_t i = 0; i < s->n; i++)
        if (!s->p[i]->frozen)
            s->p[i]->grad = (float *)s->grads->data + s->p[i]->offset;
    return TS_OK;
}

static void zero_grad(const ts_param_set *s, ts_param *p)
{
    s->dev->zero(s->dev, p->grad, (size_t)ts_param_count(p) * sizeof(float));
    p->grad_empty = false;
}

void ts_param_set_clear_grads(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        p->grad_empty = p->grad && p->rank > 1;
        if (p->grad && !p->grad_empty)
            zero_grad(s, p);
    }
}

void ts_param_grad_settle(const ts_param_set *s, ts_param *p)
{
    if (p->grad_empty)
        zero_grad(s, p);
}

void ts_param_set_settle_grads(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        ts_param_grad_settle(s, s->p[i]);
}

void ts_param_set_changed(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->p[i]->version++;
}

void ts_param_set_trained(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->p[i]->version += !s->p[i]->frozen;
}

static void *kept_form(const ts_form_slot *slot, const ts_param *p)
{
    return slot->storage && slot->of == p && slot->packed_as == TS_DTYPE_BF16 ? slot->storage->data
                                                                             : NULL;
}

ts_kept_forms ts_param_kept_forms(const ts_param_set *s, const ts_param *p)
{
    if (s->shares || s->single)
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
        ts_storage_release(&s->p[i]->nt.storage);
        ts_storage_release(&s->p[i]->nn.storage);
    }
}

static ts_status slot_storage(ts_param_set *s, ts_form_slot *slot, size_t bytes)
{
    if (slot->storage && slot->storage->bytes >= bytes)
        return TS_OK;
    ts_storage_release(&slot->storage);
    slot->of = NULL;
    return ts_storage_create(s->dev, TS_MEM_WEIGHT, bytes, &slot->storage);
}

/* The place of this weight's form, and whether the form is there. */
static ts_status form_slot(ts_param_set *s, ts_param *p, bool nt, size_t bytes, ts_form_slot **out,
                           bool *there)
{
    ts_form_slot *slot = s->shares ? nt ? &s->nt : &s->nn : nt ? &p->nt : &p->nn;
    TS_TRY(slot_storage(s, slot, bytes));
    *there = slot->of == p && slot->version == p->version;
    slot->of = p;
    slot->version = p->version;
    *out = slot;
    return TS_OK;
}

static ts_status packed_form(ts_param_set *s, ts_param *p, ts_gemm_form form, ts_dtype dtype,
                             size_t bytes, ts_form *out)
{
    const bool nt = form == TS_GEMM_NT;
    ts_form_slot *slot;
    bool there;
    TS_TRY(form_slot(s, p, nt, bytes, &slot, &there));
    slot->packed_as = dtype;
    *out = (ts_form){ slot->storage->data, 0, true, TS_QUANT_NONE };
    if (there)
        return TS_OK;
    const ts_gemm_pack_args a = { .form = form, .n = nt ? p->dim[0] : p->dim[1],
                                  .k = nt ? p->dim[1] : p->dim[0], .ld = p->dim[1],
                                  .src_dtype = p->dtype, .dtype = dtype, .src = p->value,
                                  .dst = slot->storage->data };
    const double count = (double)ts_param_count(p);
    const ts_cost cost = { 0, count * (double)(ts_dtype_size(p->dtype) + ts_dtype_size(dtype)),
                           dtype };
    if (dtype == TS_DTYPE_I8)
        ts_launch_gemm_i8_pack(s->dev, &a, 0, cost);
    else
        ts_launch_gemm_pack(s->dev, &a, 0, cost);
    return TS_OK;
}

/* A row-major copy in the compute type, for both directions. */
static ts_status plain_form(ts_param_set *s, ts_param *p, ts_dtype dtype, ts_form *out)
{
    const double count = (double)ts_param_count(p);
    ts_form_slot *slot;
    bool there;
    TS_TRY(form_slot(s, p, true, (size_t)ts_param_count(p) * ts_dtype_size(dtype), &slot, &there));
    slot->packed_as = TS_DTYPE_F32;
    *out = (ts_form){ slot->storage->data, p->dim[1], false, TS_QUANT_NONE };
    if (there)
        return TS_OK;
    const ts_elementwise_args a = { .x_dtype = p->dtype, .y_dtype = dtype, .x = p->value,
                                    .y = slot->storage->data };
    ts_launch_copy(s->dev, &a, ts_param_count(p),
                   (ts_cost){ 0, count * (double)(ts_dtype_size(p->dtype) + ts_dtype_size(dtype)),
                              dtype });
    return TS_OK;
}

static ts_status quant_form(ts_param_set *s, ts_param *p, ts_form *out)
{
    if (!p->sealed) {
        const ts_quantize_args a = { .quant = p->quant, .n = p->dim[0], .k = p->dim[1],
                                     .ld = p->dim[1], .src_dtype = p->dtype, .src = p->value };
        ts_quantize_args q = a;
        const size_t bytes = ts_quant_bytes(p->quant, a.n, a.k);
        TS_TRY(slot_storage(s, &p->nt, bytes));
        q.dst = p->nt.storage->data;
        ts_launch_quantize(s->dev, &q, 0, (ts_cost){ 0, (double)bytes, p->dtype });
    }
    *out = (ts_form){ .data = p->nt.storage->data, .quant = p->quant };
    return TS_OK;
}

void ts_param_rows(ts_param_set *s, const ts_param *p, const int32_t *ids, int64_t rows,
                   ts_dtype dtype, void *y)
{
    TS_ASSERT(p->sealed, "%s has rows of its own", p->name);
    const ts_gemm_rows_args a = { .quant = p->quant, .n = p->dim[0], .k = p->dim[1],
                                  .rows = rows, .b = p->nt.storage->data, .ids = ids,
                                  .y_dtype = dtype, .y = y };
    ts_launch_gemm_rows(s->dev, &a, rows, (ts_cost){ 0, 4 * (double)(rows * a.k), dtype });
}

ts_status ts_param_form(ts_param_set *s, ts_param *p, ts_gemm_form form, ts_dtype dtype,
                        ts_form *out)
{
    if (s->single && p->quant)
        return quant_form(s, p, out);
    if (p->sealed) {
        TS_ASSERT(form == TS_GEMM_NT && dtype == p->dtype, "%s exists in one form", p->name);
        *out = (ts_form){ p->nt.storage->data, 0, true, TS_QUANT_NONE };
        return TS_OK;
    }
    const bool nt = form == TS_GEMM_NT;
    const size_t bytes = s->dev->gemm_packed_bytes(s->dev, form, dtype, nt ? p->dim[0] : p->dim[1],
                                                   nt ? p->dim[1] : p->dim[0]);
    if (bytes)
        return packed_form(s, p, form, dtype, bytes, out);
    if (p->dtype != dtype)
        return plain_form(s, p, dtype, out);
    *out = (ts_form){ p->value, p->dim[1], false, TS_QUANT_NONE };
    return TS_OK;
}
