/* What a model keeps beside its weights: the tokenizer's files, special tokens, how to generate. */
#ifndef TS_TRAIN_MODEL_FILES_H
#define TS_TRAIN_MODEL_FILES_H
#include "model/weights.h"
#include "text/tokenizer_files.h"

/* A model that is made anew ends, begins and fills texts with the tokenizer's tokens. */
void ts_arch_take_ids(ts_arch *a, const ts_text_tokenizer *t);

/* Fills m's files: those of the folder that it came from, with another tokenizer where options name
 * one (`t`, opened; NULL: none), and a generation_config.json from the description where there was
 * none; and their forms for Hugging Face. */
ts_status ts_model_take_files(ts_model *m, const ts_text_options *o,
                              const ts_text_tokenizer *t) TS_NODISCARD;

/* The options of the tokenizer that a model's folder holds; false: it holds none. Texts live as long
 * as the set, which may stay NULL. */
ts_status ts_model_tokenizer(const ts_model *m, ts_text_options *o, ts_option_set **set,
                             bool *found) TS_NODISCARD;

/* Refuses a folder for a Hugging Face model that would be written over other results of the run:
 * TS_ERR_USER that names both options. */
ts_status ts_model_folder_apart(const char *folder, const char *option, const char *other,
                                const char *other_option) TS_NODISCARD;
#endif
