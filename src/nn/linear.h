/* The linear layer that all modules use: a weight, a bias where there is one, and a place for an
 * adapter. */
#ifndef TS_NN_LINEAR_H
#define TS_NN_LINEAR_H
#include "nn/declare.h"
#include "ops/ops.h"

/* What is added to a linear layer's result, such as a product of two small matrices (LoRA). */
typedef struct ts_adapter ts_adapter;
struct ts_adapter {
    /* *y: the layer's result; replaced by the sum. */
    ts_status (*add)(const ts_adapter *a, ts_tape *tape, ts_tensor *x, ts_tensor **y);
    bool adds_bias; /* *y comes without it */
    const bool *off; /* borrowed; NULL, or while it is false: it adds */
};

/* How a group of processes shares out a weight: not at all, by its rows, by its columns. */
typedef enum ts_cut { TS_CUT_NONE, TS_CUT_COLUMN, TS_CUT_ROW } ts_cut;

typedef struct ts_linear {
    int64_t in, out;           /* of the whole */
    /* With a group: which rows (COLUMN: a share of the result's columns) or columns (ROW) of the weight
     * are here, as the module says before it declares. ROW's result is the group's sum. On a mesh they
     * are those of its x, and its y shares out the other side of the weight. */
    ts_cut cut;
    ts_place_span span[TS_PLACE_SPANS];
    int n_spans;
    ts_param_parts parts;      /* of the weight and the bias */
    ts_param_bands bands;      /* of the weight's rows */
    bool is_copy;
    const ts_tensor_group *group;
    ts_product_parts in_parts; /* of the group's those for it */
    bool has_bias;
    bool tied;                 /* w is another module's, which declares it: whoever ties them sets it */
    bool is_table;             /* rows of it are looked up: an embedding, for who gives it an adapter */
    bool decoupled;            /* see ts_param */
    ts_start start;            /* of the weight */
    ts_param *w, *b;           /* [out, in], [out] or NULL */
    const ts_adapter *adapter; /* borrowed; NULL: none */
} ts_linear;

/* The spans of this process: its share of `stretches` equal stretches, units of `unit` together, of the
 * result (COLUMN) or of what is multiplied (ROW). Nothing without a group. */
void ts_linear_share(const ts_declarer *d, ts_linear *l, ts_cut cut, int stretches, int64_t unit);
/* The same of a result (COLUMN) whose columns are shared out as `share`, of one dimension, says; it says
 * their number too. */
void ts_linear_share_as(const ts_declarer *d, ts_linear *l, const ts_place *share);
/* What this process has of `units` of `unit` each, in one dimension. */
ts_place ts_share_of(const ts_declarer *d, int64_t units, int64_t unit);
/* The same of several dimensions of this kind one after another, at most TS_PLACE_SPANS. */
ts_place ts_shares_behind(const ts_declarer *d, const ts_place *share, int n);
/* Of a convolution that has a filter of so many taps for each of the columns. */
ts_param_spec ts_filter_spec(const ts_place *columns, int64_t taps);
/* NAME.weight and NAME.bias, by the sizes that l says. */
ts_status ts_linear_declare(const ts_declarer *d, const char *name, ts_linear *l) TS_NODISCARD;
ts_status ts_linear_forward(ts_tape *tape, const ts_linear *l, ts_tensor *x,
                            ts_tensor **y) TS_NODISCARD;
/* Without adapter and bias. */
ts_status ts_linear_product(ts_tape *tape, const ts_linear *l, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
static inline bool ts_linear_is_adapted(const ts_linear *l) { return l->adapter && !(l->adapter->off && *l->adapter->off); }
/* Whether anything in it has a gradient. */
static inline bool ts_linear_trains(const ts_linear *l)
{
    return l->adapter || ts_param_has_grad(l->w) || ts_param_has_grad(l->b);
}
#endif
