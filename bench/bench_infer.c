/* Prefill and decoding of a model with random weights: tokens per second, and what share of the
 * memory's speed the weights are read at. bench/infer.py runs it beside a peer. */
#include "base/thread.h"
#include "device/device.h"
#include "device/isa.h"
#include "infer/engine.h"
#include "model/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef struct shape {
    const char *name;
    int64_t layers, hidden, heads, kv_heads, ffn, vocab;
    bool latent; /* as DeepSeek-V2: its attention (16 heads), one dense layer, 64 experts of which 6 are chosen */
} shape;

static const shape shapes[] = { { "llama135m", 30, 576, 9, 3, 1536, 49152, false },
                                { "llama1b", 16, 2048, 32, 8, 8192, 128256, false },
                                { "deepseek", 3, 2048, 16, 16, 10944, 32000, true },
                                { "tiny", 4, 256, 4, 2, 704, 4096, false } };

typedef struct settings {
    const shape *shape;
    ts_dtype dtype;
    ts_quant quant;
    int threads;
    unsigned isa;
    int64_t prompt, batch, steps, rounds, context;
    bool prefill, timing;
    ts_device *dev;
} settings;

static ts_status describe_latent(ts_arch *a)
{
    a->head_dim = 192, a->q_lora_rank = 1536, a->kv_lora_rank = 512, a->qk_rope_dim = 64, a->v_head_dim = 128, a->latent_norm = true;
    a->latent_eps = 1e-6, a->attn_scale = 0.0721687836, a->rope[0].dim = 64, a->tied = false;
    a->n_experts = 64, a->experts_per_token = 6, a->expert_ffn = 1408, a->shared_ffn = 2816;
    a->router_score = TS_ROUTE_SOFTMAX, a->router_scale = 1;
    a->router_groups = a->router_group_topk = a->router_group_best = 1;
    TS_TRY(ts_arch_layers(a, 0));
    for (int64_t i = 1; i < a->n_layers; i++)
        a->layer[i].mlp = TS_MLP_EXPERTS;
    return TS_OK;
}

static ts_status describe(const shape *s, ts_arch *a)
{
    ts_arch_init(a);
    a->n_layers = s->layers, a->hidden = s->hidden, a->n_heads = s->heads;
    a->n_kv_heads = s->kv_heads, a->head_dim = 64, a->ffn = s->ffn, a->vocab = s->vocab;
    a->max_positions = 8192, a->norm_eps = 1e-5, a->gated = true, a->act = TS_ACT_SILU;
    a->tied = true, a->attn_scale = 0.125, a->position = TS_POSITION_ROPE, a->n_ropes = 1;
    a->rope[0] = (ts_rope_config){ .theta = 10000, .dim = 64, .max_positions = 8192 };
    return s->latent ? describe_latent(a) : ts_arch_layers(a, 0);
}

/* Values as a trained model's are spread, quickly made. */
static ts_status fill(ts_decoder *d)
{
    enum { PIECE = 1 << 16 };
    float *v;
    uint32_t r = 1;
    TS_TRY(ts_alloc(&v, PIECE, sizeof *v));
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < d->params.n; i++) {
        ts_param *p = d->params.p[i];
        for (int64_t at = 0; st == TS_OK && at < ts_param_count(p); at += PIECE) {
            const int64_t left = ts_param_count(p) - at, n = left < PIECE ? left : PIECE;
            for (int64_t k = 0; k < n; k++) {
                r = r * 1664525u + 1013904223u;
                v[k] = p->rank > 1 ? (float)(int32_t)r * 0x1p-31f * 0.04f : 1;
            }
            st = ts_param_put(p, at, n, v);
        }
    }
    ts_free(&v);
    ts_param_set_changed(&d->params);
    return st;
}

static double weight_bytes(const ts_device *d) { return (double)d->mem.now[TS_MEM_WEIGHT]; }

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const settings *s, const char *what, int64_t batch, double *seconds, int64_t n,
                   int64_t tokens, double bytes)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    qsort(seconds, (size_t)n, sizeof *seconds, by_value);
    const double median = seconds[n / 2], best = seconds[0];
    printf("{\"what\": \"%s\", \"shape\": \"%s\", \"batch\": %lld, \"context\": %lld, \"tokens_per_second\": %.2f, "
           "\"best_tokens_per_second\": %.2f, \"weights_gb_per_second\": %.2f, \"rss_mib\": %ld}\n",
           what, s->shape->name, (long long)batch, (long long)s->context, (double)tokens / median, (double)tokens / best,
           bytes / median * 1e-9, u.ru_maxrss / 1024);
    fflush(stdout);
}

/* One prompt of s->prompt tokens, s->rounds times. */
static ts_status run_prefill(const settings *s, ts_engine *e, double bytes)
{
    double seconds[64];
    int32_t *ids;
    ts_logits z;
    const int64_t rounds = s->rounds < 64 ? s->rounds : 64;
    TS_TRY(ts_alloc(&ids, (size_t)s->prompt, sizeof *ids));
    for (int64_t i = 0; i < s->prompt; i++)
        ids[i] = (int32_t)(i * 7919 % s->shape->vocab);
    const ts_prompt p = { .ids = ids, .n = s->prompt };
    ts_status st = TS_OK;
    for (int64_t i = -1; st == TS_OK && i < rounds; i++) {
        const double began = ts_now();
        st = ts_engine_prefill(e, 0, 1, &p, &z);
        seconds[i < 0 ? 0 : i] = ts_now() - began;
    }
    ts_free(&ids);
    if (st == TS_OK)
        report(s, "prefill", 1, seconds, rounds, s->prompt, bytes);
    return st;
}

/* Steps of a batch, whose sequences begin with s->context tokens, of all the same. */
static ts_status run_decode(const settings *s, ts_engine *e, double bytes)
{
    enum { MOST = 1024 };
    double seconds[MOST];
    int32_t ids[TS_ENGINE_MOST_SLOTS], *first;
    ts_logits z;
    const int64_t steps = s->steps < MOST ? s->steps : MOST;
    TS_TRY(ts_alloc(&first, (size_t)s->context, sizeof *first));
    for (int64_t i = 0; i < s->context; i++)
        first[i] = (int32_t)((i * 31 + 5) % s->shape->vocab);
    const ts_prompt p = { .ids = first, .n = s->context };
    ts_status st = ts_engine_reserve(e, s->context + steps + 2);
    if (st == TS_OK)
        st = ts_engine_prefill(e, 0, 1, &p, &z);
    ts_free(&first);
    TS_TRY(st);
    for (int64_t b = 1; b < s->batch; b++)
        ts_engine_copy(e, b, 0);
    fprintf(stderr, "begins to decode\n"); /* who measures lets it alone from here on */
    memset(s->dev->stat, 0, sizeof s->dev->stat);
    for (int64_t i = -1; i < steps; i++) {
        for (int64_t b = 0; b < s->batch; b++)
            ids[b] = (int32_t)((b * 131 + i * 17 + 32) % s->shape->vocab);
        const double began = ts_now();
        TS_TRY(ts_engine_decode(e, s->batch, ids, &z));
        seconds[i < 0 ? 0 : i] = ts_now() - began;
    }
    report(s, "decode", s->batch, seconds, steps, s->batch, bytes);
    return TS_OK;
}

static ts_status run(settings *s, ts_device **dev, ts_decoder **d, ts_engine **e)
{
    ts_arch a;
    const ts_device_options o = { .threads = s->threads, .isa = s->isa };
    TS_TRY(describe(s->shape, &a));
    ts_status st = ts_device_open("cpu", &o, dev);
    if (st == TS_OK)
        st = ts_decoder_create(*dev, &a, s->dtype, a.vocab, NULL, d);
    ts_arch_deinit(&a);
    TS_TRY(st);
    s->dev = *dev;
    TS_TRY(ts_decoder_allocate_one(*d, s->quant));
    TS_TRY(fill(*d));
    TS_TRY(ts_engine_create(*d, s->batch, e));
    const double bytes = weight_bytes(*dev);
    if (s->prefill)
        TS_TRY(run_prefill(s, *e, bytes));
    ts_str table = { 0 };
    (*dev)->timing = s->timing;
    if (s->steps > 0)
        TS_TRY(run_decode(s, *e, bytes));
    if (s->timing && ts_device_stat_table(*dev, &table) == TS_OK)
        fprintf(stderr, "%s\n", table.s);
    ts_str_deinit(&table);
    return TS_OK;
}

static bool read_option(settings *s, const char *name, const char *v)
{
    if (!strcmp(name, "--shape"))
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            if (!strcmp(v, shapes[i].name))
                return (s->shape = &shapes[i]) != NULL;
    if (!strcmp(name, "--dtype"))
        return (s->dtype = strcmp(v, "fp32") ? TS_DTYPE_BF16 : TS_DTYPE_F32) || true;
    if (!strcmp(name, "--quant"))
        return (s->quant = !strcmp(v, "int8")  ? TS_QUANT_INT8
                           : !strcmp(v, "nf4") ? TS_QUANT_NF4
                                               : TS_QUANT_NONE) ||
               true;
    const struct {
        const char *name;
        int64_t *at;
    } ints[] = {
        { "--prompt", &s->prompt },
        { "--batch", &s->batch },
        { "--steps", &s->steps },
        { "--rounds", &s->rounds },
        { "--context", &s->context },
    };
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        if (!strcmp(name, ints[i].name)) {
            *ints[i].at = atoll(v);
            return true;
        }
    if (!strcmp(name, "--threads"))
        return (s->threads = atoi(v)) > 0;
    if (!strcmp(name, "--isa")) /* bits of device/isa.h */
        return (s->isa = (unsigned)atoi(v)) || true;
    return false;
}

int main(int argc, char **argv)
{
    settings s = { .shape = &shapes[0],
                   .dtype = TS_DTYPE_BF16,
                   .threads = ts_cpu_count(),
                   .isa = TS_ISA_ALL,
                   .prompt = 1024,
                   .batch = 1,
                   .steps = 32,
                   .rounds = 3,
                   .context = 16 };
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--prefill"))
            s.prefill = true;
        else if (!strcmp(argv[i], "--kernel-timing"))
            s.timing = true;
        else if (i + 1 >= argc || !read_option(&s, argv[i], argv[i + 1])) {
            fprintf(stderr, "usage: bench_infer [--shape llama135m|llama1b|deepseek|tiny] [--dtype "
                            "bf16|fp32] [--quant int8|nf4] [--prefill] [--prompt N] [--batch N] "
                            "[--context N] [--steps N] [--rounds N] [--threads N] [--kernel-timing]\n");
            return 2;
        } else {
            i++;
        }
    }
    ts_device *dev = NULL;
    ts_decoder *d = NULL;
    ts_engine *e = NULL;
    const ts_status st = run(&s, &dev, &d, &e);
    ts_engine_destroy(&e);
    ts_decoder_destroy(&d);
    ts_device_close(&dev);
    if (st != TS_OK)
        fprintf(stderr, "bench_infer: %s\n", ts_error_message());
    return st == TS_OK ? 0 : 1;
}
