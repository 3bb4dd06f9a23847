#include "check.h"

#include "device/kernels/compress.h"

#include <string.h>

/* Entries of several tokens: which there are, and what they are made of. Sums of n terms of one size grow by their root. */
typedef struct entry_case {
    ts_dtype t;
    int64_t B, S, before, rate, dim, gap; /* gap: columns behind those that count */
    bool overlaps, docs;
} entry_case;

enum { MOST = 64 };

static int64_t begin_of(const entry_case *c, int64_t i) { return c->docs ? i / 13 * 13 : 0; }
static int64_t slots_of(const entry_case *c) { return (c->S + c->rate - 1) / c->rate; }

/* What the plan says, counted row by row. `start`: tokens that were there. */
static void planned(const check_env *e, const entry_case *c, bool further)
{
    const int64_t T = c->B * c->S, n = c->B * slots_of(c);
    check_case("compress_plan B %lld S %lld before %lld rate %lld%s%s", (long long)c->B, (long long)c->S, (long long)c->before,
               (long long)c->rate, c->docs ? " documents" : "", further ? " further" : "");
    int32_t *pos = check_inout(1, TS_DTYPE_F32, T, 1), *first = check_inout(2, TS_DTYPE_F32, T, 1),
            *start = check_inout(3, TS_DTYPE_F32, c->B, 1), *length = check_inout(4, TS_DTYPE_F32, c->B, 1);
    for (int64_t b = 0; b < c->B; b++)
        start[b] = (int32_t)(5 * b + 2), length[b] = (int32_t)(c->S - b);
    for (int64_t r = 0; r < T; r++) {
        first[r] = (int32_t)begin_of(c, r % c->S);
        pos[r] = (int32_t)(r % c->S + (further ? start[r / c->S] : -first[r]));
    }
    check_touched(pos), check_touched(first), check_touched(start), check_touched(length);
    const ts_compress_plan_args a = {
        .S = c->S, .before = further ? c->before : 0, .rate = c->rate, .slots = slots_of(c), .pos = pos,
        .first_key = c->docs && !further ? first : NULL, .start = further ? start : NULL, .length = further ? length : NULL,
        .row = check_out(TS_DTYPE_F32, n), .opens = check_out(TS_DTYPE_F32, n), .place = check_out(TS_DTYPE_F32, n),
        .first = check_out(TS_DTYPE_F32, T), .last = check_out(TS_DTYPE_F32, T), .count = check_out(TS_DTYPE_F32, c->B)
    };
    check_kernel(e, TS_KERNEL_compress_plan, &a, c->B);
    for (int64_t b = 0; b < c->B; b++) {
        const int64_t there = further ? start[b] / c->rate : 0;
        int64_t made = 0, seen = there, next = 0, from = 0;
        for (int64_t i = 0; i < c->S; i++) {
            const int64_t r = b * c->S + i, token = further ? start[b] + i : i - begin_of(c, i);
            const bool counts = !further || i < length[b], ends = counts && (token + 1) % c->rate == 0;
            if (!further && token == 0)
                seen = 0, from = (i + c->rate - 1) / c->rate;
            seen += ends;
            check_equal("first", r, a.first[r], (double)from);
            check_equal("last", r, a.last[r], (double)(from + seen - 1));
            if (!ends)
                continue;
            const int64_t slot = b * a.slots + (further ? made : i / c->rate);
            made++;
            for (; next < slot - b * a.slots; next++)
                check_equal("no entry", b * a.slots + next, a.row[b * a.slots + next], -1);
            next++;
            check_equal("row", slot, a.row[slot], (double)(b * (a.before + c->S) + a.before + i + 1 - c->rate));
            check_equal("opens", slot, a.opens[slot], token + 1 == c->rate);
            check_equal("place", slot, a.place[slot], (double)(pos[r] + 1 - c->rate));
        }
        check_equal("count", b, a.count[b], (double)(further ? (start[b] + length[b]) / c->rate : a.slots));
    }
}

/* Entries in every second group of rows, some of them the first. */
static ts_compress_args args_of(const entry_case *c, const char *kernel)
{
    const int64_t width = (c->overlaps ? 2 : 1) * c->dim, row = width + c->gap, rows = c->B * c->S, n = rows / c->rate;
    check_case("compress_%s %s rows %lld rate %lld dim %lld%s", kernel, ts_dtype_name(c->t), (long long)rows,
               (long long)c->rate, (long long)c->dim, c->overlaps ? " overlapping" : "");
    int32_t *at = check_inout(5, TS_DTYPE_F32, n, 1), *opens = check_inout(6, TS_DTYPE_F32, n, 1);
    for (int64_t e = 0; e < n; e++) {
        at[e] = e % 5 == 3 ? -1 : (int32_t)(e * c->rate);
        opens[e] = e == 0 || e % 4 == 0;
    }
    check_touched(at), check_touched(opens);
    return (ts_compress_args){ .entries = n, .rate = c->rate, .dim = c->dim, .overlaps = c->overlaps, .dtype = c->t,
                               .kv_row = row, .gate_row = row, .kv = check_in(7, c->t, rows * row, 1),
                               .gate = check_in(8, c->t, rows * row, 3), .bias = check_in(9, TS_DTYPE_F32, c->rate * width, 1),
                               .row = at, .opens = opens };
}

/* Terms of an entry's column: elements of kv and gate, of bias, shares; returns how many, and the mean. */
static int64_t terms(const ts_compress_args *a, int64_t e, int64_t c, int64_t at[MOST], int64_t bias[MOST], double p[MOST],
                     double *mean)
{
    const int64_t width = a->overlaps ? 2 * a->dim : a->dim;
    int64_t n = 0;
    double all = 0;
    for (int64_t t = a->overlaps && !a->opens[e] ? -a->rate : 0; t < a->rate; t++, n++) {
        const int64_t col = a->overlaps && t >= 0 ? a->dim + c : c;
        at[n] = (a->row[e] + t) * a->kv_row + col;
        bias[n] = (t + a->rate) % a->rate * width + col;
        all += p[n] = exp(check_get(a->gate, at[n], a->dtype) + (double)a->bias[bias[n]]);
    }
    *mean = 0;
    for (int64_t t = 0; t < n; t++)
        *mean += (p[t] /= all) * check_get(a->kv, at[t], a->dtype);
    return n;
}

/* Logits are rounded, up to 4 in size; exponentials and shares are off by a few units more. */
static double off(int64_t n) { return CHECK_U * (24 + 4 * sqrt((double)n)); }

static void forward(const check_env *e, const entry_case *c)
{
    ts_compress_args a = args_of(c, "fwd");
    int64_t at[MOST], bias[MOST];
    double p[MOST], mean;
    a.y = check_out(c->t, a.entries * c->dim);
    check_kernel(e, TS_KERNEL_compress_fwd, &a, a.entries);
    for (int64_t i = 0; i < a.entries * c->dim; i++) {
        const int64_t entry = i / c->dim;
        if (a.row[entry] < 0) {
            check_equal("no entry", i, check_get(a.y, i, c->t), 0);
            continue;
        }
        const int64_t n = terms(&a, entry, i % c->dim, at, bias, p, &mean);
        check_elem("y", a.y, i, c->t, mean, off(n));
    }
}

static void backward(const check_env *e, const entry_case *c)
{
    ts_compress_args a = args_of(c, "bwd");
    const int64_t all = c->B * c->S * a.kv_row, columns = c->rate * ts_compress_width(&a);
    int64_t at[MOST], bias[MOST];
    double p[MOST], mean;
    a.dy = check_in(10, c->t, a.entries * c->dim, 1);
    a.dkv = check_inout(11, c->t, all, 1), a.dgate = check_inout(12, c->t, all, 1);
    check_kernel(e, TS_KERNEL_compress_bwd, &a, a.entries);
    double *sum = check_f64(columns), *size = check_f64(columns);
    for (int64_t i = 0; i < a.entries * c->dim; i++) {
        const int64_t entry = i / c->dim;
        const double dy = check_get(a.dy, i, c->t);
        const int64_t n = a.row[entry] < 0 ? 0 : terms(&a, entry, i % c->dim, at, bias, p, &mean);
        for (int64_t t = 0; t < n; t++) {
            check_elem("dkv", a.dkv, at[t], c->t, p[t] * dy, off(n));
            check_elem("dgate", a.dgate, at[t], c->t, p[t] * dy * (check_get(a.kv, at[t], c->t) - mean), 4 * off(n));
            const double d = check_get(a.dgate, at[t], c->t);
            sum[bias[t]] += d, size[bias[t]] += fabs(d);
        }
    }
    a.dbias = check_inout(13, TS_DTYPE_F32, columns, 1);
    check_kernel(e, TS_KERNEL_compress_dw, &a, columns);
    for (int64_t i = 0; i < columns; i++) {
        const double before = check_before(a.dbias, i, TS_DTYPE_F32);
        check_near("dbias", i, (double)a.dbias[i], before + sum[i], CHECK_U * (double)(1 + a.entries) * (size[i] + fabs(before)));
    }
}

void check_compress(const check_env *e)
{
    static const entry_case cases[] = {
        { .t = TS_DTYPE_F32, .B = 2, .S = 29, .before = 5, .rate = 3, .dim = 17 },
        { .t = TS_DTYPE_F32, .B = 2, .S = 29, .before = 7, .rate = 4, .dim = 9, .overlaps = true, .docs = true },
        { .t = TS_DTYPE_BF16, .B = 1, .S = 40, .before = 1, .rate = 2, .dim = 33, .gap = 5, .overlaps = true },
        { .t = TS_DTYPE_F16, .B = 3, .S = 16, .before = 9, .rate = 8, .dim = 4, .gap = 1, .docs = true },
        { .t = TS_DTYPE_F32, .B = 1, .S = 6, .rate = 1, .dim = 1 },
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        planned(e, &cases[i], false);
        planned(e, &cases[i], true);
        forward(e, &cases[i]);
        backward(e, &cases[i]);
    }
}

void bench_compress(const check_env *e)
{
    const entry_case c = { .t = TS_DTYPE_BF16, .B = 1, .S = 4096, .rate = 4, .dim = 512, .overlaps = true };
    ts_compress_args a = args_of(&c, "fwd");
    a.y = check_out(c.t, a.entries * c.dim);
    const double n = (double)(c.S * 2 * c.dim);
    check_bench(e, "4 tokens of 512, bf16", TS_KERNEL_compress_fwd, &a, a.entries, n, "elem", 4 * n);
}
