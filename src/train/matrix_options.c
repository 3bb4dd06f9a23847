#include "train/matrix_options.h"

#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_matrix_options, field, name, def, lo, hi, choices, "optimizer", help)
/* a number from 0 on that is below 1 */
#define SHARE(field_, name_, def_, help_)                                                          \
    { .name = name_, .type = TS_OPTION_REAL, .offset = offsetof(ts_matrix_options, field_),         \
      .def = def_, .lo = 0, .hi = 1, .below = true, .is = TS_OPTION_DECIDES, .group = "optimizer",   \
      .help = help_ }

const ts_option ts_matrix_option_rows[] = {
    SHARE(momentum, "muon-momentum", "0.95",
          "of Muon: what of the running mean of gradients a step keeps"),
    RUN(FLAG, nesterov, "muon-nesterov", NULL, 0, 0, NULL,
        "of Muon: look ahead, the gradient joins the mean once more before it is made orthogonal"),
    RUN(FLAG, nesterov, "muon-use-nesterov", NULL, 0, 0, NULL, "older name of --muon-nesterov"),
    RUN(NOFLAG, split_qkv, "muon-no-split-qkv", NULL, 0, 0, NULL,
        "make queries, keys and values of a weight that holds all three orthogonal together instead of "
        "each alone"),
    RUN(FLAG, per_head, "muon-split-qkv-per-head", NULL, 0, 0, NULL,
        "make each head of queries, keys and values orthogonal alone, and the gate and the up projection "
        "of gated MLPs"),
    RUN(CHOICE, scaling, "muon-scale-mode", "spectral", 0, 0, TS_CHOICES(TS_MUON_SCALES),
        "what Muon multiplies an orthogonal matrix of OUT rows and IN columns by: sqrt(max(OUT, IN)), "
        "sqrt(OUT/IN), or sqrt(max(1, OUT/IN))"),
    RUN(REAL, extra_scale, "muon-extra-scale-factor", "1", 0, 1e6, NULL,
        "a further factor of Muon's steps; with spectral, 0.2 makes them as large as AdamW's"),
    RUN(CHOICE, precision, "muon-fp32-matmul-prec", "medium", 0, 0, TS_CHOICES(TS_MUON_PRECISIONS),
        "what Muon multiplies in: bf16 with sums in fp32 (low, medium), or fp32"),
    RUN(CHOICE, set, "muon-coefficient-type", "quintic", 0, 0, TS_CHOICES(TS_MUON_SETS),
        "the polynomials of Muon's iteration: one (simple), five (quintic), eight of which the last is "
        "repeated (polar_express), four (aol)"),
    RUN(INT, steps, "muon-num-ns-steps", "5", 1, 100, NULL,
        "how many of them Muon applies; beyond their number they begin again, or the last is repeated"),
    RUN(CHOICE, tp_mode, "muon-tp-mode", "blockwise", 0, 0, TS_CHOICES(TS_MUON_TP_MODES),
        "weights that tensor parallelism has cut: Muon takes each share for a matrix (blockwise: the result "
        "depends on their number), gathers all on every process (duplicated: the bits that one process makes of the "
        "same gradients), or sums small products over the group (distributed)"),
    RUN(CHOICE, scalar, "muon-scalar-optimizer", "adam", 0, 0, TS_CHOICES(TS_SCALAR_OPTIMIZERS),
        "what steps embeddings, output layer, norms and biases beside Muon"),
    SHARE(lion_beta1, "lion-beta1", "0.95", "of Lion: of the mean whose sign is the step"),
    SHARE(lion_beta2, "lion-beta2", "0.98", "of Lion: of the mean that is kept"),
    RUN(FLAG, apollo, "use-apollo", NULL, 0, 0, NULL,
        "with --optimizer adam: moments of gradients of weight matrices that are projected to few dimensions "
        "(APOLLO, docs/optimizers.md)"),
    RUN(LIST, apollo_target, "apollo-target", NULL, 0, 0, NULL,
        "of APOLLO: words in the names of the weights that it steps, such as mlp linear_proj (default all)"),
    RUN(INT, apollo_rank, "apollo-rank", "16", 1, 1 << 20, NULL, "of APOLLO: dimensions that are left"),
    RUN(INT, apollo_interval, "apollo-update-interval", "200", 1, 1 << 30, NULL,
        "of APOLLO: steps until the projection is made anew"),
    RUN(REAL, apollo_scale, "apollo-scale", "32", 0, 1e9, NULL, "of APOLLO: its root multiplies the steps"),
    RUN(CHOICE, apollo_projection, "apollo-proj", "random", 0, 0, TS_CHOICES(TS_APOLLO_PROJECTIONS),
        "of APOLLO: numbers from a normal distribution"),
    RUN(CHOICE, apollo_side, "apollo-proj-type", "std", 0, 0, TS_CHOICES(TS_APOLLO_SIDES),
        "of APOLLO: the side that is projected: the shorter (std), columns (right), rows (left)"),
    RUN(CHOICE, apollo_scale_type, "apollo-scale-type", "channel", 0, 0, TS_CHOICES(TS_APOLLO_SCALES),
        "of APOLLO: each channel of a gradient is scaled alone, or all of it (APOLLO-Mini: with "
        "--apollo-rank 1 --apollo-scale 128)"),
    TS_NOTE("apollo-scale-front", 0, "optimizer", "the same either way: the growth of norms is a ratio"),
    RUN(FLAG, apollo_layerwise, "apollo-layerwise", NULL, 0, 0, NULL,
        "of APOLLO: step each layer as soon as its gradients are complete, so that those of one layer alone are in "
        "memory; with one micro-batch a process and without clipping"),
    RUN(FLAG, galore, "use-galore", NULL, 0, 0, NULL,
        "with --optimizer adam: AdamW's moments of gradients of weight matrices in the space of their largest singular "
        "vectors (GaLore, docs/optimizers.md)"),
    RUN(LIST, galore_target, "galore-target", NULL, 0, 0, NULL,
        "of GaLore: words in the names of the weights that it steps, such as mlp linear_proj (default all)"),
    RUN(INT, galore_rank, "galore-rank", "16", 1, 1 << 20, NULL, "of GaLore: singular vectors that are kept"),
    RUN(INT, galore_interval, "galore-update-interval", "200", 1, 1 << 30, NULL,
        "of GaLore: steps until they are looked for anew"),
    RUN(REAL, galore_scale, "galore-scale", "2", 0, 1e9, NULL, "of GaLore: multiplies the steps"),
    RUN(CHOICE, galore_side, "galore-proj-type", "std", 0, 0, TS_CHOICES(TS_GALORE_SIDES),
        "of GaLore: the side that is projected: the shorter (std), the longer (reverse_std), columns (right), rows "
        "(left), or both (full)"),
    RUN(FLAG, galore_layerwise, "galore-layerwise", NULL, 0, 0, NULL,
        "of GaLore: step each layer as soon as its gradients are complete, as --apollo-layerwise"),
    RUN(FLAG, weight_quant, "weight-quant", NULL, 0, 0, NULL,
        "with --use-apollo or --use-galore: keep the weights that they step in 8 bits, in blocks with a scale, rounded at "
        "random; a layer's values are made of them while it runs"),
    TS_NOTE("stochastic-round", 0, "optimizer", "--weight-quant rounds at random in any case"),
    TS_NOTE("muon-use-syrk", 0, "optimizer", "chooses a kernel; the result is the same"),
};
const size_t ts_matrix_option_count = sizeof ts_matrix_option_rows / sizeof *ts_matrix_option_rows;
