/* Dumps of a step: what is written of each tensor, and how it is read again.
 *
 *   DIR/iter_0000003/rank_00000-of-00002.jsonl        a line for each piece, in the order of computation
 *                    rank_00000-of-00002.safetensors  with whole tensors: the pieces' values, by number
 *
 * A process writes the pieces that it has; those of all processes make whole tensors, whatever the
 * layout. Names and numbers say where a piece stands in the whole, a matrix [rows, cols] (a vector has one
 * column): the piece has `n` elements of the rectangle of these rows and columns, row-major, from element
 * `from` of it on. Sums and the hash of pieces can be added: the hash is the sum over all elements of a
 * mixture of the element's number in the whole and its bits (as fp32), so it does not depend on who had
 * what, and is the same for all elements being the same. Values are fp32, which holds bf16 and fp16. */
#ifndef TS_IO_DUMP_H
#define TS_IO_DUMP_H
#include "base/json.h"
#include "base/stretches.h"

/* In the order of a step. */
typedef enum ts_dump_kind {
    TS_DUMP_OUTPUT,
    TS_DUMP_OUTPUT_GRADIENT, /* comes in the order of the backward pass: the last layer first */
    TS_DUMP_GRADIENT,        /* of a parameter, before clipping */
    TS_DUMP_WEIGHT,          /* after the update */
    TS_DUMP_KINDS,
} ts_dump_kind;
const char *ts_dump_kind_name(ts_dump_kind k); /* "gradient of the output" */

typedef struct ts_dump_stats {
    double min, max; /* of the finite ones; none: infinity and -infinity */
    double sum, squares;
    int64_t count, unfinite;
    uint64_t hash;
} ts_dump_stats;

typedef struct ts_dump_piece {
    char *name; /* of the whole tensor: "decoder.layers.3.mlp.linear_fc1" */
    ts_dump_kind kind;
    int64_t order;       /* of the layer, or the parameter's number */
    int64_t whole[2];    /* rows, columns */
    ts_stretch *span[2]; /* [n_spans] of each: which of them the rectangle has, in this order */
    size_t n_spans[2];
    int64_t from, n;
    ts_dump_stats stats;
    int64_t tensor; /* number of its values in the safetensors file; -1: not there */
    bool adds; /* others have parts of the same elements, and the whole is their sum: of such pieces
                       neither sums nor hashes can be added */
} ts_dump_piece;

void ts_dump_piece_deinit(ts_dump_piece *p);
/* Fills stats from the values [n]. */
void ts_dump_measure(ts_dump_piece *p, const float *v);
/* Tells fn of each run of the piece's values [at, at + n) that follow one another in the whole, too, where
 * they begin at `whole`. */
typedef void ts_dump_run_fn(void *ctx, int64_t at, int64_t n, int64_t whole);
void ts_dump_walk(const ts_dump_piece *p, ts_dump_run_fn *fn, void *ctx);
/* b is of the same tensor. */
void ts_dump_add(ts_dump_stats *a, const ts_dump_stats *b);

/* The piece as a line with its end. */
ts_status ts_dump_write_line(const ts_dump_piece *p, ts_str *out) TS_NODISCARD;
/* A line again; name: FILE:LINE for messages (TS_ERR_USER). Filled only on success. */
ts_status ts_dump_read_line(const json_t *line, const char *name, ts_dump_piece *out) TS_NODISCARD;
#endif
