#include "cli/show_media.h"

#include "base/output.h"
#include "media/decoded.h"
#include "media/sound.h"

#include <stdio.h>

static void print_json(const ts_decoded *d)
{
    printf("{\"kind\": \"%s\"", ts_medium_word(d->kind));
    if (d->kind != TS_MEDIUM_SOUND)
        printf(", \"width\": %lld, \"height\": %lld", (long long)d->width, (long long)d->height);
    if (d->kind == TS_MEDIUM_CLIP)
        printf(", \"frames\": %lld, \"fps\": %.17g", (long long)d->frames, d->fps);
    if (d->kind == TS_MEDIUM_SOUND)
        printf(", \"seconds\": %.17g, \"rate\": %lld", (double)d->samples / TS_SOUND_RATE, (long long)d->rate);
    printf("}\n");
}

static void print_words(const char *path, const ts_decoded *d)
{
    if (d->kind == TS_MEDIUM_SOUND)
        printf("%s: %s, %.3f seconds of %lld samples, read as %lld samples at %d\n", path, ts_medium_word(d->kind),
               (double)d->samples / TS_SOUND_RATE, (long long)d->rate, (long long)d->samples, TS_SOUND_RATE);
    else if (d->kind == TS_MEDIUM_CLIP)
        printf("%s: %s, %lld x %lld, %lld frames, %g a second\n", path, ts_medium_word(d->kind), (long long)d->width,
               (long long)d->height, (long long)d->frames, d->fps);
    else
        printf("%s: %s, %lld x %lld\n", path, ts_medium_word(d->kind), (long long)d->width, (long long)d->height);
}

ts_status ts_show_media_file(const ts_show_media *o)
{
    ts_decoded d = { 0 };
    if (o->tensors)
        TS_TRY(ts_output_check("--tensors", o->tensors));
    ts_status st = ts_decoded_read(o->media, &d);
    if (st == TS_OK && o->tensors)
        st = ts_media_tensors_write(&d.tensors, 1, false, o->tensors);
    if (st == TS_OK && o->json)
        print_json(&d);
    else if (st == TS_OK)
        print_words(o->media, &d);
    ts_decoded_deinit(&d);
    return st;
}
