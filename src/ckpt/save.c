#include "ckpt/checkpoint.h"

#include "base/file.h"
#include "base/log.h"
#include "ckpt/manifest.h"
#include "ckpt/names.h"
#include "ckpt/root.h"
#include "ckpt/write.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const size_t default_shard_bytes = (size_t)4 << 30;

/* A save: shards are written on every rank (in the background on a thread of their own, which calls
 * no collective); the rest is done by `conclude` on the thread that trains. */
typedef struct job {
    int64_t iteration;
    ckpt_plan plan;
    char *folder;       /* .tmp-iter_... */
    ts_str state;       /* rank 0 */
    ts_str entries;     /* of the manifest, for the files written here */
    bool has_thread;
    pthread_t thread;
    atomic_bool is_written;
    ts_status status; /* of the writing; its message, since messages belong to threads */
    char message[1024];
} job;

struct ts_checkpointer {
    char *dir;
    ts_ckpt_options options;
    ts_comm *world, *alone; /* alone: made here where no world was given */
    int lock;               /* rank 0 */
    int64_t sequence;       /* of the last save; rank 0 */
    char *staging;
    size_t staging_size;
    job *job; /* NULL: no save under way */
};

ts_status ts_checkpointer_create(const ts_ckpt_options *options, ts_comm *world,
                                 ts_checkpointer **out)
{
    ts_checkpointer *c = NULL;
    TS_ASSERT(options->dir && options->keep >= 0, "checkpoints need a folder");
    TS_TRY(ts_alloc(&c, 1, sizeof *c));
    c->options = *options;
    c->options.dir = NULL;
    if (!c->options.max_shard_bytes)
        c->options.max_shard_bytes = default_shard_bytes;
    c->lock = -1;
    ts_status st = ts_strdup(options->dir, &c->dir);
    if (st == TS_OK && !world)
        st = ts_comm_self_create(&c->alone);
    c->world = world ? world : c->alone;
    if (st == TS_OK && c->world->rank == 0)
        st = ckpt_root_lock(c->dir, &c->lock);
    if (st == TS_OK && c->world->rank == 0)
        st = ckpt_root_sequence(c->dir, &c->sequence);
    if (c->world)
        st = ts_comm_agree(c->world, st);
    if (st != TS_OK) {
        ts_checkpointer_destroy(&c);
        return st;
    }
    *out = c;
    return TS_OK;
}

static void job_destroy(job **j)
{
    if (!*j)
        return;
    ckpt_plan_deinit(&(*j)->plan);
    ts_free(&(*j)->folder);
    ts_str_deinit(&(*j)->state);
    ts_str_deinit(&(*j)->entries);
    ts_free(j);
}

/* Before anything is written: what will be, whether it fits, and the folder for it. */
static ts_status prepare(ts_checkpointer *c, job *j, const ts_ckpt_tensor *tensors, int64_t n,
                         const char *state_json)
{
    char name[CKPT_NAME];
    ts_str path = { 0 };
    ckpt_folder_name(name, ".tmp-", j->iteration);
    TS_TRY(ckpt_plan_make(tensors, n, c->options.max_shard_bytes, c->world->size,
                          c->options.group_of, &j->plan));
    TS_TRY(ts_path_join(&path, c->dir, name));
    j->folder = path.s; /* taken over */
    if (c->world->rank != 0)
        return TS_OK;
    json_t *state;
    TS_TRY(ts_str_puts(&j->state, state_json));
    TS_TRY(ts_json_parse(j->state.s, j->state.len, CKPT_STATE, &state));
    TS_ASSERT(json_is_object(state), "the state of a checkpoint must be a JSON object");
    json_decref(state);
    TS_TRY(ckpt_root_recover(c->dir));
    const size_t small = j->state.len + (c->options.files ? ts_side_files_bytes(c->options.files) : 0);
    TS_TRY(ckpt_root_room(c->dir, j->iteration, j->plan.disk_bytes + (double)small));
    if (mkdir(j->folder, 0750) < 0)
        return ts_error(TS_ERR_IO, "%s: cannot make the folder: %s", j->folder, strerror(errno));
    return TS_OK;
}

/* A plan puts tensors in another order: each says by its data where it stood. */
ts_status ts_checkpointer_writes(const ts_checkpointer *c, const ts_ckpt_tensor *tensors, int64_t n,
                                 bool *writes)
{
    ckpt_plan p = { 0 };
    ts_ckpt_tensor *told;
    TS_TRY(ts_alloc(&told, (size_t)n, sizeof *told));
    for (int64_t i = 0; i < n; i++) {
        told[i] = tensors[i];
        told[i].data = &told[i];
    }
    const ts_status st = ckpt_plan_make(told, n, c->options.max_shard_bytes, c->world->size,
                                        c->options.group_of, &p);
    for (const ckpt_shard *s = p.shards; s < p.shards + p.n_shards; s++)
        for (int64_t k = s->first; k < s->first + s->n; k++)
            writes[(const ts_ckpt_tensor *)p.tensors[k].data - told] = s->writer == c->world->rank;
    ckpt_plan_deinit(&p);
    ts_free(&told);
    return st;
}

static ts_status check_alike(ts_comm *world, const ckpt_plan *p)
{
    int64_t v[2] = { p->digest, -p->digest };
    TS_TRY(ts_comm_run(world, ts_all_reduce(v, 2, TS_COMM_I64, TS_COMM_MAX)));
    TS_ASSERT(v[0] == -v[1], "the ranks do not save the same tensors");
    return TS_OK;
}

/* This rank's shards, those in the staging buffer or the others. */
static ts_status write_shards(const ts_checkpointer *c, job *j, bool staged)
{
    for (size_t i = 0; i < j->plan.n_shards; i++) {
        const ckpt_shard *s = &j->plan.shards[i];
        if (s->writer == c->world->rank && s->is_staged == staged)
            TS_TRY(ckpt_write_shard(&j->plan, s, &c->options, j->folder, &j->entries));
    }
    return TS_OK;
}

/* Which of this rank's shards fit into the buffer, and the buffer. Without memory for it nothing is
 * staged. */
static void plan_staging(ts_checkpointer *c, job *j)
{
    const size_t limit = c->options.staging_bytes ? c->options.staging_bytes : SIZE_MAX;
    size_t need = 0;
    for (size_t i = 0; i < j->plan.n_shards; i++) {
        ckpt_shard *s = &j->plan.shards[i];
        s->is_staged = s->writer == c->world->rank && s->bytes <= limit - need;
        need += s->is_staged ? s->bytes : 0;
    }
    if (need > c->staging_size) {
        free(c->staging);
        c->staging = malloc(need);
        c->staging_size = c->staging ? need : 0;
    }
    for (size_t i = 0; need > c->staging_size && i < j->plan.n_shards; i++)
        j->plan.shards[i].is_staged = false;
}

static ts_status copy_to_staging(ts_checkpointer *c, job *j)
{
    const ts_ckpt_options *o = &c->options;
    char *to = c->staging;
    for (size_t i = 0; i < j->plan.n_shards; i++) {
        const ckpt_shard *s = &j->plan.shards[i];
        for (int64_t k = s->first; s->is_staged && k < s->first + s->n; k++) {
            const void *data = j->plan.tensors[k].data;
            const size_t n = j->plan.sizes[k];
            if (n && o->fetch && !j->plan.tensors[k].on_host)
                TS_TRY(o->fetch(o->fetch_ctx, to, data, n));
            else if (n)
                memcpy(to, data, n);
            j->plan.tensors[k].data = to;
            to += n;
        }
    }
    return TS_OK;
}

static void *write_in_background(void *checkpointer)
{
    const ts_checkpointer *c = checkpointer;
    job *j = c->job;
    j->status = write_shards(c, j, true);
    if (j->status != TS_OK)
        snprintf(j->message, sizeof j->message, "%s", ts_error_message());
    atomic_store(&j->is_written, true);
    return NULL;
}

/* Signals stay with the thread that trains. Where no thread can be had, the work is done here. */
static void start_thread(ts_checkpointer *c, job *j)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    j->has_thread = pthread_create(&j->thread, NULL, write_in_background, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!j->has_thread)
        j->status = write_shards(c, j, true);
}

static void begin_background(ts_checkpointer *c, job *j)
{
    plan_staging(c, j);
    j->status = write_shards(c, j, false);
    if (j->status == TS_OK)
        j->status = copy_to_staging(c, j);
    if (j->status == TS_OK)
        start_thread(c, j);
    if (!j->has_thread) {
        if (j->status != TS_OK)
            snprintf(j->message, sizeof j->message, "%s", ts_error_message());
        atomic_store(&j->is_written, true);
    }
}

/* The manifest's entries of all ranks, on every rank. */
static ts_status gather_entries(ts_comm *world, ts_str *entries)
{
    int64_t *counts = NULL, n = (int64_t)entries->len, total = 0;
    char *all = NULL;
    ts_status st = ts_alloc(&counts, 2 * (size_t)world->size, sizeof *counts);
    TS_TRY_TO(done, st, ts_comm_agree(world, st));
    TS_TRY_TO(done, st, ts_comm_run(world, ts_all_gather(&n, counts, 1, TS_COMM_I64)));
    for (int r = 0; r < world->size; r++) {
        counts[world->size + r] = total;
        total += counts[r];
    }
    st = ts_alloc(&all, (size_t)total + 1, 1);
    TS_TRY_TO(done, st, ts_comm_agree(world, st));
    TS_TRY_TO(done, st,
              ts_comm_run(world, ts_all_gather_v(ts_str_text(entries), n, all, counts,
                                                 counts + world->size, TS_COMM_U8)));
    ts_str_reset(entries);
    for (int r = 0; st == TS_OK && r < world->size; r++) {
        if (counts[r] && entries->len)
            st = ts_str_puts(entries, ",");
        if (st == TS_OK)
            st = ts_str_add(entries, all + counts[world->size + r], (size_t)counts[r]);
    }
done:
    ts_free(&all);
    ts_free(&counts);
    return st;
}

static ts_status write_side_files(const ts_checkpointer *c, job *j)
{
    const ts_side_files *f = c->options.files;
    for (size_t i = 0; f && i < f->n; i++)
        TS_TRY(ckpt_write_file(j->folder, f->v[i].name, ts_str_text(&f->v[i].text),
                               f->v[i].text.len, &j->entries));
    return TS_OK;
}

/* Rank 0: the small files, then the name. */
static ts_status publish(ts_checkpointer *c, job *j)
{
    char now[32];
    const time_t t = time(NULL);
    struct tm tm;
    ts_str text = { 0 };
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    const ckpt_manifest m = { .iteration = j->iteration, .sequence = c->sequence + 1,
                              .world_size = c->world->size, .chunk = CKPT_CHUNK, .saved_at = now };
    ts_status st = TS_OK;
    for (int part = 0; st == TS_OK && part < TS_CKPT_PARTS; part++)
        st = ckpt_write_index(&j->plan, (ts_ckpt_part)part, j->folder, &j->entries);
    if (st == TS_OK)
        st = write_side_files(c, j);
    if (st == TS_OK)
        st = ckpt_write_file(j->folder, CKPT_STATE, j->state.s, j->state.len, &j->entries);
    if (st == TS_OK)
        st = ckpt_manifest_text(&m, j->entries.s, &text);
    if (st == TS_OK)
        st = ckpt_write_file(j->folder, CKPT_MANIFEST, text.s, text.len, NULL);
    ts_str_deinit(&text);
    c->sequence++; /* taken even when the rename comes too late to be told of */
    return st == TS_OK ? ckpt_root_publish(c->dir, j->iteration) : st;
}

/* Clears away what was written; that may fail too, but what failed first is what the reader must
 * know. */
static ts_status give_up(ts_checkpointer *c, job **j, ts_status st)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", ts_error_message());
    if (c->world->rank == 0 && *j && (*j)->folder)
        (void)!ts_remove_tree((*j)->folder);
    job_destroy(j);
    return ts_error(st, "%s", text);
}

/* All ranks: waits for the writing, publishes or clears away. */
static ts_status conclude(ts_checkpointer *c)
{
    job *j = c->job;
    const bool is_first = c->world->rank == 0;
    if (j->has_thread)
        pthread_join(j->thread, NULL);
    j->has_thread = false;
    c->job = NULL;
    ts_status st = j->status == TS_OK ? TS_OK : ts_error(j->status, "%s", j->message);
    st = ts_comm_agree(c->world, st);
    if (st == TS_OK)
        st = ts_comm_agree(c->world, gather_entries(c->world, &j->entries));
    if (st == TS_OK)
        st = ts_comm_agree(c->world, is_first ? publish(c, j) : TS_OK);
    if (st == TS_OK && is_first && ckpt_root_prune(c->dir, c->options.keep) != TS_OK)
        ts_log(TS_LOG_WARN, "an old checkpoint stays: %s", ts_error_message());
    if (st != TS_OK)
        return give_up(c, &j, st);
    job_destroy(&j);
    return TS_OK;
}

ts_status ts_checkpointer_save(ts_checkpointer *c, int64_t iteration, const ts_ckpt_tensor *tensors,
                               int64_t n, const char *state_json)
{
    TS_ASSERT(iteration >= 0, "iteration %lld", (long long)iteration);
    if (ts_checkpointer_wait(c) != TS_OK && c->world->rank == 0)
        ts_log(TS_LOG_WARN, "the checkpoint before was not saved: %s", ts_error_message());
    job *j = NULL;
    ts_status st = ts_alloc(&j, 1, sizeof *j);
    if (st == TS_OK) {
        j->iteration = iteration;
        st = prepare(c, j, tensors, n, state_json);
    }
    st = ts_comm_agree(c->world, st);
    if (st == TS_OK)
        st = check_alike(c->world, &j->plan);
    if (st != TS_OK)
        return give_up(c, &j, st);
    c->job = j;
    if (c->options.is_background) {
        begin_background(c, j);
        return TS_OK;
    }
    j->status = write_shards(c, j, false);
    if (j->status != TS_OK)
        snprintf(j->message, sizeof j->message, "%s", ts_error_message());
    return conclude(c);
}

ts_status ts_checkpointer_poll(ts_checkpointer *c)
{
    if (!c->job)
        return TS_OK;
    int64_t done = atomic_load(&c->job->is_written);
    TS_TRY(ts_comm_run(c->world, ts_all_reduce(&done, 1, TS_COMM_I64, TS_COMM_MIN)));
    return done ? conclude(c) : TS_OK;
}

ts_status ts_checkpointer_wait(ts_checkpointer *c) { return c->job ? conclude(c) : TS_OK; }

size_t ts_checkpointer_staging(const ts_checkpointer *c) { return c->staging_size; }

void ts_checkpointer_destroy(ts_checkpointer **checkpointer)
{
    ts_checkpointer *c = *checkpointer;
    if (!c)
        return;
    if (c->job) {
        if (c->job->has_thread)
            pthread_join(c->job->thread, NULL);
        if (c->world->rank == 0)
            (void)!ts_remove_tree(c->job->folder);
        job_destroy(&c->job);
    }
    if (c->lock >= 0)
        close(c->lock);
    free(c->staging);
    ts_comm_destroy(&c->alone);
    ts_free(&c->dir);
    ts_free(checkpointer);
}
