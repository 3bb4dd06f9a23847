#include "data/source_parts.h"

#include "base/file.h"
#include "base/log.h"
#include "data/split.h"

#include <math.h>
#include <string.h>

enum { CHECK_AT_ONCE = 64 << 20 }; /* bytes of tokens */

static ts_status open_file(ts_data_source *s, const char *prefix, const ts_indexed **out)
{
    for (size_t i = 0; i < s->n_files; i++)
        if (!strcmp(s->files[i].prefix, prefix)) {
            *out = s->files[i].data;
            return TS_OK;
        }
    TS_TRY(ts_grow(&s->files, &s->cap_files, s->n_files + 1, sizeof *s->files));
    ts_source_file *f = &s->files[s->n_files];
    TS_TRY(ts_strdup(prefix, &f->prefix));
    s->n_files++;
    TS_TRY(ts_indexed_open(prefix, &f->data));
    const int64_t bytes =
        ts_indexed_tokens(f->data) * ts_indexed_dtype_size(ts_indexed_type(f->data));
    if (bytes <= CHECK_AT_ONCE)
        TS_TRY(ts_indexed_check_ids(f->data, 0, s->need.vocab_size));
    *out = f->data;
    return TS_OK;
}

static const char *const part_word[] = { "training", "validation", "test" };

/* One member: n wanted samples (-1: one pass) of a part of a file. */
static ts_status open_member(ts_data_source *s, const char *prefix, const double split[4], int part,
                             int64_t n, ts_gpt_dataset **out)
{
    const ts_indexed *data;
    static const char *const names[] = { "train", "valid", "test" };
    ts_gpt_args a = { .seq_length = s->need.seq_length,
                      .n_samples = n,
                      .seed = s->need.seed,
                      .cache_folder = s->cache_folder,
                      .part = names[part],
                      .reads_only = s->need.reads_cache_only };
    TS_TRY(open_file(s, prefix, &data));
    ts_split_range(split, part, ts_indexed_count(data), &a.first, &a.count);
    if (a.count == 0)
        return ts_error(TS_ERR_USER,
                        "%s.idx: %lld sequences are too few: --split leaves %s data none%s", prefix,
                        (long long)ts_indexed_count(data), part_word[part],
                        part == TS_DATA_TRAIN ? "" : " (with --eval-iters 0 none is needed)");
    a.data = data;
    return ts_gpt_dataset_create(&a, out);
}

/* Samples of each member: its weight's share and half a per cent more, so that blending cannot run
 * out. */
static int64_t share(double weight, int64_t n, bool with_surplus)
{
    const double want = ceil((double)n * weight);
    return (int64_t)(with_surplus ? ceil(want * 1.005) : want);
}

static ts_status blend_weighted(ts_text_part *d, const ts_blend_words *w, int64_t n)
{
    int64_t size = 0;
    for (int64_t i = 0; i < w->n; i++) {
        d->weights[i] = w->weights[i];
        size += share(w->weights[i], n, false);
        if (w->weights[i] == 0 && d->source->need.speaks)
            ts_log(TS_LOG_WARN, "%s has the weight 0: nothing of it is read", w->prefixes[i]);
    }
    return ts_blend_create(d->weights, w->n, size, &d->blend);
}

/* Each file is gone through once; nothing is drawn from one that has no whole sample. */
static ts_status blend_by_size(ts_text_part *d, const ts_blend_words *w, int64_t n, int part)
{
    const long long length = (long long)d->source->need.seq_length + 1;
    int64_t total = 0;
    for (int64_t i = 0; i < d->n_members; i++) {
        const int64_t count = ts_gpt_dataset_count(d->members[i]);
        d->weights[i] = (double)count;
        total += count;
    }
    if (total == 0)
        return ts_error(TS_ERR_USER,
                        "%lld files hold no %s sample: none has %lld tokens (--seq-length and one) "
                        "in its part%s",
                        (long long)d->n_members, part_word[part], length,
                        part == TS_DATA_TRAIN ? "" : " (with --eval-iters 0 none is needed)");
    for (int64_t i = 0; i < d->n_members; i++)
        if (d->weights[i] == 0 && d->source->need.speaks)
            ts_log(TS_LOG_WARN, "%s: its %s part has less than %lld tokens (--seq-length and one): "
                   "nothing of it is read", w->prefixes[i], part_word[part], length);
    ts_blend_normalize(d->weights, d->n_members);
    return ts_blend_create(d->weights, d->n_members, n < total ? n : total, &d->blend);
}

static ts_status open_members(ts_data_source *s, ts_text_part *d, const ts_blend_words *w,
                              const double split[4], int part, int64_t n)
{
    const bool is_single = w->n == 1 && !w->weights;
    TS_TRY(ts_alloc(&d->members, (size_t)w->n, sizeof *d->members));
    d->n_members = w->n;
    for (int64_t i = 0; i < w->n; i++) {
        const int64_t want = is_single ? n : w->weights ? share(w->weights[i], n, true) : -1;
        TS_TRY(open_member(s, w->prefixes[i], split, part, want, &d->members[i]));
    }
    if (is_single) {
        d->base.n = ts_gpt_dataset_count(d->members[0]);
        return TS_OK;
    }
    TS_TRY(ts_alloc(&d->weights, (size_t)w->n, sizeof *d->weights));
    TS_TRY(w->weights ? blend_weighted(d, w, n) : blend_by_size(d, w, n, part));
    d->base.n = ts_blend_count(d->blend);
    return TS_OK;
}

static void part_destroy(ts_text_part **part)
{
    ts_text_part *d = *part;
    if (!d)
        return;
    for (int64_t i = 0; i < d->n_members; i++)
        ts_gpt_dataset_destroy(&d->members[i]);
    ts_free(&d->members);
    ts_free(&d->weights);
    ts_blend_destroy(&d->blend);
    ts_free(part);
}

/* words NULL: made-up tokens. */
static ts_status open_part(ts_data_source *s, const char *option, const ts_option_list *words,
                           const double split[4], int part, int64_t n)
{
    ts_text_part *d = NULL;
    ts_blend_words w = { 0 };
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    *d = (ts_text_part){ .base = { .n = n, .field = s->field, .n_fields = s->n_fields, .get = ts_text_part_get },
                         .source = s,
                         .is_made_up = !words };
    ts_status st = TS_OK;
    if (words) {
        st = ts_blend_words_parse(option, words, &w);
        if (st == TS_OK)
            st = open_members(s, d, &w, split, part, n);
    }
    ts_blend_words_deinit(&w);
    if (st == TS_OK)
        s->parts[part] = d;
    else
        part_destroy(&d);
    return st == TS_OK ? st : ts_error_context(st, "while opening --%s", option);
}

/* The words of a file, split at white space; list and text belong to the caller. */
static ts_status read_words(const char *path, ts_str *text, ts_option_list *out)
{
    size_t cap = 0;
    TS_TRY(ts_file_read(path, text));
    for (char *s = text->s, *save = NULL, *w; (w = strtok_r(s, " \t\r\n", &save)); s = NULL) {
        TS_TRY(ts_grow(&out->v, &cap, (size_t)out->n + 1, sizeof *out->v));
        out->v[out->n++] = w;
    }
    return out->n ? TS_OK
                  : ts_error(TS_ERR_USER, "--data-args-path %s: the file has no words", path);
}

/* Made-up tokens are for who asks for them. */
static ts_status check_training(const ts_data_options *o, bool has_parts)
{
    if (o->data_path.n || o->data_args_path || o->train_data_path.n || o->mock_data)
        return TS_OK;
    if (has_parts)
        return ts_error(TS_ERR_USER, "%s is given, but nothing to train on: give --train-data-path "
                                     "as well, or --data-path with --split",
                        o->valid_data_path.n ? "--valid-data-path" : "--test-data-path");
    return ts_error(TS_ERR_USER, "there are no data to train on: give --data-path PREFIX (or "
                                 "--train-data-path, --data-args-path); --mock-data trains on "
                                 "made-up tokens");
}

static ts_status check_options(const ts_data_options *o, const ts_data_need *need)
{
    const bool has_parts = o->train_data_path.n || o->valid_data_path.n || o->test_data_path.n;
    if (need->n_train > 0)
        TS_TRY(check_training(o, has_parts));
    if (o->data_path.n && has_parts)
        return ts_error(TS_ERR_USER, "--data-path goes with --split; give it or --train-data-path, "
                                     "--valid-data-path and --test-data-path, not both");
    if (o->data_args_path && (o->data_path.n || has_parts))
        return ts_error(TS_ERR_USER, "--data-args-path stands for --data-path; give one of them");
    if (o->mock_data && (o->data_path.n || has_parts || o->data_args_path))
        return ts_error(TS_ERR_USER, "--mock-data reads no files, but data paths are given");
    if (o->dataloader_type == TS_DATALOADER_EXTERNAL)
        return ts_error(TS_ERR_USER, "--dataloader-type external: there is no loader of the "
                                     "user's own to call here; choose single or cyclic");
    if (need->eod < 0 && (o->eod_mask_loss || o->reset_position_ids || o->reset_attention_mask))
        return ts_error(TS_ERR_USER,
                        "--eod-mask-loss, --reset-position-ids and --reset-attention-mask need "
                        "an end-of-document id: give a tokenizer");
    return TS_OK;
}

static ts_status open_parts(ts_data_source *s, const ts_data_options *o)
{
    static const char *const names[] = { "train-data-path", "valid-data-path", "test-data-path" };
    const ts_option_list *own[] = { &o->train_data_path, &o->valid_data_path, &o->test_data_path };
    const int64_t wanted[] = { s->need.n_train, s->need.n_valid, s->need.n_test };
    const bool has_own = own[0]->n || own[1]->n || own[2]->n;
    double split[4];
    ts_str text = { 0 };
    ts_option_list words = { 0 };
    const bool is_split = !has_own && !o->mock_data;
    ts_status st = ts_split_parse(o->split ? o->split : "969,30,1", split);
    if (st == TS_OK && is_split && s->need.n_train > 0 && !(split[1] > 0))
        st = ts_error(TS_ERR_USER, "--split %s leaves nothing to train on: its first number is the "
                                   "share of training", o->split);
    if (st == TS_OK && o->data_args_path)
        st = read_words(o->data_args_path, &text, &words);
    const ts_option_list *all = o->data_args_path ? &words : o->data_path.n ? &o->data_path : NULL;
    for (int p = 0; st == TS_OK && p < TS_DATA_PARTS; p++) {
        if (wanted[p] == 0 || (has_own && !own[p]->n) || (is_split && !(split[p + 1] > split[p])))
            continue;
        if (has_own) {
            const double whole[4] = { 0, p < 1, p < 2, 1 }; /* part p is everything */
            st = open_part(s, names[p], own[p], whole, p, wanted[p]);
        } else {
            st = open_part(s, o->data_args_path ? "data-args-path" : "data-path", all, split, p,
                           wanted[p]);
        }
    }
    ts_free(&words.v);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_data_source_create(const ts_data_options *o, const ts_data_need *need,
                                ts_data_source **out)
{
    ts_data_source *s = NULL;
    TS_TRY(check_options(o, need));
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    *s = (ts_data_source){ .need = *need,
                           .eod_mask_loss = o->eod_mask_loss,
                           .reset_positions = o->reset_position_ids,
                           .reset_attention = o->reset_attention_mask,
                           .cache_folder = o->data_cache_path };
    s->n_fields = ts_data_fields(o, need->seq_length, s->field);
    const int64_t most = (int64_t)INT32_MAX + 1;
    if (need->vocab_size <= 0 || need->vocab_size > most)
        s->need.vocab_size = most;
    if (need->pad == need->eod) /* an id that means something else cannot mark padding */
        s->need.pad = -1;
    const ts_status st = open_parts(s, o);
    if (st != TS_OK)
        ts_data_source_destroy(&s);
    else
        *out = s;
    return st;
}

void ts_data_source_destroy(ts_data_source **source)
{
    ts_data_source *s = *source;
    if (!s)
        return;
    for (int p = 0; p < TS_DATA_PARTS; p++)
        part_destroy(&s->parts[p]);
    for (size_t i = 0; i < s->n_files; i++) {
        ts_indexed_destroy(&s->files[i].data);
        ts_free(&s->files[i].prefix);
    }
    ts_free(&s->files);
    ts_free(source);
}

const ts_dataset *ts_data_source_part(const ts_data_source *s, ts_data_part part)
{
    return s->parts[part] ? &s->parts[part]->base : NULL;
}
