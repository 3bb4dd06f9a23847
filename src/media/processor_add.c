#include "media/processor.h"

#include "media/clip.h"
#include "media/families.h"
#include "media/frames.h"

#include <string.h>

bool ts_media_processor_reads(const ts_media_processor *p, ts_medium_kind kind)
{
    const bool reads[] = { p->family->picture_class != NULL, p->family->clip_class != NULL, p->family->sound != TS_SOUND_NONE };
    return reads[kind];
}

const char *ts_media_placeholder(const ts_media_processor *p, ts_medium_kind kind) { return p->word[(int)kind]; }
bool ts_media_is_transcribed(const ts_media_processor *p) { return p->family->sound == TS_SOUND_WHISPER; }
bool ts_media_doubles_start(const ts_media_processor *p) { return p->family->doubles_start; }
bool ts_media_marks_itself(const ts_media_processor *p) { return p->family->marks_itself; }

static void medium_deinit(ts_medium *m)
{
    ts_free(&m->name);
    ts_free(&m->times);
    ts_free(&m->text);
}

void ts_media_sample_deinit(ts_media_sample *s)
{
    for (size_t i = 0; i < s->n; i++)
        medium_deinit(&s->v[i]);
    for (size_t i = 0; i < s->n_sounds; i++)
        ts_sound_deinit(&s->sounds[i]);
    ts_free(&s->v);
    ts_free(&s->sounds);
    ts_media_tensors_deinit(&s->tensors);
    *s = (ts_media_sample){ 0 };
}

static ts_status check_kind(const ts_media_processor *p, ts_medium_kind kind, const char *name)
{
    if (!ts_media_processor_reads(p, kind))
        return ts_error(TS_ERR_USER, "%s: models of the kind \"%s\" read no %s", name, p->family->model_type, ts_medium_word(kind));
    return TS_OK;
}

/* A new medium at the sample's end. */
static ts_status begin(const ts_media_processor *p, ts_medium_kind kind, const char *name, ts_media_sample *s, ts_medium **out)
{
    TS_TRY(check_kind(p, kind, name));
    TS_TRY(ts_grow(&s->v, &s->cap, s->n + 1, sizeof *s->v));
    ts_medium m = { .kind = kind };
    TS_TRY(ts_strdup(name, &m.name));
    s->v[s->n] = m;
    *out = &s->v[s->n++];
    return TS_OK;
}

/* Appends n numbers as a row. */
static ts_status put_row(ts_media_sample *s, const char *name, const int64_t *v, int64_t n)
{
    ts_media_tensor *t = NULL;
    int64_t *row = NULL;
    TS_TRY(ts_media_tensors_of(&s->tensors, name, TS_ST_I64, 2, &n, &t));
    TS_TRY(ts_media_tensor_rows(t, 1, &row));
    memcpy(row, v, (size_t)n * sizeof *v);
    return TS_OK;
}

static void set_grid(const ts_vision_settings *v, const ts_plan *plan, int64_t frames, int64_t *grid)
{
    grid[0] = (frames + v->temporal - 1) / v->temporal;
    grid[1] = plan->view[0].height / v->patch;
    grid[2] = plan->view[0].width / v->patch;
}

/* ---- pictures ---- */

static ts_status render_picture(const ts_media_processor *p, const ts_picture *picture, const ts_plan *plan, ts_medium *m,
                                ts_media_sample *s)
{
    const ts_vision_settings *v = &p->picture;
    if (!p->family->patches) {
        for (int i = 0; i < plan->n; i++)
            if (plan->view[i].rows * plan->view[i].columns > 1 || plan->view[i].is_local)
                m->tiles[0] = plan->view[i].columns, m->tiles[1] = plan->view[i].rows;
        m->n_pictures = ts_plan_pictures(plan);
        return ts_render_planes(v, &p->picture_levels, plan, picture, &s->tensors);
    }
    set_grid(v, plan, 1, m->grid);
    TS_TRY(ts_render_patches(v, &p->picture_levels, plan, picture, 0, true, "pixel_values", &s->tensors));
    return put_row(s, "image_grid_thw", m->grid, 3);
}

static ts_status add_picture(const ts_media_processor *p, const ts_picture *picture, ts_medium *m, ts_media_sample *s)
{
    ts_plan plan;
    m->width = picture->width, m->height = picture->height;
    /* a picture counts as one group of frames */
    TS_TRY(ts_plan_make(&p->picture, m->name, m->width, m->height, p->picture.temporal, &plan));
    TS_TRY(render_picture(p, picture, &plan, m, s));
    if (p->family->picture_count == TS_COUNT_ANYRES)
        TS_TRY(put_row(s, "image_sizes", (const int64_t[]){ m->height, m->width }, 2));
    m->tokens = ts_media_count(p, m, &plan);
    return ts_media_write_text(p, m, NULL);
}

ts_status ts_media_add_picture(const ts_media_processor *p, const ts_picture *picture, const char *name, ts_media_sample *s)
{
    ts_medium *m = NULL;
    TS_TRY(begin(p, TS_MEDIUM_PICTURE, name, s, &m));
    return add_picture(p, picture, m, s);
}

ts_status ts_media_add_picture_file(const ts_media_processor *p, const char *path, ts_media_sample *s)
{
    ts_picture picture = { 0 };
    TS_TRY(check_kind(p, TS_MEDIUM_PICTURE, path));
    TS_TRY(ts_picture_read(path, &picture));
    const ts_status st = ts_media_add_picture(p, &picture, path, s);
    ts_picture_deinit(&picture);
    return st;
}

/* ---- clips ---- */

typedef struct filming {
    const ts_media_processor *p;
    ts_medium *m;
    ts_media_sample *s;
    ts_plan plan;
    bool is_planned;
} filming;

static ts_status add_frame(void *ctx, int64_t i, const ts_picture *frame)
{
    filming *f = ctx;
    const ts_media_processor *p = f->p;
    ts_medium *m = f->m;
    const bool patches = p->family->patches;
    if (!f->is_planned || !patches) {
        TS_TRY(ts_plan_make(&p->clip, m->name, frame->width, frame->height, m->n_frames, &f->plan));
        f->is_planned = true;
        m->width = m->width ? m->width : frame->width, m->height = m->height ? m->height : frame->height;
    }
    if (patches)
        return ts_render_patches(&p->clip, &p->clip_levels, &f->plan, frame, i, i == m->n_frames - 1, "pixel_values_videos",
                                 &f->s->tensors);
    m->n_pictures++;
    return ts_render_planes(&p->clip, &p->clip_levels, &f->plan, frame, &f->s->tensors);
}

/* What is known once the frames are: the grid, the ids. */
static ts_status end_clip(filming *f)
{
    ts_medium *m = f->m;
    if (f->p->family->patches) {
        set_grid(&f->p->clip, &f->plan, m->n_frames, m->grid);
        TS_TRY(put_row(f->s, "video_grid_thw", m->grid, 3));
    }
    m->tokens = ts_media_count(f->p, m, &f->plan);
    return TS_OK;
}

static ts_status set_times(ts_medium *m, const int64_t *index, int64_t n, double fps)
{
    m->n_frames = n;
    TS_TRY(ts_alloc(&m->times, (size_t)n, sizeof *m->times));
    for (int64_t i = 0; i < n; i++)
        m->times[i] = (double)(index ? index[i] : i) / fps;
    return TS_OK;
}

/* fps: as frames were sampled. */
static void set_seconds(const ts_media_processor *p, ts_medium *m, double fps)
{
    const double frames = (double)p->clip.temporal;
    switch (p->family->second) {
    case TS_SECOND_SAMPLED:
        m->second_per_grid = frames / fps;
        break;
    case TS_SECOND_TWO:
        m->second_per_grid = frames / 2;
        break;
    case TS_SECOND_ONE:
        m->second_per_grid = frames;
        break;
    case TS_SECOND_NONE:
        break;
    }
}

static ts_status film_file(filming *f, const char *path)
{
    ts_clip *c = NULL;
    int64_t *index = NULL, n = 0;
    TS_TRY(ts_clip_open(path, &c));
    const ts_clip_info *about = ts_clip_about(c);
    f->m->width = about->width, f->m->height = about->height;
    ts_status st = ts_frames_choose(&f->p->clip, path, about->frames, about->fps, &index, &n);
    if (st == TS_OK)
        st = set_times(f->m, index, n, about->fps);
    if (st == TS_OK) {
        set_seconds(f->p, f->m, (double)n / (double)about->frames * about->fps);
        st = ts_clip_each(c, index, n, add_frame, f);
    }
    ts_free(&index);
    ts_clip_close(&c);
    return st;
}

/* Pictures as frames: all of them, 24 a second, which transformers takes where nobody says it. */
static ts_status film_pictures(filming *f, const ts_clip_source *clip)
{
    enum { UNSAID_FPS = 24 };
    ts_status st = set_times(f->m, NULL, (int64_t)clip->n_frames, UNSAID_FPS);
    set_seconds(f->p, f->m, UNSAID_FPS);
    for (size_t i = 0; st == TS_OK && i < clip->n_frames; i++) {
        ts_picture picture = { 0 };
        st = ts_picture_read(clip->frames[i], &picture);
        if (st == TS_OK)
            st = add_frame(f, (int64_t)i, &picture);
        ts_picture_deinit(&picture);
    }
    return st;
}

static ts_status hold_sound(const ts_media_processor *p, ts_sound *sound, const char *name, ts_media_sample *s, ts_medium **out);

static ts_status add_own_sound(const ts_media_processor *p, const ts_clip_source *clip, size_t at, ts_media_sample *s)
{
    ts_sound sound = { 0 };
    ts_medium *m = NULL;
    if (p->family->own_sound == TS_OWN_SOUND_NONE)
        return ts_error(TS_ERR_USER, "%s: \"use_audio_in_video\": models of the kind \"%s\" have no place for a clip's sound",
                        s->v[at].name, p->family->model_type);
    if (!clip->path)
        return ts_error(TS_ERR_USER, "%s: \"use_audio_in_video\": a list of pictures has no sound", s->v[at].name);
    TS_TRY(ts_sound_read(clip->path, &sound));
    const ts_status st = hold_sound(p, &sound, clip->path, s, &m);
    ts_sound_deinit(&sound);
    if (st != TS_OK)
        return st;
    s->v[at].has_own_sound = true;
    return ts_media_write_text(p, &s->v[at], m);
}

ts_status ts_media_add_clip(const ts_media_processor *p, const ts_clip_source *clip, ts_media_sample *s)
{
    filming f = { .p = p, .s = s };
    const char *name = clip->path ? clip->path : clip->n_frames ? clip->frames[0] : "a clip";
    const size_t at = s->n;
    if (!clip->path && !clip->n_frames)
        return ts_error(TS_ERR_USER, "a clip of no pictures");
    TS_TRY(begin(p, TS_MEDIUM_CLIP, name, s, &f.m));
    TS_TRY(clip->path ? film_file(&f, clip->path) : film_pictures(&f, clip));
    TS_TRY(end_clip(&f));
    return clip->use_sound ? add_own_sound(p, clip, at, s) : ts_media_write_text(p, f.m, NULL);
}

/* ---- sounds ---- */

static bool has_longest(const ts_media_processor *p) { return p->family->sound != TS_SOUND_CHUNKED; }

/* Frames of the features that are sound, of so many samples among `padded`. */
static int64_t sound_frames(const ts_media_processor *p, int64_t n, int64_t padded)
{
    const int64_t hop = p->sound.hop, all = ts_mel_frames(p->mel, padded), own = (n + hop - 1) / hop;
    return own < all ? own : all;
}

/* Keeps the samples until it is known how long the sample's sounds are; taken over. */
static ts_status hold_sound(const ts_media_processor *p, ts_sound *sound, const char *name, ts_media_sample *s, ts_medium **out)
{
    ts_medium *m = NULL;
    TS_TRY(begin(p, TS_MEDIUM_SOUND, name, s, &m));
    if (sound->n <= p->sound.window / 2 && !has_longest(p))
        return ts_error(TS_ERR_USER, "%s: %lld samples of sound are too few", name, (long long)sound->n);
    m->seconds = (double)sound->n / TS_SOUND_RATE;
    if (has_longest(p) && sound->n > p->sound.most)
        sound->n = p->sound.most;
    m->tokens = ts_media_sound_count(p, sound_frames(p, sound->n, has_longest(p) ? p->sound.most : INT64_MAX / 2));
    TS_TRY(ts_grow(&s->sounds, &s->cap_sounds, s->n_sounds + 1, sizeof *s->sounds));
    s->sounds[s->n_sounds++] = *sound;
    *sound = (ts_sound){ 0 };
    *out = m;
    return TS_OK;
}

ts_status ts_media_add_sound(const ts_media_processor *p, ts_sound *sound, const char *name, ts_media_sample *s)
{
    ts_medium *m = NULL;
    TS_TRY(hold_sound(p, sound, name, s, &m));
    return ts_media_write_text(p, m, NULL);
}

ts_status ts_media_add_sound_file(const ts_media_processor *p, const char *path, ts_media_sample *s)
{
    ts_sound sound = { 0 };
    TS_TRY(check_kind(p, TS_MEDIUM_SOUND, path));
    TS_TRY(ts_sound_read(path, &sound));
    const ts_status st = ts_media_add_sound(p, &sound, path, s);
    ts_sound_deinit(&sound);
    return st;
}

static ts_status put_mask(const ts_media_processor *p, int64_t n, int64_t padded, ts_media_sample *s)
{
    const int64_t frames = ts_mel_frames(p->mel, padded), own = sound_frames(p, n, padded);
    ts_media_tensor *t = NULL;
    int64_t *row = NULL;
    TS_TRY(ts_media_tensors_of(&s->tensors, "feature_attention_mask", TS_ST_I64, 2, &frames, &t));
    TS_TRY(ts_media_tensor_rows(t, 1, &row));
    for (int64_t i = 0; i < own; i++)
        row[i] = 1;
    return TS_OK;
}

ts_status ts_media_finish(const ts_media_processor *p, ts_media_sample *s)
{
    int64_t padded = 0;
    for (size_t i = 0; i < s->n_sounds; i++)
        padded = s->sounds[i].n > padded ? s->sounds[i].n : padded;
    if (has_longest(p))
        padded = p->sound.most;
    for (size_t i = 0; i < s->n_sounds; i++) {
        const int64_t inner[] = { p->sound.bands, ts_mel_frames(p->mel, padded) };
        ts_media_tensor *t = NULL;
        float *rows = NULL;
        TS_TRY(ts_media_tensors_of(&s->tensors, "input_features", TS_ST_F32, 3, inner, &t));
        TS_TRY(ts_media_tensor_rows(t, 1, &rows));
        TS_TRY(ts_mel_run(p->mel, s->sounds[i].samples, s->sounds[i].n, padded, rows));
        if (p->family->sound != TS_SOUND_WHISPER)
            TS_TRY(put_mask(p, s->sounds[i].n, padded, s));
    }
    for (; s->n_sounds; s->n_sounds--)
        ts_sound_deinit(&s->sounds[s->n_sounds - 1]);
    return TS_OK;
}
