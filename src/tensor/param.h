/* Parameters. The value that counts is one row-major array (the fp32 master in training, the files'
 * type in inference); the forms that kernels multiply with are made from it when first needed and
 * again after it changed: packed panels in the compute type, or a plain copy, as the device
 * likes.
 *
 * When each weight is multiplied once a step, forms need not outlive their product: they are then
 * made in two buffers that all weights share (ts_param_set_share_forms), which saves a copy of the
 * weights for each direction and leaves what was packed in the caches.
 *
 * A set that is never trained may hold one form alone (ts_param_set_allocate_one): a matrix is then
 * row-major only while its values arrive, and `value` is NULL afterwards unless rows are what the
 * device multiplies with. */
#ifndef TS_TENSOR_PARAM_H
#define TS_TENSOR_PARAM_H
#include "tensor/place.h"
#include "tensor/tensor.h"

/* One form of a weight matrix, ready for a GEMM. */
typedef struct ts_form {
    const void *data;
    int64_t ld;    /* row stride when not packed */
    bool packed;
    ts_quant quant; /* not NONE: in the layout of device/kernels/quant.h */
} ts_form;

typedef struct ts_form_slot {
    ts_storage *storage;
    const struct ts_param *of; /* whose form is there */
    ts_dtype packed_as;        /* what it was packed as; F32: it is a plain copy */
    unsigned version;
} ts_form_slot;

typedef struct ts_param {
    char name[96];
    ts_place place;
    int rank;
    int64_t dim[2];      /* of the share on this rank; rank 1: [n, 1] */
    ts_dtype dtype;      /* of value */
    void *value;         /* [dim0, dim1]; in the set's storage */
    float *grad;         /* fp32, like value; NULL: frozen or inference */
    bool grad_empty;     /* what is in grad does not count: who adds first writes (see below) */
    bool frozen;         /* not trained: no place in the flat arrays */
    bool decoupled;      /* embedding or output layer: may have a learning rate of its own */
    int64_t index;       /* number in the set */
    int64_t offset;      /* element offset in the set's flat arrays, of what is trained */
    bool decays;         /* weight decay applies */
    bool int8;           /* forward and input gradient multiply in 8-bit integers (gemm_i8) */
    unsigned version;    /* grows with every change of value */
    /* of a set of single forms */
    ts_quant quant;      /* what this one is to become */
    bool is_table;       /* only looked up, never multiplied: its rows stay as they are */
    bool sealed;         /* the form is there, value is not */
    ts_storage *own;     /* of value, before (and after, where rows are the form) */
    int64_t filled;      /* elements that have arrived */
    int uses;            /* backward records of this micro-batch that still have to add to grad */
    /* packed for forward and for the input gradient; nt also holds a plain copy */
    ts_form_slot nt, nn;
} ts_param;

static inline int64_t ts_param_count(const ts_param *p) { return p->dim[0] * p->dim[1]; }

/* All parameters of a model in one flat order; gradients and moments of those that are trained are
 * flat arrays with the same element offsets (each parameter begins at a multiple of 64 elements), and
 * so are fp32 values when nothing is frozen. */
typedef struct ts_param_set {
    ts_device *dev;
    ts_param **p;
    size_t n, cap;
    int64_t total;       /* elements of the flat arrays, padding included */
    ts_storage *values, *grads;
    bool single;         /* single forms */
    bool shares;         /* forms are in these, not in the parameters' */
    ts_form_slot nt, nn;
} ts_param_set;

void ts_param_set_init(ts_param_set *s, ts_device *dev);
void ts_param_set_deinit(ts_param_set *s);
/* Declares a parameter (no memory yet). dim1 0: one dimension. Borrowed result, lives with the
 * set. */
ts_status ts_param_add(ts_param_set *s, const char *name, int64_t dim0, int64_t dim1, bool decays,
                       ts_param **out) TS_NODISCARD;
ts_param *ts_param_find(const ts_param_set *s, const char *name); /* or NULL */
/* Takes those out of the flat arrays whose `frozen` was set. Before anything is allocated. */
void ts_param_set_freeze(ts_param_set *s);
/* Allocates all values. Matrices get `dtype`, vectors always fp32. Content undefined. */
ts_status ts_param_set_allocate(ts_param_set *s, ts_dtype dtype) TS_NODISCARD;
/* For a set that is never trained: matrices of `dtype` in one form each, made when the last of its
 * elements has been put; those with a `quant` in few bits. */
ts_status ts_param_set_allocate_one(ts_param_set *s, ts_dtype dtype) TS_NODISCARD;
/* Elements [at, at + n) of a parameter from fp32 on the host; v is overwritten. */
ts_status ts_param_put(ts_param_set *s, ts_param *p, int64_t at, int64_t n, float *v) TS_NODISCARD;
/* Allocates fp32 gradients for all parameters that are trained. Zeroed. */
ts_status ts_param_set_allocate_grads(ts_param_set *s) TS_NODISCARD;
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
/* Zeros, if nobody has written yet. */
void ts_param_grad_settle(const ts_param_set *s, ts_param *p);
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
ts_kept_forms ts_param_kept_forms(const ts_param_set *s, const ts_param *p);
void ts_param_forms_made(ts_param *p);

/* The weight as B of a GEMM of this form in this type; made now if it is missing or old. */
ts_status ts_param_form(ts_param_set *s, ts_param *p, ts_gemm_form form, ts_dtype dtype,
                        ts_form *out) TS_NODISCARD;
/* y[r] = row ids[r], for r < rows; the device's, as are ids (int32) and y. */
void ts_param_rows(ts_param_set *s, const ts_param *p, const int32_t *ids, int64_t rows,
                   ts_dtype dtype, void *y);
/* A vector's values (norm weights, biases). */
static inline const float *ts_param_vector(const ts_param *p)
{
    return p ? (const float *)p->value : 0;
}
#endif
