#include "dist/shm.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

size_t ts_shm_piece_bytes(int size)
{
    const size_t most = (size_t)TS_SHM_MOST / TS_SHM_SLOTS / (size_t)size / 4096 * 4096;
    return most < TS_SHM_PIECE ? most : TS_SHM_PIECE;
}

size_t ts_shm_seats_offset(int size)
{
    return sizeof(ts_shm_head) + (size_t)size * sizeof(ts_shm_rank);
}

size_t ts_shm_slots_offset(int size)
{
    const size_t head = ts_shm_seats_offset(size) + (size_t)size * sizeof(ts_watch_seat);
    return (head + 4095) / 4096 * 4096;
}

size_t ts_shm_channels_offset(int size)
{
    return ts_shm_slots_offset(size) + TS_SHM_SLOTS * (size_t)size * ts_shm_piece_bytes(size);
}

size_t ts_shm_message_bytes(int size)
{
    const size_t most = (size_t)TS_SHM_MOST / ((size_t)size * (size_t)size) / 64 * 64;
    return most > TS_SHM_MESSAGE         ? TS_SHM_MESSAGE
           : most < TS_SHM_MESSAGE_LEAST ? TS_SHM_MESSAGE_LEAST
                                         : most;
}

size_t ts_shm_channel_bytes(int size)
{
    return sizeof(ts_shm_channel) + TS_SHM_SLOTS * ts_shm_message_bytes(size);
}

size_t ts_shm_bytes(int size)
{
    return ts_shm_channels_offset(size) + (size_t)size * (size_t)size * ts_shm_channel_bytes(size);
}

/* Sleepers count themselves, then look once more, then sleep on the event they saw before looking.
 * Between what a rank says and its look for sleepers, and between a sleeper's count and its last
 * look, everything is in one order: one of the two sees the other. */
void ts_shm_signal(ts_shm_head *h)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&h->sleepers, memory_order_relaxed))
        return;
    atomic_fetch_add(&h->event, 1);
    syscall(SYS_futex, &h->event, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

uint32_t ts_shm_doze(ts_shm_head *h)
{
    atomic_fetch_add(&h->sleepers, 1);
    const uint32_t seen = atomic_load(&h->event);
    atomic_thread_fence(memory_order_seq_cst);
    return seen;
}

void ts_shm_sleep(ts_shm_head *h, uint32_t seen)
{
    const struct timespec moment = { .tv_nsec = 100000000 };
    syscall(SYS_futex, &h->event, FUTEX_WAIT, seen, &moment, NULL, 0);
}

void ts_shm_rise(ts_shm_head *h) { atomic_fetch_sub(&h->sleepers, 1); }
