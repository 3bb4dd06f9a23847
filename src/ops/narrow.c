#include "ops/narrow.h"

#include "ops/gemm.h"
#include "ops/group.h"
#include "ops/judge.h"

/* A matrix that is to be rounded: x, W or dy. */
typedef struct matrix {
    ts_operand is;
    const void *data; /* [rows, cols] */
    int64_t rows, cols, ld;
    ts_dtype dtype;
    bool down; /* the product sums along its rows */
} matrix;

static ts_narrow_args args_of(const ts_narrow_rule *r, const matrix *m)
{
    const bool down = m->down && !r->one_way, blocks = r->scaling == TS_SCALING_BLOCKS;
    return (ts_narrow_args){ .format = r->format, .kind = r->kind, .rows = m->rows, .cols = m->cols,
                             .block_rows = !blocks ? 0 : down ? r->block : r->across,
                             .block_cols = !blocks ? 0 : down ? r->across : r->block,
                             .largest = r->largest, .ld = m->ld, .dtype = m->dtype, .x = m->data };
}

static size_t factor_size(const ts_narrow_args *a) { return a->kind == TS_SCALE_F32 ? sizeof(float) : 1; }

static ts_cost cost_of(const ts_narrow_args *a, double bytes)
{
    const double n = (double)a->rows * (double)a->cols;
    return (ts_cost){ 0, n * bytes, a->dtype };
}

/* The amax of all processes that have a part: with DELAYED it is for later, and exchanged once a step. */
static ts_status measure(ts_tape *tape, const ts_narrow *n, const matrix *m, ts_narrow_args *a)
{
    const ts_scaling scaling = n->rule[m->is].scaling;
    ts_amax_args x = { .cols = m->cols, .ld = m->ld, .dtype = m->dtype, .x = m->data };
    ts_tensor *slot;
    if (scaling == TS_SCALING_BLOCKS)
        return TS_OK;
    if (scaling == TS_SCALING_DELAYED) {
        x.amax = n->amax + m->is;
        a->scale = n->scale + m->is;
    } else {
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, 1, 0, &slot));
        a->amax = x.amax = ts_tensor_data(slot);
        tape->dev->zero(tape->dev, x.amax, sizeof(float));
    }
    ts_launch_amax(tape->dev, &x, m->rows, cost_of(a, (double)ts_dtype_size(m->dtype)));
    for (int i = 0; i < TS_NARROW_GROUPS && scaling == TS_SCALING_NOW; i++)
        if (ts_group_shares(n->over[m->is][i]))
            TS_TRY(ts_group_run(tape, n->over[m->is][i],
                                ts_all_reduce(x.amax, 1, TS_COMM_F32, TS_COMM_MAX), 1, 1));
    return TS_OK;
}

/* NULL: nobody compares. */
static ts_judge *judge_of(const ts_tape *tape, const ts_param *w)
{
    return tape->dev->computes && w->set->narrow ? w->set->narrow->judge : NULL;
}

static ts_status judge_cast(ts_tape *tape, const ts_param *w, const matrix *m, const ts_narrow_args *a, bool widens)
{
    static const char *const name[] = { "x", "W", "dy" };
    ts_judge *j = judge_of(tape, w);
    return j ? ts_judge_cast(j, tape->dev, w, name[m->is], a, widens) : TS_OK;
}

static ts_status encode(ts_tape *tape, const ts_param *w, const matrix *m, ts_narrow_args *a)
{
    TS_TRY(measure(tape, w->narrow, m, a));
    ts_launch_narrow(tape->dev, a, ts_narrow_bands(a), cost_of(a, (double)ts_dtype_size(m->dtype) + 1));
    return judge_cast(tape, w, m, a, false);
}

/* In memory of the tape. */
static ts_status encode_here(ts_tape *tape, const ts_param *w, const matrix *m, ts_narrow_args *a)
{
    ts_tensor *codes, *factors;
    const bool wide = a->kind == TS_SCALE_F32;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_U8, m->rows, m->cols, &codes));
    TS_TRY(ts_tape_new(tape, wide ? TS_DTYPE_F32 : TS_DTYPE_U8, ts_narrow_blocks(a), 0, &factors));
    a->codes = ts_tensor_data(codes);
    a->factors = ts_tensor_data(factors);
    return encode(tape, w, m, a);
}

/* In the weight's own, unless they are there. */
static ts_status encode_kept(ts_tape *tape, ts_param *w, const matrix *m, ts_narrow_args *a)
{
    ts_narrow *n = w->narrow;
    ts_narrow_copy *c = &n->copy[a->block_rows > a->block_cols];
    if (!c->codes) {
        TS_TRY(ts_storage_create(tape->dev, TS_MEM_WEIGHT, (size_t)(m->rows * m->cols), &c->codes));
        TS_TRY(ts_storage_create(tape->dev, TS_MEM_WEIGHT,
                                 (size_t)ts_narrow_blocks(a) * factor_size(a), &c->factors));
    }
    a->codes = c->codes->data;
    a->factors = c->factors->data;
    if (c->version == w->version)
        return TS_OK;
    c->version = w->version;
    n->made++;
    return encode(tape, w, m, a);
}

/* *out, and *ld: the rounded values in what is multiplied in, or the operand itself. */
static ts_status rounded(ts_tape *tape, ts_param *w, const matrix *m, const void **out, int64_t *ld)
{
    ts_narrow *n = w->narrow;
    const bool keeps = m->is == TS_OPERAND_W && n->keeps;
    ts_narrow_args a = args_of(&n->rule[m->is], m);
    ts_tensor *y;
    *out = m->data, *ld = m->ld;
    if (n->rule[m->is].scaling == TS_SCALING_NONE)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, n->dtype, m->rows, m->cols, &y));
    TS_TRY(ts_tape_push(tape));
    ts_status st = keeps ? encode_kept(tape, w, m, &a) : encode_here(tape, w, m, &a);
    if (st == TS_OK) {
        n->used += m->is == TS_OPERAND_W;
        n->made += m->is == TS_OPERAND_W && !keeps;
        a.y = ts_tensor_data(y), a.ld = m->cols, a.dtype = n->dtype;
        ts_launch_widen(tape->dev, &a, ts_narrow_bands(&a), cost_of(&a, (double)ts_dtype_size(n->dtype) + 1));
        st = judge_cast(tape, w, m, &a, true);
    }
    ts_tape_pop(tape, NULL);
    *out = a.y, *ld = m->cols;
    return st;
}

static matrix weight_of(const ts_param *w, bool down)
{
    return (matrix){ .is = TS_OPERAND_W, .data = w->value, .rows = w->dim[0], .cols = w->dim[1],
                     .ld = w->dim[1], .dtype = w->dtype, .down = down };
}

static ts_judged judged(const matrix *m)
{
    return (ts_judged){ .data = m->data, .rows = m->rows, .cols = m->cols, .ld = m->ld, .dtype = m->dtype };
}

static ts_status launch(ts_tape *tape, const ts_param *w, const ts_gemm_args *a, const matrix *x, const matrix *y)
{
    ts_judge *j = judge_of(tape, w);
    const ts_judged of_x = judged(x), of_y = judged(y);
    void *was = NULL;
    if (j)
        TS_TRY(ts_judge_before(j, tape->dev, a, &was));
    ts_launch_gemm(tape->dev, a, 0, ts_gemm_cost(a->m, a->n, a->k, a->dtype, a->c_dtype));
    return j ? ts_judge_product(j, tape->dev, w, a, &of_x, &of_y, &was) : TS_OK;
}

/* a: the product as it would be of the operands themselves; x and y are its A and B. */
static ts_status multiply(ts_tape *tape, ts_param *w, ts_gemm_args *a, const matrix *x, const matrix *y)
{
    TS_TRY(ts_tape_push(tape));
    ts_status st = rounded(tape, w, x, &a->a, &a->lda);
    if (st == TS_OK)
        st = rounded(tape, w, y, &a->b, &a->ldb);
    if (st == TS_OK) {
        a->dtype = w->narrow->dtype;
        st = launch(tape, w, a, x, y);
    }
    ts_tape_pop(tape, NULL);
    return st;
}

ts_status ts_narrow_forward(ts_tape *tape, ts_param *w, ts_gemm_args *a)
{
    TS_TRY(ts_param_need(w));
    const matrix x = { .is = TS_OPERAND_X, .data = a->a, .rows = a->m, .cols = a->k, .ld = a->lda,
                       .dtype = a->dtype }, of_w = weight_of(w, false);
    return multiply(tape, w, a, &x, &of_w);
}

ts_status ts_narrow_input_grad(ts_tape *tape, ts_param *w, ts_gemm_args *a)
{
    TS_TRY(ts_param_need(w));
    const matrix dy = { .is = TS_OPERAND_DY, .data = a->a, .rows = a->m, .cols = a->k, .ld = a->lda,
                        .dtype = a->dtype }, of_w = weight_of(w, true);
    return multiply(tape, w, a, &dy, &of_w);
}

ts_status ts_narrow_weight_grad(ts_tape *tape, ts_param *w, ts_gemm_args *a)
{
    const matrix dy = { .is = TS_OPERAND_DY, .data = a->a, .rows = a->k, .cols = a->m, .ld = a->lda,
                        .dtype = a->dtype, .down = true },
                 x = { .is = TS_OPERAND_X, .data = a->b, .rows = a->k, .cols = a->n, .ld = a->ldb,
                       .dtype = a->dtype, .down = true };
    return multiply(tape, w, a, &dy, &x);
}
