#include "data/gpt_dataset.h"

#include "base/log.h"
#include "data/gpt_cache.h"
#include "data/gpt_order.h"

#include <inttypes.h>
#include <string.h>

struct ts_gpt_dataset {
    const ts_indexed *data;
    int64_t first, count, seq_length;
    ts_gpt_order order; /* points into what follows: one or the other */
    ts_gpt_cache cache;
    uint32_t *documents, *shuffle;
    ts_gpt_place *places;
};

static ts_status build(ts_gpt_dataset *d, const ts_gpt_args *a)
{
    ts_gpt_order *o = &d->order;
    ts_status st = ts_gpt_order_allocate(&d->documents, o->n_documents, sizeof *d->documents);
    if (st == TS_OK)
        st = ts_gpt_order_allocate(&d->places, o->n_samples + 1, sizeof *d->places);
    if (st == TS_OK)
        st = ts_gpt_order_allocate(&d->shuffle, o->n_samples, sizeof *d->shuffle);
    if (st != TS_OK)
        return ts_error_context(st, "while ordering %lld samples of %s", (long long)o->n_samples,
                                ts_indexed_prefix(a->data));
    ts_gpt_order_fill(a, o, d->documents, d->places, d->shuffle);
    o->documents = d->documents;
    o->places = d->places;
    o->shuffle = d->shuffle;
    return TS_OK;
}

/* ---- on disk ---- */

static bool is_cached(const ts_gpt_args *a, const ts_gpt_order *o)
{
    if (!a->part || o->n_documents > INT32_MAX) /* positions are int32 in the files */
        return false;
    return a->cache_folder || o->n_documents + o->n_samples >= TS_GPT_LONG;
}

static ts_status folder_of(const ts_gpt_args *a, ts_str *out)
{
    const char *prefix = ts_indexed_prefix(a->data), *slash = strrchr(prefix, '/');
    if (a->cache_folder)
        return ts_str_puts(out, a->cache_folder);
    return ts_str_printf(out, "%.*scache/GPTDataset_indices", slash ? (int)(slash - prefix) + 1 : 0,
                         prefix);
}

/* All that the order follows from: the sequences by their lengths, not by what the file is called
 * alone. */
static ts_status describe(const ts_gpt_args *a, ts_str *out)
{
    const char *prefix = ts_indexed_prefix(a->data);
    TS_TRY(ts_str_puts(out, "{\n \"class\": \"GPTDataset\",\n \"dataset_path\": "));
    TS_TRY(ts_str_json(out, prefix, strlen(prefix)));
    return ts_str_printf(
        out,
        ",\n \"num_samples\": %" PRId64 ",\n \"index_split\": \"%s\",\n \"random_seed\": %" PRIu32
        ",\n \"sequence_length\": %" PRId64 ",\n \"sequences\": [%" PRId64 ", %" PRId64
        "],\n \"lengths_sum\": \"%016" PRIx64 "\",\n \"keep_last_partial\": %s\n}",
        a->n_samples, a->part, a->seed, a->seq_length, a->first, a->first + a->count,
        ts_gpt_cache_sum(ts_indexed_lengths(a->data) + 4 * a->first, (size_t)a->count * 4),
        a->keep_last_partial ? "true" : "false");
}

static ts_status find_or_build(ts_gpt_dataset *d, const ts_gpt_args *a, const char *folder,
                               const char *description)
{
    ts_gpt_order *o = &d->order;
    ts_gpt_cache_array arrays[TS_GPT_CACHE_ARRAYS] = {
        { "document_index", "<i4", o->n_documents, 0, NULL },
        { "sample_index", "<i4", o->n_samples + 1, 2, NULL },
        { "shuffle_index", "<u4", o->n_samples, 0, NULL },
    };
    bool found;
    TS_TRY(ts_gpt_cache_open(folder, a->part, description, arrays, &d->cache, &found));
    if (found) {
        o->documents = arrays[0].data;
        o->places = arrays[1].data;
        o->shuffle = arrays[2].data;
        return TS_OK;
    }
    TS_TRY(build(d, a));
    if (a->reads_only)
        return TS_OK;
    arrays[0].data = d->documents;
    arrays[1].data = d->places;
    arrays[2].data = d->shuffle;
    const ts_status st = ts_gpt_cache_write(folder, a->part, description, arrays);
    if (st != TS_OK) /* asked for or not: the run needs no file */
        ts_log(a->cache_folder ? TS_LOG_WARN : TS_LOG_DEBUG,
               "the order of samples is not kept for the next run: %s", ts_error_message());
    return TS_OK;
}

static ts_status make_order(ts_gpt_dataset *d, const ts_gpt_args *a)
{
    ts_str folder = { 0 }, description = { 0 };
    if (!is_cached(a, &d->order))
        return build(d, a);
    ts_status st = folder_of(a, &folder);
    if (st == TS_OK)
        st = describe(a, &description);
    if (st == TS_OK)
        st = find_or_build(d, a, folder.s, description.s);
    ts_str_deinit(&folder);
    ts_str_deinit(&description);
    return st;
}

ts_status ts_gpt_dataset_create(const ts_gpt_args *a, ts_gpt_dataset **out)
{
    ts_gpt_order order;
    ts_gpt_dataset *d = NULL;
    TS_ASSERT(a->seq_length > 0 && a->first >= 0 && a->count >= 0 &&
                  a->first + a->count <= ts_indexed_count(a->data),
              "sequences [%lld, +%lld)", (long long)a->first, (long long)a->count);
    if (ts_indexed_count(a->data) > UINT32_MAX)
        return ts_error(TS_ERR_USER, "%s.idx: %lld sequences, at most %u can be ordered",
                        ts_indexed_prefix(a->data), (long long)ts_indexed_count(a->data),
                        UINT32_MAX);
    TS_TRY(ts_gpt_order_plan(a, &order));
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    *d = (ts_gpt_dataset){ .data = a->data,
                           .first = a->first,
                           .count = a->count,
                           .seq_length = a->seq_length,
                           .order = order };
    const ts_status st = make_order(d, a);
    if (st != TS_OK) {
        ts_gpt_dataset_destroy(&d);
        return st;
    }
    *out = d;
    return TS_OK;
}

void ts_gpt_dataset_destroy(ts_gpt_dataset **ds)
{
    ts_gpt_dataset *d = *ds;
    if (!d)
        return;
    ts_gpt_cache_close(&d->cache);
    ts_free(&d->documents);
    ts_free(&d->places);
    ts_free(&d->shuffle);
    ts_free(ds);
}

int64_t ts_gpt_dataset_count(const ts_gpt_dataset *d) { return d->order.n_samples; }
ts_gpt_order ts_gpt_dataset_order(const ts_gpt_dataset *d) { return d->order; }
bool ts_gpt_dataset_is_mapped(const ts_gpt_dataset *d) { return d->cache.map[0].data != NULL; }

ts_status ts_gpt_dataset_facts(const ts_gpt_dataset *d, ts_gpt_facts *out)
{
    enum { LOOKED_AT = 100 };
    ts_gpt_facts f = { ts_indexed_prefix(d->data), d->count, d->order.tokens, -1 };
    bool several = false;
    for (int64_t i = 0; i < d->count && i < LOOKED_AT && !several; i++) {
        const int64_t seq = d->first + i;
        const int32_t length = ts_indexed_length(d->data, seq);
        int32_t last = 0;
        if (!length)
            continue;
        TS_TRY(ts_indexed_read(d->data, seq, length - 1, 1, 0, (int64_t)INT32_MAX + 1, &last));
        several = f.last >= 0 && last != f.last;
        f.last = last;
    }
    f.last = several ? -1 : f.last;
    *out = f;
    return TS_OK;
}

static ts_status out_of_order(const ts_gpt_dataset *d, int64_t i)
{
    return ts_error(TS_ERR_USER,
                    "%s: the cache of its order says nonsense about sample %lld: remove the files "
                    "of --data-cache-path (or cache/GPTDataset_indices)",
                    ts_indexed_prefix(d->data), (long long)i);
}

/* What the arrays say may come from a file that changed under us: nothing is read that they do not
 * have the right to name. */
ts_status ts_gpt_dataset_get(const ts_gpt_dataset *d, int64_t i, int64_t vocab, int32_t *out,
                             int64_t *n)
{
    const ts_gpt_order *o = &d->order;
    TS_ASSERT(i >= 0 && i < o->n_samples, "sample %lld of %lld", (long long)i,
              (long long)o->n_samples);
    const int64_t j = o->shuffle[i];
    if (j >= o->n_samples)
        return out_of_order(d, i);
    int64_t at = o->places[j].position, offset = o->places[j].offset, done = 0;
    for (; done <= d->seq_length && at < o->n_documents; at++, offset = 0) {
        const int64_t seq = o->documents[at];
        if (seq < d->first || seq >= d->first + d->count || offset < 0 ||
            offset > ts_indexed_length(d->data, seq))
            return out_of_order(d, i);
        int64_t take = ts_indexed_length(d->data, seq) - offset;
        if (take > d->seq_length + 1 - done)
            take = d->seq_length + 1 - done;
        TS_TRY(ts_indexed_read(d->data, seq, offset, take, 0, vocab, out + done));
        done += take;
    }
    *n = done;
    return TS_OK;
}
