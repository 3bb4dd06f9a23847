#include "parallel/stages.h"

#include "base/mem.h"
#include "base/str.h"

/* ---- shares, in layers of --num-layers ---- */

/* What is shared out, and what each part gets. */
typedef struct shares {
    const ts_parallel_options *o;
    int64_t slots;       /* layers, the empty ones too */
    ts_stages *s;        /* n_chunks is found on the way */
    int64_t *count;      /* [parts] */
} shares;

static int64_t parts_of(const shares *h) { return h->s->n_stages * h->s->n_chunks; }

static ts_status make_counts(shares *h, int64_t chunks)
{
    h->s->n_chunks = chunks;
    return ts_alloc(&h->count, (size_t)parts_of(h), sizeof *h->count);
}

static ts_status not_so_many(const shares *h, const char *option, int64_t n)
{
    return ts_error(TS_ERR_USER, "--%s has %lld layers, and there are %lld (--num-layers)", option,
                    (long long)n, (long long)h->slots);
}

/* A layer for each stage: those that were named come in the order of the parts. */
static ts_status from_list(shares *h)
{
    int64_t *v, n, sum = 0;
    TS_TRY(ts_option_numbers("num-layer-list", &h->o->layer_list, &v, &n));
    for (int64_t i = 0; i < n; i++)
        sum += v[i];
    if (n != h->s->n_stages) {
        ts_free(&v);
        return ts_error(TS_ERR_USER,
                        "--num-layer-list has %lld numbers: expected one for each of the %lld stages "
                        "(--pipeline-model-parallel-size)",
                        (long long)n, (long long)h->s->n_stages);
    }
    h->s->n_chunks = 1;
    h->count = v;
    return sum == h->slots ? TS_OK : not_so_many(h, "num-layer-list", sum);
}

static ts_status from_numbers(shares *h)
{
    TS_TRY(make_counts(h, 1));
    for (int64_t i = 0; i < h->s->n_stages; i++)
        h->count[i] = h->o->stage_layers[i];
    return TS_OK;
}

static ts_status from_layout(shares *h)
{
    int64_t n, sum = 0;
    const int64_t p = h->s->n_stages;
    TS_TRY(ts_stages_layout(h->o->layout, &h->count, &n, &h->s->further));
    for (int64_t i = 0; i < n; i++)
        sum += h->count[i];
    if (n % p)
        return ts_error(TS_ERR_USER,
                        "--pipeline-model-parallel-layout %s has %lld stages: expected a multiple of "
                        "--pipeline-model-parallel-size %lld",
                        h->o->layout, (long long)n, (long long)p);
    h->s->n_chunks = n / p;
    return sum == h->slots ? TS_OK : not_so_many(h, "pipeline-model-parallel-layout", sum);
}

static ts_status from_matrix(shares *h)
{
    int64_t n, sum = 0;
    TS_TRY(ts_stages_matrix(h->o->matrix, h->s->n_stages, &h->count, &n));
    for (int64_t i = 0; i < n; i++)
        sum += h->count[i];
    h->s->n_chunks = n / h->s->n_stages;
    return sum == h->slots ? TS_OK : not_so_many(h, "pipeline-num-transformer-layers", sum);
}

/* The first and the last stage have so many as they say, or an embedding (an output layer) that counts as
 * a layer; the others share the rest evenly. */
static ts_status evenly(shares *h, int64_t chunks)
{
    const ts_parallel_options *o = h->o;
    const int64_t p = h->s->n_stages, parts = p * chunks;
    const int64_t first = o->first_layers, last = o->last_layers;
    const int64_t fixed = (first > 0) + (last > 0), extra = o->embedding_counts + o->loss_counts;
    const int64_t rest = h->slots + extra - first - last, among = (p - fixed) * chunks;
    TS_TRY(make_counts(h, chunks));
    if (first % chunks || last % chunks || (among ? rest < 0 || rest % among : rest != 0))
        return ts_error(TS_ERR_USER,
                        "%lld layers (--num-layers) cannot be shared out evenly over %lld stages "
                        "(--pipeline-model-parallel-size) of %lld chunks%s: choose a number of stages and "
                        "chunks that divides them, or say how many each stage has: --num-layer-list, "
                        "--decoder-first-pipeline-num-layers and --decoder-last-pipeline-num-layers, "
                        "--pipeline-model-parallel-layout",
                        (long long)h->slots, (long long)p, (long long)chunks,
                        fixed || extra ? ", with what the first and last stage have of their own" : "");
    for (int64_t k = 0; k < parts; k++)
        h->count[k] = k % p == 0 && first ? first / chunks
                      : k % p == p - 1 && last ? last / chunks
                                               : rest / among;
    h->count[0] -= o->embedding_counts;
    h->count[parts - 1] -= o->loss_counts;
    return h->count[0] < 0 || h->count[parts - 1] < 0 ? not_so_many(h, "account-for-...", h->slots) : TS_OK;
}

/* Chunks of a stage by the number of layers in each. */
static ts_status chunks_of(const shares *h, int64_t *chunks)
{
    const ts_parallel_options *o = h->o;
    const int64_t p = h->s->n_stages, n = o->chunk_layers;
    *chunks = h->s->schedule == TS_SCHEDULE_DUALPIPEV ? 2 : o->chunks ? o->chunks : 1;
    if (!n)
        return TS_OK;
    if (h->slots % (p * n))
        return ts_error(TS_ERR_USER,
                        "--num-layers-per-virtual-pipeline-stage %lld times --pipeline-model-parallel-size "
                        "%lld does not divide the %lld layers (--num-layers)",
                        (long long)n, (long long)p, (long long)h->slots);
    *chunks = h->slots / p / n;
    return TS_OK;
}

static ts_status whole(shares *h)
{
    TS_TRY(make_counts(h, 1));
    h->count[0] = h->slots;
    return TS_OK;
}

static ts_status share_out(shares *h)
{
    int64_t chunks;
    if (h->s->n_stages > 1 && h->o->matrix)
        return from_matrix(h);
    if (h->s->n_stages == 1)
        return whole(h);
    if (h->o->stage_layers)
        return from_numbers(h);
    if (h->o->layer_list.n)
        return from_list(h);
    if (h->o->layout)
        return from_layout(h);
    TS_TRY(chunks_of(h, &chunks));
    return evenly(h, chunks);
}

/* ---- layers ---- */

static ts_status give_layers(const shares *h, const int64_t *empty, int64_t n_empty)
{
    const int64_t parts = parts_of(h);
    int64_t slot = 0, layer = 0, e = 0;
    TS_TRY(ts_alloc(&h->s->part, (size_t)parts, sizeof *h->s->part));
    for (int64_t k = 0; k < parts; k++) {
        h->s->part[k].first = layer;
        for (int64_t i = 0; i < h->count[k]; i++, slot++) {
            const bool is_empty = e < n_empty && empty[e] == slot;
            e += is_empty;
            layer += !is_empty;
        }
        h->s->part[k].last = layer;
    }
    return TS_OK;
}

static ts_schedule_kind named(const ts_parallel_options *o)
{
    if (o->pipeline == 1)
        return TS_SCHEDULE_1F1B;
    if (o->method == TS_METHOD_DUALPIPEV)
        return TS_SCHEDULE_DUALPIPEV;
    return o->nanopipe ? TS_SCHEDULE_NANOPIPE : (ts_schedule_kind)o->schedule;
}

ts_status ts_stages_make(const ts_parallel_options *o, int64_t layers, const int64_t *empty,
                         int64_t n_empty, ts_stages *out)
{
    shares h = { .o = o, .slots = layers + n_empty, .s = out };
    *out = (ts_stages){ .schedule = named(o), .n_stages = o->pipeline, .further = -1 };
    ts_status st = share_out(&h);
    if (st == TS_OK)
        st = give_layers(&h, empty, n_empty);
    ts_free(&h.count);
    if (out->schedule == TS_SCHEDULE_1F1B && out->n_chunks > 1)
        out->schedule = TS_SCHEDULE_INTERLEAVED;
    return st;
}

void ts_stages_deinit(ts_stages *s)
{
    ts_free(&s->part);
    *s = (ts_stages){ 0 };
}

int64_t ts_stages_part(const ts_stages *s, int64_t stage, int64_t chunk)
{
    const bool back = s->schedule == TS_SCHEDULE_DUALPIPEV && chunk % 2;
    return chunk * s->n_stages + (back ? s->n_stages - 1 - stage : stage);
}
