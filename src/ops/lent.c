#include "ops/lent.h"

#include "ops/groups.h"

#include <string.h>

/* ---- which ---- */

static int owner_of(const ts_lending *l, int64_t i) { return (int)(l->expert[i] / l->here); }

/* By exchange, process and number. */
static int64_t rank_of(const ts_lending *l, int64_t i)
{
    const int64_t owner = owner_of(l, i), all = l->here * l->comm->size;
    return owner % l->exchanges * all + l->expert[i];
}

static void sort(ts_lending *l)
{
    for (int64_t i = 1; i < l->n; i++)
        for (int64_t j = i; j > 0 && rank_of(l, j) < rank_of(l, j - 1); j--) {
            const int64_t e = l->expert[j];
            l->expert[j] = l->expert[j - 1], l->expert[j - 1] = e;
        }
}

static void count(ts_lending *l)
{
    const int size = l->comm->size;
    for (int64_t i = 0; i < l->n; i++)
        l->count[owner_of(l, i) % l->exchanges * size + owner_of(l, i)]++;
    for (int x = 0; x < l->exchanges; x++) {
        int64_t n = 0;
        for (int r = 0; r < size; n += l->count[x * size + r++])
            l->at[x * size + r] = n;
        l->first[x + 1] = l->first[x] + n;
    }
}

ts_status ts_lending_make(ts_tape *tape, ts_comm *comm, int64_t here, int exchanges, const int64_t *expert, int64_t n,
                          ts_lending **out)
{
    const int size = comm->size, some = exchanges < size ? exchanges : size;
    const size_t room = (size_t)n + (size_t)some + 1 + 2 * (size_t)(some * size);
    ts_lending *l;
    int64_t *v;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *l, &l));
    TS_TRY(ts_arena_alloc(&tape->arena, room * sizeof *v, &v));
    memset(v, 0, room * sizeof *v);
    *l = (ts_lending){ .comm = comm, .n = n, .here = here, .exchanges = some, .expert = v, .first = v + n,
                       .count = v + n + some + 1, .at = v + n + some + 1 + some * size };
    memcpy(l->expert, expert, (size_t)n * sizeof *expert);
    sort(l);
    count(l);
    *out = l;
    return TS_OK;
}

/* ---- copies ---- */

struct ts_lent {
    const ts_lending *l;
    ts_param *p;
    int64_t size;     /* values of a matrix, or of a vector */
    ts_tensor *all;   /* [n, size] */
    ts_group_call *call; /* [exchanges] */
    int64_t *n;       /* [exchanges][2 processes] as count and at, in values */
};

static int64_t *counts_of(const ts_lent *t, int x) { return t->n + 2 * (int64_t)x * t->l->comm->size; }
static int64_t in_exchange(const ts_lent *t, int x) { return (t->l->first[x + 1] - t->l->first[x]) * t->size; }

static void *at(const ts_tensor *t, int64_t value)
{
    return (char *)ts_tensor_data(t) + (size_t)value * ts_dtype_size(t->dtype);
}

/* What this process lends, in the place of the copy that it has itself. */
static void put_own(ts_tape *tape, const ts_lent *t)
{
    const ts_lending *l = t->l;
    const size_t from = ts_dtype_size(t->p->dtype);
    for (int64_t i = 0; i < l->n; i++) {
        if (owner_of(l, i) != l->comm->rank)
            continue;
        const int64_t own = l->expert[i] % l->here * t->size;
        const ts_elementwise_args a = { .x_dtype = t->p->dtype, .y_dtype = t->all->dtype,
                                        .x = (const char *)t->p->value + (size_t)own * from, .y = at(t->all, i * t->size) };
        const double bytes = (double)t->size * (double)(from + ts_dtype_size(t->all->dtype));
        ts_launch_copy(tape->dev, &a, t->size, (ts_cost){ 0, bytes, t->all->dtype });
    }
}

static ts_status make(ts_tape *tape, const ts_lending *l, ts_param *p, ts_dtype dtype, ts_lent **out)
{
    const int size = l->comm->size;
    const bool vectors = p->rank == 1;
    ts_lent *t;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *t, &t));
    *t = (ts_lent){ .l = l, .p = p, .size = ts_param_count(p) / l->here };
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)l->exchanges * sizeof *t->call, &t->call));
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)(2 * l->exchanges * size) * sizeof *t->n, &t->n));
    memset(t->call, 0, (size_t)l->exchanges * sizeof *t->call);
    for (int x = 0; x < l->exchanges; x++)
        for (int r = 0; r < size; r++) {
            counts_of(t, x)[r] = l->count[x * size + r] * t->size;
            counts_of(t, x)[size + r] = l->at[x * size + r] * t->size;
        }
    TS_TRY(ts_tape_new_kind(tape, TS_MEM_COMM, vectors ? TS_DTYPE_F32 : dtype, l->n, t->size, &t->all));
    *out = t;
    return TS_OK;
}

ts_status ts_lent_start(ts_tape *tape, const ts_lending *l, ts_param *p, ts_dtype dtype, ts_lent **out)
{
    ts_lent *t;
    *out = NULL;
    if (!p)
        return TS_OK;
    TS_TRY(ts_param_need(p));
    TS_TRY(make(tape, l, p, dtype, &t));
    put_own(tape, t);
    for (int x = 0; x < l->exchanges; x++) {
        const int64_t *n = counts_of(t, x), *begin = n + l->comm->size, own = n[l->comm->rank],
                      first = l->first[x] * t->size;
        const ts_comm_call c = ts_all_gather_v(at(t->all, first + begin[l->comm->rank]), own, at(t->all, first), n, begin,
                                               ts_group_type(t->all->dtype));
        TS_TRY(ts_group_start(tape->dev, l->comm, c, own, in_exchange(t, x), &t->call[x]));
    }
    *out = t;
    return TS_OK;
}

ts_status ts_lent_wait(ts_tape *tape, ts_lent *t)
{
    for (int x = 0; t && x < t->l->exchanges; x++)
        TS_TRY(ts_group_wait(tape->dev, t->l->comm, &t->call[x]));
    return TS_OK;
}

/* ---- gradients, back to where the experts are ---- */

/* sum: own ones of an exchange, added to those of the parameter. */
static void add_own(ts_tape *tape, const ts_lent *t, int x, const ts_tensor *sum)
{
    const ts_lending *l = t->l;
    int64_t row = 0;
    for (int64_t i = l->first[x]; i < l->first[x + 1]; i++) {
        if (owner_of(l, i) != l->comm->rank)
            continue;
        float *g = t->p->grad + l->expert[i] % l->here * t->size;
        const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32, .y_dtype = TS_DTYPE_F32, .x = g,
                                        .z = at(sum, row++ * t->size), .y = g, .alpha = 1, .beta = 1 };
        ts_launch_add(tape->dev, &a, t->size, (ts_cost){ (double)t->size, 12 * (double)t->size, TS_DTYPE_F32 });
    }
}

/* grad [n, size] of all copies here. */
static ts_status return_gradient(ts_tape *tape, const ts_lent *t, const ts_tensor *grad)
{
    const ts_comm *comm = t->l->comm;
    ts_param_grad_settle(t->p);
    for (int x = 0; x < t->l->exchanges; x++) {
        const int64_t *n = counts_of(t, x), own = n[comm->rank], all = in_exchange(t, x);
        ts_tensor *sum;
        if (!all)
            continue;
        TS_TRY(ts_tape_new_kind(tape, TS_MEM_COMM, TS_DTYPE_F32, own ? own : 1, 0, &sum));
        const ts_comm_call c = ts_reduce_scatter_v(at(grad, t->l->first[x] * t->size), ts_tensor_data(sum), n,
                                                   n + comm->size, TS_COMM_F32, TS_COMM_SUM);
        TS_TRY(ts_group_run(tape, t->l->comm, c, all, own));
        add_own(tape, t, x, sum);
        ts_tape_drop(tape, sum);
    }
    return TS_OK;
}

/* ---- products ---- */

typedef struct lent_attr {
    ts_sorted_rows s;
    ts_lent *w, *b;
} lent_attr;

static ts_form form_of(const ts_lent *w)
{
    const int64_t in = w->p->dim[1];
    return (ts_form){ .data = ts_tensor_data(w->all), .ld = in,
                      .stride = (size_t)w->size * ts_dtype_size(w->all->dtype) };
}

static ts_status lent_backward(ts_tape *tape, ts_record *r)
{
    const lent_attr *a = r->attr;
    const ts_form f = form_of(a->w);
    ts_tensor *x = r->in[0], *dx;
    if (!x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    ts_groups_multiply(tape, &a->s, &f, NULL, TS_GEMM_NN, r->out[0]->grad, dx);
    return ts_tape_accumulate(tape, x, dx);
}

static ts_status weight_gradient(ts_tape *tape, const lent_attr *a, ts_tensor *x, const ts_tensor *dy)
{
    ts_tensor *g;
    void *data;
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(ts_tape_new_kind(tape, TS_MEM_COMM, TS_DTYPE_F32, a->w->l->n, a->w->size, &g));
    ts_groups_weight(tape, &a->s, x, data, dy, ts_tensor_data(g), false);
    const ts_status st = return_gradient(tape, a->w, g);
    ts_tape_drop(tape, g);
    return st;
}

static ts_status bias_gradient(ts_tape *tape, const lent_attr *a, const ts_tensor *dy)
{
    ts_tensor *g;
    TS_TRY(ts_tape_new_kind(tape, TS_MEM_COMM, TS_DTYPE_F32, a->b->l->n, a->b->size, &g));
    tape->dev->zero(tape->dev, ts_tensor_data(g), ts_tensor_bytes(g));
    ts_groups_bias(tape, &a->s, dy, ts_tensor_data(g));
    return return_gradient(tape, a->b, g);
}

static ts_status lent_weight(ts_tape *tape, ts_record *r)
{
    const lent_attr *a = r->attr;
    if (ts_param_has_grad(a->w->p))
        TS_TRY(weight_gradient(tape, a, r->in[0], r->out[0]->grad));
    return a->b && ts_param_has_grad(a->b->p) ? bias_gradient(tape, a, r->out[0]->grad) : TS_OK;
}

static const ts_op lent_op = { .name = "linear_lent", .backward = lent_backward, .weight = lent_weight };

ts_status ts_op_linear_lent(ts_tape *tape, const ts_sorted_rows *s, ts_lent *w, ts_lent *b, ts_tensor *x, ts_tensor **y)
{
    const ts_form f = form_of(w);
    ts_record *r;
    void *data;
    TS_ASSERT(x->dim[1] == w->p->dim[1] && s->experts == w->l->n && x->dim[0] == s->rows,
              "linear_lent: %lld rows of %lld times %s", (long long)x->dim[0], (long long)x->dim[1], w->p->name);
    TS_TRY(ts_tape_need(tape, x, &data));
    TS_TRY(ts_tape_new(tape, x->dtype, s->rows, w->size / w->p->dim[1], y));
    ts_groups_multiply(tape, s, &f, b ? ts_tensor_data(b->all) : NULL, TS_GEMM_NT, x, *y);
    if (!tape->recording || !(x->wants_grad || ts_param_has_grad(w->p) || (b && ts_param_has_grad(b->p))))
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &lent_op, sizeof(lent_attr), &r));
    *(lent_attr *)r->attr = (lent_attr){ .s = *s, .w = w, .b = b };
    r->in[0] = x;
    r->out[0] = *y;
    (*y)->wants_grad = true;
    if (ts_param_has_grad(w->p))
        ts_record_save(tape, r, x);
    ts_record_save(tape, r, s->offsets);
    ts_record_save(tape, r, w->all);
    TS_TRY(ts_record_param(tape, r, 0, w->p));
    return b ? ts_record_param(tape, r, 1, b->p) : TS_OK;
}
