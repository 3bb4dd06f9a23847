/* The folder of all iterations: its lock, what a killed run left in it, and the steps by which a new
 * checkpoint takes its name. Private to this folder; one process (rank 0). */
#ifndef TS_CKPT_ROOT_H
#define TS_CKPT_ROOT_H
#include "base/status.h"

/* Makes DIR and takes its lock. */
ts_status ckpt_root_lock(const char *dir, int *fd) TS_NODISCARD;
/* Ends what a killed run left: .tmp- folders go, an .old- folder without successor gets its name
 * back. Only under the lock. */
ts_status ckpt_root_recover(const char *dir) TS_NODISCARD;
/* Highest sequence number of any manifest there, 0 for none. */
ts_status ckpt_root_sequence(const char *dir, int64_t *out) TS_NODISCARD;
/* Space for `bytes` more, or TS_ERR_IO with both figures. */
ts_status ckpt_root_room(const char *dir, int64_t iteration, double bytes) TS_NODISCARD;
/* .tmp-iter_X becomes iter_X, then the tracker is written. */
ts_status ckpt_root_publish(const char *dir, int64_t iteration) TS_NODISCARD;
/* Removes the oldest but `keep`. */
ts_status ckpt_root_prune(const char *dir, int64_t keep) TS_NODISCARD;
#endif
