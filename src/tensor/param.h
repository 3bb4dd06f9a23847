/* Parameters. A parameter has an identity, a holding and forms.
 *
 * Identity: its name, shape and place in the whole model, and the number that random values and
 * optimizer state hang on. None of it depends on how many processes share the model.
 *
 * Holding: what of it is in memory. A trained one is a row-major array (the fp32 master) with a
 * gradient and moments beside it; a frozen one is the array alone, in a type of its own; one that is
 * only ever multiplied may be held in the one form that products read, in few bits if wanted, and
 * is then row-major only while its values arrive; one that is multiplied in both directions may be held
 * in NF4, which products unpack a panel at a time (device/kernels/nf4.h). It is each parameter's own matter, so that
 * trained adapters can stand beside frozen weights of few bits.
 *
 * Forms: what kernels multiply with, packed panels in the compute type or a plain copy, as the device
 * likes. They are made from the values when first needed and again after these changed. When each
 * weight is multiplied once a step, forms need not outlive their product: they are then made in two
 * buffers that all weights share (ts_param_set_share_forms), which saves a copy of the weights for
 * each direction and leaves what was packed in the caches. Where the device rounds fp32 values as it reads
 * them, nothing is made at all.
 *
 * Shares: processes that train the same parameters may share out masters, moments, gradients and the
 * values themselves (tensor/shards.h). Who uses a parameter's values says so first (ts_param_need): a
 * keeper brings what is not here. */
#ifndef TS_TENSOR_PARAM_H
#define TS_TENSOR_PARAM_H
#include "base/names.h"
#include "base/rng.h"
#include "tensor/narrow.h"
#include "tensor/place.h"
#include "tensor/shards.h"
#include "tensor/tensor.h"

typedef enum ts_held {
    TS_HELD_TRAINED, /* values, and gradients where the set has them */
    TS_HELD_FROZEN,  /* values */
    TS_HELD_ONE,     /* the one form that is multiplied (NT) */
    TS_HELD_NF4,     /* NF4 of values of type dtype */
    TS_HELD_FILE,    /* values, in a file that is mapped, of which rows are looked up: who reads the model says where */
} ts_held;

/* What a parameter's values are before training. */
typedef enum ts_start {
    TS_START_NORMAL,   /* N(0, std^2) */
    TS_START_OUT,      /* likewise, narrower: a projection into the residual stream */
    TS_START_CONSTANT, /* start_value */
    TS_START_UNIFORM,  /* between -start_value and start_value */
    TS_START_LOG_UNIFORM, /* log of a number between 1 and start_value (rates of decay) */
    TS_START_LOG_COLUMN, /* log of 1, 2, 3, ... in each row */
    TS_START_CHOICES,  /* in each row different whole numbers from 0 to start_value - 1 */
    TS_START_STEP,     /* what softplus makes a step between 0.001 and 0.1 of, the same in logarithms */
} ts_start;

/* One form of a weight matrix, ready for a GEMM. */
typedef struct ts_form {
    const void *data;
    int64_t ld; /* row stride when not packed */
    bool packed;
    bool wide;      /* the values themselves, F32, of which products in BF16 round each (b_wide of ts_gemm_args) */
    ts_quant quant; /* not NONE: in the layout of device/kernels/quant.h */
    const ts_nf4 *nf4; /* not NULL: it stands there instead of data */
    size_t stride;  /* of a stack: bytes from one matrix to the next */
} ts_form;

typedef struct ts_form_slot {
    ts_storage *storage;
    const struct ts_param *of; /* whose form is there */
    ts_dtype packed_as;        /* what it was packed as; F32: it is a plain copy */
    unsigned version;
} ts_form_slot;

/* What several processes of a tensor-parallel group have alike while each makes a part of its gradient
 * (of its own rows of the stream, or of its own heads): rows of the share from `from` on, which are
 * number `slot` of `slots` that the group has together, each with as many. slots 0: nothing. */
typedef struct ts_param_parts {
    int64_t from, slot, slots;
} ts_param_parts;

/* Rows of several matrices in one, group after group: of each group rows[0] are the first's, the next
 * rows[1] the second's, and so on; of four with heads: queries, their gates, keys, values. All that stands here
 * is of the whole. */
enum { TS_PARAM_BANDS = 4 };
typedef struct ts_param_bands {
    int n; /* 0: one matrix */
    int64_t rows[TS_PARAM_BANDS];
    int64_t head; /* rows of a head, of which a band has one or several; 0: there are no heads */
} ts_param_bands;

typedef struct ts_param {
    /* identity */
    char *name; /* of the whole tensor */
    ts_place place;
    int64_t id; /* number in the whole model: random streams hang on it */
    ts_start start;
    float start_value;
    bool decays;    /* weight decay applies */
    bool decoupled; /* embedding or output layer: may have a learning rate of its own */
    bool is_table;  /* rows of it are looked up */
    bool is_filter; /* of a convolution of columns: no product reads it */
    bool is_qk_norm; /* of queries or keys */
    bool is_linear;  /* of a linear layer (nn/linear.h) */
    bool is_start;   /* what a trained one was at first: where these alone are saved, it is saved with them */
    bool is_router;  /* which is multiplied in fp32 and may not be rounded */
    bool steps_whole; /* the optimizer looks at all of it at once (ts_param_set_step_whole) */
    ts_param_bands bands;
    float *tops; /* of queries, keys and values in one: [its heads of queries here], the device's; the largest
                    score of attention since they were cleared; NULL: not kept (ts_param_set_keep_tops) */
    bool is_expert;    /* of one of several experts: other processes hold the same of it than of other parameters, if
                          experts are shared out (ts_shard_options.expert_size) */
    bool at_both_ends; /* of a pipeline: the first stage and the last have it, each with a part of its
                          gradient */
    int block;         /* of a pipeline: other stages have it too, each with a part of its gradient, as number `block` of
                          such sets of weights, from 1 on; 0: none has */
    bool is_elsewhere; /* with `block`: another stage counts it in norms */
    int chunks;        /* with `block`: parts of the model on this stage that use it */
    ts_param_parts parts;
    int64_t counted; /* elements of the share, from the first on, that norms count here: what several
                        processes of a tensor-parallel group have counts on one */
    /* the share that is here */
    struct ts_param_set *set;
    int64_t index;  /* number in the set */
    int64_t unit;   /* of the set: what is used together */
    int rank;       /* 2: a matrix, or a stack of them; 1: a vector */
    int64_t dim[2]; /* as a matrix: all dimensions but the last, and the last; of a vector [n, 1] */
    int64_t matrices; /* that are here of a stack (a place of three dimensions), one below the other and each
                         multiplied by itself (experts); else 1 */
    /* holding */
    ts_held held;
    bool has_type;   /* ts_param_hold has said the type */
    ts_dtype dtype;  /* of value, or of the one form */
    ts_quant quant;  /* of the one form */
    void *value;     /* [dim0, dim1]; NULL once the one form is there, or while a keeper has it elsewhere */
    ts_storage *own; /* of value, where it is not in the set's storage */
    int64_t filled;  /* elements that have arrived */
    bool sealed;     /* the one form is there, value is not */
    ts_nf4 nf4;      /* of TS_HELD_NF4, in own */
    int64_t nf4_groups; /* whose maxima have come */
    /* training */
    float *grad;     /* fp32, like value; NULL: not trained, or no gradients, or a keeper has no room yet */
    bool grad_empty; /* what is in grad does not count: who adds first writes (see below) */
    int64_t offset;  /* element offset in the set's flat arrays; -1: not trained */
    int64_t byte;    /* where values begin, were all of the set here: see ts_param_set_byte */
    /* products */
    bool int8;        /* forward and input gradient multiply in 8-bit integers (gemm_i8) */
    ts_narrow *narrow; /* its products are of operands in few bits; NULL: as they are */
    unsigned version; /* grows with every change of value */
    /* packed for forward and for the input gradient; nt also holds a plain copy */
    ts_form_slot nt, nn;
} ts_param;

static inline int64_t ts_param_count(const ts_param *p) { return p->dim[0] * p->dim[1]; }
/* Whether the set has room for values. */
static inline bool ts_param_has_room(const ts_param *p) { return p->held == TS_HELD_TRAINED || p->held == TS_HELD_FROZEN; }
static inline bool ts_param_is_trained(const ts_param *p) { return p->held == TS_HELD_TRAINED; }
/* Elements that a trained one takes in a flat array. */
static inline int64_t ts_param_room(const ts_param *p) { return (ts_param_count(p) + 63) / 64 * 64; }

/* Brings what is not always here, before it is used: values, which stay until another unit's are used
 * (gathers are collective: all processes of the group use units in the same order); memory for gradients,
 * which stays until the unit's are complete. */
typedef struct ts_param_keeper {
    ts_status (*bring)(void *ctx, const ts_param *p);
    void *ctx;
} ts_param_keeper;

/* Parameters in one order; gradients and moments of those that are trained are flat arrays with the
 * same element offsets (each parameter begins at a multiple of 64 elements), and so are fp32 values
 * when all are trained. Parameters point to their set, which therefore stays where it is. */
typedef struct ts_param_set {
    ts_device *dev;
    ts_param **p;
    size_t n, cap;
    ts_names *names;
    int64_t next_id;
    int64_t total; /* elements of the flat arrays, padding included; once allocated */
    ts_storage *values, *grads;
    ts_shards shards;   /* their cut over processes; once allocated */
    ts_storage *master; /* of the own shares; NULL: values are the masters */
    bool masters_are_values; /* those kept apart have each the values' type, otherwise fp32 */
    struct ts_state_code *code; /* how matrices that are stepped whole are written there in 8 bits; NULL: they are not */
    /* Masters in halves (base/halves.h), of matrices: values are the high ones, in bf16. Told before anything
     * is allocated. */
    bool parts_masters;
    ts_storage *low;        /* 16 bits each, of the own shares; NULL: masters are whole */
    ts_storage *ties;       /* of the own shares, fp32, borrowed: signs say which ties were rounded up */
    int64_t *tie;           /* which were so when values were put: numbers of the own shares */
    size_t n_ties, cap_ties;
    bool is_filled;     /* the optimizer's step writes own values too: see ts_param_set_fill_own */
    ts_storage *tops;    /* [n_tops] of all parameters that have some, fp32; NULL: none */
    int64_t n_tops;
    ts_param_keeper keeper, grad_keeper; /* of values, of gradients; none: all are here */
    int64_t units; /* begun so far: see ts_param_set_unit */
    ts_narrow_set *narrow; /* its own; NULL: no product is of few bits */
    bool shares; /* forms are in these, not in the parameters' */
    ts_form_slot nt, nn;
} ts_param_set;

ts_status ts_param_set_init(ts_param_set *s, ts_device *dev) TS_NODISCARD;
void ts_param_set_deinit(ts_param_set *s);
/* Declares a parameter of which this share is here (no memory yet). A name given twice is a
 * programmer's mistake. Borrowed result, lives with the set. */
ts_status ts_param_declare(ts_param_set *s, const char *name, const ts_place *place, bool decays,
                           ts_param **out) TS_NODISCARD;
/* The same of one that is here whole, [dim0, dim1]; dim1 0: one dimension. */
ts_status ts_param_add(ts_param_set *s, const char *name, int64_t dim0, int64_t dim1, bool decays,
                       ts_param **out) TS_NODISCARD;
/* n parameters of the model stand elsewhere: those behind them keep their ids. */
static inline void ts_param_skip(ts_param_set *s, int64_t n) { s->next_id += n; }
/* Before anything is allocated: the parameters of another set, with `prefix` before their names, stand behind
 * those of s from now on, and so do their ids and units; `from` has none then. What modules hold of them stays
 * good: two networks, each declared by itself, are trained as one set. A failure leaves both as they can only be
 * taken down. */
ts_status ts_param_set_join(ts_param_set *s, const char *prefix, ts_param_set *from) TS_NODISCARD;
ts_param *ts_param_find(const ts_param_set *s, const char *name); /* or NULL */
/* What is declared from now on is used together: a unit (of ts_shards). */
static inline void ts_param_set_unit(ts_param_set *s) { s->units++; }

/* Before anything is allocated: how p is held, and its type. Who is not told of is trained. */
void ts_param_freeze(ts_param *p); /* its type as if it were trained */
void ts_param_hold(ts_param *p, ts_held held, ts_dtype dtype, ts_quant quant);
/* Before anything is allocated: what of the trained ones is shared out with other processes. */
static inline void ts_param_set_share(ts_param_set *s, const ts_shard_options *o) { s->shards.o = *o; }
/* Before anything is allocated: the optimizer steps trained matrices as a whole, but for stacks, tables and the
 * output layer; only those that have one of n words in their names, or with none all. Where they are shared
 * out each is one process's then, whoever else of a tensor-parallel group has a share of it. */
void ts_param_set_step_whole(ts_param_set *s, const char *const *words, int64_t n);
/* The bands of the rows that are here. */
ts_param_bands ts_param_bands_here(const ts_param *p);
/* Heads of queries in a weight that holds queries, keys and values, or its bias; others: 0. */
int64_t ts_param_queries(const ts_param *p);
/* Room for tops of weights that hold queries, keys and values, and of their biases, which share them. */
ts_status ts_param_set_keep_tops(ts_param_set *s) TS_NODISCARD;
/* Allocates what each one's holding wants. Types that were not told: matrices `dtype`, vectors fp32.
 * Content undefined. Where they are shared out `dtype` is the masters'. */
ts_status ts_param_set_allocate(ts_param_set *s, ts_dtype dtype) TS_NODISCARD;
/* One that is held in NF4, for ts_param_set_allocate: its room, whose bytes its shape alone tells. */
ts_status ts_param_nf4_allocate(ts_param *p) TS_NODISCARD;
/* A matrix that was quantised as a whole, some of whose rows it has. */
typedef struct ts_nf4_whole {
    int64_t elements;
    ts_dtype type;       /* that values are rounded to */
    const float *nested; /* [elements / (64 * 256), rounded up] */
    float offset;
} ts_nf4_whole;
/* Its rows come: *first is to be added to the numbers that its elements have in the matrix. TS_ERR_USER where matrices of
 * two types, or of more elements than p has in the whole, meet. */
ts_status ts_param_nf4_begin(ts_param *p, const ts_nf4_whole *w, int64_t *first) TS_NODISCARD;
/* Row `row` of the share: its first element's number `at`, codes [dim[1]] one a byte, and what the blocks that they are in
 * have at most. */
void ts_param_nf4_put(ts_param *p, int64_t row, int64_t at, const uint8_t *code, const uint8_t *most);
/* Elements [at, at + n) of the share from fp32 on the host, values and, where they are kept apart, own
 * masters; v is overwritten. With the last of them the one form of a parameter that is held in it is
 * made. */
ts_status ts_param_put(ts_param *p, int64_t at, int64_t n, float *v) TS_NODISCARD;
/* On a device that computes nothing: the memory of those that have one form is as if all had been put. */
ts_status ts_param_set_book(ts_param_set *s) TS_NODISCARD;
/* Whether its masters are in halves. */
static inline bool ts_param_is_parted(const ts_param *p)
{
    return p->set->low && ts_param_is_trained(p) && p->dtype == TS_DTYPE_BF16;
}
/* Masters in 8 bits (tensor/state_code.h): how a piece's are written (an enum ts_codes; 0: it is fp32), and where its
 * codes or numbers are. */
int ts_shard_piece_codes(const ts_shard_piece *x);
void *ts_shard_piece_coded(const ts_shard_piece *x);
/* Elements [at, at + n) of one as numbers of type t, the device's; at: a multiple of TS_CODES_BLOCK. And back, from
 * fp32, each up or down at random by its number in the parameter, or with rng NULL to nearest; n: whole blocks, but at
 * the end. */
void ts_shard_piece_decode(const ts_shard_piece *x, int64_t at, int64_t n, ts_dtype t, void *to);
void ts_shard_piece_encode(const ts_shard_piece *x, int64_t at, int64_t n, const float *from, const ts_rng *rng);
/* Elements [at, at + n) of one's values from fp32 on the host; the codes are made when all have come. */
ts_status ts_param_put_coded(ts_param *p, int64_t at, int64_t n, const float *v) TS_NODISCARD;
ts_status ts_param_set_init_code(ts_param_set *s) TS_NODISCARD;
void ts_param_set_deinit_code(ts_param_set *s);
/* What the optimizer changes of a piece, and its type; of one in halves the high ones, and what both are. */
static inline ts_dtype ts_shard_piece_type(const ts_shard_piece *x)
{
    const ts_param_set *s = x->p->set;
    return (s->master && !s->masters_are_values) || ts_param_is_parted(x->p) ? TS_DTYPE_F32 : x->p->dtype;
}
static inline void *ts_shard_piece_master(const ts_shard_piece *x)
{
    const ts_storage *m = x->p->set->master;
    if (x->p->set->code)
        return ts_shard_piece_coded(x);
    return m ? (char *)m->data + x->byte
             : (char *)x->p->value + (size_t)x->at * ts_dtype_size(x->p->dtype);
}
/* Cuts the flat arrays of a set whose offsets are known, as ts_param_set_allocate does. */
ts_status ts_param_set_cut(ts_param_set *s) TS_NODISCARD;
/* Of elements [at, at + n) of p those that are own masters. */
void ts_param_put_master(const ts_param *p, int64_t at, int64_t n, const float *v);
/* Of elements [at, at + n) of p the low halves of those that are own, and which ties they are. */
ts_status ts_param_put_low(const ts_param *p, int64_t at, int64_t n, const float *v) TS_NODISCARD;
/* Says of the ties that were put what they were, in the signs of `ties`: once these are there, and again when
 * they were read. */
ts_status ts_param_set_mark_ties(ts_param_set *s) TS_NODISCARD;
/* Elements [from, from + n) of a piece in halves, joined, to the host. */
ts_status ts_shard_piece_join(const ts_shard_piece *x, int64_t from, int64_t n, float *to) TS_NODISCARD;
/* The pieces of p on this process: [*first, result), in the shards' list. */
int64_t ts_param_pieces(const ts_param *p, int64_t *first);
/* Where element `flat` of the flat arrays lies among values that all are here, in bytes: the same order,
 * each parameter in its own type. */
int64_t ts_param_set_byte(const ts_param_set *s, int64_t flat);
/* Of a unit's values, in bytes: how long each rank's share is, and where it begins in the unit [size
 * each]. Returns where the own one does. */
int64_t ts_param_set_unit_bytes(const ts_param_set *s, int64_t unit, int64_t *counts, int64_t *offsets);
/* Values of the own share of a unit, where they are, from its masters if these are kept apart and the
 * optimizer's step has not written them. */
void ts_param_set_fill_own(ts_param_set *s, int64_t unit);
/* All elements as `start` says: from N(0, std^2), each by the seed, the parameter's id and its number
 * in the whole; or start_value. */
ts_status ts_param_begin(ts_param *p, uint64_t seed, float std) TS_NODISCARD;

/* Allocates fp32 gradients for all parameters that are trained, zeroed; where gradients are shared out, a
 * keeper does that piece by piece. */
ts_status ts_param_set_allocate_grads(ts_param_set *s) TS_NODISCARD;
/* Whether there will be a gradient of p; NULL: no parameter. */
static inline bool ts_param_has_grad(const ts_param *p)
{
    return p && (p->grad || (p->set->grad_keeper.bring && ts_param_is_trained(p)));
}
/* It is about to be added to. */
static inline ts_status ts_param_need_grad(const ts_param *p)
{
    return p && !p->grad && ts_param_has_grad(p) ? p->set->grad_keeper.bring(p->set->grad_keeper.ctx, p)
                                                 : TS_OK;
}
/* Gradients begin anew. Those of matrices are not cleared: the first product writes where others
 * would add (ts_param_grad_begin), which saves two passes over memory; everyone else who adds calls
 * ts_param_grad_settle first. Before the set's gradients are read, all must be settled. */
void ts_param_set_clear_grads(ts_param_set *s);
/* Whether the caller must write all of the gradient rather than add to it. */
static inline bool ts_param_grad_begin(ts_param *p)
{
    const bool empty = p->grad_empty;
    p->grad_empty = false;
    return empty;
}
void ts_param_grad_clear(ts_param *p); /* one's own, where there is memory for it */
/* Zeros, if nobody has written yet. */
void ts_param_grad_settle(ts_param *p);
void ts_param_set_settle_grads(ts_param_set *s);

/* From now on forms last until the next weight's of the same direction. */
void ts_param_set_share_forms(ts_param_set *s);
/* To be called after values changed: all of them (load), or those that are trained (optimizer
 * step). */
void ts_param_set_changed(ts_param_set *s);
void ts_param_set_trained(ts_param_set *s);
/* For who changes values and can make the forms on the way: where p keeps forms packed in BF16
 * (both NULL: none). When they are made, and ts_param_set_trained has been called, they are declared
 * up to date. */
typedef struct ts_kept_forms {
    void *nt, *nn;
} ts_kept_forms;
ts_kept_forms ts_param_kept_forms(const ts_param *p);
void ts_param_forms_made(ts_param *p);
/* p's values are about to be used; NULL: nothing. */
static inline ts_status ts_param_need(const ts_param *p)
{
    return p && p->set->keeper.bring ? p->set->keeper.bring(p->set->keeper.ctx, p) : TS_OK;
}
/* The weight as B of a GEMM of this form in this type; made now if it is missing or old. */
ts_status ts_param_form(ts_param *p, ts_gemm_form form, ts_dtype dtype, ts_form *out) TS_NODISCARD;
/* y[r] = row ids[r] - first, for r < rows, zeros where there is no such row; the device's, as are ids
 * (int32) and y. Of a sealed one. */
void ts_param_rows(const ts_param *p, const int32_t *ids, int64_t first, int64_t rows,
                   ts_dtype dtype, void *y);
/* A vector's values (norm weights, biases). */
static inline const float *ts_param_vector(const ts_param *p)
{
    return p ? (const float *)p->value : 0;
}
#endif
