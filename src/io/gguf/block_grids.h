/* Codebooks of the IQ types (io/gguf/blocks.c): points of eight or four values, each the number of a level; the first
 * value stands in the lowest bits. */
#ifndef TS_IO_GGUF_BLOCK_GRIDS_H
#define TS_IO_GGUF_BLOCK_GRIDS_H
#include <stdint.h>

/* Eight values of two bits. */
extern const uint16_t ts_grid_iq2_xxs[256], ts_grid_iq2_xs[512], ts_grid_iq2_s[1024], ts_grid_iq1_s[2048];
/* Four values of four bits. */
extern const uint16_t ts_grid_iq3_xxs[256], ts_grid_iq3_s[512];
#endif
