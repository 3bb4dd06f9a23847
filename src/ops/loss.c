#include "ops/gemm.h"
#include "ops/group.h"
#include "ops/lora.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/unit_rows.h"

#include <math.h>

/* Bytes of one chunk's logits, which become their gradient in place. For each chunk the weight is
 * read twice and its gradient read and written: with 256 rows that takes memory a fourteenth of the
 * time that the products take, with 64 rows more than a quarter. */
enum { CHUNK_BYTES = 48 << 20, MIN_ROWS = 256 };

int64_t ts_xent_chunk(int64_t rows, int64_t vocab)
{
    int64_t n = CHUNK_BYTES / (vocab * (int64_t)sizeof(float)) / MIN_ROWS * MIN_ROWS;
    if (n < MIN_ROWS)
        n = MIN_ROWS;
    return n < rows ? n : rows;
}

/* Of a cut vocabulary, what the processes tell each other of a chunk's rows: own_most, most, sum
 * and at_label of ts_loss_args one behind the other, and the columns that have the largest. */
typedef struct numbers {
    ts_tensor *here; /* fp32 [4 * chunk] */
    float *host;     /* [4 * chunk] */
    int32_t *column; /* [chunk] */
    int64_t *lowest; /* [chunk] */
} numbers;

/* One call. */
typedef struct xent {
    ts_tape *tape;
    const ts_xent_op *o;
    ts_dtype dtype;    /* of x and of gradients */
    int64_t chunk;     /* rows of logits */
    const ts_tensor *h; /* x A^T of an adapter, [T, rank]; NULL: there is none */
    ts_tensor *up;     /* its B, in dtype */
    ts_tensor *logits; /* then their gradient in the compute type, each row at its logits' */
    ts_unit_rows unit;
    numbers numbers;   /* of a cut vocabulary */
    int64_t ld, ld_d;  /* from row to row of logits, of gradients */
    bool grads;
} xent;

/* Rows that lie one after another. */
typedef struct rows {
    int64_t n;
    const void *x;
    void *dx; /* NULL: not wanted */
    const void *h; /* and its gradient, likewise */
    void *dh;
    const int32_t *labels;
    const float *weight; /* NULL: 1 */
    float *loss;
    int32_t *argmax; /* NULL: not wanted */
} rows;

static int64_t width(const ts_tensor *t) { return t->rank > 1 ? t->dim[1] : 1; }

static void *row_at(const ts_tensor *t, int64_t row)
{
    return (char *)ts_tensor_data(t) + (size_t)(row * width(t)) * ts_dtype_size(t->dtype);
}

static bool is_cut(const xent *k) { return ts_group_shares(k->o->group); }

static ts_status make_numbers(xent *k)
{
    numbers *x = &k->numbers;
    TS_TRY(ts_alloc(&x->host, 4 * (size_t)k->chunk, sizeof *x->host));
    TS_TRY(ts_alloc(&x->column, (size_t)k->chunk, sizeof *x->column));
    TS_TRY(ts_alloc(&x->lowest, (size_t)k->chunk, sizeof *x->lowest));
    return ts_tape_new(k->tape, TS_DTYPE_F32, 4 * k->chunk, 0, &x->here);
}

static void free_numbers(xent *k)
{
    ts_free(&k->numbers.host);
    ts_free(&k->numbers.column);
    ts_free(&k->numbers.lowest);
}

/* B of the adapter as it is multiplied. */
static ts_status make_up(ts_tape *tape, const ts_xent_op *o, ts_dtype dtype, ts_tensor **up)
{
    const ts_param *b = o->lora->part[0].b;
    const double n = (double)ts_param_count(b);
    TS_TRY(ts_param_need(b));
    TS_TRY(ts_tape_new(tape, dtype, b->dim[0], b->dim[1], up));
    ts_launch_copy(tape->dev, &(ts_elementwise_args){ .x_dtype = b->dtype, .y_dtype = dtype, .x = b->value, .y = ts_tensor_data(*up) },
                   ts_param_count(b), (ts_cost){ n, n * (double)(ts_dtype_size(b->dtype) + ts_dtype_size(dtype)), dtype });
    return TS_OK;
}

/* logits [n, rows of B] + h B^T. */
static void add_up(ts_tape *tape, const ts_tensor *up, const void *h, int64_t n, float *logits, int64_t ld)
{
    const ts_gemm_args a = { .form = TS_GEMM_NT, .m = n, .n = up->dim[0], .k = up->dim[1], .dtype = up->dtype, .a = h,
                             .lda = up->dim[1], .b = ts_tensor_data(up), .ldb = up->dim[1], .c = logits, .ldc = ld,
                             .c_dtype = TS_DTYPE_F32, .add = logits };
    ts_launch_gemm(tape->dev, &a, 0, ts_gemm_cost(a.m, a.n, a.k, a.dtype, a.c_dtype));
}

static ts_status make_buffers(xent *k)
{
    enum { LINE = 16 }; /* rows begin at cache lines */
    k->ld = (k->o->w->dim[0] + LINE - 1) / LINE * LINE;
    k->ld_d = k->ld * (int64_t)(sizeof(float) / ts_dtype_size(k->dtype));
    if (is_cut(k))
        TS_TRY(make_numbers(k));
    if (k->h)
        TS_TRY(make_up(k->tape, k->o, k->dtype, &k->up));
    TS_TRY(ts_unit_rows_begin(k->tape, k->o, k->grads, &k->unit));
    return ts_tape_new(k->tape, TS_DTYPE_F32, k->chunk, k->ld, &k->logits);
}

/* up, h: of an adapter, NULL: there is none. */
static ts_status some_logits(ts_tape *tape, const ts_xent_op *o, const ts_unit_rows *unit, ts_dtype dtype,
                             const void *x, const ts_tensor *up, const void *h, int64_t n_rows, float *logits, int64_t ld)
{
    TS_TRY(ts_param_need(o->b));
    TS_TRY(ts_gemm_forward(tape, o->w, ts_param_vector(o->b), dtype, x, n_rows, TS_DTYPE_F32,
                           logits, ld));
    if (up)
        add_up(tape, up, h, n_rows, logits, ld);
    ts_unit_rows_times(unit, TS_DTYPE_F32, logits, n_rows, ld);
    if (o->logit_scale != 1) {
        const int64_t n = n_rows * ld; /* with what lies between rows */
        const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32,
                                        .z_dtype = TS_DTYPE_F32,
                                        .y_dtype = TS_DTYPE_F32,
                                        .x = logits,
                                        .z = logits,
                                        .y = logits,
                                        .alpha = o->logit_scale };
        ts_launch_add(tape->dev, &a, n, (ts_cost){ (double)n, 8.0 * (double)n, TS_DTYPE_F32 });
    }
    return TS_OK;
}

/* dh = d B, and B's gradient += d^T h. */
static ts_status adapter_gradients(const xent *k, const rows *r, const void *d)
{
    ts_param *b = k->o->lora->part[0].b;
    const int64_t rank = k->up->dim[1], V = k->up->dim[0];
    ts_gemm_args a = { .form = TS_GEMM_NN, .m = r->n, .n = rank, .k = V, .dtype = k->dtype, .a = d, .lda = k->ld_d,
                       .b = ts_tensor_data(k->up), .ldb = rank, .c = r->dh, .ldc = rank, .c_dtype = k->dtype };
    if (r->dh)
        ts_launch_gemm(k->tape->dev, &a, 0, ts_gemm_cost(a.m, a.n, a.k, a.dtype, a.c_dtype));
    if (!ts_param_has_grad(b))
        return TS_OK;
    TS_TRY(ts_param_need_grad(b));
    a = (ts_gemm_args){ .form = TS_GEMM_TN, .m = V, .n = rank, .k = r->n, .dtype = k->dtype, .a = d, .lda = k->ld_d, .b = r->h,
                        .ldb = rank, .c = b->grad, .ldc = rank, .c_dtype = TS_DTYPE_F32, .accumulate = !ts_param_grad_begin(b) };
    ts_launch_gemm(k->tape->dev, &a, 0, ts_gemm_cost(a.m, a.n, a.k, a.dtype, a.c_dtype));
    return TS_OK;
}

static ts_status chunk_gradients(const xent *k, const rows *r)
{
    const ts_xent_op *o = k->o;
    void *d = ts_tensor_data(k->logits);
    if (o->logit_scale != 1) {
        const int64_t n = r->n * k->ld_d; /* with what lies between rows */
        const ts_elementwise_args a = { .x_dtype = k->dtype,
                                        .z_dtype = k->dtype,
                                        .y_dtype = k->dtype,
                                        .x = d,
                                        .z = d,
                                        .y = d,
                                        .alpha = o->logit_scale };
        ts_launch_add(k->tape->dev, &a, n, (ts_cost){ (double)n, 4.0 * (double)n, k->dtype });
    }
    ts_unit_rows_times(&k->unit, k->dtype, d, r->n, k->ld_d);
    if (r->dx)
        TS_TRY(ts_gemm_input_grad(k->tape, o->w, k->dtype, d, k->ld_d, r->n, r->dx));
    if (k->up)
        TS_TRY(adapter_gradients(k, r, d));
    TS_TRY(ts_param_need_grad(o->w));
    TS_TRY(ts_param_need_grad(o->b));
    if (o->w->grad)
        TS_TRY(ts_gemm_weight_grad(k->tape, o->w, k->dtype, d, k->ld_d, r->x, r->n));
    if (o->b && o->b->grad)
        ts_bias_grad(k->tape, o->b, k->dtype, d, k->ld_d, r->n);
    return TS_OK;
}

/* ---- a vocabulary of several processes ---- */

/* From numbers of the columns here to those of all: largest and sums, and into `column` the lowest
 * of the columns that have the largest. All on the host. */
static ts_status exchange(const xent *k, int64_t n, bool argmax)
{
    const numbers *x = &k->numbers;
    ts_comm *group = k->o->group;
    float *own = x->host, *most = own + n, *sum = most + n;
    memcpy(most, own, (size_t)n * sizeof *most);
    TS_TRY(ts_comm_run(group, ts_all_reduce(most, n, TS_COMM_F32, TS_COMM_MAX)));
    for (int64_t r = 0; r < n; r++)
        sum[r] = (float)((double)sum[r] * exp((double)own[r] - (double)most[r]));
    TS_TRY(ts_comm_run(group, ts_all_reduce(sum, 2 * n, TS_COMM_F32, TS_COMM_SUM)));
    if (!argmax)
        return TS_OK;
    for (int64_t r = 0; r < n; r++)
        x->lowest[r] = own[r] < most[r] ? INT32_MAX : x->column[r];
    TS_TRY(ts_comm_run(group, ts_all_reduce(x->lowest, n, TS_COMM_I64, TS_COMM_MIN)));
    for (int64_t r = 0; r < n; r++)
        x->column[r] = (int32_t)x->lowest[r];
    return TS_OK;
}

/* The same between the device's numbers and columns. */
static ts_status exchange_here(const xent *k, const ts_loss_args *a, int64_t n)
{
    ts_device *dev = k->tape->dev;
    const size_t bytes = (size_t)n * sizeof(float);
    dev->to_host(dev, k->numbers.host, a->own_most, 4 * bytes);
    if (a->argmax)
        dev->to_host(dev, k->numbers.column, a->argmax, (size_t)n * sizeof *a->argmax);
    TS_TRY(dev->sync(dev));
    TS_TRY(exchange(k, n, a->argmax != NULL));
    dev->to_device(dev, a->most, k->numbers.host + n, 3 * bytes);
    if (a->argmax)
        dev->to_device(dev, a->argmax, k->numbers.column, (size_t)n * sizeof *a->argmax);
    return TS_OK;
}

static ts_status cut_losses(const xent *k, ts_loss_args *a, int64_t n)
{
    const double count = (double)n * (double)a->cols;
    const double kept = k->grads ? 4 : 0, d = k->grads ? (double)ts_dtype_size(k->dtype) : 0;
    a->first = k->o->first;
    a->own_most = ts_tensor_data(k->numbers.here);
    a->most = a->own_most + n, a->sum = a->most + n, a->at_label = a->sum + n;
    ts_launch_xent_stats(k->tape->dev, a, n,
                         (ts_cost){ 4 * count, count * (4 + kept), TS_DTYPE_F32 });
    TS_TRY(exchange_here(k, a, n));
    ts_launch_xent_finish(k->tape->dev, a, n,
                          (ts_cost){ k->grads ? 2 * count : 0, count * (kept + d), TS_DTYPE_F32 });
    return TS_OK;
}

/* The gradient of x over all columns. In the compute type, as the products leave it: the gradients
 * of logits that they summed were rounded to it one by one, so that rounding a few partial sums
 * adds less than is there already, and fp32 would be twice the bytes. */
static ts_status sum_dx(const xent *k, void *dx, int64_t n, int64_t cols)
{
    return dx && is_cut(k) ? ts_group_sum(k->tape, k->o->group, dx, n * cols, k->dtype) : TS_OK;
}

/* ---- chunks ---- */

static ts_status run_chunk(const xent *k, const rows *r)
{
    const int64_t cols = k->o->w->dim[0];
    float *logits = ts_tensor_data(k->logits);
    TS_TRY(some_logits(k->tape, k->o, &k->unit, k->dtype, r->x, k->up, r->h, r->n, logits, k->ld));
    ts_loss_args a = { .cols = cols,
                       .ld = k->ld,
                       .logits = logits,
                       .softcap = k->o->softcap,
                       .labels = r->labels,
                       .weight = r->weight,
                       .loss = r->loss,
                       .argmax = r->argmax,
                       .d_dtype = k->dtype,
                       .dlogits = k->grads ? logits : NULL,
                       .ld_d = k->ld_d };
    if (is_cut(k)) {
        TS_TRY(cut_losses(k, &a, r->n));
    } else {
        const double n = (double)r->n * (double)cols;
        const double bytes = k->grads ? 4.0 + (double)ts_dtype_size(k->dtype) : 4.0;
        ts_launch_softmax_xent(k->tape->dev, &a, r->n, (ts_cost){ 6 * n, n * bytes, TS_DTYPE_F32 });
    }
    return k->grads ? chunk_gradients(k, r) : TS_OK;
}

/* Where a call's results go, and what weighs its gradient; NULL: not wanted. */
typedef struct results {
    const ts_tensor *dx, *dh, *loss, *argmax, *weight;
} results;

static void *row_or_null(const ts_tensor *t, int64_t row) { return t ? row_at(t, row) : NULL; }

/* All rows, where they are. */
static ts_status run_all(xent *k, const ts_tensor *x, const results *to)
{
    const int64_t T = x->dim[0];
    TS_TRY(make_buffers(k));
    for (int64_t row = 0; row < T; row += k->chunk) {
        const rows r = { .n = T - row < k->chunk ? T - row : k->chunk,
                         .x = row_at(x, row),
                         .dx = row_or_null(to->dx, row),
                         .h = row_or_null(k->h, row),
                         .dh = row_or_null(to->dh, row),
                         .labels = row_at(k->o->labels, row),
                         .weight = row_or_null(to->weight, row),
                         .loss = row_or_null(to->loss, row),
                         .argmax = row_or_null(to->argmax, row) };
        TS_TRY(run_chunk(k, &r));
    }
    TS_TRY(sum_dx(k, row_or_null(to->dh, 0), T, to->dh ? to->dh->dim[1] : 0));
    return sum_dx(k, row_or_null(to->dx, 0), T, x->dim[1]);
}

/* ---- rows that count ---- */

int64_t ts_choose_rows(const int32_t *labels, int64_t T, int32_t *at, int32_t *back,
                       int32_t *chosen)
{
    int64_t n = 0;
    for (int64_t r = 0; r < T; r++) {
        back[r] = labels[r] < 0 ? 0 : (int32_t)(1 + n);
        if (labels[r] < 0)
            continue;
        at[n] = (int32_t)r;
        chosen[n++] = labels[r];
    }
    return n;
}

/* The rows that count are brought together, chunk by chunk, and multiplied alone; what comes of them
 * is then taken to all rows, of which the others take the zero row. */
static ts_status run_chosen(xent *k, const ts_tensor *x, const results *to)
{
    const ts_chosen_rows *c = k->o->chosen;
    ts_tape *tape = k->tape;
    ts_tensor *few, *few_h = NULL, *dx = NULL, *dh = NULL, *loss = NULL, *weight = NULL;
    TS_TRY(make_buffers(k));
    if (k->h)
        TS_TRY(ts_tape_new(tape, k->dtype, k->chunk, k->h->dim[1], &few_h));
    if (to->dh)
        TS_TRY(ts_rows_below_zero(tape, k->dtype, c->n, k->h->dim[1], &dh));
    TS_TRY(ts_tape_new(tape, k->dtype, k->chunk, x->dim[1], &few));
    if (to->dx)
        TS_TRY(ts_rows_below_zero(tape, k->dtype, c->n, x->dim[1], &dx));
    if (to->loss)
        TS_TRY(ts_rows_below_zero(tape, TS_DTYPE_F32, c->n, 0, &loss));
    if (to->weight) {
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, c->n, 0, &weight));
        ts_rows_move(tape, to->weight, ts_tensor_data(c->at), c->n, ts_tensor_data(weight));
    }
    for (int64_t i = 0; i < c->n; i += k->chunk) {
        const rows r = { .n = c->n - i < k->chunk ? c->n - i : k->chunk,
                         .x = row_at(few, 0),
                         .dx = row_or_null(dx, 1 + i),
                         .h = row_or_null(few_h, 0),
                         .dh = row_or_null(dh, 1 + i),
                         .labels = row_at(c->labels, i),
                         .weight = row_or_null(weight, i),
                         .loss = row_or_null(loss, 1 + i) };
        ts_rows_move(tape, x, row_at(c->at, i), r.n, row_at(few, 0));
        if (k->h)
            ts_rows_move(tape, k->h, row_at(c->at, i), r.n, row_at(few_h, 0));
        TS_TRY(run_chunk(k, &r));
    }
    TS_TRY(sum_dx(k, row_or_null(dx, 1), c->n, x->dim[1]));
    TS_TRY(sum_dx(k, row_or_null(dh, 1), c->n, dh ? dh->dim[1] : 0));
    if (loss)
        ts_rows_move(tape, loss, ts_tensor_data(c->back), x->dim[0], ts_tensor_data(to->loss));
    if (dx)
        ts_rows_move(tape, dx, ts_tensor_data(c->back), x->dim[0], ts_tensor_data(to->dx));
    if (dh)
        ts_rows_move(tape, dh, ts_tensor_data(c->back), x->dim[0], ts_tensor_data(to->dh));
    return TS_OK;
}

static void zero(ts_tape *tape, const ts_tensor *t)
{
    if (t)
        tape->dev->zero(tape->dev, ts_tensor_data(t), ts_tensor_bytes(t));
}

/* Rows of a chunk: the same on all processes of a group, whose shares may differ. */
static int64_t chunk_rows(const xent *k, int64_t T)
{
    if (!is_cut(k))
        return ts_xent_chunk(T, k->o->w->dim[0]);
    const int64_t size = k->o->group->size;
    return ts_xent_chunk(T, (k->o->vocab + size - 1) / size);
}

/* One pass over the rows. The argmax is wanted of all of them. */
static ts_status run(xent *k, const ts_tensor *x, const results *to)
{
    const ts_chosen_rows *c = to->argmax ? NULL : k->o->chosen;
    const int64_t n = c ? c->n : x->dim[0];
    k->chunk = chunk_rows(k, x->dim[0]);
    if (n < k->chunk)
        k->chunk = n;
    if (n == 0) {
        zero(k->tape, to->loss);
        zero(k->tape, to->dx);
        zero(k->tape, to->dh);
        return TS_OK;
    }
    TS_TRY(ts_tape_push(k->tape));
    const ts_status st = c ? run_chosen(k, x, to) : run_all(k, x, to);
    if (st == TS_OK && k->grads)
        ts_unit_rows_end(&k->unit);
    ts_tape_pop(k->tape, NULL);
    free_numbers(k);
    return st;
}

/* ---- the operator ---- */

typedef struct xent_attr {
    ts_xent_op o;
    ts_chosen_rows chosen;
} xent_attr;

static ts_status xent_backward(ts_tape *tape, ts_record *r)
{
    const xent_attr *a = r->attr;
    ts_tensor *x = r->in[0], *h = r->in[1], *dx = NULL, *dh = NULL;
    xent k = { .tape = tape, .o = &a->o, .dtype = x->dtype, .h = h, .grads = true };
    void *data;
    TS_TRY(ts_tape_need(tape, x, &data));
    if (h && h->wants_grad)
        TS_TRY(ts_tape_new(tape, h->dtype, h->dim[0], h->dim[1], &dh));
    if (x->wants_grad)
        TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    const results to = { .dx = dx,
                         .dh = dh,
                         .loss = a->o.late ? r->out[0] : NULL,
                         .weight = r->out[0]->grad };
    TS_TRY(run(&k, x, &to));
    if (dh)
        TS_TRY(ts_tape_accumulate(tape, h, dh));
    return dx ? ts_tape_accumulate(tape, x, dx) : TS_OK;
}

static const ts_op xent_op = { .name = "linear_xent", .backward = xent_backward };

/* ---- a frozen output layer ---- */

/* Where nothing but x has a gradient that of each loss is made with it, and the backward multiplies its rows: logits are
 * made once. Kept is as much as x. */
static bool is_frozen(const ts_xent_op *o, const ts_tensor *x)
{
    return !o->late && !o->unit_rows && !o->lora && x->wants_grad && !ts_param_has_grad(o->w) && !ts_param_has_grad(o->b);
}

static ts_status frozen_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *dx;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    const ts_mix_args a = { .cols = x->dim[1], .outs = 1, .ins = 1, .dtype = x->dtype, .x = ts_tensor_data(r->saved[0]),
                            .m = ts_tensor_data(r->out[0]->grad), .y = ts_tensor_data(dx) };
    const double n = (double)ts_tensor_count(dx);
    ts_launch_mix(tape->dev, &a, x->dim[0], (ts_cost){ n, 2 * n * (double)ts_dtype_size(x->dtype), x->dtype });
    return ts_tape_accumulate(tape, x, dx);
}

static const ts_op frozen_op = { .name = "linear_xent_frozen", .backward = frozen_backward };

static ts_status run_frozen(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor *loss)
{
    xent k = { .tape = tape, .o = o, .dtype = x->dtype, .grads = true };
    ts_tensor *slope;
    ts_record *r;
    TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &slope));
    const results to = { .dx = slope, .loss = loss };
    TS_TRY(run(&k, x, &to));
    TS_TRY(ts_tape_record(tape, &frozen_op, 0, &r));
    r->in[0] = x, r->out[0] = loss;
    loss->wants_grad = true;
    ts_record_save(tape, r, slope);
    ts_tape_drop(tape, slope);
    return TS_OK;
}

static ts_status record(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor *h, ts_tensor *loss)
{
    ts_record *r;
    TS_TRY(ts_tape_record(tape, &xent_op, sizeof(xent_attr), &r));
    xent_attr *a = r->attr;
    a->o = *o;
    if (o->chosen) {
        a->chosen = *o->chosen;
        a->o.chosen = &a->chosen;
    }
    r->in[0] = x;
    r->out[0] = loss;
    loss->wants_grad = true;
    ts_record_save(tape, r, x);
    r->in[1] = h;
    if (h)
        ts_record_save(tape, r, h);
    if (h)
        TS_TRY(ts_record_param(tape, r, 2, o->lora->part[0].b));
    if (o->late) /* its values come with the backward */
        ts_record_save(tape, r, loss);
    TS_TRY(ts_record_param(tape, r, 0, o->w));
    return ts_record_param(tape, r, 1, o->b);
}

ts_status ts_op_linear_xent(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor **loss,
                            ts_tensor **argmax)
{
    const int64_t T = x->dim[0];
    ts_tensor *h = NULL;
    if (o->lora) {
        TS_TRY(o->lora->read(o->lora, tape, x, &h));
        TS_TRY(ts_op_lora_down(tape, o->lora, h, &h));
    }
    const bool records = tape->recording && (x->wants_grad || ts_param_has_grad(o->w) || ts_param_has_grad(o->b) ||
                                             (h && (h->wants_grad || ts_param_has_grad(o->lora->part[0].b))));
    xent k = { .tape = tape, .o = o, .dtype = x->dtype, .h = h };
    TS_ASSERT(x->dim[1] == o->w->dim[1], "linear_xent: rows of %lld times %s", (long long)x->dim[1],
              o->w->name);
    TS_ASSERT(!is_cut(&k) || o->vocab > 0, "linear_xent: how large is the vocabulary of %s?",
              o->w->name);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, 0, loss));
    if (argmax)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, 0, argmax));
    if (records && !argmax && is_frozen(o, x))
        return run_frozen(tape, o, x, *loss);
    if (!records || !o->late || argmax) {
        const results to = { .loss = *loss, .argmax = argmax ? *argmax : NULL };
        TS_TRY(run(&k, x, &to));
    }
    return records ? record(tape, o, x, h, *loss) : TS_OK;
}

ts_status ts_op_logits(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor **logits)
{
    const int64_t T = x->dim[0], cols = o->w->dim[0];
    ts_unit_rows unit;
    ts_tensor *h = NULL, *up = NULL;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, cols, logits));
    TS_TRY(ts_unit_rows_begin(tape, o, false, &unit));
    if (o->lora) {
        TS_TRY(ts_op_lora_down(tape, o->lora, x, &h));
        TS_TRY(make_up(tape, o, x->dtype, &up));
    }
    TS_TRY(some_logits(tape, o, &unit, x->dtype, ts_tensor_data(x), up, h ? ts_tensor_data(h) : NULL, T, ts_tensor_data(*logits),
                       cols));
    if (o->softcap > 0) {
        const ts_loss_args a = {
            .cols = cols, .ld = cols, .logits = ts_tensor_data(*logits), .softcap = o->softcap
        };
        const double n = (double)T * (double)cols;
        ts_launch_softcap(tape->dev, &a, T, (ts_cost){ 4 * n, 8 * n, TS_DTYPE_F32 });
    }
    return TS_OK;
}
