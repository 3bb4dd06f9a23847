#include "dist/shm_way.h"

#include <float.h>

/* The first trial is made twice: memory that nobody has touched yet is slow either way. */
static int64_t place_in_trial(int64_t turn)
{
    const int64_t at = turn % TS_SHM_PERIOD;
    return turn < 4 * TS_SHM_TURN ? turn % (2 * TS_SHM_TURN) : at;
}

static bool on_trial(int64_t turn) { return place_in_trial(turn) < 2 * TS_SHM_TURN; }

ts_shm_way ts_shm_way_of(const ts_shm_turns *t, int64_t turn)
{
    const bool past = on_trial(turn) ? place_in_trial(turn) >= TS_SHM_TURN : t->past;
    return past ? TS_SHM_PAST : TS_SHM_THROUGH;
}

/* The first SLOTS pieces of a turn find the slots as the other way has left them. */
bool ts_shm_is_timed(int64_t turn)
{
    return on_trial(turn) && place_in_trial(turn) % TS_SHM_TURN >= TS_SHM_SLOTS;
}

/* The second fastest: neither luck nor other processes that took the core meanwhile. */
static double cost_of(const ts_shm_turns *t, int way)
{
    double sum = 0;
    for (int step = 0; step < TS_SHM_STEPS; step++)
        sum += t->cost[way][step][1] < DBL_MAX ? t->cost[way][step][1] : 0;
    return sum;
}

void ts_shm_timed(ts_shm_turns *t, int64_t turn, ts_shm_step step, double seconds)
{
    const int64_t place = place_in_trial(turn);
    const int way = (int)(place / TS_SHM_TURN);
    if (t->tried[way] != turn / TS_SHM_TURN + 1) {
        t->tried[way] = turn / TS_SHM_TURN + 1;
        for (int i = 0; i < TS_SHM_STEPS; i++)
            t->cost[way][i][0] = t->cost[way][i][1] = DBL_MAX;
    }
    double *two = t->cost[way][step];
    if (seconds < two[0])
        two[1] = two[0], two[0] = seconds;
    else if (seconds < two[1])
        two[1] = seconds;
    if (step == TS_SHM_TAKE && place + 1 == 2 * TS_SHM_TURN)
        t->past = cost_of(t, 1) < cost_of(t, 0);
}
