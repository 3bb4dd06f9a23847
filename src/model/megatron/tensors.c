#include "model/megatron/tensors.h"

#include <string.h>

/* How one is made. */
typedef struct made {
    const ts_param_values *values;
    const ts_name_map *map;
    const ts_name_tensor *t;
    const int64_t *param; /* [pieces of the map] number of each piece's parameter */
} made;

typedef struct tensors {
    ts_mg_checkpoint *ck;
    ts_param_values values;
    ts_name_map map;
    int64_t *param;
    ts_st_tensor *v;
    made *how;
} tensors;

static void put(const made *m, size_t piece, int64_t row, int64_t rows, int64_t col, int64_t cols, float *to, int64_t row_step)
{
    const ts_param_target target = { TS_ST_F32, (char *)to, row_step, 1 };
    /* of types that are real numbers, which opening has seen to, nothing fails */
    const ts_status st = ts_param_values_put(m->values, (size_t)m->param[piece], row, rows, col, cols, &target);
    TS_ASSERT(st == TS_OK, "%s: %s", m->t->hf_name, ts_error_message());
}

/* Part [col, col + cols) of a row of the file's tensor, [in, out] or one of a stack of such: of each piece of that matrix a
 * column. */
static void make_turned(const made *m, int64_t row, int64_t col, int64_t cols, float *to)
{
    const int64_t in = m->t->dim[m->t->rank - 2];
    for (size_t i = m->t->first_piece; i < m->t->first_piece + m->t->n_pieces; i++) {
        const ts_name_piece *p = &m->map->piece[i];
        for (int64_t k = 0; p->matrix == row / in && k < p->rows; k++) {
            const int64_t at = p->hf_row + k * p->step - col;
            if (at >= 0 && at < cols)
                put(m, i, p->row + k, 1, row % in, 1, to + at, 1);
        }
    }
}

/* The piece that has a row of the file's tensor, and which of its rows that is. */
static size_t piece_of(const made *m, int64_t row, int64_t *number)
{
    for (size_t i = m->t->first_piece; i < m->t->first_piece + m->t->n_pieces; i++) {
        const ts_name_piece *p = &m->map->piece[i];
        const int64_t d = row - p->hf_row;
        if (d >= 0 && d % p->step == 0 && d / p->step < p->rows) {
            *number = d / p->step;
            return i;
        }
    }
    TS_ASSERT(false, "%s: no piece has row %lld", m->t->hf_name, (long long)row);
    return 0;
}

static void make(const ts_st_tensor *t, int64_t first, int64_t n, float *out)
{
    const made *m = t->made_of;
    const bool turned = m->map->piece[m->t->first_piece].transposed, flat = m->t->rank < 2 || m->t->is_line;
    const int64_t wide = flat ? 1 : m->t->dim[m->t->rank - 1];
    while (n > 0) {
        const int64_t row = first / wide, col = first % wide, cols = wide - col < n ? wide - col : n;
        int64_t number = 0, rows = 1;
        if (turned) {
            make_turned(m, row, col, cols, out);
        } else {
            const size_t i = piece_of(m, row, &number);
            const ts_name_piece *p = &m->map->piece[i];
            if (cols == wide && p->step == 1) /* as many rows as follow in it */
                rows = n / wide < p->rows - number ? n / wide : p->rows - number;
            put(m, i, p->row + number, rows, col, cols, out, cols);
        }
        first += rows * cols;
        out += rows * cols;
        n -= rows * cols;
    }
}

static ts_status check_types(const ts_param_values *v)
{
    for (size_t i = 0; i < v->n; i++) {
        const ts_st_tensor *t = v->block[i].t;
        if (t->dtype != TS_ST_F32 && t->dtype != TS_ST_BF16 && t->dtype != TS_ST_F16 && t->dtype != TS_ST_F64)
            return ts_error(TS_ERR_USER, "%s: tensor %s is of type %s, expected F64, F32, F16 or BF16", t->path, t->name,
                            ts_st_dtype_name(t->dtype));
    }
    return TS_OK;
}

static ts_status name_all(tensors *x, const char *path)
{
    const ts_name_map *map = &x->map;
    TS_TRY(ts_alloc(&x->param, map->n_pieces, sizeof *x->param));
    for (size_t i = 0; i < map->n_pieces; i++)
        x->param[i] = ts_names_find(x->values.params.names, map->piece[i].name);
    TS_TRY(ts_alloc(&x->v, map->n_tensors, sizeof *x->v));
    TS_TRY(ts_alloc(&x->how, map->n_tensors, sizeof *x->how));
    for (size_t i = 0; i < map->n_tensors; i++) {
        const ts_name_tensor *t = &map->tensor[i];
        ts_st_tensor *v = &x->v[i];
        x->how[i] = (made){ &x->values, map, t, x->param };
        *v = (ts_st_tensor){ .name = t->hf_name, .path = path, .rank = t->rank, .elements = 1, .make = make, .made_of = &x->how[i],
                             .dtype = ts_param_values_dtype(&x->values, (size_t)x->param[t->first_piece]) };
        for (int k = 0; k < t->rank; k++) {
            v->shape[k] = t->dim[k];
            v->elements *= t->dim[k];
        }
        v->size = (size_t)v->elements * (size_t)ts_st_dtype_bits(v->dtype) / 8;
    }
    return TS_OK;
}

static void close_all(void *own)
{
    tensors *x = own;
    ts_free(&x->v);
    ts_free(&x->how);
    ts_free(&x->param);
    ts_name_map_deinit(&x->map);
    ts_param_values_deinit(&x->values);
    ts_mg_checkpoint_close(&x->ck);
    ts_free(&x);
}

static ts_status open_all(tensors *x, const char *path)
{
    const ts_family *family;
    json_t *config = NULL;
    ts_arch a;
    ts_arch_init(&a);
    TS_TRY(ts_mg_checkpoint_open(path, -1, &x->ck));
    ts_status st = ts_mg_checkpoint_describe(x->ck, NULL, &family, &a, &config);
    if (st == TS_OK)
        st = ts_mg_checkpoint_values(x->ck, &a, &x->values);
    if (st == TS_OK)
        st = check_types(&x->values);
    if (st == TS_OK)
        st = ts_family_names(family, &a, &x->map);
    if (st == TS_OK)
        st = name_all(x, ts_mg_checkpoint_path(x->ck));
    ts_arch_deinit(&a);
    json_decref(config);
    return st;
}

ts_status ts_mg_tensors_open(const char *path, ts_st_dir **out)
{
    tensors *x;
    TS_TRY(ts_alloc(&x, 1, sizeof *x));
    ts_status st = open_all(x, path);
    if (st == TS_OK)
        st = ts_st_dir_of(x->v, x->map.n_tensors, x, close_all, out);
    if (st != TS_OK)
        close_all(x);
    return st;
}
