/* What options of training must be together, said before the work begins. */
#include "train/lr.h"
#include "train/options.h"
#include "train/ramp.h"
#include "train/recompute.h"

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
        if (t[i].type == TS_STATE_F16 || t[i].type == TS_STATE_F8)
            return ts_error(TS_ERR_USER,
                            "--%s %s needs a scale for each tensor, which there is not here: give "
                            "bf16 or fp32",
                            t[i].name, word[t[i].type]);
    }
    if (o->main_grads_dtype != TS_STATE_F32)
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
    if (o->min_loss_scale <= 0)
        return ts_error(TS_ERR_USER, "--min-loss-scale %g: expected more than 0",
                        o->min_loss_scale);
    if (o->min_loss_scale > o->initial_loss_scale)
        return ts_error(TS_ERR_USER, "--min-loss-scale %g is above --initial-loss-scale %g",
                        o->min_loss_scale, o->initial_loss_scale);
    if (!o->skip_train)
        TS_TRY(check_rate(o, ramp.full));
    TS_TRY(ts_recompute_check(o));
    if (o->save_interval && !o->save)
        return ts_error(TS_ERR_USER, "--save-interval needs --save, a folder for the checkpoints");
    return TS_OK;
}
