/* tessera data show: what a model is trained on, as tuning reads it. */
#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/show_media.h"
#include "data/instruct/chat_rows.h"
#include "io/jsonl.h"
#include "train/job_options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern const ts_command ts_cmd_data;

typedef struct show_options {
    const char *load, *data_path, *output;
    ts_show_media media;
    int64_t seq_length, samples;
    bool is_instruction, is_pairwise;
    int kind; /* TS_ROWS_* */
} show_options;

#define KINDS(W) W(TS_ROWS_SFT, "sft") W(TS_ROWS_PAIRS, "pairs,dpo,simpo,orpo,rm,orm") W(TS_ROWS_KTO, "kto")
enum { KINDS(TS_CHOICE_ORDER) };
KINDS(TS_CHOICE_CHECK)

#define GROUP "data show"
#define ROW(type, field, name, def, lo, hi, choices, help)                                                         \
    TS_ROW(type, show_options, field, name, def, lo, hi, choices, GROUP, help)
static const ts_option rows[] = {
    ROW(TEXT, load, "load", NULL, 0, 0, NULL, "the model's folder: its tokenizer and its chat template"),
    ROW(TEXT, data_path, "data-path", NULL, 0, 0, NULL,
        "a .json or .jsonl file of conversations, or PREFIX of files PREFIX_packed_KEY_document.bin/.idx"),
    ROW(INT, seq_length, "seq-length", "0", 0, 1 << 26, NULL,
        "tokens of a sample that training would read; what is behind them is shown as cut (0: all are read)"),
    ROW(CHOICE, kind, "kind", "sft", 0, 0, TS_CHOICES(KINDS),
        "what records are read for: sft (answers), pairs (a chosen and a rejected one), kto (answers with a verdict)"),
    ROW(CHOICE, kind, "stage", "sft", 0, 0, TS_CHOICES(KINDS), "as --kind, in posttrain's words: dpo, simpo, orpo and rm read pairs"),
    ROW(FLAG, is_instruction, "is-instruction-dataset", NULL, 0, 0, NULL, "as --kind sft"),
    ROW(FLAG, is_pairwise, "is-pairwise-dataset", NULL, 0, 0, NULL, "as --kind pairs"),
    ROW(INT, samples, "samples", "3", 0, INT32_MAX, NULL, "how many are printed"),
    ROW(TEXT, output, "output", NULL, 0, 0, NULL,
        "JSON lines of all samples: input_ids, labels (-100: not trained) and text"),
    ROW(TEXT, media.media, "media", NULL, 0, 0, NULL, "a picture, a clip or a sound, decoded as every command does it"),
    ROW(TEXT, media.input, "input", NULL, 0, 0, NULL,
        "JSON lines of conversations with pictures, clips and sounds, read as training and generation read them"),
    ROW(TEXT, media.media_dir, "media-dir", NULL, 0, 0, NULL,
        "with --input: the folder that relative paths of media count from (that of the file)"),
    ROW(TEXT, media.tensors, "tensors", NULL, 0, 0, NULL,
        "a safetensors file: with --media of its pixels, frames or samples, with --input of what the model's towers read, LINE.NAME"),
    ROW(FLAG, media.json, "json", NULL, 0, 0, NULL, "with --media: what it is, as one JSON object"),
};

static const char usage[] =
    "usage: tessera data show --load DIR --data-path FILE.jsonl --hf-chat-template [--output OUT.jsonl]\n"
    "       tessera data show --load DIR --input FILE.jsonl [--output OUT.jsonl] [--tensors OUT.safetensors]\n"
    "       tessera data show --media FILE [--tensors OUT.safetensors] [--json]\n\n"
    "Prints samples as training reads them: what is trained is coloured (or in double brackets\n"
    "where there are no colours), what --seq-length cuts off is marked; and counts of all.\n"
    "example: tessera data show --load models/my-model --data-path chats.jsonl --hf-chat-template";

typedef struct shower {
    show_options o;
    ts_chat_options chat;
    ts_text_options text;
    ts_chat_writer writer;
    ts_chat_counts counts;
    ts_rows *rows;
    ts_row row;
    ts_str line, part;
    bool coloured;
} shower;

/* ---- lines of the file ---- */

static ts_status put_numbers(ts_str *line, const char *key, const int32_t *v, int64_t n)
{
    TS_TRY(ts_str_printf(line, "%s\"%s\": [", line->len > 1 ? ", " : "", key));
    for (int64_t i = 0; i < n; i++)
        TS_TRY(ts_str_printf(line, "%s%d", i ? ", " : "", (int)v[i]));
    return ts_str_puts(line, "]");
}

/* The text of the ids at key k, under the key's name with "text" for "input_ids". */
static ts_status put_text(shower *s, int k)
{
    const char *key = s->rows->key[k];
    ts_str_reset(&s->part);
    TS_TRY(ts_tokenizer_decode(s->writer.tok.tok, s->row.v[k], (size_t)s->row.n[k], false, &s->part));
    TS_TRY(ts_str_printf(&s->line, ", \"%.*stext\": ", (int)(strstr(key, "input_ids") - key), key));
    return ts_str_json(&s->line, ts_str_text(&s->part), s->part.len);
}

static ts_status write_sample(shower *s, ts_output *out)
{
    ts_str_reset(&s->line);
    TS_TRY(ts_str_puts(&s->line, "{"));
    for (int k = 0; k < s->rows->n_keys; k++)
        TS_TRY(put_numbers(&s->line, s->rows->key[k], s->row.v[k], s->row.n[k]));
    for (int k = 0; k < s->rows->n_keys; k++)
        if (strstr(s->rows->key[k], "input_ids"))
            TS_TRY(put_text(s, k));
    TS_TRY(ts_str_puts(&s->line, "}"));
    return ts_jsonl_out_line(out, &s->line);
}

/* ---- what people read ---- */

/* How a token is shown. */
typedef enum state { PLAIN, TRAINED, CUT } state;

static state state_of(const shower *s, int k, int64_t t)
{
    if (s->o.seq_length && t >= s->o.seq_length)
        return CUT;
    return t && s->row.v[k + 1][t] != TS_ROW_NO_LABEL ? TRAINED : PLAIN;
}

static ts_status put_stretch(shower *s, state how, const int32_t *ids, int64_t n)
{
    static const char *const colour[][2] = { { "", "" }, { "\033[32m", "\033[0m" }, { "\033[9;31m", "\033[0m" } },
                             *const sign[][2] = { { "", "" },
                                                  { "\xE2\x9F\xA6", "\xE2\x9F\xA7" },
                                                  { "\n[cut:] ", "" } };
    const char *const *around = s->coloured ? colour[how] : sign[how];
    TS_TRY(ts_str_puts(&s->line, around[0]));
    TS_TRY(ts_tokenizer_decode(s->writer.tok.tok, ids, (size_t)n, false, &s->line));
    return ts_str_puts(&s->line, around[1]);
}

static ts_status print_sequence(shower *s, int64_t i, int k)
{
    const int64_t n = s->row.n[k];
    int64_t trained = 0, cut = 0;
    for (int64_t t = 0; t < n; t++) {
        trained += state_of(s, k, t) == TRAINED;
        cut += state_of(s, k, t) == CUT;
    }
    ts_str_reset(&s->line);
    for (int64_t t = 0, from = 0; t < n; from = t) {
        const state how = state_of(s, k, from);
        while (t < n && state_of(s, k, t) == how)
            t++;
        TS_TRY(put_stretch(s, how, s->row.v[k] + from, t - from));
    }
    printf("--- sample %lld, %s: %lld tokens, %lld trained, %lld cut\n%s\n", (long long)i + 1, s->rows->key[k],
           (long long)n, (long long)trained, (long long)cut, ts_str_text(&s->line));
    return TS_OK;
}

static ts_status print_sample(shower *s, int64_t i)
{
    for (int k = 0; k < s->rows->n_keys; k++)
        if (strstr(s->rows->key[k], "input_ids"))
            TS_TRY(print_sequence(s, i, k));
    if (s->o.kind == TS_ROWS_KTO)
        printf("verdict: %s\n", s->row.v[TS_KTO_TAGS][0] ? "desirable" : "undesirable");
    return TS_OK;
}

static void print_counts(const ts_chat_counts *c)
{
    printf("=== %lld records, %lld samples: %lld tokens, %lld trained (%.1f %%)\n", (long long)c->records,
           (long long)c->samples, (long long)c->tokens, (long long)c->trained,
           100 * (double)c->trained / (double)(c->tokens ? c->tokens : 1));
    if (c->packs)
        printf("=== packed into %lld rows\n", (long long)c->packs);
    if (c->cut)
        printf("=== %lld samples are longer than --seq-length: %lld tokens are cut\n", (long long)c->cut,
               (long long)c->cut_tokens);
    if (c->untrained)
        printf("=== %lld samples have no token to train on\n", (long long)c->untrained);
}

/* ---- the command ---- */

static ts_status show_samples(shower *s, ts_output *out)
{
    const bool writes = s->o.output != NULL, is_stdout = writes && !strcmp(s->o.output, "-");
    const int64_t n = s->rows->n, printed = is_stdout ? 0 : s->o.samples < n ? s->o.samples : n;
    s->coloured = isatty(STDOUT_FILENO);
    for (int64_t i = 0; i < (writes ? n : printed); i++) {
        TS_TRY(s->rows->read(s->rows, i, &s->row));
        if (writes)
            TS_TRY(write_sample(s, out));
        if (i < printed)
            TS_TRY(print_sample(s, i));
    }
    if (!is_stdout)
        print_counts(&s->counts);
    return TS_OK;
}

static ts_status open_chats(shower *s)
{
    const bool is_entry = s->chat.dataset.n > 0;
    TS_TRY(ts_chat_writer_open(&s->chat, s->o.load, &s->text, &s->writer));
    const ts_chat_need need = { .path = is_entry ? s->chat.dataset.v[0] : s->o.data_path,
                                .is_entry = is_entry,
                                .writer = &s->writer,
                                .kind = (ts_rows_kind)s->o.kind,
                                .seq_length = s->o.seq_length,
                                .speaks = true };
    return ts_chat_rows_open(&s->chat, &need, &s->counts, &s->rows);
}

/* What there is in rows of files. */
static ts_status count_rows(shower *s)
{
    ts_chat_counts *c = &s->counts;
    c->records = c->samples = s->rows->n;
    for (int64_t i = 0; i < s->rows->n; i++) {
        const int64_t cut = c->cut_tokens, trained = c->trained;
        TS_TRY(s->rows->read(s->rows, i, &s->row));
        for (int k = 0; k < 2 * ts_rows_each((ts_rows_kind)s->o.kind); k += 2)
            for (int64_t t = 0; t < s->row.n[k]; t++) {
                const state how = state_of(s, k, t);
                c->cut_tokens += how == CUT;
                c->tokens += how != CUT;
                c->trained += how == TRAINED;
            }
        c->cut += c->cut_tokens > cut;
        c->untrained += c->trained == trained;
    }
    return TS_OK;
}

/* Files of `preprocess`. */
static ts_status open_files(shower *s)
{
    ts_str mask = { 0 };
    /* a template may have given the tokenizer ids (stop words) that are in the files */
    TS_TRY(s->chat.style.prompt.type ? ts_chat_writer_open(&s->chat, s->o.load, &s->text, &s->writer)
                               : ts_chat_tokenizer_open(s->o.load, &s->text, &s->writer.tok));
    ts_status st = ts_str_printf(&mask, "%s_packed_attention_mask_document.idx", s->o.data_path);
    const bool has_mask = st == TS_OK && s->o.kind == TS_ROWS_SFT && ts_path_exists(mask.s);
    ts_str_deinit(&mask);
    if (st == TS_OK)
        st = ts_packed_rows_open(s->o.data_path, (ts_rows_kind)s->o.kind, has_mask,
                                 ts_tokenizer_vocab_size(s->writer.tok.tok), &s->rows);
    return st == TS_OK ? count_rows(s) : st;
}

static ts_status open_rows(shower *s)
{
    return s->chat.dataset.n || ts_chat_rows_is_path(s->o.data_path) ? open_chats(s) : open_files(s);
}

/* Of one file there is nothing to read but the file. */
static ts_status check_media(const show_options *o, const ts_chat_options *chat)
{
    if (o->load || o->data_path || o->output || chat->dataset.n || o->media.input || o->media.media_dir)
        return ts_error(TS_ERR_USER, "--media shows one file as it is decoded; leave --load, --data-path, --dataset, --input, "
                                     "--media-dir and --output out");
    return TS_OK;
}

static ts_status check(show_options *o, const ts_chat_options *chat)
{
    if (o->media.json)
        return ts_error(TS_ERR_USER, "--json goes with --media FILE");
    if ((o->media.tensors || o->media.media_dir) && !o->media.input)
        return ts_error(TS_ERR_USER, "%s goes with --input FILE", o->media.tensors ? "--tensors" : "--media-dir");
    if (o->media.input && (o->data_path || chat->dataset.n))
        return ts_error(TS_ERR_USER, "--input and %s: one at a time is shown", o->data_path ? "--data-path" : "--dataset");
    if (!o->load)
        return ts_error(TS_ERR_USER, "--load is missing: the model's folder");
    if (!o->data_path && !chat->dataset.n && !o->media.input)
        return ts_error(TS_ERR_USER,
                        "--data-path is missing: a .json or .jsonl file of conversations, or a prefix");
    if (chat->dataset.n > 1 || (chat->dataset.n && o->data_path))
        return ts_error(TS_ERR_USER, "--dataset, --data-path: one at a time is shown");
    if (o->is_instruction && o->is_pairwise)
        return ts_error(TS_ERR_USER, "--is-instruction-dataset and --is-pairwise-dataset contradict each other");
    if (o->is_pairwise && o->kind == TS_ROWS_SFT)
        o->kind = TS_ROWS_PAIRS;
    return o->output ? ts_output_check("--output", o->output) : TS_OK;
}

static ts_status show(shower *s)
{
    ts_output out = { 0 };
    if (s->o.media.media) {
        TS_TRY(check_media(&s->o, &s->chat));
        return ts_show_media_file(&s->o.media);
    }
    ts_status st = check(&s->o, &s->chat);
    if (st == TS_OK && s->o.media.input)
        return ts_show_media_lines(&s->o.media, s->o.load, s->chat.style.template_now, s->o.output);
    if (st == TS_OK)
        st = open_rows(s);
    if (st == TS_OK && s->o.output)
        st = ts_jsonl_out_open(s->o.output, &out);
    if (st == TS_OK)
        st = show_samples(s, &out);
    if (st == TS_OK && s->o.output)
        st = ts_output_finish(&out);
    ts_output_abandon(&out);
    if (s->rows)
        s->rows->destroy(s->rows);
    ts_row_deinit(&s->row);
    ts_str_deinit(&s->line);
    ts_str_deinit(&s->part);
    ts_chat_writer_close(&s->writer);
    return st;
}

/* ---- options of a run, which say nothing of its data ---- */

static bool has_name(const ts_option_table *t, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t[i].n; k++)
            if (!strcmp(t[i].rows[k].name, name))
                return true;
    return false;
}

static ts_option idle_row(const ts_option *r)
{
    const bool many = r->type == TS_OPTION_LIST || r->type == TS_OPTION_EACH;
    const bool mute = r->type == TS_OPTION_NOTE || r->type == TS_OPTION_LATER;
    ts_option row = TS_NOTE(r->name, 1, GROUP, "of training");
    row.lo = mute ? r->lo : many ? TS_OPTION_MANY : r->type == TS_OPTION_FLAG || r->type == TS_OPTION_NOFLAG ? 0 : 1;
    return row;
}

/* So that the command and the file of a run are understood here too: its options that these tables do not have, as ones
 * without effect. *out is the caller's. */
static ts_status make_idle(const ts_option_table *own, size_t n_own, ts_option **out, size_t *n)
{
    ts_job_options o;
    ts_option_table t[TS_JOB_TABLES];
    size_t all = 0;
    ts_job_tables(&o, t);
    for (size_t i = 0; i < TS_JOB_TABLES; i++)
        all += t[i].n;
    TS_TRY(ts_alloc(out, all, sizeof **out));
    for (size_t i = 0; i < TS_JOB_TABLES; i++)
        for (size_t k = 0; k < t[i].n; k++) {
            const ts_option *r = &t[i].rows[k];
            const ts_option_table so_far = { *out, *n, NULL };
            if (r->type != TS_OPTION_HINT && !strchr(r->name, '.') && !has_name(own, n_own, r->name) && !has_name(&so_far, 1, r->name))
                (*out)[(*n)++] = idle_row(r);
        }
    return TS_OK;
}

/* They are many and not this command's: its help goes without. */
static bool asks_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "--help", 6) || !strcmp(argv[i], "-h"))
            return true;
    return false;
}

static ts_status run(int argc, char *const *argv)
{
    shower s = { 0 };
    ts_option *idle = NULL;
    ts_option_table tables[] = {
        { rows, sizeof rows / sizeof *rows, &s.o },
        { ts_chat_option_rows, ts_chat_option_count, &s.chat },
        { ts_text_option_rows, ts_text_option_count, &s.text },
        { NULL, 0, NULL },
    };
    enum { OWN = sizeof tables / sizeof *tables - 1 };
    const int words = ts_command_words(argc, argv);
    ts_option_set *set = NULL;
    bool helped = false;
    if (words && (words > 1 || strcmp(argv[0], "show") != 0))
        return ts_error(TS_ERR_USER, "tessera data: there is no %s; expected show",
                        argv[strcmp(argv[0], "show") ? 0 : 1]);
    ts_status st = asks_help(argc, argv) ? TS_OK : make_idle(tables, OWN, &idle, &tables[OWN].n);
    tables[OWN].rows = idle;
    if (st == TS_OK)
        st = ts_command_options(&ts_cmd_data, usage, tables, idle ? OWN + 1 : OWN, argc - words, argv + words, &set, &helped);
    if (st == TS_OK && !helped)
        st = words ? show(&s) : ts_error(TS_ERR_USER, "tessera data: what to do is missing; expected show");
    ts_option_set_destroy(&set);
    ts_free(&idle);
    return st;
}

const ts_command ts_cmd_data = { "data", "look into the data that a model is tuned on: show", run };
