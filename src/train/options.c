#include "train/options.h"

#include "model/weights.h"

#include <signal.h>
#include <string.h>

#define BIG 1e15
#define ROW(type, field, name, def, lo, hi, choices, group, help)                                  \
    TS_ROW(type, ts_train_options, field, name, def, lo, hi, choices, group, help)
/* an option that decides what is computed */
#define RUN(type, field, name, def, lo, hi, choices, group, help)                                  \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_train_options, field, name, def, lo, hi, choices, group, help)
/* a file or folder */
#define PLACE(field, name, group, help)                                                            \
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_train_options, field, name, NULL, 0, 0, NULL, group, help)
#define PLACE_DEF(field, name, def, group, help)                                                   \
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_train_options, field, name, def, 0, 0, NULL, group, help)
/* what each process may have of its own */
#define OWN(type, field, name, def, lo, hi, choices, group, help)                                  \
    TS_ROW_IS(TS_OPTION_OWN, type, ts_train_options, field, name, def, lo, hi, choices, group, help)
/* likewise, a number from 0 on that is below 1 */
#define SHARE(field_, name_, def_, group_, help_)                                                  \
    { .name = name_, .type = TS_OPTION_REAL, .offset = offsetof(ts_train_options, field_),         \
      .def = def_, .lo = 0, .hi = 1, .below = true, .is = TS_OPTION_DECIDES, .group = group_,        \
      .help = help_ }
/* what is without effect unless another option is given */
#define UNLESS(other, field_, name_, why_, help_)                                                  \
    { .name = name_, .type = TS_OPTION_FLAG, .offset = offsetof(ts_train_options, field_),          \
      .idle = "true", .unless = other, .why = why_, .group = "memory", .help = help_ }

const ts_option ts_train_option_rows[] = {
    RUN(INT, micro_batch_size, "micro-batch-size", "1", 1, 1 << 24, NULL, "training",
        "sequences that go through the model at once"),
    RUN(LIST, micro_sizes, "optimized-mbs-list", NULL, 0, 0, NULL, "training",
        "sequences of each of a step's micro-batches on a process, where they are not all of --micro-batch-size: 1,2,2,1"),
    RUN(INT, global_batch_size, "global-batch-size", NULL, 1, 1 << 24, NULL, "training",
        "sequences of one step over all processes (default micro-batch-size x processes)"),
    RUN(INT, accumulation, "gradient-accumulation-steps", NULL, 1, 1 << 24, NULL, "training",
        "micro-batches of a step on each process, instead of --global-batch-size"),
    RUN(LIST, rampup_batch_size, "rampup-batch-size", NULL, 0, 0, NULL, "training",
        "START INCREMENT SAMPLES: the global batch grows from START to --global-batch-size in "
        "steps of INCREMENT over the first SAMPLES sequences (with --train-samples)"),
    RUN(INT, train_iters, "train-iters", NULL, 1, BIG, NULL, "training", "steps of the whole run"),
    RUN(INT, train_samples, "train-samples", NULL, 1, BIG, NULL, "training",
        "the same in sequences, instead of --train-iters; an incomplete last batch is dropped"),
    RUN(REAL, epochs, "num-train-epochs", NULL, 0, 1e9, NULL, "training",
        "`posttrain`: the same in passes through the samples (the last step takes what is missing of its batch from one more)"),
    RUN(INT, seq_length, "seq-length", NULL, 1, 1 << 26, NULL, "training", "tokens of a sequence"),
    RUN(INT, seed, "seed", "1234", 0, 4294967295.0, NULL, "training",
        "for weights, dropout and the order of samples"),
    SHARE(hidden_dropout, "hidden-dropout", "0", "training",
        "dropout on sublayers and embeddings (Megatron's default of 0.1 must be asked for)"),
    SHARE(attention_dropout, "attention-dropout", "0", "training",
        "dropout on attention probabilities (likewise)"),
    RUN(REAL, index_coeff, "dsa-indexer-loss-coeff", "0", 0, 1e6, NULL, "training",
        "sparse attention's indexers learn what attention looks at: their loss (Kullback-Leibler) times this is added to what "
        "is trained for; 0: they stay as they are, but for weight decay"),
    RUN(REAL, index_coeff, "indexer-loss-coeff", "0", 0, 1e6, NULL, "training", "as --dsa-indexer-loss-coeff"),
    RUN(FLAG, index_sparse, "dsa-indexer-use-sparse-loss", NULL, 0, 0, NULL, "training",
        "that loss is over the keys that an indexer chooses, instead of all that a query may see"),
    RUN(REAL, mtp_factor, "mtp-loss-scaling-factor", "0.1", 0, 1e6, NULL, "training",
        "with --mtp-num-layers: the mean of their losses is added to what is trained for, times this (docs/training.md)"),
    RUN(CHOICE, int8, "int8", "none", 0, 0, TS_CHOICES(TS_INT8_PARTS), "training",
        "multiply in 8-bit integers, forward and for the gradients of inputs (weight gradients stay "
        "as they are): in the layers, or in the output layer too (docs/training.md)"),
    RUN(LIST, freeze, "freeze", NULL, 0, 0, NULL, "training",
        "modules that are not trained, by whole parts of their names as checkpoints have them: embedding, "
        "self_attention, mlp.linear_fc1, layers.{0-11}, layers.{*}.mlp"),
    OWN(CHOICE, packed_weights, "packed-weights", "auto", 0, 0, TS_CHOICES(TS_PACKED_WEIGHTS),
        "memory",
        "copies of the weights that products in bf16 read: kept by each weight and written by the "
        "optimizer, or made for each product in memory that all weights share (without bf16 "
        "instructions not at all); the same bits, more speed or less memory (auto: kept with several "
        "micro-batches a step, or at most 512 tokens in one where such copies are packed)"),
    RUN(INT, eval_iters, "eval-iters", "100", 0, BIG, NULL, "evaluation",
        "batches of one evaluation on the validation split"),
    RUN(INT, eval_interval, "eval-interval", "1000", 1, BIG, NULL, "evaluation",
        "steps between evaluations"),
    ROW(FLAG, skip_train, "skip-train", NULL, 0, 0, NULL, "evaluation",
        "evaluate on the validation and the test split once; nothing is trained or written"),
    RUN(REAL, lr, "lr", NULL, 0, 1e6, NULL, "learning rate", "highest learning rate"),
    RUN(REAL, min_lr, "min-lr", "0", 0, 1e6, NULL, "learning rate", "lowest rate of the decay"),
    RUN(CHOICE, lr_decay_style, "lr-decay-style", "linear", 0, 0,
        TS_CHOICES(TS_LR_DECAYS), "learning rate", "form of the decay"),
    RUN(CHOICE, lr_wsd_decay_style, "lr-wsd-decay-style", "exponential", 0, 0,
        TS_CHOICES(TS_WSD_DECAYS), "learning rate", "the last part of WSD"),
    RUN(INT, lr_decay_iters, "lr-decay-iters", NULL, 1, BIG, NULL, "learning rate",
        "steps until the lowest rate (default --train-iters)"),
    RUN(INT, lr_decay_samples, "lr-decay-samples", NULL, 1, BIG, NULL, "learning rate",
        "the same in sequences"),
    RUN(INT, lr_wsd_decay_iters, "lr-wsd-decay-iters", NULL, 1, BIG, NULL, "learning rate",
        "steps of WSD's last part"),
    RUN(INT, lr_wsd_decay_samples, "lr-wsd-decay-samples", NULL, 1, BIG, NULL, "learning rate",
        "the same in sequences"),
    RUN(INT, lr_warmup_iters, "lr-warmup-iters", "0", 0, BIG, NULL, "learning rate",
        "steps of warm-up"),
    RUN(INT, lr_warmup_samples, "lr-warmup-samples", "0", 0, BIG, NULL, "learning rate",
        "the same in sequences"),
    RUN(REAL, lr_warmup_fraction, "lr-warmup-fraction", NULL, 0, 1, NULL, "learning rate",
        "warm-up as a share of the decay"),
    RUN(REAL, lr_warmup_init, "lr-warmup-init", "0", 0, 1e6, NULL, "learning rate",
        "rate of the first step"),
    RUN(REAL, decoupled_lr, "decoupled-lr", "-1", -1, 1e6, NULL, "learning rate",
        "highest rate of the embedding and the output layer (-1: --lr)"),
    RUN(REAL, decoupled_min_lr, "decoupled-min-lr", "-1", -1, 1e6, NULL, "learning rate",
        "lowest rate of these (-1: --min-lr)"),
    RUN(CHOICE, optimizer, "optimizer", "adam", 0, 0, TS_CHOICES(TS_OPTIMIZERS), "optimizer",
        "AdamW; SGD; Muon (orthogonal steps of weight matrices, docs/optimizers.md); Lion; or AdamW with both moments "
        "in 8 bits, in blocks with a scale (bitsandbytes' dynamic map; embedding, output layer and what has fewer than "
        "4096 elements stay fp32)"),
    SHARE(adam_beta1, "adam-beta1", "0.9", "optimizer", "of the first moment"),
    SHARE(adam_beta2, "adam-beta2", "0.999", "optimizer", "of the second moment"),
    RUN(REAL, adam_eps, "adam-eps", "1e-8", 0, 1, NULL, "optimizer", "added to the root"),
    SHARE(sgd_momentum, "sgd-momentum", "0.9", "optimizer", "of SGD"),
    RUN(REAL, weight_decay, "weight-decay", "0.01", 0, 1e6, NULL, "optimizer",
        "decoupled; not on norms and biases"),
    RUN(FLAG, decays_qk_norm, "apply-wd-to-qk-layernorm", NULL, 0, 0, NULL, "optimizer",
        "--weight-decay on the norms of queries and keys too (models with --qk-layernorm)"),
    RUN(FLAG, qk_clip, "qk-clip", NULL, 0, 0, NULL, "optimizer",
        "shrink the weights of queries and keys behind a step in which a score of attention was above "
        "--qk-clip-threshold; logs the largest (docs/optimizers.md)"),
    RUN(REAL, qk_clip_alpha, "qk-clip-alpha", "0.5", 0, 1, NULL, "optimizer",
        "of --qk-clip: what of the factor the queries take, in powers; the keys take the rest"),
    RUN(REAL, qk_clip_threshold, "qk-clip-threshold", "100", 0, 1e9, NULL, "optimizer",
        "of --qk-clip: scores above it are brought back to it"),
    ROW(FLAG, log_max_logit, "log-max-attention-logit", NULL, 0, 0, NULL, "seeing",
        "the largest score of attention in a step, before the softmax"),
    RUN(REAL, clip_grad, "clip-grad", "1.0", 0, 1e30, NULL, "optimizer",
        "largest global norm of the gradient (0: no clipping)"),
    ROW(FLAG, precision_aware, "use-precision-aware-optimizer", NULL, 0, 0, NULL, "optimizer",
        "allow the four types below to differ from fp32"),
    RUN(CHOICE, exp_avg_dtype, "exp-avg-dtype", "fp32", 0, 0,
        TS_CHOICES(TS_STATE_DTYPES), "optimizer",
        "of the first moments: fp32, bf16 with stochastic rounding, or fp16 or fp8 (e4m3) in blocks with a scale"),
    RUN(CHOICE, exp_avg_sq_dtype, "exp-avg-sq-dtype", "fp32", 0, 0,
        TS_CHOICES(TS_STATE_DTYPES), "optimizer",
        "of the second moments: likewise (fp8: e5m2)"),
    RUN(CHOICE, main_params_dtype, "main-params-dtype", "fp32", 0, 0,
        TS_CHOICES(TS_STATE_DTYPES), "optimizer",
        "of the weights that the optimizer changes: fp32, or bf16 with stochastic rounding (with "
        "--bf16; vectors stay fp32)"),
    RUN(CHOICE, main_grads_dtype, "main-grads-dtype", "fp32", 0, 0,
        TS_CHOICES(TS_STATE_DTYPES), "optimizer",
        "of the sums of a step's gradients: fp32, or bf16 or fp16 (in blocks with a scale), each layer's made in fp32 "
        "and added (docs/optimizers.md)"),
    RUN(CHOICE, optimizer_selection, "optimizer-selection", "fused_adamw", 0, 0,
        TS_CHOICES(TS_OPTIMIZER_SELECTIONS), "optimizer",
        "fused_ema_adamw: AdamW's step also makes an exponential average of the weights, in fp32 beside them; "
        "the others are the step that there is in any case"),
    RUN(FLAG, use_ema, "use-ema", NULL, 0, 0, NULL, "optimizer",
        "the same as --optimizer-selection fused_ema_adamw"),
    RUN(REAL, ema_decay, "ema-decay", "0.9999", 0, 1, NULL, "optimizer",
        "what a step keeps of the average; the rest is of the new weights (0: the weights, 1: those of the start)"),
    RUN(CHOICE, quant_states, "quant-states", "none", 0, 0, TS_CHOICES(TS_QUANT_STATES), "optimizer",
        "both moments in 8 bits, in blocks with a scale: fp8 (e4m3 and e5m2), hif8, or mxfp8 (squares, scales "
        "that are powers of two); those of the embedding and the output layer stay fp32"),
    RUN(FLAG, quant_grads, "quant-grads", NULL, 0, 0, NULL, "optimizer",
        "with --optimizer adam: sums of gradients in fp16 in blocks with a scale, as --main-grads-dtype fp16; those "
        "of the embedding and the output layer stay fp32"),
    ROW(FLAG, reuse_fp32_param, "reuse-fp32-param", NULL, 0, 0, NULL, "memory",
        "with --bf16: a matrix and its fp32 master share four bytes a parameter, the upper half being what products "
        "read; the same bits"),
    ROW(FLAG, swap_optimizer, "swap-optimizer", NULL, 0, 0, NULL, "memory",
        "moments, and masters that are kept apart from the values, wait in the host's memory; the step brings "
        "them to the device in slices (of use where the device has memory of its own)"),
    ROW(INT, swap_optimizer_times, "swap-optimizer-times", "16", 0, 1 << 20, NULL, "memory",
        "in so many slices, of which two are on the device at a time (0: all at once)"),
    ROW(LIST, virtual_optimizer, "virtual-optimizer", NULL, 0, 0, NULL, "memory",
        "all: both moments lie in the host's memory, where the step reads and writes them in place; 2.5: so many "
        "gigabytes of them; 6 5 4 3: those of each stage of the pipeline"),
    RUN(FLAG, grad_reduce_in_bf16, "grad-reduce-in-bf16", NULL, 0, 0, NULL, "distributed",
        "send gradients as bf16 when they are summed over the processes (with --bf16): half the bytes"),
    RUN(REAL, loss_scale, "loss-scale", NULL, 0, 1e30, NULL, "fp16", "fixed loss scale"),
    ROW(REAL, initial_loss_scale, "initial-loss-scale", "4294967296", 1, 1e30, NULL, "fp16",
        "first dynamic loss scale"),
    RUN(REAL, min_loss_scale, "min-loss-scale", "1", 0, 1e30, NULL, "fp16", "lowest loss scale"),
    RUN(INT, loss_scale_window, "loss-scale-window", "1000", 1, BIG, NULL, "fp16",
        "good steps until the scale is doubled"),
    RUN(INT, hysteresis, "hysteresis", "2", 1, BIG, NULL, "fp16",
        "overflows until the scale is halved"),
    { .name = "recompute-granularity", .type = TS_OPTION_CHOICE,
      .offset = offsetof(ts_train_options, recompute_granularity), .def = "none",
      .choices = TS_CHOICES(TS_GRANULARITIES), .idle = "selective", .unless = "recompute-modules",
      .why = TS_WHY_ATTENTION, .group = "memory",
      .help = "what is computed again instead of kept: layers (full), or the modules of "
              "--recompute-modules (selective)" },
    ROW(CHOICE, recompute_method, "recompute-method", "none", 0, 0,
        TS_CHOICES(TS_RECOMPUTE_METHODS), "memory",
        "full: in groups of layers (uniform) or the first layers singly (block)"),
    ROW(INT, recompute_num_layers, "recompute-num-layers", NULL, 1, 1 << 20, NULL, "memory",
        "full: layers of a group, or how many layers (1, where it is not given); with --swap-attention: the "
        "first layers of a stage whose MLPs run again (none)"),
    UNLESS("recompute-modules", recompute_activations, "recompute-activations", TS_WHY_ATTENTION,
           "the same as --recompute-granularity selective"),
    ROW(LIST, recompute_modules, "recompute-modules", NULL, 0, 0, NULL, "memory",
        "selective: mlp (its input alone is kept), layernorm (as --recompute-norm), core_attn "
        "(attention: always so; alone where nothing is given)"),
    UNLESS("keep-cheap-activations", recompute_norm, "recompute-norm", TS_WHY_NORM,
           "with --keep-cheap-activations: make the outputs of norms again all the same"),
    ROW(INT, recompute_norm_num_layers, "recompute-norm-num-layers", "-1", -1, 1 << 20, NULL,
        "memory", "in so many layers, behind those that are recomputed as a whole (-1: all)"),
    UNLESS("keep-cheap-activations", recompute_activation_function,
           "recompute-activation-function", TS_WHY_ACT,
           "with --keep-cheap-activations: make the outputs of activation functions again all the "
           "same"),
    ROW(INT, recompute_activation_function_num_layers, "recompute-activation-function-num-layers",
        "-1", -1, 1 << 20, NULL, "memory",
        "in so many layers, behind those that are recomputed as a whole (-1: all)"),
    ROW(FLAG, swap_layer_input, "swap-layer-input", NULL, 0, 0, NULL, "memory",
        "full: what is kept, the inputs of layers, waits in the host's memory (of use where the device "
        "has memory of its own)"),
    ROW(FLAG, swap_attention, "swap-attention", NULL, 0, 0, NULL, "memory",
        "what the modules of --swap-modules keep for the backward pass waits in the host's memory: it goes "
        "when its layer has run and comes back one layer ahead (of use where the device has memory of its own)"),
    ROW(LIST, swap_modules, "swap-modules", NULL, 0, 0, NULL, "memory",
        "with --swap-attention: words of input_norm, self_attention, post_attention_norm (these three where it is "
        "not given) and mlp, commas between them"),
    ROW(FLAG, adapts, "adaptive-recompute-device-swap", NULL, 0, 0, NULL, "memory",
        "choose for each layer what runs again, attention, MLP or all of it, so that the memory is enough at the "
        "least time; of sizes and times of `tessera plan`, beforehand"),
    ROW(INT, adapt_mb, "adaptive-recompute-device-size", "-1", -1, 1 << 30, NULL, "memory",
        "the same within so many MB (of 2^20 bytes) of each device's memory, without the second memory; -1: within "
        "--memory-limit-gb, or what the host has"),
    ROW(FLAG, adapts_with_swap, "adaptive-memory-optimization", NULL, 0, 0, NULL, "memory",
        "the same, and what parts of layers keep may wait in the host's memory, where that costs less"),
    ROW(FLAG, smart_swap, "smart-swap", NULL, 0, 0, NULL, "memory",
        "parts of layers wait in the host's memory as far as the copies hide behind the work; with "
        "--adaptive-recompute-device-size as far as its limit asks for; nothing runs again"),
    ROW(LIST, recompute_list, "recompute-module-list", NULL, 0, 0, NULL, "memory",
        "of each stage of the pipeline so many first layers run again, as --recompute-type says: 4,2,1,0"),
    ROW(INT, recompute_type, "recompute-type", "2", 0, 2, NULL, "memory",
        "what of these layers runs again: 0 MLP, 1 attention, 2 all"),
    ROW(FLAG, levels, "automated-pipeline", NULL, 0, 0, NULL, "memory",
        "choose --num-layer-list and --recompute-module-list so that the stage that holds most holds less, at the "
        "least time; of sizes and times of `tessera plan`, beforehand"),
    ROW(FLAG, by_time, "automated-pipeline-perf", NULL, 0, 0, NULL, "memory",
        "choose --micro-batch-size and --pipeline-schedule (1f1b or zero-bubble) so that a step of the pipeline takes least "
        "time within --memory-limit-gb; of sizes and times of `tessera plan`, beforehand"),
    ROW(REAL, save_ratio, "save-memory-ratio", "0.2", 0, 0.99, NULL, "memory",
        "share of the largest stage's peak that --automated-pipeline is to save"),
    ROW(CHOICE, zero_memory, "moe-zero-memory", "disable", 0, 0, TS_CHOICES(TS_ZERO_MEMORIES), "memory",
        "of experts on other processes: the tokens that have come are not kept, but travel again in the backward pass "
        "(level0); with alltoall nothing is kept but a layer's own tokens, and experts run again (level1)"),
    ROW(INT, zero_memory_layers, "moe-zero-memory-num-layers", NULL, 0, 1 << 20, NULL, "memory",
        "of level1: in so many first layers (default: in all), in the others level0"),
    ROW(NOFLAG, replay, "keep-cheap-activations", NULL, 0, 0, NULL, "memory",
        "keep the outputs of norms and activation functions instead of making them again"),
    RUN(FLAG, deterministic, "deterministic-mode", NULL, 0, 0, NULL, "repeatability",
        "the same bits for any number of processes"),
    RUN(FLAG, deterministic, "npu-deterministic", NULL, 0, 0, NULL, "repeatability",
        "the same as --deterministic-mode"),
    RUN(FLAG, deterministic, "use-deter-comp", NULL, 0, 0, NULL, "repeatability",
        "the same as --deterministic-mode"),
    PLACE(save, "save", "checkpoints", "folder for checkpoints"),
    ROW(INT, save_interval, "save-interval", NULL, 1, BIG, NULL, "checkpoints",
        "steps between checkpoints (one is always written at the end)"),
    ROW(INT, keep, "keep-checkpoints", "0", 0, BIG, NULL, "checkpoints",
        "newest checkpoints kept (0: all)"),
    ROW(FLAG, override_checkpoints, "override-checkpoints", NULL, 0, 0, NULL, "checkpoints",
        "write into a folder that holds checkpoints of another run"),
    ROW(INT, keep, "most-recent-k", "0", -1, BIG, NULL, "checkpoints",
        "another name of --keep-checkpoints (0 and -1: all)"),
    ROW(FLAG, async_save, "async-save", NULL, 0, 0, NULL, "checkpoints",
        "write while training goes on"),
    ROW(FLAG, no_save_optim, "no-save-optim", NULL, 0, 0, NULL, "checkpoints", "weights only"),
    ROW(FLAG, no_load_optim, "no-load-optim", NULL, 0, 0, NULL, "checkpoints",
        "leave the moments behind"),
    ROW(FLAG, finetune, "finetune", NULL, 0, 0, NULL, "checkpoints",
        "take only the weights of --load and begin at iteration 0"),
    ROW(INT, ckpt_step, "ckpt-step", "-1", -1, BIG, NULL, "checkpoints",
        "iteration to load (-1: the newest)"),
    ROW(FLAG, exit_on_missing, "exit-on-missing-checkpoint", NULL, 0, 0, NULL, "checkpoints",
        "refuse to begin anew when --load holds no checkpoint"),
    PLACE(save_hf, "save-hf", "checkpoints",
        "write a Hugging Face folder at the end"),
    PLACE(save_ema_hf, "save-ema-hf", "checkpoints",
        "write the average of the weights (--optimizer-selection fused_ema_adamw) as another such folder"),
    ROW(CHOICE, save_hf_dtype, "save-hf-dtype", "auto", 0, 0, TS_CHOICES(TS_SAVE_HF_DTYPES),
        "checkpoints", "type of its weights (auto: as the model came; fp32 for a new one)"),
    ROW(INT, exit_interval, "exit-interval", NULL, 1, BIG, NULL, "stopping",
        "stop after the first step that this divides"),
    ROW(CHOICE, exit_signal, "exit-signal", "SIGTERM", 0, 0, TS_CHOICES(TS_EXIT_SIGNALS),
        "stopping",
        "a signal that ends the run with a checkpoint; SIGTERM and SIGINT do in any case"),
    ROW(INT, exit_duration, "exit-duration-in-mins", NULL, 1, BIG, NULL, "stopping",
        "stop after this time"),
    ROW(INT, log_interval, "log-interval", "100", 1, BIG, NULL, "seeing",
        "steps between log lines"),
    ROW(FLAG, log_throughput, "log-throughput", NULL, 0, 0, NULL, "seeing",
        "TFLOP/s in the log line"),
    ROW(FLAG, log_num_zeros, "log-num-zeros-in-grad", NULL, 0, 0, NULL, "seeing",
        "zeros in the gradient"),
    ROW(FLAG, log_params_norm, "log-params-norm", NULL, 0, 0, NULL, "seeing",
        "norm of the parameters"),
    OWN(REAL, peak_tflops, "peak-tflops", NULL, 0, 1e9, NULL, "seeing",
        "of this process's device, for the share of it that is used (mfu), in the log line and the metrics"),
    PLACE(metrics_jsonl, "metrics-jsonl", "seeing", "one JSON object a step"),
    PLACE(tensorboard_dir, "tensorboard-dir", "seeing",
        "TensorBoard event files"),
    ROW(INT, events_interval, "tensorboard-log-interval", "1", 1, BIG, NULL, "seeing",
        "steps between values in TensorBoard's files"),
    ROW(FLAG, events_ppl, "log-validation-ppl-to-tensorboard", NULL, 0, 0, NULL, "seeing",
        "the perplexity of evaluations in TensorBoard's files, beside their loss"),
    ROW(LIST, dump_steps, "dump-steps", NULL, 0, 0, NULL, "seeing",
        "steps (1,50 or 1 50) of which each module's output and its gradient, the parameters' gradients and their "
        "new values are written: `tessera diff-runs` names the first that differs from another run's"),
    PLACE_DEF(dump_path, "dump-path", "dump", "seeing", "folder for these"),
    ROW(FLAG, dump_tensors, "dump-tensors", NULL, 0, 0, NULL, "seeing",
        "all values of them; without it their extremes, sums and a hash of their bits"),
    ROW(LIST, dump_ranks, "dump-ranks", NULL, 0, 0, NULL, "seeing",
        "ranks that write (default: all, of which whole tensors can be put together)"),
    ROW(CHOICE, dump_level, "dump-level", "all", 0, 0, TS_CHOICES(TS_DUMP_LEVELS), "seeing",
        "what of a step: outputs of modules with their gradients, parameters with theirs, or all"),
    ROW(LIST, dump_scope, "dump-scope", NULL, 0, 0, NULL, "seeing",
        "only what has one of these in its name, as --freeze takes them: layers.{0-3}.mlp, linear_proj"),
    ROW(FLAG, dump, "npu-datadump", NULL, 0, 0, NULL, "seeing", "the same as --dump-steps 1"),
    ROW(NOFLAG, check_for_nan, "no-check-for-nan-in-loss-and-grad", NULL, 0, 0, NULL, "training",
        "go on when the loss is not a number"),
};
const size_t ts_train_option_count = sizeof ts_train_option_rows / sizeof *ts_train_option_rows;

ts_option_list ts_train_whole_words(const ts_train_options *o)
{
    const ts_option_list l = o->matrix.galore ? o->matrix.galore_target : o->matrix.apollo_target;
    const bool all = o->optimizer == TS_OPTIMIZER_MUON || (l.n == 1 && !strcmp(l.v[0], "all"));
    return all ? (ts_option_list){ 0 } : l;
}

int ts_train_exit_signal(const ts_train_options *o)
{
    static const int number[] = { [TS_EXIT_SIGTERM] = SIGTERM, [TS_EXIT_SIGINT] = SIGINT,
                                  [TS_EXIT_SIGHUP] = SIGHUP,   [TS_EXIT_SIGQUIT] = SIGQUIT,
                                  [TS_EXIT_SIGUSR1] = SIGUSR1, [TS_EXIT_SIGUSR2] = SIGUSR2,
                                  [TS_EXIT_SIGALRM] = SIGALRM, [TS_EXIT_SIGXCPU] = SIGXCPU };
    return number[o->exit_signal];
}
