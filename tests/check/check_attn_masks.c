/* Attention's masks: each kind and offset, queries and keys of different numbers, grouped heads,
 * sizes that are no multiple of a block or a tile; and documents with an end. */
#include "attn_judge.h"

void ts_cpu_init_attn_masks(ts_cpu *c) { ts_cpu_init_attn(c); }

static const ts_attention_mask masks[] = {
    { .kind = TS_MASK_CAUSAL },
    { .kind = TS_MASK_CAUSAL, .offset = 7 },
    { .kind = TS_MASK_CAUSAL, .offset = -9 },   /* the first queries see nothing */
    { .kind = TS_MASK_CAUSAL, .offset = 1000 }, /* all see all */
    { .kind = TS_MASK_BIDIRECTIONAL },
    { .kind = TS_MASK_BIDIRECTIONAL, .offset = 5 },
    { .kind = TS_MASK_WINDOW, .left = 3 },
    { .kind = TS_MASK_WINDOW, .right = 4 },
    { .kind = TS_MASK_WINDOW, .left = 6, .right = 2 },
    { .kind = TS_MASK_WINDOW, .left = -1, .right = 3 },
    { .kind = TS_MASK_WINDOW, .left = 5, .right = -1, .offset = 2 },
    { .kind = TS_MASK_WINDOW, .left = -1, .right = -1 },
    { .kind = TS_MASK_WINDOW },
    { .kind = TS_MASK_WINDOW, .left = 20, .right = 17, .offset = -13 },
    { .kind = TS_MASK_WINDOW, .left = 2, .right = 2, .offset = 1000 },  /* none sees any */
    { .kind = TS_MASK_WINDOW, .left = 2, .right = 2, .offset = -1000 },
    { .kind = TS_MASK_CHUNK, .chunk = 16 },
    { .kind = TS_MASK_CHUNK, .chunk = 7, .offset = -5 },
    { .kind = TS_MASK_CHUNK, .chunk = 50, .chunk_at = -13, .offset = 11 },
};
static const ts_dtype type[] = { TS_DTYPE_F32, TS_DTYPE_BF16, TS_DTYPE_F16 };

static void check_rectangles(const check_env *e)
{
    static const int64_t size[][2] = { { 37, 53 }, { 61, 19 }, { 3, 290 }, { 1, 33 },
                                       { 131, 70 }, { 65, 257 } };
    static const int64_t heads[][3] = { { 2, 2, 16 }, { 3, 1, 12 }, { 4, 2, 40 } };
    int n = 0;
    for (size_t m = 0; m < CHECK_COUNT(masks); m++)
        for (size_t s = 0; s < CHECK_COUNT(size); s++)
            for (size_t h = 0; h < CHECK_COUNT(heads); h++, n++)
                one_case(e,
                         &(geometry){ .B = 1 + n % 2, .S_q = size[s][0], .S_kv = size[s][1],
                                      .n_q = heads[h][0], .n_kv = heads[h][1], .D = heads[h][2],
                                      .dtype = type[n % 7 % 3], .size = 2, .mask = &masks[m],
                                      .gap = n % 5 == 0 ? 3 : 0 },
                         true);
}

/* Every mask with every feature: bits of n choose. */
static void check_mask_features(const check_env *e)
{
    for (int n = 0; n < 256; n++) {
        geometry g = { .B = 2, .S_q = 41, .S_kv = n & 1 ? 41 : 27, .n_q = 4, .n_kv = 2, .D = 12,
                       .dtype = type[n / 3 % 3], .size = 2, .mask = &masks[n % CHECK_COUNT(masks)],
                       .docs = n & 16, .ends = n & 32, .lengths = n & 64, .fused = n % 32 == 1,
                       .slopes = n & 128, .sinks = n % 3 == 0, .softcap = n % 5 == 0 ? 1.5 : 0,
                       .dropout = n % 7 == 0 ? 0.3 : 0, .gap = n % 13 == 0 && n % 32 != 1 ? 4 : 0,
                       .cache = n % 11 == 0 && n % 32 != 1 };
        if (g.cache)
            g.S_q = 5, g.S_kv = 150;
        one_case(e, &g, true);
    }
}

/* Sizes at which work is cut differently: blocks, chunks of sums, splits of keys, two passes. */
static void check_mask_cuts(const check_env *e)
{
    static const ts_attention_mask both = { .kind = TS_MASK_BIDIRECTIONAL },
                                   corner = { .kind = TS_MASK_CAUSAL, .offset = 150 },
                                   ahead = { .kind = TS_MASK_WINDOW, .left = -1, .right = 30 },
                                   band = { .kind = TS_MASK_WINDOW, .left = 60, .right = 25 },
                                   late = { .kind = TS_MASK_WINDOW, .right = -1 },
                                   chunks = { .kind = TS_MASK_CHUNK, .chunk = 190 };
    static const struct {
        int64_t S_q, S_kv, n_q, n_kv, D;
        const ts_attention_mask *mask;
        bool docs, ends;
    } cut[] = {
        { 450, 450, 3, 1, 16, &both, false, false }, { 700, 700, 3, 1, 16, &both, true, true },
        { 700, 700, 2, 1, 16, &both, false, true },  { 450, 600, 2, 1, 16, &corner, false, false },
        { 450, 450, 3, 1, 16, &ahead, false, false }, { 700, 700, 2, 1, 16, &band, false, false },
        { 700, 700, 3, 1, 16, &chunks, false, false }, { 450, 450, 3, 1, 20, &chunks, true, false },
        { 450, 450, 2, 1, 16, &late, false, false },  { 600, 90, 3, 1, 20, &both, false, false },
        { 3, 2600, 3, 1, 64, &both, false, true },    { 30, 1700, 2, 1, 20, &band, false, false },
        { 2, 13000, 2, 1, 260, &both, false, true }, /* sums of dk, dv do not fit: two passes */
    };
    for (size_t c = 0; c < CHECK_COUNT(cut); c++)
        for (size_t t = 0; t < 2; t++)
            one_case(e,
                     &(geometry){ .B = 1, .S_q = cut[c].S_q, .S_kv = cut[c].S_kv, .n_q = cut[c].n_q,
                                  .n_kv = cut[c].n_kv, .D = cut[c].D, .dtype = type[t], .size = 2,
                                  .mask = cut[c].mask, .docs = cut[c].docs, .ends = cut[c].ends },
                     true);
}

/* Parts of sequences: queries in one or two pieces, keys before, among and behind them; with each mask,
 * and features as bits of n say. */
static void check_parts(const check_env *e)
{
    static const struct {
        ts_stretches q;
        int64_t key0, keys;
    } part[] = {
        { { 1, { { 0, 40 } } }, 0, 40 },
        { { 1, { { 80, 40 } } }, 40, 40 },
        { { 2, { { 20, 20 }, { 180, 20 } } }, 20, 20 },
        { { 2, { { 20, 20 }, { 180, 20 } } }, 180, 20 },
        { { 2, { { 20, 20 }, { 180, 20 } } }, 0, 200 },
        { { 2, { { 20, 20 }, { 180, 20 } } }, 60, 20 },
        { { 2, { { 20, 3 }, { 30, 37 } } }, 10, 57 },
        { { 2, { { 100, 300 }, { 500, 300 } } }, 100, 600 },
    };
    int n = 0;
    for (size_t p = 0; p < CHECK_COUNT(part) && (e->isa || part[p].keys <= 200); p++)
        for (size_t m = 0; m < CHECK_COUNT(masks); m++, n++)
            one_case(e,
                     &(geometry){ .B = part[p].keys > 200 ? 1 : 2, .S_q = ts_stretches_count(&part[p].q),
                                  .S_kv = part[p].keys, .n_q = 4, .n_kv = 2, .D = 12,
                                  .dtype = type[n / 3 % 3], .size = 2, .mask = &masks[m],
                                  .q_at = part[p].q, .key0 = part[p].key0, .whole = 1000,
                                  .docs = n % 4 == 0, .ends = n % 8 == 0, .slopes = n % 5 == 0,
                                  .softcap = n % 5 == 1 ? 1.5 : 0, .dropout = n % 3 == 0 ? 0.3 : 0 },
                     true);
}

void check_attn_masks(const check_env *e)
{
    check_parts(e);
    check_rectangles(e);
    check_mask_features(e);
    if (e->isa) /* the reference cuts nothing, and would take long */
        check_mask_cuts(e);
}

void bench_attn_masks(const check_env *e) { (void)e; }
