/* Weights that a model holds in NF4, from files that have them so or as values, which become NF4 while they are read: a
 * tensor at a time, of which no more than a row is ever unpacked. */
#ifndef TS_MODEL_WEIGHTS_NF4_H
#define TS_MODEL_WEIGHTS_NF4_H
#include "model/decoder.h"
#include "model/weights_bnb.h"

enum { TS_NF4_READERS = 4 }; /* parameters that one tensor may have rows of */

/* One tensor of the files. */
typedef struct ts_nf4_reader {
    const ts_st_tensor *t;
    ts_bnb bnb;           /* codes NULL: t is values */
    ts_nf4_scales scales; /* of values */
    float *values;
    uint8_t *code;        /* of a row, from the begin of its first block on */
    ts_param *p[TS_NF4_READERS];
    int64_t first[TS_NF4_READERS];
    int n;
} ts_nf4_reader;

/* t, or what stands for it (codes NULL: t is values). TS_ERR_USER: it is neither values nor NF4 with double quantisation in
 * blocks of 64. */
ts_status ts_nf4_reader_open(const ts_st_tensor *t, const ts_bnb *bnb, ts_nf4_reader *out) TS_NODISCARD;
void ts_nf4_reader_close(ts_nf4_reader *r);
/* The rows of a piece that are here. */
ts_status ts_nf4_reader_put(ts_nf4_reader *r, const ts_name_piece *piece, ts_param *p) TS_NODISCARD;
#endif
