#include "io/events.h"

#include "base/file.h"
#include "io/crc32c.h"
#include "io/events.pb-c.h"

#include <string.h>

enum { HEAD = 12, TAIL = 4 }; /* length and its checksum; the checksum of the message */

static uint32_t u32(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static ts_status damaged(const char *path, size_t at)
{
    return ts_error(TS_ERR_USER, "%s: the record at byte %zu is damaged: its checksum is wrong",
                    path, at);
}

static ts_status tell(const Tessera__Events__Event *e, ts_event_visit *fn, void *ctx)
{
    ts_event event = { .time = e->wall_time, .step = e->step };
    if (e->what_case == TESSERA__EVENTS__EVENT__WHAT_SESSION_LOG && e->session_log->status == 1)
        return fn(ctx, &event);
    if (e->what_case != TESSERA__EVENTS__EVENT__WHAT_SUMMARY)
        return TS_OK;
    for (size_t i = 0; i < e->summary->n_value; i++) {
        const Tessera__Events__Value *v = e->summary->value[i];
        if (v->value_case != TESSERA__EVENTS__VALUE__VALUE_SIMPLE_VALUE)
            continue;
        event.tag = v->tag;
        event.value = v->simple_value;
        TS_TRY(fn(ctx, &event));
    }
    return TS_OK;
}

static ts_status read_record(const char *path, const ts_map *m, size_t *at, ts_event_visit *fn,
                             void *ctx, bool *is_whole)
{
    const unsigned char *p = m->data + *at;
    const size_t left = m->size - *at;
    uint64_t n;
    *is_whole = false;
    if (left < HEAD)
        return TS_OK;
    memcpy(&n, p, sizeof n);
    if (u32(p + 8) != ts_crc32c_mask(ts_crc32c(0, p, 8)))
        return damaged(path, *at);
    if (left < HEAD + TAIL || n > left - HEAD - TAIL)
        return TS_OK;
    if (u32(p + HEAD + n) != ts_crc32c_mask(ts_crc32c(0, p + HEAD, (size_t)n)))
        return damaged(path, *at);
    Tessera__Events__Event *e = tessera__events__event__unpack(NULL, (size_t)n, p + HEAD);
    if (!e)
        return ts_error(TS_ERR_USER, "%s: the record at byte %zu is no event", path, *at);
    const ts_status st = tell(e, fn, ctx);
    tessera__events__event__free_unpacked(e, NULL);
    *at += HEAD + (size_t)n + TAIL;
    *is_whole = true;
    return st;
}

ts_status ts_events_read(const char *path, ts_event_visit *fn, void *ctx, bool *is_whole)
{
    ts_map m;
    size_t at = 0;
    TS_TRY(ts_map_open(path, &m));
    ts_status st = TS_OK;
    *is_whole = true;
    while (st == TS_OK && *is_whole && at < m.size)
        st = read_record(path, &m, &at, fn, ctx, is_whole);
    ts_map_close(&m);
    return st;
}
