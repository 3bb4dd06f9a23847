/* Attention of sequences that processes share out. Every process also computes it of the whole sequences,
 * alone; its rows of the output and of the gradients must be those of the whole, whatever the way, the mask,
 * the heads. A simulated rank must take the same memory and send the same bytes. */
#include "dist_test.h"

#include "device/isa.h"
#include "device/sim/sim.h"
#include "ops/spread.h"

#include <math.h>

enum { DIM = 8, MOST = 800 };

static ts_comm *comm;
static ts_device *dev;

/* Of processes by number: heads 0 is all of them. */
typedef struct way {
    const char *name;
    int heads;
    ts_spread_way across;
    bool zigzag;
    int window;
    ts_spread_keep keep;
    bool gather_keys;
} way;

typedef struct attention {
    const char *name;
    int64_t B, S, n_q, n_kv;
    ts_attention_mask mask;
    bool documents;
    float dropout, softcap;
    ts_dtype dtype;
} attention;

/* One pass there and back. */
typedef struct pass {
    ts_tape *tape;
    ts_tensor *in, *out;
} pass;

static ts_spread spread_of(const way *w, ts_comm *c, int64_t S)
{
    return (ts_spread){ .comm = c, .length = S, .heads = w->heads ? w->heads : c->size,
                        .way = w->across, .zigzag = w->zigzag, .window = w->window ? w->window : 1,
                        .keep = w->keep, .keep_every = 2, .gather_keys = w->gather_keys };
}

/* Whether so many processes can go this way, with these heads and this length. */
static bool can(const way *w, const attention *a)
{
    const int n = comm->size, heads = w->heads ? w->heads : n, across = n / heads;
    if (n % heads || (w->heads > 1 && across == 1) || across % (w->window ? w->window : 1))
        return false;
    if (w->window > 1 && across <= w->window)
        return false;
    return ts_spread_has_heads(a->n_q, a->n_kv, heads) && a->S >= 2 * n;
}

static ts_tensor *rows_of(const pass *p, ts_dtype t, int seed, const attention *a, const ts_stretches *at,
                          int64_t width)
{
    const int64_t n = ts_stretches_count(at);
    ts_device *d = p->tape->dev;
    ts_tensor *x;
    char *host = malloc((size_t)(a->B * n * width) * ts_dtype_size(t));
    EXPECT(host, "out of memory");
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t c = 0; c < width; c++) {
                const int64_t row = b * a->S + ts_stretches_at(at, i);
                ts_store_f32(host, (b * n + i) * width + c, t,
                             (float)sin((double)(row * width + c) * 1.7 + seed));
            }
    EXPECT_OK(ts_tape_new(p->tape, t, a->B * n, width, &x));
    d->to_device(d, ts_tensor_data(x), host, ts_tensor_bytes(x));
    free(host);
    return x;
}

/* Documents of unlike length, other ones in each sequence: where that of a position begins. */
static int64_t first_key(int64_t b, int64_t pos)
{
    int64_t first = 0, length = 3 + b;
    while (first + length <= pos)
        first += length, length = length * 2 % 37 + 1;
    return first;
}

static ts_tensor *first_keys(const pass *p, const attention *a, const ts_stretches *at)
{
    const int64_t n = ts_stretches_count(at);
    ts_device *d = p->tape->dev;
    int32_t host[2 * MOST];
    ts_tensor *x;
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t i = 0; i < n; i++)
            host[b * n + i] = (int32_t)first_key(b, ts_stretches_at(at, i));
    EXPECT_OK(ts_tape_new(p->tape, TS_DTYPE_I32, a->B * n, 0, &x));
    d->to_device(d, ts_tensor_data(x), host, ts_tensor_bytes(x));
    return x;
}

/* s NULL: the whole. */
static void run(const attention *a, ts_dtype t, const ts_spread *s, ts_device *d, int64_t layer, pass *p)
{
    const ts_stretches here = ts_spread_here(s, a->S),
                    queries = ts_spread_queries(s, a->S, s ? s->comm->rank : 0);
    const int64_t out = a->n_q * DIM;
    EXPECT_OK(ts_tape_create(d, &(ts_tape_options){ 0 }, &p->tape));
    p->in = rows_of(p, t, 1, a, &here, out + 2 * a->n_kv * DIM);
    p->in->wants_grad = true;
    const ts_attention_op o = { .B = a->B, .S = ts_stretches_count(&here), .n_q = a->n_q, .n_kv = a->n_kv,
                                .head_dim = DIM, .scale = 0.7F, .softcap = a->softcap, .mask = a->mask,
                                .first_key = a->documents ? first_keys(p, a, &queries) : NULL,
                                .dropout = a->dropout, .sample0 = 3, .head0 = 2, .all_q = a->n_q + 5,
                                .rng = ts_rng_stream(5, TS_RNG_ATTN_DROPOUT, 2, 1) };
    EXPECT_OK(ts_tape_push(p->tape)); /* in is not this frame's to drop: nobody else would free its gradient */
    if (s)
        EXPECT_OK(ts_op_spread_attention(p->tape, &o, s, layer, p->in, &p->out));
    else
        EXPECT_OK(ts_op_attention(p->tape, &o, p->in, NULL, &p->out, NULL));
    ts_tape_pop(p->tape, p->out);
    EXPECT_OK(ts_tape_accumulate(p->tape, p->out, rows_of(p, t, 9, a, &here, out)));
    EXPECT_OK(ts_tape_backward(p->tape));
}

/* As numbers on the host. */
static double *values_of(const ts_tensor *x)
{
    const int64_t n = ts_tensor_count(x);
    void *bytes = malloc(ts_tensor_bytes(x));
    double *v = malloc((size_t)n * sizeof *v);
    EXPECT(bytes && v, "out of memory");
    EXPECT_OK(ts_device_read(dev, bytes, ts_tensor_data(x), ts_tensor_bytes(x)));
    for (int64_t i = 0; i < n; i++)
        v[i] = (double)ts_load_f32(bytes, i, x->dtype);
    free(bytes);
    return v;
}

/* The rows here of x against those of the whole, and of the whole in fp32. A sum of the products and weights of
 * up to MOST keys in another order differs by as many roundings at most; a 16-bit type moves the parts' numbers
 * about as far as it moves the whole's, each of two parts in its own direction, and once more where they join. */
static void compare(const char *what, const attention *a, const ts_stretches *at, const ts_tensor *x,
                    const ts_tensor *whole, const ts_tensor *exact, bool same_bits)
{
    const int64_t n = ts_stretches_count(at), width = x->dim[1];
    double worst = 0, top = 0, noise = 0, *all = values_of(whole), *most = values_of(exact), *here = values_of(x);
    for (int64_t i = 0; i < ts_tensor_count(exact); i++) {
        top = fmax(top, fabs(most[i]));
        noise = fmax(noise, fabs(most[i] - all[i]));
    }
    for (int64_t i = 0; i < a->B * n * width; i++) {
        const int64_t row = i / width, in = row / n * a->S + ts_stretches_at(at, row % n);
        worst = fmax(worst, fabs(here[i] - all[in * width + i % width]));
    }
    free(all), free(most), free(here);
    const double bound = same_bits ? 0 : (double)a->S * 0x1p-24 * top + 4 * noise;
    EXPECT(top > 0.01 && worst <= bound, "%s, %s differs by %g, bound %g, numbers up to %g", a->name, what,
           worst, bound, top);
}

/* What a simulated rank would send and hold at most. */
static void simulate(const way *w, const attention *a, int64_t layer, double sent, int64_t peak)
{
    ts_comm *c;
    ts_device *sim;
    pass p;
    EXPECT_OK(ts_comm_sim_create(comm->rank, comm->size, "cp", NULL, &c));
    EXPECT_OK(ts_sim_open(&(ts_device_options){ 0 }, &sim));
    ts_device_reset_peak(sim);
    const int64_t before = sim->mem.peak;
    const ts_spread s = spread_of(w, c, a->S);
    run(a, a->dtype, &s, sim, layer, &p);
    EXPECT(fabs(c->traffic.bytes - sent) < 0.5, "%s: %g bytes are sent, %g planned", a->name, sent,
           c->traffic.bytes);
    EXPECT(sim->mem.peak - before == peak, "%s: %lld bytes are held, %lld planned", a->name, (long long)peak,
           (long long)(sim->mem.peak - before));
    ts_tape_destroy(&p.tape);
    ts_device_close(&sim);
    ts_comm_destroy(&c);
}

/* Bytes that a rank sends in a pass there and back, of keys and values in all of them: who has one part of n
 * passes it to the n - 1 others, or takes part in gathering, twice, and so do the gradients, once. */
static void check_traffic(const way *w, const attention *a, double sent)
{
    const double n = comm->size, es = (double)ts_dtype_size(a->dtype);
    if (a->S % (2 * comm->size))
        return;
    const double rows = (double)(a->B * a->S) / n * DIM * es, kv = 2 * (double)a->n_kv * rows,
                 q = (double)a->n_q * rows;
    const double passes = w->keep == TS_SPREAD_KEEP_FULL ? 2 : w->keep == TS_SPREAD_KEEP_HALF ? 2.5 : 3;
    double expected = passes * (n - 1) * kv;
    if (w->heads == 0) /* queries, outputs and their gradients, keys and values of which there are enough */
        expected = (n - 1) / n * (2 * (2 * q + kv) + (w->keep ? q + kv : 0));
    if (w->gather_keys) /* keys and values once more where they are not kept as they were gathered */
        expected = (n - 1) / n * (2 * 2 * q + (w->keep ? q : 0)) + (w->keep ? 3 : 2) * (n - 1) * kv;
    if (w->heads > 1 || (w->heads == 0 && (a->n_q % comm->size || (a->n_kv % comm->size && !w->gather_keys))) ||
        w->across == TS_SPREAD_DIRECT)
        return;
    EXPECT(fabs(sent - expected) < 0.5, "%s: %s sends %g bytes, %g expected", a->name, w->name, sent, expected);
}

/* Whether queries of `at` see keys of `block` in their documents, position by position. */
static bool sees(const ts_spread *s, const attention *a, int at, int block)
{
    const ts_stretches q = ts_spread_queries(s, a->S, at * s->heads),
                    k = ts_spread_queries(s, a->S, block * s->heads);
    for (int64_t b = 0; b < a->B; b++)
        for (int64_t i = 0; i < ts_stretches_count(&q); i++)
            for (int64_t j = 0; j < ts_stretches_count(&k); j++) {
                const int64_t p = ts_stretches_at(&q, i), key = ts_stretches_at(&k, j);
                if (key <= p && key >= first_key(b, p))
                    return true;
            }
    return false;
}

/* The documents of the batch are known: the same numbers, and no block is sent that none sees. */
static void send_seen(const way *w, const attention *a, double all, const pass *without)
{
    enum { GROUPS = 8 };
    ts_spread s = spread_of(w, comm, a->S);
    const int n = comm->size / s.heads;
    bool seen[GROUPS * GROUPS] = { 0 };
    double sent[2] = { -comm->traffic.bytes, all }, needed = 0, blocks = 0; /* in rows of keys */
    pass mine;
    for (int64_t b = 0; b < a->B; b++) {
        int32_t segments[MOST];
        for (int64_t i = 0; i < a->S; i++)
            segments[i] = (int32_t)first_key(b, i);
        ts_spread_see(&s, segments, seen);
    }
    for (int i = 0; i < n * n; i++) {
        EXPECT(seen[i] == sees(&s, a, i / n, i % n), "%s, %s: %d sees %d", w->name, a->name, i / n, i % n);
        const ts_stretches keys = ts_spread_queries(&s, a->S, i % n * s.heads);
        const double rows = (double)ts_stretches_count(&keys);
        needed += i / n != i % n && seen[i] ? rows : 0;
        blocks += w->zigzag ? (i / n != i % n) * rows : (i % n < i / n) * rows;
    }
    s.seen = seen;
    run(a, a->dtype, &s, dev, 0, &mine);
    sent[0] += comm->traffic.bytes;
    const ts_stretches here = ts_spread_here(&s, a->S);
    attention same = *a;
    same.S = ts_stretches_count(&here);
    const ts_stretches rows = ts_stretches_one(0, same.S);
    compare("what is seen: the output", &same, &rows, mine.out, without->out, without->out, true);
    compare("what is seen: the gradient", &same, &rows, mine.in->grad, without->in->grad, without->in->grad, true);
    ts_tape_destroy(&mine.tape);
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(sent, 2, TS_COMM_F64, TS_COMM_SUM)));
    if (a->mask.kind == TS_MASK_CAUSAL && w->heads == 1)
        EXPECT(fabs(sent[0] / sent[1] - needed / blocks) < 1e-9, "%s, %s: %g of %g bytes, %g of %g rows",
               w->name, a->name, sent[0], sent[1], needed, blocks);
}

static int tried;

static void as_one(const way *w, const attention *a)
{
    const ts_spread s = spread_of(w, comm, a->S);
    const bool same = w->heads == 0 && a->n_kv % comm->size == 0; /* the kernel sees what one process's does */
    attention in_fp32 = *a;
    pass exact, whole, mine;
    char what[128];
    in_fp32.dtype = TS_DTYPE_F32;
    run(&in_fp32, TS_DTYPE_F32, NULL, dev, 0, &exact);
    run(a, a->dtype, NULL, dev, 0, &whole);
    for (int64_t layer = 0; layer < (w->keep ? 2 : 1); layer++) {
        const double before = comm->traffic.bytes;
        const int64_t held = dev->mem.total;
        ts_device_reset_peak(dev);
        run(a, a->dtype, &s, dev, layer, &mine);
        const double sent = comm->traffic.bytes - before;
        const ts_stretches here = ts_spread_here(&s, a->S);
        snprintf(what, sizeof what, "%s: the output", w->name);
        compare(what, a, &here, mine.out, whole.out, exact.out, same);
        snprintf(what, sizeof what, "%s: the gradient", w->name);
        compare(what, a, &here, mine.in->grad, whole.in->grad, exact.in->grad, false);
        simulate(w, a, layer, sent, dev->mem.peak - held);
        if (layer == 0)
            check_traffic(w, a, sent);
        if (w->across == TS_SPREAD_DIRECT && a->documents)
            send_seen(w, a, sent, &mine);
        ts_tape_destroy(&mine.tape);
    }
    ts_tape_destroy(&whole.tape);
    ts_tape_destroy(&exact.tape);
    tried++;
}

/* ---- who has what, without any attention ---- */

/* Every position once, in order on each, at most one more here than there. */
static void positions(const way *w, int64_t S)
{
    const ts_spread s = spread_of(w, comm, S);
    char seen[MOST] = { 0 };
    int64_t most = 0, least = S;
    for (int r = 0; r < comm->size; r++) {
        const ts_stretches p = ts_spread_rows(&s, S, r);
        const int64_t n = ts_stretches_count(&p);
        for (int64_t i = 0; i < n; i++) {
            const int64_t at = ts_stretches_at(&p, i);
            EXPECT(at >= 0 && at < S && !seen[at], "%s: position %lld", w->name, (long long)at);
            EXPECT(i == 0 || at > ts_stretches_at(&p, i - 1), "%s: position %lld is late", w->name,
                   (long long)at);
            seen[at] = 1;
        }
        most = n > most ? n : most, least = n < least ? n : least;
    }
    EXPECT(!memchr(seen, 0, (size_t)S) && most - least <= 1, "%s: %lld to %lld of %lld positions", w->name,
           (long long)least, (long long)most, (long long)S);
}

/* Every block is once with each; whoever hands it on inside a window is a neighbour, and a window's first
 * step takes it from the like in the window before. */
static void orders(void)
{
    static const int shape[][2] = { { 2, 1 }, { 3, 1 }, { 4, 1 }, { 4, 2 }, { 4, 4 }, { 6, 2 }, { 6, 3 },
                                    { 8, 2 }, { 8, 4 } };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        const int n = shape[i][0], w = shape[i][1];
        for (int at = 0; at < n; at++) {
            int seen = 0;
            for (int t = 0; t < n; t++) {
                const int b = ts_ring_block(n, w, at, t);
                seen |= 1 << b;
                EXPECT(ts_ring_holder(n, w, b, t) == at, "%d of %d in %d: step %d", at, n, w, t);
                const int from = t % w ? ts_ring_holder(n, w, b, t - 1) : at;
                EXPECT(from / w == at / w, "%d of %d in %d: step %d from %d", at, n, w, t, from);
                if (t >= w && t % w == 0)
                    EXPECT(ts_ring_holder(n, w, b, t - w) % w == at % w, "%d of %d in %d", at, n, w);
            }
            EXPECT(seen == (1 << n) - 1, "%d of %d in %d sees %x", at, n, w, seen);
        }
    }
}

static const way ways[] = {
    { .name = "heads" },
    { .name = "heads, exchanged again", .keep = TS_SPREAD_KEEP_FULL },
    { .name = "heads, keys gathered", .gather_keys = true },
    { .name = "heads, keys gathered again", .gather_keys = true, .keep = TS_SPREAD_KEEP_FULL },
    { .name = "ring", .heads = 1, .zigzag = true },
    { .name = "ring, one after another", .heads = 1 },
    { .name = "ring, kept", .heads = 1, .zigzag = true, .keep = TS_SPREAD_KEEP_FULL },
    { .name = "ring, keys kept", .heads = 1, .zigzag = true, .keep = TS_SPREAD_KEEP_HALF },
    { .name = "windows of 2", .heads = 1, .zigzag = true, .window = 2 },
    { .name = "windows of 2, kept", .heads = 1, .zigzag = true, .window = 2, .keep = TS_SPREAD_KEEP_FULL },
    { .name = "windows of 2, keys kept", .heads = 1, .zigzag = true, .window = 2,
      .keep = TS_SPREAD_KEEP_HALF },
    { .name = "windows of 3", .heads = 1, .zigzag = true, .window = 3 },
    { .name = "direct", .heads = 1, .across = TS_SPREAD_DIRECT, .zigzag = true },
    { .name = "direct, one after another", .heads = 1, .across = TS_SPREAD_DIRECT },
    { .name = "gathered", .heads = 1, .across = TS_SPREAD_GATHER, .zigzag = true },
    { .name = "gathered, one after another", .heads = 1, .across = TS_SPREAD_GATHER },
    { .name = "heads of 2, ring", .heads = 2, .zigzag = true },
    { .name = "heads of 2, direct", .heads = 2, .across = TS_SPREAD_DIRECT, .zigzag = true },
    { .name = "heads of 3, ring", .heads = 3, .zigzag = true },
};
static const attention kinds[] = {
    { .name = "plain", .B = 1, .S = 48, .n_q = 8, .n_kv = 4 },
    { .name = "two sequences", .B = 2, .S = 48, .n_q = 8, .n_kv = 4 },
    { .name = "one head of keys", .B = 2, .S = 48, .n_q = 12, .n_kv = 1 },
    { .name = "heads that do not come out even", .B = 1, .S = 48, .n_q = 14, .n_kv = 7 },
    { .name = "as many keys as queries", .B = 1, .S = 48, .n_q = 6, .n_kv = 6 },
    { .name = "a length that does not come out even", .B = 2, .S = 50, .n_q = 12, .n_kv = 3 },
    { .name = "an odd length", .B = 1, .S = 53, .n_q = 8, .n_kv = 4 },
    { .name = "an odd length, a window", .B = 2, .S = 45, .n_q = 8, .n_kv = 2,
      .mask = { .kind = TS_MASK_WINDOW, .left = 5 } },
    { .name = "an odd length, documents", .B = 2, .S = 47, .n_q = 8, .n_kv = 4, .documents = true },
    { .name = "few heads that do not come out even", .B = 1, .S = 49, .n_q = 14, .n_kv = 2 },
    { .name = "a window", .B = 1, .S = 48, .n_q = 8, .n_kv = 4,
      .mask = { .kind = TS_MASK_WINDOW, .left = 5 } },
    { .name = "a window to both sides", .B = 2, .S = 48, .n_q = 8, .n_kv = 4,
      .mask = { .kind = TS_MASK_WINDOW, .left = 3, .right = 9 } },
    { .name = "all keys", .B = 1, .S = 48, .n_q = 8, .n_kv = 4, .mask = { .kind = TS_MASK_BIDIRECTIONAL } },
    { .name = "documents", .B = 1, .S = 48, .n_q = 8, .n_kv = 4, .documents = true },
    { .name = "documents, a window", .B = 2, .S = 48, .n_q = 8, .n_kv = 4, .documents = true,
      .mask = { .kind = TS_MASK_WINDOW, .left = 6 } },
    { .name = "dropout, softcap", .B = 2, .S = 48, .n_q = 8, .n_kv = 4, .dropout = 0.3F, .softcap = 2 },
    { .name = "dropout of all keys", .B = 1, .S = 48, .n_q = 8, .n_kv = 4, .dropout = 0.3F,
      .mask = { .kind = TS_MASK_BIDIRECTIONAL } },
    { .name = "long", .B = 1, .S = 768, .n_q = 8, .n_kv = 4 },
    { .name = "bf16", .B = 2, .S = 48, .n_q = 8, .n_kv = 4, .dtype = TS_DTYPE_BF16 },
    { .name = "bf16, documents", .B = 1, .S = 48, .n_q = 12, .n_kv = 3, .documents = true,
      .dtype = TS_DTYPE_BF16 },
    { .name = "bf16, long", .B = 1, .S = 768, .n_q = 8, .n_kv = 4, .dtype = TS_DTYPE_BF16 },
    { .name = "fp16", .B = 1, .S = 48, .n_q = 8, .n_kv = 4, .dtype = TS_DTYPE_F16 },
};

int main(void)
{
    if (ts_comm_world(&comm) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    orders();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (can(&ways[i], &kinds[k])) {
                positions(&ways[i], kinds[k].S);
                as_one(&ways[i], &kinds[k]);
            }
    EXPECT(tried > 100, "%d cases", tried);
    ts_device_close(&dev);
    ts_comm_finish(&comm, false);
    return 0;
}
