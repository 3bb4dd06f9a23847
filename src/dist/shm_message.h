/* Messages from one rank to another of the same host. Each ordered pair has a channel in the shared
 * memory, a counter at either end and slots between them:
 *
 *   rank 0   put 5 pieces ->  | 4 | 5 | 2 | 3 |  -> taken 3 pieces   rank 1
 *
 * The sender puts a piece while a slot is free, the receiver takes it when it is put. Pieces are
 * counted through the life of the channel, so the messages of a pair keep their order. A large
 * message is a single piece where ranks can read each other's memory: its slot has the address.
 * Memory of channels that are never used is never there. */
#ifndef TS_DIST_SHM_MESSAGE_H
#define TS_DIST_SHM_MESSAGE_H
#include "dist/shm_piece.h"

/* Fills in first, pieces, each, direct of a request with what, root, n, t and an array. before:
 * pieces that the channel has been given so far. direct: read where it lies. */
void ts_shm_message_init(const ts_shm_place *p, ts_shm_request *r, int64_t before, bool direct);
/* One step if one can be taken: *any. Fails when the other end has a message of another length, or
 * cannot be read. */
ts_status ts_shm_message_step(const ts_shm_place *p, ts_shm_request *r, bool *any) TS_NODISCARD;
/* Its receiver has taken all of what a request of this rank has put. */
bool ts_shm_message_taken(const ts_shm_place *p, const ts_shm_request *r);
#endif
