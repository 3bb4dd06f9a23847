/* What goes between the stages of a pipeline: tensors of one micro-batch, forward, and the gradients of
 * them, back. Both travel by way of the host's memory, in messages of which none waits for its receiver.
 * Between two stages those of one direction arrive in the order in which they were sent. */
#ifndef TS_TRAIN_PASSING_H
#define TS_TRAIN_PASSING_H
#include "dist/mesh.h"
#include "train/objective/objective.h"

typedef enum ts_pass_way { TS_PASS_FORWARD, TS_PASS_BACK, TS_PASS_WAYS } ts_pass_way;

/* The tensors of one message on the host, one behind the other, and the messages under way. */
typedef struct ts_parcel {
    char *bytes;
    bool is_made; /* with room, which where nothing is computed is only booked */
    ts_comm_request *request[TS_PASSED];
} ts_parcel;

typedef struct ts_passing {
    ts_device *dev;
    ts_comm *comm[TS_PASS_WAYS];
    size_t size;               /* of a parcel: the largest message */
    ts_parcel coming[TS_PASS_WAYS]; /* what was asked for */
    ts_parcel *back;           /* [n_back] gradients that were sent, in turns */
    int n_back, at;
    int64_t booked;
} ts_passing;

/* n_back: gradients that may be on their way from here. Zero is a valid one of a stage alone; deinit
 * takes one that failed. */
ts_status ts_passing_init(ts_passing *p, ts_device *dev, const ts_mesh *mesh, size_t size,
                          int n_back) TS_NODISCARD;
void ts_passing_deinit(ts_passing *p);

/* Room for a message of this stage. */
ts_status ts_parcel_init(ts_parcel *b, ts_passing *p) TS_NODISCARD;
void ts_parcel_deinit(ts_parcel *b, ts_passing *p);
size_t ts_passed_bytes(const ts_passed_shapes *s);

/* Tensors into a parcel whose last message has arrived; a gradient that is NULL is zero. Those without a
 * gradient are left out on the way back. */
ts_status ts_parcel_pack(ts_parcel *b, ts_passing *p, ts_pass_way way, const ts_passed_shapes *s,
                         ts_tensor *const *tensor) TS_NODISCARD;
/* Out of it, new tensors of the tape; of one that was left out NULL. */
ts_status ts_parcel_unpack(const ts_parcel *b, const ts_passing *p, ts_pass_way way,
                           const ts_passed_shapes *s, ts_tape *tape,
                           ts_passed *out) TS_NODISCARD;
/* What was packed is on its way to a stage. */
ts_status ts_parcel_send(ts_parcel *b, ts_passing *p, ts_pass_way way, const ts_passed_shapes *s,
                         int stage) TS_NODISCARD;
/* Its messages have arrived. */
ts_status ts_parcel_wait(ts_parcel *b, ts_passing *p, ts_pass_way way) TS_NODISCARD;
/* Gradients in the next of the parcels for them. */
ts_status ts_passing_send_back(ts_passing *p, const ts_passed_shapes *s, ts_tensor *const *grad,
                               int stage) TS_NODISCARD;

/* Asks for the next message from a stage; one at a time each way. Then takes it, from p->coming[way]. */
ts_status ts_passing_ask(ts_passing *p, ts_pass_way way, const ts_passed_shapes *s, int stage) TS_NODISCARD;
/* All that was sent has arrived. */
ts_status ts_passing_finish(ts_passing *p) TS_NODISCARD;
#endif
