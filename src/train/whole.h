/* Whole tensors of what processes share out, for who writes files: one after the other, each brought together
 * from those that share it out (tensor/shards.h) and from the tensor-parallel group that has cut it, and kept
 * by the process that wants it. */
#ifndef TS_TRAIN_WHOLE_H
#define TS_TRAIN_WHOLE_H
#include "tensor/param.h"
#include "tensor/state_code.h"
#include "train/sharers.h"

/* What all parameters of a set have of one kind: values, or a moment. */
typedef struct ts_whole {
    const ts_param_set *params;
    const ts_storage *own; /* in an array of own shares; NULL: where the values are */
    ts_dtype type;         /* of own */
    bool rest;             /* own has only what is not stepped whole */
    const ts_state_code *code; /* how own is written in few bits, where it is: read as fp32; the caller's to set */
    char **data; /* [n] host memory, row-major; NULL: not brought together */
} ts_whole;

/* All processes of all of them call. */
typedef struct ts_whole_comms {
    const ts_sharers *sharers; /* of the set's shares */
    ts_comm *group;            /* tensor-parallel; one process: nothing is cut */
    ts_comm *experts;          /* who have all experts between them; NULL: the group */
} ts_whole_comms;
/* Those of a mesh. */
static inline ts_whole_comms ts_whole_comms_of(const ts_sharers *sharers, const ts_mesh *m)
{
    return (ts_whole_comms){ sharers, m->comm[TS_MESH_TP],
                             ts_mesh_parts_experts(m) ? m->comm[TS_MESH_EXPERTS] : NULL };
}

/* own: moments, of that type, of all or of the rest; NULL: values, or their masters where these are kept
 * apart. */
void ts_whole_init(ts_whole *w, const ts_param_set *params, const ts_storage *own, bool rest, ts_dtype type);
/* wants [n]: which parameters' this process is to have; NULL: all. Where
 * nothing is shared out, cut or in few bits nothing is done. */
ts_status ts_whole_collect(ts_whole *w, const ts_whole_comms *c, const bool *wants) TS_NODISCARD;
void ts_whole_deinit(ts_whole *w);
/* Of what type p's are; whether it has any of this kind. */
ts_dtype ts_whole_type(const ts_whole *w, const ts_param *p);
bool ts_whole_has(const ts_whole *w, const ts_param *p);
/* Whether p's were brought together here. */
static inline bool ts_whole_is_brought(const ts_whole *w, const ts_param *p)
{
    return w->data && w->data[p->index];
}
/* Where they are: host memory if they were brought together, else, and if nothing had to be, the device's.
 * NULL: p has none of this kind, or this process did not want them. */
const void *ts_whole_of(const ts_whole *w, const ts_param *p);
#endif
