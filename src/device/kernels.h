/* All kernels of a device: one row each. A kernel takes an argument struct of pointers and sizes
 * (in kernels/<subject>.h, with the formula) and n, the number of items that may be shared out; it
 * cannot fail: operators have refused everything that could be wrong. A new kernel is one row here
 * and one function on each device; the simulated device needs none. */
#ifndef TS_DEVICE_KERNELS_H
#define TS_DEVICE_KERNELS_H
#include "device/kernels/act.h"
#include "device/kernels/altup.h"
#include "device/kernels/attn.h"
#include "device/kernels/compress.h"
#include "device/kernels/conv.h"
#include "device/kernels/delta.h"
#include "device/kernels/distill.h"
#include "device/kernels/elementwise.h"
#include "device/kernels/dsa.h"
#include "device/kernels/embed.h"
#include "device/kernels/experts.h"
#include "device/kernels/gate.h"
#include "device/kernels/gemm.h"
#include "device/kernels/heads.h"
#include "device/kernels/kv_code.h"
#include "device/kernels/hyper.h"
#include "device/kernels/loss.h"
#include "device/kernels/mamba3.h"
#include "device/kernels/narrow.h"
#include "device/kernels/ngram.h"
#include "device/kernels/norm.h"
#include "device/kernels/optim.h"
#include "device/kernels/prefer.h"
#include "device/kernels/product.h"
#include "device/kernels/quant.h"
#include "device/kernels/rope.h"
#include "device/kernels/selective.h"
#include "device/kernels/ssd.h"
#include "device/kernels/unit.h"

/* X(name, argument type, class): the class is where time is booked. */
#define TS_KERNELS(X)                                                                              \
    X(gemm, ts_gemm_args, GEMM)                                                                    \
    X(gemm_groups, ts_gemm_groups_args, GEMM)                                                      \
    X(gemm_pack, ts_gemm_pack_args, PACK)                                                          \
    X(gemm_i8, ts_gemm_args, GEMM)                                                                 \
    X(gemm_i8_pack, ts_gemm_pack_args, PACK)                                                       \
    X(gemm_rows, ts_gemm_rows_args, PACK)                                                          \
    X(quantize, ts_quantize_args, PACK)                                                            \
    X(gemm_quant, ts_gemm_quant_args, GEMM)                                                        \
    X(amax, ts_amax_args, PACK)                                                                    \
    X(narrow, ts_narrow_args, PACK)                                                                \
    X(widen, ts_narrow_args, PACK)                                                                 \
    X(attn_fwd, ts_attn_args, ATTENTION)                                                           \
    X(attn_bwd, ts_attn_args, ATTENTION)                                                           \
    X(attn_join, ts_attn_join_args, ATTENTION)                                                     \
    X(kv_put, ts_kv_put_args, ROWWISE)                                                             \
    X(dsa_select, ts_dsa_args, ATTENTION)                                                          \
    X(dsa_fwd, ts_dsa_args, ATTENTION)                                                             \
    X(dsa_dq, ts_dsa_args, ATTENTION)                                                              \
    X(dsa_dkv, ts_dsa_args, ATTENTION)                                                             \
    X(dsa_target, ts_dsa_args, ATTENTION)                                                          \
    X(dsa_loss, ts_dsa_args, LOSS)                                                                 \
    X(dsa_dik, ts_dsa_args, ATTENTION)                                                             \
    X(compress_plan, ts_compress_plan_args, ROWWISE)                                               \
    X(compress_fwd, ts_compress_args, ROWWISE)                                                     \
    X(compress_bwd, ts_compress_args, ROWWISE)                                                     \
    X(compress_dw, ts_compress_args, ROWWISE)                                                      \
    X(ssd_fwd, ts_ssd_args, ATTENTION)                                                             \
    X(ssd_bwd, ts_ssd_args, ATTENTION)                                                             \
    X(ssd_join, ts_ssd_args, ROWWISE)                                                              \
    X(mamba3_turns, ts_mamba3_args, ROWWISE)                                                       \
    X(mamba3_fwd, ts_mamba3_args, ROWWISE)                                                         \
    X(mamba3_bwd, ts_mamba3_args, ROWWISE)                                                         \
    X(mamba3_join, ts_mamba3_args, ROWWISE)                                                        \
    X(selective_fwd, ts_selective_args, ATTENTION)                                                 \
    X(selective_bwd, ts_selective_args, ATTENTION)                                                 \
    X(selective_join, ts_selective_args, ROWWISE)                                                  \
    X(delta_fwd, ts_delta_args, ATTENTION)                                                         \
    X(delta_bwd, ts_delta_args, ATTENTION)                                                         \
    X(kda_fwd, ts_delta_args, ATTENTION)                                                           \
    X(kda_bwd, ts_delta_args, ATTENTION)                                                           \
    X(delta_join, ts_delta_args, ROWWISE)                                                          \
    X(conv_fwd, ts_conv_args, ROWWISE)                                                             \
    X(conv_bwd, ts_conv_args, ROWWISE)                                                             \
    X(gate_fwd, ts_gate_args, ROWWISE)                                                             \
    X(gate_bwd, ts_gate_args, ROWWISE)                                                             \
    X(gate_dw, ts_gate_args, ROWWISE)                                                              \
    X(product_fwd, ts_product_args, ROWWISE)                                                       \
    X(product_bwd, ts_product_args, ROWWISE)                                                       \
    X(scale_cols, ts_scale_cols_args, ROWWISE)                                                     \
    X(clip_fwd, ts_clip_args, ROWWISE)                                                             \
    X(clip_bwd, ts_clip_args, ROWWISE)                                                             \
    X(centre_heads, ts_centre_args, ROWWISE)                                                       \
    X(unit_scales, ts_unit_args, ROWWISE)                                                          \
    X(unit_times, ts_unit_args, ROWWISE)                                                           \
    X(unit_across, ts_unit_args, ROWWISE)                                                          \
    X(rms_fwd, ts_norm_args, ROWWISE)                                                              \
    X(rms_bwd, ts_norm_args, ROWWISE)                                                              \
    X(rms_dw, ts_norm_args, ROWWISE)                                                               \
    X(ln_fwd, ts_norm_args, ROWWISE)                                                               \
    X(ln_bwd, ts_norm_args, ROWWISE)                                                               \
    X(ln_dw, ts_norm_args, ROWWISE)                                                                \
    X(rope_fwd, ts_rope_args, ROWWISE)                                                             \
    X(rope_bwd, ts_rope_args, ROWWISE)                                                             \
    X(rope_dw, ts_rope_args, ROWWISE)                                                              \
    X(rope_sums, ts_rope_args, ROWWISE)                                                            \
    X(temper, ts_temper_args, ROWWISE)                                                             \
    X(rope_heads, ts_rope_heads_args, ROWWISE)                                                     \
    X(act_fwd, ts_act_args, ROWWISE)                                                               \
    X(act_bwd, ts_act_args, ROWWISE)                                                               \
    X(glu_fwd, ts_act_args, ROWWISE)                                                               \
    X(glu_bwd, ts_act_args, ROWWISE)                                                               \
    X(mix, ts_mix_args, ROWWISE)                                                                   \
    X(mix_dots, ts_mix_args, ROWWISE)                                                              \
    X(magnitude_fwd, ts_magnitude_args, ROWWISE)                                                   \
    X(magnitude_bwd, ts_magnitude_args, ROWWISE)                                                   \
    X(sparse_fwd, ts_sparse_args, ROWWISE)                                                         \
    X(sparse_bwd, ts_sparse_args, ROWWISE)                                                         \
    X(sparse_sum, ts_sparse_args, ROWWISE)                                                         \
    X(weigh_cols, ts_weigh_cols_args, ROWWISE)                                                     \
    X(weigh_cols_dw, ts_weigh_cols_args, ROWWISE)                                                  \
    X(hyper_fwd, ts_hyper_args, ROWWISE)                                                           \
    X(hyper_bwd, ts_hyper_args, ROWWISE)                                                           \
    X(hyper_dw, ts_hyper_args, ROWWISE)                                                            \
    X(fill, ts_elementwise_args, ROWWISE)                                                          \
    X(copy, ts_elementwise_args, ROWWISE)                                                          \
    X(copy_cols, ts_copy_cols_args, ROWWISE)                                                       \
    X(add, ts_elementwise_args, ROWWISE)                                                           \
    X(swap_blocks, ts_swap_blocks_args, ROWWISE)                                                   \
    X(dropout, ts_dropout_args, ROWWISE)                                                           \
    X(col_sum, ts_col_sum_args, ROWWISE)                                                           \
    X(col_max, ts_col_sum_args, ROWWISE)                                                           \
    X(embed_fwd, ts_embed_args, ROWWISE)                                                           \
    X(embed_bwd, ts_embed_args, ROWWISE)                                                           \
    X(ngram, ts_ngram_args, ROWWISE)                                                               \
    X(route_fwd, ts_route_args, ROWWISE)                                                           \
    X(route_bwd, ts_route_args, ROWWISE)                                                           \
    X(look_up_ids, ts_look_up_ids_args, ROWWISE)                                                   \
    X(sinkhorn, ts_route_args, ROWWISE)                                                            \
    X(balance, ts_balance_args, ROWWISE)                                                           \
    X(sort_rows, ts_sort_rows_args, ROWWISE)                                                       \
    X(combine_fwd, ts_combine_args, ROWWISE)                                                       \
    X(combine_bwd, ts_combine_args, ROWWISE)                                                       \
    X(jitter, ts_jitter_args, ROWWISE)                                                             \
    X(softmax_xent, ts_loss_args, LOSS)                                                            \
    X(xent_stats, ts_loss_args, LOSS)                                                              \
    X(xent_finish, ts_loss_args, LOSS)                                                             \
    X(softcap, ts_loss_args, LOSS)                                                                 \
    X(distill_most, ts_distill_args, LOSS)                                                         \
    X(distill_sums, ts_distill_args, LOSS)                                                         \
    X(distill_mix, ts_distill_args, LOSS)                                                          \
    X(distill_finish, ts_distill_args, LOSS)                                                       \
    X(kept_sums, ts_distill_args, LOSS)                                                            \
    X(kept_finish, ts_distill_args, LOSS)                                                          \
    X(tops_find, ts_tops_args, LOSS)                                                               \
    X(tops_merge, ts_tops_args, LOSS)                                                              \
    X(tops_sums, ts_tops_args, LOSS)                                                               \
    X(tops_finish, ts_tops_args, LOSS)                                                             \
    X(prefer_sums, ts_prefer_args, LOSS)                                                           \
    X(prefer_losses, ts_prefer_args, LOSS)                                                         \
    X(prefer_back, ts_prefer_args, LOSS)                                                           \
    X(told_losses, ts_told_args, LOSS)                                                             \
    X(direct_fwd, ts_direct_args, ROWWISE)                                                         \
    X(direct_bwd, ts_direct_args, ROWWISE)                                                         \
    X(adamw, ts_adamw_args, OPTIMIZER)                                                             \
    X(adamw_kept, ts_adamw_kept_args, OPTIMIZER)                                                   \
    X(codes_add, ts_codes_args, OPTIMIZER)                                                         \
    X(codes_read, ts_codes_args, OPTIMIZER)                                                        \
    X(join_halves, ts_join_halves_args, OPTIMIZER)                                                 \
    X(sgd, ts_sgd_args, OPTIMIZER)                                                                 \
    X(lion, ts_lion_args, OPTIMIZER)                                                               \
    X(muon_momentum, ts_muon_args, OPTIMIZER)                                                      \
    X(muon_apply, ts_muon_args, OPTIMIZER)                                                         \
    X(apollo_moments, ts_apollo_args, OPTIMIZER)                                                   \
    X(apollo_factors, ts_apollo_args, OPTIMIZER)                                                   \
    X(apollo_scale, ts_apollo_args, OPTIMIZER)                                                     \
    X(apollo_apply, ts_apollo_args, OPTIMIZER)                                                     \
    X(step_pack, ts_step_pack_args, OPTIMIZER)                                                     \
    X(sumsq, ts_sumsq_args, OPTIMIZER)

typedef enum ts_kernel {
#define TS_KERNEL_ENUM(name, args, class) TS_KERNEL_##name,
    TS_KERNELS(TS_KERNEL_ENUM)
#undef TS_KERNEL_ENUM
    TS_KERNEL_COUNT
} ts_kernel;

typedef enum ts_kernel_class {
    TS_CLASS_GEMM,
    TS_CLASS_PACK,
    TS_CLASS_ATTENTION,
    TS_CLASS_ROWWISE,
    TS_CLASS_LOSS,
    TS_CLASS_OPTIMIZER,
    TS_CLASSES,
} ts_kernel_class;

const char *ts_kernel_name(ts_kernel k);
ts_kernel_class ts_kernel_class_of(ts_kernel k);
const char *ts_kernel_class_name(ts_kernel_class c);
#endif
