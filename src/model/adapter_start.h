/* Where new adapters begin (PEFT's init_lora_weights), those among them that are made of the weights beside them.
 *
 *   true, gaussian      A random, B zero: the model stays as it is
 *   pissa, pissa_niter_N (PiSSA: Meng et al., arXiv 2404.02948)   B A: the largest singular values of W
 *   olora (Büyükakyüz, arXiv 2406.01775)                          B A: the first columns of W = Q R
 *   loftq (LoftQ: Li et al., arXiv 2310.08659), of weights in NF4 B A: the largest singular values of what 4 bits have lost
 *
 * PiSSA and OLoRA take what the adapter begins with out of the weights: who reads the folder then gets W - scale B A. The
 * first A and B stay beside the trained ones (lora_start_A, lora_start_B), so that the model without its adapter is known,
 * and the adapter can be written as one of the unchanged model. */
#ifndef TS_MODEL_ADAPTER_START_H
#define TS_MODEL_ADAPTER_START_H
#include "ckpt/checkpoint.h"
#include "model/adapters.h"

/* config: of PEFT; init_lora_weights missing is true. is_begun: its values are in a folder, so that a beginning that no two
 * runs have alike is TS_ERR_USER, as is one that is not here. file: for messages. */
ts_status ts_adapter_start_read(const json_t *config, const char *file, bool is_begun, ts_adapter_start *out, int64_t *passes) TS_NODISCARD;
/* TS_ERR_USER that names the first module (a->n) whose adapter cannot begin so. */
ts_status ts_adapter_start_check(const ts_adapters *a, const char *file) TS_NODISCARD;
/* Before the folder's weights are read: makes what the adapter begins with, and puts what is left of weights into the place
 * of theirs. ck: that has the beginnings already; NULL: they are made. Nothing where the weights are not asked. */
ts_status ts_adapter_start_make(ts_adapters *a, const ts_family *family, const ts_arch *arch, ts_st_dir *dir, const ts_checkpoint *ck) TS_NODISCARD;
/* Values of the trained and the first A and B, once made. TS_ERR_USER: no folder was there to make them of. */
ts_status ts_adapter_start_fill(const ts_adapters *a, ts_decoder *d, bool trained) TS_NODISCARD;
/* What was made, once all is read. */
void ts_adapter_start_drop(ts_adapters *a);
/* Of an adapter whose beginning was taken out of the weights: its config as one of the unchanged model, [A, first A] and
 * [B, - first B], of twice the rank. */
ts_status ts_adapter_start_undo(json_t *config) TS_NODISCARD;
#endif
