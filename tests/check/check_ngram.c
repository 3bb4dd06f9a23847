#include "check.h"

#include <stdlib.h>

enum { VOCABULARY = 41, END = 7, OTHER_END = 11 };

/* The row of the n-gram that ends with text[last]; what is before text[0] is 0. */
static int64_t row_of(const ts_ngram_args *a, const int32_t *text, int64_t last)
{
    int64_t row = text[last] % a->rows, power = 1;
    for (int64_t j = 1; j < a->n && j <= last && text[last - j] != END && text[last - j] != OTHER_END; j++) {
        power = power * VOCABULARY % a->rows;
        row = (row + text[last - j] * power) % a->rows;
    }
    return row;
}

static int32_t *tokens(uint64_t seed, int64_t n)
{
    int32_t *x = check_ints(seed, TS_DTYPE_I32, n, VOCABULARY - 1);
    for (int64_t i = 0; i < n; i++)
        x[i] = x[i] % 5 ? abs(x[i]) : END; /* every few tokens a text ends */
    check_touched(x);
    return x;
}

/* Two sequences, of documents of `length` tokens (0: one), behind `back` tokens from before. */
static void rows(const check_env *e, int64_t n, int64_t S, int64_t modulus, int64_t length, int64_t back)
{
    enum { B = 2, MOST = 64 };
    check_case("ngram n %lld S %lld rows %lld, documents of %lld, %lld before", (long long)n, (long long)S,
               (long long)modulus, (long long)length, (long long)back);
    int32_t *first = check_ints(3, TS_DTYPE_I32, B * S, 1), text[MOST];
    for (int64_t i = 0; i < B * S; i++)
        first[i] = length ? (int32_t)(i % S / length * length) : 0;
    check_touched(first);
    ts_ngram_args a = { .B = B, .S = S, .n = n, .vocab = VOCABULARY, .rows = modulus, .x = tokens(1, B * S), .back = back,
                        .before = back ? tokens(2, B * back) : NULL, .first_key = length ? first : NULL, .n_ends = 2,
                        .ends = { OTHER_END, END }, .y = check_out(TS_DTYPE_I32, B * S) };
    check_kernel(e, TS_KERNEL_ngram, &a, B * S);
    for (int64_t i = 0; i < B * S; i++) {
        const int64_t b = i / S, s = i % S, from = first[i], before = from ? 0 : back;
        for (int64_t j = 0; j < before; j++)
            text[j] = a.before[b * back + j];
        for (int64_t j = from; j <= s; j++)
            text[before + j - from] = a.x[b * S + j];
        check_equal("y", i, a.y[i], (double)row_of(&a, text, before + s - from));
    }
}

void check_ngram(const check_env *e)
{
    static const int64_t moduli[] = { 1, 40, 41, 83, 1000003, INT32_MAX };
    for (size_t m = 0; m < CHECK_COUNT(moduli); m++)
        for (int64_t n = 1; n <= 5; n++) {
            rows(e, n, 33, moduli[m], 0, 0);
            rows(e, n, 17, moduli[m], 6, 0);
            rows(e, n, 1, moduli[m], 0, 4);
            rows(e, n, 9, moduli[m], 5, n > 1 ? n - 1 : 1);
        }
}

void bench_ngram(const check_env *e)
{
    const int64_t n = 4096;
    check_case("bench");
    ts_ngram_args a = { .B = 1, .S = n, .n = 4, .vocab = VOCABULARY, .rows = 10223617, .x = tokens(1, n), .n_ends = 1,
                        .ends = { END }, .y = check_out(TS_DTYPE_I32, n) };
    check_bench(e, "ngram of 4, 4096 tokens", TS_KERNEL_ngram, &a, n, (double)n, "token", 8.0 * (double)n);
}
