#include "data/preprocess.h"

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "data/indexed.h"
#include "data/pack.h"
#include "data/preprocess_batch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Batches go round a ring of slots: a thread reads into the next empty slot, workers turn read
 * slots into ids in any order, the calling thread writes them in order. So memory is bounded by the
 * ring, and the result does not depend on the number of workers. */
typedef enum slot_state { SLOT_EMPTY, SLOT_READ, SLOT_BUSY, SLOT_DONE } slot_state;

typedef struct slot {
    slot_state state;
    bool is_last; /* nothing comes after: the end, or a failure */
    ts_text_batch text;
    ts_token_batch tokens;
    ts_status status; /* of reading or encoding; the message is in `why` */
    char why[2048];
} slot;

typedef struct ring {
    const ts_preprocess_options *o;
    const ts_text_tokenizer *tok;
    ts_handler *handler; /* NULL: plain text */
    const char *const *keys;
    size_t n_keys;
    ts_textfeed *feed;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    slot *slots;
    int64_t n, workers;
    int64_t n_read, n_taken, n_written; /* slots so far; slot i is slots[i % n] */
    bool stop;                          /* the writer gave up */
    ts_indexed_builder **builders;      /* [n_keys] */
    ts_packer packer;                   /* with --pack */
    int64_t n_records, n_samples, n_long; /* read; made of them; too long to be written */
    ts_preprocess_totals totals;
    ts_bad_records bad;
    double position; /* in the files, of what was written */
    double started, said;
    int64_t next_line; /* of progress, in documents */
} ring;

static void keep_error(slot *s, ts_status st)
{
    s->status = st;
    if (st != TS_OK)
        snprintf(s->why, sizeof s->why, "%s", ts_error_message());
}

/* The next batch, up to --max-samples. */
static ts_status next_records(ring *r, ts_text_batch *b)
{
    const int64_t left = r->o->handler.max_samples - r->n_records;
    b->n = 0;
    if (!r->handler || !r->o->handler.max_samples)
        return ts_textfeed_next(r->feed, b);
    if (left > 0)
        TS_TRY(ts_textfeed_next(r->feed, b));
    b->n = left < (int64_t)b->n ? (size_t)left : b->n;
    r->n_records += (int64_t)b->n;
    return TS_OK;
}

static void *read_all(void *arg)
{
    ring *r = arg;
    for (bool is_last = false; !is_last;) {
        pthread_mutex_lock(&r->lock);
        slot *s = &r->slots[r->n_read % r->n];
        while (!r->stop && s->state != SLOT_EMPTY)
            pthread_cond_wait(&r->changed, &r->lock);
        const bool stop = r->stop;
        pthread_mutex_unlock(&r->lock);
        if (stop)
            break;
        keep_error(s, next_records(r, &s->text));
        is_last = s->is_last = s->status != TS_OK || s->text.n == 0;
        pthread_mutex_lock(&r->lock);
        s->state = is_last ? SLOT_DONE : SLOT_READ;
        r->n_read++;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

/* The next slot to encode; NULL when there will be none. */
static slot *take_slot(ring *r)
{
    slot *s = NULL;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        if (r->stop)
            break;
        if (r->n_taken < r->n_read) {
            s = &r->slots[r->n_taken % r->n];
            if (s->is_last) {
                s = NULL;
                break;
            }
            s->state = SLOT_BUSY;
            r->n_taken++;
            break;
        }
        pthread_cond_wait(&r->changed, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return s;
}

static void *encode_all(void *arg)
{
    ring *r = arg;
    ts_batch_work work = { 0 };
    const ts_status begun = r->handler    ? ts_handler_work_create(r->handler, &work.handler)
                            : r->tok->tok ? ts_tokenizer_scratch_create(r->tok->tok, &work.scratch)
                                          : TS_OK;
    for (slot *s; (s = take_slot(r));) {
        keep_error(s, begun != TS_OK
                          ? begun
                          : ts_preprocess_batch(r->o, r->handler, r->tok, &work, &s->text, &s->tokens));
        pthread_mutex_lock(&r->lock);
        s->state = SLOT_DONE;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
    ts_tokenizer_scratch_destroy(&work.scratch);
    ts_handler_work_destroy(&work.handler);
    return NULL;
}

static void say_progress(ring *r, bool at_end)
{
    const double now = ts_now(), passed = now - r->started;
    const int terminal = ts_log_is_terminal();
    if (!at_end && (now - r->said < (terminal ? 0.2 : 1.0) ||
                    (!terminal && r->totals.documents < r->next_line)))
        return;
    const double mb = r->totals.bytes / 1e6, size = ts_textfeed_bytes(r->feed);
    const bool left = !at_end && size >= r->position && r->position > 0;
    const int seconds = (int)(left ? (size / r->position - 1) * passed : passed);
    ts_log_raw("%s%lld documents, %.1f MB, %lld tokens, %.0f documents/s, %.2f MB/s, %d:%02d %s%s",
               terminal ? "\r\033[K" : "", (long long)r->totals.documents, mb,
               (long long)r->totals.tokens, passed > 0 ? (double)r->totals.documents / passed : 0,
               passed > 0 ? mb / passed : 0, seconds / 60, seconds % 60,
               at_end ? "in all"
               : left ? "left"
                      : "so far",
               terminal && !at_end ? "" : "\n");
    r->said = now;
    r->next_line = r->totals.documents + r->o->log_interval;
}

/* Whether a sample is left out: one of its arrays has --seq-length tokens or more. */
static bool is_too_long(const ring *r, const slot *s, size_t sample)
{
    const int64_t most = r->handler ? r->o->handler.seq_length : 0;
    for (size_t k = 0; most && k < r->n_keys; k++)
        if (s->tokens.runs[k].lengths[sample] >= most)
            return true;
    return false;
}

static ts_status write_run(ring *r, const slot *s, size_t k)
{
    const ts_token_run *run = &s->tokens.runs[k];
    size_t at = 0;
    for (size_t d = 0; d < run->n; at += (size_t)run->lengths[d++]) {
        if (is_too_long(r, s, d)) {
            r->n_long += k == 0;
            continue;
        }
        TS_TRY(ts_indexed_builder_add(r->builders[k], run->ids.v + at, run->lengths[d]));
        TS_TRY(ts_indexed_builder_end_document(r->builders[k]));
        r->totals.tokens += run->lengths[d];
    }
    return TS_OK;
}

static ts_status write_slot(ring *r, const slot *s)
{
    r->n_samples += (int64_t)s->tokens.runs[0].n;
    if (r->o->handler.pack)
        TS_TRY(ts_packer_add(&r->packer, &s->tokens.runs[0], &s->tokens.runs[2]));
    for (size_t k = 0; !r->o->handler.pack && k < r->n_keys; k++)
        TS_TRY(write_run(r, s, k));
    r->totals.documents += s->tokens.documents;
    r->totals.bytes += (double)s->text.bytes;
    r->position = s->text.position;
    const char *why = s->tokens.bad.s;
    for (size_t i = 0; i < s->tokens.n_bad; i++, why += strlen(why) + 1)
        ts_bad_records_add(&r->bad, why);
    say_progress(r, false);
    return TS_OK;
}

static ts_status write_all(ring *r)
{
    ts_status st = TS_OK;
    for (bool is_last = false; st == TS_OK && !is_last;) {
        slot *s = &r->slots[r->n_written % r->n];
        pthread_mutex_lock(&r->lock);
        while (s->state != SLOT_DONE)
            pthread_cond_wait(&r->changed, &r->lock);
        pthread_mutex_unlock(&r->lock);
        is_last = s->is_last;
        if (s->status != TS_OK)
            st = ts_error(s->status, "%s", s->why);
        else if (!is_last)
            st = write_slot(r, s);
        pthread_mutex_lock(&r->lock);
        if (!is_last) /* the last stays, so that the workers see it */
            s->state = SLOT_EMPTY;
        r->n_written++;
        r->stop = st != TS_OK || is_last;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
    return st;
}

static void set_stop(ring *r)
{
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static ts_status run_threads(ring *r)
{
    pthread_t *ids = NULL;
    int64_t made = 0;
    ts_status st = ts_alloc(&ids, (size_t)r->workers + 1, sizeof *ids);
    for (int64_t i = 0; st == TS_OK && i <= r->workers; i++) {
        if (pthread_create(&ids[i], NULL, i ? encode_all : read_all, r))
            st = ts_error(TS_ERR_RUN,
                          "thread %lld of %lld could not be started; try fewer --workers",
                          (long long)i, (long long)r->workers + 1);
        else
            made++;
    }
    if (st == TS_OK)
        st = write_all(r);
    set_stop(r);
    while (made)
        pthread_join(ids[--made], NULL);
    ts_free(&ids);
    return st;
}

static ts_status make_ring(ring *r)
{
    r->workers = r->o->workers ? r->o->workers : ts_cpu_count();
    r->n = 2 * r->workers + 2;
    TS_TRY(ts_alloc(&r->builders, r->n_keys, sizeof *r->builders));
    TS_TRY(ts_alloc(&r->slots, (size_t)r->n, sizeof *r->slots));
    for (int64_t i = 0; i < r->n; i++)
        TS_TRY(ts_alloc(&r->slots[i].tokens.runs, r->n_keys, sizeof *r->slots[i].tokens.runs));
    ts_str prefix = { 0 };
    ts_status st = TS_OK;
    const bool is_packed = r->handler && ts_handler_is_packed(r->handler);
    for (size_t k = 0; st == TS_OK && k < r->n_keys; k++) {
        ts_str_reset(&prefix);
        st = ts_str_printf(&prefix, "%s%s_%s_document", r->o->output_prefix, is_packed ? "_packed" : "", r->keys[k]);
        if (st == TS_OK)
            st = ts_indexed_builder_create(prefix.s, TS_INDEXED_I32, &r->builders[k]);
    }
    ts_str_deinit(&prefix);
    return st;
}

static void drop_ring(ring *r)
{
    for (int64_t i = 0; r->slots && i < r->n; i++) {
        slot *s = &r->slots[i];
        for (size_t k = 0; s->tokens.runs && k < r->n_keys; k++)
            ts_token_run_deinit(&s->tokens.runs[k]);
        ts_free(&s->tokens.runs);
        ts_str_deinit(&s->tokens.bad);
        ts_json_fields_deinit(&s->tokens.fields);
        ts_text_batch_deinit(&s->text);
    }
    ts_free(&r->slots);
    for (size_t k = 0; r->builders && k < r->n_keys; k++)
        ts_indexed_builder_destroy(&r->builders[k]);
    ts_free(&r->builders);
    ts_packer_deinit(&r->packer);
    ts_textfeed_destroy(&r->feed);
    ts_handler_close(&r->handler);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
}

static ts_status check_options(const ts_preprocess_options *o, const ts_text_tokenizer *tok)
{
    if (!o->output_prefix)
        return ts_error(TS_ERR_USER,
                        "--output-prefix is missing: files are PREFIX_KEY_document.bin and .idx");
    if (o->split_sentences)
        return ts_error(TS_ERR_USER,
                        "--split-sentences is not offered; documents are written whole");
    if (o->append_eod && tok->eod < 0)
        return ts_error(TS_ERR_USER,
                        "--append-eod: the tokenizer has no end-of-document token; name one with "
                        "--tokenizer-kwargs eos_token TOKEN");
    if (o->pad_to_multiple_of && tok->vocab_size > INT32_MAX)
        return ts_error(TS_ERR_USER, "--pad-to-multiple-of: the vocabulary is too large");
    return TS_OK;
}

static ts_status no_documents(const ring *r)
{
    const ts_option_list *input = &r->o->feed.input;
    return ts_error(TS_ERR_USER, "--input %s%s: no documents%s", input->v[0],
                    input->n > 1 ? " and others" : "",
                    r->bad.n ? ": all records are bad" : "");
}

/* The samples that were put together, or were too long to be written. */
static ts_status finish_samples(ring *r)
{
    ts_packer *p = &r->packer;
    const long long length = (long long)r->o->handler.seq_length;
    const int64_t n_long = r->n_long + p->left_out, n = r->n_samples;
    if (n_long)
        ts_log(TS_LOG_WARN, "%lld of %lld samples have --seq-length %lld tokens or more and are left out",
               (long long)n_long, (long long)n, length);
    if (p->cut)
        ts_log(TS_LOG_WARN, "%lld of %lld samples are cut to %lld tokens", (long long)p->cut, (long long)n,
               length - 1);
    if (r->handler && n_long >= n)
        return ts_error(TS_ERR_USER, "--seq-length %lld: every sample has as many tokens or more: none is left", length);
    if (!r->o->handler.pack)
        return TS_OK;
    TS_TRY(ts_packer_write(p, r->builders));
    r->totals.tokens = 3 * p->packs * r->o->handler.seq_length;
    ts_log(TS_LOG_INFO, "%zu samples in %lld packs of %lld tokens, %.1f %% of which are filled", p->n,
           (long long)p->packs, length, 100.0 * (double)p->ids.n / (double)(p->packs * r->o->handler.seq_length));
    return TS_OK;
}

/* The handler, its keys, and the files that it reads. */
static ts_status open_records(ring *r, const ts_preprocess_options *o, ts_text_tokenizer *tok)
{
    const ts_option_list *input = &o->feed.input;
    ts_feed_options feed = o->feed;
    TS_TRY(ts_handler_open(&o->handler, input->n == 1 ? input->v[0] : NULL, &feed.json_keys, o->append_eod, tok,
                           &r->handler));
    r->keys = feed.json_keys.v;
    r->n_keys = (size_t)feed.json_keys.n;
    const char *file = NULL;
    if (r->handler) {
        r->keys = ts_handler_keys(r->handler, &r->n_keys);
        file = ts_handler_file(r->handler);
        r->packer.seq_length = o->handler.seq_length;
        r->packer.is_neat = o->handler.neat_pack;
        r->packer.pad = tok->pad;
    }
    if (file)
        feed.input = (ts_option_list){ &file, 1 };
    return ts_textfeed_create(&feed, &r->feed);
}

ts_status ts_preprocess(const ts_preprocess_options *o, ts_text_tokenizer *tok, ts_preprocess_totals *totals)
{
    ring r = { .o = o, .tok = tok, .started = ts_now(), .next_line = o->log_interval };
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.changed, NULL);
    ts_status st = open_records(&r, o, tok);
    if (st == TS_OK)
        st = check_options(o, tok);
    r.said = r.started;
    if (st == TS_OK)
        st = make_ring(&r);
    if (st == TS_OK)
        st = run_threads(&r);
    ts_bad_records_say(&r.bad, r.totals.documents);
    if (st == TS_OK && r.totals.documents == 0)
        st = no_documents(&r);
    if (st == TS_OK)
        st = finish_samples(&r);
    for (size_t k = 0; st == TS_OK && k < r.n_keys; k++)
        st = ts_indexed_builder_finish(r.builders[k]);
    if (st == TS_OK) {
        say_progress(&r, true);
        r.totals.seconds = ts_now() - r.started;
        r.totals.bad_records = r.bad.n;
        *totals = r.totals;
    }
    drop_ring(&r);
    return st;
}
