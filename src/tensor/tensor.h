/* Tensors: counted bytes on a device, and dense views of them.
 *
 * A ts_tensor lives in its tape's arena until the tape is reset; what may go earlier are its bytes.
 * They stay while somebody holds a pin: the frame in which the tensor was made, and every record
 * that needs it for its backward. The last unpin gives the bytes back. */
#ifndef TS_TENSOR_TENSOR_H
#define TS_TENSOR_TENSOR_H
#include "base/dtype.h"
#include "device/device.h"

enum { TS_MAX_RANK = 4 };

/* Bytes with a count of holders; the only counted thing there is. Counts are not atomic: tensors
 * are made and dropped by the thread that runs the model. */
typedef struct ts_storage {
    ts_device *dev;
    void *data;
    size_t bytes;
    ts_mem_kind kind;
    bool is_away; /* in the host's memory */
    size_t lent;  /* bytes of it that count as being there */
    int refs;
} ts_storage;

ts_status ts_storage_create(ts_device *dev, ts_mem_kind kind, size_t bytes,
                            ts_storage **out) TS_NODISCARD;
/* In host memory that the device reaches by itself, booked as TS_MEM_SWAP. */
ts_status ts_storage_create_away(ts_device *dev, size_t bytes, ts_storage **out) TS_NODISCARD;
/* On a device whose memory is the host's: counts so many bytes of it as TS_MEM_SWAP from now on. */
void ts_storage_lend(ts_storage *s, size_t bytes);
static inline ts_storage *ts_storage_retain(ts_storage *s)
{
    s->refs++;
    return s;
}
void ts_storage_release(ts_storage **s);

typedef struct ts_tensor ts_tensor;
struct ts_tensor {
    ts_storage *storage; /* NULL once dropped */
    size_t offset;       /* bytes */
    ts_dtype dtype;
    int rank;
    int64_t dim[TS_MAX_RANK]; /* row-major, dense */
    int pins;
    bool wants_grad;
    ts_tensor *grad;         /* pinned while set */
    struct ts_record *maker; /* the record that can make the bytes again (ts_op.replay), or NULL */
    const struct ts_shown *shown; /* whose result it is, where somebody looks at the pass (ops/tape.h) */
    struct ts_swap_slot *slot; /* where the bytes wait, or come from (ops/swap.h); NULL: they do not */
};

static inline int64_t ts_tensor_count(const ts_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}
static inline size_t ts_tensor_bytes(const ts_tensor *t)
{
    return (size_t)ts_tensor_count(t) * ts_dtype_size(t->dtype);
}
/* Product of all dimensions but the last, and the last. */
static inline int64_t ts_tensor_cols(const ts_tensor *t) { return t->dim[t->rank - 1]; }
static inline int64_t ts_tensor_rows(const ts_tensor *t)
{
    return ts_tensor_count(t) / ts_tensor_cols(t);
}
/* The address of the first element; the bytes must be there. */
void *ts_tensor_data(const ts_tensor *t);
/* "bf16[2048, 576]" into buf (at least 96 bytes), for messages. Returns buf. */
const char *ts_tensor_text(const ts_tensor *t, char *buf);
#endif
