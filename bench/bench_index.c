/* Time of ordering a data set: documents, samples and their shuffles.
 *
 *   bench_index [MILLIONS_OF_SAMPLES [SEQ_LENGTH [MEAN_LENGTH [PASSES]]]]      (100 1024 1024 1)
 *
 * A made-up index of many sequences (lengths 1 to twice the mean) over an empty .bin with holes, in
 * a folder of its own that is removed. Prints seconds of building, of writing the cache and of
 * opening it again. */
#include "base/file.h"
#include "base/thread.h"
#include "data/gpt_dataset.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static ts_status put(FILE *f, const void *p, size_t n)
{
    return fwrite(p, 1, n, f) == n ? TS_OK : ts_error(TS_ERR_IO, "the index cannot be written");
}

/* The lengths, then the places of uint16 items, then one document a sequence. */
static ts_status write_index(FILE *f, int64_t n, int64_t mean, int64_t *tokens)
{
    const uint64_t version = 1, count[2] = { (uint64_t)n, (uint64_t)n + 1 };
    const unsigned char type = TS_INDEXED_U16;
    uint64_t x = 88172645463325252u;
    int32_t *len;
    TS_TRY(ts_alloc(&len, (size_t)n, sizeof *len));
    *tokens = 0;
    for (int64_t i = 0; i < n; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        len[i] = 1 + (int32_t)(x % (uint64_t)(2 * mean - 1));
        *tokens += len[i];
    }
    ts_status st = put(f, "MMIDIDX\0", 9);
    if (st == TS_OK)
        st = put(f, &version, 8);
    if (st == TS_OK)
        st = put(f, &type, 1);
    if (st == TS_OK)
        st = put(f, count, 16);
    if (st == TS_OK)
        st = put(f, len, (size_t)n * 4);
    int64_t at = 0;
    for (int64_t i = 0; st == TS_OK && i < n; at += 2 * len[i++])
        st = put(f, &at, 8);
    for (int64_t i = 0; st == TS_OK && i <= n; i++)
        st = put(f, &i, 8);
    ts_free(&len);
    return st;
}

static ts_status make_up(const char *prefix, int64_t n, int64_t mean)
{
    char path[128];
    int64_t tokens = 0;
    snprintf(path, sizeof path, "%s.idx", prefix);
    FILE *f = fopen(path, "wb");
    if (!f)
        return ts_error(TS_ERR_IO, "%s cannot be opened", path);
    ts_status st = write_index(f, n, mean, &tokens);
    if (fclose(f) != 0 && st == TS_OK)
        st = ts_error(TS_ERR_IO, "%s cannot be written", path);
    TS_TRY(st);
    snprintf(path, sizeof path, "%s.bin", prefix);
    const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, tokens * 2) != 0)
        st = ts_error(TS_ERR_IO, "%s cannot be made", path);
    if (fd >= 0)
        close(fd);
    return st;
}

/* Seconds that this process has computed: a busy machine disturbs less. */
static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static ts_status order(const ts_gpt_args *a, const char *what)
{
    ts_gpt_dataset *d;
    const double from = ts_now(), cpu = cpu_now();
    TS_TRY(ts_gpt_dataset_create(a, &d));
    const double took = ts_now() - from, computed = cpu_now() - cpu;
    const ts_gpt_order o = ts_gpt_dataset_order(d);
    printf("%-22s %7.2f s, %6.2f s of processor time (%lld samples, %lld documents, %lld passes)\n",
           what, took, computed, (long long)o.n_samples, (long long)o.n_documents,
           (long long)o.epochs);
    ts_gpt_dataset_destroy(&d);
    return TS_OK;
}

/* What Megatron's build_sample_idx does, into memory of its own. */
static ts_status places(const ts_gpt_args *a)
{
    ts_gpt_dataset *d;
    ts_gpt_place *p;
    TS_TRY(ts_gpt_dataset_create(a, &d));
    const ts_gpt_order o = ts_gpt_dataset_order(d);
    for (int i = 0; i < 3; i++) {
        const double from = ts_now(), cpu = cpu_now();
        TS_TRY(ts_gpt_order_allocate(&p, o.n_samples + 1, sizeof *p));
        ts_gpt_order_places(a, &o, o.documents, p);
        printf("%-22s %7.2f s, %6.2f s of processor time, last %u %d\n", "sample index alone",
               ts_now() - from, cpu_now() - cpu, p[o.n_samples].position, p[o.n_samples].offset);
        ts_free(&p);
    }
    ts_gpt_dataset_destroy(&d);
    return TS_OK;
}

static ts_status bench(const char *dir, int64_t samples, int64_t S, int64_t mean, int64_t passes)
{
    char prefix[64];
    ts_indexed *data;
    snprintf(prefix, sizeof prefix, "%s/made", dir);
    const int64_t n = samples / passes * S / mean + 1;
    TS_TRY(make_up(prefix, n, mean));
    TS_TRY(ts_indexed_open(prefix, &data));
    ts_gpt_args a = { .data = data,
                      .count = n,
                      .seq_length = S,
                      .seed = 1234,
                      .n_samples = passes > 1 ? samples - samples / passes / 2 : -1 };
    ts_status st = places(&a);
    for (int i = 0; i < 3 && st == TS_OK; i++)
        st = order(&a, "made");
    a.cache_folder = dir;
    a.part = "train";
    for (int i = 0; i < 4 && st == TS_OK; i++)
        st = order(&a, i ? "found on disk" : "made and written");
    ts_indexed_destroy(&data);
    return st;
}

int main(int argc, char **argv)
{
    int64_t v[4] = { 100, 1024, 1024, 1 };
    char dir[] = "/tmp/tessera-bench-XXXXXX";
    for (int i = 0; i < 4 && i + 1 < argc; i++)
        v[i] = atoll(argv[i + 1]);
    if (v[0] < 1 || v[1] < 1 || v[2] < 1 || v[3] < 1 || !mkdtemp(dir)) {
        fprintf(stderr, "usage: bench_index [MILLIONS [SEQ_LENGTH [MEAN_LENGTH [PASSES]]]]\n");
        return 2;
    }
    const ts_status st = bench(dir, v[0] * 1000000, v[1], v[2], v[3]);
    if (st != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    if (ts_remove_tree(dir) != TS_OK)
        fprintf(stderr, "%s is left behind\n", dir);
    return st != TS_OK;
}
