#include "io/torch/zip.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

enum { END = 22, END64 = 56, LOCATOR = 20, HEADER = 46, LOCAL = 30, MAX_ENTRIES = 1000 * 1000 };
enum { END_MARK = 0x06054b50, END64_MARK = 0x06064b50, LOCATOR_MARK = 0x07064b50, HEADER_MARK = 0x02014b50,
       LOCAL_MARK = 0x04034b50 };

struct ts_zip {
    const char *path;
    const unsigned char *data;
    size_t size;
    ts_zip_entry *entry; /* in the order of the file */
    const ts_zip_entry **by_name;
    size_t n;
    const char *top; /* n_top bytes, the slash with them */
    size_t n_top;
};

static uint64_t number(const unsigned char *s, int n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | s[n];
    return v;
}

static ts_status refuse(const ts_zip *z, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: is damaged, or no file of torch.save: %s", z->path, what);
}

/* ---- the directory ---- */

typedef struct directory {
    uint64_t entries, at, size;
} directory;

static ts_status find_end(const ts_zip *z, size_t *at)
{
    if (z->size < END || number(z->data, 4) != LOCAL_MARK)
        return refuse(z, "it is no zip file (files of torch before 1.6, and tar files, are not read: save it again with "
                         "a newer one)");
    const size_t low = z->size - END > 0xffff ? z->size - END - 0xffff : 0;
    for (size_t i = z->size - END + 1; i-- > low;)
        if (number(z->data + i, 4) == END_MARK && number(z->data + i + 20, 2) == z->size - END - i) {
            *at = i;
            return TS_OK;
        }
    return refuse(z, "it is cut off (a zip without directory)");
}

/* What does not fit into the old numbers stands in a second record in front. */
static ts_status find_directory(const ts_zip *z, directory *out)
{
    size_t end = 0;
    TS_TRY(find_end(z, &end));
    const unsigned char *s = z->data + end;
    *out = (directory){ number(s + 10, 2), number(s + 16, 4), number(s + 12, 4) };
    if (end >= LOCATOR && number(s - LOCATOR, 4) == LOCATOR_MARK) {
        const uint64_t at = number(s - LOCATOR + 8, 8);
        if (at > end - LOCATOR || end - LOCATOR - at < END64 || number(z->data + at, 4) != END64_MARK)
            return refuse(z, "its directory's place is wrong");
        s = z->data + at;
        *out = (directory){ number(s + 32, 8), number(s + 48, 8), number(s + 40, 8) };
    }
    if (out->at > end || out->size > end - out->at || out->entries > MAX_ENTRIES || out->entries * HEADER > out->size)
        return refuse(z, "its directory does not fit into it");
    return TS_OK;
}

/* ---- entries ---- */

/* The sizes and the place of an entry that stand in its extra field where they need 64 bits. */
static bool read_extra(const unsigned char *s, size_t n, uint64_t *const want[3])
{
    while (n >= 4) {
        const size_t id = number(s, 2), size = number(s + 2, 2);
        if (size > n - 4)
            return false;
        const unsigned char *v = s + 4, *end = v + size;
        for (int i = 0; id == 1 && i < 3; i++)
            if (*want[i] == UINT32_MAX) {
                if (end - v < 8)
                    return false;
                *want[i] = number(v, 8);
                v += 8;
            }
        s += 4 + size;
        n -= 4 + size;
    }
    return true;
}

static ts_status place(const ts_zip *z, uint64_t at, ts_zip_entry *e)
{
    if (at > z->size || z->size - at < LOCAL)
        return refuse(z, "an entry is outside of it");
    const unsigned char *s = z->data + at;
    const size_t n = number(s + 26, 2), more = number(s + 28, 2);
    if (number(s, 4) != LOCAL_MARK || number(s + 8, 2) != 0 || n != e->n_name || z->size - at - LOCAL < n + more ||
        memcmp(s + LOCAL, e->name, n) != 0)
        return refuse(z, "an entry is not what the directory says");
    e->data = s + LOCAL + n + more;
    return e->size > (size_t)(z->data + z->size - e->data) ? refuse(z, "an entry ends outside of it") : TS_OK;
}

/* One header of the directory, of which `left` bytes are there; *used: its own. */
static ts_status read_entry(const ts_zip *z, const unsigned char *s, size_t left, size_t *used, ts_zip_entry *e)
{
    if (left < HEADER || number(s, 4) != HEADER_MARK)
        return refuse(z, "its directory is cut off");
    const size_t n = number(s + 28, 2), extra = number(s + 30, 2), comment = number(s + 32, 2);
    uint64_t packed = number(s + 20, 4), size = number(s + 24, 4), at = number(s + 42, 4);
    *used = HEADER + n + extra + comment;
    if (left < *used || !read_extra(s + HEADER + n, extra, (uint64_t *const[]){ &size, &packed, &at }))
        return refuse(z, "its directory is cut off");
    if (number(s + 10, 2) != 0 || packed != size)
        return refuse(z, "an entry is compressed, which torch.save never does");
    if (number(s + 8, 2) & 1)
        return refuse(z, "an entry is encrypted");
    *e = (ts_zip_entry){ .name = (const char *)s + HEADER, .n_name = n, .size = size,
                         .crc = (uint32_t)number(s + 16, 4) };
    return place(z, at, e);
}

static int by_place(const void *a, const void *b)
{
    const ts_zip_entry *x = a, *y = b;
    return x->data < y->data ? -1 : x->data > y->data;
}

static int compare_names(const char *a, size_t n, const char *b, size_t k)
{
    const int c = memcmp(a, b, n < k ? n : k);
    return c ? c : n < k ? -1 : n > k;
}

static int by_name(const void *a, const void *b)
{
    const ts_zip_entry *x = *(const ts_zip_entry *const *)a, *y = *(const ts_zip_entry *const *)b;
    return compare_names(x->name, x->n_name, y->name, y->n_name);
}

/* All are in one folder, no two are one or in each other. */
static ts_status check_entries(ts_zip *z)
{
    const char *slash = z->n ? memchr(z->entry[0].name, '/', z->entry[0].n_name) : NULL;
    if (!slash)
        return refuse(z, "its entries are in no folder");
    z->top = z->entry[0].name;
    z->n_top = (size_t)(slash - z->top) + 1;
    qsort(z->entry, z->n, sizeof *z->entry, by_place);
    for (size_t i = 0; i < z->n; i++) {
        const ts_zip_entry *e = &z->entry[i];
        if (e->n_name <= z->n_top || memcmp(e->name, z->top, z->n_top) != 0 || memchr(e->name, 0, e->n_name))
            return refuse(z, "its entries are in several folders");
        if (i && e[-1].data + e[-1].size > e->data - LOCAL - e->n_name)
            return refuse(z, "entries overlap");
        z->by_name[i] = e;
    }
    qsort(z->by_name, z->n, sizeof *z->by_name, by_name);
    for (size_t i = 1; i < z->n; i++)
        if (!by_name(&z->by_name[i - 1], &z->by_name[i]))
            return refuse(z, "a name stands twice in its directory");
    return TS_OK;
}

static ts_status read_all(ts_zip *z)
{
    directory d = { 0 };
    TS_TRY(find_directory(z, &d));
    TS_TRY(ts_alloc(&z->entry, (size_t)d.entries, sizeof *z->entry));
    TS_TRY(ts_alloc(&z->by_name, (size_t)d.entries, sizeof *z->by_name));
    const unsigned char *s = z->data + d.at;
    size_t left = (size_t)d.size, used = 0;
    for (; z->n < d.entries; z->n++) {
        TS_TRY(read_entry(z, s, left, &used, &z->entry[z->n]));
        s += used;
        left -= used;
    }
    return check_entries(z);
}

ts_status ts_zip_open(const unsigned char *data, size_t size, const char *path, ts_zip **out)
{
    ts_zip *z;
    TS_TRY(ts_alloc(&z, 1, sizeof *z));
    z->path = path;
    z->data = data;
    z->size = size;
    const ts_status st = read_all(z);
    if (st == TS_OK)
        *out = z;
    else
        ts_zip_close(&z);
    return st;
}

void ts_zip_close(ts_zip **zip)
{
    if (!*zip)
        return;
    ts_free(&(*zip)->entry);
    ts_free(&(*zip)->by_name);
    ts_free(zip);
}

size_t ts_zip_count(const ts_zip *z) { return z->n; }
const ts_zip_entry *ts_zip_at(const ts_zip *z, size_t i) { return &z->entry[i]; }

const ts_zip_entry *ts_zip_find(const ts_zip *z, const char *name)
{
    const size_t n = strlen(name);
    size_t low = 0, high = z->n;
    while (low < high) { /* all begin alike */
        const size_t mid = (low + high) / 2;
        const ts_zip_entry *e = z->by_name[mid];
        const int c = compare_names(e->name + z->n_top, e->n_name - z->n_top, name, n);
        if (!c)
            return e;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

ts_status ts_zip_check(const ts_zip *z, const ts_zip_entry *e)
{
    if (!e->crc)
        return TS_OK;
    return libdeflate_crc32(0, e->data, e->size) == e->crc ? TS_OK
                         : ts_error(TS_ERR_USER, "%s: is damaged: the bytes of %.*s are not those that were written (CRC-32)",
                                    z->path, (int)(e->n_name < 100 ? e->n_name : 100), e->name);
}
