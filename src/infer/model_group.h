/* A model on several processes, for use without training. Of the processes of a job those that have one model between
 * them are a model group: tensor parallelism cuts each layer over some of them, expert parallelism shares out experts, and
 * the stages of a pipeline have some layers each, with what these keep of earlier tokens. Sizes of which the processes
 * are a multiple make several groups, with the same model each, among which rows are shared out.
 *
 * Of a group the first process leads: it alone has texts, tokens to choose, requests. The others follow (infer/follow.h):
 * they are told of each pass (infer/tell.h) and take part in it. What is computed goes to the leader, as if it had all
 * of the model. Cuts are Megatron-LM's (Shoeybi et al., arXiv 1909.08053); experts take the rows, which are the same on
 * all of a group's stage, and their results are summed up. */
#ifndef TS_INFER_MODEL_GROUP_H
#define TS_INFER_MODEL_GROUP_H
#include "dist/mesh.h"
#include "model/open.h"
#include "parallel/stages.h"

typedef struct ts_model_group_options {
    int64_t tensor, pipeline, experts, expert_tensor; /* expert_tensor 0: as tensor */
    int64_t first_layers, last_layers;                /* of the first and the last stage; 0: not given */
    bool unaligned;
    ts_option_list layer_list;
    const char *layout;
    double timeout_minutes;
} ts_model_group_options;
extern const ts_option ts_model_group_option_rows[];
extern const size_t ts_model_group_option_count;

typedef struct ts_model_group {
    ts_model_group_options o;
    ts_parallel_options parallel; /* the same, for who checks and cuts */
    ts_comm *world;               /* borrowed */
    ts_mesh *mesh;
    ts_comm *comm;                /* of this group; its rank 0 leads */
    ts_comm *leaders;             /* of all groups; NULL on those who follow */
    int models;
    ts_stages stages;             /* once a model is described */
    ts_watchdog *dog;             /* NULL: nobody is waited for */
    int64_t n_engines;            /* made so far */
    bool is_broken;               /* what all take part in has failed on some */
} ts_model_group;

/* Whether the options say anything, or there are several processes. */
bool ts_model_group_is_wanted(const ts_model_group_options *o, const ts_comm *world);
/* Collective. The options and the world are borrowed. Sizes that do not divide the world are TS_ERR_USER. */
ts_status ts_model_group_create(const ts_model_group_options *o, ts_comm *world, ts_model_group **out) TS_NODISCARD;
void ts_model_group_destroy(ts_model_group **c);
/* What of a model is here, for ts_model_open, which then refuses (TS_ERR_USER) what cannot be shared out so. */
void ts_model_group_use(ts_model_group *c, ts_model_use *use);
/* The layers that are on this process. */
ts_layer_range ts_model_group_layers(const ts_model_group *c);

/* Whether others take part in what is done here; NULL: nobody does. */
static inline bool ts_model_group_is_many(const ts_model_group *c) { return c && c->comm->size > 1; }
/* Whether this process does what another one says. */
static inline bool ts_model_group_follows(const ts_model_group *c) { return c && c->comm->rank > 0; }
/* Of the stages this process's number, and how many there are. */
static inline int ts_model_group_stage(const ts_model_group *c) { return c ? c->mesh->at[TS_MESH_PP] : 0; }
static inline int ts_model_group_n_stages(const ts_model_group *c) { return c ? c->mesh->size[TS_MESH_PP] : 1; }

/* ---- a pass over all stages ----
 *
 * All of a group call the same, in the same order, after ts_tell_...; without a group all is here. */

/* As ts_decoder_forward; *hidden is NULL but on the last stage. */
ts_status ts_model_group_forward(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_tensor *ids,
                                 ts_tensor **hidden) TS_NODISCARD;
/* What the last stage made, [rows, cols] (cols 0: one dimension), comes to the leader: *t is there a new tensor, on the last
 * stage it stays, elsewhere it is NULL. */
ts_status ts_model_group_bring(ts_decoder *d, ts_tape *tape, ts_dtype dtype, int64_t rows, int64_t cols, ts_tensor **t) TS_NODISCARD;
/* Logits of rows of `hidden` [n, width] (NULL where there is none) at the leader, fp32 [n, vocab]; *logits as above. */
ts_status ts_model_group_logits(ts_decoder *d, ts_tape *tape, ts_tensor *hidden, int64_t n, ts_tensor **logits) TS_NODISCARD;
#endif
