/* Rows of tables that n-grams are hashed to (LongCat-Flash-Lite, arXiv 2601.21204): of row t of a sequence,
 *
 *   y[t] = (x[t] + sum over 0 < j < n of x[t - j] (vocab^j mod rows)) mod rows
 *
 * A token of another document, and one that has a token that ends texts at its own place or between it and t, counts as 0. */
#ifndef TS_DEVICE_KERNELS_NGRAM_H
#define TS_DEVICE_KERNELS_NGRAM_H
#include <stdint.h>

enum { TS_NGRAM_MOST = 16, TS_NGRAM_MOST_TABLES = 64, TS_NGRAM_MOST_ENDS = 8 }; /* n; tables of a model; tokens that end texts */

typedef struct ts_ngram_args {
    int64_t B, S, n;
    int64_t vocab, rows;      /* rows of the table, below 2^31 */
    const int32_t *x;         /* [B * S]: tokens, from 0 on and below vocab */
    const int32_t *before;    /* [B, back]: tokens before each sequence, 0 where there is none; NULL: none. back >= n - 1 */
    int64_t back;
    const int32_t *first_key; /* [B * S]: where the row's document begins in its sequence; or NULL */
    int n_ends;
    int32_t ends[TS_NGRAM_MOST_ENDS];
    int32_t *y;               /* [B * S] */
} ts_ngram_args;
/* ngram: n = rows, B * S. */
#endif
