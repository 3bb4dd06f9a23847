/* The small languages inside options: splits, blends, frozen modules, ramps, and what launchers
 * leave in the environment. */
#include "data/blend.h"
#include "data/source.h"
#include "data/split.h"
#include "dist/world.h"
#include "fuzz.h"
#include "model/options.h"
#include "train/ramp.h"

#include <math.h>

enum { MOST_WORDS = 64 };

static ts_option_list words_of(char *s, const char **v)
{
    ts_option_list l = { .v = v };
    for (char *save = NULL, *w; l.n < MOST_WORDS && (w = strtok_r(s, " ", &save)); s = NULL)
        v[l.n++] = w;
    return l;
}

/* Three parts in order that together are everything. */
static void split(char *s)
{
    double at[4];
    int64_t end = 0, first, count;
    if (ts_split_parse(s, at) != TS_OK)
        return;
    for (int k = 0; k < 3; k++) {
        ts_split_range(at, k, 1000, &first, &count);
        if (!(at[k + 1] >= at[k]) || count < 0 || (count && first != end))
            abort();
        end = count ? first + count : end;
    }
    if (end > 1000)
        abort();
}

static void blend(char *s)
{
    const char *v[MOST_WORDS];
    const ts_option_list words = words_of(s, v);
    ts_blend_words b;
    ts_blend *order = NULL;
    if (words.n == 0 || ts_blend_words_parse("data-path", &words, &b) != TS_OK)
        return;
    double sum = 0;
    for (int64_t i = 0; b.weights && i < b.n; i++)
        sum += b.weights[i];
    if (b.weights && (fabs(sum - 1) > 1e-9 || ts_blend_create(b.weights, b.n, 50, &order) != TS_OK))
        abort();
    for (int64_t i = 0, d, k; order && i < 50; i++) {
        ts_blend_at(order, i, &d, &k);
        if (d < 0 || d >= b.n || k < 0 || k > i)
            abort();
    }
    ts_blend_destroy(&order);
    ts_blend_words_deinit(&b);
}

static void make_decoder(ts_decoder **d)
{
    static ts_device *dev;
    const ts_device_options o = { .threads = 1 };
    ts_arch a;
    if (!dev && ts_device_open("sim", &o, &dev) != TS_OK)
        abort();
    ts_arch_init(&a);
    a.vocab = 8, a.hidden = 4, a.ffn = 4, a.n_layers = 3, a.max_positions = 8;
    a.n_heads = a.n_kv_heads = 1, a.head_dim = 4;
    if (ts_arch_layers(&a, 0) != TS_OK ||
        ts_decoder_create(dev, &a, TS_DTYPE_F32, a.vocab, NULL, d) != TS_OK)
        abort();
    ts_arch_deinit(&a);
}

static void freeze(char *s)
{
    const char *v[MOST_WORDS];
    const ts_option_list words = words_of(s, v);
    ts_decoder *d = NULL;
    make_decoder(&d);
    if (ts_decoder_freeze(d, words.v, words.n) == TS_OK &&
        (d->first_trained < 0 || d->first_trained > 3 || ts_decoder_trained(d) < 1))
        abort();
    ts_decoder_destroy(&d);
}

/* Three words of the ramp, then the full batch and the number of processes. */
static void ramp(char *s)
{
    const char *v[MOST_WORDS];
    ts_option_list words = words_of(s, v);
    const int64_t full = words.n > 3 ? strtol(v[3], NULL, 10) : 8;
    const int dp = words.n > 4 ? (int)(strtol(v[4], NULL, 10) & 7) + 1 : 1;
    words.n = words.n < 3 ? words.n : 3;
    const ts_train_options o = { .micro_batch_size = 1,
                                 .global_batch_size = full > 0 && full < 1 << 20 ? full : 8,
                                 .rampup_batch_size = words };
    ts_batch_ramp r;
    if (ts_batch_ramp_init(&r, &o, dp) != TS_OK)
        return;
    for (int64_t at = 0, size; at < 4000; at += size / 2 + 1) {
        size = ts_batch_ramp_at(&r, at);
        if (size < 1 || size > r.full || size < r.start)
            abort();
    }
    if (ts_batch_ramp_steps(&r, 5000) < 5000 / r.full) /* a step has r.full samples at most */
        abort();
}

/* NAME=VALUE a word. */
static void launcher(char *s)
{
    const char *v[MOST_WORDS], *names[MOST_WORDS];
    const ts_option_list words = words_of(s, v);
    int64_t rank, n = 0;
    for (int64_t i = 0; i < words.n; i++) {
        char *equals = strchr((char *)(uintptr_t)v[i], '=');
        if (!equals || (strncmp(v[i], "OMPI_", 5) && strncmp(v[i], "PMI", 3) &&
                        strncmp(v[i], "SLURM_", 6) && strncmp(v[i], "MV2_", 4)))
            continue;
        *equals = 0;
        if (!setenv(v[i], equals + 1, 1))
            names[n++] = v[i];
    }
    if (ts_comm_launched(&rank) < 1 || rank < 0)
        abort();
    while (n)
        unsetenv(names[--n]);
}

/* The file of --data-args-path; the data sets that it names are not there. */
static void data_file(char *s)
{
    char path[FUZZ_PATH];
    const ts_data_options o = { .data_args_path = fuzz_path("words.txt", path) };
    const ts_data_need need = { .seq_length = 8, .n_train = 4, .vocab_size = 8, .eod = -1,
                                .pad = -1 };
    ts_data_source *source = NULL;
    for (char *p = s; *p; p++) /* nothing outside the folder is looked at */
        *p = *p == '/' ? '_' : *p;
    fuzz_write("words.txt", s, strlen(s));
    if (ts_data_source_create(&o, &need, &source) == TS_OK)
        abort();
    if (!strstr(ts_error_message(), "data-args-path"))
        abort();
}

/* The first byte says what the rest is taken for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *s = fuzz_text(data + 1, size - 1);
    switch (data[0]) {
    case 's': split(s); break;
    case 'b': blend(s); break;
    case 'f': freeze(s); break;
    case 'r': ramp(s); break;
    case 'e': launcher(s); break;
    default: data_file(s); break;
    }
    free(s);
    return 0;
}
