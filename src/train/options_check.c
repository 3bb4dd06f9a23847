/* What options of training must be together, said before the work begins. */
#include "train/lr.h"
#include "train/options.h"
#include "train/ramp.h"
#include "train/recompute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ts_status need(bool given, const char *name)
{
    return given ? TS_OK : ts_error(TS_ERR_USER, "--%s is missing", name);
}

/* Megatron's rules of --use-precision-aware-optimizer, and which of its types there are here. */
static ts_status check_types(const ts_train_options *o)
{
    static const char *const word[] = { [TS_STATE_F32] = "fp32", [TS_STATE_BF16] = "bf16",
                                        [TS_STATE_F16] = "fp16", [TS_STATE_F8] = "fp8" };
    const struct {
        const char *name;
        int type;
    } t[] = { { "exp-avg-dtype", o->exp_avg_dtype },
              { "exp-avg-sq-dtype", o->exp_avg_sq_dtype },
              { "main-params-dtype", o->main_params_dtype },
              { "main-grads-dtype", o->main_grads_dtype } };
    if (o->precision_aware && o->optimizer != TS_OPTIMIZER_ADAM)
        return ts_error(TS_ERR_USER,
                        "--use-precision-aware-optimizer is for --optimizer adam alone");
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        if (t[i].type != TS_STATE_F32 && !o->precision_aware)
            return ts_error(TS_ERR_USER, "--%s %s needs --use-precision-aware-optimizer", t[i].name,
                            word[t[i].type]);
    }
    if (o->main_params_dtype == TS_STATE_F16 || o->main_params_dtype == TS_STATE_F8)
        return ts_error(TS_ERR_USER, "--main-params-dtype %s needs a scale for each tensor, which there is not here: "
                                     "give bf16 or fp32", word[o->main_params_dtype]);
    if (o->main_grads_dtype == TS_STATE_F8)
        return ts_error(TS_ERR_USER, "--main-grads-dtype fp8: sums of gradients lose too much: give bf16, fp16 or fp32");
    return TS_OK;
}

/* Sums of gradients in few bits: each is rounded whenever it grows. */
static ts_status check_grads(const ts_train_options *o)
{
    const char *what = o->quant_grads ? "--quant-grads" : "--main-grads-dtype bf16 or fp16";
    if (!o->quant_grads && o->main_grads_dtype == TS_STATE_F32)
        return TS_OK;
    if (o->quant_grads && o->main_grads_dtype != TS_STATE_F32)
        return ts_error(TS_ERR_USER, "--quant-grads and --main-grads-dtype contradict each other: give one");
    if (o->quant_grads && !ts_train_is_adam(o))
        return ts_error(TS_ERR_USER, "--quant-grads goes with --optimizer adam");
    if (o->quant_grads && o->swap_optimizer)
        return ts_error(TS_ERR_USER, "--quant-grads and --swap-optimizer contradict each other: give one");
    if (o->deterministic)
        return ts_error(TS_ERR_USER, "%s contradicts --deterministic-mode: what is rounded depends on the number of "
                                     "processes", what);
    return TS_OK;
}

static bool in_blocks(int type) { return type == TS_STATE_F16 || type == TS_STATE_F8; }

/* Moments in blocks go with what is fp32 or in blocks too, and stay on the device. */
static ts_status check_blocks(const ts_train_options *o)
{
    const char *what = o->quant_states                            ? "--quant-states"
                       : o->optimizer == TS_OPTIMIZER_ADAM_8BIT ? "--optimizer adamw_8bit"
                       : in_blocks(o->exp_avg_dtype)              ? "--exp-avg-dtype fp16 or fp8"
                       : in_blocks(o->exp_avg_sq_dtype)           ? "--exp-avg-sq-dtype fp16 or fp8"
                                                                  : NULL;
    const bool typed = o->exp_avg_dtype != TS_STATE_F32 || o->exp_avg_sq_dtype != TS_STATE_F32;
    if (!what)
        return TS_OK;
    if (o->quant_states && (o->optimizer != TS_OPTIMIZER_ADAM || typed))
        return ts_error(TS_ERR_USER, "--quant-states chooses what both moments of --optimizer adam are kept in: "
                                     "leave %s out", typed ? "--exp-avg-dtype and --exp-avg-sq-dtype" : "it");
    if (o->swap_optimizer)
        return ts_error(TS_ERR_USER, "%s and --swap-optimizer contradict each other: give one", what);
    if (o->main_params_dtype != TS_STATE_F32 || o->exp_avg_dtype == TS_STATE_BF16 ||
        o->exp_avg_sq_dtype == TS_STATE_BF16)
        return ts_error(TS_ERR_USER, "%s keeps moments in blocks, which what is rounded at random does not follow: "
                                     "give fp32, fp16 or fp8 instead of bf16 for the others", what);
    return TS_OK;
}

/* A word of it: gigabytes, or all. */
static bool read_virtual(const char *word, double *gigabytes)
{
    char *end;
    *gigabytes = strcmp(word, "all") ? strtod(word, &end) : INFINITY;
    return *gigabytes == INFINITY ? word[0] == 'a' : end != word && !*end && *gigabytes >= 0;
}

double ts_train_virtual_bytes(const ts_train_options *o, int64_t stage)
{
    const ts_option_list *l = &o->virtual_optimizer;
    double gigabytes = 0;
    if (l->n)
        read_virtual(l->v[l->n == 1 ? 0 : stage], &gigabytes);
    return gigabytes * 0x1p30;
}

static ts_status check_virtual(const ts_train_options *o)
{
    const ts_option_list *l = &o->virtual_optimizer;
    double gigabytes;
    for (int64_t i = 0; i < l->n; i++)
        if (!read_virtual(l->v[i], &gigabytes) || (gigabytes == INFINITY && l->n > 1))
            return ts_error(TS_ERR_USER, "--virtual-optimizer %s: expected all, gigabytes as 2.5, or a number of these for "
                                         "each stage of the pipeline", l->v[i]);
    if (l->n && o->swap_optimizer)
        return ts_error(TS_ERR_USER, "--virtual-optimizer and --swap-optimizer contradict each other: give one");
    if (l->n && ts_train_has_ema(o))
        return ts_error(TS_ERR_USER, "--virtual-optimizer does not go with an average of the weights (%s)",
                        o->use_ema ? "--use-ema" : "--optimizer-selection fused_ema_adamw");
    return TS_OK;
}

/* The bit of a tie has its place in the second moments. */
static ts_status check_reuse(const ts_train_options *o)
{
    if (!o->reuse_fp32_param)
        return TS_OK;
    if (o->optimizer != TS_OPTIMIZER_ADAM || o->quant_states || o->exp_avg_sq_dtype != TS_STATE_F32)
        return ts_error(TS_ERR_USER, "--reuse-fp32-param needs second moments in fp32, whose signs it uses: --optimizer "
                                     "adam without --quant-states and with --exp-avg-sq-dtype fp32");
    if (o->main_params_dtype != TS_STATE_F32)
        return ts_error(TS_ERR_USER, "--reuse-fp32-param is about masters in fp32: leave --main-params-dtype out");
    if (o->swap_optimizer || o->virtual_optimizer.n || ts_train_has_ema(o))
        return ts_error(TS_ERR_USER, "--reuse-fp32-param and %s contradict each other: give one",
                        o->swap_optimizer        ? "--swap-optimizer"
                        : o->virtual_optimizer.n ? "--virtual-optimizer"
                        : o->use_ema             ? "--use-ema"
                                                 : "--optimizer-selection fused_ema_adamw");
    return TS_OK;
}

static ts_status check_ema(const ts_train_options *o)
{
    if (!ts_train_has_ema(o))
        return o->save_ema_hf ? ts_error(TS_ERR_USER, "--save-ema-hf writes an average of the weights, which "
                                                      "--optimizer-selection fused_ema_adamw makes: give both")
                              : TS_OK;
    const char *what = o->use_ema ? "--use-ema" : "--optimizer-selection fused_ema_adamw";
    if (!ts_train_is_adam(o))
        return ts_error(TS_ERR_USER, "%s is for --optimizer adam", what);
    if (o->swap_optimizer)
        return ts_error(TS_ERR_USER, "%s and --swap-optimizer contradict each other: give one", what);
    if (o->main_params_dtype != TS_STATE_F32)
        return ts_error(TS_ERR_USER, "%s averages masters in fp32: leave --main-params-dtype bf16 out", what);
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
    if (o->grad_reduce_in_bf16 && o->deterministic)
        return ts_error(TS_ERR_USER,
                        "--grad-reduce-in-bf16 contradicts --deterministic-mode: what is rounded "
                        "depends on the number of processes");
    return TS_OK;
}

ts_status ts_train_micro_sizes(const ts_train_options *o, int64_t **v, int64_t *n)
{
    *v = NULL, *n = 0;
    if (!o->chosen_sizes)
        return o->micro_sizes.n ? ts_option_numbers("optimized-mbs-list", &o->micro_sizes, v, n) : TS_OK;
    if (!o->chosen_sizes[0])
        return TS_OK;
    TS_TRY(ts_alloc(v, (size_t)o->chosen_sizes[0], sizeof **v));
    *n = o->chosen_sizes[0];
    memcpy(*v, o->chosen_sizes + 1, (size_t)*n * sizeof **v);
    return TS_OK;
}

/* Micro-batches of different sizes: together they are what a process has of the batch. */
static ts_status check_micro_sizes(const ts_train_options *o, int dp, int64_t global)
{
    int64_t *v, n, sum = 0;
    bool whole = true;
    TS_TRY(ts_train_micro_sizes(o, &v, &n));
    for (int64_t i = 0; i < n; i++) {
        whole = whole && v[i] > 0 && v[i] <= 1 << 24;
        sum += whole ? v[i] : 0;
    }
    ts_free(&v);
    if (!whole)
        return ts_error(TS_ERR_USER, "--optimized-mbs-list: a micro-batch has 1 to %d sequences", 1 << 24);
    if (n && sum * dp != global)
        return ts_error(TS_ERR_USER, "--optimized-mbs-list: these are %lld sequences, on %d process%s %lld, and --global-batch-size "
                                     "is %lld", (long long)sum, dp, dp > 1 ? "es" : "", (long long)(sum * dp), (long long)global);
    return TS_OK;
}

ts_status ts_train_options_check(const ts_train_options *o, int dp)
{
    TS_TRY(need(o->seq_length > 0, "seq-length"));
    TS_TRY(need(o->train_iters > 0 || o->train_samples > 0 || o->epochs > 0 || o->skip_train, "train-iters"));
    if (o->train_iters && o->train_samples)
        return ts_error(TS_ERR_USER,
                        "--train-iters and --train-samples contradict each other: give one");
    if (o->global_batch_size && o->accumulation)
        return ts_error(TS_ERR_USER, "--global-batch-size and --gradient-accumulation-steps contradict each other: give one");
    TS_TRY(check_types(o));
    TS_TRY(check_blocks(o));
    TS_TRY(check_grads(o));
    TS_TRY(check_ema(o));
    TS_TRY(check_virtual(o));
    TS_TRY(check_reuse(o));
    TS_TRY(check_decoupled(o));
    TS_TRY(check_reduction(o));
    if (o->qk_clip && !(o->qk_clip_alpha > 0 && o->qk_clip_alpha < 1))
        return ts_error(TS_ERR_USER, "--qk-clip-alpha %g: a share between 0 and 1 was expected", o->qk_clip_alpha);
    if (o->qk_clip && o->qk_clip_threshold <= 0)
        return ts_error(TS_ERR_USER, "--qk-clip-threshold %g: expected more than 0", o->qk_clip_threshold);
    ts_batch_ramp ramp;
    TS_TRY(ts_batch_ramp_init(&ramp, o, dp));
    if (o->train_samples && ts_batch_ramp_steps(&ramp, o->train_samples) == 0)
        return ts_error(TS_ERR_USER,
                        "--train-samples %lld is less than one global batch of %lld sequences",
                        (long long)o->train_samples, (long long)ramp.full);
    TS_TRY(check_micro_sizes(o, dp, ramp.full));
    if (ts_train_steps_layerwise(o) && (o->rampup_batch_size.n || ramp.full != o->micro_batch_size * dp))
        return ts_error(TS_ERR_USER, "%s uses up a layer's gradients at once, so a step is one micro-batch a process: "
                                     "give --global-batch-size %lld (--micro-batch-size x %d processes)",
                        ts_train_layerwise_name(o), (long long)o->micro_batch_size * dp, dp);
    if (o->min_loss_scale <= 0)
        return ts_error(TS_ERR_USER, "--min-loss-scale %g: expected more than 0",
                        o->min_loss_scale);
    if (o->min_loss_scale > o->initial_loss_scale)
        return ts_error(TS_ERR_USER, "--min-loss-scale %g is above --initial-loss-scale %g",
                        o->min_loss_scale, o->initial_loss_scale);
    if (ts_train_counts_epochs(o) && o->rampup_batch_size.n)
        return ts_error(TS_ERR_USER, "--num-train-epochs: with --rampup-batch-size give --train-samples");
    if (!o->skip_train && !ts_train_counts_epochs(o)) /* that is known once they are counted */
        TS_TRY(check_rate(o, ramp.full));
    TS_TRY(ts_recompute_check(o));
    if (o->save_interval && !o->save)
        return ts_error(TS_ERR_USER, "--save-interval needs --save, a folder for the checkpoints");
    return TS_OK;
}
