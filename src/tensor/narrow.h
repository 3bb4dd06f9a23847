/* Products of operands that are rounded to few bits first, as processors with FP8 or MX units make them
 * (here they are emulated: codes and factors as device/kernels/narrow.h has them, whose values are then
 * multiplied in fp32). A linear layer has three products of three operands:
 *
 *   forward          y  = x W^T      sums along the columns of x and of W
 *   input gradient   dx = dy W       along the columns of dy, the rows of W
 *   weight gradient  dW = dy^T x     along the rows of both
 *
 * What is rounded, and what shares a factor, is said operand by operand (ts_narrow_rule):
 *   NOW      the whole operand, by its largest element
 *   DELAYED  the whole operand, by the largest elements of steps before this one
 *   BLOCKS   `block` neighbours along the sum, and `across` rows or columns beside it
 *
 * Delayed scaling as NVIDIA's Transformer Engine has it, but that a step counts once, however many
 * micro-batches and processes it is cut into: the amax of a step is the largest of all of them. Its scale
 * is 1 until there is one. */
#ifndef TS_TENSOR_NARROW_H
#define TS_TENSOR_NARROW_H
#include "dist/comm.h"
#include "tensor/tensor.h"

typedef enum ts_operand { TS_OPERAND_X, TS_OPERAND_W, TS_OPERAND_DY, TS_OPERANDS } ts_operand;
typedef enum ts_scaling { TS_SCALING_NONE, TS_SCALING_NOW, TS_SCALING_DELAYED, TS_SCALING_BLOCKS } ts_scaling;

typedef struct ts_narrow_rule {
    ts_scaling scaling; /* NONE: the operand is multiplied as it is */
    ts_fp8 format;
    ts_scale_kind kind;
    float largest; /* what an amax becomes */
    int64_t block, across;
    bool one_way;  /* blocks lie along the columns in every product */
} ts_narrow_rule;

/* A weight's codes, kept while its values are the same. */
typedef struct ts_narrow_copy {
    ts_storage *codes, *factors;
    unsigned version;
} ts_narrow_copy;

enum { TS_NARROW_GROUPS = 2 };

typedef struct ts_narrow {
    ts_narrow_rule rule[TS_OPERANDS];
    ts_dtype dtype;    /* what is multiplied in: F32, or the type of x where that holds every value */
    bool weight_grad;  /* that product too is of rounded operands */
    /* Processes that each have a part of the operand, whose amax is that of all; NULL: none. */
    ts_comm *over[TS_OPERANDS][TS_NARROW_GROUPS];
    float *scale, *amax; /* DELAYED: [TS_OPERANDS] of this weight, in the set's arrays */
    bool keeps;          /* copies below; else codes are made for each product */
    ts_narrow_copy copy[2]; /* blocks along the columns; the rows */
    int64_t made, used;  /* how often W's codes were made, and read */
} ts_narrow;

/* All of a set's. */
typedef struct ts_narrow_set {
    ts_device *dev;
    ts_narrow *of;       /* [n] */
    const struct ts_param **weight; /* [n] whose they are */
    int64_t n;
    /* DELAYED; length 0: nothing is. */
    int64_t length;      /* steps that count */
    bool most_recent;    /* of these the last alone */
    int64_t margin;      /* scales are 2^-margin of what fits */
    /* fp32: of each weight [1 + length, TS_OPERANDS], its scales, then the amax of steps, the newest
     * first; behind all of them the amax of this step, [n, TS_OPERANDS] */
    ts_storage *state;
    float *host; /* the same, for who changes it; booked. Its last part is not up to date */
    struct ts_judge *judge; /* compares its casts and products (ops/judge.h); borrowed, NULL: nobody does */
} ts_narrow_set;

/* n of them, of all zeros; `length` as above. */
ts_status ts_narrow_set_create(ts_device *dev, int64_t n, int64_t length, ts_narrow_set **out) TS_NODISCARD;
void ts_narrow_set_destroy(ts_narrow_set **s);
/* In floats: where weight w's state begins; w = n: where the amax do. */
static inline int64_t ts_narrow_set_at(const ts_narrow_set *s, int64_t w)
{
    return w * (1 + s->length) * TS_OPERANDS;
}
/* A step is over whose amax, [n, TS_OPERANDS] on the host, are these: history and scales go on, and the
 * device's amax begin anew. What is no number does not count. amax may be the last part of `host`. */
void ts_narrow_set_advance(ts_narrow_set *s, const float *amax);
/* The device's amax begin anew: what was seen does not count. s NULL: nothing is delayed. */
void ts_narrow_set_forget(ts_narrow_set *s);
/* The host's state has changed: the device gets it. */
void ts_narrow_set_upload(ts_narrow_set *s);
#endif
