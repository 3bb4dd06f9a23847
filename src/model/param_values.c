#include "model/param_values.h"

#include "model/weights_packed.h"
#include "model/weights_scaled.h"

#include <stdlib.h>
#include <string.h>

enum { TILE = 32, PIECE = 4096 };

ts_status ts_param_values_init(const ts_arch *a, ts_param_values *out)
{
    *out = (ts_param_values){ 0 };
    return ts_param_list_make(a, &out->params);
}

void ts_param_values_deinit(ts_param_values *v)
{
    ts_param_list_deinit(&v->params);
    ts_free(&v->block);
    ts_free(&v->first);
    *v = (ts_param_values){ 0 };
}

static int64_t columns(const ts_listed_param *p) { return p->dim[1] ? p->dim[1] : 1; }

ts_status ts_param_values_add(ts_param_values *v, const ts_param_block *b)
{
    const ts_listed_param *p = &v->params.param[b->param];
    TS_ASSERT(b->row >= 0 && b->col >= 0 && b->row + b->rows <= p->dim[0] && b->col + b->cols <= columns(p) &&
                  b->at >= 0 && b->at + (b->rows - 1) * b->row_step + (b->cols - 1) * b->col_step < b->t->elements,
              "%s: a block of %s is outside of it", ts_names_text(v->params.names, b->param), b->t->name);
    TS_TRY(ts_grow(&v->block, &v->cap, v->n + 1, sizeof *v->block));
    v->block[v->n++] = *b;
    return TS_OK;
}

static int by_place(const void *a, const void *b)
{
    const ts_param_block *x = a, *y = b;
    if (x->param != y->param)
        return x->param < y->param ? -1 : 1;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return x->col < y->col ? -1 : x->col > y->col;
}

/* Runs of blocks that share rows, one below the other, whose columns stand one behind the other. */
static bool covers(const ts_param_block *b, size_t n, const ts_listed_param *p)
{
    int64_t row = 0, col = 0, rows = 0;
    for (size_t i = 0; i < n; i++) {
        if (b[i].row != row || b[i].col != col || (col && b[i].rows != rows))
            return false;
        rows = b[i].rows;
        col += b[i].cols;
        if (col == columns(p))
            row += rows, col = 0;
    }
    return row == p->dim[0] && !col;
}

ts_status ts_param_values_finish(ts_param_values *v, const char *from)
{
    const size_t n = ts_names_count(v->params.names);
    TS_TRY(ts_alloc(&v->first, n + 1, sizeof *v->first));
    qsort(v->block, v->n, sizeof *v->block, by_place);
    for (size_t i = 0, at = 0; i < n; i++) {
        v->first[i] = at;
        while (at < v->n && v->block[at].param == i)
            at++;
        v->first[i + 1] = at;
        if (!covers(v->block + v->first[i], at - v->first[i], &v->params.param[i]))
            return ts_error(TS_ERR_USER, "%s: %s is %s there", from, ts_names_text(v->params.names, i),
                            at > v->first[i] ? "not once and whole" : "not");
    }
    return TS_OK;
}

ts_st_dtype ts_param_values_dtype(const ts_param_values *v, size_t param)
{
    return v->first[param] < v->first[param + 1] ? v->block[v->first[param]].t->dtype : TS_ST_F32;
}

ts_st_dtype ts_param_values_dtype_of(const void *values, const char *param)
{
    const ts_param_values *v = values;
    const int64_t number = ts_names_find(v->params.names, param);
    return number < 0 ? TS_ST_F32 : ts_param_values_dtype(v, (size_t)number);
}

/* ---- copying ---- */

typedef struct run {
    const ts_st_tensor *t;
    int64_t from, step; /* elements of t */
    const ts_param_target *to;
    int64_t at, to_step; /* elements of the target */
    int64_t n;
} run;

/* Of equal types, as bytes. */
static void move(const run *r)
{
    const size_t size = (size_t)ts_st_dtype_bits(r->to->dtype) / 8;
    const char *from = (const char *)r->t->data + (size_t)r->from * size;
    char *to = r->to->to + (size_t)r->at * size;
    if (r->step == 1 && r->to_step == 1)
        memcpy(to, from, (size_t)r->n * size);
    else if (size == 2)
        for (int64_t i = 0; i < r->n; i++)
            memcpy(to + i * r->to_step * 2, from + i * r->step * 2, 2);
    else
        for (int64_t i = 0; i < r->n; i++)
            memcpy(to + (size_t)(i * r->to_step) * size, from + (size_t)(i * r->step) * size, size);
}

static ts_status convert(const run *r)
{
    const size_t size = (size_t)ts_st_dtype_bits(r->to->dtype) / 8;
    float values[PIECE];
    char bytes[PIECE * 8];
    for (int64_t i = 0; i < r->n;) {
        const int64_t n = r->n - i < PIECE ? r->n - i : PIECE;
        if (r->step == 1)
            TS_TRY(ts_st_read_f32(r->t, r->from + i, n, values));
        for (int64_t k = 0; r->step != 1 && k < n; k++)
            TS_TRY(ts_st_read_f32(r->t, r->from + (i + k) * r->step, 1, values + k));
        if (!ts_st_from_f32(r->to->dtype, values, n, bytes))
            return ts_error(TS_ERR_USER, "%s: tensor %s is of type %s, which holds no real numbers", r->t->path, r->t->name,
                            ts_st_dtype_name(r->t->dtype));
        for (int64_t k = 0; k < n; k++)
            memcpy(r->to->to + (size_t)(r->at + (i + k) * r->to_step) * size, bytes + (size_t)k * size, size);
        i += n;
    }
    return TS_OK;
}

static ts_status copy_run(const run *r)
{
    if (r->t->make || r->t->dtype != r->to->dtype)
        return convert(r);
    move(r);
    return TS_OK;
}

/* The part of a rectangle of the parameter that a block has: rows [r0, r1), columns [c0, c1). */
static ts_status copy_part(const ts_param_block *b, int64_t row, int64_t col, int64_t r0, int64_t r1, int64_t c0, int64_t c1,
                           const ts_param_target *to)
{
    const int64_t from = b->at + (r0 - b->row) * b->row_step + (c0 - b->col) * b->col_step;
    const int64_t at = (r0 - row) * to->row_step + (c0 - col) * to->col_step;
    const int64_t rows = r1 - r0, cols = c1 - c0;
    if (b->col_step == 1 && to->col_step == 1 && b->row_step == cols && to->row_step == cols)
        return copy_run(&(run){ b->t, from, 1, to, at, 1, rows * cols });
    if (b->col_step == to->col_step || rows == 1 || to->row_step != 1) {
        for (int64_t i = 0; i < rows; i++)
            TS_TRY(copy_run(&(run){ b->t, from + i * b->row_step, b->col_step, to, at + i * to->row_step, to->col_step, cols }));
        return TS_OK;
    }
    for (int64_t i = 0; i < rows; i += TILE) /* turned: what goes side by side is some rows apart */
        for (int64_t j = 0; j < cols; j++)
            TS_TRY(copy_run(&(run){ b->t, from + i * b->row_step + j * b->col_step, b->row_step, to, at + i + j * to->col_step, 1,
                                    rows - i < TILE ? rows - i : TILE }));
    return TS_OK;
}

/* The first block of a parameter that ends below a row: blocks that share rows end together. */
static size_t first_below(const ts_param_values *v, size_t param, int64_t row)
{
    size_t low = v->first[param], high = v->first[param + 1];
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (v->block[mid].row + v->block[mid].rows > row)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

ts_status ts_param_values_put(const ts_param_values *v, size_t param, int64_t row, int64_t rows, int64_t col, int64_t cols,
                              const ts_param_target *to)
{
    for (size_t i = first_below(v, param, row); i < v->first[param + 1] && v->block[i].row < row + rows; i++) {
        const ts_param_block *b = &v->block[i];
        const int64_t r0 = b->row > row ? b->row : row, r1 = b->row + b->rows < row + rows ? b->row + b->rows : row + rows;
        const int64_t c0 = b->col > col ? b->col : col, c1 = b->col + b->cols < col + cols ? b->col + b->cols : col + cols;
        if (c0 < c1)
            TS_TRY(copy_part(b, row, col, r0, r1, c0, c1, to));
    }
    return TS_OK;
}

const char *ts_param_values_run(const ts_param_values *v, size_t param, int64_t row, int64_t rows, ts_st_dtype dtype, int64_t *n)
{
    const int64_t cols = columns(&v->params.param[param]);
    const size_t i = first_below(v, param, row), size = (size_t)ts_st_dtype_bits(dtype) / 8;
    const ts_param_block *b = i < v->first[param + 1] ? &v->block[i] : NULL;
    if (!b || b->cols != cols || (cols > 1 && b->col_step != 1) || b->row_step != cols || b->t->make || b->t->dtype != dtype)
        return NULL;
    const int64_t left = b->row + b->rows - row;
    *n = left < rows ? left : rows;
    return (const char *)b->t->data + (size_t)(b->at + (row - b->row) * cols) * size;
}

ts_status ts_param_values_read(void *ctx, const char *param, int64_t at, int64_t n, float *to)
{
    const ts_param_values *v = ctx;
    const int64_t number = ts_names_find(v->params.names, param);
    TS_ASSERT(number >= 0, "no parameter is called %s", param);
    const int64_t cols = columns(&v->params.param[number]);
    while (n > 0) { /* from the middle of a row on, and whole rows */
        const int64_t row = at / cols, skip = at % cols, whole = skip || n < cols ? 1 : n / cols;
        const int64_t now = whole > 1 || (!skip && n >= cols) ? cols : n < cols - skip ? n : cols - skip;
        const ts_param_target t = { TS_ST_F32, (char *)to, now, 1 };
        TS_TRY(ts_param_values_put(v, (size_t)number, row, whole, skip, now, &t));
        at += whole * now;
        to += whole * now;
        n -= whole * now;
    }
    return TS_OK;
}

/* ---- Hugging Face folders ---- */

static ts_status add_piece(ts_param_values *v, const ts_name_tensor *x, const ts_name_piece *p, const ts_st_tensor *t)
{
    const int64_t param = ts_names_find(v->params.names, p->name);
    TS_ASSERT(param >= 0, "no parameter is called %s", p->name);
    const int64_t cols = columns(&v->params.param[param]), out = x->dim[x->rank - 1];
    ts_param_block b = { .param = (size_t)param, .row = p->row, .rows = p->rows, .cols = cols, .t = t };
    if (p->transposed)
        b.at = p->matrix * cols * out + p->hf_row, b.row_step = p->step, b.col_step = out;
    else
        b.at = p->hf_row * cols, b.row_step = p->step * cols, b.col_step = 1;
    return ts_param_values_add(v, &b);
}

static ts_status add_tensor(ts_param_values *v, const ts_family *family, const ts_arch *a, const ts_st_dir *dir, const char *folder,
                            const ts_name_map *map, const ts_name_tensor *x)
{
    const ts_st_tensor *t = ts_weights_find(family, a, dir, x->hf_name);
    ts_packed packed;
    if ((t && ts_scaled_is(dir, t)) || (!t && ts_packed_find(family, dir, x->hf_name, &packed)))
        return ts_error(TS_ERR_USER, "%s: tensor %s is quantised: convert to a Hugging Face folder of real numbers first", folder,
                        x->hf_name);
    if (!t)
        return ts_error(TS_ERR_USER, "%s: tensor %s is in none of the files", folder, x->hf_name);
    TS_TRY(ts_weights_check_shape(t, x, folder));
    for (size_t i = 0; i < x->n_pieces; i++)
        TS_TRY(add_piece(v, x, &map->piece[x->first_piece + i], t));
    return TS_OK;
}

ts_status ts_param_values_of_folder(const ts_family *family, const ts_arch *a, const ts_st_dir *dir, const char *folder,
                                    ts_param_values *out)
{
    ts_name_map map = { 0 };
    ts_param_values v = { 0 };
    ts_status st = ts_param_values_init(a, &v);
    if (st == TS_OK)
        st = ts_family_names(family, a, &map);
    for (size_t i = 0; st == TS_OK && i < map.n_tensors; i++)
        if (!map.tensor[i].is_copy)
            st = add_tensor(&v, family, a, dir, folder, &map, &map.tensor[i]);
    if (st == TS_OK)
        st = ts_param_values_finish(&v, folder);
    ts_name_map_deinit(&map);
    if (st == TS_OK)
        *out = v;
    else
        ts_param_values_deinit(&v);
    return st;
}
