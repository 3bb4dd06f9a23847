/* Speed of opening a tokenizer and of encoding with it on one thread.
 *
 *   bench_tokenize TOKENIZER FILE.jsonl [REPEATS]
 *
 * FILE has lines with "text". Prints MB of text and millions of ids a second, the best of the
 * repeats; the first pass, with an empty word cache, stands apart. Time is processor time: a
 * busy machine disturbs less. */
#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Seconds that this process has computed. */
static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct texts {
    char **v;
    size_t *len;
    size_t n, cap, len_cap, bytes;
} texts;

static ts_status read_texts(const char *path, texts *t)
{
    ts_map m;
    TS_TRY(ts_map_open(path, &m));
    const char *s = (const char *)m.data, *end = s + m.size;
    while (s < end) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        const size_t n = (size_t)((nl ? nl : end) - s);
        json_t *o = NULL;
        TS_TRY(ts_json_parse(s, n, path, &o));
        const json_t *text = json_object_get(o, "text");
        TS_TRY(ts_grow(&t->v, &t->cap, t->n + 1, sizeof *t->v));
        TS_TRY(ts_grow(&t->len, &t->len_cap, t->n + 1, sizeof *t->len));
        t->len[t->n] = json_string_length(text);
        TS_TRY(ts_strndup(json_string_value(text) ? json_string_value(text) : "", t->len[t->n],
                          &t->v[t->n]));
        t->bytes += t->len[t->n++];
        json_decref(o);
        s += n + 1;
    }
    ts_map_close(&m);
    return TS_OK;
}

static ts_status bench(const char *tokenizer, const char *file, int repeats)
{
    ts_tokenizer *tok = NULL;
    ts_tokenizer_scratch *sc = NULL;
    ts_ids ids = { 0 };
    texts t = { 0 };
    double best = 1e9, first = 0;
    double from = cpu_now();
    TS_TRY(ts_tokenizer_open(tokenizer, NULL, &tok));
    const double open = cpu_now() - from;
    TS_TRY(ts_tokenizer_scratch_create(tok, &sc));
    TS_TRY(read_texts(file, &t));
    for (int r = 0; r < repeats; r++) {
        ids.n = 0;
        from = cpu_now();
        for (size_t i = 0; i < t.n; i++)
            TS_TRY(ts_tokenizer_encode(tok, sc, t.v[i], t.len[i], false, &ids));
        const double took = cpu_now() - from;
        first = r ? first : took;
        best = took < best ? took : best;
    }
    const double mb = (double)t.bytes / 1e6;
    printf("open %.3f s; %zu texts, %.1f MB, %zu ids: first pass %.1f MB/s, best of %d: %.1f MB/s, "
           "%.2f M ids/s\n",
           open, t.n, mb, ids.n, mb / first, repeats, mb / best, (double)ids.n / best / 1e6);
    for (size_t i = 0; i < t.n; i++)
        ts_free(&t.v[i]);
    ts_free(&t.v);
    ts_free(&t.len);
    ts_ids_deinit(&ids);
    ts_tokenizer_scratch_destroy(&sc);
    ts_tokenizer_destroy(&tok);
    return TS_OK;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_tokenize TOKENIZER FILE.jsonl [REPEATS]\n");
        return 2;
    }
    if (bench(argv[1], argv[2], argc > 3 ? atoi(argv[3]) : 5) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    return 0;
}
