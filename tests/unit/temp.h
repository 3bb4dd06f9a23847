/* Temporary folders for tests. Include after cmocka.h. */
#ifndef TS_TESTS_TEMP_H
#define TS_TESTS_TEMP_H
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != TS_OK)                                                                       \
            fail_msg("%s: %s", #call, ts_error_message());                                         \
    } while (0)

/* The call fails with this status and a message that holds this text. */
#define REFUSED(call, status, text)                                                                \
    do {                                                                                           \
        assert_int_equal(call, status);                                                            \
        if (!strstr(ts_error_message(), text))                                                     \
            fail_msg("the message has no \"%s\": %s", text, ts_error_message());                   \
    } while (0)

typedef struct temp {
    char dir[64];
    ts_str path;
} temp;

static inline void temp_make(temp *t)
{
    const char *root = getenv("TMPDIR");
    *t = (temp){ 0 };
    snprintf(t->dir, sizeof t->dir, "%.40s/tessera-XXXXXX", root && *root ? root : "/tmp");
    assert_non_null(mkdtemp(t->dir));
}

/* dir/name, valid until the next call. */
static inline const char *temp_path(temp *t, const char *name)
{
    OK(ts_path_join(&t->path, t->dir, name));
    return t->path.s;
}

static inline void temp_write(temp *t, const char *name, const void *data, size_t n)
{
    FILE *f = fopen(temp_path(t, name), "wb");
    assert_non_null(f);
    if (n)
        assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static inline void temp_remove(temp *t)
{
    OK(ts_remove_tree(t->dir));
    ts_str_deinit(&t->path);
}
#endif
