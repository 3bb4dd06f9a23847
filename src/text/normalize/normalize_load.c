/* Normalizers as they stand in tokenizer.json. */
#include "text/normalize/normalize.h"

#include <string.h>

enum { MAX_OPS = 256, MAX_DEPTH = 16 };

static ts_status new_op(ts_normalizer *nm, ts_norm_kind kind, const char *file, ts_norm_op **op)
{
    if (nm->n >= MAX_OPS)
        return ts_error(TS_ERR_USER, "%s: more than %d normalizers", file, MAX_OPS);
    TS_TRY(ts_grow(&nm->op, &nm->cap, nm->n + 1, sizeof *nm->op));
    *op = &nm->op[nm->n++];
    **op = (ts_norm_op){ .kind = kind };
    return TS_OK;
}

static ts_status take_text(const json_t *s, char **out, size_t *len)
{
    *len = json_string_length(s);
    return ts_strndup(json_string_value(s), *len, out);
}

static ts_status load_form(ts_normalizer *nm, const char *type, const char *file)
{
    ts_norm_op *op = NULL;
    TS_TRY(new_op(nm, TS_NORM_FORM, file, &op));
    op->compat = type[2] == 'K';
    op->compose = type[strlen(type) - 1] == 'C';
    return ts_norm_form_init(op);
}

static ts_status load_bert(ts_normalizer *nm, const json_t *o, const char *file)
{
    bool clean, chinese, lower, accents;
    ts_norm_op *op = NULL;
    TS_TRY(ts_json_bool(o, file, "clean_text", true, &clean));
    TS_TRY(ts_json_bool(o, file, "handle_chinese_chars", true, &chinese));
    TS_TRY(ts_json_bool(o, file, "lowercase", true, &lower));
    TS_TRY(ts_json_bool(o, file, "strip_accents", lower, &accents));
    if (clean)
        TS_TRY(new_op(nm, TS_NORM_BERT_CLEAN, file, &op));
    if (chinese)
        TS_TRY(new_op(nm, TS_NORM_BERT_CHINESE, file, &op));
    if (accents) {
        TS_TRY(load_form(nm, "NFD", file));
        TS_TRY(new_op(nm, TS_NORM_BERT_ACCENTS, file, &op));
    }
    return lower ? new_op(nm, TS_NORM_LOWER, file, &op) : TS_OK;
}

static ts_status load_replace(ts_normalizer *nm, const json_t *o, const char *file)
{
    const json_t *pattern = json_object_get(o, "pattern"), *content = json_object_get(o, "content");
    const json_t *text = json_object_get(pattern, "String"),
                 *regex = json_object_get(pattern, "Regex");
    ts_norm_op *op = NULL;
    if (!json_is_string(content) || (!json_is_string(text) && !json_is_string(regex)))
        return ts_error(TS_ERR_USER,
                        "%s: normalizer Replace needs pattern.String or pattern.Regex, and "
                        "content",
                        file);
    if (text && json_string_length(text) == 0)
        return ts_error(TS_ERR_USER, "%s: normalizer Replace has an empty pattern", file);
    TS_TRY(new_op(nm, text ? TS_NORM_REPLACE : TS_NORM_REPLACE_REGEX, file, &op));
    TS_TRY(take_text(content, &op->b, &op->b_len));
    return text ? take_text(text, &op->a, &op->a_len)
                : ts_regex_create(json_string_value(regex), json_string_length(regex),
                                  TS_DIALECT_ONIGURUMA, file, &op->regex);
}

static ts_status load_precompiled(ts_normalizer *nm, const json_t *o, const char *file)
{
    const json_t *map = json_object_get(o, "precompiled_charsmap");
    ts_str bytes = { 0 };
    ts_norm_op *op = NULL;
    if (!json_is_string(map))
        return ts_error(TS_ERR_USER, "%s: normalizer Precompiled needs precompiled_charsmap", file);
    if (json_string_length(map) == 0)
        return TS_OK;
    TS_TRY(new_op(nm, TS_NORM_PRECOMPILED, file, &op));
    ts_status st = ts_base64_decode(json_string_value(map), json_string_length(map), &bytes);
    if (st == TS_OK)
        st = ts_charsmap_init(&op->map, ts_str_text(&bytes), bytes.len, file);
    ts_str_deinit(&bytes);
    return st;
}

static ts_status load_one(ts_normalizer *nm, const json_t *o, const char *type, const char *file)
{
    static const struct { const char *type; ts_norm_kind kind; } plain[] = {
        { "Lowercase", TS_NORM_LOWER }, { "StripAccents", TS_NORM_ACCENTS }, { "Nmt", TS_NORM_NMT },
        { "ByteLevel", TS_NORM_BYTES },
    };
    ts_norm_op *op = NULL;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!strcmp(type, plain[i].type))
            return new_op(nm, plain[i].kind, file, &op);
    if (!strcmp(type, "NFC") || !strcmp(type, "NFD") || !strcmp(type, "NFKC") ||
        !strcmp(type, "NFKD"))
        return load_form(nm, type, file);
    if (!strcmp(type, "BertNormalizer"))
        return load_bert(nm, o, file);
    if (!strcmp(type, "Replace"))
        return load_replace(nm, o, file);
    if (!strcmp(type, "Precompiled"))
        return load_precompiled(nm, o, file);
    if (!strcmp(type, "Strip")) {
        TS_TRY(new_op(nm, TS_NORM_STRIP, file, &op));
        TS_TRY(ts_json_bool(o, file, "strip_left", true, &op->left));
        return ts_json_bool(o, file, "strip_right", true, &op->right);
    }
    if (!strcmp(type, "Prepend")) {
        const json_t *p = json_object_get(o, "prepend");
        if (!json_is_string(p))
            return ts_error(TS_ERR_USER, "%s: normalizer Prepend needs prepend", file);
        TS_TRY(new_op(nm, TS_NORM_PREPEND, file, &op));
        return take_text(p, &op->b, &op->b_len);
    }
    return ts_error(TS_ERR_USER, "%s: normalizer '%s' is not supported", file, type);
}

static ts_status load(ts_normalizer *nm, const json_t *o, const char *file, int depth)
{
    const char *type;
    if (!o || json_is_null(o))
        return TS_OK;
    if (!json_is_object(o) || depth > MAX_DEPTH)
        return ts_error(TS_ERR_USER, "%s: a normalizer must be an object, nested at most %d deep",
                        file, MAX_DEPTH);
    TS_TRY(ts_json_text(o, file, "type", "", &type));
    if (strcmp(type, "Sequence") != 0)
        return load_one(nm, o, type, file);
    const json_t *list = json_object_get(o, "normalizers");
    if (!json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: normalizer Sequence needs the list normalizers", file);
    for (size_t i = 0; i < json_array_size(list); i++)
        TS_TRY(load(nm, json_array_get(list, i), file, depth + 1));
    return TS_OK;
}

ts_status ts_normalizer_load(ts_normalizer *nm, const json_t *o, const char *file)
{
    return load(nm, o, file, 0);
}

ts_status ts_base64_decode(const char *s, size_t n, ts_str *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int n_bits = 0;
    while (n > 0 && s[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        const char *d = s[i] ? strchr(digits, s[i]) : NULL;
        if (!d)
            return ts_error(TS_ERR_USER, "not base64: byte 0x%02x", (unsigned char)s[i]);
        bits = bits << 6 | (uint32_t)(d - digits);
        n_bits += 6;
        if (n_bits >= 8) {
            const char b = (char)(bits >> (n_bits -= 8));
            TS_TRY(ts_str_add(out, &b, 1));
        }
    }
    return TS_OK;
}
