/* Adapters of linear layers: products of two small matrices beside a weight, which are trained in its place (LoRA,
 * ops/lora.h has the formula).
 *
 * A plan says which layers of a model get one. A weight that holds several matrices may have a part for each of them, or
 * one part for all its rows. Their parameters stand behind the layer's own, in its unit:
 *   LAYER.lora_A.PART.weight [rank, in]   LAYER.lora_B.PART.weight [rows, rank]
 *   LAYER.lora_magnitude_vector.PART [rows]  (DoRA)
 *   LAYER.lora_start_A.PART.weight, LAYER.lora_start_B.PART.weight  (what the two were at first, where a plan keeps it)
 * and have ids of their own, behind those of the model. A stack of experts' matrices has one part, of two stacks:
 *   PRODUCT.lora_A.default.weight [experts, rank, in]   PRODUCT.lora_B.default.weight [experts, rows, rank]
 * An embedding has one part too, whose B is a table that is looked up and whose A stands as it is multiplied then:
 *   embedding.word_embeddings.lora_A.PART.weight [hidden, rank]  embedding.word_embeddings.lora_B.PART.weight [vocab, rank]
 * Where processes share out the weight, they share out that side of
 * the two that has its length: B's rows of a weight that is cut by rows, A's columns of one that is cut by columns. */
#ifndef TS_NN_ADAPTER_H
#define TS_NN_ADAPTER_H
#include "nn/experts.h"
#include "nn/linear.h"
#include "ops/lora.h"

enum { TS_ADAPTER_NAME = 64 };

typedef struct ts_adapter_part {
    char name[TS_ADAPTER_NAME]; /* "q_proj"; "default" where it is of all rows */
    int64_t rank, rows;
    float scale;
    ts_lora_run *run; /* [n_runs] its rows in the whole weight, ascending; the plan's */
    int64_t n_runs;
} ts_adapter_part;

/* What is made of a layer's parts, as it is here. */
typedef struct ts_lora {
    ts_adapter adapter; /* first, so that its function finds the rest */
    const ts_linear *of;
    ts_lora_op op;
    ts_lora_op start; /* what it was at first, in its place while it is off; n 0: nothing */
    const bool *off;  /* where there is such a one */
    int64_t number; /* of its dropout */
    ts_lora_run *run[TS_LORA_PARTS]; /* its own */
} ts_lora;

typedef struct ts_adapter_site {
    char *linear; /* the layer's name: "decoder.layers.0.self_attention.linear_qkv" */
    int64_t in, out, id; /* of the whole (of one expert's matrix); the first of its parameters' ids */
    int64_t experts; /* 0: a linear layer's */
    bool is_table;
    bool dora, starts;
    int n;
    ts_adapter_part part[TS_LORA_PARTS];
    ts_lora here; /* of no layer: it is on another stage */
    ts_lora_groups_op apart; /* of experts, likewise */
} ts_adapter_site;

typedef struct ts_adapter_plan {
    ts_adapting adapting; /* first, so that its function finds the rest */
    bool off;      /* layers give what they give without */
    bool starts;   /* sites keep what A and B were at first, which were taken out of the weight: off, they give that */
    float dropout; /* of what the parts read, in training */
    bool decoupled; /* B and lengths have a rate of their own */
    bool training; /* else their values are held in fp32 and have no gradients */
    ts_names *linears; /* of the sites, in their order */
    ts_adapter_site *site;
    size_t n, cap;
} ts_adapter_plan;

ts_status ts_adapter_plan_init(ts_adapter_plan *p) TS_NODISCARD;
void ts_adapter_plan_deinit(ts_adapter_plan *p);
/* The layer's site, which is made where there is none; borrowed until the next is made. */
ts_status ts_adapter_plan_site(ts_adapter_plan *p, const char *linear, int64_t in, int64_t out,
                               ts_adapter_site **site) TS_NODISCARD;
/* Rows of one of its parameters B, of all experts together; and of A. */
static inline int64_t ts_adapter_site_rows(const ts_adapter_site *s, int64_t rows) { return s->experts ? s->experts * rows : rows; }
/* How many parameters the site has. */
static inline int64_t ts_adapter_site_params(const ts_adapter_site *s) { return (2 + s->dora + 2 * s->starts) * s->n; }
/* What a layer's adapter multiplies, for who does it himself; NULL: it has none, or it is off. */
const ts_lora_op *ts_adapter_lora(const ts_linear *l);
/* What the adapter of a table adds to *x, rows that `o` has looked up there; nothing where it has none. */
ts_status ts_adapter_embed(ts_tape *tape, const ts_linear *table, const ts_embed_op *o, ts_tensor **x) TS_NODISCARD;
/* How many all sites have. */
int64_t ts_adapter_plan_params(const ts_adapter_plan *p);
/* Numbers the parameters from `id` on: once all sites have their parts. */
void ts_adapter_plan_number(ts_adapter_plan *p, int64_t id);
#endif
