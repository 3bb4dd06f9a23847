#include "base/thread.h"
#include "check.h"
#include "ops/ops.h"

typedef struct loss_case {
    int64_t rows, cols, gap;
    double scale;
    float cap;
    ts_dtype t;      /* of the gradient */
    enum { NONE, APART, IN_PLACE } gradient;
    bool weights, specials; /* specials: -inf among the logits, ties */
} loss_case;

/* The logits of a row as the kernel should see them, with the bound of each. */
typedef struct oracle {
    double *s, *ds;
    double most, d_most, lse, d_lse;
} oracle;

static oracle row_oracle(const loss_case *c, const ts_loss_args *a, int64_t r)
{
    const double cap = (double)c->cap, u = CHECK_U;
    oracle o = { .s = check_f64(c->cols), .ds = check_f64(c->cols), .most = -INFINITY };
    for (int64_t k = 0; k < c->cols; k++) {
        const double z = check_before(a->logits, r * a->ld + k, TS_DTYPE_F32);
        o.s[k] = cap > 0 ? cap * tanh(z / cap) : z;
        o.ds[k] = cap > 0 ? 10 * u * fabs(o.s[k]) : 0;
        if (o.s[k] > o.most)
            o.most = o.s[k], o.d_most = o.ds[k];
    }
    /* e^(s - most): 2.2 u by itself, the difference once rounded, and what s and most miss; the sum
     * of a block of 4096 in vectors grows by less than its root. */
    double sum = 0, error = 0;
    for (int64_t k = 0; k < c->cols; k++) {
        const double e = exp(o.s[k] - o.most);
        sum += e;
        if (e > 0)
            error += e * (u * (2.2 + fabs(o.s[k] - o.most)) + o.ds[k] + o.d_most);
    }
    o.lse = o.most + log(sum);
    o.d_lse = error / sum + u * (8 + sqrt((double)(c->cols < 4096 ? c->cols : 4096))) + o.d_most;
    return o;
}

static void judge_gradient(const loss_case *c, const ts_loss_args *a, const oracle *o, int64_t r,
                           double weight)
{
    const int64_t label = a->labels[r];
    for (int64_t k = 0; k < c->cols; k++) {
        double want = 0, bound = 0;
        if (weight != 0 && label >= 0) {
            const double t = c->cap > 0 ? o->s[k] / (double)c->cap : 0, slope = 1 - t * t,
                         u = CHECK_U;
            const double p = exp(o->s[k] - o->lse), d = p - (k == label);
            const double dp =
                p > 0 ? p * (o->d_lse + o->ds[k] + u * (6 + fabs(o->s[k] - o->most) + fabs(o->lse)))
                      : 0;
            want = weight * d * slope;
            bound = fabs(weight) *
                        (dp * fabs(slope) + fabs(d) * (c->cap > 0 ? t * t * 22 * u + u : 0)) +
                    3 * u * fabs(want) + 1e-37;
        }
        check_elem("dlogits", a->dlogits, r * a->ld_d + k, c->t, want, bound);
    }
}

static void judge(const loss_case *c, const ts_loss_args *a)
{
    for (int64_t r = 0; r < c->rows; r++) {
        const oracle o = row_oracle(c, a, r);
        const int64_t label = a->labels[r];
        const double weight = a->weight ? (double)a->weight[r] : 1;
        if (a->loss && (label < 0 || weight == 0))
            check_equal("loss", r, (double)a->loss[r], 0);
        else if (a->loss)
            check_elem("loss", a->loss, r, TS_DTYPE_F32, o.lse - o.s[label], o.d_lse + o.ds[label]);
        if (a->argmax) {
            int64_t best = 0;
            for (int64_t k = 1; k < c->cols; k++)
                best = o.s[k] > o.s[best] ? k : best;
            const int64_t found = a->argmax[r];
            if (c->cap > 0 && found >= 0 && found < c->cols) /* the cap makes equals: any of them */
                check_near("largest", r, o.s[found], o.most,
                           o.ds[found] + o.d_most + CHECK_U * fabs(o.most));
            else
                check_equal("argmax", r, (double)found, (double)best);
        }
        if (c->gradient != NONE)
            judge_gradient(c, a, &o, r, weight);
    }
}

static float *make_logits(const loss_case *c, int64_t ld, const int32_t *labels)
{
    float *z = check_inout(1, TS_DTYPE_F32, c->rows * ld, c->scale);
    for (int64_t r = 0; c->specials && c->cols > 2 && r < c->rows; r++) {
        float *row = z + r * ld;
        const int64_t k = (r * 7 + 1) % c->cols;
        if (k != labels[r])
            row[k] = -INFINITY;
        /* the lower of two equals wins */
        row[c->cols - 1] = row[c->cols / 2] = (float)(1.5 * c->scale);
    }
    check_touched(z);
    return z;
}

static ts_loss_args whole_args(const loss_case *c)
{
    int32_t *labels = check_ints(2, TS_DTYPE_I32, c->rows, (int)c->cols - 1);
    float *weight = check_inout(3, TS_DTYPE_F32, c->rows, 1);
    for (int64_t r = 0; r < c->rows; r++) {
        if (labels[r] < 0 && r % 3)
            labels[r] = -labels[r];
        if (r % 4 == 1)
            weight[r] = 0;
    }
    labels[0] = 0;
    labels[c->rows - 1] = (int32_t)c->cols - 1;
    check_touched(labels);
    check_touched(weight);
    ts_loss_args a = { .cols = c->cols, .ld = c->cols + c->gap, .softcap = c->cap, .labels = labels,
                       .weight = c->weights ? weight : NULL, .d_dtype = c->t };
    a.logits = make_logits(c, a.ld, labels);
    return a;
}

static void loss_run(const check_env *e, const loss_case *c)
{
    check_case(
        "softmax_xent rows %lld cols %lld gap %lld scale %g cap %g gradient %s %d weights %d specials %d",
        (long long)c->rows, (long long)c->cols, (long long)c->gap, c->scale, (double)c->cap,
        ts_dtype_name(c->t), (int)c->gradient, c->weights, c->specials);
    ts_loss_args a = whole_args(c);
    a.loss = c->gap != 1 ? check_out(TS_DTYPE_F32, c->rows) : NULL;
    a.argmax = c->gap != 2 ? check_out(TS_DTYPE_I32, c->rows) : NULL;
    a.ld_d = c->gradient == IN_PLACE ? a.ld * 4 / (int64_t)ts_dtype_size(c->t)
                                     : c->cols + 2 * c->gap;
    if (c->gradient != NONE)
        a.dlogits = c->gradient == IN_PLACE ? a.logits : check_out(c->t, c->rows * a.ld_d);
    check_kernel(e, TS_KERNEL_softmax_xent, &a, c->rows);
    if (c->gradient == NONE)
        check_untouched("logits", a.logits, 0, c->rows * a.ld, TS_DTYPE_F32);
    for (int64_t r = 0; r < c->rows && c->gap; r++) {
        check_untouched("logits' gap", a.logits, r * a.ld + c->cols, c->gap, TS_DTYPE_F32);
        if (c->gradient == APART)
            check_untouched("gap", a.dlogits, r * a.ld_d + c->cols, a.ld_d - c->cols, c->t);
    }
    judge(c, &a);
}

/* A NaN or an infinity among the logits makes the row's loss NaN. */
static void spoiled(const check_env *e, float value)
{
    const int64_t cols = 100;
    check_case("softmax_xent with %g among the logits", (double)value);
    float *z = check_inout(1, TS_DTYPE_F32, 2 * cols, 1);
    int32_t *labels = check_ints(2, TS_DTYPE_I32, 2, 0);
    z[37] = value;
    ts_loss_args a = { .cols = cols, .ld = cols, .labels = labels, .logits = z, .dlogits = z,
                       .ld_d = cols,
                       .loss = check_out(TS_DTYPE_F32, 2) };
    a.loss[0] = a.loss[1] = 7;
    check_kernel(e, TS_KERNEL_softmax_xent, &a, 2);
    check_equal("loss", 0, (double)a.loss[0], NAN);
    if (!isfinite(a.loss[1]) || a.loss[1] == 7)
        check_fail("the row beside it has loss %g", (double)a.loss[1]);
}

/* ---- a vocabulary in parts ---- */

enum { MOST_PARTS = 4 };

/* The kernels of one process of a group, on its columns. */
typedef struct part {
    ts_loss_args a;
    float *own_most, *sum, *at_label; /* [rows], as xent_stats left them */
} part;

/* Where part i of n begins: uneven; one column where there are too few. */
static int64_t part_begin(int64_t cols, int i, int n)
{
    return i == n ? cols : i + (cols - n) * i * i / (n * n);
}

/* What xent_stats must say of its columns: o is of these alone. */
static void judge_stats(const loss_case *c, const part *p, const oracle *o, int64_t r, bool skips)
{
    const ts_loss_args *a = &p->a;
    const int64_t label = a->labels[r] - a->first;
    if (skips) {
        check_equal("sum", r, (double)a->sum[r], 0);
        check_equal("at_label", r, (double)a->at_label[r], 0);
        return;
    }
    const double most = (double)a->own_most[r], from = isfinite(most) ? most : 0;
    const double sum = exp(o->lse - from), u = CHECK_U;
    check_near("own_most", r, most, o->most, isfinite(o->most) ? o->d_most + u * fabs(o->most) : 0);
    /* most has its error in lse's bound already, and is here what was found */
    check_near("sum", r, (double)a->sum[r], isfinite(o->most) ? sum : 0,
               isfinite(o->most) ? sum * (o->d_lse + o->d_most + u * (3 + fabs(o->lse - from)))
                                 : 0);
    const bool here = label >= 0 && label < a->cols;
    check_near("at_label", r, (double)a->at_label[r], here ? o->s[label] : 0,
               here && c->cap > 0 ? o->ds[label] : 0);
}

/* Between the kernels: what the processes tell each other. */
static void exchange(part *p, int n, int64_t rows)
{
    float *most = check_inout(0, TS_DTYPE_F32, rows, 0), *sum = check_inout(0, TS_DTYPE_F32, rows, 0),
          *at = check_inout(0, TS_DTYPE_F32, rows, 0);
    for (int64_t r = 0; r < rows; r++) {
        double total = 0, label = 0, top = -INFINITY;
        for (int i = 0; i < n; i++)
            top = fmax(top, (double)p[i].own_most[r]);
        for (int i = 0; i < n; i++) {
            total += (double)p[i].sum[r] * exp((double)p[i].own_most[r] - top);
            label += (double)p[i].at_label[r];
        }
        most[r] = (float)top, sum[r] = (float)total, at[r] = (float)label;
    }
    check_touched(most), check_touched(sum), check_touched(at);
    for (int i = 0; i < n; i++)
        p[i].a.most = most, p[i].a.sum = sum, p[i].a.at_label = at;
}

static void run_stats(const check_env *e, const loss_case *c, const ts_loss_args *whole, part *p)
{
    ts_loss_args *a = &p->a;
    a->own_most = p->own_most = check_out(TS_DTYPE_F32, c->rows);
    a->sum = p->sum = check_out(TS_DTYPE_F32, c->rows);
    a->at_label = p->at_label = check_out(TS_DTYPE_F32, c->rows);
    a->logits = check_inout(7, TS_DTYPE_F32, c->rows * a->ld, 1);
    for (int64_t r = 0; r < c->rows; r++)
        memcpy(a->logits + r * a->ld, whole->logits + r * whole->ld + a->first,
               (size_t)a->cols * sizeof(float));
    check_touched(a->logits);
    if (c->gradient == IN_PLACE)
        a->dlogits = a->logits;
    else if (c->gradient == APART)
        a->dlogits = check_out(c->t, c->rows * a->ld_d);
    check_kernel(e, TS_KERNEL_xent_stats, a, c->rows);
    for (int64_t r = 0; r < c->rows; r++) {
        const bool skips = a->labels[r] < 0 || (a->weight && a->weight[r] == 0);
        loss_case mine = *c;
        mine.cols = a->cols;
        const oracle o = row_oracle(&mine, a, r);
        judge_stats(c, p, &o, r, skips);
        if (a->argmax && c->cap == 0) {
            int64_t best = 0;
            for (int64_t k = 1; k < a->cols; k++)
                best = o.s[k] > o.s[best] ? k : best;
            check_equal("argmax", r, (double)a->argmax[r], (double)(a->first + best));
        }
    }
}

/* Loss and gradient of a part's columns by the oracle of the whole row. A sum and a factor are
 * rounded once more each than in one process, and each part's exponentials stand above its own
 * largest. */
static void judge_part(const loss_case *c, const ts_loss_args *whole, const part *p, int64_t r)
{
    const ts_loss_args *a = &p->a;
    oracle o = row_oracle(c, whole, r);
    const int64_t label = a->labels[r];
    const double weight = a->weight ? (double)a->weight[r] : 1;
    o.d_lse += 3 * CHECK_U;
    if (label < 0 || weight == 0)
        check_equal("loss", r, (double)a->loss[r], 0);
    else
        check_elem("loss", a->loss, r, TS_DTYPE_F32, o.lse - o.s[label], o.d_lse + o.ds[label]);
    if (c->gradient == NONE)
        return;
    loss_case mine = *c;
    mine.cols = a->cols;
    oracle shifted = o;
    shifted.s += a->first, shifted.ds += a->first;
    ts_loss_args b = *a;
    int32_t *local = check_ints(9, TS_DTYPE_I32, c->rows, 0);
    for (int64_t k = 0; k < c->rows; k++)
        local[k] = a->labels[k] < 0 ? -1 : 0x7fffffff;
    if (label >= a->first && label < a->first + a->cols)
        local[r] = (int32_t)(label - a->first);
    check_touched(local);
    b.labels = local;
    judge_gradient(&mine, &b, &shifted, r, weight);
}

static void parts_run(const check_env *e, const loss_case *c, int n)
{
    check_case("xent_stats and _finish, %d parts, rows %lld cols %lld gap %lld scale %g cap %g "
               "gradient %s %d weights %d specials %d",
               n, (long long)c->rows, (long long)c->cols, (long long)c->gap, c->scale,
               (double)c->cap, ts_dtype_name(c->t), (int)c->gradient, c->weights, c->specials);
    part p[MOST_PARTS];
    const ts_loss_args whole = whole_args(c);
    for (int i = 0; i < n; i++) {
        p[i] = (part){ .a = whole };
        ts_loss_args *a = &p[i].a;
        a->first = part_begin(c->cols, i, n);
        a->cols = part_begin(c->cols, i + 1, n) - a->first;
        a->ld = a->cols + c->gap;
        a->ld_d = c->gradient == IN_PLACE ? a->ld * 4 / (int64_t)ts_dtype_size(c->t)
                                          : a->cols + 2 * c->gap;
        a->loss = NULL;
        a->argmax = c->gap != 2 ? check_out(TS_DTYPE_I32, c->rows) : NULL;
        run_stats(e, c, &whole, &p[i]);
    }
    exchange(p, n, c->rows);
    for (int i = 0; i < n; i++) {
        p[i].a.loss = check_out(TS_DTYPE_F32, c->rows);
        check_kernel(e, TS_KERNEL_xent_finish, &p[i].a, c->rows);
        for (int64_t r = 0; r < c->rows; r++)
            judge_part(c, &whole, &p[i], r);
    }
}

void check_loss(const check_env *e)
{
    static const int64_t cols[] = { 1,  2,  7,  8,   9,    15,   16,   17,  33,
                                    63, 64, 65, 257, 1000, 4096, 4131, 9001 };
    static const double scale[] = { 1, 1e-4, 20, 1e4 };
    static const float cap[] = { 0, 0, 30, 2 };
    int k = 0;
    for (size_t i = 0; i < CHECK_COUNT(cols); i++)
        for (size_t s = 0; s < CHECK_COUNT(scale); s++)
            for (size_t p = 0; p < CHECK_COUNT(cap); p++)
                for (int g = 0; g < 7; g++, k++) { /* three types apart, three in place, none */
                    const loss_case c = { .rows = cols[i] > 1000 ? 5 : 9, .cols = cols[i],
                                          .gap = k % 4, .scale = scale[s], .cap = cap[p],
                                          .weights = k & 1,
                                          .specials = k % 3 == 0,
                                          .t = (ts_dtype)(g % 3),
                                          .gradient = g < 3   ? APART
                                                      : g < 6 ? IN_PLACE
                                                              : NONE };
                    loss_run(e, &c);
                    if (c.cols >= MOST_PARTS && (g + k) % 3 == 0)
                        parts_run(e, &c, 1 + (g + (int)i) % MOST_PARTS);
                }
    spoiled(e, NAN);
    spoiled(e, INFINITY);
}

static ts_status choose(ts_tape *tape, const ts_tensor *labels, ts_chosen_rows *out)
{
    const int64_t T = labels->dim[0];
    ts_tensor *at, *back, *few;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, 0, &at));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, 0, &back));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, 0, &few));
    *out = (ts_chosen_rows){ .at = at, .back = back, .labels = few };
    out->n = ts_choose_rows(ts_tensor_data(labels), T, ts_tensor_data(at), ts_tensor_data(back),
                            ts_tensor_data(few));
    return TS_OK;
}

/* The output layer with its loss and all gradients, best of five runs; every `every`th row
 * counts. */
static ts_status bench_head(ts_device *dev, int64_t every, double *best)
{
    enum { ROWS = 512, HIDDEN = 576, VOCAB = 49152 };
    ts_param_set params;
    ts_param *w;
    ts_tape *tape;
    ts_tensor *x, *labels, *loss, *one;
    ts_chosen_rows chosen;
    TS_TRY(ts_param_set_init(&params, dev));
    TS_TRY(ts_param_add(&params, "w", VOCAB, HIDDEN, true, &w));
    TS_TRY(ts_param_set_allocate(&params, TS_DTYPE_F32));
    TS_TRY(ts_param_set_allocate_grads(&params));
    memcpy(w->value, check_in(1, TS_DTYPE_F32, VOCAB * HIDDEN, 0.1),
           VOCAB * HIDDEN * sizeof(float));
    TS_TRY(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    for (int i = 0; i < 6; i++) {
        ts_tape_reset(tape);
        TS_TRY(ts_tape_new(tape, TS_DTYPE_BF16, ROWS, HIDDEN, &x));
        TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, ROWS, 0, &labels));
        memcpy(ts_tensor_data(x), check_in(2, TS_DTYPE_BF16, ROWS * HIDDEN, 1), ts_tensor_bytes(x));
        x->wants_grad = true;
        for (int32_t r = 0; r < ROWS; r++)
            ((int32_t *)ts_tensor_data(labels))[r] = r % every ? -1 : r * 71;
        TS_TRY(choose(tape, labels, &chosen));
        const ts_xent_op o = { .w = w, .logit_scale = 1, .labels = labels, .chosen = &chosen,
                               .late = true };
        const double t = ts_now();
        TS_TRY(ts_op_linear_xent(tape, &o, x, &loss, NULL));
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, ROWS, 0, &one));
        for (int32_t r = 0; r < ROWS; r++)
            ((float *)ts_tensor_data(one))[r] = 1;
        TS_TRY(ts_tape_accumulate(tape, loss, one));
        TS_TRY(ts_tape_backward(tape));
        *best = i == 0 || ts_now() - t < *best ? ts_now() - t : *best;
    }
    ts_tape_destroy(&tape);
    ts_param_set_deinit(&params);
    return TS_OK;
}

/* Rows that do not count take no products. */
static void bench_heads(const check_env *e)
{
    const ts_device_options o = { .threads = ts_pool_threads(e->two->pool), .isa = e->isa };
    ts_device *dev;
    double all = 0, half = 0;
    if (!e->isa) /* minutes */
        return;
    if (ts_device_open("cpu", &o, &dev) != TS_OK || bench_head(dev, 1, &all) != TS_OK ||
        bench_head(dev, 2, &half) != TS_OK) {
        check_fail("%s", ts_error_message());
        return;
    }
    ts_device_close(&dev);
    if (e->json) {
        check_json("\"what\": \"linear and loss\", \"dtype\": \"bf16\", \"tokens\": 512, "
                   "\"in\": 576, \"vocabulary\": 49152, \"all_rows_ms\": %.4f, "
                   "\"every_other_row_ms\": %.4f", all * 1e3, half * 1e3);
        return;
    }
    printf("  %-44s %-7s %9.3f ms\n", "linear and loss, 512 x 576 x 49152, bf16", e->isa_name,
           all * 1e3);
    printf("  %-44s %-7s %9.3f ms  %.2f of all rows'\n", "every other row masked", e->isa_name,
           half * 1e3, half / all);
}

void bench_loss(const check_env *e)
{
    const int64_t rows = 64, cols = 49152;
    const double n = (double)(rows * cols);
    check_case("bench");
    int32_t *labels = check_ints(2, TS_DTYPE_I32, rows, (int)cols - 1);
    for (int64_t r = 0; r < rows; r++)
        labels[r] = labels[r] < 0 ? -labels[r] : labels[r];
    float *z = check_inout(1, TS_DTYPE_F32, rows * cols, 1);
    ts_loss_args a = { .cols = cols, .ld = cols, .logits = z, .labels = labels, .ld_d = cols,
                       .loss = check_out(TS_DTYPE_F32, rows) };
    check_bench(e, "softmax_xent loss only, 64 x 49152", TS_KERNEL_softmax_xent, &a, rows, n,
                "elem", 0);
    a.dlogits = z;
    check_bench(e, "softmax_xent and gradient in place", TS_KERNEL_softmax_xent, &a, rows, n,
                "elem", 0);
    a.dlogits = check_out(TS_DTYPE_BF16, rows * cols), a.d_dtype = TS_DTYPE_BF16;
    check_bench(e, "softmax_xent and bf16 gradient", TS_KERNEL_softmax_xent, &a, rows, n, "elem",
                0);
    a.softcap = 30;
    check_bench(e, "softmax_xent, softcap, bf16 gradient", TS_KERNEL_softmax_xent, &a, rows, n,
                "elem", 0);
    bench_heads(e);
}
