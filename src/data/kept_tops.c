#include "data/kept_tops.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/output.h"
#include "io/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096 };
static const char magic[8] = "TSKEPT1";

struct ts_kept_file {
    ts_kept_facts facts;
    char *path;
    ts_map map;
    const ts_kept_sample *sample; /* [samples] in the map */
    int fd;                       /* of who writes; -1: nobody did */
};

void ts_kept_measure(const int32_t *tokens, const int32_t *labels, int64_t length, ts_kept_sample *out)
{
    const size_t bytes = (size_t)length * sizeof *tokens;
    *out = (ts_kept_sample){ .sum = ts_crc32c(ts_crc32c(0, tokens, bytes), labels, bytes) };
    for (int64_t s = 0; s < length; s++)
        out->n += labels[s] >= 0;
}

/* ---- where things are ---- */

static int64_t entry_bytes(const ts_kept_facts *f) { return (2 * f->k + 1) * 4; }
static int64_t done_at(const ts_kept_facts *f) { return PAGE + f->samples * (int64_t)sizeof(ts_kept_sample); }
static int64_t entries_at(const ts_kept_facts *f) { return (done_at(f) + f->samples + PAGE - 1) / PAGE * PAGE; }

static int64_t entry_at(const ts_kept_file *f, int64_t sample, int64_t label)
{
    TS_ASSERT(sample >= 0 && sample < f->facts.samples && label >= 0 && label < f->sample[sample].n,
              "label %lld of kept sample %lld", (long long)label, (long long)sample);
    return entries_at(&f->facts) + (f->sample[sample].first + label) * entry_bytes(&f->facts);
}

static int64_t size_of(const ts_kept_facts *f, const ts_kept_sample *sample)
{
    const ts_kept_sample *last = &sample[f->samples - 1];
    return entries_at(f) + (last->first + last->n) * entry_bytes(f);
}

/* ---- making one ---- */

static ts_status fill(ts_output *o, const ts_kept_facts *facts, const ts_kept_sample *sample)
{
    char head[PAGE] = { 0 };
    memcpy(head, magic, sizeof magic);
    memcpy(head + sizeof magic, facts, sizeof *facts);
    errno = posix_fallocate(o->fd, 0, size_of(facts, sample));
    if (errno)
        return ts_output_error(o, "making room");
    TS_TRY(ts_output_write(o, head, sizeof head));
    return ts_output_write(o, sample, (size_t)facts->samples * sizeof *sample);
}

ts_status ts_kept_create(const char *option, const char *path, const ts_kept_facts *facts, const ts_kept_sample *sample)
{
    ts_output o;
    TS_TRY(ts_output_open(&o, option, path, TS_OUTPUT_SEEK));
    ts_status st = fill(&o, facts, sample);
    if (st == TS_OK)
        st = ts_output_finish(&o);
    ts_output_abandon(&o);
    return st;
}

/* ---- opening ---- */

static bool is_sound(const ts_kept_facts *f)
{
    const int64_t most = (int64_t)1 << 40;
    return f->k > 0 && f->k <= f->vocab && f->vocab <= INT32_MAX && f->samples > 0 && f->samples < most / 16 &&
           f->seq_length > 0 && f->seq_length < most && f->temperature > 0 && memchr(f->teacher, 0, sizeof f->teacher);
}

/* Samples follow each other without a gap. */
static bool follow(const ts_kept_file *f, int64_t *entries)
{
    *entries = 0;
    for (int64_t i = 0; i < f->facts.samples; i++) {
        const ts_kept_sample *s = &f->sample[i];
        if (s->first != *entries || s->n > f->facts.seq_length)
            return false;
        *entries += s->n;
    }
    return true;
}

static ts_status read_head(ts_kept_file *f, const char *option)
{
    const size_t size = f->map.size;
    int64_t entries = 0;
    bool good = size >= PAGE && !memcmp(f->map.data, magic, sizeof magic);
    if (!good)
        return ts_error(TS_ERR_USER, "%s %s: this is no file of kept log-probabilities", option, f->path);
    memcpy(&f->facts, f->map.data + sizeof magic, sizeof f->facts);
    good = is_sound(&f->facts) && entries_at(&f->facts) <= (int64_t)size;
    if (good) {
        f->sample = (const ts_kept_sample *)(const void *)(f->map.data + PAGE);
        good = follow(f, &entries) && size_of(&f->facts, f->sample) == (int64_t)size;
    }
    if (!good)
        return ts_error(TS_ERR_USER, "%s %s: the file is damaged, or cut short: remove it, and it is made again", option, f->path);
    return TS_OK;
}

ts_status ts_kept_open(const char *option, const char *path, ts_kept_file **out)
{
    ts_kept_file *f;
    TS_TRY(ts_alloc(&f, 1, sizeof *f));
    f->fd = -1;
    ts_status st = ts_strdup(path, &f->path);
    if (st == TS_OK)
        st = ts_map_open(path, &f->map);
    if (st == TS_OK)
        st = read_head(f, option);
    if (st != TS_OK)
        ts_kept_close(&f);
    else
        *out = f;
    return st;
}

void ts_kept_close(ts_kept_file **file)
{
    ts_kept_file *f = *file;
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    ts_map_close(&f->map);
    ts_free(&f->path);
    ts_free(file);
}

const ts_kept_facts *ts_kept_facts_of(const ts_kept_file *f) { return &f->facts; }

bool ts_kept_has(const ts_kept_file *f, int64_t sample)
{
    return sample >= 0 && sample < f->facts.samples && f->map.data[done_at(&f->facts) + sample] == 1;
}

bool ts_kept_is_whole(const ts_kept_file *f)
{
    for (int64_t i = 0; i < f->facts.samples; i++)
        if (!ts_kept_has(f, i))
            return false;
    return true;
}

ts_status ts_kept_check(const ts_kept_file *f, int64_t i, const ts_kept_sample *s)
{
    if (i >= 0 && i < f->facts.samples && f->sample[i].n == s->n && f->sample[i].sum == s->sum)
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s was made of other data: sample %lld is another one there. Give the data, template and "
                                 "options of then, or remove the file, and it is made again", f->path, (long long)i);
}

/* ---- entries ---- */

static ts_status put(ts_kept_file *f, int64_t at, const void *data, size_t n)
{
    if (f->fd < 0)
        f->fd = open(f->path, O_RDWR | O_CLOEXEC);
    while (f->fd >= 0 && n > 0) {
        const ssize_t done = pwrite(f->fd, data, n, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            break;
        data = (const char *)data + done, at += done, n -= (size_t)done;
    }
    return n == 0 ? TS_OK : ts_error(TS_ERR_IO, "%s: writing failed: %s", f->path, strerror(errno));
}

ts_status ts_kept_write(ts_kept_file *f, int64_t sample, int64_t label, const int32_t *id, const float *logq)
{
    const int64_t at = entry_at(f, sample, label), k = f->facts.k;
    TS_TRY(put(f, at, id, (size_t)k * sizeof *id));
    return put(f, at + k * (int64_t)sizeof *id, logq, (size_t)(k + 1) * sizeof *logq);
}

ts_status ts_kept_sync(ts_kept_file *f)
{
    return f->fd < 0 || fdatasync(f->fd) == 0 ? TS_OK : ts_error(TS_ERR_IO, "%s: writing failed: %s", f->path, strerror(errno));
}

ts_status ts_kept_mark(ts_kept_file *f, int64_t sample)
{
    const unsigned char done = 1;
    return put(f, done_at(&f->facts) + sample, &done, 1);
}

const int32_t *ts_kept_ids(const ts_kept_file *f, int64_t sample, int64_t label)
{
    return (const int32_t *)(const void *)(f->map.data + entry_at(f, sample, label));
}

const float *ts_kept_logq(const ts_kept_file *f, int64_t sample, int64_t label)
{
    return (const float *)(const void *)(ts_kept_ids(f, sample, label) + f->facts.k);
}
