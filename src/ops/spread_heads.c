/* Rows for heads and back: one exchange between neighbours, and what puts columns into the order in which
 * they travel.
 *
 *   rows here, all heads               goes to neighbour 0 | 1 | 2        rows of all, some heads
 *   [B * rows, all groups]             [B * rows, its groups] each        [B * all rows, groups here]  */
#include "ops/spread_inside.h"

static int64_t divisor(int64_t a, int64_t b) { return b ? divisor(b, a % b) : a; }

bool ts_spread_has_heads(int64_t n_q, int64_t n_kv, int heads)
{
    return n_kv > 0 && n_q >= heads;
}

/* Even shares where there are any: of groups, or of groups that go several times. Else so many copies that
 * everyone has a group. */
ts_head_form ts_head_form_of(const ts_attention_op *o, int heads)
{
    const int64_t queries = o->n_q / o->n_kv;
    int64_t copies = heads / divisor(o->n_kv, heads);
    TS_ASSERT(ts_spread_has_heads(o->n_q, o->n_kv, heads), "%lld heads for %d processes",
              (long long)o->n_q, heads);
    if (o->n_q % heads)
        for (copies = 1; o->n_kv * copies < heads || queries % copies;)
            copies++;
    return (ts_head_form){ o->n_kv, queries, 2, o->head_dim, copies, false };
}

int64_t ts_head_form_begin(const ts_head_form *f, int heads, int i)
{
    const int64_t n = f->groups * f->copies, more = n % heads; /* the first have one more */
    return n / heads * i + (i < more ? i : more);
}

/* Elements of a group as it travels, and of a whole row. */
static int64_t unit_of(const ts_head_form *f) { return (f->queries / f->copies + f->behind) * f->dim; }
static int64_t width_of(const ts_head_form *f)
{
    return f->groups * (f->queries + f->behind) * f->dim;
}

/* One exchange, as this process sees it. */
typedef struct exchange {
    ts_tape *tape;
    const ts_spread *s;
    const ts_head_form *f;
    ts_dtype dtype;
    int n, rank0;         /* neighbours, and which process is the first */
    int64_t B, rows, all; /* rows of a sequence here, and of all neighbours */
    int64_t width;        /* columns of this process's heads */
} exchange;

static ts_stretches pieces_of(const exchange *e, int i) { return ts_spread_rows(e->s, e->s->length, e->rank0 + i); }

static int64_t rows_of(const exchange *e, int i)
{
    const ts_stretches p = pieces_of(e, i);
    return ts_stretches_count(&p);
}

/* Rows of all neighbours, one behind another, are in order. */
static bool is_ordered(const exchange *e)
{
    return !e->f->whole || !e->s->zigzag || ts_spread_across(e->s) == 1;
}

static exchange exchange_of(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                            ts_dtype dtype)
{
    exchange e = { .tape = tape, .s = s, .f = f, .dtype = dtype, .B = B };
    e.n = f->whole ? s->comm->size : s->heads;
    e.rank0 = s->comm->rank / e.n * e.n;
    const int me = s->comm->rank - e.rank0;
    for (int i = 0; i < e.n; i++)
        e.all += rows_of(&e, i);
    e.rows = rows_of(&e, me);
    e.width = (ts_head_form_begin(f, e.n, me + 1) - ts_head_form_begin(f, e.n, me)) * unit_of(f);
    return e;
}

typedef struct columns {
    char *at;
    int64_t row; /* elements from one row to the next */
} columns;

static void copy(const exchange *e, columns from, columns to, int64_t rows, int64_t cols, bool adds)
{
    const ts_copy_cols_args a = { .cols = cols, .x_row = from.row, .y_row = to.row, .dtype = e->dtype,
                                  .adds = adds, .x = from.at, .y = to.at };
    const double bytes = (double)(rows * cols) * (double)ts_dtype_size(e->dtype);
    if (cols)
        ts_launch_copy_cols(e->tape->dev, &a, rows, (ts_cost){ 0, (adds ? 3 : 2) * bytes, e->dtype });
}

static columns from(const exchange *e, columns c, int64_t element)
{
    return (columns){ c.at + element * (int64_t)ts_dtype_size(e->dtype), c.row };
}

/* One group with its key and value in whole rows, and as it travels. Coming back, copies of a key add up. */
static void copy_group(const exchange *e, columns whole, columns packed, int64_t group, bool back)
{
    const ts_head_form *f = e->f;
    const int64_t queries = f->queries / f->copies * f->dim, copy_no = group % f->copies;
    const int64_t base = group / f->copies * (f->queries + f->behind) * f->dim;
    const columns q = from(e, whole, base + copy_no * queries),
                  kv = from(e, whole, base + f->queries * f->dim), behind = from(e, packed, queries);
    copy(e, back ? packed : q, back ? q : packed, e->B * e->rows, queries, false);
    copy(e, back ? behind : kv, back ? kv : behind, e->B * e->rows, f->behind * f->dim,
         back && copy_no > 0);
}

/* The whole rows x, and what travels, neighbour after neighbour. */
static void pack(const exchange *e, const ts_tensor *x, const ts_tensor *packed, bool back)
{
    const ts_head_form *f = e->f;
    const columns whole = { ts_tensor_data(x), width_of(f) };
    const int64_t unit = unit_of(f);
    for (int i = 0; i < e->n; i++) {
        const int64_t begin = ts_head_form_begin(f, e->n, i), end = ts_head_form_begin(f, e->n, i + 1),
                      width = (end - begin) * unit;
        const columns part = { from(e, (columns){ ts_tensor_data(packed), width },
                                    e->B * e->rows * begin * unit).at, width };
        if (f->copies == 1) {
            const columns here = from(e, whole, begin * unit);
            copy(e, back ? part : here, back ? here : part, e->B * e->rows, width, false);
        }
        for (int64_t g = begin; f->copies > 1 && g < end; g++)
            copy_group(e, whole, from(e, part, (g - begin) * unit), g, back);
    }
}

/* Rows of all neighbours as they come, sequences of each together, and in the order of the sequence: of heads that
 * attention gets, in the order of its queries. */
static void order(const exchange *e, const ts_tensor *by_rank, const ts_tensor *by_row, bool back)
{
    int64_t before = 0;
    for (int i = 0; i < e->n; i++) {
        const int64_t n = rows_of(e, i);
        const ts_stretches p = is_ordered(e) ? ts_stretches_one(before, n) : pieces_of(e, i);
        const columns whole = { ts_tensor_data(by_row), e->all * e->width },
                      part = { ts_tensor_data(by_rank), n * e->width };
        int64_t at = e->B * before * e->width;
        for (int k = 0; k < p.n; k++) {
            const columns a = from(e, part, at), b = from(e, whole, p.piece[k].begin * e->width);
            copy(e, back ? b : a, back ? a : b, e->B, p.piece[k].n * e->width, false);
            at += p.piece[k].n * e->width;
        }
        before += n;
    }
}

/* Counts and offsets of whole rows, and of rows of all, by rank of the communicator. */
static void count(const exchange *e, int64_t *whole, int64_t *all)
{
    const int n = e->s->comm->size;
    int64_t at = 0;
    for (int i = 0; i < e->n; i++) {
        const int r = e->rank0 + i;
        const int64_t begin = ts_head_form_begin(e->f, e->n, i), end = ts_head_form_begin(e->f, e->n, i + 1),
                      unit = unit_of(e->f);
        whole[r] = e->B * e->rows * (end - begin) * unit, whole[n + r] = e->B * e->rows * begin * unit;
        all[r] = e->B * rows_of(e, i) * e->width, all[n + r] = at;
        at += all[r];
    }
}

/* packed: what travels, neighbour after neighbour; all: rows of all of them. */
static ts_status travel(const exchange *e, const ts_tensor *packed, const ts_tensor *all, bool back)
{
    ts_comm *c = e->s->comm;
    const int64_t n = ts_tensor_count(packed), m = ts_tensor_count(all);
    int64_t *counts;
    TS_TRY(ts_alloc(&counts, 4 * (size_t)c->size, sizeof *counts));
    int64_t *there = counts + 2 * c->size;
    count(e, counts, there);
    const ts_tensor *x = back ? all : packed, *y = back ? packed : all;
    const int64_t *out = back ? there : counts, *in = back ? counts : there;
    const ts_status st =
        ts_group_run(e->tape, c,
                     ts_all_to_all_v(ts_tensor_data(x), out, out + c->size, ts_tensor_data(y), in,
                                     in + c->size, ts_group_type(e->dtype)),
                     back ? m : n, back ? n : m);
    ts_free(&counts);
    return st;
}

static ts_status go_out(const exchange *e, const ts_tensor *x, ts_tensor **y)
{
    ts_tensor *packed, *rows;
    TS_TRY(ts_tape_new(e->tape, e->dtype, e->B * e->rows, unit_of(e->f) * e->f->groups * e->f->copies,
                       &packed));
    pack(e, x, packed, false);
    TS_TRY(ts_tape_new(e->tape, e->dtype, e->B * e->all, e->width, &rows));
    TS_TRY(travel(e, packed, rows, false));
    ts_tape_drop(e->tape, packed);
    *y = rows;
    if (e->B == 1 && is_ordered(e))
        return TS_OK;
    TS_TRY(ts_tape_new(e->tape, e->dtype, e->B * e->all, e->width, y));
    order(e, rows, *y, false);
    ts_tape_drop(e->tape, rows);
    return TS_OK;
}

static ts_status come_back(const exchange *e, const ts_tensor *y, ts_tensor **x)
{
    const ts_tensor *rows = y;
    ts_tensor *packed, *parts = NULL;
    if (e->B > 1 || !is_ordered(e)) {
        TS_TRY(ts_tape_new(e->tape, e->dtype, e->B * e->all, e->width, &parts));
        order(e, parts, y, true);
        rows = parts;
    }
    TS_TRY(ts_tape_new(e->tape, e->dtype, e->B * e->rows, unit_of(e->f) * e->f->groups * e->f->copies,
                       &packed));
    TS_TRY(travel(e, packed, rows, true));
    ts_tape_drop(e->tape, parts);
    TS_TRY(ts_tape_new(e->tape, e->dtype, e->B * e->rows, width_of(e->f), x));
    pack(e, *x, packed, true);
    ts_tape_drop(e->tape, packed);
    return TS_OK;
}

ts_status ts_heads_out(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                       const ts_tensor *x, ts_tensor **y)
{
    if (s->gather_keys && f->behind && !f->whole)
        return ts_heads_out_gathering(tape, s, f, B, x, y);
    const exchange e = exchange_of(tape, s, f, B, x->dtype);
    TS_ASSERT(x->dim[0] == B * e.rows && x->dim[1] == width_of(f), "[%lld, %lld] for %lld heads",
              (long long)x->dim[0], (long long)x->dim[1], (long long)f->groups);
    return go_out(&e, x, y);
}

ts_status ts_heads_back(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                        const ts_tensor *x, ts_tensor **y)
{
    if (s->gather_keys && f->behind && !f->whole)
        return ts_heads_back_gathering(tape, s, f, B, x, y);
    const exchange e = exchange_of(tape, s, f, B, x->dtype);
    TS_ASSERT(x->dim[0] == B * e.all && x->dim[1] == e.width, "[%lld, %lld] for %lld columns here",
              (long long)x->dim[0], (long long)x->dim[1], (long long)e.width);
    return come_back(&e, x, y);
}

/* ---- operators ---- */

typedef struct heads_attr {
    const ts_spread *s;
    ts_head_form f;
    int64_t B;
} heads_attr;

static ts_status out_backward(ts_tape *tape, ts_record *r)
{
    const heads_attr *n = r->attr;
    ts_tensor *dx;
    TS_TRY(ts_heads_back(tape, n->s, &n->f, n->B, r->out[0]->grad, &dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static ts_status back_backward(ts_tape *tape, ts_record *r)
{
    const heads_attr *n = r->attr;
    ts_tensor *dx;
    TS_TRY(ts_heads_out(tape, n->s, &n->f, n->B, r->out[0]->grad, &dx));
    return ts_tape_accumulate(tape, r->in[0], dx);
}

static const ts_op out_op = { .name = "heads_out", .backward = out_backward };
static const ts_op back_op = { .name = "heads_back", .backward = back_backward };

static ts_status record(ts_tape *tape, const ts_op *op, const heads_attr *attr, ts_tensor *x, ts_tensor *y)
{
    ts_record *r;
    if (!tape->recording || !x->wants_grad)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, op, sizeof *attr, &r));
    *(heads_attr *)r->attr = *attr;
    r->in[0] = x;
    r->out[0] = y;
    y->wants_grad = true;
    return TS_OK;
}

ts_status ts_op_heads_out(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                          ts_tensor *x, ts_tensor **y)
{
    TS_TRY(ts_heads_out(tape, s, f, B, x, y));
    return record(tape, &out_op, &(heads_attr){ s, *f, B }, x, *y);
}

ts_status ts_op_heads_back(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                           ts_tensor *x, ts_tensor **y)
{
    TS_TRY(ts_heads_back(tape, s, f, B, x, y));
    return record(tape, &back_op, &(heads_attr){ s, *f, B }, x, *y);
}

/* ---- of what is no attention ---- */

static int64_t copies_of(const ts_spread *s, int64_t units)
{
    return s && units < s->comm->size ? s->comm->size / units : 1;
}

ts_spread_share ts_spread_share_of(const ts_spread *s, int64_t units)
{
    const ts_head_form f = { .groups = units, .copies = copies_of(s, units) };
    const int n = s ? s->comm->size : 1, i = s ? s->comm->rank : 0;
    const int64_t begin = ts_head_form_begin(&f, n, i), end = ts_head_form_begin(&f, n, i + 1);
    return (ts_spread_share){ .first = begin / f.copies, .n = f.copies > 1 ? 1 : end - begin,
                              .parts = f.copies, .part = begin % f.copies };
}

/* Units of so many columns: in parts, where there are several of a unit, or each time as it is. */
static ts_head_form form_of(const ts_spread *s, int64_t units, int64_t width, bool in_parts)
{
    const int64_t copies = copies_of(s, units), parts = in_parts ? copies : 1;
    TS_ASSERT(width % parts == 0 && (copies == 1 || s->comm->size % units == 0),
              "%lld units of %lld columns for %d processes", (long long)units, (long long)width, s->comm->size);
    return (ts_head_form){ .groups = units, .queries = in_parts ? parts : 0, .behind = in_parts ? 0 : 1,
                           .dim = width / parts, .copies = copies, .whole = true };
}

static ts_status go_whole(ts_tape *tape, const ts_spread *s, int64_t B, int64_t units, bool in_parts, ts_tensor *x,
                          ts_tensor **y)
{
    *y = x;
    if (!s)
        return TS_OK;
    const ts_head_form f = form_of(s, units, x->dim[1] / units, in_parts);
    return ts_op_heads_out(tape, s, &f, B, x, y);
}

ts_status ts_op_spread_out(ts_tape *tape, const ts_spread *s, int64_t B, int64_t units, ts_tensor *x, ts_tensor **y)
{
    return go_whole(tape, s, B, units, true, x, y);
}

ts_status ts_op_spread_copy(ts_tape *tape, const ts_spread *s, int64_t B, int64_t units, ts_tensor *x, ts_tensor **y)
{
    return go_whole(tape, s, B, units, false, x, y);
}

ts_status ts_op_spread_back(ts_tape *tape, const ts_spread *s, int64_t B, int64_t units, ts_tensor *x, ts_tensor **y)
{
    *y = x;
    if (!s)
        return TS_OK;
    const ts_spread_share here = ts_spread_share_of(s, units);
    const ts_head_form f = form_of(s, units, x->dim[1] / here.n * here.parts, true);
    return ts_op_heads_back(tape, s, &f, B, x, y);
}
