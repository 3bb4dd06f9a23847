/* The tensors of a checkpoint of Megatron as a Hugging Face folder has them: under its family's names, each made of the ranks'
 * files as it is read. */
#ifndef TS_MODEL_MEGATRON_TENSORS_H
#define TS_MODEL_MEGATRON_TENSORS_H
#include "model/megatron/read.h"

ts_status ts_mg_tensors_open(const char *path, ts_st_dir **out) TS_NODISCARD;
#endif
