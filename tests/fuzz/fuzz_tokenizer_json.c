#include "base/json.h"
#include "fuzz_text.h"
#include "json_mutate.h"

/* A tokenizer.json, with the text that it is used on under "fuzz_text". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ts_tokenizer *tok = NULL;
    json_t *root = NULL;
    if (ts_tokenizer_open_bytes((const char *)data, size, "fuzz.json", fuzz_unicode(), &tok) !=
        TS_OK) {
        if (!*ts_error_message())
            abort();
        return 0;
    }
    if (ts_json_parse((const char *)data, size, "fuzz.json", &root) != TS_OK)
        root = NULL; /* vocabularies may have what other JSON may not */
    const json_t *own = json_object_get(root, "fuzz_text");
    const size_t n = json_string_length(own);
    fuzz_use(tok, json_string_value(own), n < 256 ? n : 256);
    json_decref(root);
    ts_tokenizer_destroy(&tok);
    return 0;
}

#define PATTERN                                                                                    \
    "{\"String\":\" \"},{\"String\":\"a\"},{\"String\":\"\xE2\x96\x81\"},{\"Regex\":\"\\\\s+\"},"  \
    "{\"Regex\":\"\\\\p{L}+|\\\\p{N}{1,3}\"},{\"Regex\":\"[\\\\p{L}&&[^\\\\p{Han}]]+\"},"          \
    "{\"Regex\":\"(?i:'s|'t)|.\"},{\"Regex\":\"\"},{\"Regex\":\"(?=a)\"},{\"Regex\":\"a*?\"},"     \
    "{\"Regex\":\"^|$\"},{\"Regex\":\"(?<=a)b?\"},{\"Regex\":\"\\\\b\"},{\"Regex\":\"\\\\Ka\"},"   \
    "{\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|"    \
    "\\\\s+(?!\\\\S)|\\\\s+\"},{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}"     \
    "\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"                  \
    "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},{\"Regex\":\"(?<=(?1))b|(\\\\Ka)\"}"

#define NORMALIZERS                                                                                \
    "{\"type\":\"NFC\"},{\"type\":\"NFD\"},{\"type\":\"NFKC\"},{\"type\":\"NFKD\"},"               \
    "{\"type\":\"Lowercase\"},{\"type\":\"StripAccents\"},{\"type\":\"Nmt\"},"                     \
    "{\"type\":\"ByteLevel\"},{\"type\":\"BertNormalizer\"},"                                      \
    "{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true},"                               \
    "{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"},"                                         \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"},"          \
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"},"                  \
    "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"CAAAAAAEAAABAAAAYQA=\"}"

#define PRE_TOKENIZERS                                                                             \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\s+\"},\"behavior\":\"Isolated\","            \
    "\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":true},"     \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false},"                     \
    "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"first\"},"      \
    "{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"a\"},{\"type\":\"WhitespaceSplit\"},"        \
    "{\"type\":\"Whitespace\"},{\"type\":\"BertPreTokenizer\"},{\"type\":\"Digits\"},"             \
    "{\"type\":\"Punctuation\"},{\"type\":\"FixedLength\",\"length\":2}"

#define POST_PROCESSORS                                                                            \
    "{\"type\":\"ByteLevel\"},{\"type\":\"BertProcessing\",\"sep\":[\"a\",0],\"cls\":[\"b\",1]},"  \
    "{\"type\":\"RobertaProcessing\",\"sep\":[\"a\",0],\"cls\":[\"b\",1]},"                        \
    "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},"            \
    "{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"<s>\":{\"ids\":[1]}}}"

#define DECODERS                                                                                   \
    "{\"type\":\"ByteLevel\"},{\"type\":\"Metaspace\"},{\"type\":\"WordPiece\"},"                  \
    "{\"type\":\"BPEDecoder\"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"                   \
    "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0},{\"type\":\"CTC\"},"            \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"},"          \
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a|\"},\"content\":\"bb\"}"

#define FLAG(key, type) { key, "[true, false]", type }

const fuzz_row fuzz_rows[] = {
    { "normalizer", "[null," NORMALIZERS "]", NULL },
    { "normalizers", "[[" NORMALIZERS "],[]]", "Sequence" },
    { "pre_tokenizer", "[null," PRE_TOKENIZERS "]", NULL },
    { "pretokenizers", "[[" PRE_TOKENIZERS "],[]]", "Sequence" },
    { "post_processor", "[null," POST_PROCESSORS "]", NULL },
    { "processors", "[[" POST_PROCESSORS "],[]]", "Sequence" },
    { "decoder", "[null," DECODERS "]", NULL },
    { "decoders", "[[" DECODERS "],[]]", "Sequence" },
    { "pattern", "[" PATTERN "]", "Split" },
    { "pattern", "[" PATTERN "]", "Replace" },
    { "content", "[\"\", \" \", \"\xE2\x96\x81\", \"aa\", \"\xC3\xA9\"]", "Replace" },
    { "behavior", "[\"Removed\", \"Isolated\", \"MergedWithPrevious\", \"MergedWithNext\", "
                  "\"Contiguous\"]", "Split" },
    { "behavior", "[\"Removed\", \"Isolated\", \"MergedWithPrevious\", \"MergedWithNext\", "
                  "\"Contiguous\"]", "Punctuation" },
    FLAG("invert", "Split"),
    FLAG("individual_digits", "Digits"),
    FLAG("add_prefix_space", "ByteLevel"),
    FLAG("use_regex", "ByteLevel"),
    FLAG("split", "Metaspace"),
    { "prepend_scheme", "[\"always\", \"first\", \"never\"]", "Metaspace" },
    { "replacement", "[\"\xE2\x96\x81\", \"_\", \"aa\", \"\"]", "Metaspace" },
    { "precompiled_charsmap", "[\"CAAAAAAEAAABAAAAYQA=\", \"CAAAAAAEAAABAAAA/wA=\", "
                              "\"CAAAAAAEAAABAAAAw6kA\", \"CAAAAAAEAAACAAAAw6kA\", \"\"]",
      "Precompiled" },
    FLAG("clean_text", "BertNormalizer"),
    FLAG("handle_chinese_chars", "BertNormalizer"),
    { "strip_accents", "[true, false, null]", "BertNormalizer" },
    FLAG("lowercase", "BertNormalizer"),
    FLAG("cleanup", "WordPiece"),
    FLAG("cleanup", "CTC"),
    { "prefix", "[\"##\", \"\", \"a\"]", "WordPiece" },
    { "pad_token", "[\"a\", \"<pad>\", \"\"]", "CTC" },
    { "word_delimiter_token", "[\"|\", \"b\", \"\"]", "CTC" },
    FLAG("fuse_unk", "BPE"),
    FLAG("byte_fallback", "BPE"),
    FLAG("byte_fallback", "Unigram"),
    FLAG("ignore_merges", "BPE"),
    { "continuing_subword_prefix", "[\"##\", \"\", null, \"a\"]", "BPE" },
    { "continuing_subword_prefix", "[\"##\", \"\", null, \"a\"]", "WordPiece" },
    { "end_of_word_suffix", "[\"</w>\", \"\", null, \"a\"]", "BPE" },
    { "unk_token", "[\"<unk>\", \"[UNK]\", \"a\", null, \"none\"]", NULL },
    { "unk_id", "[0, 1, null, 5]", "Unigram" },
    { "max_input_chars_per_word", "[0, 1, 3, 100]", "WordPiece" },
    { "dropout", "[null, 0.0, 0.1]", "BPE" },
    { "fuzz_text", "[\"a b\", \" aa  bb\\n\", \"<s>ab</s>\", \"e\xCC\x81\xC3\xA9\", "
                   "\"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E 12345 it's\", "
                   "\"\xE2\x96\x81\xE2\x96\x81 a\", \"\\u0000a\\u0001\", "
                   "\"\xF0\x9F\x91\x8D a.b!\"]",
      NULL },
    { "added_tokens", "[[], [{\"id\":0,\"content\":\"ab\",\"special\":true}], "
                      "[{\"id\":0,\"content\":\" b\",\"normalized\":true,\"special\":false}]]",
      NULL },
    { NULL, NULL, NULL },
};

const char *const fuzz_kinds = NULL;

/* ---- the parts that lean on each other: model, vocabulary, merges, texts ---- */

static json_t *model_of(json_t *root)
{
    json_t *m = json_object_get(root, "model");
    if (!json_is_object(m)) {
        m = json_loads("{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[]}", 0, NULL);
        json_object_set_new(root, "model", m);
    }
    return m;
}

/* A token's text by its number in the file. */
static const char *token_at(json_t *vocab, size_t i)
{
    const char *key;
    json_t *v;
    if (json_is_array(vocab))
        return json_string_value(json_array_get(json_array_get(vocab, i), 0));
    json_object_foreach(vocab, key, v) {
        if (i-- == 0)
            return key;
    }
    return NULL;
}

static size_t count_of(const json_t *vocab)
{
    return json_is_array(vocab) ? json_array_size(vocab) : json_object_size(vocab);
}

static const char *some_token(json_t *vocab)
{
    const size_t n = count_of(vocab);
    const char *s = n ? token_at(vocab, fuzz_below(n)) : NULL;
    return s ? s : "a";
}

static bool add_token(json_t *vocab, const char *s)
{
    if (json_is_array(vocab))
        return !json_array_append_new(
            vocab, json_pack("[s, f]", s, -(double)fuzz_below(40) / 4));
    if (!json_is_object(vocab))
        return false;
    const size_t n = json_object_size(vocab);
    return json_object_get(vocab, s) ||
           !json_object_set_new(vocab, s, json_integer((json_int_t)(fuzz_below(9) ? n : 2 * n)));
}

/* A token of two others (or of some text), and the merge that makes it. */
static bool grow_vocab(json_t *root)
{
    char a[64], b[64], both[128], merge[132];
    json_t *m = model_of(root), *vocab = json_object_get(m, "vocab"),
           *merges = json_object_get(m, "merges");
    snprintf(a, sizeof a, "%s", some_token(vocab));
    if (fuzz_below(3))
        snprintf(b, sizeof b, "%s", some_token(vocab));
    else
        fuzz_some_text(root, b, sizeof b);
    a[ts_utf8_check(a, strlen(a))] = b[ts_utf8_check(b, strlen(b))] = 0;
    const char *prefix = json_string_value(json_object_get(m, "continuing_subword_prefix"));
    const size_t n = prefix ? strlen(prefix) : 0;
    const size_t skip = n && !strncmp(b, prefix, n) ? n : 0;
    snprintf(both, sizeof both, "%s%s", a, b + skip);
    if (!add_token(vocab, b) || !add_token(vocab, both) || !json_is_array(merges))
        return json_is_array(vocab);
    snprintf(merge, sizeof merge, "%s %s", a, b);
    json_t *v = fuzz_below(2) ? json_pack("[s, s]", a, b) : json_string(merge);
    return !json_array_insert_new(merges, fuzz_below(json_array_size(merges) + 1), v);
}

/* A token renamed, removed or given another id or score. */
static bool change_token(json_t *root)
{
    char text[64], old[64];
    json_t *vocab = json_object_get(model_of(root), "vocab");
    const size_t n = count_of(vocab), i = n ? fuzz_below(n) : 0;
    if (!n)
        return false;
    fuzz_some_text(root, text, sizeof text);
    if (json_is_array(vocab)) {
        if (fuzz_below(3) == 0)
            return !json_array_remove(vocab, i);
        json_t *pair = json_array_get(vocab, i);
        return fuzz_below(2) ? !json_array_set_new(pair, 0, json_string(text))
                             : !json_array_set_new(pair, 1, json_real(-(double)fuzz_below(9)));
    }
    snprintf(old, sizeof old, "%s", token_at(vocab, i));
    const json_int_t id = json_integer_value(json_object_get(vocab, old));
    switch (fuzz_below(3)) {
    case 0: return !json_object_del(vocab, old);
    case 1:
        json_object_del(vocab, old);
        return !json_object_set_new(vocab, text, json_integer(id));
    default: return !json_object_set_new(vocab, old, json_integer((json_int_t)fuzz_below(n + 3)));
    }
}

/* Another kind of model over the same tokens. */
static bool swap_model(json_t *root)
{
    static const char *const kinds[] = { "BPE", "Unigram", "WordPiece", "WordLevel" };
    json_t *m = model_of(root), *vocab = json_object_get(m, "vocab");
    const size_t kind = fuzz_below(4), n = count_of(vocab);
    json_t *other = kind == 1 ? json_array() : json_object();
    for (size_t i = 0; i < n && i < 400; i++) {
        const char *s = token_at(vocab, i);
        if (s && kind == 1)
            json_array_append_new(other, json_pack("[s, f]", s, -1.0 - (double)(i % 7)));
        else if (s)
            json_object_set_new(other, s, json_integer((json_int_t)i));
    }
    json_object_set_new(m, "vocab", other);
    json_object_set_new(m, "type", json_string(kinds[kind]));
    if (kind == 0 && !json_is_array(json_object_get(m, "merges")))
        json_object_set_new(m, "merges", json_array());
    if (kind == 1)
        json_object_set_new(m, "unk_id", json_integer(0));
    return true;
}

/* <0x00> to <0xFF>, or the byte-level alphabet, which many paths need whole. */
static bool add_bytes(json_t *root)
{
    json_t *vocab = json_object_get(model_of(root), "vocab");
    const bool plain = fuzz_below(2);
    if (count_of(vocab) > 300 || fuzz_below(4))
        return false;
    for (int b = 0; b < 256; b++) {
        char s[8];
        if (plain)
            snprintf(s, sizeof s, "<0x%02X>", (unsigned)b);
        else
            s[ts_utf8_encode(ts_byte_to_char((unsigned char)b), s)] = 0;
        if (!add_token(vocab, s))
            return false;
    }
    return true;
}

/* Fewer tokens run more often a second. */
static bool shrink(json_t *root)
{
    json_t *m = model_of(root), *vocab = json_object_get(m, "vocab");
    const size_t keep = 4 + fuzz_below(20);
    if (count_of(vocab) <= keep || fuzz_below(4))
        return false;
    while (json_is_array(vocab) && json_array_size(vocab) > keep)
        json_array_remove(vocab, json_array_size(vocab) - 1);
    while (json_is_object(vocab) && json_object_size(vocab) > keep)
        json_object_del(vocab, token_at(vocab, keep));
    if (json_object_get(m, "merges"))
        json_array_clear(json_object_get(m, "merges"));
    return true;
}

/* A part beside others in a sequence. */
static bool into_sequence(json_t *root)
{
    static const struct { const char *slot, *list;
    } parts[] = {
        { "normalizer", "normalizers" },
        { "pre_tokenizer", "pretokenizers" },
        { "post_processor", "processors" },
        { "decoder", "decoders" },
    };
    const size_t k = fuzz_below(4);
    json_t *part = json_object_get(root, parts[k].slot), *more = fuzz_value_of(parts[k].slot);
    json_t *list = json_object_get(part, parts[k].list);
    if (json_is_array(list))
        return !json_array_insert_new(list, fuzz_below(json_array_size(list) + 1), more);
    list = json_array();
    if (json_is_object(part))
        json_array_append(list, part);
    json_array_insert_new(list, fuzz_below(json_array_size(list) + 1), more);
    json_t *whole = json_pack("{s:s, s:o}", "type", "Sequence", parts[k].list, list);
    return !json_object_set_new(root, parts[k].slot, whole);
}

static bool add_added(json_t *root)
{
    static const char *const flags[] = { "special", "normalized", "single_word", "lstrip",
                                         "rstrip" };
    char text[64];
    json_t *list = json_object_get(root, "added_tokens"), *t = json_object();
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(root, "added_tokens", list);
    }
    fuzz_some_text(root, text, sizeof text);
    json_object_set_new(t, "id", json_integer((json_int_t)fuzz_below(12)));
    json_object_set_new(t, "content", json_string(text));
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (fuzz_below(3))
            json_object_set_new(t, flags[i], json_boolean(fuzz_below(2)));
    return !json_array_append_new(list, t);
}

/* A text of the vocabulary's tokens, added ones among them. */
static bool write_text(json_t *root)
{
    char text[256] = "", word[32];
    json_t *vocab = json_object_get(model_of(root), "vocab"),
           *added = json_object_get(root, "added_tokens");
    for (size_t n = 1 + fuzz_below(8); n--;) {
        const char *s = some_token(vocab);
        const size_t k = json_array_size(added);
        if (k && fuzz_below(4) == 0)
            s = json_string_value(
                json_object_get(json_array_get(added, fuzz_below(k)), "content"));
        else if (fuzz_below(4) == 0)
            s = fuzz_some_text(root, word, sizeof word);
        const size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%s", s ? s : "", fuzz_below(3) ? "" : " ");
    }
    text[ts_utf8_check(text, strlen(text))] = 0;
    return !json_object_set_new(root, "fuzz_text", json_string(text));
}

fuzz_hook *const fuzz_hooks[] = { grow_vocab, grow_vocab, change_token, swap_model,
                                  add_bytes,  shrink,     into_sequence, into_sequence,
                                  add_added,  write_text, write_text,   NULL };
