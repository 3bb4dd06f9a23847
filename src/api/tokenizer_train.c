#include "api/preprocess_run.h"
#include "api/words.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/output.h"
#include "base/thread.h"
#include "io/json_fields.h"
#include "tessera/tokenizer.h"
#include "text/bpe/bpe_train.h"

#include <string.h>

#define ROW(type, field, name, def, lo, hi, help)                                                  \
    TS_ROW(type, ts_tokenizer_train_options, field, name, def, lo, hi, NULL, "tokenizer", help)
const ts_option ts_tokenizer_train_rows[] = {
    TS_FEED_ROWS(ts_tokenizer_train_options, feed, "tokenizer"),
    ROW(TEXT, output, "output", NULL, 0, 0, "folder for tokenizer.json and tokenizer_config.json"),
    ROW(INT, vocab_size, "vocab-size", "32000", 257, 1 << 24, "tokens in all"),
    ROW(INT, min_frequency, "min-frequency", "2", 1, 1e15, "a pair that is rarer is not merged"),
    ROW(LIST, special, "special-tokens", "<|endoftext|>", 0, 0,
        "special tokens; the first one ends documents"),
};
const size_t ts_tokenizer_train_count =
    sizeof ts_tokenizer_train_rows / sizeof *ts_tokenizer_train_rows;

static void show(void *ctx, int64_t tokens)
{
    const double *began = ctx;
    if (ts_log_is_terminal())
        ts_log_raw("\r%lld tokens, %.1f s ", (long long)tokens, ts_now() - *began);
}

/* ---- reading ---- */

typedef struct learner {
    const ts_tokenizer_train_options *o;
    ts_bpe_trainer *t;
    ts_textfeed *feed;
    ts_text_batch batch;
    ts_json_fields fields;
    ts_arena arena; /* texts of records */
    ts_bpe_text *texts;
    size_t n, cap;
    bool has_text; /* other than white space */
    int64_t records;
    ts_bad_records bad;
    double bytes, began, said;
} learner;

/* A field is there until the next record is read, a copy until the next batch. */
static ts_status copy_text(learner *l, const ts_json_field *f, ts_bpe_text *out)
{
    char *copy;
    TS_TRY(ts_arena_alloc(&l->arena, f->n + !f->n, &copy));
    memcpy(copy, f->s, f->n);
    *out = (ts_bpe_text){ copy, f->n };
    return TS_OK;
}

/* Text i of the batch, or its texts, to l->texts. */
static ts_status take_document(learner *l, size_t i)
{
    const ts_text_batch *b = &l->batch;
    const ts_option_list *keys = &l->o->feed.json_keys;
    const char *s = b->text.s + b->spans[i].at;
    const size_t n = b->spans[i].n, n_texts = b->is_json ? (size_t)keys->n : 1;
    if (!b->is_json)
        TS_TRY(ts_text_batch_check(b, i));
    else
        TS_TRY(ts_json_texts_read(&l->fields, s, n, keys->v, n_texts, "--json-keys"));
    TS_TRY(ts_grow(&l->texts, &l->cap, l->n + n_texts, sizeof *l->texts));
    for (size_t k = 0; k < n_texts; k++) {
        ts_bpe_text t = { s, n };
        if (b->is_json)
            TS_TRY(copy_text(l, &l->fields.v[k], &t));
        for (size_t at = 0; at < t.n && !l->has_text; at++)
            l->has_text = (unsigned char)t.s[at] > ' ';
        l->texts[l->n++] = t;
    }
    l->records++;
    return TS_OK;
}

static ts_status take_batch(learner *l)
{
    ts_arena_reset(&l->arena);
    l->n = 0;
    for (size_t i = 0; i < l->batch.n; i++) {
        ts_status st = take_document(l, i);
        if (st != TS_OK)
            st = ts_text_batch_error(&l->batch, i, st);
        if (st == TS_ERR_USER && l->o->feed.on_bad_record == TS_BAD_RECORD_SKIP)
            ts_bad_records_add(&l->bad, ts_error_message());
        else
            TS_TRY(st);
    }
    return ts_bpe_trainer_feed(l->t, l->texts, l->n);
}

static void say_read(learner *l)
{
    const double now = ts_now();
    if (!ts_log_is_terminal() || now - l->said < 0.2)
        return;
    l->said = now;
    ts_log_raw("\r%lld records, %.1f MB read, %.1f s ", (long long)l->records, l->bytes / 1e6,
               now - l->began);
}

static ts_status read_all(learner *l)
{
    ts_feed_options o = l->o->feed;
    o.any_name = true;
    o.whole_lines = true;
    o.piece = (size_t)ts_cpu_count() << 20; /* some for each thread */
    TS_TRY(ts_textfeed_create(&o, &l->feed));
    for (;;) {
        TS_TRY(ts_textfeed_next(l->feed, &l->batch));
        if (!l->batch.n)
            break;
        l->bytes += (double)l->batch.bytes;
        TS_TRY(take_batch(l));
        say_read(l);
    }
    ts_bad_records_say(&l->bad, l->records);
    return l->has_text ? TS_OK
                       : ts_error(TS_ERR_USER, "--input %s%s: there is no text to learn from",
                                  o.input.v[0], o.input.n > 1 ? " and others" : "");
}

static void drop_learner(learner *l)
{
    ts_bpe_trainer_destroy(&l->t);
    ts_textfeed_destroy(&l->feed);
    ts_text_batch_deinit(&l->batch);
    ts_json_fields_deinit(&l->fields);
    ts_arena_deinit(&l->arena);
    ts_free(&l->texts);
}

/* ---- the result ---- */

static ts_status write_folder(const ts_bpe_trainer *t, const ts_tokenizer_train_options *o)
{
    ts_str text = { 0 }, path = { 0 };
    ts_status st = ts_mkdirs(o->output);
    if (st == TS_OK)
        st = ts_bpe_trainer_json(t, &text);
    if (st == TS_OK && (st = ts_path_join(&path, o->output, "tokenizer.json")) == TS_OK)
        st = ts_file_write_atomic(path.s, text.s, text.len);
    ts_str_reset(&text);
    if (st == TS_OK)
        st = ts_str_puts(&text, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\"");
    for (const char *const *role = (const char *const[]){ "bos_token", "eos_token", NULL };
         *role && o->special.n; role++) {
        if (st == TS_OK)
            st = ts_str_printf(&text, ",\n  \"%s\": ", *role);
        if (st == TS_OK)
            st = ts_str_json(&text, o->special.v[0], strlen(o->special.v[0]));
    }
    if (st == TS_OK)
        st = ts_str_puts(&text, "\n}\n");
    if (st == TS_OK && (st = ts_path_join(&path, o->output, "tokenizer_config.json")) == TS_OK)
        st = ts_file_write_atomic(path.s, text.s, text.len);
    ts_str_deinit(&text);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_tokenizer_train_run(const ts_tokenizer_train_options *o)
{
    learner l = { .o = o, .began = ts_now() };
    if (!o->output)
        return ts_error(TS_ERR_USER, "--output is missing");
    ts_status st = ts_bpe_trainer_create(&l.t);
    if (st == TS_OK)
        st = read_all(&l);
    if (st == TS_OK)
        st = ts_bpe_trainer_run(l.t, o->vocab_size, o->min_frequency, o->special.v,
                                (size_t)o->special.n, show, &l.began);
    if (st == TS_OK)
        st = write_folder(l.t, o);
    if (st == TS_OK)
        ts_log(TS_LOG_INFO, "%s%lld tokens from %.1f MB in %.1f s: %s/tokenizer.json",
               ts_log_is_terminal() ? "\r" : "", (long long)ts_bpe_trainer_tokens(l.t),
               l.bytes / 1e6, ts_now() - l.began, o->output);
    drop_learner(&l);
    return st;
}

ts_status ts_tokenizer_train(const char *const *options, size_t n)
{
    ts_tokenizer_train_options o = { 0 };
    const ts_option_table table = { ts_tokenizer_train_rows, ts_tokenizer_train_count, &o };
    ts_option_set *set;
    TS_TRY(ts_words_parse(&table, 1, options, n, &set));
    const ts_status st = ts_tokenizer_train_run(&o);
    ts_option_set_destroy(&set);
    return st;
}
