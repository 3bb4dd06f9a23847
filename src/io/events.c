#include "io/events.h"

#include "base/file.h"
#include "io/crc32c.h"
#include "io/events.pb-c.h"
#include "io/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct ts_events {
    ts_str record;
    ts_trail trail;
};

static ts_status put32(ts_str *out, uint32_t v)
{
    return ts_str_add(out, (const char *)&v, sizeof v);
}

/* Frames a message: u64 length, its checksum, the message, its checksum. */
static ts_status frame(const Tessera__Events__Event *e, ts_str *out)
{
    const size_t at = out->len + 12, n = tessera__events__event__get_packed_size(e);
    const uint64_t length = n;
    TS_TRY(ts_str_add(out, (const char *)&length, sizeof length));
    TS_TRY(put32(out, ts_crc32c_mask(ts_crc32c(0, &length, sizeof length))));
    TS_TRY(ts_grow(&out->s, &out->cap, out->len + n + 5, 1));
    out->len += tessera__events__event__pack(e, (unsigned char *)out->s + at);
    return put32(out, ts_crc32c_mask(ts_crc32c(0, out->s + at, n)));
}

ts_status ts_event_record_version(double when, ts_str *out)
{
    static char version[] = "brain.Event:2";
    Tessera__Events__Event e = TESSERA__EVENTS__EVENT__INIT;
    e.wall_time = when;
    e.what_case = TESSERA__EVENTS__EVENT__WHAT_FILE_VERSION;
    e.file_version = version;
    return frame(&e, out);
}

ts_status ts_event_record_start(double when, int64_t step, ts_str *out)
{
    Tessera__Events__SessionLog log = TESSERA__EVENTS__SESSION_LOG__INIT;
    Tessera__Events__Event e = TESSERA__EVENTS__EVENT__INIT;
    log.status = 1;
    e.wall_time = when;
    e.step = step;
    e.what_case = TESSERA__EVENTS__EVENT__WHAT_SESSION_LOG;
    e.session_log = &log;
    return frame(&e, out);
}

static ts_status frame_values(double when, int64_t step, Tessera__Events__Value **values, size_t n,
                              ts_str *out)
{
    Tessera__Events__Summary s = TESSERA__EVENTS__SUMMARY__INIT;
    Tessera__Events__Event e = TESSERA__EVENTS__EVENT__INIT;
    s.n_value = n;
    s.value = values;
    e.wall_time = when;
    e.step = step;
    e.what_case = TESSERA__EVENTS__EVENT__WHAT_SUMMARY;
    e.summary = &s;
    return frame(&e, out);
}

ts_status ts_event_record_scalars(double when, int64_t step, const ts_event_scalar *v, size_t n,
                                  ts_str *out)
{
    Tessera__Events__Value *values = NULL, **list = NULL;
    ts_status st = ts_alloc(&values, n, sizeof *values);
    if (st == TS_OK)
        st = ts_alloc(&list, n, sizeof(Tessera__Events__Value *));
    if (st == TS_OK) {
        for (size_t i = 0; i < n; i++) {
            tessera__events__value__init(&values[i]);
            values[i].tag = (char *)(uintptr_t)v[i].tag;
            values[i].value_case = TESSERA__EVENTS__VALUE__VALUE_SIMPLE_VALUE;
            values[i].simple_value = (float)v[i].value;
            list[i] = &values[i];
        }
        st = frame_values(when, step, list, n, out);
    }
    ts_free(&values);
    ts_free(&list);
    return st;
}

ts_status ts_event_record_text(double when, int64_t step, const char *tag, const char *text,
                               ts_str *out)
{
    static char plugin[] = "text";
    Tessera__Events__Dim dim = TESSERA__EVENTS__DIM__INIT, *dims[] = { &dim };
    Tessera__Events__Shape shape = TESSERA__EVENTS__SHAPE__INIT;
    Tessera__Events__Tensor tensor = TESSERA__EVENTS__TENSOR__INIT;
    Tessera__Events__PluginData data = TESSERA__EVENTS__PLUGIN_DATA__INIT;
    Tessera__Events__Metadata meta = TESSERA__EVENTS__METADATA__INIT;
    Tessera__Events__Value value = TESSERA__EVENTS__VALUE__INIT, *values[] = { &value };
    ProtobufCBinaryData bytes = { strlen(text), (uint8_t *)(uintptr_t)text };
    dim.size = 1;
    shape.n_dim = 1;
    shape.dim = dims;
    tensor.dtype = 7;
    tensor.tensor_shape = &shape;
    tensor.n_string_val = 1;
    tensor.string_val = &bytes;
    data.plugin_name = plugin;
    meta.plugin_data = &data;
    value.tag = (char *)(uintptr_t)tag;
    value.value_case = TESSERA__EVENTS__VALUE__VALUE_TENSOR;
    value.tensor = &tensor;
    value.metadata = &meta;
    return frame_values(when, step, values, 1, out);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Readers take the files of a folder in the order of their names. What tells them to forget must
 * come after what is to be forgotten, also within a second and after a clock was set back. */
static ts_status after_all(const char *dir, int64_t *seconds)
{
    static const char prefix[] = "events.out.tfevents.";
    char **names;
    size_t n;
    TS_TRY(ts_dir_list(dir, &names, &n));
    for (size_t i = 0; i < n; i++) {
        long long of;
        if (!strncmp(names[i], prefix, sizeof prefix - 1) &&
            sscanf(names[i] + sizeof prefix - 1, "%18lld", &of) == 1 && of >= *seconds)
            *seconds = of + 1;
        ts_free(&names[i]);
    }
    ts_free(&names);
    return TS_OK;
}

static ts_status open_file(ts_output *file, const char *dir, int64_t first_step)
{
    char host[256] = "localhost";
    int64_t seconds = (int64_t)now();
    TS_TRY(ts_mkdirs(dir));
    if (first_step > 0)
        TS_TRY(after_all(dir, &seconds));
    if (gethostname(host, sizeof host - 1) < 0)
        host[0] = 0;
    for (int i = 0; !file->fd; i++) { /* two of one second and process get their own */
        ts_str_reset(&file->name);
        TS_TRY(ts_str_printf(&file->name, "%s/events.out.tfevents.%010lld.%s.%lld.%d", dir,
                             (long long)seconds, *host ? host : "localhost", (long long)getpid(), i));
        if (!ts_output_open_new(file, O_WRONLY | O_APPEND) && errno != EEXIST)
            return ts_error(TS_ERR_IO, "%s: cannot be made: %s", file->name.s, strerror(errno));
    }
    return TS_OK;
}

static ts_status begin(ts_events *e, const char *dir, int64_t first_step)
{
    ts_output file = { 0 };
    ts_status st = open_file(&file, dir, first_step);
    if (st == TS_OK)
        st = ts_event_record_version(now(), &e->record);
    if (st == TS_OK && first_step > 0)
        st = ts_event_record_start(now(), first_step, &e->record);
    if (st == TS_OK)
        st = ts_output_write(&file, e->record.s, e->record.len);
    if (st == TS_OK)
        ts_trail_init(&e->trail, &file, "records");
    else if (file.fd)
        (void)unlink(file.name.s);
    ts_output_abandon(&file);
    return st;
}

ts_status ts_events_create(const char *dir, int64_t first_step, ts_events **out)
{
    ts_events *e = NULL;
    TS_TRY(ts_alloc(&e, 1, sizeof *e));
    const ts_status st = begin(e, dir, first_step);
    if (st != TS_OK)
        ts_events_destroy(&e);
    else
        *out = e;
    return st;
}

ts_status ts_events_close(ts_events **events)
{
    ts_events *e = *events;
    if (!e)
        return TS_OK;
    const ts_status st = ts_trail_close(&e->trail);
    ts_str_deinit(&e->record);
    ts_free(events);
    return st;
}

void ts_events_destroy(ts_events **events) { (void)!ts_events_close(events); }

const char *ts_events_path(const ts_events *e) { return e->trail.out.name.s; }

ts_status ts_events_scalars(ts_events *e, int64_t step, const ts_event_scalar *v, size_t n)
{
    ts_str_reset(&e->record);
    TS_TRY(ts_event_record_scalars(now(), step, v, n, &e->record));
    ts_trail_add(&e->trail, e->record.s, e->record.len);
    return TS_OK;
}

ts_status ts_events_text(ts_events *e, int64_t step, const char *tag, const char *text)
{
    ts_str_reset(&e->record);
    TS_TRY(ts_event_record_text(now(), step, tag, text, &e->record));
    ts_trail_add(&e->trail, e->record.s, e->record.len);
    return TS_OK;
}
