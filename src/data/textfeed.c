#include "data/textfeed.h"

#include "io/input.h"
#include "io/parquet/parquet.h"

#include <string.h>

enum { PIECE = 1 << 20 };

typedef enum mode { LINES, SEPARATED, LIST } mode;

/* In a JSON list, what may come at depth 0. */
typedef enum expect { ELEMENT_OR_END, ELEMENT, COMMA_OR_END, NOTHING } expect;

struct ts_textfeed {
    ts_text_files files;
    size_t file; /* the one being read */
    ts_input *in;
    ts_parquet *rows; /* of a Parquet file, in place of in */
    bool is_json, at_end; /* of the file */
    mode mode;
    expect expect;
    char *separator;
    bool is_one_text, whole_lines; /* is_one_text: a plain text has one key, but more are given */
    ts_str rest;                   /* read but not yet used */
    int64_t line;
    double before; /* bytes of the files before this one */
    size_t piece;
};

/* \n, \t, \r and \\ in a separator as it is typed. */
static ts_status unescape(const char *s, char **out)
{
    char *to;
    TS_TRY(ts_strdup(s, out));
    for (to = *out; *s; s++) {
        const char *const from = "ntr\\", *const c = *s == '\\' && s[1] ? strchr(from, s[1]) : NULL;
        *to++ = c ? "\n\t\r\\"[c - from] : *s;
        s += c != NULL;
    }
    *to = 0;
    return TS_OK;
}

static ts_status check_keys(const ts_option_list *keys)
{
    if (!keys->n)
        return ts_error(TS_ERR_USER, "--json-keys: expected at least one key");
    for (int64_t i = 0; i < keys->n; i++)
        for (int64_t j = 0; j < i; j++)
            if (!strcmp(keys->v[i], keys->v[j]))
                return ts_error(TS_ERR_USER, "--json-keys: %s is given twice", keys->v[i]);
    return TS_OK;
}

static ts_status one_key_only(const char *file)
{
    return ts_error(TS_ERR_USER,
                    "%s: plain text has one key, but more are given with --json-keys", file);
}

/* What the files' kinds say about the options, as far as it is known before they are read. */
static ts_status check_kinds(const ts_textfeed *f)
{
    size_t n_json = 0;
    for (size_t i = 0; i < f->files.n; i++) {
        const ts_text_file *v = &f->files.v[i];
        n_json += v->kind == TS_TEXT_JSONL || v->kind == TS_TEXT_JSON || v->kind == TS_TEXT_PARQUET;
        if (v->kind == TS_TEXT_TXT && f->is_one_text)
            return one_key_only(v->path);
    }
    if (f->separator && n_json == f->files.n)
        return ts_error(TS_ERR_USER, "--document-separator is for .txt files, but --input %s is "
                        "JSON", f->files.v[0].path);
    return TS_OK;
}

ts_status ts_textfeed_create(const ts_feed_options *o, ts_textfeed **out)
{
    ts_textfeed *f = NULL;
    if (!o->input.n)
        return ts_error(TS_ERR_USER, "--input is missing: .txt, .jsonl or .json files, folders of "
                        "them, or - for the standard input");
    TS_TRY(check_keys(&o->json_keys));
    if (o->document_separator && !*o->document_separator)
        return ts_error(TS_ERR_USER, "--document-separator is empty");
    TS_TRY(ts_alloc(&f, 1, sizeof *f));
    f->piece = o->piece ? o->piece : PIECE;
    f->whole_lines = o->whole_lines;
    f->is_one_text = o->json_keys.n > 1;
    ts_status st = TS_OK;
    if (o->document_separator)
        st = unescape(o->document_separator, &f->separator);
    if (st == TS_OK)
        st = ts_text_files_find(&o->input, (ts_text_kind)o->input_format, o->any_name, &f->files);
    if (st == TS_OK)
        st = check_kinds(f);
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
    ts_input_close(&f->in);
    ts_parquet_close(&f->rows);
    ts_text_files_deinit(&f->files);
    ts_free(&f->separator);
    ts_str_deinit(&f->rest);
    ts_free(feed);
}

void ts_text_batch_deinit(ts_text_batch *b)
{
    ts_str_deinit(&b->text);
    ts_free(&b->spans);
}

ts_status ts_text_batch_check(const ts_text_batch *b, size_t i)
{
    const ts_span *v = &b->spans[i];
    const size_t bad = ts_utf8_check(b->text.s + v->at, v->n);
    return bad == v->n ? TS_OK
                       : ts_error(TS_ERR_USER, "not UTF-8 at byte %zu of the document", bad);
}

ts_status ts_text_batch_error(const ts_text_batch *b, size_t i, ts_status st)
{
    return ts_error(st, "%s:%lld: %s", b->file, (long long)b->spans[i].line, ts_error_message());
}

double ts_textfeed_bytes(const ts_textfeed *f) { return f->files.bytes; }

static const char *file_name(const ts_textfeed *f)
{
    return ts_input_path_name(f->files.v[f->file].path);
}

/* Appends about a piece of the file to t; sets at_end. */
static ts_status read_more(ts_textfeed *f, ts_str *t)
{
    size_t got;
    TS_TRY(ts_grow(&t->s, &t->cap, t->len + f->piece + 1, 1));
    TS_TRY(ts_input_read(f->in, t->s + t->len, f->piece, &got));
    f->at_end = got < f->piece;
    t->len += got;
    t->s[t->len] = 0;
    return TS_OK;
}

static size_t skip_blank(const char *s, size_t at, size_t n)
{
    while (at < n && (s[at] == ' ' || s[at] == '\t' || s[at] == '\r' || s[at] == '\n'))
        at++;
    return at;
}

/* What a text is by how it begins: records begin with an object whose first name is in quotes. *more:
 * that is not to be seen yet. */
static ts_text_kind kind_by_content(const ts_str *t, bool *more)
{
    const char *s = t->s;
    size_t at = skip_blank(s, 0, t->len);
    *more = at == t->len;
    const bool is_list = !*more && s[at] == '[';
    if (is_list)
        at = skip_blank(s, at + 1, t->len);
    *more = at == t->len;
    if (*more || s[at] != '{')
        return TS_TEXT_TXT;
    at = skip_blank(s, at + 1, t->len);
    *more = at == t->len;
    if (*more || (s[at] != '"' && s[at] != '}'))
        return TS_TEXT_TXT;
    return is_list ? TS_TEXT_JSON : TS_TEXT_JSONL;
}

static ts_status open_next(ts_textfeed *f)
{
    const ts_text_file *file = &f->files.v[f->file];
    ts_text_kind kind;
    size_t first;
    f->line = 1;
    ts_str_reset(&f->rest);
    f->is_json = true;
    if (file->kind == TS_TEXT_PARQUET || (file->kind == TS_TEXT_UNKNOWN && ts_parquet_is(file->path)))
        return ts_parquet_open(file->path, &f->rows);
    TS_TRY(ts_input_open(file->path, &f->in));
    f->at_end = false;
    bool more;
    do { /* up to the first bytes that tell the kind, or a list */
        TS_TRY(read_more(f, &f->rest));
        first = skip_blank(f->rest.s, 0, f->rest.len);
        more = first == f->rest.len;
        kind = file->kind ? file->kind : kind_by_content(&f->rest, &more);
    } while (!f->at_end && more && first < TS_INPUT_LONGEST);
    f->is_json = kind != TS_TEXT_TXT;
    if (!f->is_json && f->is_one_text)
        return one_key_only(file_name(f));
    f->mode = f->separator && !f->is_json ? SEPARATED : LINES;
    if (kind == TS_TEXT_JSON && first < f->rest.len && f->rest.s[first] == '[') {
        f->mode = LIST;
        f->expect = ELEMENT_OR_END;
        for (size_t i = 0; i < first; i++)
            f->line += f->rest.s[i] == '\n';
        memset(f->rest.s, ' ', first + 1); /* blanks before an element are skipped */
    }
    return TS_OK;
}

/* Adds the document [at, end) of the batch's text; a blank one only where `blank` says so. */
static ts_status emit(ts_text_batch *b, size_t at, size_t end, int64_t line, bool blank)
{
    if (at == end || (!blank && skip_blank(b->text.s, at, end) == end))
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

/* keep: with their ends, and empty ones too. */
static ts_status scan_lines(ts_text_batch *b, scan *c, bool keep)
{
    const char *s = b->text.s, *nl;
    while ((nl = memchr(s + c->at, '\n', b->text.len - c->at))) {
        size_t end = (size_t)(nl - s) + keep;
        c->at = (size_t)(nl - s) + 1;
        if (!keep && end > c->start && s[end - 1] == '\r')
            end--;
        TS_TRY(emit(b, c->start, end, c->line++, keep));
        c->start = c->at;
    }
    c->at = b->text.len;
    return TS_OK;
}

static bool keeps_lines(const ts_textfeed *f) { return f->whole_lines && !f->is_json; }

static ts_status scan_separated(ts_text_batch *b, scan *c, const char *sep)
{
    const char *s = b->text.s, *hit;
    const size_t m = strlen(sep);
    while ((hit = memmem(s + c->at, b->text.len - c->at, sep, m))) {
        const size_t end = (size_t)(hit - s);
        TS_TRY(emit(b, c->start, end, c->line, false));
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
    TS_TRY(emit(b, c->start, end, c->start_line, false));
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
        return ts_error(TS_ERR_USER, "%s:%lld: not valid JSON: expected %s", file_name(f),
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
    return f->mode == LINES       ? scan_lines(b, c, keeps_lines(f))
           : f->mode == SEPARATED ? scan_separated(b, c, f->separator)
                                  : scan_list(f, b, c);
}

/* What is left at the end of a file. */
static ts_status finish_file(ts_textfeed *f, ts_text_batch *b, scan *c)
{
    if (f->mode == LIST && f->expect != NOTHING)
        return ts_error(TS_ERR_USER, "%s:%lld: not valid JSON: the list is not closed",
                        file_name(f), (long long)c->line);
    if (f->mode != LIST)
        TS_TRY(emit(b, c->start, b->text.len, c->line, keeps_lines(f)));
    f->before += ts_input_used(f->in);
    b->position = f->before;
    ts_input_close(&f->in);
    f->file++;
    ts_str_reset(&f->rest);
    return TS_OK;
}

/* About a piece of a Parquet file. */
static ts_status next_rows(ts_textfeed *f, ts_text_batch *b)
{
    const double bytes = f->files.v[f->file].bytes;
    bool found = true;
    b->file = file_name(f);
    b->is_json = true;
    ts_str_reset(&b->text);
    while (found && b->text.len < f->piece) {
        const size_t at = b->text.len;
        TS_TRY(ts_parquet_next(f->rows, &b->text, &found));
        if (found)
            TS_TRY(emit(b, at, b->text.len, f->line++, false));
    }
    b->bytes = b->text.len;
    b->position = f->before;
    if (found)
        return TS_OK;
    ts_parquet_close(&f->rows);
    f->before += bytes > 0 ? bytes : 0;
    b->position = f->before;
    f->file++;
    return TS_OK;
}

ts_status ts_textfeed_next(ts_textfeed *f, ts_text_batch *b)
{
    b->n = b->bytes = 0;
    while (b->n == 0 && f->file < f->files.n) {
        if (!f->in && !f->rows)
            TS_TRY(open_next(f));
        if (f->rows) {
            TS_TRY(next_rows(f, b));
            continue;
        }
        const ts_str was = b->text;
        b->text = f->rest;
        f->rest = was;
        b->file = file_name(f);
        b->is_json = f->is_json;
        scan c = { .line = f->line, .start_line = f->line };
        for (;;) {
            TS_TRY(scan_on(f, b, &c));
            if (b->n || f->at_end)
                break;
            if (b->text.len - c.start > TS_INPUT_LONGEST)
                return ts_input_too_long(b->file, c.line);
            TS_TRY(read_more(f, &b->text));
        }
        b->bytes += c.start;
        b->position = f->before + ts_input_used(f->in);
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
