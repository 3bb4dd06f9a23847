#include "cli/show_media.h"
#include "data/media/lines.h"
#include "io/jsonl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct shower {
    const ts_show_media *o;
    ts_tokenizer *tok;
    ts_tokenizer_scratch *scratch;
    ts_media_reader reader;
    ts_jsonl in;
    ts_output out;
    ts_str base, line;
    ts_media_line read;
    ts_media_tensors *tensors; /* [n] of the lines so far, where they are written */
    size_t n, cap;
    size_t lines, ids, trained, media;
    bool writes, coloured;
} shower;

/* ---- lines of the file ---- */

static ts_status put_ids(ts_str *line, const char *key, const ts_ids *ids)
{
    TS_TRY(ts_str_printf(line, "\"%s\": [", key));
    for (size_t i = 0; i < ids->n; i++)
        TS_TRY(ts_str_printf(line, "%s%d", i ? ", " : "", (int)ids->v[i]));
    return ts_str_puts(line, "], ");
}

static ts_status put_medium(ts_str *line, const ts_medium *m)
{
    TS_TRY(ts_str_printf(line, "{\"kind\": \"%s\", \"path\": ", ts_medium_word(m->kind)));
    TS_TRY(ts_str_json(line, m->name, strlen(m->name)));
    if (m->kind == TS_MEDIUM_SOUND)
        TS_TRY(ts_str_printf(line, ", \"seconds\": %.17g", m->seconds));
    else
        TS_TRY(ts_str_printf(line, ", \"width\": %lld, \"height\": %lld", (long long)m->width, (long long)m->height));
    if (m->kind == TS_MEDIUM_CLIP) {
        TS_TRY(ts_str_printf(line, ", \"frames\": %lld, \"times\": [", (long long)m->n_frames));
        for (int64_t i = 0; i < m->n_frames; i++)
            TS_TRY(ts_str_printf(line, "%s%.17g", i ? ", " : "", m->times[i]));
        TS_TRY(ts_str_puts(line, "]"));
    }
    return ts_str_printf(line, ", \"tokens\": %lld}", (long long)m->tokens);
}

static ts_status write_line(shower *s)
{
    const ts_media_line *l = &s->read;
    ts_str_reset(&s->line);
    TS_TRY(ts_str_puts(&s->line, "{"));
    TS_TRY(put_ids(&s->line, "ids", &l->ids));
    TS_TRY(put_ids(&s->line, "labels", &l->labels));
    TS_TRY(ts_str_puts(&s->line, "\"media\": ["));
    for (size_t i = 0; i < l->media.n; i++) {
        if (i)
            TS_TRY(ts_str_puts(&s->line, ", "));
        TS_TRY(put_medium(&s->line, &l->media.v[i]));
    }
    TS_TRY(ts_str_puts(&s->line, "]}"));
    return ts_jsonl_out_line(&s->out, &s->line);
}

/* ---- what people read ---- */

/* Ids from t on that are all the same. */
static size_t run_of(const ts_ids *ids, size_t t)
{
    size_t n = 1;
    while (t + n < ids->n && ids->v[t + n] == ids->v[t])
        n++;
    return n;
}

/* Ids [from, to) as text; a token that stands many times, as a medium's does, once with its number. */
static ts_status put_text(shower *s, size_t from, size_t to)
{
    enum { MANY = 4 };
    const ts_ids *ids = &s->read.ids;
    for (size_t t = from; t < to;) {
        size_t n = run_of(ids, t), end = t + 1;
        n = n < to - t ? n : to - t;
        if (n >= MANY) {
            TS_TRY(ts_str_printf(&s->line, "%s x %zu ", ts_tokenizer_id_token(s->tok, ids->v[t]), n));
            t += n;
            continue;
        }
        while (end < to && run_of(ids, end) < MANY)
            end++;
        TS_TRY(ts_tokenizer_decode(s->tok, ids->v + t, end - t, false, &s->line));
        t = end;
    }
    return TS_OK;
}

/* A label that is none, and one of Whisper's, whose text is trained but for what stands first. */
static bool is_trained(const ts_media_line *l, size_t t) { return l->labels.v[t] >= 0; }

static ts_status print_line(shower *s)
{
    const ts_media_line *l = &s->read;
    const char *const *around = s->coloured ? (const char *const[]){ "\033[32m", "\033[0m" }
                                            : (const char *const[]){ "\xE2\x9F\xA6", "\xE2\x9F\xA7" };
    size_t trained = 0;
    ts_str_reset(&s->line);
    for (size_t t = 0, end; t < l->ids.n; t = end) {
        const bool is = is_trained(l, t);
        for (end = t; end < l->ids.n && is_trained(l, end) == is; end++)
            trained += is;
        TS_TRY(ts_str_puts(&s->line, is ? around[0] : ""));
        TS_TRY(put_text(s, t, end));
        TS_TRY(ts_str_puts(&s->line, is ? around[1] : ""));
    }
    printf("--- line %lld: %zu tokens, %zu trained\n%s\n", (long long)s->in.line, l->ids.n, trained, ts_str_text(&s->line));
    for (size_t i = 0; i < l->media.n; i++) {
        ts_str_reset(&s->line);
        TS_TRY(put_medium(&s->line, &l->media.v[i]));
        printf("    %s\n", ts_str_text(&s->line));
    }
    return TS_OK;
}

/* ---- all lines ---- */

static const char *const keys[] = { "messages", "images", "videos", "audios", "use_audio_in_video", "tools",
                                    "chat_template_kwargs", "audio", "text", "language", "task" };

/* This thread's message behind the file and the line. */
static ts_status line_error(shower *s)
{
    char why[1024];
    snprintf(why, sizeof why, "%s", ts_error_message());
    return ts_jsonl_error(&s->in, "%s", why);
}

static ts_status keep_tensors(shower *s)
{
    TS_TRY(ts_grow(&s->tensors, &s->cap, s->n + 1, sizeof *s->tensors));
    s->tensors[s->n++] = s->read.media.tensors;
    s->read.media.tensors = (ts_media_tensors){ 0 };
    return TS_OK;
}

static ts_status show_line(shower *s, const json_t *record)
{
    const ts_status st = ts_media_reader_read(&s->reader, s->scratch, record, s->base.s, false, &s->read);
    if (st != TS_OK)
        return st == TS_ERR_USER ? line_error(s) : st;
    s->lines++;
    s->ids += s->read.ids.n;
    s->media += s->read.media.n;
    for (size_t t = 0; t < s->read.ids.n; t++)
        s->trained += is_trained(&s->read, t);
    TS_TRY(s->writes ? write_line(s) : print_line(s));
    return s->o->tensors ? keep_tensors(s) : TS_OK;
}

static ts_status show_lines(shower *s)
{
    for (;;) {
        ts_jsonl_line l;
        json_t *record = NULL;
        TS_TRY(ts_jsonl_read_line(&s->in, &l));
        if (!l.s)
            return TS_OK;
        ts_status st = ts_json_fields_object(&s->in.fields, l.s, l.n, keys, sizeof keys / sizeof *keys, &record);
        if (st == TS_ERR_USER)
            st = line_error(s);
        if (st == TS_OK)
            st = show_line(s, record);
        json_decref(record);
        TS_TRY(st);
    }
}

/* The folder that relative paths count from. */
static ts_status find_base(shower *s)
{
    const char *slash = strrchr(s->o->input, '/');
    if (s->o->media_dir)
        return ts_str_puts(&s->base, s->o->media_dir);
    return slash ? ts_str_add(&s->base, s->o->input, (size_t)(slash - s->o->input) + 1) : ts_str_puts(&s->base, ".");
}

static ts_status show(shower *s, const char *load, const char *now, const char *output)
{
    TS_TRY(find_base(s));
    TS_TRY(ts_tokenizer_open(load, NULL, &s->tok));
    TS_TRY(ts_tokenizer_scratch_create(s->tok, &s->scratch));
    TS_TRY(ts_media_reader_open(load, now, s->tok, &s->reader));
    TS_TRY(ts_jsonl_open(s->o->input, keys, sizeof keys / sizeof *keys, TS_BAD_RECORD_STOP, &s->in));
    if (output)
        TS_TRY(ts_jsonl_out_open(output, &s->out));
    TS_TRY(show_lines(s));
    if (s->o->tensors)
        TS_TRY(ts_media_tensors_write(s->tensors, s->n, true, s->o->tensors));
    if (!output || strcmp(output, "-") != 0)
        printf("=== %zu lines with %zu media: %zu tokens, %zu trained\n", s->lines, s->media, s->ids, s->trained);
    return output ? ts_output_finish(&s->out) : TS_OK;
}

ts_status ts_show_media_lines(const ts_show_media *o, const char *load, const char *now, const char *output)
{
    shower s = { .o = o, .writes = output != NULL, .coloured = isatty(STDOUT_FILENO) };
    ts_status st = o->tensors ? ts_output_check("--tensors", o->tensors) : TS_OK;
    if (st == TS_OK)
        st = show(&s, load, now, output);
    ts_output_abandon(&s.out);
    ts_jsonl_close(&s.in);
    ts_media_line_deinit(&s.read);
    for (size_t i = 0; i < s.n; i++)
        ts_media_tensors_deinit(&s.tensors[i]);
    ts_free(&s.tensors);
    ts_media_reader_close(&s.reader);
    ts_tokenizer_scratch_destroy(&s.scratch);
    ts_tokenizer_destroy(&s.tok);
    ts_str_deinit(&s.base);
    ts_str_deinit(&s.line);
    return st;
}
