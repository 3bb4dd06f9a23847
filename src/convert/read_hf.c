/* Hugging Face folders, and GGUF files, which read as such. Of a family that is not known here the tensors can still be carried over as
 * they are. */
#include "base/file.h"
#include "base/log.h"
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
    ts_new_rows *rows; /* NULL: the vocabulary is as it was */
} own;

static ts_status read_config(own *x, const char *folder)
{
    ts_str path = { 0 };
    const ts_status st = ts_family_config(folder, &path, &x->config);
    ts_str_deinit(&path);
    return st;
}

/* What an adapter that is merged has more of, with its tokenizer. */
static ts_status grow_for_adapter(const char *adapter, const char *folder, own *x)
{
    ts_new_rows_want want = { .multiple = 1, .from = -1, .init = TS_NEW_ROWS_MEAN };
    TS_TRY(ts_new_rows_of_adapter(adapter, x->family, &want.ids));
    if (want.ids <= x->arch.vocab)
        return TS_OK;
    TS_TRY(ts_new_rows_put(&want, x->family, folder, true, &x->arch, x->config, x->dir, &x->rows));
    if (!ts_hf_files_have_tokenizer(adapter))
        return TS_OK;
    ts_side_files_remove_tokenizer(&x->files);
    return ts_hf_files_read(adapter, &x->files);
}

/* New tokens: in the tokenizer's files, and rows of the model for them. */
static ts_status grow(const ts_convert_options *o, const char *folder, own *x)
{
    ts_text_options text = o->text;
    ts_text_tokenizer with;
    ts_new_rows_want want = { 0 };
    ts_new_tokens tokens;
    const int64_t had = x->arch.vocab;
    if (!ts_text_options_grow(&text) && !o->rows.resize)
        return o->lora.load ? grow_for_adapter(o->lora.load, folder, x) : TS_OK;
    text.name_or_path = folder;
    TS_TRY(ts_text_tokenizer_open(&text, &with));
    ts_status st = ts_new_rows_wanted(&o->rows, &text, &with, (uint64_t)o->seed, &want);
    ts_text_tokenizer_close(&with);
    if (st == TS_OK)
        st = ts_new_rows_put(&want, x->family, folder, true, &x->arch, x->config, x->dir, &x->rows);
    ts_new_rows_want_deinit(&want);
    TS_TRY(st);
    ts_log(TS_LOG_INFO, "%s: %lld rows of the vocabulary, %lld of them new", folder, (long long)x->arch.vocab,
           (long long)(x->arch.vocab - had));
    TS_TRY(ts_new_tokens_read(&text.add_tokens, &text.add_special_tokens, text.new_tokens_config, &tokens));
    st = ts_new_tokens_put(&tokens, &x->files);
    ts_new_tokens_deinit(&tokens);
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
    if (st == TS_ERR_USER && !ts_text_options_grow(&o->text) && !o->rows.resize) /* not known here */
        return TS_OK;
    m->source.arch = &x->arch;
    m->source.family = x->family;
    return st == TS_OK ? grow(o, folder, x) : st;
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
    ts_new_rows_destroy(&x->rows);
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
