#include "ckpt/check.h"

#include "base/file.h"
#include "ckpt/manifest.h"
#include "ckpt/names.h"
#include "io/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct checker {
    ts_ckpt_check *check;
    const char *folder;
    const ckpt_manifest *manifest;
    unsigned char *chunk;
    ts_str first; /* finding */
} checker;

static ts_status found(checker *c, const ts_ckpt_damage *d)
{
    c->check->damages++;
    if (c->check->found)
        c->check->found(c->check->ctx, d);
    return c->first.len ? TS_OK : ts_str_puts(&c->first, d->text);
}

/* A finding about a whole file (or the folder). */
static ts_status found_whole(checker *c, const char *path, const char *text)
{
    return found(c, &(ts_ckpt_damage){ .path = path, .begin = -1, .end = -1, .byte = -1, .bit = -1,
                                       .text = text });
}

static ts_status found_message(checker *c, const char *path)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", ts_error_message());
    return found_whole(c, path, text);
}

/* Which tensors lie in bytes [begin, end) of a shard, in words and as the first one's name (both
 * appended, the name with its NUL). A shard that cannot be read at all has its damage in the
 * header. */
static ts_status name_tensors(const char *path, int64_t begin, int64_t end, ts_str *words,
                              ts_str *name)
{
    static const char kind[] = ".safetensors";
    const size_t n = strlen(path);
    struct stat sb;
    ts_st_file *f = NULL;
    if (n < sizeof kind || strcmp(path + n - (sizeof kind - 1), kind) || stat(path, &sb) < 0)
        return TS_OK;
    ts_status st = ts_st_file_open(path, &f);
    if (st == TS_ERR_NOMEM)
        return st;
    if (st != TS_OK) {
        TS_TRY(ts_str_puts(name, "header"));
        return ts_str_puts(words, ", in the header");
    }
    const ts_st_tensor *first = NULL, *last = NULL;
    int64_t at = sb.st_size;
    for (int64_t i = 0; i < ts_st_file_count(f); i++)
        at -= (int64_t)ts_st_file_at(f, i)->size;
    const bool has_header = begin < at;
    for (int64_t i = 0; i < ts_st_file_count(f); i++) {
        const ts_st_tensor *t = ts_st_file_at(f, i);
        const int64_t next = at + (int64_t)t->size;
        if (t->size && at < end && next > begin) {
            first = first ? first : t;
            last = t;
        }
        at = next;
    }
    st = ts_str_puts(name, first ? first->name : "header");
    if (st == TS_OK && has_header)
        st = ts_str_puts(words, first ? ", in the header or" : ", in the header");
    if (st == TS_OK && first && first == last)
        st = ts_str_printf(words, "%s tensor %s", has_header ? "" : ", in", first->name);
    else if (st == TS_OK && first)
        st = ts_str_printf(words, "%s tensors %s to %s", has_header ? "" : ", in", first->name,
                           last->name);
    ts_st_file_destroy(&f);
    return st;
}

/* Bytes [begin, end) do not have their checksum; reading failed with `why` (0: it did not). */
static ts_status found_range(checker *c, const char *path, int64_t begin, int64_t end,
                             uint32_t syndrome, int why)
{
    ts_str text = { 0 }, name = { 0 }, tensors = { 0 };
    ts_ckpt_damage d = { .path = path, .begin = begin, .end = end, .byte = -1, .bit = -1 };
    size_t byte;
    const bool is_known = !why && ckpt_sums_locate(syndrome, (size_t)(end - begin), &byte, &d.bit);
    if (is_known)
        d.byte = begin + (int64_t)byte;
    ts_status st = is_known ? name_tensors(path, d.byte, d.byte + 1, &tensors, &name)
                            : name_tensors(path, begin, end, &tensors, &name);
    if (st == TS_OK && why)
        st = ts_str_printf(&text, "%s: bytes %" PRId64 " to %" PRId64 " cannot be read: %s", path,
                           begin, end - 1, strerror(why));
    else if (st == TS_OK && d.bit >= 0)
        st = ts_str_printf(&text, "%s: damaged: bit %d of byte %" PRId64 " is flipped", path, d.bit,
                           d.byte);
    else if (st == TS_OK && is_known)
        st = ts_str_printf(&text, "%s: damaged: byte %" PRId64 " is not what was written", path,
                           d.byte);
    else if (st == TS_OK)
        st = ts_str_printf(&text,
                           "%s: damaged: bytes %" PRId64 " to %" PRId64 " do not have the checksum "
                           "that they were written with",
                           path, begin, end - 1);
    if (st == TS_OK)
        st = ts_str_puts(&text, ts_str_text(&tensors));
    d.tensor = name.len ? name.s : NULL;
    d.text = ts_str_text(&text);
    if (st == TS_OK)
        st = found(c, &d);
    ts_str_deinit(&text);
    ts_str_deinit(&name);
    ts_str_deinit(&tensors);
    return st;
}

/* Up to n bytes at `at` into the buffer; returns how many there are, -1 with errno. */
static int64_t read_at(int fd, unsigned char *to, int64_t n, int64_t at)
{
    int64_t have = 0;
    while (have < n) {
        const ssize_t k = pread(fd, to + have, (size_t)(n - have), (off_t)(at + have));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -1;
        if (k == 0)
            break;
        have += k;
    }
    return have;
}

static uint32_t hex_at(const char *hex, int64_t i)
{
    char digits[9] = { 0 };
    memcpy(digits, hex + 8 * i, 8);
    return (uint32_t)strtoul(digits, NULL, 16);
}

/* Neighbouring damaged chunks make one finding. Chunks past the end of a short file were told of
 * already. */
static ts_status check_chunks(checker *c, const char *path, const ckpt_file *f, int fd)
{
    const int64_t chunk = c->manifest->chunk;
    int64_t bad_from = -1;
    uint32_t syndrome = 0;
    int why = 0;
    ts_status st = TS_OK;
    for (int64_t at = 0, i = 0; st == TS_OK; at += chunk, i++) {
        const int64_t n = at >= f->size ? 0 : f->size - at < chunk ? f->size - at : chunk;
        const int64_t have = n ? read_at(fd, c->chunk, n, at) : 0;
        const int e = have < 0 ? errno : 0;
        const uint32_t diff =
            have == n && n ? ts_crc32c(0, c->chunk, (size_t)n) ^ hex_at(f->hex, i) : 0;
        c->check->bytes += have > 0 ? (double)have : 0;
        const bool is_bad = e || diff;
        if (is_bad && bad_from < 0) {
            bad_from = at, why = e, syndrome = diff;
        } else if (is_bad && e == why) {
            syndrome = 0;
        } else if (bad_from >= 0) { /* the run ends, or turns into one of another kind */
            st = found_range(c, path, bad_from, at < f->size ? at : f->size, syndrome, why);
            bad_from = is_bad ? at : -1, why = e, syndrome = diff;
        }
        if (n == 0 || (!e && have < n))
            break;
    }
    if (st == TS_OK && bad_from >= 0)
        st = found_range(c, path, bad_from, f->size, syndrome, why);
    return st;
}

static ts_status check_open_file(checker *c, const char *path, const ckpt_file *f, int fd)
{
    struct stat sb;
    char text[1024];
    if (fstat(fd, &sb) < 0 || !S_ISREG(sb.st_mode)) {
        snprintf(text, sizeof text, "%s: is not a file", path);
        return found_whole(c, path, text);
    }
    c->check->files++;
    if (sb.st_size != f->size) {
        const int64_t from = sb.st_size < f->size ? sb.st_size : f->size;
        snprintf(text, sizeof text, "%s: damaged: has %lld bytes, but was written with %lld", path,
                 (long long)sb.st_size, (long long)f->size);
        TS_TRY(found(
            c, &(ts_ckpt_damage){
                   .path = path, .begin = from, .end = -1, .byte = -1, .bit = -1, .text = text }));
    }
    return check_chunks(c, path, f, fd);
}

static ts_status check_file(checker *c, const ckpt_file *f)
{
    ts_str path = { 0 };
    char text[1024];
    ts_status st = ts_path_join(&path, c->folder, f->name);
    if (st == TS_OK) {
        const int fd = open(path.s, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
            snprintf(text, sizeof text, "%s: %s", path.s,
                     errno == ENOENT ? "is missing" : strerror(errno));
            st = found_whole(c, path.s, text);
        } else {
            st = check_open_file(c, path.s, f, fd);
            close(fd);
        }
    }
    ts_str_deinit(&path);
    return st;
}

/* The folder's own name, if it is that of an iteration. */
static bool iteration_of_path(const char *path, int64_t *iteration)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t at = n;
    while (at && path[at - 1] != '/')
        at--;
    char name[CKPT_NAME];
    if (n - at >= sizeof name)
        return false;
    memcpy(name, path + at, n - at);
    name[n - at] = 0;
    return ckpt_folder_parse(name, "", iteration) || ckpt_folder_parse(name, ".old-", iteration);
}

static ts_status check_manifest(checker *c, ckpt_manifest *m)
{
    ts_str path = { 0 }, text = { 0 };
    uint32_t syndrome;
    int64_t iteration;
    char words[1024];
    TS_TRY(ts_path_join(&path, c->folder, CKPT_MANIFEST));
    ts_status st = ckpt_manifest_read(c->folder, m);
    if (st != TS_OK && st != TS_ERR_NOMEM) {
        st = found_message(c, path.s);
        /* The place is told as well where it can be. */
        if (st == TS_OK && !m->is_newer && ts_file_read(path.s, &text) == TS_OK &&
            ckpt_manifest_syndrome(text.s, text.len, &syndrome) && syndrome)
            st = found_range(c, path.s, 0, (int64_t)text.len, syndrome, 0);
    } else if (st == TS_OK && iteration_of_path(c->folder, &iteration) &&
               iteration != m->iteration) {
        snprintf(words, sizeof words,
                 "%s: is the manifest of iteration %" PRId64 ", not of this folder", path.s,
                 m->iteration);
        st = found_whole(c, path.s, words);
    }
    ts_str_deinit(&path);
    ts_str_deinit(&text);
    return st;
}

static bool is_optimizer(const char *name)
{
    return !strncmp(name, "optimizer", strlen("optimizer"));
}

ts_status ts_ckpt_check_folder(const char *folder, ts_ckpt_check *check)
{
    ckpt_manifest m = { 0 };
    checker c = { .check = check, .folder = folder, .manifest = &m };
    const int shares = check->shares > 0 ? check->shares : 1;
    const int64_t before = check->damages;
    ts_status st = check_manifest(&c, &m);
    if (st == TS_OK && m.n)
        st = ts_alloc(&c.chunk, (size_t)m.chunk, 1);
    for (size_t i = 0, k = 0; st == TS_OK && i < m.n; i++)
        if (!(check->model_only && is_optimizer(m.files[i].name)) &&
            (int)(k++ % (size_t)shares) == check->share)
            st = check_file(&c, &m.files[i]);
    const int64_t n = check->damages - before;
    if (st == TS_OK && n > 1)
        st = ts_error(TS_ERR_USER, "%s (and %" PRId64 " more)", c.first.s, n - 1);
    else if (st == TS_OK && n)
        st = ts_error(TS_ERR_USER, "%s", c.first.s);
    ts_free(&c.chunk);
    ts_str_deinit(&c.first);
    ckpt_manifest_deinit(&m);
    return st;
}
