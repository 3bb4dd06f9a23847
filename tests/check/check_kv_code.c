/* Keys and values in eight bits: what a code means is as near to the number as the format lets it be, and attention to codes
 * is attention to what they mean, to the bit. */
#include "check.h"

#include <string.h>

static double meant(ts_kv_code code, const void *vector, int64_t n, int64_t c)
{
    const int64_t g = c / TS_KV_GROUP;
    return (double)ts_kv_value(code, ts_kv_group_codes(vector, n, g)[c % TS_KV_GROUP], ts_kv_scale(vector, g));
}

/* ---- into the cache ---- */

/* Largest sizes of a group, which its scale must come from. */
static double most_of(const void *src, int64_t from, int64_t n, ts_dtype t)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(check_get(src, from + i, t)));
    return most;
}

/* Half a step of int8; of e4m3 half a step at the number's own size, or at the least ones'; and the roundings of the
 * quotient, the scale and the product. */
static double bound_of(ts_kv_code code, double x, double most)
{
    const double s = most / (code == TS_KV_INT8 ? 127 : 448);
    return (code == TS_KV_INT8 ? s / 2 : fmax(fabs(x) / 16, s / 1024)) * (1 + 1e-6) + 4 * CHECK_U * fabs(x);
}

static void put(const check_env *e, ts_kv_code code, ts_dtype t, int64_t n, double size)
{
    enum { TOKENS = 9, HEADS = 3, VECTORS = 2, GAP = 5 };
    check_case("kv_put code %d %s n %lld size %g", (int)code, ts_dtype_name(t), (long long)n, size);
    const int64_t head = VECTORS * n + GAP, row = HEADS * head + 1, words = ts_kv_bytes(n) / 4;
    void *src = check_inout(1, t, TOKENS * row, size);
    for (int64_t c = 0; c < n; c++)
        ts_store_f32(src, 2 * row + c, t, 0); /* a vector of zeros */
    check_touched(src);
    int32_t *to = check_ints(2, TS_DTYPE_I32, TOKENS, 1);
    for (int i = 0; i < TOKENS; i++)
        to[i] = i == 4 ? -1 : (i * 5 + 2) % TOKENS;
    check_touched(to);
    float *dst = check_out(TS_DTYPE_F32, TOKENS * HEADS * VECTORS * words);
    const ts_kv_put_args a = { .code = code, .dtype = t, .heads = HEADS, .vectors = VECTORS, .n = n, .src_row = row,
                               .src_head = head, .src = src, .row = to, .dst = dst };
    check_kernel(e, TS_KERNEL_kv_put, &a, TOKENS);
    check_untouched("the row of nobody", dst, (4 * 5 + 2) % TOKENS * HEADS * VECTORS * words, HEADS * VECTORS * words, TS_DTYPE_F32);
    for (int64_t i = 0; i < TOKENS * HEADS * VECTORS * n; i++) {
        const int64_t c = i % n, v = i / n % VECTORS, h = i / n / VECTORS % HEADS, token = i / n / VECTORS / HEADS, g = c / TS_KV_GROUP * TS_KV_GROUP;
        const int64_t from = token * row + h * head + v * n;
        if (to[token] < 0)
            continue;
        const float *vector = dst + ((to[token] * HEADS + h) * VECTORS + v) * words;
        const double x = check_get(src, from + c, t), most = most_of(src, from + g, n - g < TS_KV_GROUP ? n - g : TS_KV_GROUP, t);
        check_near("meant", i, meant(code, vector, n, c), x, bound_of(code, x, most));
    }
}

/* A number that is none makes its group none, and no other. */
static void put_nan(const check_env *e, ts_kv_code code, float x)
{
    enum { N = 100 };
    check_case("kv_put code %d of %g", (int)code, (double)x);
    float *src = check_inout(1, TS_DTYPE_F32, N, 1);
    src[70] = x;
    check_touched(src);
    const int32_t *to = memset(check_ints(2, TS_DTYPE_I32, 1, 1), 0, 4);
    check_touched((void *)(uintptr_t)to);
    float *dst = check_out(TS_DTYPE_F32, ts_kv_bytes(N) / 4);
    const ts_kv_put_args a = { .code = code, .dtype = TS_DTYPE_F32, .heads = 1, .vectors = 1, .n = N, .src_row = N, .src_head = N,
                               .src = src, .row = to, .dst = dst };
    check_kernel(e, TS_KERNEL_kv_put, &a, 1);
    for (int64_t c = 0; c < N; c++)
        check_equal("is a number", c, isnan(meant(code, dst, N, c)), c >= TS_KV_GROUP);
}

/* ---- attention ---- */

typedef struct shape {
    int64_t B, S_q, keys, n_q, n_kv, D;
    bool same, pages, any_cut;
    int64_t window;
} shape;

/* The cache's codes of random numbers, [rows, n_kv, vectors, D], and what they mean, at the same places. */
static void make_cache(const check_env *e, const shape *s, ts_kv_code code, ts_dtype t, ts_dtype wide, int64_t rows, char **codes,
                       char **numbers)
{
    const int64_t vectors = s->same ? 1 : 2, all = rows * s->n_kv * vectors, bytes = ts_kv_bytes(s->D);
    int32_t *row = check_ints(3, TS_DTYPE_I32, rows, 1);
    for (int64_t i = 0; i < rows; i++)
        row[i] = (int32_t)i;
    check_touched(row);
    *codes = check_work((size_t)(all * bytes)), *numbers = check_work((size_t)(all * s->D) * ts_dtype_size(wide));
    const ts_kv_put_args a = { .code = code, .dtype = t, .heads = s->n_kv, .vectors = vectors, .n = s->D,
                               .src_row = s->n_kv * vectors * s->D, .src_head = vectors * s->D, .src = check_in(1, t, all * s->D, 2),
                               .row = row, .dst = *codes };
    e->one->kernel[TS_KERNEL_kv_put].rows(&a, 0, rows);
    for (int64_t i = 0; i < all * s->D; i++)
        ts_store_f32(*numbers, i, wide, (float)meant(code, *codes + i / s->D * bytes, s->D, i % s->D));
    check_touched(*codes);
    check_touched(*numbers);
}

static void attend(const check_env *e, const shape *s, ts_kv_code code, ts_dtype t)
{
    check_case("attention to codes %d %s B %lld S %lld keys %lld heads %lld/%lld dim %lld%s%s%s window %lld", (int)code, ts_dtype_name(t),
               (long long)s->B, (long long)s->S_q, (long long)s->keys, (long long)s->n_q, (long long)s->n_kv, (long long)s->D,
               s->same ? " same" : "", s->pages ? " pages" : "", s->any_cut ? " any cut" : "", (long long)s->window);
    const int64_t each = (s->keys + 15) / 16, vectors = s->same ? 1 : 2, o_n = s->B * s->S_q * s->n_q * s->D;
    char *codes, *numbers;
    make_cache(e, s, code, t, t == TS_DTYPE_BF16 && e->isa & TS_ISA_BF16 ? t : TS_DTYPE_F32, s->B * each * 16, &codes, &numbers);
    int32_t *start = check_ints(4, TS_DTYPE_I32, s->B, 1), *q_len = check_ints(5, TS_DTYPE_I32, s->B, 1),
            *kv_len = check_ints(6, TS_DTYPE_I32, s->B, 1), *page = check_ints(7, TS_DTYPE_I32, s->B * each, 1);
    for (int64_t b = 0; b < s->B; b++) {
        kv_len[b] = (int32_t)(s->keys - 3 * b), q_len[b] = (int32_t)s->S_q, start[b] = kv_len[b] - q_len[b];
        for (int64_t i = 0; i < each; i++)
            page[b * each + i] = (int32_t)(s->B * each - 1 - b * each - i);
    }
    void *const hosts[] = { start, q_len, kv_len, page };
    for (size_t i = 0; i < CHECK_COUNT(hosts); i++)
        check_touched(hosts[i]);
    ts_attn_args a = { .B = s->B, .S_q = s->S_q, .S_kv = each * 16, .q_batch = s->S_q, .kv_batch = each * 16, .n_q = s->n_q,
                       .n_kv = s->n_kv, .head_dim = s->D, .dtype = t, .scale = 0.1f, .mask = ts_mask_causal(s->window),
                       .q_row = s->n_q * s->D, .q_group = s->n_q / s->n_kv * s->D, .q = check_in(8, t, o_n, 1), .q_start = start,
                       .q_len = q_len, .kv_len = kv_len, .any_cut = s->any_cut };
    if (s->pages)
        a.pages = page, a.pages_each = each, a.page_bits = 4;
    /* numbers of fp32 beside those of q, or where products are of bf16 numbers of that */
    const ts_dtype wide = t == TS_DTYPE_BF16 && e->isa & TS_ISA_BF16 ? t : TS_DTYPE_F32;
    const void *q = a.q;
    void *want = check_out(wide, o_n), *got = check_out(t, o_n), *q_wide = check_work((size_t)o_n * ts_dtype_size(wide));
    for (int64_t i = 0; i < o_n; i++)
        ts_store_f32(q_wide, i, wide, ts_load_f32(q, i, t));
    check_touched(q_wide);
    a.dtype = wide, a.q = q_wide;
    a.kv_group = vectors * s->D, a.kv_row = s->n_kv * a.kv_group;
    a.k = numbers, a.v = numbers + (size_t)(s->same ? 0 : s->D) * ts_dtype_size(wide), a.o = want;
    check_kernel(e, TS_KERNEL_attn_fwd, &a, 0);
    a.code = code, a.dtype = t, a.q = q;
    a.kv_group = vectors * ts_kv_bytes(s->D), a.kv_row = s->n_kv * a.kv_group;
    a.k = codes, a.v = codes + (s->same ? 0 : ts_kv_bytes(s->D)), a.o = got;
    check_kernel(e, TS_KERNEL_attn_fwd, &a, 0);
    for (int64_t i = 0; i < o_n; i++)
        check_elem("o", got, i, t, check_get(want, i, wide), 0);
}

void check_kv_code(const check_env *e)
{
    static const int64_t n[] = { 1, 7, 24, 63, 64, 65, 128, 200 };
    static const double size[] = { 1, 1e-4, 1e4 };
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };
    static const shape shapes[] = {
        { .B = 3, .S_q = 1, .keys = 70, .n_q = 8, .n_kv = 2, .D = 64 },
        { .B = 2, .S_q = 1, .keys = 613, .n_q = 6, .n_kv = 3, .D = 80, .pages = true },
        { .B = 2, .S_q = 37, .keys = 90, .n_q = 4, .n_kv = 1, .D = 128, .any_cut = true },
        { .B = 2, .S_q = 50, .keys = 333, .n_q = 4, .n_kv = 2, .D = 24, .pages = true, .any_cut = true },
        { .B = 1, .S_q = 1, .keys = 300, .n_q = 16, .n_kv = 1, .D = 96, .same = true },
        { .B = 2, .S_q = 3, .keys = 200, .n_q = 16, .n_kv = 1, .D = 576, .same = true, .any_cut = true },
        { .B = 2, .S_q = 1, .keys = 150, .n_q = 2, .n_kv = 2, .D = 16, .window = 40 },
        { .B = 1, .S_q = 600, .keys = 700, .n_q = 2, .n_kv = 1, .D = 256, .window = 100 },
        { .B = 1, .S_q = 2, .keys = 30, .n_q = 2, .n_kv = 1, .D = 700 }, /* what the reference alone does */
    };
    ts_cpu_init_attn(e->one);
    ts_cpu_init_attn(e->two);
    for (int code = TS_KV_INT8; code <= TS_KV_FP8; code++) {
        for (size_t i = 0; i < CHECK_COUNT(n); i++)
            put(e, (ts_kv_code)code, type[i % 3], n[i], type[i % 3] == TS_DTYPE_F16 ? 1 : size[i / 3]);
        put_nan(e, (ts_kv_code)code, NAN);
        put_nan(e, (ts_kv_code)code, INFINITY);
        for (size_t i = 0; i < CHECK_COUNT(shapes); i++)
            for (size_t k = 0; k < CHECK_COUNT(type); k++)
                attend(e, &shapes[i], (ts_kv_code)code, type[k]);
    }
}

/* A step of decoding over long texts, to numbers and to codes. */
void bench_kv_code(const check_env *e)
{
    static const shape s = { .B = 1, .S_q = 1, .keys = 8192, .n_q = 32, .n_kv = 8, .D = 64 };
    static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16 };
    ts_cpu_init_attn(e->two);
    ts_cpu_init_attn(e->ref);
    for (size_t k = 0; e->isa && k < CHECK_COUNT(type); k++)
        for (int code = TS_KV_INT8; code <= TS_KV_FP8; code++) {
            char *codes, *numbers;
            check_case("bench");
            make_cache(e, &s, (ts_kv_code)code, type[k], type[k], s.keys, &codes, &numbers);
            ts_attn_args a = { .B = 1, .S_q = 1, .S_kv = s.keys, .q_batch = 1, .kv_batch = s.keys, .n_q = s.n_q, .n_kv = s.n_kv,
                               .head_dim = s.D, .dtype = type[k], .scale = 0.1f, .mask = ts_mask_causal(0), .q_row = s.n_q * s.D,
                               .q_group = s.n_q / s.n_kv * s.D, .q = check_in(8, type[k], s.n_q * s.D, 1),
                               .q_start = memcpy(check_ints(4, TS_DTYPE_I32, 1, 1), &(int32_t){ (int32_t)s.keys - 1 }, 4),
                               .o = check_out(type[k], s.n_q * s.D) };
            const double flops = 4.0 * (double)(s.keys * s.n_q * s.D);
            a.kv_group = 2 * s.D, a.kv_row = s.n_kv * a.kv_group;
            a.k = numbers, a.v = numbers + (size_t)s.D * ts_dtype_size(type[k]);
            check_bench(e, k ? "8192 keys, bf16" : "8192 keys, fp32", TS_KERNEL_attn_fwd, &a, 0, flops, "flop",
                        (double)(s.keys * a.kv_row) * (double)ts_dtype_size(type[k]));
            a.code = (ts_kv_code)code;
            a.kv_group = 2 * ts_kv_bytes(s.D), a.kv_row = s.n_kv * a.kv_group, a.k = codes, a.v = codes + ts_kv_bytes(s.D);
            check_bench(e, code == TS_KV_INT8 ? "8192 keys, int8" : "8192 keys, fp8", TS_KERNEL_attn_fwd, &a, 0, flops, "flop",
                        (double)(s.keys * a.kv_row));
        }
}
