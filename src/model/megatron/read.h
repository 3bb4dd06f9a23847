/* Reading checkpoints of Megatron-LM and MindSpeed LLM:
 *
 *   SAVE/latest_checkpointed_iteration.txt            a number, or "release"
 *   SAVE/iter_0000100/mp_rank_.../model_optim_rng.pt  of every rank (model/megatron/layout.h)
 *
 * and those that Megatron core saves distributed (torch_dist, model/megatron/dist.h), in the place of the ranks' files.
 *
 * Whether norms are tensors of the linear layers behind them, experts one tensor or many, latent attention's projections
 * one or two, and how many layers a stage has, is told by the tensors; how the ranks are counted by `args`. */
#ifndef TS_MODEL_MEGATRON_READ_H
#define TS_MODEL_MEGATRON_READ_H
#include "model/megatron/layout.h"
#include "model/param_values.h"

typedef struct ts_mg_checkpoint ts_mg_checkpoint;

/* Whether there is a checkpoint under this path: a folder of iterations, or one iteration's; and whether that is a
 * distributed one. */
bool ts_mg_checkpoint_is(const char *path);
bool ts_mg_checkpoint_is_dist(const char *path);
/* step -1: the one that the tracker names, else the last. TS_ERR_USER names what is missing or damaged. */
ts_status ts_mg_checkpoint_open(const char *path, int64_t step, ts_mg_checkpoint **out) TS_NODISCARD;
/* Gives the memory of a tensor of its files up until it is read again. */
void ts_mg_checkpoint_is_done(const ts_mg_checkpoint *ck, const ts_st_tensor *t);
void ts_mg_checkpoint_close(ts_mg_checkpoint **ck);
const char *ts_mg_checkpoint_path(const ts_mg_checkpoint *ck); /* of the iteration's folder */
int64_t ts_mg_checkpoint_iteration(const ts_mg_checkpoint *ck);
/* Which model it is: config_dir's config.json (NULL: what args say), with the layers that predict further tokens that are
 * there. *a must be initialised, and is the caller's also on failure, as *config is. */
ts_status ts_mg_checkpoint_describe(const ts_mg_checkpoint *ck, const char *config_dir, const ts_family **family, ts_arch *a,
                                    json_t **config) TS_NODISCARD;
/* The values of that model, which stay in the checkpoint's files. */
ts_status ts_mg_checkpoint_values(ts_mg_checkpoint *ck, const ts_arch *a, ts_param_values *out) TS_NODISCARD;
/* What the matrices are stored in. */
ts_st_dtype ts_mg_checkpoint_dtype(const ts_param_values *values);
#endif
