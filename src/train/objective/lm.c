#include "train/objective/lm.h"

#include "ops/heads.h"
#include "train/recompute.h"

#include <stdio.h>

/* What a loss is taken of. */
typedef struct lm_labels {
    ts_tensor *labels;
    ts_chosen_rows chosen;
    bool some; /* not all rows are chosen */
    ts_kept_tops kept; /* of a teacher; k 0: nothing */
    ts_tensor *numbers; /* of labels that are told among some words: them, fp32 */
} lm_labels;

/* A micro-batch on the device. */
typedef struct lm_batch {
    ts_fields fields;
    lm_labels told[1 + TS_SIDE_LOSSES]; /* of the first loss and of those beside it, with */
    ts_tensor *ahead[TS_SIDE_LOSSES];   /* the tokens that each of the latter reads */
    const ts_spread *spread;
    const ts_pictures *pictures;
} lm_batch;

/* The first key that each query may see: where its document begins. */
static void first_keys(const ts_micro_batch *m, const ts_stretches *at, int32_t *out)
{
    for (int64_t b = 0; b < m->rows; b++) {
        const int32_t *segment = ts_batch_ints(m->batch, "segments", m->row + b);
        for (int i = 0; i < at->n; i++) {
            const ts_stretch *p = &at->piece[i];
            int64_t first = p->begin;
            while (first > 0 && segment[first - 1] == segment[p->begin])
                first--;
            for (int64_t s = p->begin; s < p->begin + p->n; s++) {
                if (s > p->begin && segment[s] != segment[s - 1])
                    first = s;
                *out++ = (int32_t)first;
            }
        }
    }
}

static void positions(const ts_micro_batch *m, const ts_stretches *at, int32_t *out)
{
    const int64_t n = ts_stretches_count(at);
    for (int64_t b = 0; b < m->rows; b++) {
        const int32_t *p = ts_batch_ints(m->batch, "position_ids", m->row + b);
        for (int64_t i = 0; i < n; i++) {
            const int64_t s = ts_stretches_at(at, i);
            out[b * n + i] = p ? p[s] : (int32_t)s;
        }
    }
}

/* So many places further on: of what follows in the same document (of a packed sample) where that is told, else in
 * the sample; 0 where nothing does. */
static void tokens(const ts_micro_batch *m, const ts_stretches *at, int64_t width, int64_t ahead, int32_t *out)
{
    const int64_t n = ts_stretches_count(at);
    for (int64_t b = 0; b < m->rows; b++) {
        const int32_t *t = ts_batch_ints(m->batch, "tokens", m->row + b);
        const int32_t *segments = ts_batch_ints(m->batch, "segments", m->row + b);
        for (int64_t i = 0; i < n; i++) {
            const int64_t s = ts_batch_ahead(segments, width, ts_stretches_at(at, i), ahead);
            out[b * n + i] = s < 0 ? 0 : t[s];
        }
    }
}

/* What follows each of these, or is to be told instead (field "labels"); -1 where its loss does not count. */
static void labels(const ts_micro_batch *m, const ts_stretches *at, int64_t width, int64_t ahead, int32_t *out)
{
    const int64_t n = ts_stretches_count(at);
    for (int64_t b = 0; b < m->rows; b++) {
        const int32_t *t = ts_batch_ints(m->batch, "tokens", m->row + b);
        const int32_t *segments = ts_batch_ints(m->batch, "segments", m->row + b);
        const int32_t *told = ts_batch_ints(m->batch, "labels", m->row + b), *next = told ? told : t + 1;
        const float *mask = ts_batch_floats(m->batch, "loss_mask", m->row + b);
        for (int64_t i = 0; i < n; i++) {
            const int64_t s = ts_batch_ahead(segments, width, ts_stretches_at(at, i), ahead);
            out[b * n + i] = s >= 0 && mask[s] > 0 ? next[s] : -1;
        }
    }
}

/* The rows that count are chosen here, once. labels [n], and room for three times as much behind; NULL: nobody knows
 * more of them than that `count` count, or with `missing` that some of those may not. alike: where no others are
 * missing the few are not left out, so that processes with and without the end of a sample do the same. */
static ts_status upload_labels(ts_tape *tape, int32_t *label, int64_t n, int64_t count, bool missing, bool alike,
                               lm_labels *b)
{
    int32_t *at = label ? label + n : NULL, *back = label ? at + n : NULL, *few = label ? back + n : NULL;
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, label, n, &b->labels));
    b->chosen.n = label ? ts_choose_rows(label, n, at, back, few) : count;
    b->some = label || !missing ? b->chosen.n < (alike ? count : n) : true;
    if (!b->some || b->chosen.n == 0)
        return TS_OK;
    ts_tensor *on_device[3];
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, at, b->chosen.n, &on_device[0]));
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, back, n, &on_device[1]));
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, few, b->chosen.n, &on_device[2]));
    b->chosen.at = on_device[0], b->chosen.back = on_device[1], b->chosen.labels = on_device[2];
    return TS_OK;
}

/* Positions of this micro-batch's sequences. */
static int64_t length_of(const ts_lm_objective *o, const ts_micro_batch *m) { return m->length ? m->length : o->seq_length; }

/* How they are spread: blocks that its documents part need not be sent. */
static ts_status spread_of(const ts_lm_objective *o, ts_tape *tape, const ts_micro_batch *m,
                           const ts_spread **out)
{
    const ts_spread *whole = o->base.spread;
    ts_spread *s;
    bool *seen;
    const bool sees = whole && whole->way == TS_SPREAD_DIRECT && o->has_segments && tape->dev->computes;
    *out = whole;
    if (!whole || (!sees && length_of(o, m) == whole->length))
        return TS_OK;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *s, &s));
    *s = ts_spread_cut(whole, length_of(o, m));
    *out = s;
    if (!sees)
        return TS_OK;
    const size_t n = (size_t)(s->comm->size / s->heads);
    TS_TRY(ts_arena_alloc(&tape->arena, n * n, &seen));
    for (int64_t b = 0; b < m->rows; b++)
        ts_spread_see(s, ts_batch_ints(m->batch, "segments", m->row + b), seen);
    s->seen = seen;
    return TS_OK;
}

static ts_status upload_field(ts_tape *tape, const char *name, const int32_t *host, int64_t n,
                              ts_fields *f)
{
    ts_tensor *t;
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, host, n, &t));
    ts_fields_put(f, name, t);
    return TS_OK;
}

/* Rows of a sample: those of the stream, and the queries of attention. */
static int64_t rows_here(const ts_lm_objective *o) { return ts_stretches_count(&o->base.here); }

static ts_stretches queries_here(const ts_lm_objective *o, int64_t length)
{
    if (!o->base.spread)
        return ts_stretches_one(0, length);
    const ts_spread s = ts_spread_cut(o->base.spread, length);
    return ts_spread_queries(&s, length, s.comm->rank);
}

/* Documents are told of all rows beside those of the queries. */
static bool tells_whole(const ts_lm_objective *o, int64_t length)
{
    const ts_stretches at = queries_here(o, length);
    return o->has_segments && o->network.reads_whole && ts_stretches_count(&at) < length;
}

/* Tokens too; positions. */
static bool looks_back(const ts_lm_objective *o) { return o->base.spread && o->network.looks_back; }
static bool reads_places(const ts_lm_objective *o) { return o->base.spread && o->network.reads_places; }

/* Values that upload needs room for on the host: four arrays of the rows of a micro-batch, or one of its
 * queries, or of all rows. */
static int64_t room(const ts_lm_objective *o, const ts_micro_batch *m)
{
    const int64_t length = length_of(o, m);
    const ts_stretches at = queries_here(o, length), here = ts_objective_here(&o->base, length);
    const int64_t rows = 4 * ts_stretches_count(&here),
                  whole = looks_back(o) || reads_places(o) || tells_whole(o, length) ? length : 0,
                  told = o->has_segments ? ts_stretches_count(&at) : 0, most = whole > told ? whole : told;
    return m->rows * (most > rows ? most : rows);
}

/* Predictions further ahead whose losses this pass takes. */
static int sides(const ts_lm_objective *o, const ts_micro_batch *m)
{
    return m->evaluates ? 0 : (int)o->network.predicts;
}

/* Rows that have something so far ahead of them, of one document a sample without a mask. */
static int64_t rows_that_see(const ts_lm_objective *o, const ts_micro_batch *m, int64_t ahead)
{
    const int64_t length = length_of(o, m);
    const ts_stretches here = ts_objective_here(&o->base, length);
    const int64_t n = ts_stretches_count(&here);
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += ts_batch_ahead(NULL, length, ts_stretches_at(&here, i), ahead) >= 0;
    return m->rows * count;
}

/* label [n], and as much room behind; NULL: nothing is computed. */
static ts_status upload_numbers(ts_tape *tape, const int32_t *label, int64_t n, lm_labels *b)
{
    float *number = label ? (float *)(uintptr_t)(label + n) : NULL;
    for (int64_t i = 0; number && i < n; i++)
        number[i] = (float)label[i];
    return ts_tape_upload(tape, TS_DTYPE_F32, number, n, &b->numbers);
}

/* What the losses are taken of. */
static ts_status upload_told(const ts_lm_objective *o, ts_tape *tape, const ts_micro_batch *m, int32_t *buffer,
                             lm_batch *b)
{
    const int64_t length = length_of(o, m);
    const ts_stretches here = ts_objective_here(&o->base, length);
    const int64_t n = m->rows * ts_stretches_count(&here);
    for (int k = 0; k <= sides(o, m); k++) {
        const int64_t ahead = k ? o->base.side[k - 1].ahead : 0;
        if (k && buffer)
            tokens(m, &here, length, ahead, buffer);
        if (k)
            TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, buffer, n, &b->ahead[k - 1]));
        if (buffer)
            labels(m, &here, length, ahead, buffer);
        if (o->n_among)
            TS_TRY(upload_numbers(tape, buffer, n, &b->told[k]));
        TS_TRY(upload_labels(tape, buffer, n, rows_that_see(o, m, ahead), o->has_labels, o->base.spread,
                             &b->told[k]));
    }
    if (!o->teacher.k || m->look)
        return TS_OK;
    const lm_labels *first = &b->told[0];
    return ts_lm_teacher_upload(&o->teacher, tape, m, &here, first->some, first->some ? first->chosen.n : n, &b->told[0].kept);
}

static ts_status upload_first_keys(ts_tape *tape, const char *name, const ts_micro_batch *m, const ts_stretches *at,
                                   int32_t *buffer, ts_fields *f)
{
    if (buffer)
        first_keys(m, at, buffer);
    return upload_field(tape, name, buffer, m->rows * ts_stretches_count(at), f);
}

/* buffer NULL: nothing is computed, and the tensors are made alone. */
static ts_status upload(const ts_lm_objective *o, ts_tape *tape, const ts_micro_batch *m,
                        int32_t *buffer, lm_batch *b)
{
    const int64_t length = length_of(o, m);
    const ts_stretches here = ts_objective_here(&o->base, length), at = queries_here(o, length),
                       whole = ts_stretches_one(0, length);
    const int64_t n = m->rows * ts_stretches_count(&here);
    *b = (lm_batch){ 0 };
    TS_TRY(ts_pictures_upload(&o->pictures, tape, m, length, &b->pictures));
    TS_TRY(spread_of(o, tape, m, &b->spread));
    if (m->part == 0 || o->network.reads_tokens) {
        if (buffer)
            tokens(m, &here, length, 0, buffer);
        TS_TRY(upload_field(tape, "tokens", buffer, n, &b->fields));
        if (looks_back(o) && buffer)
            tokens(m, &whole, length, 0, buffer);
        if (looks_back(o))
            TS_TRY(upload_field(tape, "tokens_whole", buffer, m->rows * length, &b->fields));
    }
    if (buffer)
        positions(m, &here, buffer);
    TS_TRY(upload_field(tape, "position_ids", buffer, n, &b->fields));
    if (reads_places(o) && buffer)
        positions(m, &whole, buffer);
    if (reads_places(o))
        TS_TRY(upload_field(tape, "position_ids_whole", buffer, m->rows * length, &b->fields));
    if (ts_objective_ends(&o->base, m->part) && !o->leaves)
        TS_TRY(upload_told(o, tape, m, buffer, b));
    if (o->has_segments)
        TS_TRY(upload_first_keys(tape, "first_key", m, &at, buffer, &b->fields));
    return tells_whole(o, length) ? upload_first_keys(tape, "first_whole", m, &whole, buffer, &b->fields) : TS_OK;
}

/* What the teacher makes of the micro-batch; nothing of it is kept for a backward pass, and nobody looks. */
static ts_status teach(const ts_lm_objective *o, ts_tape *tape, const ts_network_call *student, ts_tensor **taught)
{
    const ts_network *n = &o->teacher.network;
    const bool recording = tape->recording;
    const ts_viewer *viewer = tape->viewer;
    ts_network_call call = *student;
    call.first = 0, call.last = n->layers;
    call.recompute = (ts_recompute_plan){ 0 };
    call.hidden_dropout = call.attention_dropout = call.adapter_dropout = call.embedding_noise = 0;
    call.balance = 0;
    call.behind = NULL, call.beside = NULL, call.hands_on = NULL;
    tape->recording = false;
    tape->viewer = NULL;
    const ts_status st = n->kind->forward(n->self, tape, &call, taught);
    tape->recording = recording;
    tape->viewer = viewer;
    return st;
}

/* What is to be kept of what the teacher made. */
static ts_status find_tops(const ts_lm_objective *o, ts_tape *tape, const lm_labels *b, ts_tensor *taught, ts_passed *out)
{
    const ts_lm_teacher *t = &o->teacher;
    ts_xent_op x = t->network.kind->head(t->network.self);
    ts_kept_tops tops;
    ts_device_part(tape->dev, "output layer and loss", -1);
    x.labels = b->labels;
    x.chosen = b->some ? &b->chosen : NULL;
    TS_TRY(ts_op_tops(tape, &x, t->temperature, t->k, taught, &tops));
    ts_pass(out, tops.id);
    ts_pass(out, tops.logq);
    return TS_OK;
}

/* Of the rows of the output layer that are these tokens'. */
static ts_status losses_among(const ts_lm_objective *o, ts_tape *tape, const lm_labels *b, ts_tensor *hidden, ts_tensor **losses,
                              ts_tensor **hit)
{
    const ts_xent_op x = o->network.kind->head(o->network.self);
    ts_tensor *ids, *rows, *z;
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, tape->dev->computes ? o->among : NULL, o->n_among, &ids));
    const ts_embed_op e = { .table = x.w, .group = x.group, .first = x.first, .ids = ids, .scale = 1, .dtype = hidden->dtype };
    TS_TRY(ts_op_embed(tape, &e, &rows));
    TS_TRY(ts_op_dots(tape, hidden, rows, &z));
    const ts_told_op t = { TS_TOLD_CHOICE, (double)x.logit_scale, o->n_among, b->numbers };
    return ts_op_told(tape, &t, z, losses, hit);
}

/* taught: the teacher's, or NULL; hard: for cross-entropy beside the loss against it, or NULL. */
static ts_status losses_of(const ts_lm_objective *o, ts_tape *tape, const ts_micro_batch *m, const lm_labels *b,
                           ts_tensor *hidden, ts_tensor *taught, const char *part, ts_tensor **losses, ts_tensor **hard)
{
    const ts_lm_teacher *t = &o->teacher;
    ts_device_part(tape->dev, "output layer and loss", -1);
    ts_xent_op x = o->network.kind->head(o->network.self);
    x.labels = b->labels;
    x.chosen = b->some ? &b->chosen : NULL;
    x.late = !o->at_once;
    if (taught || b->kept.k) {
        ts_distill_op d = { .student = x, .temperature = t->temperature, .kl = t->kl, .ce = t->ce, .beta = t->beta,
                            .kept = b->kept };
        if (taught)
            d.teacher = t->network.kind->head(t->network.self);
        TS_TRY(ts_op_linear_distill(tape, &d, hidden, taught, losses, hard));
    } else {
        TS_TRY(ts_op_linear_xent(tape, &x, hidden, losses, NULL));
    }
    const ts_shown s = { .module = "output_layer", .part = part, .layer = TS_SHOWN_BEHIND,
                         .at = ts_objective_here(&o->base, length_of(o, m)), .length = length_of(o, m), .sample0 = m->sample0,
                         .cols = 1, .own = 1 };
    return ts_tape_show_late(tape, &s, *losses);
}

/* Losses beside the first, of predictions further ahead, each from what the one before it left. */
static ts_status predict(const ts_lm_objective *o, ts_tape *tape, const ts_micro_batch *m, const lm_batch *b,
                         const ts_network_call *call, ts_tensor *h, ts_passed *out)
{
    const ts_network *n = &o->network;
    for (int k = 0; k < sides(o, m); k++) {
        ts_tensor *next, *hidden, *losses;
        TS_TRY(n->kind->predict(n->self, tape, call, k, b->ahead[k], h, &next, &hidden));
        TS_TRY(losses_of(o, tape, m, &b->told[1 + k], hidden, NULL, o->base.side[k].name, &losses, NULL));
        ts_pass(out, losses);
        h = next;
    }
    return TS_OK;
}

static ts_status run(const ts_lm_objective *o, ts_tape *tape, const ts_micro_batch *m,
                     const lm_batch *b, ts_passed *out)
{
    ts_tensor *x, *behind = NULL, *taught = NULL, *hard = NULL;
    ts_passed beside = { 0 }, more = { 0 };
    const bool ends = ts_objective_ends(&o->base, m->part), learns = b->told[0].kept.k || (o->teacher.network.kind && !o->teacher.k);
    const ts_layer_range all = { 0, o->network.layers }, l = o->layers ? o->layers[m->part] : all;
    const ts_stretches here = ts_objective_here(&o->base, length_of(o, m));
    const ts_network_call call = { .B = m->rows,
                                   .S = ts_stretches_count(&here),
                                   .spread = b->spread,
                                   .fields = &b->fields,
                                   .pictures = b->pictures,
                                   .stream = m->in.n ? m->in.tensor[0] : NULL,
                                   .first = l.first,
                                   .last = l.last,
                                   .beside = m->in.n ? &beside : NULL,
                                   .hands_on = &more,
                                   .recompute = o->recompute,
                                   .hidden_dropout = m->evaluates ? 0 : o->hidden_dropout,
                                   .attention_dropout = m->evaluates ? 0 : o->attention_dropout,
                                   .adapter_dropout = m->evaluates ? 0 : o->adapter_dropout,
                                   .embedding_noise = m->evaluates ? 0 : o->embedding_noise,
                                   .whole = o->seq_length,
                                   .goes_on = !ends,
                                   .behind = ends && sides(o, m) ? &behind : NULL,
                                   .seed = o->seed,
                                   .balance = m->balance,
                                   .pass = m->pass,
                                   .step = m->step,
                                   .sample0 = m->sample0 };
    for (int i = 1; i < m->in.n; i++)
        ts_pass(&beside, m->in.tensor[i]);
    const bool looks = m->look && o->base.n_looks;
    if (looks || (o->teacher.network.kind && !o->teacher.k))
        TS_TRY(teach(o, tape, &call, &taught));
    if (looks)
        return find_tops(o, tape, &b->told[0], taught, out);
    TS_TRY(o->network.kind->forward(o->network.self, tape, &call, &x));
    if (ends && o->n_among) {
        TS_TRY(losses_among(o, tape, &b->told[0], x, &x, &hard));
    } else if (ends && !o->leaves) {
        TS_TRY(losses_of(o, tape, m, &b->told[0], x, taught, "loss", &x, learns && !m->evaluates ? &hard : NULL));
    }
    ts_pass(out, x);
    for (int i = 0; i < more.n; i++)
        ts_pass(out, more.tensor[i]);
    if (behind)
        TS_TRY(predict(o, tape, m, b, &call, behind, out));
    if (hard)
        ts_pass(out, hard);
    return TS_OK;
}

ts_status ts_lm_objective_run(const ts_lm_objective *o, ts_tape *tape, const ts_micro_batch *m, ts_passed *out)
{
    const int64_t n = room(o, m);
    lm_batch b;
    int32_t *buffer = NULL;
    if (tape->dev->computes)
        TS_TRY(ts_alloc(&buffer, (size_t)n, sizeof *buffer));
    ts_device_book(tape->dev, TS_MEM_DATA, n * (int64_t)sizeof *buffer);
    const ts_status st = upload(o, tape, m, buffer, &b);
    ts_device_book(tape->dev, TS_MEM_DATA, -n * (int64_t)sizeof *buffer);
    ts_free(&buffer);
    return st == TS_OK ? run(o, tape, m, &b, out) : st;
}

static ts_status forward(ts_objective *base, ts_tape *tape, const ts_micro_batch *m, ts_passed *out)
{
    return ts_lm_objective_run((const ts_lm_objective *)(const void *)base, tape, m, out);
}

/* The stream, or the rows of it that are here, of all streams where there are several; and what is beside it. */
static void passes(const ts_objective *base, int64_t part, int64_t samples, ts_passed_shapes *out)
{
    const ts_lm_objective *o = (const ts_lm_objective *)(const void *)base;
    const ts_network *n = &o->network;
    const int64_t rows = samples * rows_here(o) / (o->rows_shared ? o->rows_shared : 1);
    *out = (ts_passed_shapes){ 1, { { n->compute, { rows, n->width * (n->streams ? n->streams : 1) }, true } } };
    if (n->kind->beside)
        n->kind->beside(n->self, o->layers[part].last, samples, rows_here(o), out);
}

static ts_status prepare(ts_objective *base)
{
    const ts_lm_objective *o = (const ts_lm_objective *)(const void *)base;
    const ts_network *teacher = &o->teacher.network;
    if (teacher->kind)
        TS_TRY(teacher->kind->prepare(teacher->self, o->seq_length));
    return o->network.kind->prepare(o->network.self, o->seq_length);
}

static double flops(const ts_objective *base, int64_t samples)
{
    const ts_lm_objective *o = (const ts_lm_objective *)(const void *)base;
    const double S = (double)o->seq_length;
    return S * (double)samples * o->network.kind->training_flops(o->network.self, S);
}

void ts_lm_objective_init(ts_lm_objective *o, const ts_network *network, const ts_train_options *t,
                          bool has_segments, const ts_spread *spread)
{
    *o = (ts_lm_objective){ .base = { .name = "lm loss",
                                      .params = network->params,
                                      .load = network->load,
                                      .rules = network->rules,
                                      .index = network->index,
                                      .counts = "loss_mask",
                                      .here = ts_spread_here(spread, t->seq_length),
                                      .spread = spread,
                                      .prepare = prepare,
                                      .forward = forward,
                                      .passes = passes,
                                      .flops = flops },
                            .network = *network,
                            .seq_length = t->seq_length,
                            .recompute = ts_recompute_layers(t),
                            .hidden_dropout = (float)t->hidden_dropout,
                            .attention_dropout = (float)t->attention_dropout,
                            .seed = (uint64_t)t->seed,
                            .has_segments = has_segments };
    TS_ASSERT(network->predicts <= TS_SIDE_LOSSES, "%lld losses beside the first", (long long)network->predicts);
    o->base.n_side = (int)network->predicts;
    for (int k = 0; k < o->base.n_side; k++) {
        ts_side_loss *side = &o->base.side[k];
        snprintf(side->name, sizeof side->name, "mtp_%d loss", k + 1);
        side->ahead = 1 + k;
        side->weight = t->mtp_factor / (double)o->base.n_side;
    }
}

void ts_lm_objective_cut(ts_lm_objective *o, const ts_layer_range *layers, int64_t parts,
                         int64_t rows_shared)
{
    o->base.parts = parts;
    o->layers = layers;
    o->rows_shared = rows_shared;
}

/* What a look has found of samples of which nothing was kept. */
static ts_status found(ts_objective *base, ts_device *dev, const ts_micro_batch *m, const ts_passed *out)
{
    const ts_lm_objective *o = (const ts_lm_objective *)(const void *)base;
    const ts_stretches here = ts_objective_here(base, length_of(o, m));
    const bool some = out->tensor[0]->dim[0] < m->rows * ts_stretches_count(&here);
    return ts_lm_teacher_write(&o->teacher, dev, m, &here, some, out);
}

void ts_lm_objective_look(ts_lm_objective *o, bool looks)
{
    o->base.n_looks = looks;
    o->base.look[0] = (ts_look){ .field = NULL };
    o->base.found = found;
    if (!looks)
        o->teacher.network.kind = NULL;
}

void ts_lm_objective_teach(ts_lm_objective *o, const ts_lm_teacher *teacher)
{
    o->teacher = *teacher;
    o->base.is_sum = teacher->is_sum;
    if (!teacher->network.kind && !teacher->k)
        return;
    TS_ASSERT(o->base.n_side < TS_SIDE_LOSSES, "%d losses beside the first", o->base.n_side);
    o->base.side[o->base.n_side++] = (ts_side_loss){ .name = "cross entropy" };
}

void ts_lm_objective_restrict(ts_lm_objective *o, const int32_t *tokens, int64_t n)
{
    o->among = tokens, o->n_among = n;
    o->network.predicts = 0; /* further tokens are not trained for */
    o->base.n_side = 1;
    o->base.side[0] = (ts_side_loss){ .name = "accuracy" };
}
