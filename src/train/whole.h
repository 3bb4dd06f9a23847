/* Whole tensors of what processes share out, for who writes files: first what is shared out among those
 * that train the same parameters (tensor/shards.h), then what a tensor-parallel group has cut. */
#ifndef TS_TRAIN_WHOLE_H
#define TS_TRAIN_WHOLE_H
#include "dist/comm.h"
#include "tensor/param.h"

/* What all parameters of a set have of one kind: values, or a moment. */
typedef struct ts_whole {
    const ts_param_set *params;
    const ts_storage *own; /* in an array of own shares; NULL: where the values are */
    ts_dtype type;         /* of own */
    char *flat;            /* host memory, like the set's flat arrays: all shares; NULL: there is one */
    char **data; /* [n] host memory, row-major; NULL: the parameter is here whole already */
} ts_whole;

/* Every process of sharers calls; each gets all shares. own: moments, of that type; NULL: values, or their
 * masters where these are kept apart. Nothing is done where nothing is shared out. */
ts_status ts_whole_join(ts_whole *w, ts_comm *sharers, const ts_param_set *params, const ts_storage *own,
                        ts_dtype type) TS_NODISCARD;
/* Behind it: every process of the group calls; each gets all cut tensors. Where the group is one process
 * nothing is done. */
ts_status ts_whole_collect(ts_whole *w, ts_comm *group) TS_NODISCARD;
void ts_whole_deinit(ts_whole *w);
/* Of what type p's are. */
ts_dtype ts_whole_type(const ts_whole *w, const ts_param *p);
/* Where they are, whole once collected: host memory if anything was shared out or cut, else the device's.
 * NULL: p has none of this kind. */
const void *ts_whole_of(const ts_whole *w, const ts_param *p);
#endif
