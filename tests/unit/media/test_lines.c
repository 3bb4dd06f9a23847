/* Conversations with media beside the processors of transformers: ids, labels, tensors of each family. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "refs.h"

#include "data/media/lines.h"
#include "io/jsonl.h"
#include "media/families.h"
#include "media/positions.h"

static void check_ids(const char *what, const ts_ids *got, const json_t *want)
{
    if (got->n != json_array_size(want))
        fail_msg("%s: %zu, not %zu", what, got->n, json_array_size(want));
    for (size_t i = 0; i < got->n; i++)
        if (got->v[i] != (int32_t)json_integer_value(json_array_get(want, i)))
            fail_msg("%s: number %zu is %d, not %lld", what, i, (int)got->v[i], (long long)json_integer_value(json_array_get(want, i)));
}

/* Levels become numbers by the same fp32 steps for pictures; for clips torchvision has the factor in mean and deviation:
 * three roundings of numbers of about 4. */
static void check_tensor(const char *name, const ts_media_tensor *got, const ts_st_tensor *want)
{
    if (!got)
        fail_msg("%s is missing", name);
    bool fits = got->rank == want->rank;
    for (int d = 0; fits && d < want->rank; d++)
        fits = got->shape[d] == want->shape[d];
    if (!fits)
        fail_msg("%s: %lld rows of another shape than %lld", name, (long long)got->shape[0], (long long)want->shape[0]);
    if (want->dtype == TS_ST_I64) {
        assert_memory_equal(got->data, want->data, want->size);
        return;
    }
    const double most = floats_differ(got->data, want->data, (size_t)want->elements);
    if (!(most <= 4 * 3 * 6e-8))
        fail_msg("%s: off by %g", name, most);
}

static void check_tensors(const ts_media_line *l, const ts_st_file *refs, size_t line)
{
    char prefix[16];
    size_t n = 0;
    snprintf(prefix, sizeof prefix, "%zu.", line);
    for (int64_t i = 0; i < ts_st_file_count(refs); i++) {
        const ts_st_tensor *t = ts_st_file_at(refs, i);
        if (strncmp(t->name, prefix, strlen(prefix)) != 0)
            continue;
        check_tensor(t->name, ts_media_tensors_find(&l->media.tensors, t->name + strlen(prefix)), t);
        n++;
    }
    assert_int_equal(n, l->media.tensors.n);
}

/* What the positions' walk is given of a line: kind [l->ids.n], media [l->media.n]. */
static ts_placed_text placed_text(const ts_media_processor *p, const ts_media_line *l, int8_t *kind, ts_placed_medium *media)
{
    for (size_t i = 0; i < l->ids.n; i++) {
        kind[i] = -1;
        for (int k = 0; k < TS_MEDIUM_KINDS; k++)
            if (p->feature_id[k] >= 0 && p->feature_id[k] == l->ids.v[i])
                kind[i] = (int8_t)k;
    }
    for (size_t i = 0; i < l->media.n; i++) {
        const ts_medium *m = &l->media.v[i];
        const bool is_clip = m->kind == TS_MEDIUM_CLIP, is_sound = m->kind == TS_MEDIUM_SOUND;
        const int64_t merge = is_clip ? p->clip.merge : p->picture.merge;
        media[i] = (ts_placed_medium){ .kind = m->kind, .step = 1, .has_own_sound = m->has_own_sound, .name = m->name };
        media[i].steps = is_sound ? m->tokens : m->grid[0];
        media[i].rows = is_sound ? 1 : m->grid[1] / merge;
        media[i].columns = is_sound ? 1 : m->grid[2] / merge;
        if (is_clip && p->family->second != TS_SECOND_NONE)
            media[i].step = p->ids_per_second * m->second_per_grid;
    }
    return (ts_placed_text){ .kind = kind, .n = (int64_t)l->ids.n, .media = media, .n_media = (int64_t)l->media.n };
}

/* By the release's rule every id of text is one behind all before it. */
static void check_largest(const ts_placed_text *t, int32_t *got)
{
    int64_t next = 0, most = -1;
    OK(ts_positions_make(t, TS_AFTER_LARGEST, got, &next));
    for (int64_t i = 0; i < t->n; i++) {
        for (int d = 0; t->kind[i] < 0 && d < 3; d++)
            assert_int_equal(got[d * t->n + i], most + 1);
        for (int d = 0; d < 3; d++)
            most = got[d * t->n + i] > most ? got[d * t->n + i] : most;
    }
    assert_int_equal(next, most + 1);
}

/* transformers' positions, where the family has such. It goes on by the extent, but for Omni's. */
static void check_positions(const char *what, const ts_media_processor *p, const ts_media_line *l, const json_t *row)
{
    const json_t *want = json_object_get(row, "positions");
    const int64_t n = (int64_t)l->ids.n;
    const ts_positions_after after = p->family->sound == TS_SOUND_NONE ? TS_AFTER_EXTENT : TS_AFTER_LARGEST;
    int32_t *got = NULL;
    int8_t *kind = NULL;
    ts_placed_medium *media = NULL;
    int64_t next = 0;
    if (!want)
        return;
    OK(ts_alloc(&got, (size_t)(3 * n), sizeof *got));
    OK(ts_alloc(&kind, (size_t)n, sizeof *kind));
    OK(ts_alloc(&media, l->media.n, sizeof *media));
    ts_placed_text t = placed_text(p, l, kind, media);
    OK(ts_positions_make(&t, after, got, &next));
    for (int64_t i = 0; i < 3 * n; i++) {
        const json_int_t v = json_integer_value(json_array_get(json_array_get(want, (size_t)(i / n)), (size_t)(i % n)));
        if (got[i] != v)
            fail_msg("%s: position %lld of id %lld is %d, not %lld", what, (long long)(i / n), (long long)(i % n), (int)got[i],
                     (long long)v);
    }
    assert_int_equal(next, json_integer_value(json_object_get(row, "next")));
    check_largest(&t, got);
    if (l->media.n) { /* a text that was cut within a medium, and one with a medium too many */
        t.n_media = 0;
        REFUSED(ts_positions_make(&t, after, got, &next), TS_ERR_USER, "no more media");
        t.n_media = (int64_t)l->media.n;
        t.n = 8;
        REFUSED(ts_positions_make(&t, after, got, &next), TS_ERR_USER, "was it cut?");
    }
    ts_free(&got);
    ts_free(&kind);
    ts_free(&media);
}

static void run_family(const char *family)
{
    static const char *const keys[] = { "ids", "labels" };
    char path[256];
    ts_tokenizer *tok = NULL;
    ts_tokenizer_scratch *scratch = NULL;
    ts_media_reader r;
    ts_media_line l = { 0 };
    ts_st_file *refs = NULL;
    ts_jsonl in, want;
    ts_jsonl_line text;
    snprintf(path, sizeof path, MEDIA "%s", family);
    OK(ts_tokenizer_open(path, NULL, &tok));
    OK(ts_tokenizer_scratch_create(tok, &scratch));
    OK(ts_media_reader_open(path, NULL, tok, &r));
    snprintf(path, sizeof path, MEDIA "%s/want.safetensors", family);
    OK(ts_st_file_open(path, &refs));
    snprintf(path, sizeof path, MEDIA "%s/lines.jsonl", family);
    OK(ts_jsonl_open(path, keys, 1, TS_BAD_RECORD_STOP, &in));
    snprintf(path, sizeof path, MEDIA "%s/want.jsonl", family);
    OK(ts_jsonl_open(path, keys, 1, TS_BAD_RECORD_STOP, &want));
    for (size_t i = 0;; i++) {
        json_t *line = NULL, *row = NULL;
        OK(ts_jsonl_read_line(&in, &text));
        if (!text.s)
            break;
        OK(ts_json_parse(text.s, text.n, "lines.jsonl", &line));
        OK(ts_jsonl_read_line(&want, &text));
        assert_non_null(text.s);
        OK(ts_json_parse(text.s, text.n, "want.jsonl", &row));
        OK(ts_media_reader_read(&r, scratch, line, MEDIA, false, &l));
        snprintf(path, sizeof path, "%s, line %zu", family, i);
        check_ids(path, &l.ids, json_object_get(row, "ids"));
        check_ids(path, &l.labels, json_object_get(row, "labels"));
        check_tensors(&l, refs, i);
        check_positions(path, r.processor, &l, row);
        json_decref(line);
        json_decref(row);
    }
    ts_jsonl_close(&in);
    ts_jsonl_close(&want);
    ts_st_file_destroy(&refs);
    ts_media_line_deinit(&l);
    ts_media_reader_close(&r);
    ts_tokenizer_scratch_destroy(&scratch);
    ts_tokenizer_destroy(&tok);
}

#define FAMILY(name)                                                                                               \
    static void name(void **state)                                                                                 \
    {                                                                                                              \
        (void)state;                                                                                               \
        run_family(#name);                                                                                         \
    }
FAMILY(qwen2_vl)
FAMILY(qwen2_5_vl)
FAMILY(qwen3_vl)
FAMILY(glm4v)
FAMILY(internvl)
FAMILY(llava)
FAMILY(llava_next)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qwen2_vl), cmocka_unit_test(qwen2_5_vl), cmocka_unit_test(qwen3_vl), cmocka_unit_test(glm4v),
        cmocka_unit_test(internvl), cmocka_unit_test(llava),    cmocka_unit_test(llava_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
