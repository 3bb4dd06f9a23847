/* tessera tokenize: lines with "text" to lines with "ids", or back. */
#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

extern const ts_command ts_cmd_tokenize;

typedef struct tokenize_options {
    const char *tokenizer, *input, *output, *tiktoken_pattern;
    ts_option_list tiktoken_special;
    bool decode, add_special, skip_special;
} tokenize_options;

#define GROUP "tokenize"
static const ts_option rows[] = {
    TS_ROW(TEXT, tokenize_options, tokenizer, "tokenizer", NULL, 0, 0, NULL, GROUP,
           "a Hugging Face folder, a tokenizer.json, a SentencePiece .model or a .tiktoken file"),
    TS_ROW(TEXT, tokenize_options, input, "input", NULL, 0, 0, NULL, GROUP,
           "JSON lines with \"text\" (with --decode: \"ids\")"),
    TS_ROW(TEXT, tokenize_options, output, "output", NULL, 0, 0, NULL, GROUP,
           "where the lines go; left out or -: standard output"),
    TS_ROW(FLAG, tokenize_options, add_special, "add-special-tokens", NULL, 0, 0, NULL, GROUP,
           "add what the tokenizer's post-processor adds (BOS, EOS, ...)"),
    TS_ROW(FLAG, tokenize_options, decode, "decode", NULL, 0, 0, NULL, GROUP, "ids to text"),
    TS_ROW(FLAG, tokenize_options, skip_special, "skip-special-tokens", NULL, 0, 0, NULL, GROUP,
           "leave special tokens out of decoded text"),
    TS_ROW(TEXT, tokenize_options, tiktoken_pattern, "tiktoken-pattern", NULL, 0, 0, NULL, GROUP,
           "regular expression that cuts the text for a .tiktoken file (GPT-2's)"),
    TS_ROW(EACH, tokenize_options, tiktoken_special, "tiktoken-special", NULL, 0, 0, NULL, GROUP,
           "a special token of a .tiktoken file; the ids follow the last rank. May be repeated"),
};

/* Where lines go: a file beside the output that replaces it at the end, or standard output. */
typedef struct sink {
    FILE *to;
    const char *path;
    ts_str side;
} sink;

static ts_status sink_open(sink *s, const char *path)
{
    *s = (sink){ .to = stdout, .path = path };
    if (!path || !strcmp(path, "-"))
        return TS_OK;
    TS_TRY(ts_str_printf(&s->side, "%s.tmp", path));
    s->to = fopen(s->side.s, "wb");
    if (!s->to)
        return ts_error(TS_ERR_USER, "--output %s cannot be written: %s", path, strerror(errno));
    return TS_OK;
}

/* Ends the output; after a failure (st) the file at the path stays as it was. */
static ts_status sink_close(sink *s, ts_status st)
{
    if (s->to && s->to != stdout) {
        const bool ok = !ferror(s->to);
        if (fclose(s->to) != 0 || !ok)
            st = st == TS_OK
                     ? ts_error(TS_ERR_IO, "%s: writing failed: %s", s->side.s, strerror(errno))
                     : st;
        if (st == TS_OK && rename(s->side.s, s->path) != 0)
            st = ts_error(TS_ERR_IO, "%s cannot be renamed to %s: %s", s->side.s, s->path,
                          strerror(errno));
        if (st != TS_OK)
            remove(s->side.s);
    }
    ts_str_deinit(&s->side);
    return st;
}

typedef struct worker {
    const ts_tokenizer *tok;
    ts_tokenizer_scratch *scratch;
    const tokenize_options *o;
    ts_ids ids;
    ts_str text, line;
} worker;

static ts_status encode_line(worker *w, const json_t *o, const char *name)
{
    const json_t *text = json_object_get(o, "text");
    if (!json_is_string(text))
        return ts_error(TS_ERR_USER, "%s: expected an object with a string \"text\"", name);
    w->ids.n = 0;
    const ts_status st = ts_tokenizer_encode(w->tok, w->scratch, json_string_value(text),
                                             json_string_length(text), w->o->add_special, &w->ids);
    if (st != TS_OK)
        return ts_error_context(st, "%s", name);
    TS_TRY(ts_str_puts(&w->line, "{\"ids\":["));
    for (size_t i = 0; i < w->ids.n; i++)
        TS_TRY(ts_str_printf(&w->line, i ? ",%d" : "%d", (int)w->ids.v[i]));
    return ts_str_puts(&w->line, "]}\n");
}

static ts_status decode_line(worker *w, const json_t *o, const char *name)
{
    const json_t *ids = json_object_get(o, "ids");
    if (!json_is_array(ids))
        return ts_error(TS_ERR_USER, "%s: expected an object with a list \"ids\"", name);
    w->ids.n = 0;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        const json_int_t v = json_is_integer(id) ? json_integer_value(id) : -1;
        if (v < 0 || v > INT32_MAX)
            return ts_error(TS_ERR_USER, "%s: id number %zu is not a whole number from 0 on", name,
                            i + 1);
        TS_TRY(ts_ids_add(&w->ids, (int32_t)v));
    }
    ts_str_reset(&w->text);
    if (ts_tokenizer_decode(w->tok, w->ids.v, w->ids.n, w->o->skip_special, &w->text) != TS_OK)
        return ts_error_context(TS_ERR_USER, "%s", name);
    TS_TRY(ts_str_puts(&w->line, "{\"text\":"));
    TS_TRY(ts_str_json(&w->line, ts_str_text(&w->text), w->text.len));
    return ts_str_puts(&w->line, "}\n");
}

static ts_status do_line(worker *w, const char *s, size_t n, const char *name, sink *out)
{
    json_t *o = NULL;
    TS_TRY(ts_json_parse(s, n, name, &o));
    ts_str_reset(&w->line);
    const ts_status st = w->o->decode ? decode_line(w, o, name) : encode_line(w, o, name);
    json_decref(o);
    if (st == TS_OK && fwrite(w->line.s, 1, w->line.len, out->to) != w->line.len)
        return ts_error(TS_ERR_IO, "writing the output failed: %s", strerror(errno));
    return st;
}

static bool is_blank(const char *s, size_t n)
{
    while (n > 0 && (*s == ' ' || *s == '\t' || *s == '\r'))
        s++, n--;
    return n == 0;
}

/* JSON lines end at 0x0A and nowhere else. */
static ts_status do_lines(worker *w, const ts_map *in, sink *out)
{
    const char *s = (const char *)in->data, *end = s + in->size;
    ts_str name = { 0 };
    ts_status st = TS_OK;
    for (size_t line = 1; s < end && st == TS_OK; line++) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        const size_t n = (size_t)((nl ? nl : end) - s);
        ts_str_reset(&name);
        st = ts_str_printf(&name, "%s:%zu", w->o->input, line);
        if (st == TS_OK && !is_blank(s, n))
            st = do_line(w, s, n, name.s, out);
        s += n + 1;
    }
    ts_str_deinit(&name);
    return st;
}

static ts_status check(const tokenize_options *o)
{
    if (!o->tokenizer)
        return ts_error(TS_ERR_USER, "--tokenizer is missing: expected a folder or a file");
    if (!o->input)
        return ts_error(TS_ERR_USER, "--input is missing: expected a file of JSON lines");
    if (o->skip_special && !o->decode)
        return ts_error(TS_ERR_USER, "--skip-special-tokens goes with --decode only");
    if (o->add_special && o->decode)
        return ts_error(TS_ERR_USER, "--add-special-tokens does not go with --decode");
    return TS_OK;
}

static ts_status tokenize(const tokenize_options *o)
{
    const ts_tokenizer_options how = { .tiktoken_pattern = o->tiktoken_pattern,
                                       .tiktoken_special = o->tiktoken_special.v,
                                       .n_tiktoken_special = (size_t)o->tiktoken_special.n };
    ts_tokenizer *tok = NULL;
    ts_map in = { 0 };
    sink out = { 0 };
    worker w = { .o = o };
    ts_status st = check(o);
    if (st == TS_OK)
        st = ts_map_open(o->input, &in);
    if (st == TS_OK)
        st = ts_tokenizer_open(o->tokenizer, &how, &tok);
    if (st == TS_OK)
        st = ts_tokenizer_scratch_create(tok, &w.scratch);
    w.tok = tok;
    if (st == TS_OK) {
        st = sink_open(&out, o->output);
        if (st == TS_OK)
            st = do_lines(&w, &in, &out);
        st = sink_close(&out, st);
    }
    ts_ids_deinit(&w.ids);
    ts_str_deinit(&w.text);
    ts_str_deinit(&w.line);
    ts_tokenizer_scratch_destroy(&w.scratch);
    ts_tokenizer_destroy(&tok);
    ts_map_close(&in);
    return st;
}

static ts_status run(int argc, char *const *argv)
{
    tokenize_options o = { 0 };
    const ts_option_table table = { .rows = rows, .n = sizeof rows / sizeof *rows, .values = &o };
    ts_option_set *set = NULL;
    bool helped = false;
    ts_status st =
        ts_command_options(&ts_cmd_tokenize, "usage: tessera tokenize --tokenizer DIR_OR_FILE --input FILE [--output FILE]",
                           &table, 1, argc, argv, &set, &helped);
    if (st == TS_OK && !helped)
        st = tokenize(&o);
    ts_option_set_destroy(&set);
    return st;
}

const ts_command ts_cmd_tokenize = {
    .name = "tokenize",
    .summary = "text to token ids, and back",
    .run = run,
};
