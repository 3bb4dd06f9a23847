/* The rules are PEFT's (tuners_utils.check_target_module_exists, utils.other.get_pattern_key): names are whole or what
 * stands behind a dot, regular expressions are of all of a name. */
#include "model/adapter_rules.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- reading ---- */

/* What changes what an adapter computes, and there is not here. */
static ts_status check_kind(const json_t *c, const char *file)
{
    static const char *const others[] = { "use_qalora", "use_bdlora", "lora_bias", "alora_invocation_tokens", "arrow_config",
                                          "kasa_config", "monteclora_config", "velora_config", "layer_replication",
                                          "trainable_token_indices" };
    const char *type = json_string_value(json_object_get(c, "peft_type")), *bias;
    if (!type || strcmp(type, "LORA"))
        return ts_error(TS_ERR_USER, "%s: peft_type is %s, expected LORA", file, type ? type : "missing");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const json_t *v = json_object_get(c, others[i]);
        if (v && !json_is_null(v) && !json_is_false(v) && !(json_is_array(v) && !json_array_size(v)))
            return ts_error(TS_ERR_USER, "%s: %s is set, which there is not here", file, others[i]);
    }
    TS_TRY(ts_json_text(c, file, "bias", "none", &bias));
    return strcmp(bias, "none") ? ts_error(TS_ERR_USER, "%s: bias is %s, expected none", file, bias) : TS_OK;
}

static ts_status add_pattern(ts_patterns *p, const char *before, const char *text, const char *behind, const char *file)
{
    ts_str s = { 0 };
    ts_status st = ts_str_printf(&s, "%s(?:%s)%s", before, text, behind);
    p->text[p->n] = text;
    if (st == TS_OK)
        st = ts_regex_create(s.s, s.len, TS_DIALECT_ONIGURUMA, file, &p->re[p->n]);
    p->n += st == TS_OK;
    ts_str_deinit(&s);
    return st;
}

static ts_status make_room(ts_patterns *p, size_t n)
{
    TS_TRY(ts_alloc(&p->re, n, sizeof *p->re));
    return ts_alloc(&p->text, n, sizeof *p->text);
}

static ts_status wrong_type(const char *file, const char *key, const char *expected)
{
    return ts_error(TS_ERR_USER, "%s: %s: expected %s", file, key, expected);
}

/* A text, or a list of them; NULL: neither is there. */
static ts_status add_texts(ts_patterns *p, const json_t *c, const char *key, const char *before, const char *behind,
                           const char *file)
{
    const json_t *v = json_object_get(c, key), *one;
    size_t i;
    if (!v || json_is_null(v))
        return TS_OK;
    if (json_is_string(v)) {
        TS_TRY(make_room(p, 1));
        return *json_string_value(v) ? add_pattern(p, before, json_string_value(v), behind, file) : TS_OK;
    }
    TS_TRY(make_room(p, json_array_size(v)));
    json_array_foreach(v, i, one) {
        if (!json_is_string(one))
            return wrong_type(file, key, "a list of texts");
        TS_TRY(add_pattern(p, before, json_string_value(one), behind, file));
    }
    return json_is_array(v) ? TS_OK : wrong_type(file, key, "a text or a list of texts");
}

static ts_status add_keys(ts_patterns *p, json_t *c, const char *name, const char *file)
{
    json_t *v = json_object_get(c, name), *one;
    const char *key;
    if (!v || json_is_null(v))
        return TS_OK;
    if (!json_is_object(v))
        return wrong_type(file, name, "an object");
    TS_TRY(make_room(p, json_object_size(v)));
    json_object_foreach(v, key, one) {
        if (!json_is_number(one) || json_number_value(one) <= 0)
            return wrong_type(file, name, "positive numbers");
        TS_TRY(add_pattern(p, "\\A(?:.*\\.)?", key, "\\z", file));
    }
    return TS_OK;
}

/* Names are a list, or one regular expression. */
static ts_status add_names(ts_patterns *p, const json_t *c, const char *key, const char *file)
{
    const json_t *v = json_object_get(c, key), *one;
    size_t i;
    if (json_is_string(v))
        return add_texts(p, c, key, "\\A", "\\z", file);
    json_array_foreach(v, i, one)
        if (!json_is_string(one))
            return wrong_type(file, key, "a list of texts");
    return !v || json_is_null(v) || json_is_array(v) ? TS_OK : wrong_type(file, key, "a text or a list of texts");
}

static ts_status check_parameters(const json_t *c, const char *file)
{
    const json_t *v = json_object_get(c, "target_parameters"), *one;
    size_t i;
    json_array_foreach(v, i, one)
        if (!json_is_string(one))
            return wrong_type(file, "target_parameters", "a list of texts");
    return !v || json_is_null(v) || json_is_array(v) ? TS_OK : wrong_type(file, "target_parameters", "a list of texts");
}

static ts_status read_all(ts_adapter_rules *r)
{
    json_t *c = (json_t *)r->config;
    const char *target = json_string_value(json_object_get(c, "target_modules"));
    char lower[16] = "";
    TS_TRY(check_kind(c, r->file));
    TS_TRY(ts_json_int(c, r->file, "r", 8, 1, 1 << 16, &r->r));
    TS_TRY(ts_json_real(c, r->file, "lora_alpha", 8, &r->alpha));
    TS_TRY(ts_json_real(c, r->file, "lora_dropout", 0, &r->dropout));
    TS_TRY(ts_json_bool(c, r->file, "use_rslora", false, &r->rslora));
    TS_TRY(ts_json_bool(c, r->file, "use_dora", false, &r->dora));
    for (size_t i = 0; target && target[i] && i + 1 < sizeof lower; i++)
        lower[i] = (char)tolower((unsigned char)target[i]);
    r->all_linear = !strcmp(lower, "all-linear");
    if (!r->all_linear)
        TS_TRY(add_names(&r->target, c, "target_modules", r->file));
    TS_TRY(add_names(&r->exclude, c, "exclude_modules", r->file));
    TS_TRY(check_parameters(c, r->file));
    TS_TRY(add_texts(&r->layers, c, "layers_pattern", "(?:\\A|\\.)", "\\.[0-9]+\\.", r->file));
    TS_TRY(add_texts(&r->save, c, "modules_to_save", "(?:\\A|\\.)", "(?:\\z|\\.)", r->file));
    TS_TRY(add_keys(&r->rank, c, "rank_pattern", r->file));
    return add_keys(&r->alphas, c, "alpha_pattern", r->file);
}

ts_status ts_adapter_rules_open(const json_t *config, const char *file, ts_adapter_rules *out)
{
    *out = (ts_adapter_rules){ .config = config, .file = file };
    const ts_status st = json_is_object(config) ? read_all(out) : ts_error(TS_ERR_USER, "%s: expected an object", file);
    if (st != TS_OK)
        ts_adapter_rules_close(out);
    return st;
}

static void close_patterns(ts_patterns *p)
{
    for (size_t i = 0; i < p->n; i++)
        ts_regex_destroy(&p->re[i]);
    ts_free(&p->re);
    ts_free(&p->text);
}

void ts_adapter_rules_close(ts_adapter_rules *r)
{
    ts_patterns *const all[] = { &r->target, &r->exclude, &r->layers, &r->save, &r->rank, &r->alphas };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        close_patterns(all[i]);
    *r = (ts_adapter_rules){ 0 };
}

/* ---- asking ---- */

/* The first that is found in the text; -1: none. end: behind it. */
static ts_status first_of(const ts_patterns *p, const char *s, int64_t *which, size_t *end)
{
    size_t start;
    bool found = false;
    *which = -1;
    for (size_t i = 0; i < p->n && !found; i++) {
        TS_TRY(ts_regex_find(p->re[i], s, 0, strlen(s), &found, &start, end));
        if (found)
            *which = (int64_t)i;
    }
    return TS_OK;
}

static bool is_suffix(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n > m && name[n - m - 1] == '.' && !strcmp(name + n - m, end);
}

/* Whether a list of names has this one (*exact), or one that it ends with. */
static bool in_list(const json_t *list, const char *name, bool *exact)
{
    const json_t *v;
    size_t i;
    bool found = false;
    *exact = false;
    json_array_foreach(list, i, v) {
        *exact = *exact || !strcmp(json_string_value(v), name);
        found = found || *exact || is_suffix(name, json_string_value(v));
    }
    return found;
}

/* The first part of the name that is a number, has two before it and one behind it; -1: there is none. */
static int64_t first_number(const char *name)
{
    int part = 0;
    for (const char *s = name; s; part++) {
        const char *dot = strchr(s, '.');
        if (part >= 2 && dot && dot > s && strspn(s, "0123456789") == (size_t)(dot - s))
            return strtol(s, NULL, 10);
        s = dot ? dot + 1 : NULL;
    }
    return -1;
}

static ts_status number_of(const ts_adapter_rules *r, const char *name, int64_t *out)
{
    int64_t which;
    size_t end = 0;
    *out = -1;
    if (!r->layers.n) {
        *out = first_number(name);
        return TS_OK;
    }
    TS_TRY(first_of(&r->layers, name, &which, &end));
    for (end = which < 0 ? 0 : end - 1; end > 0 && isdigit((unsigned char)name[end - 1]);)
        end--;
    if (which >= 0)
        *out = strtol(name + end, NULL, 10);
    return TS_OK;
}

/* layers_to_transform: a number, or a list of them. */
static ts_status in_layers(const ts_adapter_rules *r, const char *name, bool *out)
{
    const json_t *v = json_object_get(r->config, "layers_to_transform"), *one;
    int64_t number;
    size_t i;
    *out = true;
    if (!v || json_is_null(v) || (json_is_array(v) && !json_array_size(v)))
        return TS_OK;
    TS_TRY(number_of(r, name, &number));
    *out = number >= 0 && json_is_integer(v) && json_integer_value(v) == number;
    json_array_foreach(v, i, one)
        *out = *out || (number >= 0 && json_is_integer(one) && json_integer_value(one) == number);
    return TS_OK;
}

static ts_status excluded(const ts_adapter_rules *r, const char *name, bool *out)
{
    int64_t which;
    size_t end;
    bool exact;
    TS_TRY(first_of(&r->exclude, name, &which, &end));
    *out = which >= 0 || in_list(json_object_get(r->config, "exclude_modules"), name, &exact);
    if (*out)
        return TS_OK;
    TS_TRY(first_of(&r->save, name, &which, &end));
    *out = which >= 0;
    return TS_OK;
}

ts_status ts_adapter_rules_match(const ts_adapter_rules *r, const char *module, bool is_output, bool *out)
{
    int64_t which;
    size_t end;
    bool without, exact;
    *out = false;
    TS_TRY(excluded(r, module, &without));
    if (without)
        return TS_OK;
    if (r->all_linear || r->target.n) {
        TS_TRY(first_of(&r->target, module, &which, &end));
        *out = which >= 0 || (r->all_linear && !is_output);
        return TS_OK;
    }
    if (!in_list(json_object_get(r->config, "target_modules"), module, &exact))
        return TS_OK;
    *out = exact;
    return exact ? TS_OK : in_layers(r, module, out);
}

bool ts_adapter_rules_has_parameters(const ts_adapter_rules *r)
{
    return json_array_size(json_object_get(r->config, "target_parameters")) > 0;
}

bool ts_adapter_rules_parameter(const ts_adapter_rules *r, const char *parameter)
{
    bool exact;
    return in_list(json_object_get(r->config, "target_parameters"), parameter, &exact);
}

bool ts_adapter_rules_saves(const ts_adapter_rules *r, const char *module)
{
    const size_t n = strlen(module);
    for (size_t i = 0; i < r->save.n; i++) {
        const size_t m = strlen(r->save.text[i]);
        if (n >= m && !strcmp(module + n - m, r->save.text[i]))
            return true;
    }
    return false;
}

ts_status ts_adapter_rules_rank(const ts_adapter_rules *r, const char *module, int64_t *rank, float *scale)
{
    int64_t which;
    size_t end;
    double alpha = r->alpha;
    *rank = r->r;
    TS_TRY(first_of(&r->rank, module, &which, &end));
    if (which >= 0)
        *rank = (int64_t)json_number_value(json_object_get(json_object_get(r->config, "rank_pattern"), r->rank.text[which]));
    TS_TRY(first_of(&r->alphas, module, &which, &end));
    if (which >= 0)
        alpha = json_number_value(json_object_get(json_object_get(r->config, "alpha_pattern"), r->alphas.text[which]));
    *scale = (float)(alpha / (r->rslora ? sqrt((double)*rank) : (double)*rank));
    return TS_OK;
}
