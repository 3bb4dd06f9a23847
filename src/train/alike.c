/* The processes of a job compute one run only where they were told the same. */
#include "train/together.h"

#include <string.h>

static bool is_given(const json_t *v)
{
    return !json_is_null(v) && !(json_is_array(v) && json_array_size(v) == 0);
}

static ts_status check(void *ctx, const ts_option_difference *d)
{
    (void)ctx;
    if (d->row->is & TS_OPTION_OWN ||
        (d->row->is & TS_OPTION_PLACE && is_given(d->here) == is_given(d->there)))
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "--%s is %.200s here and %.200s on rank 0: all processes of a job need the same "
                    "options (see the environment's TESSERA_... and --config of each host)",
                    d->row->name, d->here_text, d->there_text);
}

/* Rank 0's text, on every rank. */
static ts_status tell_all(ts_comm *comm, const ts_str *own, char **out, size_t *size)
{
    int64_t n = (int64_t)own->len;
    TS_TRY(ts_comm_run(comm, ts_broadcast(&n, 1, TS_COMM_I64, 0)));
    TS_TRY(ts_comm_agree(comm, ts_alloc(out, (size_t)n, 1)));
    if (comm->rank == 0)
        memcpy(*out, own->s, own->len);
    *size = (size_t)n;
    return ts_comm_run(comm, ts_broadcast(*out, n, TS_COMM_U8, 0));
}

ts_status ts_job_check_alike(const ts_option_set *set, ts_comm *comm)
{
    ts_str own = { 0 };
    char *text = NULL;
    size_t size = 0;
    json_t *first = NULL;
    ts_status st = ts_comm_agree(comm, ts_option_json(set, &own));
    if (st == TS_OK)
        st = tell_all(comm, &own, &text, &size);
    if (st == TS_OK)
        st = ts_json_parse(text, size, "options of rank 0", &first);
    if (st == TS_OK)
        st = ts_option_compare(set, first, check, NULL);
    json_decref(first);
    ts_str_deinit(&own);
    ts_free(&text);
    return ts_comm_agree(comm, st);
}
