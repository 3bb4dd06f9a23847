#include "infer/score.h"

#include "infer/model_group.h"
#include "infer/tell.h"
#include <math.h>

/* Tensors of one sequence on the device: ids and positions. */
typedef struct sequence {
    ts_tensor *ids, *pos;
    ts_run run;
} sequence;

static ts_status put_sequence(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n,
                              sequence *s)
{
    int32_t *pos;
    TS_TRY(ts_alloc(&pos, (size_t)n, sizeof *pos));
    for (int64_t i = 0; i < n; i++)
        pos[i] = (int32_t)i;
    ts_status st = ts_tape_upload(tape, TS_DTYPE_I32, ids, n, &s->ids);
    if (st == TS_OK)
        st = ts_tape_upload(tape, TS_DTYPE_I32, pos, n, &s->pos);
    if (st == TS_OK)
        st = ts_decoder_prepare(d, n, n);
    ts_free(&pos);
    s->run = (ts_run){ .B = 1, .S = n, .pos = s->pos };
    return st;
}

/* What can be scored at all is so on all processes that have some of the model. */
static ts_status begin(ts_decoder *d, ts_told_what what, const int32_t *ids, int64_t n, int64_t a, int64_t c)
{
    if (d->arch.position == TS_POSITION_LEARNED && n > d->arch.max_positions)
        return ts_error(TS_ERR_USER,
                        "a sequence of %lld tokens is longer than the model's %lld positions",
                        (long long)n, (long long)d->arch.max_positions);
    const ts_told t = { .what = what, .a = a, .b = n, .c = c, .bytes = n * (int64_t)sizeof *ids };
    return ts_tell(d->model_group, &t, ids);
}

/* All layers of it, and its choices of experts as they go. hidden NULL: the last one is elsewhere. */
static ts_status run_layers(ts_decoder *d, ts_tape *tape, sequence *s, ts_routes *routes, ts_tensor **hidden)
{
    if (routes)
        TS_TRY(ts_routes_begin(routes, s->run.S));
    s->run.routes = routes;
    TS_TRY(ts_model_group_forward(d, tape, &s->run, s->ids, hidden));
    return routes ? ts_routes_end(routes) : TS_OK;
}

static ts_status score(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, const ts_pictures *pictures, ts_routes *routes,
                       double *logprobs, bool *greedy, float *loss, int32_t *argmax)
{
    sequence s;
    ts_tensor *hidden, *labels, *l = NULL, *best = NULL;
    TS_TRY(put_sequence(d, tape, ids, n, &s));
    argmax[n - 1] = -1;
    for (int64_t i = 0; i + 1 < n; i++)
        argmax[i] = ids[i + 1];
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, argmax, n, &labels));
    s.run.pictures = pictures;
    TS_TRY(run_layers(d, tape, &s, routes, &hidden));
    if (hidden) {
        ts_xent_op o = ts_decoder_head(d);
        o.labels = labels;
        TS_TRY(ts_op_linear_xent(tape, &o, hidden, &l, &best));
    }
    TS_TRY(ts_model_group_bring(d, tape, TS_DTYPE_F32, n, 0, &l));
    TS_TRY(ts_model_group_bring(d, tape, TS_DTYPE_I32, n, 0, &best));
    if (ts_model_group_follows(d->model_group))
        return TS_OK;
    d->dev->to_host(d->dev, loss, ts_tensor_data(l), (size_t)n * sizeof *loss);
    TS_TRY(ts_device_read(d->dev, argmax, ts_tensor_data(best), (size_t)n * sizeof *argmax));
    logprobs[0] = 0;
    greedy[0] = false;
    for (int64_t i = 1; i < n; i++) {
        logprobs[i] = -(double)loss[i - 1];
        greedy[i] = argmax[i - 1] == ids[i];
    }
    return TS_OK;
}

ts_status ts_score_ids(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, const ts_pictures *pictures, ts_routes *routes,
                       double *logprobs, bool *greedy)
{
    float *loss = NULL;
    int32_t *argmax = NULL;
    TS_TRY(begin(d, TS_TOLD_SCORE, ids, n, 0, 0));
    ts_status st = ts_alloc(&loss, (size_t)n, sizeof *loss);
    if (st == TS_OK)
        st = ts_alloc(&argmax, (size_t)n, sizeof *argmax);
    ts_tape_reset(tape);
    tape->recording = false;
    if (st == TS_OK)
        st = score(d, tape, ids, n, pictures, routes, logprobs, greedy, loss, argmax);
    ts_tape_reset(tape);
    ts_free(&loss);
    ts_free(&argmax);
    return ts_tell_failed(d->model_group, st);
}

enum { CHOICE_ROWS = 64 };

/* Choices of some rows from `first` on. */
static ts_status choices_of_rows(ts_decoder *d, ts_tape *tape, ts_tensor *hidden, int64_t first, int64_t n, const int32_t *ids,
                                 int top, ts_choice *out)
{
    float *z = NULL;
    const size_t row = (size_t)d->arch.hidden * ts_dtype_size(d->compute);
    ts_tensor *rows = NULL, *logits;
    if (hidden) {
        TS_TRY(ts_tape_new(tape, hidden->dtype, n, hidden->dim[1], &rows));
        d->dev->move(d->dev, ts_tensor_data(rows), (char *)ts_tensor_data(hidden) + (size_t)first * row, (size_t)n * row);
    }
    TS_TRY(ts_model_group_logits(d, tape, rows, n, &logits));
    if (ts_model_group_follows(d->model_group))
        return TS_OK;
    TS_TRY(ts_alloc(&z, (size_t)ts_tensor_count(logits), sizeof *z));
    const ts_status st = ts_device_read(d->dev, z, ts_tensor_data(logits), ts_tensor_bytes(logits));
    for (int64_t i = 0; st == TS_OK && i < n; i++) {
        const float *one = z + i * logits->dim[1];
        ts_choice *c = &out[first + i + 1];
        const double log_sum = ts_log_sum_exp(one, d->arch.vocab);
        c->id = ids[first + i + 1];
        c->logprob = (double)one[c->id] - log_sum;
        c->n_top = ts_top_logprobs(one, d->arch.vocab, log_sum, top, c->top);
    }
    ts_free(&z);
    return st;
}

static ts_status choices_of(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, int top, ts_choice *out)
{
    sequence s;
    ts_tensor *hidden;
    TS_TRY(put_sequence(d, tape, ids, n, &s));
    TS_TRY(run_layers(d, tape, &s, NULL, &hidden));
    if (out)
        out[0] = (ts_choice){ .id = ids[0] };
    for (int64_t i = 0; i + 1 < n; i += CHOICE_ROWS) {
        TS_TRY(ts_tape_push(tape));
        const int64_t rows = n - 1 - i < CHOICE_ROWS ? n - 1 - i : CHOICE_ROWS;
        const ts_status st = choices_of_rows(d, tape, hidden, i, rows, ids, top, out);
        ts_tape_pop(tape, NULL);
        TS_TRY(st);
    }
    return TS_OK;
}

ts_status ts_score_choices(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, int top, ts_choice *out)
{
    TS_TRY(begin(d, TS_TOLD_CHOICES, ids, n, top, 0));
    ts_tape_reset(tape);
    tape->recording = false;
    const ts_status st = choices_of(d, tape, ids, n, top, out);
    ts_tape_reset(tape);
    return ts_tell_failed(d->model_group, st);
}

static ts_status logits_of(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, const ts_pictures *pictures, float *out)
{
    sequence s;
    ts_tensor *hidden, *z;
    TS_TRY(put_sequence(d, tape, ids, n, &s));
    s.run.pictures = pictures;
    TS_TRY(run_layers(d, tape, &s, NULL, &hidden));
    TS_TRY(ts_model_group_logits(d, tape, hidden, n, &z));
    if (ts_model_group_follows(d->model_group))
        return TS_OK;
    return ts_device_read(d->dev, out, ts_tensor_data(z), ts_tensor_bytes(z));
}

ts_status ts_score_logits(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, const ts_pictures *pictures, float *out)
{
    TS_TRY(begin(d, TS_TOLD_LOGITS, ids, n, 0, 0));
    ts_tape_reset(tape);
    tape->recording = false;
    const ts_status st = logits_of(d, tape, ids, n, pictures, out);
    ts_tape_reset(tape);
    return ts_tell_failed(d->model_group, st);
}

/* Where a head reads: the last token, of labels, as transformers has it, the last that is no filling. */
static int32_t last_at(const ts_decoder *d, const int32_t *ids, int64_t n)
{
    while (n > 1 && d->arch.labels && ids[n - 1] == d->arch.pad)
        n--;
    return (int32_t)(n - 1);
}

/* The vector of one row: *y [1, hidden]; NULL where the last layer is elsewhere. */
static ts_status last_of(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, ts_routes *routes, ts_tensor **y)
{
    const int32_t at = last_at(d, ids, n);
    sequence s;
    ts_tensor *hidden, *last;
    ts_chosen_rows rows = { .n = 1 };
    TS_TRY(put_sequence(d, tape, ids, n, &s));
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, &at, 1, &last));
    rows.at = last;
    TS_TRY(run_layers(d, tape, &s, routes, &hidden));
    *y = NULL;
    return hidden ? ts_op_pick_rows(tape, hidden, &rows, y) : TS_OK;
}

ts_status ts_score_numbers(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, ts_routes *routes, float *out)
{
    ts_tensor *last, *y = NULL;
    TS_TRY(begin(d, TS_TOLD_NUMBERS, ids, n, 0, 0));
    ts_tape_reset(tape);
    tape->recording = false;
    ts_status st = last_of(d, tape, ids, n, routes, &last);
    if (st == TS_OK && last)
        st = ts_decoder_numbers(d, tape, last, &y);
    if (st == TS_OK)
        st = ts_model_group_bring(d, tape, TS_DTYPE_F32, 1, d->arch.labels ? d->arch.labels : 1, &y);
    if (st == TS_OK && !ts_model_group_follows(d->model_group))
        st = ts_device_read(d->dev, out, ts_tensor_data(y), ts_tensor_bytes(y));
    ts_tape_reset(tape);
    return ts_tell_failed(d->model_group, st);
}

static ts_status next_of(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, float *out)
{
    ts_tensor *last, *z;
    TS_TRY(last_of(d, tape, ids, n, NULL, &last));
    TS_TRY(ts_model_group_logits(d, tape, last, 1, &z));
    if (ts_model_group_follows(d->model_group))
        return TS_OK;
    return ts_device_read(d->dev, out, ts_tensor_data(z), (size_t)d->arch.vocab * sizeof *out);
}

ts_status ts_score_next(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, float *out)
{
    TS_TRY(begin(d, TS_TOLD_NEXT, ids, n, 0, 0));
    ts_tape_reset(tape);
    tape->recording = false;
    const ts_status st = next_of(d, tape, ids, n, out);
    ts_tape_reset(tape);
    return ts_tell_failed(d->model_group, st);
}

static ts_status vector_of(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, const ts_sentence *how, float *weights,
                           ts_tensor **y)
{
    sequence s;
    ts_tensor *hidden, *w, *v, *wide;
    for (int64_t i = 0; i < n; i++)
        weights[i] = ts_pool_weight(how->pooling, i, 0, n - 1);
    TS_TRY(put_sequence(d, tape, ids, n, &s));
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_F32, weights, n, &w));
    TS_TRY(run_layers(d, tape, &s, NULL, &hidden));
    *y = NULL;
    if (!hidden)
        return TS_OK;
    TS_TRY(ts_op_pool(tape, hidden, w, 1, NULL, &v));
    TS_TRY(ts_op_cast(tape, v, TS_DTYPE_F32, &wide));
    return ts_op_direct(tape, wide, wide->dim[1], how->unit, y);
}

ts_status ts_score_vector(ts_decoder *d, ts_tape *tape, const int32_t *ids, int64_t n, const ts_sentence *how, float *out)
{
    float *weights = NULL;
    ts_tensor *y;
    TS_TRY(begin(d, TS_TOLD_VECTOR, ids, n, how->pooling, how->unit));
    ts_status st = ts_alloc(&weights, (size_t)n, sizeof *weights);
    ts_tape_reset(tape);
    tape->recording = false;
    if (st == TS_OK)
        st = vector_of(d, tape, ids, n, how, weights, &y);
    if (st == TS_OK)
        st = ts_model_group_bring(d, tape, TS_DTYPE_F32, 1, d->arch.hidden, &y);
    if (st == TS_OK && !ts_model_group_follows(d->model_group))
        st = ts_device_read(d->dev, out, ts_tensor_data(y), ts_tensor_bytes(y));
    ts_tape_reset(tape);
    ts_free(&weights);
    return ts_tell_failed(d->model_group, st);
}

double ts_score_word(const float *z, int64_t vocab, const int32_t *words, int64_t n)
{
    const int64_t of = n > 1 ? n : vocab;
    const double first = (double)z[words[0]];
    double sum = 0;
    for (int64_t k = 0; k < of; k++)
        sum += exp((double)z[n > 1 ? words[k] : k] - first);
    return 1 / sum;
}
