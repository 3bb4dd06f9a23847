/* Options of the network: how gradients travel, and how long to wait for others. */
#ifndef TS_DIST_DIST_OPTIONS_H
#define TS_DIST_DIST_OPTIONS_H
#include "base/option.h"
#include "dist/comm.h"

typedef struct ts_dist_options {
    bool overlap_grad_reduce;
    int64_t ddp_bucket_size; /* elements; 0: ts_dist_bucket_elements decides */
    double timeout_minutes;  /* of one collective */
    int64_t nnodes, nproc_per_node, worker_num; /* what another launcher was told; 0: nothing */
} ts_dist_options;
extern const ts_option ts_dist_option_rows[];
extern const size_t ts_dist_option_count;

/* Elements of a gradient bucket: what the user said, else a size that was measured. */
int64_t ts_dist_bucket_elements(const ts_dist_options *o);
/* TS_ERR_USER when the numbers of hosts and processes do not fit what was started. */
ts_status ts_dist_options_check(const ts_dist_options *o, ts_comm *world) TS_NODISCARD;
#endif
