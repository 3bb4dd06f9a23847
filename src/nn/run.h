/* What a forward pass is told besides its input: shape of the batch, position information,
 * dropout's address, caches. One for each pass; layers only read it. */
#ifndef TS_NN_RUN_H
#define TS_NN_RUN_H
#include "nn/routes.h"
#include "nn/state.h"
#include "ops/experts.h"
#include "ops/spread.h"

/* A second sequence that queries attend to: an encoder's output, an image's patches. Whoever gives
 * it keeps it, with its rows of int32, until the backward is over; its gradient comes to x. */
typedef struct ts_context {
    ts_tensor *x;                /* [B * its length, width]; NULL: there is none */
    const ts_tensor *pos;        /* int32 [B * its length]; NULL: its keys are not rotated */
    /* int32 [B * S], by query: its keys that may be seen; or NULL */
    const ts_tensor *first_key, *last_key;
} ts_context;

/* What joins the residual stream behind a layer, such as features of images that a tower of their own
 * gives (DeepStack's): added to all rows, or to some. Its gradient is the stream's there. */
typedef struct ts_join {
    int64_t layer;
    ts_tensor *x;               /* [T, hidden], or [rows->n, hidden]; of the stream's type */
    const ts_chosen_rows *rows; /* whose they are (labels do not matter); NULL: every row has one */
} ts_join;

/* Parts of a layer, as far as what they keep for the backward pass is concerned: the norms before
 * attention and MLP, and these themselves with the norms behind them. */
typedef enum ts_layer_part { TS_PART_INPUT_NORM, TS_PART_ATTENTION, TS_PART_MLP_NORM, TS_PART_MLP, TS_LAYER_PARTS } ts_layer_part;
/* Beside them, for running again alone: MLPs that are no mixture of experts, mixtures, their shared experts, and what
 * becomes of the rows that go to experts. */
typedef enum ts_feed_part { TS_PART_DENSE = TS_LAYER_PARTS, TS_PART_EXPERTS, TS_PART_SHARED, TS_PART_SENT } ts_feed_part;
/* What a layer does not keep on the device; bits are 1 << part. */
typedef struct ts_layer_memory {
    bool whole;    /* nothing but its input: it runs again in the backward pass */
    unsigned again; /* TS_PART_ATTENTION, TS_PART_MLP, a ts_feed_part: their inputs alone; they run again */
    unsigned swap;  /* what they keep waits in the second memory; with `whole` the first bit: the input */
} ts_layer_memory;

typedef struct ts_run ts_run;
struct ts_run {
    const struct ts_pictures *pictures; /* of models with a tower (model/tower.h); NULL: there are none */
    int64_t B, S; /* S: rows of a sequence that are here */
    const ts_spread *spread; /* processes that share out each sequence; NULL: its rows are all here */
    /* more than 1: of each sequence the slice-th of so many parts of S rows is here, in what follows attention */
    int64_t slices, slice;
    ts_balance_slices *together; /* how they are balanced; NULL: there is one */
    int64_t row0; /* of the B * S rows of the stream, the first that is here (sequence parallelism) */
    const ts_tensor *pos;        /* int32 [B * S]: position in its document */
    /* Rotations of this pass alone, in the place of those by position: fp32 [B * S, pairs of a head], of each row its own, and
     * pos says which row's; NULL: by position */
    const ts_tensor *cos, *sin;
    const ts_tensor *pos_whole;  /* int32 [B * length]: of all rows of sequences that are shared out, for layers that read them */
    /* int32 [B * S]: first and last key that may be seen (packed documents, padding), or NULL; the
     * last one matters where a mask lets queries see what comes after them. Where sequences are shared out
     * they are of the queries that attention has here (ts_spread_queries) */
    const ts_tensor *first_key, *last_key;
    const ts_tensor *first_whole; /* first_key of all rows of the sequences, for layers that read them whole; NULL: first_key is */
    const ts_tensor *ids_whole;   /* tokens of all of them, for embeddings that read those before; NULL: none does */
    ts_context context;
    /* Dropout: probabilities (0: none) and where in the run this is. */
    float hidden_dropout, attention_dropout;
    float adapter_dropout; /* of what adapters read */
    float embedding_noise; /* Jain et al., arXiv 2310.05914: alpha; 0: none */
    int64_t whole;         /* rows that a sequence has numbers for, of which these may be the first; 0: its own */
    uint64_t seed;
    /* Training of experts: how much this pass's auxiliary losses count in the step's (0: no training), and
     * which of the step's passes of this process it is. */
    float balance;
    int64_t pass;
    int64_t step, sample0;       /* sample0: number in the global batch of the first sequence */
    /* What joins behind layers, [n_joins], in the order in which it is added; it stays until the backward
     * pass is over. */
    const ts_join *joins;
    int n_joins;
    const ts_layer_memory *memory; /* by number of the layer; NULL: layers keep all */
    /* What layers of this pass have for later ones, by number: keys and values [T, 2 n_kv head_dim] (without caches
     * alone: else they are there), an indexer's lists of keys, int32 [T, their length], what
     * experts beside an MLP make, [T, hidden]; or NULL. */
    ts_tensor **lent;
    ts_routes *routes;    /* of passes that do not train: where choices of experts go, or come from; NULL: neither */
    const ts_tensor *ids; /* tokens, int32 [T], for layers that go by them; NULL: none does */
    ts_tensor *embedding; /* what the first layer reads, [T, hidden], for layers that read it too; NULL: none does */
    ts_tensor *per_layer; /* per-layer embeddings, [T, layers * width]; NULL: there are none */
    int64_t per_layer_from; /* of layers from this one on */
    /* Generation: what each layer keeps, and behind them what the embedding does, NULL in training; sequence b is in slot
     * slot0 + b. Of each,
     * tokens that are there already and tokens of this pass (rows behind them are padding), on the
     * host, [B]. */
    ts_layer_state *const *state;
    int64_t slot0;
    const int32_t *q_start, *q_len;
    const ts_kv_pages *pages; /* of keys and values, which lie in pages and not in slots; NULL: they do not */
    bool any_cut; /* attention's rows come to the same bits however prompts are cut into passes */
};

/* Whether anything that comes to layers [first, last) beside the stream wants a gradient: what joins
 * behind them, a second sequence, embeddings. */
static inline bool ts_run_trains_beside(const ts_run *r, int64_t first, int64_t last)
{
    if (r->context.x && r->context.x->wants_grad)
        return true;
    if ((r->per_layer && r->per_layer->wants_grad) || (r->embedding && r->embedding->wants_grad))
        return true;
    for (int i = 0; i < r->n_joins; i++)
        if (r->joins[i].layer >= first && r->joins[i].layer < last && r->joins[i].x->wants_grad)
            return true;
    return false;
}

/* Whether a part of a layer runs again, or what it keeps waits in the second memory. */
static inline bool ts_run_again(const ts_run *r, int64_t layer, int part)
{
    return r->memory && r->memory[layer].again & 1u << part;
}

static inline bool ts_run_swaps(const ts_run *r, int64_t layer, ts_layer_part part)
{
    return r->memory && !r->memory[layer].whole && r->memory[layer].swap & 1u << part;
}

/* A part of a layer as a segment; trains: something in it is. Nothing is to be recorded where nothing in it, or
 * below, is. */
static inline ts_status TS_NODISCARD ts_run_segment(ts_tape *tape, ts_segment_fn *fn, const void *ctx, size_t size,
                                                    bool trains, ts_tensor *x, ts_tensor **y)
{
    const bool recording = tape->recording;
    tape->recording = recording && (x->wants_grad || trains);
    const ts_status st = ts_tape_segment(tape, fn, ctx, size, x, y);
    tape->recording = recording;
    return st;
}

/* Which rows of the global batch the stream's are, from the row0-th on of those of its sequences. */
static inline ts_row_places ts_run_places(const ts_run *r, int64_t row0)
{
    const bool is_part = r->slices > 1;
    return (ts_row_places){ .at = is_part ? ts_stretches_one(r->slice * r->S, r->S) : ts_spread_here(r->spread, r->S),
                            .length = r->spread ? r->spread->length : is_part ? r->slices * r->S : r->S,
                            .sample0 = r->sample0,
                            .row0 = row0 };
}

/* Those whose random numbers its elements have. */
static inline ts_row_places ts_run_numbers(const ts_run *r, int64_t row0)
{
    ts_row_places p = ts_run_places(r, row0);
    p.length = r->whole ? r->whole : p.length;
    return p;
}

/* The stream of numbers of one layer's dropout. */
static inline ts_rng ts_run_rng(const ts_run *r, ts_rng_purpose purpose, int64_t layer)
{
    return ts_rng_stream(r->seed, purpose, (uint64_t)r->step, (uint32_t)layer);
}
#endif
