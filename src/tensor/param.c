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
        ts_free(&s->p[i]);
    }
    ts_free(&s->p);
    ts_storage_release(&s->values);
    ts_storage_release(&s->grads);
    *s = (ts_param_set){ 0 };
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
    s->total += (ts_param_count(p) + ALIGN_ELEMENTS - 1) / ALIGN_ELEMENTS * ALIGN_ELEMENTS;
    s->p[s->n++] = p;
    *out = p;
    return TS_OK;
}

ts_param *ts_param_find(const ts_param_set *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->p[i]->name, name))
            return s->p[i];
    return NULL;
}

ts_status ts_param_set_allocate(ts_param_set *s, ts_dtype dtype)
{
    size_t bytes = 0;
    for (size_t i = 0; i < s->n; i++) {
        s->p[i]->dtype = s->p[i]->rank > 1 ? dtype : TS_DTYPE_F32;
        bytes += ts_device_round((size_t)ts_param_count(s->p[i]) * ts_dtype_size(s->p[i]->dtype));
        if (dtype == TS_DTYPE_F32)
            bytes = (size_t)(s->p[i]->offset + (ts_param_count(s->p[i]) + ALIGN_ELEMENTS - 1) /
                             ALIGN_ELEMENTS * ALIGN_ELEMENTS) * sizeof(float);
    }
    TS_TRY(ts_storage_create(s->dev, TS_MEM_WEIGHT, bytes, &s->values));
    size_t at = 0;
    for (size_t i = 0; i < s->n; i++) {
        ts_param *p = s->p[i];
        p->value = (char *)s->values->data +
                   (dtype == TS_DTYPE_F32 ? (size_t)p->offset * sizeof(float) : at);
        at += ts_device_round((size_t)ts_param_count(p) * ts_dtype_size(p->dtype));
    }
    return TS_OK;
}

ts_status ts_param_set_allocate_grads(ts_param_set *s)
{
    TS_TRY(ts_storage_create(s->dev, TS_MEM_GRAD, (size_t)s->total * sizeof(float), &s->grads));
    s->dev->zero(s->dev, s->grads->data, s->grads->bytes);
    for (size_t i = 0; i < s->n; i++)
        s->p[i]->grad = (float *)s->grads->data + s->p[i]->offset;
    return TS_OK;
}

void ts_param_set_changed(ts_param_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->p[i]->version++;
}

static ts_status slot_storage(ts_param_set *s, ts_form_slot *slot, size_t bytes)
{
    if (slot->storage)
        return TS_OK;
    return ts_storage_create(s->dev, TS_MEM_WEIGHT, bytes, &slot->storage);
}

static ts_status packed_form(ts_param_set *s, ts_param *p, ts_gemm_form form, ts_dtype dtype,
                             size_t bytes, ts_form *out)
{
    ts_form_slot *slot = form == TS_GEMM_NT ? &p->nt : &p->nn;
    TS_TRY(slot_storage(s, slot, bytes));
    if (slot->version != p->version) {
        const bool nt = form == TS_GEMM_NT;
        const ts_gemm_pack_args a = { .form = form, .n = nt ? p->dim[0] : p->dim[1],
                                      .k = nt ? p->dim[1] : p->dim[0], .ld = p->dim[1],
                                      .src_dtype = p->dtype, .dtype = dtype, .src = p->value,
                                      .dst = slot->storage->data };
        const double count = (double)ts_param_count(p);
        ts_launch_gemm_pack(
            s->dev, &a, 0,
            (ts_cost){ 0, count * (double)(ts_dtype_size(p->dtype) + ts_dtype_size(dtype)),
                       dtype });
        slot->version = p->version;
    }
    *out = (ts_form){ slot->storage->data, 0, true };
    return TS_OK;
}

/* A row-major copy in the compute type, shared by both forms. */
static ts_status plain_form(ts_param_set *s, ts_param *p, ts_dtype dtype, ts_form *out)
{
    const double count = (double)ts_param_count(p);
    TS_TRY(slot_storage(s, &p->nt, (size_t)ts_param_count(p) * ts_dtype_size(dtype)));
    if (p->nt.version != p->version) {
        const ts_elementwise_args a = { .x_dtype = p->dtype, .y_dtype = dtype, .x = p->value,
                                        .y = p->nt.storage->data };
        ts_launch_copy(s->dev, &a, ts_param_count(p),
                       (ts_cost){ 0,
                                  count * (double)(ts_dtype_size(p->dtype) + ts_dtype_size(dtype)),
                                  dtype });
        p->nt.version = p->version;
    }
    *out = (ts_form){ p->nt.storage->data, p->dim[1], false };
    return TS_OK;
}

ts_status ts_param_form(ts_param_set *s, ts_param *p, ts_gemm_form form, ts_dtype dtype,
                        ts_form *out)
{
    const bool nt = form == TS_GEMM_NT;
    const size_t bytes = s->dev->gemm_packed_bytes(s->dev, form, dtype, nt ? p->dim[0] : p->dim[1],
                                                   nt ? p->dim[1] : p->dim[0]);
    if (bytes)
        return packed_form(s, p, form, dtype, bytes, out);
    if (p->dtype != dtype)
        return plain_form(s, p, dtype, out);
    *out = (ts_form){ p->value, p->dim[1], false };
    return TS_OK;
}
