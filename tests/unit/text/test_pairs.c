/* Prompt and completion: a text that is cut in two, for every kind of tokenizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "text/text_options.h"

#include <string.h>

typedef struct spot {
    const char *name;
    ts_text_tokenizer t;
    ts_tokenizer_scratch *scratch;
    ts_ids pair, whole, first;
    ts_str a, b;
    int64_t apart; /* pairs whose second part was encoded alone */
} spot;

static void spot_open(spot *s, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "tests/golden/text/%s", name);
    const ts_text_options o = { .type = "PretrainedFromHF", .name_or_path = path };
    *s = (spot){ .name = name };
    OK(ts_text_tokenizer_open(&o, &s->t));
    OK(ts_tokenizer_scratch_create(s->t.tok, &s->scratch));
}

static void spot_close(spot *s)
{
    ts_tokenizer_scratch_destroy(&s->scratch);
    ts_text_tokenizer_close(&s->t);
    ts_ids_deinit(&s->pair);
    ts_ids_deinit(&s->whole);
    ts_ids_deinit(&s->first);
    ts_str_deinit(&s->a);
    ts_str_deinit(&s->b);
}

static void encode(spot *s, const char *text, size_t n, ts_ids *out)
{
    out->n = 0;
    OK(ts_text_encode(&s->t, s->scratch, text, n, out));
}

static void decode(spot *s, const ts_ids *ids, ts_str *out)
{
    ts_str_reset(out);
    OK(ts_tokenizer_decode(s->t.tok, ids->v, ids->n, true, out));
}

static bool begins_with(const ts_ids *all, const ts_ids *part)
{
    return part->n <= all->n &&
           (!part->n || !memcmp(all->v, part->v, part->n * sizeof *part->v));
}

/* The ids of `text` cut at byte `cut`: of the whole where its tokens begin with those of the first
 * part; the text is the given one in any case. */
static void check_cut(spot *s, const char *text, size_t cut)
{
    const size_t n = strlen(text), ends = ts_tokenizer_ends(s->t.tok);
    size_t n_first = 0;
    s->pair.n = 0;
    OK(ts_text_encode_pair(&s->t, s->scratch, text, cut, text + cut, n - cut, &s->pair, &n_first));
    encode(s, text, n, &s->whole);
    encode(s, text, cut, &s->first);
    s->first.n -= ends;
    const bool same = s->pair.n == s->whole.n && begins_with(&s->pair, &s->whole);
    if (begins_with(&s->whole, &s->first)) {
        if (!same || n_first != s->first.n)
            fail_msg("%s: '%s' cut at %zu: %zu ids with %zu of the prompt, expected %zu and %zu",
                     s->name, text, cut, s->pair.n, n_first, s->whole.n, s->first.n);
        return;
    }
    s->apart += !same;
    decode(s, &s->pair, &s->a);
    decode(s, &s->whole, &s->b);
    if (strcmp(ts_str_text(&s->a), ts_str_text(&s->b)))
        fail_msg("%s: '%s' cut at %zu is scored as '%s'", s->name, text, cut, s->a.s);
}

static void every_cut(const char *name)
{
    static const char *const texts[] = { "Hello world", "Q: the cat\nA: yes, the hat",
                                         "a  b\n\nthe quick ", "don't stop", "caf\xC3\xA9 the" };
    spot s;
    spot_open(&s, name);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t cut = 0; cut <= strlen(texts[i]); cut++)
            if (((unsigned char)texts[i][cut] & 0xC0) != 0x80)
                check_cut(&s, texts[i], cut);
    const bool whole = !strcmp(name, "sp_char") || !strcmp(name, "sp_word"); /* tokens are one each */
    if (!s.apart && !whole)
        fail_msg("%s: no cut lies within a token", name);
    spot_close(&s);
}

static void test_every_cut(void **state)
{
    (void)state;
    /* without `suffix` and `prefix`: where the end or the inside of a word has a mark, a BPE cannot
     * encode the rest of one alone */
    static const char *const names[] = { "byte_level", "byte_prefix", "fallback", "kimi",
                                         "meta_always", "meta_first", "sp_bpe", "sp_bpe_plain",
                                         "sp_char", "sp_unigram", "sp_word", "unigram",
                                         "unigram_bytes", "wordpiece" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        every_cut(names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_cut) };
    return cmocka_run_group_tests_name("prompt and completion", tests, NULL, NULL);
}
