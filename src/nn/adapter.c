#include "nn/adapter.h"

#include "nn/run.h"
#include "ops/group.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- a pass ---- */

/* What lies between the two products where a group shares out the weight: of one that is cut by rows all that the
 * products with B need, of one that is cut by columns the sum. */
static ts_status travel(ts_tape *tape, const ts_linear *l, ts_tensor **h)
{
    const ts_tensor_group *g = l->group;
    if (!g)
        return TS_OK;
    if (l->cut == TS_CUT_COLUMN)
        return (g->sequence ? ts_op_group_collect : ts_op_group_copy)(tape, g->comm, *h, h);
    return (g->sequence ? ts_op_group_scatter : ts_op_group_sum)(tape, g->comm, *h, h);
}

static const ts_lora *lora_of(const ts_lora_op *o) { return (const void *)((const char *)o - offsetof(ts_lora, op)); }

const ts_lora_op *ts_adapter_lora(const ts_linear *l)
{
    const ts_lora *lora = (const void *)l->adapter;
    return !ts_linear_is_adapted(l) ? NULL : lora->off && *lora->off ? &lora->start : &lora->op;
}

static bool drops(const ts_tape *tape) { return tape->run && tape->run->adapter_dropout > 0; }

/* Dropout, with the numbers that elements have in the global batch; all parts of a layer read the same. */
static ts_status read(const ts_lora_op *o, ts_tape *tape, ts_tensor *x, ts_tensor **y)
{
    const ts_lora *l = lora_of(o);
    const ts_run *run = tape->run;
    *y = x;
    if (!drops(tape))
        return TS_OK;
    const int64_t all = run->B * run->S;
    const bool is_whole = x->dim[0] == all;
    if (run->slices > 1 || (!is_whole && x->dim[0] > all))
        return ts_error(TS_ERR_USER, "--lora-dropout: %s reads other rows than its layer", o->part[0].a->name);
    const ts_rng rng = ts_run_rng(run, TS_RNG_ADAPTER, l->number);
    const ts_row_places rows = ts_run_numbers(run, is_whole ? 0 : run->row0);
    if (l->of->cut != TS_CUT_ROW)
        return ts_op_dropout(tape, x, run->adapter_dropout, &rng, &rows, y);
    return ts_op_dropout_cols(tape, x, run->adapter_dropout, &rng, &rows, l->of->in, l->of->span, l->of->n_spans, y);
}

/* DoRA's y, the layer's result without the bias, is W x; what it makes longer is of what it reads, x less what is dropped:
 * *rest = W (x - read), and y becomes W read. */
static ts_status part_with(ts_tape *tape, const ts_lora *l, ts_tensor *read, ts_tensor **y, ts_tensor **rest)
{
    ts_tensor *of_read;
    TS_TRY(ts_linear_product(tape, l->of, read, &of_read));
    TS_TRY(ts_op_add(tape, *y, 1, of_read, -1, rest));
    *y = of_read;
    return TS_OK;
}

/* What the layer gave before it was adapted, where a part of its weight was taken out for that. */
static ts_status add_start(const ts_lora *l, ts_tape *tape, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *h;
    TS_TRY(ts_op_lora_down(tape, &l->start, x, &h));
    TS_TRY(travel(tape, l->of, &h));
    TS_TRY(ts_op_lora_up(tape, &l->start, h, *y, y));
    ts_tape_drop(tape, h);
    return TS_OK;
}

static ts_status add_lora(const ts_adapter *adapter, ts_tape *tape, ts_tensor *x, ts_tensor **y)
{
    const ts_lora *l = (const void *)adapter;
    ts_tensor *h, *z, *in, *rest = NULL;
    if (l->off && *l->off)
        return add_start(l, tape, x, y);
    TS_TRY(read(&l->op, tape, x, &in));
    if (l->op.part[0].m && in != x)
        TS_TRY(part_with(tape, l, in, y, &rest));
    TS_TRY(ts_op_lora_down(tape, &l->op, in, &h));
    if (in != x)
        ts_tape_drop(tape, in);
    TS_TRY(travel(tape, l->of, &h));
    TS_TRY(ts_op_lora_up(tape, &l->op, h, *y, y));
    ts_tape_drop(tape, h);
    if (!l->op.part[0].m)
        return TS_OK;
    z = *y;
    TS_TRY(ts_op_lora_lengthen(tape, &l->op, l->of->w, l->of->b, l->of->group && l->of->cut == TS_CUT_ROW ? l->of->group->comm : NULL,
                               z, y));
    ts_tape_drop(tape, z);
    return rest ? ts_op_add(tape, *y, 1, rest, 1, y) : TS_OK;
}

ts_status ts_adapter_embed(ts_tape *tape, const ts_linear *table, const ts_embed_op *o, ts_tensor **x)
{
    const ts_lora_op *l = ts_adapter_lora(table);
    ts_embed_op few = *o;
    ts_tensor *h, *z;
    if (!l)
        return TS_OK;
    few.table = l->part[0].b;
    few.positions = NULL, few.pos = NULL;
    few.scale = 1;
    TS_TRY(ts_op_embed(tape, &few, &h));
    TS_TRY(ts_op_linear(tape, h, l->part[0].a, NULL, &z));
    ts_tape_drop(tape, h);
    TS_TRY(ts_op_add(tape, *x, 1, z, o->scale * l->part[0].scale, x));
    ts_tape_drop(tape, z);
    return TS_OK;
}

/* ---- declaration ---- */

/* Columns of the layer's result that are here, one stretch after another. */
static int spans_of(const ts_linear *l, ts_place_span span[TS_PLACE_SPANS])
{
    span[0] = (ts_place_span){ 0, l->out };
    if (l->cut != TS_CUT_COLUMN)
        return 1;
    for (int i = 0; i < l->n_spans; i++)
        span[i] = l->span[i];
    return l->n_spans;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Which of a part's rows are here (share, of B's whole rows), and where they stand in what is here of the weight
 * (run: NULL, to count them). Returns the number of runs. */
static int64_t runs_here(const ts_linear *l, const ts_adapter_part *p, ts_lora_run *run, ts_place_span share[TS_PLACE_SPANS],
                         int *n_share)
{
    ts_place_span span[TS_PLACE_SPANS];
    int64_t n = 0, column = 0, row = 0;
    const int n_spans = spans_of(l, span);
    *n_share = 0;
    for (int s = 0; s < n_spans; column += span[s++].n)
        for (int64_t k = 0; k < p->n_runs; k++) {
            const ts_lora_run *r = &p->run[k];
            const int64_t begin = larger(r->to, span[s].begin), end = smaller(r->to + r->n, span[s].begin + span[s].n);
            if (begin >= end)
                continue;
            const int64_t from = r->from + begin - r->to;
            if (*n_share && share[*n_share - 1].begin + share[*n_share - 1].n == from)
                share[*n_share - 1].n += end - begin;
            else
                share[(*n_share)++] = (ts_place_span){ from, end - begin };
            if (run)
                run[n] = (ts_lora_run){ row, column + begin - span[s].begin, end - begin };
            n++, row += end - begin;
        }
    return n;
}

/* Rows of B that other processes have too, each with a part of their gradient. */
static ts_param_parts parts_of(const ts_linear *l, const ts_lora_run *run, int64_t n, bool *is_copy)
{
    ts_param_parts parts = l->parts;
    int64_t before = 0, rows = 0;
    *is_copy = false;
    if (l->cut == TS_CUT_ROW)
        return (ts_param_parts){ .slots = ts_shares_rows(l->group) };
    for (int64_t k = 0; k < n; k++) {
        before += larger(0, smaller(run[k].n, parts.from - run[k].to));
        rows += run[k].n;
    }
    if (!parts.slots || before == rows)
        return (ts_param_parts){ 0 };
    parts.from = before;
    *is_copy = l->is_copy;
    return parts;
}

static ts_status declare_one(const ts_declarer *in, const char *which, const ts_adapter_part *p, const ts_param_spec *spec,
                             bool trains, ts_param **out)
{
    char name[TS_ADAPTER_NAME + 32];
    snprintf(name, sizeof name, "%s.%s%s", which, p->name, spec->place.rank > 1 ? ".weight" : "");
    TS_TRY(ts_declare(in, name, spec, out));
    if (!trains)
        ts_param_hold(*out, TS_HELD_FROZEN, TS_DTYPE_F32, TS_QUANT_NONE);
    return TS_OK;
}

static ts_status declare_a(const ts_declarer *in, const char *which, const ts_linear *l, const ts_adapter_part *p, bool trains,
                           ts_param **out)
{
    const bool is_output = l->is_table || !strcmp(in->prefix, "output_layer.");
    ts_param_spec a = { .place = ts_place_whole(p->rank, l->in), .start = TS_START_UNIFORM,
                        .value = 1 / sqrtf((float)l->in) };
    if (l->is_table)
        a.place = ts_place_whole(l->in, p->rank), a.start = TS_START_NORMAL;
    if (l->cut == TS_CUT_ROW)
        ts_place_cut(&a.place, 1, TS_AXIS_TENSOR, l->span, l->n_spans);
    else if (!is_output) /* which the loss multiplies, and sums what comes back */
        a.parts.slots = l->cut ? ts_shares_rows(l->group) : l->parts.slots;
    return declare_one(in, which, p, &a, trains, out);
}

static ts_status note_runs(const ts_linear *l, const ts_adapter_part *p, ts_lora *here, int i)
{
    ts_place_span share[TS_PLACE_SPANS];
    int n_share;
    ts_lora_part *part = &here->op.part[i];
    part->n_runs = runs_here(l, p, NULL, share, &n_share);
    TS_TRY(ts_alloc(&here->run[i], (size_t)part->n_runs, sizeof *here->run[i]));
    runs_here(l, p, here->run[i], share, &n_share);
    part->run = here->run[i];
    return TS_OK;
}

/* part: whose runs are known. */
static ts_status declare_b(const ts_declarer *in, const char *which, const ts_linear *l, const ts_adapter_part *p,
                           const ts_adapter_plan *plan, bool trains, ts_lora_part *part)
{
    ts_param_spec b = { .place = ts_place_whole(p->rows, p->rank), .start = TS_START_CONSTANT, .decoupled = plan->decoupled };
    ts_place_span share[TS_PLACE_SPANS];
    int n_share;
    runs_here(l, p, NULL, share, &n_share);
    if (l->cut == TS_CUT_COLUMN)
        ts_place_cut(&b.place, 0, TS_AXIS_TENSOR, share, n_share);
    b.parts = parts_of(l, part->run, part->n_runs, &b.is_copy);
    return declare_one(in, which, p, &b, trains, &part->b);
}

/* Lengths lie where B's rows do. */
static ts_status declare_m(const ts_declarer *in, const ts_adapter_part *p, const ts_adapter_plan *plan, const ts_linear *l,
                           ts_lora_part *part)
{
    const ts_place *b = &part->b->place;
    ts_param_spec m = { .place = ts_place_whole(p->rows, 0), .start = TS_START_CONSTANT, .decoupled = plan->decoupled };
    m.place.dim[0] = b->dim[0];
    m.parts = parts_of(l, part->run, part->n_runs, &m.is_copy);
    return declare_one(in, "lora_magnitude_vector", p, &m, plan->training, &part->m);
}

/* The same of what the two matrices were at first. */
static ts_status declare_starts(const ts_adapter_plan *plan, const ts_declarer *in, const ts_linear *l, ts_adapter_site *s)
{
    ts_lora *here = &s->here;
    here->start = here->op;
    here->start.read = NULL;
    here->off = &plan->off;
    for (int i = 0; i < s->n; i++)
        TS_TRY(declare_a(in, "lora_start_A", l, &s->part[i], false, &here->start.part[i].a));
    for (int i = 0; i < s->n; i++)
        TS_TRY(declare_b(in, "lora_start_B", l, &s->part[i], plan, false, &here->start.part[i]));
    for (int i = 0; i < s->n; i++)
        here->start.part[i].a->is_start = here->start.part[i].b->is_start = true;
    return TS_OK;
}

static ts_status declare_site(const ts_adapter_plan *plan, const ts_declarer *in, ts_linear *l, ts_adapter_site *s)
{
    ts_lora *here = &s->here;
    TS_ASSERT(!l->adapter && !here->of, "%s has an adapter already", s->linear);
    TS_ASSERT(s->in == l->in && s->out == l->out, "%s has other sizes than its adapter", s->linear);
    here->of = l;
    here->number = s->id;
    here->op.read = read;
    here->op.n = s->n;
    for (int i = 0; i < s->n; i++) {
        TS_TRY(note_runs(l, &s->part[i], here, i));
        here->op.part[i].scale = s->part[i].scale;
        TS_TRY(declare_a(in, "lora_A", l, &s->part[i], plan->training, &here->op.part[i].a));
    }
    for (int i = 0; i < s->n; i++)
        TS_TRY(declare_b(in, "lora_B", l, &s->part[i], plan, plan->training, &here->op.part[i]));
    for (int i = 0; s->dora && i < s->n; i++)
        TS_TRY(declare_m(in, &s->part[i], plan, l, &here->op.part[i]));
    if (s->starts)
        TS_TRY(declare_starts(plan, in, l, s));
    here->adapter = (ts_adapter){ add_lora, s->dora, s->starts ? NULL : &plan->off };
    l->adapter = &here->adapter;
    return TS_OK;
}

static ts_status meet(ts_adapting *adapting, const ts_declarer *in, ts_linear *l)
{
    ts_adapter_plan *plan = (void *)adapting;
    char name[TS_DECLARED_NAME];
    snprintf(name, sizeof name, "%.*s", (int)strlen(in->prefix) - 1, in->prefix);
    const int64_t i = ts_names_find(plan->linears, name);
    if (i < 0 || !in->set) /* or elsewhere */
        return TS_OK;
    if (l->tied || plan->site[i].here.of)
        return ts_error(TS_ERR_USER, "%s is of a block that several layers share, which has no adapters here: leave it out", name);
    const int64_t next = in->set->next_id;
    in->set->next_id = plan->site[i].id;
    const ts_status st = declare_site(plan, in, l, &plan->site[i]);
    in->set->next_id = next;
    return st;
}

/* ---- experts ---- */

static ts_status declare_experts(const ts_adapter_plan *plan, const ts_declarer *in, ts_experts_product *p, ts_adapter_site *s)
{
    const ts_adapter_part *part = &s->part[0];
    ts_param_spec a = { .place = p->place, .start = TS_START_UNIFORM, .value = 1 / sqrtf((float)s->in), .is_expert = true },
                  b = { .place = p->place, .start = TS_START_CONSTANT, .is_expert = true, .decoupled = plan->decoupled };
    a.place.dim[1] = b.place.dim[2] = (ts_place_dim){ .whole = part->rank };
    s->apart = (ts_lora_groups_op){ .scale = part->scale, .is_row = p->is_row, .shares = p->shares };
    TS_TRY(declare_one(in, "lora_A", part, &a, plan->training, &s->apart.a));
    TS_TRY(declare_one(in, "lora_B", part, &b, plan->training, &s->apart.b));
    p->adapter = &s->apart;
    p->off = &plan->off;
    return TS_OK;
}

static ts_status meet_experts(ts_adapting *adapting, const ts_declarer *in, ts_experts_product *p)
{
    ts_adapter_plan *plan = (void *)adapting;
    char name[TS_DECLARED_NAME];
    snprintf(name, sizeof name, "%.*s", (int)strlen(in->prefix) - 1, in->prefix);
    const int64_t i = ts_names_find(plan->linears, name);
    if (i < 0 || !in->set)
        return TS_OK;
    if (in->experts && in->experts->hot)
        return ts_error(TS_ERR_USER, "%s has an adapter, and copies of busy experts have none: leave --balanced-moe-experts out", name);
    const int64_t next = in->set->next_id;
    in->set->next_id = plan->site[i].id;
    const ts_status st = declare_experts(plan, in, p, &plan->site[i]);
    in->set->next_id = next;
    return st;
}

/* ---- the plan ---- */

ts_status ts_adapter_plan_init(ts_adapter_plan *p)
{
    *p = (ts_adapter_plan){ .adapting = { meet, meet_experts } };
    return ts_names_create(64, &p->linears);
}

void ts_adapter_plan_deinit(ts_adapter_plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        for (int k = 0; k < TS_LORA_PARTS; k++) {
            ts_free(&p->site[i].part[k].run);
            ts_free(&p->site[i].here.run[k]);
        }
        ts_free(&p->site[i].linear);
    }
    ts_free(&p->site);
    ts_names_destroy(&p->linears);
    *p = (ts_adapter_plan){ 0 };
}

ts_status ts_adapter_plan_site(ts_adapter_plan *p, const char *linear, int64_t in, int64_t out, ts_adapter_site **site)
{
    const int64_t i = ts_names_find(p->linears, linear);
    if (i >= 0) {
        *site = &p->site[i];
        return TS_OK;
    }
    TS_TRY(ts_grow(&p->site, &p->cap, p->n + 1, sizeof *p->site));
    ts_adapter_site *s = &p->site[p->n];
    *s = (ts_adapter_site){ .in = in, .out = out };
    TS_TRY(ts_strdup(linear, &s->linear));
    p->n++;
    *site = s;
    return ts_names_add(p->linears, linear);
}

int64_t ts_adapter_plan_params(const ts_adapter_plan *p)
{
    int64_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += ts_adapter_site_params(&p->site[i]);
    return n;
}

void ts_adapter_plan_number(ts_adapter_plan *p, int64_t id)
{
    for (size_t i = 0; i < p->n; i++) {
        p->site[i].id = id;
        id += ts_adapter_site_params(&p->site[i]);
    }
}
