/* How much the labels of an answer count: "weight" of its message. */
#ifndef TS_TEXT_CHAT_WEIGHT_H
#define TS_TEXT_CHAT_WEIGHT_H
#include "base/json.h"
#include "text/ids.h"

#include <stdbool.h>

/* Of message k: 1 where it says nothing, 0 where it is not trained. What is no number from 0 on is TS_ERR_USER, and so is
 * a weight above 0 of what no assistant says. */
ts_status ts_chat_weight_read(const json_t *message, size_t k, bool is_answer, float *out) TS_NODISCARD;

/* Weights of the ids of a sample; n 0: each is 1. */
typedef struct ts_chat_weights {
    float *v;
    size_t n, cap;
} ts_chat_weights;
void ts_chat_weights_deinit(ts_chat_weights *w);
/* Ids [begin, end) have this one, of as many as are told of; others, up to `end`, that none was given have 1. */
ts_status ts_chat_weights_set(ts_chat_weights *w, size_t begin, size_t end, float weight) TS_NODISCARD;
#endif
