/* Options of the network: how gradients travel, and how long to wait for others. */
#ifndef TS_DIST_DIST_OPTIONS_H
#define TS_DIST_DIST_OPTIONS_H
#include "base/option.h"

typedef struct ts_dist_options {
    bool overlap_grad_reduce;
    int64_t ddp_bucket_size; /* elements; 0: ts_dist_bucket_elements decides */
    double timeout_minutes;  /* of one collective */
} ts_dist_options;
extern const ts_option ts_dist_option_rows[];
extern const size_t ts_dist_option_count;

/* Elements of a gradient bucket: what the user said, else a size that was measured. */
int64_t ts_dist_bucket_elements(const ts_dist_options *o);
#endif
