/* A device: memory, copies and kernels behind one table. `cpu` computes, `sim` only accounts.
 * Kernels take pointers and sizes, never tensors, so a device knows nothing of what stands above
 * it.
 *
 * One thread at a time calls a device. Host code reads and writes the device's memory by this table
 * alone, and what it asks for may be done later: copies and kernels go into a queue. Results are good
 * after `sync`, which is also where a device tells that something could not be done: copies and
 * launches return nothing. Whoever uses a result on the host passes sync's status on. Where the
 * memory is the host's (`on_host`) it may be used where it lies, after sync too: a short cut that
 * needs another way beside it. */
#ifndef TS_DEVICE_DEVICE_H
#define TS_DEVICE_DEVICE_H
#include "base/mem.h"
#include "base/str.h"
#include "base/timeline.h"
#include "device/holders.h"
#include "device/kernels.h"
#include "device/ledger.h"

/* What one launch costs: additions and multiplications, and bytes that must move between memory and
 * the processor at least. `dtype` is what is multiplied. */
typedef struct ts_cost {
    double flops, bytes;
    ts_dtype dtype;
} ts_cost;

typedef struct ts_kernel_stat {
    int64_t calls;
    /* seconds: measured on cpu (when timing is on), estimated on sim */
    double seconds, flops, bytes;
} ts_kernel_stat;

/* A queue is done in the order in which it was filled; between the two there is no order but what
 * events make. */
typedef enum ts_queue {
    TS_QUEUE_MAIN, /* launches, and the copies that they need */
    TS_QUEUE_COPY, /* copies beside them */
} ts_queue;
/* A place in a queue: made by event_create, marked by record. */
typedef struct ts_event ts_event;

typedef enum ts_way { TS_TO_DEVICE, TS_TO_HOST, TS_WAYS } ts_way;

typedef struct ts_device ts_device;
struct ts_device {
    const char *name; /* "cpu", "sim" */
    bool computes;    /* false: pointers are not to be read (sim) */
    bool on_host;     /* its memory is the host's */
    ts_mem_ledger mem;
    ts_kernel_stat stat[TS_KERNEL_COUNT];
    double copied[TS_WAYS]; /* bytes so far */
    double swapped[TS_WAYS]; /* bytes so far that went to the second memory and came back (ops/swap.h, train/state_swap.h) */
    bool timing;            /* measure kernels' seconds */
    int again;              /* above 0: what runs has run before (recomputation) */
    double flops_again[TS_CLASSES]; /* operations of kernels that ran so, without attn_join */
    ts_timeline *timeline;  /* borrowed; NULL: none */
    ts_holders *holders;    /* borrowed; NULL: nobody asks who holds what */

    /* Fresh bytes at a multiple of 64; content undefined. Use ts_device_alloc, which books them. */
    ts_status (*alloc)(ts_device *d, size_t bytes, void **out);
    void (*free)(ts_device *d, void *p, size_t bytes); /* once what is in the queues is done */
    /* ---- the main queue ---- */
    /* Between host memory and the device's; both exist even when they are the same. src may be used
     * again when to_device returns; dst is not to be touched between to_host and sync. */
    void (*to_device)(ts_device *d, void *dst, const void *src, size_t bytes);
    void (*to_host)(ts_device *d, void *dst, const void *src, size_t bytes); /* sim: zeros */
    void (*move)(ts_device *d, void *dst, const void *src, size_t bytes); /* within the device */
    void (*zero)(ts_device *d, void *dst, size_t bytes);
    /* args are read before this returns (step_pack's inner ones too); memory that they name is the
     * device's. */
    void (*launch)(ts_device *d, ts_kernel k, const void *args, int64_t n, ts_cost cost);
    /* Waits until both queues are empty. What could not be done since the device was opened is
     * TS_ERR_RUN, here and in every later sync: its memory is worth nothing then. */
    ts_status (*sync)(ts_device *d);

    /* ---- the queue of copies ---- */
    /* Host memory at a multiple of 64 that the device reaches by itself; content undefined. It may stand
     * for the device's in the main queue too: kernels, to_device, to_host, move and zero work on it where it lies. */
    ts_status (*alloc_host)(ts_device *d, size_t bytes, void **out);
    void (*free_host)(ts_device *d, void *p, size_t bytes);
    /* The host's end lies in memory of alloc_host. Neither end is to be touched until an event
     * behind the copy is reached, or sync. */
    void (*copy)(ts_device *d, ts_way way, void *dst, const void *src, size_t bytes);
    /* Events of devices that do everything at once may be NULL. A new one is reached. */
    ts_status (*event_create)(ts_device *d, ts_event **out);
    void (*event_destroy)(ts_device *d, ts_event *e);
    /* The event is now reached when all that is in q is done. */
    void (*record)(ts_device *d, ts_queue q, ts_event *e);
    /* What is put into q from now on waits for the event, as it was recorded last. */
    void (*follow)(ts_device *d, ts_queue q, const ts_event *e);
    bool (*reached)(ts_device *d, const ts_event *e); /* never waits */

    /* Bytes of a packed B; 0: this device does not pack that form and type (pass B as it is). */
    size_t (*gemm_packed_bytes)(const ts_device *d, ts_gemm_form form, ts_dtype dtype, int64_t n,
                                int64_t k);
    bool rounds_b; /* products in bf16 take a B in fp32, b_wide of ts_gemm_args; no form in BF16 is packed then */
    void (*close)(ts_device *d);
};

typedef struct ts_device_options {
    int threads;       /* 0: all cores */
    /* TS_ISA_* that may be used; TS_ISA_ALL: what the CPU has (device/isa.h) */
    unsigned isa;
    int64_t limit;     /* bytes; 0: none */
    bool unplaced;     /* leave it to the system which memory nodes threads and bytes are on */
} ts_device_options;

ts_status ts_device_open(const char *name, const ts_device_options *o,
                         ts_device **out) TS_NODISCARD;
void ts_device_close(ts_device **d);

/* Books and allocates; on failure the message holds the table of who holds what. */
ts_status ts_device_alloc(ts_device *d, ts_mem_kind kind, size_t bytes, void **out) TS_NODISCARD;
void ts_device_free(ts_device *d, ts_mem_kind kind, void *p, size_t bytes);
/* Books bytes that were allocated elsewhere (workspace); negative to give back. */
void ts_device_book(ts_device *d, ts_mem_kind kind, int64_t bytes);
/* Bytes that an allocation of `bytes` is booked as (rounded to 64). */
static inline size_t ts_device_round(size_t bytes) { return (bytes + 63) & ~(size_t)63; }
/* The next `bytes` of a room that is laid out piece by piece, of which `used` are given away. A room that is NULL
 * is only measured. */
static inline void *ts_device_take(void *room, size_t *used, size_t bytes)
{
    void *at = room ? (char *)room + *used : NULL;
    *used += ts_device_round(bytes);
    return at;
}
/* Says where the program is, for the peak: a phase of the step, then parts of the model within
 * it. */
static inline void ts_device_phase(ts_device *d, const char *phase)
{
    d->mem.phase = phase;
    d->mem.part = NULL;
}
static inline void ts_device_part(ts_device *d, const char *part, int64_t layer)
{
    d->mem.part = part;
    d->mem.layer = layer;
}
/* "backward, attention of layer 7", into buf of 128 bytes; "start" before the first phase. Returns
 * buf. */
const char *ts_device_peak_at(const ts_device *d, char *buf);
/* Adds the table of who holds what to the message of a TS_ERR_NOMEM that has none, as memory ran
 * out that is not counted. Returns st; d may be NULL. */
ts_status ts_device_explain(const ts_device *d, ts_status st);
/* The table of who holds what, as text. */
ts_status ts_device_mem_table(const ts_device *d, ts_str *out) TS_NODISCARD;
void ts_device_reset_peak(ts_device *d);
/* Kernels by time: calls, seconds and their share, rates; sums by class. Seconds need `timing`
 * on. */
ts_status ts_device_stat_table(const ts_device *d, ts_str *out) TS_NODISCARD;

/* For kinds of device: leaves the mark of a kernel that began then, on a timeline that is on. */
void ts_device_mark(ts_device *d, ts_kernel k, const void *args, int64_t n, ts_cost cost, double began);

/* Likewise of a copy within it, to it or from it; began: ts_device_copy_begins, 0 where copies are not recorded. */
static inline double ts_device_copy_begins(const ts_device *d)
{
    return ts_timeline_is_on(d->timeline) && d->timeline->detail.host ? ts_timeline_now(d->timeline) : 0;
}
void ts_device_mark_copy(ts_device *d, const char *name, size_t bytes, double began);

/* to_host and sync: dst is good when this is TS_OK. */
static inline ts_status TS_NODISCARD ts_device_read(ts_device *d, void *dst, const void *src,
                                                    size_t bytes)
{
    d->to_host(d, dst, src, bytes);
    return d->sync(d);
}

/* Typed launches: ts_launch_gemm(device, &args, n, cost) and so on. */
#define TS_KERNEL_LAUNCH(name, args_type, class)                                                   \
    static inline void ts_launch_##name(ts_device *d, const args_type *a, int64_t n, ts_cost cost) \
    {                                                                                              \
        d->launch(d, TS_KERNEL_##name, a, n, cost);                                                \
    }
TS_KERNELS(TS_KERNEL_LAUNCH)
#undef TS_KERNEL_LAUNCH

/* For devices that have done everything when a call returns: fills in all that has to do with
 * queues, `copy` by to_device and to_host. */
void ts_device_at_once(ts_device *d);

/* The kinds of device, for the registry. */
ts_status ts_cpu_open(const ts_device_options *o, ts_device **out) TS_NODISCARD;
ts_status ts_sim_open(const ts_device_options *o, ts_device **out) TS_NODISCARD;
#endif
