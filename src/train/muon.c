#include "train/muon.h"

#include "ops/group.h"

#include <math.h>

/* ---- the matrices in a weight ---- */

/* One of them: `block` elements of every `stride`, from `at` on, are its rows. */
typedef struct part {
    int64_t at, block, stride, rows, cols;
} part;

/* A weight [rows, cols], or this process's share of it. */
typedef struct shape {
    int64_t rows, cols;
    ts_param_bands bands; /* n 0: one matrix */
    int64_t group;        /* rows of a group of bands */
    bool by_heads;
} shape;

static bool splits(const ts_muon *m, const ts_param_bands *b)
{
    return b->n && (b->head ? m->o->split_qkv : m->o->per_head);
}

static shape shape_of(const ts_muon *m, const ts_param *p, bool whole)
{
    const ts_place *place = &p->place;
    shape s = { .rows = whole ? place->dim[0].whole : p->dim[0],
                .cols = whole ? ts_place_whole_count(place) / place->dim[0].whole : p->dim[1] };
    if (!splits(m, &p->bands))
        return s;
    s.bands = whole ? p->bands : ts_param_bands_here(p);
    s.by_heads = m->o->per_head && s.bands.head;
    for (int i = 0; i < s.bands.n; i++)
        s.group += s.bands.rows[i];
    return s;
}

static int64_t count_parts(const shape *s)
{
    return s->by_heads ? s->rows / s->bands.head : s->bands.n ? s->bands.n : 1;
}

static part part_at(const shape *s, int64_t i)
{
    const int64_t all = s->rows * s->cols, head = s->bands.head;
    if (s->by_heads)
        return (part){ i * head * s->cols, head * s->cols, head * s->cols, head, s->cols };
    if (!s->bands.n)
        return (part){ 0, all, all, s->rows, s->cols };
    int64_t before = 0;
    for (int b = 0; b < i; b++)
        before += s->bands.rows[b];
    const int64_t n = s->bands.rows[i];
    return (part){ before * s->cols, n * s->cols, s->group * s->cols, s->rows / s->group * n, s->cols };
}

/* ---- how a weight that is cut is stepped ---- */

/* Whole heads are where their rows are: no one else is asked. */
static ts_muon_tp_mode mode_of(const ts_muon *m, const ts_param *p)
{
    const bool heads_here = m->o->per_head && splits(m, &p->bands) && p->bands.head;
    return m->group && !ts_place_is_whole(&p->place) && !heads_here ? (ts_muon_tp_mode)m->o->tp_mode
                                                                    : TS_MUON_BLOCKWISE;
}

static ts_orthogonal orthogonal_of(const ts_muon *m)
{
    return (ts_orthogonal){ .dev = m->dev, .set = (ts_muon_set)m->o->set, .steps = m->o->steps,
                            .type = m->o->precision == TS_MUON_HIGH ? TS_DTYPE_F32 : TS_DTYPE_BF16 };
}

static double scale_of(const ts_muon *m, const part *x)
{
    const double rows = (double)x->rows, cols = (double)x->cols;
    const double scale = m->o->scaling == TS_MUON_SPECTRAL        ? sqrt(fmax(rows, cols))
                         : m->o->scaling == TS_MUON_UNIT_RMS_NORM ? sqrt(rows / cols)
                                                                : sqrt(fmax(1, rows / cols));
    return scale * m->o->extra_scale;
}

/* A matrix that is here, or this process's share of it; `whole`: all of it. */
static ts_orthogonal_call call_of(const ts_muon *m, const ts_param *p, const part *x, const part *whole)
{
    ts_orthogonal_call c = { .rows = x->rows, .cols = x->cols, .scale = scale_of(m, whole) };
    if (mode_of(m, p) == TS_MUON_DISTRIBUTED) {
        c.group = m->group;
        c.by_columns = p->place.dim[0].axis != TS_AXIS_NONE;
        c.is_copy = x->at >= p->counted;
    }
    return c;
}

/* ---- memory ---- */

/* Arrays in the room; bytes counts where room is NULL. */
typedef struct work {
    char *room;
    size_t bytes;
    float *share, *whole, *x; /* duplicated: of the share and of all of it, in fp32; of one matrix */
    void *rest;
} work;

static void *take(work *w, int64_t n)
{
    return ts_device_take(w->room, &w->bytes, (size_t)n * sizeof(float));
}

static work lay_out(const ts_muon *m, const ts_param *p, char *room)
{
    const bool whole = mode_of(m, p) == TS_MUON_DUPLICATED;
    const shape s = shape_of(m, p, whole), all = shape_of(m, p, mode_of(m, p) != TS_MUON_BLOCKWISE);
    const ts_orthogonal o = orthogonal_of(m);
    work w = { .room = room };
    int64_t longest = 0;
    size_t most = 0;
    if (whole) {
        w.share = take(&w, ts_param_count(p));
        w.whole = take(&w, s.rows * s.cols);
    }
    for (int64_t i = 0; i < count_parts(&s); i++) {
        const part x = part_at(&s, i), of = part_at(&all, i);
        const ts_orthogonal_call c = call_of(m, p, &x, &of);
        const size_t bytes = ts_orthogonal_bytes(&o, &c);
        most = bytes > most ? bytes : most;
        longest = x.rows * x.cols > longest ? x.rows * x.cols : longest;
    }
    w.x = take(&w, longest);
    w.rest = room ? room + w.bytes : NULL;
    w.bytes += most;
    return w;
}

size_t ts_muon_bytes(const ts_muon *m, const ts_param *p) { return lay_out(m, p, NULL).bytes; }

/* ---- here ---- */

static ts_muon_args args_of(const ts_muon *m, const ts_muon_step_args *a, const part *x)
{
    return (ts_muon_args){ .p = a->value + x->at,
                           .m = a->m + x->at,
                           .grad = a->grad + x->at,
                           .block = x->block,
                           .stride = x->stride,
                           .lr = (float)a->lr,
                           .beta = (float)m->o->momentum,
                           .weight_decay = (float)a->weight_decay,
                           .grad_scale = (float)a->grad_scale,
                           .nesterov = m->o->nesterov };
}

static void begin(const ts_muon *m, const ts_muon_step_args *a, const part *x, float *to)
{
    const double n = (double)(x->rows * x->cols);
    ts_muon_args k = args_of(m, a, x);
    k.x = to;
    ts_launch_muon_momentum(m->dev, &k, x->rows * x->cols, (ts_cost){ 5 * n, 16 * n, TS_DTYPE_F32 });
}

static void apply(const ts_muon *m, const ts_muon_step_args *a, const part *x, float *from)
{
    const double n = (double)(x->rows * x->cols);
    ts_muon_args k = args_of(m, a, x);
    k.x = from;
    ts_launch_muon_apply(m->dev, &k, x->rows * x->cols, (ts_cost){ 3 * n, 12 * n, TS_DTYPE_F32 });
}

static ts_status step_here(const ts_muon *m, const ts_muon_step_args *a, const work *w)
{
    const ts_orthogonal o = orthogonal_of(m);
    const shape s = shape_of(m, a->p, false), all = shape_of(m, a->p, mode_of(m, a->p) != TS_MUON_BLOCKWISE);
    for (int64_t i = 0; i < count_parts(&s); i++) {
        const part x = part_at(&s, i), whole = part_at(&all, i);
        ts_orthogonal_call c = call_of(m, a->p, &x, &whole);
        float *result;
        c.x = w->x, c.room = w->rest;
        begin(m, a, &x, w->x);
        TS_TRY(ts_orthogonalize(&o, &c, &result));
        apply(m, a, &x, result);
    }
    return TS_OK;
}

/* ---- all of it on every process ---- */

static void copy_rows(const ts_muon *m, const float *x, int64_t x_row, float *y, int64_t y_row, int64_t rows,
                      int64_t cols)
{
    const ts_copy_cols_args a = { .cols = cols, .x_row = x_row, .y_row = y_row, .dtype = TS_DTYPE_F32,
                                  .x = x, .y = y };
    ts_launch_copy_cols(m->dev, &a, rows, (ts_cost){ 0, 8 * (double)(rows * cols), TS_DTYPE_F32 });
}

/* The spans of one side; all of it where it is not cut. */
static ts_place_span span_of(const ts_place_dim *d, int i)
{
    return d->axis == TS_AXIS_NONE ? (ts_place_span){ 0, d->whole } : d->span[i];
}

/* The first `rows` rows of the share into their places in the whole, or from there. */
static void exchange(const ts_muon *m, const ts_param *p, const work *w, int64_t rows, bool to_whole)
{
    const ts_place_dim *down = &p->place.dim[0], *along = &p->place.dim[1];
    const int64_t cols = p->dim[1], all = along->whole;
    int64_t row = 0;
    for (int i = 0; i < (down->axis == TS_AXIS_NONE ? 1 : down->n_spans) && row < rows; i++) {
        const ts_place_span r = span_of(down, i);
        const int64_t n = r.n < rows - row ? r.n : rows - row;
        int64_t col = 0;
        for (int k = 0; k < (along->axis == TS_AXIS_NONE ? 1 : along->n_spans); k++) {
            const ts_place_span c = span_of(along, k);
            float *here = w->share + row * cols + col, *there = w->whole + r.begin * all + c.begin;
            if (to_whole)
                copy_rows(m, here, cols, there, all, n, c.n);
            else
                copy_rows(m, there, all, here, cols, n, c.n);
            col += c.n;
        }
        row += n;
    }
}

/* Everyone's share, each element from one process and 0 from the others: the sum has its bits. */
static ts_status gather(const ts_muon *m, const ts_param *p, const work *w)
{
    const int64_t n = ts_place_whole_count(&p->place);
    m->dev->zero(m->dev, w->whole, (size_t)n * sizeof(float));
    exchange(m, p, w, p->counted / p->dim[1], true);
    return ts_group_run_on(m->dev, m->group, ts_all_reduce(w->whole, n, TS_COMM_F32, TS_COMM_SUM), n, n);
}

static ts_status step_everywhere(const ts_muon *m, const ts_muon_step_args *a, const work *w)
{
    const ts_orthogonal o = orthogonal_of(m);
    const shape s = shape_of(m, a->p, true);
    const int64_t n = ts_param_count(a->p);
    const part share = { 0, n, n, a->p->dim[0], a->p->dim[1] };
    begin(m, a, &share, w->share);
    TS_TRY(gather(m, a->p, w));
    for (int64_t i = 0; i < count_parts(&s); i++) {
        const part x = part_at(&s, i);
        const int64_t blocks = x.rows * x.cols / x.block;
        ts_orthogonal_call c = call_of(m, a->p, &x, &x);
        float *result;
        c.x = w->x, c.room = w->rest;
        copy_rows(m, w->whole + x.at, x.stride, w->x, x.block, blocks, x.block);
        TS_TRY(ts_orthogonalize(&o, &c, &result));
        copy_rows(m, result, x.block, w->whole + x.at, x.stride, blocks, x.block);
    }
    exchange(m, a->p, w, a->p->dim[0], false);
    apply(m, a, &share, w->share);
    return TS_OK;
}

ts_status ts_muon_step(const ts_muon *m, const ts_muon_step_args *a)
{
    const work w = lay_out(m, a->p, m->room->data);
    return mode_of(m, a->p) == TS_MUON_DUPLICATED ? step_everywhere(m, a, &w) : step_here(m, a, &w);
}
