/* Moments, masters or sums of gradients in few bits (base/codes.h): an array of a set's own shares where first all pieces (tensor/shards.h) have
 * their codes, then all their blocks' scales. Some pieces may be kept in fp32. Blocks are counted from where a
 * piece begins, which is between blocks of its parameter wherever shares are cut. The array is as long as that of
 * the process that has most, so that all of those that share out have the same memory. */
#ifndef TS_TENSOR_STATE_CODE_H
#define TS_TENSOR_STATE_CODE_H
#include "base/codes.h"
#include "tensor/param.h"

/* Whose stay in fp32. */
typedef enum ts_state_plain {
    TS_STATE_PLAIN_NONE,
    TS_STATE_PLAIN_ENDS,  /* embedding and output layer, whose gradients are of few rows, or large */
    TS_STATE_PLAIN_SMALL, /* these, and what has fewer than 4096 elements as a whole */
    TS_STATE_PLAIN_PARTS, /* of gradients: what processes that hold it make in parts (train/grads.h) */
    TS_STATE_PLAIN_ENDS_PARTS, /* embedding and output layer too */
    TS_STATE_PLAIN_REST,  /* of masters: what is not stepped whole */
} ts_state_plain;

typedef struct ts_state_code {
    const ts_param_set *params;
    ts_codes codes; /* NONE: the array is a plain one */
    bool second;    /* second moments */
    ts_state_plain plain;
    int64_t *at;    /* [2 * pieces] bytes: where each one's codes begin, then where each one's scales do */
    size_t bytes;   /* of the array */
} ts_state_code;

/* params: allocated, borrowed. */
ts_status ts_state_code_init(ts_state_code *c, const ts_param_set *params, ts_codes codes, bool second,
                             ts_state_plain plain) TS_NODISCARD;
void ts_state_code_deinit(ts_state_code *c);
/* Of a piece: how it is written, where its codes or numbers are in the array, and its scales. */
ts_codes ts_state_code_of(const ts_state_code *c, const ts_shard_piece *x);
void *ts_state_code_at(const ts_state_code *c, const ts_storage *array, const ts_shard_piece *x);
void *ts_state_code_scales(const ts_state_code *c, const ts_storage *array, const ts_shard_piece *x);
/* Elements [from, from + n) of a piece, from and to the host; from and, but at the piece's end, n: whole
 * blocks. */
ts_status ts_state_code_read(const ts_state_code *c, const ts_storage *array, const ts_shard_piece *x,
                             int64_t from, int64_t n, float *to) TS_NODISCARD;
ts_status ts_state_code_write(const ts_state_code *c, const ts_storage *array, const ts_shard_piece *x,
                              const float *v) TS_NODISCARD;
#endif
