/* Token embedding: y[r] = scale * table[ids[r]] (+ pos_table[pos[r]]), and its gradient
 * dtable[ids[r]] += scale * dy[r]; rows that share an id are added in row order. */
#ifndef TS_DEVICE_KERNELS_EMBED_H
#define TS_DEVICE_KERNELS_EMBED_H
#include "base/dtype.h"
#include <stdbool.h>

typedef struct ts_embed_args {
    int64_t rows, cols;
    ts_dtype table_dtype, dtype;   /* dtype: of y and dy */
    const void *table;             /* [vocabulary, cols] */
    const void *pos_table;         /* [positions, cols] of table_dtype, or NULL */
    const int32_t *ids, *pos;      /* [rows]; in range: checked before; ids NULL: row r is r */
    bool freezes;                  /* dtable[frozen] gets nothing (a padding token) */
    int32_t frozen;
    float scale;                   /* rounded as the model rounds it: the caller's business */
    void *y;                       /* [rows, cols] */
    const void *dy;                /* [rows, cols] */
    float *dtable, *dpos_table;    /* added to; either may be NULL */
} ts_embed_args;
/* embed_fwd: n = rows. embed_bwd: n = cols. */
#endif
