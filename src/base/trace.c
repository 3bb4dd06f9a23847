#include "base/trace.h"

#include <string.h>

static void put(ts_trace *t, const char *text)
{
    if (t->st == TS_OK)
        t->st = ts_str_puts(t->out, text);
}

static void put_text(ts_trace *t, const char *text)
{
    if (t->st == TS_OK)
        t->st = ts_str_json(t->out, text, strlen(text));
}

static void put_int(ts_trace *t, int64_t v)
{
    if (t->st == TS_OK)
        t->st = ts_str_printf(t->out, "%lld", (long long)v);
}

static void put_real(ts_trace *t, double v)
{
    if (t->st == TS_OK)
        t->st = ts_str_json_real(t->out, v, 15);
}

static void end_event(ts_trace *t)
{
    if (t->has_args)
        put(t, "}");
    if (t->has_event)
        put(t, "}");
    t->has_args = false;
}

static void begin_event(ts_trace *t, const char *name, const char *category, const char *phase, int64_t pid)
{
    const bool is_first = !t->has_event;
    end_event(t);
    put(t, is_first ? "\n{\"name\":" : ",\n{\"name\":");
    put_text(t, name);
    if (category) {
        put(t, ",\"cat\":");
        put_text(t, category);
    }
    put(t, ",\"ph\":");
    put_text(t, phase);
    put(t, ",\"pid\":");
    put_int(t, pid);
    t->has_event = true;
}

static void put_key(ts_trace *t, const char *key)
{
    put(t, t->has_args ? "," : ",\"args\":{");
    put_text(t, key);
    put(t, ":");
    t->has_args = true;
}

static void thread_of(ts_trace *t, int64_t tid)
{
    put(t, ",\"tid\":");
    put_int(t, tid);
}

void ts_trace_begin(ts_trace *t, ts_str *out)
{
    *t = (ts_trace){ .out = out };
    put(t, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
}

void ts_trace_process(ts_trace *t, int64_t pid, const char *name)
{
    begin_event(t, "process_name", NULL, "M", pid);
    ts_trace_text(t, "name", name);
}

void ts_trace_thread(ts_trace *t, int64_t pid, int64_t tid, const char *name)
{
    begin_event(t, "thread_name", NULL, "M", pid);
    thread_of(t, tid);
    ts_trace_text(t, "name", name);
}

void ts_trace_thread_place(ts_trace *t, int64_t pid, int64_t tid, int64_t place)
{
    begin_event(t, "thread_sort_index", NULL, "M", pid);
    thread_of(t, tid);
    ts_trace_int(t, "sort_index", place);
}

void ts_trace_process_place(ts_trace *t, int64_t pid, int64_t place)
{
    begin_event(t, "process_sort_index", NULL, "M", pid);
    ts_trace_int(t, "sort_index", place);
}

void ts_trace_span(ts_trace *t, int64_t pid, int64_t tid, const char *name, const char *category, double at_us,
                   double length_us)
{
    begin_event(t, name, category, "X", pid);
    thread_of(t, tid);
    put(t, ",\"ts\":");
    put_real(t, at_us);
    put(t, ",\"dur\":");
    put_real(t, length_us);
}

void ts_trace_counter(ts_trace *t, int64_t pid, const char *name, double at_us)
{
    begin_event(t, name, NULL, "C", pid);
    put(t, ",\"ts\":");
    put_real(t, at_us);
}

void ts_trace_int(ts_trace *t, const char *key, int64_t v)
{
    put_key(t, key);
    put_int(t, v);
}

void ts_trace_real(ts_trace *t, const char *key, double v)
{
    put_key(t, key);
    put_real(t, v);
}

void ts_trace_text(ts_trace *t, const char *key, const char *v)
{
    put_key(t, key);
    put_text(t, v);
}

ts_status ts_trace_end(ts_trace *t, const char *other)
{
    end_event(t);
    put(t, "\n]");
    if (other) {
        put(t, ",\"otherData\":");
        put(t, other);
    }
    put(t, "}\n");
    return t->st;
}
