/* Shared by the fuzz targets: bytes as a file. */
#ifndef TS_TESTS_FUZZ_H
#define TS_TESTS_FUZZ_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Path of a file of this process in memory (or /tmp); `end` is its extension. */
static inline const char *fuzz_path(const char *end, char buf[64])
{
    snprintf(buf, 64, "%s/tessera-fuzz-%ld%s", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
             (long)getpid(), end);
    return buf;
}

static inline void fuzz_write(const char *end, const uint8_t *data, size_t size)
{
    char path[64];
    FILE *f = fopen(fuzz_path(end, path), "wb");
    if (!f || (size && fwrite(data, 1, size, f) != size) || fclose(f))
        abort();
}

static inline void fuzz_remove(const char *end)
{
    char path[64];
    remove(fuzz_path(end, path));
}
#endif
