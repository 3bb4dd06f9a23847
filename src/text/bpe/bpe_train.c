#include "text/bpe/bpe_train.h"

#include "base/arena.h"
#include "base/thread.h"
#include "text/bpe/bpe_learn.h"
#include "text/pretoken/scan.h"
#include "text/vocab.h"

#include <stdio.h>
#include <string.h>

/* A different word of the text, and how often it occurs. */
typedef struct word {
    int64_t count;
    const unsigned char *text;
    size_t len;
} word;

/* What one thread has counted. */
typedef struct counter {
    ts_arena arena;
    word *words;
    size_t n_words, cap_words;
    uint64_t *slot; /* upper half of the hash << 32 | word + 1; 0: free */
    size_t slots;
    ts_status status;
    char why[256];
} counter;

struct ts_bpe_trainer {
    ts_unicode *unicode;
    ts_pool *pool;
    counter *counters; /* [n_counters], a thread each */
    int n_counters;
    /* result */
    size_t n_special;
    int32_t *merge; /* [n_merges][2] */
    size_t n_merges, cap_merges;
    ts_vocab vocab; /* special tokens, bytes, merges; texts in the byte-level alphabet */
    ts_str text;
    int32_t byte_id[256];
    int64_t vocab_size;
    void (*progress)(void *ctx, int64_t tokens);
    void *ctx;
};

/* Ids of bytes go by their characters. */
static void make_alphabet(ts_bpe_trainer *t)
{
    for (int b = 0; b < 256; b++) {
        int32_t lower = 0;
        for (int o = 0; o < 256; o++)
            lower += ts_byte_to_char((unsigned char)o) < ts_byte_to_char((unsigned char)b);
        t->byte_id[b] = lower;
    }
}

ts_status ts_bpe_trainer_create(ts_bpe_trainer **out)
{
    ts_bpe_trainer *t;
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    make_alphabet(t);
    t->n_counters = ts_cpu_count();
    ts_status st = ts_unicode_create(&t->unicode);
    if (st == TS_OK)
        st = ts_pool_create(t->n_counters, &t->pool);
    if (st == TS_OK)
        st = ts_alloc(&t->counters, (size_t)t->n_counters, sizeof *t->counters);
    if (st != TS_OK)
        ts_bpe_trainer_destroy(&t);
    else
        *out = t;
    return st;
}

static void drop_counters(ts_bpe_trainer *t)
{
    for (int i = 0; t->counters && i < t->n_counters; i++) {
        ts_arena_deinit(&t->counters[i].arena);
        ts_free(&t->counters[i].words);
        ts_free(&t->counters[i].slot);
    }
    ts_free(&t->counters);
}

void ts_bpe_trainer_destroy(ts_bpe_trainer **trainer)
{
    ts_bpe_trainer *t = *trainer;
    if (!t)
        return;
    drop_counters(t);
    ts_pool_destroy(&t->pool);
    ts_unicode_destroy(&t->unicode);
    ts_free(&t->merge);
    ts_vocab_deinit(&t->vocab);
    ts_str_deinit(&t->text);
    ts_free(trainer);
}

/* ---- counting words ---- */

static ts_status more_slots(counter *c)
{
    const size_t slots = c->slots ? 2 * c->slots : 1 << 14;
    uint64_t *slot = NULL;
    TS_TRY(ts_alloc_large(&slot, slots, sizeof *slot));
    for (size_t i = 0; i < c->slots; i++) {
        if (!c->slot[i])
            continue;
        const word *w = &c->words[(uint32_t)c->slot[i] - 1];
        size_t at = ts_hash_bytes((const char *)w->text, w->len) & (slots - 1);
        while (slot[at])
            at = (at + 1) & (slots - 1);
        slot[at] = c->slot[i];
    }
    ts_free(&c->slot);
    c->slot = slot;
    c->slots = slots;
    return TS_OK;
}

/* `count` more of the word s[0..n). keep: its bytes stay where they are. */
static ts_status add_word(counter *c, const unsigned char *s, size_t n, int64_t count, bool keep)
{
    if (2 * (c->n_words + 1) > c->slots)
        TS_TRY(more_slots(c));
    const uint64_t hash = ts_hash_bytes((const char *)s, n);
    size_t at = hash & (c->slots - 1);
    for (; c->slot[at]; at = (at + 1) & (c->slots - 1)) {
        if (c->slot[at] >> 32 != hash >> 32)
            continue;
        word *w = &c->words[(uint32_t)c->slot[at] - 1];
        if (w->len == n && !memcmp(w->text, s, n)) {
            w->count += count;
            return TS_OK;
        }
    }
    if (c->n_words >= UINT32_MAX - 1)
        return ts_error(TS_ERR_USER, "too many different words to learn from");
    TS_TRY(ts_grow(&c->words, &c->cap_words, c->n_words + 1, sizeof *c->words));
    if (!keep) {
        unsigned char *copy;
        TS_TRY(ts_arena_alloc(&c->arena, n, &copy));
        memcpy(copy, s, n);
        s = copy;
    }
    c->words[c->n_words++] = (word){ .count = count, .text = s, .len = n };
    c->slot[at] = hash >> 32 << 32 | c->n_words;
    return TS_OK;
}

typedef struct feed {
    ts_bpe_trainer *t;
    ts_scan_fn *scan;
    const ts_bpe_text *texts;
} feed;

static ts_status count_text(const feed *f, counter *c, const ts_bpe_text *text)
{
    const unsigned char *p = (const unsigned char *)text->s, *stop = p + text->n;
    for (size_t len; p < stop; p += len) {
        len = f->scan(f->t->unicode, p, stop);
        TS_TRY(add_word(c, p, len, 1, false));
    }
    return TS_OK;
}

static void count_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const feed *f = ctx;
    counter *c = &f->t->counters[thread];
    for (int64_t i = begin; i < end && c->status == TS_OK; i++) {
        c->status = count_text(f, c, &f->texts[i]);
        if (c->status != TS_OK)
            snprintf(c->why, sizeof c->why, "%s", ts_error_message());
    }
}

ts_status ts_bpe_trainer_feed(ts_bpe_trainer *t, const ts_bpe_text *texts, size_t n)
{
    feed f = { t, ts_scan_find(ts_scan_gpt2_pattern), texts };
    const int64_t shares = 16 * (int64_t)t->n_counters;
    ts_pool_run(t->pool, (int64_t)n, (int64_t)n / shares + 1, count_share, &f);
    for (int i = 0; i < t->n_counters; i++)
        if (t->counters[i].status != TS_OK)
            return ts_error(t->counters[i].status, "%s", t->counters[i].why);
    return TS_OK;
}

/* ---- learning ---- */

/* All threads' words in the first counter, then as symbols. */
static ts_status gather(ts_bpe_trainer *t, ts_bpe_words *words)
{
    counter *c = &t->counters[0];
    for (int k = 1; k < t->n_counters; k++)
        for (size_t i = 0; i < t->counters[k].n_words; i++) {
            const word *w = &t->counters[k].words[i];
            TS_TRY(add_word(c, w->text, w->len, w->count, true));
        }
    for (size_t i = 0; i < c->n_words; i++) {
        const word *w = &c->words[i];
        int32_t *sym;
        TS_TRY(ts_bpe_words_add(words, w->count, w->len, &sym));
        for (size_t k = 0; k < w->len; k++)
            sym[k] = (int32_t)t->n_special + t->byte_id[w->text[k]];
    }
    drop_counters(t);
    return TS_OK;
}

int64_t ts_bpe_trainer_tokens(const ts_bpe_trainer *t) { return (int64_t)t->vocab.n_ids; }

static ts_status first_token(ts_bpe_trainer *t, const char *s, size_t n, int64_t id)
{
    if (ts_vocab_find(&t->vocab, s, n) >= 0)
        return ts_error(TS_ERR_USER,
                        "--special-tokens: '%.*s' is given twice, or is the name of a byte",
                        (int)(n < 60 ? n : 60), s);
    return ts_vocab_add(&t->vocab, s, n, id);
}

static ts_status first_tokens(ts_bpe_trainer *t, const char *const *special, size_t n)
{
    for (size_t i = 0; i < n; i++)
        TS_TRY(first_token(t, special[i], strlen(special[i]), (int64_t)i));
    for (int b = 0; b < 256; b++) {
        char c[4];
        const size_t len = (size_t)ts_utf8_encode(ts_byte_to_char((unsigned char)b), c);
        TS_TRY(first_token(t, c, len, (int64_t)n + t->byte_id[b]));
    }
    return TS_OK;
}

/* Two ways to the same text are one token. */
static ts_status join(void *ctx, int32_t left, int32_t right, int32_t *made, bool *stop)
{
    ts_bpe_trainer *t = ctx;
    ts_str_reset(&t->text);
    for (int i = 0; i < 2; i++) {
        size_t n;
        const char *s = ts_vocab_text(&t->vocab, i ? right : left, &n);
        TS_TRY(ts_str_add(&t->text, s, n));
    }
    TS_TRY(ts_grow(&t->merge, &t->cap_merges, t->n_merges + 1, 2 * sizeof *t->merge));
    t->merge[2 * t->n_merges] = left;
    t->merge[2 * t->n_merges++ + 1] = right;
    *made = ts_vocab_find(&t->vocab, t->text.s, t->text.len);
    if (*made < 0) {
        *made = (int32_t)ts_bpe_trainer_tokens(t);
        TS_TRY(ts_vocab_add(&t->vocab, t->text.s, t->text.len, *made));
    }
    *stop = ts_bpe_trainer_tokens(t) >= t->vocab_size;
    if (t->progress && t->n_merges % 256 == 0)
        t->progress(t->ctx, ts_bpe_trainer_tokens(t));
    return TS_OK;
}

ts_status ts_bpe_trainer_run(ts_bpe_trainer *t, int64_t vocab_size, int64_t min_frequency,
                             const char *const *special, size_t n_special,
                             void (*progress)(void *ctx, int64_t tokens), void *ctx)
{
    ts_bpe_words words = { 0 };
    t->n_special = n_special;
    t->vocab_size = vocab_size;
    t->progress = progress;
    t->ctx = ctx;
    if (vocab_size < (int64_t)n_special + 256)
        return ts_error(TS_ERR_USER,
                        "--vocab-size %lld is less than the 256 bytes and %zu special tokens",
                        (long long)vocab_size, n_special);
    TS_TRY(first_tokens(t, special, n_special));
    ts_status st = gather(t, &words);
    if (st == TS_OK && ts_bpe_trainer_tokens(t) < vocab_size)
        st = ts_bpe_learn(&words, min_frequency, join, t);
    ts_free(&words.cell);
    return st;
}

/* ---- result ---- */

static ts_status json_token(const ts_bpe_trainer *t, int32_t id, ts_str *out)
{
    size_t n;
    const char *s = ts_vocab_text(&t->vocab, id, &n);
    return ts_str_json(out, s, n);
}

ts_status ts_bpe_trainer_json(const ts_bpe_trainer *t, ts_str *out)
{
    static const char middle[] =
        "\n  ],\n  \"normalizer\": null,\n"
        "  \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
        "\"use_regex\": true},\n"
        "  \"post_processor\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
        "\"use_regex\": true},\n"
        "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, "
        "\"use_regex\": true},\n"
        "  \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
        "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false, "
        "\"byte_fallback\": false, \"ignore_merges\": false, \"vocab\": {";
    TS_TRY(ts_str_puts(out,
                       "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n"
                       "  \"added_tokens\": ["));
    for (size_t i = 0; i < t->n_special; i++) {
        TS_TRY(ts_str_printf(out, "%s\n    {\"id\": %zu, \"content\": ", i ? "," : "", i));
        TS_TRY(json_token(t, (int32_t)i, out));
        TS_TRY(ts_str_puts(out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                                "\"normalized\": false, \"special\": true}"));
    }
    TS_TRY(ts_str_puts(out, middle));
    for (int32_t i = 0; i < (int32_t)ts_bpe_trainer_tokens(t); i++) {
        TS_TRY(ts_str_puts(out, i ? ",\n    " : "\n    "));
        TS_TRY(json_token(t, i, out));
        TS_TRY(ts_str_printf(out, ": %d", i));
    }
    TS_TRY(ts_str_puts(out, "\n  }, \"merges\": ["));
    for (size_t i = 0; i < t->n_merges; i++) {
        TS_TRY(ts_str_puts(out, i ? ",\n    [" : "\n    ["));
        TS_TRY(json_token(t, t->merge[2 * i], out));
        TS_TRY(ts_str_puts(out, ", "));
        TS_TRY(json_token(t, t->merge[2 * i + 1], out));
        TS_TRY(ts_str_puts(out, "]"));
    }
    return ts_str_puts(out, "\n  ]}\n}\n");
}
