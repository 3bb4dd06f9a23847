#include "parallel/context.h"

static const char *word_of(int algo)
{
    static const char *const word[] = { "megatron_cp_algo", "ulysses_cp_algo", "hybrid_cp_algo",
                                        "kvallgather_cp_algo", "adaptive_cp_algo",
                                        "hybrid_adaptive_cp_algo" };
    return word[algo];
}

static bool is_hybrid(int algo) { return algo == TS_CONTEXT_HYBRID || algo == TS_CONTEXT_HYBRID_ADAPTIVE; }
static bool is_ring(int algo) { return algo == TS_CONTEXT_RING || algo == TS_CONTEXT_HYBRID; }

/* Options that go with some of the ways only. */
static ts_status check_options(const ts_parallel_options *o, int size)
{
    const char *algo = word_of(o->context_algo);
    const long long degree = o->context_heads, window = o->context_window;
    if (is_hybrid(o->context_algo) && (degree < 2 || size % degree || degree == size))
        return ts_error(TS_ERR_USER,
                        "--context-parallel-algo %s: --ulysses-degree-in-cp %lld must be at least 2, divide "
                        "--context-parallel-size %d and be less than it", algo, degree, size);
    if (!is_hybrid(o->context_algo) && degree > 1)
        return ts_error(TS_ERR_USER, "--ulysses-degree-in-cp %lld goes with --context-parallel-algo "
                                     "hybrid_cp_algo and hybrid_adaptive_cp_algo, not with %s", degree, algo);
    if (!is_ring(o->context_algo) && window > 1)
        return ts_error(TS_ERR_USER, "--cp-window-size goes with --context-parallel-algo megatron_cp_algo and "
                                     "hybrid_cp_algo, not with %s", algo);
    if (!is_ring(o->context_algo) && o->context_keep != TS_CONTEXT_KEEP_NONE &&
        (o->context_algo != TS_CONTEXT_ULYSSES || o->context_keep != TS_CONTEXT_KEEP_FULL))
        return ts_error(TS_ERR_USER, "--context-parallel-kv-cache-policy goes with --context-parallel-algo "
                                     "megatron_cp_algo and hybrid_cp_algo, and `full` with ulysses_cp_algo, "
                                     "not with %s", algo);
    if (o->context_gather_keys && o->context_algo != TS_CONTEXT_ULYSSES)
        return ts_error(TS_ERR_USER, "--use-ulysses-allgather-kv goes with --context-parallel-algo ulysses_cp_algo, "
                                     "not with %s", algo);
    if (size / degree % window)
        return ts_error(TS_ERR_USER, "--cp-window-size %lld does not divide the %lld processes of the ring",
                        window, size / degree);
    return TS_OK;
}

ts_status ts_context_spread(const ts_parallel_options *o, ts_comm *comm, int64_t length, ts_spread *out)
{
    const int algo = o->context_algo;
    TS_TRY(check_options(o, comm->size));
    *out = (ts_spread){ .comm = comm,
                        .length = length,
                        .heads = algo == TS_CONTEXT_ULYSSES ? comm->size : (int)o->context_heads,
                        .way = is_ring(algo)               ? TS_SPREAD_RING
                               : algo == TS_CONTEXT_GATHER ? TS_SPREAD_GATHER
                                                           : TS_SPREAD_DIRECT,
                        .window = (int)o->context_window,
                        .keep = (ts_spread_keep)o->context_keep,
                        .gather_keys = o->context_gather_keys,
                        .keep_every = o->context_interval + 1 };
    out->zigzag = length >= 2 * (comm->size / out->heads);
    if (length < comm->size) /* each must have something */
        return ts_error(TS_ERR_USER, "--context-parallel-size %d: --seq-length %lld is shorter", comm->size,
                        (long long)length);
    return TS_OK;
}

ts_status ts_context_check_heads(const ts_spread *s, int64_t n_q, int64_t n_kv)
{
    if (s->heads == 1)
        return TS_OK;
    if (!ts_spread_has_heads(n_q, n_kv, s->heads))
        return ts_error(TS_ERR_USER,
                        "%d processes that exchange heads (ulysses, or --ulysses-degree-in-cp) are more than a "
                        "layer's %lld heads (after --tensor-model-parallel-size)", s->heads, (long long)n_q);
    if (s->gather_keys && n_q == n_kv)
        return ts_error(TS_ERR_USER, "--use-ulysses-allgather-kv goes with models whose heads share keys and values "
                                     "(--group-query-attention): this one has as many of these as heads, %lld",
                        (long long)n_kv);
    return TS_OK;
}
