/* Pictures of a micro-batch: those of its samples, side by side. */
#ifndef TS_TRAIN_OBJECTIVE_PICTURES_H
#define TS_TRAIN_OBJECTIVE_PICTURES_H
#include "data/media/mm_data.h"
#include "model/pictures.h"
#include "train/objective/objective.h"

/* Where they come from; a batch has the field "record" then. source NULL: there are none. */
typedef struct ts_picture_feed {
    const ts_mm_source *source; /* borrowed, as is the description */
    const ts_arch *arch;
} ts_picture_feed;

/* Of the micro-batch's rows, of `length` tokens each; *out lasts as long as the tape's records. Where nothing is computed, or
 * without a source, it stays NULL. */
ts_status ts_pictures_upload(const ts_picture_feed *f, ts_tape *tape, const ts_micro_batch *m, int64_t length,
                             const ts_pictures **out) TS_NODISCARD;
#endif
