#include "ops/gemm.h"
#include "ops/ops.h"

/* Bytes of one chunk's logits and their gradient. Larger chunks read and write the output layer's
 * weight gradient less often; smaller ones stay in the cache. */
enum { CHUNK_BYTES = 48 << 20, MIN_ROWS = 64 };

int64_t ts_xent_chunk(int64_t rows, int64_t vocab)
{
    int64_t n = CHUNK_BYTES / (vocab * 6) / MIN_ROWS * MIN_ROWS;
    if (n < MIN_ROWS)
        n = MIN_ROWS;
    return n < rows ? n : rows;
}

static const char *row_at(const ts_tensor *t, int64_t row)
{
    return (const char *)ts_tensor_data(t) + (size_t)(row * t->dim[1]) * ts_dtype_size(t->dtype);
}

typedef struct chunk_buffers {
    ts_tensor *logits, *d; /* d: gradient in the compute type; the logits themselves in fp32 */
} chunk_buffers;

static ts_status make_buffers(ts_tape *tape, ts_dtype dtype, int64_t rows, int64_t cols, bool grads,
                              chunk_buffers *b)
{
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, rows, cols, &b->logits));
    b->d = b->logits;
    if (grads && dtype != TS_DTYPE_F32)
        TS_TRY(ts_tape_new(tape, dtype, rows, cols, &b->d));
    return TS_OK;
}

static ts_status chunk_logits(ts_tape *tape, const ts_xent_op *o, const ts_tensor *x, int64_t row,
                              int64_t rows, float *logits)
{
    TS_TRY(ts_gemm_forward(tape, o->w, ts_param_vector(o->b), x->dtype, row_at(x, row), rows,
                           TS_DTYPE_F32, logits));
    if (o->logit_scale != 1) {
        const int64_t n = rows * o->w->dim[0];
        const ts_elementwise_args a = { .x_dtype = TS_DTYPE_F32, .z_dtype = TS_DTYPE_F32,
                                        .y_dtype = TS_DTYPE_F32, .x = logits, .z = logits,
                                        .y = logits,
                                        .alpha = o->logit_scale };
        ts_launch_add(tape->dev, &a, n, (ts_cost){ (double)n, 8.0 * (double)n, TS_DTYPE_F32 });
    }
    return TS_OK;
}

static ts_status chunk_gradients(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, int64_t row,
                                 int64_t rows, void *d, ts_tensor *dx)
{
    if (o->logit_scale != 1) {
        const int64_t n = rows * o->w->dim[0];
        const ts_elementwise_args a = { .x_dtype = x->dtype, .z_dtype = x->dtype,
                                        .y_dtype = x->dtype, .x = d, .z = d, .y = d,
                                        .alpha = o->logit_scale };
        ts_launch_add(tape->dev, &a, n, (ts_cost){ (double)n, 4.0 * (double)n, x->dtype });
    }
    if (dx)
        TS_TRY(ts_gemm_input_grad(tape, o->w, x->dtype, d, rows,
                                  (char *)(uintptr_t)row_at(dx, row)));
    if (o->w->grad)
        ts_gemm_weight_grad(tape, o->w, x->dtype, d, row_at(x, row), rows);
    if (o->b && o->b->grad)
        ts_bias_grad(tape, o->b, x->dtype, d, rows);
    return TS_OK;
}

static ts_status run_chunk(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, int64_t row,
                           int64_t rows, const chunk_buffers *b, bool grads, ts_tensor *dx,
                           ts_tensor *loss, ts_tensor *argmax)
{
    const int64_t cols = o->w->dim[0];
    TS_TRY(chunk_logits(tape, o, x, row, rows, ts_tensor_data(b->logits)));
    const ts_loss_args a = { .cols = cols, .ld = cols, .logits = ts_tensor_data(b->logits),
                             .softcap = o->softcap,
                             .labels = (int32_t *)ts_tensor_data(o->labels) + row,
                             .weight = o->weight ? (float *)ts_tensor_data(o->weight) + row : NULL,
                             .loss = (float *)ts_tensor_data(loss) + row,
                             .argmax = argmax ? (int32_t *)ts_tensor_data(argmax) + row : NULL,
                             .d_dtype = x->dtype,
                             .dlogits = grads ? ts_tensor_data(b->d) : NULL,
                             .ld_d = cols };
    const double n = (double)rows * (double)cols;
    ts_launch_softmax_xent(tape->dev, &a, rows,
                           (ts_cost){ 6 * n,
                                      n * (grads ? 4.0 + (double)ts_dtype_size(x->dtype) : 4.0),
                                      TS_DTYPE_F32 });
    return grads ? chunk_gradients(tape, o, x, row, rows, ts_tensor_data(b->d), dx) : TS_OK;
}

ts_status ts_op_linear_xent(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor **loss,
                            ts_tensor **argmax)
{
    const int64_t T = x->dim[0], chunk = ts_xent_chunk(T, o->w->dim[0]);
    const bool grads = tape->recording && (x->wants_grad || o->w->grad);
    TS_ASSERT(x->dim[1] == o->w->dim[1], "linear_xent: rows of %lld times %s", (long long)x->dim[1],
              o->w->name);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, 0, loss));
    if (argmax)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, 0, argmax));
    ts_tensor *dx = NULL;
    TS_TRY(ts_tape_push(tape));
    chunk_buffers b;
    ts_status st = TS_OK;
    if (grads && x->wants_grad)
        st = ts_tape_new(tape, x->dtype, T, x->dim[1], &dx);
    if (st == TS_OK)
        st = make_buffers(tape, x->dtype, chunk, o->w->dim[0], grads, &b);
    for (int64_t row = 0; st == TS_OK && row < T; row += chunk)
        st = run_chunk(tape, o, x, row, T - row < chunk ? T - row : chunk, &b, grads, dx, *loss,
                       argmax ? *argmax : NULL);
    if (st == TS_OK && dx)
        st = ts_tape_accumulate(tape, x, dx);
    ts_tape_pop(tape, NULL);
    return st;
}

ts_status ts_op_logits(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor **logits)
{
    const int64_t T = x->dim[0], cols = o->w->dim[0];
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, cols, logits));
    TS_TRY(chunk_logits(tape, o, x, 0, T, ts_tensor_data(*logits)));
    if (o->softcap > 0) {
        const ts_loss_args a = { .cols = cols, .ld = cols, .logits = ts_tensor_data(*logits),
                                 .softcap = o->softcap };
        const double n = (double)T * (double)cols;
        ts_launch_softcap(tape->dev, &a, T, (ts_cost){ 4 * n, 8 * n, TS_DTYPE_F32 });
    }
    return TS_OK;
}
