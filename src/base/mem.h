/* Host memory for small things: structures, strings, tables. Tensor bytes come from a device. */
#ifndef TS_BASE_MEM_H
#define TS_BASE_MEM_H
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out is the address of a pointer; it receives count * size zeroed bytes, freed with ts_free.
 * Fails with TS_ERR_NOMEM (and on overflow), leaving *out untouched. count 0 gives a valid
 * pointer. */
ts_status ts_alloc(void *out, size_t count, size_t size) TS_NODISCARD;

/* ts_alloc for a large table that is read all over: in large pages where there are such, which
 * spares most of the walking through page tables. */
ts_status ts_alloc_large(void *out, size_t count, size_t size) TS_NODISCARD;

/* Makes *array (elements of `size` bytes, `*cap` of them) hold at least `need`, by doubling; new
 * elements are zero. On failure nothing changes. */
ts_status ts_grow(void *array, size_t *cap, size_t need, size_t size) TS_NODISCARD;

/* Frees and clears *pointer; fine with a pointer to NULL. */
void ts_free(void *pointer);

ts_status ts_strdup(const char *s, char **out) TS_NODISCARD;
ts_status ts_strndup(const char *s, size_t n, char **out) TS_NODISCARD;

/* out = a * b; false on overflow, out untouched. For every product with an operand from a file or
 * user. */
bool ts_mul_size(size_t a, size_t b, size_t *out);
bool ts_add_size(size_t a, size_t b, size_t *out);

/* What device memory is for: the "who holds what" table, `plan` and the metrics use these kinds. */
typedef enum ts_mem_kind {
    TS_MEM_WEIGHT,  /* parameters in every form: compute copies and fp32 masters */
    TS_MEM_GRAD,
    TS_MEM_OPTIM,   /* moments */
    TS_MEM_ACT,     /* activations and their gradients */
    TS_MEM_COMM,    /* communication buffers */
    TS_MEM_DATA,    /* batches */
    TS_MEM_OTHER,   /* kernels' workspace and the like */
    TS_MEM_SWAP,    /* what waits in the host's memory: activations, the optimizer's state */
    TS_MEM_KINDS,
} ts_mem_kind;

const char *ts_mem_kind_name(ts_mem_kind kind);
#endif
