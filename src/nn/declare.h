/* Modules declare what parameters they have, in the order in which they use them. The same code
 * makes them in a set and lists them for who only needs names and shapes (name maps, converters, the
 * count of a description). */
#ifndef TS_NN_DECLARE_H
#define TS_NN_DECLARE_H
#include "dist/comm.h"
#include "tensor/param.h"

/* Parts of what travels beside the product of a linear layer, see below. */
typedef struct ts_product_parts {
    const char *name; /* "linear_qkv"; lasts as long as the program */
    int gather, sum;
} ts_product_parts;
enum { TS_PRODUCTS = 4 };

/* The processes that share out a model's matrices (Megatron-LM's tensor parallelism). Between them the
 * stream is the same on all, or shared out by its rows (sequence parallelism). */
typedef struct ts_tensor_group {
    ts_comm *comm;
    ts_comm *x, *y; /* of a mesh of them, which cuts matrices both ways (ops/linear_2d.h); NULL: one way.
                       Rows of the stream are shared out then, and nothing is uneven */
    bool sequence;
    bool unaligned; /* heads and widths may be shared out unevenly */
    /* of the rows of a product, which travel while others are multiplied: where they are gathered before
     * it, and where they are summed behind it; 0 and 1: one after the other */
    int gather_parts, sum_parts;
    ts_product_parts product[TS_PRODUCTS]; /* of linear layers with these names instead; not on a mesh */
    int n_products;
    int back_parts; /* on a mesh: of the gradients that are gathered before a product */
} ts_tensor_group;

/* The processes that share out experts (expert parallelism: GShard, Lepikhin et al., arXiv 2006.16668), and how rows
 * come to them. */
/* SUM: rows are the same on all, stay where they are, and what experts make of them is summed up. Not in training. */
typedef enum ts_dispatcher { TS_DISPATCH_ALL_GATHER, TS_DISPATCH_ALL_TO_ALL, TS_DISPATCH_SUM } ts_dispatcher;
typedef struct ts_expert_group {
    ts_comm *comm;   /* each has some of the experts, as many as another: those that stand one after another */
    ts_comm *pieces; /* each has some of the columns of the same experts, as in a ts_tensor_group */
    ts_comm *all;    /* of SUM: comm and pieces together */
    ts_dispatcher by;
    bool beside;     /* shared experts are computed while rows travel */
    bool late;       /* and so are gradients of the experts' first weights */
    /* All to all: */
    ts_comm *near, *far; /* comm = far times near: rows come to all of far first, and from there go to near; NULL: straight */
    int64_t among;   /* of each sequence so many parts go one after another through attention and experts, one part's rows
                        travelling while others are computed; 0 and 1: as one */
    int64_t parts, slices; /* rows go in parts, of some of a process's experts and some of its rows; 0 and 1: at once */
    int64_t hot;     /* the busiest experts, of which everybody gets a copy for the pass; 0: none */
    int hot_exchanges; /* in which these come */
    /* [layers, experts] where each expert stands, and which stands there; borrowed. NULL: as numbered */
    const int32_t *place, *order;
} ts_expert_group;

static inline bool ts_shares_rows(const ts_tensor_group *g) { return g && g->sequence; }

typedef struct ts_param_spec {
    ts_place place;
    ts_param_parts parts;
    bool is_copy; /* another process counts what `parts` has */
    ts_start start;
    float value;    /* of a start that has one */
    bool decoupled, is_table, is_filter, is_qk_norm, is_router, is_expert, at_both_ends; /* see ts_param, as the next */
    bool is_vectors; /* a place of two dimensions that is one vector after another: held, stepped and rounded as
                        vectors are */
    bool is_matrix; /* of one row, which files have as a matrix: it decays; held as is_vectors is */
    bool is_linear; /* the weight of a linear layer (nn/linear.h) */
    bool is_fixed; /* never trained by gradients: held frozen, in fp32 */
    ts_param_bands bands;
} ts_param_spec;

typedef ts_status ts_list_fn(void *ctx, const char *name, const ts_param_spec *spec);

enum { TS_DECLARED_NAME = 128 };

/* Told of each linear layer, and of each stack of experts' matrices, once it is declared, by who declares it (its prefix is
 * the layer's name and a dot): may give it an adapter. */
struct ts_linear;
struct ts_experts_product;
struct ts_declarer;
typedef struct ts_adapting ts_adapting;
struct ts_adapting {
    ts_status (*meet)(ts_adapting *a, const struct ts_declarer *in, struct ts_linear *l);
    ts_status (*meet_experts)(ts_adapting *a, const struct ts_declarer *in, struct ts_experts_product *p);
};

typedef struct ts_declarer {
    ts_param_set *set; /* where parameters are made; NULL: they are told to `list` */
    ts_list_fn *list;
    void *ctx;
    const ts_tensor_group *group; /* borrowed, longer than the modules live; NULL: one process */
    int block, chunks; /* of what is declared, as in ts_param, like the next */
    bool is_elsewhere;
    ts_adapting *adapting; /* borrowed; NULL: nobody is told */
    const ts_expert_group *experts; /* likewise; NULL: all have all experts, in pieces where group is */
    char prefix[TS_DECLARED_NAME]; /* of names: "decoder.layers.3." */
} ts_declarer;

/* The same for a module within, whose names begin with `name` and a dot. */
ts_declarer ts_declare_in(const ts_declarer *d, const char *name);
/* What is declared from here on is used together: the embedding, each layer, what is behind them. */
void ts_declare_unit(const ts_declarer *d);
/* A parameter into *out (untouched where parameters are listed). Matrices decay, vectors do not; is_vectors:
 * ts_param's rank is 1 and its dim [elements, 1]. */
ts_status ts_declare(const ts_declarer *d, const char *name, const ts_param_spec *spec,
                     ts_param **out) TS_NODISCARD;
#endif
