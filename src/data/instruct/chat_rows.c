#include "data/instruct/chat_rows.h"

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "data/instruct/example.h"
#include "data/instruct/packs.h"
#include "data/instruct/records.h"
#include "io/bad_records.h"

#include <pthread.h>
#include <string.h>

/* What one thread reads samples with. */
typedef struct reader {
    void *work; /* the encoder's */
    ts_chat_tokens tokens;
} reader;

typedef struct chat_rows {
    ts_rows table;
    ts_records *records;
    ts_record_form form;
    const ts_chat_encoder *encoder; /* lent */
    int64_t vocab_size;             /* 0: not checked */
    ts_rows_kind kind;
    ts_chat_train train;
    int64_t *record;      /* [table.n] of a sample */
    int64_t *length;      /* [table.n] tokens, of its first sequence */
    pthread_mutex_t lock; /* of what follows */
    reader *spare;        /* [n_spare] */
    size_t n_spare, cap_spare;
} chat_rows;

static chat_rows *inside(const ts_rows *r) { return (chat_rows *)(uintptr_t)r; }

bool ts_chat_rows_is_path(const char *path)
{
    return ts_path_ends(path, ".json") || ts_path_ends(path, ".jsonl") || ts_path_ends(path, ".parquet");
}

/* ---- readers ---- */

static void drop_reader(const chat_rows *r, reader *v)
{
    r->encoder->end(r->encoder, &v->work);
    ts_chat_tokens_deinit(&v->tokens);
}

static ts_status borrow(chat_rows *r, reader *out)
{
    bool found = false;
    pthread_mutex_lock(&r->lock);
    if (r->n_spare) {
        *out = r->spare[--r->n_spare];
        found = true;
    }
    pthread_mutex_unlock(&r->lock);
    if (found)
        return TS_OK;
    *out = (reader){ 0 };
    return r->encoder->begin(r->encoder, &out->work);
}

static void give_back(chat_rows *r, reader *v)
{
    pthread_mutex_lock(&r->lock);
    const bool kept = ts_grow(&r->spare, &r->cap_spare, r->n_spare + 1, sizeof *r->spare) == TS_OK;
    if (kept)
        r->spare[r->n_spare++] = *v;
    pthread_mutex_unlock(&r->lock);
    if (!kept)
        drop_reader(r, v);
}

/* ---- a sample ---- */

static ts_status read_example(const chat_rows *r, int64_t record, ts_example *out)
{
    json_t *o;
    TS_TRY(ts_records_read(r->records, record, &o));
    const ts_status st = ts_example_read(&r->form, o, r->kind, out);
    json_decref(o);
    return st;
}

static ts_status encode(const chat_rows *r, reader *v, const json_t *conversation, int key, ts_row *out)
{
    TS_TRY(r->encoder->encode(r->encoder, v->work, conversation, r->train, &v->tokens));
    const ts_ids *from[2] = { &v->tokens.ids, &v->tokens.labels };
    for (size_t i = 0; r->vocab_size && i < from[0]->n; i++)
        if (from[0]->v[i] >= r->vocab_size)
            return ts_error(TS_ERR_USER,
                            "the tokenizer makes id %d of it, outside the model's vocabulary (0 to %lld)",
                            (int)from[0]->v[i], (long long)r->vocab_size - 1);
    for (int k = 0; k < 2; k++) {
        TS_TRY(ts_row_room(out, key + k, (int64_t)from[k]->n));
        if (from[k]->n)
            memcpy(out->v[key + k], from[k]->v, from[k]->n * sizeof *from[k]->v);
    }
    out->n_weights = 0;
    const ts_chat_weights *w = &v->tokens.weights;
    return r->kind == TS_ROWS_SFT && w->n ? ts_row_weigh(out, 0, w->v, (int64_t)w->n) : TS_OK;
}

static ts_status encode_example(const chat_rows *r, reader *v, const ts_example *e, ts_row *out)
{
    TS_TRY(encode(r, v, e->conversation, 0, out));
    if (e->rejected)
        TS_TRY(encode(r, v, e->rejected, 2, out));
    if (r->kind != TS_ROWS_KTO)
        return TS_OK;
    TS_TRY(ts_row_room(out, TS_KTO_TAGS, 1));
    out->v[TS_KTO_TAGS][0] = e->is_desirable;
    return TS_OK;
}

/* Of kto: the answer of another record to this one's prompt. */
static ts_status encode_mismatch(const chat_rows *r, reader *v, int64_t record, int64_t other, ts_row *out)
{
    ts_example e = { 0 }, o = { 0 };
    json_t *mixed = NULL;
    ts_status st = read_example(r, record, &e);
    if (st == TS_OK)
        st = read_example(r, other, &o);
    if (st == TS_OK)
        st = ts_example_mismatch(&e, &o, &mixed);
    if (st == TS_OK)
        st = encode(r, v, mixed, 2, out);
    json_decref(mixed);
    ts_example_deinit(&e);
    ts_example_deinit(&o);
    return ts_records_error(r->records, record, st);
}

static ts_status read_record(const chat_rows *r, reader *v, int64_t record, ts_row *out)
{
    ts_example e = { 0 };
    ts_status st = read_example(r, record, &e);
    if (st == TS_OK)
        st = encode_example(r, v, &e, out);
    ts_example_deinit(&e);
    return ts_records_error(r->records, record, st);
}

static ts_status read_sample(const ts_rows *table, int64_t i, ts_row *out)
{
    chat_rows *r = inside(table);
    reader v;
    TS_TRY(borrow(r, &v));
    ts_status st = read_record(r, &v, r->record[i], out);
    if (st == TS_OK && r->kind == TS_ROWS_KTO)
        st = encode_mismatch(r, &v, r->record[i], r->record[(i ? i : table->n) - 1], out);
    give_back(r, &v);
    return st;
}

static void destroy(ts_rows *table)
{
    chat_rows *r = inside(table);
    for (size_t i = 0; i < r->n_spare; i++)
        drop_reader(r, &r->spare[i]);
    ts_free(&r->spare);
    ts_records_close(&r->records);
    ts_record_form_deinit(&r->form);
    ts_free(&r->record);
    ts_free(&r->length);
    pthread_mutex_destroy(&r->lock);
    ts_free(&r);
}

/* ---- the first look at all of them ---- */

/* What became of a record. */
typedef struct look {
    ts_status status;
    char *why;               /* of one that failed; owned */
    int64_t tokens, trained; /* within the length */
    int64_t lost;            /* tokens beyond it */
} look;

typedef struct looking {
    chat_rows *r;
    int64_t seq_length;
    look *v; /* [records] */
} looking;

/* Answers are compared with each other: of pairs and verdicts each must have a token within the length. */
static ts_status measure(const chat_rows *r, const ts_row *row, int64_t seq_length, look *out)
{
    for (int k = 0; k < (r->kind == TS_ROWS_PAIRS ? 4 : 2); k += 2) {
        const int64_t n = row->n[k], read = seq_length && n > seq_length ? seq_length : n, before = out->trained;
        out->tokens += read;
        out->lost += n - read;
        for (int64_t t = 1; t < read; t++)
            out->trained += row->v[k + 1][t] != TS_CHAT_NO_LABEL;
        if (r->kind != TS_ROWS_SFT && out->trained == before)
            return ts_error(TS_ERR_USER, "%s: %lld tokens, and none of the answer within %lld: a longer --seq-length is "
                                         "needed, or such records are left out (--on-bad-record skip)",
                            r->table.key[k], (long long)n, (long long)read);
    }
    return TS_OK;
}

static void look_at(void *ctx, int64_t begin, int64_t end, int thread)
{
    looking *l = ctx;
    reader v;
    ts_row row = { 0 };
    const ts_status st = borrow(l->r, &v);
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        look *out = &l->v[i];
        out->status = st == TS_OK ? read_record(l->r, &v, i, &row) : st;
        if (out->status == TS_OK)
            out->status = ts_records_error(l->r->records, i, measure(l->r, &row, l->seq_length, out));
        if (out->status != TS_OK && ts_strdup(ts_error_message(), &out->why) != TS_OK)
            out->status = TS_ERR_NOMEM;
    }
    if (st == TS_OK)
        give_back(l->r, &v);
    ts_row_deinit(&row);
}

/* Takes the good ones; the first bad one ends it, or is left out. */
static ts_status take_good(const looking *l, int64_t n, bool skips, int64_t max_samples, bool speaks,
                           ts_chat_counts *c)
{
    chat_rows *r = l->r;
    ts_bad_records bad = { 0 };
    c->records = n;
    TS_TRY(ts_alloc(&r->record, (size_t)c->records, sizeof *r->record));
    TS_TRY(ts_alloc(&r->length, (size_t)c->records, sizeof *r->length));
    const int64_t most = max_samples ? max_samples : INT64_MAX;
    for (int64_t i = 0; i < c->records && c->samples < most; i++) {
        const look *v = &l->v[i];
        if (v->status == TS_ERR_USER && skips) {
            if (speaks)
                ts_bad_records_add(&bad, v->why);
            continue;
        }
        if (v->status != TS_OK)
            return ts_error(v->status, "%s", v->why ? v->why : "no memory");
        r->length[c->samples] = v->tokens + v->lost;
        r->record[c->samples++] = i;
        c->tokens += v->tokens;
        c->trained += v->trained;
        c->cut += v->lost > 0;
        c->cut_tokens += v->lost;
        c->untrained += v->trained == 0;
    }
    ts_bad_records_say(&bad, c->samples);
    r->table.n = c->samples;
    return TS_OK;
}

static ts_status check_counts(const ts_chat_need *need, const ts_chat_counts *c)
{
    if (!c->trained)
        return ts_error(
            TS_ERR_USER, "%s: there is nothing to train on: none of %lld samples has a token of an answer%s",
            need->path, (long long)c->samples, c->cut ? " within --seq-length: a longer one is needed" : "");
    if (c->untrained && need->speaks)
        ts_log(TS_LOG_WARN, "%s: %lld of %lld samples have no token to train on%s", need->path,
               (long long)c->untrained, (long long)c->samples, c->cut ? " (within --seq-length)" : "");
    return TS_OK;
}

static ts_status look_at_all(chat_rows *r, const ts_chat_options *o, const ts_chat_need *need, ts_chat_counts *c)
{
    enum { GRAIN = 16 };
    const bool skips = o->on_bad_record == TS_BAD_RECORD_SKIP;
    const int64_t all = ts_records_count(r->records), few = o->max_samples && !skips ? o->max_samples : all;
    const int64_t n = few < all ? few : all, most = n / GRAIN + 1;
    looking l = { .r = r, .seq_length = need->seq_length };
    ts_pool *pool = NULL;
    TS_TRY(ts_alloc(&l.v, (size_t)n, sizeof *l.v));
    ts_status st = ts_pool_create((int)(ts_cpu_count() < most ? ts_cpu_count() : most), &pool);
    if (st == TS_OK) {
        ts_pool_run(pool, n, GRAIN, look_at, &l);
        st = take_good(&l, n, skips, o->max_samples, need->speaks, c);
    }
    if (st == TS_OK && !c->samples)
        st = ts_error(TS_ERR_USER, "%s: none of %lld records could be read: the log says why", need->path,
                      (long long)c->records);
    ts_pool_destroy(&pool);
    for (int64_t i = 0; i < n; i++)
        ts_free(&l.v[i].why);
    ts_free(&l.v);
    return st;
}

/* ---- a template that loses the answer ---- */

/* The conversation with other words for its last answer, or NULL where that has no text or is not trained. */
static json_t *with_another_answer(const json_t *conversation)
{
    json_t *copy = json_deep_copy(conversation), *messages = json_object_get(copy, "messages"), *answer = NULL;
    for (size_t k = 0; k < json_array_size(messages); k++) {
        json_t *m = json_array_get(messages, k);
        const char *role = json_string_value(json_object_get(m, "role"));
        answer = role && !strcmp(role, "assistant") ? m : answer;
    }
    const json_t *weight = json_object_get(answer, "weight");
    const bool is_trained = !weight || json_number_value(weight) != 0;
    const char *text = is_trained ? json_string_value(json_object_get(answer, "content")) : NULL;
    char other[16] = { 0 };
    for (size_t i = 0; text && i + 1 < sizeof other; i++)
        other[i] = i % 3 == 2 ? 'b' : 'a';
    if (text && *text && strcmp(text, other) && json_object_set_new(answer, "content", json_string(other)) == 0)
        return copy;
    json_decref(copy);
    return NULL;
}

static bool trains_alike(const ts_ids *a, const ts_ids *b)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a->n && a->v[i] == TS_CHAT_NO_LABEL)
            i++;
        while (k < b->n && b->v[k] == TS_CHAT_NO_LABEL)
            k++;
        if (i == a->n || k == b->n)
            return i == a->n && k == b->n;
        if (a->v[i++] != b->v[k++])
            return false;
    }
}

/* What is trained of a sample must not be the same with another answer. */
static ts_status check_template(chat_rows *r)
{
    ts_example e = { 0 };
    reader v;
    ts_chat_tokens tokens = { 0 };
    TS_TRY(borrow(r, &v));
    ts_status st = read_example(r, r->record[0], &e);
    json_t *other = st == TS_OK ? with_another_answer(e.conversation) : NULL;
    if (other) {
        st = r->encoder->encode(r->encoder, v.work, e.conversation, r->train, &v.tokens);
        /* a template may refuse the made-up answer */
        if (st == TS_OK && r->encoder->encode(r->encoder, v.work, other, r->train, &tokens) == TS_OK &&
            trains_alike(&v.tokens.labels, &tokens.labels))
            st = ts_error(TS_ERR_USER, "the template loses the answer: with other words in it the same is trained");
        st = ts_records_error(r->records, r->record[0], st);
    }
    json_decref(other);
    ts_example_deinit(&e);
    ts_chat_tokens_deinit(&tokens);
    give_back(r, &v);
    return st;
}

/* ---- opening ---- */

static ts_status open_records(chat_rows *r, const ts_chat_options *o, const ts_chat_need *need)
{
    ts_str path = { 0 };
    ts_status st = TS_OK;
    if (o->map_keys && need->is_entry)
        return ts_error(TS_ERR_USER, "--map-keys and --dataset: dataset_info.json says which field is what");
    if (o->map_keys)
        st = ts_record_form_map(&r->form, o->map_keys);
    if (need->is_entry)
        st = ts_record_form_find(&r->form, o->dataset_dir, need->path, &path);
    if (st == TS_OK)
        st = ts_records_open(need->is_entry ? ts_str_text(&path) : need->path, &r->records);
    ts_str_deinit(&path);
    return st;
}

/* *rows becomes packs of what it is. */
static ts_status pack(const chat_rows *r, const ts_chat_need *need, ts_chat_counts *c, ts_rows **rows)
{
    if (need->kind != TS_ROWS_SFT)
        return ts_error(TS_ERR_USER, "--pack goes with answers alone (--stage sft), not with pairs and verdicts");
    if (!need->seq_length)
        return ts_error(TS_ERR_USER, "--pack: how long are the rows? give --seq-length");
    TS_TRY(ts_pack_rows_open(rows, r->length, need->seq_length, rows));
    c->packs = (*rows)->n;
    if (need->speaks)
        ts_log(TS_LOG_INFO, "%s: %lld samples in %lld packs of %lld tokens, %.1f %% of which are filled",
               need->path, (long long)c->samples, (long long)c->packs, (long long)need->seq_length,
               100 * (double)c->tokens / ((double)c->packs * (double)need->seq_length));
    return TS_OK;
}

ts_status ts_chat_rows_open(const ts_chat_options *o, const ts_chat_need *need, ts_chat_counts *counts,
                            ts_rows **out)
{
    static const char *const key[TS_ROWS_KINDS][TS_ROW_KEYS] = {
        { "input_ids", "labels" },
        { "chosen_input_ids", "chosen_labels", "rejected_input_ids", "rejected_labels" },
        { "input_ids", "labels", "kl_input_ids", "kl_labels", "kto_tags" },
    };
    static const int n_keys[TS_ROWS_KINDS] = { 2, 4, 5 };
    ts_chat_counts c = { 0 };
    chat_rows *r = NULL;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    r->table =
        (ts_rows){ .key = key[need->kind], .n_keys = n_keys[need->kind], .read = read_sample, .destroy = destroy };
    r->encoder = need->writer->encoder;
    r->vocab_size = need->vocab_size;
    r->kind = need->kind;
    r->train = need->kind != TS_ROWS_SFT ? TS_CHAT_PREFERENCE
               : o->mask_history         ? TS_CHAT_LAST_ANSWER
                                         : TS_CHAT_ANSWERS;
    pthread_mutex_init(&r->lock, NULL);
    ts_status st = open_records(r, o, need);
    if (st == TS_OK)
        st = look_at_all(r, o, need, &c);
    if (st == TS_OK)
        st = check_template(r);
    if (st == TS_OK)
        st = check_counts(need, &c);
    ts_rows *rows = &r->table;
    if (st == TS_OK && o->pack)
        st = pack(r, need, &c, &rows);
    if (st != TS_OK) {
        destroy(&r->table);
        return st;
    }
    if (counts)
        *counts = c;
    *out = rows;
    return TS_OK;
}
