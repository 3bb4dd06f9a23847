/* A list of token ids that grows. */
#ifndef TS_TEXT_IDS_H
#define TS_TEXT_IDS_H
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ts_ids {
    int32_t *v;
    size_t n, cap;
} ts_ids;
void ts_ids_deinit(ts_ids *ids);
ts_status ts_ids_add(ts_ids *ids, int32_t id) TS_NODISCARD;
#endif
