#include "parallel/schedule_make.h"

/* Interleaved 1F1B (Narayanan et al., arXiv 2104.04473): a stage holds v chunks, each one a 1/v of
 * its layers, and a micro-batch passes all stages v times. Micro-batches go in groups: all of a
 * group through chunk 0, then through chunk 1, ...; gradients from the last chunk to the first. Where
 * forwards and backwards interweave each stage begins one forward more, so that the two of a pair do not
 * wait for each other. */

/* The i-th of a stage's m x v forwards; the last group may be a smaller one. */
static void forward_at(const ts_schedule_shape *shape, int64_t i, int64_t *micro, int64_t *chunk)
{
    const int64_t of_group = shape->group * shape->n_chunks, first = i / of_group * shape->group;
    const int64_t left = shape->n_micro - first, size = left < shape->group ? left : shape->group;
    *chunk = i % of_group / size;
    *micro = first + i % of_group % size;
}

int64_t ts_schedule_warmup(const ts_schedule_shape *shape, int64_t stage)
{
    const int64_t behind = shape->n_stages - 1 - stage, all = shape->n_micro * shape->n_chunks;
    const int64_t n =
        shape->n_chunks == 1 ? behind : 2 * behind + (shape->n_chunks - 1) * shape->group;
    return n + shape->interweaves < all ? n + shape->interweaves : all;
}

void ts_schedule_make_interleaved(ts_schedule *s)
{
    const ts_schedule_shape *shape = &s->shape;
    const int64_t all = shape->n_micro * shape->n_chunks;
    for (int64_t r = 0; r < shape->n_stages; r++) {
        const int64_t warmup = ts_schedule_warmup(shape, r);
        int64_t micro, chunk;
        for (int64_t i = 0; i < all + warmup; i++) {
            if (i < all) {
                forward_at(shape, i, &micro, &chunk);
                ts_schedule_put(s, r, (ts_unit){ .kind = TS_UNIT_FORWARD, .micro = (int32_t)micro, .chunk = (int32_t)chunk,
                                                 .with_next = shape->interweaves && i >= warmup });
            }
            if (i >= warmup) {
                forward_at(shape, i - warmup, &micro, &chunk);
                ts_schedule_add(s, r, TS_UNIT_BACKWARD, micro, shape->n_chunks - 1 - chunk);
            }
        }
    }
}
