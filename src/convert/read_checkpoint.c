/* Checkpoints of training. */
#include "base/file.h"
#include "convert/convert.h"
#include "model/param_list.h"
#include "train/model_files.h"
#include "model/open.h"

#include <string.h>

typedef struct own {
    ts_checkpoint *ck;
    ts_arch arch;
    const ts_family *family;
    json_t *config;
    ts_side_files files;
} own;

static ts_status read_values(void *ctx, const char *param, int64_t at, int64_t n, float *to)
{
    const own *x = ctx;
    const ts_st_tensor *t = ts_checkpoint_tensor(x->ck, param);
    if (!t)
        return ts_error(TS_ERR_USER, "%s: tensor %s is missing", ts_checkpoint_path(x->ck), param);
    if (at + n > t->elements)
        return ts_error(TS_ERR_USER, "%s: tensor %s has %lld elements, expected more", t->path,
                        param, (long long)t->elements);
    return ts_st_read_f32(t, at, n, to);
}

static void on_tensor(void *ctx, size_t done, size_t all)
{
    (void)ctx;
    ts_convert_progress(done, all);
}

/* Of a stack of matrices the rows of all are counted together. */
static bool fits(const ts_st_tensor *t, const ts_listed_param *p)
{
    int64_t rows = 1;
    for (int i = 0; i < t->rank - 1; i++)
        rows *= t->shape[i];
    if (p->vectors)
        return t->rank == 2 && t->shape[0] == p->vectors && t->elements == p->dim[0];
    if (!p->dim[1])
        return t->shape[0] == p->dim[0];
    return t->rank >= 2 && rows == p->dim[0] && t->shape[t->rank - 1] == p->dim[1];
}

/* Every parameter of the description, with its shape. */
static ts_status check_tensors(const own *x)
{
    ts_param_list list;
    ts_status st = ts_param_list_make(&x->arch, &list);
    for (size_t i = 0; st == TS_OK && i < ts_names_count(list.names); i++) {
        const char *name = ts_names_text(list.names, i);
        const ts_st_tensor *t = ts_checkpoint_tensor(x->ck, name);
        if (!t || !fits(t, &list.param[i]))
            st = ts_error(TS_ERR_USER,
                          "%s: tensor %s is missing, or has another shape than the description says",
                          ts_checkpoint_path(x->ck), name);
    }
    ts_param_list_deinit(&list);
    return st;
}

static ts_status take_files(own *x)
{
    ts_side_files raw = { 0 };
    char *folder = NULL;
    ts_status st = ts_checkpoint_folder(x->ck, &folder);
    if (st == TS_OK && ts_path_is_dir(folder))
        st = ts_side_files_read(&raw, folder);
    if (st == TS_OK)
        st = ts_tokenizer_files_hf(
            &raw, json_object_get(ts_checkpoint_state(x->ck), "tokenizer"), &x->files);
    ts_side_files_deinit(&raw);
    ts_free(&folder);
    return st;
}

static ts_status open_checkpoint(const ts_convert_options *o, ts_convert_model *m)
{
    own *x;
    TS_TRY(ts_alloc(&x, 1, sizeof *x));
    m->own = x;
    ts_arch_init(&x->arch);
    TS_TRY(ts_checkpoint_open(o->load_dir, o->step, TS_CKPT_MODEL_ONLY, NULL, &x->ck));
    TS_TRY(ts_checkpoint_describe(x->ck, &x->family, &x->arch, &x->config));
    m->told = json_object_get(ts_checkpoint_state(x->ck), "adapter");
    if (!m->told || !o->adapter_alone)
        TS_TRY(check_tensors(x));
    TS_TRY(take_files(x));
    const char *file = ts_checkpoint_state_file(x->ck), *type = NULL;
    TS_TRY(ts_json_text(ts_checkpoint_state(x->ck), file, "file_dtype", "F32", &type));
    if (!ts_st_dtype_from_name(type, &m->dtype))
        return ts_error(TS_ERR_USER, "%s: file_dtype is \"%.20s\", not the name of a type", file,
                        type);
    m->path = ts_checkpoint_path(x->ck);
    m->iteration = ts_checkpoint_iteration(x->ck);
    m->source = (ts_weights_source){ .arch = &x->arch, .family = x->family, .config = x->config,
                                     .files = &x->files, .read = read_values, .ctx = x,
                                     .progress = on_tensor };
    return TS_OK;
}

static void close_checkpoint(ts_convert_model *m)
{
    own *x = m->own;
    if (!x)
        return;
    ts_checkpoint_close(&x->ck);
    ts_arch_deinit(&x->arch);
    json_decref(x->config);
    ts_side_files_deinit(&x->files);
    ts_free(&m->own);
}

const ts_convert_reader ts_convert_checkpoint = { "tessera", ts_checkpoint_is, open_checkpoint,
                                                  close_checkpoint };
