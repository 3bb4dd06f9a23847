/* A data set: samples by number, behind one table. Text in Megatron's files is one (data/source.h);
 * whoever has other samples fills in a table of its own. Read-only once it is made: any number of
 * threads may get samples. */
#ifndef TS_DATA_DATASET_H
#define TS_DATA_DATASET_H
#include "data/batch.h"

typedef struct ts_dataset ts_dataset;
struct ts_dataset {
    int64_t n;             /* samples */
    const ts_field *field; /* [n_fields]: what a sample has */
    int n_fields;
    /* Sample i of [0, n) into a row, or the first of its rows, of those of these fields that the batch has. */
    ts_status (*get)(const ts_dataset *d, int64_t i, const ts_batch *b, int64_t row);
    int64_t each; /* rows of a sample, one after another; 0: one */
};
#endif
