#include "model/narrow.h"

/* an option that decides what is computed */
#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_narrow_options, field, name, def, lo, hi, choices, "low precision", help)

const ts_option ts_narrow_option_rows[] = {
    RUN(CHOICE, format, "fp8-format", "none", 0, 0, TS_CHOICES(TS_FP8_CHOICES),
        "round the operands of the layers' linear products to 8 bits: all to e4m3, gradients to e5m2 "
        "(hybrid), or all to hif8; emulated here, so slower than without (docs/low-precision.md)"),
    RUN(CHOICE, recipe, "fp8-recipe", "delayed", 0, 0, TS_CHOICES(TS_FP8_RECIPES),
        "what shares a scale: a tensor, by its own largest value (tensorwise) or that of steps before "
        "(delayed); 32 neighbours, powers of two (mxfp8; mxfp8-32x32: weights in squares); 128 "
        "neighbours, weights in squares (blockwise)"),
    RUN(INT, history, "fp8-amax-history-len", "1", 1, 1 << 16, NULL,
        "delayed: steps whose largest values are remembered"),
    RUN(CHOICE, algo, "fp8-amax-compute-algo", "most_recent", 0, 0, TS_CHOICES(TS_AMAX_ALGOS),
        "delayed: which of these makes the scale: the last, or the largest"),
    RUN(INT, margin, "fp8-margin", "0", -64, 64, NULL,
        "delayed: scales are smaller by this power of two, as room for values that grow"),
    TS_ROW(FLAG, ts_narrow_options, reuses, "fp8-reuse-quantized-weight", NULL, 0, 0, NULL, "low precision",
           "make a weight's 8-bit codes once a step and keep them until it changes: the same bits, less work, "
           "one or two bytes a weight more (not with delayed)"),
    RUN(NOFLAG, wgrad, "no-fp8-wgrad", NULL, 0, 0, NULL,
        "the products of weight gradients as without --fp8-format"),
    RUN(FLAG, ends_wide, "first-last-layers-bf16", NULL, 0, 0, NULL,
        "the first and the last layers as without --fp8-format"),
    RUN(INT, wide_first, "num-layers-at-start-in-bf16", "1", 0, 1 << 20, NULL,
        "how many at the start (with --first-last-layers-bf16)"),
    RUN(INT, wide_last, "num-layers-at-end-in-bf16", "1", 0, 1 << 20, NULL,
        "how many at the end (likewise)"),
    TS_ROW(FLAG, ts_narrow_options, beside_portable, "te-comparison-with-cpu", NULL, 0, 0, NULL, "low precision",
           "each cast and product of few bits is made once more by the portable kernels: ends the run where they are not "
           "the same, says which; slow"),
    TS_ROW(FLAG, ts_narrow_options, beside_wide, "te-comparison-with-bf16", NULL, 0, 0, NULL, "low precision",
           "each product of few bits is made once more in bf16: tells how far they are apart, and ends the run where few "
           "bits are no use; slow"),
    RUN(CHOICE, qat, "qat-scheme", "none", 0, 0, TS_CHOICES(TS_QAT_SCHEMES),
        "train for a later quantization: the layers' products of weights rounded to 4 or 8 bits in blocks of 32 (MX "
        "formats; a4: activations too), gradients as if they were not; moe-only: of experts "
        "(docs/low-precision.md)"),
};
const size_t ts_narrow_option_count = sizeof ts_narrow_option_rows / sizeof *ts_narrow_option_rows;

static ts_status check_qat(const ts_narrow_options *o, const ts_option_set *set)
{
    static const char *const others[] = { "fp8-format", "int8", "fp16", "tp-2d" };
    if (o->qat >= TS_QAT_W4_MX_EXPERTS)
        return ts_error(TS_ERR_USER, "--qat-scheme: moe-only rounds the weights of experts, which are not rounded "
                                     "here: give w4a16-mxfp4, w8a16-mxfp8 or w4a4-mxfp4");
    for (size_t i = 0; o->qat != TS_QAT_NONE && i < sizeof others / sizeof *others; i++)
        TS_TRY(ts_option_exclude(set, "qat-scheme", others[i]));
    return TS_OK;
}

ts_status ts_narrow_options_check(const ts_narrow_options *o, const ts_option_set *set)
{
    TS_TRY(check_qat(o, set));
    if (o->format == TS_NARROW_NONE)
        return TS_OK;
    if (o->format == TS_NARROW_HIF8 && o->recipe != TS_RECIPE_TENSORWISE)
        return ts_error(TS_ERR_USER, "--fp8-format hif8 has scales of whole tensors alone: give --fp8-recipe "
                                     "tensorwise");
    if (o->reuses && o->recipe == TS_RECIPE_DELAYED)
        return ts_error(TS_ERR_USER, "--fp8-reuse-quantized-weight: --fp8-recipe delayed looks at the weights for "
                                     "every product; give another recipe, such as mxfp8");
    TS_TRY(ts_option_exclude(set, "fp8-format", "int8"));
    return ts_option_exclude(set, "fp8-format", "tp-2d");
}

void ts_narrow_options_warn(const ts_narrow_options *o, const ts_option_set *set)
{
    static const char *const all[] = { "fp8-recipe", "fp8-reuse-quantized-weight", "no-fp8-wgrad",
                                       "first-last-layers-bf16" };
    static const char *const delayed[] = { "fp8-amax-history-len", "fp8-amax-compute-algo", "fp8-margin" };
    static const char *const ends[] = { "num-layers-at-start-in-bf16", "num-layers-at-end-in-bf16" };
    const bool on = o->format != TS_NARROW_NONE;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ts_option_warn_alone(set, all[i], on, "--fp8-format");
    for (size_t i = 0; i < sizeof delayed / sizeof *delayed; i++)
        ts_option_warn_alone(set, delayed[i], on && o->recipe == TS_RECIPE_DELAYED,
                             on ? "--fp8-recipe delayed" : "--fp8-format");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        ts_option_warn_alone(set, ends[i], on && o->ends_wide, "--first-last-layers-bf16");
    ts_option_warn_alone(set, "te-comparison-with-cpu", ts_narrow_options_on(o), "--fp8-format or --qat-scheme");
    ts_option_warn_alone(set, "te-comparison-with-bf16", ts_narrow_options_on(o), "--fp8-format or --qat-scheme");
}
