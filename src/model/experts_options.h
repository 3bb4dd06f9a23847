/* The options that say how mixtures of experts are trained: what keeps experts evenly loaded, and who is dropped
 * where they are not. What experts a model has its own options say (model/options.h). */
#ifndef TS_MODEL_EXPERTS_OPTIONS_H
#define TS_MODEL_EXPERTS_OPTIONS_H
#include "base/option.h"
#include "model/arch.h"
#include "nn/experts.h"

#define TS_MOE_BALANCES(W)                                                                         \
    W(TS_MOE_AUX, "aux_loss")                                                                      \
    W(TS_MOE_SEQ_AUX, "seq_aux_loss")                                                              \
    W(TS_MOE_GLOBAL_AUX, "global_aux_loss")                                                        \
    W(TS_MOE_SINKHORN, "sinkhorn")                                                                 \
    W(TS_MOE_NONE, "none,softmax_topk,noaux_tc")
typedef enum ts_moe_balance { TS_MOE_BALANCES(TS_CHOICE_VALUE) } ts_moe_balance;

#define TS_MOE_DROPS(W) W(TS_MOE_DROP_PROBS, "probs") W(TS_MOE_DROP_POSITION, "position")
typedef enum ts_moe_drop { TS_MOE_DROPS(TS_CHOICE_VALUE) } ts_moe_drop;

#define TS_MOE_NOISES(W)                                                                           \
    W(TS_MOE_NOISE_NONE, "None")                                                                   \
    W(TS_MOE_NOISE_JITTER, "Jitter")                                                               \
    W(TS_MOE_NOISE_SAMPLE, "RSample")
typedef enum ts_moe_noise { TS_MOE_NOISES(TS_CHOICE_VALUE) } ts_moe_noise;

/* Of DeepSpeed's gate (--moe-model-type deepspeed_moe). */
typedef struct ts_gate_options {
    double capacity, capacity_alone;
    int64_t least;
    int noise; /* TS_MOE_NOISE_* */
    bool no_draws, sinkhorn, no_drop, dynamic;
} ts_gate_options;

typedef struct ts_expert_options {
    int balancing; /* TS_MOE_* */
    int drop;    /* TS_MOE_DROP_* */
    double aux, z, capacity, jitter, bias_rate;
    bool pads, fixed;
    bool again, swaps; /* experts' activations where they are many; what is weighed and summed */
    double again_above;
    const char *record, *replay; /* files of choices (nn/routes.h) */
    ts_gate_options gate;
} ts_expert_options;
extern const ts_option ts_expert_option_rows[];
extern const size_t ts_expert_option_count;

/* What the options are together, with DeepSpeed's gate or Megatron-LM's rules: TS_ERR_USER that names them. */
ts_status ts_expert_options_check(const ts_expert_options *o, const ts_option_set *set, bool deepspeed) TS_NODISCARD;
/* The file of choices that these options name, for steps [first, end) of so many processes. planned: none is opened;
 * writes: this process writes what is recorded. *out NULL: none is named. */
ts_status ts_expert_options_routes(const ts_expert_options *o, const ts_arch *a, const ts_routes_shape *batch,
                                   int64_t first, int64_t end, bool planned, bool writes, ts_routes **out) TS_NODISCARD;
/* Warns of those that have no effect, with a model that has experts or none. */
void ts_expert_options_warn(const ts_expert_options *o, const ts_option_set *set, const ts_arch *a, bool deepspeed);
/* The rules of layers, but for the communicators and the file of choices. */
ts_expert_rules ts_expert_options_rules(const ts_expert_options *o);
/* Of these those of DeepSpeed's gate: TS_ERR_USER where the model's router is of another kind. */
ts_status ts_expert_options_gate(const ts_expert_options *o, const ts_arch *a, ts_expert_rules *rules) TS_NODISCARD;
#endif
