/* A step that makes the forms on its way against the step and then gemm_pack: bit by bit. */
#include "check.h"
#include "device/cpu/gemm/gemm.h"
#include "device/packing.h"

#include <math.h>
#include <string.h>

typedef struct forms {
    void *nt, *nn;
    size_t nt_bytes, nn_bytes;
} forms;

static size_t packed(const ts_cpu *c, ts_gemm_form form, int64_t n, int64_t k)
{
    return ts_packing_bytes(c->isa, form, TS_DTYPE_BF16, n, k);
}

static forms make_forms(const ts_cpu *c, int64_t n, int64_t k, int which)
{
    forms f = { .nt_bytes = packed(c, TS_GEMM_NT, n, k), .nn_bytes = packed(c, TS_GEMM_NN, k, n) };
    f.nt = which & 1 ? check_work(f.nt_bytes) : NULL;
    f.nn = which & 2 ? check_work(f.nn_bytes) : NULL;
    return f;
}

static void pack(ts_cpu *c, ts_gemm_form form, int64_t n, int64_t k, const void *p, ts_dtype tp,
                 void *dst)
{
    const bool nt = form == TS_GEMM_NT;
    const ts_gemm_pack_args a = { .form = form,
                                  .n = nt ? n : k,
                                  .k = nt ? k : n,
                                  .ld = k,
                                  .src_dtype = tp,
                                  .dtype = TS_DTYPE_BF16,
                                  .src = p,
                                  .dst = dst };
    if (dst)
        c->kernel[TS_KERNEL_gemm_pack].whole(c, &a, 0);
}

/* Element numbers are of bytes. */
static void same(const char *what, const void *got, const void *want, size_t bytes)
{
    const unsigned char *a = got, *b = want;
    size_t i = 0;
    if (!a)
        return;
    while (i + 1 < bytes && a[i] == b[i])
        i++;
    check_equal(what, (int64_t)i, a[i], b[i]);
}

static ts_adamw_args adamw_args(int64_t n, int types)
{
    const ts_dtype tm = types & 1 ? TS_DTYPE_BF16 : TS_DTYPE_F32,
                   tv = types & 2 ? TS_DTYPE_BF16 : TS_DTYPE_F32,
                   tp = types & 4 ? TS_DTYPE_BF16 : TS_DTYPE_F32;
    ts_adamw_args a = { .p = check_inout(1, tp, n, 1),
                        .m = check_inout(2, tm, n, 1),
                        .v = check_inout(3, tv, n, 1),
                        .p_dtype = tp,
                        .m_dtype = tm,
                        .v_dtype = tv,
                        .rng = ts_rng_stream(5, TS_RNG_ROUND, 7, 1),
                        .lr = 0.1f,
                        .beta1 = 0.9f,
                        .beta2 = 0.95f,
                        .eps = 1e-8f,
                        .weight_decay = 0.1f,
                        .grad_scale = 0.5f,
                        .c1 = 0.5,
                        .c2 = 0.5 };
    for (int64_t i = 0; i < n; i++)
        ts_store_f32(a.v, i, tv, fabsf(ts_load_f32(a.v, i, tv)));
    check_touched(a.v);
    a.grad = check_in(4, TS_DTYPE_F32, n, 1);
    return a;
}

static void adamw(const check_env *e, int64_t n, int64_t k, int types, int which)
{
    check_case("step_pack adamw [%lld, %lld] types %d forms %d", (long long)n, (long long)k, types,
               which);
    const ts_adamw_args a = adamw_args(n * k, types);
    ts_adamw_args b = adamw_args(n * k, types);
    const forms want = make_forms(e->one, n, k, which), got = make_forms(e->one, n, k, which);
    b.grad = a.grad;
    e->one->kernel[TS_KERNEL_adamw].rows(&a, 0, n * k);
    pack(e->one, TS_GEMM_NT, n, k, a.p, a.p_dtype, want.nt);
    pack(e->one, TS_GEMM_NN, n, k, a.p, a.p_dtype, want.nn);
    check_kernel(e, TS_KERNEL_step_pack,
                 &(ts_step_pack_args){ .adamw = &b, .n = n, .k = k, .nt = got.nt, .nn = got.nn },
                 0);
    same("p", b.p, a.p, (size_t)(n * k) * ts_dtype_size(a.p_dtype));
    same("m", b.m, a.m, (size_t)(n * k) * ts_dtype_size(a.m_dtype));
    same("v", b.v, a.v, (size_t)(n * k) * ts_dtype_size(a.v_dtype));
    same("the forward form", got.nt, want.nt, want.nt_bytes);
    same("the backward form", got.nn, want.nn, want.nn_bytes);
}

static void sgd(const check_env *e, int64_t n, int64_t k, bool momentum)
{
    check_case("step_pack sgd [%lld, %lld] momentum %d", (long long)n, (long long)k, momentum);
    ts_sgd_args a = { .p = check_inout(1, TS_DTYPE_F32, n * k, 1),
                      .m = momentum ? check_inout(2, TS_DTYPE_F32, n * k, 1) : NULL,
                      .grad = check_in(3, TS_DTYPE_F32, n * k, 1),
                      .lr = 0.1f,
                      .weight_decay = 0.1f,
                      .momentum = momentum ? 0.9f : 0,
                      .grad_scale = 0.5f };
    ts_sgd_args b = a;
    const forms want = make_forms(e->one, n, k, 3), got = make_forms(e->one, n, k, 3);
    b.p = check_inout(1, TS_DTYPE_F32, n * k, 1);
    b.m = momentum ? check_inout(2, TS_DTYPE_F32, n * k, 1) : NULL;
    e->one->kernel[TS_KERNEL_sgd].rows(&a, 0, n * k);
    pack(e->one, TS_GEMM_NT, n, k, a.p, TS_DTYPE_F32, want.nt);
    pack(e->one, TS_GEMM_NN, n, k, a.p, TS_DTYPE_F32, want.nn);
    check_kernel(e, TS_KERNEL_step_pack,
                 &(ts_step_pack_args){ .sgd = &b, .n = n, .k = k, .nt = got.nt, .nn = got.nn }, 0);
    same("p", b.p, a.p, (size_t)(n * k) * sizeof(float));
    same("m", b.m, a.m, (size_t)(n * k) * sizeof(float));
    same("the forward form", got.nt, want.nt, want.nt_bytes);
    same("the backward form", got.nn, want.nn, want.nn_bytes);
}

static bool add_others(const check_env *e)
{
    ts_cpu *const both[] = { e->one, e->two };
    for (size_t i = 0; i < CHECK_COUNT(both); i++) {
        ts_cpu_init_optim(both[i]);
        ts_cpu_init_gemm(both[i]);
    }
    return e->one->kernel[TS_KERNEL_step_pack].whole != NULL;
}

void check_step_pack(const check_env *e)
{
    static const int64_t shapes[][2] = { { 1, 1 },    { 2, 16 },     { 48, 96 },  { 47, 97 },
                                         { 49, 95 },  { 96, 768 },   { 50, 769 }, { 97, 1537 },
                                         { 193, 31 }, { 200, 2000 }, { 50, 4705 } };
    if (!add_others(e)) { /* nobody has forms to keep with these instructions */
        check_case("no step_pack");
        check_equal("bytes of a form", 0, (double)packed(e->one, TS_GEMM_NT, 96, 96), 0);
        return;
    }
    for (size_t i = 0; i < CHECK_COUNT(shapes); i++) {
        const int64_t n = shapes[i][0], k = shapes[i][1];
        for (int which = 1; which < 4; which++)
            adamw(e, n, k, 0, which);
        for (int types = 1; types < 8; types++)
            adamw(e, n, k, types, 3);
        sgd(e, n, k, false);
        sgd(e, n, k, true);
    }
}

static void bench_shape(const check_env *e, int64_t n, int64_t k, int types)
{
    char label[64];
    check_case("bench");
    const ts_adamw_args a = adamw_args(n * k, types);
    const forms f = make_forms(e->one, n, k, 3);
    const ts_step_pack_args s = { .adamw = &a, .n = n, .k = k, .nt = f.nt, .nn = f.nn };
    snprintf(label, sizeof label, "adamw and forms, %lld x %lld%s", (long long)n, (long long)k,
             types ? ", bf16 m and v" : "");
    check_bench(e, label, TS_KERNEL_step_pack, &s, 0, (double)(n * k), "elem",
                (types ? 24 : 32) * (double)(n * k));
}

void bench_step_pack(const check_env *e)
{
    static const int64_t shapes[][2] = { { 21504, 768 },
                                         { 8192, 2048 },
                                         { 2048, 8192 } }; /* 16 Mi */
    check_case("bench");
    for (size_t i = 0; i < CHECK_COUNT(shapes) && add_others(e); i++)
        for (int types = 0; types < 4; types += 3)
            bench_shape(e, shapes[i][0], shapes[i][1], types);
}
