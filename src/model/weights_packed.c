#include "model/weights_packed.h"

#include "base/fp8.h"
#include "model/weights_scaled.h"

#include <stdio.h>
#include <string.h>

enum { BYTES = TS_PACKED_BLOCK / 2 };
static const char blocks_end[] = "_blocks", scales_end[] = "_scales";
_Static_assert(sizeof blocks_end == sizeof scales_end, "one length cuts off both");

static const ts_st_tensor *find(const ts_st_dir *dir, const char *name, const char *end)
{
    char full[TS_FAMILY_NAME + sizeof blocks_end];
    snprintf(full, sizeof full, "%s%s", name, end);
    return ts_st_dir_find(dir, full);
}

bool ts_packed_find(const ts_family *f, const ts_st_dir *dir, const char *name, ts_packed *out)
{
    char alias[TS_FAMILY_NAME];
    *out = (ts_packed){ find(dir, name, blocks_end), find(dir, name, scales_end) };
    for (int i = 0; !out->blocks && !out->scales && ts_family_alias(f, name, i, alias); i++)
        *out = (ts_packed){ find(dir, alias, blocks_end), find(dir, alias, scales_end) };
    return out->blocks || out->scales;
}

bool ts_packed_stem(const char *tensor, char to[TS_PACKED_NAME])
{
    const size_t n = strlen(tensor), end = sizeof blocks_end - 1;
    if (n <= end || n >= TS_PACKED_NAME || (strcmp(tensor + n - end, blocks_end) && strcmp(tensor + n - end, scales_end)))
        return false;
    snprintf(to, TS_PACKED_NAME, "%.*s", (int)(n - end), tensor);
    return true;
}

static void shape_text(const int64_t *dim, int rank, char *to, size_t size)
{
    *to = 0;
    for (int i = 0; i < rank; i++) {
        const size_t n = strlen(to);
        snprintf(to + n, size - n, "%s%lld", i ? ", " : "", (long long)dim[i]);
    }
}

static ts_status check_one(const ts_st_tensor *t, const int64_t *dim, int rank)
{
    char has[256], wants[256];
    bool same = t->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = t->shape[i] == dim[i];
    shape_text(t->shape, t->rank, has, sizeof has);
    shape_text(dim, rank, wants, sizeof wants);
    if (!same)
        return ts_error(TS_ERR_USER, "%s: tensor %s has shape [%s], but config.json says [%s]", t->path, t->name, has,
                        wants);
    if (t->dtype != TS_ST_U8)
        return ts_error(TS_ERR_USER, "%s: tensor %s is of type %s, expected U8: values and scales in MXFP4", t->path,
                        t->name, ts_st_dtype_name(t->dtype));
    return TS_OK;
}

ts_status ts_packed_check(const ts_packed *p, const char *folder, const ts_name_tensor *want)
{
    const ts_st_tensor *one = p->blocks ? p->blocks : p->scales;
    const int64_t in = want->rank == 3 ? want->dim[1] : 0;
    const int64_t dim[] = { want->dim[0], want->dim[2], in / TS_PACKED_BLOCK, BYTES };
    if (!p->blocks || !p->scales)
        return ts_error(TS_ERR_USER, "%s: tensor %s%s is in none of the .safetensors files, but %s is there: weights in "
                        "MXFP4 are both", folder, want->hf_name, p->blocks ? scales_end : blocks_end, one->name);
    if (want->rank != 3 || in % TS_PACKED_BLOCK)
        return ts_error(TS_ERR_USER, "%s: tensor %s: weights in MXFP4 are of experts, and of rows whose length is a "
                        "multiple of %d; config.json says %lld", one->path, one->name, TS_PACKED_BLOCK, (long long)in);
    TS_TRY(check_one(p->blocks, dim, 4));
    return check_one(p->scales, dim, 3);
}

void ts_packed_row(const ts_packed *p, int64_t row, float *to)
{
    const int64_t n = p->scales->shape[2];
    const unsigned char *block = (const unsigned char *)p->blocks->data + row * n * BYTES,
                        *scale = (const unsigned char *)p->scales->data + row * n;
    for (int64_t i = 0; i < n; i++)
        to = ts_scaled_four(block + i * BYTES, BYTES, ts_fp8_to_f32(TS_FP8_E8M0, scale[i]), to);
}
