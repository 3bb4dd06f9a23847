/* Which library this is, and what it finds on this machine. Any thread, at any time. */
#ifndef TESSERA_VERSION_H
#define TESSERA_VERSION_H
#include "tessera/status.h"

TS_API_BEGIN

/* "0.1.0", of the library that runs (headers may be of another). */
TS_API const char *ts_version(void);

/* Build, processor, memory, kernels, MPI, libraries: what `tessera info --json` prints. *json is
 * the caller's (ts_memory_free). */
TS_API ts_status ts_build_info(char **json) TS_NODISCARD;

TS_API_END
#endif
