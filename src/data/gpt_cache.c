#include "data/gpt_cache.h"

#include "base/log.h"
#include "base/output.h"
#include "data/md5.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_MAX = 192, ITEM = 4 };

/* Four sums side by side keep up with memory. */
uint64_t ts_gpt_cache_sum(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    const uint64_t odd = 0x9E3779B97F4A7C15u;
    uint64_t h[4] = { 1, 2, 3, 4 }, w[4];
    size_t left = bytes;
    for (; left >= sizeof w; left -= sizeof w, p += sizeof w) {
        memcpy(w, p, sizeof w);
        for (int k = 0; k < 4; k++) {
            h[k] = (h[k] ^ w[k]) * odd;
            h[k] ^= h[k] >> 32;
        }
    }
    memset(w, 0, sizeof w);
    if (left)
        memcpy(w, p, left);
    uint64_t sum = bytes;
    for (int k = 0; k < 4; k++) {
        h[k] = (h[k] ^ w[k]) * odd;
        sum = (sum ^ h[k] ^ h[k] >> 29) * odd;
    }
    return sum ^ sum >> 32;
}

/* Magic, version 1.0, length of the rest, a dictionary, spaces to a multiple of 64, a line feed. */
static size_t make_header(const ts_gpt_cache_array *a, char out[HEADER_MAX])
{
    char shape[64];
    if (a->columns)
        snprintf(shape, sizeof shape, "%" PRId64 ", %" PRId64, a->rows, a->columns);
    else
        snprintf(shape, sizeof shape, "%" PRId64 ",", a->rows);
    const int n =
        snprintf(out + 10, HEADER_MAX - 10,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", a->descr, shape);
    const size_t end = 10 + (size_t)n, size = (end + 1 + 63) / 64 * 64;
    TS_ASSERT(n > 0 && size <= HEADER_MAX, "a header of %zu bytes", size);
    memset(out + end, ' ', size - end);
    out[size - 1] = '\n';
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)((size - 10) & 255);
    out[9] = (char)((size - 10) >> 8);
    return size;
}

static size_t bytes_of(const ts_gpt_cache_array *a)
{
    return (size_t)a->rows * (size_t)(a->columns ? a->columns : 1) * ITEM;
}

static ts_status path_of(ts_str *out, const char *folder, const char *part, const char *description,
                         const char *name)
{
    char md5[33];
    ts_md5_hex(description, strlen(description), md5);
    ts_str_reset(out);
    return ts_str_printf(out, "%s/%s-GPTDataset-%s-%s", folder, md5, part, name);
}

/* ---- reading ---- */

/* The description and behind it a sum for each array, or false. */
static bool read_sums(const ts_str *text, const char *description,
                      uint64_t sums[TS_GPT_CACHE_ARRAYS])
{
    const size_t n = strlen(description);
    if (text->len <= n || memcmp(text->s, description, n) != 0)
        return false;
    return sscanf(text->s + n, "\n%" SCNx64 " %" SCNx64 " %" SCNx64, &sums[0], &sums[1],
                  &sums[2]) == TS_GPT_CACHE_ARRAYS;
}

static const char *wrong_with(const ts_map *m, const ts_gpt_cache_array *a, uint64_t sum)
{
    char header[HEADER_MAX];
    const size_t n = make_header(a, header);
    if (m->size < n || memcmp(m->data, header, n) != 0)
        return "its header is not that of this order";
    if (m->size != n + bytes_of(a))
        return "it is not as long as its header says";
    if (ts_gpt_cache_sum(m->data + n, bytes_of(a)) != sum)
        return "its content has changed";
    return NULL;
}

static ts_status map_all(const char *folder, const char *part, const char *description,
                         ts_gpt_cache_array *arrays, ts_gpt_cache *c, ts_str *path, bool *found)
{
    ts_str text = { 0 };
    uint64_t sums[TS_GPT_CACHE_ARRAYS];
    TS_TRY(path_of(path, folder, part, description, "description.txt"));
    if (!ts_path_exists(path->s))
        return TS_OK;
    ts_status st = ts_file_read(path->s, &text);
    const bool is_whole = st == TS_OK && read_sums(&text, description, sums);
    ts_str_deinit(&text);
    if (st == TS_OK && !is_whole)
        ts_log(TS_LOG_WARN, "%s: not the description of this order; the cache is made again",
               path->s);
    for (int i = 0; is_whole && i < TS_GPT_CACHE_ARRAYS; i++) {
        char name[64], header[HEADER_MAX];
        snprintf(name, sizeof name, "%s.npy", arrays[i].name);
        TS_TRY(path_of(path, folder, part, description, name));
        TS_TRY(ts_map_open(path->s, &c->map[i]));
        const char *wrong = wrong_with(&c->map[i], &arrays[i], sums[i]);
        if (wrong) {
            ts_log(TS_LOG_WARN, "%s: %s; the cache is made again", path->s, wrong);
            return TS_OK;
        }
        arrays[i].data = c->map[i].data + make_header(&arrays[i], header);
    }
    *found = is_whole;
    return st;
}

ts_status ts_gpt_cache_open(const char *folder, const char *part, const char *description,
                            ts_gpt_cache_array arrays[TS_GPT_CACHE_ARRAYS], ts_gpt_cache *out,
                            bool *found)
{
    ts_str path = { 0 };
    *out = (ts_gpt_cache){ 0 };
    *found = false;
    ts_status st = map_all(folder, part, description, arrays, out, &path, found);
    ts_str_deinit(&path);
    if (!*found)
        ts_gpt_cache_close(out);
    if (st != TS_OK && st != TS_ERR_NOMEM) { /* a file that cannot be read is one that is missing */
        ts_log(TS_LOG_WARN, "%s; the cache is made again", ts_error_message());
        st = TS_OK;
    }
    return st;
}

void ts_gpt_cache_close(ts_gpt_cache *c)
{
    for (int i = 0; i < TS_GPT_CACHE_ARRAYS; i++)
        ts_map_close(&c->map[i]);
    *c = (ts_gpt_cache){ 0 };
}

/* ---- writing ---- */

static ts_status write_file(const char *path, const void *head, size_t n_head, const void *data,
                            size_t n)
{
    ts_output o;
    TS_TRY(ts_output_open(&o, NULL, path, TS_OUTPUT_REPLACE));
    ts_status st = ts_output_write(&o, head, n_head);
    if (st == TS_OK)
        st = ts_output_write(&o, data, n);
    if (st == TS_OK)
        st = ts_output_finish(&o);
    ts_output_abandon(&o);
    return st;
}

static ts_status write_all(const char *folder, const char *part, const char *description,
                           const ts_gpt_cache_array *arrays, ts_str *path)
{
    char header[HEADER_MAX], sums[80];
    for (int i = 0; i < TS_GPT_CACHE_ARRAYS; i++) {
        snprintf(sums, sizeof sums, "%s.npy", arrays[i].name);
        TS_TRY(path_of(path, folder, part, description, sums));
        TS_TRY(write_file(path->s, header, make_header(&arrays[i], header), arrays[i].data,
                          bytes_of(&arrays[i])));
    }
    const int n = snprintf(sums, sizeof sums, "\n%016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n",
                           ts_gpt_cache_sum(arrays[0].data, bytes_of(&arrays[0])),
                           ts_gpt_cache_sum(arrays[1].data, bytes_of(&arrays[1])),
                           ts_gpt_cache_sum(arrays[2].data, bytes_of(&arrays[2])));
    TS_TRY(path_of(path, folder, part, description, "description.txt"));
    return write_file(path->s, description, strlen(description), sums, (size_t)n);
}

ts_status ts_gpt_cache_write(const char *folder, const char *part, const char *description,
                             const ts_gpt_cache_array arrays[TS_GPT_CACHE_ARRAYS])
{
    ts_str path = { 0 };
    TS_TRY(ts_mkdirs(folder));
    const ts_status st = write_all(folder, part, description, arrays, &path);
    ts_str_deinit(&path);
    return st;
}
