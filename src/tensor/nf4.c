/* Parameters held in NF4: see param.h. */
#include "base/nf4.h"

#include "tensor/param.h"

#include <string.h>

static int64_t groups_of(const ts_param *p)
{
    return (ts_place_whole_count(&p->place) + TS_NF4_NEST - 1) / TS_NF4_NEST + TS_PARAM_BANDS;
}

/* Where the parts of one stand in its storage, of one kind after another. */
typedef struct parts {
    size_t code, most, at, nest, bytes;
} parts;

static parts parts_of(const ts_param *p)
{
    const size_t rows = (size_t)p->dim[0];
    parts x = { 0 };
    x.most = x.code + ts_device_round(rows * (size_t)((p->dim[1] + 1) / 2));
    x.at = x.most + ts_device_round(rows * (size_t)ts_nf4_row_blocks(p->dim[1]));
    x.nest = x.at + ts_device_round(rows * sizeof(int64_t));
    x.bytes = x.nest + (size_t)groups_of(p) * sizeof(ts_nf4_group);
    return x;
}

ts_status ts_param_nf4_allocate(ts_param *p)
{
    const parts x = parts_of(p);
    TS_TRY(ts_storage_create(p->set->dev, TS_MEM_WEIGHT, x.bytes, &p->own));
    const char *data = p->own->data;
    p->nf4 = (ts_nf4){ .rows = p->dim[0], .cols = p->dim[1], .blocks = ts_nf4_row_blocks(p->dim[1]), .type = p->dtype,
                       .code = (const uint8_t *)data + x.code, .most = (const uint8_t *)data + x.most,
                       .at = (const int64_t *)(const void *)(data + x.at),
                       .nest = (const ts_nf4_group *)(const void *)(data + x.nest) };
    return TS_OK;
}

static void put(const ts_param *p, size_t at, const void *data, size_t n)
{
    p->set->dev->to_device(p->set->dev, (char *)p->own->data + at, data, n);
}

ts_status ts_param_nf4_begin(ts_param *p, const ts_nf4_whole *w, int64_t *first)
{
    const int64_t blocks = (w->elements + TS_NF4_BLOCK - 1) / TS_NF4_BLOCK,
                  n = (blocks + TS_NF4_NESTED - 1) / TS_NF4_NESTED;
    if (p->nf4_groups && p->dtype != w->type)
        return ts_error(TS_ERR_USER, "%s is made of weights of type %s and of type %s, and is held in NF4 of one", p->name,
                        ts_dtype_name(p->dtype), ts_dtype_name(w->type));
    if (p->nf4_groups + n > groups_of(p))
        return ts_error(TS_ERR_USER, "%s is a small part of a matrix that is quantised as one, which is not held in NF4",
                        p->name);
    p->dtype = p->nf4.type = w->type;
    *first = p->nf4_groups * TS_NF4_NEST;
    for (int64_t i = 0; i < n; i++) {
        const ts_nf4_group g = { w->nested[i], w->offset };
        put(p, parts_of(p).nest + (size_t)(p->nf4_groups + i) * sizeof g, &g, sizeof g);
    }
    p->nf4_groups += n;
    return TS_OK;
}

void ts_param_nf4_put(ts_param *p, int64_t row, int64_t at, const uint8_t *code, const uint8_t *most)
{
    enum { PIECE = 4096 }; /* codes at a time */
    const parts x = parts_of(p);
    const int64_t n = p->dim[1], stride = (n + 1) / 2,
                  blocks = (at + n - 1) / TS_NF4_BLOCK - at / TS_NF4_BLOCK + 1;
    uint8_t pairs[PIECE / 2];
    for (int64_t c = 0; c < n; c += PIECE) {
        const int64_t end = c + PIECE < n ? c + PIECE : n;
        for (int64_t i = c; i < end; i += 2)
            pairs[(i - c) / 2] = (uint8_t)(code[i] << 4 | (i + 1 < n ? code[i + 1] : 0));
        put(p, x.code + (size_t)(row * stride + c / 2), pairs, (size_t)(end - c + 1) / 2);
    }
    put(p, x.most + (size_t)(row * p->nf4.blocks), most, (size_t)blocks);
    put(p, x.at + (size_t)row * sizeof at, &at, sizeof at);
}
