#include "parallel/schedule_make.h"

/* DualPipeV (DeepSeek-AI's DualPipe, cut in half to a V): stage r holds part r of the model and
 * part 2p - 1 - r, so that micro-batches go down the stages in chunk 0 and up in chunk 1, and the
 * first stage has both ends. In the middle each forward stands before a backward of the other
 * direction and may run interwoven with it. */

typedef struct line {
    ts_schedule *s;
    int64_t stage;
    int64_t forwards[2], backwards[2]; /* so far, by chunk */
    int64_t flushed; /* units of the list whose weight halves are done or that have none waiting */
} line;

static void forward(line *l, int64_t chunk)
{
    ts_schedule_add(l->s, l->stage, TS_UNIT_FORWARD, l->forwards[chunk]++, chunk);
}

static void backward(line *l, int64_t chunk, bool split)
{
    ts_schedule_add(l->s, l->stage, split ? TS_UNIT_INPUT_GRAD : TS_UNIT_BACKWARD,
                    l->backwards[chunk]++, chunk);
}

static void pair(line *l, int64_t forward_chunk, int64_t backward_chunk)
{
    ts_unit_list *list = &l->s->stage[l->stage];
    forward(l, forward_chunk);
    list->v[list->n - 1].with_next = true;
    backward(l, backward_chunk, false);
}

/* The oldest weight half that waits, if one does. */
static void weight(line *l)
{
    const ts_unit_list *list = &l->s->stage[l->stage];
    while (l->flushed < list->n && list->v[l->flushed].kind != TS_UNIT_INPUT_GRAD)
        l->flushed++;
    if (l->flushed == list->n)
        return;
    const ts_unit u = list->v[l->flushed++];
    ts_schedule_add(l->s, l->stage, TS_UNIT_WEIGHT_GRAD, u.micro, u.chunk);
}

static void begin(line *l)
{
    const int64_t behind = l->s->shape.n_stages - 1 - l->stage;
    for (int64_t i = 0; i < 2 * behind; i++)
        forward(l, 0);
    for (int64_t i = 0; i < l->stage + 1; i++) {
        forward(l, 0);
        forward(l, 1);
    }
    for (int64_t i = 0; i < behind; i++) {
        backward(l, 1, true);
        weight(l);
        forward(l, 1);
    }
}

static void middle(line *l)
{
    const ts_schedule_shape *shape = &l->s->shape;
    const int64_t p = shape->n_stages, behind = p - 1 - l->stage;
    for (int64_t i = 0; i < shape->n_micro - 2 * p + l->stage + 1; i++) {
        if (i == 0 && behind == 0) { /* the turn of the V: what this forward makes is needed next */
            forward(l, 0);
            backward(l, 1, false);
        } else {
            pair(l, 0, 1);
        }
        pair(l, 1, 0);
    }
    for (int64_t i = 0; i < behind; i++) {
        backward(l, 1, false);
        pair(l, 1, 0);
    }
}

/* Backwards alone. The second half of the first loop and all that follows may put weight halves
 * off. */
static void end(line *l)
{
    const int64_t behind = l->s->shape.n_stages - 1 - l->stage, own = l->stage + 1;
    const bool detaches = l->s->shape.detaches_weights;
    for (int64_t i = 0; i < 2 * own; i++)
        backward(l, i % 2 ? 0 : 1, detaches && i >= own);
    for (int64_t i = 0; i < behind; i++) {
        weight(l);
        backward(l, 0, detaches);
    }
    for (int64_t i = 0; i < own; i++)
        weight(l);
}

void ts_schedule_make_dualpipev(ts_schedule *s)
{
    for (int64_t r = 0; r < s->shape.n_stages; r++) {
        line l = { .s = s, .stage = r };
        begin(&l);
        middle(&l);
        end(&l);
    }
}
