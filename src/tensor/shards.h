/* How processes that hold the same parameters share out what belongs to them. The flat arrays of a set
 * (tensor/param.h) are cut into units, and each unit into a share for each process: whole blocks of 64
 * elements, nearly equal, whatever the parameters' borders:
 *
 *   parameters     | a       | b | c            | d     |
 *   units          |     0           |     1            |
 *   shares of 3    |  0  |  1  |  2  |   0   |  1   | 2 |
 *
 * Matrices that the optimizer steps as a whole are not cut, unless it can do with parts: the border moves to the
 * nearer of their ends, and units end at parameters too.
 *
 * Experts may be shared out by another group (ts_param.is_expert); their units are their own then.
 *
 * What a process has of its own shares alone lies in arrays of their own, unit after unit. A piece is
 * what a share has of one parameter. A process that shares with nobody has one unit, and its pieces are
 * the parameters. */
#ifndef TS_TENSOR_SHARDS_H
#define TS_TENSOR_SHARDS_H
#include "device/device.h"

struct ts_param;

/* What is shared out; each has all that stands before it. */
typedef enum ts_shard_level {
    TS_SHARD_NOTHING,
    TS_SHARD_STATE,  /* masters and moments: ZeRO-1 */
    TS_SHARD_GRADS,  /* ZeRO-2 */
    TS_SHARD_VALUES, /* ZeRO-3 */
} ts_shard_level;

typedef struct ts_shard_options {
    ts_shard_level level;
    bool whole_grads; /* VALUES: but not gradients (LayerZeRO) */
    bool by_unit;     /* gradients are here while they are made, unit by unit, whatever is shared out */
    bool coded;       /* masters of what is stepped whole are kept in 8 bits, and values of all are here while they are
                         used, unit by unit; nothing is shared out */
    bool cuts_whole;  /* matrices that the optimizer steps as a whole are cut like others */
    int size, rank;  /* of the group; one process shares nothing */
    int expert_size, expert_rank; /* of the group of those that hold the same experts; size 0: the same group */
    int64_t unit;    /* STATE: elements of a unit. Otherwise units are the set's own (ts_param_set_unit) */
    ts_dtype values; /* matrices as everybody has them; where masters have another type, a process has those
                        of its own shares alone */
} ts_shard_options;

typedef struct ts_shard_piece {
    struct ts_param *p;
    int64_t at, n; /* elements [at, at + n) of what is here of p */
    int64_t own;   /* the first one's number in arrays of the own shares */
    int64_t rest;  /* likewise in arrays without those that the optimizer steps whole; -1: it is one */
    int64_t byte;  /* of own masters that are kept apart: where its first one lies */
} ts_shard_piece;

typedef struct ts_shards {
    ts_shard_options o;
    int64_t n_units;
    int64_t *begin; /* [n_units + 1] elements of the flat arrays */
    int64_t *param; /* [n_units + 1] the first parameter, of the set's own units */
    int64_t *own;   /* [n_units + 1] where the own share begins in arrays of the own shares */
    int64_t *first; /* [n_units + 1] the own share's first piece */
    bool *is_expert; /* [n_units] shared out by the group of the experts */
    int64_t *border; /* [n_units][larger size + 1] where shares begin, and the last ends, where parameters that
                        stay whole are among them; NULL: even shares */
    ts_shard_piece *piece;
    int64_t n_pieces, rest; /* rest: elements of an array without those that are stepped whole */
    int64_t most, most_rest; /* what of both the process with most has, for which all make room: so all
                                take the same memory */
} ts_shards;

void ts_shards_deinit(ts_shards *s);
/* The group that shares out a unit: how many they are, and this process's rank. */
static inline int ts_shard_size(const ts_shards *s, int64_t unit)
{
    return s->is_expert[unit] ? s->o.expert_size : s->o.size;
}
static inline int ts_shard_rank(const ts_shards *s, int64_t unit)
{
    return s->is_expert[unit] ? s->o.expert_rank : s->o.rank;
}
/* Whose share of a unit to take for the process that is rank r of the others' group: of experts one that is at
 * least as long, the first, but of this process its own. */
static inline int ts_shard_rank_of(const ts_shards *s, int64_t unit, int r)
{
    return !s->is_expert[unit] ? r : r == s->o.rank ? s->o.expert_rank : 0;
}
/* Of the two groups the larger. */
static inline int ts_shards_size(const ts_shards *s)
{
    return s->o.expert_size > s->o.size ? s->o.expert_size : s->o.size;
}
/* Where the share of a rank begins in the flat arrays; of rank `size`: the unit's end. */
int64_t ts_shard_begin(const ts_shards *s, int64_t unit, int rank);
static inline int64_t ts_shard_own_begin(const ts_shards *s, int64_t unit)
{
    return ts_shard_begin(s, unit, ts_shard_rank(s, unit));
}
/* The unit with this element. */
int64_t ts_shard_unit(const ts_shards *s, int64_t element);
/* Whether gradients are here only while they are made. */
static inline bool ts_shards_grads(const ts_shards *s)
{
    return s->o.by_unit || (s->o.level >= TS_SHARD_GRADS && !s->o.whole_grads);
}
/* Whether values are here only while they are used. */
static inline bool ts_shards_values(const ts_shards *s) { return s->o.level == TS_SHARD_VALUES || s->o.coded; }
static inline int64_t ts_shards_own(const ts_shards *s) { return s->own[s->n_units]; }
static inline bool ts_shards_alone(const ts_shards *s)
{
    return s->o.level == TS_SHARD_NOTHING || ts_shards_size(s) < 2;
}
/* Longest unit, in elements. */
int64_t ts_shards_longest(const ts_shards *s);
#endif
