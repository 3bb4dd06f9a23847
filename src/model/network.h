/* A network: what runs, behind one table, whatever it is made of. A recipe (train/objective/) knows no
 * more of it. The decoder is the first and the example to read (decoder_network.c). */
#ifndef TS_MODEL_NETWORK_H
#define TS_MODEL_NETWORK_H
#include "nn/experts.h"
#include "nn/indexer.h"

/* Tensors of one micro-batch on the device, by name. What a decoder reads:
 *   tokens        int32 [B * S]
 *   position_ids  int32 [B * S]: position in its document
 *   position_ids_whole   int32 [B * length]: of all of a sequence that is spread, where the network reads_places
 *   first_key, last_key   int32 [B * S]: keys that may be seen (packed documents, padding); may be
 *                 missing. Of a sequence that is spread, those of nn/run.h
 *   first_whole   int32 [B * length]: first_key of all rows of sequences that are spread; where a network reads
 *                 them whole and first_key is not of all rows already
 *   tokens_whole  int32 [B * length]: of these sequences, where the embedding reads tokens before */
enum { TS_NETWORK_FIELDS = 12 };
typedef struct ts_fields {
    int n;
    const char *name[TS_NETWORK_FIELDS]; /* literals */
    const ts_tensor *tensor[TS_NETWORK_FIELDS];
} ts_fields;
void ts_fields_put(ts_fields *f, const char *name, const ts_tensor *t);
const ts_tensor *ts_fields_get(const ts_fields *f, const char *name); /* or NULL */

/* Tensors that go from one part of a pipeline to the next (of a model alone there is one part), in an order that both
 * know. */
enum { TS_PASSED = 10, TS_BESIDE = TS_PASSED - 1 };
typedef struct ts_passed {
    int n;
    ts_tensor *tensor[TS_PASSED];
} ts_passed;

typedef struct ts_passed_shape {
    ts_dtype dtype;
    int64_t dim[2]; /* dim[1] 0: one dimension */
    bool has_grad;  /* a gradient of the same shape and type comes back */
} ts_passed_shape;
typedef struct ts_passed_shapes {
    int n;
    ts_passed_shape v[TS_PASSED];
} ts_passed_shapes;

static inline void ts_pass(ts_passed *p, ts_tensor *t) { p->tensor[p->n++] = t; }

/* Recomputation: full layers in groups, or a number of single layers from the first. */
typedef enum ts_recompute {
    TS_RECOMPUTE_NONE,
    TS_RECOMPUTE_UNIFORM,
    TS_RECOMPUTE_BLOCK
} ts_recompute;
typedef struct ts_recompute_plan {
    ts_recompute method;
    int64_t layers; /* uniform: layers in one segment; block: how many layers */
    /* Of layers that are not recomputed as a whole: the first n_first of those that run here, and the others. */
    ts_layer_memory first, others;
    int64_t n_first;
    /* What was chosen for each layer, by number; borrowed. NULL: the above. */
    const ts_layer_memory *chosen;
} ts_recompute_plan;

/* One forward pass. Layers [first, last) run. With `stream` NULL the tokens are embedded before them
 * (first is 0); else it is taken as it is: embeddings [B * S, width] from elsewhere, or what a pass
 * that ended at `first` gave. A pass whose last layer is the network's ends with the final norm, unless
 * it goes on elsewhere. */
typedef struct ts_network_call {
    int64_t B, S; /* S: rows of a sequence that are here */
    const ts_spread *spread; /* over which processes sequences are spread; NULL: they are all here */
    const ts_fields *fields; /* tensors stay until the backward pass is over */
    ts_tensor *stream;
    int64_t first, last;
    bool goes_on;
    const ts_passed *beside; /* of a stream that a pass gave which ended at `first`: what that handed on; else NULL */
    ts_passed *hands_on;     /* receives what later layers read beside the stream, where this pass goes on; or NULL */
    ts_tensor **behind; /* receives what predictions further ahead begin with; NULL: not wanted */
    const struct ts_pictures *pictures; /* of networks with a tower (model/tower.h); NULL: there are none */
    ts_context context; /* a second sequence, for networks that attend to one */
    const ts_join
        *joins; /* [n_joins] what joins the stream behind layers; stays as the fields do */
    int n_joins;
    ts_recompute_plan recompute;
    /* Dropout: probabilities (0: none), and where in the run this is (nn/run.h). */
    float hidden_dropout, attention_dropout;
    float adapter_dropout;
    float embedding_noise; /* this, and rows that a sequence has numbers for, as in nn/run.h */
    int64_t whole;
    uint64_t seed;
    float balance; /* of experts, and which pass of the step this is: as in nn/run.h */
    int64_t pass;
    int64_t step, sample0;
} ts_network_call;

typedef struct ts_network_kind {
    const char *name;
    /* Whether it can run sequences of this length (TS_ERR_USER if not), and what it must have ready for
     * them. Before the first pass. */
    ts_status (*prepare)(void *self, int64_t seq_length);
    /* *out [B * S, width], the tape's. */
    ts_status (*forward)(void *self, ts_tape *tape, const ts_network_call *c, ts_tensor **out);
    /* A prediction further ahead, behind the pass `c` (model/mtp.h): depth, from 0, of ids, from what the pass or
     * the depth before left. NULL: there are none. */
    ts_status (*predict)(void *self, ts_tape *tape, const ts_network_call *c, int64_t depth, const ts_tensor *ids,
                         ts_tensor *h, ts_tensor **next, ts_tensor **out);
    /* Adds the shapes of what a pass of B sequences of S rows that ends at `layer` hands on beside the stream, one after
     * another. NULL: never anything. */
    void (*beside)(const void *self, int64_t layer, int64_t B, int64_t S, ts_passed_shapes *out);
    /* What cross-entropy over its output needs; labels are to be filled in. NULL: it has no output
     * layer. */
    ts_xent_op (*head)(const void *self);
    /* What its head of rewards or labels tells of vectors [n, width] of its output: fp32 [n, numbers]. NULL: it has none. */
    ts_status (*numbers)(const void *self, ts_tape *tape, ts_tensor *x, ts_tensor **y);
    /* Operations of a training step for one token of sequences of this length. */
    double (*training_flops)(const void *self, double seq_length);
} ts_network_kind;

/* A reference to one; borrows all. */
typedef struct ts_network {
    const ts_network_kind *kind;
    void *self;
    ts_device *dev;
    ts_param_set *params;
    ts_dtype compute; /* of activations */
    int64_t layers, width;
    int64_t streams;   /* of that width side by side, in what a pass that goes on elsewhere gives; 0 is 1 */
    bool reads_tokens; /* passes that begin with a stream read them too */
    int64_t predicts;  /* depths of predictions further ahead */
    bool reads_whole;  /* some layers have whole sequences on each process, wherever their rows are */
    bool reads_places; /* and their positions */
    bool looks_back;   /* the embedding reads tokens before, wherever they are */
    const ts_expert_load *load; /* n 0: none; of layers of experts, and the rules of their training */
    const ts_expert_rules *rules;
    const ts_index_training *index; /* of indexers of sparse attention; NULL: none */
} ts_network;
#endif
