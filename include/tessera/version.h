/* Which library this is, and what it finds on this machine. Any thread, at any time. */
#ifndef TESSERA_VERSION_H
#define TESSERA_VERSION_H
#include "tessera/status.h"

/* Of these headers. The number grows with the version and can be compared:
 * #if TESSERA_VERSION_NUMBER >= TESSERA_MAKE_VERSION(0, 2, 0). */
#define TESSERA_VERSION_MAJOR 0
#define TESSERA_VERSION_MINOR 1
#define TESSERA_VERSION_PATCH 0
#define TESSERA_VERSION "0.1.0"
#define TESSERA_MAKE_VERSION(major, minor, patch) ((major) * 1000000 + (minor) * 1000 + (patch))
#define TESSERA_VERSION_NUMBER                                                                     \
    TESSERA_MAKE_VERSION(TESSERA_VERSION_MAJOR, TESSERA_VERSION_MINOR, TESSERA_VERSION_PATCH)

TS_API_BEGIN

/* "0.1.0", of the library that runs (headers may be of another: TESSERA_VERSION). */
TS_API const char *ts_version(void);

/* Build, processor, memory, kernels, MPI, libraries: what `tessera info --json` prints. *json is
 * the caller's (ts_memory_free). */
TS_API ts_status ts_build_info(char **json) TS_NODISCARD;

TS_API_END
#endif
