#include "dist/shm_message.h"

#include "dist/shm_read.h"
#include "dist/sum.h"

static ts_shm_channel *channel(const ts_shm_place *p, const ts_shm_request *r)
{
    const bool sends = r->what == TS_SHM_SEND;
    const size_t from = (size_t)(sends ? p->rank : r->root),
                 to = (size_t)(sends ? r->root : p->rank);
    return (ts_shm_channel *)(void *)(p->channels + (from * (size_t)p->size + to) *
                                                        ts_shm_channel_bytes(p->size));
}

static char *slot(const ts_shm_place *p, ts_shm_channel *ch, int64_t piece)
{
    return (char *)(ch + 1) + (size_t)(piece % TS_SHM_SLOTS) * ts_shm_message_bytes(p->size);
}

/* Values of piece k. */
static int64_t part(const ts_shm_request *r, int64_t k)
{
    const int64_t left = r->n - k * r->each;
    return left < r->each ? left : r->each;
}

void ts_shm_message_init(const ts_shm_place *p, ts_shm_request *r, int64_t before, bool direct)
{
    r->direct = direct;
    r->each =
        direct ? INT64_MAX : (int64_t)(ts_shm_message_bytes(p->size) / ts_comm_type_size(r->t));
    r->first = before;
    r->pieces = r->n > 0 ? ts_shm_pieces(r->n, r->each) : 1; /* an empty one is a message as well */
}

static bool put(const ts_shm_place *p, ts_shm_request *r, ts_shm_channel *ch)
{
    const int64_t k = r->put, piece = r->first + k;
    const size_t z = ts_comm_type_size(r->t);
    if (atomic_load_explicit(&ch->put, memory_order_relaxed) != piece ||
        piece - atomic_load_explicit(&ch->taken, memory_order_acquire) >= TS_SHM_SLOTS)
        return false;
    ch->bytes[piece % TS_SHM_SLOTS] = r->n * (int64_t)z;
    if (r->direct) {
        /* What was stored past the caches must be there before the counter: shm_piece.c. */
        atomic_thread_fence(memory_order_seq_cst);
        *(const char **)(void *)slot(p, ch, piece) = r->send;
    } else if (part(r, k) > 0) {
        ts_copy_fast(slot(p, ch, piece), r->send + (size_t)(k * r->each) * z,
                     (size_t)part(r, k) * z, false);
    }
    r->put++;
    atomic_store_explicit(&ch->put, piece + 1, memory_order_release);
    return true;
}

static ts_status take(const ts_shm_place *p, ts_shm_request *r, ts_shm_channel *ch, bool *any)
{
    const int64_t k = r->taken, piece = r->first + k;
    const size_t z = ts_comm_type_size(r->t);
    *any = atomic_load_explicit(&ch->taken, memory_order_relaxed) == piece &&
           atomic_load_explicit(&ch->put, memory_order_acquire) > piece;
    if (!*any)
        return TS_OK;
    const int64_t bytes = ch->bytes[piece % TS_SHM_SLOTS];
    if (bytes != r->n * (int64_t)z)
        return ts_error(TS_ERR_RUN, "rank %d of the group sends %lld bytes, rank %d expects %lld",
                        r->root, (long long)bytes, p->rank, (long long)(r->n * (int64_t)z));
    const char *from = slot(p, ch, piece);
    if (r->direct)
        TS_TRY(ts_shm_read(p->head, r->root, r->recv, *(const char *const *)(const void *)from,
                           (size_t)bytes, NULL));
    else if (part(r, k) > 0)
        ts_copy_fast(r->recv + (size_t)(k * r->each) * z, from, (size_t)part(r, k) * z, false);
    r->taken++;
    atomic_store_explicit(&ch->taken, piece + 1, memory_order_release);
    return TS_OK;
}

ts_status ts_shm_message_step(const ts_shm_place *p, ts_shm_request *r, bool *any)
{
    if (r->what == TS_SHM_RECV)
        return take(p, r, channel(p, r), any);
    *any = put(p, r, channel(p, r));
    return TS_OK;
}

bool ts_shm_message_taken(const ts_shm_place *p, const ts_shm_request *r)
{
    return atomic_load_explicit(&channel(p, r)->taken, memory_order_acquire) >=
           r->first + r->pieces;
}
