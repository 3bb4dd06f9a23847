/* Decoders as they stand in tokenizer.json. */
#include "text/decode.h"

#include <string.h>

enum { MAX_OPS = 64, MAX_DEPTH = 16 };

static ts_status new_op(ts_decoder *d, ts_dec_kind kind, const char *file, ts_dec_op **op)
{
    if (d->n >= MAX_OPS)
        return ts_error(TS_ERR_USER, "%s: more than %d decoders", file, MAX_OPS);
    TS_TRY(ts_grow(&d->op, &d->cap, d->n + 1, sizeof *d->op));
    *op = &d->op[d->n++];
    **op = (ts_dec_op){ .kind = kind };
    return TS_OK;
}

/* A text of the object, with a default. */
static ts_status take(const json_t *o, const char *file, const char *key, const char *def,
                      char **out, size_t *len)
{
    const char *text;
    TS_TRY(ts_json_text(o, file, key, def, &text));
    *len = strlen(text);
    return ts_strdup(text, out);
}

static ts_status load_meta(ts_dec_op *op, const json_t *o, const char *file)
{
    const char *scheme;
    bool legacy;
    TS_TRY(ts_json_bool(o, file, "add_prefix_space", true, &legacy));
    TS_TRY(ts_json_text(o, file, "prepend_scheme", legacy ? "always" : "never", &scheme));
    op->drop_first = strcmp(scheme, "never") != 0;
    return take(o, file, "replacement", "\xE2\x96\x81", &op->a, &op->a_len);
}

static ts_status load_strip(ts_dec_op *op, const json_t *o, const char *file)
{
    TS_TRY(take(o, file, "content", " ", &op->a, &op->a_len));
    if (op->a_len == 0)
        return ts_error(TS_ERR_USER, "%s: decoder Strip needs content", file);
    TS_TRY(ts_json_int(o, file, "start", 0, 0, INT32_MAX, &op->start));
    return ts_json_int(o, file, "stop", 0, 0, INT32_MAX, &op->stop);
}

static ts_status load_replace(ts_dec_op *op, const json_t *o, const char *file)
{
    const json_t *pattern = json_object_get(o, "pattern");
    const json_t *text = json_object_get(pattern, "String"),
                 *regex = json_object_get(pattern, "Regex");
    TS_TRY(take(o, file, "content", "", &op->b, &op->b_len));
    if (!json_is_string(text) && !json_is_string(regex))
        return ts_error(TS_ERR_USER, "%s: decoder Replace needs pattern.String or pattern.Regex",
                        file);
    if (!json_is_string(text)) {
        op->kind = TS_DEC_REPLACE_REGEX;
        return ts_regex_create(json_string_value(regex), json_string_length(regex),
                               TS_DIALECT_ONIGURUMA, file, &op->regex);
    }
    op->a_len = json_string_length(text);
    return ts_strndup(json_string_value(text), op->a_len, &op->a);
}

static ts_status load_one(ts_decoder *d, const json_t *o, const char *type, const char *file)
{
    static const struct { const char *type; ts_dec_kind kind;
    } known[] = {
        { "ByteLevel", TS_DEC_BYTES },
        { "Metaspace", TS_DEC_META },
        { "WordPiece", TS_DEC_WORDPIECE },
        { "BPEDecoder", TS_DEC_BPE },
        { "ByteFallback", TS_DEC_FALLBACK },
        { "Fuse", TS_DEC_FUSE },
        { "Strip", TS_DEC_STRIP },
        { "Replace", TS_DEC_REPLACE },
        { "CTC", TS_DEC_CTC },
    };
    ts_dec_op *op = NULL;
    size_t k = 0;
    while (k < sizeof known / sizeof *known && strcmp(type, known[k].type) != 0)
        k++;
    if (k == sizeof known / sizeof *known)
        return ts_error(TS_ERR_USER, "%s: decoder '%s' is not supported", file, type);
    TS_TRY(new_op(d, known[k].kind, file, &op));
    switch (op->kind) {
    case TS_DEC_META:
        return load_meta(op, o, file);
    case TS_DEC_WORDPIECE:
        TS_TRY(ts_json_bool(o, file, "cleanup", true, &op->cleanup));
        return take(o, file, "prefix", "##", &op->a, &op->a_len);
    case TS_DEC_BPE:
        return take(o, file, "suffix", "</w>", &op->a, &op->a_len);
    case TS_DEC_STRIP:
        return load_strip(op, o, file);
    case TS_DEC_REPLACE:
        return load_replace(op, o, file);
    case TS_DEC_CTC:
        TS_TRY(ts_json_bool(o, file, "cleanup", true, &op->cleanup));
        TS_TRY(take(o, file, "pad_token", "<pad>", &op->a, &op->a_len));
        return take(o, file, "word_delimiter_token", "|", &op->b, &op->b_len);
    default:
        return TS_OK;
    }
}

static ts_status load(ts_decoder *d, const json_t *o, const char *file, int depth)
{
    const char *type;
    if (!o || json_is_null(o))
        return TS_OK;
    if (!json_is_object(o) || depth > MAX_DEPTH)
        return ts_error(TS_ERR_USER, "%s: a decoder must be an object, nested at most %d deep",
                        file, MAX_DEPTH);
    d->is_set = true;
    TS_TRY(ts_json_text(o, file, "type", "", &type));
    if (strcmp(type, "Sequence") != 0)
        return load_one(d, o, type, file);
    const json_t *list = json_object_get(o, "decoders");
    if (!json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: decoder Sequence needs the list decoders", file);
    for (size_t i = 0; i < json_array_size(list); i++)
        TS_TRY(load(d, json_array_get(list, i), file, depth + 1));
    return TS_OK;
}

ts_status ts_decoder_load(ts_decoder *d, const json_t *o, const char *file)
{
    return load(d, o, file, 0);
}
