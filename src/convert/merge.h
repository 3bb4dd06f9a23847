/* A model's values with what an adapter adds to them. */
#ifndef TS_CONVERT_MERGE_H
#define TS_CONVERT_MERGE_H
#include "convert/convert.h"

typedef struct ts_convert_merge {
    ts_weights_source model;
    const ts_adapters *adapters;
    ts_merger merger; /* ts_merger_read and this give the sums, whole rows at a time */
} ts_convert_merge;
/* values: the model's own, by our names. TS_ERR_USER: the adapter has modules that were trained whole. x stays where it is. */
ts_status ts_convert_merge_init(ts_convert_merge *x, const ts_convert_options *o, const ts_weights_source *values,
                                const ts_adapters *adapters) TS_NODISCARD;
void ts_convert_merge_deinit(ts_convert_merge *x);
/* Whether the adapter adds to this parameter. */
bool ts_convert_merge_changes(const ts_adapters *adapters, const char *param);
#endif
