/* What goes between the stages of a pipeline: tensors of one micro-batch, forward, and the gradients of
 * them, back. Both travel by way of the host's memory, in messages of which none waits for its receiver.
 * Between two stages those of one direction arrive in the order in which they were sent.
 *
 * Where shapes vary from one micro-batch to the next each tensor has two messages: ahead of all of a
 * micro-batch their headers (24 bytes each: rows, columns, type), then the tensors, for which the receiver
 * learns from the headers how long they are. */
#ifndef TS_TRAIN_PASSING_H
#define TS_TRAIN_PASSING_H
#include "train/border.h"

/* What is told of a tensor ahead of it. */
typedef struct ts_passed_header {
    int64_t dim[2], dtype;
} ts_passed_header;

/* The tensors of one message on the host, one behind the other, and the messages under way. */
typedef struct ts_parcel {
    char *bytes;
    bool is_made; /* with room, which where nothing is computed is only booked */
    ts_passed_shapes shapes; /* of what is in it; of one that was asked for the largest that may come */
    ts_passed_header header[TS_PASSED]; /* where shapes vary */
    int from;                           /* of one that was asked for: the stage */
    bool is_ahead;                      /* headers alone are on their way */
    ts_comm *comm;                      /* of the messages under way */
    ts_comm_request **request;          /* [n_requests] */
    int n_requests;
    size_t cap;
} ts_parcel;

typedef struct ts_passing {
    ts_device *dev;
    ts_comm *comm[TS_PASS_WAYS]; /* among the stages of the network */
    int first_stage;           /* of it, in the whole pipeline */
    ts_border border;          /* to another network's; the caller's to set, deinit's to take down */
    bool varies;               /* shapes do */
    size_t size;               /* of a parcel: the largest message */
    ts_parcel coming[TS_PASS_WAYS]; /* what was asked for */
    ts_parcel *back;           /* [n_back] gradients that were sent, in turns */
    int n_back, at;
    int64_t booked;
} ts_passing;

/* varies: headers travel too. n_back: gradients that may be on their way from here. Zero is a valid one of a
 * stage alone; deinit takes one that failed. */
ts_status ts_passing_init(ts_passing *p, ts_device *dev, const ts_mesh *mesh, bool varies, size_t size,
                          int n_back) TS_NODISCARD;
void ts_passing_deinit(ts_passing *p);

/* Room for a message of this stage. */
ts_status ts_parcel_init(ts_parcel *b, ts_passing *p) TS_NODISCARD;
void ts_parcel_deinit(ts_parcel *b, ts_passing *p);
size_t ts_passed_bytes(const ts_passed_shapes *s);
/* Those that tensors have, of which s says the most. */
ts_passed_shapes ts_passed_shapes_of(const ts_passed *t, const ts_passed_shapes *s);

/* Tensors into a parcel whose last message has arrived; a gradient that is NULL is zero. Those without a
 * gradient are left out on the way back. */
ts_status ts_parcel_pack(ts_parcel *b, ts_passing *p, ts_pass_way way, const ts_passed_shapes *s,
                         ts_tensor *const *tensor) TS_NODISCARD;
/* Out of it, new tensors of the tape; of one that was left out NULL. */
ts_status ts_parcel_unpack(const ts_parcel *b, const ts_passing *p, ts_pass_way way, ts_tape *tape,
                           ts_passed *out) TS_NODISCARD;
/* What was packed is on its way to a stage. */
ts_status ts_parcel_send(ts_parcel *b, ts_passing *p, ts_pass_way way, int stage) TS_NODISCARD;
/* Its messages have arrived. A header of another tensor than was to come is TS_ERR_RUN. */
ts_status ts_parcel_wait(ts_parcel *b, ts_passing *p, ts_pass_way way) TS_NODISCARD;
/* Gradients in the next of the parcels for them. */
ts_status ts_passing_send_back(ts_passing *p, const ts_passed_shapes *s, ts_tensor *const *grad,
                               int stage) TS_NODISCARD;

/* Asks for the next message from a stage; one at a time each way. s: the most that it may be. Then takes it,
 * from p->coming[way]. */
ts_status ts_passing_ask(ts_passing *p, ts_pass_way way, const ts_passed_shapes *s, int stage) TS_NODISCARD;
/* All that was sent has arrived. */
ts_status ts_passing_finish(ts_passing *p) TS_NODISCARD;
#endif
