#include "api/lm_chat.h"
#include "api/words.h"
#include "base/log.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/processes.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct chat_options {
    int64_t history_turns;
    const char *tools;
    bool hide_thinking;
} chat_options;

#define ROW(type, field, name, def, lo, hi, help) TS_ROW(type, chat_options, field, name, def, lo, hi, NULL, "chat", help)
static const ts_option chat_rows[] = {
    ROW(INT, history_turns, "history-turns", "3", 0, 1 << 20, "questions with their answers that stand before a new question"),
    ROW(TEXT, tools, "tools", NULL, 0, 0,
        "a JSON file, a list of tools for the template; a line that begins with tool: is what a call returned"),
    ROW(FLAG, hide_thinking, "hide-thinking", NULL, 0, 0, "do not show what stands between <think> and </think>"),
};

static const char usage[] =
    "usage: tessera chat --load DIR [--prompt-type NAME] [options]\n\n"
    "Answers line after line, remembering --history-turns. Lines come from the terminal or a pipe. clear or new forgets\n"
    "what was said; q, quit or exit ends, and Ctrl-C an answer. Conversations are written by the folder's chat template,\n"
    "by --chat-template FILE or by --prompt-type NAME. How answers are drawn is as generation_config.json says; they may\n"
    "have 1024 tokens, or as many as --max-new-tokens says.\n"
    "example: tessera chat --load models/my-chat-model --system \"You are brief.\" --do-sample --temperature 0.7";

enum { ANSWER_TOKENS = 1024 };

typedef struct chatter {
    chat_options o;
    ts_lm_chat_options co;
    ts_gen_options go;
    ts_gen_config config;
    ts_lm lm;
    ts_lm_chat chat;
    json_t *talk, *messages; /* messages: the talk's */
    ts_ids prompt;
    /* The answer: its text, what was shown of it, and whether that is inside a thought. */
    ts_str answer;
    size_t shown;
    bool is_in_thought, is_cut;
    size_t n_tokens;
    bool is_terminal;
} chatter;

/* ---- showing ---- */

static const char think[] = "<think>", think_end[] = "</think>";

static void show(chatter *c, size_t end)
{
    fwrite(c->answer.s + c->shown, 1, end - c->shown, stdout);
    c->shown = end;
}

/* How many bytes at the end of the text may be how `word` begins. */
static size_t begins_at_end(const char *s, size_t n, const char *word)
{
    size_t most = strlen(word) - 1;
    for (most = most < n ? most : n; most > 0; most--)
        if (!memcmp(s + n - most, word, most))
            return most;
    return 0;
}

/* Shows what is new and no thought. */
static void show_new(chatter *c, bool is_last)
{
    while (c->shown < c->answer.len) {
        const char *from = c->answer.s + c->shown;
        const size_t left = c->answer.len - c->shown;
        const char *word = c->is_in_thought ? think_end : think;
        const char *hit = c->o.hide_thinking ? memmem(from, left, word, strlen(word)) : NULL;
        if (!hit) {
            if (!c->is_in_thought)
                show(c, c->answer.len - (is_last || !c->o.hide_thinking ? 0 : begins_at_end(from, left, word)));
            break;
        }
        if (!c->is_in_thought)
            show(c, (size_t)(hit - c->answer.s));
        c->shown = (size_t)(hit - c->answer.s) + strlen(word);
        c->shown += c->is_in_thought ? strspn(c->answer.s + c->shown, "\n") : 0;
        c->is_in_thought = !c->is_in_thought;
    }
    fflush(stdout);
}

/* ---- an answer ---- */

static volatile sig_atomic_t interrupted;
static void on_interrupt(int number) { interrupted = number; }

static void watch_interrupts(bool on)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on ? on_interrupt : SIG_DFL;
    sigemptyset(&a.sa_mask);
    interrupted = 0;
    sigaction(SIGINT, &a, NULL);
}

static int on_piece(void *ctx, const ts_lm_piece *p)
{
    chatter *c = ctx;
    TS_TRY(ts_str_add(&c->answer, p->text ? p->text : "", p->n_text));
    show_new(c, p->is_last);
    return interrupted ? 1 : TS_OK;
}

static int on_done(void *ctx, const ts_lm_answer *a)
{
    chatter *c = ctx;
    c->n_tokens = a->n_ids;
    c->is_cut = !a->is_stopped;
    return TS_OK;
}

/* Whether the prompt leaves the answer inside a thought, as templates of models that always think do. */
static ts_status find_thought(chatter *c)
{
    enum { LOOK_AT = 8 };
    const size_t n = c->prompt.n < LOOK_AT ? c->prompt.n : LOOK_AT;
    ts_str text = { 0 };
    ts_status st = ts_tokenizer_decode(c->lm.tok.tok, c->prompt.v + c->prompt.n - n, n, false, &text);
    const char *open = st == TS_OK ? strstr(ts_str_text(&text), think) : NULL;
    c->is_in_thought = c->o.hide_thinking && open && !strstr(open, think_end);
    ts_str_deinit(&text);
    return st;
}

static ts_status generate(chatter *c)
{
    const ts_lm_hooks hooks = { sizeof hooks, c, on_piece, on_done, NULL };
    ts_gen_line line = { .prompt = { c->prompt.v, (int64_t)c->prompt.n } };
    const double began = ts_now();
    ts_str_reset(&c->answer);
    c->shown = 0;
    TS_TRY(find_thought(c));
    TS_TRY(ts_gen_limit(&c->config, &c->lm.model.decoder->arch, line.prompt.n, &line.max_new));
    watch_interrupts(true);
    const ts_status st = ts_lm_explain(&c->lm, ts_lm_run(&c->lm, &c->config, 1, &line, 1, &hooks));
    watch_interrupts(false);
    printf("\n");
    fflush(stdout);
    c->config.sampling.seed++; /* the next answer draws other numbers */
    if (st == TS_OK && c->is_terminal)
        ts_log_raw("(%zu tokens, %.1f a second%s)\n", c->n_tokens, (double)c->n_tokens / (ts_now() - began),
                   c->is_cut ? "; cut, see --max-new-tokens" : "");
    return st;
}

/* ---- the conversation ---- */

static ts_status add_message(chatter *c, const char *role, const char *text, size_t n)
{
    json_t *m = json_pack("{ssss%}", "role", role, "content", text, n);
    return m && !json_array_append_new(c->messages, m) ? TS_OK
                                                       : ts_error(TS_ERR_USER, "what is said is to be UTF-8");
}

/* Only the newest turns stay. */
static void forget(chatter *c, int64_t turns)
{
    size_t from = json_array_size(c->messages);
    for (int64_t left = turns; from > 0 && left > 0;) {
        const char *role = json_string_value(json_object_get(json_array_get(c->messages, --from), "role"));
        left -= !strcmp(role, "user");
    }
    while (from-- > 0)
        json_array_remove(c->messages, 0);
}

/* Asks; where no answer comes, nothing was said. */
static ts_status answer(chatter *c, const char *line, size_t n)
{
    static const char tool[] = "tool:";
    const size_t before = json_array_size(c->messages);
    const bool is_tool = c->o.tools && before && n >= sizeof tool - 1 && !memcmp(line, tool, sizeof tool - 1);
    const size_t skip = is_tool ? sizeof tool - 1 + strspn(line + sizeof tool - 1, " ") : 0;
    ts_status st = add_message(c, is_tool ? "tool" : "user", line + skip, n - skip);
    if (st == TS_OK)
        st = ts_lm_chat_prompt(&c->lm, &c->chat, c->talk, &c->prompt);
    if (st == TS_OK)
        st = generate(c);
    if (st == TS_OK)
        st = add_message(c, "assistant", ts_str_text(&c->answer), c->answer.len);
    if (st == TS_OK)
        forget(c, c->o.history_turns);
    while (st != TS_OK && json_array_size(c->messages) > before)
        json_array_remove(c->messages, before);
    return st;
}

static bool is_one_of(const char *s, const char *const *words)
{
    while (*words && strcmp(s, *words) != 0)
        words++;
    return *words;
}

static ts_status read_lines(chatter *c)
{
    static const char *const ends[] = { "q", "quit", "exit", NULL }, *const clears[] = { "clear", "new", NULL };
    char *line = NULL;
    size_t cap = 0;
    ts_status st = TS_OK;
    while (st == TS_OK) {
        if (c->is_terminal)
            ts_log_raw("> ");
        ssize_t n = getline(&line, &cap, stdin);
        if (n < 0)
            break;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        if (is_one_of(line, ends))
            break;
        if (is_one_of(line, clears))
            json_array_clear(c->messages);
        else if (line[strspn(line, " \t")])
            st = answer(c, line, (size_t)n);
        if (st == TS_ERR_USER && c->is_terminal) { /* another question may do */
            ts_log(TS_LOG_ERROR, "%s", ts_error_message());
            st = TS_OK;
        }
    }
    free(line);
    return st == TS_OK && ferror(stdin) ? ts_error(TS_ERR_IO, "the standard input cannot be read") : st;
}

/* ---- the command ---- */

static ts_status begin_talk(chatter *c)
{
    json_t *tools = NULL;
    if (c->o.tools)
        TS_TRY(ts_json_read(c->o.tools, &tools));
    c->talk = json_pack("{s[]so*}", "messages", "tools", tools);
    c->messages = json_object_get(c->talk, "messages");
    return c->talk ? TS_OK : ts_error(TS_ERR_NOMEM, "no memory for a conversation");
}

static ts_status open_model(chatter *c)
{
    if (!c->lm.rt.load)
        return ts_error(TS_ERR_USER, "--load is missing");
    TS_TRY(begin_talk(c));
    TS_TRY(ts_lm_begin(&c->lm));
    return ts_lm_need_one(&c->lm, "chat");
}

static ts_status open_rest(chatter *c, const ts_option_set *set)
{
    TS_TRY(ts_lm_gen_config(&c->lm, &c->go, set, &c->config));
    if (!ts_option_given(set, "max-new-tokens")) {
        c->config.max_new_tokens = ANSWER_TOKENS;
        c->config.max_length = 0;
    }
    TS_TRY(ts_lm_chat_open(&c->lm, &c->co, &c->chat));
    TS_TRY(ts_lm_chat_stop(&c->chat, &c->config));
    return ts_lm_check_stop(&c->lm, &c->config);
}

static void close_all(chatter *c)
{
    ts_lm_chat_close(&c->chat);
    json_decref(c->talk);
    ts_ids_deinit(&c->prompt);
    ts_str_deinit(&c->answer);
    ts_lm_end(&c->lm);
}

static ts_status lead(chatter *c, const ts_option_set *set)
{
    TS_TRY(open_rest(c, set));
    if (c->is_terminal)
        ts_log_raw("clear or new forgets what was said; q, quit or exit ends; Ctrl-C ends an answer\n");
    return read_lines(c);
}

static ts_status chat(chatter *c, const ts_option_set *set)
{
    ts_status st = open_model(c);
    if (st == TS_OK)
        st = ts_lm_follows(&c->lm) ? ts_lm_follow(&c->lm) : ts_lm_dismiss(&c->lm, lead(c, set));
    st = ts_device_explain(c->lm.dev, st);
    close_all(c);
    return st;
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_chat = { "chat", "talk with a model", run };

static ts_status run(int argc, char *const *argv)
{
    chatter c = { .is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) };
    const ts_option_table tables[] = {
        { chat_rows, sizeof chat_rows / sizeof *chat_rows, &c.o },
        { ts_lm_chat_option_rows, ts_lm_chat_option_count, &c.co },
        { ts_gen_option_rows, ts_gen_option_count, &c.go },
        { ts_lm_option_rows, ts_lm_option_count, &c.lm.o },
        { ts_lm_cache_rows, ts_lm_cache_count, &c.lm.o },
        { ts_model_group_option_rows, ts_model_group_option_count, &c.lm.cut },
        { ts_text_option_rows, ts_text_option_count, &c.lm.to },
        { ts_runtime_option_rows, ts_runtime_option_count, &c.lm.rt },
    };
    ts_option_set *set;
    bool helped;
    TS_TRY(ts_command_options(&ts_cmd_chat, usage, tables, sizeof tables / sizeof *tables, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_status st = ts_comm_world(&c.lm.world);
    if (st == TS_OK) {
        ts_processes_log((ts_log_level)c.lm.rt.log_level, c.lm.world);
        ts_words_log_notes(set);
        st = chat(&c, set);
        st = ts_processes_end(&c.lm.world, st);
    }
    ts_option_set_destroy(&set);
    return st;
}
