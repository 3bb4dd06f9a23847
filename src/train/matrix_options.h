/* Options of optimizers that look at a weight as a matrix, in Megatron-LM's words, and of Lion, which steps
 * the rest. */
#ifndef TS_TRAIN_MATRIX_OPTIONS_H
#define TS_TRAIN_MATRIX_OPTIONS_H
#include "base/option_row.h"

/* Coefficients of the iteration: train/orthogonal.c has them. */
#define TS_MUON_SETS(W)                                                                            \
    W(TS_MUON_SIMPLE, "simple")                                                                    \
    W(TS_MUON_QUINTIC, "quintic")                                                                  \
    W(TS_MUON_POLAR_EXPRESS, "polar_express")                                                      \
    W(TS_MUON_AOL, "aol")
typedef enum ts_muon_set { TS_MUON_SETS(TS_CHOICE_VALUE) } ts_muon_set;

/* What an orthogonal matrix [rows, cols] is multiplied by: sqrt(max(rows, cols)), sqrt(rows / cols),
 * sqrt(max(1, rows / cols)). */
#define TS_MUON_SCALES(W)                                                                          \
    W(TS_MUON_SPECTRAL, "spectral")                                                                \
    W(TS_MUON_UNIT_RMS_NORM, "unit_rms_norm")                                                      \
    W(TS_MUON_SHAPE_SCALING, "shape_scaling")
typedef enum ts_muon_scale { TS_MUON_SCALES(TS_CHOICE_VALUE) } ts_muon_scale;

/* What the iteration multiplies in: bf16, bf16, fp32. */
#define TS_MUON_PRECISIONS(W)                                                                      \
    W(TS_MUON_LOW, "low")                                                                          \
    W(TS_MUON_MEDIUM, "medium")                                                                    \
    W(TS_MUON_HIGH, "high")
typedef enum ts_muon_precision { TS_MUON_PRECISIONS(TS_CHOICE_VALUE) } ts_muon_precision;

/* A weight that a tensor-parallel group has cut: each share is a matrix of its own; every process makes
 * all of it; all make it together. */
#define TS_MUON_TP_MODES(W)                                                                        \
    W(TS_MUON_BLOCKWISE, "blockwise")                                                              \
    W(TS_MUON_DUPLICATED, "duplicated")                                                            \
    W(TS_MUON_DISTRIBUTED, "distributed")
typedef enum ts_muon_tp_mode { TS_MUON_TP_MODES(TS_CHOICE_VALUE) } ts_muon_tp_mode;

#define TS_SCALAR_OPTIMIZERS(W) W(TS_SCALAR_ADAM, "adam") W(TS_SCALAR_LION, "lion")
typedef enum ts_scalar_optimizer { TS_SCALAR_OPTIMIZERS(TS_CHOICE_VALUE) } ts_scalar_optimizer;

/* Which side of a gradient is projected: the shorter, or always columns (right), always rows (left). */
#define TS_APOLLO_SIDES(W)                                                                         \
    W(TS_APOLLO_STD, "std")                                                                        \
    W(TS_APOLLO_RIGHT, "right")                                                                    \
    W(TS_APOLLO_LEFT, "left")
typedef enum ts_apollo_side { TS_APOLLO_SIDES(TS_CHOICE_VALUE) } ts_apollo_side;

/* Likewise for GaLore; reverse_std: the longer, full: both. */
#define TS_GALORE_SIDES(W)                                                                         \
    W(TS_GALORE_STD, "std")                                                                        \
    W(TS_GALORE_REVERSE_STD, "reverse_std")                                                        \
    W(TS_GALORE_RIGHT, "right")                                                                    \
    W(TS_GALORE_LEFT, "left")                                                                      \
    W(TS_GALORE_FULL, "full")
typedef enum ts_galore_side { TS_GALORE_SIDES(TS_CHOICE_VALUE) } ts_galore_side;

#define TS_APOLLO_SCALES(W) W(TS_APOLLO_CHANNEL, "channel") W(TS_APOLLO_TENSOR, "tensor")
typedef enum ts_apollo_scale { TS_APOLLO_SCALES(TS_CHOICE_VALUE) } ts_apollo_scale;

#define TS_APOLLO_PROJECTIONS(W) W(TS_APOLLO_RANDOM, "random")
typedef enum ts_apollo_projection { TS_APOLLO_PROJECTIONS(TS_CHOICE_VALUE) } ts_apollo_projection;

typedef struct ts_matrix_options {
    double momentum, extra_scale;
    bool nesterov, split_qkv, per_head;
    int set, scaling, precision, tp_mode; /* TS_MUON_* */
    int64_t steps;
    int scalar; /* TS_SCALAR_* */
    double lion_beta1, lion_beta2;
    bool apollo, apollo_layerwise;
    ts_option_list apollo_target;
    int64_t apollo_rank, apollo_interval;
    double apollo_scale;
    int apollo_side, apollo_scale_type, apollo_projection; /* TS_APOLLO_* */
    bool galore, galore_layerwise;
    ts_option_list galore_target;
    int64_t galore_rank, galore_interval;
    double galore_scale;
    int galore_side; /* TS_GALORE_* */
    bool weight_quant;
} ts_matrix_options;
extern const ts_option ts_matrix_option_rows[];
extern const size_t ts_matrix_option_count;
#endif
