#include "model/vision.h"

#include "model/arch_rows.h"

#include <string.h>

#define V(type_, field_, ...)                                                                      \
    { .field = #field_, .key = #field_, .type = TS_FIELD_##type_, .offset = offsetof(ts_vision_arch, field_), \
      .size = sizeof((ts_vision_arch *)0)->field_, __VA_ARGS__ }
#define VISION_MOST 65536
const ts_field_row ts_vision_rows[] = {
    V(INT, form, .hi = 16),
    V(INT, channels, .def = 3, .lo = 1, .hi = 16, .name = "in_channels"),
    V(INT, frames, .def = 1, .lo = 1, .hi = 64, .name = "temporal_patch_size"),
    V(INT, patch, .def = 14, .lo = 1, .hi = 1024, .name = "patch_size"),
    V(INT, merge, .def = 1, .lo = 1, .hi = 64, .name = "spatial_merge_size"),
    V(INT, side, .hi = VISION_MOST, .name = "image_size"),
    V(INT, window, .hi = VISION_MOST, .name = "window_size"),
    V(INT, behind, .hi = TS_ARCH_MAX_LAYERS),
    V(INT, taps, .hi = 1LL << 52),
    V(BOOL, in_blocks, .def = 0),
    V(BOOL, patch_bias, .def = 0),
    V(BOOL, has_class, .def = 0),
    V(BOOL, class_decays, .def = 0),
    V(CHOICE, placing, .choices = TS_CHOICES(TS_VISION_PLACES)),
    V(INT, places_rows, .hi = 1 << 24, .name = "num_position_embeddings"),
    V(BOOL, places_stacked, .def = 0),
    V(BOOL, pre_norm, .def = 0),
    V(BOOL, post_norm, .def = 0),
    V(BOOL, pre_norm_first, .def = 0),
    V(BOOL, post_norm_idle, .def = 0),
    V(BOOL, post_norm_layer, .def = 0),
    V(CHOICE, joint, .choices = TS_CHOICES(TS_VISION_JOINTS)),
    V(BOOL, joint_norm, .def = 0),
    V(BOOL, joint_norm_merged, .def = 0),
    V(BOOL, joint_rms, .def = 0),
    V(REAL, joint_eps, .def = 1e-6, .hi = 1),
    V(BOOL, joint_bias, .def = true),
    V(INT, joint_ffn, .hi = TS_ARCH_MAX_WIDTH, .name = "width of the projector"),
    V(CHOICE, joint_act, .def = TS_ACT_GELU, .choices = TS_CHOICES(TS_ACTS)),
    V(INT, image_token, .def = -1, .lo = -1, .hi = INT32_MAX, .name = "image_token_id"),
    V(INT, video_token, .def = -1, .lo = -1, .hi = INT32_MAX, .name = "video_token_id"),
    V(INT, clip_begins, .def = -1, .lo = -1, .hi = INT32_MAX, .name = "video_start_token_id"),
    V(INT, clip_ends, .def = -1, .lo = -1, .hi = INT32_MAX, .name = "video_end_token_id"),
    V(INT, turns_time, .hi = TS_ARCH_MAX_HEAD_DIM, .name = "mrope_section"),
    V(INT, turns_row, .hi = TS_ARCH_MAX_HEAD_DIM, .name = "mrope_section"),
    V(INT, turns_column, .hi = TS_ARCH_MAX_HEAD_DIM, .name = "mrope_section"),
    V(BOOL, turns_mixed, .def = 0),
    V(REAL, per_second, .hi = 1e6, .name = "tokens_per_second"),
};
const size_t ts_vision_row_count = sizeof ts_vision_rows / sizeof *ts_vision_rows;

ts_status ts_vision_create(ts_arch *a)
{
    TS_TRY(ts_alloc(&a->vision, 1, sizeof *a->vision));
    for (size_t i = 0; i < ts_vision_row_count; i++)
        ts_field_set(a->vision, &ts_vision_rows[i], ts_vision_rows[i].def);
    ts_arch_init(&a->vision->tower);
    return TS_OK;
}

void ts_vision_destroy(ts_vision_arch **v)
{
    if (*v)
        ts_arch_deinit(&(*v)->tower);
    ts_free(v);
}

ts_status ts_vision_copy(const ts_vision_arch *v, ts_vision_arch **out)
{
    ts_vision_arch *to;
    *out = NULL;
    if (!v)
        return TS_OK;
    TS_TRY(ts_alloc(&to, 1, sizeof *to));
    *to = *v;
    const ts_status st = ts_arch_copy(&v->tower, &to->tower);
    if (st == TS_OK)
        *out = to;
    else
        ts_free(&to);
    return st;
}

bool ts_vision_equal(const ts_vision_arch *a, const ts_vision_arch *b)
{
    if (!a || !b)
        return a == b;
    for (size_t i = 0; i < ts_vision_row_count; i++)
        if (ts_field_is_told(&ts_vision_rows[i]) &&
            ts_field_get(a, &ts_vision_rows[i]) != ts_field_get(b, &ts_vision_rows[i]))
            return false;
    return !strcmp(a->text, b->text) && ts_arch_equal(&a->tower, &b->tower);
}

bool ts_tower_has(const char *parameter)
{
    return !strncmp(parameter, TS_TOWER_NAMES, strlen(TS_TOWER_NAMES)) ||
           !strncmp(parameter, TS_JOINT_NAMES, strlen(TS_JOINT_NAMES));
}

int64_t ts_vision_taps(const ts_vision_arch *v)
{
    int64_t n = 0;
    for (int64_t bits = v->taps; bits; bits &= bits - 1)
        n++;
    return n;
}

static ts_status check_bounds(const ts_vision_arch *v, const char *file)
{
    for (size_t i = 0; i < ts_vision_row_count; i++) {
        const ts_field_row *r = &ts_vision_rows[i];
        const double x = ts_field_get(v, r);
        if ((r->lo != 0 || r->hi != 0) && !(x >= r->lo && x <= r->hi))
            return ts_error(TS_ERR_USER, "%s: the vision tower's %s is %g, expected %g to %g", file, r->name ? r->name : r->key, x,
                            r->lo, r->hi);
    }
    return TS_OK;
}

ts_status ts_vision_check(const ts_arch *a, const char *file)
{
    const ts_vision_arch *v = a->vision;
    TS_TRY(ts_arch_check(&v->tower, file));
    TS_TRY(check_bounds(v, file));
    const int64_t pairs = a->n_ropes ? a->rope[0].dim / 2 : 0;
    if (ts_vision_turns(v) && v->turns_time + v->turns_row + v->turns_column != pairs)
        return ts_error(TS_ERR_USER, "%s: mrope_section adds up to %lld pairs, but %lld of a head turn", file,
                        (long long)(v->turns_time + v->turns_row + v->turns_column), (long long)pairs);
    if (v->behind > v->tower.n_layers)
        return ts_error(TS_ERR_USER, "%s: features come from behind layer %lld of a vision tower of %lld", file,
                        (long long)v->behind, (long long)v->tower.n_layers);
    if (ts_vision_taps(v) > TS_VISION_TAPS || ts_vision_taps(v) > a->n_layers || v->taps >> v->behind)
        return ts_error(TS_ERR_USER, "%s: deepstack_visual_indexes name layers that are not there, or more than %d or the "
                        "decoder's layers", file, TS_VISION_TAPS);
    if (v->tower.n_ropes && v->tower.head_dim % 4)
        return ts_error(TS_ERR_USER, "%s: a head of the vision tower is %lld wide, expected a multiple of 4", file,
                        (long long)v->tower.head_dim);
    return TS_OK;
}
