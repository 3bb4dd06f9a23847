/* Those of a model group (infer/model_group.h) who do not lead: they do what they are told until the end. */
#ifndef TS_INFER_FOLLOW_H
#define TS_INFER_FOLLOW_H
#include "infer/model_group.h"

/* The decoder is what is here of the group's model (d->model_group), the tape one of its device. Returns how the leader ended,
 * with its words, or what has failed here. */
ts_status ts_follow(ts_decoder *d, ts_tape *tape) TS_NODISCARD;
#endif
