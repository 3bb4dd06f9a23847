/* A training job run on the simulated device: the same code as a real one, with nothing computed,
 * so that what it counts (memory, operations, messages) is what the real job does. Seconds are
 * estimates. */
#ifndef TS_PLAN_SIMULATE_H
#define TS_PLAN_SIMULATE_H
#include "device/sim/sim.h"
#include "dist/traffic.h"
#include "train/job.h"

typedef struct ts_plan_options {
    int64_t world_size;   /* 0: see ts_plan_world_size */
    const char *hardware; /* ts_plan_hardware's name */
    const char *trace;    /* a file for the step as a trace (plan/trace.h) */
    ts_option_list scale; /* world sizes: see plan/scale.h */
    bool json;
    bool list_presets; /* and nothing else */
} ts_plan_options;
extern const ts_option ts_plan_option_rows[];
extern const size_t ts_plan_option_count;

/* Ranks that are alike, those of a stage: the first of them. All but the memory is of one step. */
typedef struct ts_plan_rank {
    int rank, count;
    int tp, cp, ep, dp, pp; /* its coordinates */
    ts_mem_ledger mem;      /* of the whole run */
    char peak_at[128];
    ts_kernel_stat kernel[TS_KERNEL_COUNT];
    double flops, seconds, network_seconds;
    ts_traffic traffic;
    double swapped[TS_WAYS]; /* bytes that go to the second memory and come back */
    double activation_bytes;   /* held on average over the step */
    double activation_seconds; /* that a byte of them lives on average */
    ts_holder_list held;       /* with --memory-report: at the highest moment */
    ts_timeline timeline;      /* with --trace: of a step, as the replay has it */
} ts_plan_rank;

enum { TS_PLAN_ORDER = 4 };

typedef struct ts_plan {
    int world_size, replicas; /* processes; of them those that share out the batch */
    ts_sim_hardware hw;
    double active; /* of the parameters, what a token goes through */
    int64_t parameters, trained, layers, vocab, global, micro, n_micro, seq_length;
    ts_batch_ramp ramp; /* the figures are of its full batch */
    int64_t train_iters;
    ts_dtype compute;
    int64_t memory_limit;      /* --memory-limit-gb; 0: none */
    int ranks_of_a_host;
    ts_plan_rank *rank; /* [n_ranks] stage after stage */
    int n_ranks;
    bool is_recorded; /* each rank has a timeline */
    ts_schedule_kind schedule; /* of the stages */
    bool interweaves;          /* see ts_schedule_shape */
    int64_t chunks;            /* of each */
    double step_seconds, tokens_per_second, bubble;
    double flops; /* of a step, all processes, as Megatron counts them */
    /* What --adaptive-... chose, [layers] by number; NULL: nothing was to be chosen. */
    ts_layer_memory *chosen;
    int64_t chosen_limit;   /* bytes */
    bool chosen_for_device; /* of the device alone; else of both memories */
    /* What --automated-pipeline chose, [chosen_stages]: layers of each stage, and how many of them run again; the
     * peak of the largest stage where layers are shared out evenly. NULL: nothing was to be chosen. */
    int64_t *stage_layers, *stage_again;
    int64_t chosen_stages, chosen_peak, even_peak;
    double chosen_seconds, even_seconds;
    /* What --automated-pipeline-perf chose, [TS_PLAN_ORDER + order[3]]: the micro-batch, the ts_schedule_kind, the global
     * batch, and how many micro-batches have sizes of their own, which follow. NULL: nothing was to be chosen. */
    int64_t *order;
    /* What units take, [rank * chunks + chunk], of a micro-batch of the mean size; what is no unit; a message. */
    double (*unit)[TS_UNIT_KINDS];
    double rest_seconds, message_seconds;
    double chosen_share;    /* more time than if all were kept, as a share, in the stage where it is most */
} ts_plan;

/* A rank's job on a device of its own, while `use` runs. */
typedef struct ts_simulation {
    ts_device *dev;
    ts_comm *comm;
    const ts_mesh *mesh;       /* of it */
    const ts_sharers *sharers; /* of the mesh */
    double network;            /* seconds spent in it */
} ts_simulation;
typedef ts_status ts_simulation_use(ts_simulation *s, ts_job *job, void *ctx);
/* p: its hardware and its numbers of processes. *next: the rank of the next stage in this one's place, -1 for the
 * last. */
ts_status ts_simulation_run(const ts_job_options *o, const ts_option_set *set, int rank, const ts_plan *p,
                            ts_simulation_use *use, void *ctx, int *next) TS_NODISCARD;
/* Seconds of its units, messages left out: a clock of the trainer's pipeline. */
double ts_simulation_clock(void *simulation);
/* So many micro-batches show what a step of all of them is made of. */
int64_t ts_simulation_few(const ts_trainer *t);

/* --world-size, --nnodes times --nproc_per_node, --worker_num, or what a launcher has started; else 1. */
int64_t ts_plan_world_size(const ts_job_options *o, const ts_plan_options *p);
/* Processes and hardware. */
ts_status ts_plan_begin(const ts_job_options *o, const ts_plan_options *p, ts_plan *out) TS_NODISCARD;
/* All stages of a plan that has begun. */
ts_status ts_plan_simulate(const ts_job_options *o, const ts_option_set *set, ts_plan *p) TS_NODISCARD;
/* Also after a failure. */
void ts_plan_deinit(ts_plan *p);
/* flops beside what the hardware's data sheet says it could do in a step; 0: not known. */
double ts_plan_utilisation(const ts_plan *p);
/* The one with most memory. */
/* Whether --memory-limit-gb and the hosts' memory are enough, for all; for one rank, and those like it on a host. */
bool ts_plan_fits(const ts_plan *p);
bool ts_plan_over_limit(const ts_plan *p, const ts_plan_rank *r);
bool ts_plan_over_host(const ts_plan *p, const ts_plan_rank *r);
/* Bytes of what the hardware's memory is the sum of: the second memory is not a GPU's. */
double ts_plan_host_bytes(const ts_plan *p, const ts_plan_rank *r);
/* The options as p->order has it. */
void ts_plan_order(const int64_t *order, ts_job_options *o);
const ts_plan_rank *ts_plan_worst(const ts_plan *p);
#endif
