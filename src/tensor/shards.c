#include "tensor/shards.h"

#include "dist/ordered.h"

void ts_shards_deinit(ts_shards *s)
{
    ts_free(&s->begin);
    ts_free(&s->param);
    ts_free(&s->own);
    ts_free(&s->first);
    ts_free(&s->is_expert);
    ts_free(&s->border);
    ts_free(&s->piece);
}

int64_t ts_shard_begin(const ts_shards *s, int64_t unit, int rank)
{
    const int64_t begin = s->begin[unit];
    if (s->border)
        return s->border[unit * (ts_shards_size(s) + 1) + rank];
    return begin + ts_ordered_begin(s->begin[unit + 1] - begin, ts_shard_size(s, unit), rank);
}

int64_t ts_shard_unit(const ts_shards *s, int64_t element)
{
    int64_t low = 0, high = s->n_units;
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        if (s->begin[middle] <= element)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int64_t ts_shards_longest(const ts_shards *s)
{
    int64_t most = 0;
    for (int64_t u = 0; u < s->n_units; u++)
        if (s->begin[u + 1] - s->begin[u] > most)
            most = s->begin[u + 1] - s->begin[u];
    return most;
}
