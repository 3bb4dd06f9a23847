#include "model/tower.h"

#include "model/decoder_blocks.h"
#include "ops/altup.h"
#include "ops/columns.h"

#include <stdio.h>
#include <string.h>

/* ---- what there is ---- */

/* Rows of the tower alone, or merge x merge of them. */
static ts_norm_layer joint_norm(const ts_vision_arch *v, bool merged)
{
    const int64_t H = v->tower.hidden;
    return (ts_norm_layer){ .present = true, .has_bias = !v->joint_rms, .width = merged ? v->merge * v->merge * H : H,
                            .op = { .layer = !v->joint_rms, .eps = (float)v->joint_eps } };
}

static ts_joint_layer joint_of(const ts_vision_arch *v, bool is_tap, int64_t out)
{
    const int64_t H = v->tower.hidden, wide = v->merge * v->merge * H;
    const bool gated = v->joint == TS_JOINT_GATED, bias = v->joint_bias;
    const int64_t in = gated ? out : wide, ffn = v->joint_ffn ? v->joint_ffn : in;
    ts_joint_layer j = { .v = v, .merged = is_tap || v->joint_norm_merged };
    if (is_tap || v->joint_norm || v->joint_norm_merged)
        j.norm = joint_norm(v, j.merged);
    j.mlp = (ts_mlp_layer){ .act = v->joint_act, .gated = gated, .gate_scale = 1, .out_scale = 1,
                            .fc1 = { .in = in, .out = gated ? 2 * ffn : ffn, .has_bias = bias },
                            .fc2 = { .in = ffn, .out = out, .has_bias = bias } };
    if (!gated)
        return j;
    j.merge = (ts_linear){ .in = wide, .out = out, .has_bias = true };
    j.proj = (ts_linear){ .in = out, .out = out, .has_bias = bias };
    j.proj_norm = (ts_norm_layer){ .present = true, .has_bias = true, .width = out,
                                     .op = { .layer = true, .eps = 1e-5f, .is_kept = true } };
    return j;
}

static ts_status declare_joint(const ts_declarer *d, const char *name, ts_joint_layer *j)
{
    const ts_declarer in = ts_declare_in(d, name);
    if (j->merge.out) {
        TS_TRY(ts_linear_declare(&in, "merge", &j->merge));
        TS_TRY(ts_linear_declare(&in, "proj", &j->proj));
        TS_TRY(ts_norm_declare(&in, "proj_norm", &j->proj_norm));
    }
    TS_TRY(ts_norm_declare(&in, "norm", &j->norm));
    return ts_mlp_declare(&in, &j->mlp);
}

/* A block of the tower: rows see each other both ways. */
static ts_block block_of(const ts_vision_arch *v, int64_t i)
{
    ts_block b = ts_decoder_block(&v->tower, i);
    b.attention.mask = (ts_attention_mask){ .kind = TS_MASK_BIDIRECTIONAL };
    b.attention.rope.rot_dim = v->tower.n_ropes ? v->tower.head_dim : 0;
    return b;
}

static ts_status declare_blocks(const ts_declarer *d, ts_tower *t)
{
    char name[32];
    for (int64_t i = 0; i < t->v->tower.n_layers; i++) {
        snprintf(name, sizeof name, "decoder.layers.%d", (int)i);
        const ts_declarer in = ts_declare_in(d, name);
        ts_declare_unit(d);
        t->block[i] = block_of(t->v, i);
        TS_TRY(ts_block_declare(&in, &t->block[i]));
    }
    return TS_OK;
}

static ts_status declare_taps(const ts_declarer *d, ts_tower *t, int64_t out)
{
    char name[32];
    for (int64_t i = 0; i < ts_vision_taps(t->v); i++) {
        t->tap[i] = joint_of(t->v, true, out);
        snprintf(name, sizeof name, "vision_projection.taps.%d", (int)i);
        TS_TRY(declare_joint(d, name, &t->tap[i]));
    }
    return TS_OK;
}

ts_status ts_tower_declare(const ts_declarer *d, ts_tower *t, int64_t out)
{
    const ts_vision_arch *v = t->v;
    const ts_arch *a = &v->tower;
    const ts_declarer in = ts_declare_in(d, "vision_model");
    const ts_param_spec row = { .place = ts_place_whole(v->class_decays ? 1 : a->hidden, v->class_decays ? a->hidden : 0),
                                .is_matrix = v->class_decays };
    ts_declare_unit(d);
    t->patch = (ts_linear){ .in = ts_vision_pixels(v), .out = a->hidden, .has_bias = v->patch_bias };
    TS_TRY(ts_linear_declare(&in, "patch_embedding", &t->patch));
    if (v->has_class)
        TS_TRY(ts_declare(&in, "class_embedding", &row, &t->class_row));
    t->places = (ts_linear){ .in = v->places_rows, .out = a->hidden };
    if (v->placing != TS_PLACES_NONE)
        TS_TRY(ts_linear_declare(&in, "position_embeddings", &t->places));
    t->pre_norm = ts_decoder_norm(a, v->pre_norm);
    t->pre_norm.op.is_kept = true;
    TS_TRY(ts_norm_declare(&in, "pre_layernorm", &t->pre_norm));
    TS_TRY(declare_blocks(&in, t));
    ts_declare_unit(d);
    t->post_norm = ts_decoder_norm(a, v->post_norm);
    if (v->post_norm_layer)
        t->post_norm.op.layer = t->post_norm.has_bias = true;
    TS_TRY(ts_norm_declare(&in, "decoder.final_layernorm", &t->post_norm));
    t->joint = joint_of(v, false, out);
    TS_TRY(declare_joint(d, "vision_projection", &t->joint));
    return declare_taps(d, t, out);
}

/* ---- a pass ---- */

typedef struct pass {
    const ts_tower *t;
    const ts_pictures *p;
    int64_t rows, frames;     /* of the tower; of the latter those that have a row of the class */
    ts_tower_row *row;
    ts_tensor *cos, *sin, *pos, *window_first, *window_last, *first, *last;
    ts_chosen_rows patches, classes; /* among the rows, where there are classes */
    ts_run run, windowed;
} pass;

static ts_status room(ts_tape *tape, int64_t n, int32_t **out) { return ts_arena_alloc(&tape->arena, (size_t)(n ? n : 1) * sizeof **out, out); }

static ts_status put(ts_tape *tape, const int32_t *host, int64_t n, ts_tensor **out)
{
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_I32, tape->dev->computes ? host : NULL, n, out));
    return ts_tape_hold(tape, *out);
}

/* Those rows that are, or are not, of the class. */
static ts_status choose(ts_tape *tape, const pass *w, bool classes, ts_chosen_rows *out)
{
    int32_t *at, *back;
    ts_tensor *t;
    TS_TRY(room(tape, w->rows, &at));
    TS_TRY(room(tape, w->rows, &back));
    out->n = 0;
    for (int64_t i = 0; i < w->rows; i++) {
        const bool is = (w->row[i].pixels < 0) == classes;
        if (is)
            at[out->n++] = (int32_t)i;
        back[i] = is ? (int32_t)out->n : 0;
    }
    TS_TRY(put(tape, at, out->n, &t));
    out->at = t;
    TS_TRY(put(tape, back, w->rows, &t));
    out->back = t;
    return TS_OK;
}

static ts_status put_ranges(ts_tape *tape, pass *w)
{
    int32_t *v;
    TS_TRY(room(tape, 5 * w->rows, &v));
    for (int64_t i = 0; i < w->rows; i++) {
        v[i] = (int32_t)i;
        v[w->rows + i] = w->row[i].first, v[2 * w->rows + i] = w->row[i].last;
        v[3 * w->rows + i] = w->row[i].window_first, v[4 * w->rows + i] = w->row[i].window_last;
    }
    TS_TRY(put(tape, v, w->rows, &w->pos));
    TS_TRY(put(tape, v + w->rows, w->rows, &w->first));
    TS_TRY(put(tape, v + 2 * w->rows, w->rows, &w->last));
    TS_TRY(put(tape, v + 3 * w->rows, w->rows, &w->window_first));
    return put(tape, v + 4 * w->rows, w->rows, &w->window_last);
}

/* n values of fp32 in rows of cols. */
static ts_status put_reals(ts_tape *tape, const float *v, int64_t rows, int64_t cols, ts_tensor **out)
{
    TS_TRY(ts_tape_upload(tape, TS_DTYPE_F32, tape->dev->computes ? v : NULL, rows * cols, out));
    return ts_op_reshape(tape, *out, cols, out);
}

static ts_status put_turns(ts_tape *tape, pass *w)
{
    const int64_t n = w->rows * (w->t->v->tower.head_dim / 2);
    float *v;
    if (!w->t->v->tower.n_ropes)
        return TS_OK;
    TS_TRY(ts_alloc(&v, (size_t)(2 * n), sizeof *v));
    ts_status st = tape->dev->computes ? ts_tower_turns(w->t->v, w->row, w->rows, v, v + n) : TS_OK;
    if (st == TS_OK)
        st = put_reals(tape, v, w->rows, n / w->rows, &w->cos);
    if (st == TS_OK)
        st = put_reals(tape, v + n, w->rows, n / w->rows, &w->sin);
    ts_free(&v);
    TS_TRY(st);
    TS_TRY(ts_tape_hold(tape, w->cos));
    return ts_tape_hold(tape, w->sin);
}

/* Pixels in the order of the tower's rows, [patches, values of one]. */
static ts_status put_pixels(ts_tape *tape, const pass *w, ts_tensor **out)
{
    const int64_t cols = ts_vision_pixels(w->t->v), n = ts_pictures_patches(w->p);
    float *v;
    TS_TRY(ts_alloc(&v, (size_t)(n * cols), sizeof *v));
    int64_t at = 0;
    for (int64_t i = 0; tape->dev->computes && i < w->rows; i++)
        if (w->row[i].pixels >= 0)
            memcpy(v + at++ * cols, w->p->pixels + w->row[i].pixels * cols, (size_t)cols * sizeof *v);
    const ts_status st = put_reals(tape, v, n, cols, out);
    ts_free(&v);
    TS_TRY(st);
    return ts_op_cast(tape, *out, w->t->compute, out);
}

static ts_status put_places(ts_tape *tape, const pass *w, ts_tensor **out)
{
    const int64_t cols = w->t->v->places_rows;
    float *v;
    TS_TRY(ts_alloc(&v, (size_t)(w->rows * cols), sizeof *v));
    if (tape->dev->computes)
        ts_tower_mix(w->t->v, w->p, w->row, w->rows, v);
    const ts_status st = put_reals(tape, v, w->rows, cols, out);
    ts_free(&v);
    TS_TRY(st);
    TS_TRY(ts_op_cast(tape, *out, w->t->compute, out));
    return ts_linear_forward(tape, &w->t->places, *out, out);
}

/* The class's row, once a frame. */
static ts_status put_classes(ts_tape *tape, const pass *w, ts_tensor **out)
{
    ts_tensor *ones;
    TS_TRY(ts_op_ones(tape, w->classes.n, &ones));
    TS_TRY(ts_op_cast(tape, ones, w->t->compute, &ones));
    TS_TRY(ts_op_repeat_cols(tape, ones, w->t->v->tower.hidden, &ones));
    return ts_op_weigh_cols(tape, ones, w->t->class_row, out);
}

/* What the first block reads. */
static ts_status embed(ts_tape *tape, const pass *w, ts_tensor **x)
{
    ts_tensor *patches, *places, *classes;
    TS_TRY(put_pixels(tape, w, &patches));
    TS_TRY(ts_linear_forward(tape, &w->t->patch, patches, &patches));
    if (w->t->v->pre_norm_first)
        TS_TRY(ts_op_norm(tape, &w->t->pre_norm.op, patches, NULL, NULL, &patches));
    *x = patches;
    if (w->t->v->placing != TS_PLACES_NONE)
        TS_TRY(put_places(tape, w, &places));
    if (w->t->v->has_class) {
        TS_TRY(put_classes(tape, w, &classes));
        TS_TRY(ts_op_add_rows(tape, places, &w->patches, patches, x));
        TS_TRY(ts_op_add_rows(tape, *x, &w->classes, classes, x));
    } else if (w->t->v->placing != TS_PLACES_NONE) {
        TS_TRY(ts_op_add(tape, patches, 1, places, 1, x));
    }
    return w->t->pre_norm.present && !w->t->v->pre_norm_first ? ts_op_norm(tape, &w->t->pre_norm.op, *x, NULL, NULL, x) : TS_OK;
}

/* Merged rows, brought to the decoder's width. */
static ts_status join(ts_tape *tape, const ts_joint_layer *j, ts_tensor *x, ts_tensor **y)
{
    const int64_t wide = j->v->merge * j->v->merge * j->v->tower.hidden;
    if (j->norm.present && !j->merged)
        TS_TRY(ts_op_norm(tape, &j->norm.op, x, NULL, NULL, &x));
    TS_TRY(ts_op_reshape(tape, x, wide, &x));
    if (j->norm.present && j->merged)
        TS_TRY(ts_op_norm(tape, &j->norm.op, x, NULL, NULL, &x));
    if (j->merge.out) {
        TS_TRY(ts_linear_forward(tape, &j->merge, x, &x));
        TS_TRY(ts_linear_forward(tape, &j->proj, x, &x));
        TS_TRY(ts_op_norm(tape, &j->proj_norm.op, x, NULL, NULL, &x));
        TS_TRY(ts_op_act(tape, TS_ACT_GELU, false, x, &x));
    }
    TS_TRY(ts_mlp_first(tape, &j->mlp, tape->run, 0, x, &x));
    return ts_mlp_second(tape, &j->mlp, tape->run, 0, x, y);
}

/* Without the class's rows. */
static ts_status leave_classes(ts_tape *tape, const pass *w, ts_tensor **x)
{
    return w->t->v->has_class ? ts_op_pick_rows(tape, *x, &w->patches, x) : TS_OK;
}

/* The stream behind block i, from where a tap may lead. */
static ts_status tap(ts_tape *tape, const pass *w, int64_t i, int *n, ts_tensor **x, ts_tensor **res, ts_tower_result *out)
{
    if (!(w->t->v->taps >> i & 1))
        return TS_OK;
    if (*res)
        TS_TRY(ts_op_add(tape, *x, 1, *res, 1, x));
    *res = NULL;
    ts_tensor *y = *x;
    TS_TRY(leave_classes(tape, w, &y));
    TS_TRY(join(tape, &w->t->tap[*n], y, &out->tap[*n]));
    (*n)++;
    return TS_OK;
}

static ts_status run_blocks(ts_tape *tape, pass *w, ts_tensor *x, ts_tower_result *out)
{
    const ts_vision_arch *v = w->t->v;
    ts_tensor *res = NULL;
    int n = 0;
    for (int64_t i = 0; i < v->behind; i++) {
        const ts_run *run = v->tower.layer[i].window ? &w->windowed : &w->run;
        ts_tensor *const x0 = x, *const res0 = res;
        TS_TRY(ts_block_forward(tape, &w->t->block[i], run, x0, res0, &x, &res));
        if (i > 0 && x0 != x)
            ts_tape_drop(tape, x0);
        if (res0)
            ts_tape_drop(tape, res0);
        TS_TRY(tap(tape, w, i, &n, &x, &res, out));
    }
    if (v->post_norm && !v->post_norm_idle)
        TS_TRY(ts_op_norm(tape, &w->t->post_norm.op, x, res, NULL, &x));
    else if (res)
        TS_TRY(ts_op_add(tape, x, 1, res, 1, &x));
    TS_TRY(leave_classes(tape, w, &x));
    return join(tape, &w->t->joint, x, &out->x);
}

static ts_status begin(ts_tape *tape, const ts_tower *t, const ts_pictures *p, ts_tower_result *out, pass **pass_out)
{
    pass *w;
    TS_TRY(ts_arena_alloc(&tape->arena, sizeof *w, &w));
    *w = (pass){ .t = t, .p = p, .rows = ts_tower_row_count(t->v, p) };
    out->rows = ts_pictures_rows(t->v, p);
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)w->rows * sizeof *w->row, &w->row));
    TS_TRY(room(tape, out->rows, &out->order));
    ts_tower_rows(t->v, p, w->row, out->order);
    TS_TRY(put_ranges(tape, w));
    TS_TRY(put_turns(tape, w));
    if (t->v->has_class) {
        TS_TRY(choose(tape, w, false, &w->patches));
        TS_TRY(choose(tape, w, true, &w->classes));
    }
    w->run = (ts_run){ .B = 1, .S = w->rows, .pos = w->pos, .cos = w->cos, .sin = w->sin, .first_key = w->first,
                       .last_key = w->last };
    w->windowed = w->run;
    w->windowed.first_key = w->window_first, w->windowed.last_key = w->window_last;
    *pass_out = w;
    return TS_OK;
}

static ts_status forward(ts_tape *tape, const ts_tower *t, const ts_pictures *p, ts_tower_result *out)
{
    pass *w;
    ts_tensor *x;
    TS_TRY(begin(tape, t, p, out, &w));
    tape->run = &w->run;
    TS_TRY(embed(tape, w, &x));
    return run_blocks(tape, w, x, out);
}

ts_status ts_tower_forward(ts_tape *tape, const ts_tower *t, const ts_pictures *p, ts_tower_result *out)
{
    const ts_run *before = tape->run;
    *out = (ts_tower_result){ 0 };
    ts_device_part(tape->dev, "vision tower", -1);
    TS_TRY(ts_tape_push(tape));
    const ts_status st = forward(tape, t, p, out);
    tape->run = before;
    for (int64_t i = 0; st == TS_OK && i < ts_vision_taps(t->v); i++) /* they join behind layers, perhaps again */
        TS_TRY(ts_tape_hold(tape, out->tap[i]));
    ts_tape_pop(tape, st == TS_OK ? out->x : NULL);
    return st;
}
