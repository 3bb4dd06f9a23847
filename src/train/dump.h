/* Dumps of chosen steps (io/dump.h): what each module made and the gradient that came back to it, then the
 * parameters' gradients and their new values. It looks at a step and changes nothing in it. */
#ifndef TS_TRAIN_DUMP_H
#define TS_TRAIN_DUMP_H
#include "dist/mesh.h"
#include "ops/tape.h"
#include "train/optimizer.h"

typedef struct ts_dump ts_dump;

/* Makes the folder. *out NULL: the options ask for none. Borrows mesh and sharers. */
ts_status ts_dump_create(const ts_train_options *o, ts_device *dev, const ts_mesh *mesh,
                         const ts_sharers *sharers, ts_dump **out) TS_NODISCARD;
void ts_dump_destroy(ts_dump **d);
/* Steps and ranks are numbers, levels and kinds of a kind. TS_ERR_USER with the option. */
ts_status ts_dump_check(const ts_train_options *o, const ts_option_set *set) TS_NODISCARD;

/* Before a step: its number, how many sequences it has, and what gradients are multiplied with while they are
 * made (the loss scale), which what is written does not have. All of these take NULL, and do nothing in a
 * step that is not dumped. */
void ts_dump_begin(ts_dump *d, int64_t iteration, int64_t global, double scale);
/* For the tapes of the step; NULL: nobody looks. */
const ts_viewer *ts_dump_viewer(const ts_dump *d);
/* The gradients of all micro-batches and processes. */
ts_status ts_dump_gradients(ts_dump *d, const ts_optimizer *z, const float *grads) TS_NODISCARD;
ts_status ts_dump_weights(ts_dump *d, const ts_optimizer *z) TS_NODISCARD;
/* Writes what there is. Of a step that is dumped collective: all processes get the same status. */
ts_status ts_dump_end(ts_dump *d) TS_NODISCARD;
#endif
