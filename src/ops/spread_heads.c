/* Rows for heads and back: one exchange between neighbours, and what puts columns into the order in which
 * they travel.
 *
 *   rows here, all heads               goes to neighbour 0 | 1 | 2        rows of all, some heads
 *   [B * rows, all groups]             [B * rows, its groups] each        [B * all rows, groups here]  */
#include "ops/columns.h"
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
    return (ts_head_form){ o->n_kv, queries, 2, o->head_dim, copies };
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
    int64_t B, rows, all; /* rows of a sequence here, and of all neighbours */
    int64_t width;        /* columns of this process's heads */
} exchange;

static int neighbour(const exchange *e, int i) { return ts_spread_at(e->s) * e->s->heads + i; }

static int64_t rows_of(const exchange *e, int i)
{
    const ts_stretches p = ts_spread_rows(e->s, e->s->length, neighbour(e, i));
    return ts_stretches_count(&p);
}

static exchange exchange_of(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                            ts_dtype dtype)
{
    exchange e = { .tape = tape, .s = s, .f = f, .dtype = dtype, .B = B };
    const int me = s->comm->rank % s->heads;
    for (int i = 0; i < s->heads; i++)
        e.all += rows_of(&e, i);
    e.rows = rows_of(&e, me);
    e.width = (ts_head_form_begin(f, s->heads, me + 1) - ts_head_form_begin(f, s->heads, me)) * unit_of(f);
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
    for (int i = 0; i < e->s->heads; i++) {
        const int64_t begin = ts_head_form_begin(f, e->s->heads, i),
                      end = ts_head_form_begin(f, e->s->heads, i + 1), width = (end - begin) * unit;
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

/* Rows of all neighbours as they come, sequences of each together, and in the order of the sequence. */
static void order(const exchange *e, const ts_tensor *by_rank, const ts_tensor *by_row, bool back)
{
    int64_t before = 0;
    for (int i = 0; i < e->s->heads; i++) {
        const int64_t n = rows_of(e, i) * e->width;
        const columns whole = { ts_tensor_data(by_row), e->all * e->width },
                      part = { ts_tensor_data(by_rank), n }, a = from(e, part, e->B * before),
                      b = from(e, whole, before);
        copy(e, back ? b : a, back ? a : b, e->B, n, false);
        before += n;
    }
}

/* Counts and offsets of whole rows, and of rows of all, by rank of the communicator. */
static void count(const exchange *e, int64_t *whole, int64_t *all)
{
    const int n = e->s->comm->size;
    int64_t at = 0;
    for (int i = 0; i < e->s->heads; i++) {
        const int r = neighbour(e, i);
        const int64_t begin = ts_head_form_begin(e->f, e->s->heads, i),
                      end = ts_head_form_begin(e->f, e->s->heads, i + 1), unit = unit_of(e->f);
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
    if (e->B == 1)
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
    if (e->B > 1) {
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
    if (s->gather_keys && f->behind)
        return ts_heads_out_gathering(tape, s, f, B, x, y);
    const exchange e = exchange_of(tape, s, f, B, x->dtype);
    TS_ASSERT(x->dim[0] == B * e.rows && x->dim[1] == width_of(f), "[%lld, %lld] for %lld heads",
              (long long)x->dim[0], (long long)x->dim[1], (long long)f->groups);
    return go_out(&e, x, y);
}

ts_status ts_heads_back(ts_tape *tape, const ts_spread *s, const ts_head_form *f, int64_t B,
                        const ts_tensor *x, ts_tensor **y)
{
    if (s->gather_keys && f->behind)
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

static ts_head_form units_of(int64_t units, int64_t width) { return (ts_head_form){ units, 1, 0, width, 1 }; }

static int64_t units_before(const ts_spread *s, int64_t units, int i)
{
    const ts_head_form f = units_of(units, 1);
    return s ? ts_head_form_begin(&f, s->heads, i) : i * units;
}

int64_t ts_spread_first_unit(const ts_spread *s, int64_t units)
{
    return units_before(s, units, s ? s->comm->rank % s->heads : 0);
}

int64_t ts_spread_units(const ts_spread *s, int64_t units)
{
    return units_before(s, units, s ? s->comm->rank % s->heads + 1 : 1) - ts_spread_first_unit(s, units);
}

ts_status ts_op_spread_out(ts_tape *tape, const ts_spread *s, int64_t B, int64_t units, ts_tensor *x, ts_tensor **y)
{
    *y = x;
    if (!s)
        return TS_OK;
    TS_ASSERT(ts_spread_across(s) == 1 && x->dim[1] % units == 0, "%lld units in rows of %lld for %d of %d processes",
              (long long)units, (long long)x->dim[1], s->heads, s->comm->size);
    const ts_head_form f = units_of(units, x->dim[1] / units);
    return ts_op_heads_out(tape, s, &f, B, x, y);
}

/* Each process gets a copy. */
ts_status ts_op_spread_all(ts_tape *tape, const ts_spread *s, int64_t B, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *copies = x;
    *y = x;
    if (!s)
        return TS_OK;
    TS_TRY(ts_op_repeat_cols(tape, x, s->comm->size, &copies));
    return ts_op_spread_out(tape, s, B, s->comm->size, copies, y);
}

ts_status ts_op_spread_back(ts_tape *tape, const ts_spread *s, int64_t B, int64_t units, ts_tensor *x, ts_tensor **y)
{
    *y = x;
    if (!s)
        return TS_OK;
    const ts_head_form f = units_of(units, x->dim[1] / ts_spread_units(s, units));
    return ts_op_heads_back(tape, s, &f, B, x, y);
}
