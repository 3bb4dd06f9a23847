/* The folders of Megatron core's distributed checkpoints (torch_dist): whole tensors in pieces, whatever ranks saved them.
 *
 *   .metadata        a pickle: of each tensor its shape and its pieces, of each piece where it stands
 *   __R_N.distcp     the pieces, each a file of torch.save at its place
 *   common.pt        all else (args, iteration); newer ones have it as a piece, common_state/shard_0_1
 *
 * Layers that are alike are one tensor, [layers, ...]; a norm before a linear layer is a tensor of that layer. */
#ifndef TS_MODEL_MEGATRON_DIST_H
#define TS_MODEL_MEGATRON_DIST_H
#include "io/torch/torch_file.h"
#include "model/param_values.h"

typedef struct ts_mg_dist ts_mg_dist;
/* Whether a folder is one of these. */
bool ts_mg_dist_is(const char *folder);
ts_status ts_mg_dist_open(const char *folder, ts_mg_dist **out) TS_NODISCARD;
void ts_mg_dist_close(ts_mg_dist **d);
/* The dict that holds args; NULL: there is none. */
const ts_pickle_node *ts_mg_dist_common(const ts_mg_dist *d);
/* The names of its tensors, number i; NULL: there are fewer. */
const char *ts_mg_dist_name(const ts_mg_dist *d, size_t i);
/* The values of a model, which stay in the folder's files. */
ts_status ts_mg_dist_values(ts_mg_dist *d, const ts_arch *a, ts_param_values *out) TS_NODISCARD;
#endif
