/* Pictures and log-mel beside Pillow and transformers. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "refs.h"

#include "media/mel.h"
#include "media/resize.h"

/* Of each file Pillow's bytes; of lossy ones within what separates conforming decoders. */
static void decodes_as_pillow(void **state)
{
    ts_st_file *refs = NULL;
    (void)state;
    OK(ts_st_file_open(MEDIA "pictures.safetensors", &refs));
    for (int64_t i = 0; i < ts_st_file_count(refs); i++) {
        const ts_st_tensor *t = ts_st_file_at(refs, i);
        const bool is_lossy = strstr(t->name, ".jpg") || !strcmp(t->name, "lossy.webp");
        char path[256];
        ts_picture p = { 0 };
        double mean;
        snprintf(path, sizeof path, MEDIA "%s", t->name);
        OK(ts_picture_read(path, &p));
        if (p.height != t->shape[0] || p.width != t->shape[1])
            fail_msg("%s: %lld x %lld", t->name, (long long)p.width, (long long)p.height);
        const int most = bytes_differ(p.rgb, t->data, t->size, &mean);
        if (most > (is_lossy ? 4 : 0) || mean > 0.5)
            fail_msg("%s: off by %d, %g on average", t->name, most, mean);
        ts_picture_deinit(&p);
    }
    ts_st_file_destroy(&refs);
}

/* A file without its end is refused, or (where only what follows the pixels is missing) the same picture; never more. */
static void cut_files_are_refused(void **state)
{
    static const char *const names[] = { "420.jpg", "progressive.jpg", "rgb.png", "palette.png", "lossy.webp",
                                         "alpha.webp", "plain.gif", "interlaced.gif", "rgb.bmp", "palette.bmp" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        ts_str file = { 0 };
        int refused = 0;
        snprintf(path, sizeof path, MEDIA "%s", names[i]);
        OK(ts_file_read(path, &file));
        for (size_t part = 1; part < 10; part++) {
            ts_picture p = { 0 };
            const ts_status st = ts_picture_decode((const uint8_t *)file.s, file.len * part / 10, names[i], &p);
            refused += st == TS_ERR_USER;
            if (st != TS_OK && !strstr(ts_error_message(), names[i]))
                fail_msg("%s: %s", names[i], ts_error_message());
            ts_picture_deinit(&p);
        }
        if (refused < 9)
            fail_msg("%s: %d of 9 parts are refused", names[i], refused);
        ts_str_deinit(&file);
    }
}

static void wrong_files_are_refused(void **state)
{
    static const uint8_t huge[] = "\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\1\0\0\0\1\0\0\x08\2\0\0\0\0\0\0\0";
    ts_picture p = { 0 };
    ts_str file = { 0 };
    (void)state;
    REFUSED(ts_picture_decode((const uint8_t *)"hello", 5, "x.txt", &p), TS_ERR_USER, "x.txt: not a picture");
    REFUSED(ts_picture_read(MEDIA "absent.png", &p), TS_ERR_USER, "absent.png");
    REFUSED(ts_picture_decode(huge, sizeof huge - 1, "huge.png", &p), TS_ERR_USER, "huge.png");
    /* a header that promises more than the file can hold */
    OK(ts_file_read(MEDIA "420.jpg", &file));
    for (size_t i = 0; i + 9 < file.len; i++)
        if ((uint8_t)file.s[i] == 0xFF && (uint8_t)file.s[i + 1] == 0xC0)
            file.s[i + 5] = file.s[i + 7] = 0x20;
    REFUSED(ts_picture_decode((const uint8_t *)file.s, file.len, "lies.jpg", &p), TS_ERR_USER, "lies.jpg: ");
    assert_null(p.rgb);
    ts_str_deinit(&file);
}

static void resizes_as_pillow(void **state)
{
    static const struct {
        const char *name;
        ts_resample how;
    } filters[] = { { "nearest", TS_RESAMPLE_NEAREST },   { "lanczos", TS_RESAMPLE_LANCZOS }, { "bilinear", TS_RESAMPLE_BILINEAR },
                    { "bicubic", TS_RESAMPLE_BICUBIC },   { "box", TS_RESAMPLE_BOX },         { "hamming", TS_RESAMPLE_HAMMING } };
    ts_st_file *refs = NULL;
    int seen = 0;
    (void)state;
    OK(ts_st_file_open(MEDIA "resized.safetensors", &refs));
    for (int64_t i = 0; i < ts_st_file_count(refs); i++) {
        const ts_st_tensor *t = ts_st_file_at(refs, i);
        char in_name[64];
        for (size_t k = 0; k < sizeof filters / sizeof *filters; k++) {
            if (!strstr(t->name, filters[k].name))
                continue;
            snprintf(in_name, sizeof in_name, "%.*s.in", (int)strcspn(t->name, "."), t->name);
            const ts_st_tensor *s = ref_at(refs, in_name);
            ts_picture in = { .width = s->shape[1], .height = s->shape[0] }, out = { 0 };
            /* a copy of its own, so that a read behind it is seen */
            OK(ts_alloc(&in.rgb, s->size, 1));
            memcpy(in.rgb, s->data, s->size);
            for (int way = TS_RESIZE_BEST; way <= TS_RESIZE_PORTABLE; way++) {
                double mean;
                OK(ts_picture_resize(&in, t->shape[1], t->shape[0], filters[k].how, (ts_resize_way)way, &out));
                const int most = bytes_differ(out.rgb, t->data, t->size, &mean);
                if (most)
                    fail_msg("%s, way %d: off by %d", t->name, way, most);
                ts_picture_deinit(&out);
            }
            ts_picture_deinit(&in);
            seen++;
        }
    }
    assert_int_equal(seen, 54);
    ts_st_file_destroy(&refs);
}

/* A feature is 4 + log10 of a power, by 4: a power's relative error e moves it by e / (4 ln 10). Sums of 400 terms in fp32,
 * here and there, and logarithms of bands that are nearly empty decide: 2e-3 is what a model's reader is asked for. */
static void mel_is_transformers(void **state)
{
    static const int bands[] = { 80, 128, 24 };
    ts_st_file *refs = NULL;
    (void)state;
    OK(ts_st_file_open(MEDIA "mel.safetensors", &refs));
    for (size_t i = 0; i < sizeof bands / sizeof *bands; i++)
        for (int own = 0; own < 2; own++) {
            const ts_sound_settings o = { .bands = bands[i], .hop = 160, .window = 400, .most = 16000 };
            char name[32];
            ts_mel *m = NULL;
            float *in = NULL, *out = NULL;
            snprintf(name, sizeof name, "%d.in", bands[i]);
            const ts_st_tensor *x = ref_at(refs, name);
            snprintf(name, sizeof name, "%d.%s", bands[i], own ? "own" : "padded");
            const ts_st_tensor *want = ref_at(refs, name);
            OK(ts_mel_create(&o, &m));
            OK(ts_alloc(&in, (size_t)x->elements, sizeof *in));
            OK(ts_alloc(&out, (size_t)want->elements, sizeof *out));
            memcpy(in, x->data, x->size);
            const int64_t padded = own ? x->elements : o.most;
            assert_int_equal(want->shape[1], ts_mel_frames(m, padded));
            OK(ts_mel_run(m, in, x->elements, padded, out));
            const double most = floats_differ(out, want->data, (size_t)want->elements);
            if (!(most <= 2e-3))
                fail_msg("%s: off by %g", name, most);
            ts_mel_destroy(&m);
            ts_free(&in);
            ts_free(&out);
        }
    ts_st_file_destroy(&refs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_as_pillow),       cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(wrong_files_are_refused), cmocka_unit_test(resizes_as_pillow),
        cmocka_unit_test(mel_is_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
