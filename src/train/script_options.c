#include "train/options.h"
#include "train/tuning_options.h"

/* Options of training in scripts of Megatron-LM and MindSpeed LLM that have no field here: loggers and
 * memory of other platforms, and ways of training that there are not yet. */

#define LOGGER(name, words) TS_NOTE(name, words, "training", "of a logger that is not there")
#define SERVICE(name, words)                                                                       \
    TS_TOLD(name, words, "training",                                                               \
            "Tessera logs to --metrics-jsonl and --tensorboard-dir, not to a service")
#define BOARD(name, words)                                                                         \
    TS_NOTE(name, words, "training", "event files hold what docs/training.md says")
#define MEMORY(name, words) TS_NOTE(name, words, "training", "memory of another platform")
#define STAGES(name) TS_TOLD(name, 0, "training", "there are no virtual stages of a pipeline")
#define PROFILE(name, words)                                                                       \
    TS_NOTE(name, words, "training", "goes with --profile")
#define FORMAT(name_, words, choices_)                                                              \
    { .name = name_, .type = TS_OPTION_NOTE, .lo = words, .told = true, .choices = choices_,        \
      .group = "checkpoints", .help = "Tessera's own format is written" }
#define SHARDS(name, words)                                                                        \
    TS_NOTE(name, words, "checkpoints", "every process writes and reads its share always")

#define SFT TS_SUBJECT_TUNING
#define LORA "other adapters than LoRA (--lora-r)"
#define RL "reinforcement learning"
#define SCHEDULE "a batch size by steps; --rampup-batch-size grows it evenly"
#define TOKENS "lengths in tokens; give iterations or samples (tokens / --seq-length)"
#define PERF "units in an order given by hand; --automated-pipeline-perf chooses sizes of micro-batches and one of two orders"
#define LARGE "high availability; --save-interval, --async-save and a restart with --load continue a run"

const ts_option ts_train_script_rows[] = {
    TS_NOTE("manual-gc", 0, "training", "no garbage collector"),
    TS_NOTE("manual-gc-interval", 1, "training", "no garbage collector"),
    TS_NOTE("no-manual-gc-eval", 0, "training", "no garbage collector"),
    TS_NOTE("no-shared-storage", 0, "training", "every host finds or makes its own index"),
    TS_NOTE("accumulate-allreduce-grads-in-fp32", 0, "training", "always so"),
    TS_NOTE("check-for-nan-in-loss-and-grad", 0, "training", "always so"),
    TS_NOTE("check-for-large-grads", 0, "training", "a warning only"),
    TS_NOTE("check-for-spiky-loss", 0, "training", "a warning only"),
    TS_NOTE("rerun-mode", 1, "training", "steps are not run twice"),
    TS_NOTE("exit-signal-handler", 0, "training", "SIGTERM and SIGINT always save and end"),
    TS_NOTE("override-opt_param-scheduler", 0, "training", "the options' schedule counts always"),
    TS_NOTE("override-lr-scheduler", 0, "training", "the options' schedule counts always"),
    TS_NOTE("use-checkpoint-opt_param-scheduler", 0, "training", "give the run's own options"),
    TS_NOTE("finetune-no-load", 0, "training", "the same as no --load"),
    TS_NOTE("use-fused-adamw", 0, "training", "chooses a kernel; the result is the same"),
    TS_NOTE("dynamic-loss-scale", TS_OPTION_ANY, "training", "fp16 without --loss-scale"),
    MEMORY("empty-unused-memory-level", 1),
    TS_TOLD("checkpoint-activations", 0, "training", "an old name of --recompute-granularity full"),
    TS_NOTE("deepspeed-activation-checkpointing", 0, "training",
            "an old name of --recompute-granularity full"),
    STAGES("enable-recompute-layers-per-pp-rank"),
    TS_TOLD("adaptive-recompute-profiling-step", 1, "training",
            "nothing is profiled: sizes and times are known before the first step, as `tessera plan` has them"),
    MEMORY("recompute-mla-up-proj", 0),
    MEMORY("mla-swap-core-attn-out", 0),
    MEMORY("mla-zero-memory", 0),
    MEMORY("distribute-saved-activations", 0),
    MEMORY("activation-offload", 0),
    MEMORY("cpu-offloading-num-layers", 1),
    MEMORY("optimizer-cpu-offload", 0),
    MEMORY("optimizer-offload-fraction", 1),
    MEMORY("overlap-cpu-optimizer-d2h-h2d", 0),
    MEMORY("enable-share-memory", 0),
    TS_TOLD("o2-optimizer", 0, "training",
            "moments and masters stay fp32; for less memory give --use-precision-aware-optimizer "
            "with --main-params-dtype bf16 and --exp-avg-dtype bf16"),
    TS_LATER("mbs-idx", 1, NULL, PERF),
    TS_LATER("pp-schedule-list", TS_OPTION_ANY, NULL, PERF),
    TS_LATER("optimized-mbs-mode", 0, NULL, PERF),
    TS_NOTE("o2-gradient", 0, "training", "gradients are summed in fp32"),
    PROFILE("use-pytorch-profiler", 0),
    PROFILE("profile-export-type", 1),
    PROFILE("record-memory-history", 0),
    PROFILE("memory-snapshot-path", 1),

    /* loggers */
    SERVICE("wandb-project", 1),
    LOGGER("wandb-exp-name", 1),
    LOGGER("wandb-save-dir", 1),
    LOGGER("wandb-entity", 1),
    LOGGER("enable-one-logger", 0),
    LOGGER("no-one-logger", 0),
    LOGGER("one-logger-project", 1),
    LOGGER("one-logger-run-name", 1),
    LOGGER("one-logger-async", 0),
    LOGGER("app-tag-run-name", 1),
    LOGGER("app-tag-run-version", 1),
    LOGGER("log-progress", 0),
    LOGGER("log-straggler", 0),
    LOGGER("disable-straggler-on-startup", 0),
    LOGGER("log-energy", 0),
    LOGGER("log-cpu-memory", TS_OPTION_ANY),
    LOGGER("logging-level", 1),
    LOGGER("timing-log-level", 1),
    LOGGER("timing-log-option", 1),
    LOGGER("no-barrier-with-level-1-timing", 0),
    BOARD("log-timers-to-tensorboard", 0),
    BOARD("log-batch-size-to-tensorboard", 0),
    BOARD("log-memory-to-tensorboard", 0),
    BOARD("log-world-size-to-tensorboard", 0),
    BOARD("log-loss-scale-to-tensorboard", 0),
    BOARD("no-log-loss-scale-to-tensorboard", 0),
    BOARD("log-learning-rate-to-tensorboard", 0),
    BOARD("no-log-learnig-rate-to-tensorboard", 0),
    BOARD("no-log-learning-rate-to-tensorboard", 0),
    BOARD("log-optimizer-states-to-tensorboard", 0),
    BOARD("tensorboard-queue-size", 1),

    /* checkpoints */
    FORMAT("ckpt-format", 1, "torch|torch_dist|torch_dcp|zarr|fsdp_dtensor"),
    FORMAT("dist-ckpt-format", 1, "torch_dist|zarr|torch|torch_dcp"),
    SHARDS("use-dist-ckpt", 0),
    SHARDS("auto-detect-ckpt-format", 0),
    SHARDS("ckpt-fully-parallel-load", 0),
    SHARDS("ckpt-fully-parallel-save", 0),
    SHARDS("no-ckpt-fully-parallel-save", 0),
    SHARDS("ckpt-assume-constant-structure", 0),
    SHARDS("dist-ckpt-strictness", 1),
    SHARDS("dist-ckpt-workers", 1),
    SHARDS("async-ckpt-use-cached-metadata", 0),
    SHARDS("use-persistent-ckpt-worker", 0),
    TS_NOTE("no-save-rng", 0, "checkpoints", "random numbers have no state here"),
    TS_NOTE("no-load-rng", 0, "checkpoints", "random numbers have no state here"),
    TS_NOTE("use-checkpoint-args", 0, "checkpoints",
            "a checkpoint's model has its shape always, whatever the options leave out"),
    TS_NOTE("no-initialization", 0, "checkpoints", "weights that are loaded are not made first"),
    TS_NOTE("save-retain-interval", 1, "checkpoints", "--keep-checkpoints says how many are kept"),
    TS_NOTE("mg-save-dir", 1, "checkpoints", "--load reads Hugging Face folders as they are"),

    /* other ways of training */
    TS_LATER("template", 1, "empty", SFT),
    TS_LATER("reward-model", 1, NULL, SFT),
    TS_LATER("rollout-batch-size", 1, NULL, SFT),
    TS_LATER("dataset-additional-keys", TS_OPTION_MANY, NULL, SFT),
    TS_LATER("lu-lora-final-layer-index", 1, NULL, LORA),
    TS_LATER("lu-lora-lr", 1, NULL, LORA),
    TS_LATER("lu-lora-lr-ratio", 1, NULL, LORA),
    TS_LATER("step-batch-size-schedule", 1, NULL, SCHEDULE),
    TS_LATER("train-tokens", 1, NULL, TOKENS),
    TS_LATER("lr-decay-tokens", 1, NULL, TOKENS),
    TS_LATER("lr-warmup-tokens", 1, NULL, TOKENS),
    TS_LATER("enable-hbmfault-repair", 0, NULL, LARGE),
    TS_LATER("enable-high-availability", 0, NULL, LARGE),
    TS_LATER("enable-optimizer-state-local-copy", 0, NULL, LARGE),

    /* sections of configurations for reinforcement learning, whose keys are no options of this */
    TS_LATER("actor_config.", TS_OPTION_ANY, NULL, RL),
    TS_LATER("rl_config.", TS_OPTION_ANY, NULL, RL),
    TS_LATER("generate_config.", TS_OPTION_ANY, NULL, RL),
    TS_LATER("actor_rollout_ref.", TS_OPTION_ANY, NULL, RL),
    TS_LATER("algorithm.", TS_OPTION_ANY, NULL, RL),
    TS_LATER("critic.", TS_OPTION_ANY, NULL, RL),
    TS_LATER("reward.", TS_OPTION_ANY, NULL, RL),
    TS_LATER("resource_pool.", TS_OPTION_ANY, NULL, RL),
    TS_LATER("config-dir", 1, NULL, RL),
    TS_LATER("defaults", TS_OPTION_ANY, NULL,
             "files of options that name other files; give each with a --config of its own"),
    TS_NOTE("env_vars.", TS_OPTION_ANY, "training", "environment of other platforms"),

    /* what other programs call the same */
    TS_HINT("learning-rate", 1, "--lr"),
    TS_HINT("min-learning-rate", 1, "--min-lr"),
    TS_HINT("batch-size", 1, "--global-batch-size, and --micro-batch-size for one process at once"),
    TS_HINT("train-batch-size", 1, "--global-batch-size"),
    TS_HINT("train-micro-batch-size-per-gpu", 1, "--micro-batch-size"),
    TS_HINT("per-device-train-batch-size", 1, "--micro-batch-size"),
    TS_HINT("per-device-eval-batch-size", 1, "--micro-batch-size"),
    TS_HINT("epochs", 1, "--train-iters or --train-samples"),
    TS_HINT("num-epochs", 1, "--train-iters or --train-samples"),
    TS_HINT("save-epochs", 1, "--save-interval, in iterations"),
    TS_HINT("max-steps", 1, "--train-iters"),
    TS_HINT("steps", 1, "--train-iters"),
    TS_HINT("total-steps", 1, "--train-iters"),
    TS_HINT("iterations", 1, "--train-iters"),
    TS_HINT("max-iters", 1, "--train-iters"),
    TS_HINT("max-seq-length", 1, "--seq-length"),
    TS_HINT("max-seq-len", 1, "--seq-length"),
    TS_HINT("max-length", 1, "--seq-length"),
    TS_HINT("block-size", 1, "--seq-length"),
    TS_HINT("context-length", 1, "--seq-length"),
    TS_HINT("cutoff-len", 1, "--seq-length"),
    TS_HINT("warmup-steps", 1, "--lr-warmup-iters"),
    TS_HINT("warmup-iters", 1, "--lr-warmup-iters"),
    TS_HINT("num-warmup-steps", 1, "--lr-warmup-iters"),
    TS_HINT("warmup-ratio", 1, "--lr-warmup-fraction"),
    TS_HINT("lr-scheduler-type", 1, "--lr-decay-style"),
    TS_HINT("lr-scheduler", 1, "--lr-decay-style"),
    TS_HINT("optim", 1, "--optimizer"),
    TS_HINT("max-grad-norm", 1, "--clip-grad"),
    TS_HINT("grad-clip", 1, "--clip-grad"),
    TS_HINT("gradient-clipping", 1, "--clip-grad"),
    TS_HINT("adam-epsilon", 1, "--adam-eps"),
    TS_HINT("beta1", 1, "--adam-beta1"),
    TS_HINT("beta2", 1, "--adam-beta2"),
    TS_HINT("output", 1, "--save for checkpoints, --save-hf for a Hugging Face folder"),
    TS_HINT("output-dir", 1, "--save for checkpoints, --save-hf for a Hugging Face folder"),
    TS_HINT("out-dir", 1, "--save for checkpoints, --save-hf for a Hugging Face folder"),
    TS_HINT("save-dir", 1, "--save for checkpoints, --save-hf for a Hugging Face folder"),
    TS_HINT("save-hf-weights", TS_OPTION_ANY, "--save-hf DIR"),
    TS_HINT("enable-mg2hf-convert", 0, "--save-hf DIR"),
    TS_HINT("hf-cfg-dir", 1, "--save-hf DIR, which takes the files of --load along"),
    TS_HINT("reset-iteration", 0, "--finetune"),
    TS_HINT("no-load-lr-state", 0, "--finetune"),
    TS_HINT("save-steps", 1, "--save-interval"),
    TS_HINT("save-total-limit", 1, "--keep-checkpoints"),
    TS_HINT("resume", TS_OPTION_ANY, "--load DIR, the folder that --save wrote to"),
    TS_HINT("resume-from-checkpoint", TS_OPTION_ANY, "--load DIR, the folder that --save wrote to"),
    TS_HINT("logging-steps", 1, "--log-interval"),
    TS_HINT("logging-dir", 1, "--tensorboard-dir"),
    TS_HINT("eval-steps", 1, "--eval-interval"),
    TS_HINT("report-to", TS_OPTION_ANY, "--tensorboard-dir DIR or --metrics-jsonl FILE"),
    TS_HINT("use-tensorboard", TS_OPTION_ANY, "--tensorboard-dir DIR"),
    TS_HINT("gradient-checkpointing", TS_OPTION_ANY,
            "--recompute-granularity full --recompute-method uniform"),
    TS_HINT("recompute", TS_OPTION_ANY, "--recompute-granularity full --recompute-method uniform"),
    TS_HINT("deterministic", TS_OPTION_ANY, "--deterministic-mode"),
    TS_HINT("use-lora", TS_OPTION_ANY, "--lora-r and --lora-target-modules"),
};
const size_t ts_train_script_count = sizeof ts_train_script_rows / sizeof *ts_train_script_rows;
