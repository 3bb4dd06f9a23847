#include "parallel/sharing.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* ---- sizes ---- */

static void list_divisors(int64_t n, char *text, size_t size)
{
    size_t at = 0;
    for (int64_t d = 1; d <= n && at + 24 < size; d++)
        if (n % d == 0)
            at += (size_t)snprintf(text + at, size - at, "%s%lld", d > 1 ? ", " : "", (long long)d);
}

static ts_status check_size(const char *what, int64_t size, int64_t processes)
{
    char valid[200];
    if (size >= 1 && processes % size == 0)
        return TS_OK;
    list_divisors(processes, valid, sizeof valid);
    return ts_error(TS_ERR_USER,
                    "%s %lld: the %lld processes that train the same weights cannot be parted into groups of "
                    "as many: give one of %s",
                    what, (long long)size, (long long)processes, valid);
}

/* ---- files ---- */

/* A key that a file may have. */
typedef enum key_kind {
    KEY_SIZE,    /* an integer that is read */
    KEY_DTYPE,   /* of what travels between processes for sums */
    KEY_VALUES,  /* of values: the caller compares it with what is computed in */
    KEY_FLAG,    /* read */
    KEY_NOT_ON,  /* true is refused */
    KEY_IGNORED, /* where something is kept, or what is so anyway */
} key_kind;

typedef struct key {
    const char *name;
    key_kind kind;
} key;

static const key fsdp2_keys[] = {
    { "sharding_size", KEY_SIZE },          { "reshard_after_forward", KEY_FLAG },
    { "reduce_dtype", KEY_DTYPE },          { "offload_to_cpu", KEY_NOT_ON },
    { "sub_modules_to_wrap", KEY_IGNORED }, { "param_dtype", KEY_VALUES },
    { "output_dtype", KEY_IGNORED },        { "cast_forward_inputs", KEY_IGNORED },
    { "ignored_modules", KEY_IGNORED },     { "pin_memory", KEY_IGNORED },
    { "recompute_modules", KEY_IGNORED },   { "num_to_forward_prefetch", KEY_IGNORED },
    { "num_to_backward_prefetch", KEY_IGNORED }, { "use_reentrant", KEY_IGNORED },
    { NULL, KEY_IGNORED },
};

static const key layerzero_keys[] = {
    { "zero3_size", KEY_SIZE },            { "reduce_dtype", KEY_DTYPE },
    { "offload_grads", KEY_NOT_ON },       { "transformer_layers", KEY_IGNORED },
    { "backward_prefetch", KEY_IGNORED },  { "backward_reduce_scatter", KEY_IGNORED },
    { "param_dtype", KEY_VALUES },         { "buffer_dtype", KEY_IGNORED },
    { "ignored_modules", KEY_IGNORED },    { "forward_prefetch", KEY_IGNORED },
    { "limit_all_gathers", KEY_IGNORED },  { "ckpt_load_path", KEY_IGNORED },
    { "autocast_input", KEY_IGNORED },     { "autocast_output", KEY_IGNORED },
    { NULL, KEY_IGNORED },
};

/* What a file says; -1 where it says nothing. */
typedef struct answers {
    int64_t size;
    bool in_bf16, keeps; /* keeps: reshard_after_forward is false */
    char values[8];
} answers;

static ts_status unknown_key(const char *path, const char *name, const key *keys)
{
    char valid[400];
    size_t at = 0;
    for (const key *k = keys; k->name; k++)
        at += (size_t)snprintf(valid + at, sizeof valid - at, "%s%s", at ? ", " : "", k->name);
    return ts_error(TS_ERR_USER, "%s: %s is not known here; there are %s", path, name, valid);
}

static ts_status take_dtype(const char *path, const char *name, const json_t *v, answers *a)
{
    const char *t = json_is_string(v) ? json_string_value(v) : "";
    a->in_bf16 = !strcmp(t, "bf16");
    return a->in_bf16 || !strcmp(t, "fp32")
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: %s: give fp32 or bf16", path, name);
}

static ts_status take_values(const char *path, const char *name, const json_t *v, answers *a)
{
    const char *t = json_is_string(v) ? json_string_value(v) : "";
    if (strcmp(t, "fp32") && strcmp(t, "bf16") && strcmp(t, "fp16"))
        return ts_error(TS_ERR_USER, "%s: %s: give fp32, bf16 or fp16", path, name);
    snprintf(a->values, sizeof a->values, "%s", t);
    return TS_OK;
}

static ts_status take(const char *path, const key *k, const json_t *v, answers *a)
{
    switch (k->kind) {
    case KEY_SIZE:
        if (!json_is_integer(v) || json_integer_value(v) < 1)
            return ts_error(TS_ERR_USER, "%s: %s: give a number of processes", path, k->name);
        a->size = json_integer_value(v);
        return TS_OK;
    case KEY_DTYPE: return take_dtype(path, k->name, v, a);
    case KEY_VALUES: return take_values(path, k->name, v, a);
    case KEY_FLAG: a->keeps = json_is_false(v); return TS_OK;
    case KEY_NOT_ON:
        return json_is_true(v) ? ts_error(TS_ERR_USER, "%s: %s is not there yet: give false", path, k->name)
                               : TS_OK;
    default: return TS_OK;
    }
}

static ts_status read_answers(const char *path, const key *keys, answers *a)
{
    json_t *o;
    *a = (answers){ .size = -1 };
    if (!path)
        return TS_OK;
    TS_TRY(ts_yaml_read(path, &o, NULL));
    ts_status st = json_is_object(o) ? TS_OK
                                     : ts_error(TS_ERR_USER, "%s: expected keys with values", path);
    for (void *at = json_object_iter(o); st == TS_OK && at; at = json_object_iter_next(o, at)) {
        const key *k = keys;
        const char *name = json_object_iter_key(at);
        while (k->name && strcmp(k->name, name))
            k++;
        st = k->name ? take(path, k, json_object_iter_value(at), a) : unknown_key(path, name, keys);
    }
    json_decref(o);
    return st;
}

/* ---- which option asks for what ---- */

static ts_status from_fsdp2(const ts_parallel_options *o, ts_sharing *s)
{
    answers a;
    TS_TRY(read_answers(o->fsdp2_config, fsdp2_keys, &a));
    s->level = a.keeps ? TS_SHARD_GRADS : TS_SHARD_VALUES;
    s->group = a.size > 0 ? a.size : s->group;
    s->in_bf16 = a.in_bf16;
    memcpy(s->values, a.values, sizeof s->values);
    return TS_OK;
}

/* Eight processes keep values for each other, or all where they are fewer. */
static ts_status from_layerzero(const ts_parallel_options *o, ts_sharing *s)
{
    enum { NEAR = 8 };
    answers a;
    TS_TRY(read_answers(o->layerzero_config, layerzero_keys, &a));
    s->level = TS_SHARD_VALUES;
    s->near = a.size > 0 ? a.size : s->group < NEAR ? s->group : NEAR;
    s->in_bf16 = a.in_bf16;
    memcpy(s->values, a.values, sizeof s->values);
    return check_size("--layerzero: zero3_size", s->near, s->group);
}

/* The one option that asks; two of them contradict each other. */
static ts_status find_option(const ts_parallel_options *o, ts_sharing *s)
{
    const struct {
        bool on;
        const char *name;
    } all[] = { { o->distributed_optimizer && !o->megatron_fsdp, "--use-distributed-optimizer" },
                { o->megatron_fsdp, "--use-megatron-fsdp" },
                { o->torch_fsdp, "--use-torch-fsdp2" },
                { o->zero3, "--enable-zero3" },
                { o->layerzero, "--layerzero" },
                { o->fsdp_size > 1, "--fsdp-size" } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i].on)
            continue;
        if (s->option)
            return ts_error(TS_ERR_USER, "%s and %s: each says what is shared out: give one of the two",
                            s->option, all[i].name);
        s->option = all[i].name;
    }
    return TS_OK;
}

ts_status ts_sharing_read(const ts_parallel_options *o, int64_t processes, ts_sharing *s)
{
    static const ts_shard_level level[] = { TS_SHARD_NOTHING, TS_SHARD_STATE, TS_SHARD_GRADS,
                                            TS_SHARD_VALUES };
    *s = (ts_sharing){ .group = processes };
    TS_TRY(find_option(o, s));
    if (o->instances > 1) {
        TS_TRY(check_size("--num-distributed-optimizer-instances", o->instances, processes));
        s->group = processes / o->instances;
    }
    if (o->torch_fsdp)
        TS_TRY(from_fsdp2(o, s));
    else if (o->layerzero)
        TS_TRY(from_layerzero(o, s));
    else if (o->fsdp_size > 1)
        s->level = TS_SHARD_VALUES, s->group = o->fsdp_size;
    else if (o->zero3)
        s->level = TS_SHARD_VALUES;
    else if (o->megatron_fsdp)
        s->level = level[o->sharding];
    else if (o->distributed_optimizer)
        s->level = TS_SHARD_STATE;
    return check_size(o->torch_fsdp ? "--fsdp2-config-path: sharding_size" : "--fsdp-size", s->group,
                      processes);
}
