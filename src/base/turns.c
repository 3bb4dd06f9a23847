#include "base/turns.h"

#include "base/mem.h"

#include <sys/mman.h>
#include <ucontext.h>

#if defined(TESSERA_SANITIZED)
#include <sanitizer/common_interface_defs.h>
#define TS_FIBERS 1
#endif

enum { STACK = 8 << 20 }; /* bytes, of which the pages that are touched take memory */

typedef struct one {
    ucontext_t at;
    const ts_turn *turn;
    void *stack;
    bool is_done;
    ts_status result;
    void *fake; /* AddressSanitizer's stack of it */
} one;

typedef struct both {
    one of[2], main;
    int now; /* whose turn it is; -1: the caller's */
    void (*turns)(void *ctx, int from, int to);
    void *ctx;
} both;

static _Thread_local both *running;

static one *of(both *b, int who) { return who < 0 ? &b->main : &b->of[who]; }

/* AddressSanitizer wants to know which stack is in use. */
static void leave_stack(both *b, one *from, const one *to)
{
#ifdef TS_FIBERS
    __sanitizer_start_switch_fiber(from->is_done && from != &b->main ? NULL : &from->fake, to->stack, STACK);
#else
    (void)b, (void)from, (void)to;
#endif
}

static void enter_stack(both *b, one *now)
{
#ifdef TS_FIBERS
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(now->fake, &bottom, &size);
    if (!b->main.stack)
        b->main.stack = (void *)(uintptr_t)bottom;
#else
    (void)b, (void)now;
#endif
}

static void change(both *b, int to)
{
    one *from = of(b, b->now), *next = of(b, to);
    if (b->turns)
        b->turns(b->ctx, b->now, to);
    b->now = to;
    leave_stack(b, from, next);
    swapcontext(&from->at, &next->at);
    enter_stack(b, from);
}

static int next_of(const both *b, int who)
{
    const one *me = &b->of[who], *other = &b->of[!who];
    return me->is_done && (me->result != TS_OK || other->is_done) ? -1 : other->is_done ? who : !who;
}

static void begin(void)
{
    both *b = running;
    one *me = of(b, b->now);
    enter_stack(b, me);
    me->result = me->turn->run(me->turn->ctx);
    me->is_done = true;
    change(b, next_of(b, b->now));
}

static ts_status prepare(one *o, const ts_turn *turn)
{
    o->turn = turn;
    o->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (o->stack == MAP_FAILED)
        o->stack = NULL;
    if (!o->stack || getcontext(&o->at))
        return ts_error(TS_ERR_NOMEM, "no memory for a second stack of %d bytes", (int)STACK);
    o->at.uc_stack.ss_sp = o->stack;
    o->at.uc_stack.ss_size = STACK;
    o->at.uc_link = NULL;
    makecontext(&o->at, begin, 0);
    return TS_OK;
}

ts_status ts_turns_run(const ts_turn two[2], void (*turns)(void *ctx, int from, int to), void *ctx)
{
    both *b;
    TS_ASSERT(!running, "turns within turns");
    TS_TRY(ts_alloc(&b, 1, sizeof *b));
    b->now = -1;
    b->turns = turns, b->ctx = ctx;
    ts_status st = prepare(&b->of[0], &two[0]);
    if (st == TS_OK)
        st = prepare(&b->of[1], &two[1]);
    if (st == TS_OK) {
        running = b;
        change(b, 0);
        running = NULL;
        st = b->of[0].result != TS_OK ? b->of[0].result : b->of[1].result;
    }
    for (int i = 0; i < 2; i++)
        if (b->of[i].stack)
            munmap(b->of[i].stack, STACK);
    ts_free(&b);
    return st;
}

void ts_turns_give_way(void)
{
    both *b = running;
    if (b && b->now >= 0 && !b->of[!b->now].is_done)
        change(b, !b->now);
}
