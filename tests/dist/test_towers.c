/* A model of two towers in a pipeline: patches go through one, numbers of a text through another, a last part
 * puts both together and tells a class of each row. What parts hand on is several tensors, one of integers, other
 * ones at each border, and some of them pass parts untouched. In one part, in several on one process, chunk after
 * chunk, and on three processes in several orders of work, the weights after some steps are the same to the bit.
 *
 * Samples may have fewer patches than they could: then only as many are passed, whose number travels ahead of
 * them, and the result is that of patches that are padded. */
#include "dist_test.h"

#include "device/isa.h"
#include "nn/linear.h"
#include "train/trainer.h"

enum { WIDTH = 6, HIDDEN = 8, CLASSES = 3, SAMPLES = 48, GLOBAL = 12, MICRO = 2, STEPS = 3, PARTS = 3, PARAMS = 6 };
enum { L = 4 }; /* rows of a sample at most */

/* What samples have, and what of it is passed. FULL: L rows each. PADDED: some have fewer that count, and L are
 * passed. VARIED: of patches those that count are. FULL_VARIED: as FULL, said as if they varied. */
typedef enum passing { FULL, PADDED, VARIED, FULL_VARIED } passing;

static ts_comm *comm;

/* ---- samples ---- */

static ts_status get(const ts_dataset *d, int64_t i, const ts_batch *b, int64_t row)
{
    (void)d;
    for (int k = 0; k < L * WIDTH; k++) {
        ts_batch_floats(b, "patches", row)[k] = (float)made_up(1, i * L * WIDTH + k) / 2000 - 1;
        ts_batch_floats(b, "words", row)[k] = (float)made_up(2, i * L * WIDTH + k) / 2000 - 1;
    }
    for (int k = 0; k < L; k++) {
        const bool counts = k < 1 + (i * 5 + 1) % L;
        ts_batch_ints(b, "labels", row)[k] = counts ? (int32_t)(made_up(3, i * L + k) % CLASSES) : -1;
        ts_batch_floats(b, "loss_mask", row)[k] = counts;
    }
    return TS_OK;
}

static ts_status get_full(const ts_dataset *d, int64_t i, const ts_batch *b, int64_t row)
{
    TS_TRY(get(d, i, b, row));
    for (int k = 0; k < L; k++) {
        ts_batch_ints(b, "labels", row)[k] = (int32_t)(made_up(3, i * L + k) % CLASSES);
        ts_batch_floats(b, "loss_mask", row)[k] = 1;
    }
    return TS_OK;
}

static const ts_field fields[] = { { "patches", TS_DTYPE_F32, L * WIDTH }, { "words", TS_DTYPE_F32, L * WIDTH },
                                   { "labels", TS_DTYPE_I32, L }, { "loss_mask", TS_DTYPE_F32, L } };
static const ts_dataset full = { SAMPLES, fields, 4, get_full, 1 }, uneven = { SAMPLES, fields, 4, get, 1 };

/* ---- the objective ---- */

typedef struct towers {
    ts_objective base;
    ts_param_set params;
    ts_linear tower[PARTS]; /* patches, words, score; of a part that is elsewhere nothing */
    passing way;
} towers;

/* What the samples of a micro-batch have of patches that are passed: which rows of all; their number. */
static int64_t passed_rows(const towers *o, const ts_micro_batch *m, int32_t *at)
{
    const int32_t *label = ts_batch_ints(m->batch, "labels", m->row);
    int64_t n = 0;
    for (int64_t i = 0; i < m->rows * L; i++)
        if (o->way != VARIED || label[i] >= 0)
            at[n++] = (int32_t)i;
    return n;
}

static ts_status rows_of(ts_tape *tape, const ts_micro_batch *m, const char *field, const int32_t *at, int64_t n,
                         ts_tensor **x)
{
    const float *all = ts_batch_floats(m->batch, field, m->row);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, n, WIDTH, x));
    for (int64_t i = 0; i < n; i++)
        tape->dev->to_device(tape->dev, (float *)ts_tensor_data(*x) + i * WIDTH, all + at[i] * WIDTH,
                             WIDTH * sizeof(float));
    return TS_OK;
}

/* features and the text's state to losses */
static ts_status tell(const towers *o, ts_tape *tape, const ts_micro_batch *m, const int32_t *at, int64_t n,
                      ts_passed *out)
{
    int32_t back[MICRO * L] = { 0 };
    ts_tensor *rows, *whence, *x, *y;
    for (int64_t i = 0; i < n; i++)
        back[at[i]] = (int32_t)i + 1;
    EXPECT(m->in.tensor[0]->dim[0] == n, "%lld rows of features", (long long)m->in.tensor[0]->dim[0]);
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, at, n, &rows));
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, back, m->rows * L, &whence));
    ts_chosen_rows *chosen;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *chosen, &chosen));
    *chosen = (ts_chosen_rows){ .n = n, .at = rows, .back = whence };
    TS_TRY(ts_op_add_rows(tape, m->in.tensor[2], chosen, m->in.tensor[0], &x));
    const ts_xent_op head = { .w = o->tower[2].w, .b = o->tower[2].b, .labels = m->in.tensor[1],
                              .logit_scale = 1, .late = true };
    TS_TRY(ts_op_linear_xent(tape, &head, x, &y, NULL));
    ts_pass(out, y);
    return TS_OK;
}

/* patches -> features, labels -> the same and the text's state -> ... -> losses */
static ts_status forward(ts_objective *base, ts_tape *tape, const ts_micro_batch *m, ts_passed *out)
{
    const towers *o = (const towers *)(const void *)base;
    int32_t at[MICRO * L], all[MICRO * L];
    const int64_t n = passed_rows(o, m, at);
    ts_tensor *x, *y;
    for (int i = 0; i < MICRO * L; i++)
        all[i] = i;
    if (m->part > 0 && ts_objective_ends(base, m->part))
        return tell(o, tape, m, at, n, out);
    if (m->part > 1) {
        *out = m->in;
        return TS_OK;
    }
    TS_TRY(rows_of(tape, m, m->part ? "words" : "patches", m->part ? all : at, m->part ? m->rows * L : n, &x));
    TS_TRY(ts_linear_forward(tape, &o->tower[m->part], x, &y));
    if (m->part == 1)
        *out = m->in;
    else
        TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, ts_batch_ints(m->batch, "labels", m->row), m->rows * L, &x));
    if (m->part == 0)
        ts_pass(out, y), ts_pass(out, x);
    else
        ts_pass(out, y);
    return TS_OK;
}

/* All of it in one part. */
static ts_status forward_whole(ts_objective *base, ts_tape *tape, const ts_micro_batch *m, ts_passed *out)
{
    const towers *o = (const towers *)(const void *)base;
    int32_t at[MICRO * L];
    const int64_t n = passed_rows(o, m, at);
    ts_micro_batch part = *m;
    ts_objective cut = { .parts = PARTS };
    towers whole = *o;
    whole.base = cut;
    for (part.part = 0; part.part < 2; part.part++) {
        *out = (ts_passed){ 0 };
        TS_TRY(forward(&whole.base, tape, &part, out));
        part.in = *out;
    }
    *out = (ts_passed){ 0 };
    return tell(o, tape, &part, at, n, out);
}

static void passes(const ts_objective *base, int64_t part, int64_t samples, ts_passed_shapes *out)
{
    (void)base;
    const ts_passed_shape state = { TS_DTYPE_F32, { samples * L, HIDDEN }, true },
                          labels = { TS_DTYPE_I32, { samples * L, 0 }, false };
    *out = (ts_passed_shapes){ part ? 3 : 2, { state, labels, state } };
}

static ts_status prepare(ts_objective *o)
{
    (void)o;
    return TS_OK;
}

static double flops(const ts_objective *o, int64_t samples)
{
    (void)o, (void)samples;
    return 1;
}

static void make_params(towers *o, ts_device *dev, int stage)
{
    static const char *const name[] = { "vision", "text", "score" };
    EXPECT_OK(ts_param_set_init(&o->params, dev));
    for (int k = 0; k < PARTS; k++) {
        o->tower[k] = (ts_linear){ .in = k < 2 ? WIDTH : HIDDEN, .out = k < 2 ? HIDDEN : CLASSES,
                                   .has_bias = true };
        if (stage >= 0 && k != stage)
            ts_param_skip(&o->params, 2);
        else
            EXPECT_OK(ts_linear_declare(&(ts_declarer){ .set = &o->params }, name[k], &o->tower[k]));
    }
    EXPECT_OK(ts_param_set_allocate(&o->params, TS_DTYPE_F32));
    EXPECT_OK(ts_param_set_allocate_grads(&o->params));
    for (size_t i = 0; i < o->params.n; i++)
        EXPECT_OK(ts_param_begin(o->params.p[i], 5, 0.3f));
    ts_param_set_changed(&o->params);
}

/* ---- runs ---- */

typedef struct result {
    double loss[STEPS], norm[STEPS], evaluated;
    ts_comm_traffic sent[2]; /* in a step, forward and back */
} result;

static ts_comm_traffic sent_over(const ts_traffic *t, const char *group)
{
    for (const ts_group_traffic *g = t->group; g->group; g++)
        if (!strcmp(g->group, group))
            return g->by[TS_SEND];
    return (ts_comm_traffic){ 0 };
}

/* stage below 0: all of it. The parameters stay. */
static result train(ts_mesh *mesh, ts_device *dev, towers *o, int stage, ts_pipeline_kind kind,
                    const char *mode, passing way)
{
    const ts_dataset *data = way == FULL || way == FULL_VARIED ? &full : &uneven;
    static const ts_data_options in_order = { .dataloader_type = TS_DATALOADER_SINGLE };
    char *const words[] = { (char[]){ "--seq-length" }, (char[]){ "6" }, (char[]){ "--train-iters" },
                            (char[]){ "9" }, (char[]){ "--lr" }, (char[]){ "0.01" },
                            (char[]){ "--global-batch-size" }, (char[]){ "12" },
                            (char[]){ "--micro-batch-size" }, (char[]){ "2" }, (char *)(uintptr_t)mode };
    ts_train_options options = { 0 };
    ts_option_set *set;
    ts_trainer *t;
    ts_step_result s;
    ts_evaluation e;
    result r;
    const ts_option_table table = { ts_train_option_rows, ts_train_option_count, &options };
    EXPECT_OK(ts_option_set_create(&table, 1, &set));
    EXPECT_OK(ts_option_parse(set, mode ? 11 : 10, words));
    EXPECT_OK(ts_option_finish(set));
    EXPECT_OK(ts_train_options_check(&options, 1));
    *o = (towers){ .way = way };
    make_params(o, dev, stage);
    const int64_t parts = ts_line_stages(mesh) * (kind.chunks ? kind.chunks : 1);
    o->base = (ts_objective){ .name = "towers", .params = &o->params, .counts = "loss_mask", .prepare = prepare,
                              .parts = parts, .forward = parts > 1 ? forward : forward_whole, .passes = passes,
                              .varies = way == VARIED || way == FULL_VARIED, .flops = flops };
    const ts_trainer_args a = { .o = &options, .dev = dev, .mesh = mesh, .objective = &o->base,
                                .bucket = 1 << 20, .pipeline = kind,
                                .feed = { .field = fields, .n_fields = 4, .part = { data, data },
                                          .data = &in_order, .with_values = true } };
    EXPECT_OK(ts_trainer_create(&a, &t));
    for (int i = 0; i < STEPS; i++) {
        EXPECT_OK(ts_trainer_step(t, false, &s));
        r.loss[i] = s.loss, r.norm[i] = s.grad_norm;
        r.sent[0] = sent_over(&s.traffic, "pp"), r.sent[1] = sent_over(&s.traffic, "pp-back");
    }
    EXPECT_OK(ts_trainer_evaluate(t, TS_DATA_VALID, 0, 2, &e));
    r.evaluated = e.loss;
    ts_trainer_destroy(&t);
    ts_option_set_destroy(&set);
    return r;
}

/* In deterministic mode norms have the same order too; else they differ by the last digits. */
static void compare(const result *a, const result *b, bool bits)
{
    const double bound = bits ? 0 : 1e-12;
    for (int i = 0; i < STEPS; i++) {
        EXPECT(a->loss[i] == b->loss[i], "loss %d: %.17g and %.17g", i, a->loss[i], b->loss[i]);
        EXPECT(a->norm[i] - b->norm[i] <= bound && b->norm[i] - a->norm[i] <= bound,
               "norm %d: %.17g and %.17g", i, a->norm[i], b->norm[i]);
    }
    EXPECT(a->evaluated == b->evaluated, "evaluated: %.17g and %.17g", a->evaluated, b->evaluated);
    EXPECT(a->loss[1] != a->loss[0] && a->norm[0] > 0.01, "nothing happens: %g, then %g", a->loss[0], a->loss[1]);
}

static void same_weights(const towers *o, const towers *whole)
{
    int n = 0;
    for (size_t i = 0; i < o->params.n; i++) {
        const ts_param *p = o->params.p[i], *q = ts_param_find(&whole->params, p->name);
        EXPECT(q && p->id == q->id, "%s has another number", p->name);
        EXPECT(!memcmp(p->value, q->value, (size_t)ts_param_count(p) * sizeof(float)),
               "%s is not that of one process", p->name);
        n++;
    }
    EXPECT(n == PARAMS / comm->size, "%d parameters", n);
}

static void one_order(ts_device *dev, ts_mesh *alone, ts_mesh *mesh, ts_pipeline_kind kind, const char *mode,
                      passing way)
{
    towers whole, chunks, stage;
    const result one = train(alone, dev, &whole, -1, (ts_pipeline_kind){ 0 }, mode, way);
    const ts_pipeline_kind three = { .schedule = TS_SCHEDULE_INTERLEAVED, .chunks = PARTS, .group = 3,
                                     .recompute = TS_AGAIN_ADVANCE };
    const result again = train(alone, dev, &chunks, -1, three, mode, way);
    compare(&one, &again, true);
    if (comm->size > 1) {
        const result r = train(mesh, dev, &stage, comm->rank, kind, mode, way);
        compare(&one, &r, mode != NULL);
        same_weights(&stage, &whole);
        ts_param_set_deinit(&stage.params);
    }
    ts_param_set_deinit(&whole.params);
    ts_param_set_deinit(&chunks.params);
}

/* Fewer rows make what rows make that do not count, but for the order of sums. */
static void as_padded(ts_device *dev, ts_mesh *alone)
{
    towers padded, varied;
    const result a = train(alone, dev, &padded, -1, (ts_pipeline_kind){ 0 }, NULL, PADDED),
                 b = train(alone, dev, &varied, -1, (ts_pipeline_kind){ 0 }, NULL, VARIED);
    for (int i = 0; i < STEPS; i++)
        EXPECT(a.loss[i] - b.loss[i] <= 1e-6 && b.loss[i] - a.loss[i] <= 1e-6, "loss %d: %.9g, padded %.9g", i,
               b.loss[i], a.loss[i]);
    ts_param_set_deinit(&padded.params);
    ts_param_set_deinit(&varied.params);
}

/* Where all are as long as they may be the bits are those of shapes that do not vary, from twice the messages
 * and 24 bytes more for each of them. Where some are not, fewer bytes travel. */
static void what_is_sent(ts_device *dev, ts_mesh *mesh, ts_pipeline_kind kind)
{
    towers o[3];
    const result fixed = train(mesh, dev, &o[0], comm->rank, kind, NULL, FULL),
                 told = train(mesh, dev, &o[1], comm->rank, kind, NULL, FULL_VARIED),
                 fewer = train(mesh, dev, &o[2], comm->rank, kind, NULL, VARIED);
    compare(&fixed, &told, true);
    same_weights(&o[1], &o[0]);
    for (int w = 0; w < 2; w++) {
        const ts_comm_traffic *a = &fixed.sent[w], *b = &told.sent[w], *c = &fewer.sent[w];
        EXPECT(b->messages == 2 * a->messages && b->bytes == a->bytes + 24.0 * (double)a->messages,
               "%lld messages of %g bytes, without headers %lld of %g", (long long)b->messages, b->bytes,
               (long long)a->messages, a->bytes);
        EXPECT(c->messages == b->messages && (c->bytes < b->bytes || !a->messages),
               "%lld messages of %g bytes", (long long)c->messages, c->bytes);
    }
    for (int i = 0; i < 3; i++)
        ts_param_set_deinit(&o[i].params);
}

/* The first tower on a process of its own, and what stands behind it on others: across that border shapes vary as
 * between stages. */
static void on_their_own(ts_device *dev, ts_mesh *alone)
{
    const ts_mesh_shape shape[2] = { { 0 }, { .pp = PARTS - 1 } };
    ts_line *line;
    EXPECT_OK(ts_line_create(comm, (const int[2]){ 1, PARTS - 1 }, shape, &line));
    for (passing w = FULL; w <= FULL_VARIED; w++)
        one_order(dev, alone, line->mesh, (ts_pipeline_kind){ 0 }, w % 2 ? "--deterministic-mode" : NULL, w);
    ts_line_destroy(&line);
}

int main(void)
{
    static const ts_pipeline_kind kinds[] = {
        { .schedule = TS_SCHEDULE_1F1B },
        { .schedule = TS_SCHEDULE_GPIPE },
        { .schedule = TS_SCHEDULE_ZERO_BUBBLE },
        { .schedule = TS_SCHEDULE_INTERLEAVED, .chunks = 2 },
        { .schedule = TS_SCHEDULE_INTERLEAVED, .chunks = 2, .recompute = TS_AGAIN_ADVANCE },
    };
    ts_comm *self;
    ts_mesh *alone, *mesh;
    ts_device *dev;
    if (ts_comm_world(&comm) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    EXPECT(comm->size == 1 || comm->size == PARTS, "%d ranks", comm->size);
    EXPECT_OK(ts_comm_self_create(&self));
    EXPECT_OK(ts_mesh_create(self, &(ts_mesh_shape){ 0 }, &alone));
    EXPECT_OK(ts_mesh_create(comm, &(ts_mesh_shape){ .pp = comm->size }, &mesh));
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (passing w = FULL; w <= VARIED; w++)
            one_order(dev, alone, mesh, kinds[k], (k + w) % 2 ? "--deterministic-mode" : NULL, w);
    as_padded(dev, alone);
    if (comm->size > 1)
        on_their_own(dev, alone);
    for (size_t k = 0; comm->size > 1 && k < sizeof kinds / sizeof *kinds; k += 3)
        what_is_sent(dev, mesh, kinds[k]);
    ts_device_close(&dev);
    ts_mesh_destroy(&mesh);
    ts_mesh_destroy(&alone);
    ts_comm_destroy(&self);
    ts_comm_finish(&comm, false);
    return 0;
}
