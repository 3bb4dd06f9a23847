/* Rows of a GGUF file's tensors from those of a source's. */
#include "convert/gguf.h"

#include <string.h>

/* The part that has row r, the source counting. */
static const ts_gguf_rows *part_of(const ts_gguf_plan *p, const ts_gguf_out *out, int64_t r)
{
    const ts_gguf_rows *x = &p->part[out->part];
    size_t low = 0, high = out->n_parts;
    while (high - low > 1) {
        const size_t mid = (low + high) / 2;
        *(x[mid].at <= r ? &low : &high) = mid;
    }
    return &x[low];
}

/* How many rows from r on stand one behind the other in the source: *from is the first of them, of *x. */
static int64_t run_of(const ts_gguf_plan *p, const ts_gguf_out *out, int64_t r, int64_t most, const ts_gguf_rows **x, int64_t *from)
{
    const int64_t row = ts_gguf_row_in_folder(&out->order, r);
    *x = part_of(p, out, row);
    *from = (*x)->first + row - (*x)->at;
    const int64_t left = ts_gguf_is_ordered(&out->order) || out->turned ? 1 : (*x)->at + (*x)->rows - row;
    return left < most ? left : most;
}

static bool is_plain(const ts_gguf_out *out, const ts_st_tensor *t)
{
    return !t->make && out->type->is_plain && out->type->plain == t->dtype && out->added == 0 && !out->turned;
}

static bool finite(const float *v, int64_t n)
{
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, v + i, sizeof bits);
        bad |= (bits & 0x7F800000u) == 0x7F800000u;
    }
    return !bad;
}

const void *ts_gguf_rows_as_is(const ts_gguf_plan *p, const ts_gguf_out *out, int64_t r0, int64_t r1)
{
    const ts_gguf_rows *x;
    int64_t from;
    if (run_of(p, out, r0, r1 - r0, &x, &from) < r1 - r0 || !is_plain(out, x->t))
        return NULL;
    return (const unsigned char *)x->t->data + from * out->width * out->type->bytes;
}

/* Column number `at` of a matrix of so many rows. */
static ts_status read_column(const ts_st_tensor *t, int64_t at, int64_t rows, float *to)
{
    const int64_t width = t->shape[t->rank - 1];
    for (int64_t i = 0; i < rows; i++)
        TS_TRY(ts_st_read_f32(t, i * width + at, 1, to + i));
    return TS_OK;
}

bool ts_gguf_rows_make(const ts_gguf_plan *p, const ts_gguf_out *out, int64_t r0, int64_t r1, float *values, unsigned char *to)
{
    const int64_t row_bytes = out->width / out->type->values * out->type->bytes;
    for (int64_t r = r0, n; r < r1; r += n) {
        const ts_gguf_rows *x;
        int64_t from;
        n = run_of(p, out, r, r1 - r, &x, &from);
        unsigned char *at = to + (r - r0) * row_bytes;
        if (is_plain(out, x->t)) {
            memcpy(at, (const unsigned char *)x->t->data + from * row_bytes, (size_t)(n * row_bytes));
            continue;
        }
        const ts_status st = out->turned ? read_column(x->t, from, out->width, values)
                                         : ts_st_read_f32(x->t, from * out->width, n * out->width, values);
        TS_ASSERT(st == TS_OK, "%s is no type of weights, which the plan is made of", x->t->name);
        for (int64_t i = 0; out->added != 0 && i < n * out->width; i++)
            values[i] += out->added;
        if (!out->type->is_plain && !finite(values, n * out->width))
            return false;
        ts_blocks_write(out->type, values, n * out->width, at);
    }
    return true;
}

/* Of heads whose rows are in turn, those of the same numbers. */
void ts_gguf_rows_done(const ts_gguf_plan *p, const ts_gguf_out *out, int64_t r0, int64_t r1)
{
    const ts_gguf_rows *x = part_of(p, out, r0);
    const int64_t end = x->at + x->rows;
    ts_st_tensor part = *x->t;
    if (part.make || out->turned || !p->m->tensors)
        return;
    const size_t bytes = (size_t)(out->width * ts_st_dtype_bits(part.dtype) / 8);
    part.data = (const unsigned char *)part.data + (size_t)(x->first + r0 - x->at) * bytes;
    part.size = (size_t)((r1 < end ? r1 : end) - r0) * bytes;
    ts_st_dir_is_done(p->m->tensors, &part);
}
