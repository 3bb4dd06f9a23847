/* Checkpoints of Megatron-LM and MindSpeed LLM. */
#include "convert/convert.h"
#include "model/megatron/read.h"
#include "text/hf_files.h"

typedef struct own {
    ts_mg_checkpoint *ck;
    ts_param_values values;
    ts_arch arch;
    const ts_family *family;
    json_t *config;
    ts_side_files files;
} own;

static void on_tensor(void *ctx, size_t done, size_t all)
{
    (void)ctx;
    ts_convert_progress(done, all);
}

static void on_done(void *ctx, const ts_st_tensor *t) { ts_mg_checkpoint_is_done(ctx, t); }

static ts_status open_mg(const ts_convert_options *o, ts_convert_model *m)
{
    own *x;
    TS_TRY(ts_alloc(&x, 1, sizeof *x));
    m->own = x;
    ts_arch_init(&x->arch);
    TS_TRY(ts_mg_checkpoint_open(o->load_dir, o->step, &x->ck));
    TS_TRY(ts_mg_checkpoint_describe(x->ck, o->hf_cfg_dir, &x->family, &x->arch, &x->config));
    TS_TRY(ts_mg_checkpoint_values(x->ck, &x->arch, &x->values));
    TS_TRY(ts_hf_files_read(o->hf_cfg_dir ? o->hf_cfg_dir : o->load_dir, &x->files));
    m->path = o->load_dir;
    m->iteration = ts_mg_checkpoint_iteration(x->ck);
    m->dtype = ts_mg_checkpoint_dtype(&x->values);
    m->source = (ts_weights_source){ .arch = &x->arch, .family = x->family, .config = x->config, .files = &x->files,
                                     .read = ts_param_values_read, .ctx = &x->values,
                                     .dtype = ts_param_values_dtype_of, .dtype_ctx = &x->values, .values = &x->values, .is_done = on_done, .done_ctx = x->ck,
                                     .progress = on_tensor };
    return TS_OK;
}

static void close_mg(ts_convert_model *m)
{
    own *x = m->own;
    if (!x)
        return;
    ts_param_values_deinit(&x->values);
    ts_mg_checkpoint_close(&x->ck);
    ts_arch_deinit(&x->arch);
    json_decref(x->config);
    ts_side_files_deinit(&x->files);
    ts_free(&m->own);
}

static bool is_ranks(const char *path) { return ts_mg_checkpoint_is(path) && !ts_mg_checkpoint_is_dist(path); }

const ts_convert_reader ts_convert_mg = { "mg", is_ranks, open_mg, close_mg };
const ts_convert_reader ts_convert_torch_dist = { "torch_dist", ts_mg_checkpoint_is_dist, open_mg, close_mg };
