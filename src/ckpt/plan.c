#include "ckpt/plan.h"

#include "ckpt/sums.h"
#include "io/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Below this a shard is not cut only to give every rank some work. */
enum { LEAST_SHARD = 4 << 20 };

static ts_status tensor_bytes(const ts_ckpt_tensor *t, size_t *out)
{
    size_t n = 1;
    TS_ASSERT(t->name && t->part < TS_CKPT_PARTS, "a checkpoint's tensor has no name or part");
    TS_ASSERT(t->rank >= 0 && t->rank <= TS_ST_MAX_RANK, "%s: rank %d", t->name, t->rank);
    TS_ASSERT(t->row0 == 0 && (t->rows == 0 || t->rank == 0 || t->rows == t->shape[0]),
              "%s: rows %lld from %lld on of %lld: whole tensors only", t->name, (long long)t->rows,
              (long long)t->row0, (long long)t->shape[0]);
    bool fits = ts_mul_size(1, (size_t)ts_st_dtype_bits(t->dtype), &n);
    for (int i = 0; i < t->rank; i++) {
        TS_ASSERT(t->shape[i] >= 0, "%s: dimension %d is %lld", t->name, i, (long long)t->shape[i]);
        fits = fits && ts_mul_size(n, (size_t)t->shape[i], &n);
    }
    TS_ASSERT(n % 8 == 0, "%s does not fill whole bytes", t->name);
    *out = n / 8;
    return fits ? TS_OK : ts_error(TS_ERR_IO, "tensor %s is too large for a checkpoint", t->name);
}

static ts_status add_shard(ckpt_plan *p, ts_ckpt_part part, int64_t first)
{
    TS_TRY(ts_grow(&p->shards, &p->cap_shards, p->n_shards + 1, sizeof *p->shards));
    p->shards[p->n_shards++] = (ckpt_shard){ .part = part, .first = first };
    return TS_OK;
}

/* A part's tensors in the order given, into shards of at most `limit` bytes (or one tensor). */
static ts_status cut_part(ckpt_plan *p, ts_ckpt_part part, size_t limit)
{
    const size_t first_shard = p->n_shards;
    ckpt_shard *s = NULL;
    for (int64_t i = 0; i < p->n; i++) {
        if (p->tensors[i].part != part)
            continue;
        if (!s || (s->n && p->tensors[i].holder != p->tensors[s->first].holder) ||
            (s->n && p->sizes[i] > limit - (s->bytes < limit ? s->bytes : limit))) {
            TS_TRY(add_shard(p, part, i));
            s = &p->shards[p->n_shards - 1];
        }
        s->n++;
        s->bytes += p->sizes[i];
    }
    const size_t n = p->n_shards - first_shard;
    for (size_t i = 0; i < n; i++)
        snprintf(p->shards[first_shard + i].name, CKPT_NAME, "%s-%05zu-of-%05zu.safetensors",
                 ckpt_part_stem(part), i + 1, n);
    return TS_OK;
}

/* Each shard to the rank of those that hold it that has least to write so far. */
static ts_status deal(ckpt_plan *p, int world_size, const int *group_of)
{
    size_t *load = NULL;
    TS_TRY(ts_alloc(&load, (size_t)world_size, sizeof *load));
    for (size_t i = 0; i < p->n_shards; i++) {
        const int holder = p->tensors[p->shards[i].first].holder;
        int least = -1;
        for (int r = 0; r < world_size; r++)
            if ((!group_of || group_of[r] == holder) && (least < 0 || load[r] < load[least]))
                least = r;
        TS_ASSERT(least >= 0, "no rank holds the tensors of group %d", holder);
        p->shards[i].writer = least;
        load[least] += p->shards[i].bytes + 1;
    }
    ts_free(&load);
    return TS_OK;
}

static int by_part(const void *a, const void *b)
{
    const ts_ckpt_tensor *x = a, *y = b;
    return x->part != y->part ? (int)x->part - (int)y->part
                              : (x->row0 > y->row0) - (x->row0 < y->row0);
}

/* The order of a safetensors file: widest type first, then by name. */
static int by_layout(const void *a, const void *b)
{
    const ts_ckpt_tensor *x = a, *y = b;
    return x->dtype != y->dtype ? (int)y->dtype - (int)x->dtype : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const ts_ckpt_tensor *const *)a)->name,
                  (*(const ts_ckpt_tensor *const *)b)->name);
}

static ts_status check_names(const ckpt_plan *p)
{
    const ts_ckpt_tensor **order = NULL;
    TS_TRY(ts_alloc(&order, (size_t)p->n, sizeof *order));
    for (int64_t i = 0; i < p->n; i++)
        order[i] = &p->tensors[i];
    qsort(order, (size_t)p->n, sizeof *order, by_name);
    for (int64_t i = 1; i < p->n; i++)
        TS_ASSERT(strcmp(order[i - 1]->name, order[i]->name), "tensor %s is saved twice",
                  order[i]->name);
    ts_free(&order);
    return TS_OK;
}

/* Copies the list, parts apart, each in its order (row0, which is 0, numbers them meanwhile). */
static ts_status copy_tensors(const ts_ckpt_tensor *tensors, int64_t n, ckpt_plan *p)
{
    TS_TRY(ts_alloc(&p->tensors, (size_t)n, sizeof *p->tensors));
    TS_TRY(ts_alloc(&p->sizes, (size_t)n, sizeof *p->sizes));
    for (; p->n < n; p->n++) {
        char *name;
        TS_TRY(tensor_bytes(&tensors[p->n], &p->sizes[p->n]));
        TS_TRY(ts_strdup(tensors[p->n].name, &name));
        p->tensors[p->n] = tensors[p->n];
        p->tensors[p->n].name = name;
        p->tensors[p->n].row0 = p->n;
    }
    qsort(p->tensors, (size_t)n, sizeof *p->tensors, by_part);
    for (int64_t i = 0; i < n; i++) {
        p->tensors[i].row0 = 0;
        TS_TRY(tensor_bytes(&p->tensors[i], &p->sizes[i]));
    }
    return check_names(p);
}

static void measure(ckpt_plan *p)
{
    uint32_t crc = 0;
    p->disk_bytes = 4096 * (double)(p->n_shards + 8);
    for (int64_t i = 0; i < p->n; i++) {
        const ts_ckpt_tensor *t = &p->tensors[i];
        const double chunks = (double)p->sizes[i] / CKPT_CHUNK + 1;
        /* bytes; a line of the header, one of the index; the checksums */
        p->disk_bytes += (double)p->sizes[i] + 2 * (double)strlen(t->name) + 256 + 8 * chunks;
        const int64_t kind[] = { t->part, t->dtype, t->rank };
        crc = ts_crc32c(crc, t->name, strlen(t->name) + 1);
        crc = ts_crc32c(crc, kind, sizeof kind);
        crc = ts_crc32c(crc, t->shape, (size_t)t->rank * sizeof *t->shape);
    }
    p->digest = crc;
}

ts_status ckpt_plan_make(const ts_ckpt_tensor *tensors, int64_t n, size_t max_shard_bytes,
                         int world_size, const int *group_of, ckpt_plan *out)
{
    ckpt_plan p = { 0 };
    size_t total[TS_CKPT_PARTS] = { 0 };
    ts_status st = copy_tensors(tensors, n, &p);
    for (int64_t i = 0; st == TS_OK && i < n; i++)
        if (!ts_add_size(total[p.tensors[i].part], p.sizes[i], &total[p.tensors[i].part]))
            st = ts_error(TS_ERR_IO, "the tensors are too large for a checkpoint");
    if (st == TS_OK)
        measure(&p);
    for (int part = 0; st == TS_OK && part < TS_CKPT_PARTS; part++) {
        size_t share = total[part] / (size_t)world_size + 1;
        share = share < LEAST_SHARD ? LEAST_SHARD : share;
        st = cut_part(&p, (ts_ckpt_part)part, share < max_shard_bytes ? share : max_shard_bytes);
    }
    if (st == TS_OK)
        st = deal(&p, world_size, group_of);
    for (size_t i = 0; st == TS_OK && i < p.n_shards; i++) {
        const ckpt_shard *s = &p.shards[i];
        qsort(p.tensors + s->first, (size_t)s->n, sizeof *p.tensors, by_layout);
        for (int64_t j = s->first; st == TS_OK && j < s->first + s->n; j++)
            st = tensor_bytes(&p.tensors[j], &p.sizes[j]);
    }
    if (st != TS_OK) {
        ckpt_plan_deinit(&p);
        return st;
    }
    *out = p;
    return TS_OK;
}

void ckpt_plan_deinit(ckpt_plan *p)
{
    for (int64_t i = 0; p->tensors && i < p->n; i++) {
        char *name = (char *)(uintptr_t)p->tensors[i].name;
        ts_free(&name);
    }
    ts_free(&p->tensors);
    ts_free(&p->sizes);
    ts_free(&p->shards);
    *p = (ckpt_plan){ 0 };
}
