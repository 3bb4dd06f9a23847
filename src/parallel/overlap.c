#include "parallel/overlap.h"

#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "ops/parts.h"

#include <string.h>

/* A quarter of an exchange is not hidden then; each part more is one more start, and products of fewer rows. */
enum { CHOSEN = 4 };

static int coc_parts(const ts_parallel_options *o)
{
    return o->coc_mode == 0 || o->coc_mode == 1 ? 1 : o->coc_fused ? CHOSEN : (int)o->coc_parts;
}

/* Of all products. */
static ts_parallel_parts of_all(const ts_parallel_options *o)
{
    const bool in_rows = o->sequence && (o->mc2 || o->tp_overlap);
    ts_parallel_parts p = { .gather = 1, .sum = 1, .back = 1 };
    if (o->two)
        return (ts_parallel_parts){ .gather = o->overlap_gather ? CHOSEN : 1, .sum = o->overlap_scatter ? CHOSEN : 1,
                                    .back = o->overlap_back ? CHOSEN : 1 };
    if (o->coc)
        p.gather = p.sum = coc_parts(o);
    if (in_rows && (o->mc2 || !o->no_overlap_gather))
        p.gather = CHOSEN;
    if (in_rows && (o->mc2 || !o->no_overlap_scatter))
        p.sum = CHOSEN;
    return p;
}

/* ---- the file ---- */

typedef struct product {
    const char *word, *name; /* the file's, the layer's */
    bool is_column;
} product;

static const product products[TS_PRODUCTS] = {
    { "qkv", "linear_qkv", true }, { "proj", "linear_proj", false },
    { "fc1", "linear_fc1", true }, { "fc2", "linear_fc2", false },
};
static const char *const idle_keys[] = { "aggregate", "atomic_gemm", "cga_size", "comm_priority", "fp8_buf",
                                         "gemm_priority", "is_reduce_scatter", "num_sm",
                                         "pipeline_rs_overlap_first_gemm", "set_sm_margin", "use_ce" };
#define METHODS "ring_exchange, pipeline or bulk"

typedef struct overlap_file {
    const char *path;
    ts_parallel_parts *out;
    ts_str idle; /* what acts on nothing */
} overlap_file;

static ts_status add_idle(overlap_file *f, const char *word)
{
    if (f->idle.len && strstr(f->idle.s, word))
        return TS_OK;
    return ts_str_printf(&f->idle, "%s%s", f->idle.len ? ", " : "", word);
}

static ts_status check_key(overlap_file *f, const char *row, const char *key)
{
    if (!strcmp(key, "method") || !strcmp(key, "num_splits"))
        return TS_OK;
    for (size_t i = 0; i < sizeof idle_keys / sizeof *idle_keys; i++)
        if (!strcmp(key, idle_keys[i]))
            return add_idle(f, key);
    return ts_error(TS_ERR_USER, "--tp-comm-overlap-cfg %s: %s: %s is not known here; there are method, num_splits, and "
                                 "others of Transformer Engine's without effect", f->path, row, key);
}

/* Parts that a row asks for. */
static ts_status read_parts(overlap_file *f, const char *row, json_t *v, int *parts)
{
    const json_t *method = json_object_get(v, "method"), *splits = json_object_get(v, "num_splits");
    const char *word = json_is_string(method) ? json_string_value(method) : method ? "" : "ring_exchange";
    const json_int_t n = json_is_integer(splits) ? json_integer_value(splits) : splits ? 0 : CHOSEN;
    if (strcmp(word, "ring_exchange") && strcmp(word, "pipeline") && strcmp(word, "bulk"))
        return ts_error(TS_ERR_USER, "--tp-comm-overlap-cfg %s: %s: method: give " METHODS, f->path, row);
    if (n < 1 || n > TS_PARTS_MOST)
        return ts_error(TS_ERR_USER, "--tp-comm-overlap-cfg %s: %s: num_splits: give a number of parts from 1 to %d",
                        f->path, row, TS_PARTS_MOST);
    *parts = strcmp(word, "bulk") ? (int)n : 1;
    return TS_OK;
}

/* "fc1_dgrad" is product 2 and "dgrad"; NULL: no such row. */
static const char *pass_of(const char *row, int *which)
{
    for (*which = 0; *which < TS_PRODUCTS; ++*which) {
        const char *word = products[*which].word;
        const size_t n = strlen(word);
        const char *pass = row + n + 1;
        if (!strncmp(row, word, n) && row[n] == '_' &&
            (!strcmp(pass, "fprop") || !strcmp(pass, "dgrad") || !strcmp(pass, "wgrad")))
            return pass;
    }
    return NULL;
}

static ts_status take_row(overlap_file *f, const char *row, json_t *v)
{
    int which, parts = 1;
    const char *pass = pass_of(row, &which);
    if (!pass)
        return ts_error(TS_ERR_USER, "--tp-comm-overlap-cfg %s: %s is no product: there are qkv, proj, fc1 and fc2, each "
                                     "with _fprop, _dgrad and _wgrad", f->path, row);
    if (!json_is_object(v))
        return ts_error(TS_ERR_USER, "--tp-comm-overlap-cfg %s: %s: give keys with values, such as method: "
                                     "ring_exchange", f->path, row);
    for (void *at = json_object_iter(v); at; at = json_object_iter_next(v, at))
        TS_TRY(check_key(f, row, json_object_iter_key(at)));
    TS_TRY(read_parts(f, row, v, &parts));
    ts_product_parts *to = &f->out->product[which];
    if (!strcmp(pass, "wgrad"))
        return add_idle(f, row);
    *(products[which].is_column == !strcmp(pass, "fprop") ? &to->gather : &to->sum) = parts;
    return TS_OK;
}

static ts_status read_file(overlap_file *f)
{
    json_t *o;
    TS_TRY(ts_yaml_read(f->path, &o, NULL));
    ts_status st = json_is_object(o) ? TS_OK
                                     : ts_error(TS_ERR_USER, "--tp-comm-overlap-cfg %s: expected keys with values",
                                                f->path);
    for (void *at = json_object_iter(o); st == TS_OK && at; at = json_object_iter_next(o, at))
        st = take_row(f, json_object_iter_key(at), json_object_iter_value(at));
    json_decref(o);
    return st;
}

static bool reads_file(const ts_parallel_options *o) { return o->tp_overlap_file && o->tp_overlap && !o->two; }

ts_status ts_parallel_overlap(const ts_parallel_options *o, ts_parallel_parts *out)
{
    *out = of_all(o);
    if (!reads_file(o))
        return TS_OK;
    out->n_products = TS_PRODUCTS;
    for (int i = 0; i < TS_PRODUCTS; i++)
        out->product[i] = (ts_product_parts){ products[i].name, out->gather, out->sum };
    overlap_file f = { .path = o->tp_overlap_file, .out = out };
    const ts_status st = read_file(&f);
    ts_str_deinit(&f.idle);
    for (int i = 0; i < TS_PRODUCTS; i++) {
        ts_product_parts *p = &out->product[i];
        p->gather = !o->sequence || o->no_overlap_gather ? 1 : p->gather;
        p->sum = !o->sequence || o->no_overlap_scatter ? 1 : p->sum;
    }
    return st;
}

void ts_parallel_overlap_warn(const ts_parallel_options *o)
{
    ts_parallel_parts parts = { 0 };
    overlap_file f = { .path = o->tp_overlap_file, .out = &parts };
    if (reads_file(o) && read_file(&f) == TS_OK && f.idle.len)
        ts_log(TS_LOG_WARN, "--tp-comm-overlap-cfg %s: without effect here: %s", f.path, f.idle.s);
    ts_str_deinit(&f.idle);
}
