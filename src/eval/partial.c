#include "eval/partial.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

ts_status ts_eval_partial_add(ts_eval_partial *p, const char *lines, size_t n)
{
    while (p->path.len && n > 0) {
        const ssize_t did = write(p->fd, lines, n);
        if (did < 0 && errno == EINTR)
            continue;
        if (did < 0)
            return ts_error(TS_ERR_IO, "%s: writing failed: %s", p->path.s, strerror(errno));
        lines += did;
        n -= (size_t)did;
    }
    return TS_OK;
}

static ts_status begin(ts_eval_partial *p, const json_t *run)
{
    ts_str line = { 0 };
    ts_status st = ts_json_write(run, JSON_COMPACT, "a run", &line);
    if (st == TS_OK)
        st = ts_str_puts(&line, "\n");
    if (st == TS_OK)
        st = ts_eval_partial_add(p, ts_str_text(&line), line.len);
    ts_str_deinit(&line);
    return st;
}

static ts_status other_run(const ts_eval_partial *p)
{
    return ts_error(TS_ERR_USER,
                    "%s is of a run with another model, tasks or options: give these again to go on with it, "
                    "or remove it",
                    p->path.s);
}

/* What is there: whole lines. *kept: the bytes up to the last one's end. */
static ts_status take(ts_eval_partial *p, const ts_str *text, const json_t *run, ts_eval_units *u,
                      size_t *kept)
{
    int64_t number = 0;
    for (const char *s = ts_str_text(text), *end; (end = strchr(s, '\n')); s = end + 1, number++) {
        json_t *line;
        if (ts_json_parse(s, (size_t)(end - s), p->path.s, &line) != TS_OK)
            return number ? ts_error_context(TS_ERR_USER, "of line %lld", (long long)number + 1)
                          : other_run(p);
        if (!number) {
            const bool same = json_equal(line, run);
            json_decref(line);
            if (!same)
                return other_run(p);
        } else {
            ts_eval_line_place(u, line);
        }
        *kept = (size_t)(end + 1 - ts_str_text(text));
    }
    if (number > 1)
        ts_log(TS_LOG_INFO, "%s: %lld samples of it are judged, the run goes on", p->path.s,
               (long long)number - 1);
    return TS_OK;
}

ts_status ts_eval_partial_open(const char *output, const json_t *run, ts_eval_units *u, ts_eval_partial *out)
{
    ts_eval_partial p = { .fd = -1 };
    ts_str text = { 0 };
    size_t kept = 0;
    ts_status st;
    *out = p;
    if (!output || !strcmp(output, "-"))
        return TS_OK;
    TS_TRY_TO(done, st, ts_str_printf(&p.path, "%s.part", output));
    if (ts_path_exists(p.path.s))
        TS_TRY_TO(done, st, ts_file_read(p.path.s, &text));
    TS_TRY_TO(done, st, take(&p, &text, run, u, &kept));
    p.fd = open(p.path.s, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (p.fd < 0 || ftruncate(p.fd, (off_t)kept) || lseek(p.fd, 0, SEEK_END) < 0)
        st =
            ts_error(TS_ERR_USER, "--output %s: %s cannot be written: %s", output, p.path.s, strerror(errno));
    if (st == TS_OK && !kept)
        st = begin(&p, run);
done:
    ts_str_deinit(&text);
    if (st != TS_OK)
        ts_eval_partial_close(&p);
    else
        *out = p;
    return st;
}

ts_status ts_eval_partial_remove(ts_eval_partial *p)
{
    if (p->path.len && unlink(p->path.s))
        return ts_error(TS_ERR_IO, "%s cannot be removed: %s", p->path.s, strerror(errno));
    return TS_OK;
}

void ts_eval_partial_close(ts_eval_partial *p)
{
    if (p->fd >= 0 && p->path.len)
        close(p->fd);
    ts_str_deinit(&p->path);
    p->fd = -1;
}
