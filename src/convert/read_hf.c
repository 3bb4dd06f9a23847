/* Hugging Face folders, and GGUF files, which read as such. Of a family that is not known here the tensors can still be carried over as
 * they are. */
#include "base/file.h"
#include "convert/convert.h"
#include "io/gguf/gguf.h"
#include "model/open.h"
#include "text/hf_files.h"

typedef struct own {
    ts_st_dir *dir;
    ts_arch arch;
    const ts_family *family;
    json_t *config;
    ts_side_files files;
} own;

static ts_status read_config(own *x, const char *folder)
{
    ts_str path = { 0 };
    const ts_status st = ts_family_config(folder, &path, &x->config);
    ts_str_deinit(&path);
    return st;
}

/* folder: of config.json and the tokenizer. */
static ts_status open_with(const ts_convert_options *o, const char *folder, ts_convert_model *m)
{
    own *x;
    json_t *again = NULL;
    TS_TRY(ts_alloc(&x, 1, sizeof *x));
    m->own = x;
    ts_arch_init(&x->arch);
    TS_TRY(read_config(x, folder));
    TS_TRY(ts_st_dir_open(o->load_dir, NULL, &x->dir));
    TS_TRY(ts_hf_files_read(folder, &x->files));
    m->path = o->load_dir;
    m->tensors = x->dir;
    m->config = x->config;
    m->dtype = ts_weights_dtype(x->dir);
    m->source = (ts_weights_source){ .config = x->config, .files = &x->files };
    const ts_status st = ts_family_read_folder(folder, &x->family, &x->arch, &again);
    json_decref(again);
    if (st == TS_ERR_USER) /* not known here */
        return TS_OK;
    m->source.arch = &x->arch;
    m->source.family = x->family;
    return st;
}

static ts_status open_hf(const ts_convert_options *o, ts_convert_model *m) { return open_with(o, o->load_dir, m); }

static ts_status open_pt(const ts_convert_options *o, ts_convert_model *m)
{
    if (!o->hf_cfg_dir)
        return ts_error(TS_ERR_USER, "--load-dir %s: a file of torch does not say what model it is: give --hf-cfg-dir, a folder with "
                                     "its config.json", o->load_dir);
    return open_with(o, o->hf_cfg_dir, m);
}

static void close_hf(ts_convert_model *m)
{
    own *x = m->own;
    if (!x)
        return;
    ts_st_dir_destroy(&x->dir);
    ts_arch_deinit(&x->arch);
    json_decref(x->config);
    ts_side_files_deinit(&x->files);
    ts_free(&m->own);
}

static bool is_folder(const char *path) { return ts_path_is_dir(path) && ts_model_is_hf(path) && !ts_convert_mg.is(path) && !ts_convert_torch_dist.is(path); }

const ts_convert_reader ts_convert_hf = { "hf", is_folder, open_hf, close_hf };
const ts_convert_reader ts_convert_gguf = { "gguf", ts_gguf_is, open_hf, close_hf };

static bool is_pt(const char *path)
{
    return !ts_path_is_dir(path) && ts_path_exists(path) &&
           (ts_path_ends(path, ".pt") || ts_path_ends(path, ".bin") || ts_path_ends(path, ".pth"));
}

const ts_convert_reader ts_convert_pt = { "pt", is_pt, open_pt, close_hf };
