/* A model of two towers in a pipeline: patches go through one, numbers of a text through another, a third part
 * puts both together and tells a class. What parts hand on is several tensors, one of integers, other ones at
 * each border, and one of them passes a part untouched. In one part, in three on one process, chunk after chunk,
 * and on three processes in several orders of work, the weights after some steps are the same to the bit. */
#include "dist_test.h"

#include "device/isa.h"
#include "nn/linear.h"
#include "train/trainer.h"

enum { WIDTH = 6, HIDDEN = 8, CLASSES = 3, SAMPLES = 48, GLOBAL = 12, STEPS = 3, PARTS = 3, PARAMS = 6 };

static ts_comm *comm;

/* ---- samples ---- */

static ts_status get(const ts_dataset *d, int64_t i, const ts_batch *b, int64_t row)
{
    (void)d;
    for (int k = 0; k < WIDTH; k++) {
        ts_batch_floats(b, "patches", row)[k] = (float)made_up(1, i * WIDTH + k) / 2000 - 1;
        ts_batch_floats(b, "words", row)[k] = (float)made_up(2, i * WIDTH + k) / 2000 - 1;
    }
    ts_batch_ints(b, "labels", row)[0] = (int32_t)(made_up(3, i) % CLASSES);
    return TS_OK;
}

static const ts_field fields[] = { { "patches", TS_DTYPE_F32, WIDTH }, { "words", TS_DTYPE_F32, WIDTH },
                                   { "labels", TS_DTYPE_I32, 1 } };
static const ts_dataset data = { SAMPLES, fields, 3, get };

/* ---- the objective ---- */

typedef struct towers {
    ts_objective base;
    ts_param_set params;
    ts_linear tower[PARTS]; /* patches, words, score; of a part that is elsewhere nothing */
} towers;

static ts_status rows_of(ts_tape *tape, const ts_micro_batch *m, const char *field, ts_tensor **x)
{
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, m->rows, WIDTH, x));
    tape->dev->to_device(tape->dev, ts_tensor_data(*x), ts_batch_floats(m->batch, field, m->row),
                         ts_tensor_bytes(*x));
    return TS_OK;
}

/* patches -> features, labels -> the same and the text's state -> losses */
static ts_status forward(ts_objective *base, ts_tape *tape, const ts_micro_batch *m, ts_passed *out)
{
    const towers *o = (const towers *)(const void *)base;
    ts_tensor *x, *y;
    if (m->part < 2) {
        TS_TRY(rows_of(tape, m, m->part ? "words" : "patches", &x));
        TS_TRY(ts_linear_forward(tape, &o->tower[m->part], x, &y));
    }
    if (m->part == 0) {
        TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, ts_batch_ints(m->batch, "labels", m->row), m->rows, &x));
        ts_pass(out, y), ts_pass(out, x);
        return TS_OK;
    }
    if (m->part == 1) {
        ts_pass(out, m->in.tensor[0]), ts_pass(out, m->in.tensor[1]), ts_pass(out, y);
        return TS_OK;
    }
    TS_TRY(ts_op_add(tape, m->in.tensor[0], 1, m->in.tensor[2], 0.5f, &x));
    const ts_xent_op head = { .w = o->tower[2].w, .b = o->tower[2].b, .labels = m->in.tensor[1],
                              .logit_scale = 1, .late = true };
    TS_TRY(ts_op_linear_xent(tape, &head, x, &y, NULL));
    ts_pass(out, y);
    return TS_OK;
}

/* All of it in one part. */
static ts_status forward_whole(ts_objective *base, ts_tape *tape, const ts_micro_batch *m, ts_passed *out)
{
    ts_micro_batch part = *m;
    for (part.part = 0; part.part < PARTS; part.part++) {
        *out = (ts_passed){ 0 };
        TS_TRY(forward(base, tape, &part, out));
        part.in = *out;
    }
    return TS_OK;
}

static void passes(const ts_objective *base, int64_t part, int64_t samples, ts_passed_shapes *out)
{
    (void)base;
    const ts_passed_shape state = { TS_DTYPE_F32, { samples, HIDDEN }, true },
                          labels = { TS_DTYPE_I32, { samples, 0 }, false };
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
} result;

/* stage below 0: all of it. The parameters stay. */
static result train(ts_mesh *mesh, ts_device *dev, towers *o, int stage, ts_pipeline_kind kind,
                    const char *mode)
{
    static const ts_data_options in_order = { .dataloader_type = TS_DATALOADER_SINGLE };
    char *const words[] = { (char[]){ "--seq-length" }, (char[]){ "6" }, (char[]){ "--train-iters" },
                            (char[]){ "9" }, (char[]){ "--lr" }, (char[]){ "0.01" },
                            (char[]){ "--global-batch-size" }, (char[]){ "12" },
                            (char[]){ "--micro-batch-size" }, (char[]){ "2" }, (char *)(uintptr_t)mode };
    ts_train_options options;
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
    *o = (towers){ 0 };
    make_params(o, dev, stage);
    const int64_t parts = mesh->size[TS_MESH_PP] * (kind.chunks ? kind.chunks : 1);
    o->base = (ts_objective){ .name = "towers", .params = &o->params, .prepare = prepare, .parts = parts,
                              .forward = parts > 1 ? forward : forward_whole, .passes = passes, .flops = flops };
    const ts_trainer_args a = { .o = &options, .dev = dev, .mesh = mesh, .objective = &o->base,
                                .bucket = 1 << 20, .pipeline = kind,
                                .feed = { .field = fields, .n_fields = 3, .part = { &data, &data },
                                          .data = &in_order, .with_values = true } };
    EXPECT_OK(ts_trainer_create(&a, &t));
    for (int i = 0; i < STEPS; i++) {
        EXPECT_OK(ts_trainer_step(t, false, &s));
        r.loss[i] = s.loss, r.norm[i] = s.grad_norm;
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

static void one_order(ts_device *dev, ts_mesh *alone, ts_mesh *mesh, ts_pipeline_kind kind, const char *mode)
{
    towers whole, chunks, stage;
    const result one = train(alone, dev, &whole, -1, (ts_pipeline_kind){ 0 }, mode);
    const ts_pipeline_kind three = { .schedule = TS_SCHEDULE_INTERLEAVED, .chunks = PARTS, .group = 3,
                                     .recompute = TS_AGAIN_ADVANCE };
    const result again = train(alone, dev, &chunks, -1, three, mode);
    compare(&one, &again, true);
    if (comm->size > 1) {
        const result r = train(mesh, dev, &stage, comm->rank, kind, mode);
        compare(&one, &r, mode != NULL);
        same_weights(&stage, &whole);
        ts_param_set_deinit(&stage.params);
    }
    ts_param_set_deinit(&whole.params);
    ts_param_set_deinit(&chunks.params);
}

int main(void)
{
    static const ts_schedule_kind kinds[] = { TS_SCHEDULE_1F1B, TS_SCHEDULE_GPIPE, TS_SCHEDULE_ZERO_BUBBLE };
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
    for (int k = 0; k < 3; k++)
        for (int deterministic = 0; deterministic < 2; deterministic++)
            one_order(dev, alone, mesh, (ts_pipeline_kind){ .schedule = kinds[k] },
                      deterministic ? "--deterministic-mode" : NULL);
    ts_device_close(&dev);
    ts_mesh_destroy(&mesh);
    ts_mesh_destroy(&alone);
    ts_comm_destroy(&self);
    ts_comm_finish(&comm, false);
    return 0;
}
