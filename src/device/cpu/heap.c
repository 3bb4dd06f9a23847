#include "device/cpu/heap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Under AddressSanitizer every tensor is its own malloc, so that a kernel that writes past one is
 * seen. */
#if defined(TESSERA_SANITIZED)
#define TS_HEAP_MALLOC 1
#endif

enum { ALIGN = 64 };

/* A stretch, used or free, with its neighbours by address. The header stands before the bytes. */
typedef struct block {
    size_t size; /* bytes after the header */
    struct block *prev, *next;
    struct block *free_prev, *free_next; /* in the free list */
    bool used;
} block;
_Static_assert(sizeof(block) <= ALIGN, "a header fits in one line");

struct ts_cpu_heap {
    char *base;
    size_t reserved, top; /* bytes handed out from below so far */
    block *last;          /* the block that ends at top */
    block *free_list;
};

ts_status ts_cpu_heap_create(ts_cpu_heap **out)
{
    ts_cpu_heap *h;
    TS_TRY(ts_alloc(&h, 1, sizeof *h));
    h->reserved = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) * 4;
    h->base = MAP_FAILED;
    while (h->base == MAP_FAILED && h->reserved >= 1u << 26) {
        h->base = mmap(NULL, h->reserved, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (h->base == MAP_FAILED)
            h->reserved /= 2; /* a limit on addresses (ulimit -v) */
    }
    if (h->base == MAP_FAILED) {
        ts_free(&h);
        return ts_error(TS_ERR_NOMEM, "no address space could be reserved for tensors");
    }
    madvise(h->base, h->reserved, MADV_HUGEPAGE);
    *out = h;
    return TS_OK;
}

void ts_cpu_heap_destroy(ts_cpu_heap **heap)
{
    if (*heap)
        munmap((*heap)->base, (*heap)->reserved);
    ts_free(heap);
}

void ts_cpu_heap_interleave(ts_cpu_heap *h, const ts_numa *n, int threads)
{
    ts_numa_interleave(n, threads, h->base, h->reserved);
}

#ifdef TS_HEAP_MALLOC
ts_status ts_cpu_heap_alloc(ts_cpu_heap *h, size_t bytes, void **out)
{
    (void)h;
    void *p = aligned_alloc(ALIGN, (bytes + ALIGN - 1) / ALIGN * ALIGN + (bytes ? 0 : ALIGN));
    if (!p)
        return ts_error(TS_ERR_NOMEM, "out of memory: %zu bytes could not be had", bytes);
    *out = p;
    return TS_OK;
}

void ts_cpu_heap_free(ts_cpu_heap *h, void *p)
{
    (void)h;
    free(p);
}
#else
static void list_add(ts_cpu_heap *h, block *b)
{
    b->used = false;
    b->free_prev = NULL;
    b->free_next = h->free_list;
    if (h->free_list)
        h->free_list->free_prev = b;
    h->free_list = b;
}

static void list_remove(ts_cpu_heap *h, block *b)
{
    if (b->free_prev)
        b->free_prev->free_next = b->free_next;
    else
        h->free_list = b->free_next;
    if (b->free_next)
        b->free_next->free_prev = b->free_prev;
}

/* Cuts what is over size off the end of b, as a free block of its own. */
static void split(ts_cpu_heap *h, block *b, size_t size)
{
    if (b->size < size + ALIGN * 2)
        return;
    block *rest = (block *)((char *)b + ALIGN + size);
    *rest = (block){ .size = b->size - size - ALIGN, .prev = b, .next = b->next };
    if (b->next)
        b->next->prev = rest;
    else
        h->last = rest;
    b->next = rest;
    b->size = size;
    list_add(h, rest);
}

static block *best_fit(ts_cpu_heap *h, size_t size)
{
    block *best = NULL;
    for (block *b = h->free_list; b; b = b->free_next)
        if (b->size >= size &&
            (!best || b->size < best->size || (b->size == best->size && b < best)))
            best = b;
    return best;
}

static block *extend(ts_cpu_heap *h, size_t size)
{
    block *last = h->last;
    const size_t have = last && !last->used ? last->size + ALIGN : 0;
    if (h->reserved - h->top < size + ALIGN - have)
        return NULL;
    if (have) { /* the free block at the end grows */
        list_remove(h, last);
        h->top += size - last->size;
        last->size = size;
        return last;
    }
    block *b = (block *)(h->base + h->top);
    *b = (block){ .size = size, .prev = last };
    if (last)
        last->next = b;
    h->last = b;
    h->top += size + ALIGN;
    return b;
}

ts_status ts_cpu_heap_alloc(ts_cpu_heap *h, size_t bytes, void **out)
{
    if (bytes > SIZE_MAX / 2)
        return ts_error(TS_ERR_NOMEM, "out of memory: %zu bytes could not be had", bytes);
    const size_t size = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    block *b = best_fit(h, size);
    if (b) {
        list_remove(h, b);
        split(h, b, size);
    } else if (!(b = extend(h, size))) {
        return ts_error(TS_ERR_NOMEM, "out of memory: %zu bytes could not be had", bytes);
    }
    b->used = true;
    *out = (char *)b + ALIGN;
    return TS_OK;
}

/* Joins b with the free block behind it. */
static void join_next(ts_cpu_heap *h, block *b)
{
    block *n = b->next;
    b->size += n->size + ALIGN;
    b->next = n->next;
    if (n->next)
        n->next->prev = b;
    else
        h->last = b;
}

void ts_cpu_heap_free(ts_cpu_heap *h, void *p)
{
    if (!p)
        return;
    block *b = (block *)((char *)p - ALIGN);
    TS_ASSERT(b->used, "freed twice");
    if (b->next && !b->next->used) {
        list_remove(h, b->next);
        join_next(h, b);
    }
    if (b->prev && !b->prev->used) {
        join_next(h, b->prev);
        return; /* the one before is in the free list already */
    }
    list_add(h, b);
}
#endif
