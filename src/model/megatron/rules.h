/* What becomes of each of our parameters (model/family.h) in Megatron's checkpoints. */
#ifndef TS_MODEL_MEGATRON_RULES_H
#define TS_MODEL_MEGATRON_RULES_H
#include <stdbool.h>
#include <stdint.h>

typedef enum ts_mg_cut {
    TS_MG_WHOLE,
    TS_MG_ROWS,
    TS_MG_COLUMNS,
    TS_MG_GATED,   /* rows: of gated MLPs the gate's and the others' apart */
    TS_MG_VOCAB,   /* rows, filled up */
    TS_MG_JOINED,  /* rows behind those of the parameter before, in one tensor */
    TS_MG_LINE,    /* a vector as a matrix of one row */
    TS_MG_EXPERTS_1,
    TS_MG_EXPERTS_2,
    TS_MG_EXPERT_BIASES_1, /* a vector an expert: as the matrices' rows */
    TS_MG_EXPERT_BIASES_2, /* likewise, each whole */
    TS_MG_TWO_PARTS, /* of heads: rows of two parts, in two tensors (theirs, other) where the split says so */
} ts_mg_cut;

typedef struct ts_mg_rule {
    const char *ours, *theirs; /* within a layer, or whole; NULL: the same */
    const char *other;
    ts_mg_cut cut;
} ts_mg_rule;

/* What a parameter's name says. */
typedef struct ts_mg_name {
    const char *rest; /* behind the layer's number */
    int64_t layer;    /* of all, or of those that predict further tokens; -1: of none */
    bool is_further, is_inside; /* of such a one; of the layer in it */
} ts_mg_name;
/* Whether expert ranks have different ones. */
static inline bool ts_mg_is_of_experts(const ts_mg_rule *r)
{
    return r->cut >= TS_MG_EXPERTS_1 && r->cut <= TS_MG_EXPERT_BIASES_2;
}
ts_mg_name ts_mg_name_parse(const char *name);
/* NULL: there is no place for such a parameter. */
const ts_mg_rule *ts_mg_rule_of(const ts_mg_name *name);
/* The name of a norm of a layer where it is a tensor of the linear layer behind it (transformer_engine); NULL: there is none.
 * *of_latent: of a latent vector. */
const char *ts_mg_norm_inside(const char *ours, bool *of_latent);
#endif
