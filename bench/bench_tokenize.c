/* Speed of opening a tokenizer and of encoding with it.
 *
 *   bench_tokenize [--json] TOKENIZER FILE.jsonl [REPEATS [THREADS]]
 *
 * FILE has lines with "text". Prints MB of text and millions of ids a second, the best of the
 * repeats; the first pass, with an empty word cache, stands apart. Time is processor time, that of
 * all threads together (a busy machine disturbs less), and beside it the clock's. --json: as one
 * object, which text.py reads. */
#include "base/file.h"
#include "base/json.h"
#include "base/thread.h"
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

typedef struct worker {
    ts_tokenizer_scratch *scratch;
    ts_ids ids;
    int64_t n; /* ids of this pass */
    ts_status status;
} worker;

typedef struct job {
    const ts_tokenizer *tok;
    const texts *t;
    worker *workers;
} job;

static void encode_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    worker *w = &j->workers[thread];
    for (int64_t i = begin; i < end && w->status == TS_OK; i++) {
        w->ids.n = 0;
        w->status =
            ts_tokenizer_encode(j->tok, w->scratch, j->t->v[i], j->t->len[i], false, &w->ids);
        w->n += (int64_t)w->ids.n;
    }
}

/* One pass over all texts; took: processor seconds, wall seconds. */
static ts_status one_pass(ts_pool *pool, job *j, int threads, double took[2], int64_t *ids)
{
    const double cpu = cpu_now(), wall = ts_now();
    ts_pool_run(pool, (int64_t)j->t->n, 16, encode_share, j);
    took[0] = cpu_now() - cpu;
    took[1] = ts_now() - wall;
    *ids = 0;
    for (int i = 0; i < threads; i++) {
        TS_TRY(j->workers[i].status);
        *ids += j->workers[i].n;
        j->workers[i].n = 0;
    }
    return TS_OK;
}

typedef struct options {
    const char *tokenizer, *file;
    int repeats, threads;
    bool json;
} options;

/* first and best: processor seconds, wall seconds of a pass. */
static void report(const options *o, const texts *t, double open, int64_t ids,
                   const double first[2], const double best[2])
{
    const double mb = (double)t->bytes / 1e6;
    if (o->json)
        printf("{\"open_s\": %.4f, \"texts\": %zu, \"mb\": %.3f, \"ids\": %lld, \"threads\": %d, "
               "\"repeats\": %d, \"first_mb_per_cpu_s\": %.3f, \"best_mb_per_cpu_s\": %.3f, "
               "\"first_mb_per_s\": %.3f, \"best_mb_per_s\": %.3f, "
               "\"best_million_ids_per_cpu_s\": %.3f}\n",
               open, t->n, mb, (long long)ids, o->threads, o->repeats, mb / first[0], mb / best[0],
               mb / first[1], mb / best[1], (double)ids / best[0] / 1e6);
    else
        printf("open %.3f s; %zu texts, %.1f MB, %lld ids, %d threads: first pass %.1f MB/s, best "
               "of %d: %.1f MB/s (by the clock %.1f and %.1f), %.2f M ids/s\n",
               open, t->n, mb, (long long)ids, o->threads, mb / first[0], o->repeats, mb / best[0],
               mb / first[1], mb / best[1], (double)ids / best[0] / 1e6);
}

static ts_status bench(const options *o)
{
    const int threads = o->threads;
    ts_tokenizer *tok = NULL;
    ts_pool *pool = NULL;
    texts t = { 0 };
    double first[2] = { 0 }, best[2] = { 1e9, 1e9 };
    int64_t ids = 0;
    const double from = cpu_now();
    TS_TRY(ts_tokenizer_open(o->tokenizer, NULL, &tok));
    const double open = cpu_now() - from;
    TS_TRY(read_texts(o->file, &t));
    TS_TRY(ts_pool_create(threads, &pool));
    job j = { .tok = tok, .t = &t };
    TS_TRY(ts_alloc(&j.workers, (size_t)threads, sizeof *j.workers));
    for (int i = 0; i < threads; i++)
        TS_TRY(ts_tokenizer_scratch_create(tok, &j.workers[i].scratch));
    for (int r = 0; r < o->repeats; r++) {
        double took[2];
        TS_TRY(one_pass(pool, &j, threads, took, &ids));
        for (int k = 0; k < 2; k++) {
            first[k] = r ? first[k] : took[k];
            best[k] = took[k] < best[k] ? took[k] : best[k];
        }
    }
    report(o, &t, open, ids, first, best);
    for (int i = 0; i < threads; i++) {
        ts_tokenizer_scratch_destroy(&j.workers[i].scratch);
        ts_ids_deinit(&j.workers[i].ids);
    }
    for (size_t i = 0; i < t.n; i++)
        ts_free(&t.v[i]);
    ts_free(&j.workers);
    ts_free(&t.v);
    ts_free(&t.len);
    ts_pool_destroy(&pool);
    ts_tokenizer_destroy(&tok);
    return TS_OK;
}

int main(int argc, char **argv)
{
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    argc -= json, argv += json;
    if (argc < 3) {
        fprintf(stderr,
                "usage: bench_tokenize [--json] TOKENIZER FILE.jsonl [REPEATS [THREADS]]\n");
        return 2;
    }
    const options o = { .tokenizer = argv[1], .file = argv[2], .json = json,
                        .repeats = argc > 3 ? atoi(argv[3]) : 5,
                        .threads = argc > 4 ? atoi(argv[4]) : 1 };
    if (bench(&o) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    return 0;
}
