#include "parallel/rules.h"

#include "base/str.h"
#include "model/network.h"
#include "parallel/stages.h"

#define LL(n) ((long long)(n))

/* ---- values that would do ---- */

typedef bool fits_fn(const ts_layout *l, int64_t n);

/* Appends those of 1 to most that fit: "1, 2 or 4"; of many the first ones. 1 always fits but where
 * something else is wrong as well: "none" then. */
static ts_status add_values(ts_str *out, const ts_layout *l, fits_fn *fits, int64_t most)
{
    enum { SHOWN = 12 };
    int64_t v[SHOWN + 1];
    int n = 0;
    for (int64_t i = 1; i <= most && n <= SHOWN; i++)
        if (fits(l, i))
            v[n++] = i;
    if (!n)
        return ts_str_puts(out, "none");
    for (int i = 0; i < n && i < SHOWN; i++)
        TS_TRY(ts_str_printf(out, "%s%lld", i == 0 ? "" : i + 1 == n ? " or " : ", ", LL(v[i])));
    return n > SHOWN ? ts_str_puts(out, ", ...") : TS_OK;
}

/* " (it may be 1, 2 or 4)" */
static ts_status may_be(ts_str *out, const ts_layout *l, const char *what, fits_fn *fits,
                        int64_t most)
{
    TS_TRY(ts_str_printf(out, " (%s may be ", what));
    TS_TRY(add_values(out, l, fits, most));
    return ts_str_puts(out, ")");
}

#define TENSOR "--tensor-model-parallel-size"

/* ---- the rules: what is wrong is appended to `say`, nothing where all is well ---- */

/* By steps: the product of what a user wrote may be anything. */
static bool divides(int64_t n, int64_t a, int64_t b, int64_t c)
{
    return n % a == 0 && n / a % b == 0 && n / a / b % c == 0;
}

static bool tp_fits_world(const ts_layout *l, int64_t n) { return divides(l->world, n, l->cp, l->pp); }

static ts_status world_rule(const ts_layout *l, ts_str *say)
{
    if (divides(l->world, l->tp, l->cp, l->pp))
        return TS_OK;
    TS_TRY(ts_str_printf(say,
                         "%lld processes cannot be shared out: " TENSOR " %lld times "
                         "--context-parallel-size %lld times --pipeline-model-parallel-size %lld "
                         "does not divide them",
                         LL(l->world), LL(l->tp), LL(l->cp), LL(l->pp)));
    return may_be(say, l, TENSOR, tp_fits_world, l->world);
}

static int64_t pieces(const ts_layout *l) { return l->etp ? l->etp : l->tp; }

/* Processes of a stage. */
static int64_t of_stage(const ts_layout *l) { return ts_layout_replicas(l) * l->cp * l->tp; }

static bool ep_fits(const ts_layout *l, int64_t n)
{
    return of_stage(l) % pieces(l) == 0 && of_stage(l) / pieces(l) % n == 0 && (l->experts <= 0 || l->experts % n == 0);
}

static bool parts_experts(const ts_layout *l) { return l->ep > 1 || pieces(l) != l->tp; }

#define EXPERTS "--expert-model-parallel-size"

static ts_status expert_rule(const ts_layout *l, ts_str *say)
{
    if (l->tp % pieces(l))
        return ts_str_printf(say, "--expert-tensor-parallel-size %lld does not divide " TENSOR " %lld", LL(pieces(l)),
                             LL(l->tp));
    if (parts_experts(l) && !l->experts)
        return ts_str_puts(say, EXPERTS " and --expert-tensor-parallel-size: this model has no experts: leave them out");
    if (l->o->placement && l->ep == 1)
        return ts_str_puts(say, "--expert-placement says which of several processes has which experts, and each has all: give "
                                EXPERTS);
    if (!ts_layout_replicas(l) || ep_fits(l, l->ep))
        return TS_OK;
    if (l->experts > 0 && l->experts % l->ep)
        TS_TRY(ts_str_printf(say, "%lld processes cannot share out the %lld experts of a layer (num_experts) evenly",
                             LL(l->ep), LL(l->experts)));
    else
        TS_TRY(ts_str_printf(say, EXPERTS " %lld times --expert-tensor-parallel-size %lld does not divide the %lld "
                                  "processes that --pipeline-model-parallel-size %lld leaves of %lld",
                             LL(l->ep), LL(pieces(l)), LL(of_stage(l)), LL(l->pp), LL(l->world)));
    return may_be(say, l, EXPERTS, ep_fits, of_stage(l));
}

/* Each of a tensor-parallel group sends its share of the rows. */
static ts_status expert_rows_rule(const ts_layout *l, ts_str *say)
{
    if (!parts_experts(l) || l->tp == 1 || l->o->sequence || l->micro * l->seq_length / l->cp % l->tp == 0)
        return TS_OK;
    return ts_str_printf(say, TENSOR " %lld does not divide the %lld tokens of a micro-batch on a process, which experts of "
                              "other processes need: give another --micro-batch-size", LL(l->tp),
                         LL(l->micro * l->seq_length / l->cp));
}

static ts_status gather_rule(const ts_layout *l, ts_str *say)
{
    const bool gathers = l->o->dispatcher == TS_DISPATCHER_ALL_GATHER;
    if (!parts_experts(l) || !(gathers || l->o->by_hosts) || l->cp == 1 || l->seq_length % (2 * l->cp) == 0)
        return TS_OK;
    return ts_str_printf(say, "%s: processes have different numbers of tokens, as "
                              "--context-parallel-size %lld does not divide --seq-length %lld evenly: %s",
                         gathers ? "--moe-token-dispatcher-type allgather" : "--moe-hierarchical-alltoallv", LL(l->cp),
                         LL(l->seq_length), gathers ? "give alltoall" : "leave it out");
}

/* Sequences in slices: each has as many rows, and all of a sequence are on one process. */
static ts_status slices_rule(const ts_layout *l, ts_str *say)
{
    const int64_t n = l->o->slices;
    if (n < 2 || !parts_experts(l))
        return TS_OK;
    if (l->o->sequence || l->cp > 1)
        return ts_str_printf(say, "--ampipe-degree: %s leaves a process some rows of a sequence, of which queries cannot be taken in "
                                  "slices: leave one of the two out",
                             l->cp > 1 ? "--context-parallel-size" : "--sequence-parallel");
    if (l->seq_length % n)
        return ts_str_printf(say, "--ampipe-degree %lld does not divide --seq-length %lld", LL(n), LL(l->seq_length));
    if (l->micro * l->seq_length / n % l->tp)
        return ts_str_printf(say, TENSOR " %lld does not divide the %lld tokens of a slice of --ampipe-degree %lld, which experts of "
                                  "other processes need: give fewer slices", LL(l->tp), LL(l->micro * l->seq_length / n), LL(n));
    return TS_OK;
}

/* Ways of tokens that want others: what is given, and what it needs. */
static ts_status way_rule(const ts_layout *l, ts_str *say)
{
    const ts_parallel_options *o = l->o;
    const char *given = o->balances           ? "--balanced-moe-experts"
                        : o->by_hosts         ? "--moe-hierarchical-alltoallv"
                        : o->expert_parts > 1 ? "--moe-experts-pipeline-degree"
                        : o->pipes            ? "--use-pipe-experts"
                        : o->slices > 1       ? "--ampipe-degree"
                                              : NULL;
    if (o->row_parts > 1 && !o->pipes)
        return ts_str_puts(say, "--pipe-experts-multi-data needs --use-pipe-experts");
    if (!given)
        return TS_OK;
    if (!parts_experts(l) || o->dispatcher == TS_DISPATCHER_ALL_GATHER)
        return ts_str_printf(say, "%s needs experts on several processes (" EXPERTS ") and "
                                  "--moe-token-dispatcher-type alltoall", given);
    if (o->pipes && o->expert_parts > 1)
        return ts_str_puts(say, "--use-pipe-experts and --moe-experts-pipeline-degree say in how many parts tokens go: give "
                                "one");
    if (o->by_hosts && o->balances)
        return ts_str_puts(say, "--balanced-moe-experts sends copies to all processes, --moe-hierarchical-alltoallv tokens to "
                                "those of one group: give one");
    if (o->by_hosts && (!o->tensor_extends_experts || l->tp == 1 || l->ep == l->tp))
        return ts_str_puts(say, "--moe-hierarchical-alltoallv needs --moe-tp-extend-ep with " TENSOR " and " EXPERTS
                                " of more than 1: tokens go to one process of each tensor-parallel group first");
    return o->balances && pieces(l) > 1
               ? ts_str_puts(say, "--balanced-moe-experts copies whole experts: give --expert-tensor-parallel-size 1")
               : TS_OK;
}

static bool parts_fit(const ts_layout *l, int64_t n) { return l->experts / l->ep % n == 0; }

/* What a process has of experts, and what becomes of these. */
static ts_status some_experts_rule(const ts_layout *l, ts_str *say)
{
    const int64_t here = l->experts / l->ep;
    if (l->experts <= 0 || l->experts % l->ep)
        return TS_OK;
    if (l->o->balances && l->o->hot > here)
        return ts_str_printf(say, "--balanced-moe-hot-expert-num %lld is more than the %lld experts that a process has of a "
                                  "layer (it may be 1 to %lld)", LL(l->o->hot), LL(here), LL(here));
    if (l->o->expert_parts <= 1 || parts_fit(l, l->o->expert_parts))
        return TS_OK;
    TS_TRY(ts_str_printf(say, "--moe-experts-pipeline-degree %lld does not divide the %lld experts that a process has of a "
                              "layer", LL(l->o->expert_parts), LL(here)));
    return may_be(say, l, "it", parts_fit, here);
}

/* Both orders of ranks must have the same stages. */
static ts_status order_rule(const ts_layout *l, ts_str *say)
{
    if (!l->o->pp_before_dp || l->pp == 1 || (pieces(l) == l->tp && (l->ep == 1 || l->ep == l->cp)))
        return TS_OK;
    return ts_str_printf(say,
                         "--use-tp-pp-dp-mapping: with --expert-model-parallel-size %lld and "
                         "--context-parallel-size %lld layers of experts would have other stages than the "
                         "others (--expert-model-parallel-size may be 1 or %lld)",
                         LL(l->ep), LL(l->cp), LL(l->cp));
}

static bool global_fits(const ts_layout *l, int64_t n)
{
    return l->global % l->micro == 0 && l->global / l->micro % n == 0;
}

static ts_status batch_rule(const ts_layout *l, ts_str *say)
{
    const int64_t dp = ts_layout_replicas(l);
    if (!l->global || !dp || global_fits(l, dp))
        return TS_OK;
    const int64_t chunk = l->micro * dp, below = l->global / chunk * chunk;
    TS_TRY(ts_str_printf(say,
                         "--global-batch-size %lld is no multiple of --micro-batch-size %lld x %lld "
                         "processes (it may be ", LL(l->global), LL(l->micro), LL(dp)));
    if (below)
        TS_TRY(ts_str_printf(say, "%lld or ", LL(below)));
    return ts_str_printf(say, "%lld)", LL(below + chunk));
}

/* Heads that share keys and values stay together, or each process has some of one's queries. */
static bool tp_fits_heads(const ts_layout *l, int64_t n)
{
    if (n > l->kv_heads)
        return n % l->kv_heads == 0 && l->heads % n == 0;
    return l->o->unaligned || l->kv_heads % n == 0;
}

static ts_status heads_rule(const ts_layout *l, ts_str *say)
{
    if (!l->kv_heads || tp_fits_heads(l, l->tp))
        return TS_OK;
    if (l->tp < l->kv_heads)
        TS_TRY(ts_str_printf(say,
                             TENSOR " %lld does not divide the model's %lld heads of keys and values "
                             "(num_key_value_heads): --unaligned-linear shares them out unevenly",
                             LL(l->tp), LL(l->kv_heads)));
    else
        TS_TRY(ts_str_printf(say,
                             TENSOR " %lld is neither at most the model's %lld heads of keys and "
                             "values (num_key_value_heads) nor a multiple of these that divides its "
                             "%lld heads (num_attention_heads)",
                             LL(l->tp), LL(l->kv_heads), LL(l->heads)));
    return may_be(say, l, "it", tp_fits_heads, l->heads);
}

/* Groups stay together, and each process has as many heads of one. */
static bool tp_fits_scan(const ts_layout *l, int64_t n)
{
    if (l->scan_common && n > l->scan_groups)
        return n % l->scan_groups == 0 && l->scan_heads % n == 0;
    return l->scan_groups % n == 0 && (!l->scan_norms || l->scan_norms % n == 0);
}

/* Of a process; those of which it has some heads. */
static int64_t scan_groups_here(const ts_layout *l) { return l->tp > l->scan_groups ? 1 : l->scan_groups / l->tp; }

/* Processes that share out a sequence have some groups each, or as many heads of one. */
static bool cp_fits_scan(const ts_layout *l, int64_t n)
{
    const int64_t groups = scan_groups_here(l), heads = l->scan_heads / l->tp / groups;
    return n <= groups || (n % groups == 0 && heads % (n / groups) == 0);
}

static ts_status scan_context_rule(const ts_layout *l, ts_str *say)
{
    if (l->cp == 1)
        return TS_OK;
    if (l->scan_joins)
        return ts_str_printf(say,
                             "--context-parallel-size %lld: this model has layers that carry a state from token to token "
                             "and whose steps are made of all channels together, so that a sequence is on one process "
                             "(it may be 1)", LL(l->cp));
    if (!tp_fits_scan(l, l->tp) || cp_fits_scan(l, l->cp))
        return TS_OK;
    TS_TRY(ts_str_printf(say, "--context-parallel-size %lld cannot share out the %lld heads in %lld groups of the model's "
                              "layers that carry a state, of which " TENSOR " %lld leaves a process %lld groups",
                         LL(l->cp), LL(l->scan_heads), LL(l->scan_groups), LL(l->tp), LL(scan_groups_here(l))));
    return may_be(say, l, "it", cp_fits_scan, l->scan_heads / l->tp);
}

static ts_status scan_rule(const ts_layout *l, ts_str *say)
{
    if (!l->scan_heads)
        return TS_OK;
    TS_TRY(scan_context_rule(l, say));
    if (say->len)
        return TS_OK;
    if (l->o->two)
        return ts_str_puts(say, "--tp-2d: this model has layers that carry a state, which are cut by heads alone");
    if (tp_fits_scan(l, l->tp))
        return TS_OK;
    TS_TRY(ts_str_printf(say, TENSOR " %lld does not divide the %lld groups of heads of the model's layers that carry a state%s",
                         LL(l->tp), LL(l->scan_groups), l->scan_common ? ", nor is it a multiple of them that divides their heads" : ""));
    return may_be(say, l, "it", tp_fits_scan, l->scan_common ? l->scan_heads : l->scan_groups);
}

static ts_status index_rule(const ts_layout *l, ts_str *say)
{
    const int algo = l->o->context_algo;
    if (!l->indexed || l->cp == 1 || algo == TS_CONTEXT_RING || algo == TS_CONTEXT_GATHER || algo == TS_CONTEXT_ADAPTIVE)
        return TS_OK;
    return ts_str_puts(say, "--context-parallel-algo: the indexer of this model's sparse attention chooses keys for all heads "
                            "of a row, which are not exchanged: give kvallgather_cp_algo");
}

static bool tp_fits_groups(const ts_layout *l, int64_t n)
{
    return l->o->unaligned ? l->head_groups >= n : l->head_groups % n == 0;
}

/* Groups of heads stay together; keys that stand for several tokens are made of all of a sequence's rows. */
static ts_status compressed_rule(const ts_layout *l, ts_str *say)
{
    if (!l->head_groups)
        return TS_OK;
    if (l->cp > 1 && l->o->context_algo != TS_CONTEXT_ULYSSES)
        return ts_str_printf(say, "--context-parallel-size %lld: heads of this model share keys that stand for several tokens "
                                  "(compress_rates, --compress-ratios), for which rows are exchanged for heads: give "
                                  "--context-parallel-algo ulysses_cp_algo", LL(l->cp));
    if (l->o->two)
        return ts_str_puts(say, "--tp-2d: heads of this model share keys (compress_rates, --compress-ratios) and are cut by "
                                "groups alone: leave it out");
    if (tp_fits_groups(l, l->tp))
        return TS_OK;
    TS_TRY(ts_str_printf(say, TENSOR " %lld %s the %lld groups of heads of the model's output projection (o_groups)%s", LL(l->tp),
                         l->head_groups < l->tp ? "is more than" : "does not divide", LL(l->head_groups),
                         l->head_groups < l->tp ? "" : ": --unaligned-linear shares them out unevenly"));
    return may_be(say, l, "it", tp_fits_groups, l->head_groups);
}

static bool tp_fits_mlp(const ts_layout *l, int64_t n)
{
    return l->ffn >= n && (l->o->unaligned || l->ffn % n == 0);
}

static ts_status mlp_rule(const ts_layout *l, ts_str *say)
{
    if (!l->ffn || tp_fits_mlp(l, l->tp))
        return TS_OK;
    TS_TRY(ts_str_printf(say,
                         TENSOR " %lld %s the width of the model's MLP, %lld (intermediate_size)%s",
                         LL(l->tp), l->ffn < l->tp ? "is more than" : "does not divide", LL(l->ffn),
                         l->ffn < l->tp ? "" : ": --unaligned-linear shares it out unevenly"));
    return may_be(say, l, "it", tp_fits_mlp, l->ffn);
}

static bool tp_fits_experts(const ts_layout *l, int64_t n)
{
    return (pieces(l) < l->tp || l->expert_ffn % n == 0) && l->expert_ffn % pieces(l) == 0 && l->shared_ffn % n == 0;
}

static ts_status experts_rule(const ts_layout *l, ts_str *say)
{
    if (l->expert_ffn && l->o->two)
        return ts_str_puts(say, "--tp-2d: experts are not cut both ways: leave it out");
    if (tp_fits_experts(l, l->tp))
        return TS_OK;
    TS_TRY(ts_str_printf(say, TENSOR " %lld does not divide the width of an expert, %lld, or of the shared one, %lld",
                         LL(l->tp), LL(l->expert_ffn), LL(l->shared_ffn)));
    return may_be(say, l, "it", tp_fits_experts, l->expert_ffn);
}

static ts_status vocabulary_rule(const ts_layout *l, ts_str *say)
{
    if (!l->vocab || l->tp <= l->vocab)
        return TS_OK;
    return ts_str_printf(say, TENSOR " %lld is more than the model's vocabulary of %lld (it may be at "
                              "most that)", LL(l->tp), LL(l->vocab));
}

static ts_status norm_rule(const ts_layout *l, ts_str *say)
{
    if (!l->norms_of_heads || (l->tp <= l->kv_heads && !l->o->two))
        return TS_OK;
    return ts_str_printf(say,
                         "%s: each head of this model's queries and keys has a norm with weights of its own, "
                         "which are with it on one process (" TENSOR " may be 1 to %lld, without --tp-2d)",
                         l->o->two ? "--tp-2d" : TENSOR, LL(l->kv_heads));
}

/* What a message between stages has room for, beside the embedding and the like. */
static ts_status lenders_rule(const ts_layout *l, ts_str *say)
{
    enum { MOST = (TS_BESIDE - 3) / 2 };
    if (l->pp == 1 || l->lenders <= MOST)
        return TS_OK;
    return ts_str_printf(say, "--pipeline-model-parallel-size %lld: layers of this model read keys and values or choices of %lld "
                              "earlier ones at once, and stages pass those of %d (it may be 1)", LL(l->pp), LL(l->lenders),
                         (int)MOST);
}

static bool tp_fits_rows(const ts_layout *l, int64_t n) { return l->seq_length % n == 0; }

static ts_status rows_rule(const ts_layout *l, ts_str *say)
{
    if (!l->o->sequence || l->o->two || l->cp > 1 || tp_fits_rows(l, l->tp)) /* shares: train/job.c */
        return TS_OK;
    TS_TRY(ts_str_printf(say, "--sequence-parallel: " TENSOR " %lld does not divide --seq-length %lld",
                         LL(l->tp), LL(l->seq_length)));
    return may_be(say, l, TENSOR, tp_fits_rows, l->seq_length);
}

/* ---- tensors cut both ways ---- */

static bool x_fits(const ts_layout *l, int64_t n) { return n > 1 && n < l->tp && l->tp % n == 0; }

static ts_status mesh_rule(const ts_layout *l, ts_str *say)
{
    const int64_t x = l->o->x, y = l->o->y;
    if (!l->o->two)
        return x == 1 && y == 1 ? TS_OK : ts_str_puts(say, "--tp-x and --tp-y need --tp-2d");
    if (x > 1 && y > 1 && l->tp % x == 0 && l->tp / x == y)
        return TS_OK;
    TS_TRY(ts_str_printf(say, "--tp-2d: --tp-x %lld times --tp-y %lld is not " TENSOR
                              " %lld, or one of them is 1", LL(x), LL(y), LL(l->tp)));
    return may_be(say, l, "--tp-x", x_fits, l->tp);
}

static ts_status mesh_overlap_rule(const ts_layout *l, ts_str *say)
{
    const ts_parallel_options *o = l->o;
    if (o->overlap_gather && o->overlap_scatter)
        return ts_str_puts(say, "--enable-overlap-ag-with-matmul contradicts --enable-overlap-matmul-with-rs: give "
                                "one");
    const char *name = o->overlap_gather    ? "--enable-overlap-ag-with-matmul"
                       : o->overlap_scatter ? "--enable-overlap-matmul-with-rs"
                       : o->overlap_back    ? "--enable-backward-overlap-ag-with-matmul"
                                            : NULL;
    return name && !o->two ? ts_str_printf(say, "%s needs --tp-2d", name) : TS_OK;
}

static bool mesh_fits(const ts_layout *l, int64_t n)
{
    return (!l->kv_heads || l->kv_heads % n == 0) && (!l->ffn || l->ffn % n == 0) &&
           l->seq_length % n == 0;
}

static ts_status mesh_model_rule(const ts_layout *l, ts_str *say)
{
    if (!l->o->two || mesh_fits(l, l->tp))
        return TS_OK;
    TS_TRY(ts_str_printf(say,
                         "--tp-2d: " TENSOR " %lld must divide the model's %lld heads of keys and values "
                         "(num_key_value_heads), the width of its MLP, %lld (intermediate_size), and "
                         "--seq-length %lld",
                         LL(l->tp), LL(l->kv_heads), LL(l->ffn), LL(l->seq_length)));
    return may_be(say, l, "it", mesh_fits, l->seq_length);
}

static ts_status mesh_latent_rule(const ts_layout *l, ts_str *say)
{
    return l->o->two && l->latent ? ts_str_puts(say, "--tp-2d: latent attention cannot be cut both ways: leave "
                                                     "it out, or give --sequence-parallel")
                                  : TS_OK;
}

static bool y_fits(const ts_layout *l, int64_t n) { return x_fits(l, n) && l->hidden % n == 0; }

static ts_status mesh_width_rule(const ts_layout *l, ts_str *say)
{
    if (!l->o->two || l->hidden % l->o->y == 0)
        return TS_OK;
    TS_TRY(ts_str_printf(say, "--tp-y %lld does not divide the model's width, %lld (hidden_size)",
                         LL(l->o->y), LL(l->hidden)));
    return may_be(say, l, "it", y_fits, l->tp);
}

static ts_status mesh_alone_rule(const ts_layout *l, ts_str *say)
{
    const ts_parallel_options *o = l->o;
    const char *other = o->sequence    ? "--sequence-parallel (rows of the stream are shared out anyway)"
                        : o->unaligned ? "--unaligned-linear"
                        : o->coc       ? "--use-ascend-coc"
                        : o->mc2       ? "--use-ascend-mc2"
                                       : NULL;
    return o->two && other ? ts_str_printf(say, "--tp-2d contradicts %s: give one", other) : TS_OK;
}

/* ---- exchanges beside products ---- */

static ts_status overlap_rule(const ts_layout *l, ts_str *say)
{
    const ts_parallel_options *o = l->o;
    const char *name = o->coc ? "--use-ascend-coc" : o->mc2 ? "--use-ascend-mc2" : "--tp-comm-overlap";
    if ((int)o->coc + (int)o->mc2 + (int)o->tp_overlap > 1)
        return ts_str_puts(say, "--use-ascend-coc, --use-ascend-mc2 and --tp-comm-overlap are ways of the "
                                "same: give one");
    if ((o->coc || o->mc2) && o->unaligned)
        return ts_str_printf(say, "%s contradicts --unaligned-linear: give one", name);
    if (l->tp > 1 && (o->mc2 || o->tp_overlap) && !o->sequence && !o->two)
        return ts_str_printf(say, "%s needs --sequence-parallel", name);
    return TS_OK;
}

static ts_status parts_rule(const ts_layout *l, ts_str *say)
{
    const int64_t n = l->o->coc_parts;
    return n < 1 || !(n & (n - 1)) ? TS_OK
                                   : ts_str_printf(say, "--coc-parallel-num %lld (it may be 1, 2, 4 or 8)",
                                                   LL(n));
}

/* ---- stages ---- */

/* Layers over stages, and micro-batches over the schedule of these. */
static ts_status check_stages(const ts_layout *l, ts_stages *s)
{
    const int64_t dp = ts_layout_replicas(l);
    TS_TRY(ts_stages_make(l->o, l->n_layers, l->empty, l->n_empty, s));
    const ts_schedule_shape shape = { .n_stages = s->n_stages,
                                      .n_chunks = s->n_chunks,
                                      .n_micro = l->n_micro              ? l->n_micro
                                                 : l->global && dp ? l->global / l->micro / dp
                                                                   : 1,
                                      .group = l->o->group,
                                      .recompute = ts_parallel_recompute(l->o) };
    return dp && (!l->global || global_fits(l, dp)) ? ts_schedule_fits(s->schedule, &shape) : TS_OK;
}

static ts_status stages_rule(const ts_layout *l, ts_str *say)
{
    ts_stages s;
    if (l->pp == 1 || !l->n_layers)
        return TS_OK;
    const ts_status st = check_stages(l, &s);
    const bool is_v = s.schedule == TS_SCHEDULE_DUALPIPEV, other = s.further >= 0 && s.further != l->mtp_layers,
               pairs = is_v || s.schedule == TS_SCHEDULE_1F1B || s.schedule == TS_SCHEDULE_INTERLEAVED;
    ts_stages_deinit(&s);
    if (st == TS_OK && l->o->interweaves && !pairs)
        return ts_str_puts(say, "--moe-fb-overlap: with stages it goes with the schedules 1f1b, interleaved (virtual stages) and "
                                "dualpipev, whose passes may run interwoven: choose one of these, or leave it out");
    if (st == TS_OK && is_v && l->tied)
        return ts_str_puts(say, "schedule dualpipev: the model's output layer is its embedding "
                                "(tie_word_embeddings): choose another schedule, or give "
                                "--untie-embeddings-and-output-weights");
    if (st == TS_OK && other)
        return ts_str_printf(say, "--pipeline-model-parallel-layout %s has another number of layers that predict further "
                                  "tokens (m) than --mtp-num-layers %lld", l->o->layout, LL(l->mtp_layers));
    if (st == TS_OK && is_v && l->mtp_layers)
        return ts_str_puts(say, "schedule dualpipev: --mtp-num-layers reads the embedding in the last part too: choose "
                                "another schedule");
    return st == TS_ERR_USER ? ts_str_puts(say, ts_error_message()) : st;
}

/* ---- all of them ---- */

typedef ts_status rule_fn(const ts_layout *l, ts_str *say);

static rule_fn *const rules[] = { world_rule, expert_rule, expert_rows_rule, gather_rule, way_rule, slices_rule, some_experts_rule,
                                  order_rule, batch_rule, heads_rule, scan_rule, index_rule, compressed_rule,
                                  mlp_rule, experts_rule, vocabulary_rule, norm_rule, lenders_rule, rows_rule,
                                  overlap_rule, parts_rule, stages_rule,
                                  mesh_rule, mesh_latent_rule, mesh_model_rule, mesh_width_rule, mesh_alone_rule,
                                  mesh_overlap_rule };

int64_t ts_layout_replicas(const ts_layout *l)
{
    return divides(l->world, l->tp, l->cp, l->pp) ? l->world / l->tp / l->cp / l->pp : 0;
}

/* One broken rule is a sentence, several are a list of them. */
static ts_status refuse(const ts_str *list, int broken)
{
    return broken == 1 ? ts_error(TS_ERR_USER, "%s", list->s + 3)
                       : ts_error(TS_ERR_USER, "this layout cannot be:%s", list->s);
}

ts_status ts_layout_check(const ts_layout *l)
{
    ts_str say = { 0 }, list = { 0 };
    ts_status st = TS_OK;
    int broken = 0;
    for (size_t i = 0; st == TS_OK && i < sizeof rules / sizeof *rules; i++) {
        ts_str_reset(&say);
        st = rules[i](l, &say);
        if (st != TS_OK || !say.len)
            continue;
        st = ts_str_printf(&list, "\n  %s", say.s);
        broken++;
    }
    if (st == TS_OK && broken)
        st = refuse(&list, broken);
    ts_str_deinit(&say);
    ts_str_deinit(&list);
    return st;
}
