/* A checkpoint with one thing changed, written anew with checksums that fit, so that only what
 * reads the contents can notice.
 *   edit_checkpoint FROM ITERATION tensors            names of all tensors
 *   edit_checkpoint FROM ITERATION TO copy
 *   edit_checkpoint FROM ITERATION TO KEY VALUE       KEY of state.json ("a.b": in an object), VALUE
 *                                                     JSON or "drop"
 *   edit_checkpoint FROM ITERATION TO TENSOR ulp|zero|drop    ulp: the last bit of one element */
#include "ckpt/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 256 };

typedef struct list {
    ts_ckpt_tensor t[MOST];
    int64_t n;
} list;

static ts_status collect(const ts_checkpoint *ck, list *l)
{
    for (ts_ckpt_part part = 0; part < TS_CKPT_PARTS; part++)
        for (int64_t i = 0; i < ts_checkpoint_count(ck, part); i++) {
            const ts_st_tensor *t = ts_checkpoint_at(ck, part, i);
            TS_ASSERT(l->n < MOST && t->rank > 0, "%s does not fit", t->name);
            ts_ckpt_tensor *c = &l->t[l->n++];
            *c = (ts_ckpt_tensor){ .name = t->name, .part = part, .dtype = t->dtype,
                                   .rank = t->rank, .data = t->data, .rows = t->shape[0] };
            memcpy(c->shape, t->shape, sizeof c->shape);
        }
    return TS_OK;
}

/* The changed bytes are the caller's to free. */
static ts_status edit_tensor(list *l, const ts_st_tensor *t, const char *how, char **bytes)
{
    int64_t at = 0;
    while (strcmp(l->t[at].name, t->name))
        at++;
    if (!strcmp(how, "drop")) {
        memmove(&l->t[at], &l->t[at + 1], (size_t)(--l->n - at) * sizeof *l->t);
        return TS_OK;
    }
    TS_TRY(ts_alloc(bytes, t->size, 1));
    if (!strcmp(how, "ulp")) {
        memcpy(*bytes, t->data, t->size);
        (*bytes)[t->size / 8 * 4] ^= 1; /* fp32: the lowest byte of the one in the middle */
    }
    l->t[at].data = *bytes;
    return TS_OK;
}

static ts_status edit_state(json_t *state, const char *key, const char *value)
{
    char outer[64] = "";
    const char *dot = strchr(key, '.');
    if (dot) {
        snprintf(outer, sizeof outer, "%.*s", (int)(dot - key), key);
        state = json_object_get(state, outer);
        key = dot + 1;
    }
    json_t *v = json_loads(value, JSON_DECODE_ANY, NULL);
    if (!json_object_get(state, key) || (!v && strcmp(value, "drop")))
        return ts_error(TS_ERR_USER, "there is no %s, or %s is no JSON", key, value);
    if (v && json_equal(v, json_object_get(state, key)))
        return ts_error(TS_ERR_USER, "%s is %s already", key, value);
    return (v ? json_object_set_new(state, key, v) : json_object_del(state, key)) == 0
               ? TS_OK
               : TS_ERR_NOMEM;
}

static ts_status save(const char *to, int64_t iteration, const list *l, const json_t *state)
{
    const ts_ckpt_options o = { .dir = to };
    ts_checkpointer *c;
    TS_TRY(ts_checkpointer_create(&o, NULL, &c));
    char *text = json_dumps(state, JSON_REAL_PRECISION(17));
    const ts_status st = ts_checkpointer_save(c, iteration, l->t, l->n, text);
    free(text);
    ts_checkpointer_destroy(&c);
    return st;
}

static ts_status edit(const ts_checkpoint *ck, char **words, int n)
{
    static list l;
    char *bytes = NULL;
    TS_TRY(collect(ck, &l));
    if (!strcmp(words[0], "tensors")) {
        for (int64_t i = 0; i < l.n; i++)
            puts(l.t[i].name);
        return TS_OK;
    }
    json_t *state = json_deep_copy(ts_checkpoint_state(ck));
    ts_status st = TS_OK;
    if (n == 3) {
        const ts_st_tensor *t = ts_checkpoint_tensor(ck, words[1]);
        st = t ? edit_tensor(&l, t, words[2], &bytes) : edit_state(state, words[1], words[2]);
    }
    if (st == TS_OK)
        st = save(words[0], ts_checkpoint_iteration(ck), &l, state);
    json_decref(state);
    ts_free(&bytes);
    return st;
}

int main(int argc, char **argv)
{
    ts_checkpoint *ck;
    if (argc < 4)
        return 2;
    ts_status st = ts_checkpoint_open(argv[1], atoll(argv[2]), 0, NULL, &ck);
    if (st == TS_OK) {
        st = edit(ck, argv + 3, argc - 3);
        ts_checkpoint_close(&ck);
    }
    if (st != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    return ts_status_exit_code(st);
}
