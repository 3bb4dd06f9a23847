#include "api/foreign.h"

#define SAME(name_, here_) { .name = name_, .how = TS_FOREIGN_SAME, .here = here_ }
#define SOME(name_, here_, none_) { .name = name_, .how = TS_FOREIGN_SAME, .here = here_, .none = none_ }
#define WORDS(name_, here_, none_, words_)                                                                    \
    { .name = name_, .how = TS_FOREIGN_SAME, .here = here_, .none = none_, .words = words_ }
#define LIST(name_, here_, words_) { .name = name_, .how = TS_FOREIGN_LIST, .here = here_, .words = words_ }
#define ON(name_, here_) { .name = name_, .how = TS_FOREIGN_ON, .here = here_ }
#define IDLE(name_, why_) { .name = name_, .how = TS_FOREIGN_IDLE, .why = why_ }
#define IDLE_BUT(name_, none_, why_) { .name = name_, .how = TS_FOREIGN_IDLE, .none = none_, .why = why_ }
/* refused unless it is one of the words that ask for nothing */
#define NONE(name_, none_, why_) { .name = name_, .how = TS_FOREIGN_REFUSED, .none = none_, .why = why_ }
#define MADE(name_, none_, make_) { .name = name_, .how = TS_FOREIGN_MADE, .none = none_, .make = make_ }

#define NO "false|False"
#define OPTIMIZERS                                                                                            \
    "adamw_torch,adamw_torch_fused,adamw_torch_npu_fused,adamw_torch_xla,adamw_apex_fused,adamw_hf,adamw=adam|sgd=sgd|" \
    "adamw_8bit,adamw_bnb_8bit=adamw_8bit|muon=muon|lion_32bit,lion=lion"
#define SCHEDULES                                                                                             \
    "linear=linear|cosine,cosine_with_min_lr=cosine|constant,constant_with_warmup=constant|"                   \
    "inverse_sqrt=inverse-square-root|warmup_stable_decay=WSD"
#define SHOWN "the log, --metrics-jsonl and --tensorboard-dir have it"
#define KERNEL "it chooses a kernel, the result is the same"
#define LOADING "records are read as they are needed"
#define HUB "folders are of this machine; nothing is fetched or sent"
#define IMAGES "models of text take no pictures"

static const ts_foreign rows[] = {
    /* the model */
    SAME("model-name-or-path", "load|load-dir"),
    SAME("tokenizer-name-or-path", "tokenizer-name-or-path"),
    SAME("adapter-name-or-path", "lora-load"),
    IDLE("trust-remote-code", "no code of a folder is run"),
    IDLE("use-fast-tokenizer", NULL),
    NONE("eos-token", NULL, "--tokenizer-kwargs eos_token TOKEN"),
    IDLE("cache-dir", HUB),
    IDLE("model-revision", HUB),
    IDLE("low-cpu-mem-usage", "weights are read where they belong"),
    IDLE("flash-attn", "attention never has its scores in memory"),
    IDLE("attn-implementation", "attention never has its scores in memory"),
    IDLE_BUT("enable-liger-kernel", NO, KERNEL),
    IDLE_BUT("use-liger-kernel", NO, KERNEL),
    IDLE_BUT("use-unsloth", NO, KERNEL),
    IDLE_BUT("use-unsloth-gc", NO, KERNEL),
    IDLE_BUT("use-v1-kernels", NO, KERNEL),
    IDLE_BUT("torch-compile", NO, KERNEL),
    IDLE_BUT("upcast-layernorm", NO, "norms are computed in fp32 always"),
    IDLE_BUT("upcast-lmhead-output", NO, "the loss is computed in fp32 always"),
    NONE("resize-vocab", NO, "the tokenizer's words and the model's rows must agree"),
    NONE("rope-scaling", NO, "config.json of the model says it"),
    NONE("shift-attn", NO, "there is no shifted sparse attention"),
    NONE("mixture-of-depths", NO, "there is no mixture of depths"),
    WORDS("torch-dtype", "bf16", "auto|float32|fp32", "bfloat16,bf16=true"),
    WORDS("dtype", "bf16", "auto|float32|fp32", "bfloat16,bf16=true"),
    NONE("pure-bf16", NO, "--bf16 keeps masters in fp32; for bf16 alone: --use-precision-aware-optimizer --main-params-dtype bf16"),
    IDLE("image-max-pixels", IMAGES),
    IDLE("image-min-pixels", IMAGES),
    IDLE("video-max-pixels", IMAGES),
    IDLE("video-min-pixels", IMAGES),
    IDLE("freeze-vision-tower", IMAGES),
    IDLE("freeze-multi-modal-projector", IMAGES),
    NONE("freeze-language-model", NO, "then nothing would be trained"),

    /* what is trained */
    NONE("do-train", "true|True|1", "`tessera evaluate` and `tessera infer` are for what is not training"),
    NONE("do-eval", "true|false|True|False|0|1", NULL),
    NONE("do-predict", NO, "`tessera infer` writes answers"),
    NONE("predict-with-generate", NO, "`tessera infer` writes answers"),
    MADE("finetuning-type", NULL, ts_foreign_finetuning_type),
    MADE("freeze-trainable-layers", NULL, ts_foreign_freeze_part),
    MADE("freeze-trainable-modules", NULL, ts_foreign_freeze_part),
    MADE("freeze-extra-modules", NULL, ts_foreign_freeze_part),
    SAME("lora-rank", "lora-r"),
    MADE("use-peft", NO, ts_foreign_use_peft),
    WORDS("load-in-4bit", "qlora", NO, "true,True=true"),
    LIST("lora-target", "lora-target-modules", "all=all-linear|*"),
    LIST("additional-target", "lora-modules-to-save", NULL),
    SAME("use-rslora", "lora-rslora"),
    SAME("use-dora", "lora-dora"),
    ON("pissa-init", "--lora-init pissa"),
    IDLE("pissa-iter", "the start is made of the exact factors"),
    NONE("pissa-convert", NO, "--save-hf writes the model with the adapter in it"),
    SAME("loraplus-lr-ratio", "lora-plus-ratio"),
    NONE("create-new-adapter", NO, "merge the first with `tessera convert --lora-load` and begin another"),
    WORDS("quantization-bit", "qlora", NULL, "4=true"),
    NONE("quantization-method", "bnb|bitsandbytes|BNB", "NF4 as bitsandbytes stores it is --qlora"),
    NONE("quantization-type", "nf4", "NF4 as bitsandbytes stores it is --qlora"),
    NONE("double-quantization", "true|True", "scales are always quantised too"),
    NONE("use-llama-pro", NO, "there is no expansion of blocks"),
    NONE("use-badam", NO, "there is no BAdam; --freeze, --use-galore and --use-apollo save memory too"),
    NONE("use-adam-mini", NO, "there is no Adam-mini; --optimizer adamw_8bit saves memory too"),
    ON("use-muon", "--optimizer muon"),
    NONE("use-dft-loss", NO, "there is no DFT loss"),
    NONE("use-asft-loss", NO, "there is no ASFT loss"),
    NONE("use-eaft-loss", NO, "there is no EAFT loss"),
    MADE("pref-loss", NULL, ts_foreign_pref_loss),
    MADE("pref-beta", NULL, ts_foreign_pref_beta),
    MADE("simpo-gamma", NULL, ts_foreign_simpo_gamma),
    MADE("dpo-label-smoothing", "0", ts_foreign_label_smoothing),
    NONE("pref-bco-weight", "0", "there is no BCO loss"),
    NONE("ld-alpha", "1", "there is no length desensitisation"),
    SAME("kto-chosen-weight", "kto-desirable-weight"),
    SAME("kto-rejected-weight", "kto-undesirable-weight"),
    NONE("ref-model-adapters", NULL, "the reference of an adapter is the model without it"),

    /* data */
    SAME("template", "prompt-type"),
    SAME("cutoff-len", "seq-length"),
    SAME("max-length", "seq-length"),
    SAME("max-seq-length", "seq-length"),
    SAME("dataset-name", "data-path"),
    IDLE("dataset-num-proc", LOADING),
    ON("packing", "--pack"),
    ON("neat-packing", "--pack --neat-pack --reset-attention-mask"),
    ON("disable-shuffling", "--no-shuffle"),
    NONE("train-on-prompt", NO, "the loss is of answers"),
    NONE("assistant-only-loss", "true|True", "the loss is of answers"),
    NONE("completion-only-loss", "true|True", "the loss is of answers"),
    NONE("streaming", "true|" NO, LOADING),
    SAME("mix-strategy", "mix-strategy"),
    SAME("interleave-probs", "interleave-probs"),
    NONE("tokenized-path", NULL, "--data-path PREFIX, of files that `tessera preprocess` makes"),
    SAME("eval-dataset", "eval-dataset"),
    MADE("val-size", "0", ts_foreign_val_size),
    IDLE("preprocessing-num-workers", LOADING),
    IDLE("preprocessing-batch-size", LOADING),
    IDLE("dataloader-num-workers", LOADING),
    IDLE("dataloader-pin-memory", LOADING),
    IDLE("overwrite-cache", LOADING),
    IDLE("buffer-size", LOADING),
    NONE("remove-unused-columns", "true|" NO, NULL),
    NONE("group-by-length", NO, "samples keep their order; --no-pad-to-seq-lengths pads to the longest of a micro-batch"),

    /* steps */
    SAME("per-device-train-batch-size", "micro-batch-size"),
    SAME("per-device-batch-size", "micro-batch-size"),
    IDLE("per-device-eval-batch-size", "evaluation takes --micro-batch-size; its loss is the same"),
    MADE("num-train-epochs", NULL, ts_foreign_epochs),
    SOME("max-steps", "train-iters", "-1"),
    SAME("learning-rate", "lr"),
    WORDS("lr-scheduler-type", "lr-decay-style", NULL, SCHEDULES),
    MADE("lr-scheduler-kwargs", NULL, ts_foreign_lr_scheduler_kwargs),
    SAME("warmup-ratio", "lr-warmup-fraction"),
    MADE("warmup-steps", "0", ts_foreign_warmup_steps),
    WORDS("optim", "optimizer", NULL, OPTIMIZERS),
    SAME("max-grad-norm", "clip-grad"),
    SAME("adam-epsilon", "adam-eps"),
    NONE("label-smoothing-factor", "0", "labels are not smoothed"),
    NONE("average-tokens-across-devices", "true|" NO, NULL),
    ON("gradient-checkpointing", "--recompute-granularity full --recompute-method uniform"),
    ON("recompute", "--recompute-granularity full --recompute-method uniform"),
    IDLE("gradient-checkpointing-kwargs", NULL),
    IDLE_BUT("disable-gradient-checkpointing", NO, "nothing is computed again unless --recompute-granularity asks for it"),
    IDLE("bf16-full-eval", NULL),
    IDLE("fp16-full-eval", NULL),
    IDLE("tf32", KERNEL),
    ON("full-determinism", "--deterministic-mode"),
    ON("deterministic", "--deterministic-mode"),
    SOME("data-seed", "seed", NULL),

    /* what comes out */
    MADE("output-dir", NULL, ts_foreign_output_dir),
    ON("overwrite-output-dir", "--override-checkpoints"),
    SOME("logging-steps", "log-interval", "0"),
    NONE("logging-strategy", "steps", "lines come every --log-interval steps"),
    SAME("logging-dir", "tensorboard-dir"),
    MADE("report-to", "none", ts_foreign_report_to),
    IDLE("run-name", SHOWN),
    IDLE_BUT("plot-loss", NO, "`tessera report` draws the curves"),
    IDLE_BUT("use-swanlab", NO, SHOWN),
    IDLE("logging-first-step", SHOWN),
    IDLE("disable-tqdm", SHOWN),
    IDLE("include-num-input-tokens-seen", SHOWN),
    IDLE("include-effective-tokens-per-second", SHOWN),
    IDLE("log-level", "--log-level has other words"),
    SOME("save-steps", "save-interval", "0"),
    NONE("save-epochs", "0", "--save-interval, in iterations"),
    NONE("save-strategy", "steps|no", "--save-interval counts steps; one is always written at the end"),
    SAME("save-total-limit", "keep-checkpoints"),
    ON("save-only-model", "--no-save-optim"),
    NONE("save-hf-weights", NO "|true|True", NULL),
    NONE("resume-from-checkpoint", NO, "--load DIR, the folder that --save wrote to"),
    NONE("eval-strategy", "steps|no", "evaluations come every --eval-interval steps"),
    NONE("evaluation-strategy", "steps|no", "evaluations come every --eval-interval steps"),
    SAME("eval-steps", "eval-interval"),
    NONE("load-best-model-at-end", NO, "the last weights are written"),
    NONE("compute-accuracy", NO, "rewards/accuracies is told of preferences; otherwise the loss"),
    NONE("early-stopping-steps", NULL, "a run goes to its end"),
    NONE("push-to-hub", NO, HUB),
    SAME("export-dir", "save-dir|save-hf"),
    IDLE("export-size", NULL),
    IDLE("export-device", NULL),
    IDLE("export-legacy-format", NULL),

    /* layout */
    MADE("deepspeed", NULL, ts_foreign_deepspeed),
    WORDS("fsdp", "use-torch-fsdp2", NO, "full_shard,full_shard auto_wrap,auto_wrap full_shard=true"),
    IDLE("fsdp-config", "every layer is a unit"),
    IDLE("ddp-timeout", "--distributed-timeout-minutes"),
    IDLE("ddp-find-unused-parameters", NULL),
    IDLE("ddp-backend", "processes are started and joined by MPI"),
    IDLE("ray-num-workers", "mpirun -n N"),
    IDLE("infer-backend", NULL),
};

const ts_foreign_table ts_foreign_names = { rows, sizeof rows / sizeof *rows, ts_foreign_defaults };
