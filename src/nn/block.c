#include "nn/block.h"
#include "nn/show.h"
#include "ops/altup.h"
#include "ops/rows.h"

#include <math.h>

/* What takes per-layer embeddings, what mixes several streams, and the number that all is multiplied with. */
static ts_status declare_behind(const ts_declarer *d, ts_block *b)
{
    const ts_declarer in = ts_declare_in(d, "per_layer_input");
    const ts_param_spec one = { .place = ts_place_whole(1, 0), .start = TS_START_CONSTANT, .value = 1,
                                .is_fixed = true };
    if (b->per_layer.width) {
        TS_TRY(ts_per_layer_declare(&in, &b->per_layer));
        TS_TRY(ts_norm_declare(d, "post_per_layer_norm", &b->per_layer_norm));
        b->inject = ts_per_layer_sublayer(&b->per_layer);
    }
    if (b->altup.inputs)
        TS_TRY(ts_altup_declare(d, &b->altup));
    if (b->mixer.forward)
        TS_TRY(ts_hyper_declare(d, "attention_hyper", &b->mixer_hyper));
    if (b->feed.forward)
        TS_TRY(ts_hyper_declare(d, "mlp_hyper", &b->feed_hyper));
    b->scale = 1;
    const ts_param_spec vector = { .place = ts_place_whole(b->width, 0), .start = TS_START_CONSTANT, .value = 1 };
    if (b->has_scales) {
        TS_TRY(ts_declare(d, "attention_scale", &vector, &b->mixer_scale));
        TS_TRY(ts_declare(d, "mlp_scale", &vector, &b->feed_scale));
    }
    return b->has_scalar ? ts_declare(d, "layer_scalar", &one, &b->scalar) : TS_OK;
}

/* Behind the MLP and the experts themselves. */
static ts_status declare_joined(const ts_declarer *mlp, ts_block *b)
{
    const ts_declarer experts = ts_declare_in(mlp, "experts");
    TS_TRY(ts_norm_declare(mlp, "norm", &b->joined.mlp_out));
    TS_TRY(ts_norm_declare(&experts, "out_norm", &b->joined.experts_out));
    b->joined.mlp_in = &b->pre_mlp_norm;
    b->feed = ts_joined_sublayer(&b->joined);
    return TS_OK;
}

/* A layer of Mamba 1, 2 or 3. */
static ts_status declare_scan(const ts_declarer *mixer, ts_block *b)
{
    b->mixer = b->mamba.heads    ? ts_mamba_sublayer(&b->mamba)
               : b->mamba3.heads ? ts_mamba3_sublayer(&b->mamba3)
                                 : ts_selective_sublayer(&b->selective);
    return b->mamba.heads    ? ts_mamba_declare(mixer, &b->mamba)
           : b->mamba3.heads ? ts_mamba3_declare(mixer, &b->mamba3)
                             : ts_selective_declare(mixer, &b->selective);
}

/* Attention, or what is in its place. */
static ts_status declare_mixer(const ts_declarer *d, ts_block *b)
{
    const ts_declarer attention = ts_declare_in(d, "self_attention"), mixer = ts_declare_in(d, "mixer");
    if (b->beside.present) {
        TS_TRY(ts_mamba_declare(&mixer, &b->mamba));
        TS_TRY(ts_attention_declare(&attention, &b->attention));
        b->beside.scan = ts_mamba_sublayer(&b->mamba);
        b->beside.attention = ts_attention_sublayer(&b->attention);
        b->mixer = ts_beside_sublayer(&b->beside);
    } else if (b->short_conv.hidden) {
        const ts_declarer conv = ts_declare_in(d, "short_conv");
        TS_TRY(ts_short_conv_declare(&conv, &b->short_conv));
        b->mixer = ts_short_conv_sublayer(&b->short_conv);
    } else if (b->latent.n_heads) {
        TS_TRY(ts_latent_declare(&attention, &b->latent));
        b->mixer = ts_latent_sublayer(&b->latent);
    } else if (b->compressed.n_heads) {
        TS_TRY(ts_compressed_declare(&attention, &b->compressed));
        b->mixer = ts_compressed_sublayer(&b->compressed);
    } else if (b->attention.n_q) {
        TS_TRY(ts_attention_declare(&attention, &b->attention));
        b->mixer = ts_attention_sublayer(&b->attention);
    } else if (b->mamba.heads || b->mamba3.heads || b->selective.channels) {
        TS_TRY(declare_scan(&mixer, b));
    } else if (b->delta.heads) {
        TS_TRY(ts_delta_declare(&attention, &b->delta));
        b->mixer = ts_delta_sublayer(&b->delta);
    } else if (b->kda.heads) {
        TS_TRY(ts_kda_declare(&attention, &b->kda));
        b->mixer = ts_kda_sublayer(&b->kda);
    }
    return TS_OK;
}

ts_status ts_block_declare(const ts_declarer *d, ts_block *b)
{
    const ts_declarer cross = ts_declare_in(d, "cross_attention"), mlp = ts_declare_in(d, "mlp");
    TS_TRY(ts_norm_declare(d, "input_layernorm", &b->input_norm));
    TS_TRY(declare_mixer(d, b));
    TS_TRY(ts_norm_declare(d, "post_attn_norm", &b->post_attn_norm));
    if (b->cross_attention.n_q) {
        TS_TRY(ts_norm_declare(d, "pre_cross_attn_layernorm", &b->pre_cross_norm));
        TS_TRY(ts_attention_declare(&cross, &b->cross_attention));
        TS_TRY(ts_norm_declare(d, "post_cross_attn_norm", &b->post_cross_norm));
        b->cross = ts_cross_attention_sublayer(&b->cross_attention);
    }
    TS_TRY(ts_norm_declare(d, "pre_mlp_layernorm", &b->pre_mlp_norm));
    if (b->experts.experts) {
        TS_TRY(ts_experts_declare(&mlp, &b->experts));
        b->feed = b->shortcut.experts = b->joined.experts = ts_experts_sublayer(&b->experts);
    }
    if (b->mlp.fc1.out) {
        TS_TRY(ts_mlp_declare(&mlp, &b->mlp));
        b->feed = b->shortcut.mlp = b->joined.mlp = ts_mlp_sublayer(&b->mlp);
    }
    if (b->shortcut.present)
        b->feed = ts_shortcut_sublayer(&b->shortcut);
    if (b->joined.present)
        TS_TRY(declare_joined(&mlp, b));
    TS_TRY(ts_norm_declare(d, "post_mlp_layernorm", &b->post_mlp_norm));
    return declare_behind(d, b);
}

/* A sublayer with its norms, and the stream of random numbers of its dropout. */
typedef struct part {
    const ts_norm_layer *before, *after;
    const char *before_name, *after_name;
    const ts_sublayer *sublayer;
    const ts_hyper_layer *hyper; /* of several streams */
    ts_rng_purpose dropout;
    int64_t stream;
    ts_layer_part enters, runs; /* what is kept counts as theirs */
    ts_param *scale; /* NULL: none */
} part;

static const ts_norm_layer no_norm = { 0 };

static part mixer_of(const ts_block *b)
{
    return (part){ &b->input_norm, &b->post_attn_norm, "input_layernorm", "post_attn_norm", &b->mixer, &b->mixer_hyper,
                   TS_RNG_HIDDEN_DROPOUT, 2 * b->number + 1, TS_PART_INPUT_NORM, TS_PART_ATTENTION, b->mixer_scale };
}

static part cross_of(const ts_block *b)
{
    return (part){ &b->pre_cross_norm, &b->post_cross_norm, "pre_cross_attn_layernorm",
                   "post_cross_attn_norm", &b->cross, NULL, TS_RNG_CROSS_HIDDEN_DROPOUT, b->number, TS_LAYER_PARTS,
                   TS_LAYER_PARTS, NULL };
}

static part feed_of(const ts_block *b)
{
    return (part){ b->joined.present ? &no_norm : &b->pre_mlp_norm, &b->post_mlp_norm, "pre_mlp_layernorm", "post_mlp_layernorm",
                   &b->feed, &b->feed_hyper, TS_RNG_HIDDEN_DROPOUT, 2 * b->number + 2, TS_PART_MLP_NORM, TS_PART_MLP, b->feed_scale };
}

static part inject_of(const ts_block *b)
{
    return (part){ &no_norm, &b->per_layer_norm, "", "post_per_layer_norm", &b->inject, NULL,
                   TS_RNG_CROSS_HIDDEN_DROPOUT, b->number, TS_LAYER_PARTS, TS_LAYER_PARTS, NULL };
}

static ts_status show_norm(ts_tape *tape, const ts_block *b, const ts_run *run, const ts_norm_layer *n,
                           const char *name, ts_tensor *y)
{
    const ts_shown_columns columns = ts_columns_whole(n->width);
    return ts_show(tape, run, b->number, "", name, &columns, y);
}

/* What happens to a sublayer's output before it joins the residual stream. */
static ts_status finish_sublayer(ts_tape *tape, const ts_block *b, const part *p,
                                 const ts_run *run, ts_tensor *x, ts_tensor **y)
{
    *y = x;
    if (p->after->present) {
        TS_TRY(ts_op_norm(tape, &p->after->op, *y, NULL, NULL, y));
        TS_TRY(show_norm(tape, b, run, p->after, p->after_name, *y));
    }
    if (p->scale)
        TS_TRY(ts_op_weigh_cols(tape, *y, p->scale, y));
    if (run->hidden_dropout > 0) {
        const ts_rng rng = ts_run_rng(run, p->dropout, p->stream);
        const ts_row_places rows = ts_run_numbers(run, run->row0);
        TS_TRY(ts_op_dropout(tape, *y, run->hidden_dropout, &rng, &rows, y));
    }
    if (b->residual_scale != 1)
        TS_TRY(ts_op_add(tape, *y, b->residual_scale, NULL, 0, y));
    return TS_OK;
}

/* s = x + res and what the sublayer reads: its norm, or s itself. */
static ts_status enter(ts_tape *tape, const ts_block *b, const part *p, const ts_run *run,
                       ts_tensor *x, ts_tensor *res, ts_tensor **s, ts_tensor **y)
{
    if (p->before->present) {
        TS_TRY(ts_op_norm(tape, &p->before->op, x, res, s, y));
        return show_norm(tape, b, run, p->before, p->before_name, *y);
    }
    if (res)
        TS_TRY(ts_op_add(tape, x, 1, res, 1, s));
    else
        *s = x;
    *y = *s;
    return TS_OK;
}

/* What records keep from now on is of this part of the layer. */
static void begin_part(ts_tape *tape, const ts_block *b, const ts_run *run, ts_layer_part p)
{
    tape->waits = tape->recording && ts_run_swaps(run, b->number, p);
}

/* What a part makes of h, which it has entered with. */
static ts_status run_part(ts_tape *tape, const ts_block *b, const part *p, const ts_run *run,
                          ts_tensor *h, ts_tensor **y)
{
    begin_part(tape, b, run, p->runs);
    TS_TRY(p->sublayer->forward(p->sublayer->module, tape, run, b->number, h, y));
    return finish_sublayer(tape, b, p, run, *y, y);
}

static ts_status enter_and_run(ts_tape *tape, const ts_block *b, const part *p, const ts_run *run,
                               ts_tensor *const in[2], ts_tensor *out[2])
{
    ts_tensor *h;
    begin_part(tape, b, run, p->enters);
    TS_TRY(enter(tape, b, p, run, in[0], in[1], &out[0], &h));
    return run_part(tape, b, p, run, h, &out[1]);
}

/* The stream in two parts, before and after. */
static ts_status part_in_frame(ts_tape *tape, const ts_block *b, const part *p, const ts_run *run,
                               ts_tensor *const in[2], ts_tensor *out[2])
{
    TS_TRY(ts_tape_push(tape));
    const ts_status st = enter_and_run(tape, b, p, run, in, out);
    ts_tape_pop2(tape, st == TS_OK ? out[0] : NULL, st == TS_OK ? out[1] : NULL);
    return st;
}

static ts_status sequential(ts_tape *tape, const ts_block *b, const ts_run *run,
                            ts_tensor *const in[2], ts_tensor *out[2])
{
    const part all[] = { mixer_of(b), cross_of(b), feed_of(b), inject_of(b) };
    part there[4];
    int n = 0;
    for (int i = 0; i < 4; i++)
        if (all[i].sublayer->forward)
            there[n++] = all[i];
    ts_tensor *now[2] = { in[0], in[1] }, *next[2];
    for (int i = 0; i < n - 1; i++) {
        TS_TRY(part_in_frame(tape, b, &there[i], run, now, next));
        if (i > 0 && now[0] != next[0])
            ts_tape_drop(tape, now[0]);
        if (i > 0)
            ts_tape_drop(tape, now[1]);
        now[0] = next[0], now[1] = next[1];
    }
    return enter_and_run(tape, b, &there[n - 1], run, now, out);
}

/* ---- attention and experts in slices ---- */

/* One part of each sequence. */
typedef struct slice {
    ts_run run;
    ts_tensor *s, *y; /* the stream, in two parts, behind the layer */
    ts_experts_pass *experts;
} slice;

static bool is_sliced(const ts_block *b, const ts_run *run)
{
    return b->experts.apart && b->experts.apart->among > 1 && !run->state;
}

/* Slice i of rows of which all slices are taken so. */
static ts_status take_slice(ts_tape *tape, const ts_run *run, int64_t i, ts_tensor *x, ts_tensor **y)
{
    ts_tensor **piece;
    int64_t *rows;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)run->B * sizeof(ts_tensor *), &piece));
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)run->B * sizeof *rows, &rows));
    for (int64_t k = 0; k < run->B; k++) {
        rows[k] = run->S;
        TS_TRY(ts_op_piece_rows(tape, x, (k * run->slices + i) * run->S, run->S, &piece[k]));
    }
    return ts_op_join_rows(tape, piece, rows, run->B, run->B * run->S, y);
}

/* The other way: sequence after sequence. */
static ts_status join_slices(ts_tape *tape, const ts_run *run, ts_tensor *const *slices, ts_tensor **y)
{
    const int64_t N = run->slices, n = run->B * N;
    ts_tensor **piece;
    int64_t *rows;
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)n * sizeof(ts_tensor *), &piece));
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)n * sizeof *rows, &rows));
    for (int64_t i = 0; i < n; i++) {
        rows[i] = run->S;
        piece[i] = slices[i % N];
        if (run->B > 1)
            TS_TRY(ts_op_piece_rows(tape, slices[i % N], i / N * run->S, run->S, &piece[i]));
    }
    return ts_op_join_rows(tape, piece, rows, n, n * run->S, y);
}

/* Attention of slice i, and its rows are on their way to experts. */
static ts_status begin_slice(ts_tape *tape, const ts_block *b, const ts_run *whole, ts_tensor *stream, ts_tensor *rows,
                             slice *x)
{
    const part mixer = mixer_of(b), feed = feed_of(b);
    const ts_run *run = &x->run;
    ts_tensor *own, *y, *h;
    TS_TRY(ts_attention_slice(tape, &b->attention, whole, b->number, rows, run->slice * run->S, run->S, &y));
    TS_TRY(finish_sublayer(tape, b, &mixer, run, y, &y));
    TS_TRY(take_slice(tape, run, run->slice, stream, &own));
    TS_TRY(enter(tape, b, &feed, run, own, y, &x->s, &h));
    return ts_experts_begin(tape, &b->experts, run, b->number, h, &x->experts);
}

static ts_status finish_slice(ts_tape *tape, const ts_block *b, slice *x)
{
    const part feed = feed_of(b);
    TS_TRY(ts_experts_finish(tape, x->experts, &x->y));
    return finish_sublayer(tape, b, &feed, &x->run, x->y, &x->y);
}

/* Queries in slices (MindSpeed's Ampipe; Chen et al., ICLR 2024): while rows of one travel to experts and back, attention
 * and experts of its neighbours compute. The backward pass has the same the other way round.
 *
 *   attention 0 | attention 1 | experts 0 | attention 2 | experts 1 | ...      one after another, and beside them
 *               | 0 goes      | 1 goes    | 0 back      | 2 goes    | ... */
static ts_status sliced(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *const in[2], ts_tensor *out[2])
{
    const part mixer = mixer_of(b);
    const int64_t N = b->experts.apart->among;
    ts_tensor *stream, *h, *rows, **s, **y;
    ts_balance_slices *together;
    slice *all;
    TS_ASSERT(run->S % N == 0 && !b->cross.forward && !b->inject.forward && b->pre_mlp_norm.present,
              "layer %lld in %lld slices", (long long)b->number, (long long)N);
    TS_TRY(ts_arena_alloc(&tape->arena, (size_t)N * sizeof *all, &all));
    TS_TRY(ts_arena_alloc(&tape->arena, 2 * (size_t)N * sizeof(ts_tensor *), &s));
    y = s + N;
    TS_TRY(ts_balance_slices_make(tape, N, run->B, &together));
    TS_TRY(enter(tape, b, &mixer, run, in[0], in[1], &stream, &h));
    if (stream == in[0]) /* slices take it for themselves */
        TS_TRY(ts_op_add(tape, stream, 1, NULL, 0, &stream));
    TS_TRY(ts_attention_begin(tape, &b->attention, run, b->number, h, &rows));
    for (int64_t i = 0; i <= N; i++) {
        if (i < N) {
            all[i] = (slice){ .run = *run };
            all[i].run.S = run->S / N, all[i].run.row0 = run->row0 / N;
            all[i].run.slices = N, all[i].run.slice = i, all[i].run.together = together;
            TS_TRY(begin_slice(tape, b, run, stream, rows, &all[i]));
        }
        if (i > 0)
            TS_TRY(ts_experts_compute(tape, all[i - 1].experts));
    }
    for (int64_t i = 0; i < N; i++) {
        TS_TRY(finish_slice(tape, b, &all[i]));
        s[i] = all[i].s, y[i] = all[i].y;
    }
    TS_TRY(join_slices(tape, &all[0].run, s, &out[0]));
    return join_slices(tape, &all[0].run, y, &out[1]);
}

static ts_status parallel(ts_tape *tape, const ts_block *b, const ts_run *run,
                          ts_tensor *const in[2], ts_tensor *out[2])
{
    const part mixer = mixer_of(b), feed = feed_of(b);
    ts_tensor *s[2], *h;
    const ts_norm_layer *own = &b->pre_mlp_norm;
    TS_ASSERT(!b->cross.forward && !b->inject.forward, "layer %lld has more than attention beside its MLP",
              (long long)b->number);
    begin_part(tape, b, run, mixer.enters);
    TS_TRY(enter(tape, b, &mixer, run, in[0], in[1], &s[0], &h));
    TS_TRY(run_part(tape, b, &mixer, run, h, &s[1]));
    begin_part(tape, b, run, feed.enters);
    if (own->present) { /* else both read the same norm */
        TS_TRY(ts_op_norm(tape, &own->op, s[0], NULL, NULL, &h));
        TS_TRY(show_norm(tape, b, run, own, feed.before_name, h));
    }
    TS_TRY(run_part(tape, b, &feed, run, h, &out[1]));
    tape->waits = false;
    return ts_op_add(tape, s[0], 1, s[1], 1, &out[0]);
}

/* Attention and MLP of the stream that layers work on: y of what predictions say of it. */
static ts_status update(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *p, ts_tensor **y)
{
    const part mixer = mixer_of(b), feed = feed_of(b);
    const float half = (float)sqrt(0.5);
    ts_tensor *x, *h, *beside, *sum;
    TS_TRY(ts_altup_active(tape, &b->altup, p, &x));
    begin_part(tape, b, run, mixer.enters);
    TS_TRY(enter(tape, b, &mixer, run, x, NULL, &x, &h));
    TS_TRY(ts_altup_laurel(tape, &b->altup, h, &beside));
    TS_TRY(run_part(tape, b, &mixer, run, h, &h));
    TS_TRY(ts_op_add(tape, x, 1, h, 1, &sum));
    TS_TRY(ts_op_add(tape, sum, half, beside, half, &sum));
    begin_part(tape, b, run, feed.enters);
    TS_TRY(enter(tape, b, &feed, run, sum, NULL, &sum, &h));
    TS_TRY(run_part(tape, b, &feed, run, h, &h));
    tape->waits = false;
    return ts_op_add(tape, sum, 1, h, 1, y);
}

/* Several streams: predicted from each other, corrected by what the layer makes of one; per-layer embeddings go
 * to all but the first. */
static ts_status alternating(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *const in[2],
                             ts_tensor *out[2])
{
    const part inject = inject_of(b);
    ts_tensor *p, *y, *s;
    TS_ASSERT(!in[1] && b->inject.forward, "layer %lld: streams in two parts", (long long)b->number);
    TS_TRY(ts_altup_predict(tape, &b->altup, in[0], &p));
    TS_TRY(update(tape, b, run, p, &y));
    TS_TRY(ts_altup_correct(tape, &b->altup, p, y, &s));
    TS_TRY(ts_altup_active(tape, &b->altup, s, &y));
    TS_TRY(ts_op_weigh_cols(tape, y, b->altup.scale, &y));
    TS_TRY(run_part(tape, b, &inject, run, y, &y));
    out[1] = NULL;
    return ts_op_add_streams(tape, s, y, 1, &out[0]);
}

static ts_status connect(ts_tape *tape, const ts_block *b, const part *p, const ts_run *run, ts_tensor *s, ts_tensor **out)
{
    ts_tensor *x, *y;
    ts_hyper_mix mix;
    begin_part(tape, b, run, p->enters);
    TS_TRY(ts_hyper_read(tape, p->hyper, s, &x, &mix));
    TS_TRY(enter(tape, b, p, run, x, NULL, &x, &y));
    TS_TRY(run_part(tape, b, p, run, y, &y));
    return ts_hyper_write(tape, p->hyper, s, y, &mix, out);
}

/* Several streams, which each part reads, writes and mixes. */
static ts_status connected(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *const in[2], ts_tensor *out[2])
{
    const part all[] = { mixer_of(b), feed_of(b) };
    ts_tensor *s = in[0];
    TS_ASSERT(!in[1] && !b->cross.forward && !b->inject.forward, "layer %lld: streams in two parts", (long long)b->number);
    for (int i = 0; i < 2; i++) {
        ts_tensor *before = s;
        if (!all[i].sublayer->forward)
            continue;
        TS_TRY(ts_tape_push(tape));
        const ts_status st = connect(tape, b, &all[i], run, before, &s);
        ts_tape_pop(tape, st == TS_OK ? s : NULL);
        TS_TRY(st);
        if (before != in[0])
            ts_tape_drop(tape, before);
    }
    out[0] = s, out[1] = NULL;
    return TS_OK;
}

/* What the layer before, and the pass, add behind this layer. */
static ts_status join(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor **x)
{
    if (b->joins_shortcut)
        TS_TRY(ts_op_add(tape, *x, 1, run->lent[b->number - 1], 1, x));
    for (int i = 0; i < run->n_joins; i++) {
        const ts_join *j = &run->joins[i];
        if (j->layer == b->number)
            TS_TRY(j->rows ? ts_op_add_rows(tape, *x, j->rows, j->x, x)
                           : ts_op_add(tape, *x, 1, j->x, 1, x));
    }
    return TS_OK;
}

static ts_status scale_stream(ts_tape *tape, const ts_block *b, ts_tensor *out[2])
{
    TS_TRY(ts_op_add(tape, out[0], b->scale, out[1], b->scale, &out[0]));
    out[1] = NULL;
    return TS_OK;
}

ts_status ts_block_forward(ts_tape *tape, const ts_block *b, const ts_run *run, ts_tensor *x,
                           ts_tensor *res, ts_tensor **x_out, ts_tensor **res_out)
{
    ts_tensor *const in[2] = { x, res };
    ts_tensor *out[2];
    ts_device_part(tape->dev, "norm", b->number);
    TS_TRY(ts_tape_push(tape));
    const bool several = b->mixer_hyper.op.streams > 0;
    ts_status st = (b->parallel         ? parallel
                    : b->altup.inputs   ? alternating
                    : several           ? connected
                    : is_sliced(b, run) ? sliced
                                        : sequential)(tape, b, run, in, out);
    tape->waits = false;
    if (st == TS_OK)
        st = join(tape, b, run, &out[0]);
    if (st == TS_OK && b->has_scalar)
        st = scale_stream(tape, b, out);
    ts_tape_pop2(tape, st == TS_OK ? out[0] : NULL, st == TS_OK ? out[1] : NULL);
    if (st == TS_OK)
        *x_out = out[0], *res_out = out[1];
    return st;
}
