/* Where a model's parameters are in the checkpoints of Megatron-LM and MindSpeed LLM, model_optim_rng.pt of every rank:
 * a pure function of the description and of how it is cut.
 *
 *   mp_rank_TT[_PPP][_EEE]   ranks of tensor, pipeline (more than one stage) and expert parallelism (more than one)
 *   model, or model0, ...    a dict of tensors a virtual stage; layers are counted from 0 in each
 *
 * Of T processes that share matrices, number t has
 *   linear_qkv, q and kv up projections, embedding, output layer   block t of the rows (those of whole groups of heads)
 *   linear_proj, linear_fc2                                        block t of the columns
 *   linear_fc1 of gated MLPs                                       block t of the gate's rows, then of the others
 *   all else                                                       the whole */
#ifndef TS_MODEL_MEGATRON_LAYOUT_H
#define TS_MODEL_MEGATRON_LAYOUT_H
#include "model/param_list.h"

/* The tensors of experts. */
typedef enum ts_mg_experts {
    TS_MG_EACH,     /* two of each: local_experts.E.linear_fc1.weight */
    TS_MG_GROUPED,  /* two of all on a rank: weight1, weight2 (--moe-grouped-gemm) */
    TS_MG_NUMBERED, /* two of each, as transformer_engine has them: linear_fc1.weightE */
} ts_mg_experts;

typedef struct ts_mg_split {
    int64_t tp, pp, ep;
    bool experts_whole;  /* no matrix of an expert is shared out (--expert-tensor-parallel-size 1) */
    bool tp_extends_ep;  /* but experts are, over tp ep ranks (--moe-tp-extend-ep) */
    ts_mg_experts experts;
    bool norms_inside;   /* norms before a linear layer are tensors of that layer (--transformer-impl transformer_engine) */
    bool core_names;     /* Megatron core's names where MindSpeed's are others: of latent attention, of layers that predict
                            further tokens */
    bool mla_split;      /* up projections in two tensors each (--mla-mm-split) */
    bool folds;          /* --schedules-method dualpipev: two chunks a stage, the last ones back to the first */
    int64_t chunk_layers;        /* of a virtual stage (--num-layers-per-virtual-pipeline-stage); 0: there are none */
    const int64_t *stage_layers; /* [pp] (--num-layer-list); NULL: evenly */
    const int64_t *noop;         /* ascending: layers that are none and are counted (--noop-layers) */
    int64_t n_noop;
    int64_t vocab;       /* rows of the embedding with padding; 0: as many as there are tokens */
} ts_mg_split;

/* A rectangle of a parameter, and where it stands in a tensor: value (row + i, col + j) is element at + i row_step + j col_step. */
typedef struct ts_mg_piece {
    size_t param; /* its number in the list */
    int64_t row, rows, col, cols;
    int64_t at, row_step, col_step;
    bool again; /* rows that fill up a vocabulary */
} ts_mg_piece;

typedef struct ts_mg_tensor {
    char *name;
    int rank;
    int64_t shape[2];
    int64_t chunk; /* virtual stage */
    bool is_copy;  /* of what another rank, or another tensor, has as well */
    size_t first_piece, n_pieces; /* which cover it */
} ts_mg_tensor;

typedef struct ts_mg_layout {
    ts_mg_tensor *tensor;
    size_t n, cap;
    ts_mg_piece *piece;
    size_t n_pieces, cap_pieces;
} ts_mg_layout;

typedef struct ts_mg_rank {
    int64_t t, p, e;
} ts_mg_rank;

/* Whether the model can be cut so; TS_ERR_USER names the option. Also that there is a name for all that it has. */
ts_status ts_mg_split_check(const ts_arch *a, const ts_mg_split *s) TS_NODISCARD;
int64_t ts_mg_chunks(const ts_arch *a, const ts_mg_split *s); /* virtual stages of a stage; 1: its dict is "model" */
/* What one rank holds, of a split that was checked. */
ts_status ts_mg_layout_make(const ts_arch *a, const ts_param_list *params, const ts_mg_split *s, const ts_mg_rank *rank,
                            ts_mg_layout *out) TS_NODISCARD;
void ts_mg_layout_deinit(ts_mg_layout *l);
/* "mp_rank_00_001" */
enum { TS_MG_RANK_NAME = 40 };
void ts_mg_rank_name(const ts_mg_split *s, const ts_mg_rank *rank, char to[TS_MG_RANK_NAME]);
/* Of ranks that hold the same, those that no file is made of (--expert-tensor-parallel-size 1). */
bool ts_mg_rank_is_written(const ts_mg_split *s, const ts_mg_rank *rank);
#endif
