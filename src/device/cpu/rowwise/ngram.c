/* Rows of tables that n-grams are hashed to: plain C. */
#include "device/cpu/rowwise/rowwise.h"

static bool ends(const ts_ngram_args *a, int32_t token)
{
    for (int i = 0; i < a->n_ends; i++)
        if (token == a->ends[i])
            return true;
    return false;
}

/* The token that stands j before row s of sequence b; false: there is none. */
static bool token_at(const ts_ngram_args *a, int64_t b, int64_t s, int64_t j, int32_t *token)
{
    const int64_t at = s - j, first = a->first_key ? a->first_key[b * a->S + s] : 0;
    if (at < first && (first > 0 || !a->before || at < -a->back))
        return false;
    *token = at >= 0 ? a->x[b * a->S + at] : a->before[b * a->back + a->back + at];
    return true;
}

static void ngram(const void *args, int64_t begin, int64_t end)
{
    const ts_ngram_args *a = args;
    int64_t power[TS_NGRAM_MOST] = { 1 % a->rows };
    for (int64_t j = 1; j < a->n; j++)
        power[j] = power[j - 1] * (a->vocab % a->rows) % a->rows;
    for (int64_t t = begin; t < end; t++) {
        const int64_t b = t / a->S, s = t % a->S;
        int64_t sum = a->x[t] % a->rows;
        int32_t token;
        for (int64_t j = 1; j < a->n && token_at(a, b, s, j, &token) && !ends(a, token); j++)
            sum += token % a->rows * power[j] % a->rows;
        a->y[t] = (int32_t)(sum % a->rows);
    }
}

void ts_cpu_init_ngram(ts_cpu *c) { c->kernel[TS_KERNEL_ngram] = (ts_cpu_kernel){ .rows = ngram, .variant = "ref" }; }
