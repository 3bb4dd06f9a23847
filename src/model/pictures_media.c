/* Pictures of sequences out of what a processor has made of their media. */
#include "model/pictures.h"

#include "model/families/vision.h"

#include <string.h>

static void take(const ts_media_tensors *t, const char *pixels, const char *grid, ts_seen_media *out)
{
    const ts_media_tensor *p = ts_media_tensors_find(t, pixels), *g = ts_media_tensors_find(t, grid);
    out->what = pixels;
    if (!p || !ts_media_tensor_elements(p))
        return;
    out->pixels = p->data;
    out->rank = p->rank;
    memcpy(out->shape, p->shape, (size_t)p->rank * sizeof *p->shape);
    if (g)
        out->grid = g->data, out->n = g->shape[0];
}

/* Seconds that a step of each clip's grid is. */
static ts_status take_seconds(const ts_media_sample *s, double **out)
{
    size_t n = 0;
    TS_TRY(ts_alloc(out, s->n, sizeof **out));
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].kind == TS_MEDIUM_CLIP)
            (*out)[n++] = s->v[i].second_per_grid > 0 ? s->v[i].second_per_grid : 1;
    return TS_OK;
}

ts_status ts_picture_set_of(const ts_arch *a, const ts_media_sample *s, const int32_t *ids, int64_t n, const char *where,
                            ts_picture_set *out)
{
    ts_seen_media seen[TS_SEEN_KINDS] = { 0 };
    double *seconds;
    take(&s->tensors, "pixel_values", "image_grid_thw", &seen[TS_SEEN_PICTURES]);
    take(&s->tensors, "pixel_values_videos", "video_grid_thw", &seen[TS_SEEN_CLIPS]);
    if (ts_media_tensors_find(&s->tensors, "input_features"))
        return ts_error(TS_ERR_USER, "%s: the model hears no sounds here", where);
    TS_TRY(take_seconds(s, &seconds));
    seen[TS_SEEN_CLIPS].seconds = seconds;
    const ts_status st = ts_picture_set_make(a, ids, n, seen, where, out);
    ts_free(&seconds);
    return st;
}

ts_status ts_vision_settle_token(const ts_family *f, const ts_tokenizer *tok, ts_arch *a)
{
    if (!f || !f->vision || !f->vision->placeholder || a->vision->image_token >= 0)
        return TS_OK;
    const int32_t id = ts_tokenizer_token_id(tok, f->vision->placeholder);
    if (id < 0 || id >= a->vocab)
        return ts_error(TS_ERR_USER, "the tokenizer has no token %s, for which the model has rows of pictures", f->vision->placeholder);
    a->vision->image_token = id;
    return TS_OK;
}
