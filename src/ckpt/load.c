#include "ckpt/checkpoint.h"

#include "base/file.h"
#include "base/log.h"
#include "ckpt/check.h"
#include "ckpt/manifest.h"
#include "ckpt/names.h"

#include <stdio.h>
#include <string.h>

struct ts_checkpoint {
    char *path, *state_file;
    int64_t iteration;
    int world_size;
    json_t *state;
    ts_st_dir *parts[TS_CKPT_PARTS]; /* NULL: no tensors */
};

void ts_checkpoint_close(ts_checkpoint **checkpoint)
{
    ts_checkpoint *ck = *checkpoint;
    if (!ck)
        return;
    for (int i = 0; i < TS_CKPT_PARTS; i++)
        ts_st_dir_destroy(&ck->parts[i]);
    if (ck->state)
        json_decref(ck->state);
    ts_free(&ck->path);
    ts_free(&ck->state_file);
    ts_free(checkpoint);
}

/* Every file that tensors come from must be one whose bytes were checked. */
static ts_status check_covered(const ts_st_dir *d, const ckpt_manifest *m)
{
    for (int64_t i = 0; i < ts_st_dir_count(d); i++) {
        const ts_st_tensor *t = ts_st_dir_at(d, i);
        const char *slash = strrchr(t->path, '/');
        if (!ckpt_manifest_find(m, slash ? slash + 1 : t->path))
            return ts_error(TS_ERR_USER, "%s: is not in the checkpoint's manifest", t->path);
    }
    return TS_OK;
}

static ts_status load_part(ts_checkpoint *ck, ts_ckpt_part part, const ckpt_manifest *m)
{
    char index[CKPT_NAME];
    snprintf(index, sizeof index, "%s.safetensors.index.json", ckpt_part_stem(part));
    if (!ckpt_manifest_find(m, index))
        return TS_OK;
    TS_TRY(ts_st_dir_open(ck->path, ckpt_part_stem(part), &ck->parts[part]));
    return check_covered(ck->parts[part], m);
}

static ts_status load_into(ts_checkpoint *ck, const char *folder, unsigned flags, ckpt_manifest *m)
{
    ts_str file = { 0 };
    TS_TRY(ts_strdup(folder, &ck->path));
    TS_TRY(ts_path_join(&file, folder, CKPT_STATE));
    ck->state_file = file.s; /* taken over */
    TS_TRY(ckpt_manifest_read(folder, m));
    ck->iteration = m->iteration;
    ck->world_size = (int)m->world_size;
    TS_TRY(ts_json_read(ck->state_file, &ck->state));
    if (!json_is_object(ck->state))
        return ts_error(TS_ERR_USER, "%s: must be a JSON object", ck->state_file);
    TS_TRY(load_part(ck, TS_CKPT_MODEL, m));
    return flags & TS_CKPT_MODEL_ONLY ? TS_OK : load_part(ck, TS_CKPT_OPTIMIZER, m);
}

static ts_status load(const char *folder, unsigned flags, ts_checkpoint **out)
{
    ts_checkpoint *ck = NULL;
    ckpt_manifest m = { 0 };
    TS_TRY(ts_alloc(&ck, 1, sizeof *ck));
    const ts_status st = load_into(ck, folder, flags, &m);
    ckpt_manifest_deinit(&m);
    if (st != TS_OK)
        ts_checkpoint_close(&ck);
    else
        *out = ck;
    return st;
}

/* What to try, in this order: an iteration's number, twice, plus 1 for its .old- folder; or ITSELF
 * for a path that is an iteration's folder. */
typedef struct candidates {
    int64_t *v, n;
} candidates;

enum { ITSELF = -1 };

static int64_t encode(const ts_ckpt_entry *e)
{
    return 2 * e->iteration + (strrchr(e->folder, '/')[1] == '.');
}

/* The one that the tracker names; those without a good manifest, which will be refused with a
 * reason; the rest by the order of saving. */
static void newest_first(const char *dir, const ts_ckpt_entry *list, size_t n, candidates *out)
{
    int64_t latest = -1;
    size_t at = n;
    if (ts_ckpt_latest(dir, &latest) != TS_OK)
        ts_log(TS_LOG_WARN, "%s; the checkpoint that was saved last is looked for",
               ts_error_message());
    for (size_t i = 0; i < n; i++)
        if (list[i].iteration == latest)
            at = i;
    if (latest >= 0 && at == n)
        ts_log(TS_LOG_WARN,
               "%s/%s: names iteration %lld, which is not there; the checkpoint that was saved "
               "last is looked for",
               dir, CKPT_TRACKER, (long long)latest);
    if (at < n)
        out->v[out->n++] = encode(&list[at]);
    if (at < n && list[at].sequence > 0 && list[0].sequence > list[at].sequence)
        ts_log(TS_LOG_WARN, "%s/%s: names iteration %lld, though iteration %lld was saved later",
               dir, CKPT_TRACKER, (long long)latest, (long long)list[0].iteration);
    for (int is_good = 0; is_good < 2; is_good++)
        for (size_t i = 0; i < n; i++)
            if (i != at && (list[i].sequence > 0) == is_good)
                out->v[out->n++] = encode(&list[i]);
}

static ts_status find(const char *path, int64_t step, candidates *out)
{
    ts_ckpt_entry *list;
    size_t n, at;
    if (!ts_path_is_dir(path))
        return ts_error(TS_ERR_USER, "%s: is not a folder; expected one with checkpoints", path);
    if (ts_ckpt_is_iteration(path)) {
        TS_TRY(ts_alloc(&out->v, 1, sizeof *out->v));
        out->v[out->n++] = ITSELF;
        return TS_OK;
    }
    TS_TRY(ts_ckpt_list(path, &list, &n));
    ts_status st = ts_alloc(&out->v, n, sizeof *out->v);
    if (st == TS_OK && (n == 0 || step >= 0)) {
        st = ts_ckpt_pick(path, step, list, n, &at);
        if (st == TS_OK)
            out->v[out->n++] = encode(&list[at]);
    } else if (st == TS_OK) {
        newest_first(path, list, n, out);
    }
    ts_ckpt_list_free(&list, n);
    return st;
}

/* Rank 0 looks, since a file system may show each rank something else. */
static ts_status find_together(const char *path, int64_t step, ts_comm *comm, candidates *out)
{
    ts_status st = comm->rank == 0 ? find(path, step, out) : TS_OK;
    TS_TRY(ts_comm_agree(comm, st));
    TS_TRY(ts_comm_run(comm, ts_broadcast(&out->n, 1, TS_COMM_I64, 0)));
    st = comm->rank == 0 ? TS_OK : ts_alloc(&out->v, (size_t)out->n, sizeof *out->v);
    TS_TRY(ts_comm_agree(comm, st));
    return ts_comm_run(comm, ts_broadcast(out->v, out->n, TS_COMM_I64, 0));
}

/* *is_newer: refused for the version of its format, which a fallback must not hide. */
static ts_status try_one(const char *folder, unsigned flags, ts_comm *comm, bool *is_newer,
                         ts_checkpoint **out)
{
    ts_ckpt_check check = { .share = comm->rank, .shares = comm->size,
                            .model_only = flags & TS_CKPT_MODEL_ONLY };
    ts_checkpoint *ck = NULL;
    ckpt_manifest m = { 0 };
    const bool trusts = flags & TS_CKPT_UNCHECKED;
    ts_status st = ts_comm_agree(comm, trusts ? TS_OK : ts_ckpt_check_folder(folder, &check));
    if (st == TS_OK)
        st = ts_comm_agree(comm, load(folder, flags, &ck));
    if (st == TS_OK) {
        *out = ck;
        return TS_OK;
    }
    ts_checkpoint_close(&ck);
    char text[1024];
    snprintf(text, sizeof text, "%s", ts_error_message());
    int64_t newer = ckpt_manifest_read(folder, &m) != TS_OK && m.is_newer;
    ckpt_manifest_deinit(&m);
    TS_TRY(ts_comm_run(comm, ts_all_reduce(&newer, 1, TS_COMM_I64, TS_COMM_MAX)));
    *is_newer = newer;
    return ts_error(st, "%s", text);
}

static ts_status candidate_folder(const char *path, int64_t v, ts_str *out)
{
    char name[CKPT_NAME];
    ts_str_reset(out);
    if (v == ITSELF)
        return ts_str_puts(out, path);
    ckpt_folder_name(name, v & 1 ? ".old-" : "", v / 2);
    return ts_path_join(out, path, name);
}

static ts_status open_first(const char *path, const candidates *list, unsigned flags, ts_comm *comm,
                            ts_checkpoint **out)
{
    ts_str folder = { 0 };
    char first[1024] = "";
    bool is_newer = false;
    ts_status st = TS_OK;
    for (int64_t i = 0; i < list->n; i++) {
        st = ts_comm_agree(comm, candidate_folder(path, list->v[i], &folder));
        if (st == TS_OK)
            st = try_one(folder.s, flags, comm, &is_newer, out);
        if (st == TS_OK && i && comm->rank == 0)
            ts_log(TS_LOG_WARN, "%s: the checkpoint of iteration %lld is used instead", path,
                   (long long)(*out)->iteration);
        if (st != TS_ERR_USER || is_newer || list->n == 1)
            break;
        if (comm->rank == 0)
            ts_log(TS_LOG_WARN, "%s", ts_error_message());
        if (!i)
            snprintf(first, sizeof first, "%s", ts_error_message());
        st = ts_error(TS_ERR_USER,
                      "%s: none of its %lld checkpoints is good; the first that was tried: %s",
                      path, (long long)list->n, first);
    }
    ts_str_deinit(&folder);
    return st;
}

ts_status ts_checkpoint_open(const char *path, int64_t step, unsigned flags, ts_comm *comm,
                             ts_checkpoint **out)
{
    ts_comm *alone = NULL;
    candidates list = { 0 };
    if (!comm)
        TS_TRY(ts_comm_self_create(&alone));
    ts_status st = find_together(path, step, comm ? comm : alone, &list);
    if (st == TS_OK)
        st = open_first(path, &list, flags, comm ? comm : alone, out);
    if (st == TS_OK && step >= 0 && (*out)->iteration != step) {
        st = ts_error(TS_ERR_USER, "%s: is the checkpoint of iteration %lld, not of %lld", path,
                      (long long)(*out)->iteration, (long long)step);
        ts_checkpoint_close(out);
    }
    ts_free(&list.v);
    ts_comm_destroy(&alone);
    return st;
}

int64_t ts_checkpoint_iteration(const ts_checkpoint *ck) { return ck->iteration; }
int ts_checkpoint_world_size(const ts_checkpoint *ck) { return ck->world_size; }
const char *ts_checkpoint_path(const ts_checkpoint *ck) { return ck->path; }
const char *ts_checkpoint_state_file(const ts_checkpoint *ck) { return ck->state_file; }
const json_t *ts_checkpoint_state(const ts_checkpoint *ck) { return ck->state; }

int64_t ts_checkpoint_count(const ts_checkpoint *ck, ts_ckpt_part part)
{
    return ck->parts[part] ? ts_st_dir_count(ck->parts[part]) : 0;
}

const ts_st_tensor *ts_checkpoint_at(const ts_checkpoint *ck, ts_ckpt_part part, int64_t i)
{
    TS_ASSERT(ck->parts[part], "the checkpoint has no %s tensors", ckpt_part_stem(part));
    return ts_st_dir_at(ck->parts[part], i);
}

const ts_st_tensor *ts_checkpoint_tensor(const ts_checkpoint *ck, const char *name)
{
    for (int i = 0; i < TS_CKPT_PARTS; i++) {
        const ts_st_tensor *t = ck->parts[i] ? ts_st_dir_find(ck->parts[i], name) : NULL;
        if (t)
            return t;
    }
    return NULL;
}
