/* One function a type: the values of a block into its bytes, as ggml's quantize_row_*_ref make them without an importance
 * matrix, to the bit. Values are finite. */
#ifndef TS_IO_GGUF_ENCODE_H
#define TS_IO_GGUF_ENCODE_H

typedef void ts_block_encode(const float *x, unsigned char *block);

/* encode.c */
ts_block_encode ts_encode_q4_0, ts_encode_q4_1, ts_encode_q5_0, ts_encode_q5_1, ts_encode_q8_0, ts_encode_mxfp4;
/* encode_k.c */
ts_block_encode ts_encode_q2_k, ts_encode_q3_k, ts_encode_q4_k, ts_encode_q5_k, ts_encode_q6_k;
#endif
