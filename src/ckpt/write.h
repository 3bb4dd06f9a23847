/* Writing the files of a checkpoint, each flushed to disk, with its checksums taken on the way.
 * Private to this folder. */
#ifndef TS_CKPT_WRITE_H
#define TS_CKPT_WRITE_H
#include "ckpt/plan.h"

/* Writes one shard into the folder, flushes it, and appends its manifest entry. o: how its bytes are
 * fetched, unless they are staged. */
ts_status ckpt_write_shard(const ckpt_plan *p, const ckpt_shard *s, const ts_ckpt_options *o,
                           const char *folder, ts_str *entries) TS_NODISCARD;
/* The same for the index of a part (nothing when the part has no tensors). */
ts_status ckpt_write_index(const ckpt_plan *p, ts_ckpt_part part, const char *folder,
                           ts_str *entries) TS_NODISCARD;
/* Writes and flushes a small file; entries may be NULL. */
ts_status ckpt_write_file(const char *folder, const char *name, const char *text, size_t n,
                          ts_str *entries) TS_NODISCARD;
#endif
