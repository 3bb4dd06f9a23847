/* How long a model's processor takes for a file of a medium, decoding and all: bench_media FOLDER KIND FILE [REPEATS].
 * KIND: image, video, audio. Prints the median in milliseconds. bench/media.py runs it beside transformers. */
#include "media/processor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ts_status once(const ts_media_processor *p, const char *kind, const char *path)
{
    ts_media_sample s = { 0 };
    const ts_clip_source clip = { .path = path };
    ts_status st = !strcmp(kind, "image")   ? ts_media_add_picture_file(p, path, &s)
                   : !strcmp(kind, "video") ? ts_media_add_clip(p, &clip, &s)
                                            : ts_media_add_sound_file(p, path, &s);
    if (st == TS_OK)
        st = ts_media_finish(p, &s);
    ts_media_sample_deinit(&s);
    return st;
}

int main(int argc, char **argv)
{
    enum { MOST = 1000 };
    double ms[MOST];
    ts_media_processor *p = NULL;
    const int n = argc > 4 ? atoi(argv[4]) : 9;
    if (argc < 4 || n < 1 || n > MOST) {
        fprintf(stderr, "usage: bench_media FOLDER image|video|audio FILE [REPEATS]\n");
        return 2;
    }
    ts_status st = ts_media_processor_open(argv[1], NULL, &p);
    for (int i = 0; st == TS_OK && p && i < n; i++) {
        const double from = now_ms();
        st = once(p, argv[2], argv[3]);
        ms[i] = now_ms() - from;
    }
    if (st != TS_OK || !p)
        fprintf(stderr, "%s\n", st != TS_OK ? ts_error_message() : "the folder's model reads no media");
    else {
        qsort(ms, (size_t)n, sizeof *ms, by_value);
        printf("%.3f\n", ms[n / 2]);
    }
    ts_media_processor_close(&p);
    return st != TS_OK;
}
