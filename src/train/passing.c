#include "train/passing.h"

#include <string.h>

/* ---- memory ---- */

ts_status ts_parcel_init(ts_parcel *b, ts_passing *p)
{
    if (!p->size)
        return TS_OK;
    if (p->dev->computes)
        TS_TRY(ts_alloc(&b->bytes, p->size, 1));
    ts_device_book(p->dev, TS_MEM_COMM, (int64_t)p->size);
    p->booked += (int64_t)p->size;
    b->is_made = true;
    return TS_OK;
}

void ts_parcel_deinit(ts_parcel *b, ts_passing *p)
{
    if (!b->is_made)
        return;
    b->is_made = false;
    ts_free(&b->bytes);
    ts_free(&b->request);
    ts_device_book(p->dev, TS_MEM_COMM, -(int64_t)p->size);
    p->booked -= (int64_t)p->size;
}

ts_status ts_passing_init(ts_passing *p, ts_device *dev, const ts_mesh *mesh, bool varies, size_t size,
                          int n_back)
{
    *p = (ts_passing){ .dev = dev,
                       .comm = { mesh->comm[TS_MESH_PP], mesh->pp_back },
                       .first_stage = ts_line_first_stage(mesh),
                       .varies = varies,
                       .size = size };
    for (int w = 0; w < TS_PASS_WAYS; w++)
        TS_TRY(ts_parcel_init(&p->coming[w], p));
    TS_TRY(ts_alloc(&p->back, (size_t)n_back, sizeof *p->back));
    for (; p->n_back < n_back; p->n_back++)
        TS_TRY(ts_parcel_init(&p->back[p->n_back], p));
    return TS_OK;
}

void ts_passing_deinit(ts_passing *p)
{
    for (int w = 0; p->dev && w < TS_PASS_WAYS; w++)
        ts_parcel_deinit(&p->coming[w], p);
    for (int i = 0; i < p->n_back; i++)
        ts_parcel_deinit(&p->back[i], p);
    ts_free(&p->back);
    ts_border_deinit(&p->border);
    TS_ASSERT(p->booked == 0, "%lld bytes of parcels are left", (long long)p->booked);
    *p = (ts_passing){ 0 };
}

/* ---- contents ---- */

static int64_t elements(const ts_passed_shape *s) { return s->dim[0] * (s->dim[1] ? s->dim[1] : 1); }

static size_t bytes_of(const ts_passed_shape *s)
{
    return (size_t)elements(s) * ts_dtype_size(s->dtype);
}

size_t ts_passed_bytes(const ts_passed_shapes *s)
{
    size_t n = 0;
    for (int i = 0; i < s->n; i++)
        n += bytes_of(&s->v[i]);
    return n;
}

ts_passed_shapes ts_passed_shapes_of(const ts_passed *t, const ts_passed_shapes *s)
{
    ts_passed_shapes here = *s;
    for (int i = 0; i < s->n; i++) {
        const ts_tensor *x = t->tensor[i];
        here.v[i].dim[0] = x->dim[0];
        here.v[i].dim[1] = s->v[i].dim[1] ? x->dim[1] : 0;
    }
    return here;
}

static bool travels(const ts_passed_shape *s, ts_pass_way way)
{
    return way == TS_PASS_FORWARD || s->has_grad;
}

ts_status ts_parcel_pack(ts_parcel *b, ts_passing *p, ts_pass_way way, const ts_passed_shapes *s,
                         ts_tensor *const *tensor)
{
    char *at = b->bytes;
    TS_TRY(ts_parcel_wait(b, p, way));
    TS_ASSERT(ts_passed_bytes(s) <= p->size, "%zu bytes in a parcel of %zu", ts_passed_bytes(s), p->size);
    b->shapes = *s;
    for (int i = 0; p->dev->computes && i < s->n; at += bytes_of(&s->v[i++])) {
        if (!travels(&s->v[i], way))
            continue;
        if (!tensor[i]) {
            memset(at, 0, bytes_of(&s->v[i]));
            continue;
        }
        TS_ASSERT(ts_tensor_bytes(tensor[i]) == bytes_of(&s->v[i]), "tensor %d of a part has %zu bytes",
                  i, ts_tensor_bytes(tensor[i]));
        TS_TRY(ts_device_read(p->dev, at, ts_tensor_data(tensor[i]), bytes_of(&s->v[i])));
    }
    return TS_OK;
}

ts_status ts_parcel_unpack(const ts_parcel *b, const ts_passing *p, ts_pass_way way, ts_tape *tape,
                           ts_passed *out)
{
    const char *at = b->bytes;
    const ts_passed_shapes *s = &b->shapes;
    *out = (ts_passed){ .n = s->n };
    for (int i = 0; i < s->n; i++) {
        const ts_passed_shape *x = &s->v[i];
        if (travels(x, way)) {
            TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &out->tensor[i]));
            if (p->dev->computes)
                p->dev->to_device(p->dev, ts_tensor_data(out->tensor[i]), at, bytes_of(x));
        }
        at = p->dev->computes ? at + bytes_of(x) : NULL;
    }
    return TS_OK;
}

/* ---- messages ---- */

static ts_comm_type type_of(ts_dtype t)
{
    switch (t) {
    case TS_DTYPE_F32: return TS_COMM_F32;
    case TS_DTYPE_BF16: return TS_COMM_BF16;
    case TS_DTYPE_F16: return TS_COMM_F16;
    default: return TS_COMM_U8;
    }
}

/* Who is meant by a stage: its process that stands as this one does, or, where it is beyond a border, those
 * who have rows of what passes there. */
static bool is_beyond(const ts_passing *p, int stage) { return p->border.comm[0] && p->border.stage == stage; }

static ts_status start(ts_parcel *b, void *at, int64_t n, ts_comm_type t, int rank, bool receives)
{
    TS_TRY(ts_grow(&b->request, &b->cap, (size_t)b->n_requests + 1, sizeof *b->request));
    b->request[b->n_requests] = NULL;
    return ts_comm_start(b->comm, receives ? ts_recv(at, n, t, rank) : ts_send(at, n, t, rank),
                         &b->request[b->n_requests++]);
}

static ts_status start_header(ts_parcel *b, ts_passed_header *h, int rank, bool receives)
{
    return start(b, h, sizeof *h / sizeof(int64_t), TS_COMM_I64, rank, receives);
}

/* Tensor i, or its header, to or from everyone who is meant; bytes where its type is none of a communicator's. */
static ts_status start_one(ts_parcel *b, const ts_passing *p, ts_pass_way way, int i, char *at, int stage,
                           bool header, bool receives)
{
    const ts_passed_shape *x = &b->shapes.v[i];
    const ts_comm_type t = type_of(x->dtype);
    const int64_t n = (int64_t)(bytes_of(x) / ts_comm_type_size(t)), row = x->dim[0] ? n / x->dim[0] : 0;
    const ts_seam_runs *runs = &p->border.runs[way][i];
    if (!is_beyond(p, stage))
        return header ? start_header(b, &b->header[i], stage - p->first_stage, receives)
                      : start(b, at, n, t, stage - p->first_stage, receives);
    for (int64_t k = 0; k < runs->n; k++) {
        const ts_seam_run *r = &runs->v[k];
        const int rank = p->border.first + r->peer;
        const int64_t rows = p->border.whole[i] ? x->dim[0] : r->n;
        TS_TRY(header ? start_header(b, &b->header[i], rank, receives)
                      : start(b, at ? at + (size_t)(r->here * row) * ts_comm_type_size(t) : NULL, rows * row, t, rank,
                              receives));
    }
    return TS_OK;
}

/* One after another. */
static ts_status start_tensors(ts_parcel *b, const ts_passing *p, ts_pass_way way, int stage, bool receives)
{
    char *at = b->bytes;
    b->comm = is_beyond(p, stage) ? p->border.comm[way] : p->comm[way];
    for (int i = 0; i < b->shapes.n; i++) {
        if (travels(&b->shapes.v[i], way))
            TS_TRY(start_one(b, p, way, i, at, stage, false, receives));
        at = at ? at + bytes_of(&b->shapes.v[i]) : NULL;
    }
    return TS_OK;
}

static ts_status start_headers(ts_parcel *b, const ts_passing *p, ts_pass_way way, int stage, bool receives)
{
    b->comm = is_beyond(p, stage) ? p->border.comm[way] : p->comm[way];
    for (int i = 0; i < b->shapes.n; i++) {
        const ts_passed_shape *x = &b->shapes.v[i];
        b->header[i] = (ts_passed_header){ { x->dim[0], x->dim[1] }, x->dtype };
        if (travels(x, way))
            TS_TRY(start_one(b, p, way, i, NULL, stage, true, receives));
    }
    return TS_OK;
}

ts_status ts_parcel_send(ts_parcel *b, ts_passing *p, ts_pass_way way, int stage)
{
    if (p->varies)
        TS_TRY(start_headers(b, p, way, stage, false));
    return start_tensors(b, p, way, stage, false);
}

static ts_status wait_all(ts_parcel *b)
{
    for (int i = 0; i < b->n_requests; i++)
        TS_TRY(ts_comm_wait(b->comm, &b->request[i]));
    b->n_requests = 0;
    return TS_OK;
}

/* What has come is the tensor that was asked for, of as many rows or fewer. */
static ts_status take_header(ts_passed_shape *x, const ts_passed_header *h, int i, int stage)
{
    if (h->dtype != (int64_t)x->dtype || h->dim[0] < 0 || h->dim[0] > x->dim[0] || h->dim[1] != x->dim[1])
        return ts_error(TS_ERR_RUN,
                        "tensor %d from stage %d is [%lld, %lld] of type %lld: expected at most [%lld, %lld] of "
                        "type %d", i, stage, (long long)h->dim[0], (long long)h->dim[1], (long long)h->dtype,
                        (long long)x->dim[0], (long long)x->dim[1], (int)x->dtype);
    x->dim[0] = h->dim[0];
    return TS_OK;
}

ts_status ts_parcel_wait(ts_parcel *b, ts_passing *p, ts_pass_way way)
{
    TS_TRY(wait_all(b));
    if (!b->is_ahead)
        return TS_OK;
    b->is_ahead = false;
    for (int i = 0; i < b->shapes.n; i++)
        if (travels(&b->shapes.v[i], way))
            TS_TRY(take_header(&b->shapes.v[i], &b->header[i], i, b->from));
    TS_TRY(start_tensors(b, p, way, b->from, true));
    return wait_all(b);
}

ts_status ts_passing_send_back(ts_passing *p, const ts_passed_shapes *s, ts_tensor *const *grad,
                               int stage)
{
    ts_parcel *b = &p->back[p->at];
    p->at = (p->at + 1) % p->n_back;
    TS_TRY(ts_parcel_pack(b, p, TS_PASS_BACK, s, grad));
    return ts_parcel_send(b, p, TS_PASS_BACK, stage);
}

ts_status ts_passing_ask(ts_passing *p, ts_pass_way way, const ts_passed_shapes *s, int stage)
{
    ts_parcel *b = &p->coming[way];
    b->shapes = *s;
    b->from = stage;
    b->is_ahead = p->varies;
    return (p->varies ? start_headers : start_tensors)(b, p, way, stage, true);
}

ts_status ts_passing_finish(ts_passing *p)
{
    for (int i = 0; i < p->n_back; i++)
        TS_TRY(ts_parcel_wait(&p->back[i], p, TS_PASS_BACK));
    return TS_OK;
}
