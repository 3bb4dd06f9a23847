/* Which samples of a part a rank reads: in the part's order (Megatron's "single"), or permuted
 * again in each pass ("cyclic", MegatronPretrainingRandomSampler with PyTorch's random numbers). */
#ifndef TS_DATA_PICKER_H
#define TS_DATA_PICKER_H
#include "data/source.h"

/* Zero is a valid empty value. Not for several threads: a pass's permutation is made when its first
 * sample is asked for. */
typedef struct ts_picker {
    int64_t total;      /* samples of the part */
    int64_t micro;      /* samples of a micro-batch */
    int64_t rank, size; /* data-parallel */
    bool is_cyclic, is_sharded;
    int64_t usable;  /* of a pass: whole micro-batches on every rank */
    int64_t pass;    /* whose permutation `order` is; -1: none yet */
    int64_t n_order; /* of this rank's own part when sharded, else of all whole micro-batches */
    uint32_t *order; /* [n_order] */
} ts_picker;

/* A part that is too small for one micro-batch on each rank, or too large, is TS_ERR_USER when
 * cyclic. */
ts_status ts_picker_init(ts_picker *s, const ts_data_options *o, const ts_dataset *part,
                         int64_t micro, int64_t rank, int64_t size) TS_NODISCARD;
void ts_picker_deinit(ts_picker *s);
/* Whether a run may go on after this many samples: a pass of the cyclic order is cut for one
 * micro-batch size and number of processes (else TS_ERR_USER). */
ts_status ts_picker_check(const ts_picker *s, int64_t consumed) TS_NODISCARD;
/* Not cyclic: n samples from number `first` on. */
void ts_picker_run(const ts_picker *s, int64_t first, int64_t n, int64_t *out);
/* Samples of this rank's micro-batch m (0, 1, ...) after `consumed` samples, into out [micro].
 * Beyond the last sample "single" begins again with the first. A pass of "cyclic" ends on all ranks
 * together, where one has no whole micro-batch left (Megatron's ranks lose step there when
 * data_sharding is off and micro-batches are smaller than the number of ranks). */
ts_status ts_picker_take(ts_picker *s, int64_t consumed, int64_t m, int64_t *out) TS_NODISCARD;
#endif
