#include "convert/scaled.h"

#include "model/weights_packed.h"
#include "model/weights_scaled.h"

#include <string.h>

bool ts_convert_is_scaled(const ts_convert_model *m)
{
    const json_t *q = json_object_get(m->config, "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    return method && (!strcmp(method, "fp8") || !strcmp(method, "mxfp4"));
}

static bool ends_in(const char *s, const char *end)
{
    return strlen(s) >= strlen(end) && !strcmp(s + strlen(s) - strlen(end), end);
}

/* Whether a tensor is called as the scales of one of codes are, and that is there. */
static bool is_of_codes(const ts_convert_model *m, const ts_st_tensor *t)
{
    char stem[TS_FAMILY_NAME];
    const ts_st_tensor *codes = ts_scaled_stem(t->name, stem) ? ts_st_dir_find(m->tensors, stem) : NULL;
    return codes && codes != t && ts_scaled_is(m->tensors, codes);
}

ts_scaled_way ts_convert_scaled_way(const ts_convert_model *m, const ts_st_tensor *t)
{
    char stem[TS_PACKED_NAME];
    if (ts_scaled_is(m->tensors, t))
        return TS_SCALED_CODES;
    if (is_of_codes(m, t))
        return TS_SCALED_SIDE_OF;
    if (t->dtype == TS_ST_U8 && ts_packed_stem(t->name, stem))
        return ends_in(t->name, "_blocks") ? TS_SCALED_STACK : TS_SCALED_SIDE_OF;
    return TS_SCALED_SAME;
}

/* ---- codes of a matrix ---- */

static ts_status find_codes(const ts_convert_model *m, const ts_st_tensor *t, ts_name_tensor *want, ts_scaled *out)
{
    *want = (ts_name_tensor){ .rank = t->rank, .dim = { t->shape[0], t->rank > 1 ? t->shape[1] : 0 } };
    if (t->dtype == TS_ST_I8) /* two to a byte */
        want->dim[1] *= 2;
    return ts_scaled_find(m->tensors, t, want, out);
}

static ts_status put_codes(const ts_convert_model *m, const ts_st_tensor *t, ts_st_dtype type, ts_st_dir_writer *w, int64_t i)
{
    ts_name_tensor want;
    ts_scaled s;
    float *row;
    TS_TRY(find_codes(m, t, &want, &s));
    const int64_t cols = want.dim[1], bytes = cols * ts_st_dtype_bits(type) / 8;
    TS_TRY(ts_alloc(&row, (size_t)(2 * cols), sizeof *row));
    ts_status st = TS_OK;
    for (int64_t r = 0; st == TS_OK && r < want.dim[0]; r++) {
        ts_scaled_row(&s, r, row);
        ts_st_from_f32(type, row, cols, row + cols);
        st = ts_st_dir_writer_put(w, i, (size_t)(r * bytes), row + cols, (size_t)bytes);
    }
    ts_free(&row);
    return st;
}

/* ---- stacks ---- */

/* Files have rows of what comes out, of each so many blocks; values are [matrices, in, out]. */
static ts_status find_stack(const ts_convert_model *m, const ts_st_tensor *t, char name[TS_PACKED_NAME], ts_name_tensor *want,
                            ts_packed *out)
{
    if (!m->source.family)
        return ts_error(TS_ERR_USER, "%s: tensor %s is in MXFP4, which is unpacked for models of a kind that is known here alone",
                        t->path, t->name);
    if (t->rank != 4 || !ts_packed_stem(t->name, name) || !ts_packed_find(m->source.family, m->tensors, name, out))
        return ts_error(TS_ERR_USER, "%s: tensor %s is no stack of blocks of MXFP4: expected four dimensions", t->path, t->name);
    *want = (ts_name_tensor){ .hf_name = name, .rank = 3, .dim = { t->shape[0], t->shape[2] * TS_PACKED_BLOCK, t->shape[1] } };
    return ts_packed_check(out, m->path, want);
}

static ts_status put_stack(const ts_convert_model *m, const ts_st_tensor *t, ts_st_dtype type, ts_st_dir_writer *w, int64_t i)
{
    char name[TS_PACKED_NAME];
    ts_name_tensor want;
    ts_packed p;
    float *row, *whole;
    TS_TRY(find_stack(m, t, name, &want, &p));
    const int64_t in = want.dim[1], out = want.dim[2], bytes = in * out * ts_st_dtype_bits(type) / 8;
    TS_TRY(ts_alloc(&row, (size_t)(in + 2 * in * out), sizeof *row));
    whole = row + in;
    ts_status st = TS_OK;
    for (int64_t k = 0; st == TS_OK && k < want.dim[0]; k++) {
        for (int64_t r = 0; r < out; r++) {
            ts_packed_row(&p, k * out + r, row);
            for (int64_t c = 0; c < in; c++)
                whole[c * out + r] = row[c];
        }
        ts_st_from_f32(type, whole, in * out, whole + in * out);
        st = ts_st_dir_writer_put(w, i, (size_t)(k * bytes), whole + in * out, (size_t)bytes);
    }
    ts_free(&row);
    return st;
}

/* ---- either ---- */

ts_status ts_convert_scaled_add(const ts_convert_model *m, const ts_st_tensor *t, ts_st_dtype type, ts_st_dir_writer *w)
{
    char name[TS_PACKED_NAME];
    ts_name_tensor want;
    ts_packed p;
    ts_scaled s;
    if (ts_convert_scaled_way(m, t) == TS_SCALED_STACK) {
        TS_TRY(find_stack(m, t, name, &want, &p));
        return ts_st_dir_writer_add(w, name, type, 3, want.dim);
    }
    TS_TRY(find_codes(m, t, &want, &s));
    return ts_st_dir_writer_add(w, t->name, type, 2, want.dim);
}

ts_status ts_convert_scaled_put(const ts_convert_model *m, const ts_st_tensor *t, ts_st_dtype type, ts_st_dir_writer *w, int64_t i)
{
    return ts_convert_scaled_way(m, t) == TS_SCALED_STACK ? put_stack(m, t, type, w, i) : put_codes(m, t, type, w, i);
}
