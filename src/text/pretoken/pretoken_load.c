/* Pre-tokenizers as they stand in tokenizer.json. */
#include "text/pretoken/pretoken.h"

#include <string.h>
#include <utf8proc.h>

enum { MAX_STEPS = 64, MAX_DEPTH = 16 };

static bool is_number(uint32_t c)
{
    const int cat = ts_char_category(c);
    return (cat >= UTF8PROC_CATEGORY_ND && cat <= UTF8PROC_CATEGORY_NO) ||
           (c >= 0x11DE0 && c <= 0x11DE9) ||
           (c >= 0x16FF4 && c <= 0x16FF6); /* the last two are newer than the rest */
}

static ts_status new_step(ts_pretoken *p, const char *file, ts_pre_step **step)
{
    if (p->n >= MAX_STEPS)
        return ts_error(TS_ERR_USER, "%s: more than %d pre-tokenizers", file, MAX_STEPS);
    TS_TRY(ts_grow(&p->step, &p->cap, p->n + 1, sizeof *p->step));
    *step = &p->step[p->n++];
    **step = (ts_pre_step){ 0 };
    return TS_OK;
}

static ts_status chars_step(ts_pretoken *p, const char *file, bool (*is_match)(uint32_t),
                            ts_split_behavior behavior)
{
    ts_pre_step *st = NULL;
    TS_TRY(new_step(p, file, &st));
    st->match = TS_MATCH_CHAR;
    st->is_match = is_match;
    for (uint32_t c = 0; c < 128; c++)
        st->ascii[c] = is_match(c);
    st->behavior = behavior;
    return TS_OK;
}

static ts_status behavior_of(const json_t *o, const char *file, ts_split_behavior def,
                             ts_split_behavior *out)
{
    static const char *const names[] = { "Removed", "Isolated", "MergedWithPrevious",
                                         "MergedWithNext", "Contiguous" };
    const char *name;
    TS_TRY(ts_json_text(o, file, "behavior", names[def], &name));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) {
            *out = (ts_split_behavior)i;
            return TS_OK;
        }
    return ts_error(TS_ERR_USER, "%s: pre-tokenizer behavior '%s', expected Removed, Isolated, "
                                 "MergedWithPrevious, MergedWithNext or Contiguous", file, name);
}

/* A pattern: by scanner where one is known and its matches are isolated, else by expression. */
static ts_status use_pattern(ts_pre_step *st, const char *pattern, size_t n, ts_dialect dialect,
                             const char *file)
{
    st->scan = strlen(pattern) == n ? ts_scan_find(pattern) : NULL;
    const bool all = st->behavior == TS_SPLIT_ISOLATED ||
                     (st->behavior == TS_SPLIT_REMOVED && st->invert);
    if (st->scan && all) { /* these patterns leave nothing out */
        st->behavior = TS_SPLIT_ISOLATED;
        st->invert = false;
        st->match = TS_MATCH_SCAN;
    } else {
        st->scan = NULL;
        st->match = TS_MATCH_REGEX;
        TS_TRY(ts_regex_create(pattern, n, dialect, file, &st->regex));
    }
    return ts_strndup(pattern, n, &st->text);
}

ts_status ts_pretoken_add_pattern(ts_pretoken *p, const char *pattern, const char *file)
{
    ts_pre_step *st = NULL;
    TS_TRY(new_step(p, file, &st));
    st->behavior = TS_SPLIT_REMOVED; /* known patterns match everything */
    st->invert = true;
    return use_pattern(st, pattern, strlen(pattern), TS_DIALECT_RUST, file);
}

static ts_status load_split(ts_pretoken *p, const json_t *o, const char *file)
{
    const json_t *pattern = json_object_get(o, "pattern");
    const json_t *text = json_object_get(pattern, "String"),
                 *regex = json_object_get(pattern, "Regex");
    ts_pre_step *st = NULL;
    if (!json_is_string(text) && !json_is_string(regex))
        return ts_error(TS_ERR_USER,
                        "%s: pre-tokenizer Split needs pattern.String or pattern.Regex", file);
    TS_TRY(new_step(p, file, &st));
    TS_TRY(behavior_of(o, file, TS_SPLIT_ISOLATED, &st->behavior));
    TS_TRY(ts_json_bool(o, file, "invert", false, &st->invert));
    if (regex)
        return use_pattern(st, json_string_value(regex), json_string_length(regex),
                           TS_DIALECT_ONIGURUMA, file);
    st->text_len = json_string_length(text);
    if (st->text_len == 0)
        return ts_error(TS_ERR_USER, "%s: pre-tokenizer Split has an empty pattern", file);
    st->match = TS_MATCH_TEXT;
    return ts_strndup(json_string_value(text), st->text_len, &st->text);
}

static ts_status load_bytes(ts_pretoken *p, const json_t *o, const char *file)
{
    ts_pre_step *st = NULL;
    bool use_regex;
    TS_TRY(new_step(p, file, &st));
    TS_TRY(ts_json_bool(o, file, "add_prefix_space", true, &st->add_space));
    TS_TRY(ts_json_bool(o, file, "use_regex", true, &use_regex));
    st->map_bytes = true;
    st->behavior = TS_SPLIT_ISOLATED;
    return use_regex ? use_pattern(st, ts_scan_gpt2_pattern, strlen(ts_scan_gpt2_pattern),
                                   TS_DIALECT_ONIGURUMA, file)
                     : TS_OK;
}

static ts_status load_meta(ts_pretoken *p, const json_t *o, const char *file)
{
    const char *text, *scheme;
    bool legacy, split;
    ts_pre_step *st = NULL;
    TS_TRY(ts_json_text(o, file, "replacement", "\xE2\x96\x81", &text));
    TS_TRY(ts_json_bool(o, file, "add_prefix_space", true, &legacy));
    TS_TRY(ts_json_text(o, file, "prepend_scheme", legacy ? "always" : "never", &scheme));
    TS_TRY(ts_json_bool(o, file, "split", true, &split));
    TS_TRY(new_step(p, file, &st));
    st->is_metaspace = true;
    if (!strcmp(scheme, "always"))
        st->prepend = TS_PREPEND_ALWAYS;
    else if (!strcmp(scheme, "first"))
        st->prepend = TS_PREPEND_FIRST;
    else if (strcmp(scheme, "never") != 0)
        return ts_error(TS_ERR_USER,
                        "%s: Metaspace prepend_scheme '%s', expected always, first or never", file,
                        scheme);
    st->text_len = strlen(text);
    if (st->text_len == 0 || (size_t)ts_utf8_len(text, st->text_len) != st->text_len)
        return ts_error(TS_ERR_USER, "%s: Metaspace replacement must be one character", file);
    st->match = split ? TS_MATCH_TEXT : TS_MATCH_NONE;
    st->behavior = TS_SPLIT_NEXT;
    return ts_strdup(text, &st->text);
}

static ts_status load_delimiter(ts_pretoken *p, const json_t *o, const char *file)
{
    const char *text;
    ts_pre_step *st = NULL;
    TS_TRY(ts_json_text(o, file, "delimiter", "", &text));
    TS_TRY(new_step(p, file, &st));
    st->match = TS_MATCH_TEXT;
    st->behavior = TS_SPLIT_REMOVED;
    st->text_len = strlen(text);
    if (st->text_len == 0)
        return ts_error(TS_ERR_USER, "%s: pre-tokenizer CharDelimiterSplit needs a delimiter",
                        file);
    return ts_strdup(text, &st->text);
}

static ts_status load_one(ts_pretoken *p, const json_t *o, const char *type, const char *file)
{
    ts_pre_step *st = NULL;
    if (!strcmp(type, "Split"))
        return load_split(p, o, file);
    if (!strcmp(type, "ByteLevel"))
        return load_bytes(p, o, file);
    if (!strcmp(type, "Metaspace"))
        return load_meta(p, o, file);
    if (!strcmp(type, "CharDelimiterSplit"))
        return load_delimiter(p, o, file);
    if (!strcmp(type, "WhitespaceSplit"))
        return chars_step(p, file, ts_char_is_space, TS_SPLIT_REMOVED);
    if (!strcmp(type, "BertPreTokenizer")) {
        TS_TRY(chars_step(p, file, ts_char_is_space, TS_SPLIT_REMOVED));
        return chars_step(p, file, ts_char_is_punctuation, TS_SPLIT_ISOLATED);
    }
    if (!strcmp(type, "Digits")) {
        bool each;
        TS_TRY(ts_json_bool(o, file, "individual_digits", false, &each));
        return chars_step(p, file, is_number, each ? TS_SPLIT_ISOLATED : TS_SPLIT_CONTIGUOUS);
    }
    if (!strcmp(type, "Punctuation")) {
        ts_split_behavior behavior;
        TS_TRY(behavior_of(o, file, TS_SPLIT_ISOLATED, &behavior));
        return chars_step(p, file, ts_char_is_punctuation, behavior);
    }
    if (!strcmp(type, "Whitespace")) {
        TS_TRY(new_step(p, file, &st));
        st->match = TS_MATCH_WORD;
        st->invert = true;
        st->behavior = TS_SPLIT_REMOVED;
        return TS_OK;
    }
    if (!strcmp(type, "FixedLength")) {
        TS_TRY(new_step(p, file, &st));
        return ts_json_int(o, file, "length", 5, 1, INT32_MAX, &st->fixed);
    }
    return ts_error(TS_ERR_USER, "%s: pre-tokenizer '%s' is not supported", file, type);
}

static ts_status load(ts_pretoken *p, const json_t *o, const char *file, int depth)
{
    const char *type;
    if (!o || json_is_null(o))
        return TS_OK;
    if (!json_is_object(o) || depth > MAX_DEPTH)
        return ts_error(TS_ERR_USER,
                        "%s: a pre-tokenizer must be an object, nested at most %d deep", file,
                        MAX_DEPTH);
    TS_TRY(ts_json_text(o, file, "type", "", &type));
    if (strcmp(type, "Sequence") != 0)
        return load_one(p, o, type, file);
    const json_t *list = json_object_get(o, "pretokenizers");
    if (!json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: pre-tokenizer Sequence needs the list pretokenizers",
                        file);
    for (size_t i = 0; i < json_array_size(list); i++)
        TS_TRY(load(p, json_array_get(list, i), file, depth + 1));
    return TS_OK;
}

ts_status ts_pretoken_load(ts_pretoken *p, const json_t *o, const char *file)
{
    return load(p, o, file, 0);
}

bool ts_pretoken_take_bytes(ts_pretoken *p)
{
    for (size_t i = 0; i + 1 < p->n; i++)
        if (p->step[i].map_bytes)
            return false;
    if (p->n == 0 || !p->step[p->n - 1].map_bytes)
        return false;
    p->step[p->n - 1].map_bytes = false;
    return true;
}

static bool is_plain(const ts_pre_step *st, ts_match_kind match)
{
    return st->match == match && st->behavior == TS_SPLIT_ISOLATED && !st->invert &&
           !st->add_space && !st->map_bytes && !st->is_metaspace && st->fixed == 0;
}

void ts_pretoken_finish(ts_pretoken *p)
{
    size_t n = p->n;
    while (n > 0 && p->step[n - 1].match == TS_MATCH_NONE && !p->step[n - 1].add_space &&
           !p->step[n - 1].map_bytes && !p->step[n - 1].is_metaspace && p->step[n - 1].fixed == 0)
        n--; /* a ByteLevel whose work the model does */
    if (n == 1 && is_plain(&p->step[0], TS_MATCH_SCAN))
        p->scan = p->step[0].scan;
    if (n == 3 && is_plain(&p->step[0], TS_MATCH_REGEX) && is_plain(&p->step[1], TS_MATCH_REGEX) &&
        is_plain(&p->step[2], TS_MATCH_REGEX))
        p->scan = ts_scan_find3(p->step[0].text, p->step[1].text, p->step[2].text);
    p->block = p->scan ? ts_scan_block(p->scan) : NULL;
}
