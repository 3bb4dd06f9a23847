#include "text/chat/weight.h"

#include "base/mem.h"

#include <math.h>

ts_status ts_chat_weight_read(const json_t *message, size_t k, bool is_answer, float *out)
{
    const json_t *v = json_object_get(message, "weight");
    const double weight = !v || json_is_true(v) ? 1 : json_is_false(v) ? 0 : json_is_number(v) ? json_number_value(v) : -1;
    if (!(weight >= 0) || !isfinite((float)weight))
        return ts_error(TS_ERR_USER, "messages[%zu]: \"weight\": expected a number from 0 (the answer is not trained) on, which its "
                                     "tokens' losses are multiplied with", k);
    if (v && weight > 0 && !is_answer)
        return ts_error(TS_ERR_USER, "messages[%zu]: \"weight\" %g: only what an assistant says is trained", k, weight);
    *out = (float)weight;
    return TS_OK;
}

void ts_chat_weights_deinit(ts_chat_weights *w)
{
    ts_free(&w->v);
    w->n = w->cap = 0;
}

ts_status ts_chat_weights_set(ts_chat_weights *w, size_t begin, size_t end, float weight)
{
    if (w->n < end) {
        TS_TRY(ts_grow(&w->v, &w->cap, end, sizeof *w->v));
        while (w->n < end)
            w->v[w->n++] = 1;
    }
    for (size_t i = begin; i < end; i++)
        w->v[i] = weight;
    return TS_OK;
}
