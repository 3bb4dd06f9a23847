#include "io/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
    RAW = 1 << 18,
    HEAD = 4,            /* bytes of text that tell its encoding */
    MOST = 1 << 30,      /* bytes asked of a library at a time */
    LARGEST_WINDOW = 31, /* what `zstd --long=31` writes */
};

typedef enum packing { PLAIN, GZIP, ZSTANDARD } packing;
static const char *const packing_names[] = { "plain", "gzip", "Zstandard" };

struct ts_input {
    char *name;
    int fd;
    bool is_stdin;
    packing packing;
    unsigned char *raw; /* [RAW], of the file; [raw_at, raw_n) is still to be used */
    size_t raw_at, raw_n;
    bool raw_end;
    double used;
    z_stream gz;
    bool gz_open;
    ZSTD_DStream *zstd;
    bool is_inside; /* of a gzip member or a Zstandard frame */
    bool is_second; /* not the first of them */
    char head[HEAD]; /* text read ahead; [head_at, head_n) is still to be given */
    size_t head_at, head_n;
};

const char *ts_input_path_name(const char *path)
{
    return !strcmp(path, "-") ? "standard input" : path;
}

ts_status ts_input_too_long(const char *name, int64_t line)
{
    return ts_error(TS_ERR_USER, "%s:%lld: more than %d bytes without an end", name,
                    (long long)line, TS_INPUT_LONGEST);
}

const char *ts_input_name(const ts_input *in) { return in->name; }
double ts_input_used(const ts_input *in) { return in->used - (double)(in->raw_n - in->raw_at); }

/* ---- the file itself ---- */

/* Some bytes; *got = 0 at the end. A descriptor that someone else made non-blocking is waited
 * for. */
static ts_status read_some(ts_input *in, void *to, size_t n, size_t *got)
{
    ssize_t k;
    while ((k = read(in->fd, to, n)) < 0) {
        struct pollfd wait = { .fd = in->fd, .events = POLLIN };
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            (void)poll(&wait, 1, -1);
        else if (errno != EINTR)
            return ts_error(TS_ERR_IO, "%s: reading failed: %s", in->name, strerror(errno));
    }
    *got = (size_t)k;
    in->used += (double)k;
    return TS_OK;
}

/* At least one more byte in raw, or raw_end. */
static ts_status more_raw(ts_input *in)
{
    size_t got;
    if (in->raw_at == in->raw_n)
        in->raw_at = in->raw_n = 0;
    if (in->raw_end || in->raw_n == RAW)
        return TS_OK;
    TS_TRY(read_some(in, in->raw + in->raw_n, RAW - in->raw_n, &got));
    in->raw_n += got;
    in->raw_end = got == 0;
    return TS_OK;
}

static ts_status open_file(ts_input *in, const char *path)
{
    struct stat sb;
    in->is_stdin = !strcmp(path, "-");
    in->fd = in->is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0 || fstat(in->fd, &sb) < 0)
        return ts_error(TS_ERR_USER, "%s: cannot be opened: %s", in->name, strerror(errno));
    if (S_ISDIR(sb.st_mode))
        return ts_error(TS_ERR_USER, "%s: is a folder, a file was expected", in->name);
    (void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return TS_OK;
}

/* ---- unpacking ---- */

static bool begins(const ts_input *in, const char *magic, size_t n)
{
    return in->raw_n - in->raw_at >= n && !memcmp(in->raw + in->raw_at, magic, n);
}
#define BEGINS(in, magic) begins(in, magic, sizeof magic - 1)

/* A frame, or one to be passed over. */
static bool begins_zstandard(const ts_input *in)
{
    const unsigned char *p = in->raw + in->raw_at;
    return BEGINS(in, "\x28\xB5\x2F\xFD") ||
           (in->raw_n - in->raw_at >= 4 && (p[0] & 0xF0) == 0x50 && !memcmp(p + 1, "\x2A\x4D\x18", 3));
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n > m && !strcasecmp(s + n - m, end);
}

static ts_status refuse_other_kinds(const ts_input *in)
{
    static const struct {
        const char *magic;
        size_t n;
        const char *name, *instead;
    } kinds[] = {
        { "\xFD\x37zXZ", 5, "xz", "a pipe from xz -dc" },
        { "BZh91AY&SY", 10, "bzip2", "a pipe from bzip2 -dc" },
        { "PK\3\4", 4, "zip", "a pipe from unzip -p" },
        { "\x04\x22\x4D\x18", 4, "lz4", "a pipe from lz4 -dc" },
        { "PAR1", 4, "Parquet", "JSON lines made of it" },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (begins(in, kinds[i].magic, kinds[i].n))
            return ts_error(TS_ERR_USER,
                            "%s: is a %s file; text, gzip and Zstandard are read: %s will do",
                            in->name, kinds[i].name, kinds[i].instead);
    return TS_OK;
}

/* By the content; a name that promises something else is a mistake. */
static ts_status find_packing(ts_input *in)
{
    while (in->raw_n < 10 && !in->raw_end)
        TS_TRY(more_raw(in));
    in->packing = BEGINS(in, "\x1F\x8B")  ? GZIP
                  : begins_zstandard(in) ? ZSTANDARD
                                         : PLAIN;
    const packing named = ends_with(in->name, ".gz")                                     ? GZIP
                          : ends_with(in->name, ".zst") || ends_with(in->name, ".zstd") ? ZSTANDARD
                                                                                        : PLAIN;
    if (in->packing == PLAIN && named != PLAIN)
        return ts_error(TS_ERR_USER, "%s: is not %s data, though its name says so%s", in->name,
                        packing_names[named], in->raw_n ? "" : ": it is empty");
    if (in->packing == GZIP && inflateInit2(&in->gz, 15 + 16) != Z_OK)
        return ts_error(TS_ERR_NOMEM, "%s: no memory to unpack it", in->name);
    in->gz_open = in->packing == GZIP;
    if (in->packing == ZSTANDARD) {
        in->zstd = ZSTD_createDStream();
        if (!in->zstd)
            return ts_error(TS_ERR_NOMEM, "%s: no memory to unpack it", in->name);
        (void)ZSTD_DCtx_setParameter(in->zstd, ZSTD_d_windowLogMax, LARGEST_WINDOW);
    }
    return in->packing == PLAIN ? refuse_other_kinds(in) : TS_OK;
}

static ts_status damaged(const ts_input *in, const char *why)
{
    return ts_error(TS_ERR_USER, "%s: damaged %s data near byte %.0f: %s", in->name,
                    packing_names[in->packing], ts_input_used(in), why);
}

static ts_status step_gzip(ts_input *in, char *to, size_t n, size_t *made)
{
    z_stream *z = &in->gz;
    z->next_in = in->raw + in->raw_at;
    z->avail_in = (uInt)(in->raw_n - in->raw_at);
    z->next_out = (unsigned char *)to;
    z->avail_out = (uInt)n;
    const int rc = inflate(z, Z_NO_FLUSH);
    in->raw_at = in->raw_n - z->avail_in;
    *made = n - z->avail_out;
    if (rc == Z_STREAM_END)
        in->is_inside = false;
    else if (rc == Z_MEM_ERROR)
        return ts_error(TS_ERR_NOMEM, "%s: no memory to unpack it", in->name);
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return damaged(in, z->msg ? z->msg : "it is not readable");
    return TS_OK;
}

static ts_status step_zstandard(ts_input *in, char *to, size_t n, size_t *made)
{
    ZSTD_inBuffer from = { in->raw, in->raw_n, in->raw_at };
    ZSTD_outBuffer out = { to, n, 0 };
    const size_t rc = ZSTD_decompressStream(in->zstd, &out, &from);
    in->raw_at = from.pos;
    *made = out.pos;
    if (ZSTD_isError(rc))
        return damaged(in, ZSTD_getErrorName(rc));
    in->is_inside = rc != 0;
    return TS_OK;
}

/* Between two members: what may follow is one more, or (of gzip, on tapes) zeros. */
static ts_status next_member(ts_input *in, bool *at_end)
{
    for (;;) {
        while (in->raw_n - in->raw_at < 4 && !in->raw_end) {
            memmove(in->raw, in->raw + in->raw_at, in->raw_n - in->raw_at);
            in->raw_n -= in->raw_at;
            in->raw_at = 0;
            TS_TRY(more_raw(in));
        }
        while (in->is_second && in->packing == GZIP && in->raw_at < in->raw_n &&
               !in->raw[in->raw_at])
            in->raw_at++;
        if (in->raw_at < in->raw_n || in->raw_end)
            break;
    }
    *at_end = in->raw_at == in->raw_n;
    if (*at_end)
        return TS_OK;
    if (in->packing == GZIP ? !BEGINS(in, "\x1F\x8B") : !begins_zstandard(in))
        return damaged(in, "something else follows them");
    if (in->packing == GZIP)
        inflateReset(&in->gz);
    in->is_inside = in->is_second = true;
    return TS_OK;
}

static ts_status unpack(ts_input *in, char *to, size_t n, size_t *got)
{
    *got = 0;
    n = n < MOST ? n : MOST;
    while (*got == 0) {
        bool at_end = false;
        if (!in->is_inside)
            TS_TRY(next_member(in, &at_end));
        if (at_end)
            return TS_OK;
        if (in->raw_at == in->raw_n)
            TS_TRY(more_raw(in));
        const size_t before = in->raw_at;
        TS_TRY(in->packing == GZIP ? step_gzip(in, to, n, got) : step_zstandard(in, to, n, got));
        if (*got == 0 && in->raw_at == before && in->raw_end && in->is_inside)
            return ts_error(TS_ERR_USER, "%s: the %s data end too early, after %.0f bytes: the "
                            "file was cut short", in->name, packing_names[in->packing],
                            ts_input_used(in));
    }
    return TS_OK;
}

/* ---- the text ---- */

/* Some bytes of text; *got = 0 at the end. */
static ts_status pull(ts_input *in, char *to, size_t n, size_t *got)
{
    const size_t ready = in->raw_n - in->raw_at;
    if (in->packing != PLAIN)
        return unpack(in, to, n, got);
    if (!ready && in->raw_end) {
        *got = 0;
        return TS_OK;
    }
    if (!ready) {
        TS_TRY(read_some(in, to, n < MOST ? n : MOST, got));
        in->raw_end = *got == 0;
        return TS_OK;
    }
    *got = n < ready ? n : ready;
    memcpy(to, in->raw + in->raw_at, *got);
    in->raw_at += *got;
    return TS_OK;
}

/* Looks at the first bytes: JSON and plain text begin with characters of one byte, so zeros among
 * them tell the wider encodings without a mark. */
static ts_status check_encoding(ts_input *in)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const char *h = in->head;
    for (size_t got = 1; in->head_n < HEAD && got; in->head_n += got)
        TS_TRY(pull(in, in->head + in->head_n, HEAD - in->head_n, &got));
    const bool has4 = in->head_n == HEAD;
    const char *found = NULL;
    if (has4 && (!memcmp(h, "\xFF\xFE\0\0", 4) || !memcmp(h, "\0\0\xFE\xFF", 4)))
        found = "UTF-32";
    else if (in->head_n >= 2 && (!memcmp(h, "\xFF\xFE", 2) || !memcmp(h, "\xFE\xFF", 2)))
        found = "UTF-16";
    else if (has4 && h[0] && !h[1] && h[2] && !h[3])
        found = "UTF-16LE";
    else if (has4 && !h[0] && h[1] && !h[2] && h[3])
        found = "UTF-16BE";
    if (found)
        return ts_error(TS_ERR_USER,
                        "%s: is %s text; UTF-8 is read: iconv -f %s -t UTF-8 rewrites it",
                        in->name, found, found);
    if (in->head_n >= 3 && !memcmp(h, mark, 3))
        in->head_at = 3;
    return TS_OK;
}

ts_status ts_input_open(const char *path, ts_input **out)
{
    ts_input *in = NULL;
    TS_TRY(ts_alloc(&in, 1, sizeof *in));
    in->fd = -1;
    ts_status st = ts_strdup(ts_input_path_name(path), &in->name);
    if (st == TS_OK)
        st = ts_alloc(&in->raw, RAW, 1);
    if (st == TS_OK)
        st = open_file(in, path);
    if (st == TS_OK)
        st = find_packing(in);
    if (st == TS_OK)
        st = check_encoding(in);
    if (st == TS_OK)
        *out = in;
    else
        ts_input_close(&in);
    return st;
}

void ts_input_close(ts_input **input)
{
    ts_input *in = *input;
    if (!in)
        return;
    if (in->fd >= 0 && !in->is_stdin)
        close(in->fd);
    if (in->gz_open)
        inflateEnd(&in->gz);
    ZSTD_freeDStream(in->zstd);
    ts_free(&in->raw);
    ts_free(&in->name);
    ts_free(input);
}

ts_status ts_input_read(ts_input *in, char *to, size_t n, size_t *got)
{
    size_t at = in->head_n - in->head_at;
    at = at < n ? at : n;
    memcpy(to, in->head + in->head_at, at);
    in->head_at += at;
    for (size_t k = 1; at < n && k; at += k)
        TS_TRY(pull(in, to + at, n - at, &k));
    *got = at;
    return TS_OK;
}
