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
    if (size / degree % window)
        return ts_error(TS_ERR_USER, "--cp-window-size %lld does not divide the %lld processes of the ring",
                        window, size / degree);
    return TS_OK;
}

/* Each must have something, and the same as the others but where heads alone are exchanged. */
static ts_status check_length(const ts_parallel_options *o, const ts_spread *s)
{
    const long long length = s->length, n = s->comm->size / s->heads, unit = s->zigzag ? 2 * n : n;
    const long long below = length - length % unit;
    const char *algo = word_of(o->context_algo);
    if (length < s->comm->size)
        return ts_error(TS_ERR_USER, "--context-parallel-size %d: --seq-length %lld is shorter",
                        s->comm->size, length);
    if (n > 1 && length % unit)
        return ts_error(TS_ERR_USER,
                        "--context-parallel-algo %s: --seq-length %lld is no multiple of %lld (%s%s); the next "
                        "ones are %lld and %lld, and ulysses_cp_algo takes any", algo, length, unit,
                        s->zigzag ? "twice " : "",
                        s->heads > 1 ? "the processes of the ring" : "--context-parallel-size",
                        below ? below : unit, below + unit);
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
                        .keep_every = o->context_interval + 1 };
    out->zigzag = is_ring(algo) || length % (2 * (comm->size / out->heads)) == 0;
    return check_length(o, out);
}

ts_status ts_context_check_heads(const ts_spread *s, int64_t n_q, int64_t n_kv)
{
    const long long q = n_q, kv = n_kv;
    if (s->heads == 1 || ts_spread_has_heads(n_q, n_kv, s->heads))
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "%d processes that exchange heads (ulysses, or --ulysses-degree-in-cp): of %lld heads with "
                    "%lld heads of keys and values (after --tensor-model-parallel-size) they must divide the "
                    "heads, or be at most %lld", s->heads, q, kv, kv);
}
