/* A mixture of experts in the place of an MLP: a router sends each row to k of the experts, whose results are
 * weighed and added; beside them there may be a shared expert, an MLP that all rows go through.
 *
 *   x -> router.weight [E, hidden] -> scores -> k experts and their weights
 *   expert e: x -> fc2[e] act(fc1[e] x)         experts.linear_fc1.weight [E, 2 ffn (gated) or ffn, hidden]
 *                                               experts.linear_fc2.weight [E, hidden, ffn]
 *   has_biases: + experts.linear_fc1.bias [E, 2 ffn or ffn], experts.linear_fc2.bias [E, hidden], and to the
 *   logits router.bias [E]
 *   by_token: router.token_experts [tokens, k] says which experts each token goes to, and weighs them as others do
 *   zeros: the router has E + zeros rows; of the further ones each gives back what it is given (LongCat-Flash)
 *   router_norm, norm: router.norm.weight, experts.norm.weight [hidden]; has_scale: router.expert_scale (Gemma 4)
 *   shared: as mlp, under shared_experts; with gate_weight [1, hidden] its result times sigmoid(gate x)
 *
 * With a group (tensor parallelism) each expert's inner columns are shared out as an MLP's are. With a group of the
 * experts (expert parallelism) these are shared out too, and each process's rows find theirs (ops/dispatch.h); of a
 * tensor-parallel group each process then sends the rows that are its own share. */
#ifndef TS_NN_EXPERTS_H
#define TS_NN_EXPERTS_H
#include "nn/mlp.h"
#include "nn/norm.h"
#include "nn/routes.h"
#include "ops/experts.h"
#include "ops/lora.h"

/* What training says of routing, for all layers. Of zeros: nothing is added and nobody is dropped. */
typedef struct ts_expert_rules {
    float aux, z;        /* coefficients of the auxiliary losses */
    bool by_sequence;    /* seq_aux_loss */
    bool is_global;      /* global_aux_loss */
    bool sinkhorn, fixed; /* who chooses in training instead of scores; fixed: always */
    double capacity;     /* factor; 0: none is dropped */
    bool pads, by_position; /* to the capacity; the first pairs stay, not the largest weights */
    /* DeepSpeed's gate: all first choices have room before second ones, pairs that have none lose their weight before a
     * token's weights are divided by their sum, and the auxiliary loss counts first choices (GShard, arXiv 2006.16668) */
    bool by_slots;
    bool draws;          /* by_slots, one expert a token: who has room is drawn in training, not the first */
    bool gumbel;         /* in training the choice is drawn by the softmax */
    int64_t least;       /* by_slots: pairs that an expert takes at least */
    double capacity_alone; /* factor of passes that do not train; 0: as others */
    float jitter;
    double again_above;  /* experts' activations are made again where one had so many times its even share of rows in the
                            pass before, and in the first; 0: they are kept */
    bool swaps;          /* what is weighed and summed waits in the second memory */
    double bias_rate;    /* of the update of expert_bias; 0: none */
    ts_routes *routes;   /* choices of training are recorded or replayed; NULL: neither. Borrowed */
    ts_comm *sequence;   /* whose processes share out each sequence; NULL: none do */
    ts_comm *everyone;   /* is_global: who counts together */
} ts_expert_rules;

/* What a step has sent where. Of each layer with experts, on the device, fp32:
 * pairs [E] | aux losses by expert [E] | pairs that counted together [E] | z loss [1] */
typedef struct ts_expert_load {
    ts_device *dev;
    int64_t n, experts;
    int64_t layers;     /* of the whole model, of any kind */
    int64_t *layer;     /* [n] the numbers of these */
    struct ts_experts_layer **module; /* [n] borrowed */
    ts_param **bias;    /* [n] expert_bias, or NULL */
    ts_storage *sums;   /* [n, 3 experts + 1] */
    double *busiest;    /* [n] see ts_experts_layer */
} ts_expert_load;
ts_status ts_expert_load_init(ts_expert_load *l, ts_device *dev, int64_t layers, int64_t n,
                              int64_t experts) TS_NODISCARD;
void ts_expert_load_deinit(ts_expert_load *l);
static inline int64_t ts_expert_load_width(const ts_expert_load *l) { return 3 * l->experts + 1; }

/* One of the two products of all experts, and what is added to it. */
typedef struct ts_experts_product {
    ts_place place;  /* of its weight, [experts, out, in] */
    ts_comm *shares; /* processes that have some of each expert's columns: of those that are multiplied, or made; NULL: none */
    bool is_row;     /* of those that are multiplied */
    const ts_lora_groups_op *adapter; /* borrowed; NULL: none */
    const bool *off;                  /* borrowed; while it is true the adapter adds nothing */
} ts_experts_product;
static inline bool ts_experts_product_trains(const ts_experts_product *p)
{
    return p->adapter && (ts_param_has_grad(p->adapter->a) || ts_param_has_grad(p->adapter->b));
}

typedef struct ts_experts_layer {
    int64_t hidden, ffn, experts;
    int64_t zeros;        /* further choices of the router, behind the experts: a row gets itself back */
    ts_act act;
    bool gated, has_biases;
    bool scales_input;    /* what experts are given is weighed, not what they make of it */
    float clamp, offset;  /* see ts_act_op */
    bool clamps_value;
    ts_route_op route;    /* but what a pass says */
    bool by_token;        /* no score chooses, but each token's number (of so many tokens) */
    int64_t tokens;
    ts_param *table;
    bool has_bias;        /* expert_bias */
    bool has_shared, has_shared_gate;
    ts_mlp_layer shared;
    ts_norm_layer router_norm, norm; /* of what the router reads, and experts; not present: x itself */
    float router_in;      /* what the router reads, normed, times this */
    bool has_scale;       /* weights of expert e times scale[e], which is trained */
    ts_param *scale;      /* [E, 1] */
    const ts_tensor_group *group;
    const ts_expert_group *apart; /* NULL: all experts are here */
    int64_t number;       /* of the layer, of any kind */
    /* [experts] where each stands among those of all processes, in the order of these; NULL: as it is numbered. Whoever
     * moves experts sets it; borrowed */
    const int32_t *place;
    ts_param *router, *router_bias, *bias, *fc1, *fc1_bias, *fc2, *fc2_bias, *shared_gate;
    ts_experts_product first, second; /* of fc1 and fc2 */
    ts_linear logits; /* the router as a linear layer, for who gives it an adapter */
    const ts_expert_rules *rules; /* borrowed; NULL: none */
    float *sums;          /* this layer's of a ts_expert_load; NULL: nobody counts */
    double *busiest;      /* likewise; rows of the busiest expert here in the last pass over the even share; less than 0: none
                             was */
} ts_experts_layer;

static inline int64_t ts_experts_choices(const ts_experts_layer *l) { return l->experts + l->zeros; }
ts_status ts_experts_declare(const ts_declarer *d, ts_experts_layer *l) TS_NODISCARD;
/* A pass in three steps, between which other things may be done: rows are on their way to experts of other processes; these
 * compute, and what they made goes back; *y, as the sublayer gives it. *run lasts as long. */
typedef struct ts_experts_pass ts_experts_pass;
ts_status ts_experts_begin(ts_tape *tape, const ts_experts_layer *l, const ts_run *run, int64_t layer, ts_tensor *x,
                           ts_experts_pass **out) TS_NODISCARD;
ts_status ts_experts_compute(ts_tape *tape, ts_experts_pass *p) TS_NODISCARD;
ts_status ts_experts_finish(ts_tape *tape, ts_experts_pass *p, ts_tensor **y) TS_NODISCARD;
ts_sublayer ts_experts_sublayer(const ts_experts_layer *l);
#endif
