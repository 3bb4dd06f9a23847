/* Files of torch.save (since torch 1.6): a zip of a pickle and of the bytes of its tensors.
 *
 * The file is mapped; a tensor stays where it is in it. Strides, offsets and storages that several tensors share are
 * obeyed. Every refusal is TS_ERR_USER and names the file. */
#ifndef TS_IO_TORCH_TORCH_FILE_H
#define TS_IO_TORCH_TORCH_FILE_H
#include "io/safetensors.h"
#include "io/torch/pickle.h"

typedef struct ts_torch_file ts_torch_file;
ts_status ts_torch_file_open(const char *path, ts_torch_file **out) TS_NODISCARD;
/* The same of n bytes that stay where they are. */
ts_status ts_torch_file_read(const unsigned char *data, size_t n, const char *path, ts_torch_file **out) TS_NODISCARD;
void ts_torch_file_close(ts_torch_file **file);
const char *ts_torch_file_path(const ts_torch_file *file);
/* What was saved. */
const ts_pickle_node *ts_torch_file_root(const ts_torch_file *file);

/* Whether a node is a tensor or a parameter. */
bool ts_torch_is_tensor(const ts_pickle_node *node);
/* The tensor that a node is, under this name (borrowed). Its elements are made as they are read (ts_st_tensor.make) where they
 * do not stand one behind the other; of other than real numbers they are copied. It lives as long as the file. */
ts_status ts_torch_tensor(ts_torch_file *file, const char *name, const ts_pickle_node *node, ts_st_tensor *out) TS_NODISCARD;
/* Gives a tensor up: see ts_st_file_is_done. */
void ts_torch_file_is_done(const ts_torch_file *file, const ts_st_tensor *t);

/* The tensors of a file that is a state dict, or has one as "state_dict", "model" or "module": name to tensor, with what
 * stands in dicts in dicts named by both; other values are passed over. In the order of the file. */
typedef struct ts_torch_dict {
    ts_torch_file *file;
    ts_st_tensor *v;
    size_t n, cap, seen;
} ts_torch_dict;
ts_status ts_torch_dict_open(const char *path, ts_torch_dict *out) TS_NODISCARD;
void ts_torch_dict_close(ts_torch_dict *d);
#endif
