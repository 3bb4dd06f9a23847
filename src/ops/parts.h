/* A product and the exchange before or behind it, cut into parts of rows: a part travels while another
 * is multiplied. Numbers and bytes are those of one piece; there are `parts` times as many messages.
 *
 *   gather   | part 0 travels | part 1 travels  | part 2 ...
 *                             | part 0 is used  | part 1 is used ...
 *   scatter  | part 0 is made | part 1 is made  | ...
 *                             | part 0 travels  | part 1 travels ...
 *
 * A part has some rows of each process's share, so that each comes to where it lies in one piece. */
#ifndef TS_OPS_PARTS_H
#define TS_OPS_PARTS_H
#include "ops/group.h"

enum { TS_PARTS_MOST = 8 };

/* Uses or makes rows [row0, row0 + n) of the tensor that is whole. rows: where those that are used are,
 * which is not always there; NULL in what makes them. */
typedef ts_status ts_rows_fn(void *ctx, const void *rows, int64_t row0, int64_t n);

/* What is on its way, one call a part, begun and waited for in order. */
typedef struct ts_travel {
    ts_comm *group;
    int n;
    ts_comm_request *part[TS_PARTS_MOST];
} ts_travel;

/* How many parts there can be: 1 where `wanted` is, or does not divide the rows, or the device's memory is
 * not the host's. */
int ts_parts_of(const ts_tape *tape, int64_t rows, int wanted);
/* Starts the next part. */
ts_status ts_travel_start(ts_travel *t, ts_comm_call call) TS_NODISCARD;
/* Never waits: what is on its way moves on; to be called between pieces of work. */
ts_status ts_travel_move(ts_travel *t) TS_NODISCARD;
/* Parts up to `last` are there. */
ts_status ts_travel_wait(ts_travel *t, int last) TS_NODISCARD;

/* In one piece where there can be no parts. all [T, w], x and y [T / size, w]. */
ts_status ts_parts_gather(ts_tape *tape, ts_comm *group, int parts, const ts_tensor *x, ts_tensor *all,
                          ts_rows_fn *use, void *ctx) TS_NODISCARD;
/* y: this process's rows of the sum over the group of what is made in `all`. */
ts_status ts_parts_scatter(ts_tape *tape, ts_comm *group, int parts, ts_tensor *all, ts_tensor *y,
                           ts_rows_fn *make, void *ctx) TS_NODISCARD;
/* x becomes the sum over the group of what is made in it; here the parts are of x's own rows. */
ts_status ts_parts_sum(ts_tape *tape, ts_comm *group, int parts, ts_tensor *x, ts_rows_fn *make,
                       void *ctx) TS_NODISCARD;
#endif
