#include "train/objective/prefer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EACH = TS_PREFER_ROWS };

static const ts_prefer_objective *of(const ts_objective *o) { return (const ts_prefer_objective *)(const void *)o; }

static bool is_kto(const ts_prefer_objective *o) { return o->rules.form == TS_PREFER_KTO; }

int ts_prefer_fields(const ts_prefer_rules *r, bool keeps, ts_field out[TS_PREFER_FIELDS])
{
    int n = 0;
    if (keeps)
        out[n++] = (ts_field){ "sample", TS_DTYPE_I32, 1 };
    if (r->refers)
        out[n++] = (ts_field){ "reference_logps", TS_DTYPE_F64, 1 };
    if (r->form == TS_PREFER_KTO) {
        out[n++] = (ts_field){ "policy_logps", TS_DTYPE_F64, 1 };
        out[n++] = (ts_field){ "kl", TS_DTYPE_F64, 1 };
        out[n++] = (ts_field){ "desirable", TS_DTYPE_F32, 1 };
        out[n++] = (ts_field){ "other", TS_DTYPE_F32, 1 };
    }
    return n;
}

/* ---- rows ---- */

/* Of the rows of a micro-batch every so-manyth, as the rows of a batch over the same numbers. */
typedef struct row_view {
    ts_batch batch;
    ts_micro_batch micro;
    int64_t every;
} row_view;

static void view_rows(const ts_prefer_objective *o, const ts_micro_batch *m, row_view *v)
{
    const ts_look *look = m->look ? &o->base.look[m->look - 1] : NULL;
    const int64_t from = look ? look->from : 0;
    v->every = look ? look->every : is_kto(o) ? EACH : 1;
    v->batch = *m->batch;
    v->batch.rows /= v->every;
    for (int i = 0; i < v->batch.n; i++) {
        ts_field *f = &v->batch.field[i];
        if (v->batch.data[i])
            v->batch.data[i] = (char *)v->batch.data[i] + (size_t)(from * f->width) * ts_dtype_size(f->dtype);
        f->width *= v->every;
    }
    v->micro = *m;
    v->micro.batch = &v->batch;
    v->micro.row /= v->every;
    v->micro.rows /= v->every;
    v->micro.sample0 /= v->every;
}

/* ---- what the operator is told of them ---- */

static double labels_of(const row_view *v, int64_t r)
{
    const ts_batch *b = v->micro.batch;
    const float *mask = ts_batch_floats(b, "loss_mask", v->micro.row + r);
    const int64_t width = b->field[ts_batch_find(b, "loss_mask")].width / v->every;
    double n = 0;
    for (int64_t s = 0; s < width; s++)
        n += (double)mask[s];
    return n;
}

/* A number of each row, in a type; host NULL: nothing is computed. */
static ts_status upload(ts_tape *tape, const row_view *v, ts_dtype dtype, double *host,
                        double (*of_row)(const row_view *v, int64_t r), ts_tensor **out)
{
    for (int64_t r = 0; host && r < v->micro.rows; r++) {
        if (dtype == TS_DTYPE_F32)
            ((float *)(void *)host)[r] = (float)of_row(v, r);
        else
            host[r] = of_row(v, r);
    }
    return ts_tape_upload(tape, dtype, host, v->micro.rows, out);
}

static double reference_of(const row_view *v, int64_t r)
{
    return ts_batch_doubles(v->micro.batch, "reference_logps", v->micro.row + r)[0];
}

static double is_desirable(const row_view *v, int64_t r)
{
    return ts_batch_ints(v->micro.batch, "kto_tag", v->micro.row + r)[0];
}

static double divergence_of(const row_view *v, int64_t r)
{
    return ts_batch_doubles(v->micro.batch, "kl", v->micro.row + r)[0];
}

static ts_status tell(const ts_prefer_objective *o, ts_tape *tape, const row_view *v, ts_prefer_op *op, ts_tensor **kl)
{
    const int64_t n = v->micro.rows;
    double *host = NULL;
    ts_tensor *count, *reference = NULL, *tag = NULL;
    if (tape->dev->computes)
        TS_TRY(ts_alloc(&host, (size_t)n, sizeof *host));
    ts_status st = upload(tape, v, TS_DTYPE_F64, host, labels_of, &count);
    if (st == TS_OK && o->rules.refers)
        st = upload(tape, v, TS_DTYPE_F64, host, reference_of, &reference);
    if (st == TS_OK && is_kto(o))
        st = upload(tape, v, TS_DTYPE_F32, host, is_desirable, &tag);
    if (st == TS_OK && is_kto(o))
        st = upload(tape, v, TS_DTYPE_F32, host, divergence_of, kl);
    ts_free(&host);
    op->count = count, op->reference = reference, op->tag = tag;
    if (is_kto(o) && tape->dev->computes)
        op->kl = divergence_of(v, 0);
    return st;
}

static ts_prefer_op operator_of(const ts_prefer_objective *o, const row_view *v)
{
    const ts_prefer_rules *r = &o->rules;
    return (ts_prefer_op){ .form = r->form, .averages = r->averages, .beta = r->beta, .smoothing = r->smoothing,
                           .margin = r->margin, .ftx = r->ftx, .weight = { r->weight[0], r->weight[1] },
                           .rows = v->micro.rows, .sign = r->scores ? 1 : -1, .group = o->policy->base.spread ? o->policy->base.spread->comm : NULL };
}

/* ---- passes ---- */

/* What is told beside the loss, in this order. */
static ts_status pass_told(const ts_prefer_objective *o, ts_tape *tape, ts_tensor *kl, ts_tensor *told[], ts_passed *out)
{
    static const ts_prefer_told pairs[] = { TS_PREFER_CHOSEN, TS_PREFER_REJECTED, TS_PREFER_MARGIN, TS_PREFER_ACCURACY,
                                            TS_PREFER_LOGP_CHOSEN, TS_PREFER_LOGP_REJECTED, TS_PREFER_ODDS_LOSS };
    for (int i = 0; !is_kto(o) && i < o->base.n_side; i++)
        ts_pass(out, told[pairs[i]]);
    if (!is_kto(o))
        return TS_OK;
    ts_pass(out, kl);
    for (int i = 0; i < 2; i++) {
        ts_tensor *reward;
        TS_TRY(ts_tape_alias(tape, told[TS_PREFER_CHOSEN], &reward));
        ts_pass(out, reward);
    }
    return TS_OK;
}

/* Where the last token of a row is, of those that are here; -1: elsewhere. */
static int64_t last_here(const ts_prefer_objective *o, const row_view *v, int64_t r)
{
    const int64_t length = v->micro.length ? v->micro.length : o->policy->seq_length;
    const ts_stretches all = ts_stretches_one(0, length), mine = ts_objective_here(&o->policy->base, length),
                       *here = mine.n ? &mine : &all;
    const int64_t last = o->rules.pads_left ? length - 1 : ts_batch_ints(v->micro.batch, "length", v->micro.row + r)[0] - 1;
    const int64_t n = ts_stretches_count(here);
    for (int64_t i = 0; i < n; i++)
        if (ts_stretches_at(here, i) == last)
            return i;
    return -1;
}

/* Of the last tokens: at [rows], back [rows * n]; a row whose last token is elsewhere has its first one, which does not count. */
static void find_last(const ts_prefer_objective *o, const row_view *v, int64_t n, int32_t *at, int32_t *back, double *counts)
{
    memset(back, 0, (size_t)(v->micro.rows * n) * sizeof *back);
    for (int64_t r = 0; r < v->micro.rows; r++) {
        const int64_t i = last_here(o, v, r);
        counts[r] = i >= 0;
        at[r] = (int32_t)(r * n + (i < 0 ? 0 : i));
        if (i >= 0)
            back[at[r]] = (int32_t)(1 + r);
    }
}

static ts_status upload_last(const ts_prefer_objective *o, ts_tape *tape, const row_view *v, int64_t n, ts_chosen_rows *rows,
                             ts_prefer_op *op)
{
    const int64_t R = v->micro.rows;
    int32_t *at = NULL;
    double *counts = NULL;
    ts_tensor *to[3];
    ts_status st = TS_OK;
    if (tape->dev->computes) {
        TS_TRY(ts_alloc(&at, (size_t)(R + R * n), sizeof *at));
        TS_TRY_TO(done, st, ts_alloc(&counts, (size_t)R, sizeof *counts));
        find_last(o, v, n, at, at + R, counts);
    }
    TS_TRY_TO(done, st, ts_tape_upload(tape, TS_DTYPE_I32, at, R, &to[0]));
    TS_TRY_TO(done, st, ts_tape_upload(tape, TS_DTYPE_I32, at ? at + R : NULL, R * n, &to[1]));
    TS_TRY_TO(done, st, ts_tape_upload(tape, TS_DTYPE_F64, counts, R, &to[2]));
    *rows = (ts_chosen_rows){ .n = R, .at = to[0], .back = to[1] };
    op->here = to[2];
done:
    ts_free(&at);
    ts_free(&counts);
    return st;
}

/* One number of each row: *x [rows]. */
static ts_status score(const ts_prefer_objective *o, ts_tape *tape, const row_view *v, ts_prefer_op *op, ts_tensor **x)
{
    const ts_network *n = &o->policy->network;
    ts_chosen_rows rows;
    TS_TRY(upload_last(o, tape, v, (*x)->dim[0] / v->micro.rows, &rows, op));
    TS_TRY(ts_op_pick_rows(tape, *x, &rows, x));
    return n->kind->numbers(n->self, tape, *x, x);
}

static ts_status losses_of(const ts_prefer_objective *o, ts_tape *tape, const row_view *v, ts_tensor *x, ts_passed *out)
{
    ts_prefer_op op = operator_of(o, v);
    ts_tensor *loss, *kl = NULL, *told[TS_PREFER_TOLD];
    if (v->micro.look) {
        TS_TRY(ts_op_prefer_sums(tape, &op, x, &loss));
        ts_pass(out, loss);
        return TS_OK;
    }
    if (o->rules.scores)
        TS_TRY(score(o, tape, v, &op, &x));
    TS_TRY(tell(o, tape, v, &op, &kl));
    TS_TRY(ts_op_prefer(tape, &op, x, &loss, told));
    ts_pass(out, loss);
    return pass_told(o, tape, kl, told, out);
}

/* The reference looks where the field is its. */
static const ts_lm_objective *who_runs(const ts_prefer_objective *o, const ts_micro_batch *m)
{
    const bool refers = m->look && !strcmp(o->base.look[m->look - 1].field, "reference_logps");
    return refers && o->reference ? o->reference : o->policy;
}

static ts_status forward(ts_objective *base, ts_tape *tape, const ts_micro_batch *m, ts_passed *out)
{
    const ts_prefer_objective *o = of(base);
    const ts_lm_objective *lm = who_runs(o, m);
    ts_passed given = { 0 };
    row_view v;
    view_rows(o, m, &v);
    TS_TRY(ts_lm_objective_run(lm, tape, &v.micro, &given));
    if (ts_objective_ends(base, m->part))
        return losses_of(o, tape, &v, given.tensor[0], out);
    *out = given;
    return TS_OK;
}

static void passes(const ts_objective *base, int64_t part, int64_t rows, ts_passed_shapes *out)
{
    const ts_prefer_objective *o = of(base);
    o->policy->base.passes(&o->policy->base, part, is_kto(o) ? rows / EACH : rows, out);
}

static ts_status prepare(ts_objective *base)
{
    const ts_prefer_objective *o = of(base);
    if (o->reference)
        TS_TRY(o->reference->network.kind->prepare(o->reference->network.self, o->reference->seq_length));
    return o->policy->base.prepare(&o->policy->base);
}

/* A look is a third of what a step is of the same rows. */
static double flops(const ts_objective *base, int64_t samples)
{
    const ts_prefer_objective *o = of(base);
    const int64_t rows = is_kto(o) ? samples : EACH * samples;
    return o->policy->base.flops(&o->policy->base, rows) * (1 + o->base.n_looks / 3.0);
}

/* ---- looks ---- */

static void begin_look(ts_objective *base, int k, bool ends)
{
    const ts_prefer_objective *o = of(base);
    if (o->as_reference && !o->reference && !strcmp(base->look[k].field, "reference_logps"))
        o->as_reference(o->as_reference_ctx, !ends);
}

/* What is kept of a sample's rows. */
static double *kept_of(const ts_prefer_kept *kept, const ts_micro_batch *m, int64_t row)
{
    const int64_t i = ts_batch_ints(m->batch, "sample", row)[0];
    TS_ASSERT(i >= 0 && i < kept->n, "sample %lld of %lld", (long long)i, (long long)kept->n);
    return &kept->logps[i * EACH];
}

bool ts_prefer_lacks(const ts_prefer_kept *kept, const ts_micro_batch *m)
{
    for (int64_t r = m->row; r < m->row + m->rows; r += EACH)
        if (isinf(kept_of(kept, m, r)[0]))
            return true;
    return false;
}

void ts_prefer_keep(ts_prefer_kept *kept, const ts_micro_batch *m)
{
    for (int64_t r = m->row; r < m->row + m->rows; r += EACH)
        memcpy(kept_of(kept, m, r), ts_batch_doubles(m->batch, "reference_logps", r), EACH * sizeof *kept->logps);
}

static void put_kept(const ts_prefer_kept *kept, const ts_micro_batch *m)
{
    for (int64_t r = m->row; r < m->row + m->rows; r += EACH)
        memcpy(ts_batch_doubles(m->batch, "reference_logps", r), kept_of(kept, m, r), EACH * sizeof *kept->logps);
}

/* The divergence of a micro-batch of all processes, from its answers that do not belong to their prompts; and whose
 * reward counts where. */
static ts_status looked(ts_objective *base, const ts_micro_batch *m, ts_comm *peers)
{
    const ts_prefer_objective *o = of(base);
    if (o->kept && ts_batch_doubles(m->batch, "reference_logps", 0))
        put_kept(o->kept, m);
    double sum[2] = { 0, (double)(m->rows / EACH) };
    if (!ts_batch_doubles(m->batch, "kl", 0))
        return TS_OK;
    for (int64_t r = m->row; r < m->row + m->rows; r += EACH) {
        sum[0] += ts_batch_doubles(m->batch, "policy_logps", r + 1)[0] - ts_batch_doubles(m->batch, "reference_logps", r + 1)[0];
        const bool good = ts_batch_ints(m->batch, "kto_tag", r)[0] > 0;
        ts_batch_floats(m->batch, "desirable", r)[0] = good;
        ts_batch_floats(m->batch, "other", r)[0] = !good;
    }
    TS_TRY(ts_comm_run(peers, ts_all_reduce(sum, 2, TS_COMM_F64, TS_COMM_SUM)));
    for (int64_t r = m->row; r < m->row + m->rows; r++)
        ts_batch_doubles(m->batch, "kl", r)[0] = sum[0] > 0 ? sum[0] / sum[1] : 0;
    return TS_OK;
}

static void add_look(ts_objective *o, const char *field, int64_t every, int64_t from)
{
    o->look[o->n_looks++] = (ts_look){ field, every, from };
}

/* Passes of a step are of as many rows each. */
static void plan_looks(ts_prefer_objective *o, bool refers, bool steps)
{
    ts_objective *b = &o->base;
    b->n_looks = 0;
    if (refers && !is_kto(o))
        add_look(b, "reference_logps", 1, 0);
    for (int k = 0; refers && is_kto(o) && k < EACH; k++)
        add_look(b, "reference_logps", EACH, k);
    if (is_kto(o) && steps)
        add_look(b, "policy_logps", EACH, 1);
    b->looked = steps && (is_kto(o) || o->kept) ? looked : NULL;
}

void ts_prefer_look_alone(ts_prefer_objective *o) { plan_looks(o, true, false); }

void ts_prefer_use_kept(ts_prefer_objective *o, const ts_prefer_kept *kept)
{
    o->kept = kept;
    o->reference = NULL;
    plan_looks(o, false, true);
}

static void add_side(ts_objective *o, const char *name, const char *counts)
{
    ts_side_loss *s = &o->side[o->n_side++];
    snprintf(s->name, sizeof s->name, "%s", name);
    s->counts = counts;
}

static void plan_told(ts_prefer_objective *o)
{
    ts_objective *b = &o->base;
    if (is_kto(o)) {
        add_side(b, "kl", NULL);
        add_side(b, "rewards/chosen", "desirable");
        add_side(b, "rewards/rejected", "other");
        return;
    }
    add_side(b, "rewards/chosen", NULL);
    add_side(b, "rewards/rejected", NULL);
    add_side(b, "rewards/margins", NULL);
    add_side(b, "rewards/accuracies", NULL);
    if (o->rules.scores)
        return;
    add_side(b, "logps/chosen", NULL);
    add_side(b, "logps/rejected", NULL);
    if (o->rules.form == TS_PREFER_ODDS)
        add_side(b, "odds_ratio_loss", NULL);
}

void ts_prefer_objective_init(ts_prefer_objective *o, const ts_prefer_rules *rules, ts_lm_objective *policy,
                              const ts_lm_objective *reference)
{
    const ts_objective *of_tokens = &policy->base;
    *o = (ts_prefer_objective){ .rules = *rules, .policy = policy, .reference = reference };
    policy->at_once = true;
    policy->leaves = rules->scores;
    o->base = (ts_objective){ .name = of_tokens->name, .params = of_tokens->params, .load = of_tokens->load,
                              .rules = of_tokens->rules, .index = of_tokens->index, .parts = of_tokens->parts,
                              .varies = of_tokens->varies, .prepare = prepare, .forward = forward, .passes = passes,
                              .flops = flops, .begin_look = begin_look };
    plan_looks(o, rules->refers, true);
    plan_told(o);
}
