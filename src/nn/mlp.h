/* The MLP of a layer. */
#ifndef TS_NN_MLP_H
#define TS_NN_MLP_H
#include "nn/linear.h"
#include "nn/sublayer.h"

/* x -> fc2(act(fc1 x)), gated or not. */
typedef struct ts_mlp_layer {
    ts_linear fc1, fc2;
    ts_act act;
    bool gated;
    float clamp, offset; /* of a gated one (ts_act_op); 0: none */
    bool clamps_value;
    float gate_scale, out_scale; /* factors of the gate before its activation, of what comes out */
    bool is_shared; /* the shared expert of a mixture */
    bool is_sparse; /* gated: of the gates what is above their mean and `times` their deviation, less that */
    float times;
} ts_mlp_layer;
ts_status ts_mlp_declare(const ts_declarer *d, ts_mlp_layer *l) TS_NODISCARD;
/* Its two halves: x -> what fc2 reads -> y, for who does something between them. */
ts_status ts_mlp_first(ts_tape *tape, const ts_mlp_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                       ts_tensor **a) TS_NODISCARD;
ts_status ts_mlp_second(ts_tape *tape, const ts_mlp_layer *l, const ts_run *run, int64_t layer, ts_tensor *a,
                        ts_tensor **y) TS_NODISCARD;
ts_sublayer ts_mlp_sublayer(const ts_mlp_layer *l);
#endif
