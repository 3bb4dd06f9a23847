#include "base/json_memory.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* jansson does not look whether its buffer for the text of a string or a number could grow. It
 * reads on with bytes missing: past the buffer's end, into an assertion, or to another value of
 * which nobody is told. So while it reads, what it asks for after the first failure and could be
 * such a growth (16 bytes doubled again and again) comes from a reserve, and all else is
 * refused: the reading ends at its next value. A text too long for the reserve ends it too, as
 * the copy of it is refused. */
enum { RESERVE = 2048, LEAST = 32 };

static _Thread_local struct {
    enum { AWAY, READING, SHORT, OVER } state;
    size_t used;
    _Alignas(max_align_t) char bytes[RESERVE];
} reserve;

static void *(*take_more)(size_t n);

static void *take(size_t n)
{
    const bool is_away = reserve.state == AWAY;
    void *p = is_away || reserve.state == READING ? take_more(n) : NULL;
    if (p || is_away)
        return p;
    const bool may_grow = n >= LEAST && (n & (n - 1)) == 0 && n <= RESERVE - reserve.used;
    if (reserve.state == OVER || !may_grow) {
        reserve.state = OVER;
        errno = ENOMEM;
        return NULL;
    }
    reserve.state = SHORT;
    p = reserve.bytes + reserve.used;
    reserve.used += n;
    return p;
}

static void give(void *p)
{
    if ((uintptr_t)p - (uintptr_t)reserve.bytes >= RESERVE)
        free(p);
}

void ts_json_guard_memory(void *(*more)(size_t n))
{
    take_more = more;
    json_set_alloc_funcs(take, give);
}

json_t *ts_json_read_guarded(const char *text, size_t n, size_t flags, json_error_t *e,
                             bool *is_short)
{
    errno = 0;
    reserve.state = READING;
    json_t *v = json_loadb(text, n, flags, e);
    *is_short = reserve.state != READING;
    if (*is_short) {
        json_decref(v);
        v = NULL;
    } else if (!v) { /* the library says so in few places */
        *is_short = errno == ENOMEM || e->line < 1 ||
                    json_error_code(e) == json_error_out_of_memory;
    }
    reserve.state = AWAY;
    reserve.used = 0;
    return v;
}
