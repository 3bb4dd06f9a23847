#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

ts_status ts_storage_create(ts_device *dev, ts_mem_kind kind, size_t bytes, ts_storage **out)
{
    ts_storage *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    *s = (ts_storage){ .dev = dev, .bytes = bytes, .kind = kind, .refs = 1 };
    const ts_status st = ts_device_alloc(dev, kind, bytes, &s->data);
    if (st != TS_OK)
        ts_free(&s);
    else
        *out = s;
    return st;
}

ts_status ts_storage_create_away(ts_device *dev, size_t bytes, ts_storage **out)
{
    ts_storage *s;
    const size_t room = ts_device_round(bytes);
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    *s = (ts_storage){ .dev = dev, .bytes = bytes, .kind = TS_MEM_SWAP, .is_away = true, .refs = 1 };
    const ts_status st = dev->computes ? dev->alloc_host(dev, room, &s->data) : dev->alloc(dev, room, &s->data);
    if (st != TS_OK) {
        ts_free(&s);
        return st;
    }
    ts_device_book(dev, TS_MEM_SWAP, (int64_t)room);
    *out = s;
    return TS_OK;
}

static void book_lent(ts_storage *s, int64_t bytes)
{
    ts_device_book(s->dev, s->kind, -bytes);
    ts_device_book(s->dev, TS_MEM_SWAP, bytes);
}

void ts_storage_lend(ts_storage *s, size_t bytes)
{
    TS_ASSERT(!s->is_away && !s->lent && bytes <= s->bytes && (s->dev->on_host || !s->dev->computes),
              "%zu bytes of %zu are lent", bytes, s->bytes);
    s->lent = bytes;
    book_lent(s, (int64_t)bytes);
}

static void free_away(ts_storage *s)
{
    const size_t room = ts_device_round(s->bytes);
    if (s->dev->computes)
        s->dev->free_host(s->dev, s->data, room);
    else
        s->dev->free(s->dev, s->data, room);
    ts_device_book(s->dev, TS_MEM_SWAP, -(int64_t)room);
}

void ts_storage_release(ts_storage **s)
{
    ts_storage *p = *s;
    *s = NULL;
    if (!p || --p->refs > 0)
        return;
    book_lent(p, -(int64_t)p->lent);
    if (p->is_away)
        free_away(p);
    else
        ts_device_free(p->dev, p->kind, p->data, p->bytes);
    ts_free(&p);
}

void *ts_tensor_data(const ts_tensor *t)
{
    char text[96];
    TS_ASSERT(t->storage, "the bytes of %s are gone", ts_tensor_text(t, text));
    return (char *)t->storage->data + t->offset;
}

const char *ts_tensor_text(const ts_tensor *t, char *buf)
{
    int n = snprintf(buf, 96, "%s[", ts_dtype_name(t->dtype));
    for (int i = 0; i < t->rank && n < 80; i++)
        n += snprintf(buf + n, (size_t)(96 - n), "%s%lld", i ? ", " : "", (long long)t->dim[i]);
    snprintf(buf + n, (size_t)(96 - n), "]");
    return buf;
}
