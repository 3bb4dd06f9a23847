/* Delta rules backward, document by document: its chunks from the last to the first, with the states before them made
 * again. Behind delta_bwd_body.h and kda_bwd_body.h. No include guard. */

/* A document: rows [t, end) of sequence b, of a head. */
typedef struct document {
    const ts_delta_args *a;
    room *r;
    back *x;
    const channels *h; /* of decays by channel, with n; else NULL */
    const channel_back *n;
    int64_t b, head, t, end;
} document;

static chunk chunk_of(const document *d, int64_t n)
{
    const int64_t t = d->t + n * L;
    return (chunk){ d->b, d->head, t, min64(L, d->end - t) };
}

static float *kept_at(const document *d, int64_t n)
{
    const ts_delta_args *a = d->a;
    return a->states + ((d->b * a->heads + d->head) * ts_delta_kept(a->S) + n) * a->K * a->V;
}

static float *made_at(const document *d, int64_t n) { return d->x->hs + n * d->r->state; }

static void step_chunk(const document *d, int64_t n, float *h)
{
    const chunk c = chunk_of(d, n);
    if (d->h) {
        channel_enter(d->a, &c, d->r, d->h, n ? h : NULL);
        channel_step(d->a, &c, d->r, d->h, h, n == 0);
    } else {
        enter(d->a, &c, d->r, n ? h : NULL);
        step_state(d->a, &c, d->r, h, n == 0);
    }
}

/* Every TS_DELTA_KEPT-th state but the first, which is 0. */
static void keep_states(const document *d, int64_t chunks)
{
    float *h = made_at(d, 0);
    for (int64_t n = 0; n < (chunks - 1) / TS_DELTA_KEPT * TS_DELTA_KEPT; n++) {
        step_chunk(d, n, h);
        if ((n + 1) % TS_DELTA_KEPT == 0)
            put_rows(h, d->r->v_ld, d->a->K, d->a->V, kept_at(d, (n + 1) / TS_DELTA_KEPT - 1), 0, d->a->V, TS_DTYPE_F32);
    }
}

/* The states before chunks [first, last). */
static void make_states(const document *d, int64_t first, int64_t last)
{
    if (first > 0)
        take_rows(kept_at(d, first / TS_DELTA_KEPT - 1), 0, d->a->V, d->a->K, d->a->V, made_at(d, 0), d->r->v_ld,
                  TS_DTYPE_F32);
    for (int64_t n = first; n + 1 < last; n++) {
        memcpy(made_at(d, n + 1 - first), made_at(d, n - first), (size_t)d->r->state * sizeof(float));
        step_chunk(d, n, made_at(d, n + 1 - first));
    }
}

static void bwd_document(const document *d)
{
    const int64_t chunks = ceil_div(d->end - d->t, L);
    keep_states(d, chunks);
    for (int64_t first = (chunks - 1) / TS_DELTA_KEPT * TS_DELTA_KEPT, last = chunks; first >= 0;
         last = first, first -= TS_DELTA_KEPT) {
        make_states(d, first, last);
        for (int64_t n = last; n-- > first;) {
            const chunk c = chunk_of(d, n);
            const float *before = n ? made_at(d, n - first) : NULL;
            if (d->h)
                channel_bwd_chunk(d->a, &c, d->r, d->h, d->x, d->n, before, d->r->h, n == chunks - 1);
            else
                bwd_chunk(d->a, &c, d->r, d->x, before, d->r->h, n == chunks - 1);
        }
    }
}

static void bwd_documents(document *d)
{
    const ts_delta_args *a = d->a;
    for (d->t = 0; d->t < a->S; d->t = d->end) {
        d->end = ts_document_end(a->first_key, a->S, d->b, d->t, a->S);
        bwd_document(d);
    }
}

static void bwd(const ts_delta_args *a, int64_t b, int64_t head, char *scratch)
{
    room r = room_of(a, scratch, 1);
    back x = back_of(a, &r);
    bwd_documents(&(document){ .a = a, .r = &r, .x = &x, .b = b, .head = head });
}

static void channel_bwd(const ts_delta_args *a, int64_t b, int64_t head, char *scratch)
{
    room r = room_of(a, scratch, 1);
    back x = back_of(a, &r);
    const channels h = channels_of(&r);
    const channel_back n = channel_back_of(&r);
    bwd_documents(&(document){ .a = a, .r = &r, .x = &x, .h = &h, .n = &n, .b = b, .head = head });
}

void TS_ISA_NAME(ts_delta_body_init)(ts_delta_body *body)
{
    *body = (ts_delta_body){ fwd, bwd, channel_fwd, channel_bwd, join, TS_ROWWISE_STRING(TS_ISA) };
}
