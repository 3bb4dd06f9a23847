#include "io/trail.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void ts_trail_init(ts_trail *t, ts_output *out, const char *unit)
{
    *t = (ts_trail){ .out = *out, .unit = unit, .most = TS_TRAIL_MOST };
    *out = (ts_output){ 0 };
}

bool ts_trail_is_open(const ts_trail *t) { return t->out.fd > 0; }

/* Part of a record goes off the end of the file again, if that is where it is. */
static void cut_torn(ts_trail *t)
{
    struct stat sb;
    const off_t at = t->done ? lseek(t->out.fd, 0, SEEK_CUR) : -1;
    if (at >= (off_t)t->done && fstat(t->out.fd, &sb) == 0 && S_ISREG(sb.st_mode) &&
        sb.st_size == at && ftruncate(t->out.fd, at - (off_t)t->done) == 0 &&
        lseek(t->out.fd, at - (off_t)t->done, SEEK_SET) >= 0)
        t->done = 0;
}

/* The first n bytes that wait are in the file, counted from the start of the first record. */
static void forget(ts_trail *t, size_t n)
{
    size_t whole = 0, k = 0;
    while (k < t->n && whole + t->sizes[k] <= n)
        whole += t->sizes[k++];
    t->done = n - whole;
    t->n -= k;
    memmove(t->sizes, t->sizes + k, t->n * sizeof *t->sizes);
    t->waiting.len -= whole;
    memmove(t->waiting.s, t->waiting.s + whole, t->waiting.len);
}

static bool flush(ts_trail *t)
{
    size_t at = t->done;
    while (at < t->waiting.len) {
        const ssize_t k = write(t->out.fd, t->waiting.s + at, t->waiting.len - at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            t->why = k < 0 ? errno : EIO;
            break;
        }
        at += (size_t)k;
    }
    const bool is_whole = at == t->waiting.len;
    forget(t, at);
    if (!is_whole)
        cut_torn(t);
    return is_whole;
}

static void say(ts_trail *t, bool is_whole)
{
    if (!is_whole && !t->is_failing)
        ts_log(TS_LOG_WARN,
               "%s: cannot be written: %s; its %s wait in memory and are tried again with each step",
               t->out.name.s, strerror(t->why), t->unit);
    if (is_whole && t->is_failing && !t->lost)
        ts_log(TS_LOG_WARN, "%s: can be written again, nothing is missing", t->out.name.s);
    if (is_whole && t->is_failing && t->lost)
        ts_log(TS_LOG_WARN, "%s: can be written again, %lld %s are missing", t->out.name.s,
               (long long)t->lost, t->unit);
    t->is_failing = !is_whole;
}

static ts_status keep(ts_trail *t, const void *record, size_t n)
{
    if (n > t->most || t->waiting.len > t->most - n)
        return TS_ERR_NOMEM;
    TS_TRY(ts_grow(&t->sizes, &t->cap, t->n + 1, sizeof *t->sizes));
    TS_TRY(ts_str_add(&t->waiting, record, n));
    t->sizes[t->n++] = n;
    return TS_OK;
}

void ts_trail_add(ts_trail *t, const void *record, size_t n)
{
    if (keep(t, record, n) != TS_OK && t->lost++ == 0)
        ts_log(TS_LOG_WARN, "%s: no more memory for %s that cannot be written: they are dropped",
               t->out.name.s, t->unit);
    say(t, flush(t));
}

ts_status ts_trail_close(ts_trail *t)
{
    ts_status st = TS_OK;
    if (!ts_trail_is_open(t))
        return TS_OK;
    if (t->n)
        say(t, flush(t));
    if (t->n || t->lost)
        st = ts_error(TS_ERR_IO, "%s: %lld %s are missing: %s", t->out.name.s,
                      (long long)t->n + (long long)t->lost, t->unit,
                      strerror(t->why ? t->why : ENOMEM));
    const int rc = close(t->out.fd);
    t->out.fd = 0;
    if (rc < 0 && st == TS_OK) /* a network's disk may tell only now */
        st = ts_output_error(&t->out, "closing");
    ts_output_abandon(&t->out);
    ts_str_deinit(&t->waiting);
    ts_free(&t->sizes);
    return st;
}

/* A last line without its end, as a run leaves it that was killed while it wrote. One of ours is
 * cut off, as it is no JSON; another keeps its bytes and is ended. */
static ts_status end_last_line(ts_trail *t, const char *path)
{
    static const char ours[] = "{\"iteration\": ";
    struct stat sb;
    char tail[4096];
    if (fstat(t->out.fd, &sb) < 0 || !S_ISREG(sb.st_mode) || !sb.st_size)
        return TS_OK;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const off_t from = sb.st_size > (off_t)sizeof tail ? sb.st_size - (off_t)sizeof tail : 0;
    const ssize_t n = fd < 0 ? 0 : pread(fd, tail, sizeof tail, from);
    if (fd >= 0)
        close(fd);
    if (n <= 0 || tail[n - 1] == '\n')
        return TS_OK;
    const char *nl = memrchr(tail, '\n', (size_t)n), *line = nl ? nl + 1 : tail;
    const size_t len = (size_t)(tail + n - line), most = sizeof ours - 1;
    if ((!nl && from) || memcmp(line, ours, len < most ? len : most) || tail[n - 1] == '}')
        return ts_output_write(&t->out, "\n", 1);
    ts_log(TS_LOG_WARN, "%s: the last line is torn and is cut off", path);
    return ftruncate(t->out.fd, sb.st_size - (off_t)len) == 0
               ? TS_OK
               : ts_output_error(&t->out, "cutting the torn last line off");
}

ts_status ts_trail_open_lines(ts_trail *t, const char *option, const char *path)
{
    ts_output out;
    TS_TRY(ts_output_open(&out, option, path, TS_OUTPUT_APPEND));
    ts_trail_init(t, &out, "lines");
    const ts_status st = end_last_line(t, path);
    if (st != TS_OK)
        ts_output_abandon(&t->out);
    return st;
}
