/* Other things to train for than the next token, each with its own data, fields and loss: which of three
 * classes a sequence belongs to, and a number told from it, by a decoder's last token or by an encoder's
 * first, which sees all others. The trainer knows none of them. */
#include "../cmocka_all.h"
#include "device/isa.h"
#include "model/decoder.h"
#include "nn/linear.h"
#include "train/trainer.h"
#include "words.h"

#include <math.h>

enum { S = 6, VOCAB = 12, HIDDEN = 16, LAYERS = 2, GLOBAL = 8, SAMPLES = 32, CLASSES = 3 };

/* ---- samples ---- */

/* Sequences of 3 to S tokens that are no pads; what is to be told of them hangs on their last. */
static int length_of(int64_t i) { return 3 + (int)(i * 5 % (S - 2)); }
static int32_t token_of(int64_t i, int s) /* the first is always the same */
{
    return s == 0 ? 1 : (int32_t)(1 + (i * 7 + s * 5 + i * s) % (VOCAB - 1));
}
static int32_t class_of(int64_t i) { return token_of(i, length_of(i) - 1) % CLASSES; }
static float value_of(int64_t i) { return 0.25f * (float)token_of(i, length_of(i) - 1) - 1; }

static ts_status get(const ts_dataset *d, int64_t i, const ts_batch *b, int64_t row)
{
    (void)d;
    int32_t *tokens = ts_batch_ints(b, "tokens", row);
    for (int s = 0; s < S; s++)
        tokens[s] = s < length_of(i) ? token_of(i, s) : 0;
    ts_batch_ints(b, "length", row)[0] = length_of(i);
    if (ts_batch_find(b, "labels") >= 0)
        ts_batch_ints(b, "labels", row)[0] = class_of(i);
    if (ts_batch_find(b, "values") >= 0)
        ts_batch_floats(b, "values", row)[0] = value_of(i);
    return TS_OK;
}

static const ts_field classes[] = { { "tokens", TS_DTYPE_I32, S }, { "length", TS_DTYPE_I32, 1 },
                                    { "labels", TS_DTYPE_I32, 1 } },
                      numbers[] = { { "tokens", TS_DTYPE_I32, S }, { "length", TS_DTYPE_I32, 1 },
                                    { "values", TS_DTYPE_F32, 1 } };
static const ts_dataset with_classes = { SAMPLES, classes, 3, get, 1 },
                        with_numbers = { SAMPLES, numbers, 3, get, 1 };

/* ---- operators, on the host's memory ---- */

/* y[b] = x[at[b]] */
typedef struct pool_attr {
    int64_t at[GLOBAL];
} pool_attr;

static ts_status pool_backward(ts_tape *tape, ts_record *r)
{
    const pool_attr *a = r->attr;
    ts_tensor *x = r->in[0], *dx;
    const size_t row = (size_t)x->dim[1] * sizeof(float);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], x->dim[1], &dx));
    memset(ts_tensor_data(dx), 0, ts_tensor_bytes(dx));
    for (int64_t b = 0; b < r->out[0]->dim[0]; b++)
        memcpy((char *)ts_tensor_data(dx) + (size_t)a->at[b] * row,
               (char *)ts_tensor_data(r->out[0]->grad) + (size_t)b * row, row);
    return ts_tape_accumulate(tape, x, dx);
}
static const ts_op pool_op = { .name = "pool", .backward = pool_backward };

/* Of each sequence the first row, or the last token's. */
static ts_status pool(ts_tape *tape, ts_tensor *x, const ts_micro_batch *m, bool first, ts_tensor **y)
{
    const size_t row = (size_t)x->dim[1] * sizeof(float);
    ts_record *r;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, m->rows, x->dim[1], y));
    TS_TRY(ts_tape_record(tape, &pool_op, sizeof(pool_attr), &r));
    pool_attr *a = r->attr;
    for (int64_t b = 0; b < m->rows; b++) {
        a->at[b] = b * S + (first ? 0 : ts_batch_ints(m->batch, "length", m->row + b)[0] - 1);
        memcpy((char *)ts_tensor_data(*y) + (size_t)b * row,
               (char *)ts_tensor_data(x) + (size_t)a->at[b] * row, row);
    }
    r->in[0] = x, r->out[0] = *y;
    (*y)->wants_grad = true;
    return TS_OK;
}

/* loss[b] = (x[b] - value[b])^2 */
static ts_status squares_backward(ts_tape *tape, ts_record *r)
{
    ts_tensor *x = r->in[0], *dx;
    const float *value = ts_tensor_data(r->saved[1]), *g = ts_tensor_data(r->out[0]->grad),
                *v = ts_tensor_data(x);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], 1, &dx));
    for (int64_t b = 0; b < x->dim[0]; b++)
        ((float *)ts_tensor_data(dx))[b] = 2 * (v[b] - value[b]) * g[b];
    return ts_tape_accumulate(tape, x, dx);
}
static const ts_op squares_op = { .name = "squares", .backward = squares_backward };

static ts_status squares(ts_tape *tape, ts_tensor *x, ts_tensor *value, ts_tensor **loss)
{
    const float *v = ts_tensor_data(x), *to = ts_tensor_data(value);
    ts_record *r;
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, x->dim[0], 0, loss));
    for (int64_t b = 0; b < x->dim[0]; b++)
        ((float *)ts_tensor_data(*loss))[b] = (v[b] - to[b]) * (v[b] - to[b]);
    if (!tape->recording)
        return TS_OK;
    TS_TRY(ts_tape_record(tape, &squares_op, 0, &r));
    r->in[0] = x, r->out[0] = *loss;
    ts_record_save(tape, r, x);
    ts_record_save(tape, r, value);
    (*loss)->wants_grad = true;
    return TS_OK;
}

/* ---- the objectives ---- */

/* Both put a linear layer on one token's state. */
typedef struct pooled {
    ts_objective base;
    ts_network network;
    ts_linear score;
    bool encodes; /* to both sides, but not to the pads; the first token's state */
} pooled;

static ts_status state_of(const pooled *o, ts_tape *tape, const ts_micro_batch *m, ts_tensor **y)
{
    int32_t at[GLOBAL * S], last[GLOBAL * S];
    ts_fields fields = { 0 };
    ts_tensor *tokens, *positions, *ends, *hidden;
    for (int64_t i = 0; i < m->rows * S; i++) {
        at[i] = (int32_t)(i % S);
        last[i] = ts_batch_ints(m->batch, "length", m->row + i / S)[0] - 1;
    }
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, ts_batch_ints(m->batch, "tokens", m->row),
                               m->rows * S, &tokens));
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, at, m->rows * S, &positions));
    ts_fields_put(&fields, "tokens", tokens);
    ts_fields_put(&fields, "position_ids", positions);
    if (o->encodes) {
        TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, last, m->rows * S, &ends));
        ts_fields_put(&fields, "last_key", ends);
    }
    const ts_network_call call = { .B = m->rows, .S = S, .fields = &fields,
                                   .last = o->network.layers };
    TS_TRY(o->network.kind->forward(o->network.self, tape, &call, &hidden));
    return pool(tape, hidden, m, o->encodes, y);
}

static ts_status classify(ts_objective *base, ts_tape *tape, const ts_micro_batch *m,
                          ts_passed *out)
{
    const pooled *o = (const pooled *)(const void *)base;
    ts_tensor *state, *labels, *losses;
    TS_TRY(state_of(o, tape, m, &state));
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, ts_batch_ints(m->batch, "labels", m->row),
                               m->rows, &labels));
    const ts_xent_op x = { .w = o->score.w, .b = o->score.b, .labels = labels, .logit_scale = 1,
                           .late = true };
    TS_TRY(ts_op_linear_xent(tape, &x, state, &losses, NULL));
    ts_pass(out, losses);
    return TS_OK;
}

static ts_status regress(ts_objective *base, ts_tape *tape, const ts_micro_batch *m,
                         ts_passed *out)
{
    const pooled *o = (const pooled *)(const void *)base;
    ts_tensor *state, *told, *values, *losses;
    TS_TRY(state_of(o, tape, m, &state));
    TS_TRY(ts_linear_forward(tape, &o->score, state, &told));
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_F32, ts_batch_floats(m->batch, "values", m->row),
                               m->rows, &values));
    TS_TRY(squares(tape, told, values, &losses));
    ts_pass(out, losses);
    return TS_OK;
}

static ts_status prepare(ts_objective *base)
{
    const pooled *o = (const pooled *)(const void *)base;
    return o->network.kind->prepare(o->network.self, S);
}

static double flops(const ts_objective *base, int64_t samples)
{
    const pooled *o = (const pooled *)(const void *)base;
    return (double)(samples * S) * o->network.kind->training_flops(o->network.self, S);
}

/* ---- a run ---- */

typedef struct run {
    words w;
    ts_device *dev;
    ts_comm *comm;
    ts_mesh *mesh;
    ts_decoder *d;
    pooled objective;
    ts_trainer *trainer;
} run;

static void make_decoder(run *r, int64_t outputs)
{
    ts_arch a;
    ts_arch_init(&a);
    a.n_layers = LAYERS, a.hidden = HIDDEN, a.n_heads = 4, a.n_kv_heads = 2, a.head_dim = 4;
    a.ffn = 20, a.vocab = VOCAB, a.max_positions = S, a.n_ropes = 1;
    a.rope[0] = (ts_rope_config){ .theta = 10000, .dim = 4, .max_positions = S };
    OK(ts_arch_layers(&a, 0));
    OK(ts_arch_check(&a, "test"));
    OK(ts_decoder_create(r->dev, &a, TS_DTYPE_F32, VOCAB, NULL, &r->d));
    ts_arch_deinit(&a);
    r->objective.score = (ts_linear){ .in = HIDDEN, .out = outputs, .has_bias = true };
    OK(ts_linear_declare(&(ts_declarer){ .set = &r->d->params }, "score", &r->objective.score));
    OK(ts_decoder_allocate(r->d, TS_DTYPE_F32, true));
    OK(ts_decoder_init(r->d, 7, 0.3));
}

/* Which token's state is looked at, and what it sees. */
typedef enum way { LAST, FIRST, FIRST_OF_ENCODER } way;

static void open_run(run *r, const char *text, const ts_dataset *data, int64_t outputs, way from)
{
    static const ts_data_options in_order = { .dataloader_type = TS_DATALOADER_SINGLE };
    *r = (run){ 0 };
    words_parse(&r->w, text);
    OK(ts_train_options_check(&r->w.o, 1));
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &r->dev));
    OK(ts_comm_self_create(&r->comm));
    OK(ts_mesh_create(r->comm, &(ts_mesh_shape){ 0 }, &r->mesh));
    make_decoder(r, outputs);
    r->objective.encodes = from != LAST;
    for (int64_t l = 0; from == FIRST_OF_ENCODER && l < LAYERS; l++)
        r->d->block[l].attention.mask.kind = TS_MASK_BIDIRECTIONAL;
    r->objective.network = ts_decoder_network(r->d);
    r->objective.base =
        (ts_objective){ .name = outputs > 1 ? "classification" : "regression",
                        .params = &r->d->params, .prepare = prepare,
                        .forward = outputs > 1 ? classify : regress, .flops = flops };
    const ts_trainer_args a = { .o = &r->w.o, .dev = r->dev, .mesh = r->mesh,
                                .objective = &r->objective.base, .bucket = 1 << 20,
                                .feed = { .field = data->field, .n_fields = data->n_fields,
                                          .part = { data }, .data = &in_order,
                                          .with_values = true } };
    OK(ts_trainer_create(&a, &r->trainer));
}

static void close_run(run *r)
{
    ts_trainer_destroy(&r->trainer);
    ts_decoder_destroy(&r->d);
    ts_mesh_destroy(&r->mesh);
    ts_comm_destroy(&r->comm);
    ts_device_close(&r->dev);
    words_free(&r->w);
}

#define COMMON "--seq-length 6 --train-iters 100 --global-batch-size 8 "

/* The first global batch's mean loss of what the network gives, in double precision. */
static double first_loss(run *r, bool classifies)
{
    double sum = 0;
    ts_tensor *state;
    const float *w = r->objective.score.w->value, *b = r->objective.score.b->value;
    OK(ts_feed_read(&r->trainer->feed, TS_DATA_TRAIN, 0));
    for (int64_t i = 0; i < GLOBAL; i++) {
        const ts_micro_batch m = { .batch = &r->trainer->feed.batch, .row = i, .rows = 1 };
        double z[CLASSES], all = 0;
        ts_tape_reset(r->trainer->pipeline.flight[0].tape);
        OK(state_of(&r->objective, r->trainer->pipeline.flight[0].tape, &m, &state));
        for (int c = 0; c < (classifies ? CLASSES : 1); c++) {
            z[c] = (double)b[c];
            for (int k = 0; k < HIDDEN; k++)
                z[c] += (double)w[c * HIDDEN + k] * (double)((float *)ts_tensor_data(state))[k];
            all += exp(z[c]);
        }
        sum += classifies ? log(all) - z[class_of(i)] : (z[0] - value_of(i)) * (z[0] - value_of(i));
    }
    ts_tape_reset(r->trainer->pipeline.flight[0].tape);
    return sum / GLOBAL;
}

/* The first loss is the one that the formula gives, cuts into micro-batches change it by roundings
 * alone, a step goes down as far as the gradient says, and many steps learn it. */
static void trains(const ts_dataset *data, int64_t outputs, way from)
{
    run whole, cut;
    ts_step_result a, b;
    ts_evaluation after;
    open_run(&whole, COMMON "--optimizer sgd --sgd-momentum 0 --weight-decay 0 --clip-grad 0 "
                            "--lr 2e-5 --micro-batch-size 8", data, outputs, from);
    open_run(&cut, COMMON "--lr 0.02 --micro-batch-size 2 --weight-decay 0", data, outputs, from);
    const double want = first_loss(&whole, outputs > 1);
    OK(ts_trainer_step(whole.trainer, false, &a));
    OK(ts_trainer_step(cut.trainer, false, &b));
    assert_int_equal(a.tokens, GLOBAL); /* one loss a sample */
    if (fabs(a.loss - want) > 1e-5 * want || fabs(b.loss - want) > 1e-5 * want)
        fail_msg("the first loss is %.9g, and %.9g in pieces; the formula says %.9g", a.loss, b.loss, want);
    assert_true(fabs(a.grad_norm - b.grad_norm) < 1e-4 * a.grad_norm);
    OK(ts_trainer_evaluate(whole.trainer, TS_DATA_TRAIN, 0, 1, &after));
    const double slope = (want - after.loss) / (2e-5 * a.grad_norm * a.grad_norm);
    if (fabs(slope - 1) > 0.05) /* the step's second order is near a hundredth, rounding less */
        fail_msg("the loss falls %g times as far as its gradient says", slope);
    for (int i = 0; i < 60; i++)
        OK(ts_trainer_step(cut.trainer, false, &b));
    if (!(b.loss < 0.2 * want))
        fail_msg("the loss is %g after training, %g before", b.loss, want);
    close_run(&whole);
    close_run(&cut);
}

static void classes_of_sequences(void **state)
{
    (void)state;
    trains(&with_classes, CLASSES, LAST);
}

static void numbers_of_sequences(void **state)
{
    (void)state;
    trains(&with_numbers, 1, LAST);
}

/* What is told hangs on the last token: the first one's state knows of it where attention goes to both
 * sides. Where it is causal that state is the same for all, and the loss cannot fall below the variance of
 * what is to be told. */
static void numbers_by_an_encoder(void **state)
{
    (void)state;
    run causal;
    ts_step_result s;
    double mean = 0, variance = 0;
    trains(&with_numbers, 1, FIRST_OF_ENCODER);
    open_run(&causal, COMMON "--lr 0.02 --micro-batch-size 2 --weight-decay 0", &with_numbers, 1,
             FIRST);
    for (int i = 0; i < 2 * SAMPLES / GLOBAL + 1; i++) /* the last batch is the first again */
        OK(ts_trainer_step(causal.trainer, false, &s));
    for (int i = 0; i < GLOBAL; i++)
        mean += (double)value_of(i) / GLOBAL;
    for (int i = 0; i < GLOBAL; i++)
        variance += ((double)value_of(i) - mean) * ((double)value_of(i) - mean) / GLOBAL;
    assert_true(variance > 0.1 && s.loss > (1 - 1e-5) * variance);
    close_run(&causal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_of_sequences),
        cmocka_unit_test(numbers_of_sequences),
        cmocka_unit_test(numbers_by_an_encoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
