/* What the tests of the public interface share. They see include/tessera and the shared library
 * only, and compare with the program (TESSERA_PROGRAM). */
#ifndef TS_TESTS_API_H
#define TS_TESTS_API_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tessera/tessera.h>
#include <unistd.h>

#define N(array) (sizeof(array) / sizeof *(array))

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != TS_OK)                                                                       \
            fail_msg("%s: %s", #call, ts_error_message());                                         \
    } while (0)

/* The call is refused as a mistake of the user with a message that holds this text. */
#define REFUSED(call, text)                                                                        \
    do {                                                                                           \
        assert_int_equal(call, TS_ERR_USER);                                                       \
        if (!strstr(ts_error_message(), text))                                                     \
            fail_msg("%s: no \"%s\" in: %s", #call, text, ts_error_message());                     \
    } while (0)

typedef struct place {
    char dir[64];
    char text[512];
} place;

static inline void place_make(place *p)
{
    const char *root = getenv("TMPDIR");
    snprintf(p->dir, sizeof p->dir, "%.30s/tessera-api-XXXXXX", root && *root ? root : "/tmp");
    assert_non_null(mkdtemp(p->dir));
}

/* dir/name, valid until the next call. */
static inline const char *at(place *p, const char *name)
{
    snprintf(p->text, sizeof p->text, "%s/%s", p->dir, name);
    return p->text;
}

static inline int place_remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return strstr(path, "/tessera-api-") ? remove(path) : -1;
}

static inline void place_remove(place *p)
{
    assert_int_equal(nftw(p->dir, place_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The whole file, free()d by the caller. */
static inline char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s cannot be opened", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(*n + 1, 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, *n, f), *n);
    fclose(f);
    return text;
}

static inline void spill(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline void same_files(const char *a, const char *b)
{
    size_t n, m;
    char *x = slurp(a, &n), *y = slurp(b, &m);
    if (n != m || memcmp(x, y, n) != 0)
        fail_msg("%s and %s differ", a, b);
    free(x);
    free(y);
}

/* Runs `tessera ARGUMENTS`; its standard output, free()d by the caller. It must succeed. */
__attribute__((format(printf, 1, 2))) static inline char *program(const char *format, ...)
{
    char line[4096];
    size_t n = (size_t)snprintf(line, sizeof line, "%s ", TESSERA_PROGRAM), got = 0;
    char *out = calloc(1, 1 << 20);
    va_list ap;
    va_start(ap, format);
    vsnprintf(line + n, sizeof line - n, format, ap);
    va_end(ap);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    assert_non_null(out);
    while ((n = fread(out + got, 1, (1 << 20) - 1 - got, f)) > 0)
        got += n;
    const int status = pclose(f);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("exit code %d: %s", WEXITSTATUS(status), line);
    return out;
}

/* The words of options in one line, for the program: none holds a blank that matters. */
static inline const char *words(const char *const *options, size_t n, char *line, size_t room)
{
    line[0] = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(strlen(line) + strlen(options[i]) + 2 < room);
        strcat(strcat(line, " "), options[i]);
    }
    return line;
}
#endif
