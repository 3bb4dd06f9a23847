/* A model on several processes, for use without training. Of the processes of a job those that have one model between
 * them are a crew: tensor parallelism cuts each layer over some of them, expert parallelism shares out experts, and
 * the stages of a pipeline have some layers each, with what these keep of earlier tokens. Sizes of which the processes
 * are a multiple make several crews, with the same model each, among which rows are shared out.
 *
 * Of a crew the first process leads: it alone has texts, tokens to choose, requests. The others follow (infer/follow.h):
 * they are told of each pass (infer/tell.h) and take part in it. What is computed goes to the leader, as if it had all
 * of the model. Cuts are Megatron-LM's (Shoeybi et al., arXiv 1909.08053); experts take the rows, which are the same on
 * all of a crew's stage, and their results are summed up. */
#ifndef TS_INFER_CREW_H
#define TS_INFER_CREW_H
#include "dist/mesh.h"
#include "model/open.h"
#include "parallel/stages.h"

typedef struct ts_crew_options {
    int64_t tensor, pipeline, experts, expert_tensor; /* expert_tensor 0: as tensor */
    int64_t first_layers, last_layers;                /* of the first and the last stage; 0: not given */
    bool unaligned;
    ts_option_list layer_list;
    const char *layout;
    double timeout_minutes;
} ts_crew_options;
extern const ts_option ts_crew_option_rows[];
extern const size_t ts_crew_option_count;

typedef struct ts_crew {
    ts_crew_options o;
    ts_parallel_options parallel; /* the same, for who checks and cuts */
    ts_comm *world;               /* borrowed */
    ts_mesh *mesh;
    ts_comm *comm;                /* of this crew; its rank 0 leads */
    ts_comm *leaders;             /* of all crews; NULL on those who follow */
    int crews;
    ts_stages stages;             /* once a model is described */
    ts_watchdog *dog;             /* NULL: nobody is waited for */
    int64_t n_engines;            /* made so far */
    bool is_broken;               /* what all take part in has failed on some */
} ts_crew;

/* Whether the options say anything, or there are several processes. */
bool ts_crew_is_wanted(const ts_crew_options *o, const ts_comm *world);
/* Collective. The options and the world are borrowed. Sizes that do not divide the world are TS_ERR_USER. */
ts_status ts_crew_create(const ts_crew_options *o, ts_comm *world, ts_crew **out) TS_NODISCARD;
void ts_crew_destroy(ts_crew **c);
/* What of a model is here, for ts_model_open, which then refuses (TS_ERR_USER) what cannot be shared out so. */
void ts_crew_use(ts_crew *c, ts_model_use *use);
/* The layers that are on this process. */
ts_layer_range ts_crew_layers(const ts_crew *c);

/* Whether others take part in what is done here; NULL: nobody does. */
static inline bool ts_crew_is_many(const ts_crew *c) { return c && c->comm->size > 1; }
/* Whether this process does what another one says. */
static inline bool ts_crew_follows(const ts_crew *c) { return c && c->comm->rank > 0; }
/* Of the stages this process's number, and how many there are. */
static inline int ts_crew_stage(const ts_crew *c) { return c ? c->mesh->at[TS_MESH_PP] : 0; }
static inline int ts_crew_n_stages(const ts_crew *c) { return c ? c->mesh->size[TS_MESH_PP] : 1; }

/* ---- a pass over all stages ----
 *
 * All of a crew call the same, in the same order, after ts_tell_...; without a crew all is here. */

/* As ts_decoder_forward; *hidden is NULL but on the last stage. */
ts_status ts_crew_forward(ts_decoder *d, ts_tape *tape, const ts_run *run, const ts_tensor *ids,
                          ts_tensor **hidden) TS_NODISCARD;
/* What the last stage made, [rows, cols] (cols 0: one dimension), comes to the leader: *t is there a new tensor, on the last
 * stage it stays, elsewhere it is NULL. */
ts_status ts_crew_bring(ts_decoder *d, ts_tape *tape, ts_dtype dtype, int64_t rows, int64_t cols, ts_tensor **t) TS_NODISCARD;
/* Logits of rows of `hidden` [n, width] (NULL where there is none) at the leader, fp32 [n, vocab]; *logits as above. */
ts_status ts_crew_logits(ts_decoder *d, ts_tape *tape, ts_tensor *hidden, int64_t n, ts_tensor **logits) TS_NODISCARD;
#endif
