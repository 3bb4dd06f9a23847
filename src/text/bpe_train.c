#include "text/bpe_train.h"

#include "base/arena.h"
#include "text/scan.h"

#include <string.h>

/* A different word of the text: its symbols and how often it occurs. */
typedef struct word {
    int32_t *sym;
    int32_t n;
    int64_t count;
    const unsigned char *text;
    size_t len;
} word;

/* Two neighbouring symbols: how often, and in which words (some may no longer have it). */
typedef struct pair {
    int32_t a, b;
    int64_t count;
    int32_t *words;
    size_t n, cap;
} pair;

typedef struct entry {
    int64_t count;
    int32_t a, b;
    int32_t pair;
} entry;

typedef struct table {
    int32_t *slot; /* index + 1, 0: free */
    size_t size, used;
} table;

struct ts_bpe_trainer {
    ts_unicode *unicode;
    ts_arena arena;
    word *words;
    size_t n_words, cap_words;
    table by_text;
    pair *pairs;
    size_t n_pairs, cap_pairs;
    table by_pair;
    entry *heap;
    size_t n_heap, cap_heap;
    /* result */
    const char *const *special;
    size_t n_special;
    int32_t *merge; /* [n_merges][2] */
    size_t n_merges, cap_merges;
    int32_t byte_id[256];
    uint32_t byte_char[256];
};

/* ---- byte-level alphabet ---- */

static bool keeps_itself(int b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

/* Bytes that are no printable character stand as U+0100 and on; ids go by the character. */
static void make_alphabet(ts_bpe_trainer *t)
{
    uint32_t next = 0x100;
    for (int b = 0; b < 256; b++)
        t->byte_char[b] = keeps_itself(b) ? (uint32_t)b : next++;
    for (int b = 0; b < 256; b++) {
        int32_t lower = 0;
        for (int o = 0; o < 256; o++)
            lower += t->byte_char[o] < t->byte_char[b];
        t->byte_id[b] = lower;
    }
}

ts_status ts_bpe_trainer_create(ts_bpe_trainer **out)
{
    ts_bpe_trainer *t;
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    make_alphabet(t);
    const ts_status st = ts_unicode_create(&t->unicode);
    if (st != TS_OK)
        ts_bpe_trainer_destroy(&t);
    else
        *out = t;
    return st;
}

void ts_bpe_trainer_destroy(ts_bpe_trainer **trainer)
{
    ts_bpe_trainer *t = *trainer;
    if (!t)
        return;
    for (size_t i = 0; i < t->n_pairs; i++)
        ts_free(&t->pairs[i].words);
    ts_unicode_destroy(&t->unicode);
    ts_arena_deinit(&t->arena);
    ts_free(&t->words);
    ts_free(&t->by_text.slot);
    ts_free(&t->pairs);
    ts_free(&t->by_pair.slot);
    ts_free(&t->heap);
    ts_free(&t->merge);
    ts_free(trainer);
}

/* ---- tables ---- */

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static uint64_t hash_text(const unsigned char *s, size_t n)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ s[i]) * 1099511628211u;
    return mix(h);
}

static uint64_t hash_pair(int32_t a, int32_t b)
{
    return mix((uint64_t)(uint32_t)a << 32 | (uint32_t)b);
}

/* Room for one more: the table is at most half full. hash_of gives the hash of element i. */
static ts_status make_room(table *h, const ts_bpe_trainer *t,
                           uint64_t (*hash_of)(const ts_bpe_trainer *, size_t))
{
    if (h->used * 2 + 2 <= h->size)
        return TS_OK;
    table bigger = { .size = h->size ? h->size * 2 : 1024, .used = h->used };
    TS_TRY(ts_alloc(&bigger.slot, bigger.size, sizeof *bigger.slot));
    for (size_t i = 0; i < h->size; i++) {
        if (!h->slot[i])
            continue;
        size_t at = hash_of(t, (size_t)h->slot[i] - 1) & (bigger.size - 1);
        while (bigger.slot[at])
            at = (at + 1) & (bigger.size - 1);
        bigger.slot[at] = h->slot[i];
    }
    ts_free(&h->slot);
    *h = bigger;
    return TS_OK;
}

static uint64_t word_hash(const ts_bpe_trainer *t, size_t i)
{
    return hash_text(t->words[i].text, t->words[i].len);
}
static uint64_t pair_hash(const ts_bpe_trainer *t, size_t i)
{
    return hash_pair(t->pairs[i].a, t->pairs[i].b);
}

/* ---- counting words ---- */

static ts_status add_word(ts_bpe_trainer *t, const unsigned char *s, size_t n)
{
    TS_TRY(make_room(&t->by_text, t, word_hash));
    size_t at = hash_text(s, n) & (t->by_text.size - 1);
    for (; t->by_text.slot[at]; at = (at + 1) & (t->by_text.size - 1)) {
        word *w = &t->words[t->by_text.slot[at] - 1];
        if (w->len == n && !memcmp(w->text, s, n)) {
            w->count++;
            return TS_OK;
        }
    }
    unsigned char *copy;
    TS_TRY(ts_grow(&t->words, &t->cap_words, t->n_words + 1, sizeof *t->words));
    TS_TRY(ts_arena_alloc(&t->arena, n, &copy));
    memcpy(copy, s, n);
    t->words[t->n_words++] = (word){ .count = 1, .text = copy, .len = n };
    t->by_text.slot[at] = (int32_t)t->n_words;
    t->by_text.used++;
    return TS_OK;
}

ts_status ts_bpe_trainer_feed(ts_bpe_trainer *t, const char *text, size_t n)
{
    ts_scan_fn *scan = ts_scan_find(ts_scan_gpt2_pattern);
    const unsigned char *p = (const unsigned char *)text, *end = p + n;
    while (p < end) {
        const size_t len = scan(t->unicode, p, end);
        TS_TRY(add_word(t, p, len));
        p += len;
    }
    return TS_OK;
}

/* ---- pairs ---- */

static bool before(const entry *x, const entry *y)
{
    if (x->count != y->count)
        return x->count > y->count;
    return x->a != y->a ? x->a < y->a : x->b < y->b;
}

static ts_status push(ts_bpe_trainer *t, int32_t i)
{
    const pair *p = &t->pairs[i];
    TS_TRY(ts_grow(&t->heap, &t->cap_heap, t->n_heap + 1, sizeof *t->heap));
    const entry e = { p->count, p->a, p->b, i };
    size_t at = t->n_heap++;
    for (; at && before(&e, &t->heap[(at - 1) / 2]); at = (at - 1) / 2)
        t->heap[at] = t->heap[(at - 1) / 2];
    t->heap[at] = e;
    return TS_OK;
}

static entry pop(ts_bpe_trainer *t)
{
    const entry top = t->heap[0], e = t->heap[--t->n_heap];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= t->n_heap)
            break;
        if (child + 1 < t->n_heap && before(&t->heap[child + 1], &t->heap[child]))
            child++;
        if (!before(&t->heap[child], &e))
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = e;
    return top;
}

static ts_status find_pair(ts_bpe_trainer *t, int32_t a, int32_t b, int32_t *out)
{
    TS_TRY(make_room(&t->by_pair, t, pair_hash));
    size_t at = hash_pair(a, b) & (t->by_pair.size - 1);
    for (; t->by_pair.slot[at]; at = (at + 1) & (t->by_pair.size - 1)) {
        const pair *p = &t->pairs[t->by_pair.slot[at] - 1];
        if (p->a == a && p->b == b) {
            *out = t->by_pair.slot[at] - 1;
            return TS_OK;
        }
    }
    TS_TRY(ts_grow(&t->pairs, &t->cap_pairs, t->n_pairs + 1, sizeof *t->pairs));
    t->pairs[t->n_pairs] = (pair){ .a = a, .b = b };
    *out = (int32_t)t->n_pairs++;
    t->by_pair.slot[at] = (int32_t)t->n_pairs;
    t->by_pair.used++;
    return TS_OK;
}

/* Adds `sign` times a word's pairs to their counts; new pairs (and grown ones) learn the word. */
static ts_status count_pairs(ts_bpe_trainer *t, int32_t w, int64_t sign, bool enters)
{
    const word *x = &t->words[w];
    for (int32_t i = 0; i + 1 < x->n; i++) {
        int32_t k;
        TS_TRY(find_pair(t, x->sym[i], x->sym[i + 1], &k));
        pair *p = &t->pairs[k];
        p->count += sign * x->count;
        if (!enters || (p->n && p->words[p->n - 1] == w))
            continue;
        TS_TRY(ts_grow(&p->words, &p->cap, p->n + 1, sizeof *p->words));
        p->words[p->n++] = w;
    }
    return TS_OK;
}

static ts_status first_symbols(ts_bpe_trainer *t)
{
    for (size_t i = 0; i < t->n_words; i++) {
        word *w = &t->words[i];
        TS_TRY(ts_arena_alloc(&t->arena, w->len * sizeof *w->sym, &w->sym));
        w->n = (int32_t)w->len;
        for (size_t k = 0; k < w->len; k++)
            w->sym[k] = (int32_t)t->n_special + t->byte_id[w->text[k]];
        TS_TRY(count_pairs(t, (int32_t)i, 1, true));
    }
    for (size_t i = 0; i < t->n_pairs; i++)
        TS_TRY(push(t, (int32_t)i));
    return TS_OK;
}

/* Only pairs with the new symbol can have become more frequent; of others the heap holds a count
 * that is too high, which is seen when it comes up. */
static ts_status push_pairs(ts_bpe_trainer *t, int32_t w, int32_t made)
{
    const word *x = &t->words[w];
    for (int32_t i = 0; i + 1 < x->n; i++) {
        int32_t k;
        if (x->sym[i] != made && x->sym[i + 1] != made)
            continue;
        TS_TRY(find_pair(t, x->sym[i], x->sym[i + 1], &k));
        TS_TRY(push(t, k));
    }
    return TS_OK;
}

static bool has_pair(const word *w, int32_t a, int32_t b)
{
    for (int32_t i = 0; i + 1 < w->n; i++)
        if (w->sym[i] == a && w->sym[i + 1] == b)
            return true;
    return false;
}

static ts_status merge_word(ts_bpe_trainer *t, int32_t index, int32_t a, int32_t b, int32_t made)
{
    word *w = &t->words[index];
    if (!has_pair(w, a, b))
        return TS_OK;
    TS_TRY(count_pairs(t, index, -1, false));
    int32_t n = 0;
    for (int32_t i = 0; i < w->n; i++) {
        const bool both = i + 1 < w->n && w->sym[i] == a && w->sym[i + 1] == b;
        w->sym[n++] = both ? made : w->sym[i];
        i += both;
    }
    w->n = n;
    TS_TRY(count_pairs(t, index, 1, true));
    return push_pairs(t, index, made);
}

static ts_status merge_pair(ts_bpe_trainer *t, int32_t index, int32_t made)
{
    const int32_t a = t->pairs[index].a, b = t->pairs[index].b;
    int32_t *words = t->pairs[index].words;
    const size_t n = t->pairs[index].n;
    t->pairs[index].words = NULL;
    t->pairs[index].n = t->pairs[index].cap = 0;
    ts_status st = TS_OK;
    for (size_t i = 0; i < n && st == TS_OK; i++)
        st = merge_word(t, words[i], a, b, made);
    ts_free(&words);
    return st;
}

int64_t ts_bpe_trainer_tokens(const ts_bpe_trainer *t)
{
    return (int64_t)(t->n_special + 256 + t->n_merges);
}

ts_status ts_bpe_trainer_run(ts_bpe_trainer *t, int64_t vocab_size, int64_t min_frequency,
                             const char *const *special, size_t n_special,
                             void (*progress)(void *ctx, int64_t tokens), void *ctx)
{
    t->special = special;
    t->n_special = n_special;
    if (vocab_size < ts_bpe_trainer_tokens(t))
        return ts_error(TS_ERR_USER,
                        "--vocab-size %lld is less than the 256 bytes and %zu special tokens",
                        (long long)vocab_size, n_special);
    TS_TRY(first_symbols(t));
    while (t->n_heap && ts_bpe_trainer_tokens(t) < vocab_size) {
        const entry e = pop(t);
        const pair *p = &t->pairs[e.pair];
        if (e.count != p->count) { /* it has changed since; a lower count waits for its turn */
            if (p->count > 0 && e.count > p->count)
                TS_TRY(push(t, e.pair));
            continue;
        }
        if (e.count < 1 || e.count < min_frequency)
            break;
        TS_TRY(ts_grow(&t->merge, &t->cap_merges, t->n_merges + 1, 2 * sizeof *t->merge));
        t->merge[2 * t->n_merges] = e.a;
        t->merge[2 * t->n_merges + 1] = e.b;
        const int32_t made = (int32_t)ts_bpe_trainer_tokens(t);
        t->n_merges++;
        TS_TRY(merge_pair(t, e.pair, made));
        if (progress && t->n_merges % 256 == 0)
            progress(ctx, ts_bpe_trainer_tokens(t));
    }
    return TS_OK;
}

/* ---- result ---- */

/* A token's text in the byte-level alphabet. */
static ts_status token_text(const ts_bpe_trainer *t, int32_t id, ts_str *out)
{
    const int32_t first = (int32_t)t->n_special;
    if (id >= first + 256) {
        const int32_t *m = t->merge + 2 * (id - first - 256);
        TS_TRY(token_text(t, m[0], out));
        return token_text(t, m[1], out);
    }
    for (int b = 0; b < 256; b++) {
        char c[4];
        if (first + t->byte_id[b] == id)
            return ts_str_add(out, c, (size_t)ts_utf8_encode(t->byte_char[b], c));
    }
    return TS_OK;
}

static ts_status json_token(const ts_bpe_trainer *t, int32_t id, ts_str *scratch, ts_str *out)
{
    ts_str_reset(scratch);
    if (id < (int32_t)t->n_special)
        TS_TRY(ts_str_puts(scratch, t->special[id]));
    else
        TS_TRY(token_text(t, id, scratch));
    return ts_str_json(out, ts_str_text(scratch), scratch->len);
}

static ts_status json_parts(const ts_bpe_trainer *t, ts_str *scratch, ts_str *out)
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
        TS_TRY(ts_str_json(out, t->special[i], strlen(t->special[i])));
        TS_TRY(ts_str_puts(out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                                "\"normalized\": false, \"special\": true}"));
    }
    TS_TRY(ts_str_puts(out, middle));
    for (int32_t i = 0; i < (int32_t)ts_bpe_trainer_tokens(t); i++) {
        TS_TRY(ts_str_puts(out, i ? ",\n    " : "\n    "));
        TS_TRY(json_token(t, i, scratch, out));
        TS_TRY(ts_str_printf(out, ": %d", i));
    }
    TS_TRY(ts_str_puts(out, "\n  }, \"merges\": ["));
    for (size_t i = 0; i < t->n_merges; i++) {
        TS_TRY(ts_str_puts(out, i ? ",\n    [" : "\n    ["));
        TS_TRY(json_token(t, t->merge[2 * i], scratch, out));
        TS_TRY(ts_str_puts(out, ", "));
        TS_TRY(json_token(t, t->merge[2 * i + 1], scratch, out));
        TS_TRY(ts_str_puts(out, "]"));
    }
    return ts_str_puts(out, "\n  ]}\n}\n");
}

ts_status ts_bpe_trainer_json(const ts_bpe_trainer *t, ts_str *out)
{
    ts_str scratch = { 0 };
    const ts_status st = json_parts(t, &scratch, out);
    ts_str_deinit(&scratch);
    return st;
}
