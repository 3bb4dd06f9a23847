/* Shared by the fuzz targets: bytes as a file. */
#ifndef TS_TESTS_FUZZ_H
#define TS_TESTS_FUZZ_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_PATH = 256 };

/* The folder of this process for the files that a target reads, with all that is in it gone when
 * the process ends; run.sh does the same for one that dies. In TMPDIR, else in memory. */
const char *fuzz_folder(void);

/* Path of a file (or folder) in it, into buf. */
static inline const char *fuzz_path(const char *name, char buf[FUZZ_PATH])
{
    snprintf(buf, FUZZ_PATH, "%s/%s", fuzz_folder(), name);
    return buf;
}

static inline void fuzz_write(const char *name, const void *data, size_t size)
{
    char path[FUZZ_PATH];
    FILE *f = fopen(fuzz_path(name, path), "wb");
    if (!f || (size && fwrite(data, 1, size, f) != size) || fclose(f))
        abort();
}

static inline void fuzz_remove(const char *name)
{
    char path[FUZZ_PATH];
    remove(fuzz_path(name, path));
}

/* The bytes as a text with a NUL behind it; free. */
static inline char *fuzz_text(const void *data, size_t size)
{
    char *s = malloc(size + 1);
    if (!s)
        abort();
    if (size)
        memcpy(s, data, size);
    s[size] = 0;
    return s;
}
#endif
