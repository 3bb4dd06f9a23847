#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "cli/command.h"
#include "device/runtime.h"
#include "infer/detok.h"
#include "infer/generate.h"
#include "io/jsonl.h"
#include "text/text_options.h"
#include "train/resume.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct infer_options {
    const char *input, *output, *prompt;
    int64_t batch_size, ckpt_step;
    bool json;
} infer_options;

#define ROW(type, field, name, def, lo, hi, help)                                                  \
    TS_ROW(type, infer_options, field, name, def, lo, hi, NULL, "infer", help)
static const ts_option infer_rows[] = {
    ROW(TEXT, input, "input", NULL, 0, 0, "JSON lines with \"ids\" or \"text\""),
    ROW(TEXT, prompt, "prompt", NULL, 0, 0, "one text, instead of --input"),
    ROW(TEXT, output, "output", NULL, 0, 0,
        "JSON lines: ids (the new ones), text, finish_reason, logprobs; - is the standard output"),
    ROW(INT, batch_size, "batch-size", "8", 1, TS_ENGINE_MOST_SLOTS,
        "lines that are generated side by side; changes speed, never a result"),
    ROW(FLAG, json, "json", NULL, 0, 0,
        "JSON lines on the standard output instead of streamed text"),
    ROW(INT, ckpt_step, "ckpt-step", "-1", -1, 9e15,
        "which of a folder's checkpoints (default: the newest)"),
};

static const char usage[] =
    "usage: tessera infer --load DIR (--prompt TEXT | --input FILE.jsonl) [--output OUT.jsonl] [options]\n\n"
    "Generates. What is not given is as the folder's generation_config.json says, as in transformers. Without\n"
    "--output, text is streamed for --prompt and on a terminal; else JSON lines are written.\n"
    "example: tessera infer --load models/my-model --prompt \"Once upon a time\" --max-new-tokens 100";

typedef struct inferer {
    infer_options o;
    ts_gen_options go;
    ts_text_options to;
    ts_runtime_options rt;
    ts_gen_config config;
    ts_device *dev;
    ts_model model;
    ts_engine *engine;
    ts_text_tokenizer tok;
    ts_tokenizer_scratch *scratch;
    bool has_tok, streams;
    ts_gen_line *lines;
    size_t n_lines, cap_lines;
    ts_str *results;         /* [n_lines], until their turn to be written */
    bool *is_ready;
    size_t written, done;
    ts_detok detok;          /* one line's: of the stream, or with --stop */
    /* [n_lines] with --stop and batches; text of a line while it is at work */
    ts_detok *detoks;
    ts_jsonl_out out;
    double began, said;
} inferer;

/* ---- tokenizer ---- */

static bool folder_has_tokenizer(const char *folder)
{
    static const char *const names[] = { "tokenizer.json", "tokenizer.model", "vocab.json" };
    ts_str path = { 0 };
    bool found = false;
    for (size_t i = 0; folder && i < sizeof names / sizeof *names && !found; i++)
        found = ts_path_join(&path, folder, names[i]) == TS_OK && ts_path_exists(path.s);
    ts_str_deinit(&path);
    return found;
}

/* The one that the options name, else the model folder's, where there is one. */
static ts_status open_tokenizer(inferer *s)
{
    const ts_text_options of_folder = { .type = "PretrainedFromHF",
                                        .name_or_path = s->model.folder };
    const bool given = ts_text_options_given(&s->to);
    if (!given && !folder_has_tokenizer(s->model.folder))
        return TS_OK;
    TS_TRY(ts_text_tokenizer_open(given ? &s->to : &of_folder, &s->tok));
    s->has_tok = true;
    return s->tok.tok ? ts_tokenizer_scratch_create(s->tok.tok, &s->scratch) : TS_OK;
}

static bool has_text(const inferer *s) { return s->has_tok && s->tok.tok; }

/* ---- input ---- */

static ts_status check_ids(const inferer *s, const ts_ids *ids)
{
    const int64_t vocab = s->model.decoder->arch.vocab;
    for (size_t i = 0; i < ids->n; i++)
        if (ids->v[i] < 0 || ids->v[i] >= vocab)
            return ts_error(TS_ERR_USER,
                            "the tokenizer's id %d is outside the model's vocabulary of %lld",
                            (int)ids->v[i], (long long)vocab);
    return TS_OK;
}

static ts_status encode(inferer *s, const char *text, size_t n, int32_t **ids, int64_t *count)
{
    ts_ids out = { 0 };
    if (!s->has_tok)
        return ts_error(TS_ERR_USER,
                        "%s has no tokenizer: give \"ids\", or name a tokenizer "
                        "(--tokenizer-name-or-path)",
                        s->model.folder ? s->model.folder : "the checkpoint");
    ts_status st = ts_text_encode(&s->tok, s->scratch, text, n, &out);
    if (st == TS_OK)
        st = check_ids(s, &out);
    if (st != TS_OK) {
        ts_ids_deinit(&out);
        return st;
    }
    *ids = out.v;
    *count = (int64_t)out.n;
    return TS_OK;
}

/* Takes ids over. */
static ts_status add_line(inferer *s, int32_t *ids, int64_t n)
{
    ts_gen_line line = { .number = (int64_t)s->n_lines, .prompt = { ids, n } };
    ts_status st = ts_gen_limit(&s->config, &s->model.decoder->arch, n, &line.max_new);
    if (st == TS_OK)
        st = ts_grow(&s->lines, &s->cap_lines, s->n_lines + 1, sizeof *s->lines);
    if (st == TS_OK)
        s->lines[s->n_lines++] = line;
    else
        ts_free(&ids);
    return st;
}

static ts_status read_line(inferer *s, const ts_jsonl *in, const json_t *line)
{
    const json_t *text = json_object_get(line, "text");
    int32_t *ids = NULL;
    int64_t n = 0;
    ts_status st = TS_OK;
    if (json_object_get(line, "ids"))
        TS_TRY(ts_jsonl_ids(in, line, s->model.decoder->arch.vocab, &ids, &n));
    else if (json_is_string(text))
        st = encode(s, json_string_value(text), json_string_length(text), &ids, &n);
    else if (json_object_get(line, "messages"))
        return ts_jsonl_error(
            in, "\"messages\": chat templates are not supported yet, give \"text\" or \"ids\"");
    else
        return ts_jsonl_error(in, "\"ids\" or \"text\" was expected");
    if (st == TS_OK)
        st = add_line(s, ids, n);
    if (st == TS_ERR_USER) {
        char why[512];
        snprintf(why, sizeof why, "%s", ts_error_message());
        return ts_jsonl_error(in, "%s", why);
    }
    return st;
}

static ts_status read_input(inferer *s)
{
    ts_jsonl in;
    if (s->o.prompt) {
        int32_t *ids = NULL;
        int64_t n = 0;
        TS_TRY(encode(s, s->o.prompt, strlen(s->o.prompt), &ids, &n));
        return add_line(s, ids, n);
    }
    ts_status st = ts_jsonl_open(s->o.input, &in);
    while (st == TS_OK) {
        json_t *line;
        st = ts_jsonl_next(&in, &line);
        if (st != TS_OK || !line)
            break;
        st = read_line(s, &in, line);
        json_decref(line);
    }
    ts_jsonl_close(&in);
    return st;
}

/* ---- output ---- */

static ts_status format_text(inferer *s, const ts_gen_line *line, const ts_gen_text *t, ts_str *l)
{
    ts_str text = { 0 };
    ts_status st;
    if (s->config.n_stop && s->detoks[line->number].is_stopped)
        st = ts_str_add(&text, ts_str_text(&s->detoks[line->number].text),
                        s->detoks[line->number].text.len);
    else
        st = ts_tokenizer_decode(s->tok.tok, t->ids, t->n, true, &text);
    if (st == TS_OK)
        st = ts_str_puts(l, ", \"text\": ");
    if (st == TS_OK)
        st = ts_str_json(l, ts_str_text(&text), text.len);
    ts_str_deinit(&text);
    return st;
}

static ts_status format_line(inferer *s, const ts_gen_line *line, const ts_gen_text *t, ts_str *l)
{
    TS_TRY(ts_str_puts(l, "{\"ids\": ["));
    for (size_t i = 0; i < t->n; i++)
        TS_TRY(ts_str_printf(l, "%s%d", i ? ", " : "", (int)t->ids[i]));
    TS_TRY(ts_str_puts(l, "]"));
    if (has_text(s))
        TS_TRY(format_text(s, line, t, l));
    TS_TRY(ts_str_printf(l, ", \"finish_reason\": \"%s\"", t->is_stopped ? "stop" : "length"));
    for (size_t i = 0; t->logprobs && i < t->n; i++)
        TS_TRY(ts_str_printf(l, "%s%.9g", i ? ", " : ", \"logprobs\": [", t->logprobs[i]));
    return ts_str_puts(l, t->logprobs ? "]}" : "}");
}

/* Lines that are ready, in the order of the input. */
static ts_status write_ready(inferer *s)
{
    for (; s->written < s->n_lines && s->is_ready[s->written]; s->written++) {
        TS_TRY(ts_jsonl_out_line(&s->out, &s->results[s->written]));
        ts_str_deinit(&s->results[s->written]);
    }
    return TS_OK;
}

static void show(inferer *s, bool is_last)
{
    size_t n;
    const char *text = ts_detok_next(&s->detok, is_last, &n);
    fwrite(text, 1, n, stdout);
    fflush(stdout);
}

static ts_status on_token(void *ctx, const ts_gen_line *line, const ts_gen_text *t, bool *stop)
{
    inferer *s = ctx;
    if (!has_text(s)) {
        if (s->streams)
            printf("%s%d", t->n > 1 ? " " : "", (int)t->ids[t->n - 1]);
        fflush(stdout);
        return TS_OK;
    }
    ts_detok *d = s->streams ? &s->detok : &s->detoks[line->number];
    if (t->n == 1)
        ts_detok_init(d, s->tok.tok, s->config.stop, s->config.n_stop);
    TS_TRY(ts_detok_add(d, t->ids, t->n));
    *stop = d->is_stopped;
    if (s->streams)
        show(s, false);
    return TS_OK;
}

static ts_status stream_done(inferer *s, const ts_gen_line *line, const ts_gen_text *t)
{
    if (has_text(s)) {
        if (s->config.num_beams > 1)
            ts_detok_init(&s->detok, s->tok.tok, NULL, 0);
        TS_TRY(ts_detok_end(&s->detok, t->ids, t->n));
        show(s, true);
        ts_detok_deinit(&s->detok);
    } else if (s->config.num_beams > 1) {
        for (size_t i = 0; i < t->n; i++)
            printf("%s%d", i ? " " : "", (int)t->ids[i]);
    }
    printf(line->number + 1 < (int64_t)s->n_lines ? "\n\n" : "\n");
    fflush(stdout);
    return TS_OK;
}

static ts_status on_done(void *ctx, const ts_gen_line *line, const ts_gen_text *t)
{
    inferer *s = ctx;
    s->done++;
    if (s->streams)
        return stream_done(s, line, t);
    TS_TRY(format_line(s, line, t, &s->results[line->number]));
    s->is_ready[line->number] = true;
    if (s->detoks)
        ts_detok_deinit(&s->detoks[line->number]);
    return write_ready(s);
}

static void on_progress(void *ctx, int64_t new_tokens)
{
    inferer *s = ctx;
    const bool terminal = ts_log_is_terminal();
    const double now = ts_now(), seconds = now - s->began;
    if (s->streams || now - s->said < (terminal ? 0.5 : 10) || s->rt.log_level > TS_LOG_INFO)
        return;
    s->said = now;
    char left[48] = "";
    if (s->done > 0)
        snprintf(left, sizeof left, ", about %.0f s left",
                 seconds * (double)(s->n_lines - s->done) / (double)s->done);
    ts_log_raw("%s%zu of %zu lines, %.1f tokens/s%s%s", terminal ? "\r" : "", s->done, s->n_lines,
               (double)new_tokens / seconds, left, terminal ? "   " : "\n");
}

static ts_status generate(inferer *s)
{
    const ts_gen_hooks hooks = { s, s->streams || s->config.n_stop ? on_token : NULL, on_done,
                                 on_progress };
    const int64_t batch = s->streams ? 1 : s->o.batch_size; /* results do not depend on it */
    const int64_t n = (int64_t)s->n_lines;
    TS_TRY(ts_alloc(&s->results, s->n_lines, sizeof *s->results));
    TS_TRY(ts_alloc(&s->is_ready, s->n_lines, sizeof *s->is_ready));
    if (s->config.n_stop)
        TS_TRY(ts_alloc(&s->detoks, s->n_lines, sizeof *s->detoks));
    TS_TRY(ts_engine_create(s->model.decoder, ts_gen_slots(&s->config, batch, n), &s->engine));
    if (!s->streams)
        TS_TRY(ts_jsonl_out_open(s->o.output, &s->out));
    s->began = s->said = ts_now();
    TS_TRY(ts_generate(s->engine, &s->model.decoder->arch, &s->config, s->lines, n, &hooks));
    if (!s->streams && ts_log_is_terminal() && s->said > s->began)
        ts_log_raw("\n");
    return s->streams ? TS_OK : ts_jsonl_out_finish(&s->out);
}

/* ---- the command ---- */

static ts_status check(const inferer *s)
{
    if (!s->rt.load)
        return ts_error(TS_ERR_USER, "--load is missing");
    if (!s->o.prompt && !s->o.input)
        return ts_error(TS_ERR_USER, "--prompt or --input is missing");
    if (s->o.prompt && s->o.input)
        return ts_error(TS_ERR_USER, "--prompt and --input contradict each other: give one");
    if (s->o.json && s->o.output && strcmp(s->o.output, "-"))
        return ts_error(TS_ERR_USER,
                        "--json writes to the standard output, --output %s to a file: give one",
                        s->o.output);
    return TS_OK;
}

static ts_status open_all(inferer *s, const ts_option_set *set)
{
    ts_model_use use = { 0 };
    TS_TRY(check(s));
    TS_TRY(ts_runtime_dtype(&s->rt, &use.compute));
    TS_TRY(ts_runtime_open(&s->rt, 1, &s->dev));
    if (!s->dev->computes)
        return ts_error(TS_ERR_USER,
                        "--device %s computes nothing: there is nothing to generate with",
                        s->rt.device);
    use.dev = s->dev;
    TS_TRY(ts_model_open(s->rt.load, s->o.ckpt_step, &use, &s->model));
    TS_TRY(
        ts_gen_config_resolve(&s->go, set, s->model.folder, &s->model.decoder->arch, &s->config));
    TS_TRY(open_tokenizer(s));
    if (s->config.n_stop && !has_text(s))
        return ts_error(TS_ERR_USER, "--stop needs a tokenizer, and %s has none",
                        s->model.folder ? s->model.folder : "the checkpoint");
    s->streams = !s->o.output && !s->o.json && (s->o.prompt || isatty(STDOUT_FILENO));
    return read_input(s);
}

static void close_all(inferer *s)
{
    ts_jsonl_out_abandon(&s->out);
    for (size_t i = 0; i < s->n_lines; i++) {
        int32_t *ids = (int32_t *)(uintptr_t)s->lines[i].prompt.ids;
        ts_free(&ids);
        if (s->results)
            ts_str_deinit(&s->results[i]);
        if (s->detoks)
            ts_detok_deinit(&s->detoks[i]);
    }
    ts_free(&s->lines);
    ts_free(&s->results);
    ts_free(&s->is_ready);
    ts_free(&s->detoks);
    ts_detok_deinit(&s->detok);
    ts_engine_destroy(&s->engine);
    ts_model_deinit(&s->model);
    ts_device_close(&s->dev);
    ts_tokenizer_scratch_destroy(&s->scratch);
    if (s->has_tok)
        ts_text_tokenizer_close(&s->tok);
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_infer = { "infer", "generate text: greedy, sampling, beams", run };

static ts_status run(int argc, char *const *argv)
{
    inferer s = { 0 };
    const ts_option_table tables[] = {
        { infer_rows, sizeof infer_rows / sizeof *infer_rows, &s.o },
        { ts_gen_option_rows, ts_gen_option_count, &s.go },
        { ts_text_option_rows, ts_text_option_count, &s.to },
        { ts_runtime_option_rows, ts_runtime_option_count, &s.rt },
    };
    ts_option_set *set;
    bool helped;
    TS_TRY(ts_command_options(&ts_cmd_infer, usage, tables, 4, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_log_init((ts_log_level)s.rt.log_level, "");
    ts_status st = open_all(&s, set);
    if (st == TS_OK)
        st = generate(&s);
    close_all(&s);
    ts_option_set_destroy(&set);
    return st;
}
