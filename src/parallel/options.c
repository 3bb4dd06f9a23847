#include "parallel/options.h"

#define ROW(field, name, help)                                                                     \
    TS_ROW(INT, ts_parallel_options, field, name, "1", 1, 1 << 20, NULL, "layout", help)
#define NOTE(name_, words) { .name = name_, .type = TS_OPTION_NOTE, .lo = words, .group = "layout" }

const ts_option ts_parallel_option_rows[] = {
    ROW(tensor, "tensor-model-parallel-size", "processes that share each layer (1)"),
    ROW(pipeline, "pipeline-model-parallel-size", "stages of layers (1)"),
    ROW(context, "context-parallel-size", "processes that share a sequence (1)"),
    ROW(expert, "expert-model-parallel-size", "processes that share experts (1)"),
    ROW(expert_tensor, "expert-tensor-parallel-size", "processes that share an expert (1)"),
    /* These change where things are kept or when they travel, never the result. */
    NOTE("sequence-parallel", 0), NOTE("use-distributed-optimizer", 0), NOTE("reuse-fp32-param", 0),
    NOTE("overlap-param-gather", 0), NOTE("swap-optimizer", 0), NOTE("swap-optimizer-times", 1),
    NOTE("context-parallel-algo", 1), NOTE("use-cp-send-recv-overlap", 0),
    NOTE("recompute-norm", 0), NOTE("recompute-norm-num-layers", 1),
    NOTE("recompute-activation-function", 0), NOTE("recompute-activation-function-num-layers", 1),
    NOTE("use-mc2", 0), NOTE("use-fused-mlp", 0), NOTE("sparse-mode", 1),
};
const size_t ts_parallel_option_count =
    sizeof ts_parallel_option_rows / sizeof *ts_parallel_option_rows;

static ts_status must_be_one(int64_t n, const char *name)
{
    if (n == 1)
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "--%s %lld: only 1 is there in this version; processes are used for data "
                    "parallelism (mpirun -n N)",
                    name, (long long)n);
}

ts_status ts_parallel_options_check(const ts_parallel_options *o)
{
    TS_TRY(must_be_one(o->tensor, "tensor-model-parallel-size"));
    TS_TRY(must_be_one(o->pipeline, "pipeline-model-parallel-size"));
    TS_TRY(must_be_one(o->context, "context-parallel-size"));
    TS_TRY(must_be_one(o->expert, "expert-model-parallel-size"));
    return must_be_one(o->expert_tensor, "expert-tensor-parallel-size");
}
