#include "train/lowrank.h"

#include "ops/gemm.h"
#include "ops/group.h"

/* Which side is projected, by the options of the optimizer. */
static ts_galore_side side_of(const ts_matrix_options *o)
{
    return o->galore ? (ts_galore_side)o->galore_side
           : o->apollo_side == TS_APOLLO_RIGHT ? TS_GALORE_RIGHT
           : o->apollo_side == TS_APOLLO_LEFT  ? TS_GALORE_LEFT
                                               : TS_GALORE_STD;
}

ts_lowrank_shape ts_lowrank_shape_of(const ts_lowrank *a, const ts_param *p)
{
    const ts_matrix_options *o = &a->o->matrix;
    const int64_t rows = p->place.dim[0].whole, cols = ts_place_whole_count(&p->place) / rows,
                  least = rows < cols ? rows : cols, rank = o->galore ? o->galore_rank : o->apollo_rank;
    const ts_galore_side side = side_of(o);
    ts_lowrank_shape s = { .height = rows, .width = cols, .rank = o->galore && rank > least ? least : rank,
                           .both = side == TS_GALORE_FULL };
    s.by_rows = side == TS_GALORE_STD           ? rows >= cols
                : side == TS_GALORE_REVERSE_STD ? rows < cols
                                                : side == TS_GALORE_RIGHT;
    s.rows = s.both || !s.by_rows ? s.rank : rows;
    s.cols = s.both || s.by_rows ? s.rank : cols;
    s.rest = !o->galore ? 1 : s.rank * (s.both ? rows + cols : s.by_rows ? cols : rows);
    return s;
}

float *ts_lowrank_state(const ts_lowrank *a, const ts_param *p, int which)
{
    const ts_lowrank_shape s = ts_lowrank_shape_of(a, p);
    return (float *)a->state->data + a->at[p->index] + which * s.rows * s.cols;
}

/* Elements of a patch that begins and ends with a block. */
static int64_t most_coded(const ts_param *p)
{
    const int64_t ld = p->dim[1], few = TS_CODES_BLOCK * ld;
    return few > TS_LOWRANK_PATCH ? few : TS_LOWRANK_PATCH / few * few;
}

ts_patches ts_lowrank_patches(const ts_lowrank *a, const ts_param *p)
{
    return ts_patches_of(p, a->n_values ? most_coded(p) : TS_LOWRANK_PATCH);
}

ts_status ts_lowrank_init(ts_lowrank *a, const ts_train_options *o, const ts_param_set *s)
{
    int64_t n = 0;
    *a = (ts_lowrank){ .o = o, .dev = s->dev };
    TS_TRY(ts_alloc(&a->at, s->n, sizeof *a->at));
    for (size_t i = 0; i < s->n; i++) {
        a->at[i] = n;
        if (!s->p[i]->steps_whole)
            continue;
        const ts_lowrank_shape x = ts_lowrank_shape_of(a, s->p[i]);
        n += (2 * x.rows * x.cols + x.rest + 15) / 16 * 16;
    }
    for (size_t i = 0; i < s->n && s->code; i++) {
        const int64_t all = ts_param_count(s->p[i]), most = most_coded(s->p[i]), of = all < most ? all : most;
        if (s->p[i]->steps_whole && of > a->n_values)
            a->n_values = of;
    }
    TS_TRY(ts_storage_create(s->dev, TS_MEM_OPTIM, (size_t)n * sizeof(float), &a->state));
    s->dev->zero(s->dev, a->state->data, a->state->bytes);
    return TS_OK;
}

void ts_lowrank_deinit(ts_lowrank *a)
{
    ts_free(&a->at);
    ts_storage_release(&a->state);
    ts_lowrank_close(a);
    *a = (ts_lowrank){ 0 };
}

ts_status ts_lowrank_open(ts_lowrank *a)
{
    return a->n_values ? ts_storage_create(a->dev, TS_MEM_OPTIM, (size_t)a->n_values * sizeof(float), &a->values) : TS_OK;
}

void ts_lowrank_close(ts_lowrank *a)
{
    ts_storage_release(&a->room);
    ts_storage_release(&a->values);
}

ts_status ts_lowrank_random(const ts_lowrank *a, const ts_param *p, int64_t made, int64_t n, double std, float *v)
{
    float *host;
    if (!a->dev->computes)
        return TS_OK;
    TS_TRY(ts_alloc(&host, (size_t)n, sizeof *host));
    const ts_rng rng = ts_rng_stream((uint64_t)a->o->seed, TS_RNG_PROJECTION, (uint64_t)made, (uint32_t)p->id);
    ts_rng_normal(&rng, 0, n, (float)std, host);
    a->dev->to_device(a->dev, v, host, (size_t)n * sizeof *host);
    ts_free(&host);
    return TS_OK;
}

/* What of r the elements of a patch make, joins it. */
static void project_patch(const ts_lowrank *a, const ts_lowrank_step_args *x, bool by_rows, int64_t n, const float *v,
                          float *r, const ts_patch *t)
{
    const float *grad = ts_lowrank_grad(x, t);
    const int64_t height = x->p->place.dim[0].whole;
    ts_gemm_args g = { .form = TS_GEMM_NT, .m = t->rows, .n = n, .k = t->cols, .dtype = TS_DTYPE_F32, .a = grad,
                       .lda = t->ld, .b = v + t->col, .ldb = t->width, .c_dtype = TS_DTYPE_F32, .c = r + t->row * n,
                       .ldc = n, .accumulate = true };
    if (!by_rows)
        g = (ts_gemm_args){ .form = TS_GEMM_NN, .m = n, .n = t->cols, .k = t->rows, .dtype = TS_DTYPE_F32,
                            .a = v + t->row, .lda = height, .b = grad, .ldb = t->ld, .c_dtype = TS_DTYPE_F32,
                            .c = r + t->col, .ldc = t->width, .accumulate = true };
    ts_launch_gemm(a->dev, &g, 0, ts_gemm_cost(g.m, g.n, g.k, g.dtype, g.c_dtype));
}

ts_status ts_lowrank_project(const ts_lowrank *a, const ts_lowrank_step_args *x, bool by_rows, int64_t n, const float *v,
                             float *r)
{
    const int64_t height = x->p->place.dim[0].whole, width = ts_place_whole_count(&x->p->place) / height,
                  count = n * (by_rows ? height : width);
    ts_patches all = ts_patches_of(x->p, x->grads->main ? TS_LOWRANK_PATCH : INT64_MAX);
    ts_patch t;
    a->dev->zero(a->dev, r, (size_t)count * sizeof(float));
    while (ts_patches_next(&all, &t))
        if (t.counts)
            project_patch(a, x, by_rows, n, v, r, &t);
    const ts_comm_call sum = ts_all_reduce(r, count, TS_COMM_F32, TS_COMM_SUM);
    if (x->sharers)
        TS_TRY(ts_group_run_on(a->dev, x->sharers, sum, count, count));
    return ts_lowrank_is_cut(x) ? ts_group_run_on(a->dev, x->group, sum, count, count) : TS_OK;
}

void ts_lowrank_apply(const ts_lowrank *a, const ts_lowrank_step_args *x, const ts_patch *t, ts_apollo_args *k)
{
    const bool coded = ts_shard_piece_codes(t->piece);
    const ts_dtype type = coded ? TS_DTYPE_F32 : ts_shard_piece_type(t->piece);
    const int64_t n = t->rows * t->cols;
    const double bytes = 4 + 2 * (double)ts_dtype_size(type);
    if (coded)
        ts_shard_piece_decode(t->piece, t->at, n, TS_DTYPE_F32, a->values->data);
    k->p = coded ? a->values->data
                 : (char *)ts_shard_piece_master(t->piece) + (size_t)t->at * ts_dtype_size(type);
    k->p_dtype = type;
    k->cols = t->cols, k->ld = t->ld;
    k->lr = (float)x->lr, k->weight_decay = (float)x->weight_decay;
    k->rng = ts_rng_stream((uint64_t)a->o->seed, TS_RNG_ROUND, (uint64_t)x->steps, (uint32_t)x->p->id);
    k->first = t->row * t->width + t->col, k->first_row = t->width;
    ts_launch_apollo_apply(a->dev, k, t->rows, (ts_cost){ 5 * (double)n, bytes * (double)n, TS_DTYPE_F32 });
    if (coded)
        ts_shard_piece_encode(t->piece, t->at, n, a->values->data, &k->rng);
}
