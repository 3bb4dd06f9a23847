/* MindSpeed's dist-train: a model's networks (an encoder and a backbone) on processes of their own
 * (dist/line.h), as a file says. */
#ifndef TS_PARALLEL_DIST_TRAIN_H
#define TS_PARALLEL_DIST_TRAIN_H
#include "dist/line.h"
#include "parallel/options.h"

enum { TS_NETWORK_NAME = 32 };

typedef struct ts_dist_network {
    char name[TS_NETWORK_NAME];
    int64_t processes, tensor, pipeline, context;
    bool forward_only; /* it is not trained: no gradient comes to it */
} ts_dist_network;

typedef struct ts_dist_train {
    int n;                                      /* 0: all networks share all processes */
    ts_dist_network network[TS_LINE_NETWORKS]; /* in the order of the pipeline */
} ts_dist_train;

/* The file of --dist-train-config, JSON or YAML: a list of networks, or MindSpeed's object that has it
 * (model_config, itself under dist_config or not). Of each
 *
 *   name, model_index (its place in the pipeline), world_size, tensor_model_parallel_size,
 *   pipeline_model_parallel_size, context_parallel_size, forward_only, main_dp
 *
 * of which sizes that are not given are 1. names [n]: the model's networks as they follow one another, each of
 * which the file must place; world: processes. All that is wrong of a file is TS_ERR_USER. Without --dist-train
 * out->n is 0. */
ts_status ts_dist_train_read(const ts_parallel_options *o, const char *const *names, int n, int64_t world,
                             ts_dist_train *out) TS_NODISCARD;
/* Of a model that is one network: the file says of it what the options say. Else TS_ERR_USER. */
ts_status ts_dist_train_alone(const ts_dist_train *d, const ts_parallel_options *o) TS_NODISCARD;
/* What ts_line_create takes of two. */
ts_mesh_shape ts_dist_network_shape(const ts_dist_network *n, const ts_parallel_options *o);
#endif
