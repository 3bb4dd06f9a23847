#include "dist/dist_options.h"

#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_dist_options, field, name, def, lo, hi, choices, "distributed", help)
#define NOTE(name_, words, help_)                                                                  \
    { .name = name_, .type = TS_OPTION_NOTE, .lo = words, .group = "distributed", .help = help_ }

const ts_option ts_dist_option_rows[] = {
    ROW(FLAG, overlap_grad_reduce, "overlap-grad-reduce", NULL, 0, 0, NULL,
        "reduce gradients over the processes while backward still runs"),
    ROW(INT, ddp_bucket_size, "ddp-bucket-size", "0", 0, 1e12, NULL,
        "elements of one piece of the gradient reduction; 0: chosen"),
    ROW(REAL, timeout_minutes, "distributed-timeout-minutes", "10", 0.01, 1e6, NULL,
        "a process that waits longer than this for the others ends the job"),
    NOTE("distributed-backend", 1, "MPI between processes of CPUs"),
    NOTE("no-align-grad-reduce", 0, "a matter of pipelines"),
    NOTE("align-grad-reduce", 0, "a matter of pipelines"),
    NOTE("ddp-num-buckets", 1, "see ddp-bucket-size"),
    NOTE("ddp-average-in-collective", 0, "gradients are summed, then scaled once"),
    NOTE("no-gradient-reduce-div-fusion", 0, "scaling is part of the optimizer step"),
    NOTE("local-rank", 1, "mpirun or srun says it"),
    NOTE("lazy-mpu-init", 1, "no such stage"),
    NOTE("nccl-communicator-config-path", 1, "no NCCL"),
    NOTE("use-tp-pp-dp-mapping", 0, "one order of groups"),
    NOTE("use-sharp", 0, "MPI decides"),
};
const size_t ts_dist_option_count = sizeof ts_dist_option_rows / sizeof *ts_dist_option_rows;

int64_t ts_dist_bucket_elements(const ts_dist_options *o)
{
    return o->ddp_bucket_size > 0 ? o->ddp_bucket_size : (int64_t)4 << 20;
}
