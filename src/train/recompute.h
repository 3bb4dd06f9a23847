/* What a run computes again in its backward pass instead of keeping it, as its options say.
 *
 * Attention never keeps its scores. The outputs of norms and activation functions are made again in
 * every layer, unless --keep-cheap-activations: then --recompute-norm and
 * --recompute-activation-function choose among them, as MindSpeed has it: in the first N layers of
 * those that are not recomputed as a whole. */
#ifndef TS_TRAIN_RECOMPUTE_H
#define TS_TRAIN_RECOMPUTE_H
#include "model/network.h"
#include "train/options.h"

/* Layers and MLPs that are recomputed as a whole; the tape's part of it. */
ts_recompute_plan ts_recompute_layers(const ts_train_options *o);
ts_tape_options ts_recompute_tape(const ts_train_options *o);

/* What the first layers of this of the pipeline's stages do not keep, where it is said for each. */
ts_status ts_recompute_stage(const ts_train_options *o, int64_t stage, int64_t stages,
                             ts_recompute_plan *plan) TS_NODISCARD;

/* Modules of --recompute-modules that there are, and options that contradict each other: TS_ERR_USER. */
ts_status ts_recompute_check(const ts_train_options *o) TS_NODISCARD;
/* The same with what has no field: when things are made again; and counts of layers against those of
 * the model (0: not said by the options). */
ts_status ts_recompute_check_together(const ts_train_options *o, const ts_option_set *set,
                                      int64_t layers) TS_NODISCARD;
/* What has no effect without another option, or at all. */
void ts_recompute_warn(const ts_train_options *o, const ts_option_set *set);
#endif
