#include "model/folder.h"

#include "base/file.h"
#include "io/gguf/gguf.h"
#include "model/megatron/tensors.h"

bool ts_folder_is(const char *path)
{
    ts_str file = { 0 };
    if (ts_gguf_is(path))
        return true;
    const bool yes = ts_path_join(&file, path, "config.json") == TS_OK && ts_path_exists(file.s);
    ts_str_deinit(&file);
    return yes || ts_mg_checkpoint_is(path);
}

/* A config.json beside the ranks' files says that the folder is another program's matter. */
static bool is_megatron(const char *path)
{
    ts_str file = { 0 };
    const bool is_hf = ts_path_join(&file, path, "config.json") == TS_OK && ts_path_exists(file.s);
    ts_str_deinit(&file);
    return !is_hf && ts_mg_checkpoint_is(path);
}

ts_status ts_folder_read(const char *path, const ts_family **family, ts_arch *arch, json_t **config)
{
    ts_mg_checkpoint *ck;
    if (!is_megatron(path))
        return ts_family_read_folder(path, family, arch, config);
    TS_TRY(ts_mg_checkpoint_open(path, -1, &ck));
    const ts_status st = ts_mg_checkpoint_describe(ck, NULL, family, arch, config);
    ts_mg_checkpoint_close(&ck);
    return st;
}

ts_status ts_folder_open(const char *path, ts_st_dir **out)
{
    return is_megatron(path) ? ts_mg_tensors_open(path, out) : ts_st_dir_open(path, NULL, out);
}
