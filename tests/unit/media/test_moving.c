/* Clips and sounds beside PyAV, soundfile and soxr. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "refs.h"

#include "media/decoded.h"
#include "media/clip.h"
#include "media/sound.h"

/* How far a sound may be: formats of whole numbers and floats come out as they are; MP3 and Vorbis decoders differ in the
 * last bits; another rate by the resampler, 1.6 % of the signal. */
static const struct {
    const char *name;
    double most, share;
} sounds[] = { { "mono16.wav", 1e-6, 1 }, { "float.wav", 1e-6, 1 },   { "eight.wav", 1, 0.016 },
               { "stereo.flac", 1, 0.016 }, { "sound.mp3", 1e-4, 1 }, { "sound.ogg", 1e-4, 1 } };

static void sounds_decode(void **state)
{
    ts_st_file *refs = NULL;
    (void)state;
    OK(ts_st_file_open(MEDIA "moving.safetensors", &refs));
    for (size_t i = 0; i < sizeof sounds / sizeof *sounds; i++) {
        const ts_st_tensor *t = ref_at(refs, sounds[i].name);
        char path[256];
        ts_sound s = { 0 };
        double d2 = 0, w2 = 0;
        snprintf(path, sizeof path, MEDIA "%s", sounds[i].name);
        OK(ts_sound_read(path, &s));
        assert_int_equal(s.n, t->elements);
        for (int64_t k = 0; k < s.n; k++) {
            float want;
            memcpy(&want, (const char *)t->data + (size_t)k * sizeof want, sizeof want);
            d2 += (double)(s.samples[k] - want) * (double)(s.samples[k] - want);
            w2 += (double)want * (double)want;
        }
        const double most = floats_differ(s.samples, t->data, (size_t)s.n), share = sqrt(d2 / w2);
        if (!(most <= sounds[i].most && share <= sounds[i].share))
            fail_msg("%s: off by %g, %g of the signal", sounds[i].name, most, share);
        ts_sound_deinit(&s);
    }
    ts_st_file_destroy(&refs);
}

static void clips_decode(void **state)
{
    static const char *const names[] = { "exact.mkv", "h264.mp4" };
    ts_st_file *refs = NULL;
    (void)state;
    OK(ts_st_file_open(MEDIA "moving.safetensors", &refs));
    for (size_t i = 0; i < 2; i++) {
        const ts_st_tensor *t = ref_at(refs, names[i]);
        char path[256], fps_name[64];
        ts_decoded d = { 0 };
        double mean, fps;
        snprintf(path, sizeof path, MEDIA "%s", names[i]);
        snprintf(fps_name, sizeof fps_name, "%s.fps", names[i]);
        memcpy(&fps, ref_at(refs, fps_name)->data, sizeof fps);
        OK(ts_decoded_read(path, &d));
        assert_int_equal(d.kind, TS_MEDIUM_CLIP);
        assert_true(d.fps == fps);
        const ts_media_tensor *got = ts_media_tensors_find(&d.tensors, "frames");
        assert_non_null(got);
        assert_int_equal(ts_media_tensor_elements(got), t->elements);
        const int most = bytes_differ(got->data, t->data, t->size, &mean);
        if (i == 0 ? most != 0 : mean > 4)
            fail_msg("%s: off by %d, %g on average", names[i], most, mean);
        ts_decoded_deinit(&d);
    }
    ts_st_file_destroy(&refs);
}

typedef struct picked {
    const ts_st_tensor *want;
    const int64_t *index;
    int64_t n;
} picked;

static ts_status compare(void *ctx, int64_t i, const ts_picture *frame)
{
    picked *p = ctx;
    const size_t size = (size_t)(3 * frame->width * frame->height);
    assert_int_equal(i, p->n++);
    assert_memory_equal(frame->rgb, (const char *)p->want->data + (size_t)p->index[i] * size, size);
    return TS_OK;
}

/* Frames by number, some of them twice, and again from the beginning. */
static void frames_are_picked(void **state)
{
    static const int64_t index[] = { 0, 3, 3, 7, 9, 9 };
    ts_st_file *refs = NULL;
    ts_clip *c = NULL;
    (void)state;
    OK(ts_st_file_open(MEDIA "moving.safetensors", &refs));
    OK(ts_clip_open(MEDIA "exact.mkv", &c));
    assert_int_equal(ts_clip_about(c)->frames, 10);
    assert_true(ts_clip_about(c)->has_sound);
    for (int round = 0; round < 2; round++) {
        picked p = { ref_at(refs, "exact.mkv"), index, 0 };
        OK(ts_clip_each(c, index, 6, compare, &p));
        assert_int_equal(p.n, 6);
    }
    const int64_t beyond = 10;
    REFUSED(ts_clip_each(c, &beyond, 1, compare, NULL), TS_ERR_USER, "it has 10 frames");
    ts_clip_close(&c);
    ts_st_file_destroy(&refs);
}

static void wrong_files_are_refused(void **state)
{
    ts_decoded d = { 0 };
    ts_sound s = { 0 };
    ts_clip *c = NULL;
    (void)state;
    REFUSED(ts_decoded_read("README.md", &d), TS_ERR_USER, "README.md");
    REFUSED(ts_sound_read(MEDIA "h264.mp4", &s), TS_ERR_USER, "h264.mp4: there is no sound in it");
    REFUSED(ts_clip_open(MEDIA "mono16.wav", &c), TS_ERR_USER, "mono16.wav: there is no moving picture in it");
    REFUSED(ts_sound_read(MEDIA "absent.wav", &s), TS_ERR_USER, "absent.wav");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sounds_decode),
        cmocka_unit_test(clips_decode),
        cmocka_unit_test(frames_are_picked),
        cmocka_unit_test(wrong_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
