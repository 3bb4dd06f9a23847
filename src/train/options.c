#include "train/options.h"

#include "train/lr.h"
#include "train/ramp.h"

#include <signal.h>

#define BIG 1e15
#define ROW(type, field, name, def, lo, hi, choices, group, help)                                  \
    TS_ROW(type, ts_train_options, field, name, def, lo, hi, choices, group, help)
/* a number from 0 on that is below 1 */
#define SHARE(field_, name_, def_, group_, help_)                                                  \
    { .name = name_, .type = TS_OPTION_REAL, .offset = offsetof(ts_train_options, field_),         \
      .def = def_, .lo = 0, .hi = 1, .below = true, .group = group_, .help = help_ }
#define TYPES TS_WORDS_FP32 "|" TS_WORDS_BF16 "|" TS_WORDS_FP16 "|fp8"

const ts_option ts_train_option_rows[] = {
    ROW(INT, micro_batch_size, "micro-batch-size", "1", 1, 1 << 24, NULL, "training",
        "sequences that go through the model at once"),
    ROW(INT, global_batch_size, "global-batch-size", NULL, 1, 1 << 24, NULL, "training",
        "sequences of one step over all processes (default micro-batch-size x processes)"),
    ROW(LIST, rampup_batch_size, "rampup-batch-size", NULL, 0, 0, NULL, "training",
        "START INCREMENT SAMPLES: the global batch grows from START to --global-batch-size in "
        "steps of INCREMENT over the first SAMPLES sequences (with --train-samples)"),
    ROW(INT, train_iters, "train-iters", NULL, 1, BIG, NULL, "training", "steps of the whole run"),
    ROW(INT, train_samples, "train-samples", NULL, 1, BIG, NULL, "training",
        "the same in sequences, instead of --train-iters; an incomplete last batch is dropped"),
    ROW(INT, seq_length, "seq-length", NULL, 1, 1 << 26, NULL, "training", "tokens of a sequence"),
    ROW(INT, seed, "seed", "1234", 0, 4294967295.0, NULL, "training",
        "for weights, dropout and the order of samples"),
    SHARE(hidden_dropout, "hidden-dropout", "0", "training",
        "dropout on sublayers and embeddings (Megatron's default of 0.1 must be asked for)"),
    SHARE(attention_dropout, "attention-dropout", "0", "training",
        "dropout on attention probabilities (likewise)"),
    ROW(CHOICE, int8, "int8", "none", 0, 0, "none|layers|all", "training",
        "multiply in 8-bit integers, forward and for the gradients of inputs (weight gradients stay "
        "as they are): in the layers, or in the output layer too (docs/training.md)"),
    ROW(LIST, freeze, "freeze", NULL, 0, 0, NULL, "training",
        "modules that are not trained, by whole parts of their names as checkpoints have them: embedding, "
        "self_attention, mlp.linear_fc1, layers.{0-11}, layers.{*}.mlp"),
    ROW(CHOICE, packed_weights, "packed-weights", "auto", 0, 0, "auto|kept|shared", "memory",
        "copies of the weights that products in bf16 read: kept by each weight and written by the "
        "optimizer, or made for each product in memory that all weights share; the same bits, more "
        "speed or less memory (auto: kept with several micro-batches a step or at most 512 tokens "
        "in one)"),
    ROW(INT, eval_iters, "eval-iters", "100", 0, BIG, NULL, "evaluation",
        "batches of one evaluation on the validation split"),
    ROW(INT, eval_interval, "eval-interval", "1000", 1, BIG, NULL, "evaluation",
        "steps between evaluations"),
    ROW(FLAG, skip_train, "skip-train", NULL, 0, 0, NULL, "evaluation",
        "evaluate on the validation and the test split once; nothing is trained or written"),
    ROW(REAL, lr, "lr", NULL, 0, 1e6, NULL, "learning rate", "highest learning rate"),
    ROW(REAL, min_lr, "min-lr", "0", 0, 1e6, NULL, "learning rate", "lowest rate of the decay"),
    ROW(CHOICE, lr_decay_style, "lr-decay-style", "linear", 0, 0,
        "constant|linear|cosine|inverse-square-root|WSD", "learning rate", "form of the decay"),
    ROW(CHOICE, lr_wsd_decay_style, "lr-wsd-decay-style", "exponential", 0, 0,
        "linear|cosine|exponential|minus_sqrt", "learning rate", "the last part of WSD"),
    ROW(INT, lr_decay_iters, "lr-decay-iters", NULL, 1, BIG, NULL, "learning rate",
        "steps until the lowest rate (default --train-iters)"),
    ROW(INT, lr_decay_samples, "lr-decay-samples", NULL, 1, BIG, NULL, "learning rate",
        "the same in sequences"),
    ROW(INT, lr_wsd_decay_iters, "lr-wsd-decay-iters", NULL, 1, BIG, NULL, "learning rate",
        "steps of WSD's last part"),
    ROW(INT, lr_wsd_decay_samples, "lr-wsd-decay-samples", NULL, 1, BIG, NULL, "learning rate",
        "the same in sequences"),
    ROW(INT, lr_warmup_iters, "lr-warmup-iters", "0", 0, BIG, NULL, "learning rate",
        "steps of warm-up"),
    ROW(INT, lr_warmup_samples, "lr-warmup-samples", "0", 0, BIG, NULL, "learning rate",
        "the same in sequences"),
    ROW(REAL, lr_warmup_fraction, "lr-warmup-fraction", NULL, 0, 1, NULL, "learning rate",
        "warm-up as a share of the decay"),
    ROW(REAL, lr_warmup_init, "lr-warmup-init", "0", 0, 1e6, NULL, "learning rate",
        "rate of the first step"),
    ROW(REAL, decoupled_lr, "decoupled-lr", "-1", -1, 1e6, NULL, "learning rate",
        "highest rate of the embedding and the output layer (-1: --lr)"),
    ROW(REAL, decoupled_min_lr, "decoupled-min-lr", "-1", -1, 1e6, NULL, "learning rate",
        "lowest rate of these (-1: --min-lr)"),
    ROW(CHOICE, optimizer, "optimizer", "adam", 0, 0, "adam|sgd", "optimizer", "AdamW or SGD"),
    SHARE(adam_beta1, "adam-beta1", "0.9", "optimizer", "of the first moment"),
    SHARE(adam_beta2, "adam-beta2", "0.999", "optimizer", "of the second moment"),
    ROW(REAL, adam_eps, "adam-eps", "1e-8", 0, 1, NULL, "optimizer", "added to the root"),
    SHARE(sgd_momentum, "sgd-momentum", "0.9", "optimizer", "of SGD"),
    ROW(REAL, weight_decay, "weight-decay", "0.01", 0, 1e6, NULL, "optimizer",
        "decoupled; not on norms and biases"),
    ROW(REAL, clip_grad, "clip-grad", "1.0", 0, 1e30, NULL, "optimizer",
        "largest global norm of the gradient (0: no clipping)"),
    ROW(FLAG, precision_aware, "use-precision-aware-optimizer", NULL, 0, 0, NULL, "optimizer",
        "allow the four types below to differ from fp32"),
    ROW(CHOICE, exp_avg_dtype, "exp-avg-dtype", "fp32", 0, 0, TYPES, "optimizer",
        "of the first moments: fp32, or bf16 with stochastic rounding"),
    ROW(CHOICE, exp_avg_sq_dtype, "exp-avg-sq-dtype", "fp32", 0, 0, TYPES, "optimizer",
        "of the second moments: likewise"),
    ROW(CHOICE, main_params_dtype, "main-params-dtype", "fp32", 0, 0, TYPES, "optimizer",
        "of the weights that the optimizer changes: fp32, or bf16 with stochastic rounding (with "
        "--bf16; vectors stay fp32)"),
    ROW(CHOICE, main_grads_dtype, "main-grads-dtype", "fp32", 0, 0, TYPES, "optimizer",
        "of the gradients: fp32"),
    ROW(FLAG, grad_reduce_in_bf16, "grad-reduce-in-bf16", NULL, 0, 0, NULL, "distributed",
        "send gradients as bf16 when they are summed over the processes (with --bf16): half the bytes"),
    ROW(REAL, loss_scale, "loss-scale", NULL, 0, 1e30, NULL, "fp16", "fixed loss scale"),
    ROW(REAL, initial_loss_scale, "initial-loss-scale", "4294967296", 1, 1e30, NULL, "fp16",
        "first dynamic loss scale"),
    ROW(REAL, min_loss_scale, "min-loss-scale", "1", 0, 1e30, NULL, "fp16", "lowest loss scale"),
    ROW(INT, loss_scale_window, "loss-scale-window", "1000", 1, BIG, NULL, "fp16",
        "good steps until the scale is doubled"),
    ROW(INT, hysteresis, "hysteresis", "2", 1, BIG, NULL, "fp16",
        "overflows until the scale is halved"),
    ROW(CHOICE, recompute_granularity, "recompute-granularity", "none", 0, 0, "none|full|selective",
        "memory", "what is computed again instead of kept"),
    ROW(CHOICE, recompute_method, "recompute-method", "none", 0, 0, "none|uniform|block", "memory",
        "full: in groups of layers (uniform) or the first layers singly (block)"),
    ROW(INT, recompute_num_layers, "recompute-num-layers", "1", 1, 1 << 20, NULL, "memory",
        "layers of a group, or how many layers"),
    ROW(FLAG, recompute_activations, "recompute-activations", NULL, 0, 0, NULL, "memory",
        "the same as --recompute-granularity selective"),
    ROW(NOFLAG, replay, "keep-cheap-activations", NULL, 0, 0, NULL, "memory",
        "keep the outputs of norms and activation functions instead of making them again"),
    ROW(FLAG, deterministic, "deterministic-mode", NULL, 0, 0, NULL, "repeatability",
        "the same bits for any number of processes"),
    ROW(FLAG, npu_deterministic, "npu-deterministic", NULL, 0, 0, NULL, "repeatability",
        "the same as --deterministic-mode"),
    ROW(FLAG, npu_deterministic, "use-deter-comp", NULL, 0, 0, NULL, "repeatability",
        "the same as --deterministic-mode"),
    ROW(TEXT, save, "save", NULL, 0, 0, NULL, "checkpoints", "folder for checkpoints"),
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
    ROW(FLAG, no_load_rng, "no-load-rng", NULL, 0, 0, NULL, "checkpoints",
        "accepted: random numbers have no state here"),
    ROW(FLAG, finetune, "finetune", NULL, 0, 0, NULL, "checkpoints",
        "take only the weights of --load and begin at iteration 0"),
    ROW(INT, ckpt_step, "ckpt-step", "-1", -1, BIG, NULL, "checkpoints",
        "iteration to load (-1: the newest)"),
    ROW(FLAG, exit_on_missing, "exit-on-missing-checkpoint", NULL, 0, 0, NULL, "checkpoints",
        "refuse to begin anew when --load holds no checkpoint"),
    ROW(FLAG, use_checkpoint_args, "use-checkpoint-args", NULL, 0, 0, NULL, "checkpoints",
        "accepted: the model's shape always comes from the checkpoint where options leave it open"),
    ROW(TEXT, save_hf, "save-hf", NULL, 0, 0, NULL, "checkpoints",
        "write a Hugging Face folder at the end"),
    ROW(CHOICE, save_hf_dtype, "save-hf-dtype", "auto", 0, 0, TS_WORDS_WEIGHTS, "checkpoints",
        "type of its weights (auto: as the model came; fp32 for a new one)"),
    ROW(INT, exit_interval, "exit-interval", NULL, 1, BIG, NULL, "stopping",
        "stop after the first step that this divides"),
    ROW(CHOICE, exit_signal, "exit-signal", "SIGTERM", 0, 0, TS_EXIT_SIGNALS, "stopping",
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
    ROW(REAL, peak_tflops, "peak-tflops", NULL, 0, 1e9, NULL, "seeing",
        "of this process's device, for the share of it that is used (mfu)"),
    ROW(TEXT, metrics_jsonl, "metrics-jsonl", NULL, 0, 0, NULL, "seeing", "one JSON object a step"),
    ROW(TEXT, tensorboard_dir, "tensorboard-dir", NULL, 0, 0, NULL, "seeing",
        "TensorBoard event files"),
    ROW(INT, events_interval, "tensorboard-log-interval", "1", 1, BIG, NULL, "seeing",
        "steps between values in TensorBoard's files"),
    ROW(FLAG, events_ppl, "log-validation-ppl-to-tensorboard", NULL, 0, 0, NULL, "seeing",
        "the perplexity of evaluations in TensorBoard's files, beside their loss"),
    ROW(NOFLAG, check_for_nan, "no-check-for-nan-in-loss-and-grad", NULL, 0, 0, NULL, "training",
        "go on when the loss is not a number"),
};
const size_t ts_train_option_count = sizeof ts_train_option_rows / sizeof *ts_train_option_rows;

static ts_status need(bool given, const char *name)
{
    return given ? TS_OK : ts_error(TS_ERR_USER, "--%s is missing", name);
}

/* Megatron's rules of --use-precision-aware-optimizer, and which of its types there are here. */
static ts_status check_types(const ts_train_options *o)
{
    static const char *const word[] = { "fp32", "bf16", "fp16", "fp8" };
    const struct {
        const char *name;
        int type;
    } t[] = { { "exp-avg-dtype", o->exp_avg_dtype },
              { "exp-avg-sq-dtype", o->exp_avg_sq_dtype },
              { "main-params-dtype", o->main_params_dtype },
              { "main-grads-dtype", o->main_grads_dtype } };
    if (o->precision_aware && o->optimizer != TS_OPTIMIZER_ADAM)
        return ts_error(TS_ERR_USER,
                        "--use-precision-aware-optimizer is for --optimizer adam, not sgd");
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        if (t[i].type && !o->precision_aware)
            return ts_error(TS_ERR_USER, "--%s %s needs --use-precision-aware-optimizer", t[i].name,
                            word[t[i].type]);
        if (t[i].type > 1)
            return ts_error(TS_ERR_USER,
                            "--%s %s needs a scale for each tensor, which there is not here: give "
                            "bf16 or fp32",
                            t[i].name, word[t[i].type]);
    }
    if (o->main_grads_dtype)
        return ts_error(TS_ERR_USER, "--main-grads-dtype bf16: gradients are summed in fp32 here");
    return TS_OK;
}

/* Lengths given in two ways, and a warm-up that does not end before the decay does. */
static ts_status check_rate(const ts_train_options *o, int64_t batch)
{
    const char *warmup = o->lr_warmup_samples ? "lr-warmup-samples" : "lr-warmup-iters";
    const char *decay = o->lr_decay_samples  ? "lr-decay-samples"
                        : o->lr_decay_iters ? "lr-decay-iters"
                        : o->train_samples  ? "train-samples"
                                            : "train-iters";
    const struct {
        bool both;
        const char *a, *b;
    } twice[] = {
        { o->lr_warmup_fraction > 0 && o->lr_warmup_iters, "lr-warmup-fraction", "lr-warmup-iters" },
        { o->lr_warmup_fraction > 0 && o->lr_warmup_samples, "lr-warmup-fraction",
          "lr-warmup-samples" },
        { o->lr_warmup_iters && o->lr_warmup_samples, "lr-warmup-iters", "lr-warmup-samples" },
        { o->lr_decay_iters && o->lr_decay_samples, "lr-decay-iters", "lr-decay-samples" },
        { o->lr_wsd_decay_iters && o->lr_wsd_decay_samples, "lr-wsd-decay-iters",
          "lr-wsd-decay-samples" },
    };
    ts_lr_schedule s;
    for (size_t i = 0; i < sizeof twice / sizeof *twice; i++)
        if (twice[i].both)
            return ts_error(TS_ERR_USER, "--%s and --%s contradict each other: give one",
                            twice[i].a, twice[i].b);
    if (o->min_lr > o->lr)
        return ts_error(TS_ERR_USER, "--min-lr %g is above --lr %g", o->min_lr, o->lr);
    if (o->lr_warmup_init > o->lr)
        return ts_error(TS_ERR_USER, "--lr-warmup-init %g is above --lr %g", o->lr_warmup_init,
                        o->lr);
    if (o->lr_decay_style == TS_LR_WSD && !o->lr_wsd_decay_iters && !o->lr_wsd_decay_samples)
        return ts_error(TS_ERR_USER, "--lr-decay-style WSD needs --lr-wsd-decay-iters or "
                                     "--lr-wsd-decay-samples");
    TS_TRY(ts_lr_schedule_init(&s, o, batch));
    if (s.warmup > (double)s.decay)
        return ts_error(TS_ERR_USER,
                        "--%s is longer than --%s: a warm-up of %.0f sequences, a decay that ends "
                        "after %lld",
                        warmup, decay, s.warmup, (long long)s.decay);
    return TS_OK;
}

int ts_train_exit_signal(const ts_train_options *o)
{
    static const int number[] = { SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
                                  SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU };
    return number[o->exit_signal];
}

static ts_status check_decoupled(const ts_train_options *o)
{
    const struct {
        const char *name;
        double v;
    } rate[] = { { "decoupled-lr", o->decoupled_lr }, { "decoupled-min-lr", o->decoupled_min_lr } };
    for (int i = 0; i < 2; i++)
        if (rate[i].v < 0 && rate[i].v != -1)
            return ts_error(TS_ERR_USER, "--%s %g: a rate from 0 on was expected (-1: none of its own)",
                            rate[i].name, rate[i].v);
    const double lowest = o->decoupled_min_lr >= 0 ? o->decoupled_min_lr : o->min_lr;
    if (o->decoupled_lr >= 0 && lowest > o->decoupled_lr)
        return ts_error(TS_ERR_USER, "--%s %g is above --decoupled-lr %g",
                        o->decoupled_min_lr >= 0 ? "decoupled-min-lr" : "min-lr", lowest,
                        o->decoupled_lr);
    return TS_OK;
}

static ts_status check_reduction(const ts_train_options *o)
{
    if (o->grad_reduce_in_bf16 && ts_train_is_deterministic(o))
        return ts_error(TS_ERR_USER,
                        "--grad-reduce-in-bf16 contradicts --deterministic-mode: what is rounded "
                        "depends on the number of processes");
    return TS_OK;
}

ts_status ts_train_options_check(const ts_train_options *o, int dp)
{
    TS_TRY(need(o->seq_length > 0, "seq-length"));
    TS_TRY(need(o->train_iters > 0 || o->train_samples > 0 || o->skip_train, "train-iters"));
    if (o->train_iters && o->train_samples)
        return ts_error(TS_ERR_USER,
                        "--train-iters and --train-samples contradict each other: give one");
    TS_TRY(check_types(o));
    TS_TRY(check_decoupled(o));
    TS_TRY(check_reduction(o));
    const int64_t chunk = o->micro_batch_size * dp;
    if (o->global_batch_size && o->global_batch_size % chunk)
        return ts_error(TS_ERR_USER,
                        "--global-batch-size %lld is no multiple of --micro-batch-size %lld x %d "
                        "processes",
                        (long long)o->global_batch_size, (long long)o->micro_batch_size, dp);
    ts_batch_ramp ramp;
    TS_TRY(ts_batch_ramp_init(&ramp, o, dp));
    if (o->train_samples && ts_batch_ramp_steps(&ramp, o->train_samples) == 0)
        return ts_error(TS_ERR_USER,
                        "--train-samples %lld is less than one global batch of %lld sequences",
                        (long long)o->train_samples, (long long)ramp.full);
    if (o->min_loss_scale <= 0)
        return ts_error(TS_ERR_USER, "--min-loss-scale %g: expected more than 0",
                        o->min_loss_scale);
    if (o->min_loss_scale > o->initial_loss_scale)
        return ts_error(TS_ERR_USER, "--min-loss-scale %g is above --initial-loss-scale %g",
                        o->min_loss_scale, o->initial_loss_scale);
    if (!o->skip_train)
        TS_TRY(check_rate(o, ramp.full));
    if (o->recompute_activations && o->recompute_granularity == 1)
        return ts_error(TS_ERR_USER, "--recompute-activations is --recompute-granularity selective "
                                     "and contradicts --recompute-granularity full: give one");
    if (o->save_interval && !o->save)
        return ts_error(TS_ERR_USER, "--save-interval needs --save, a folder for the checkpoints");
    return TS_OK;
}
