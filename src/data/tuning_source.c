#include "data/tuning_source.h"

#include "base/mem.h"
#include "data/blend.h"
#include "data/instruct/chat_rows.h"
#include "data/rows_order.h"
#include "data/split.h"
#include "io/bad_records.h"

#include <math.h>
#include <string.h>

/* A path's samples in a part: so many from `first` on. */
typedef struct range {
    ts_rows *rows; /* borrowed of the source */
    int64_t first, n;
} range;

/* What is ordered together: some of the part's paths. */
typedef struct member {
    range *range; /* [n_ranges] borrowed of the part */
    int64_t n_ranges, samples;
    uint32_t *order;
    int64_t n; /* of the order */
} member;

typedef struct tuning_part {
    ts_dataset base;
    const ts_tuning_source *source;
    range *range;   /* [n_ranges] of each path */
    member *member; /* [n_members] */
    int64_t n_ranges, n_members, samples, wanted;
    ts_blend *blend; /* NULL: there is one member */
} tuning_part;

typedef struct source_rows {
    char *path;
    ts_rows *rows;
} source_rows;

struct ts_tuning_source {
    ts_tuning_data t;
    ts_data_need need;
    bool resets_attention;
    ts_chat_writer writer; /* opened with the first conversations */
    ts_field field[TS_TUNING_FIELDS];
    int n_fields;
    source_rows *rows; /* each path is opened once */
    size_t n_rows, cap_rows;
    tuning_part *part[TS_DATA_PARTS];
};

/* ---- rows ---- */

static bool restarts(const ts_tuning_data *t, const ts_data_options *o)
{
    return o->reset_position_ids || (t->has_ordinals && o->reset_attention_mask);
}

int ts_tuning_fields(const ts_tuning_data *t, const ts_data_options *o, int64_t S, ts_field out[TS_TUNING_FIELDS])
{
    int n = 0;
    out[n++] = (ts_field){ "tokens", TS_DTYPE_I32, S };
    if (t->kind != TS_ROWS_TEXTS) {
        out[n++] = (ts_field){ "labels", TS_DTYPE_I32, S };
        out[n++] = (ts_field){ "loss_mask", TS_DTYPE_F32, S };
    } else if (ts_texts_numbers(&t->texts)) {
        out[n++] = (ts_field){ "numbers", TS_DTYPE_F32, ts_texts_numbers(&t->texts) };
    }
    out[n++] = (ts_field){ "length", TS_DTYPE_I32, 1 };
    if (t->kind == TS_ROWS_KTO)
        out[n++] = (ts_field){ "kto_tag", TS_DTYPE_I32, 1 };
    if (restarts(t, o))
        out[n++] = (ts_field){ "position_ids", TS_DTYPE_I32, S };
    if (o->reset_attention_mask || t->pads_left)
        out[n++] = (ts_field){ "segments", TS_DTYPE_I32, S };
    return n;
}

/* One sequence: ordinals [n] of its documents, or NULL; labels NULL: it has none. */
typedef struct sequence {
    const int32_t *ids, *labels, *ordinals;
    const float *weight; /* of the labels; NULL: 1 each */
    int64_t n;
} sequence;

/* Whether token i begins a document that began at `first` so far, or a piece of it. */
static bool begins(const ts_tuning_source *s, const sequence *q, int64_t i, int64_t first)
{
    if (i == 0 || (s->t.piece && i - first == s->t.piece))
        return true;
    return q->ordinals ? q->ordinals[i] != q->ordinals[i - 1] : s->need.eod >= 0 && q->ids[i - 1] == s->need.eod;
}

/* What lies before or behind the sequence is in a document of its own. */
static void mark_documents(const ts_tuning_source *s, const sequence *q, int64_t begin, int32_t *segments, int32_t *positions)
{
    const int64_t S = s->need.seq_length;
    int32_t segment = 0;
    int64_t first = 0;
    for (int64_t k = 0; k < S; k++) {
        const int64_t i = k - begin;
        const bool inside = i >= 0 && i < q->n, is_first = inside && begins(s, q, i, first);
        if (is_first)
            first = i;
        segment += k > 0 && ((is_first && (s->resets_attention || i == 0)) || i == q->n);
        if (segments)
            segments[k] = segment;
        if (positions)
            positions[k] = (int32_t)(inside ? i - first : k);
    }
}

static ts_status put(const ts_tuning_source *s, const sequence *q, const ts_batch *b, int64_t row)
{
    const int64_t S = s->need.seq_length, begin = s->t.pads_left ? S - q->n : 0;
    int32_t *tokens = ts_batch_ints(b, "tokens", row), *labels = ts_batch_ints(b, "labels", row);
    float *mask = ts_batch_floats(b, "loss_mask", row);
    const int32_t pad = s->need.pad >= 0 ? s->need.pad : 0;
    for (int64_t k = 0; k < S; k++) {
        const int64_t i = k - begin;
        const bool inside = i >= 0 && i < q->n;
        const int32_t label = labels && inside && i + 1 < q->n ? q->labels[i + 1] : TS_ROW_NO_LABEL;
        if (label < 0 && label != TS_ROW_NO_LABEL)
            return ts_error(TS_ERR_USER, "a label is %d: expected a token, or %d for none", (int)label, TS_ROW_NO_LABEL);
        tokens[k] = inside ? q->ids[i] : pad;
        if (labels) {
            labels[k] = label;
            mask[k] = label < 0 ? 0 : q->weight ? q->weight[i + 1] : 1;
        }
    }
    ts_batch_ints(b, "length", row)[0] = (int32_t)q->n;
    mark_documents(s, q, begin, ts_batch_ints(b, "segments", row), ts_batch_ints(b, "position_ids", row));
    return TS_OK;
}

/* Sequence k of a sample, as much as a row holds. */
static ts_status sequence_of(const ts_tuning_source *s, const ts_row *r, int64_t k, sequence *out)
{
    const bool is_text = s->t.kind == TS_ROWS_TEXTS;
    const int64_t S = s->need.seq_length, key = is_text ? k : 2 * k, n = r->n[key];
    if (n > S && !s->t.cuts)
        return ts_error(TS_ERR_USER, "%lld tokens are more than --seq-length %lld: make it longer, or leave "
                                     "--no-cut-token out", (long long)n, (long long)S);
    *out = (sequence){ r->v[key], is_text ? NULL : r->v[key + 1], s->t.has_ordinals ? r->v[2] : NULL,
                       r->n_weights ? r->weight : NULL, n < S ? n : S };
    return TS_OK;
}

/* Of a row that is compared. */
static ts_status need_label(const ts_tuning_source *s, const ts_batch *b, int64_t row, int64_t k)
{
    static const char *const word[2][2] = { { "chosen answer", "rejected answer" }, { "answer", NULL } };
    const char *of = word[s->t.kind == TS_ROWS_KTO][k];
    const float *mask = ts_batch_floats(b, "loss_mask", row);
    for (int64_t i = 0; i < s->need.seq_length; i++)
        if (mask[i] > 0)
            return TS_OK;
    return !of ? TS_OK
               : ts_error(TS_ERR_USER, "the %s has no token with a label in its first %lld (--seq-length), so there is nothing to "
                                       "compare: make --seq-length longer, or leave the sample out", of,
                          (long long)s->need.seq_length);
}

static ts_status put_sample(const ts_tuning_source *s, const ts_row *r, const ts_batch *b, int64_t row)
{
    float *numbers = ts_batch_floats(b, "numbers", row);
    if (numbers)
        memcpy(numbers, r->number, (size_t)r->n_numbers * sizeof *numbers);
    for (int64_t k = 0; k < ts_tuning_each(&s->t); k++) {
        sequence q = { 0 };
        TS_TRY(sequence_of(s, r, k, &q));
        TS_TRY(put(s, &q, b, row + k));
        if (s->t.compares)
            TS_TRY(need_label(s, b, row + k, k));
        if (s->t.kind == TS_ROWS_KTO)
            ts_batch_ints(b, "kto_tag", row + k)[0] = r->v[TS_KTO_TAGS][0];
    }
    return TS_OK;
}

/* Its number in the rows of its path. */
static int64_t find_sample(const member *m, int64_t i, const range **from)
{
    const range *g = m->range;
    for (; i >= g->n; g++)
        i -= g->n;
    *from = g;
    return g->first + i;
}

/* The number of the first of these rows among those of all paths. */
static int64_t number_of(const ts_tuning_source *s, const ts_rows *rows)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->n_rows && s->rows[i].rows != rows; i++)
        n += s->rows[i].rows->n;
    return n;
}

int64_t ts_tuning_source_all(const ts_tuning_source *s) { return number_of(s, NULL); }

/* Sample i of some rows. */
static ts_status read_into(const ts_tuning_source *s, const ts_rows *rows, int64_t i, const ts_batch *b, int64_t row)
{
    ts_row r = { 0 };
    ts_status st = rows->read(rows, i, &r);
    if (st == TS_OK)
        st = put_sample(s, &r, b, row);
    ts_row_deinit(&r);
    return st == TS_OK ? st : ts_error_context(st, "in sample %lld of the data", (long long)i);
}

static ts_status get(const ts_dataset *base, int64_t i, const ts_batch *b, int64_t row)
{
    const tuning_part *p = (const tuning_part *)(const void *)base;
    int64_t which = 0;
    TS_ASSERT(i >= 0 && i < base->n, "sample %lld of %lld", (long long)i, (long long)base->n);
    if (p->blend)
        ts_blend_at(p->blend, i, &which, &i);
    const member *m = &p->member[which];
    const range *from;
    const int64_t at = find_sample(m, m->order[i % m->n], &from);
    int32_t *number = ts_batch_ints(b, "sample", row);
    if (number)
        *number = (int32_t)(number_of(p->source, from->rows) + at);
    return read_into(p->source, from->rows, at, b, row);
}

ts_status ts_tuning_source_read(const ts_tuning_source *s, int64_t i, const ts_batch *b, int64_t row)
{
    size_t k = 0;
    TS_ASSERT(i >= 0 && i < ts_tuning_source_all(s), "sample %lld of %lld", (long long)i, (long long)ts_tuning_source_all(s));
    for (; i >= s->rows[k].rows->n; k++)
        i -= s->rows[k].rows->n;
    return read_into(s, s->rows[k].rows, i, b, row);
}

/* ---- opening ---- */

static ts_status open_chat(ts_tuning_source *s, const char *path, ts_rows **out)
{
    const ts_chat_need need = { .path = path, .is_entry = s->t.chat->dataset.n > 0, .writer = &s->writer, .kind = s->t.kind,
                                .seq_length = s->need.seq_length, .vocab_size = s->need.vocab_size,
                                .speaks = s->need.speaks };
    ts_chat_options chat = *s->t.chat;
    chat.pack |= s->t.has_ordinals; /* --neat-pack */
    if (!s->writer.encoder)
        TS_TRY(ts_chat_writer_open(&chat, s->t.folder, s->t.text, &s->writer));
    return ts_chat_rows_open(&chat, &need, NULL, out);
}

static ts_status open_texts(ts_tuning_source *s, const char *path, ts_rows **out)
{
    const ts_text_need need = { .path = path, .texts = s->t.texts, .seq_length = s->need.seq_length,
                                 .vocab_size = s->need.vocab_size, .text = s->t.text,
                                 .skips = s->t.chat && s->t.chat->on_bad_record == TS_BAD_RECORD_SKIP,
                                 .max_samples = s->t.chat ? s->t.chat->max_samples : 0, .speaks = s->need.speaks };
    if (!ts_chat_rows_is_path(path))
        return ts_error(TS_ERR_USER, "%s: texts are in a file whose name ends in .json, .jsonl or .parquet, a line %s", path,
                        s->t.texts.kind < TS_TEXTS_MATCH ? "{\"text\": ..., \"label\": 0}" : "{\"query\": ..., \"positive\": ...}");
    return ts_text_rows_open(&need, out);
}

/* Conversations by the name's ending, else packed files. */
static ts_status open_rows(ts_tuning_source *s, const char *path, ts_rows **out)
{
    if (s->t.kind == TS_ROWS_TEXTS)
        return open_texts(s, path, out);
    if (s->t.chat && (s->t.chat->dataset.n || ts_chat_rows_is_path(path)))
        return open_chat(s, path, out);
    return ts_packed_rows_open(path, s->t.kind, s->t.has_ordinals, s->need.vocab_size, out);
}

static ts_status find_rows(ts_tuning_source *s, const char *path, ts_rows **out)
{
    for (size_t i = 0; i < s->n_rows; i++)
        if (!strcmp(s->rows[i].path, path)) {
            *out = s->rows[i].rows;
            return TS_OK;
        }
    TS_TRY(ts_grow(&s->rows, &s->cap_rows, s->n_rows + 1, sizeof *s->rows));
    source_rows *r = &s->rows[s->n_rows];
    TS_TRY(ts_strdup(path, &r->path));
    s->n_rows++;
    TS_TRY(open_rows(s, path, &r->rows));
    *out = r->rows;
    return TS_OK;
}

static const char *const part_word[] = { "training", "validation", "test" };

static ts_status open_ranges(ts_tuning_source *s, tuning_part *p, const ts_blend_words *w, const double share[3], int part)
{
    TS_TRY(ts_alloc(&p->range, (size_t)w->n, sizeof *p->range));
    for (int64_t i = 0; i < w->n; i++) {
        range *g = &p->range[i];
        TS_TRY(find_rows(s, w->prefixes[i], &g->rows));
        ts_split_samples(share, part, g->rows->n, &g->first, &g->n);
        if (g->n == 0)
            return ts_error(TS_ERR_USER, "%s: %lld samples are too few: --split leaves %s data none%s", w->prefixes[i],
                            (long long)g->rows->n, part_word[part],
                            part == TS_DATA_TRAIN ? "" : " (with --eval-iters 0 none is needed)");
        p->samples += g->n;
        p->n_ranges++;
    }
    return TS_OK;
}

static ts_status order_member(const ts_tuning_source *s, member *m, int64_t wanted)
{
    for (int64_t i = 0; i < m->n_ranges; i++)
        m->samples += m->range[i].n;
    const ts_rows_order o = { .n = m->samples, .wanted = wanted, .seed = s->need.seed, .shuffles = s->t.shuffles,
                              .multiple = s->t.fills_epochs ? s->t.global : 0, .shuffles_all = s->t.shuffles_all };
    return ts_rows_order_make(&o, &m->order, &m->n);
}

/* As pretraining data are blended: half a per cent more of each, so that none runs out. */
static ts_status blend_members(const ts_tuning_source *s, tuning_part *p, const ts_blend_words *w)
{
    int64_t size = 0;
    for (int64_t i = 0; i < w->n; i++) {
        const double want = ceil((double)p->wanted * w->weights[i]);
        p->member[i] = (member){ .range = &p->range[i], .n_ranges = 1 };
        p->n_members++;
        TS_TRY(order_member(s, &p->member[i], (int64_t)ceil(want * 1.005)));
        size += (int64_t)want;
    }
    p->base.n = size;
    return ts_blend_create(w->weights, w->n, size, &p->blend);
}

static ts_status order_part(const ts_tuning_source *s, tuning_part *p, const ts_blend_words *w)
{
    TS_TRY(ts_alloc(&p->member, w->weights ? (size_t)w->n : 1, sizeof *p->member));
    if (w->weights)
        return blend_members(s, p, w);
    p->member[0] = (member){ .range = p->range, .n_ranges = p->n_ranges };
    p->n_members = 1;
    TS_TRY(order_member(s, &p->member[0], p->wanted));
    p->base.n = p->member[0].n;
    return TS_OK;
}

static void part_destroy(tuning_part **part)
{
    tuning_part *p = *part;
    if (!p)
        return;
    for (int64_t i = 0; i < p->n_members; i++)
        ts_free(&p->member[i].order);
    ts_free(&p->member);
    ts_free(&p->range);
    ts_blend_destroy(&p->blend);
    ts_free(part);
}

static ts_status open_part(ts_tuning_source *s, const char *option, const ts_option_list *words, const double share[3],
                           int part, int64_t wanted)
{
    tuning_part *p;
    ts_blend_words w = { 0 };
    TS_TRY(ts_blend_words_parse(option, words, &w));
    ts_status st = ts_alloc(&p, 1, sizeof *p);
    if (st == TS_OK) {
        *p = (tuning_part){ .base = { .field = s->field, .n_fields = s->n_fields, .get = get,
                                      .each = ts_tuning_each(&s->t) },
                            .source = s, .wanted = wanted };
        s->part[part] = p;
        st = open_ranges(s, p, &w, share, part);
    }
    if (st == TS_OK)
        st = order_part(s, p, &w);
    ts_blend_words_deinit(&w);
    return st == TS_OK ? st : ts_error_context(st, "while opening --%s", option);
}

/* ---- what it would train on ---- */

static bool has_label(const ts_tuning_source *s, const ts_row *r)
{
    const int64_t S = s->need.seq_length;
    for (int64_t k = 0; k < ts_rows_each(s->t.kind); k++)
        for (int64_t i = 1; i < r->n[2 * k + 1] && i < S; i++)
            if (r->v[2 * k + 1][i] >= 0)
                return true;
    return false;
}

/* The first sample that trains ends the search. */
static ts_status check_labels(const ts_tuning_source *s, const tuning_part *p)
{
    ts_row r = { 0 };
    bool found = false;
    ts_status st = TS_OK;
    for (int64_t g = 0; st == TS_OK && !found && g < p->n_ranges; g++)
        for (int64_t i = 0; st == TS_OK && !found && i < p->range[g].n; i++) {
            st = p->range[g].rows->read(p->range[g].rows, p->range[g].first + i, &r);
            found = st == TS_OK && has_label(s, &r);
        }
    ts_row_deinit(&r);
    if (st != TS_OK || found)
        return st;
    return ts_error(TS_ERR_USER, "none of the %lld samples of training data has a token to train on in its first %lld "
                                 "(--seq-length): all labels there are %d", (long long)p->samples,
                    (long long)s->need.seq_length, TS_ROW_NO_LABEL);
}

static ts_status check_options(const ts_tuning_data *t, const ts_data_options *o, const ts_data_need *need)
{
    const bool has_parts = o->train_data_path.n || o->valid_data_path.n || o->test_data_path.n;
    if (o->mock_data || o->data_args_path)
        return ts_error(TS_ERR_USER, "--%s goes with pretraining: give --data-path", o->mock_data ? "mock-data" : "data-args-path");
    if (o->data_path.n && has_parts)
        return ts_error(TS_ERR_USER, "--data-path goes with --split; give it or --train-data-path, --valid-data-path and "
                                     "--test-data-path, not both");
    const bool has_entries = t->chat && t->chat->dataset.n;
    if (has_entries && (o->data_path.n || has_parts))
        return ts_error(TS_ERR_USER, "--dataset and --%s both name the data: give one", o->data_path.n ? "data-path" : "train-data-path");
    if (need->n_train > 0 && !o->data_path.n && !o->train_data_path.n && !has_entries)
        return ts_error(TS_ERR_USER, "there are no data to train on: give --data-path");
    if (o->eod_mask_loss)
        return ts_error(TS_ERR_USER, "--eod-mask-loss: labels say what is trained on: leave it out");
    if (need->eod < 0 && !t->has_ordinals && (o->reset_attention_mask || o->reset_position_ids))
        return ts_error(TS_ERR_USER, "--reset-attention-mask and --reset-position-ids need an end-of-document id: give a "
                                     "tokenizer, or --neat-pack where attention_mask numbers the documents");
    return TS_OK;
}

/* The words of --dataset, of which each may name several with commas. memory holds them. */
static ts_status split_entries(const ts_option_list *words, ts_str *memory, ts_option_list *out)
{
    size_t cap = 0, n = 0;
    for (int64_t i = 0; i < words->n; i++)
        TS_TRY(ts_str_add(memory, words->v[i], strlen(words->v[i]) + 1));
    for (size_t i = 0; i < memory->len; i++)
        if (memory->s[i] == ',')
            memory->s[i] = 0;
    for (size_t i = 0; i < memory->len; i += strlen(memory->s + i) + 1) {
        if (!memory->s[i])
            continue;
        TS_TRY(ts_grow(&out->v, &cap, n + 1, sizeof *out->v));
        out->v[n++] = memory->s + i;
        out->n = (int64_t)n;
    }
    return TS_OK;
}

static ts_status open_parts(ts_tuning_source *s, const ts_data_options *o, const ts_option_list *entries)
{
    static const char *const names[] = { "train-data-path", "valid-data-path", "test-data-path" };
    const ts_option_list *own[] = { &o->train_data_path, &o->valid_data_path, &o->test_data_path };
    const int64_t wanted[] = { s->need.n_train, s->need.n_valid, s->need.n_test };
    const bool has_own = own[0]->n || own[1]->n || own[2]->n;
    double share[3];
    TS_TRY(ts_split_shares(o->split, share));
    if (!has_own && s->need.n_train > 0 && !(share[0] > 0))
        return ts_error(TS_ERR_USER, "--split %s leaves nothing to train on: its first number is the share of training", o->split);
    for (int p = 0; p < TS_DATA_PARTS; p++) {
        const double whole[3] = { p == 0, p == 1, p == 2 };
        if (wanted[p] == 0 || (has_own ? !own[p]->n : !(share[p] > 0)))
            continue;
        TS_TRY(has_own ? open_part(s, names[p], own[p], whole, p, wanted[p])
                       : open_part(s, entries->n ? "dataset" : "data-path", entries->n ? entries : &o->data_path, share, p, wanted[p]));
    }
    return s->part[TS_DATA_TRAIN] && s->t.kind != TS_ROWS_TEXTS ? check_labels(s, s->part[TS_DATA_TRAIN]) : TS_OK;
}

ts_status ts_tuning_source_create(const ts_tuning_data *t, const ts_data_options *o, const ts_data_need *need,
                                  ts_tuning_source **out)
{
    ts_tuning_source *s;
    TS_TRY(check_options(t, o, need));
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    *s = (ts_tuning_source){ .t = *t, .need = *need, .resets_attention = o->reset_attention_mask };
    s->n_fields = ts_tuning_fields(t, o, need->seq_length, s->field);
    ts_str memory = { 0 };
    ts_option_list entries = { 0 };
    ts_status st = t->chat ? split_entries(&t->chat->dataset, &memory, &entries) : TS_OK;
    if (st == TS_OK)
        st = open_parts(s, o, &entries);
    ts_str_deinit(&memory);
    ts_free(&entries.v);
    if (st != TS_OK)
        ts_tuning_source_destroy(&s);
    else
        *out = s;
    return st;
}

void ts_tuning_source_destroy(ts_tuning_source **source)
{
    ts_tuning_source *s = *source;
    if (!s)
        return;
    for (int p = 0; p < TS_DATA_PARTS; p++)
        part_destroy(&s->part[p]);
    for (size_t i = 0; i < s->n_rows; i++) {
        if (s->rows[i].rows)
            s->rows[i].rows->destroy(s->rows[i].rows);
        ts_free(&s->rows[i].path);
    }
    ts_free(&s->rows);
    ts_chat_writer_close(&s->writer);
    ts_free(source);
}

const ts_dataset *ts_tuning_source_part(const ts_tuning_source *s, ts_data_part part)
{
    return s->part[part] ? &s->part[part]->base : NULL;
}

int64_t ts_tuning_source_samples(const ts_tuning_source *s, ts_data_part part)
{
    return s->part[part] ? s->part[part]->samples : 0;
}

ts_status ts_tuning_source_describe(const ts_tuning_source *s, ts_data_part part, ts_str *out)
{
    const tuning_part *p = s->part[part];
    if (!p)
        return ts_str_printf(out, "%s data: none", part_word[part]);
    return ts_str_printf(out, "%s data: %lld samples%s; %lld rows of up to %lld tokens, %.3g epochs", part_word[part],
                         (long long)p->samples, s->t.kind == TS_ROWS_PAIRS ? " of two answers" : "", (long long)p->wanted * p->base.each,
                         (long long)s->need.seq_length, (double)p->wanted / (double)p->samples);
}
