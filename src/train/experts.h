/* What a step's layers of experts have done: counted over all processes, told, and used to move the biases of
 * routers. */
#ifndef TS_TRAIN_EXPERTS_H
#define TS_TRAIN_EXPERTS_H
#include "base/str.h"
#include "dist/mesh.h"
#include "nn/experts.h"

typedef struct ts_expert_report {
    int64_t layers, experts; /* layers of the model, with experts or not; experts 0: there are none */
    double *load;            /* [layers, experts] tokens of the last step */
    /* Mean over layers of the auxiliary losses, without their coefficients, as Megatron-LM logs them; 0 where
     * the coefficient is. */
    double balance, z;
    double most, least;      /* of all layers' experts: load over the mean of the layer's */
} ts_expert_report;

ts_status ts_expert_report_init(ts_expert_report *r, const ts_expert_load *l) TS_NODISCARD;
void ts_expert_report_deinit(ts_expert_report *r);
/* Counting begins anew. */
void ts_expert_report_begin(const ts_expert_load *l);
/* Fills r from passes passes of each process that shares out samples; moves biases. Collective. */
ts_status ts_expert_report_finish(ts_expert_report *r, const ts_expert_load *l, const ts_expert_rules *rules,
                                  const ts_mesh *mesh, int64_t passes) TS_NODISCARD;
/* Appends , "expert_load": { "layer": [tokens, ..], .. } and the losses to an object in JSON. */
ts_status ts_expert_report_json(const ts_expert_report *r, ts_str *out) TS_NODISCARD;
#endif
