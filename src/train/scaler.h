/* Dynamic loss scale for fp16 (Megatron's DynamicGradScaler). */
#ifndef TS_TRAIN_SCALER_H
#define TS_TRAIN_SCALER_H
#include "train/options.h"

typedef struct ts_loss_scaler {
    bool dynamic;
    double scale, min;
    int64_t window, hysteresis, good, tolerance;
    int64_t stuck; /* overflows in a row with the lowest scale, counted anew by each process */
} ts_loss_scaler;
/* So many overflows with the lowest scale, one after the other, end a run: nothing is left that
 * could be lowered. */
enum { TS_LOSS_SCALER_STUCK = 10 };
void ts_loss_scaler_init(ts_loss_scaler *s, const ts_train_options *o, bool fp16);
void ts_loss_scaler_update(ts_loss_scaler *s, bool overflow);
#endif
