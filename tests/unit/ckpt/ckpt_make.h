/* Small checkpoints with values that say what they are. Include after cmocka.h. */
#ifndef TS_TESTS_CKPT_MAKE_H
#define TS_TESTS_CKPT_MAKE_H
#include "../temp.h"
#include "ckpt/checkpoint.h"

#include <string.h>

/* Tensor sizes: from nothing to several MiB (so that files have several chunks), of three types. */
enum { MAKE_TENSORS = 12, MAKE_MOST = 3 << 20 };

typedef struct make {
    ts_ckpt_tensor t[MAKE_TENSORS];
    char name[MAKE_TENSORS][48];
    void *data[MAKE_TENSORS];
    size_t bytes[MAKE_TENSORS];
    char state[128];
} make;

static inline void make_fill(void *to, size_t n, int64_t iteration, int tensor)
{
    uint32_t x = (uint32_t)(iteration * 131 + tensor * 7919 + 1);
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        ((unsigned char *)to)[i] = (unsigned char)(x >> 24);
    }
}

static inline int64_t make_rows(int i, bool large)
{
    static const int64_t rows[] = { 3, 0, 17, 64, 1, 40 };
    return large && i % 6 == 3 ? 70000 : rows[i % 6];
}

/* large: about 9 MB, else a few KB. */
static inline void make_init(make *m, int64_t iteration, bool large)
{
    static const ts_st_dtype types[] = { TS_ST_F32, TS_ST_BF16, TS_ST_F32, TS_ST_F32, TS_ST_U8 };
    memset(m, 0, sizeof *m);
    for (int i = 0; i < MAKE_TENSORS; i++) {
        const bool is_model = i < MAKE_TENSORS / 2;
        snprintf(m->name[i], sizeof m->name[i], "%s.%d.weight%s",
                 is_model ? "model.layers" : "optimizer.layers", i % 6, is_model ? "" : ".exp_avg");
        m->t[i] = (ts_ckpt_tensor){ .name = m->name[i],
                                    .part = is_model ? TS_CKPT_MODEL : TS_CKPT_OPTIMIZER,
                                    .dtype = types[i % 5], .rank = i % 6 == 4 ? 0 : 2,
                                    .shape = { make_rows(i, large), 16 } };
        m->bytes[i] = (size_t)(i % 6 == 4 ? 1 : make_rows(i, large) * 16) *
                      ts_st_dtype_bits(types[i % 5]) / 8;
        m->data[i] = malloc(m->bytes[i] + 1);
        assert_non_null(m->data[i]);
        make_fill(m->data[i], m->bytes[i], iteration, i);
        m->t[i].data = m->data[i];
    }
    snprintf(m->state, sizeof m->state, "{\"iteration\": %lld, \"consumed_samples\": %lld}",
             (long long)iteration, (long long)iteration * 8);
}

static inline void make_deinit(make *m)
{
    for (int i = 0; i < MAKE_TENSORS; i++)
        free(m->data[i]);
}

/* The values of `content` under the number of another iteration. */
static inline ts_status make_save_as(ts_checkpointer *c, int64_t iteration, int64_t content,
                                     bool large)
{
    make m;
    make_init(&m, content, large);
    const ts_status st = ts_checkpointer_save(c, iteration, m.t, MAKE_TENSORS, m.state);
    for (int i = 0; i < MAKE_TENSORS; i++) /* training goes on at once */
        memset(m.data[i], 0xAA, m.bytes[i]);
    make_deinit(&m);
    return st;
}

static inline ts_status make_save(ts_checkpointer *c, int64_t iteration, bool large)
{
    return make_save_as(c, iteration, iteration, large);
}

/* Whether an open checkpoint holds these values, byte for byte. */
static inline bool make_holds(const ts_checkpoint *ck, int64_t content, bool large)
{
    make m;
    bool same = true;
    make_init(&m, content, large);
    for (int i = 0; i < MAKE_TENSORS; i++) {
        const ts_st_tensor *t = ts_checkpoint_tensor(ck, m.name[i]);
        same = same && t && t->dtype == m.t[i].dtype && t->rank == m.t[i].rank &&
               t->size == m.bytes[i] && (!t->size || !memcmp(t->data, m.data[i], t->size));
    }
    same = same && ts_checkpoint_count(ck, TS_CKPT_MODEL) == MAKE_TENSORS / 2 &&
           ts_checkpoint_count(ck, TS_CKPT_OPTIMIZER) == MAKE_TENSORS / 2;
    const json_t *s = ts_checkpoint_state(ck);
    same = same && json_integer_value(json_object_get(s, "consumed_samples")) == content * 8;
    make_deinit(&m);
    return same;
}

static inline bool make_equals(const ts_checkpoint *ck, int64_t iteration, bool large)
{
    return ts_checkpoint_iteration(ck) == iteration && make_holds(ck, iteration, large);
}
#endif
