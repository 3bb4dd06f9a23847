#include "model/weights_scaled.h"

#include "base/fp8.h"

#include <stdio.h>
#include <string.h>

static const char weight[] = ".weight";
static const char *const ends[] = { ".scale", ".weight_scale_inv" };
enum { ENDS = sizeof ends / sizeof *ends };

/* *to: the name with another end; false: it has not this one, or is too long. */
static bool with_end(const char *name, const char *end, const char *other, char to[TS_FAMILY_NAME])
{
    const size_t n = strlen(name), m = strlen(end);
    return n > m && !strcmp(name + n - m, end) &&
           snprintf(to, TS_FAMILY_NAME, "%.*s%s", (int)(n - m), name, other) < TS_FAMILY_NAME;
}

bool ts_scaled_stem(const char *tensor, char to[TS_FAMILY_NAME])
{
    for (int i = 0; i < ENDS; i++)
        if (with_end(tensor, ends[i], weight, to))
            return true;
    return ts_bnb_stem(tensor, to);
}

static const ts_st_tensor *find_scales(const ts_st_dir *dir, const char *name)
{
    char scales[TS_FAMILY_NAME];
    const ts_st_tensor *t = NULL;
    for (int i = 0; !t && i < ENDS; i++)
        if (with_end(name, weight, ends[i], scales))
            t = ts_st_dir_find(dir, scales);
    return t;
}

static ts_status check_shape(const ts_st_tensor *t, int64_t rows, int64_t cols)
{
    ts_str has = { 0 };
    ts_status st = TS_OK;
    if (t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols)
        return TS_OK;
    for (int i = 0; st == TS_OK && i < t->rank; i++)
        st = ts_str_printf(&has, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: tensor %s has shape [%s], but config.json says [%lld, %lld]", t->path, t->name,
                      ts_str_text(&has), (long long)rows, (long long)cols);
    ts_str_deinit(&has);
    return st;
}

static int64_t blocks(int64_t n, int64_t side) { return (n + side - 1) / side; }

static bool fits(const ts_scaled *s)
{
    const ts_st_dtype t = s->scales->dtype;
    return t == TS_ST_F8_E8M0 || (s->codes->dtype == TS_ST_F8_E4M3 && (t == TS_ST_F32 || t == TS_ST_BF16));
}

ts_status ts_scaled_find(const ts_st_dir *dir, const ts_st_tensor *codes, const ts_name_tensor *want, ts_scaled *out)
{
    ts_scaled s = { .codes = codes, .scales = find_scales(dir, codes->name) };
    const char *type = ts_st_dtype_name(codes->dtype);
    const bool is_four = codes->dtype == TS_ST_I8;
    const int64_t rows = want->dim[0], cols = want->dim[1];
    if (ts_bnb_is(dir, codes) && want->rank == 2 && !want->is_line && !want->is_choice) {
        TS_TRY(ts_bnb_find(dir, codes, rows, cols, &s.bnb));
        *out = s;
        return TS_OK;
    }
    if (!s.scales)
        return ts_error(TS_ERR_USER, "%s: tensor %s is %s, but nothing in the .safetensors files is called as its scales "
                        "would be, with %s or %s in the place of %s", codes->path, codes->name, type, ends[0], ends[1], weight);
    if (want->rank != 2 || want->is_line || want->is_choice || (is_four && cols % TS_SCALED_RUN))
        return ts_error(TS_ERR_USER, "%s: tensor %s is %s with scales, which are read of matrices alone%s", codes->path,
                        codes->name, type, is_four ? ", of rows whose length is a multiple of 32" : "");
    TS_TRY(check_shape(codes, rows, is_four ? cols / 2 : cols));
    TS_TRY(is_four ? check_shape(s.scales, rows, cols / TS_SCALED_RUN)
                   : check_shape(s.scales, blocks(rows, TS_SCALED_SIDE), blocks(cols, TS_SCALED_SIDE)));
    if (!fits(&s))
        return ts_error(TS_ERR_USER, "%s: tensor %s is of type %s, expected F8_E8M0%s: scales of %s", s.scales->path,
                        s.scales->name, ts_st_dtype_name(s.scales->dtype), is_four ? "" : ", F32 or BF16", codes->name);
    *out = s;
    return TS_OK;
}

static float scale_at(const ts_st_tensor *t, int64_t i)
{
    const int size = ts_st_dtype_bits(t->dtype) / 8;
    const unsigned char *at = (const unsigned char *)t->data + i * size;
    float x;
    if (!ts_st_to_f32(t->dtype, at, 1, &x))
        x = ts_fp8_to_f32(TS_FP8_E8M0, *at);
    return x;
}

float *ts_scaled_four(const unsigned char *code, int64_t n, float by, float *to)
{
    const float *value = ts_fp8_values[TS_FP4_E2M1];
    for (int64_t i = 0; i < n; i++, to += 2) {
        to[0] = value[code[i] & 15] * by;
        to[1] = value[code[i] >> 4] * by;
    }
    return to;
}

static float *put_eight(const unsigned char *code, int64_t n, float by, float *to)
{
    const float *value = ts_fp8_values[TS_FP8_E4M3];
    for (int64_t i = 0; i < n; i++)
        to[i] = value[code[i]] * by;
    return to + n;
}

void ts_scaled_row(const ts_scaled *s, int64_t row, float *to)
{
    if (s->bnb.codes) {
        ts_bnb_row(&s->bnb, row, to);
        return;
    }
    const bool is_four = s->codes->dtype == TS_ST_I8;
    const int64_t width = s->codes->shape[1], run = is_four ? TS_SCALED_RUN / 2 : TS_SCALED_SIDE,
                  first = (is_four ? row : row / TS_SCALED_SIDE) * s->scales->shape[1];
    const unsigned char *code = (const unsigned char *)s->codes->data + row * width;
    for (int64_t at = 0; at < width; at += run) {
        const float by = scale_at(s->scales, first + at / run);
        const int64_t n = at + run < width ? run : width - at;
        to = is_four ? ts_scaled_four(code + at, n, by, to) : put_eight(code + at, n, by, to);
    }
}
