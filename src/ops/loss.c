#include "ops/gemm.h"
#include "ops/ops.h"

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

/* One call. */
typedef struct xent {
    ts_tape *tape;
    const ts_xent_op *o;
    ts_dtype dtype;        /* of x and of gradients */
    int64_t chunk;         /* rows of logits */
    ts_tensor *logits;     /* then their gradient in the compute type, each row at its logits' */
    int64_t ld, ld_d;      /* from row to row of logits, of gradients */
    bool grads;
} xent;

/* Rows that lie one after another. */
typedef struct rows {
    int64_t n;
    const void *x;
    void *dx;              /* NULL: not wanted */
    const int32_t *labels;
    const float *weight;   /* NULL: 1 */
    float *loss;
    int32_t *argmax;       /* NULL: not wanted */
} rows;

static int64_t width(const ts_tensor *t) { return t->rank > 1 ? t->dim[1] : 1; }

static void *row_at(const ts_tensor *t, int64_t row)
{
    return (char *)ts_tensor_data(t) + (size_t)(row * width(t)) * ts_dtype_size(t->dtype);
}

static ts_status make_buffers(xent *k)
{
    enum { LINE = 16 }; /* rows begin at cache lines */
    k->ld = (k->o->w->dim[0] + LINE - 1) / LINE * LINE;
    k->ld_d = k->ld * (int64_t)(sizeof(float) / ts_dtype_size(k->dtype));
    return ts_tape_new(k->tape, TS_DTYPE_F32, k->chunk, k->ld, &k->logits);
}

static ts_status some_logits(ts_tape *tape, const ts_xent_op *o, ts_dtype dtype, const void *x,
                             int64_t n_rows, float *logits, int64_t ld)
{
    TS_TRY(ts_gemm_forward(tape, o->w, ts_param_vector(o->b), dtype, x, n_rows, TS_DTYPE_F32,
                           logits, ld));
    if (o->logit_scale != 1) {
        const int64_t n = n_rows * ld; /* with what lies between rows */
        const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32,
                                        .y_dtype = TS_DTYPE_F32, .x = logits, .z = logits,
                                        .y = logits,
                                        .alpha = o->logit_scale };
        ts_launch_add(tape->dev, &a, n, (ts_cost){ (double)n, 8.0 * (double)n, TS_DTYPE_F32 });
    }
    return TS_OK;
}

static ts_status chunk_gradients(const xent *k, const rows *r)
{
    const ts_xent_op *o = k->o;
    void *d = ts_tensor_data(k->logits);
    if (o->logit_scale != 1) {
        const int64_t n = r->n * k->ld_d; /* with what lies between rows */
        const ts_elementwise_args a = { .x_dtype = k->dtype, .z_dtype = k->dtype,
                                        .y_dtype = k->dtype, .x = d, .z = d, .y = d,
                                        .alpha = o->logit_scale };
        ts_launch_add(k->tape->dev, &a, n, (ts_cost){ (double)n, 4.0 * (double)n, k->dtype });
    }
    if (r->dx)
        TS_TRY(ts_gemm_input_grad(k->tape, o->w, k->dtype, d, k->ld_d, r->n, r->dx));
    if (o->w->grad)
        ts_gemm_weight_grad(k->tape, o->w, k->dtype, d, k->ld_d, r->x, r->n);
    if (o->b && o->b->grad)
        ts_bias_grad(k->tape, o->b, k->dtype, d, k->ld_d, r->n);
    return TS_OK;
}

static ts_status run_chunk(const xent *k, const rows *r)
{
    const int64_t cols = k->o->w->dim[0];
    float *logits = ts_tensor_data(k->logits);
    TS_TRY(some_logits(k->tape, k->o, k->dtype, r->x, r->n, logits, k->ld));
    const ts_loss_args a = { .cols = cols, .ld = k->ld, .logits = logits, .softcap = k->o->softcap,
                             .labels = r->labels, .weight = r->weight, .loss = r->loss,
                             .argmax = r->argmax, .d_dtype = k->dtype,
                             .dlogits = k->grads ? logits : NULL, .ld_d = k->ld_d };
    const double n = (double)r->n * (double)cols;
    ts_launch_softmax_xent(k->tape->dev, &a, r->n,
                           (ts_cost){ 6 * n,
                                      n * (k->grads ? 4.0 + (double)ts_dtype_size(k->dtype) : 4.0),
                                      TS_DTYPE_F32 });
    return k->grads ? chunk_gradients(k, r) : TS_OK;
}

/* All rows, where they are. */
static ts_status run_all(xent *k, const ts_tensor *x, const ts_tensor *dx, const ts_tensor *loss,
                         const ts_tensor *argmax)
{
    const int64_t T = x->dim[0];
    TS_TRY(make_buffers(k));
    for (int64_t row = 0; row < T; row += k->chunk) {
        const rows r = { .n = T - row < k->chunk ? T - row : k->chunk, .x = row_at(x, row),
                         .dx = dx ? row_at(dx, row) : NULL, .labels = row_at(k->o->labels, row),
                         .weight = k->o->weight ? row_at(k->o->weight, row) : NULL,
                         .loss = row_at(loss, row),
                         .argmax = argmax ? row_at(argmax, row) : NULL };
        TS_TRY(run_chunk(k, &r));
    }
    return TS_OK;
}

/* ---- rows that count ---- */

/* A row of label -1 or weight 0 has neither loss nor gradient. Where there are such rows, the
 * others are brought together and multiplied alone. */
typedef struct choice {
    int64_t n;       /* rows that count */
    int32_t *host;   /* of all that follows */
    int32_t *at;     /* [n]: which they are */
    int32_t *back;   /* [T]: 1 + a row's place in its chunk; 0: it does not count */
    int32_t *labels; /* [n] */
    float *weight;   /* [n] */
} choice;

static ts_status choose(const xent *k, int64_t T, choice *c)
{
    ts_device *dev = k->tape->dev;
    TS_TRY(ts_alloc(&c->host, (size_t)T * 4, sizeof *c->host));
    c->at = c->host, c->back = c->host + T, c->labels = c->host + 2 * T;
    c->weight = (float *)(void *)(c->host + 3 * T);
    dev->to_host(dev, c->labels, ts_tensor_data(k->o->labels), (size_t)T * sizeof *c->labels);
    for (int64_t r = 0; r < T; r++)
        c->weight[r] = 1;
    if (k->o->weight)
        dev->to_host(dev, c->weight, ts_tensor_data(k->o->weight), (size_t)T * sizeof *c->weight);
    for (int64_t r = 0; r < T; r++) {
        const float weight = c->weight[r];
        if (c->labels[r] < 0 || !(weight < 0 || weight > 0))
            continue;
        c->labels[c->n] = c->labels[r];
        c->weight[c->n] = weight;
        c->at[c->n] = (int32_t)r;
        c->back[r] = (int32_t)(1 + c->n++ % k->chunk);
    }
    return TS_OK;
}

static ts_status upload(ts_tape *tape, const void *host, ts_dtype dtype, int64_t n, ts_tensor **out)
{
    TS_TRY(ts_tape_new(tape, dtype, n, 0, out));
    tape->dev->to_device(tape->dev, ts_tensor_data(*out), host, ts_tensor_bytes(*out));
    return TS_OK;
}

/* to[r] = row ids[r] of `from`, r < n */
static void move_rows(ts_tape *tape, const ts_tensor *from, const int32_t *ids, int64_t n, void *to)
{
    const ts_embed_args a = { .rows = n, .cols = width(from), .table_dtype = from->dtype,
                              .dtype = from->dtype, .table = ts_tensor_data(from), .ids = ids,
                              .scale = 1, .y = to };
    const double count = (double)(n * a.cols);
    ts_launch_embed_fwd(tape->dev, &a, n,
                        (ts_cost){ count, 2 * count * (double)ts_dtype_size(a.dtype), a.dtype });
}

/* What is chosen, on the device. */
typedef struct packed_rows {
    ts_tensor *at, *back, *labels, *weight; /* as in choice */
    ts_tensor *x;                           /* [chunk, hidden] */
    ts_tensor *dx, *loss;                   /* [1 + chunk, hidden], [1 + chunk]; row 0: zero */
} packed_rows;

static ts_status pack_init(const xent *k, const choice *c, const ts_tensor *x, packed_rows *p)
{
    ts_tape *tape = k->tape;
    TS_TRY(upload(tape, c->at, TS_DTYPE_I32, c->n, &p->at));
    TS_TRY(upload(tape, c->back, TS_DTYPE_I32, x->dim[0], &p->back));
    TS_TRY(upload(tape, c->labels, TS_DTYPE_I32, c->n, &p->labels));
    TS_TRY(upload(tape, c->weight, TS_DTYPE_F32, c->n, &p->weight));
    TS_TRY(ts_tape_new(tape, k->dtype, k->chunk, x->dim[1], &p->x));
    TS_TRY(ts_tape_new(tape, k->dtype, 1 + k->chunk, x->dim[1], &p->dx));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, 1 + k->chunk, 0, &p->loss));
    tape->dev->zero(tape->dev, ts_tensor_data(p->dx), (size_t)x->dim[1] * ts_dtype_size(k->dtype));
    tape->dev->zero(tape->dev, ts_tensor_data(p->loss), sizeof(float));
    return TS_OK;
}

/* The rows that count, chunk by chunk. With a chunk go the rows up to the next chunk's first. */
static ts_status run_chosen(xent *k, const choice *c, const ts_tensor *x, const ts_tensor *dx,
                            const ts_tensor *loss)
{
    packed_rows p;
    TS_TRY(make_buffers(k));
    TS_TRY(pack_init(k, c, x, &p));
    for (int64_t i = 0, row = 0; i < c->n; i += k->chunk) {
        const int64_t n = c->n - i < k->chunk ? c->n - i : k->chunk,
                      end = i + n < c->n ? c->at[i + n] : x->dim[0];
        const rows r = { .n = n, .x = row_at(p.x, 0), .dx = dx ? row_at(p.dx, 1) : NULL,
                         .labels = row_at(p.labels, i), .weight = row_at(p.weight, i),
                         .loss = row_at(p.loss, 1) };
        move_rows(k->tape, x, row_at(p.at, i), n, row_at(p.x, 0));
        TS_TRY(run_chunk(k, &r));
        move_rows(k->tape, p.loss, row_at(p.back, row), end - row, row_at(loss, row));
        if (dx)
            move_rows(k->tape, p.dx, row_at(p.back, row), end - row, row_at(dx, row));
        row = end;
    }
    return TS_OK;
}

static void zero(ts_tape *tape, const ts_tensor *t)
{
    if (t)
        tape->dev->zero(tape->dev, ts_tensor_data(t), ts_tensor_bytes(t));
}

static ts_status run(xent *k, const ts_tensor *x, const ts_tensor *dx, const ts_tensor *loss,
                     const ts_tensor *argmax)
{
    const int64_t T = x->dim[0];
    choice c = { 0 };
    k->chunk = ts_xent_chunk(T, k->o->w->dim[0]);
    if (argmax || !k->tape->dev->computes) /* a simulated device has no labels to look at */
        return run_all(k, x, dx, loss, argmax);
    ts_status st = choose(k, T, &c);
    if (st == TS_OK && c.n == T) {
        st = run_all(k, x, dx, loss, NULL);
    } else if (st == TS_OK && c.n == 0) {
        zero(k->tape, loss);
        zero(k->tape, dx);
    } else if (st == TS_OK) {
        if (c.n < k->chunk)
            k->chunk = c.n;
        st = run_chosen(k, &c, x, dx, loss);
    }
    ts_free(&c.host);
    return st;
}

ts_status ts_op_linear_xent(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor **loss,
                            ts_tensor **argmax)
{
    const int64_t T = x->dim[0];
    xent k = { .tape = tape, .o = o, .dtype = x->dtype,
               .grads = tape->recording && (x->wants_grad || o->w->grad || (o->b && o->b->grad)) };
    ts_tensor *dx = NULL;
    TS_ASSERT(x->dim[1] == o->w->dim[1], "linear_xent: rows of %lld times %s", (long long)x->dim[1],
              o->w->name);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, 0, loss));
    if (argmax)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, 0, argmax));
    TS_TRY(ts_tape_push(tape));
    ts_status st = TS_OK;
    if (k.grads && x->wants_grad)
        st = ts_tape_new(tape, x->dtype, T, x->dim[1], &dx);
    if (st == TS_OK)
        st = run(&k, x, dx, *loss, argmax ? *argmax : NULL);
    if (st == TS_OK && dx)
        st = ts_tape_accumulate(tape, x, dx);
    ts_tape_pop(tape, NULL);
    return st;
}

ts_status ts_op_logits(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor **logits)
{
    const int64_t T = x->dim[0], cols = o->w->dim[0];
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, cols, logits));
    TS_TRY(some_logits(tape, o, x->dtype, ts_tensor_data(x), T, ts_tensor_data(*logits), cols));
    if (o->softcap > 0) {
        const ts_loss_args a = { .cols = cols, .ld = cols, .logits = ts_tensor_data(*logits),
                                 .softcap = o->softcap };
        const double n = (double)T * (double)cols;
        ts_launch_softcap(tape->dev, &a, T, (ts_cost){ 4 * n, 8 * n, TS_DTYPE_F32 });
    }
    return TS_OK;
}
