/* Two pieces of work that take turns on one thread: where one would wait for something that is under way by itself
 * (a message), the other goes on, with a stack of its own. Which of them runs when hangs on where they give way and on
 * nothing else, so processes that run the same program take turns alike, and their collectives meet. */
#ifndef TS_BASE_TURNS_H
#define TS_BASE_TURNS_H
#include "base/status.h"

typedef struct ts_turn {
    ts_status (*run)(void *ctx);
    void *ctx;
} ts_turn;

/* Both to their ends, the first one first. A failure of one is the result at once: the other is left where it is, and
 * what it holds is not given back, so the job has to end. turns (may be NULL) hears of each change, `to` -1: of the
 * end of both. */
ts_status ts_turns_run(const ts_turn two[2], void (*turns)(void *ctx, int from, int to), void *ctx) TS_NODISCARD;
/* The other's turn, if there is one that is not done. */
void ts_turns_give_way(void);
#endif
