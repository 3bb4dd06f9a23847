#include "model/weights_bnb.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char most_end[] = ".absmax", levels_end[] = ".quant_map", nested_end[] = ".nested_absmax",
                  nested_levels_end[] = ".nested_quant_map", nf4_end[] = ".quant_state.bitsandbytes__nf4",
                  fp4_end[] = ".quant_state.bitsandbytes__fp4", weight[] = "weight", rows_end[] = "SCB",
                  format_end[] = "weight_format";

/* The name without its end; false: it has another end, or is too long. */
static bool without(const char *name, const char *end, const char *other, char to[TS_FAMILY_NAME])
{
    const size_t n = strlen(name), m = strlen(end);
    return n > m && !strcmp(name + n - m, end) &&
           snprintf(to, TS_FAMILY_NAME, "%.*s%s", (int)(n - m), name, other) < TS_FAMILY_NAME;
}

static const ts_st_tensor *behind(const ts_st_dir *dir, const char *name, const char *end)
{
    char full[TS_FAMILY_NAME + sizeof nf4_end];
    snprintf(full, sizeof full, "%s%s", name, end);
    return ts_st_dir_find(dir, full);
}

/* Beside X.weight: X. and another word. */
static const ts_st_tensor *beside(const ts_st_dir *dir, const char *name, const char *end)
{
    char full[TS_FAMILY_NAME];
    return without(name, weight, end, full) ? ts_st_dir_find(dir, full) : NULL;
}

static bool in_four(const ts_st_dir *dir, const ts_st_tensor *t)
{
    return behind(dir, t->name, levels_end) || behind(dir, t->name, nf4_end) || behind(dir, t->name, fp4_end);
}

bool ts_bnb_is(const ts_st_dir *dir, const ts_st_tensor *t)
{
    return (t->dtype == TS_ST_I8 && beside(dir, t->name, rows_end)) || in_four(dir, t);
}

bool ts_bnb_stem(const char *tensor, char to[TS_FAMILY_NAME])
{
    static const char *const ends[] = { nested_end, nested_levels_end, most_end, levels_end, nf4_end, fp4_end };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (without(tensor, ends[i], "", to))
            return true;
    return without(tensor, rows_end, weight, to) || without(tensor, format_end, weight, to);
}

/* ---- what is found ---- */

static ts_status part(const ts_st_dir *dir, const ts_st_tensor *codes, const char *end, const ts_st_tensor **out)
{
    *out = behind(dir, codes->name, end);
    return *out ? TS_OK
                : ts_error(TS_ERR_USER, "%s: tensor %s is in 4 bits as bitsandbytes has it, but %s%s is in none of the "
                           ".safetensors files", codes->path, codes->name, codes->name, end);
}

static ts_status check_part(const ts_st_tensor *t, ts_st_dtype type, int64_t n)
{
    return t->dtype == type && t->elements == n
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: tensor %s has %lld values of type %s, expected %lld of type %s", t->path, t->name,
                          (long long)t->elements, ts_st_dtype_name(t->dtype), (long long)n, ts_st_dtype_name(type));
}

/* A table of levels. */
static ts_status read_levels(const ts_st_dir *dir, const ts_st_tensor *codes, const char *end, int64_t n, float *to)
{
    const ts_st_tensor *t;
    TS_TRY(part(dir, codes, end, &t));
    TS_TRY(check_part(t, TS_ST_F32, n));
    return ts_st_read_f32(t, 0, n, to);
}

static ts_status check_dtype(const char *file, const char *name, ts_dtype *out)
{
    static const struct {
        const char *name;
        ts_dtype type;
    } types[] = { { "float32", TS_DTYPE_F32 }, { "bfloat16", TS_DTYPE_BF16 }, { "float16", TS_DTYPE_F16 } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(name, types[i].name)) {
            *out = types[i].type;
            return TS_OK;
        }
    return ts_error(TS_ERR_USER, "%s: dtype is \"%.40s\", expected float32, bfloat16 or float16", file, name);
}

/* The JSON in a tensor's bytes. */
static ts_status read_fields(const json_t *o, const char *file, const ts_st_tensor *codes, ts_bnb *b)
{
    const json_t *shape = json_object_get(o, "shape");
    const char *type = NULL;
    double offset = 0;
    TS_TRY(ts_json_int(o, file, "blocksize", TS_NF4_BLOCK, 2, INT32_MAX, &b->block));
    TS_TRY(ts_json_int(o, file, "nested_blocksize", TS_NF4_NESTED, 1, INT32_MAX, &b->nested_block));
    TS_TRY(ts_json_text(o, file, "dtype", "float32", &type));
    TS_TRY(check_dtype(file, type, &b->type));
    TS_TRY(ts_json_real(o, file, "nested_offset", 0, &offset));
    b->offset = (float)offset;
    const bool fits = json_array_size(shape) == 2 && json_integer_value(json_array_get(shape, 0)) == b->rows &&
                      json_integer_value(json_array_get(shape, 1)) == b->cols;
    char *found = fits ? NULL : json_dumps(shape, JSON_ENCODE_ANY);
    const ts_status st = fits ? TS_OK
                              : ts_error(TS_ERR_USER, "%s: tensor %s has shape %.80s, but config.json says [%lld, %lld]",
                                         codes->path, codes->name, found ? found : "?", (long long)b->rows, (long long)b->cols);
    free(found);
    return st;
}

/* *file: what the JSON is called in messages. */
static ts_status open_state(const ts_st_dir *dir, const ts_st_tensor *codes, char file[2 * TS_FAMILY_NAME], json_t **out)
{
    const ts_st_tensor *t = behind(dir, codes->name, fp4_end);
    if (!t)
        TS_TRY(part(dir, codes, nf4_end, &t));
    snprintf(file, 2 * TS_FAMILY_NAME, "%s: tensor %s", t->path, t->name);
    if (t->dtype != TS_ST_U8)
        return ts_error(TS_ERR_USER, "%s is of type %s, expected U8", file, ts_st_dtype_name(t->dtype));
    return ts_json_parse(t->data, t->size, file, out);
}

static ts_status read_state(const ts_st_dir *dir, ts_bnb *b)
{
    char file[2 * TS_FAMILY_NAME];
    json_t *o;
    TS_TRY(open_state(dir, b->codes, file, &o));
    const ts_status st = read_fields(o, file, b->codes, b);
    json_decref(o);
    return st;
}

ts_status ts_bnb_shape(const ts_st_dir *dir, const ts_st_tensor *t, int64_t *rows, int64_t *cols)
{
    char file[2 * TS_FAMILY_NAME];
    json_t *o;
    if (!in_four(dir, t)) {
        *rows = t->rank == 2 ? t->shape[0] : 0, *cols = t->rank == 2 ? t->shape[1] : 0;
        return TS_OK;
    }
    TS_TRY(open_state(dir, t, file, &o));
    const json_t *shape = json_object_get(o, "shape");
    const int64_t r = json_integer_value(json_array_get(shape, 0)), c = json_integer_value(json_array_get(shape, 1));
    const bool fits = json_array_size(shape) == 2 && r > 0 && c > 0 && r < INT32_MAX && c < INT32_MAX;
    json_decref(o);
    if (!fits)
        return ts_error(TS_ERR_USER, "%s: shape must be two numbers", file);
    *rows = r, *cols = c;
    return TS_OK;
}

static int64_t blocks_of(int64_t n, int64_t block) { return (n + block - 1) / block; }

static ts_status find_four(const ts_st_dir *dir, ts_bnb *b)
{
    const ts_st_tensor *codes = b->codes;
    const int64_t n = b->rows * b->cols;
    TS_TRY(read_state(dir, b));
    const int64_t blocks = blocks_of(n, b->block);
    if (codes->size < (size_t)(n + 1) / 2 || codes->size > (size_t)(n + 1) / 2 + 7)
        return ts_error(TS_ERR_USER, "%s: tensor %s has %zu bytes, expected %lld: two values of [%lld, %lld] in each",
                        codes->path, codes->name, codes->size, (long long)((n + 1) / 2), (long long)b->rows, (long long)b->cols);
    TS_TRY(read_levels(dir, codes, levels_end, TS_NF4_LEVELS, b->level));
    TS_TRY(part(dir, codes, most_end, &b->most));
    if (b->most->dtype != TS_ST_U8)
        return check_part(b->most, TS_ST_F32, blocks);
    TS_TRY(check_part(b->most, TS_ST_U8, blocks));
    TS_TRY(part(dir, codes, nested_end, &b->nested));
    TS_TRY(check_part(b->nested, TS_ST_F32, blocks_of(blocks, b->nested_block)));
    TS_TRY(read_levels(dir, codes, nested_levels_end, TS_NF4_NESTED_LEVELS, b->nested_level));
    b->is_nf4 = b->block == TS_NF4_BLOCK && b->nested_block == TS_NF4_NESTED &&
                !memcmp(b->level, ts_nf4_levels, sizeof b->level) &&
                !memcmp(b->nested_level, ts_nf4_nested_levels, sizeof b->nested_level);
    return TS_OK;
}

static ts_status find_eight(const ts_st_dir *dir, ts_bnb *b)
{
    const ts_st_tensor *t = b->codes, *format = beside(dir, t->name, format_end);
    if (t->rank != 2 || t->shape[0] != b->rows || t->shape[1] != b->cols)
        return ts_error(TS_ERR_USER, "%s: tensor %s has %lld values, but config.json says [%lld, %lld]", t->path, t->name,
                        (long long)t->elements, (long long)b->rows, (long long)b->cols);
    if (format && (format->dtype != TS_ST_U8 || format->size != 1 || *(const uint8_t *)format->data))
        return ts_error(TS_ERR_USER, "%s: tensor %s must be 0: rows one after another", format->path, format->name);
    b->most = beside(dir, t->name, rows_end);
    return check_part(b->most, TS_ST_F32, b->rows);
}

ts_status ts_bnb_find(const ts_st_dir *dir, const ts_st_tensor *t, int64_t rows, int64_t cols, ts_bnb *out)
{
    ts_bnb b = { .codes = t, .rows = rows, .cols = cols };
    TS_TRY(in_four(dir, t) ? find_four(dir, &b) : find_eight(dir, &b));
    *out = b;
    return TS_OK;
}

/* ---- values ---- */

static float number(const ts_st_tensor *t, int64_t i)
{
    float v;
    memcpy(&v, (const char *)t->data + (size_t)i * sizeof v, sizeof v);
    return v;
}

void ts_bnb_codes(const ts_bnb *b, int64_t first, int64_t n, uint8_t *to)
{
    const uint8_t *from = b->codes->data;
    for (int64_t i = first; i < first + n; i++)
        *to++ = i % 2 ? from[i / 2] & 15 : from[i / 2] >> 4;
}

static float most_of(const ts_bnb *b, int64_t block)
{
    if (!b->nested)
        return number(b->most, block);
    return ts_nf4_most_of(b->nested_level[((const uint8_t *)b->most->data)[block]], number(b->nested, block / b->nested_block),
                          b->offset);
}

static void row_of_eight(const ts_bnb *b, int64_t row, float *to)
{
    const int8_t *code = (const int8_t *)b->codes->data + row * b->cols;
    const float most = number(b->most, row);
    for (int64_t i = 0; i < b->cols; i++) {
        const float product = (float)code[i] * most;
        to[i] = product * (1 / 127.0f);
    }
}

void ts_bnb_row(const ts_bnb *b, int64_t row, float *to)
{
    const uint8_t *from = b->codes->data;
    const int64_t begin = row * b->cols, end = begin + b->cols;
    if (!b->block) {
        row_of_eight(b, row, to);
        return;
    }
    for (int64_t at = begin; at < end;) {
        const int64_t block = at / b->block, stop = (block + 1) * b->block < end ? (block + 1) * b->block : end;
        float value[TS_NF4_LEVELS];
        ts_nf4_values(b->level, most_of(b, block), b->type, value);
        for (; at < stop; at++)
            *to++ = value[at % 2 ? from[at / 2] & 15 : from[at / 2] >> 4];
    }
}

/* ---- NF4 made of values ---- */

ts_status ts_nf4_type(const ts_st_tensor *t, ts_dtype *out)
{
    switch (t->dtype) {
    case TS_ST_F32: *out = TS_DTYPE_F32; return TS_OK;
    case TS_ST_BF16: *out = TS_DTYPE_BF16; return TS_OK;
    case TS_ST_F16: *out = TS_DTYPE_F16; return TS_OK;
    default:
        return ts_error(TS_ERR_USER, "%s: tensor %s is %s, and NF4 is made of F32, BF16 or F16", t->path, t->name,
                        ts_st_dtype_name(t->dtype));
    }
}

enum { PIECE = 1 << 18 }; /* values read at a time, whole blocks */

static ts_status find_most(const ts_st_tensor *t, ts_nf4_scales *s, float *values)
{
    for (int64_t at = 0; at < t->elements; at += PIECE) {
        const int64_t end = at + PIECE < t->elements ? at + PIECE : t->elements;
        TS_TRY(ts_st_read_f32(t, at, end - at, values));
        for (int64_t i = at; i < end; i += TS_NF4_BLOCK) {
            const int64_t n = end - i < TS_NF4_BLOCK ? end - i : TS_NF4_BLOCK;
            const float most = ts_nf4_most(values + (i - at), n);
            if (isnan(most))
                return ts_error(TS_ERR_USER, "%s: tensor %s has a value that is not finite among elements %lld to %lld, which "
                                "NF4 has no code for", t->path, t->name, (long long)i, (long long)(i + n - 1));
            s->most[i / TS_NF4_BLOCK] = most;
        }
    }
    return TS_OK;
}

ts_status ts_nf4_scales_make(const ts_st_tensor *t, ts_nf4_scales *out)
{
    ts_nf4_scales s = { .blocks = blocks_of(t->elements, TS_NF4_BLOCK) };
    float *values = NULL;
    ts_status st = ts_alloc(&values, PIECE, sizeof *values);
    if (st == TS_OK)
        st = ts_alloc(&s.most, (size_t)s.blocks, sizeof *s.most);
    if (st == TS_OK)
        st = ts_alloc(&s.code, (size_t)s.blocks, sizeof *s.code);
    if (st == TS_OK)
        st = ts_alloc(&s.nested, (size_t)blocks_of(s.blocks, TS_NF4_NESTED), sizeof *s.nested);
    if (st == TS_OK)
        st = find_most(t, &s, values);
    ts_free(&values);
    if (st == TS_OK) {
        s.offset = ts_nf4_nest(s.most, s.blocks, s.code, s.nested);
        *out = s;
    } else {
        ts_nf4_scales_deinit(&s);
    }
    return st;
}

void ts_nf4_scales_deinit(ts_nf4_scales *s)
{
    ts_free(&s->most);
    ts_free(&s->code);
    ts_free(&s->nested);
}

ts_status ts_nf4_codes(const ts_st_tensor *t, const ts_nf4_scales *s, int64_t first, int64_t n, float *values, uint8_t *to)
{
    TS_TRY(ts_st_read_f32(t, first, n, values));
    for (int64_t at = 0; at < n; at += TS_NF4_BLOCK)
        ts_nf4_encode(values + at, n - at < TS_NF4_BLOCK ? n - at : TS_NF4_BLOCK, s->most[(first + at) / TS_NF4_BLOCK], to + at);
    return TS_OK;
}
