#include "train/profile.h"

#include "base/file.h"
#include "base/log.h"
#include "base/output.h"
#include "base/timeline_sum.h"
#include "base/timeline_trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct ts_profile {
    const ts_profile_options *o;
    ts_timeline *t;
    ts_comm *comm;       /* all processes */
    bool world_is_dp;    /* its calls are those of dp, as the metrics have it */
    bool is_chosen;
    const char *trigger; /* what is looked for; NULL: nothing, any more */
    int64_t first, last; /* iterations of the capture that goes on or comes next; first 0: none */
    int64_t done;        /* the last iteration that was run */
    bool captured;       /* some of its steps */
};

/* ---- begin and end ---- */

static ts_status make_folder(const ts_profile *p)
{
    if (!p->is_chosen || ts_mkdirs(p->o->save_path) == TS_OK)
        return TS_OK;
    char why[512];
    snprintf(why, sizeof why, "%s", ts_error_message());
    return ts_error(TS_ERR_USER, "--profile-save-path %s: %s", p->o->save_path, why);
}

ts_status ts_profile_create(const ts_profile_options *o, ts_timeline *timeline, const ts_mesh *mesh,
                            ts_profile **out)
{
    ts_profile *p;
    *out = NULL;
    if (!o->on && !o->trigger_file)
        return TS_OK;
    ts_status st = ts_alloc(&p, 1, sizeof *p);
    if (st == TS_OK) {
        *p = (ts_profile){ .o = o, .t = timeline, .comm = mesh->world,
                           .world_is_dp = mesh->world == mesh->comm[TS_MESH_DP],
                           .is_chosen = ts_profile_chooses(o, mesh->world->rank),
                           .trigger = mesh->world->rank == 0 ? o->trigger_file : NULL };
        *out = p;
        st = make_folder(p);
    }
    return ts_comm_agree(mesh->world, st);
}

void ts_profile_destroy(ts_profile **p)
{
    if (*p)
        ts_timeline_deinit((*p)->t);
    ts_free(p);
}

/* Processes of one host have one clock: that of rank 0 is all of theirs. Of several hosts, each counts from
 * where it leaves a barrier. */
static ts_status common_origin(const ts_profile *p, double *origin)
{
    TS_TRY(ts_comm_run(p->comm, ts_barrier()));
    *origin = ts_timeline_now(p->t);
    if (p->comm->local_size < p->comm->size)
        return TS_OK;
    return ts_comm_run(p->comm, ts_broadcast(origin, 1, TS_COMM_F64, 0));
}

ts_status ts_profile_before(ts_profile *p, int64_t iteration)
{
    double origin;
    if (!p)
        return TS_OK;
    if (!p->first && p->o->on && iteration == p->o->step_start + 1) {
        p->first = iteration;
        p->last = p->o->step_end < 0 ? INT64_MAX : p->o->step_end;
    }
    if (p->first != iteration)
        return TS_OK;
    TS_TRY(common_origin(p, &origin));
    if (p->is_chosen) {
        const ts_timeline_detail detail = ts_profile_detail(p->o);
        ts_timeline_start(p->t, &detail, origin);
    }
    return TS_OK;
}

bool ts_profile_is_asked(const ts_profile *p) { return p && !p->first && p->trigger && ts_path_exists(p->trigger); }

static void remove_trigger(ts_profile *p)
{
    if (!p->trigger || unlink(p->trigger) == 0 || errno == ENOENT)
        return;
    ts_log(TS_LOG_WARN, "--profile-trigger-file %s cannot be removed: %s; it is not looked for any more", p->trigger,
           strerror(errno));
    p->trigger = NULL;
}

static ts_status end_capture(ts_profile *p);

ts_status ts_profile_after(ts_profile *p, int64_t iteration, bool asked)
{
    if (!p)
        return TS_OK;
    p->done = iteration;
    if (p->first && iteration == p->last)
        return end_capture(p);
    if (!p->first && asked) {
        p->first = iteration + 1;
        p->last = iteration + p->o->trigger_steps;
        remove_trigger(p);
        if (p->comm->rank == 0)
            ts_log(TS_LOG_INFO, "capturing iterations %lld to %lld, as %s asks", (long long)p->first,
                   (long long)p->last, p->o->trigger_file);
    }
    return TS_OK;
}

ts_status ts_profile_finish(ts_profile *p)
{
    if (!p)
        return TS_OK;
    if (p->first && p->done >= p->first)
        return end_capture(p);
    if (p->o->on && !p->captured && p->comm->rank == 0)
        ts_log(TS_LOG_WARN, "--profile captured nothing: iteration %lld, with which it begins (--profile-step-start), "
               "is not one of this run's", (long long)p->o->step_start + 1);
    return TS_OK;
}

/* ---- what is written ---- */

static ts_status path_of(const ts_profile *p, const char *name, ts_str *out)
{
    char file[96];
    snprintf(file, sizeof file, "steps-%lld-%lld.%s.json", (long long)p->first, (long long)p->last, name);
    return ts_path_join(out, p->o->save_path, file);
}

static ts_status write_text(const ts_profile *p, const char *name, const ts_str *text)
{
    ts_str path = { 0 };
    ts_status st = path_of(p, name, &path);
    if (st == TS_OK)
        st = ts_file_write_atomic(path.s, text->s, text->len);
    ts_str_deinit(&path);
    return st;
}

/* What could not be told of a capture is no reason to end the run. */
static void forgive(ts_status st, const char *what)
{
    if (st != TS_OK)
        ts_log(TS_LOG_WARN, "%s failed, training goes on: %s", what, ts_error_message());
}

static ts_status trace_text(const ts_profile *p, ts_str *out)
{
    char name[32], other[256];
    ts_trace trace;
    snprintf(name, sizeof name, "rank %d", p->comm->rank);
    snprintf(other, sizeof other,
             "{\"rank\": %d, \"processes\": %d, \"first_step\": %lld, \"last_step\": %lld, \"clock\": \"%s\", "
             "\"lost_events\": %zu}",
             p->comm->rank, p->comm->size, (long long)p->first, (long long)p->last,
             p->comm->local_size < p->comm->size ? "barrier" : "shared", p->t->lost);
    ts_trace_begin(&trace, out);
    TS_TRY(ts_timeline_trace(p->t, p->comm->rank, name, &trace));
    return ts_trace_end(&trace, other);
}

static void write_trace(const ts_profile *p)
{
    char name[32];
    ts_str text = { 0 };
    snprintf(name, sizeof name, "rank-%d", p->comm->rank);
    ts_status st = trace_text(p, &text);
    if (st == TS_OK)
        st = write_text(p, name, &text);
    forgive(st, "writing the captured steps");
    if (p->t->lost)
        ts_log(TS_LOG_WARN, "%zu events of the captured steps were lost: there was no room for them", p->t->lost);
    ts_str_deinit(&text);
}

/* As the metrics name it where samples alone are shared out. */
static void name_world(const ts_profile *p)
{
    for (size_t i = 0; p->world_is_dp && i < p->t->n; i++)
        if (p->t->mark[i].group && !strcmp(p->t->mark[i].group, p->comm->group))
            p->t->mark[i].group = "dp";
}

/* What each rank tells of its steps: whether it has recorded any, their time, and what of it it waited. */
enum { TOLD_RECORDED, TOLD_SECONDS, TOLD_BLOCKED, TOLD };

/* Among those that recorded: who waited least for the others, and so kept them waiting; -1: none did. */
static int slowest(const double *told, int size)
{
    int at = -1;
    double most = 0;
    for (int r = 0; r < size; r++) {
        const double *x = told + r * TOLD;
        if (x[TOLD_RECORDED] > 0 && (at < 0 || x[TOLD_SECONDS] - x[TOLD_BLOCKED] > most)) {
            at = r;
            most = x[TOLD_SECONDS] - x[TOLD_BLOCKED];
        }
    }
    return at;
}

static ts_status log_text(const ts_profile *p, const ts_timeline_sum *sum, const double *told, ts_str *out)
{
    const int r = slowest(told, p->comm->size);
    TS_TRY(ts_str_printf(out, "captured iterations %lld to %lld, traces are in %s; rank %d:\n", (long long)p->first,
                         (long long)p->last, p->o->save_path, p->comm->rank));
    TS_TRY(ts_timeline_sum_table(sum, out));
    if (p->comm->size == 1)
        return TS_OK;
    return ts_str_printf(out, "\nslowest: rank %d, which waited %.6f s of %.6f s", r, told[r * TOLD + TOLD_BLOCKED],
                         told[r * TOLD + TOLD_SECONDS]);
}

/* Rank 0 speaks for a job; another rank where it is the first of the chosen. */
static void log_table(const ts_profile *p, const ts_timeline_sum *sum, const double *told)
{
    ts_str text = { 0 };
    const ts_status st = log_text(p, sum, told, &text);
    if (st == TS_OK && p->comm->rank == 0)
        ts_log(TS_LOG_INFO, "%s", text.s);
    else if (st == TS_OK)
        ts_log_raw("%s\n", text.s);
    ts_str_deinit(&text);
}

/* texts: what all ranks have said of theirs, one after another. */
static ts_status summary_text(const ts_profile *p, const ts_str *texts, const double *told, ts_str *out)
{
    TS_TRY(ts_str_printf(out, "{\"first_step\": %lld, \"last_step\": %lld, \"processes\": %d, \"slowest_rank\": %d,\n"
                              " \"ranks\": [",
                         (long long)p->first, (long long)p->last, p->comm->size, slowest(told, p->comm->size)));
    TS_TRY(ts_str_add(out, texts->s + 1, texts->len - 1)); /* without its first comma */
    return ts_str_puts(out, "\n ]\n}\n");
}

/* Every rank's text, in the order of the ranks, on all. */
static ts_status gather_texts(const ts_profile *p, const ts_str *own, ts_str *all)
{
    const int size = p->comm->size;
    int64_t *n = NULL, total = 0;
    const int64_t mine = (int64_t)own->len;
    ts_status st = ts_comm_agree(p->comm, ts_alloc(&n, 2 * (size_t)size, sizeof *n));
    if (st == TS_OK)
        st = ts_comm_run(p->comm, ts_all_gather(&mine, n, 1, TS_COMM_I64));
    for (int r = 0; st == TS_OK && r < size; r++) {
        n[size + r] = total;
        total += n[r];
    }
    if (st == TS_OK) {
        st = ts_alloc(&all->s, (size_t)total + 1, 1);
        all->len = (size_t)total, all->cap = (size_t)total + 1;
        st = ts_comm_agree(p->comm, st);
    }
    if (st == TS_OK)
        st = ts_comm_run(p->comm, ts_all_gather_v(own->s, mine, all->s, n, n + size, TS_COMM_U8));
    ts_free(&n);
    return st;
}

static ts_status own_text(const ts_profile *p, const ts_timeline_sum *sum, ts_str *out)
{
    TS_TRY(ts_str_printf(out, ",\n  {\"rank\": %d, \"host\": ", p->comm->rank));
    const char *host = p->comm->host ? p->comm->host : "";
    TS_TRY(ts_str_json(out, host, strlen(host)));
    TS_TRY(ts_str_puts(out, ", \"summary\": "));
    TS_TRY(ts_timeline_sum_json(sum, out));
    return ts_str_puts(out, "}}");
}

static bool is_first_chosen(const ts_profile *p, const double *told)
{
    for (int r = 0; r < p->comm->rank; r++)
        if (told[r * TOLD + TOLD_RECORDED] > 0)
            return false;
    return p->is_chosen;
}

static ts_status tell_all(ts_profile *p, const ts_timeline_sum *sum, const ts_str *own)
{
    const double mine[TOLD] = { own->len > 0, sum->seconds, sum->blocked };
    ts_str all = { 0 }, text = { 0 };
    double *told = NULL;
    ts_status st = ts_comm_agree(p->comm, ts_alloc(&told, (size_t)p->comm->size * TOLD, sizeof *told));
    if (st == TS_OK)
        st = ts_comm_run(p->comm, ts_all_gather(mine, told, TOLD, TS_COMM_F64));
    if (st == TS_OK)
        st = gather_texts(p, own, &all);
    if (st == TS_OK && is_first_chosen(p, told) && all.len > 0) {
        log_table(p, sum, told);
        ts_status written = summary_text(p, &all, told, &text);
        if (written == TS_OK)
            written = write_text(p, "summary", &text);
        forgive(written, "writing the table of the captured steps");
    }
    ts_free(&told);
    ts_str_deinit(&all);
    ts_str_deinit(&text);
    return st;
}

static ts_status end_capture(ts_profile *p)
{
    ts_timeline_sum sum = { 0 };
    ts_str own = { 0 };
    p->last = p->done;
    p->captured = true;
    if (p->is_chosen) {
        ts_timeline_stop(p->t);
        name_world(p);
        write_trace(p);
        ts_status st = ts_timeline_add_up(p->t, &sum);
        if (st == TS_OK)
            st = own_text(p, &sum, &own);
        if (st != TS_OK)
            ts_str_reset(&own);
        forgive(st, "adding up the captured steps");
    }
    const ts_status st = tell_all(p, &sum, &own);
    ts_timeline_deinit(p->t);
    ts_timeline_sum_deinit(&sum);
    ts_str_deinit(&own);
    p->first = 0;
    return st;
}
