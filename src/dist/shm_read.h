/* Values taken from where they lie in another process of this host: one copy instead of two. The
 * system may forbid it (containers, ptrace rules); then everything goes through slots. */
#ifndef TS_DIST_SHM_READ_H
#define TS_DIST_SHM_READ_H
#include "base/status.h"
#include "dist/shm.h"

enum { TS_SHM_BOUNCE = 128 << 10 };

/* Tells the others where `token`, which stays, can be read. */
void ts_shm_offer(ts_shm_head *h, int rank, int64_t *token);
/* When all have offered: whether this rank can read all the others. */
bool ts_shm_readable(const ts_shm_head *h, int rank, int size);
/* From rank q's address `from`, which must stay valid until this returns. bounce, [TS_SHM_BOUNCE]:
 * for what is larger than the caches, by way of that and past them; else NULL. */
ts_status ts_shm_read(const ts_shm_head *h, int q, void *to, const char *from, size_t bytes,
                      char *bounce) TS_NODISCARD;
#endif
