#include "convert/merge.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

/* An adapter in a folder has its own values beside the model's. */
static ts_status read_either(void *ctx, const char *param, int64_t at, int64_t n, float *to)
{
    const ts_convert_merge *x = ctx;
    bool found;
    TS_TRY(ts_adapters_read(x->adapters, param, at, n, to, &found));
    return found ? TS_OK : x->model.read(x->model.ctx, param, at, n, to);
}

ts_status ts_convert_merge_init(ts_convert_merge *x, const ts_convert_options *o, const ts_weights_source *values,
                                const ts_adapters *adapters)
{
    const bool in_folder = adapters->dir; /* else in the same source */
    *x = (ts_convert_merge){ .model = *values, .adapters = adapters };
    x->merger = (ts_merger){ .a = adapters, .read = in_folder ? read_either : values->read,
                             .ctx = in_folder ? (void *)x : values->ctx };
    if (in_folder && ts_names_count(adapters->saved_files))
        return ts_error(TS_ERR_USER, "--lora-load %s: the adapter has modules that were trained whole (modules_to_save): convert "
                                     "the model to a Hugging Face folder first", o->lora.load);
    return TS_OK;
}

void ts_convert_merge_deinit(ts_convert_merge *x) { ts_merger_deinit(&x->merger); }

bool ts_convert_merge_changes(const ts_adapters *adapters, const char *param)
{
    char linear[TS_DECLARED_NAME];
    const size_t n = strlen(param), end = sizeof ".weight" - 1;
    if (n <= end || n >= sizeof linear || !ts_path_ends(param, ".weight"))
        return false;
    snprintf(linear, sizeof linear, "%.*s", (int)(n - end), param);
    return ts_names_find(adapters->plan.linears, linear) >= 0;
}
