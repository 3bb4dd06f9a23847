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
    ts_device_book(p->dev, TS_MEM_COMM, -(int64_t)p->size);
    p->booked -= (int64_t)p->size;
}

ts_status ts_passing_init(ts_passing *p, ts_device *dev, const ts_mesh *mesh, size_t size, int n_back)
{
    *p = (ts_passing){ .dev = dev,
                       .comm = { mesh->comm[TS_MESH_PP], mesh->pp_back },
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

static bool travels(const ts_passed_shape *s, ts_pass_way way)
{
    return way == TS_PASS_FORWARD || s->has_grad;
}

ts_status ts_parcel_pack(ts_parcel *b, ts_passing *p, ts_pass_way way, const ts_passed_shapes *s,
                         ts_tensor *const *tensor)
{
    char *at = b->bytes;
    TS_TRY(ts_parcel_wait(b, p, way));
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

ts_status ts_parcel_unpack(const ts_parcel *b, const ts_passing *p, ts_pass_way way,
                           const ts_passed_shapes *s, ts_tape *tape, ts_passed *out)
{
    const char *at = b->bytes;
    *out = (ts_passed){ .n = s->n };
    for (int i = 0; i < s->n; i++) {
        const ts_passed_shape *x = &s->v[i];
        if (travels(x, way)) {
            TS_TRY(ts_tape_new(tape, x->dtype, x->dim[0], x->dim[1], &out->tensor[i]));
            if (p->dev->computes)
                p->dev->to_device(p->dev, ts_tensor_data(out->tensor[i]), at, bytes_of(x));
        }
        at += p->dev->computes ? bytes_of(x) : 0;
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

/* One after another; bytes where the type is none of a communicator's. */
static ts_status start_all(ts_parcel *b, const ts_passing *p, ts_pass_way way, const ts_passed_shapes *s,
                           int stage, bool receives)
{
    char *at = b->bytes;
    for (int i = 0; i < s->n; i++) {
        const ts_passed_shape *x = &s->v[i];
        const ts_comm_type t = type_of(x->dtype);
        const int64_t n = (int64_t)(bytes_of(x) / ts_comm_type_size(t));
        if (travels(x, way))
            TS_TRY(ts_comm_start(p->comm[way],
                                 receives ? ts_recv(at, n, t, stage) : ts_send(at, n, t, stage),
                                 &b->request[i]));
        at += at ? bytes_of(x) : 0;
    }
    return TS_OK;
}

ts_status ts_parcel_send(ts_parcel *b, ts_passing *p, ts_pass_way way, const ts_passed_shapes *s, int stage)
{
    return start_all(b, p, way, s, stage, false);
}

ts_status ts_parcel_wait(ts_parcel *b, ts_passing *p, ts_pass_way way)
{
    for (int i = 0; i < TS_PASSED; i++)
        if (b->request[i])
            TS_TRY(ts_comm_wait(p->comm[way], &b->request[i]));
    return TS_OK;
}

ts_status ts_passing_send_back(ts_passing *p, const ts_passed_shapes *s, ts_tensor *const *grad,
                               int stage)
{
    ts_parcel *b = &p->back[p->at];
    p->at = (p->at + 1) % p->n_back;
    TS_TRY(ts_parcel_pack(b, p, TS_PASS_BACK, s, grad));
    return ts_parcel_send(b, p, TS_PASS_BACK, s, stage);
}

ts_status ts_passing_ask(ts_passing *p, ts_pass_way way, const ts_passed_shapes *s, int stage)
{
    return start_all(&p->coming[way], p, way, s, stage, true);
}

ts_status ts_passing_finish(ts_passing *p)
{
    for (int i = 0; i < p->n_back; i++)
        TS_TRY(ts_parcel_wait(&p->back[i], p, TS_PASS_BACK));
    return TS_OK;
}
