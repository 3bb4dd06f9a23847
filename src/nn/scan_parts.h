/* What layers that carry a state do with their projections where processes share out each sequence: rows are exchanged
 * for heads, so that every process has whole sequences of some heads, and back (context parallelism as Megatron core
 * has it for Mamba 2). Where sequences are whole nothing is exchanged. */
#ifndef TS_NN_SCAN_PARTS_H
#define TS_NN_SCAN_PARTS_H
#include "nn/run.h"

/* Parts of a projection's columns, one behind another, each of as many units (groups of heads), of `width` columns. Where
 * processes share a unit each has some of its heads, and all that these read in common. */
enum { TS_SCAN_PARTS = 3 };
typedef struct ts_scan_parts {
    int64_t units;
    int n;
    int64_t width[TS_SCAN_PARTS];
    bool common[TS_SCAN_PARTS]; /* to all heads of a unit */
} ts_scan_parts;

/* Rows of a sequence that scans see, and where their documents begin. */
static inline int64_t ts_scan_rows(const ts_run *run) { return run->spread ? run->spread->length : run->S; }
static inline const ts_tensor *ts_scan_first_key(const ts_run *run)
{
    return run->first_whole ? run->first_whole : run->first_key;
}

/* Parts of x's columns, of rows here with all units, become those of whole sequences with the units here. */
ts_status ts_scan_exchange(ts_tape *tape, const ts_run *run, const ts_scan_parts *parts, ts_tensor *x,
                           ts_tensor **y) TS_NODISCARD;
/* The convolution `o`, of whole rows, of x's columns; y: those of the units here. o's B and S are set. */
ts_status ts_scan_convolve(ts_tape *tape, const ts_run *run, const ts_conv_op *o, const ts_scan_parts *parts,
                           ts_tensor *x, ts_tensor **y) TS_NODISCARD;
#endif
