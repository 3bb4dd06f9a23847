/* Two networks in one pipeline, each on processes of its own: a decoder that sees to both sides encodes marks,
 * and what it gives joins the embedded tokens of another, which tells the next token. Both have layouts of their
 * own, with other stages, shares of matrices, of rows and of sequences on either side, so that at the border
 * rows change hands. Losses, norms and weights are those of one process that has both networks; each has
 * the weights, gradients and moments of its own network alone; and what the simulated device counts is what is
 * held and sent. */
#include "dist_test.h"

#include "device/isa.h"
#include "device/sim/sim.h"
#include "model/decoder.h"
#include "train/trainer.h"

#include <math.h>

enum { S = 8, B = 2, HIDDEN = 16, VOCAB = 24, LAYERS = 2, GLOBAL = 8, SAMPLES = 32, STEPS = 3 };

static ts_comm *comm;

/* ---- samples ---- */

static const ts_field fields[] = { { "marks", TS_DTYPE_I32, S }, { "tokens", TS_DTYPE_I32, S + 1 },
                                   { "loss_mask", TS_DTYPE_F32, S } };

static ts_status get(const ts_dataset *d, int64_t i, const ts_batch *b, int64_t row)
{
    (void)d;
    for (int k = 0; k <= S; k++)
        ts_batch_ints(b, "tokens", row)[k] = (int32_t)(made_up(1, i * (S + 1) + k) % VOCAB);
    for (int k = 0; k < S; k++) {
        ts_batch_ints(b, "marks", row)[k] = (int32_t)(made_up(2, i * S + k) % VOCAB);
        ts_batch_floats(b, "loss_mask", row)[k] = (i + k) % 5 != 0;
    }
    return TS_OK;
}
static const ts_dataset data = { SAMPLES, fields, 3, get, 1 };

/* ---- layouts ---- */

typedef enum order { WHOLE, RING, HEADS } order; /* how positions are spread over cp */

typedef struct side {
    int tp, cp, pp;
    bool sequence;
    order order;
} side;

typedef struct layout {
    int ranks;
    side side[TS_LINE_NETWORKS];
    ts_schedule_kind schedule;
    bool frozen, deterministic; /* the encoder; and everything to the bit */
} layout;

#define PLAIN(tp, cp, pp) { tp, cp, pp, false, WHOLE }
#define ROWS(tp, cp, pp) { tp, cp, pp, true, WHOLE } /* of the stream, shared out over tp */
static const layout layouts[] = {
    { 2, { PLAIN(1, 1, 1), PLAIN(1, 1, 1) }, TS_SCHEDULE_1F1B, false, true },
    { 2, { PLAIN(1, 1, 1), PLAIN(1, 1, 1) }, TS_SCHEDULE_1F1B, true, true },
    { 3, { PLAIN(1, 1, 2), PLAIN(1, 1, 1) }, TS_SCHEDULE_1F1B, false, true },
    { 3, { PLAIN(1, 1, 1), PLAIN(1, 1, 2) }, TS_SCHEDULE_ZERO_BUBBLE, false, true },
    { 3, { PLAIN(1, 1, 1), ROWS(2, 1, 1) }, TS_SCHEDULE_1F1B, false, false },
    { 4, { PLAIN(1, 1, 1), PLAIN(1, 1, 1) }, TS_SCHEDULE_1F1B, false, true }, /* two replicas */
    { 4, { PLAIN(2, 1, 1), { 1, 2, 1, false, RING } }, TS_SCHEDULE_1F1B, false, false },
    { 4, { { 1, 2, 1, false, HEADS }, ROWS(2, 1, 1) }, TS_SCHEDULE_1F1B, false, false },
    { 4, { PLAIN(1, 1, 2), PLAIN(1, 1, 2) }, TS_SCHEDULE_GPIPE, true, true },
    { 6, { ROWS(2, 1, 1), { 2, 2, 1, true, RING } }, TS_SCHEDULE_1F1B, false, false },
    { 6, { { 1, 2, 2, false, HEADS }, { 1, 2, 1, false, RING } }, TS_SCHEDULE_1F1B, false, false },
};

static side whole_side(void) { return (side){ 1, 1, 1, false, WHOLE }; }

/* comm: of the processes that share sequences, or one that only says how many they are. */
static const ts_spread *spread_of(const side *x, ts_comm *c, ts_spread *s)
{
    *s = (ts_spread){ .comm = c, .length = S, .heads = x->order == HEADS ? x->cp : 1,
                      .way = x->order == HEADS ? TS_SPREAD_DIRECT : TS_SPREAD_RING, .zigzag = x->order == RING,
                      .window = 1, .keep_every = 1 };
    return x->cp > 1 ? s : NULL;
}

/* ---- the objective ---- */

typedef struct pair {
    ts_objective base;
    ts_param_set params;
    ts_decoder *net[TS_LINE_NETWORKS]; /* NULL: elsewhere */
    const layout *layout;
    bool is_whole;
    int here; /* which network is, unless both are */
    ts_spread spread[TS_LINE_NETWORKS];
    const ts_spread *spreads[TS_LINE_NETWORKS];
    ts_comm stand_in;
} pair;

static side side_of(const pair *o, int network) { return o->is_whole ? whole_side() : o->layout->side[network]; }

/* Layers of stage k of a network. */
static ts_layer_range range_of(const side *x, int k)
{
    return (ts_layer_range){ LAYERS * k / x->pp, LAYERS * (k + 1) / x->pp };
}

static int32_t value_at(const ts_micro_batch *m, const char *field, int64_t b, int64_t s)
{
    return ts_batch_ints(m->batch, field, m->row + b)[s];
}

/* What of each sample is here: a field, positions (field NULL), or labels. */
static ts_status upload(ts_tape *tape, const ts_micro_batch *m, const ts_stretches *here, const char *field,
                        bool labels, ts_tensor **out)
{
    const int64_t n = ts_stretches_count(here);
    int32_t v[B * S];
    for (int64_t i = 0; tape->dev->computes && i < m->rows * n; i++) {
        const int64_t s = ts_stretches_at(here, i % n);
        v[i] = field ? value_at(m, field, i / n, s + labels) : (int32_t)s;
        if (labels && ts_batch_floats(m->batch, "loss_mask", m->row + i / n)[s] == 0)
            v[i] = -1;
    }
    return ts_tape_upload(tape, TS_DTYPE_I32, v, m->rows * n, out);
}

/* Layers of a network over `stream`, or over its embedded field. */
static ts_status run(const pair *o, int network, ts_tape *tape, const ts_micro_batch *m, ts_layer_range layers,
                     bool goes_on, ts_tensor *stream, ts_tensor **out)
{
    const ts_stretches here = ts_spread_here(o->spreads[network], S);
    ts_fields *f;
    ts_tensor *ids, *at;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *f, &f));
    *f = (ts_fields){ 0 };
    TS_TRY(upload(tape, m, &here, network ? "tokens" : "marks", false, &ids));
    TS_TRY(upload(tape, m, &here, NULL, false, &at));
    ts_fields_put(f, "tokens", ids);
    ts_fields_put(f, "position_ids", at);
    const ts_network n = ts_decoder_network(o->net[network]);
    const ts_network_call call = { .B = m->rows, .S = ts_stretches_count(&here), .spread = o->spreads[network],
                                   .fields = f, .stream = stream, .first = layers.first, .last = layers.last,
                                   .goes_on = goes_on, .step = m->step, .sample0 = m->sample0 };
    return n.kind->forward(n.self, tape, &call, out);
}

static ts_status encode(const pair *o, ts_tape *tape, const ts_micro_batch *m, int stage, ts_tensor *in, ts_tensor **out)
{
    const side x = side_of(o, 0);
    return run(o, 0, tape, m, range_of(&x, stage), true, in, out);
}

/* in: of stage 0 the encoder's. */
static ts_status tell(const pair *o, ts_tape *tape, const ts_micro_batch *m, int stage, ts_tensor *in, ts_tensor **out)
{
    const side x = side_of(o, 1);
    const bool ends = stage + 1 == x.pp;
    const ts_stretches here = ts_spread_here(o->spreads[1], S);
    ts_tensor *stream = in, *y, *labels;
    if (stage == 0) {
        TS_TRY(run(o, 1, tape, m, (ts_layer_range){ 0, 0 }, true, NULL, &stream));
        TS_TRY(ts_op_add(tape, stream, 1, in, 1, &stream));
    }
    TS_TRY(run(o, 1, tape, m, range_of(&x, stage), !ends, stream, &y));
    *out = y;
    if (!ends)
        return TS_OK;
    ts_xent_op head = ts_decoder_head(o->net[1]);
    TS_TRY(upload(tape, m, &here, "tokens", true, &labels));
    head.labels = labels;
    head.late = true;
    return ts_op_linear_xent(tape, &head, y, out, NULL);
}

static ts_status forward(ts_objective *base, ts_tape *tape, const ts_micro_batch *m, ts_passed *out)
{
    const pair *o = (const pair *)(const void *)base;
    const int first = side_of(o, 0).pp, part = (int)m->part;
    ts_tensor *x = m->in.n ? m->in.tensor[0] : NULL;
    if (o->is_whole)
        TS_TRY(encode(o, tape, m, 0, NULL, &x));
    if (!o->is_whole && part < first)
        TS_TRY(encode(o, tape, m, part, x, &x));
    else
        TS_TRY(tell(o, tape, m, o->is_whole ? 0 : part - first, x, &x));
    ts_pass(out, x);
    return TS_OK;
}

static void passes(const ts_objective *base, int64_t part, int64_t samples, ts_passed_shapes *out)
{
    const pair *o = (const pair *)(const void *)base;
    const side x = side_of(o, o->here);
    const ts_stretches here = ts_spread_here(o->spreads[o->here], S);
    const int64_t rows = samples * ts_stretches_count(&here) / (x.sequence ? x.tp : 1);
    const bool has_grad = part >= side_of(o, 0).pp || !o->layout->frozen;
    *out = (ts_passed_shapes){ 1, { { TS_DTYPE_F32, { rows, HIDDEN }, has_grad } } };
}

static int64_t lies(const ts_objective *base, int i, ts_seam_side at[2])
{
    const pair *o = (const pair *)(const void *)base;
    (void)i;
    for (int k = 0; k < TS_LINE_NETWORKS; k++) {
        at[k].spread = o->spreads[k];
        at[k].by_tp = o->layout->side[k].sequence;
    }
    return S;
}

static ts_status prepare(ts_objective *base)
{
    const pair *o = (const pair *)(const void *)base;
    for (int k = 0; k < TS_LINE_NETWORKS; k++) {
        const ts_network n = o->net[k] ? ts_decoder_network(o->net[k]) : (ts_network){ 0 };
        if (n.kind)
            TS_TRY(n.kind->prepare(n.self, S));
    }
    return TS_OK;
}

static double flops(const ts_objective *o, int64_t samples)
{
    (void)o, (void)samples;
    return 1;
}

/* ---- the networks ---- */

static void describe(ts_arch *a)
{
    ts_arch_init(a);
    a->n_layers = LAYERS, a->hidden = HIDDEN, a->n_heads = 4, a->n_kv_heads = 2, a->head_dim = 4;
    a->ffn = 20, a->vocab = VOCAB, a->max_positions = S, a->n_ropes = 1, a->tied = false;
    a->rope[0] = (ts_rope_config){ .theta = 10000, .dim = 4, .max_positions = S };
    EXPECT_OK(ts_arch_layers(a, 0));
    EXPECT_OK(ts_arch_check(a, "test"));
}

/* Network k, or the stage of it that is here. */
static void make_network(pair *o, ts_device *dev, int k, const ts_mesh *mesh)
{
    const side x = side_of(o, k);
    const int stage = o->is_whole ? 0 : mesh->at[TS_MESH_PP];
    const ts_layer_range layers = range_of(&x, stage);
    const ts_decoder_stage part = { .layers = &layers, .n = 1, .embeds = stage == 0, .ends = k == 1 && stage + 1 == x.pp };
    const ts_tensor_group group = { .comm = mesh->comm[TS_MESH_TP], .sequence = x.sequence, .gather_parts = 1,
                                    .sum_parts = 1, .back_parts = 1 };
    ts_arch a;
    describe(&a);
    EXPECT_OK(ts_decoder_create_stage(dev, &a, TS_DTYPE_F32, VOCAB, x.tp > 1 ? &group : NULL, &part, &o->net[k]));
    ts_arch_deinit(&a);
    for (int64_t l = 0; k == 0 && l < LAYERS; l++)
        o->net[k]->block[l].attention.mask.kind = TS_MASK_BIDIRECTIONAL;
    const size_t before = o->params.n;
    EXPECT_OK(ts_param_set_join(&o->params, k ? "text." : "vision.", &o->net[k]->params));
    for (size_t i = before; k == 0 && o->layout->frozen && i < o->params.n; i++)
        ts_param_freeze(o->params.p[i]);
    if (k == 0 && o->layout->frozen)
        o->net[k]->first_trained = LAYERS;
}

/* Ids of a network whose parameters stand elsewhere. */
static int64_t ids_of(ts_device *dev)
{
    ts_arch a;
    ts_decoder *d;
    describe(&a);
    EXPECT_OK(ts_decoder_create(dev, &a, TS_DTYPE_F32, VOCAB, NULL, &d));
    const int64_t n = d->params.next_id;
    ts_decoder_destroy(&d);
    ts_arch_deinit(&a);
    return n;
}

static void make_pair(pair *o, ts_device *dev, const ts_mesh *mesh, const layout *l, bool is_whole)
{
    *o = (pair){ .layout = l, .is_whole = is_whole, .here = mesh->line ? mesh->line->network : 1 };
    for (int k = 0; k < TS_LINE_NETWORKS; k++) {
        const side x = side_of(o, k);
        ts_comm *c = mesh->comm[TS_MESH_CP];
        if (k != o->here)
            o->stand_in.size = x.cp, c = &o->stand_in;
        o->spreads[k] = spread_of(&x, c, &o->spread[k]);
    }
    EXPECT_OK(ts_param_set_init(&o->params, dev));
    for (int k = 0; k < TS_LINE_NETWORKS; k++) {
        if (is_whole || k == o->here)
            make_network(o, dev, k, mesh);
        else
            ts_param_skip(&o->params, ids_of(dev));
    }
    EXPECT_OK(ts_param_set_allocate(&o->params, TS_DTYPE_F32));
    EXPECT_OK(ts_param_set_allocate_grads(&o->params));
    for (size_t i = 0; dev->computes && i < o->params.n; i++)
        EXPECT_OK(ts_param_begin(o->params.p[i], 5, 0.3f));
    ts_param_set_changed(&o->params);
    for (size_t i = 1; i < o->params.n; i++) { /* of both networks, one behind the other */
        const ts_param *p = o->params.p[i - 1], *q = o->params.p[i];
        EXPECT(q->id > p->id && q->unit >= p->unit, "%s behind %s", q->name, p->name);
    }
    o->base = (ts_objective){ .name = "pair", .params = &o->params, .counts = "loss_mask",
                              .prepare = prepare, .forward = forward, .parts = ts_line_stages(mesh),
                              .passes = passes, .lies = lies, .flops = flops };
    if (o->here == 1) /* the encoder knows nothing of losses */
        o->base.here = ts_spread_here(o->spreads[1], S), o->base.spread = o->spreads[1];
}

static void destroy_pair(pair *o)
{
    ts_param_set_deinit(&o->params);
    for (int k = 0; k < TS_LINE_NETWORKS; k++)
        ts_decoder_destroy(&o->net[k]);
}

/* ---- runs ---- */

typedef struct result {
    double loss[STEPS], norm[STEPS], params_norm[STEPS], evaluated;
    ts_traffic sent;  /* of the last step */
    ts_mem_ledger mem;
} result;

static result train(const ts_mesh *mesh, ts_device *dev, pair *o, const layout *l, bool is_whole)
{
    static const ts_data_options in_order = { .dataloader_type = TS_DATALOADER_SINGLE };
    static const char *const said[] = { "--seq-length", "8", "--train-iters", "9", "--lr", "0.01",
                                        "--global-batch-size", "8", "--micro-batch-size", "2", "--log-params-norm",
                                        "--deterministic-mode" };
    char *words[12];
    const int n = l->deterministic ? 12 : 11;
    ts_train_options options = { 0 };
    ts_option_set *set;
    ts_trainer *t;
    ts_step_result s;
    ts_evaluation e;
    result r = { 0 };
    for (int i = 0; i < 12; i++)
        words[i] = (char *)(uintptr_t)said[i];
    const ts_option_table table = { ts_train_option_rows, ts_train_option_count, &options };
    EXPECT_OK(ts_option_set_create(&table, 1, &set));
    EXPECT_OK(ts_option_parse(set, n, words));
    EXPECT_OK(ts_option_finish(set));
    EXPECT_OK(ts_train_options_check(&options, 1));
    make_pair(o, dev, mesh, l, is_whole);
    const ts_trainer_args a = { .o = &options, .dev = dev, .mesh = mesh, .objective = &o->base, .bucket = 1 << 20,
                                .pipeline = { .schedule = l->schedule },
                                .feed = { .field = fields, .n_fields = 3,
                                          .part = { dev->computes ? &data : NULL, dev->computes ? &data : NULL },
                                          .data = &in_order, .with_values = dev->computes } };
    EXPECT_OK(ts_trainer_create(&a, &t));
    for (int i = 0; i < STEPS; i++) {
        EXPECT_OK(ts_trainer_step(t, false, &s));
        r.loss[i] = s.loss, r.norm[i] = s.grad_norm, r.params_norm[i] = s.params_norm;
    }
    r.sent = s.traffic;
    r.mem = dev->mem;
    EXPECT_OK(ts_trainer_evaluate(t, TS_DATA_VALID, 0, 2, &e));
    r.evaluated = e.loss;
    ts_trainer_destroy(&t);
    ts_option_set_destroy(&set);
    return r;
}

/* Sums in another order differ by some 1e-7 each; as much again is trained. */
static void near(const char *what, double a, double b, double bound)
{
    EXPECT(isfinite(a) && fabs(a - b) <= bound * fabs(b), "%s %.17g, of one process %.17g", what, a, b);
}

static void compare(const result *r, const result *one, bool bits)
{
    for (int i = 0; i < STEPS; i++) {
        near("loss", r->loss[i], one->loss[i], bits ? 0 : 1e-6);
        near("norm of gradients", r->norm[i], one->norm[i], bits ? 0 : 2e-5);
        near("norm of weights", r->params_norm[i], one->params_norm[i], bits ? 0 : 1e-6);
    }
    near("evaluated loss", r->evaluated, one->evaluated, bits ? 0 : 1e-6);
    EXPECT(one->loss[2] != one->loss[0] && one->norm[0] > 0.01, "nothing happens: %g, then %g", one->loss[0],
           one->loss[2]);
}

/* Those that are here, element by element, are the whole's; they are of one network. Adam's first steps go as far
 * as the rate says whatever small gradients are, so what differs by rounding may differ by a part of a step. */
static void same_weights(const pair *o, const pair *whole, bool bits)
{
    const char *prefix = o->here ? "text." : "vision.";
    EXPECT(o->params.n > 0, "no parameters");
    for (size_t i = 0; i < o->params.n; i++) {
        const ts_param *p = o->params.p[i], *q = ts_param_find(&whole->params, p->name);
        EXPECT(q && p->id == q->id && !strncmp(p->name, prefix, strlen(prefix)), "%s", p->name);
        for (int64_t k = 0, n; k < ts_param_count(p); k += n) {
            int64_t at;
            n = ts_place_run(&p->place, k, &at);
            for (int64_t j = 0; j < n; j++) {
                const float x = ((const float *)p->value)[k + j], y = ((const float *)q->value)[at + j];
                EXPECT(bits ? x == y : fabsf(x - y) <= 2e-4f, "%s [%lld] is %.9g, of one process %.9g", p->name,
                       (long long)(at + j), (double)x, (double)y);
            }
        }
    }
}

/* Nothing is here of the other network, nor gradients and moments of what is frozen. */
static void own_memory(const pair *o, const result *r)
{
    int64_t values = 0, trained = 0;
    for (size_t i = 0; i < o->params.n; i++) {
        const ts_param *p = o->params.p[i];
        values += ts_param_room(p);
        trained += ts_param_is_trained(p) ? ts_param_room(p) : 0;
    }
    const int64_t moments = 2 * trained * (int64_t)sizeof(float);
    EXPECT(trained == (o->here == 0 && o->layout->frozen ? 0 : values), "%lld of %lld are trained",
           (long long)trained, (long long)values);
    EXPECT(r->mem.now[TS_MEM_OPTIM] == moments, "%lld bytes of moments, not %lld",
           (long long)r->mem.now[TS_MEM_OPTIM], (long long)moments);
    EXPECT(trained || !r->mem.now[TS_MEM_GRAD], "gradients of a frozen network: %lld bytes",
           (long long)r->mem.now[TS_MEM_GRAD]);
}

/* As this rank, on the simulated device. */
static void as_simulated(const layout *l, const int *processes, const ts_mesh_shape *shape, const result *real)
{
    ts_comm *world;
    ts_device *sim;
    ts_line *line;
    pair o;
    EXPECT_OK(ts_comm_sim_create(comm->rank, comm->size, "world", NULL, &world));
    ts_sim_hardware hw;
    ts_sim_hardware_here(&hw, TS_ISA_ALL & ts_isa_detect(), 1);
    EXPECT_OK(ts_sim_open_hardware(&hw, &sim));
    EXPECT_OK(ts_line_create(world, processes, shape, &line));
    const result r = train(line->mesh, sim, &o, l, false);
    EXPECT(r.mem.peak == real->mem.peak, "a peak of %lld bytes, simulated %lld", (long long)real->mem.peak,
           (long long)r.mem.peak);
    int i = 0;
    for (; real->sent.group[i].group; i++) {
        const ts_group_traffic *a = &real->sent.group[i], *b = &r.sent.group[i];
        EXPECT(b->group && !strcmp(a->group, b->group) && a->sum.messages == b->sum.messages &&
                   fabs(a->sum.bytes - b->sum.bytes) < 0.5 && a->sum.calls == b->sum.calls,
               "%s: %lld messages of %g bytes, simulated %lld of %g", a->group, (long long)a->sum.messages,
               a->sum.bytes, (long long)b->sum.messages, b->sum.bytes);
    }
    EXPECT(!r.sent.group[i].group, "simulated: %s", r.sent.group[i].group);
    destroy_pair(&o);
    ts_line_destroy(&line);
    ts_device_close(&sim);
    ts_comm_destroy(&world);
}

/* Groups of the two have no process in common. */
static void disjoint(const ts_line *l)
{
    for (int d = 0; d < TS_MESH_DIMS; d++) {
        const ts_comm *c = l->mesh->comm[d];
        for (int i = 0; c && i < c->size; i++)
            EXPECT((ts_comm_world_rank(c, i) >= l->first[1]) == l->network, "group %s has rank %d", c->group,
                   ts_comm_world_rank(c, i));
    }
}

static void one_layout(const layout *l, ts_mesh *alone)
{
    int processes[TS_LINE_NETWORKS];
    ts_mesh_shape shape[TS_LINE_NETWORKS];
    ts_line *line;
    ts_device *dev, *one_dev;
    pair here, whole;
    int of_replica = 0;
    for (int k = 0; k < TS_LINE_NETWORKS; k++) {
        shape[k] = (ts_mesh_shape){ .tp = l->side[k].tp, .cp = l->side[k].cp, .pp = l->side[k].pp };
        processes[k] = l->side[k].tp * l->side[k].cp * l->side[k].pp;
        of_replica += processes[k];
    }
    for (int k = 0; k < TS_LINE_NETWORKS; k++)
        processes[k] *= comm->size / of_replica;
    EXPECT_OK(ts_line_create(comm, processes, shape, &line));
    disjoint(line);
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &one_dev));
    const result r = train(line->mesh, dev, &here, l, false), one = train(alone, one_dev, &whole, l, true);
    compare(&r, &one, l->deterministic);
    same_weights(&here, &whole, l->deterministic);
    own_memory(&here, &r);
    as_simulated(l, processes, shape, &r);
    destroy_pair(&here);
    destroy_pair(&whole);
    ts_line_destroy(&line);
    ts_device_close(&dev);
    ts_device_close(&one_dev);
}

/* What cannot be is told to all. */
static void refused(void)
{
    ts_line *line;
    const ts_mesh_shape plain[2] = { { 0 } }, wide[2] = { { .tp = 2 }, { .tp = 1 } };
    EXPECT(ts_line_create(comm, (const int[2]){ 1, comm->size }, plain, &line) == TS_ERR_USER &&
               strstr(ts_error_message(), "there are"),
           "%s", ts_error_message());
    EXPECT(ts_line_create(comm, (const int[2]){ comm->size - 1, 1 }, plain, &line) ==
                   (comm->size == 2 ? TS_OK : TS_ERR_USER),
           "%s", ts_error_message());
    if (comm->size == 2)
        ts_line_destroy(&line);
    else
        EXPECT(strstr(ts_error_message(), "both must share out the batch over as many"), "%s", ts_error_message());
    EXPECT(ts_line_create(comm, (const int[2]){ 1, comm->size - 1 }, wide, &line) == TS_ERR_USER, "1 is cut in 2");
}

int main(void)
{
    ts_comm *self;
    ts_mesh *alone;
    if (ts_comm_world(&comm) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    EXPECT_OK(ts_comm_self_create(&self));
    EXPECT_OK(ts_mesh_create(self, &(ts_mesh_shape){ 0 }, &alone));
    refused();
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].ranks == comm->size)
            one_layout(&layouts[i], alone);
    ts_mesh_destroy(&alone);
    ts_comm_destroy(&self);
    ts_comm_finish(&comm, false);
    return 0;
}
