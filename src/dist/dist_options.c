#include "dist/dist_options.h"

#include <string.h>

#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_dist_options, field, name, def, lo, hi, choices, "distributed", help)
#define NOTE(name_, words, help_) TS_NOTE(name_, words, "distributed", help_)
#define LAUNCHER "the launcher's (mpirun, srun)"

const ts_option ts_dist_option_rows[] = {
    ROW(FLAG, overlap_grad_reduce, "overlap-grad-reduce", NULL, 0, 0, NULL,
        "reduce gradients over the processes while backward still runs"),
    ROW(INT, ddp_bucket_size, "ddp-bucket-size", "0", 0, 1e12, NULL,
        "elements of one piece of the gradient reduction; 0: chosen"),
    ROW(REAL, timeout_minutes, "distributed-timeout-minutes", "10", 0.01, 1e6, NULL,
        "a process that waits longer than this for the others ends the job; by default within a step 30 s, or ten median "
        "steps where that is longer"),
    ROW(INT, nnodes, "nnodes", "0", 0, 1e6, NULL, "hosts of the job; checked when given"),
    ROW(INT, nproc_per_node, "nproc_per_node", "0", 0, 1e6, NULL,
        "processes on a host; checked when given"),
    ROW(INT, worker_num, "worker_num", "0", 0, 1e6, NULL,
        "processes of the job; checked when given"),
    ROW(INT, nproc_per_node, "local_worker_num", "0", 0, 1e6, NULL, "as --nproc_per_node"),
    { .name = "distributed-backend", .type = TS_OPTION_NOTE, .lo = 1,
      .choices = "nccl|gloo|hccl|mpi|lccl", .group = "distributed",
      .help = "MPI between processes of CPUs" },
    NOTE("node_rank", 1, LAUNCHER),
    NOTE("master_addr", 1, LAUNCHER),
    NOTE("master_port", 1, LAUNCHER),
    NOTE("local-rank", 1, LAUNCHER),
    NOTE("local_addr", 1, LAUNCHER),
    NOTE("rdzv_backend", 1, LAUNCHER),
    NOTE("rdzv_endpoint", 1, LAUNCHER),
    NOTE("rdzv_id", 1, LAUNCHER),
    NOTE("rdzv_conf", 1, LAUNCHER),
    NOTE("standalone", 0, LAUNCHER),
    NOTE("max_restarts", 1, LAUNCHER),
    NOTE("monitor_interval", 1, LAUNCHER),
    NOTE("start_method", 1, LAUNCHER),
    NOTE("role", 1, LAUNCHER),
    NOTE("redirects", 1, LAUNCHER),
    NOTE("tee", 1, LAUNCHER),
    NOTE("hostfile", 1, LAUNCHER),
    NOTE("force_multi", 0, LAUNCHER),
    NOTE("join", 1, LAUNCHER),
    NOTE("log_dir", 1, LAUNCHER),
    NOTE("cluster_time_out", 1, LAUNCHER),
    NOTE("bind_core", 1, "mpirun --bind-to"),
    NOTE("ai-framework", 1, "one framework"),
    NOTE("DDP-impl", 1, "one way of reducing gradients"),
    NOTE("use-contiguous-buffers-in-ddp", 0, "one way of reducing gradients"),
    NOTE("disable-gloo-group", 0, "no such groups"),
    NOTE("enable-gloo-process-groups", 0, "no such groups"),
    NOTE("disable-gloo-process-groups", 0, "no such groups"),
    NOTE("hccl-op-mode", 1, "no such library"),
    NOTE("no-align-grad-reduce", 0, "a matter of pipelines"),
    NOTE("ddp-average-in-collective", 0, "gradients are summed, then scaled once"),
    NOTE("ddp-num-buckets", 1, "--ddp-bucket-size says how large pieces are"),
    NOTE("ddp-pad-buckets-for-high-nccl-busbw", 0, "no NCCL"),
    NOTE("no-gradient-reduce-div-fusion", 0, "scaling is part of the optimizer step"),
    NOTE("lazy-mpu-init", 1, "no such stage"),
    NOTE("nccl-communicator-config-path", 1, "no NCCL"),
    NOTE("high-priority-stream-groups", TS_OPTION_ANY, "no NCCL"),
    NOTE("use-nccl-ub", 0, "no NCCL"),
    NOTE("use-sharp", 0, "MPI decides"),
    TS_HINT("gpus", 1, "mpirun -n N tessera ..., a process for each part of the machine"),
    TS_HINT("num-gpus", 1, "mpirun -n N tessera ..., a process for each part of the machine"),
    TS_HINT("devices", 1, "mpirun -n N tessera ..., a process for each part of the machine"),
    TS_HINT("num-processes", 1, "mpirun -n N tessera ..."),
    TS_HINT("num-nodes", 1, "--nnodes"),
    TS_HINT("ddp-timeout", 1, "--distributed-timeout-minutes"),
    TS_HINT("distributed-timeout-seconds", 1, "--distributed-timeout-minutes"),
};
const size_t ts_dist_option_count = sizeof ts_dist_option_rows / sizeof *ts_dist_option_rows;

int64_t ts_dist_bucket_elements(const ts_dist_options *o)
{
    return o->ddp_bucket_size > 0 ? o->ddp_bucket_size : (int64_t)4 << 20;
}

/* One of the two alone is held against where the processes are. */
static ts_status check_hosts(const ts_dist_options *o, ts_comm *world)
{
    int64_t hosts = world->local_rank == 0, ends[2] = { world->local_size, -world->local_size };
    TS_TRY(ts_comm_run(world, ts_all_reduce(&hosts, 1, TS_COMM_I64, TS_COMM_SUM)));
    TS_TRY(ts_comm_run(world, ts_all_reduce(ends, 2, TS_COMM_I64, TS_COMM_MAX)));
    if (o->nnodes > 0 && o->nnodes != hosts)
        return ts_error(TS_ERR_USER, "--nnodes says %lld hosts, the launcher started processes on "
                                     "%lld", (long long)o->nnodes, (long long)hosts);
    if (o->nproc_per_node > 0 && (o->nproc_per_node != ends[0] || ends[0] != -ends[1]))
        return ts_error(TS_ERR_USER,
                        "--nproc_per_node says %lld processes on a host, the launcher started %lld "
                        "there: start them with mpirun -n %lld (or srun)",
                        (long long)o->nproc_per_node,
                        (long long)(ends[0] != o->nproc_per_node ? ends[0] : -ends[1]),
                        (long long)(o->nproc_per_node * hosts));
    return TS_OK;
}

ts_status ts_dist_options_check(const ts_dist_options *o, ts_comm *world)
{
    const bool both = o->nnodes > 0 && o->nproc_per_node > 0, any = o->nnodes || o->nproc_per_node;
    if (o->worker_num > 0 && o->worker_num != world->size)
        return ts_error(TS_ERR_USER, "--worker_num says %lld processes, the launcher started %d",
                        (long long)o->worker_num, world->size);
    if (both && o->nnodes * o->nproc_per_node != world->size)
        return ts_error(
            TS_ERR_USER,
            "--nnodes %lld times --nproc_per_node %lld is %lld processes, the launcher started %d: "
            "start them with mpirun -n %lld (or srun)",
            (long long)o->nnodes, (long long)o->nproc_per_node,
            (long long)(o->nnodes * o->nproc_per_node), world->size,
            (long long)(o->nnodes * o->nproc_per_node));
    /* a made-up group has no hosts */
    return any && !both && strcmp(world->kind, "sim") ? check_hosts(o, world) : TS_OK;
}
