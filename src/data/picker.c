#include "data/picker.h"

#include "data/nprandom.h"

ts_status ts_picker_init(ts_picker *s, const ts_data_options *o, const ts_dataset *part,
                         int64_t micro, int64_t rank, int64_t size)
{
    const int64_t total = part->n, chunks = total / (micro * size);
    *s = (ts_picker){ .total = total,
                      .micro = micro,
                      .rank = rank,
                      .size = size,
                      .pass = -1,
                      .is_cyclic = o->dataloader_type == TS_DATALOADER_CYCLIC,
                      .is_sharded = o->data_sharding };
    if (!s->is_cyclic)
        return TS_OK;
    if (chunks == 0)
        return ts_error(TS_ERR_USER,
                        "--dataloader-type cyclic: %lld samples are fewer than one micro-batch of "
                        "%lld for each of %lld processes",
                        (long long)total, (long long)micro, (long long)size);
    if (total > UINT32_MAX)
        return ts_error(TS_ERR_USER,
                        "--dataloader-type cyclic: %lld samples, at most %u can be "
                        "permuted",
                        (long long)total, UINT32_MAX);
    s->usable = chunks * micro * size;
    s->n_order = s->is_sharded ? chunks * micro : total / micro * micro;
    return ts_alloc(&s->order, (size_t)s->n_order, sizeof *s->order);
}

void ts_picker_deinit(ts_picker *s)
{
    ts_free(&s->order);
    *s = (ts_picker){ 0 };
}

ts_status ts_picker_check(const ts_picker *s, int64_t consumed)
{
    if (s->is_cyclic && consumed % s->usable % (s->micro * s->size))
        return ts_error(
            TS_ERR_USER,
            "--dataloader-type cyclic: the run stopped %lld samples into a pass of %lld, which is "
            "no multiple of --micro-batch-size %lld x %lld processes; go on with the sizes that it "
            "began with",
            (long long)(consumed % s->usable), (long long)s->usable, (long long)s->micro,
            (long long)s->size);
    return TS_OK;
}

/* A pass is a multiple of a chunk, so a micro-batch never crosses its end. */
static void take_cyclic(ts_picker *s, int64_t place, int64_t *out)
{
    const int64_t pass = place / s->usable, at = place % s->usable;
    TS_ASSERT(at % (s->micro * s->size) == 0, "place %lld", (long long)place);
    if (s->pass != pass) {
        ts_nprandom_torch_permutation((uint32_t)pass, s->order, s->n_order);
        s->pass = pass;
    }
    for (int64_t b = 0; b < s->micro; b++)
        out[b] = s->is_sharded ? s->rank * s->n_order + s->order[at / s->size + b]
                               : s->order[at + s->rank + b * s->size];
}

void ts_picker_run(const ts_picker *s, int64_t first, int64_t n, int64_t *out)
{
    TS_ASSERT(!s->is_cyclic, "a run of samples of a permuted pass");
    for (int64_t b = 0; b < n; b++)
        out[b] = (first + b) % s->total;
}

ts_status ts_picker_take(ts_picker *s, int64_t consumed, int64_t m, int64_t *out)
{
    const int64_t chunk = s->micro * s->size;
    if (s->is_cyclic) {
        TS_TRY(ts_picker_check(s, consumed));
        take_cyclic(s, consumed + m * chunk, out);
        return TS_OK;
    }
    ts_picker_run(s, ts_sampler_first(consumed, m, s->micro, s->rank, s->size), s->micro, out);
    return TS_OK;
}
