#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The builtins write what is left after an overflow. */
bool ts_mul_size(size_t a, size_t b, size_t *out)
{
    size_t v;
    if (__builtin_mul_overflow(a, b, &v))
        return false;
    *out = v;
    return true;
}

bool ts_add_size(size_t a, size_t b, size_t *out)
{
    size_t v;
    if (__builtin_add_overflow(a, b, &v))
        return false;
    *out = v;
    return true;
}

ts_status ts_alloc(void *out, size_t count, size_t size)
{
    size_t bytes;
    void *p = NULL;
    if (ts_mul_size(count, size, &bytes))
        p = calloc(bytes ? bytes : 1, 1);
    if (!p)
        return ts_error(TS_ERR_NOMEM, "out of memory: %zu x %zu bytes could not be had", count,
                        size);
    memcpy(out, &p, sizeof p);
    return TS_OK;
}

ts_status ts_alloc_large(void *out, size_t count, size_t size)
{
    void *p;
    TS_TRY(ts_alloc(out, count, size));
    memcpy(&p, out, sizeof p);
    const uintptr_t page = 1 << 21, from = ((uintptr_t)p + page - 1) / page * page,
                    to = ((uintptr_t)p + count * size) / page * page;
    if (to > from)
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
    return TS_OK;
}

ts_status ts_grow(void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return TS_OK;
    size_t n = *cap ? *cap : 8, bytes;
    while (n < need)
        n = n > SIZE_MAX / 2 ? need : n * 2;
    void *p;
    memcpy(&p, array, sizeof p);
    void *q = ts_mul_size(n, size, &bytes) ? realloc(p, bytes) : NULL;
    if (!q)
        return ts_error(TS_ERR_NOMEM, "out of memory: %zu x %zu bytes could not be had", n, size);
    memset((char *)q + *cap * size, 0, (n - *cap) * size);
    memcpy(array, &q, sizeof q);
    *cap = n;
    return TS_OK;
}

void ts_memory_free(void *p) { free(p); }

void ts_free(void *pointer)
{
    void *p;
    memcpy(&p, pointer, sizeof p);
    free(p);
    p = NULL;
    memcpy(pointer, &p, sizeof p);
}

ts_status ts_strndup(const char *s, size_t n, char **out)
{
    char *p = NULL;
    TS_TRY(ts_alloc(&p, n + 1, 1));
    memcpy(p, s, n);
    *out = p;
    return TS_OK;
}

ts_status ts_strdup(const char *s, char **out) { return ts_strndup(s, strlen(s), out); }

const char *ts_mem_kind_name(ts_mem_kind kind)
{
    static const char *const names[TS_MEM_KINDS] = { "weights",     "gradients",     "optimizer",
                                                     "activations", "communication", "data",
                                                     "other",       "swapped" };
    return names[kind];
}
