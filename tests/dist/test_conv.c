/* A convolution of processes that share out the frames against one process: output, gradient of the input, and
 * the sum of the weights' gradients; what is sent is the halo alone, there and back. */
#include "dist_test.h"

#include "device/isa.h"
#include "ops/conv3d.h"

#include <math.h>

enum { IN = 3, OUT = 4, ROWS = 3, COLUMNS = 4, SAMPLES = 2, MOST = 4096 };

static ts_comm *comm;

typedef struct run {
    ts_device *dev;
    ts_tape *tape;
    ts_param_set params;
    ts_param *w, *b;
    float y[MOST], dx[MOST];
} run;

static float value(int which, int64_t i) { return (float)made_up(which, i * 13) / 2000 - 1; }

static void open_run(run *r, const ts_conv3d_op *o)
{
    const int64_t positions = o->kernel[0] * o->kernel[1] * o->kernel[2];
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &r->dev));
    EXPECT_OK(ts_tape_create(r->dev, &(ts_tape_options){ 0 }, &r->tape));
    EXPECT_OK(ts_param_set_init(&r->params, r->dev));
    EXPECT_OK(ts_param_add(&r->params, "w", OUT, positions * IN, true, &r->w));
    EXPECT_OK(ts_param_add(&r->params, "b", OUT, 0, false, &r->b));
    EXPECT_OK(ts_param_set_allocate(&r->params, TS_DTYPE_F32));
    EXPECT_OK(ts_param_set_allocate_grads(&r->params));
    for (int64_t i = 0; i < ts_param_count(r->w); i++)
        ((float *)r->w->value)[i] = value(1, i);
    for (int64_t i = 0; i < OUT; i++)
        ((float *)r->b->value)[i] = value(2, i);
    ts_param_set_changed(&r->params);
    ts_param_set_clear_grads(&r->params);
}

static void close_run(run *r)
{
    ts_tape_destroy(&r->tape);
    ts_param_set_deinit(&r->params);
    ts_device_close(&r->dev);
    free(r);
}

/* Rows [first, first + rows) of x, and of y's gradient those from first_out on. */
static void convolve(run *r, ts_conv3d_op o, int64_t first, int64_t rows, int64_t first_out)
{
    ts_tensor *x, *y, *dy;
    o.w = r->w, o.b = r->b;
    EXPECT_OK(ts_conv3d_check(&o));
    EXPECT_OK(ts_tape_new(r->tape, TS_DTYPE_F32, rows, IN, &x));
    for (int64_t i = 0; i < rows * IN; i++)
        ((float *)ts_tensor_data(x))[i] = value(3, first * IN + i);
    x->wants_grad = true;
    r->tape->recording = true;
    EXPECT_OK(ts_op_conv3d(r->tape, &o, x, &y));
    EXPECT(ts_tensor_count(y) <= MOST && rows * IN <= MOST, "too many");
    memcpy(r->y, ts_tensor_data(y), ts_tensor_bytes(y));
    EXPECT_OK(ts_tape_new(r->tape, TS_DTYPE_F32, y->dim[0], OUT, &dy));
    for (int64_t i = 0; i < ts_tensor_count(y); i++)
        ((float *)ts_tensor_data(dy))[i] = value(4, first_out * OUT + i);
    EXPECT_OK(ts_tape_accumulate(r->tape, y, dy));
    EXPECT_OK(ts_tape_backward(r->tape));
    EXPECT_OK(ts_tape_run_weights(r->tape));
    ts_param_set_settle_grads(&r->params);
    memcpy(r->dx, ts_tensor_data(x->grad), ts_tensor_bytes(x));
}

/* Sums of some terms of size 1 in fp32, in another order. */
static void near(const char *what, const float *a, const float *b, int64_t n, double bound)
{
    for (int64_t i = 0; i < n; i++)
        EXPECT(fabs((double)(a[i] - b[i])) <= bound, "%s [%lld]: %.9g, of one process %.9g", what, (long long)i,
               (double)a[i], (double)b[i]);
}

static void one_case(int64_t frames, int64_t kernel, int64_t stride, int64_t dilation, bool whole)
{
    ts_conv3d_op o = { .kernel = { kernel, 3, 1 }, .stride = { stride, 1, 2 }, .dilation = { dilation, 1, 1 },
                       .size = { frames, ROWS, COLUMNS }, .samples = SAMPLES };
    run *one = calloc(1, sizeof *one), *mine = calloc(1, sizeof *mine);
    EXPECT(one && mine, "out of memory");
    const int64_t frame = SAMPLES * ROWS * COLUMNS, out_frame = SAMPLES * ts_conv3d_out(&o, 1) * ts_conv3d_out(&o, 2);
    const int64_t out = ts_conv3d_out(&o, 0), share = out / comm->size;
    open_run(one, &o);
    open_run(mine, &o);
    convolve(one, o, 0, frames * frame, 0);
    o.group = comm;
    o.whole = whole;
    const ts_stretch own = ts_conv3d_frames(&o, comm->rank);
    const ts_comm_traffic before = comm->traffic_by[TS_SEND];
    convolve(mine, o, whole ? 0 : own.begin * frame, (whole ? frames : own.n) * frame,
             whole ? 0 : comm->rank * share * out_frame);
    const int64_t y0 = whole ? 0 : comm->rank * share * out_frame * OUT, x0 = whole ? 0 : own.begin * frame * IN;
    near("y", mine->y, one->y + y0, (whole ? out : share) * out_frame * OUT, 1e-5);
    near("dx", mine->dx, one->dx + x0, (whole ? frames : own.n) * frame * IN, 1e-5);
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(mine->w->grad, ts_param_count(mine->w), TS_COMM_F32, TS_COMM_SUM)));
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(mine->b->grad, OUT, TS_COMM_F32, TS_COMM_SUM)));
    near("dw", mine->w->grad, one->w->grad, ts_param_count(mine->w), 5e-5);
    near("db", mine->b->grad, one->b->grad, OUT, 5e-5);
    /* to the one before forward, to the one behind back */
    const int64_t reach = (kernel - 1) * dilation + 1 - stride, halo = reach > 0 ? reach : 0;
    const int neighbours = (comm->rank > 0) + (comm->rank + 1 < comm->size);
    const double bytes = (double)(neighbours * halo * frame * IN) * sizeof(float);
    EXPECT(comm->traffic_by[TS_SEND].bytes - before.bytes == bytes, "%g bytes, not %g",
           comm->traffic_by[TS_SEND].bytes - before.bytes, bytes);
    close_run(one);
    close_run(mine);
}

static void refused(void)
{
    ts_conv3d_op o = { .kernel = { 3, 1, 1 }, .stride = { 1, 1, 1 }, .dilation = { 1, 1, 1 },
                       .size = { comm->size * 2 + 3, 1, 1 }, .samples = 1, .group = comm };
    EXPECT(ts_conv3d_check(&o) == TS_ERR_USER && strstr(ts_error_message(), "cannot share out evenly"), "%s",
           ts_error_message());
    o.size[0] = comm->size + 2;
    EXPECT(ts_conv3d_check(&o) == TS_ERR_USER && strstr(ts_error_message(), "more than its neighbour's"), "%s",
           ts_error_message());
    o.size[0] = 2;
    EXPECT(ts_conv3d_check(&o) == TS_ERR_USER && strstr(ts_error_message(), "there is nothing left"), "%s",
           ts_error_message());
}

int main(void)
{
    if (ts_comm_world(&comm) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    refused();
    for (int whole = 0; whole < 2; whole++)
        for (int64_t stride = 1; stride <= 2; stride++)
            for (int64_t kernel = 1; kernel <= 3; kernel++) {
                const int64_t most = (2 * comm->size - 1) * stride + kernel;
                one_case(most, kernel, stride, 1, whole);
                if (stride > 1) /* a frame that nobody reads */
                    one_case(most + 1, kernel, stride, 1, whole);
                if (kernel == 2)
                    one_case(most + 1, kernel, stride, 2, whole);
            }
    ts_comm_finish(&comm, false);
    return 0;
}
