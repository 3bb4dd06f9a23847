/* Options of training in Megatron-LM's words. */
#ifndef TS_TRAIN_OPTIONS_H
#define TS_TRAIN_OPTIONS_H
#include "base/dtype.h"
#include "base/option.h"

typedef enum ts_lr_decay {
    TS_LR_CONSTANT,
    TS_LR_LINEAR,
    TS_LR_COSINE,
    TS_LR_INVERSE_SQRT,
    TS_LR_WSD
} ts_lr_decay;
typedef enum ts_wsd_decay {
    TS_WSD_LINEAR,
    TS_WSD_COSINE,
    TS_WSD_EXPONENTIAL,
    TS_WSD_MINUS_SQRT
} ts_wsd_decay;
typedef enum ts_optimizer_kind { TS_OPTIMIZER_ADAM, TS_OPTIMIZER_SGD } ts_optimizer_kind;

typedef enum ts_packed_weights {
    TS_PACKED_AUTO,
    TS_PACKED_KEPT,
    TS_PACKED_SHARED
} ts_packed_weights;

/* The type of a Hugging Face folder's weights: that of the model's own files, or one of these. */
typedef enum ts_save_hf_dtype {
    TS_SAVE_HF_AUTO,
    TS_SAVE_HF_F32,
    TS_SAVE_HF_BF16,
    TS_SAVE_HF_F16
} ts_save_hf_dtype;

typedef struct ts_train_options {
    int64_t micro_batch_size, global_batch_size, train_iters, train_samples, seq_length;
    int64_t seed, eval_iters, eval_interval;
    ts_option_list rampup_batch_size; /* words of START INCREMENT SAMPLES */
    double hidden_dropout, attention_dropout;
    int packed_weights; /* TS_PACKED_* */
    int int8; /* 0: no, 1: the layers, 2: the output layer too */
    ts_option_list freeze; /* modules, see ts_decoder_freeze */
    /* rate */
    double lr, min_lr, lr_warmup_init, lr_warmup_fraction;
    double decoupled_lr, decoupled_min_lr; /* of embedding and output layer; -1: as the others */
    int64_t lr_warmup_iters, lr_warmup_samples, lr_decay_iters, lr_decay_samples,
        lr_wsd_decay_iters, lr_wsd_decay_samples;
    int lr_decay_style, lr_wsd_decay_style;
    /* optimizer */
    int optimizer;
    bool precision_aware; /* the types below may differ from fp32 */
    int exp_avg_dtype, exp_avg_sq_dtype, main_params_dtype, main_grads_dtype;
    double adam_beta1, adam_beta2, adam_eps, sgd_momentum, weight_decay, clip_grad;
    double initial_loss_scale, min_loss_scale, loss_scale;
    int64_t loss_scale_window, hysteresis;
    bool log_num_zeros, log_params_norm, check_for_nan;
    /* memory */
    int recompute_granularity, recompute_method;
    int64_t recompute_num_layers;
    bool recompute_activations, replay;
    /* repeatability */
    bool deterministic;
    /* saving, stopping */
    const char *save, *save_hf;
    int save_hf_dtype; /* TS_SAVE_HF_* */
    int64_t save_interval, keep, exit_interval, ckpt_step, exit_duration;
    int exit_signal; /* TS_EXIT_SIGNALS */
    bool skip_train, grad_reduce_in_bf16;
    bool override_checkpoints, async_save, no_save_optim, no_load_optim, finetune, exit_on_missing;
    /* seeing */
    int64_t log_interval, events_interval;
    const char *metrics_jsonl, *tensorboard_dir;
    bool events_ppl;
    bool log_throughput;
    double peak_tflops;
} ts_train_options;
extern const ts_option ts_train_option_rows[];
extern const size_t ts_train_option_count;
/* Rows without values: what scripts say of training that has no effect here or is not there yet. */
extern const ts_option ts_train_script_rows[];
extern const size_t ts_train_script_count;

/* The choices of --exit-signal, and the number that one stands for. */
#define TS_EXIT_SIGNALS                                                                            \
    "SIGTERM|SIGINT|SIGHUP|SIGQUIT|SIGUSR1|SIGUSR2|SIGALRM|SIGXCPU"
int ts_train_exit_signal(const ts_train_options *o);
/* Checks what belongs together; data-parallel size dp. Messages name the options. */
ts_status ts_train_options_check(const ts_train_options *o, int dp) TS_NODISCARD;
/* The type that a choice of *_dtype stands for, once checked. */
static inline ts_dtype ts_train_dtype(int choice) { return choice ? TS_DTYPE_BF16 : TS_DTYPE_F32; }
#endif
