/* Checksums of a file, chunk by chunk, so that damage can be told from its place; private to this
 * folder. */
#ifndef TS_CKPT_SUMS_H
#define TS_CKPT_SUMS_H
#include "base/status.h"
#include "base/str.h"

enum { CKPT_CHUNK = 1 << 20 }; /* bytes of a file under one checksum */

typedef struct ckpt_sums {
    size_t size;  /* bytes taken so far */
    uint32_t crc; /* of the chunk under way */
    ts_str hex;   /* eight digits for each whole chunk; after _finish for all */
} ckpt_sums;

ts_status ckpt_sums_add(ckpt_sums *s, const void *data, size_t n) TS_NODISCARD;
ts_status ckpt_sums_finish(ckpt_sums *s) TS_NODISCARD;

/* Which one byte changed in n bytes whose checksum now differs by `syndrome`, and which one bit of
 * it (else -1). False: more changed, or it cannot be told. (Wrong for one in a thousand larger
 * damages.) */
bool ckpt_sums_locate(uint32_t syndrome, size_t n, size_t *byte, int *bit);
#endif
