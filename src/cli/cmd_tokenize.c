/* tessera tokenize: lines with "text" to lines with "ids", or back; and chat templates rendered. */
#include "base/output.h"
#include "base/thread.h"
#include "cli/command.h"
#include "io/bad_records.h"
#include "io/input.h"
#include "io/json_fields.h"
#include "io/jsonl.h"
#include "text/chat/template.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <string.h>

extern const ts_command ts_cmd_tokenize;

typedef struct tokenize_options {
    const char *tokenizer, *input, *output, *tiktoken_pattern, *chat_template, *template_now;
    ts_option_list tiktoken_special;
    bool decode, add_special, skip_special, render;
    int on_bad_record;
} tokenize_options;

#define GROUP "tokenize"
static const ts_option rows[] = {
    TS_ROW(TEXT, tokenize_options, tokenizer, "tokenizer", NULL, 0, 0, NULL, GROUP,
           "a Hugging Face folder, a tokenizer.json, a SentencePiece .model, a .tiktoken or a GGUF file"),
    TS_ROW(TEXT, tokenize_options, input, "input", NULL, 0, 0, NULL, GROUP,
           "JSON lines with \"text\" (with --decode: \"ids\"), also packed (.gz, .zst); - is the "
           "standard input"),
    TS_BAD_RECORD_ROW(tokenize_options, on_bad_record, GROUP),
    TS_ROW(TEXT, tokenize_options, output, "output", NULL, 0, 0, NULL, GROUP,
           "where the lines go; left out or -: standard output"),
    TS_ROW(FLAG, tokenize_options, add_special, "add-special-tokens", NULL, 0, 0, NULL, GROUP,
           "add what the tokenizer's post-processor adds (BOS, EOS, ...)"),
    TS_ROW(FLAG, tokenize_options, decode, "decode", NULL, 0, 0, NULL, GROUP, "ids to text"),
    TS_ROW(FLAG, tokenize_options, skip_special, "skip-special-tokens", NULL, 0, 0, NULL, GROUP,
           "leave special tokens out of decoded text"),
    TS_ROW(TEXT, tokenize_options, tiktoken_pattern, "tiktoken-pattern", NULL, 0, 0, NULL, GROUP,
           "what cuts the text for a .tiktoken file: v1 or v2 (Megatron's), or a regular expression "
           "(GPT-2's)"),
    TS_ROW(EACH, tokenize_options, tiktoken_special, "tiktoken-special", NULL, 0, 0, NULL, GROUP,
           "a special token of a .tiktoken file; the ids follow the last rank. May be repeated"),
    TS_ROW(FLAG, tokenize_options, render, "render", NULL, 0, 0, NULL, GROUP,
           "render --chat-template, without a tokenizer: a line's keys (messages, tools, "
           "add_generation_prompt, bos_token, ...) are the template's variables, and it becomes "
           "{\"text\"}, or {\"error\"} where the template fails (then the exit code is 1)"),
    TS_ROW(TEXT, tokenize_options, chat_template, "chat-template", NULL, 0, 0, NULL, GROUP,
           "with --render: a Jinja file, understood as transformers does"),
    TS_ROW(TEXT, tokenize_options, template_now, "template-now", NULL, 0, 0, NULL, GROUP,
           "with --render: the date, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, that strftime_now shows (the "
           "clock's)"),
};

/* One thread's; its lines go to the block that it works on. */
typedef struct worker {
    const ts_tokenizer *tok;
    ts_tokenizer_scratch *scratch;
    const ts_jinja *template; /* with --render */
    const struct tm *now;
    const tokenize_options *o;
    ts_json_fields fields;
    ts_ids ids;
    ts_str text;
    ts_jinja_text rendered;
    int64_t refused; /* lines that could not be rendered */
} worker;

/* Appends the ids with commas between them. */
static ts_status put_ids(const ts_ids *ids, ts_str *out)
{
    enum { MOST = 11 }; /* a comma and ten digits */
    TS_TRY(ts_grow(&out->s, &out->cap, out->len + ids->n * MOST + 1, 1));
    char *to = out->s + out->len;
    for (size_t i = 0; i < ids->n; i++) {
        char digit[10];
        int n = 0;
        uint32_t v = (uint32_t)ids->v[i]; /* an id is not negative */
        do
            digit[n++] = (char)('0' + v % 10);
        while (v /= 10);
        if (i)
            *to++ = ',';
        while (n)
            *to++ = digit[--n];
    }
    *to = 0;
    out->len = (size_t)(to - out->s);
    return TS_OK;
}

static ts_status encode_text(worker *w, const char *s, size_t n, ts_str *out)
{
    w->ids.n = 0;
    TS_TRY(ts_tokenizer_encode(w->tok, w->scratch, s, n, w->o->add_special, &w->ids));
    TS_TRY(ts_str_puts(out, "{\"ids\":["));
    TS_TRY(put_ids(&w->ids, out));
    return ts_str_puts(out, "]}\n");
}

static ts_status encode_line(worker *w, const char *s, size_t n, ts_str *out)
{
    static const char *const key[] = { "text" };
    TS_TRY(ts_json_texts_read(&w->fields, s, n, key, 1, NULL));
    return encode_text(w, w->fields.v[0].s, w->fields.v[0].n, out);
}

static ts_status take_ids(worker *w, const json_t *ids)
{
    if (!json_is_array(ids))
        return ts_error(TS_ERR_USER, "expected an object with a list \"ids\"");
    w->ids.n = 0;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        const json_int_t v = json_is_integer(id) ? json_integer_value(id) : -1;
        if (v < 0 || v > INT32_MAX)
            return ts_error(TS_ERR_USER, "id number %zu is not a whole number from 0 on", i + 1);
        TS_TRY(ts_ids_add(&w->ids, (int32_t)v));
    }
    return TS_OK;
}

static ts_status decode_line(worker *w, const char *s, size_t n, ts_str *out)
{
    static const char *const key[] = { "ids" };
    json_t *o;
    TS_TRY(ts_json_fields_object(&w->fields, s, n, key, 1, &o));
    const ts_status st = take_ids(w, json_object_get(o, "ids"));
    json_decref(o);
    TS_TRY(st);
    ts_str_reset(&w->text);
    TS_TRY(ts_tokenizer_decode(w->tok, w->ids.v, w->ids.n, w->o->skip_special, &w->text));
    TS_TRY(ts_str_puts(out, "{\"text\":"));
    TS_TRY(ts_str_json(out, ts_str_text(&w->text), w->text.len));
    return ts_str_puts(out, "}\n");
}

/* What a template refuses is the line's result, not a bad record. */
static ts_status render_line(worker *w, const char *s, size_t n, ts_str *out)
{
    json_t *vars;
    TS_TRY(ts_json_load(s, n, JSON_ALLOW_NUL, "the record", &vars));
    ts_status st = json_is_object(vars) ? TS_OK : ts_error(TS_ERR_USER, "expected an object");
    if (st == TS_OK) {
        st = ts_jinja_render(w->template, vars, w->now, &w->rendered);
        const bool is_refused = st == TS_ERR_USER;
        const char *text = is_refused ? ts_error_message() : ts_str_text(&w->rendered.text);
        const size_t length = is_refused ? strlen(text) : w->rendered.text.len;
        w->refused += is_refused;
        if (st == TS_OK || is_refused)
            st = ts_str_puts(out, is_refused ? "{\"error\":" : "{\"text\":");
        if (st == TS_OK)
            st = ts_str_json(out, text, length);
        if (st == TS_OK)
            st = ts_str_puts(out, "}\n");
    }
    json_decref(vars);
    return st;
}

/* Whole lines of the input, worked on by one thread, and what becomes of them. */
typedef struct block {
    const char *s, *end;
    int64_t line; /* of the first, from 1 */
    int64_t good;
    ts_str out;
    ts_str bad; /* why records were left out, each with FILE:LINE and a NUL behind */
    ts_status status;
    char why[1024];
} block;

static ts_status do_line(worker *w, block *b, const char *s, size_t n, int64_t line)
{
    const size_t before = b->out.len;
    ts_status st = w->template    ? render_line(w, s, n, &b->out)
                   : w->o->decode ? decode_line(w, s, n, &b->out)
                                  : encode_line(w, s, n, &b->out);
    if (st == TS_OK) {
        b->good++;
        return TS_OK;
    }
    st = ts_error(st, "%s:%lld: %s", ts_input_path_name(w->o->input), (long long)line,
                  ts_error_message());
    if (st != TS_ERR_USER || w->o->on_bad_record != TS_BAD_RECORD_SKIP)
        return st;
    b->out.len = before;
    return ts_str_add(&b->bad, ts_error_message(), strlen(ts_error_message()) + 1);
}

/* JSON lines end at 0x0A and nowhere else. */
static ts_status do_block(worker *w, block *b)
{
    int64_t line = b->line;
    for (const char *s = b->s; s < b->end; line++) {
        const char *nl = memchr(s, '\n', (size_t)(b->end - s));
        const size_t n = (size_t)((nl ? nl : b->end) - s);
        if (!ts_jsonl_is_blank(s, n))
            TS_TRY(do_line(w, b, s, n, line));
        s += n + 1;
    }
    return TS_OK;
}

enum { BLOCK = 1 << 18, BLOCKS_A_THREAD = 8 };

/* The input: lines that were read and are still to be worked on. */
typedef struct source {
    ts_input *in;
    ts_str text;
    size_t at, end; /* [at, end) are whole lines */
    bool at_end;    /* there is nothing behind the text */
    int64_t line;   /* the number of the line at `at` */
} source;

/* Reads n bytes, and as many more as a line needs to be whole. */
static ts_status read_lines(source *s, size_t n)
{
    const size_t rest = s->text.len - s->at;
    if (rest && s->at)
        memmove(s->text.s, s->text.s + s->at, rest);
    s->text.len = rest;
    s->at = s->end = 0;
    while (!s->end && !s->at_end) {
        size_t got;
        if (s->text.len > TS_INPUT_LONGEST)
            return ts_input_too_long(ts_input_name(s->in), s->line);
        TS_TRY(ts_grow(&s->text.s, &s->text.cap, s->text.len + n, 1));
        char *const to = s->text.s + s->text.len;
        TS_TRY(ts_input_read(s->in, to, n, &got));
        s->text.len += got;
        s->at_end = got < n;
        const char *nl = s->at_end ? NULL : memrchr(to, '\n', got);
        s->end = s->at_end ? s->text.len : nl ? (size_t)(nl - s->text.s) + 1 : 0;
    }
    return TS_OK;
}

typedef struct job {
    ts_pool *pool;
    worker *workers;
    block *blocks;
    int64_t n_workers, n_blocks;
    int64_t good;
    ts_bad_records bad;
} job;

static void do_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        block *b = &j->blocks[i];
        b->status = do_block(&j->workers[thread], b);
        if (b->status != TS_OK)
            snprintf(b->why, sizeof b->why, "%s", ts_error_message());
    }
}

/* Takes the next lines off the input, about BLOCK bytes. */
static void cut_block(block *b, source *from)
{
    const char *s = from->text.s + from->at, *end = from->text.s + from->end;
    b->s = s;
    b->line = from->line;
    b->good = 0;
    const char *nl = end - s > BLOCK ? memchr(s + BLOCK, '\n', (size_t)(end - s - BLOCK)) : NULL;
    b->end = nl ? nl + 1 : end;
    for (const char *p = s; p < b->end && (p = memchr(p, '\n', (size_t)(b->end - p))); p++)
        from->line++;
    from->at = (size_t)(b->end - from->text.s);
    ts_str_reset(&b->out);
    ts_str_reset(&b->bad);
}

static ts_status write_block(job *j, const block *b, ts_output *out)
{
    TS_TRY(ts_output_write(out, ts_str_text(&b->out), b->out.len));
    for (const char *why = b->bad.s; b->bad.len && why < b->bad.s + b->bad.len;
         why += strlen(why) + 1)
        ts_bad_records_add(&j->bad, why);
    j->good += b->good;
    return b->status == TS_OK ? TS_OK : ts_error(b->status, "%s", b->why);
}

/* Rounds of blocks: worked on side by side, written in order. */
static ts_status do_blocks(job *j, source *in, ts_output *out)
{
    while (in->at < in->end) {
        int64_t n = 0;
        for (; n < j->n_blocks && in->at < in->end; n++)
            cut_block(&j->blocks[n], in);
        ts_pool_run(j->pool, n, 1, do_share, j);
        for (int64_t i = 0; i < n; i++)
            TS_TRY(write_block(j, &j->blocks[i], out));
        if (in->at == in->end)
            TS_TRY(read_lines(in, (size_t)j->n_blocks * BLOCK));
    }
    ts_bad_records_say(&j->bad, j->good);
    return TS_OK;
}

/* A thread for each core, but not more than a short input has work for. like: what they work with. */
static ts_status make_job(job *j, const tokenize_options *o, const worker *like, source *in)
{
    j->n_workers = ts_cpu_count();
    TS_TRY(ts_input_open(o->input, &in->in));
    in->line = 1;
    TS_TRY(read_lines(in, (size_t)j->n_workers * BLOCKS_A_THREAD * BLOCK));
    const int64_t most = (int64_t)(in->end / BLOCK) + 1;
    if (j->n_workers > most)
        j->n_workers = most;
    j->n_blocks = j->n_workers * BLOCKS_A_THREAD;
    TS_TRY(ts_pool_create((int)j->n_workers, &j->pool));
    TS_TRY(ts_alloc(&j->workers, (size_t)j->n_workers, sizeof *j->workers));
    TS_TRY(ts_alloc(&j->blocks, (size_t)j->n_blocks, sizeof *j->blocks));
    for (int64_t i = 0; i < j->n_workers; i++) {
        j->workers[i] = *like;
        if (like->tok)
            TS_TRY(ts_tokenizer_scratch_create(like->tok, &j->workers[i].scratch));
    }
    return TS_OK;
}

static void drop_job(job *j)
{
    for (int64_t i = 0; j->workers && i < j->n_workers; i++) {
        worker *w = &j->workers[i];
        ts_json_fields_deinit(&w->fields);
        ts_ids_deinit(&w->ids);
        ts_str_deinit(&w->text);
        ts_jinja_text_deinit(&w->rendered);
        ts_tokenizer_scratch_destroy(&w->scratch);
    }
    for (int64_t i = 0; j->blocks && i < j->n_blocks; i++) {
        ts_str_deinit(&j->blocks[i].out);
        ts_str_deinit(&j->blocks[i].bad);
    }
    ts_free(&j->workers);
    ts_free(&j->blocks);
    ts_pool_destroy(&j->pool);
}

static ts_status check(const tokenize_options *o)
{
    if (o->render && !o->chat_template)
        return ts_error(TS_ERR_USER, "--render wants --chat-template: a Jinja file");
    if (o->render && (o->tokenizer || o->decode || o->add_special))
        return ts_error(TS_ERR_USER, "--render goes without --tokenizer, --decode and --add-special-tokens");
    if (!o->render && (o->chat_template || o->template_now))
        return ts_error(TS_ERR_USER, "--%s goes with --render only",
                        o->chat_template ? "chat-template" : "template-now");
    if (!o->tokenizer && !o->render)
        return ts_error(TS_ERR_USER, "--tokenizer is missing: expected a folder or a file");
    if (!o->input)
        return ts_error(TS_ERR_USER, "--input is missing: expected a file of JSON lines");
    if (o->skip_special && !o->decode)
        return ts_error(TS_ERR_USER, "--skip-special-tokens goes with --decode only");
    if (o->add_special && o->decode)
        return ts_error(TS_ERR_USER, "--add-special-tokens does not go with --decode");
    return o->output ? ts_output_check("--output", o->output) : TS_OK;
}

/* Opens what lines are worked on with. */
static ts_status open_tools(const tokenize_options *o, ts_tokenizer **tok, ts_jinja **template,
                            struct tm *now)
{
    const ts_tokenizer_options how = { .tiktoken_pattern = o->tiktoken_pattern,
                                       .tiktoken_special = o->tiktoken_special.v,
                                       .n_tiktoken_special = (size_t)o->tiktoken_special.n };
    if (!o->render)
        return ts_tokenizer_open(o->tokenizer, &how, tok);
    TS_TRY(ts_chat_now("--template-now", o->template_now, now));
    return ts_jinja_read(o->chat_template, template);
}

/* After all is written: lines that a template refused make the command fail. */
static ts_status count_refused(const job *j)
{
    int64_t n = 0;
    for (int64_t i = 0; i < j->n_workers; i++)
        n += j->workers[i].refused;
    return n ? ts_error(TS_ERR_RUN, "%lld of %lld lines could not be rendered: their \"error\" says why",
                        (long long)n, (long long)j->good)
             : TS_OK;
}

static ts_status tokenize(const tokenize_options *o)
{
    ts_tokenizer *tok = NULL;
    ts_jinja *template = NULL;
    struct tm now;
    source in = { 0 };
    ts_output out = { 0 };
    job j = { 0 };
    ts_status st = check(o);
    if (st == TS_OK)
        st = open_tools(o, &tok, &template, &now);
    const worker like = { .tok = tok, .template = template, .now = &now, .o = o };
    if (st == TS_OK)
        st = make_job(&j, o, &like, &in);
    if (st == TS_OK)
        st = ts_output_open(&out, "--output", o->output ? o->output : "-", TS_OUTPUT_REPLACE);
    if (st == TS_OK)
        st = do_blocks(&j, &in, &out);
    if (st == TS_OK)
        st = ts_output_finish(&out);
    if (st == TS_OK)
        st = count_refused(&j);
    ts_output_abandon(&out);
    drop_job(&j);
    ts_tokenizer_destroy(&tok);
    ts_jinja_destroy(&template);
    ts_input_close(&in.in);
    ts_str_deinit(&in.text);
    return st;
}

static ts_status run(int argc, char *const *argv)
{
    tokenize_options o = { 0 };
    const ts_option_table table = { .rows = rows, .n = sizeof rows / sizeof *rows, .values = &o };
    ts_option_set *set = NULL;
    bool helped = false;
    ts_status st =
        ts_command_options(&ts_cmd_tokenize,
                           "usage: tessera tokenize (--tokenizer DIR_OR_FILE | --render --chat-template FILE) "
                           "--input FILE [--output FILE]",
                           &table, 1, argc, argv, &set, &helped);
    if (st == TS_OK && !helped)
        st = tokenize(&o);
    ts_option_set_destroy(&set);
    return st;
}

const ts_command ts_cmd_tokenize = {
    .name = "tokenize",
    .summary = "text to token ids, and back; chat templates rendered",
    .run = run,
};
