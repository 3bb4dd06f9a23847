#include "convert/nf4.h"

#include "base/nf4.h"
#include "model/decoder.h"
#include "model/weights_bnb.h"

#include <stdio.h>
#include <string.h>

/* ---- which tensors ---- */

static ts_status list_linear(void *ctx, const char *name, const ts_param_spec *spec)
{
    return ts_decoder_is_linear(name, spec) ? ts_names_add(ctx, name) : TS_OK;
}

static bool is_real(const ts_st_tensor *t) { return t->dtype == TS_ST_F32 || t->dtype == TS_ST_BF16 || t->dtype == TS_ST_F16; }

/* Whether all that a tensor holds is of linear layers. */
static bool is_linear(const ts_name_map *map, const ts_name_tensor *t, const ts_names *linear)
{
    bool is = t->rank == 2 && !t->is_copy;
    for (size_t i = t->first_piece; is && i < t->first_piece + t->n_pieces; i++)
        is = !map->piece[i].transposed && ts_names_find(linear, map->piece[i].name) >= 0;
    return is;
}

static ts_status add_tensors(const ts_convert_model *m, const ts_names *linear, ts_names *out)
{
    ts_name_map map = { 0 };
    ts_status st = ts_family_names(m->source.family, m->source.arch, &map);
    for (size_t i = 0; st == TS_OK && i < map.n_tensors; i++) {
        const ts_st_tensor *t = is_linear(&map, &map.tensor[i], linear)
                                    ? ts_weights_find(m->source.family, m->source.arch, m->tensors, map.tensor[i].hf_name)
                                    : NULL;
        if (t && is_real(t))
            st = ts_names_add(out, t->name);
    }
    ts_name_map_deinit(&map);
    return st;
}

ts_status ts_convert_nf4_names(const ts_convert_model *m, ts_names **out)
{
    ts_names *linear = NULL, *names = NULL;
    if (!m->source.arch)
        return ts_error(TS_ERR_USER, "--qlora-nf4: %s is of a kind that is not known here, so that nothing tells which of its "
                        "tensors are weights of linear layers", m->path);
    ts_status st = ts_names_create(0, &linear);
    if (st == TS_OK)
        st = ts_names_create(0, &names);
    if (st == TS_OK)
        st = ts_decoder_list(m->source.arch, list_linear, linear);
    if (st == TS_OK)
        st = add_tensors(m, linear, names);
    if (st == TS_OK && !ts_names_count(names))
        st = ts_error(TS_ERR_USER, "--qlora-nf4: %s has no weight of a linear layer in F32, BF16 or F16", m->path);
    ts_names_destroy(&linear);
    if (st == TS_OK)
        *out = names;
    else
        ts_names_destroy(&names);
    return st;
}

/* ---- config.json ---- */

/* "a.b.c.weight" is c's. */
static bool module_of(const char *tensor, char *to, size_t size)
{
    const char *end = strrchr(tensor, '.'), *begin = end;
    if (!end || strcmp(end, ".weight"))
        return false;
    while (begin > tensor && begin[-1] != '.')
        begin--;
    return snprintf(to, size, "%.*s", (int)(end - begin), begin) < (int)size;
}

/* Modules whose matrices stay as they are, each once: transformers would have them in NF4. */
static ts_status kept_modules(const ts_convert_model *m, const ts_names *names, json_t *list)
{
    ts_names *seen = NULL;
    char module[256];
    TS_TRY(ts_names_create(0, &seen));
    ts_status st = ts_names_add(seen, "lm_head");
    if (st == TS_OK && json_array_append_new(list, json_string("lm_head")))
        st = ts_error(TS_ERR_NOMEM, "out of memory while writing config.json");
    for (int64_t i = 0; st == TS_OK && i < ts_st_dir_count(m->tensors); i++) {
        const ts_st_tensor *t = ts_st_dir_at(m->tensors, i);
        if (t->rank != 2 || !is_real(t) || ts_names_find(names, t->name) >= 0 || !module_of(t->name, module, sizeof module) ||
            ts_names_find(seen, module) >= 0)
            continue;
        st = ts_names_add(seen, module);
        if (st == TS_OK && json_array_append_new(list, json_string(module)))
            st = ts_error(TS_ERR_NOMEM, "out of memory while writing config.json");
    }
    ts_names_destroy(&seen);
    return st;
}

ts_status ts_convert_nf4_config(const ts_convert_model *m, const ts_names *names, json_t **out)
{
    json_t *config = json_deep_copy(m->config), *kept = json_array(),
           *q = json_pack("{s:s,s:b,s:b,s:s,s:b,s:s,s:s}", "quant_method", "bitsandbytes", "load_in_4bit", 1, "load_in_8bit", 0,
                          "bnb_4bit_quant_type", "nf4", "bnb_4bit_use_double_quant", 1, "bnb_4bit_compute_dtype",
                          m->dtype == TS_ST_F32 ? "float32" : m->dtype == TS_ST_BF16 ? "bfloat16" : "float16",
                          "bnb_4bit_quant_storage", "uint8");
    ts_status st = config && kept && q ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory while writing config.json");
    if (st == TS_OK)
        st = kept_modules(m, names, kept);
    if (st == TS_OK && (json_object_set(q, "llm_int8_skip_modules", kept) || json_object_set(config, "quantization_config", q)))
        st = ts_error(TS_ERR_NOMEM, "out of memory while writing config.json");
    json_decref(kept);
    json_decref(q);
    if (st == TS_OK)
        *out = config;
    else
        json_decref(config);
    return st;
}

/* ---- tensors ---- */

enum { PIECE = 1 << 18 }; /* values at a time, whole blocks */

static int64_t up(int64_t n, int64_t by) { return (n + by - 1) / by; }

static ts_status state_text(const ts_st_tensor *t, double offset, ts_str *out)
{
    static const char *const types[] = { [TS_DTYPE_F32] = "float32", [TS_DTYPE_BF16] = "bfloat16", [TS_DTYPE_F16] = "float16" };
    ts_dtype type;
    TS_TRY(ts_nf4_type(t, &type));
    /* as long for any offset, so that it may be written before this is known */
    return ts_str_printf(out, "{\"quant_type\": \"nf4\", \"blocksize\": %d, \"dtype\": \"%s\", \"shape\": [%lld, %lld], "
                         "\"nested_blocksize\": %d, \"nested_dtype\": \"float32\", \"nested_offset\": %.16e}", TS_NF4_BLOCK,
                         types[type], (long long)t->shape[0], (long long)t->shape[1], TS_NF4_NESTED, offset);
}

static ts_status add_part(ts_st_dir_writer *w, const ts_st_tensor *t, const char *end, ts_st_dtype type, int64_t n)
{
    ts_str name = { 0 };
    const int64_t shape[] = { n, 1 };
    ts_status st = ts_str_printf(&name, "%s%s", t->name, end);
    if (st == TS_OK)
        st = ts_st_dir_writer_add(w, ts_str_text(&name), type, *end ? 1 : 2, shape);
    ts_str_deinit(&name);
    return st;
}

ts_status ts_convert_nf4_add(ts_st_dir_writer *w, const ts_st_tensor *t)
{
    const int64_t blocks = up(t->elements, TS_NF4_BLOCK);
    ts_str state = { 0 };
    ts_status st = state_text(t, 0, &state);
    const int64_t bytes = (int64_t)state.len;
    ts_str_deinit(&state);
    TS_TRY(st);
    TS_TRY(add_part(w, t, "", TS_ST_U8, up(t->elements, 2)));
    TS_TRY(add_part(w, t, ".absmax", TS_ST_U8, blocks));
    TS_TRY(add_part(w, t, ".quant_map", TS_ST_F32, TS_NF4_LEVELS));
    TS_TRY(add_part(w, t, ".nested_absmax", TS_ST_F32, up(blocks, TS_NF4_NESTED)));
    TS_TRY(add_part(w, t, ".nested_quant_map", TS_ST_F32, TS_NF4_NESTED_LEVELS));
    return add_part(w, t, ".quant_state.bitsandbytes__nf4", TS_ST_U8, bytes);
}

static ts_status put_codes(ts_st_dir_writer *w, int64_t number, const ts_st_tensor *t, const ts_nf4_scales *s)
{
    float *values;
    uint8_t *code = NULL;
    TS_TRY(ts_alloc(&values, PIECE, sizeof *values));
    ts_status st = ts_alloc(&code, PIECE, sizeof *code);
    for (int64_t at = 0; st == TS_OK && at < t->elements; at += PIECE) {
        const int64_t n = t->elements - at < PIECE ? t->elements - at : PIECE;
        st = ts_nf4_codes(t, s, at, n, values, code);
        for (int64_t i = 0; i < n; i += 2) /* what is missing of the last pair is a zero */
            code[i / 2] = (uint8_t)(code[i] << 4 | (i + 1 < n ? code[i + 1] : 7));
        if (st == TS_OK)
            st = ts_st_dir_writer_put(w, number, (size_t)at / 2, code, (size_t)up(n, 2));
    }
    ts_free(&values);
    ts_free(&code);
    return st;
}

ts_status ts_convert_nf4_put(ts_st_dir_writer *w, int64_t first, const ts_st_tensor *t)
{
    ts_nf4_scales s;
    ts_str state = { 0 };
    ts_st_will_need(t);
    TS_TRY(ts_nf4_scales_make(t, &s));
    ts_status st = put_codes(w, first, t, &s);
    if (st == TS_OK)
        st = ts_st_dir_writer_put(w, first + 1, 0, s.code, (size_t)s.blocks);
    if (st == TS_OK)
        st = ts_st_dir_writer_put(w, first + 2, 0, ts_nf4_levels, sizeof ts_nf4_levels);
    if (st == TS_OK)
        st = ts_st_dir_writer_put(w, first + 3, 0, s.nested, (size_t)up(s.blocks, TS_NF4_NESTED) * sizeof *s.nested);
    if (st == TS_OK)
        st = ts_st_dir_writer_put(w, first + 4, 0, ts_nf4_nested_levels, sizeof ts_nf4_nested_levels);
    if (st == TS_OK)
        st = state_text(t, (double)s.offset, &state);
    if (st == TS_OK)
        st = ts_st_dir_writer_put(w, first + 5, 0, state.s, state.len);
    ts_str_deinit(&state);
    ts_nf4_scales_deinit(&s);
    return st;
}
