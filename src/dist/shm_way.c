#include "dist/shm_way.h"

#include <float.h>

enum { WATCHED = 4 }; /* between trials, one turn in so many is timed */

/* Which of a period's pieces k is: the first 2 TURN are the trial. Memory that nobody has touched
 * yet is slow whichever way, so the very first trial would compare nothing: it is made twice. */
static int64_t place_in_trial(int64_t k)
{
    return k < 4 * TS_SHM_TURN ? k % (2 * TS_SHM_TURN) : k % TS_SHM_PERIOD;
}

static bool on_trial(int64_t k) { return place_in_trial(k) < 2 * TS_SHM_TURN; }

ts_shm_way ts_shm_way_of(const ts_shm_turns *t, int64_t k)
{
    const bool past = on_trial(k) ? place_in_trial(k) >= TS_SHM_TURN : t->past;
    return past ? TS_SHM_PAST : TS_SHM_THROUGH;
}

/* In a trial the way changes with each turn, and its first pieces find the slots as the other way
 * has left them, in caches or out: the clock starts when every slot has been used once.
 *
 *   turn      |     THROUGH     |         PAST          |
 *   piece     | 0 1 2 3 4 5 6 7 | 8 9 10 11 12 13 14 15 |
 *   timed     |         * * * * |           *  *  *  *  |  */
bool ts_shm_is_timed(int64_t k)
{
    return on_trial(k) ? k % TS_SHM_TURN >= TS_SHM_SLOTS : k / TS_SHM_TURN % WATCHED == 0;
}

/* Seconds of a whole piece: of all its steps. */
static double cost_of(const ts_shm_turns *t, bool past)
{
    double sum = 0;
    for (int step = 0; step < TS_SHM_STEPS; step++)
        sum += t->cost[past][step];
    return sum;
}

/* Which way from here on, when a turn has been timed. After a trial both costs are new: the lower
 * wins. Between trials the other way's cost is an old one, and going to and fro over noise would be
 * worse than either way: only a clear difference counts. */
static void decide(ts_shm_turns *t, int64_t k)
{
    if (on_trial(k) && place_in_trial(k) + 1 == 2 * TS_SHM_TURN)
        t->past = cost_of(t, true) < cost_of(t, false);
    else if (!on_trial(k) && cost_of(t, t->past) > 1.25 * cost_of(t, !t->past))
        t->past = !t->past;
}

/* A mean would count the times when another process had the core; the fastest may be luck. So a
 * step's cost is the second fastest of its turn. */
void ts_shm_timed(ts_shm_turns *t, int64_t k, ts_shm_step step, double seconds)
{
    const bool past = ts_shm_way_of(t, k) == TS_SHM_PAST;
    double *two = t->fastest[past][step];
    if (t->turn[past][step] != 1 + k / TS_SHM_TURN) {
        t->turn[past][step] = 1 + k / TS_SHM_TURN;
        two[0] = two[1] = DBL_MAX;
    }
    if (seconds < two[0])
        two[1] = two[0], two[0] = seconds;
    else if (seconds < two[1])
        two[1] = seconds;
    if ((k + 1) % TS_SHM_TURN != 0)
        return;
    if (two[1] < DBL_MAX)
        t->cost[past][step] = two[1];
    if (step == TS_SHM_TAKE)
        decide(t, k);
}
