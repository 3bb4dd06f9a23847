/* What this build is made of and what it finds on this machine, as JSON. */
#ifndef TS_API_BUILD_H
#define TS_API_BUILD_H
#include "base/json.h"

/* kernels: also which variant of each kernel runs. json_decref. */
ts_status ts_build_collect(bool kernels, json_t **out) TS_NODISCARD;
#endif
