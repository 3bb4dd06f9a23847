/* Texts of all processes, of any length. */
#ifndef TS_DIST_GATHER_TEXT_H
#define TS_DIST_GATHER_TEXT_H
#include "base/str.h"
#include "dist/comm.h"

/* Collective. *all becomes the n bytes of each rank, one after another, on every rank. */
ts_status ts_comm_gather_text(ts_comm *c, const char *own, size_t n, ts_str *all) TS_NODISCARD;
#endif
