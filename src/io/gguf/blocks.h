/* How GGUF files store the values of tensors: plain numbers, or blocks of values in few bits with their scales.
 * The numbers and layouts of the types are ggml's. What is made of a block is what the package gguf makes of it, to
 * the bit. */
#ifndef TS_IO_GGUF_BLOCKS_H
#define TS_IO_GGUF_BLOCKS_H
#include "base/str.h"
#include "io/safetensors.h"

typedef struct ts_block_type {
    const char *name; /* "Q4_K" */
    int values, bytes; /* of a block */
    bool is_plain;     /* a block is one number, of this type */
    ts_st_dtype plain;
    /* Of others: the values of one block as fp32. NULL: kept between other tensors' products alone, never weights. */
    void (*decode)(const unsigned char *block, float *to);
    /* The other way (io/gguf/encode.h), of finite values. NULL: not written. */
    void (*encode)(const float *values, unsigned char *block);
} ts_block_type;

/* By its number in files; NULL: unknown. */
const ts_block_type *ts_block_type_of(uint32_t id);
uint32_t ts_block_type_id(const ts_block_type *type);
/* By its name; NULL: unknown. */
const ts_block_type *ts_block_type_named(const char *name);
/* "F32, F16, Q4_0, ...": for messages. */
ts_status ts_block_types_known(ts_str *out) TS_NODISCARD;

/* Values [first, first + n) of a run of blocks of this type, which is_plain is not. */
void ts_blocks_read(const ts_block_type *type, const unsigned char *blocks, int64_t first, int64_t n, float *to);
/* n values, whole blocks, into blocks of this type, which has an encode or is a number of floating point. */
void ts_blocks_write(const ts_block_type *type, const float *values, int64_t n, unsigned char *to);
#endif
