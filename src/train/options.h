/* Options of training in Megatron-LM's words. */
#ifndef TS_TRAIN_OPTIONS_H
#define TS_TRAIN_OPTIONS_H
#include "base/dtype.h"
#include "base/option.h"
#include "train/matrix_options.h"

#define TS_LR_DECAYS(W)                                                                            \
    W(TS_LR_CONSTANT, "constant")                                                                  \
    W(TS_LR_LINEAR, "linear")                                                                      \
    W(TS_LR_COSINE, "cosine")                                                                      \
    W(TS_LR_INVERSE_SQRT, "inverse-square-root")                                                   \
    W(TS_LR_WSD, "WSD")
typedef enum ts_lr_decay { TS_LR_DECAYS(TS_CHOICE_VALUE) } ts_lr_decay;

#define TS_WSD_DECAYS(W)                                                                           \
    W(TS_WSD_LINEAR, "linear")                                                                     \
    W(TS_WSD_COSINE, "cosine")                                                                     \
    W(TS_WSD_EXPONENTIAL, "exponential")                                                           \
    W(TS_WSD_MINUS_SQRT, "minus_sqrt")
typedef enum ts_wsd_decay { TS_WSD_DECAYS(TS_CHOICE_VALUE) } ts_wsd_decay;

#define TS_OPTIMIZERS(W)                                                                           \
    W(TS_OPTIMIZER_ADAM, "adam,adamw,fused_adamw")                                                                   \
    W(TS_OPTIMIZER_SGD, "sgd")                                                                     \
    W(TS_OPTIMIZER_MUON, "muon,dist_muon")                                                         \
    W(TS_OPTIMIZER_LION, "lion")                                                                   \
    W(TS_OPTIMIZER_ADAM_8BIT, "adamw_8bit,adamw_bnb_8bit")
typedef enum ts_optimizer_kind { TS_OPTIMIZERS(TS_CHOICE_VALUE) } ts_optimizer_kind;

/* Types of what the optimizer keeps. */
#define TS_STATE_DTYPES(W)                                                                         \
    W(TS_STATE_F32, TS_WORDS_FP32)                                                                 \
    W(TS_STATE_BF16, TS_WORDS_BF16)                                                                \
    W(TS_STATE_F16, TS_WORDS_FP16)                                                                 \
    W(TS_STATE_F8, "fp8")
typedef enum ts_state_dtype { TS_STATE_DTYPES(TS_CHOICE_VALUE) } ts_state_dtype;

/* How AdamW's step is made (MindSpeed). */
#define TS_OPTIMIZER_SELECTIONS(W)                                                                 \
    W(TS_SELECT_ADAMW, "fused_adamw,fused_torch_adamw")                                            \
    W(TS_SELECT_EMA_ADAMW, "fused_ema_adamw")
typedef enum ts_optimizer_selection { TS_OPTIMIZER_SELECTIONS(TS_CHOICE_VALUE) } ts_optimizer_selection;

/* Formats of both moments (MindSpeed). */
#define TS_QUANT_STATES(W)                                                                         \
    W(TS_QUANT_STATES_NONE, "none")                                                                \
    W(TS_QUANT_STATES_FP8, "fp8")                                                                  \
    W(TS_QUANT_STATES_HIF8, "hif8")                                                                \
    W(TS_QUANT_STATES_MXFP8, "mxfp8")
typedef enum ts_quant_states { TS_QUANT_STATES(TS_CHOICE_VALUE) } ts_quant_states;

#define TS_PACKED_WEIGHTS(W)                                                                       \
    W(TS_PACKED_AUTO, "auto")                                                                      \
    W(TS_PACKED_KEPT, "kept")                                                                      \
    W(TS_PACKED_SHARED, "shared")
typedef enum ts_packed_weights { TS_PACKED_WEIGHTS(TS_CHOICE_VALUE) } ts_packed_weights;

/* What multiplies in 8-bit integers. */
#define TS_INT8_PARTS(W)                                                                           \
    W(TS_INT8_NONE, "none")                                                                        \
    W(TS_INT8_LAYERS, "layers")                                                                    \
    W(TS_INT8_ALL, "all") /* the output layer too */
typedef enum ts_int8_parts { TS_INT8_PARTS(TS_CHOICE_VALUE) } ts_int8_parts;

#define TS_ZERO_MEMORIES(W)                                                                        \
    W(TS_ZERO_MEMORY_NONE, "disable")                                                              \
    W(TS_ZERO_MEMORY_ROWS, "level0")                                                               \
    W(TS_ZERO_MEMORY_ALL, "level1")
typedef enum ts_zero_memory { TS_ZERO_MEMORIES(TS_CHOICE_VALUE) } ts_zero_memory;
#define TS_GRANULARITIES(W)                                                                        \
    W(TS_GRANULARITY_NONE, "none")                                                                 \
    W(TS_GRANULARITY_FULL, "full")                                                                 \
    W(TS_GRANULARITY_SELECTIVE, "selective")
typedef enum ts_granularity { TS_GRANULARITIES(TS_CHOICE_VALUE) } ts_granularity;

#define TS_RECOMPUTE_METHODS(W)                                                                    \
    W(TS_RECOMPUTE_METHOD_NONE, "none")                                                            \
    W(TS_RECOMPUTE_METHOD_UNIFORM, "uniform")                                                      \
    W(TS_RECOMPUTE_METHOD_BLOCK, "block")
typedef enum ts_recompute_method { TS_RECOMPUTE_METHODS(TS_CHOICE_VALUE) } ts_recompute_method;

/* What a dump has. */
#define TS_DUMP_LEVELS(W)                                                                          \
    W(TS_DUMP_LEVEL_ALL, "all")                                                                    \
    W(TS_DUMP_LEVEL_MODULES, "modules")                                                            \
    W(TS_DUMP_LEVEL_PARAMETERS, "parameters")
typedef enum ts_dump_level { TS_DUMP_LEVELS(TS_CHOICE_VALUE) } ts_dump_level;

/* Signals that may end the run. */
#define TS_EXIT_SIGNALS(W)                                                                         \
    W(TS_EXIT_SIGTERM, "SIGTERM")                                                                  \
    W(TS_EXIT_SIGINT, "SIGINT")                                                                    \
    W(TS_EXIT_SIGHUP, "SIGHUP")                                                                    \
    W(TS_EXIT_SIGQUIT, "SIGQUIT")                                                                  \
    W(TS_EXIT_SIGUSR1, "SIGUSR1")                                                                  \
    W(TS_EXIT_SIGUSR2, "SIGUSR2")                                                                  \
    W(TS_EXIT_SIGALRM, "SIGALRM")                                                                  \
    W(TS_EXIT_SIGXCPU, "SIGXCPU")
typedef enum ts_exit_signal { TS_EXIT_SIGNALS(TS_CHOICE_VALUE) } ts_exit_signal;

/* Why some of it has no effect. */
#define TS_WHY_ATTENTION "attention is always computed again: its scores are never kept"
#define TS_WHY_NORM                                                                                \
    "the outputs of norms are made again in all layers, unless --keep-cheap-activations"
#define TS_WHY_ACT                                                                                 \
    "the outputs of activation functions are made again in all layers, unless --keep-cheap-activations"

typedef struct ts_train_options {
    int64_t micro_batch_size, global_batch_size, accumulation, /* of micro-batches; 0: one */
        train_iters, train_samples, seq_length;
    double epochs; /* instead of train_iters, which is counted of the data then; 0: not asked for */
    int64_t seed, eval_iters, eval_interval;
    ts_option_list rampup_batch_size; /* words of START INCREMENT SAMPLES */
    ts_option_list micro_sizes;       /* see ts_train_micro_sizes */
    const int64_t *chosen_sizes;      /* as these, chosen: how many, and then they; borrowed. NULL: nothing was */
    double hidden_dropout, attention_dropout;
    double index_coeff; /* of the loss of indexers of sparse attention */
    bool index_sparse;  /* over the keys that they choose */
    double mtp_factor; /* of the losses of predictions further ahead, together */
    int packed_weights; /* TS_PACKED_* */
    int int8;           /* TS_INT8_* */
    ts_option_list freeze; /* modules, see ts_decoder_freeze */
    /* rate */
    double lr, min_lr, lr_warmup_init, lr_warmup_fraction;
    double decoupled_lr, decoupled_min_lr; /* of embedding and output layer; -1: as the others */
    int64_t lr_warmup_iters, lr_warmup_samples, lr_decay_iters, lr_decay_samples,
        lr_wsd_decay_iters, lr_wsd_decay_samples;
    int lr_decay_style, lr_wsd_decay_style; /* TS_LR_*, TS_WSD_* */
    /* optimizer */
    int optimizer;        /* TS_OPTIMIZER_* */
    ts_matrix_options matrix;
    bool decays_qk_norm;
    bool qk_clip, log_max_logit;
    double qk_clip_alpha, qk_clip_threshold;
    bool precision_aware; /* the types below may differ from fp32 */
    int exp_avg_dtype, exp_avg_sq_dtype, main_params_dtype, main_grads_dtype; /* TS_STATE_* */
    int quant_states; /* TS_QUANT_STATES_* */
    bool quant_grads;
    int optimizer_selection; /* TS_SELECT_* */
    bool use_ema;
    double ema_decay;
    double adam_beta1, adam_beta2, adam_eps, sgd_momentum, weight_decay, clip_grad;
    double initial_loss_scale, min_loss_scale, loss_scale;
    int64_t loss_scale_window, hysteresis;
    bool log_num_zeros, log_params_norm, check_for_nan;
    /* memory */
    int recompute_granularity, recompute_method; /* TS_GRANULARITY_*, TS_RECOMPUTE_METHOD_* */
    int64_t recompute_num_layers; /* 0: not given */
    /* as --adaptive-... has had it chosen for each layer, by number (plan/adapt.h); borrowed; NULL: by options */
    const struct ts_layer_memory *chosen;
    bool adapts, adapts_with_swap, smart_swap;
    int64_t adapt_mb; /* of 2^20 bytes; -1: as much as there is */
    bool recompute_activations, replay, swap_layer_input, swap_attention, swap_optimizer, reuse_fp32_param;
    int64_t swap_optimizer_times;
    ts_option_list virtual_optimizer; /* "all", gigabytes, or those of each stage */
    ts_option_list recompute_modules; /* of selective */
    ts_option_list recompute_list;    /* layers of each stage; words with commas in them */
    int64_t recompute_type;           /* what of them runs again: 0 MLP, 1 attention, 2 all */
    bool levels;                      /* stages' shares are chosen so that their peaks are alike */
    double save_ratio;                /* of the largest peak; see plan/level.h */
    bool by_time;                     /* the micro-batch and the order of units are chosen */
    const int64_t *chosen_order;      /* what was chosen; borrowed; NULL: nothing yet */
    const int64_t *stage_again;       /* as recompute_list, chosen; [stages], borrowed; or NULL */
    ts_option_list swap_modules;      /* of swap_attention; words with commas in them */
    bool recompute_norm, recompute_activation_function;
    int zero_memory;            /* TS_ZERO_MEMORY_* */
    int64_t zero_memory_layers; /* 0: all */
    int64_t recompute_norm_num_layers, recompute_activation_function_num_layers; /* -1: all */
    /* repeatability */
    bool deterministic;
    /* saving, stopping */
    const char *save, *save_hf, *save_ema_hf;
    int save_hf_dtype; /* TS_SAVE_HF_* */
    int64_t save_interval, keep, exit_interval, ckpt_step, exit_duration;
    int exit_signal; /* TS_EXIT_* */
    bool skip_train, grad_reduce_in_bf16;
    bool override_checkpoints, async_save, no_save_optim, no_load_optim, finetune, exit_on_missing;
    /* seeing */
    int64_t log_interval, events_interval;
    const char *metrics_jsonl, *tensorboard_dir;
    bool events_ppl;
    bool log_throughput;
    double peak_tflops;
    ts_option_list dump_steps, dump_ranks, dump_scope;
    const char *dump_path;
    bool dump, dump_tensors;
    int dump_level; /* TS_DUMP_LEVEL_* */
} ts_train_options;
extern const ts_option ts_train_option_rows[];
extern const size_t ts_train_option_count;
/* Rows without values: what scripts say of training that has no effect here or is not there yet. */
extern const ts_option ts_train_script_rows[];
extern const size_t ts_train_script_count;

/* Sequences of each of a step's micro-batches on a process, where they are not all micro_batch_size: *v [n], the caller's; n
 * 0: they are. */
static inline bool ts_train_has_sizes(const ts_train_options *o)
{
    return o->chosen_sizes ? o->chosen_sizes[0] > 0 : o->micro_sizes.n > 0;
}
ts_status ts_train_micro_sizes(const ts_train_options *o, int64_t **v, int64_t *n) TS_NODISCARD;

/* The number of the signal that --exit-signal chose. */
int ts_train_exit_signal(const ts_train_options *o);
/* Checks what belongs together; data-parallel size dp. Messages name the options. */
ts_status ts_train_options_check(const ts_train_options *o, int dp) TS_NODISCARD;
/* Whether moments are of projected gradients (train/lowrank.h). */
static inline bool ts_train_is_lowrank(const ts_train_options *o)
{
    return (o->matrix.apollo || o->matrix.galore) && o->optimizer == TS_OPTIMIZER_ADAM;
}
/* Whether the optimizer looks at matrices as a whole (ts_param_set_step_whole). */
static inline bool ts_train_steps_whole(const ts_train_options *o)
{
    return o->optimizer == TS_OPTIMIZER_MUON || ts_train_is_lowrank(o);
}
/* Whether the data says how many steps there are. */
static inline bool ts_train_counts_epochs(const ts_train_options *o)
{
    return o->epochs > 0 && !o->train_iters && !o->train_samples;
}
/* Sequences of a step, over so many processes that share out the batch. */
static inline int64_t ts_train_global_batch(const ts_train_options *o, int64_t dp)
{
    return o->global_batch_size ? o->global_batch_size
                                : o->micro_batch_size * dp * (o->accumulation ? o->accumulation : 1);
}
/* Whether it can do with parts of them, wherever they are cut. */
static inline bool ts_train_cuts_whole(const ts_train_options *o) { return ts_train_is_lowrank(o); }
/* Whether each layer is stepped as soon as its gradients are complete. */
static inline bool ts_train_steps_layerwise(const ts_train_options *o) 
{
    const ts_matrix_options *m = &o->matrix;
    return ts_train_is_lowrank(o) && (m->galore ? m->galore_layerwise : m->apollo_layerwise) && !o->skip_train;
}
/* Whether its weights are kept in 8 bits. */
static inline bool ts_train_codes_weights(const ts_train_options *o)
{
    return o->matrix.weight_quant && ts_train_is_lowrank(o) && !o->skip_train;
}
static inline const char *ts_train_layerwise_name(const ts_train_options *o)
{
    return o->matrix.galore ? "--galore-layerwise" : "--apollo-layerwise";
}
/* The words of those matrices; none: all. */
ts_option_list ts_train_whole_words(const ts_train_options *o);
/* Whether largest scores of attention are kept (ts_param_set_keep_tops). */
static inline bool ts_train_keeps_tops(const ts_train_options *o) { return o->qk_clip || o->log_max_logit; }
/* Whether steps are AdamW's, whatever the moments are kept in. */
/* Of both moments in the host's memory on that stage (--virtual-optimizer): INFINITY: all. */
double ts_train_virtual_bytes(const ts_train_options *o, int64_t stage);
static inline bool ts_train_is_adam(const ts_train_options *o)
{
    return o->optimizer == TS_OPTIMIZER_ADAM || o->optimizer == TS_OPTIMIZER_ADAM_8BIT;
}
/* Whether an average of the weights is kept. */
static inline bool ts_train_has_ema(const ts_train_options *o)
{
    return o->use_ema || o->optimizer_selection == TS_SELECT_EMA_ADAMW;
}
/* The type that a choice of *_dtype stands for, once checked. */
static inline ts_dtype ts_train_dtype(int choice)
{
    return choice == TS_STATE_BF16 ? TS_DTYPE_BF16 : TS_DTYPE_F32;
}
#endif
