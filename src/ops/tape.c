#include "ops/tape.h"

#include <string.h>

/* The pins of one stretch of a model's code. */
typedef struct ts_frame {
    struct ts_frame *outer;
    ts_tensor **t;
    size_t n, cap;
} ts_frame;

ts_status ts_tape_create(ts_device *dev, const ts_tape_options *o, ts_tape **out)
{
    ts_tape *t;
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    t->dev = dev;
    t->opt = *o;
    t->swap.dev = dev;
    t->recording = true;
    const ts_status st = ts_tape_push(t);
    if (st != TS_OK)
        ts_free(&t);
    else
        *out = t;
    return st;
}

void ts_tensor_unpin(ts_tensor *t)
{
    TS_ASSERT(t->pins > 0, "unpinned once too often");
    if (--t->pins > 0)
        return;
    ts_storage_release(&t->storage);
    ts_swap_drop(&t->slot);
}

static void clear_grad(ts_tensor *t)
{
    if (t && t->grad) {
        ts_tensor_unpin(t->grad);
        t->grad = NULL;
    }
}

static void release_saved(ts_record *r)
{
    ts_swap_drop(&r->swapped);
    while (r->n_saved)
        if (r->saved[--r->n_saved])
            ts_tensor_unpin(r->saved[r->n_saved]);
}

static void drop_records(ts_record *r)
{
    for (; r; r = r->prev) {
        release_saved(r);
        for (int i = 0; i < 2; i++)
            clear_grad(r->out[i]);
        for (int i = 0; i < 3; i++)
            clear_grad(r->in[i]);
    }
}

void ts_tape_reset(ts_tape *tape)
{
    drop_records(tape->last);
    drop_records(tape->deferred);
    drop_records(tape->late);
    tape->last = tape->deferred = tape->late = NULL;
    ts_uses_clear(&tape->uses);
    while (tape->frame->outer)
        ts_tape_pop(tape, NULL);
    for (size_t i = 0; i < tape->frame->n; i++)
        clear_grad(tape->frame->t[i]); /* of inputs: no record made them */
    for (size_t i = 0; i < tape->frame->n; i++)
        ts_tensor_unpin(tape->frame->t[i]);
    tape->frame->n = 0;
    ts_swap_forget(&tape->swap);
    ts_arena_reset(&tape->arena);
    tape->recording = true;
    tape->waits = false;
    tape->run = NULL;
}

void ts_tape_destroy(ts_tape **tape)
{
    if (!*tape)
        return;
    ts_tape_reset(*tape);
    ts_free(&(*tape)->frame->t);
    ts_free(&(*tape)->frame);
    ts_arena_deinit(&(*tape)->arena);
    ts_uses_deinit(&(*tape)->uses);
    ts_swap_deinit(&(*tape)->swap);
    ts_free(tape);
}

enum { MOST_KEPT = 2 }; /* tensors that a frame hands out when it ends */

/* Makes room for them in the outer frame, to which nothing is added meanwhile: a pop cannot fail. */
ts_status ts_tape_push(ts_tape *tape)
{
    ts_frame *f, *outer = tape->frame;
    if (outer)
        TS_TRY(ts_grow(&outer->t, &outer->cap, outer->n + MOST_KEPT, sizeof *outer->t));
    TS_TRY(ts_alloc(&f, 1, sizeof *f));
    f->outer = tape->frame;
    tape->frame = f;
    return TS_OK;
}

static ts_status frame_add(ts_frame *f, ts_tensor *t)
{
    TS_TRY(ts_grow(&f->t, &f->cap, f->n + 1, sizeof *f->t));
    f->t[f->n++] = t;
    ts_tensor_pin(t);
    return TS_OK;
}

ts_status ts_tape_hold(ts_tape *tape, ts_tensor *t)
{
    ts_frame *f = tape->frame;
    while (f->outer)
        f = f->outer;
    TS_TRY(ts_grow(&f->t, &f->cap, f->n + 1 + MOST_KEPT, sizeof *f->t)); /* what a frame within hands out keeps its room */
    return frame_add(f, t);
}

static bool frame_remove(ts_frame *f, const ts_tensor *t)
{
    for (size_t i = f->n; i-- > 0;) {
        if (f->t[i] == t) {
            f->t[i] = f->t[--f->n];
            return true;
        }
    }
    return false;
}

/* t's pin moves from one frame to the other, so it is not counted anew. Its place in `to` was made
 * when `from` began. */
static void hand_out(ts_frame *from, ts_frame *to, ts_tensor *t)
{
    if (!t || !frame_remove(from, t))
        return;
    TS_ASSERT(to->n < to->cap, "no room in a frame of %zu tensors", to->n);
    to->t[to->n++] = t;
}

void ts_tape_pop2(ts_tape *tape, ts_tensor *keep, ts_tensor *keep2)
{
    ts_frame *f = tape->frame;
    hand_out(f, f->outer, keep);
    hand_out(f, f->outer, keep2);
    for (size_t i = 0; i < f->n; i++)
        ts_tensor_unpin(f->t[i]);
    tape->frame = f->outer;
    ts_free(&f->t);
    ts_free(&f);
}

void ts_tape_pop(ts_tape *tape, ts_tensor *keep) { ts_tape_pop2(tape, keep, NULL); }

void ts_tape_drop(ts_tape *tape, ts_tensor *t)
{
    if (t && frame_remove(tape->frame, t))
        ts_tensor_unpin(t);
}

static ts_status new_node(ts_tape *tape, ts_dtype dtype, int64_t d0, int64_t d1, ts_tensor **out)
{
    ts_tensor *t;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *t, &t));
    t->dtype = dtype;
    t->rank = d1 ? 2 : 1;
    t->dim[0] = d0;
    t->dim[1] = d1 ? d1 : 1;
    *out = t;
    return TS_OK;
}

ts_status ts_tape_new_kind(ts_tape *tape, ts_mem_kind kind, ts_dtype dtype, int64_t d0, int64_t d1,
                           ts_tensor **out)
{
    ts_tensor *t;
    TS_TRY(new_node(tape, dtype, d0, d1, &t));
    TS_TRY(ts_storage_create(tape->dev, kind, ts_tensor_bytes(t), &t->storage));
    const ts_status st = frame_add(tape->frame, t);
    if (st != TS_OK)
        ts_storage_release(&t->storage);
    else
        *out = t;
    return st;
}

ts_status ts_tape_new(ts_tape *tape, ts_dtype dtype, int64_t d0, int64_t d1, ts_tensor **out)
{
    return ts_tape_new_kind(tape, TS_MEM_ACT, dtype, d0, d1, out);
}

ts_status ts_tape_upload(ts_tape *tape, ts_dtype dtype, const void *host, int64_t n,
                         ts_tensor **out)
{
    TS_TRY(ts_tape_new_kind(tape, TS_MEM_DATA, dtype, n, 0, out));
    if (tape->dev->computes)
        tape->dev->to_device(tape->dev, ts_tensor_data(*out), host, (size_t)n * ts_dtype_size(dtype));
    return TS_OK;
}

ts_status ts_tape_alias(ts_tape *tape, const ts_tensor *t, ts_tensor **out)
{
    ts_tensor *a;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *a, &a));
    *a = *t;
    a->pins = 0;
    a->grad = NULL;
    a->maker = NULL;
    a->shown = NULL;
    a->slot = NULL;
    TS_TRY(frame_add(tape->frame, a));
    ts_storage_retain(a->storage);
    *out = a;
    return TS_OK;
}

ts_status ts_tape_record(ts_tape *tape, const ts_op *op, size_t attr_size, ts_record **out)
{
    ts_record *r;
    if (tape->waits)
        TS_TRY(ts_swap_reserve(&tape->swap, TS_RECORD_TENSORS));
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *r, &r));
    if (attr_size)
        TS_TRY(ts_arena_alloc(&tape->arena, attr_size, &r->attr));
    r->op = op;
    r->is_late = tape->makes_late;
    r->part = tape->dev->mem.part;
    r->layer = tape->dev->mem.layer;
    r->prev = tape->last;
    tape->last = r;
    *out = r;
    return TS_OK;
}

static bool replays(const ts_tape_options *o, ts_replayed what, int64_t layer)
{
    const ts_layer_range *in = &o->again[what];
    if (o->defer_weights)
        return false; /* a deferred half may run when the maker is gone already */
    return (o->replay && what != TS_REPLAY_TRAVEL) || (layer >= in->first && layer < in->last);
}

bool ts_tape_replays(const ts_tape *tape, ts_replayed what)
{
    return replays(&tape->opt, what, tape->dev->mem.layer);
}

static bool is_replayed(const ts_tape_options *o, const ts_record *maker)
{
    return maker && replays(o, maker->op->replayed, maker->layer);
}

void ts_record_save(ts_tape *tape, ts_record *r, ts_tensor *t)
{
    if (!r->is_late && is_replayed(&tape->opt, t->maker))
        return;
    TS_ASSERT(r->n_saved < TS_RECORD_TENSORS, "%s saves too many tensors", r->op->name);
    r->saved[r->n_saved++] = t;
    ts_tensor_pin(t);
    ts_swap_note(&tape->swap, t, r->layer, tape->waits);
}

ts_status ts_record_param(ts_tape *tape, ts_record *r, int i, ts_param *p)
{
    r->param[i] = p;
    return ts_param_has_grad(p) ? ts_uses_add(&tape->uses, p) : TS_OK;
}

static ts_status need_params(const ts_record *r)
{
    for (int i = 0; i < TS_RECORD_PARAMS; i++)
        TS_TRY(ts_param_need(r->param[i]));
    return TS_OK;
}

/* What a record keeps is here again; what the layer before it keeps begins to come. */
static ts_status need_saved(ts_tape *tape, const ts_record *r)
{
    if (r->layer >= 0)
        TS_TRY(ts_swap_fetch(&tape->swap, r->layer - 1));
    for (int i = 0; i < r->n_saved; i++)
        TS_TRY(ts_swap_need(&tape->swap, r->saved[i]));
    return TS_OK;
}

void ts_tape_leave(ts_tape *tape, ts_tensor *t) { ts_swap_note(&tape->swap, t, -1, false); }

ts_status ts_tape_send_away(ts_tape *tape) { return ts_swap_send(&tape->swap); }

/* What a replay reads of those, made again as well. */
static ts_status need_inputs(ts_tape *tape, const ts_record *m)
{
    void *unused;
    for (int i = 0; m->op->from_inputs && i < (int)(sizeof m->in / sizeof *m->in); i++)
        if (m->in[i])
            TS_TRY(ts_tape_need(tape, m->in[i], &unused));
    return TS_OK;
}

ts_status ts_tape_need(ts_tape *tape, ts_tensor *t, void **data)
{
    if (t->slot) {
        TS_TRY(ts_swap_need(&tape->swap, t));
    } else if (!t->storage) {
        ts_record *m = t->maker;
        TS_ASSERT(m, "a tensor that cannot be replayed was dropped");
        TS_TRY(ts_storage_create(tape->dev, TS_MEM_ACT, ts_tensor_bytes(t), &t->storage));
        t->offset = 0;
        const ts_status st = frame_add(tape->frame, t);
        if (st != TS_OK) {
            ts_storage_release(&t->storage);
            return st;
        }
        TS_TRY(need_params(m));
        for (int i = 0; i < m->n_saved; i++)
            TS_TRY(ts_swap_need(&tape->swap, m->saved[i]));
        TS_TRY(need_inputs(tape, m));
        tape->dev->again++;
        const ts_status made = m->op->replay(tape, m, t == m->out[1]);
        tape->dev->again--;
        TS_TRY(made);
    }
    *data = ts_tensor_data(t);
    return TS_OK;
}

ts_status ts_tape_accumulate(ts_tape *tape, ts_tensor *x, ts_tensor *g)
{
    if (!x || !x->wants_grad)
        return TS_OK;
    if (!x->grad) {
        ts_tensor_pin(g);
        x->grad = g;
        return TS_OK;
    }
    /* In place only when nobody else reads the old sum: its one pin is ours, its bytes are not
     * shared. */
    ts_tensor *sum = x->grad;
    if (sum->pins > 1 || sum->storage->refs > 1)
        TS_TRY(ts_tape_new(tape, g->dtype, x->dim[0], x->rank > 1 ? x->dim[1] : 0, &sum));
    const int64_t n = ts_tensor_count(x);
    const ts_elementwise_args a = { .x_dtype = x->grad->dtype, .z_dtype = g->dtype,
                                    .y_dtype = sum->dtype, .x = ts_tensor_data(x->grad),
                                    .z = ts_tensor_data(g), .y = ts_tensor_data(sum), .alpha = 1,
                                    .beta = 1 };
    ts_launch_add(
        tape->dev, &a, n,
        (ts_cost){ (double)n, 3.0 * (double)n * (double)ts_dtype_size(g->dtype), g->dtype });
    if (sum != x->grad) {
        ts_tensor_unpin(x->grad);
        ts_tensor_pin(sum);
        x->grad = sum;
    }
    return TS_OK;
}

static void params_done(ts_tape *tape, const ts_record *r)
{
    for (int i = 0; i < TS_RECORD_PARAMS; i++) {
        ts_param *p = r->param[i];
        if (!ts_param_has_grad(p) || ts_uses_come(&tape->uses, p) != 0)
            continue;
        ts_param_grad_settle(p);
        if (tape->hooks.param_done)
            tape->hooks.param_done(tape->hooks.ctx, p);
    }
}

static void finish(ts_tape *tape, ts_record *r)
{
    release_saved(r);
    for (int i = 0; i < 2; i++)
        clear_grad(r->out[i]);
    params_done(tape, r);
}

static bool has_gradient(const ts_record *r)
{
    return (r->out[0] && r->out[0]->grad) || (r->out[1] && r->out[1]->grad);
}

ts_status ts_tape_show_late(ts_tape *tape, const ts_shown *s, ts_tensor *t)
{
    ts_shown *copy;
    if (!tape->viewer || !tape->recording) /* no gradient will come */
        return TS_OK;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *copy, &copy));
    *copy = *s;
    t->shown = copy;
    return TS_OK;
}

ts_status ts_tape_show(ts_tape *tape, const ts_shown *s, ts_tensor *t)
{
    TS_TRY(ts_tape_show_late(tape, s, t));
    return !tape->viewer || tape->dev->again ? TS_OK : tape->viewer->see(tape->viewer->ctx, s, t, false);
}

ts_status ts_tape_show_made(const ts_tape *tape, const ts_tensor *t)
{
    return tape->viewer && t->shown ? tape->viewer->see(tape->viewer->ctx, t->shown, t, false) : TS_OK;
}

static ts_status show_gradients(const ts_tape *tape, const ts_record *r)
{
    for (int i = 0; i < 2; i++) {
        const ts_tensor *t = r->out[i];
        if (t && t->shown && t->grad)
            TS_TRY(tape->viewer->see(tape->viewer->ctx, t->shown, t->grad, true));
    }
    return TS_OK;
}

static ts_status run_weight(ts_tape *tape, ts_record *r)
{
    ts_device_part(tape->dev, r->part, r->layer);
    for (int i = 0; i < TS_RECORD_PARAMS; i++)
        TS_TRY(ts_param_need_grad(r->param[i]));
    TS_TRY(ts_tape_push(tape));
    const ts_status st = r->op->weight(tape, r);
    ts_tape_pop(tape, NULL);
    if (st == TS_OK)
        finish(tape, r);
    return st;
}

static ts_status run_backward(ts_tape *tape, ts_record *r)
{
    if (!has_gradient(r)) {
        finish(tape, r);
        return TS_OK;
    }
    ts_device_part(tape->dev, r->part, r->layer);
    if (tape->viewer)
        TS_TRY(show_gradients(tape, r));
    TS_TRY(need_saved(tape, r));
    if (r->op->backward)
        TS_TRY(need_params(r));
    TS_TRY(ts_tape_push(tape));
    ts_status st = r->op->backward ? r->op->backward(tape, r) : TS_OK;
    ts_tape_pop(tape, NULL);
    TS_TRY(st);
    ts_record **later = tape->opt.defer_weights ? &tape->deferred : r->is_late ? &tape->late : NULL;
    if (r->op->weight && later) {
        r->prev = *later;
        *later = r;
        return TS_OK;
    }
    if (r->op->weight)
        return run_weight(tape, r);
    finish(tape, r);
    return TS_OK;
}

/* A record whose backward failed goes back to the tape with all before it, behind what a segment
 * has left there of its own: its pins and gradients are found by nobody else, and reset frees what
 * it finds. */
static void put_back(ts_tape *tape, ts_record *r)
{
    ts_record **at = &tape->last;
    while (*at)
        at = &(*at)->prev;
    *at = r;
}

/* Records down to the beginning of the tape; `last` is emptied first, so that a segment's own
 * records (made while its record runs) form a list of their own. */
ts_status ts_tape_backward(ts_tape *tape)
{
    ts_record *r = tape->last;
    tape->last = NULL;
    const bool recording = tape->recording;
    tape->recording = false;
    ts_status st = TS_OK;
    while (r && st == TS_OK) {
        ts_record *prev = r->prev; /* a deferred one goes to another list */
        st = run_backward(tape, r);
        if (st != TS_OK)
            put_back(tape, r);
        r = prev;
        if (tape->hooks.progress)
            tape->hooks.progress(tape->hooks.ctx);
    }
    tape->recording = recording;
    return st == TS_OK ? ts_tape_run_late(tape) : st;
}

static ts_status run_all(ts_tape *tape, ts_record **list)
{
    ts_status st = TS_OK;
    while (*list && st == TS_OK) {
        ts_record *r = *list;
        st = run_weight(tape, r);
        if (st == TS_OK)
            *list = r->prev;
    }
    return st;
}

ts_status ts_tape_run_weights(ts_tape *tape) { return run_all(tape, &tape->deferred); }

ts_status ts_tape_run_late(ts_tape *tape) { return run_all(tape, &tape->late); }

typedef struct segment_attr {
    ts_segment_fn *fn;
    void *ctx;
    const struct ts_run *run;
} segment_attr;

/* What the segment began with: the bytes that were kept (a norm's output may have been dropped and is
 * made again), or those that come back. */
static ts_status input_again(ts_tape *tape, ts_record *r, ts_tensor **in)
{
    const ts_tensor *was = r->in[0];
    void *bytes;
    if (!r->swapped) {
        TS_TRY(ts_tape_need(tape, r->in[0], &bytes));
        return ts_tape_alias(tape, was, in);
    }
    TS_TRY(ts_tape_new(tape, was->dtype, was->dim[0], was->rank > 1 ? was->dim[1] : 0, in));
    ts_swap_in(&tape->swap, &r->swapped, *in);
    return TS_OK;
}

static ts_status segment_backward(ts_tape *tape, ts_record *r)
{
    const segment_attr *a = r->attr;
    ts_tensor *in, *out;
    TS_TRY(input_again(tape, r, &in));
    in->wants_grad = r->in[0]->wants_grad;
    tape->recording = true;
    tape->run = a->run;
    tape->dev->again++;
    ts_status st = a->fn(tape, a->ctx, in, &out);
    tape->dev->again--;
    tape->recording = false;
    TS_TRY(st);
    out->wants_grad = true;
    TS_TRY(ts_tape_accumulate(tape, out, r->out[0]->grad));
    st = ts_tape_backward(tape);
    if (st == TS_OK && in->grad)
        st = ts_tape_accumulate(tape, r->in[0], in->grad);
    clear_grad(in); /* also of a pass that failed: its records may be gone that would do it */
    return st;
}

static const ts_op segment_op = { .name = "segment", .backward = segment_backward };

ts_status ts_tape_segment(ts_tape *tape, ts_segment_fn *fn, const void *ctx, size_t ctx_size,
                          ts_tensor *in, ts_tensor **out)
{
    void *copy;
    TS_TRY(ts_arena_alloc(&tape->arena, ctx_size ? ctx_size : 1, &copy));
    memcpy(copy, ctx, ctx_size);
    const bool recording = tape->recording, waits = tape->waits;
    ts_tensor *y;
    tape->recording = false;
    TS_TRY(ts_tape_push(tape));
    const ts_status st = fn(tape, copy, in, &y);
    ts_tape_pop(tape, st == TS_OK ? y : NULL);
    tape->recording = recording;
    tape->waits = waits; /* of the input; fn has its own say about its parts */
    TS_TRY(st);
    if (recording) {
        ts_record *r;
        TS_TRY(ts_tape_record(tape, &segment_op, sizeof(segment_attr), &r));
        *(segment_attr *)r->attr = (segment_attr){ fn, copy, tape->run };
        r->in[0] = in;
        r->out[0] = y;
        y->wants_grad = true;
        if (tape->opt.swap)
            TS_TRY(ts_swap_out(&tape->swap, in, &r->swapped));
        else
            ts_record_save(tape, r, in);
    }
    *out = y;
    return TS_OK;
}
