/* A decoder language model: an arch made into parameters and layers, and its forward pass. */
#ifndef TS_MODEL_DECODER_H
#define TS_MODEL_DECODER_H
#include "model/arch.h"
#include "model/mtp.h"
#include "model/network.h"
#include "model/tower.h"
#include "nn/block.h"
#include "nn/ngram.h"

/* What of a model is on one stage of a pipeline. Of all zeros: all of it. */
typedef struct ts_decoder_stage {
    const ts_layer_range *layers; /* [n], ascending; borrowed while the decoder is made */
    int64_t n;
    bool embeds, ends; /* the embedding is here; the final norm and the output layer are */
    ts_expert_group experts; /* that shares out the experts of its layers; comm NULL: all are here */
    ts_adapting *adapting;   /* who may give linear layers adapters, and how many parameters these have; NULL: nobody */
    int64_t n_adapting;
} ts_decoder_stage;

/* A weight of the whole model, wherever it is. */
typedef struct ts_decoder_weight {
    int64_t layer; /* or -1 */
    int64_t count; /* of its elements; 0 where nothing is ever trained (biases of routers) */
    bool multiplies; /* not only looked up */
    bool is_qkv, is_scan, is_table; /* of attention, of a layer that carries a state; the embedding */
    bool trained;
    double share; /* of it that a token is multiplied with: of experts those that it goes to; else 1 */
    double times; /* so often: the output layer once for each token that is predicted */
} ts_decoder_weight;

typedef struct ts_decoder {
    ts_arch arch;
    ts_device *dev;
    ts_dtype compute;      /* of activations: F32, BF16, F16 */
    ts_kv_code kv_code;    /* of keys and values that generation keeps: see infer/kv_codes.h */
    ts_tensor_group group; /* that shares out the layers' matrices; comm NULL: all are here */
    ts_tensor_group vocabulary; /* the same, for embedding and output layer: one way, by rows */
    ts_expert_group experts; /* that shares out experts; comm NULL: all are here */
    struct ts_model_group *model_group;    /* who takes part in its passes without training (infer/model_group.h); NULL: nobody. Borrowed */
    bool *here;            /* [blocks] which are on this stage of a pipeline; the others' blocks */
    int64_t *chunk;        /* [layers] in which of the stage's stretches of layers, from 1 on; 0: it is elsewhere */
    bool embeds, ends;     /* have no parameters. And what else is: as in ts_decoder_stage */
    ts_decoder_weight *weights; /* [n_weights] of all stages, in the order of declaration */
    size_t n_weights;
    ts_param_set params;
    ts_param *embedding, *positions; /* NULL: elsewhere */
    ts_param *reward[2]; /* rm_head: weight [1, hidden], bias [1]; NULL: there is none here */
    ts_param *labels;    /* likewise: weight [labels, hidden] */
    bool reward_begins;  /* it has random values, which no file gives it */
    ts_linear table; /* the embedding as rows that are looked up, for who gives it an adapter */
    ts_linear head; /* its weight is the embedding when tied: of the last stage a copy */
    ts_block *block;       /* [blocks]: ts_arch_blocks(&arch), those that predict further tokens last */
    ts_mtp_layer *mtp;     /* [arch.mtp_layers] what stands around the latter */
    ts_norm_layer embed_norm, final_norm;
    ts_tower tower;        /* v NULL: none */
    ts_block *tower_block;
    ts_per_layer_inputs per_layer; /* width 0: none */
    ts_ngram_layer ngram;          /* order 0: none; it owns its tables */
    ts_altup_ends altup;           /* inputs 0: the stream is one */
    ts_hyper_layer hyper;          /* likewise; what makes one of its streams behind the last layer */
    ts_storage *cos[TS_ARCH_MAX_ROPES], *sin[TS_ARCH_MAX_ROPES];
    ts_storage *q_cos[TS_ARCH_MAX_ROPES], *q_sin[TS_ARCH_MAX_ROPES]; /* of queries, where they are others; else NULL */
    ts_storage *slopes; /* ALiBi, of the heads here; NULL: no layer has it */
    bool begins;           /* with values of its own, not read ones */
    bool head_begins;      /* the head of labels alone does */
    int64_t rope_positions, rope_seq; /* what the tables were made for */
    int64_t first_trained;            /* layer: those below have nothing that is trained */
    ts_expert_rules rules;            /* of training; with them: */
    ts_expert_load load;              /* n 0: nobody counts */
    ts_index_training index;          /* of indexers */
} ts_decoder;

/* Declares all parameters of the (checked) arch; copies it. No memory for values yet. vocab_rows >=
 * arch vocab: rows of the embedding with padding. group: shares out the matrices of the layers; its
 * communicator is borrowed; NULL or of one process: all are here. That it can share them out so the
 * caller has checked (parallel/rules.h). */
ts_status ts_decoder_create(ts_device *dev, const ts_arch *arch, ts_dtype compute,
                            int64_t vocab_rows, const ts_tensor_group *group,
                            ts_decoder **out) TS_NODISCARD;
/* The same of one stage of a pipeline, which declares what is here under the names and ids of the whole.
 * stage NULL: all of it. */
ts_status ts_decoder_create_stage(ts_device *dev, const ts_arch *arch, ts_dtype compute,
                                  int64_t vocab_rows, const ts_tensor_group *group,
                                  const ts_decoder_stage *stage, ts_decoder **out) TS_NODISCARD;
void ts_decoder_destroy(ts_decoder **d);
/* Fills in d->weights from d->arch; for ts_decoder_create. */
ts_status ts_decoder_list_weights(ts_decoder *d) TS_NODISCARD;
/* ---- for decoder.c (decoder_stage.c): what is on a stage of a pipeline, and who declares it there ---- */

/* Fills in what d has of its stage (here, chunk, embeds, ends, experts); stage NULL: all of the model. */
ts_status ts_decoder_note_stage(const ts_decoder_stage *stage, ts_decoder *d) TS_NODISCARD;
/* `all`; for what stands on another stage one that passes over its ids. */
ts_declarer ts_decoder_where(const ts_declarer *all, bool is_here);
/* Who declares the weights of the shared block that layer `first`, called `name`, is the first to use. They are wherever
 * one of the block's layers is; the stage of that one counts them in norms. */
ts_declarer ts_decoder_where_block(const ts_decoder *d, const ts_declarer *all, const char *name, int64_t first);

/* ---- for decoder.c (decoder_pictures.c) ---- */

/* Behind all else, where the embedding is. Nothing without a tower. */
ts_status ts_decoder_declare_tower(ts_decoder *d, const ts_declarer *all) TS_NODISCARD;
/* Where the run has pictures: x with their rows in it (of a pass that `embeds`), and the run with what joins later and with
 * rotations by positions of three parts. */
ts_status ts_decoder_see(const ts_decoder *d, ts_tape *tape, bool embeds, ts_tensor **x, const ts_run **run) TS_NODISCARD;

/* ---- for decoder.c (decoder_pass.c): what a pass has beside the stream ---- */

/* Per-layer embeddings, for declare: of the model that d->arch describes. */
ts_per_layer_inputs ts_decoder_per_layer(const ts_decoder *d);
/* Likewise embeddings of n-grams, with room for their tables. */
ts_status ts_decoder_ngram(const ts_decoder *d, ts_ngram_layer *out) TS_NODISCARD;
typedef struct ts_decoder_span ts_decoder_span;
/* The run that layers read: *run, or where the model needs something beside the stream one made of it, with room
 * for what layers lend, and what the span's stream came with, or of its tokens and their embedding x what is made of
 * these before the first layer. */
ts_status ts_decoder_pass(ts_decoder *d, ts_tape *tape, const ts_decoder_span *span, ts_tensor *x,
                          const ts_run **run) TS_NODISCARD;
/* What layers behind the span read of that, to where they are. */
ts_status ts_decoder_hand_on(const ts_decoder *d, ts_tape *tape, const ts_decoder_span *span, const ts_run *run) TS_NODISCARD;
/* The shapes of it: see ts_network_kind. */
void ts_decoder_beside(const ts_decoder *d, int64_t layer, int64_t B, int64_t S, ts_passed_shapes *out);
/* The scalars of layers as they are now. */
ts_status ts_decoder_read_scalars(ts_decoder *d) TS_NODISCARD;
/* The first layer from `begin` on, before `end`, that lends keys and values, its choice of keys, what its experts make:
 * it never runs again; or end. */
int64_t ts_decoder_first_lender(const ts_decoder *d, int64_t begin, int64_t end);
/* embed_scale and its like as the models' own code rounds them: tensors of the activations' type. */
float ts_decoder_rounded(const ts_decoder *d, double scale);

/* Tells the parameters that the (checked) description has, by name and shape, without making any. */
ts_status ts_decoder_list(const ts_arch *a, ts_list_fn *list, void *ctx) TS_NODISCARD;
/* Whether one that is told so is the weight of a linear layer within the layers: what NF4 is made of. */
bool ts_decoder_is_linear(const char *name, const ts_param_spec *spec);
/* Those of them that are not trained are held in NF4. Before ts_decoder_allocate; values come from a Hugging Face folder
 * (model/weights_nf4.h). */
ts_status ts_decoder_hold_nf4(ts_decoder *d) TS_NODISCARD;
/* Likewise its linear layers. */
ts_status ts_decoder_meet_linears(const ts_arch *a, ts_adapting *adapting) TS_NODISCARD;

/* Allocates values of this type (and gradients when training) after ts_decoder_create. */
ts_status ts_decoder_allocate(ts_decoder *d, ts_dtype value, bool training) TS_NODISCARD;
/* Parameters that are not trained: those whose name has one of the patterns as a run of whole parts
 * (parts are parted by dots; {*} stands for any number, {0-3,7} for these). Before
 * ts_decoder_allocate. A pattern that fits nothing, or nothing left to train, is TS_ERR_USER that
 * names --freeze. */
ts_status ts_decoder_freeze(ts_decoder *d, const char *const *patterns, int64_t n) TS_NODISCARD;
/* The layers' matrices multiply in 8-bit integers (gemm_i8) forward and in the input gradient, the
 * output layer too where `head`. Before anything was computed. */
void ts_decoder_use_int8(ts_decoder *d, bool head);
/* For inference: every matrix in the one form that it is multiplied in, of the compute type or of
 * few bits: then the output layer in 8, and an embedding or positions that are looked up only as
 * they are. */
ts_status ts_decoder_allocate_one(ts_decoder *d, ts_quant quant) TS_NODISCARD;
/* Layers of experts go by these rules in passes that train, and what they send where is counted in
 * d->load. Once; nothing happens where no layer has experts. */
ts_status ts_decoder_train_experts(ts_decoder *d, const ts_expert_rules *rules) TS_NODISCARD;
/* Indexers of sparse attention learn by these rules, whose place for losses is made here. Once; nothing happens where
 * there are none. */
ts_status ts_decoder_train_indexers(ts_decoder *d, const ts_index_rules *rules) TS_NODISCARD;
/* Random values: N(0, std^2) for matrices, projections into the residual stream N(0, std^2 / (2
 * layers)), norm weights neutral, biases 0. Every value depends on the seed and its place in the
 * whole tensor. */
ts_status ts_decoder_init(ts_decoder *d, uint64_t seed, double std) TS_NODISCARD;

/* Makes the rotary tables ready for positions 0..positions-1 of sequences up to seq_len. Cheap when
 * nothing changes; to be called before a forward pass. */
ts_status ts_decoder_prepare(ts_decoder *d, int64_t positions, int64_t seq_len) TS_NODISCARD;

/* Which layers run, [first, last), and what from: ids int32 [B * S], which are embedded (first is 0);
 * or a stream [B * S, hidden] as it is, embeddings or what a run that ended at `first` gave, with ids only for
 * layers that read them; of several streams all (with sequence parallelism the rows that are here: run->row0 says
 * which). A run to the last layer that does not go on elsewhere ends with the final norm and has all rows. */
struct ts_decoder_span {
    const ts_tensor *ids;
    ts_tensor *stream;
    int64_t first, last;
    bool goes_on;
    const ts_passed *beside; /* as in ts_network_call, like the next */
    ts_passed *hands_on;
    ts_tensor **behind; /* receives what the final norm gave, or all of several streams before it, the rows that are here;
                           NULL: not wanted */
};
/* *out [B * S, hidden]. recompute may be NULL. */
ts_status ts_decoder_run(ts_decoder *d, ts_tape *tape, const ts_run *run,
                         const ts_recompute_plan *recompute, const ts_decoder_span *span,
                         ts_tensor **out) TS_NODISCARD;
/* Parts of a run, for what stands behind it (ts_decoder_predict): embeddings of tokens, with the rows that are here (stream: of dropout's
 * numbers, 0 the model's own); a span's layers, which leave the stream in two parts (res NULL: one). */
ts_status ts_decoder_embed(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_tensor *ids, int64_t stream,
                           ts_tensor **x) TS_NODISCARD;
ts_status ts_decoder_layers(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_recompute_plan *recompute,
                            const ts_decoder_span *span, ts_tensor **x, ts_tensor **res) TS_NODISCARD;
/* All of it: ids int32 [B * S] to the final norm's output. */
ts_status ts_decoder_forward(ts_decoder *d, ts_tape *tape, const ts_run *run,
                             const ts_recompute_plan *recompute, const ts_tensor *ids,
                             ts_tensor **hidden) TS_NODISCARD;
/* ---- layers that predict further tokens (model/mtp.h) ---- */

/* Declares all depths that d->arch has, into d->mtp and the blocks behind the model's. */
ts_status ts_mtp_declare(ts_decoder *d, const ts_declarer *in) TS_NODISCARD;

/* Depth `depth`, from 0. ids: int32 [B * S], of each row the token depth + 1 further on (0 where there is none).
 * h: what the depth before gave, or the model (ts_decoder_span.behind): the rows that are here. *next: the same of
 * this depth; *out: all rows of it, for the output layer. recompute may be NULL. */
ts_status ts_decoder_predict(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_recompute_plan *recompute,
                             int64_t depth, const ts_tensor *ids, ts_tensor *h, ts_tensor **next,
                             ts_tensor **out) TS_NODISCARD;
/* As what a recipe trains. */
ts_network ts_decoder_network(ts_decoder *d);
/* Of the rows of the vocabulary that are here. */
static inline int64_t ts_decoder_first_token(const ts_decoder *d, const ts_param *w)
{
    return d->group.comm ? w->place.dim[0].span[0].begin : 0;
}
/* What the output layer needs: labels and weights are to be filled in. */
ts_xent_op ts_decoder_head(const ts_decoder *d);
/* For ts_decoder_create (decoder_ends.c): declares the head of rewards, or of labels, behind all else. */
ts_status ts_decoder_declare_numbers(ts_decoder *d, const ts_declarer *last) TS_NODISCARD;
/* Whether a parameter is the head's of a model of rewards. */
bool ts_decoder_is_reward(const char *name);
/* Of a model of rewards or labels: what its head tells of vectors [n, hidden] of its output, fp32 [n, 1 or labels]. */
ts_status ts_decoder_numbers(const ts_decoder *d, ts_tape *tape, ts_tensor *x, ts_tensor **y) TS_NODISCARD;

/* Which layers have something that is trained, once that is known. */
void ts_decoder_note_trained(ts_decoder *d);

/* Multiply-add operations of the dense layers for one token, times two (forward only). */
double ts_decoder_flops_per_token(const ts_decoder *d);
/* Operations of a training step for one token of sequences of this length: forward, causal attention,
 * the gradients of inputs from the lowest trained parameter up, and of trained weights. */
double ts_decoder_training_flops(const ts_decoder *d, double seq_length);
int64_t ts_decoder_parameters(const ts_decoder *d);
/* Of these, what one token goes through: of experts those that it is sent to. */
double ts_decoder_active(const ts_decoder *d);
int64_t ts_decoder_trained(const ts_decoder *d); /* of these, not frozen */
#endif
