#include "train/indexer.h"

#include "ops/group.h"

void ts_index_begin(ts_device *dev, const ts_index_training *x)
{
    if (ts_index_trains(x))
        dev->zero(dev, x->loss->data, x->loss->bytes);
}

ts_status ts_index_finish(ts_device *dev, const ts_index_training *x, const ts_mesh *mesh, double rows, double *mean)
{
    float own = 0;
    *mean = 0;
    if (!ts_index_trains(x))
        return TS_OK;
    if (dev->computes)
        TS_TRY(ts_device_read(dev, &own, x->loss->data, sizeof own));
    double sum = (double)own;
    TS_TRY(ts_comm_run(mesh->comm[TS_MESH_DP_CP], ts_all_reduce(&sum, 1, TS_COMM_F64, TS_COMM_SUM)));
    TS_TRY(ts_comm_run(mesh->comm[TS_MESH_PP], ts_all_reduce(&sum, 1, TS_COMM_F64, TS_COMM_SUM)));
    *mean = sum / rows / (double)x->layers;
    return TS_OK;
}
