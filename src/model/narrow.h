/* Training with products of few bits (tensor/narrow.h) by options in Megatron-LM's and MindSpeed's words:
 * FP8 and MX formats, and training that allows for a later quantization of the weights. */
#ifndef TS_MODEL_NARROW_H
#define TS_MODEL_NARROW_H
#include "base/option.h"
#include "model/decoder.h"

#define TS_FP8_CHOICES(W)                                                                          \
    W(TS_NARROW_NONE, "none")                                                                      \
    W(TS_NARROW_E4M3, "e4m3")                                                                      \
    W(TS_NARROW_HYBRID, "hybrid") /* gradients in e5m2 */                                          \
    W(TS_NARROW_HIF8, "hif8")
typedef enum ts_narrow_format { TS_FP8_CHOICES(TS_CHOICE_VALUE) } ts_narrow_format;

#define TS_FP8_RECIPES(W)                                                                          \
    W(TS_RECIPE_TENSORWISE, "tensorwise")                                                          \
    W(TS_RECIPE_DELAYED, "delayed")                                                                \
    W(TS_RECIPE_MX, "mxfp8")                                                                       \
    W(TS_RECIPE_MX_SQUARE, "mxfp8-32x32")                                                          \
    W(TS_RECIPE_BLOCKWISE, "blockwise")
typedef enum ts_narrow_recipe { TS_FP8_RECIPES(TS_CHOICE_VALUE) } ts_narrow_recipe;

#define TS_AMAX_ALGOS(W) W(TS_AMAX_MOST_RECENT, "most_recent") W(TS_AMAX_MAX, "max")
typedef enum ts_amax_algo { TS_AMAX_ALGOS(TS_CHOICE_VALUE) } ts_amax_algo;

/* What weights and activations are rounded to in training for a later quantization. */
#define TS_QAT_SCHEMES(W)                                                                          \
    W(TS_QAT_NONE, "none")                                                                         \
    W(TS_QAT_W4_MX, "w4a16-mxfp4")                                                                 \
    W(TS_QAT_W8_MX, "w8a16-mxfp8")                                                                 \
    W(TS_QAT_W4A4_MX, "w4a4-mxfp4")                                                                \
    W(TS_QAT_W4_MX_EXPERTS, "w4a16-mxfp4-moe-only") /* from here on of experts */                  \
    W(TS_QAT_W8_MX_EXPERTS, "w8a16-mxfp8-moe-only")                                                \
    W(TS_QAT_W4A8_EXPERTS, "w4a8-moe-only")
typedef enum ts_qat_scheme { TS_QAT_SCHEMES(TS_CHOICE_VALUE) } ts_qat_scheme;

typedef struct ts_narrow_options {
    int qat;            /* TS_QAT_* */
    int format, recipe; /* TS_NARROW_*, TS_RECIPE_* */
    int64_t history, margin;
    int algo;    /* TS_AMAX_* */
    bool reuses; /* a weight's codes, while it does not change */
    bool wgrad;  /* the weight gradient's product too */
    bool ends_wide; /* the first and last layers are as without */
    int64_t wide_first, wide_last; /* so many */
    bool beside_portable, beside_wide; /* what is made is compared: ops/judge.h */
} ts_narrow_options;
extern const ts_option ts_narrow_option_rows[];
extern const size_t ts_narrow_option_count;

/* Contradictions among them: TS_ERR_USER that says what to do. */
ts_status ts_narrow_options_check(const ts_narrow_options *o, const ts_option_set *set) TS_NODISCARD;
/* Warns of those that have no effect. */
void ts_narrow_options_warn(const ts_narrow_options *o, const ts_option_set *set);
static inline bool ts_narrow_options_on(const ts_narrow_options *o) 
{
    return o->format != TS_NARROW_NONE || o->qat != TS_QAT_NONE;
}

/* The layers' linear products are so, before d has memory. rows: processes that share out sequences, or
 * NULL. A share of a weight that begins within a block is TS_ERR_USER. */
ts_status ts_decoder_use_narrow(ts_decoder *d, const ts_narrow_options *o, ts_comm *rows) TS_NODISCARD;
#endif
