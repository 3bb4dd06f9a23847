#include "api/lm_chat.h"
#include "api/lm_explore.h"
#include "api/lm_media.h"
#include "api/words.h"
#include "base/log.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/processes.h"
#include "infer/deal.h"
#include "io/jsonl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct infer_options {
    const char *input, *output, *prompt, *candidates, *media_dir;
    bool json;
    int on_bad_record;
} infer_options;

#define ROW(type, field, name, def, lo, hi, help)                                                  \
    TS_ROW(type, infer_options, field, name, def, lo, hi, NULL, "infer", help)
static const ts_option infer_rows[] = {
    ROW(TEXT, input, "input", NULL, 0, 0,
        "JSON lines with \"ids\", \"text\", \"prompt\" or \"messages\", also packed (.gz, .zst); - is the "
        "standard input"),
    TS_BAD_RECORD_ROW(infer_options, on_bad_record, "infer"),
    ROW(TEXT, media_dir, "media-dir", NULL, 0, 0,
        "relative paths of pictures and clips in \"messages\" count from this folder, not from that of --input"),
    ROW(TEXT, prompt, "prompt", NULL, 0, 0, "one text, instead of --input"),
    ROW(TEXT, output, "output", NULL, 0, 0,
        "JSON lines: ids (the new ones), text, finish_reason, logprobs; - is the standard output"),
    ROW(FLAG, json, "json", NULL, 0, 0,
        "JSON lines on the standard output instead of streamed text"),
    ROW(TEXT, candidates, "candidates", NULL, 0, 0,
        "with --approach: all answers as JSON lines: line, candidate, ids, text, finish_reason, score, rewards, answer, chosen; - is "
        "the standard output"),
};

static const char usage[] =
    "usage: tessera infer --load DIR (--prompt TEXT | --input FILE.jsonl) [--output OUT.jsonl] [options]\n"
    "       mpirun -n 4 tessera infer --tensor-model-parallel-size 2 ...      (lines are dealt to pairs that share a model)\n\n"
    "Generates. What is not given is as the folder's generation_config.json says, as in transformers. Without\n"
    "--output, text is streamed for --prompt and on a terminal; else JSON lines are written. Texts are gone on with as\n"
    "they stand; with --hf-chat-template or --prompt-type they are what a user says, and \"messages\" (with \"tools\"),\n"
    "in OpenAI's form, are answered.\n"
    "example: tessera infer --load models/my-model --prompt \"Once upon a time\" --max-new-tokens 100\n"
    "         tessera infer --load models/my-chat-model --hf-chat-template --prompt \"Who are you?\"";

typedef struct inferer {
    infer_options o;
    ts_gen_options go;
    ts_lm_batch_options batch;
    ts_gen_config config;
    ts_lm lm;
    ts_lm_chat_options co;
    ts_lm_chat chat;
    ts_lm_explore_options xo;
    ts_lm_explorer explorer;
    ts_output candidates;
    bool is_asked; /* texts are what a user says */
    bool streams;
    ts_gen_line *lines;
    ts_lm_media media;     /* of lines with pictures */
    ts_picture_set **seen; /* [n_seen] theirs */
    size_t n_seen, cap_seen;
    size_t n_lines, cap_lines;
    ts_str *results; /* [n_lines], until their turn to be written */
    bool *is_ready;
    size_t written, done;
    size_t shown; /* ids of the stream's line */
    ts_str dealt; /* results of this process, where lines are dealt out */
    ts_output out;
    double began, said;
} inferer;

/* ---- input ---- */

static ts_status open_chat(inferer *s)
{
    TS_TRY(ts_lm_chat_open(&s->lm, &s->co, &s->chat));
    return ts_lm_chat_stop(&s->chat, &s->config);
}

/* The ids are the caller's. */
static ts_status give(ts_status st, ts_ids out, int32_t **ids, int64_t *count)
{
    if (st != TS_OK) {
        ts_ids_deinit(&out);
        return st;
    }
    *ids = out.v;
    *count = (int64_t)out.n;
    return TS_OK;
}

static ts_status encode(inferer *s, const char *text, size_t n, int32_t **ids, int64_t *count)
{
    ts_ids out = { 0 };
    const ts_status st = s->is_asked ? ts_lm_chat_ask(&s->lm, &s->chat, text, n, &out)
                                     : ts_lm_add_text(&s->lm, text, n, &out);
    return give(st, out, ids, count);
}

/* A record with messages: by the folder's template where the options name none. */
static ts_status encode_talk(inferer *s, const json_t *record, int32_t **ids, int64_t *count)
{
    ts_ids out = { 0 };
    if (!s->chat.encoder)
        TS_TRY(open_chat(s));
    return give(ts_lm_chat_prompt(&s->lm, &s->chat, record, &out), out, ids, count);
}

/* The last line's prompt becomes one with the pictures just read, which stay. */
static ts_status keep_pictures(inferer *s)
{
    ts_picture_set *set;
    ts_prompt *p = &s->lines[s->n_lines - 1].prompt;
    if (s->config.drafts || s->config.num_beams > 1)
        return ts_error(TS_ERR_USER, "prompts with pictures are gone on with one token at a time: leave guessing ahead and "
                                     "--num-beams out");
    TS_TRY(ts_grow(&s->seen, &s->cap_seen, s->n_seen + 1, sizeof *s->seen));
    TS_TRY(ts_alloc(&set, 1, sizeof *set));
    s->seen[s->n_seen++] = set;
    *set = s->media.set;
    s->media.set = (ts_picture_set){ 0 };
    p->pictures = &set->p;
    p->shift = set->next - set->n;
    return TS_OK;
}

/* A conversation with pictures. */
static ts_status encode_seen(inferer *s, const json_t *record, int32_t **ids, int64_t *count)
{
    ts_ids out = { 0 };
    ts_status st = ts_lm_media_read(&s->lm, &s->media, record, s->o.input, s->o.media_dir, true, "messages");
    for (size_t i = 0; st == TS_OK && i < s->media.line.ids.n; i++)
        st = ts_ids_add(&out, s->media.line.ids.v[i]);
    return give(st, out, ids, count);
}

/* Takes ids over. */
static ts_status add_line(inferer *s, int32_t *ids, int64_t n)
{
    ts_gen_line line = { .number = (int64_t)s->n_lines, .prompt = { ids, n } };
    ts_status st = ts_gen_limit(&s->config, &s->lm.model.decoder->arch, n, &line.max_new);
    if (st == TS_OK)
        st = ts_grow(&s->lines, &s->cap_lines, s->n_lines + 1, sizeof *s->lines);
    if (st == TS_OK)
        s->lines[s->n_lines++] = line;
    else
        ts_free(&ids);
    return st;
}

/* What a record may hold; of several the first in this order counts. */
static const char *const record_keys[] = { "ids", "text", "prompt", "messages", "tools", "chat_template_kwargs",
                                          "images", "videos", "audios", "use_audio_in_video" };

static ts_status read_line(inferer *s, ts_jsonl *in, const json_t *line)
{
    const json_t *text = json_object_get(line, "text"), *prompt = json_object_get(line, "prompt");
    int32_t *ids = NULL;
    int64_t n = 0;
    ts_status st = TS_OK;
    const bool sees = !text && !prompt && ts_lm_sees(&s->lm, line);
    text = text ? text : prompt;
    if (json_object_get(line, "ids"))
        TS_TRY(ts_jsonl_ids(in, line, s->lm.model.decoder->arch.vocab, &ids, &n));
    else if (json_is_string(text))
        st = encode(s, json_string_value(text), json_string_length(text), &ids, &n);
    else if (text)
        return ts_jsonl_error(in, "\"%s\" is not a string", text == prompt ? "prompt" : "text");
    else if (sees)
        st = encode_seen(s, line, &ids, &n);
    else if (json_object_get(line, "messages"))
        st = encode_talk(s, line, &ids, &n);
    else
        return ts_jsonl_error(in, "\"ids\", \"text\", \"prompt\" or \"messages\" was expected");
    if (st == TS_OK)
        st = add_line(s, ids, n);
    if (st == TS_OK && sees)
        st = keep_pictures(s);
    if (st != TS_ERR_USER || (text && !s->lm.has_tok)) /* that no record could help */
        return st;
    return ts_jsonl_error(in, "%s", ts_error_message());
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
    ts_status st = ts_jsonl_open(s->o.input, record_keys,
                                 sizeof record_keys / sizeof *record_keys,
                                 (ts_on_bad_record)s->o.on_bad_record, &in);
    while (st == TS_OK) {
        json_t *line;
        st = ts_jsonl_next(&in, &line);
        if (st != TS_OK || !line)
            break;
        st = ts_jsonl_done(&in, read_line(s, &in, line));
        json_decref(line);
    }
    ts_jsonl_close(&in);
    return st;
}

/* ---- output ---- */

/* The fields of an answer, up to its last bracket; of one that was chosen among others (path not NULL) what speaks for it too. */
static ts_status format_fields(const ts_lm_answer *a, const ts_path *path, const char *end, bool answer, ts_str *l)
{
    TS_TRY(ts_str_puts(l, "\"ids\": ["));
    for (size_t i = 0; i < a->n_ids; i++)
        TS_TRY(ts_str_printf(l, "%s%d", i ? ", " : "", (int)a->ids[i]));
    TS_TRY(ts_str_puts(l, "]"));
    if (a->text) {
        TS_TRY(ts_str_puts(l, ", \"text\": "));
        TS_TRY(ts_str_json(l, a->text, a->n_text));
    }
    TS_TRY(ts_str_printf(l, ", \"finish_reason\": \"%s\"", end));
    for (size_t i = 0; a->logprobs && i < a->n_ids; i++) {
        TS_TRY(ts_str_puts(l, i ? ", " : ", \"logprobs\": ["));
        TS_TRY(ts_str_json_real(l, a->logprobs[i], 9));
    }
    TS_TRY(ts_str_puts(l, a->logprobs && a->n_ids ? "]" : a->logprobs ? ", \"logprobs\": []" : ""));
    if (path && !isnan(path->score)) {
        TS_TRY(ts_str_puts(l, ", \"score\": "));
        TS_TRY(ts_str_json_real(l, path->score, 9));
    }
    if (path && path->has_answer && answer) {
        TS_TRY(ts_str_puts(l, ", \"answer\": "));
        TS_TRY(ts_str_json(l, ts_str_text(&path->answer), path->answer.len));
    }
    return TS_OK;
}

static ts_status format_line(const inferer *s, const ts_lm_answer *a, const ts_path *path, ts_str *l)
{
    TS_TRY(ts_str_puts(l, "{"));
    TS_TRY(format_fields(a, path, a->is_stopped ? "stop" : "length", s->explorer.regex, l));
    return ts_str_puts(l, "}");
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

/* The text of the stream, or without a tokenizer its ids. */
static int on_piece(void *ctx, const ts_lm_piece *p)
{
    inferer *s = ctx;
    if (p->text)
        fwrite(p->text, 1, p->n_text, stdout);
    else
        for (; s->shown < p->n_ids; s->shown++)
            printf("%s%d", s->shown ? " " : "", (int)p->ids[s->shown]);
    fflush(stdout);
    return TS_OK;
}

static int finish_line(inferer *s, const ts_lm_answer *a, const ts_path *path)
{
    s->done++;
    if (s->streams) {
        s->shown = 0;
        printf(a->prompt + 1 < s->n_lines ? "\n\n" : "\n");
        fflush(stdout);
        return TS_OK;
    }
    TS_TRY(format_line(s, a, path, &s->results[a->prompt]));
    if (ts_lm_leaders(&s->lm))
        return TS_OK;
    s->is_ready[a->prompt] = true;
    return write_ready(s);
}

static int on_done(void *ctx, const ts_lm_answer *a) { return finish_line(ctx, a, NULL); }

/* ---- several answers ---- */

static ts_lm_answer answer_of(const inferer *s, const ts_gen_line *line, const ts_path *p)
{
    const bool has_text = ts_lm_has_text(&s->lm);
    return (ts_lm_answer){ .prompt = (size_t)line->number,
                           .text = has_text ? ts_str_text(&p->text) : NULL,
                           .n_text = p->text.len,
                           .ids = p->ids,
                           .n_ids = p->n,
                           .logprobs = s->config.logprobs ? p->logprobs : NULL,
                           .is_stopped = p->end == TS_PATH_STOP };
}

static ts_status format_candidate(const inferer *s, const ts_gen_line *line, const ts_path *p, bool is_chosen, ts_str *l)
{
    const ts_lm_answer a = answer_of(s, line, p);
    const char *end = p->end == TS_PATH_STOP ? "stop" : p->end == TS_PATH_LEFT ? "left" : "length";
    TS_TRY(ts_str_printf(l, "{\"line\": %lld, \"candidate\": %lld, ", (long long)line->number, (long long)p->number));
    TS_TRY(format_fields(&a, p, end, s->explorer.regex, l));
    for (size_t i = 0; i < p->n_rewards; i++) {
        TS_TRY(ts_str_puts(l, i ? ", " : ", \"rewards\": ["));
        TS_TRY(ts_str_json_real(l, p->rewards[i], 9));
    }
    return ts_str_printf(l, "%s, \"chosen\": %s}", p->n_rewards ? "]" : "", is_chosen ? "true" : "false");
}

static ts_status on_explored(void *ctx, const ts_gen_line *line, const ts_exploration *e)
{
    inferer *s = ctx;
    const ts_path *best = &e->paths[e->chosen];
    const ts_lm_answer a = answer_of(s, line, best);
    const ts_lm_piece piece = { .prompt = a.prompt, .text = a.text, .n_text = a.n_text, .ids = a.ids, .n_ids = a.n_ids, .is_last = true };
    for (size_t i = 0; s->o.candidates && i < e->n; i++) {
        ts_str l = { 0 };
        ts_status st = format_candidate(s, line, &e->paths[i], &e->paths[i] == best, &l);
        if (st == TS_OK)
            st = ts_jsonl_out_line(&s->candidates, &l);
        ts_str_deinit(&l);
        TS_TRY(st);
    }
    if (s->streams)
        on_piece(s, &piece);
    return finish_line(s, &a, best);
}

static void on_progress(void *ctx, int64_t new_tokens)
{
    inferer *s = ctx;
    const bool terminal = ts_log_is_terminal();
    const double now = ts_now(), seconds = now - s->began;
    if (s->streams || (s->lm.world && s->lm.world->rank) || now - s->said < (terminal ? 0.5 : 10) || s->lm.rt.log_level > TS_LOG_INFO)
        return;
    s->said = now;
    char left[48] = "";
    if (s->done > 0)
        snprintf(left, sizeof left, ", about %.0f s left",
                 seconds * (double)(s->n_lines - s->done) / (double)s->done);
    ts_log_raw("%s%zu of %zu lines, %.1f tokens/s%s%s", terminal ? "\r" : "", s->done, s->n_lines,
               (double)new_tokens / seconds, left, terminal ? "   " : "\n");
}

static ts_status write_dealt(void *ctx, const char *line, size_t n)
{
    inferer *s = ctx;
    ts_str l = { 0 };
    ts_status st = ts_str_add(&l, line, n);
    if (st == TS_OK)
        st = ts_jsonl_out_line(&s->out, &l);
    ts_str_deinit(&l);
    return st;
}

/* What the models of several processes have written, in the order of the input. */
static ts_status collect(inferer *s, ts_status st)
{
    ts_comm *c = ts_lm_leaders(&s->lm);
    for (size_t i = 0; st == TS_OK && i < s->n_lines; i++)
        if (ts_deal_is_mine(c, (int64_t)i))
            st = ts_deal_put(&s->dealt, (int64_t)i, ts_str_text(&s->results[i]), s->results[i].len);
    TS_TRY(ts_comm_agree(c, st));
    return ts_comm_agree(c, ts_deal_collect(c, &s->dealt, write_dealt, s));
}

/* The lines of this process come first; how many. */
static size_t take_own(const inferer *s, ts_gen_line *own)
{
    const ts_comm *c = ts_lm_leaders(&s->lm);
    size_t n = 0;
    for (size_t i = 0; i < s->n_lines; i++)
        if (!c || ts_deal_is_mine(c, (int64_t)i))
            own[n++] = s->lines[i];
    return n;
}

static ts_status generate(inferer *s)
{
    const ts_lm_hooks hooks = { sizeof hooks, s, s->streams ? on_piece : NULL, on_done,
                                on_progress };
    const int64_t batch = s->streams ? 1 : s->batch.batch_size; /* results do not depend on it */
    const bool writes = !s->streams && !(s->lm.world && s->lm.world->rank);
    ts_gen_line *own;
    TS_TRY(ts_alloc(&s->results, s->n_lines, sizeof *s->results));
    TS_TRY(ts_alloc(&s->is_ready, s->n_lines, sizeof *s->is_ready));
    TS_TRY(ts_alloc(&own, s->n_lines, sizeof *own));
    const size_t n = take_own(s, own);
    ts_status st = writes ? ts_jsonl_out_open(s->o.output, &s->out) : TS_OK;
    if (st == TS_OK && s->o.candidates)
        st = ts_jsonl_out_open(s->o.candidates, &s->candidates);
    s->began = s->said = ts_now();
    if (st == TS_OK && n)
        st = ts_lm_explain(&s->lm, s->explorer.o.approach == TS_APPROACH_NONE
                                       ? ts_lm_run(&s->lm, &s->config, batch, own, n, &hooks)
                                       : ts_lm_explore_run(&s->lm, &s->explorer, &s->config, s->batch.batch_size, own, n,
                                                           on_explored, s));
    ts_free(&own);
    if (ts_lm_leaders(&s->lm))
        st = collect(s, st);
    TS_TRY(st);
    if (writes && ts_log_is_terminal() && s->said > s->began)
        ts_log_raw("\n");
    if (s->o.candidates)
        TS_TRY(ts_output_finish(&s->candidates));
    return writes ? ts_output_finish(&s->out) : TS_OK;
}

/* ---- the command ---- */

static ts_status check(const inferer *s)
{
    if (!s->lm.rt.load)
        return ts_error(TS_ERR_USER, "--load is missing");
    if (!s->o.prompt && !s->o.input)
        return ts_error(TS_ERR_USER, "--prompt or --input is missing");
    if (s->o.prompt && s->o.input)
        return ts_error(TS_ERR_USER, "--prompt and --input contradict each other: give one");
    if (s->o.json && s->o.output && strcmp(s->o.output, "-"))
        return ts_error(TS_ERR_USER,
                        "--json writes to the standard output, --output %s to a file: give one",
                        s->o.output);
    if (s->o.candidates && s->xo.approach == TS_APPROACH_NONE)
        return ts_error(TS_ERR_USER, "--candidates goes with --approach");
    if (s->o.candidates && s->o.output && ts_output_is_same(s->o.candidates, s->o.output))
        return ts_error(TS_ERR_USER, "--candidates %s and --output %s name the same file: give two", s->o.candidates, s->o.output);
    return TS_OK;
}

static ts_status open_model(inferer *s, const ts_option_set *set)
{
    TS_TRY(check(s));
    if (s->o.output)
        TS_TRY(ts_output_check("--output", s->o.output));
    if (s->o.candidates)
        TS_TRY(ts_output_check("--candidates", s->o.candidates));
    TS_TRY(ts_lm_explore_check(&s->xo, set, &s->go));
    return ts_lm_begin(&s->lm);
}

static ts_status open_rest(inferer *s, const ts_option_set *set)
{
    if (ts_lm_leaders(&s->lm) && s->o.input && !strcmp(s->o.input, "-"))
        return ts_error(TS_ERR_USER, "--input -: of several processes one alone has the standard input, and lines are dealt to "
                                     "%d: give a file", s->lm.model_group->models);
    if (ts_lm_leaders(&s->lm) && s->o.candidates)
        return ts_error(TS_ERR_USER, "--candidates: lines are dealt to %d models, which write no such file together: give sizes "
                                     "whose product is %d (--tensor-model-parallel-size, ...)", s->lm.model_group->models,
                        s->lm.world->size);
    TS_TRY(ts_lm_gen_config(&s->lm, &s->go, set, &s->config));
    TS_TRY(ts_lm_find_tokenizer(&s->lm));
    TS_TRY(ts_lm_check_stop(&s->lm, &s->config));
    TS_TRY(ts_lm_explore_open(&s->lm, &s->xo, set, &s->config, &s->explorer));
    s->is_asked = ts_chat_style_given(&s->co.style);
    if (s->is_asked)
        TS_TRY(open_chat(s));
    s->streams = !s->o.output && !s->o.json && (s->o.prompt || (isatty(STDOUT_FILENO) && !ts_lm_leaders(&s->lm)));
    return read_input(s);
}

static void close_all(inferer *s)
{
    ts_output_abandon(&s->out);
    ts_output_abandon(&s->candidates);
    ts_lm_explore_close(&s->explorer);
    for (size_t i = 0; i < s->n_lines; i++) {
        int32_t *ids = (int32_t *)(uintptr_t)s->lines[i].prompt.ids;
        ts_free(&ids);
        if (s->results)
            ts_str_deinit(&s->results[i]);
    }
    ts_free(&s->lines);
    for (size_t k = 0; k < s->n_seen; k++) {
        ts_picture_set_deinit(s->seen[k]);
        ts_free(&s->seen[k]);
    }
    ts_free(&s->seen);
    ts_lm_media_close(&s->media);
    ts_free(&s->results);
    ts_free(&s->is_ready);
    ts_str_deinit(&s->dealt);
    ts_lm_chat_close(&s->chat);
    ts_lm_end(&s->lm);
}

static ts_status lead(inferer *s, const ts_option_set *set)
{
    ts_status st = open_rest(s, set);
    if (ts_lm_leaders(&s->lm))
        st = ts_comm_agree(s->lm.model_group->leaders, st);
    return st == TS_OK ? generate(s) : st;
}

static ts_status infer(inferer *s, const ts_option_set *set)
{
    ts_status st = open_model(s, set);
    if (st == TS_OK)
        st = ts_lm_follows(&s->lm) ? ts_lm_follow(&s->lm) : ts_lm_dismiss(&s->lm, lead(s, set));
    st = ts_device_explain(s->lm.dev, st);
    close_all(s);
    return st;
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_infer = { "infer", "generate text: greedy, sampling, beams, the best of several answers", run };

static ts_status run(int argc, char *const *argv)
{
    inferer s = { 0 };
    const ts_option_table tables[] = {
        { infer_rows, sizeof infer_rows / sizeof *infer_rows, &s.o },
        { ts_lm_batch_rows, ts_lm_batch_count, &s.batch },
        { ts_gen_option_rows, ts_gen_option_count, &s.go },
        TS_LM_EXPLORE_TABLES(&s.xo),
        { ts_lm_chat_option_rows, ts_lm_chat_option_count, &s.co },
        { ts_lm_option_rows, ts_lm_option_count, &s.lm.o },
        { ts_lm_cache_rows, ts_lm_cache_count, &s.lm.o },
        { ts_model_group_option_rows, ts_model_group_option_count, &s.lm.cut },
        { ts_text_option_rows, ts_text_option_count, &s.lm.to },
        { ts_runtime_option_rows, ts_runtime_option_count, &s.lm.rt },
    };
    ts_option_set *set;
    bool helped;
    TS_TRY(ts_command_options(&ts_cmd_infer, usage, tables, sizeof tables / sizeof *tables, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_status st = ts_comm_world(&s.lm.world);
    if (st == TS_OK) {
        ts_processes_log((ts_log_level)s.lm.rt.log_level, s.lm.world);
        ts_words_log_notes(set);
        st = infer(&s, set);
        st = ts_processes_end(&s.lm.world, st);
    }
    ts_option_set_destroy(&set);
    return st;
}
