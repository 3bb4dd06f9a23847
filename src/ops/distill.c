#include "ops/distill.h"

#include "ops/gemm.h"
#include "ops/rows.h"
#include "ops/unit_rows.h"

/* Rows of a tensor as one: of these bytes, held by whoever holds it. */
static ts_tensor rows_of(const ts_tensor *x, int64_t row, int64_t n)
{
    ts_tensor v = *x;
    const int64_t width = x->rank > 1 ? x->dim[1] : 1;
    v.offset += (size_t)(row * width) * ts_dtype_size(x->dtype);
    v.dim[0] = n;
    return v;
}

/* Logits of as many layers of a chunk take what those of one take in ts_op_linear_xent. */
static int64_t chunk_of(const ts_xent_op *o, int64_t layers, int64_t T)
{
    const int64_t size = ts_group_shares(o->group) ? o->group->size : 1;
    return ts_xent_chunk(T, layers * (size > 1 ? (o->vocab + size - 1) / size : o->w->dim[0]));
}

/* Numbers of all columns from those of the columns here. */
static ts_status join(ts_tape *tape, ts_comm *group, void *x, int64_t n, ts_comm_type type, ts_comm_op op)
{
    return ts_group_shares(group) ? ts_group_run(tape, group, ts_all_reduce(x, n, type, op), n, n) : TS_OK;
}

static ts_cost cost_of(const ts_distill_args *a, double flops, double bytes)
{
    const double n = (double)a->rows * (double)a->cols;
    return (ts_cost){ flops * n, bytes * n, TS_DTYPE_F32 };
}

static ts_status sum_up(ts_tape *tape, ts_comm *group, double *x, int64_t n)
{
    return join(tape, group, x, n, TS_COMM_F64, TS_COMM_SUM);
}

static ts_status against_teacher(ts_tape *tape, ts_comm *group, ts_distill_args *a)
{
    ts_tensor *mix;
    ts_launch_distill_sums(tape->dev, a, a->rows, cost_of(a, 12, 8));
    TS_TRY(sum_up(tape, group, a->sums, TS_DISTILL_SUMS * a->rows));
    if (a->beta != 0) {
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F64, 2 * a->rows, 0, &mix));
        a->mix = ts_tensor_data(mix);
        ts_launch_distill_mix(tape->dev, a, a->rows, cost_of(a, 30, 8));
        TS_TRY(sum_up(tape, group, a->mix, 2 * a->rows));
    }
    ts_launch_distill_finish(tape->dev, a, a->rows, cost_of(a, a->d ? 12 : 0, a->d ? 12 : 0));
    return TS_OK;
}

static ts_status against_kept(ts_tape *tape, ts_comm *group, ts_distill_args *a)
{
    ts_tensor *got;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a->rows, a->k, &got));
    a->got = ts_tensor_data(got);
    ts_launch_kept_sums(tape->dev, a, a->rows, cost_of(a, 8, 4));
    TS_TRY(sum_up(tape, group, a->sums, TS_DISTILL_SUMS * a->rows));
    TS_TRY(join(tape, group, a->got, a->rows * a->k, TS_COMM_F32, TS_COMM_SUM));
    ts_launch_kept_finish(tape->dev, a, a->rows, cost_of(a, a->d ? 8 : 0, a->d ? 8 : 0));
    return TS_OK;
}

static ts_status losses(ts_tape *tape, ts_comm *group, ts_distill_args *a)
{
    ts_tensor *most, *sums;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, 2 * a->rows, 0, &most));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F64, TS_DISTILL_SUMS * a->rows, 0, &sums));
    a->most = ts_tensor_data(most);
    a->sums = ts_tensor_data(sums);
    ts_launch_distill_most(tape->dev, a, a->rows, cost_of(a, 2, 8));
    TS_TRY(join(tape, group, a->most, 2 * a->rows, TS_COMM_F32, TS_COMM_MAX));
    return a->k ? against_kept(tape, group, a) : against_teacher(tape, group, a);
}

/* The rows that count, one after another: chosen ones are brought together chunk by chunk, and what comes of them is
 * then taken to where they are. dx NULL: not wanted, as `hard`; weight NULL: no gradients are. */
typedef struct counted {
    int64_t n;
    const ts_chosen_rows *chosen; /* NULL: they are all rows */
    const ts_tensor *x, *taught, *labels;
    const ts_tensor *loss, *hard, *dx, *weight;
    int64_t skip; /* rows of loss, hard and dx before theirs */
} counted;

/* What of a call is of a chunk's rows. */
typedef struct chunk {
    ts_tensor x, taught, labels, loss, hard, weight, dx, id, logq;
} chunk;

static ts_status gradients(ts_tape *tape, const ts_xent_op *o, const ts_unit_rows *unit, chunk *c, bool has_dx,
                           const ts_distill_args *a)
{
    const ts_dtype t = c->x.dtype;
    ts_unit_rows_times(unit, t, a->d, a->rows, a->ld_d);
    if (has_dx)
        TS_TRY(ts_gemm_input_grad(tape, o->w, t, a->d, a->ld_d, a->rows, ts_tensor_data(&c->dx)));
    TS_TRY(ts_param_need_grad(o->w));
    TS_TRY(ts_param_need_grad(o->b));
    if (o->w->grad)
        TS_TRY(ts_gemm_weight_grad(tape, o->w, t, a->d, a->ld_d, ts_tensor_data(&c->x), a->rows));
    if (o->b && o->b->grad)
        ts_bias_grad(tape, o->b, t, a->d, a->ld_d, a->rows);
    return TS_OK;
}

static ts_status run_chunk(ts_tape *tape, const ts_distill_op *o, const ts_unit_rows *unit, const counted *all, chunk *c)
{
    ts_tensor *s, *t = NULL;
    TS_TRY(ts_op_logits(tape, &o->student, &c->x, &s));
    if (!o->kept.k)
        TS_TRY(ts_op_logits(tape, &o->teacher, &c->taught, &t));
    ts_distill_args a = { .rows = c->x.dim[0], .cols = s->dim[1], .first = o->student.first,
                          .student = ts_tensor_data(s), .teacher = t ? ts_tensor_data(t) : NULL,
                          .labels = ts_tensor_data(&c->labels), .temperature = o->temperature, .kl = o->kl,
                          .ce = o->ce, .beta = o->beta, .softcap = o->student.softcap,
                          .logit_scale = o->student.logit_scale, .loss = ts_tensor_data(&c->loss),
                          .hard = all->hard ? ts_tensor_data(&c->hard) : NULL, .d_dtype = c->x.dtype, .k = o->kept.k };
    if (a.k)
        a.id = ts_tensor_data(&c->id), a.logq = ts_tensor_data(&c->logq);
    if (all->weight) {
        a.weight = ts_tensor_data(&c->weight);
        a.d = ts_tensor_data(s);
        a.ld_d = a.cols * (int64_t)(sizeof(float) / ts_dtype_size(a.d_dtype));
    }
    TS_TRY(losses(tape, o->student.group, &a));
    return all->weight ? gradients(tape, &o->student, unit, c, all->dx, &a) : TS_OK;
}

/* Rows [row, row + n) of those that count, of what a network gave. */
static ts_status take_rows(ts_tape *tape, const counted *all, const ts_tensor *x, int64_t row, int64_t n, ts_tensor *out)
{
    ts_tensor *few;
    if (!all->chosen) {
        *out = rows_of(x, row, n);
        return TS_OK;
    }
    TS_TRY(ts_tape_new(tape, x->dtype, n, x->dim[1], &few));
    const ts_tensor at = rows_of(all->chosen->at, row, n);
    ts_rows_move(tape, x, ts_tensor_data(&at), n, ts_tensor_data(few));
    *out = *few;
    return TS_OK;
}

static ts_status chunk_rows(ts_tape *tape, const ts_distill_op *o, const counted *all, int64_t row, int64_t n, chunk *c)
{
    TS_TRY(take_rows(tape, all, all->x, row, n, &c->x));
    if (!o->kept.k)
        TS_TRY(take_rows(tape, all, all->taught, row, n, &c->taught));
    c->labels = rows_of(all->labels, row, n);
    c->loss = rows_of(all->loss, all->skip + row, n);
    if (all->hard)
        c->hard = rows_of(all->hard, all->skip + row, n);
    if (all->weight)
        c->weight = rows_of(all->weight, row, n);
    if (all->dx)
        c->dx = rows_of(all->dx, all->skip + row, n);
    if (o->kept.k)
        c->id = rows_of(o->kept.id, row, n), c->logq = rows_of(o->kept.logq, row, n);
    return TS_OK;
}

static ts_status run_chunks(ts_tape *tape, const ts_distill_op *o, const ts_unit_rows *unit, const counted *all)
{
    const int64_t most = chunk_of(&o->student, o->kept.k ? 1 : 2, all->n);
    for (int64_t row = 0; row < all->n; row += most) {
        chunk c = { 0 };
        TS_TRY(ts_tape_push(tape));
        ts_status st = chunk_rows(tape, o, all, row, all->n - row < most ? all->n - row : most, &c);
        if (st == TS_OK)
            st = run_chunk(tape, o, unit, all, &c);
        ts_tape_pop(tape, NULL);
        TS_TRY(st);
    }
    if (!all->dx || !ts_group_shares(o->student.group))
        return TS_OK;
    const ts_tensor dx = rows_of(all->dx, all->skip, all->n);
    return ts_group_sum(tape, o->student.group, ts_tensor_data(&dx), all->n * dx.dim[1], dx.dtype);
}

/* What a call is given and gives, of all rows. */
typedef struct call {
    const ts_tensor *x, *taught, *loss, *hard, *dx, *weight;
} call;

static void put_back(ts_tape *tape, const counted *few, const ts_tensor *from, const ts_tensor *to)
{
    if (to)
        ts_rows_move(tape, from, ts_tensor_data(few->chosen->back), few->x->dim[0], ts_tensor_data(to));
}

static ts_status run_few(ts_tape *tape, const ts_distill_op *o, const ts_unit_rows *unit, const call *k)
{
    const ts_chosen_rows *c = o->student.chosen;
    ts_tensor *loss, *hard = NULL, *dx = NULL, *weight = NULL;
    TS_TRY(ts_rows_below_zero(tape, TS_DTYPE_F32, c->n, 0, &loss));
    if (k->hard)
        TS_TRY(ts_rows_below_zero(tape, TS_DTYPE_F32, c->n, 0, &hard));
    if (k->dx)
        TS_TRY(ts_rows_below_zero(tape, k->dx->dtype, c->n, k->dx->dim[1], &dx));
    if (k->weight) {
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, c->n, 0, &weight));
        ts_rows_move(tape, k->weight, ts_tensor_data(c->at), c->n, ts_tensor_data(weight));
    }
    const counted few = { .n = c->n, .chosen = c, .x = k->x, .taught = k->taught, .labels = c->labels, .loss = loss,
                          .hard = hard, .dx = dx, .weight = weight, .skip = 1 };
    TS_TRY(run_chunks(tape, o, unit, &few));
    put_back(tape, &few, loss, k->loss);
    put_back(tape, &few, hard, k->hard);
    put_back(tape, &few, dx, k->dx);
    return TS_OK;
}

static ts_status run_rows(ts_tape *tape, const ts_distill_op *o, const ts_unit_rows *unit, const call *k)
{
    const ts_tensor *none[] = { k->loss, k->hard, k->dx };
    const counted all = { .n = k->x->dim[0], .x = k->x, .taught = k->taught, .labels = o->student.labels, .loss = k->loss,
                          .hard = k->hard, .dx = k->dx, .weight = k->weight };
    if (!o->student.chosen)
        return run_chunks(tape, o, unit, &all);
    if (o->student.chosen->n)
        return run_few(tape, o, unit, k);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (none[i])
            tape->dev->zero(tape->dev, ts_tensor_data(none[i]), ts_tensor_bytes(none[i]));
    return TS_OK;
}

static ts_status run(ts_tape *tape, const ts_distill_op *o, const call *k)
{
    ts_unit_rows unit;
    TS_TRY(ts_tape_push(tape));
    ts_status st = ts_unit_rows_begin(tape, &o->student, k->weight, &unit);
    if (st == TS_OK)
        st = run_rows(tape, o, &unit, k);
    if (st == TS_OK)
        ts_unit_rows_end(&unit);
    ts_tape_pop(tape, NULL);
    return st;
}

/* ---- the operator ---- */

typedef struct distill_attr {
    ts_distill_op o;
    ts_chosen_rows chosen;
} distill_attr;

static ts_status distill_backward(ts_tape *tape, ts_record *r)
{
    const distill_attr *a = r->attr;
    ts_tensor *x = r->in[0], *dx = NULL;
    void *data;
    TS_TRY(ts_tape_need(tape, x, &data));
    if (x->wants_grad)
        TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &dx));
    TS_TRY(run(tape, &a->o, &(call){ .x = x, .taught = r->in[1], .loss = r->out[0], .hard = r->out[1], .dx = dx,
                                     .weight = r->out[0]->grad }));
    return dx ? ts_tape_accumulate(tape, x, dx) : TS_OK;
}

static const ts_op distill_op = { .name = "linear_distill", .backward = distill_backward };

static ts_status record(ts_tape *tape, const ts_distill_op *o, ts_tensor *x, ts_tensor *taught,
                        ts_tensor *const out[2])
{
    ts_record *r;
    ts_tensor *const kept[] = { x, taught, out[0], out[1], o->kept.id, o->kept.logq };
    TS_TRY(ts_tape_record(tape, &distill_op, sizeof(distill_attr), &r));
    distill_attr *a = r->attr;
    a->o = *o;
    if (o->student.chosen) {
        a->chosen = *o->student.chosen;
        a->o.student.chosen = &a->chosen;
    }
    r->in[0] = x, r->in[1] = taught;
    r->out[0] = out[0], r->out[1] = out[1];
    out[0]->wants_grad = true;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (kept[i])
            ts_record_save(tape, r, kept[i]);
    TS_TRY(ts_record_param(tape, r, 0, o->student.w));
    return ts_record_param(tape, r, 1, o->student.b);
}

ts_status ts_op_linear_distill(ts_tape *tape, const ts_distill_op *o, ts_tensor *x, ts_tensor *taught,
                               ts_tensor **loss, ts_tensor **hard)
{
    const ts_param *w = o->student.w;
    ts_tensor *out[2] = { 0 };
    TS_ASSERT(x->dim[1] == w->dim[1] && (o->kept.k || (taught && x->dim[0] == taught->dim[0] && o->teacher.w->dim[0] == w->dim[0])),
              "linear_distill: %lld rows, %s", (long long)x->dim[0], w->name);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], 0, &out[0]));
    if (hard)
        TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], 0, &out[1]));
    *loss = out[0];
    if (hard)
        *hard = out[1];
    const call k = { .x = x, .taught = taught, .loss = out[0], .hard = out[1] };
    if (!tape->recording || !(x->wants_grad || ts_param_has_grad(w)))
        return run(tape, o, &k);
    return record(tape, o, x, taught, out);
}

/* ---- what is kept of a teacher ---- */

/* Of the likeliest here those of all processes, and what the others have. */
static ts_status tops_of_all(ts_tape *tape, ts_comm *group, ts_tops_args *a, ts_cost cost)
{
    ts_tensor *best, *id, *most, *sums;
    const int64_t n = a->rows * a->k, parts = ts_group_shares(group) ? group->size : 1;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, parts * n, 0, &best));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, parts * n, 0, &id));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, a->rows, 0, &most));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F64, 2 * a->rows, 0, &sums));
    ts_tops_args here = *a;
    a->parts = parts, a->parts_best = ts_tensor_data(best), a->parts_id = ts_tensor_data(id);
    a->most = ts_tensor_data(most), a->sums = ts_tensor_data(sums);
    const int64_t own = parts > 1 ? group->rank * n : 0;
    here.best = (float *)ts_tensor_data(best) + own, here.id = (int32_t *)ts_tensor_data(id) + own;
    ts_launch_tops_find(tape->dev, &here, a->rows, cost);
    if (parts > 1) {
        TS_TRY(ts_group_run(tape, group, ts_all_gather(here.best, ts_tensor_data(best), n, TS_COMM_F32), n, parts * n));
        TS_TRY(ts_group_run(tape, group, ts_all_gather(here.id, ts_tensor_data(id), 4 * n, TS_COMM_U8), 4 * n, 4 * parts * n));
    }
    ts_launch_tops_merge(tape->dev, a, a->rows, (ts_cost){ (double)(parts * n), 8.0 * (double)(parts * n), TS_DTYPE_F32 });
    ts_launch_tops_sums(tape->dev, a, a->rows, cost);
    TS_TRY(sum_up(tape, group, a->sums, 2 * a->rows));
    ts_launch_tops_finish(tape->dev, a, a->rows, (ts_cost){ 4 * (double)n, 8.0 * (double)n, TS_DTYPE_F32 });
    return TS_OK;
}

static ts_status tops_chunk(ts_tape *tape, const ts_xent_op *o, const counted *all, int64_t row, ts_tops_args *a)
{
    ts_tensor x, *t;
    TS_TRY(take_rows(tape, all, all->x, row, a->rows, &x));
    TS_TRY(ts_op_logits(tape, o, &x, &t));
    a->cols = t->dim[1], a->teacher = ts_tensor_data(t);
    const double n = (double)a->rows * (double)a->cols;
    return tops_of_all(tape, o->group, a, (ts_cost){ 4 * n, 4 * n, TS_DTYPE_F32 });
}

ts_status ts_op_tops(ts_tape *tape, const ts_xent_op *o, float temperature, int64_t k, ts_tensor *x, ts_kept_tops *out)
{
    const counted all = { .n = o->chosen ? o->chosen->n : x->dim[0], .chosen = o->chosen, .x = x };
    const int64_t most = chunk_of(o, 1, all.n);
    *out = (ts_kept_tops){ .k = k };
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, all.n ? all.n : 1, k, &out->id));
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, all.n ? all.n : 1, k + 1, &out->logq));
    for (int64_t row = 0; row < all.n; row += most) {
        const int64_t n = all.n - row < most ? all.n - row : most;
        const ts_tensor id = rows_of(out->id, row, n), logq = rows_of(out->logq, row, n);
        ts_tensor *best;
        TS_TRY(ts_tape_push(tape));
        ts_status st = ts_tape_new(tape, TS_DTYPE_F32, n, k, &best);
        ts_tops_args a = { .rows = n, .first = o->first, .k = k, .temperature = temperature,
                           .best = st == TS_OK ? ts_tensor_data(best) : NULL, .id = ts_tensor_data(&id),
                           .logq = ts_tensor_data(&logq) };
        if (st == TS_OK)
            st = tops_chunk(tape, o, &all, row, &a);
        ts_tape_pop(tape, NULL);
        TS_TRY(st);
    }
    return TS_OK;
}
