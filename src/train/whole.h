/* Whole tensors of the shares that a tensor-parallel group holds, for who writes files. */
#ifndef TS_TRAIN_WHOLE_H
#define TS_TRAIN_WHOLE_H
#include "dist/comm.h"
#include "tensor/param.h"

/* What all parameters of a set have of one kind: values, or a moment. */
typedef struct ts_whole {
    const ts_param_set *params;
    char **data; /* [n] host memory, row-major; NULL: the parameter is here whole already */
} ts_whole;

/* Where the share of p is in the device's memory; NULL: p has none of this kind. */
typedef const void *ts_kept_fn(void *ctx, const ts_param *p);

/* Every process of the group calls; each gets all cut tensors, of elements of type_of's type. Where the
 * group is one process nothing is done. */
ts_status ts_whole_collect(ts_whole *w, ts_comm *group, const ts_param_set *params, ts_kept_fn *share,
                           void *ctx, ts_dtype (*type_of)(void *ctx, const ts_param *p)) TS_NODISCARD;
void ts_whole_deinit(ts_whole *w);
#endif
