#include "data/textfeed.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, MAX_DOCUMENT = 1 << 30 };

typedef enum mode { LINES, SEPARATED, LIST } mode;

/* In a JSON list, what may come at depth 0. */
typedef enum expect { ELEMENT_OR_END, ELEMENT, COMMA_OR_END, NOTHING } expect;

struct ts_textfeed {
    char **files;
    size_t n_files, file; /* file: the one being read */
    int fd;
    bool is_json, at_end; /* at_end: of the file */
    mode mode;
    expect expect;
    char *separator;
    ts_str rest; /* read but not yet used */
    int64_t line;
    double bytes;
    size_t piece;
};

static const char *const kinds[] = { ".txt", ".jsonl", ".json", NULL };

static int kind_of(const char *name)
{
    const size_t n = strlen(name);
    for (int k = 0; kinds[k]; k++) {
        const size_t m = strlen(kinds[k]);
        if (n > m && !strcmp(name + n - m, kinds[k]))
            return k;
    }
    return -1;
}

static ts_status add_file(ts_textfeed *f, const char *path)
{
    struct stat sb;
    /* unreadable files are found before the work */
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ts_error(TS_ERR_USER, "--input %s: cannot be opened: %s", path, strerror(errno));
    f->bytes += fstat(fd, &sb) == 0 ? (double)sb.st_size : 0;
    close(fd);
    TS_TRY(ts_strdup(path, &f->files[f->n_files]));
    f->n_files++;
    return TS_OK;
}

static ts_status add_folder(ts_textfeed *f, const char *input, char *const *names, size_t n)
{
    size_t count[3] = { 0 };
    ts_str path = { 0 };
    for (size_t i = 0; i < n; i++)
        if (kind_of(names[i]) >= 0)
            count[kind_of(names[i])]++;
    int most = 0;
    for (int k = 1; kinds[k]; k++)
        if (count[k] > count[most])
            most = k;
    if (!count[most])
        return ts_error(TS_ERR_USER, "--input %s: the folder has no .txt, .json or .jsonl files",
                        input);
    f->is_json = most > 0;
    ts_status st = ts_alloc(&f->files, count[most], sizeof *f->files);
    for (size_t i = 0; st == TS_OK && i < n; i++) {
        if (kind_of(names[i]) != most)
            continue;
        st = ts_path_join(&path, input, names[i]);
        if (st == TS_OK)
            st = add_file(f, path.s);
    }
    ts_str_deinit(&path);
    return st;
}

static ts_status find_files(ts_textfeed *f, const char *input)
{
    if (!ts_path_is_dir(input)) {
        TS_TRY(ts_alloc(&f->files, 1, sizeof *f->files));
        TS_TRY(add_file(f, input));
        if (kind_of(input) < 0)
            return ts_error(
                TS_ERR_USER,
                "--input %s: expected a .txt, .json or .jsonl file, or a folder of them", input);
        f->is_json = kind_of(input) > 0;
        return TS_OK;
    }
    char **names;
    size_t n;
    TS_TRY(ts_dir_list(input, &names, &n));
    const ts_status st = add_folder(f, input, names, n);
    for (size_t i = 0; i < n; i++)
        ts_free(&names[i]);
    ts_free(&names);
    return st;
}

ts_status ts_textfeed_create(const char *input, const char *separator, size_t piece,
                             ts_textfeed **out)
{
    ts_textfeed *f = NULL;
    TS_TRY(ts_alloc(&f, 1, sizeof *f));
    f->fd = -1;
    f->piece = piece ? piece : PIECE;
    ts_status st = find_files(f, input);
    if (st == TS_OK && separator && f->is_json)
        st = ts_error(TS_ERR_USER, "--document-separator is for .txt files, but --input %s is JSON",
                      input);
    if (st == TS_OK && separator && !*separator)
        st = ts_error(TS_ERR_USER, "--document-separator is empty");
    if (st == TS_OK && separator)
        st = ts_strdup(separator, &f->separator);
    if (st != TS_OK) {
        ts_textfeed_destroy(&f);
        return st;
    }
    *out = f;
    return TS_OK;
}

void ts_textfeed_destroy(ts_textfeed **feed)
{
    ts_textfeed *f = *feed;
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    for (size_t i = 0; i < f->n_files; i++)
        ts_free(&f->files[i]);
    ts_free(&f->files);
    ts_free(&f->separator);
    ts_str_deinit(&f->rest);
    ts_free(feed);
}

void ts_text_batch_deinit(ts_text_batch *b)
{
    ts_str_deinit(&b->text);
    ts_free(&b->spans);
}

double ts_textfeed_bytes(const ts_textfeed *f) { return f->bytes; }
bool ts_textfeed_is_json(const ts_textfeed *f) { return f->is_json; }

/* Appends about a piece of the file to t; sets at_end. */
static ts_status read_more(ts_textfeed *f, ts_str *t)
{
    TS_TRY(ts_grow(&t->s, &t->cap, t->len + f->piece + 1, 1));
    const size_t goal = t->len + f->piece;
    while (t->len < goal && !f->at_end) {
        const ssize_t n = read(f->fd, t->s + t->len, goal - t->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ts_error(TS_ERR_IO, "%s: reading failed: %s", f->files[f->file],
                            strerror(errno));
        f->at_end = n == 0;
        t->len += (size_t)n;
    }
    t->s[t->len] = 0;
    return TS_OK;
}

static size_t skip_blank(const char *s, size_t at, size_t n)
{
    while (at < n && (s[at] == ' ' || s[at] == '\t' || s[at] == '\r' || s[at] == '\n'))
        at++;
    return at;
}

static ts_status open_next(ts_textfeed *f)
{
    const char *path = f->files[f->file];
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return ts_error(TS_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    (void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    f->at_end = false;
    f->line = 1;
    ts_str_reset(&f->rest);
    size_t bom, first;
    do { /* up to the first byte that tells a list */
        TS_TRY(read_more(f, &f->rest));
        bom = f->rest.len >= 3 && !memcmp(f->rest.s, "\xEF\xBB\xBF", 3) ? 3 : 0;
        first = skip_blank(f->rest.s, bom, f->rest.len);
    } while (!f->at_end && (f->rest.len < 3 || first == f->rest.len) && first < MAX_DOCUMENT);
    f->mode = f->separator ? SEPARATED : LINES;
    if (f->is_json && first < f->rest.len && f->rest.s[first] == '[' && kind_of(path) == 2) {
        f->mode = LIST;
        f->expect = ELEMENT_OR_END;
        for (size_t i = 0; i < first; i++)
            f->line += f->rest.s[i] == '\n';
        memset(f->rest.s, ' ', first + 1); /* blanks before an element are skipped */
    } else if (bom) {
        memmove(f->rest.s, f->rest.s + bom, f->rest.len - bom + 1);
        f->rest.len -= bom;
    }
    return TS_OK;
}

static ts_status emit(ts_text_batch *b, size_t at, size_t end, int64_t line)
{
    if (skip_blank(b->text.s, at, end) == end)
        return TS_OK;
    TS_TRY(ts_grow(&b->spans, &b->cap, b->n + 1, sizeof *b->spans));
    b->spans[b->n++] = (ts_span){ at, end - at, line };
    return TS_OK;
}

/* Where a scan of the batch's text stands: [start, at) was looked at and belongs to an open
 * document. */
typedef struct scan {
    size_t start, at;
    int64_t line;       /* of `at` (LIST), of `start` otherwise */
    int64_t start_line; /* LIST: of the open element */
    int depth;
    bool is_open, in_text, is_escaped; /* LIST */
} scan;

static ts_status scan_lines(ts_text_batch *b, scan *c)
{
    const char *s = b->text.s, *nl;
    while ((nl = memchr(s + c->at, '\n', b->text.len - c->at))) {
        size_t end = (size_t)(nl - s);
        c->at = end + 1;
        if (end > c->start && s[end - 1] == '\r')
            end--;
        TS_TRY(emit(b, c->start, end, c->line++));
        c->start = c->at;
    }
    c->at = b->text.len;
    return TS_OK;
}

static ts_status scan_separated(ts_text_batch *b, scan *c, const char *sep)
{
    const char *s = b->text.s, *hit;
    const size_t m = strlen(sep);
    while ((hit = memmem(s + c->at, b->text.len - c->at, sep, m))) {
        const size_t end = (size_t)(hit - s);
        TS_TRY(emit(b, c->start, end, c->line));
        for (size_t i = c->start; i < end + m; i++)
            c->line += s[i] == '\n';
        c->start = c->at = end + m;
    }
    if (b->text.len - c->start >= m) /* the separator may lie across the end */
        c->at = b->text.len - m + 1;
    return TS_OK;
}

static ts_status close_element(ts_textfeed *f, ts_text_batch *b, scan *c, size_t end)
{
    c->is_open = false;
    f->expect = COMMA_OR_END;
    TS_TRY(emit(b, c->start, end, c->start_line));
    c->start = end;
    return TS_OK;
}

/* A byte between the elements. */
static ts_status between(ts_textfeed *f, scan *c, char ch)
{
    const expect e = f->expect;
    if (ch == ',' && e == COMMA_OR_END)
        f->expect = ELEMENT;
    else if (ch == ']' && (e == COMMA_OR_END || e == ELEMENT_OR_END))
        f->expect = NOTHING;
    else if (ch == ',' || ch == ']' || ch == '}' || e == COMMA_OR_END || e == NOTHING)
        return ts_error(TS_ERR_USER, "%s:%lld: not valid JSON: expected %s", f->files[f->file],
                        (long long)c->line,
                        e == NOTHING        ? "nothing after the list"
                        : e == COMMA_OR_END ? "a comma or ]"
                                            : "a value");
    else {
        c->is_open = true;
        c->start_line = c->line;
    }
    return TS_OK;
}

/* Cuts a list into its elements; whether an element is well-formed is for its parser to say. */
static ts_status scan_list(ts_textfeed *f, ts_text_batch *b, scan *c)
{
    const char *s = b->text.s;
    for (; c->at < b->text.len; c->at++) {
        const char ch = s[c->at];
        const bool is_blank = ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
        if (!c->is_open) {
            c->start = c->at;
            if (!is_blank)
                TS_TRY(between(f, c, ch));
            c->start += !c->is_open;
        }
        if (c->is_open) {
            if (c->in_text) {
                c->in_text = ch != '"' || c->is_escaped;
                c->is_escaped = ch == '\\' && !c->is_escaped;
            } else if (c->depth == 0 && (is_blank || ch == ',' || ch == ']')) {
                TS_TRY(close_element(f, b, c, c->at)); /* after a number or the like */
                c->at--;
                continue;
            } else if (ch == '"') {
                c->in_text = true;
            } else if (ch == '{' || ch == '[') {
                c->depth++;
            } else if ((ch == '}' || ch == ']') && --c->depth <= 0) {
                c->depth = 0;
                TS_TRY(close_element(f, b, c, c->at + 1));
            }
        }
        c->line += ch == '\n';
    }
    return TS_OK;
}

static ts_status scan_on(ts_textfeed *f, ts_text_batch *b, scan *c)
{
    return f->mode == LINES       ? scan_lines(b, c)
           : f->mode == SEPARATED ? scan_separated(b, c, f->separator)
                                  : scan_list(f, b, c);
}

/* What is left at the end of a file. */
static ts_status finish_file(ts_textfeed *f, ts_text_batch *b, scan *c)
{
    if (f->mode == LIST && f->expect != NOTHING)
        return ts_error(TS_ERR_USER, "%s:%lld: not valid JSON: the list is not closed",
                        f->files[f->file], (long long)c->line);
    if (f->mode != LIST)
        TS_TRY(emit(b, c->start, b->text.len, c->line));
    close(f->fd);
    f->fd = -1;
    f->file++;
    ts_str_reset(&f->rest);
    return TS_OK;
}

ts_status ts_textfeed_next(ts_textfeed *f, ts_text_batch *b)
{
    b->n = b->bytes = 0;
    while (b->n == 0 && f->file < f->n_files) {
        if (f->fd < 0)
            TS_TRY(open_next(f));
        const ts_str was = b->text;
        b->text = f->rest;
        f->rest = was;
        b->file = f->files[f->file];
        b->is_json = f->is_json;
        scan c = { .line = f->line, .start_line = f->line };
        for (;;) {
            TS_TRY(scan_on(f, b, &c));
            if (b->n || f->at_end)
                break;
            if (b->text.len - c.start > MAX_DOCUMENT)
                return ts_error(TS_ERR_USER, "%s:%lld: a document of more than %d bytes", b->file,
                                (long long)c.line, MAX_DOCUMENT);
            TS_TRY(read_more(f, &b->text));
        }
        b->bytes += c.start;
        if (f->at_end) {
            b->bytes += b->text.len - c.start;
            TS_TRY(finish_file(f, b, &c));
            continue;
        }
        f->line = c.is_open ? c.start_line : c.line;
        ts_str_reset(&f->rest);
        TS_TRY(ts_str_add(&f->rest, b->text.s + c.start, b->text.len - c.start));
        TS_TRY(read_more(f, &f->rest));
    }
    return TS_OK;
}
