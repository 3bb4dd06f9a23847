/* Token embedding: y[r] = scale * table[ids[r]] (+ pos_table[pos[r]]), and its gradient
 * dtable[ids[r]] += scale * dy[r]; rows that share an id are added in row order.
 *
 * Of a table of which a part is here, ids and `frozen` are numbers of the whole: y[r] is zero, its
 * position with it, where the table's row is not here (so that the sum of all parts' y is the
 * whole's), and the table gets nothing from it; dpos_table is added to from all rows. */
#ifndef TS_DEVICE_KERNELS_EMBED_H
#define TS_DEVICE_KERNELS_EMBED_H
#include "base/dtype.h"
#include <stdbool.h>

typedef struct ts_embed_args {
    int64_t rows, cols;
    ts_dtype table_dtype, dtype;   /* dtype: of y and dy */
    const void *table;             /* [vocabulary, cols]; of a part [here, cols] */
    int64_t first, here;           /* the part begins at row `first`; here 0: the table is whole */
    bool taken;                    /* forward: row r's is row r of table, if it is here at all */
    const void *pos_table;         /* [positions, cols] of table_dtype, or NULL */
    int32_t known;                 /* ids from it on stand for 0; 0: there are none */
    /* [rows]; in range: checked before; ids NULL: row r is r, of a whole table */
    const int32_t *ids, *pos;
    bool freezes;                  /* dtable[frozen] gets nothing (a padding token) */
    int32_t frozen;
    float scale;                   /* rounded as the model rounds it: the caller's business */
    void *y;                       /* [rows, cols] */
    const void *dy;                /* [rows, cols] */
    float *dtable, *dpos_table;    /* added to; either may be NULL */
} ts_embed_args;
/* embed_fwd: n = rows. embed_bwd: n = cols. */
#endif
