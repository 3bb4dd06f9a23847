/* Attention against an oracle in double (attn_oracle.h), whose own gradient is compared with finite
 * differences. */
#include "attn_judge.h"

#include <stdio.h>

/* ---- the oracle's own gradient: sum(dout * o) by central differences */

static double loss_of(const ts_attn_args *a, const doubles *x, oracle *w)
{
    const units none = { 0, 0, 0 };
    const sizes n = sizes_of(a);
    double sum = 0;
    memset(w->o, 0, (size_t)n.o * sizeof *w->o);
    each_row(a, x, &none, w, forward_row);
    for (int64_t i = 0; i < n.o; i++)
        sum += x->dout[i] * w->o[i];
    return sum;
}

static void differences(const ts_attn_args *a, const doubles *x, oracle *w, const char *what,
                        double *at, const double *gradient, int64_t n)
{
    const double step = 1e-5;
    for (int64_t i = 0; i < n; i += 1 + n / 40) {
        const double old = at[i];
        at[i] = old + step;
        const double up = loss_of(a, x, w);
        at[i] = old - step;
        const double down = loss_of(a, x, w);
        at[i] = old;
        /* truncation: step^2 times third derivatives of a few; rounding: 1e-16 * 20 / step */
        check_near(what, i, (up - down) / (2 * step), gradient[i], 3e-9 * (1 + fabs(gradient[i])));
    }
}

static void check_oracle(const geometry *g)
{
    check_case("the oracle's gradient, softcap %g drop %g", g->softcap, g->dropout);
    const units none = { 0, 0, 0 };
    ts_attn_args a = args_of(g);
    add_masks(&a, g);
    float *sinks = NULL;
    if (g->sinks) {
        sinks = check_inout(31, TS_DTYPE_F32, a.n_q, 2);
        a.sinks = sinks;
    }
    doubles x = inputs(&a, g);
    oracle w = oracle_of(&a);
    const sizes n = sizes_of(&a);
    loss_of(&a, &x, &w);
    each_row(&a, &x, &none, &w, backward_row);
    differences(&a, &x, &w, "dq", x.q, w.dq, n.q);
    differences(&a, &x, &w, "dk", x.k, w.dk, n.kv);
    differences(&a, &x, &w, "dv", x.v, w.dv, n.kv);
    /* sinks are floats: a step that they can take */
    for (int64_t h = 0; g->sinks && h < a.n_q; h++) {
        const float old = sinks[h], step = 0x1p-10f;
        sinks[h] = old + step;
        const double high = sinks[h], up = loss_of(&a, &x, &w);
        sinks[h] = old - step;
        const double low = sinks[h], down = loss_of(&a, &x, &w);
        sinks[h] = old;
        check_near("dsinks", h, (up - down) / (high - low), w.dsinks[h],
                   4e-6 * (1 + fabs(w.dsinks[h])));
    }
}

/* ---- which cases */

static void check_lengths(const check_env *e)
{
    static const int64_t length[] = { 1,  2,  3,   15,  16,  17,  31,  33,  63,  64,
                                      65, 95, 127, 128, 129, 191, 193, 255, 256, 257 };
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    for (size_t i = 0; i < CHECK_COUNT(length); i++)
        for (int causal = 0; causal < 2; causal++) {
            const geometry g = { .B = 1, .S_q = length[i], .S_kv = length[i], .n_q = 2, .n_kv = 1,
                                 .D = 16, .dtype = type[i % 3], .size = 2, .causal = causal,
                                 .fused = i % 2 };
            one_case(e, &g, true);
            geometry bf16 = g;
            bf16.dtype = TS_DTYPE_BF16;
            one_case(e, &bf16, true);
        }
}

static void check_heads(const check_env *e)
{
    static const int64_t dim[] = { 1,  7,  8,  10,  12,  16,  31,  32,  64,
                                   72, 80, 96, 112, 128, 256, 300, 512, 520 };
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    for (size_t i = 0; i < CHECK_COUNT(dim); i++)
        for (size_t t = 0; t < 3; t++)
            one_case(e,
                     &(geometry){ .B = 1, .S_q = dim[i] > 128 ? 40 : 70,
                                  .S_kv = dim[i] > 128 ? 40 : 70, .n_q = 2, .n_kv = 1, .D = dim[i],
                                  .dtype = type[t], .size = 1.5, .causal = true, .fused = t == 1 },
                     true);
    for (int64_t r = 1; r <= 8; r++) /* query heads a key head */
        for (size_t t = 0; t < 2; t++)
            one_case(e,
                     &(geometry){ .B = 2, .S_q = 45, .S_kv = 45, .n_q = 2 * r, .n_kv = 2, .D = 24,
                                  .dtype = type[t], .size = 1.5, .causal = true, .fused = r % 2 },
                     true);
    one_case(e,
             &(geometry){ .B = 1, .S_q = 4, .S_kv = 9, .n_q = 200, .n_kv = 1, .D = 8,
                          .dtype = TS_DTYPE_BF16, .size = 1 },
             true);
}

/* Every feature with every other: bits of n choose. */
static void check_features(const check_env *e)
{
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_BF16, TS_DTYPE_F16 };
    for (int n = 0; n < 512; n++) {
        geometry g = { .B = 1 + n % 3, .S_q = 37, .S_kv = 37, .n_q = 3, .n_kv = n & 1 ? 3 : 1,
                       .D = 12, .dtype = type[(n + n / 8 + n / 64) % 4], .size = 2, .causal = n & 1,
                       .docs = n & 2, .lengths = n & 4, .sinks = n & 8, .slopes = n & 16,
                       .window = n & 32 ? 9 : 0, .softcap = n & 64 ? 1.5 : 0,
                       .dropout = n & 128 ? 0.3 : 0, .cache = n & 256,
                       .fused = !(n & 256) && n % 5 < 2 };
        if (g.cache)
            g.S_q = 6 + n % 7, g.S_kv = 150;
        if (g.lengths)
            g.B = 4;
        one_case(e, &g, true);
    }
}

/* Sizes at which work is cut differently: several blocks, chunks of sums, splits of keys. */
static void check_cuts(const check_env *e)
{
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16 };
    for (size_t t = 0; t < 2; t++) {
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 33, .S_kv = 33, .n_q = 2, .n_kv = 1, .D = 16,
                              .dtype = type[t], .size = 2, .window = 5 },
                 false); /* not causal; lse not wanted */
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 450, .S_kv = 450, .n_q = 3, .n_kv = 1, .D = 16,
                              .dtype = type[t], .size = 2, .causal = true, .fused = true },
                 true);
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 300, .S_kv = 300, .n_q = 2, .n_kv = 2, .D = 20,
                              .dtype = type[t], .size = 2, .causal = true, .window = 70,
                              .docs = true, .dropout = 0.1 },
                 true);
        one_case(e,
                 &(geometry){ .B = 2, .S_q = 1, .S_kv = 3000, .n_q = 6, .n_kv = 2, .D = 32,
                              .dtype = type[t], .size = 2, .causal = true, .cache = true,
                              .sinks = true },
                 true);
        one_case(e,
                 &(geometry){ .B = 3, .S_q = 5, .S_kv = 1500, .n_q = 2, .n_kv = 1, .D = 64,
                              .dtype = type[t], .size = 2, .causal = true, .cache = true,
                              .lengths = true, .window = 1200 },
                 true);
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 2, .S_kv = 13000, .n_q = 2, .n_kv = 1, .D = 260,
                              .dtype = type[t],
                              /* sums of dk, dv do not fit: two passes */
                              .size = 1,
                              .causal = false },
                 true);
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 2, .S_kv = 4000, .n_q = 2, .n_kv = 1, .D = 64,
                              .dtype = type[t], .size = 1, .causal = false, .dropout = 0.5 },
                 true);
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 20, .S_kv = 1600, .n_q = 2, .n_kv = 1, .D = 20,
                              .dtype = type[t], .size = 2, .causal = true, .cache = true,
                              .slopes = true },
                 true);
        /* more partial results than the scratch holds at a time: of splits, of chunks */
        one_case(e,
                 &(geometry){ .B = 35, .S_q = 1, .S_kv = 1030, .n_q = 96, .n_kv = 8, .D = 500,
                              .dtype = type[t], .size = 1, .causal = true, .cache = true,
                              .window = 9, .shared = true },
                 false);
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 64, .S_kv = 1400, .n_q = 9, .n_kv = 3, .D = 500,
                              .dtype = type[t], .size = 1, .causal = true, .cache = true,
                              .window = 30 },
                 true);
    }
}

/* Keys that are the values too, as latent vectors are. */
static void check_latent(const check_env *e)
{
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16 };
    for (size_t t = 0; t < 2; t++) {
        one_case(e,
                 &(geometry){ .B = 3, .S_q = 1, .S_kv = 300, .n_q = 16, .n_kv = 1, .D = 576,
                              .dtype = type[t], .size = 0.3, .causal = true, .cache = true,
                              .lengths = true, .same = true },
                 false);
        one_case(e,
                 &(geometry){ .B = 2, .S_q = 2, .S_kv = 700, .n_q = 13, .n_kv = 1, .D = 600,
                              .dtype = type[t], .size = 1, .causal = true, .cache = true,
                              .same = true },
                 false);
    }
}

/* Keys in pages, for few rows and for many, whole and in splits. */
static void check_pages(const check_env *e)
{
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    for (int n = 0; n < 48; n++) {
        const geometry g = { .B = 1 + n % 3, .S_q = n & 1 ? 1 : 23, .S_kv = n & 2 ? 700 : 75, .n_q = 4, .n_kv = 2,
                             .D = n & 4 ? 24 : 140, .dtype = type[n % 3], .size = 2, .causal = true, .cache = true,
                             .pages = true, .any_cut = n & 8, .window = n & 16 ? 50 : 0, .lengths = true };
        one_case(e, &g, false);
    }
}

/* The backward's chunks of rows that follow each other, with sums of some keys each. */
static void check_rows_of_few_keys(const check_env *e)
{
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16 };
    for (size_t t = 0; t < 2; t++) {
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 700, .S_kv = 700, .n_q = 3, .n_kv = 1, .D = 16,
                              .dtype = type[t], .size = 2, .causal = true, .docs = true,
                              .fused = true },
                 true);
        one_case(e,
                 &(geometry){ .B = 3, .S_q = 600, .S_kv = 600, .n_q = 2, .n_kv = 1, .D = 20,
                              .dtype = type[t], .size = 2, .causal = true, .window = 50,
                              .lengths = true },
                 true);
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 700, .S_kv = 700, .n_q = 3, .n_kv = 1, .D = 16,
                              .dtype = type[t], .size = 2, .causal = true, .blind = true },
                 true);
        one_case(e,
                 &(geometry){ .B = 2, .S_q = 600, .S_kv = 600, .n_q = 3, .n_kv = 1, .D = 16,
                              .dtype = type[t], .size = 2, .docs = true, .lengths = true },
                 true);
    }
}

static void check_sizes(const check_env *e)
{
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    static const double size[] = { 1e-4, 1e-2, 10, 40 };
    for (size_t i = 0; i < CHECK_COUNT(size); i++)
        for (size_t t = 0; t < 3; t++)
            one_case(e,
                     &(geometry){ .B = 1, .S_q = 80, .S_kv = 80, .n_q = 2, .n_kv = 1, .D = 32,
                                  .dtype = type[t], .size = size[i], .causal = true,
                                  .softcap = i == 3 ? 50 : 0 },
                     true);
    for (size_t t = 0; t < 2; t++) /* one key takes all */
        one_case(e,
                 &(geometry){ .B = 1, .S_q = 50, .S_kv = 50, .n_q = 1, .n_kv = 1, .D = 16,
                              .dtype = type[t], .size = 200, .causal = true },
                 true);
}

/* A NaN in one query must come out of its row, and of no other. */
static void check_nan(const check_env *e)
{
    const geometry g = { .B = 1, .S_q = 20, .S_kv = 20, .n_q = 1, .n_kv = 1, .D = 16,
                         .dtype = TS_DTYPE_F32, .size = 1, .causal = true };
    check_case("a NaN in query 7");
    ts_attn_args a = args_of(&g);
    inputs(&a, &g);
    const sizes n = sizes_of(&a);
    float *q = check_inout(1, TS_DTYPE_F32, n.q, 1);
    q[7 * a.q_row + 3] = NAN;
    check_touched(q);
    a.q = q, a.o = check_out(TS_DTYPE_F32, n.o), a.lse = check_out(TS_DTYPE_F32, n.stat);
    check_kernel(e, TS_KERNEL_attn_fwd, &a, 1);
    for (int64_t i = 0; i < a.S_q; i++)
        check_equal("isnan(o)", i, isnan(((float *)a.o)[i * 16 + 5]), i == 7);
}

void check_attn(const check_env *e);
void check_attn(const check_env *e)
{
    if (!e->isa) {
        const geometry g = { .B = 2, .S_q = 7, .S_kv = 9, .n_q = 4, .n_kv = 2, .D = 5, .size = 1.5,
                             .causal = true, .docs = true, .cache = true };
        geometry all = g;
        all.sinks = all.slopes = true, all.softcap = 2, all.dropout = 0.25, all.window = 6;
        check_oracle(&g);
        check_oracle(&all);
    }
    check_lengths(e);
    check_heads(e);
    check_features(e);
    check_latent(e);
    check_pages(e);
    if (e->isa) { /* the reference cuts nothing, and would take long */
        check_cuts(e);
        check_rows_of_few_keys(e);
    }
    check_sizes(e);
    check_nan(e);
}

/* ---- timing */

static double best_of(const check_env *e, ts_kernel k, const ts_attn_args *a, int times)
{
    double best = 1e30;
    for (int i = 0; i < times; i++) {
        const double t = ts_now();
        e->two->kernel[k].whole(e->two, a, 1);
        const double s = ts_now() - t;
        best = s < best ? s : best;
    }
    return best;
}

/* Seconds of training attention over B rows of S tokens. docs: lengths of the documents of each
 * row, one after another (NULL: one document). */
typedef struct train_time {
    double fwd, bwd;
} train_time;

static train_time time_train(const check_env *e, const geometry *g, const int64_t *docs)
{
    check_case("bench");
    ts_attn_args a = args_of(g);
    const sizes n = sizes_of(&a);
    inputs(&a, g);
    if (docs) {
        int32_t *first = counts(g->B * g->S_q);
        for (int64_t i = 0, k = 0, begin = 0; i < g->B * g->S_q; i++) {
            if (i == begin + docs[k])
                begin = i % g->S_q ? i : 0, k = i % g->S_q ? k + 1 : 0;
            first[i] = (int32_t)(begin % g->S_q);
        }
        a.first_key = first;
    }
    a.o = check_out(g->dtype, n.o), a.lse = check_out(TS_DTYPE_F32, n.stat);
    outputs(&a, g);
    const int times = g->S_q < 1024 ? 12 : 6;
    return (train_time){ best_of(e, TS_KERNEL_attn_fwd, &a, times),
                         best_of(e, TS_KERNEL_attn_bwd, &a, times) };
}

static geometry train_geometry(ts_dtype dtype, int64_t B, int64_t S, int64_t D)
{
    return (geometry){ .B = B, .S_q = S, .S_kv = S, .n_q = 9, .n_kv = 3, .D = D, .dtype = dtype,
                       .size = 1, .causal = true, .fused = true };
}

static void bench_train(const check_env *e, ts_dtype dtype, int64_t B, int64_t S, int64_t D)
{
    const geometry g = train_geometry(dtype, B, S, D);
    const train_time t = time_train(e, &g, NULL);
    /* forward, the causal half */
    const double flops = 2.0 * (double)B * 9 * (double)(S * S) * (double)D, sum = t.fwd + t.bwd;
    if (e->json) {
        check_json("\"what\": \"train\", \"dtype\": \"%s\", \"batch\": %lld, \"tokens\": %lld, "
                   "\"query_heads\": 9, \"kv_heads\": 3, \"head_dim\": %lld, \"forward_ms\": %.4f, "
                   "\"backward_ms\": %.4f, \"both_ms\": %.4f, \"useful_gflop_per_s\": %.2f",
                   ts_dtype_name(dtype), (long long)B, (long long)S, (long long)D, t.fwd * 1e3,
                   t.bwd * 1e3, sum * 1e3, 3 * flops / sum * 1e-9);
        return;
    }
    printf(
        "  %-4s B %lld T %5lld 9/3 x %lld %-7s fwd %7.2f bwd %7.2f sum %7.2f ms; useful %6.1f, with recompute"
        " %6.1f GFLOP/s (fwd %.1f, bwd %.1f)\n",
        ts_dtype_name(dtype), (long long)B, (long long)S, (long long)D, e->isa_name, t.fwd * 1e3,
        t.bwd * 1e3, sum * 1e3, 3 * flops / sum * 1e-9, 3.5 * flops / sum * 1e-9,
        flops / t.fwd * 1e-9, 2.5 * flops / t.bwd * 1e-9);
    fflush(stdout);
}

/* A row of 4096 tokens of several documents, beside the same documents apart: for each length a
 * batch of about as many tokens of that length alone, of whose time one document's share counts. */
static void bench_packed(const check_env *e, ts_dtype dtype, const char *name, const int64_t *docs)
{
    enum { T = 4096 };
    char lengths[64] = "";
    const geometry g = train_geometry(dtype, 1, T, 64);
    const train_time packed = time_train(e, &g, docs);
    train_time apart = { 0, 0 }, last = { 0, 0 };
    double squares = 0;
    for (int64_t k = 0, at = 0; at < T; at += docs[k++]) {
        const geometry one = train_geometry(dtype, T / docs[k], docs[k], 64);
        const double share = 1 / (double)one.B;
        if (k == 0 || docs[k] != docs[k - 1])
            last = time_train(e, &one, NULL);
        snprintf(lengths + strlen(lengths), sizeof lengths - strlen(lengths), "%s%lld",
                 k ? ", " : "", (long long)docs[k]);
        apart.fwd += share * last.fwd, apart.bwd += share * last.bwd;
        squares += (double)(docs[k] * docs[k]);
    }
    const double sum = packed.fwd + packed.bwd, flops = 2.0 * 9 * squares * 64;
    if (e->json) {
        check_json("\"what\": \"packed\", \"dtype\": \"%s\", \"name\": \"%s\", "
                   "\"document_tokens\": [%s], \"query_heads\": 9, \"kv_heads\": 3, "
                   "\"head_dim\": 64, \"both_ms\": %.4f, \"useful_gflop_per_s\": %.2f, "
                   "\"apart_both_ms\": %.4f",
                   ts_dtype_name(dtype), name, lengths, sum * 1e3, 3 * flops / sum * 1e-9,
                   (apart.fwd + apart.bwd) * 1e3);
        return;
    }
    printf("  %-4s packed %s (%s) 9/3 x 64 %-7s fwd %7.2f bwd %7.2f sum %7.2f ms; useful %6.1f GFLOP/s; apart"
           " fwd %7.2f bwd %7.2f sum %7.2f ms; share of its speed %.3f\n",
           ts_dtype_name(dtype), name, lengths, e->isa_name, packed.fwd * 1e3, packed.bwd * 1e3, sum * 1e3,
           3 * flops / sum * 1e-9, apart.fwd * 1e3, apart.bwd * 1e3, (apart.fwd + apart.bwd) * 1e3,
           (apart.fwd + apart.bwd) / sum);
    fflush(stdout);
}

static void bench_decode(const check_env *e, ts_dtype dtype, int64_t B, int64_t S)
{
    const geometry g = {
        .B = B, .S_q = 1, .S_kv = S, .n_q = 9, .n_kv = 3, .D = 64, .dtype = dtype, .size = 1
    };
    check_case("bench");
    ts_attn_args a = args_of(&g);
    const sizes n = sizes_of(&a);
    inputs(&a, &g);
    a.o = check_out(dtype, n.o);
    const double fwd = best_of(e, TS_KERNEL_attn_fwd, &a, 100);
    const double rate = 2.0 * (double)(B * S * 3 * 64) * (double)ts_dtype_size(dtype) / fwd * 1e-9;
    if (e->json) {
        check_json("\"what\": \"decode\", \"dtype\": \"%s\", \"batch\": %lld, \"keys\": %lld, "
                   "\"forward_ms\": %.4f, \"keys_and_values_gb_per_s\": %.2f",
                   ts_dtype_name(dtype), (long long)B, (long long)S, fwd * 1e3, rate);
        return;
    }
    printf("  %-4s decode B %lld, %lld keys, %-7s %8.4f ms %6.1f GB/s of keys and values\n",
           ts_dtype_name(dtype), (long long)B, (long long)S, e->isa_name, fwd * 1e3, rate);
    fflush(stdout);
}

void bench_attn(const check_env *e);
void bench_attn(const check_env *e)
{
    static const ts_dtype type[] = { TS_DTYPE_BF16, TS_DTYPE_F32 };
    static const int64_t even[] = { 512, 512, 512, 512, 512, 512, 512, 512 },
                         mixed[] = { 301, 77, 1003, 130, 1937, 64, 584 };
    for (size_t t = 0; t < 2; t++) {
        bench_train(e, type[t], 1, 256, 64);
        if (!e->isa)
            continue; /* the reference: once, small */
        bench_train(e, type[t], 4, 512, 64);
        bench_train(e, type[t], 4, 1024, 64);
        bench_train(e, type[t], 2, 2048, 64);
        bench_train(e, type[t], 1, 4096, 64);
        bench_train(e, type[t], 1, 1024, 128);
        bench_packed(e, type[t], "8 x 512", even);
        bench_packed(e, type[t], "7 of 64 to 1937", mixed);
        bench_decode(e, type[t], 1, 1024);
        bench_decode(e, type[t], 32, 1024);
        bench_decode(e, type[t], 1, 65536);
    }
}
