/* What --load names, whatever its form: a Hugging Face folder, a GGUF file, a checkpoint of Megatron. All read as a Hugging
 * Face folder does: a description and a config.json, tensors under that family's names. */
#ifndef TS_MODEL_FOLDER_H
#define TS_MODEL_FOLDER_H
#include "model/weights.h"

/* Whether it is one of these: there is a config.json, or it is one of the others by content. */
bool ts_folder_is(const char *path);
/* As ts_family_read_folder. */
ts_status ts_folder_read(const char *path, const ts_family **family, ts_arch *arch, json_t **config) TS_NODISCARD;
/* Its tensors. Those of other forms are made as they are read. */
ts_status ts_folder_open(const char *path, ts_st_dir **out) TS_NODISCARD;
#endif
