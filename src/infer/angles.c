#include "infer/angles.h"

int64_t ts_angles_alone_above(const ts_arch *a)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < a->n_ropes; i++) {
        const ts_rope_config *r = &a->rope[i];
        const int64_t above = r->scaling == TS_ROPE_DYNAMIC    ? r->max_positions
                              : r->scaling == TS_ROPE_LONGROPE ? r->original_max_positions
                                                               : INT64_MAX;
        least = above < least ? above : least;
    }
    return least;
}

bool ts_angles_change_at(const ts_arch *a, int64_t n)
{
    for (int i = 0; i < a->n_ropes; i++)
        if (a->rope[i].scaling == TS_ROPE_LONGROPE && n == a->rope[i].original_max_positions + 1)
            return true;
    return false;
}

int64_t ts_angles_length(const ts_arch *a, int64_t n)
{
    int64_t length = 1;
    for (int i = 0; i < a->n_ropes; i++) {
        const ts_rope_config *r = &a->rope[i];
        if (r->scaling == TS_ROPE_DYNAMIC && n > r->max_positions)
            return n;
        if (r->scaling == TS_ROPE_LONGROPE && n > r->original_max_positions)
            length = r->original_max_positions + 1;
    }
    return length;
}
