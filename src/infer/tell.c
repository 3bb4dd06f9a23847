#include "infer/tell.h"

#include "base/str.h"
#include "infer/model_group.h"

#include <string.h>

/* Most of what is told fits one message. */
enum { MESSAGE = 1024, INLINE = MESSAGE - (int)sizeof(ts_told) };

static bool leads(const ts_model_group *c) { return ts_model_group_is_many(c) && c->comm->rank == 0; }

ts_status ts_tell_failed(ts_model_group *c, ts_status st)
{
    if (ts_model_group_is_many(c) && st != TS_OK)
        c->is_broken = true;
    return st;
}

static ts_status broadcast(ts_model_group *c, void *bytes, int64_t n)
{
    return ts_tell_failed(c, ts_comm_run(c->comm, ts_broadcast(bytes, n, TS_COMM_U8, 0)));
}

ts_status ts_tell(ts_model_group *c, const ts_told *t, const void *behind)
{
    char message[MESSAGE] = { 0 };
    if (!leads(c))
        return TS_OK;
    if (c->is_broken)
        return ts_error(TS_ERR_RUN, "the processes that share out the model have failed together before");
    memcpy(message, t, sizeof *t);
    if (t->bytes > 0 && t->bytes <= INLINE)
        memcpy(message + sizeof *t, behind, (size_t)t->bytes);
    TS_TRY(broadcast(c, message, MESSAGE));
    return t->bytes > INLINE ? broadcast(c, (void *)(uintptr_t)behind, t->bytes) : TS_OK;
}

ts_status ts_tell_hear(ts_model_group *c, ts_told *t, char **behind, size_t *cap)
{
    enum { YEARS = 1 << 28 }; /* in seconds: a leader may have nothing to do */
    char message[MESSAGE];
    ts_watch_limit(c->world->watch, YEARS);
    const ts_status st = broadcast(c, message, MESSAGE);
    ts_watch_limit(c->world->watch, 0);
    TS_TRY(st);
    memcpy(t, message, sizeof *t);
    TS_TRY(ts_grow(behind, cap, (size_t)t->bytes + 1, 1));
    if (t->bytes > INLINE)
        return broadcast(c, *behind, t->bytes);
    memcpy(*behind, message + sizeof *t, (size_t)t->bytes);
    return TS_OK;
}

static ts_status tell_all(ts_model_group *c, const ts_told *t, ts_str *all, ts_status st)
{
    ts_told with = *t;
    with.bytes = (int64_t)all->len;
    if (st == TS_OK)
        st = ts_tell(c, &with, all->s);
    ts_str_deinit(all);
    return st;
}

static ts_status put(ts_str *all, const void *v, int64_t n, size_t size)
{
    return n ? ts_str_add(all, v, (size_t)n * size) : TS_OK;
}

ts_status ts_tell_prompts(ts_model_group *c, const ts_told *t, const ts_prompt *p, const ts_ask *asks)
{
    ts_str all = { 0 };
    ts_status st = TS_OK;
    if (!leads(c))
        return TS_OK;
    for (int64_t i = 0; st == TS_OK && i < t->b; i++)
        st = put(&all, &p[i].n, 1, sizeof p[i].n);
    for (int64_t i = 0; st == TS_OK && i < t->b; i++)
        st = put(&all, p[i].ids, p[i].n, sizeof *p[i].ids);
    if (st == TS_OK && t->c)
        st = put(&all, asks, t->c, sizeof *asks);
    return tell_all(c, t, &all, st);
}

ts_status ts_tell_stretches(ts_model_group *c, const ts_told *t, const ts_engine_stretch *s)
{
    ts_str all = { 0 };
    ts_status st = TS_OK;
    if (!leads(c))
        return TS_OK;
    for (int64_t i = 0; st == TS_OK && i < t->b; i++)
        st = put(&all, (const int64_t[]){ s[i].begin, s[i].n, s[i].n_pages }, 3, sizeof(int64_t));
    for (int64_t i = 0; st == TS_OK && i < t->b; i++) {
        st = put(&all, s[i].ids, s[i].n, sizeof *s[i].ids);
        if (st == TS_OK)
            st = put(&all, s[i].pages, s[i].n_pages, sizeof *s[i].pages);
    }
    return tell_all(c, t, &all, st);
}

ts_status ts_tell_agree(ts_model_group *c, ts_status st) { return ts_model_group_is_many(c) ? ts_comm_agree(c->comm, st) : st; }

ts_status ts_tell_end(ts_model_group *c, ts_status st)
{
    char why[INLINE] = "";
    if (!leads(c) || c->is_broken)
        return st;
    if (st != TS_OK)
        strncpy(why, ts_error_message(), sizeof why - 1);
    const ts_told t = { .what = TS_TOLD_END, .a = st, .bytes = (int64_t)strlen(why) + 1 };
    const ts_status told = ts_tell(c, &t, why);
    return st != TS_OK ? ts_error(st, "%s", why) : told;
}
