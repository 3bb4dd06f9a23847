#include "train/objective/objective.h"

ts_status ts_objective_upload(ts_tape *tape, ts_dtype dtype, const void *host, int64_t n,
                              ts_tensor **out)
{
    TS_TRY(ts_tape_new_kind(tape, TS_MEM_DATA, dtype, n, 0, out));
    if (tape->dev->computes)
        tape->dev->to_device(tape->dev, ts_tensor_data(*out), host, (size_t)n * 4);
    return TS_OK;
}
