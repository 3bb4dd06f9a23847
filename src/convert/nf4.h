/* Hugging Face folders of weights in NF4, made and unmade (model/weights_bnb.h). */
#ifndef TS_CONVERT_NF4_H
#define TS_CONVERT_NF4_H
#include "base/names.h"
#include "convert/convert.h"
#include "io/st_write.h"

/* The names, as the folder has them, of the weights of the layers' linear layers that are real numbers: what NF4 is made
 * of. A folder of a family that is not known here, or of which nothing would be made, is TS_ERR_USER. */
ts_status ts_convert_nf4_names(const ts_convert_model *m, ts_names **out) TS_NODISCARD;
/* config.json's with what transformers asks for; names: those of the line above. */
ts_status ts_convert_nf4_config(const ts_convert_model *m, const ts_names *names, json_t **out) TS_NODISCARD;

/* The tensors that stand for one: their number, and each added to w and put, as numbers from `first` on. */
enum { TS_NF4_PARTS = 6 };
ts_status ts_convert_nf4_add(ts_st_dir_writer *w, const ts_st_tensor *t) TS_NODISCARD;
ts_status ts_convert_nf4_put(ts_st_dir_writer *w, int64_t first, const ts_st_tensor *t) TS_NODISCARD;
#endif
